//! Version 16: several transaction formats side by side, of which the chain has one, and what is deprecated, which nothing
//! is.

use super::{ApiMeta, EXTRINSIC_VERSION, MethodMeta, PalletMeta, RuntimeMeta, finish, v14};
use codec::Compact;
use frame_metadata::{
    v14 as earlier,
    v16::{
        CustomMetadata, EnumDeprecationInfo, ExtrinsicMetadata, FunctionParamMetadata,
        ItemDeprecationInfo, OuterEnums, PalletCallMetadata, PalletConstantMetadata,
        PalletErrorMetadata, PalletEventMetadata, PalletMetadata, PalletStorageMetadata,
        RuntimeApiMetadata, RuntimeApiMethodMetadata, RuntimeMetadataV16, StorageEntryMetadata,
        TransactionExtensionMetadata,
    },
};
use std::collections::BTreeMap;

/// Version of the list of extensions; transactions of format 4 have no other.
const EXTENSIONS_VERSION: u8 = 0;

pub(super) fn build(meta: RuntimeMeta) -> RuntimeMetadataV16 {
    let extrinsic = ExtrinsicMetadata {
        versions: vec![EXTRINSIC_VERSION],
        address_ty: meta.part("Address"),
        call_ty: meta.part("Call"),
        signature_ty: meta.part("Signature"),
        transaction_extensions_by_version: BTreeMap::from([(
            EXTENSIONS_VERSION,
            (0..).map(Compact).zip(&meta.extensions).map(|(index, _)| index).collect(),
        )]),
        transaction_extensions: meta
            .extensions
            .iter()
            .map(|e| TransactionExtensionMetadata {
                identifier: e.id,
                ty: e.ty,
                implicit: e.additional,
            })
            .collect(),
    };
    let outer_enums = OuterEnums {
        call_enum_ty: meta.calls,
        event_enum_ty: meta.events,
        error_enum_ty: meta.errors,
    };
    let mut metadata = RuntimeMetadataV16::new(
        meta.pallets.into_iter().map(pallet).collect(),
        extrinsic,
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
    let pallet = v14::pallet(pallet);
    let deprecation_info = EnumDeprecationInfo::nothing_deprecated;
    PalletMetadata {
        name: pallet.name,
        storage: pallet.storage.map(|storage| PalletStorageMetadata {
            prefix: storage.prefix,
            entries: storage.entries.into_iter().map(entry).collect(),
        }),
        calls: pallet
            .calls
            .map(|it| PalletCallMetadata { ty: it.ty, deprecation_info: deprecation_info() }),
        event: pallet
            .event
            .map(|it| PalletEventMetadata { ty: it.ty, deprecation_info: deprecation_info() }),
        constants: pallet.constants.into_iter().map(constant).collect(),
        error: pallet
            .error
            .map(|it| PalletErrorMetadata { ty: it.ty, deprecation_info: deprecation_info() }),
        associated_types: Vec::new(),
        view_functions: Vec::new(),
        index: pallet.index,
        docs,
        deprecation_info: ItemDeprecationInfo::NotDeprecated,
    }
}

fn entry(entry: earlier::StorageEntryMetadata) -> StorageEntryMetadata {
    let earlier::StorageEntryMetadata { name, modifier, ty, default, docs } = entry;
    let deprecation_info = ItemDeprecationInfo::NotDeprecated;
    StorageEntryMetadata { name, modifier, ty, default, docs, deprecation_info }
}

fn constant(constant: earlier::PalletConstantMetadata) -> PalletConstantMetadata {
    let earlier::PalletConstantMetadata { name, ty, value, docs } = constant;
    let deprecation_info = ItemDeprecationInfo::NotDeprecated;
    PalletConstantMetadata { name, ty, value, docs, deprecation_info }
}

fn api(api: ApiMeta) -> RuntimeApiMetadata {
    RuntimeApiMetadata {
        name: api.name,
        methods: api.methods.into_iter().map(method).collect(),
        docs: vec![api.doc],
        version: Compact(api.version),
        deprecation_info: ItemDeprecationInfo::NotDeprecated,
    }
}

fn method(method: MethodMeta) -> RuntimeApiMethodMetadata {
    let inputs = method.inputs.into_iter();
    RuntimeApiMethodMetadata {
        name: method.name,
        inputs: inputs.map(|(name, ty)| FunctionParamMetadata { name, ty }).collect(),
        output: method.output,
        docs: vec![method.doc],
        deprecation_info: ItemDeprecationInfo::NotDeprecated,
    }
}
