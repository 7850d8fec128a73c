//! What clients are told, as a text whose changes a reviewer can read.

use crate::{metadata, metadata_digest};
use codec::DecodeAll;
use frame_metadata::{
    RuntimeMetadata, RuntimeMetadataPrefixed,
    v14::{PalletMetadata, RuntimeMetadataV14, StorageEntryType},
};
use primitives::crypto::hash::blake2_256;
use scale_info::{Field, PortableRegistry, TypeDef, TypeDefVariant, form::PortableForm};
use std::{collections::BTreeSet, env, fs};

const PATH: &str = "fixtures/metadata.txt";

/// With `BLESS` set it writes the text.
#[test]
fn fixture_metadata_is_the_listed_one() {
    let found = listing();
    if env::var_os("BLESS").is_some() {
        fs::write(PATH, &found).expect("fixtures are writable");
        return;
    }
    let listed = fs::read_to_string(PATH).expect("the listing is committed");
    // The first lines have the hashes, which tell nothing: they change with every other line, and with docs.
    for skipped in [2, 0] {
        for (was, is) in listed.lines().skip(skipped).zip(found.lines().skip(skipped)) {
            assert_eq!(
                was, is,
                "clients are told something else: cargo xtask bless, if it is meant"
            );
        }
    }
    assert_eq!(listed.lines().count(), found.lines().count(), "cargo xtask bless, if it is meant");
}

fn listing() -> String {
    let bytes = metadata(14).expect("it is served");
    let prefixed = RuntimeMetadataPrefixed::decode_all(&mut &bytes[..]).expect("it decodes");
    let RuntimeMetadata::V14(RuntimeMetadataV14 { types, pallets, extrinsic, .. }) = prefixed.1
    else {
        panic!("it is version 14")
    };
    let types = Types(types);
    let of_pallets: BTreeSet<u32> =
        pallets.iter().flat_map(variant_types).filter_map(|(_, ty)| ty).collect();
    let mut lines = vec![
        format!("metadata 14: {} bytes, blake2b-256 {}", bytes.len(), blake2_256(bytes)),
        format!("digest of the metadata: {}", metadata_digest()),
        String::new(),
        format!("transaction {}: {}", extrinsic.version, types.name(extrinsic.ty.id)),
    ];
    for extension in &extrinsic.signed_extensions {
        let (ty, additional) = (extension.ty.id, extension.additional_signed.id);
        let (carried, signed) = (types.name(ty), types.name(additional));
        lines.push(format!("  {}: carries {carried}, signs {signed}", extension.identifier));
    }
    for pallet in &pallets {
        lines.push(String::new());
        lines.push(format!("pallet {} {}", pallet.index, pallet.name));
        list_pallet(&types, pallet, &mut lines);
    }
    lines.extend([String::new(), "types".to_owned()]);
    types.list(&of_pallets, &mut lines);
    lines.join("\n") + "\n"
}

