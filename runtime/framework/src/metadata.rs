//! What clients are told of the chain, from one description of the runtime.

mod digest;
mod paths;
mod v14;
mod v15;
mod v16;

pub use digest::{Token, digest};

use crate::{ItemMeta, Pallet};
use codec::Encode;
use frame_metadata::RuntimeMetadataPrefixed;
use scale_info::{MetaType, PortableRegistry, TypeDef, meta_type};
use std::collections::BTreeSet;

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
    /// What it is for.
    pub doc: &'static str,
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
    /// Type of any call of any pallet.
    pub calls: MetaType,
    /// Type of any event of any pallet.
    pub events: MetaType,
    /// Type of any error of any pallet.
    pub errors: MetaType,
}

impl RuntimeMeta {
    /// A part of a transaction, by the name that the transaction's type gives it.
    fn part(&self, name: &str) -> MetaType {
        let parameters = self.transaction.type_info().type_params;
        let found = parameters.iter().find(|parameter| parameter.name == name);
        found.and_then(|parameter| parameter.ty).expect("a transaction's type names its parts")
    }
}

/// Describes a pallet; the list of the runtime and the pallet must agree on the name.
pub fn pallet<P: Pallet>(name: &'static str) -> PalletMeta {
    assert_eq!(name, P::NAME, "the runtime lists the pallet under its own name");
    PalletMeta {
        name,
        index: P::INDEX,
        doc: P::DOC,
        calls: meta_type::<P::Call>(),
        events: meta_type::<P::Event>(),
        errors: meta_type::<P::Error>(),
        storage: P::STORAGE.iter().map(|item| item.meta()).collect(),
        constants: P::constants(),
    }
}

/// Version of the transaction format that metadata names.
const EXTRINSIC_VERSION: u8 = 4;

/// Metadata version 14 with its prefix, as `state_getMetadata` gives it.
pub fn v14(meta: RuntimeMeta) -> Vec<u8> {
    RuntimeMetadataPrefixed::from(v14::build(meta)).encode()
}

/// Metadata version 15 with its prefix: it tells of runtime calls, too.
pub fn v15(meta: RuntimeMeta) -> Vec<u8> {
    RuntimeMetadataPrefixed::from(v15::build(meta)).encode()
}

/// Metadata version 16 with its prefix.
pub fn v16(meta: RuntimeMeta) -> Vec<u8> {
    RuntimeMetadataPrefixed::from(v16::build(meta)).encode()
}

/// Types without values. A pallet without calls, events or errors has none in metadata either, nor a variant for them.
struct Empty(BTreeSet<u32>);

impl Empty {
    /// Drops the variants that can have no value.
    fn drop_from(types: &mut PortableRegistry) -> Self {
        let is_empty =
            |def: &TypeDef<_>| matches!(def, TypeDef::Variant(v) if v.variants.is_empty());
        let empty = types.types.iter().filter(|entry| is_empty(&entry.ty.type_def));
        let empty = Self(empty.map(|entry| entry.id).collect());
        for entry in &mut types.types {
            if let TypeDef::Variant(variant) = &mut entry.ty.type_def {
                variant.variants.retain(|v| !v.fields.iter().any(|f| empty.has(f.ty.id)));
            }
        }
        empty
    }

    fn has(&self, ty: u32) -> bool {
        self.0.contains(&ty)
    }
}

/// Renames types as clients know them, and drops what has no values.
fn finish(types: &mut PortableRegistry) -> Empty {
    paths::rename(types);
    Empty::drop_from(types)
}
