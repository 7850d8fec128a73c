//! # Treasury
//!
//! The pots of the protocol: accounts that no key controls, which fees go to.
//!
//! Invariant: every pot exists from genesis on, with the existential deposit at least, so that no
//! payment into it can fail for being small.

use crate::{balances, system};
use framework::prelude::*;

/// Name of the pallet.
pub const NAME: &str = "Treasury";
/// Index of the pallet.
pub const INDEX: u8 = 19;
/// What the community decides on.
pub const TREASURY: AccountId = AccountId::pot(b"modlpy/trsry");
/// What validators are paid from.
pub const VALIDATORS: AccountId = AccountId::pot(b"modlartel/validators");
/// What audits are paid from.
pub const AUDIT: AccountId = AccountId::pot(b"modlartel/audit");
/// All pots.
pub const POTS: [AccountId; 3] = [TREASURY, VALIDATORS, AUDIT];

/// The pallet.
pub struct Pallet;

impl framework::Pallet for Pallet {
    const NAME: &'static str = NAME;
    const INDEX: u8 = INDEX;
    const DOC: &'static str = "The pots of the protocol, which fees go to.";
    const STORAGE: StorageItems = &[];
    type Call = NoCall;
    type Event = NoEvent;
    type Error = NoError;
    type Genesis = ();

    fn constants() -> Vec<ConstantMeta> {
        vec![
            ConstantMeta::new("PotAccount", &TREASURY, "What the community decides on."),
            ConstantMeta::new("ValidatorsPot", &VALIDATORS, "What validators are paid from."),
            ConstantMeta::new("AuditPot", &AUDIT, "What audits are paid from."),
        ]
    }

    fn genesis(cx: &mut Ctx, (): ()) -> Result<(), String> {
        for pot in &POTS {
            if system::account(cx, pot).exists() {
                continue;
            }
            balances::mint(cx, pot, balances::EXISTENTIAL_DEPOSIT)
                .map_err(|e| format!("the pot {pot} cannot be made: {e:?}"))?;
        }
        Ok(())
    }

    fn check(state: &dyn StateRead) -> Result<(), String> {
        match POTS.iter().find(|pot| !system::account(state, pot).exists()) {
            None => Ok(()),
            Some(pot) => Err(format!("the pot {pot} is gone")),
        }
    }
}

#[cfg(test)]
mod tests;
