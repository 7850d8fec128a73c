//! # Transaction payment
//!
//! What transactions cost and where it goes: fee = base + bytes + weight times a multiplier that
//! follows how full blocks are; a tip on top. The fee for the declared weight is taken before the call
//! and the part for what was not used is given back after it; a call that fails pays, too.
//!
//! Paying touches the payer's account only. Fees and tips are summed over the block and go to the pots
//! and to the author once, at its end, so that transactions of different accounts do not conflict.

mod fee;

pub use fee::*;

use crate::{
    balances,
    system::{self, LoadedAccount},
    treasury,
};
use framework::{Deltas, prelude::*};

/// Name of the pallet.
pub const NAME: &str = "TransactionPayment";
/// Index of the pallet.
pub const INDEX: u8 = 32;
/// The validators' part of fees, in parts per million; the treasury has the rest.
const VALIDATORS_FEE_PPM: u32 = 800_000;

static NEXT_FEE_MULTIPLIER: Value<Multiplier> = Value::new_default(
    NAME,
    "NextFeeMultiplier",
    "Factor on the price of weight in the next block, in units of 10^-18.",
);

/// What users are told.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum Event {
    /// A transaction was paid for.
    #[codec(index = 0)]
    TransactionFeePaid {
        /// Who paid.
        who: AccountId,
        /// How much, the tip included.
        actual_fee: Balance,
        /// What of it is the tip.
        tip: Balance,
    },
}

impl PalletEvent for Event {
    const PALLET: u8 = INDEX;
}

/// The factor on the price of weight in the block after this state.
pub fn multiplier(state: &dyn StateRead) -> Multiplier {
    NEXT_FEE_MULTIPLIER.get(state).unwrap_or_default()
}

/// Whether an account can pay so much and go on to exist.
pub fn can_pay(account: &system::AccountInfo, amount: Balance) -> bool {
    let left = account.data.free.checked_sub(amount);
    amount.is_zero() || left.is_some_and(|left| left >= balances::EXISTENTIAL_DEPOSIT)
}

/// Takes fee and tip for what a transaction declares. The caller stores the account.
///
/// # Errors
///
/// As [`balances::withdraw`]; nothing is changed then.
pub fn take(cx: &mut Ctx, payer: &mut LoadedAccount, fees: &FeeDetails) -> DispatchResult {
    let total = fees.total();
    if total.is_zero() {
        return Ok(());
    }
    balances::withdraw(cx, payer, total)
}

/// Gives back what was not used and notes what was paid. `taken` is what [`take`] took, `used` what the
/// transaction costs by what it used. An account that the call has ended gets nothing back if that is
/// less than the existential deposit.
pub fn settle(cx: &mut Ctx, who: &AccountId, taken: &FeeDetails, used: &FeeDetails) {
    let unused = taken.fee().saturating_sub(used.fee());
    let returned = !unused.is_zero() && balances::deposit(cx, who, unused).is_ok();
    let fee = if returned { used.fee() } else { taken.fee() };
    cx.note_paid(fee, taken.tip);
    let actual_fee = fee.saturating_add(taken.tip);
    cx.emit(Event::TransactionFeePaid { who: *who, actual_fee, tip: taken.tip });
}

/// Ends a block: its fees and tips go to whom they belong, and the price follows how full it was.
pub fn finish_block(cx: &mut Ctx, deltas: &Deltas, used_ref_time: u64) {
    let author = cx.block.author;
    let validators = deltas.fees.share_floor(VALIDATORS_FEE_PPM);
    pay(cx, &treasury::TREASURY, deltas.fees.saturating_sub(validators));
    if balances::deposit(cx, &author, deltas.tips).is_ok() {
        pay(cx, &treasury::VALIDATORS, validators);
    } else {
        // The author has no account that so little could keep.
        pay(cx, &treasury::VALIDATORS, validators.saturating_add(deltas.tips));
    }
    let next = multiplier(cx).after_block(used_ref_time);
    NEXT_FEE_MULTIPLIER.set(cx, &next);
}

/// Pays a pot. Pots exist from genesis on, so this can only fail on a chain without them; there the
/// money is burned.
fn pay(cx: &mut Ctx, pot: &AccountId, amount: Balance) {
    if balances::deposit(cx, pot, amount).is_err() {
        cx.note_burned(amount);
    }
}

/// The pallet.
pub struct Pallet;

impl framework::Pallet for Pallet {
    const NAME: &'static str = NAME;
    const INDEX: u8 = INDEX;
    const DOC: &'static str = "What transactions cost.";
    const STORAGE: StorageItems = &[&NEXT_FEE_MULTIPLIER];
    type Call = NoCall;
    type Event = Event;
    type Error = NoError;
    type Genesis = ();

    fn constants() -> Vec<ConstantMeta> {
        vec![
            ConstantMeta::new(
                "OperationalFeeMultiplier",
                &OPERATIONAL_FEE_MULTIPLIER,
                "How many times its fee an operational transaction counts for.",
            ),
            ConstantMeta::new(
                "WeightFeePerPicosecond",
                &WEIGHT_FEE_PER_PS,
                "Price of a picosecond of weight, before the multiplier.",
            ),
            ConstantMeta::new("LengthFeePerByte", &LENGTH_FEE_PER_BYTE, "Price of a byte."),
        ]
    }
}

#[cfg(test)]
mod tests;
