//! What clients are told of the chain, from one description of the runtime.

use crate::{ItemMeta, Pallet};
use codec::Encode;
use frame_metadata::{RuntimeMetadataPrefixed, v14};
use scale_info::{IntoPortable, MetaType, PortableRegistry, Registry, TypeDef, meta_type};

/// A fixed value of a pallet.
pub struct ConstantMeta {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub ty: MetaType,
    /// Its SCALE bytes.
    pub value: Vec<u8>,
    /// What it is, for users.
    pub doc: &'static str,
}

impl ConstantMeta {
    /// The constant `name` with the given value.
    pub fn new<T: Encode + scale_info::StaticTypeInfo>(
        name: &'static str,
        value: &T,
        doc: &'static str,
    ) -> Self {
        Self { name, ty: meta_type::<T>(), value: value.encode(), doc }
    }
}

/// A pallet as metadata tells of it.
pub struct PalletMeta {
    /// Its name.
    pub name: &'static str,
    /// Its index.
    pub index: u8,
    /// Type of its calls.
    pub calls: MetaType,
    /// Type of its events.
    pub events: MetaType,
    /// Type of its errors.
    pub errors: MetaType,
    /// What it keeps in state.
    pub storage: Vec<ItemMeta>,
    /// Its fixed values.
    pub constants: Vec<ConstantMeta>,
}

/// A transaction extension: its bytes in the transaction and what is signed on top.
pub struct ExtensionMeta {
    /// Substrate's name of it.
    pub id: &'static str,
    /// Type of what the transaction carries.
    pub ty: MetaType,
    /// Type of what is signed in addition.
    pub additional: MetaType,
}

/// A group of runtime calls.
pub struct ApiMeta {
    /// Name of the group.
    pub name: &'static str,
    /// Version of the group.
    pub version: u32,
    /// What the group is for.
    pub doc: &'static str,
    /// Its calls.
    pub methods: Vec<MethodMeta>,
}

