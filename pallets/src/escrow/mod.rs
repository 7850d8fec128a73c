//! # Escrow
//!
//! A task's money: what depositors put in, what goes out to those who worked, the fee and its
//! split, and what goes back.
//!
//! Deposits stay on the depositors' accounts as holds. Money is spent from the last deposit first,
//! so that what is left goes back first in, first out.
//!
//! Invariant: what an account has on hold for escrow is exactly the sum of its deposits.

mod params;

pub use params::{AUDIT_FUEL, Cost, FEE_PPM_MAX, Params};

use crate::{balances, balances::HoldReason, treasury};
use framework::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Name of the pallet.
pub const NAME: &str = "Escrow";
/// Index of the pallet.
pub const INDEX: u8 = 102;
/// Most deposits of one task.
pub const DEPOSITS_MAX: usize = 4;

static ESCROWS: Map<Hash, Escrow, Identity> =
    Map::new(NAME, "Escrows", "What is left of each open task's money, by task.");
static PARAMS: Value<Params> =
    Value::new_default(NAME, "Params", "Fees and deposits, changed by governance.");

/// What one depositor has left in a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct Deposit {
    /// Whose money it is.
    pub who: AccountId,
    /// What is left of it, held on that account.
    pub amount: Balance,
}

/// A task's money.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct Escrow {
    /// In the order in which they came; the first includes the storage deposit.
    pub deposits: Vec<Deposit>,
    /// The part that pays for the task's place in state; it comes back when the task is settled.
    pub storage: Balance,
    /// The fee on each reward, as it was when the task was funded.
    pub fee: Balance,
}

impl Escrow {
    /// All that is left.
    pub fn left(&self) -> Balance {
        self.deposits.iter().map(|deposit| deposit.amount).sum()
    }
}

/// What users can do.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
#[allow(non_camel_case_types)] // Clients show these names; Substrate's are snake_case.
pub enum Call {
    /// Change fees and deposits (governance). Tasks that are open keep what they hold.
    #[codec(index = 0)]
    set_params {
        /// The new parameters, whole.
        params: Params,
    },
}

/// What users are told.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
#[allow(missing_docs)] // Fields say what they are.
pub enum Event {
    /// Money was put on hold for a task.
    #[codec(index = 0)]
    Deposited { task: Hash, who: AccountId, amount: Balance },
    /// Money left a task's escrow for somebody who earned it.
    #[codec(index = 1)]
    Paid { task: Hash, to: AccountId, amount: Balance },
    /// The protocol's fee on a reward was taken and split.
    #[codec(index = 2)]
    FeePaid { task: Hash, validators: Balance, audits: Balance, treasury: Balance, burned: Balance },
    /// A closed task's listing fee was burned.
    #[codec(index = 3)]
    ListingFeeBurned { task: Hash, amount: Balance },
    /// Money went back to a depositor.
    #[codec(index = 4)]
    Refunded { task: Hash, who: AccountId, amount: Balance },
    /// The parameters changed.
    #[codec(index = 5)]
    ParamsSet {},
}

/// Why calls fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum Error {
    /// A parameter is outside the bounds that code sets.
    #[codec(index = 0)]
    BadParams,
}

impl PalletEvent for Event {
    const PALLET: u8 = INDEX;
}

impl PalletError for Error {
    const PALLET: u8 = INDEX;
}

impl Dispatch for Call {
    fn weight(&self) -> Weight {
        Weight::rw(1, 1)
    }

    fn dispatch(self, cx: &mut Ctx, origin: Origin) -> DispatchResult {
        let Self::set_params { params } = self;
        origin.root()?;
        ensure(params.check().is_ok(), Error::BadParams)?;
        PARAMS.set(cx, &params);
        cx.emit(Event::ParamsSet {});
        Ok(())
    }
}

/// The parameters in force.
pub fn params(state: &dyn StateRead) -> Params {
    PARAMS.get(state).unwrap_or_default()
}

