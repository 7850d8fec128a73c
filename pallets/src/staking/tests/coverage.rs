//! What a run of the model has covered: each transition and each error, counted.

use super::model::Model;
use crate::{
    offences, session, staking,
    testing::{PalletErrors, errors_of},
};
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
    "slashed again in a span",
    "slashed in a new span",
    "slashed while unbonding",
];
/// Errors that need thousands of accounts; tests of their own meet them.
const ELSEWHERE: &[&str] = &["TooManyNominators", "TooManyValidators", "ElectionOngoing"];

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

/// Every error of the pallets.
fn error_names() -> [PalletErrors; 3] {
    [
        errors_of::<staking::Pallet>(),
        errors_of::<offences::Pallet>(),
        errors_of::<session::Pallet>(),
    ]
}