fn variant_types(pallet: &PalletMetadata<PortableForm>) -> [(&'static str, Option<u32>); 3] {
    [
        ("call", pallet.calls.as_ref().map(|calls| calls.ty.id)),
        ("event", pallet.event.as_ref().map(|event| event.ty.id)),
        ("error", pallet.error.as_ref().map(|error| error.ty.id)),
    ]
}

fn list_pallet(types: &Types, pallet: &PalletMetadata<PortableForm>, lines: &mut Vec<String>) {
    for (kind, ty) in variant_types(pallet) {
        let Some(ty) = ty else { continue };
        let TypeDef::Variant(variants) = types.definition(ty) else {
            panic!("{} is no enum", types.name(ty))
        };
        lines.extend(types.variants(variants).map(|variant| format!("  {kind} {variant}")));
    }
    for entry in pallet.storage.iter().flat_map(|storage| &storage.entries) {
        let (key, value) = match &entry.ty {
            StorageEntryType::Plain(value) => (String::new(), value),
            StorageEntryType::Map { hashers, key, value } => {
                (format!("{hashers:?} of {} to ", types.name(key.id)), value)
            }
        };
        let (value, default) = (types.name(value.id), hex::encode(&entry.default));
        let modifier = &entry.modifier;
        lines.push(format!("  storage {}: {key}{value}, {modifier:?} 0x{default}", entry.name));
    }
    for constant in &pallet.constants {
        let (ty, value) = (types.name(constant.ty.id), hex::encode(&constant.value));
        lines.push(format!("  constant {}: {ty} = 0x{value}", constant.name));
    }
}

struct Types(PortableRegistry);

impl Types {
    fn definition(&self, id: u32) -> &TypeDef<PortableForm> {
        &self.0.resolve(id).expect("every type is in the registry").type_def
    }

    /// As Rust would write the type, with the path that clients see.
    fn name(&self, id: u32) -> String {
        let ty = self.0.resolve(id).expect("every type is in the registry");
        let path = ty.path.segments.join("::");
        match &ty.type_def {
            _ if !path.is_empty() => {
                let parameters =
                    ty.type_params.iter().filter_map(|parameter| parameter.ty.as_ref());
                let parameters: Vec<_> = parameters.map(|ty| self.name(ty.id)).collect();
                match parameters.is_empty() {
                    true => path,
                    false => format!("{path}<{}>", parameters.join(", ")),
                }
            }
            TypeDef::Composite(composite) => self.fields(&composite.fields),
            TypeDef::Variant(variants) => self.variants(variants).collect::<Vec<_>>().join(" | "),
            TypeDef::Sequence(list) => format!("[{}]", self.name(list.type_param.id)),
            TypeDef::Array(array) => format!("[{}; {}]", self.name(array.type_param.id), array.len),
            TypeDef::Tuple(tuple) => {
                let fields: Vec<_> = tuple.fields.iter().map(|ty| self.name(ty.id)).collect();
                format!("({})", fields.join(", "))
            }
            TypeDef::Primitive(primitive) => format!("{primitive:?}").to_lowercase(),
            TypeDef::Compact(compact) => format!("Compact<{}>", self.name(compact.type_param.id)),
            TypeDef::BitSequence(_) => "bits".to_owned(),
        }
    }

    /// One line for each variant: index, name, fields.
    fn variants(&self, variants: &TypeDefVariant<PortableForm>) -> impl Iterator<Item = String> {
        variants.variants.iter().map(|variant| {
            let fields = match variant.fields.is_empty() {
                true => String::new(),
                false => self.fields(&variant.fields),
            };
            format!("{} {}{fields}", variant.index, variant.name)
        })
    }

    fn fields(&self, fields: &[Field<PortableForm>]) -> String {
        let field = |field: &Field<PortableForm>| {
            let ty = self.name(field.ty.id);
            match &field.name {
                Some(name) => format!("{name}: {ty}"),
                None => ty,
            }
        };
        format!("({})", fields.iter().map(field).collect::<Vec<_>>().join(", "))
    }

    /// What every type with a path is made of, but for those listed before; by name, as the order in
    /// metadata says nothing.
    fn list(&self, before: &BTreeSet<u32>, lines: &mut Vec<String>) {
        let mut listed = Vec::new();
        let named = |id: u32, path: &[String]| !path.is_empty() && !before.contains(&id);
        for ty in self.0.types.iter().filter(|ty| named(ty.id, &ty.ty.path.segments)) {
            let name = self.name(ty.id);
            match &ty.ty.type_def {
                TypeDef::Composite(composite) => {
                    listed.push(vec![format!("  {name} {}", self.fields(&composite.fields))]);
                }
                TypeDef::Variant(variants) => {
                    let variants = self.variants(variants).map(|variant| format!("    {variant}"));
                    listed.push(std::iter::once(format!("  {name}")).chain(variants).collect());
                }
                _ => listed.push(vec![format!("  {name}")]),
            }
        }
        listed.sort();
        lines.extend(listed.into_iter().flatten());
    }
}