/// A task's money, while it has any.
pub fn escrow(state: &dyn StateRead, task: &Hash) -> Option<Escrow> {
    ESCROWS.get(state, task)
}

/// Opens a task's escrow with its first deposit: the whole cost, or only that of its place.
///
/// # Errors
///
/// Those of [`balances::hold`].
pub fn open(
    cx: &mut Ctx,
    task: &Hash,
    who: &AccountId,
    amount: Balance,
    cost: &Cost,
) -> DispatchResult {
    let escrow = Escrow { deposits: Vec::new(), storage: cost.storage, fee: cost.fee };
    deposit(cx, task, escrow, who, amount)
}

/// Adds the cost of the work to the escrow of a task that was not funded.
///
/// # Errors
///
/// Those of [`balances::hold`].
pub fn fund(cx: &mut Ctx, task: &Hash, who: &AccountId, cost: &Cost) -> DispatchResult {
    let escrow = Escrow { fee: cost.fee, ..load(cx, task) };
    deposit(cx, task, escrow, who, cost.work)
}

fn deposit(
    cx: &mut Ctx,
    task: &Hash,
    mut escrow: Escrow,
    who: &AccountId,
    amount: Balance,
) -> DispatchResult {
    assert!(escrow.deposits.len() < DEPOSITS_MAX, "a task is funded once");
    balances::hold(cx, HoldReason::TaskEscrow, who, amount)?;
    escrow.deposits.push(Deposit { who: *who, amount });
    ESCROWS.set(cx, task, &escrow);
    cx.emit(Event::Deposited { task: *task, who: *who, amount });
    Ok(())
}

/// Pays `amount` out of a task's escrow into a hold of an account that exists.
pub fn pay(cx: &mut Ctx, task: &Hash, to: &AccountId, reason: HoldReason, amount: Balance) {
    let mut escrow = load(cx, task);
    spend(cx, &mut escrow, amount, |cx, from, part| {
        balances::transfer_held(cx, HoldReason::TaskEscrow, from, to, part, Some(reason))
    });
    ESCROWS.set(cx, task, &escrow);
    cx.emit(Event::Paid { task: *task, to: *to, amount });
}

/// Takes the protocol's fee on a reward and splits it; the burned part takes what rounding leaves.
pub fn pay_fee(cx: &mut Ctx, task: &Hash) {
    let params = params(cx);
    let mut escrow = load(cx, task);
    let fee = escrow.fee;
    let validators = fee.share_floor(params.fee_validators_ppm);
    let audits = fee.share_floor(params.fee_audits_ppm);
    let to_treasury = fee.share_floor(params.fee_treasury_ppm);
    let burned = fee.saturating_sub(validators).saturating_sub(audits).saturating_sub(to_treasury);
    for (pot, share) in [
        (&treasury::VALIDATORS, validators),
        (&treasury::AUDIT, audits),
        (&treasury::TREASURY, to_treasury),
    ] {
        spend(cx, &mut escrow, share, |cx, from, part| {
            balances::transfer_held(cx, HoldReason::TaskEscrow, from, pot, part, None)
        });
    }
    burn(cx, &mut escrow, burned);
    ESCROWS.set(cx, task, &escrow);
    cx.emit(Event::FeePaid { task: *task, validators, audits, treasury: to_treasury, burned });
}

/// Burns the fee for having listed a task that nobody worked on: it is the creator's, whoever funded the
/// task. The first deposit covers it, as it holds what the task's place costs.
pub fn burn_listing_fee(cx: &mut Ctx, task: &Hash) {
    let mut escrow = load(cx, task);
    let first = escrow.deposits.first_mut().expect("an escrow is opened with a deposit");
    let amount = params(cx).listing_fee.min(first.amount);
    balances::burn_held(cx, HoldReason::TaskEscrow, &first.who, amount).expect("a deposit is held");
    first.amount = first.amount.saturating_sub(amount);
    ESCROWS.set(cx, task, &escrow);
    cx.emit(Event::ListingFeeBurned { task: *task, amount });
}

