//! Version 14: what all clients can read.

use super::{EXTRINSIC_VERSION, PalletMeta, RuntimeMeta, finish};
use crate::ItemMeta;
use frame_metadata::v14::{
    ExtrinsicMetadata, PalletCallMetadata, PalletConstantMetadata, PalletErrorMetadata,
    PalletEventMetadata, PalletMetadata, PalletStorageMetadata, RuntimeMetadataV14,
    SignedExtensionMetadata, StorageEntryMetadata,
};
use scale_info::{IntoPortable, Registry};

pub(super) fn build(meta: RuntimeMeta) -> RuntimeMetadataV14 {
    let RuntimeMeta { pallets, transaction, extensions, apis, runtime, calls, events, errors } =
        meta;
    // Nothing refers to what runtime calls take and give, but clients look for some of it by name.
    let mut extra = vec![calls, events, errors];
    for method in apis.into_iter().flat_map(|api| api.methods) {
        extra.extend(method.inputs.into_iter().map(|(_, ty)| ty));
        extra.push(method.output);
    }
    let extrinsic = ExtrinsicMetadata {
        ty: transaction,
        version: EXTRINSIC_VERSION,
        signed_extensions: extensions
            .into_iter()
            .map(|e| SignedExtensionMetadata {
                identifier: e.id,
                ty: e.ty,
                additional_signed: e.additional,
            })
            .collect(),
    };
    let mut registry = Registry::new();
    let pallets = registry.map_into_portable(pallets.into_iter().map(pallet));
    let extrinsic = extrinsic.into_portable(&mut registry);
    let ty = registry.register_type(&runtime);
    registry.register_types(extra);
    let mut metadata = RuntimeMetadataV14 { types: registry.into(), pallets, extrinsic, ty };
    let empty = finish(&mut metadata.types);
    for pallet in &mut metadata.pallets {
        pallet.calls.take_if(|calls| empty.has(calls.ty.id));
        pallet.event.take_if(|event| empty.has(event.ty.id));
        pallet.error.take_if(|error| empty.has(error.ty.id));
    }
    metadata
}

pub(super) fn pallet(pallet: PalletMeta) -> PalletMetadata {
    let entries = pallet.storage.into_iter().map(entry).collect::<Vec<_>>();
    PalletMetadata {
        name: pallet.name,
        storage: (!entries.is_empty())
            .then_some(PalletStorageMetadata { prefix: pallet.name, entries }),
        calls: Some(PalletCallMetadata { ty: pallet.calls }),
        event: Some(PalletEventMetadata { ty: pallet.events }),
        constants: pallet
            .constants
            .into_iter()
            .map(|c| PalletConstantMetadata {
                name: c.name,
                ty: c.ty,
                value: c.value,
                docs: vec![c.doc],
            })
            .collect(),
        error: Some(PalletErrorMetadata { ty: pallet.errors }),
        index: pallet.index,
    }
}

fn entry(meta: ItemMeta) -> StorageEntryMetadata {
    use frame_metadata::v14::{StorageEntryModifier as Modifier, StorageEntryType as Entry};
    StorageEntryMetadata {
        name: meta.item.name,
        modifier: if meta.default.is_some() { Modifier::Default } else { Modifier::Optional },
        ty: match meta.key {
            None => Entry::Plain(meta.value),
            Some(key) => Entry::Map { hashers: meta.hashers, key, value: meta.value },
        },
        // An optional item's default is `None`.
        default: meta.default.unwrap_or_else(|| vec![0]),
        docs: vec![meta.item.doc],
    }
}
