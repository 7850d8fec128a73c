//! Calls, errors and events in words, taken from the descriptions that metadata is made of.

use crate::{RuntimeCall, RuntimeEvent};
use codec::Encode;
use framework::DispatchError;
use scale_info::{MetaType, TypeDef};
use std::{collections::BTreeMap, sync::LazyLock};

/// A name for programs and a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// Pallet and variant, such as `Tasks.UnknownTask`.
    pub name: String,
    /// What it means.
    pub text: String,
}

/// Variants by pallet and index.
type Table = BTreeMap<(u8, u8), Explained>;

static ERRORS: LazyLock<Table> = LazyLock::new(|| table(|pallet| pallet.errors));
static EVENTS: LazyLock<Table> = LazyLock::new(|| table(|pallet| pallet.events));
static CALLS: LazyLock<Table> = LazyLock::new(|| table(|pallet| pallet.calls));

/// Why a call failed.
pub fn error(error: &DispatchError) -> Explained {
    if let DispatchError::Module(module) = error {
        let [variant, ..] = module.error;
        return look_up(&ERRORS, module.index, variant);
    }
    let bytes = error.encode();
    let variants = variants(scale_info::meta_type::<DispatchError>());
    let outer = variants.into_iter().find(|(index, ..)| bytes.first() == Some(index));
    let (_, name, text) = outer.expect("each encoding begins with the index of a variant");
    match error {
        DispatchError::Token(_) | DispatchError::Arithmetic(_) => {
            let inner = if matches!(error, DispatchError::Token(_)) {
                scale_info::meta_type::<framework::TokenError>()
            } else {
                scale_info::meta_type::<framework::ArithmeticError>()
            };
            let found = self::variants(inner).into_iter().find(|(i, ..)| bytes.get(1) == Some(i));
            let (_, inner, text) = found.expect("the inner error is one of its variants");
            Explained { name: format!("{name}.{inner}"), text }
        }
        _ => Explained { name, text },
    }
}

/// What an event tells.
pub fn event(event: &RuntimeEvent) -> Explained {
    of_variant(&EVENTS, &event.encode())
}

/// What a call does.
pub fn call(call: &RuntimeCall) -> Explained {
    of_variant(&CALLS, &call.encode())
}

fn of_variant(table: &Table, bytes: &[u8]) -> Explained {
    let [pallet, variant, ..] = *bytes else {
        unreachable!("calls and events begin with the indices of pallet and variant")
    };
    look_up(table, pallet, variant)
}

fn look_up(table: &Table, pallet: u8, variant: u8) -> Explained {
    table.get(&(pallet, variant)).cloned().unwrap_or_else(|| Explained {
        name: format!("{pallet}.{variant}"),
        text: "This program knows no such thing; the chain may be newer than it.".to_owned(),
    })
}

fn table(part: impl Fn(&framework::PalletMeta) -> MetaType) -> Table {
    let pallets = crate::pallets();
    let of_pallet = |pallet: &framework::PalletMeta| {
        let (pallet_index, pallet_name) = (pallet.index, pallet.name);
        variants(part(pallet)).into_iter().map(move |(index, name, text)| {
            ((pallet_index, index), Explained { name: format!("{pallet_name}.{name}"), text })
        })
    };
    pallets.iter().flat_map(of_pallet).collect()
}

/// Index, name and documentation of an enum's variants.
fn variants(meta: MetaType) -> Vec<(u8, String, String)> {
    let TypeDef::Variant(definition) = meta.type_info().type_def else { return Vec::new() };
    definition
        .variants
        .iter()
        .map(|variant| {
            (variant.index, variant.name.to_string(), variant.docs.join(" ").trim().to_owned())
        })
        .collect()
}
