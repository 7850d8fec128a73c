//! Version 15: runtime calls, and the enums over all pallets.

use super::{ApiMeta, EXTRINSIC_VERSION, MethodMeta, PalletMeta, RuntimeMeta, finish, v14};
use frame_metadata::{
    v14 as earlier,
    v15::{
        CustomMetadata, ExtrinsicMetadata, OuterEnums, PalletMetadata, RuntimeApiMetadata,
        RuntimeApiMethodMetadata, RuntimeApiMethodParamMetadata, RuntimeMetadataV15,
        SignedExtensionMetadata,
    },
};
use std::collections::BTreeMap;

pub(super) fn build(meta: RuntimeMeta) -> RuntimeMetadataV15 {
    let extrinsic = ExtrinsicMetadata {
        version: EXTRINSIC_VERSION,
        address_ty: meta.part("Address"),
        call_ty: meta.part("Call"),
        signature_ty: meta.part("Signature"),
        extra_ty: meta.part("Extra"),
        signed_extensions: meta
            .extensions
            .iter()
            .map(|e| SignedExtensionMetadata {
                identifier: e.id,
                ty: e.ty,
                additional_signed: e.additional,
            })
            .collect(),
    };
    let outer_enums = OuterEnums {
        call_enum_ty: meta.calls,
        event_enum_ty: meta.events,
        error_enum_ty: meta.errors,
    };
    let mut metadata = RuntimeMetadataV15::new(
        meta.pallets.into_iter().map(pallet).collect(),
        extrinsic,
        meta.runtime,
        meta.apis.into_iter().map(api).collect(),
        outer_enums,
        CustomMetadata { map: BTreeMap::new() },
    );
    let empty = finish(&mut metadata.types);
    for pallet in &mut metadata.pallets {
        pallet.calls.take_if(|calls| empty.has(calls.ty.id));
        pallet.event.take_if(|event| empty.has(event.ty.id));
        pallet.error.take_if(|error| empty.has(error.ty.id));
    }
    metadata
}

fn pallet(pallet: PalletMeta) -> PalletMetadata {
    let docs = vec![pallet.doc];
    let earlier::PalletMetadata { name, storage, calls, event, constants, error, index } =
        v14::pallet(pallet);
    PalletMetadata { name, storage, calls, event, constants, error, index, docs }
}

fn api(api: ApiMeta) -> RuntimeApiMetadata {
    let methods = api.methods.into_iter().map(method).collect();
    RuntimeApiMetadata { name: api.name, methods, docs: vec![api.doc] }
}

fn method(method: MethodMeta) -> RuntimeApiMethodMetadata {
    let inputs = method.inputs.into_iter();
    RuntimeApiMethodMetadata {
        name: method.name,
        inputs: inputs.map(|(name, ty)| RuntimeApiMethodParamMetadata { name, ty }).collect(),
        output: method.output,
        docs: vec![method.doc],
    }
}