/// A runtime call.
pub struct MethodMeta {
    /// Name without the group's.
    pub name: &'static str,
    /// Names and types of the arguments.
    pub inputs: Vec<(&'static str, MetaType)>,
    /// Type of the answer.
    pub output: MetaType,
    /// What it answers.
    pub doc: &'static str,
}

/// Everything that clients are told: the one source of every version of metadata.
pub struct RuntimeMeta {
    /// Pallets, in the order of the runtime's list.
    pub pallets: Vec<PalletMeta>,
    /// Type of a transaction.
    pub transaction: MetaType,
    /// Extensions in wire order.
    pub extensions: Vec<ExtensionMeta>,
    /// Runtime calls.
    pub apis: Vec<ApiMeta>,
    /// Type of the runtime itself.
    pub runtime: MetaType,
    /// Types that clients look for though nothing above refers to them.
    pub extra_types: Vec<MetaType>,
}

/// Describes a pallet; the list of the runtime and the pallet must agree on the name.
pub fn pallet<P: Pallet>(name: &'static str) -> PalletMeta {
    assert_eq!(name, P::NAME, "the runtime lists the pallet under its own name");
    PalletMeta {
        name,
        index: P::INDEX,
        calls: meta_type::<P::Call>(),
        events: meta_type::<P::Event>(),
        errors: meta_type::<P::Error>(),
        storage: P::STORAGE.iter().map(|item| item.meta()).collect(),
        constants: P::constants(),
    }
}

/// Version of the transaction format that metadata names.
const EXTRINSIC_VERSION: u8 = 4;

/// Our paths and those that clients look for.
const CLIENT_PATHS: &[(&[&str], &[&str])] = &[
    (&["artel_primitives", "hash", "Hash"], &["primitive_types", "H256"]),
    (&["artel_primitives", "transaction", "MultiSignature"], &["sp_runtime", "MultiSignature"]),
    (&["artel_primitives", "block", "Digest"], &["sp_runtime", "generic", "digest", "Digest"]),
    (
        &["artel_primitives", "block", "DigestItem"],
        &["sp_runtime", "generic", "digest", "DigestItem"],
    ),
    (&["artel_framework", "error", "DispatchError"], &["sp_runtime", "DispatchError"]),
    (&["artel_framework", "error", "ModuleError"], &["sp_runtime", "ModuleError"]),
    (&["artel_framework", "error", "TokenError"], &["sp_runtime", "TokenError"]),
    (&["artel_framework", "error", "ArithmeticError"], &["sp_arithmetic", "ArithmeticError"]),
    (&["artel_framework", "weight", "WeightV2"], &["sp_weights", "weight_v2", "Weight"]),
    (
        &["artel_framework", "weight", "DispatchInfo"],
        &["frame_support", "dispatch", "DispatchInfo"],
    ),
    (
        &["artel_framework", "weight", "DispatchClass"],
        &["frame_support", "dispatch", "DispatchClass"],
    ),
    (&["artel_framework", "weight", "Pays"], &["frame_support", "dispatch", "Pays"]),
    (
        &["artel_pallets", "system", "limits", "PerDispatchClass"],
        &["frame_support", "dispatch", "PerDispatchClass"],
    ),
    (&["artel_pallets", "system", "limits", "RuntimeDbWeight"], &["sp_weights", "RuntimeDbWeight"]),
    (
        &["artel_pallets", "system", "types", "AccountData"],
        &["pallet_balances", "types", "AccountData"],
    ),
    (
        &["artel_pallets", "system", "types", "ExtraFlags"],
        &["pallet_balances", "types", "ExtraFlags"],
    ),
    (&["artel_pallets", "system", "types", "AccountInfo"], &["frame_system", "AccountInfo"]),
    (&["artel_pallets", "system", "types", "Phase"], &["frame_system", "Phase"]),
    (
        &["artel_pallets", "system", "types", "LastRuntimeUpgradeInfo"],
        &["frame_system", "LastRuntimeUpgradeInfo"],
    ),
    (
        &["artel_pallets", "transaction_payment", "fee", "Multiplier"],
        &["sp_arithmetic", "fixed_point", "FixedU128"],
    ),
    (&["artel_runtime", "version", "RuntimeVersion"], &["sp_version", "RuntimeVersion"]),
];

/// Pallets whose types clients know under FRAME's crate names.
const FRAME_PALLETS: &[(&str, &str)] = &[
    ("system", "frame_system"),
    ("timestamp", "pallet_timestamp"),
    ("balances", "pallet_balances"),
    ("session", "pallet_session"),
    ("treasury", "pallet_treasury"),
    ("utility", "pallet_utility"),
    ("transaction_payment", "pallet_transaction_payment"),
    ("sudo", "pallet_sudo"),
];

/// Metadata version 14 with its prefix, as `state_getMetadata` gives it.
pub fn v14(meta: RuntimeMeta) -> Vec<u8> {
    let RuntimeMeta { pallets, transaction, extensions, apis, runtime, extra_types } = meta;
    let mut extra = extra_types;
    for method in apis.into_iter().flat_map(|api| api.methods) {
        extra.extend(method.inputs.into_iter().map(|(_, ty)| ty));
        extra.push(method.output);
    }
    let extrinsic = v14::ExtrinsicMetadata {
        ty: transaction,
        version: EXTRINSIC_VERSION,
        signed_extensions: extensions
            .into_iter()
            .map(|e| v14::SignedExtensionMetadata {
                identifier: e.id,
                ty: e.ty,
                additional_signed: e.additional,
            })
            .collect(),
    };
    let mut registry = Registry::new();
    let pallets = registry.map_into_portable(pallets.into_iter().map(v14_pallet));
    let extrinsic = extrinsic.into_portable(&mut registry);
    let ty = registry.register_type(&runtime);
    registry.register_types(extra);
    let mut metadata = v14::RuntimeMetadataV14 { types: registry.into(), pallets, extrinsic, ty };
    rename_paths(&mut metadata.types);
    drop_empty(&mut metadata);
    RuntimeMetadataPrefixed::from(metadata).encode()
}

fn v14_pallet(pallet: PalletMeta) -> v14::PalletMetadata {
    let entries = pallet.storage.into_iter().map(v14_entry).collect::<Vec<_>>();
    v14::PalletMetadata {
        name: pallet.name,
        storage: (!entries.is_empty())
            .then_some(v14::PalletStorageMetadata { prefix: pallet.name, entries }),
        calls: Some(v14::PalletCallMetadata { ty: pallet.calls }),
        event: Some(v14::PalletEventMetadata { ty: pallet.events }),
        constants: pallet
            .constants
            .into_iter()
            .map(|c| v14::PalletConstantMetadata {
                name: c.name,
                ty: c.ty,
                value: c.value,
                docs: vec![c.doc],
            })
            .collect(),
        error: Some(v14::PalletErrorMetadata { ty: pallet.errors }),
        index: pallet.index,
    }
}

fn v14_entry(meta: ItemMeta) -> v14::StorageEntryMetadata {
    use v14::{StorageEntryModifier as Modifier, StorageEntryType as Entry};
    v14::StorageEntryMetadata {
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

/// Gives types the paths that clients look for.
fn rename_paths(types: &mut PortableRegistry) {
    for entry in &mut types.types {
        let segments = &mut entry.ty.path.segments;
        let renamed = CLIENT_PATHS.iter().find(|(ours, _)| *segments == *ours);
        if let Some((_, theirs)) = renamed {
            *segments = theirs.iter().map(|s| (*s).to_owned()).collect();
            continue;
        }
        let frame = match &segments[..] {
            [krate, pallet, ..] if krate == "artel_pallets" => {
                FRAME_PALLETS.iter().find(|(ours, _)| pallet == ours)
            }
            _ => None,
        };
        if let Some((_, theirs)) = frame {
            *segments = frame_segments(theirs, &segments[2..]);
        }
    }
}

/// FRAME's pallets keep calls, events and errors in a module of their own.
fn frame_segments(krate: &str, rest: &[String]) -> Vec<String> {
    let krate = std::iter::once(krate.to_owned());
    match rest {
        [.., name] if name == "Call" || name == "Event" || name == "Error" => {
            krate.chain(["pallet".to_owned(), name.clone()]).collect()
        }
        _ => krate.chain(rest.iter().cloned()).collect(),
    }
}

/// A pallet without calls, events or errors has none in metadata either, nor a variant for them.
fn drop_empty(metadata: &mut v14::RuntimeMetadataV14) {
    let empty: Vec<bool> = metadata
        .types
        .types
        .iter()
        .map(|t| matches!(&t.ty.type_def, TypeDef::Variant(v) if v.variants.is_empty()))
        .collect();
    let is_empty = |ty: u32| usize::try_from(ty).ok().and_then(|at| empty.get(at)) == Some(&true);
    for entry in &mut metadata.types.types {
        if let TypeDef::Variant(variant) = &mut entry.ty.type_def {
            variant.variants.retain(|v| !v.fields.iter().any(|f| is_empty(f.ty.id)));
        }
    }
    for pallet in &mut metadata.pallets {
        pallet.calls.take_if(|calls| is_empty(calls.ty.id));
        pallet.event.take_if(|event| is_empty(event.ty.id));
        pallet.error.take_if(|error| is_empty(error.ty.id));
    }
}
