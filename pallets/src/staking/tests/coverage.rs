//! What a run of the model has covered: each transition and each error, counted.

use super::model::Model;
use crate::{offences, session, staking};
use scale_info::{TypeDef, TypeInfo};
use std::fmt::Write;

/// How often each transition must have been taken.
const TRANSITIONS_MIN: usize = 10;
const TRANSITIONS: &[&str] = &[
    "bonded",
    "bonded more",
    "unbonded",
    "bonded again",
    "withdrawn",
    "all withdrawn",
    "validates",
    "nominates",
    "chilled",
    "payee set",
    "keys set",
    "keys purged",
    "keys rotated",
    "era",
    "validator rewarded",
    "nominator rewarded",
    "reward bonded",
    "certificate widened",
    "points forfeited",
    "absent",
    "absent all the time",
    "equivocation",
    "equivocation with others",
    "equivocation in an earlier era",
    "equivocation reported again",
    "evidence too old",
    "validator slashed",
    "nominator slashed",
    "slash raised",
    "slashed while unbonding",
];
/// Errors that need thousands of accounts; tests of their own meet them.
const ELSEWHERE: &[&str] = &["TooManyNominators", "TooManyValidators"];

/// Sees that a transition is in the table.
pub fn is_known(transition: &str) {
    assert!(TRANSITIONS.contains(&transition), "{transition}");
}

impl Model {
    /// What was covered, and what was not often enough.
    pub fn report_coverage(&self) -> (String, Vec<String>) {
        let mut table =
            format!("{} blocks, {} calls, {} succeeded\n", self.blocks, self.calls, self.succeeded);
        let mut missing = Vec::new();
        for name in TRANSITIONS {
            let count = self.transitions.get(name).copied().unwrap_or_default();
            writeln!(table, "{count:>8}  {name}").expect("a string takes all");
            if count < TRANSITIONS_MIN {
                missing.push(format!("{name}: {count}"));
            }
        }
        for (index, pallet, errors) in error_names() {
            for (variant, name) in errors {
                let count = self.errors.get(&(index, variant)).copied().unwrap_or_default();
                writeln!(table, "{count:>8}  {pallet}::{name}").expect("a string takes all");
                if count == 0 && !ELSEWHERE.contains(&name) {
                    missing.push(format!("{pallet}::{name}"));
                }
            }
        }
        (table, missing)
    }
}

/// Index and name of a pallet, with those of its errors.
type PalletErrors = (u8, &'static str, Vec<(u8, &'static str)>);

/// Every error of the pallets, from the types that clients see.
fn error_names() -> Vec<PalletErrors> {
    fn of<P: framework::Pallet>() -> PalletErrors
    where
        P::Error: TypeInfo,
    {
        let TypeDef::Variant(variants) = P::Error::type_info().type_def else {
            panic!("errors are enums")
        };
        let names = variants.variants.iter().map(|v| (v.index, v.name)).collect();
        (P::INDEX, P::NAME, names)
    }
    vec![of::<staking::Pallet>(), of::<offences::Pallet>(), of::<session::Pallet>()]
}