/// Gives back everything but the storage deposit.
pub fn refund(cx: &mut Ctx, task: &Hash) {
    let mut escrow = load(cx, task);
    let mut keep = escrow.storage;
    for deposit in &mut escrow.deposits {
        let kept = deposit.amount.min(keep);
        keep = keep.saturating_sub(kept);
        give_back(cx, task, &deposit.who, deposit.amount.saturating_sub(kept));
        deposit.amount = kept;
    }
    escrow.deposits.retain(|deposit| !deposit.amount.is_zero());
    ESCROWS.set(cx, task, &escrow);
}

/// Gives back all that is left and closes the escrow.
pub fn close(cx: &mut Ctx, task: &Hash) {
    for deposit in load(cx, task).deposits {
        give_back(cx, task, &deposit.who, deposit.amount);
    }
    ESCROWS.remove(cx, task);
}

fn load(cx: &Ctx, task: &Hash) -> Escrow {
    ESCROWS.get(cx, task).expect("a task that is not closed has an escrow")
}

fn give_back(cx: &mut Ctx, task: &Hash, who: &AccountId, amount: Balance) {
    if amount.is_zero() {
        return;
    }
    balances::release(cx, HoldReason::TaskEscrow, who, amount).expect("a deposit is held");
    cx.emit(Event::Refunded { task: *task, who: *who, amount });
}

fn burn(cx: &mut Ctx, escrow: &mut Escrow, amount: Balance) {
    spend(cx, escrow, amount, |cx, from, part| {
        balances::burn_held(cx, HoldReason::TaskEscrow, from, part)
    });
}

/// Takes `amount` from the deposits, the last first, and hands each part on.
fn spend(
    cx: &mut Ctx,
    escrow: &mut Escrow,
    amount: Balance,
    hand_on: impl Fn(&mut Ctx, &AccountId, Balance) -> DispatchResult,
) {
    let mut missing = amount;
    for deposit in escrow.deposits.iter_mut().rev() {
        let part = deposit.amount.min(missing);
        hand_on(cx, &deposit.who, part).expect("a deposit is held, and pots take any amount");
        deposit.amount = deposit.amount.saturating_sub(part);
        missing = missing.saturating_sub(part);
    }
    assert!(missing.is_zero(), "a task's escrow covers all that its policy can cost");
}

/// The pallet's part of a chain spec.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Genesis {
    /// Fees and deposits.
    pub params: Params,
}

/// The pallet.
pub struct Pallet;

impl framework::Pallet for Pallet {
    const NAME: &'static str = NAME;
    const INDEX: u8 = INDEX;
    const DOC: &'static str = "The money of tasks: deposits, pay, fees and refunds.";
    const STORAGE: StorageItems = &[&ESCROWS, &PARAMS];
    type Call = Call;
    type Event = Event;
    type Error = Error;
    type Genesis = Genesis;

    fn genesis(cx: &mut Ctx, genesis: Genesis) -> Result<(), String> {
        genesis.params.check()?;
        PARAMS.set(cx, &genesis.params);
        Ok(())
    }

    fn check(state: &dyn StateRead) -> Result<(), String> {
        let (mut sums, mut all) = (BTreeMap::<AccountId, Balance>::new(), Balance::ZERO);
        for (task, escrow) in ESCROWS.iter(state) {
            if escrow.left() < escrow.storage || escrow.deposits.len() > DEPOSITS_MAX {
                return Err(format!("the escrow of {task} is {escrow:?}"));
            }
            for deposit in escrow.deposits {
                let sum = sums.entry(deposit.who).or_default();
                *sum = sum.saturating_add(deposit.amount);
                all = all.saturating_add(deposit.amount);
            }
        }
        for (who, sum) in sums {
            let held = balances::held(state, HoldReason::TaskEscrow, &who);
            if held != sum {
                return Err(format!("{who} has deposits of {sum} but {held} held"));
            }
        }
        let held = balances::total_held(state, HoldReason::TaskEscrow);
        if held != all {
            return Err(format!("{held} is held for tasks, their deposits are {all}"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
