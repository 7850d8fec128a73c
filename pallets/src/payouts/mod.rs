//! # Payouts
//!
//! Pays what tasks decided. A payout is made once, by the step that decides it, and its money moves
//! into this pallet's pot with it. What one payee is owed accrues until it is worth a transfer;
//! then one transfer pays all of it. A transfer that fails keeps the claim, and anybody may try
//! again.
//!
//! Invariants: the pot holds exactly what all payees are owed; a payee is owed exactly the sum of
//! its payouts that are not paid; a payee is scheduled exactly while the hook is to try.

mod intents;
mod params;
mod pay;

pub use intents::{forget, ids_of, make, payout_id};
pub use params::Params;

use crate::{
    agents::{Payee, clock},
    balances,
    balances::HoldReason,
    system, tasks,
    tasks::TaskId,
};
use framework::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Name of the pallet.
pub const NAME: &str = "Payouts";
/// Index of the pallet.
pub const INDEX: u8 = 104;
/// The pot: what payees are owed is held on this account.
pub const POT: AccountId = AccountId::pot(b"modlartel/payouts");
/// Most that a payout costs the hook that pays it, the settlement of its task included.
const PAYOUT_WEIGHT: Weight = Weight::rw(10, 10);
/// Most payouts that one call may name.
pub const IDS_MAX: usize = 32;
/// What a payee's own minimum holds, for its place in state.
pub const MINIMUM_DEPOSIT: Balance = balances::EXISTENTIAL_DEPOSIT.saturating_mul(10);
/// Tries after the first failed one, each after twice the time of the one before.
pub const RETRIES_MAX: u8 = 11;

/// Id of a payout: H(task, slot, kind).
pub type PayoutId = Hash;

static INTENTS: Map<PayoutId, Intent, Identity> =
    Map::new(NAME, "Intents", "Payouts by id, until their task is pruned and they are paid.");
static PAYEES: Map<AccountId, Owed> =
    Map::new(NAME, "Payees", "What payees are owed, and when the next try is.");
static OPEN: PairSet<AccountId, PayoutId> =
    PairSet::new(NAME, "Open", "Payouts that accrue, by payee.");
static UNCLAIMED: PairSet<AccountId, PayoutId> =
    PairSet::new(NAME, "Unclaimed", "Payouts that could not be paid, by payee.");
static TRIES: Schedule<AccountId> =
    Schedule::new(NAME, "Tries", "When payees are paid, by market time.");
static FORFEITS: Schedule<PayoutId> =
    Schedule::new(NAME, "Forfeits", "When unclaimed payouts fall to the treasury.");
static MINIMUMS: Map<AccountId, Balance> =
    Map::new(NAME, "Minimums", "Least transfer that a payee wants, where it has said so.");
static PARAMS: Value<Params> =
    Value::new_default(NAME, "Params", "Parameters of payouts, changed by governance.");

/// What a payout is for. A split payout has several parts.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Encode,
    Decode,
    DecodeWithMemTracking,
    TypeInfo,
)]
pub enum PayoutKind {
    /// The reward of a slot.
    Reward {
        /// Which part of a split, from 0.
        part: u8,
    },
    /// The share of the reward for a task that was cancelled at work.
    Cancellation {
        /// Which part of a split, from 0.
        part: u8,
    },
}

/// How far a payout is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum IntentState {
    /// It waits to be transferred, with everything else that the payee is owed.
    Accrued,
    /// It was transferred at this height.
    Paid(Height),
    /// Every try failed; it can be claimed until this market time.
    Unclaimed(Moment),
    /// Nobody claimed it: it fell to the treasury.
    Forfeited,
}

/// A payout.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct Intent {
    /// The task that decided it.
    pub task: TaskId,
    /// The task's slot.
    pub slot: u8,
    /// What it is for.
    pub kind: PayoutKind,
    /// The agent that earned it, and may redirect it while it is unclaimed.
    pub agent: AccountId,
    /// Who gets it.
    pub payee: AccountId,
    /// How much.
    pub amount: Balance,
    /// How far it is.
    pub state: IntentState,
}

/// What a payee is owed.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo,
)]
pub struct Owed {
    /// The sum of its payouts that are not paid.
    pub amount: Balance,
    /// Payouts that accrue; those that are unclaimed do not count.
    pub open: u32,
    /// Tries in a row that failed.
    pub attempts: u8,
    /// Market time of the next try; none if all that is owed is unclaimed.
    pub next_try: Option<Moment>,
}

/// What users can do.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
#[allow(non_camel_case_types)] // Clients show these names; Substrate's are snake_case.
pub enum Call {
    /// Pay payouts now, though they are small or were unclaimed. Anybody may.
    #[codec(index = 0)]
    claim_payouts {
        /// At most 32.
        ids: Vec<PayoutId>,
    },
    /// Send payouts that could not be paid to another account; an agent's call for what it earned.
    #[codec(index = 1)]
    redirect_payouts {
        /// At most 32.
        ids: Vec<PayoutId>,
        /// Who gets them.
        payee: AccountId,
    },
    /// Say from which sum on you want to be paid at once. It takes a deposit of ten existential deposits
    /// until you want the usual one again.
    #[codec(index = 2)]
    set_minimum {
        /// The sum; none for the usual one.
        minimum: Option<Balance>,
    },
    /// Change the parameters of payouts (governance).
    #[codec(index = 3)]
    set_params {
        /// The new parameters, whole.
        params: Params,
    },
}

/// What users are told.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
#[allow(missing_docs)] // Fields say what they are.
pub enum Event {
    /// A payout was decided; its money is set aside.
    #[codec(index = 0)]
    Accrued { payout: PayoutId, task: TaskId, slot: u8, payee: AccountId, amount: Balance },
    /// A payout was paid, together with others of its payee.
    #[codec(index = 1)]
    Paid { payout: PayoutId, task: TaskId, payee: AccountId, amount: Balance },
    /// One transfer paid a payee.
    #[codec(index = 2)]
    Transferred { payee: AccountId, amount: Balance, payouts: u32 },
    /// A transfer failed; the next try is at `next_try`, in market time.
    #[codec(index = 3)]
    Failed {
        payee: AccountId,
        amount: Balance,
        reason: DispatchError,
        attempts: u8,
        next_try: Moment,
    },
    /// Every try failed; the payout can be claimed until `until`, in market time.
    #[codec(index = 4)]
    Unclaimed { payout: PayoutId, payee: AccountId, amount: Balance, until: Moment },
    /// An unclaimed payout goes to another account.
    #[codec(index = 5)]
    Redirected { payout: PayoutId, from: AccountId, to: AccountId, amount: Balance },
    /// Nobody claimed a payout: it fell to the treasury.
    #[codec(index = 6)]
    Forfeited { payout: PayoutId, payee: AccountId, amount: Balance },
    /// A payee chose its minimum.
    #[codec(index = 7)]
    MinimumSet { payee: AccountId, minimum: Option<Balance> },
    /// The parameters changed.
    #[codec(index = 8)]
    ParamsSet {},
}

/// Why calls fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum Error {
    /// No payout has this id; it may have been paid and pruned.
    #[codec(index = 0)]
    UnknownPayout,
    /// The payout has been paid, or fell to the treasury.
    #[codec(index = 1)]
    AlreadyClosed,
    /// One call takes 1 to 32 different ids.
    #[codec(index = 2)]
    BadIds,
    /// Only payouts that could not be paid can be redirected.
    #[codec(index = 3)]
    NotUnclaimed,
    /// Only the agent that earned the payout can redirect it.
    #[codec(index = 4)]
    NotTheAgent,
    /// The minimum is below the existential deposit or above what code allows.
    #[codec(index = 5)]
    BadMinimum,
    /// A parameter is outside the bounds that code sets.
    #[codec(index = 6)]
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
        match self {
            Self::claim_payouts { ids } => {
                let ids = u32::try_from(ids.len()).unwrap_or(u32::MAX);
                Weight::rw(6, 4).plus(Weight::rw(18, 16).times(ids))
            }
            Self::redirect_payouts { ids, .. } => {
                let ids = u32::try_from(ids.len()).unwrap_or(u32::MAX);
                Weight::rw(4, 4).plus(Weight::rw(8, 8).times(ids))
            }
            Self::set_minimum { .. } => Weight::rw(4, 3),
            Self::set_params { .. } => Weight::rw(1, 1),
        }
    }

    fn dispatch(self, cx: &mut Ctx, origin: Origin) -> DispatchResult {
        match self {
            Self::claim_payouts { ids } => {
                origin.signed()?;
                pay::claim(cx, &ids)
            }
            Self::redirect_payouts { ids, payee } => {
                pay::redirect(cx, origin.signed()?, &ids, payee)
            }
            Self::set_minimum { minimum } => set_minimum(cx, origin.signed()?, minimum),
            Self::set_params { params } => {
                origin.root()?;
                ensure(params.check().is_ok(), Error::BadParams)?;
                PARAMS.set(cx, &params);
                cx.emit(Event::ParamsSet {});
                Ok(())
            }
        }
    }
}

/// The parameters in force.
pub fn params(state: &dyn StateRead) -> Params {
    PARAMS.get(state).unwrap_or_default()
}

/// A payout.
pub fn payout(state: &dyn StateRead, id: &PayoutId) -> Option<Intent> {
    INTENTS.get(state, id)
}

/// The payouts of a task.
pub fn of_task(state: &dyn StateRead, task: &TaskId) -> Vec<(PayoutId, Intent)> {
    let ids = tasks::task(state, task).map(|record| ids_of(task, &record)).unwrap_or_default();
    ids.into_iter().filter_map(|id| Some((id, payout(state, &id)?))).collect()
}

/// What a payee is owed.
pub fn owed(state: &dyn StateRead, payee: &AccountId) -> Owed {
    PAYEES.get(state, payee).unwrap_or_default()
}

/// At most `limit` payouts that a payee waits for.
pub fn of_payee(state: &dyn StateRead, payee: &AccountId, limit: usize) -> Vec<(PayoutId, Intent)> {
    OPEN.of(state, payee)
        .chain(UNCLAIMED.of(state, payee))
        .take(limit)
        .filter_map(|id| Some((id, payout(state, &id)?)))
        .collect()
}

/// How many tries and forfeits are due and not done.
pub fn overdue(state: &dyn StateRead) -> usize {
    let now = clock::now(state);
    TRIES.due(state, now, usize::MAX).len() + FORFEITS.due(state, now, usize::MAX).len()
}

fn set_minimum(cx: &mut Ctx, who: AccountId, minimum: Option<Balance>) -> DispatchResult {
    let stands = MINIMUMS.contains(cx, &who);
    match minimum {
        Some(amount) => {
            let range = balances::EXISTENTIAL_DEPOSIT..=params::MINIMUM_MAX;
            ensure(range.contains(&amount), Error::BadMinimum)?;
            if !stands {
                balances::hold(cx, HoldReason::StorageDeposit, &who, MINIMUM_DEPOSIT)?;
            }
            MINIMUMS.set(cx, &who, &amount);
        }
        None if stands => {
            MINIMUMS.remove(cx, &who);
            balances::release(cx, HoldReason::StorageDeposit, &who, MINIMUM_DEPOSIT)?;
        }
        None => {}
    }
    cx.emit(Event::MinimumSet { payee: who, minimum });
    Ok(())
}

/// The pallet's part of a chain spec.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Genesis {
    /// Parameters of payouts.
    pub params: Params,
}

/// The pallet.
pub struct Pallet;

impl framework::Pallet for Pallet {
    const NAME: &'static str = NAME;
    const INDEX: u8 = INDEX;
    const DOC: &'static str = "What agents are owed and how it is paid.";
    const STORAGE: StorageItems =
        &[&INTENTS, &PAYEES, &OPEN, &UNCLAIMED, &TRIES, &FORFEITS, &MINIMUMS, &PARAMS];
    type Call = Call;
    type Event = Event;
    type Error = Error;
    type Genesis = Genesis;

    fn constants() -> Vec<ConstantMeta> {
        vec![
            ConstantMeta::new("PotAccount", &POT, "Holds what payees are owed."),
            ConstantMeta::new("MinimumDeposit", &MINIMUM_DEPOSIT, "What an own minimum holds."),
        ]
    }

    fn genesis(cx: &mut Ctx, genesis: Genesis) -> Result<(), String> {
        genesis.params.check()?;
        PARAMS.set(cx, &genesis.params);
        if !system::account(cx, &POT).exists() {
            balances::mint(cx, &POT, balances::EXISTENTIAL_DEPOSIT)
                .map_err(|e| format!("the pot {POT} cannot be made: {e:?}"))?;
        }
        Ok(())
    }

    fn on_finalize(cx: &mut Ctx) {
        pay::forfeit_due(cx);
        pay::pay_due(cx);
    }

    fn next_due(state: &dyn StateRead) -> Option<Moment> {
        let at = [TRIES.next(state), FORFEITS.next(state)].into_iter().flatten().min()?;
        clock::block_time(state, at)
    }

    fn check(state: &dyn StateRead) -> Result<(), String> {
        check(state)
    }
}

fn check(state: &dyn StateRead) -> Result<(), String> {
    let mut sums = BTreeMap::<AccountId, Balance>::new();
    let (mut open, mut unclaimed) = (0usize, 0usize);
    for (id, intent) in INTENTS.iter(state) {
        let named = match intent.state {
            IntentState::Accrued => {
                open += 1;
                OPEN.contains(state, &intent.payee, &id)
            }
            IntentState::Unclaimed(until) => {
                unclaimed += 1;
                UNCLAIMED.contains(state, &intent.payee, &id)
                    && FORFEITS.contains(state, until, &id)
            }
            IntentState::Paid(_) | IntentState::Forfeited => continue,
        };
        if !named || intent.amount.is_zero() {
            return Err(format!("payout {id} is not where its state says: {intent:?}"));
        }
        let sum = sums.entry(intent.payee).or_default();
        *sum = sum.saturating_add(intent.amount);
    }
    let indexed =
        (OPEN.iter(state).count(), UNCLAIMED.iter(state).count(), FORFEITS.iter(state).count());
    if indexed != (open, unclaimed, unclaimed) {
        return Err(format!("indexes name {indexed:?} payouts, there are {open}, {unclaimed}"));
    }
    let mut tries = 0usize;
    for (payee, owed) in PAYEES.iter(state) {
        let sum = sums.remove(&payee).unwrap_or_default();
        let waits = u32::try_from(OPEN.of(state, &payee).count()).map_err(|e| e.to_string())?;
        let scheduled = owed.next_try.is_some_and(|at| TRIES.contains(state, at, &payee));
        if owed.amount != sum || owed.open != waits || (waits > 0) != scheduled {
            return Err(format!("{payee} is owed {owed:?}, its payouts sum to {sum}"));
        }
        tries += usize::from(scheduled);
    }
    if !sums.is_empty() || TRIES.iter(state).count() != tries {
        return Err(format!("payees {sums:?} are not known, or are tried for nothing"));
    }
    let owed: Balance = PAYEES.iter(state).map(|(_, owed)| owed.amount).sum();
    let held = balances::held(state, HoldReason::Accrued, &POT);
    if owed != held || balances::total_held(state, HoldReason::Accrued) != held {
        return Err(format!("{owed} is owed, the pot holds {held}, or others hold some too"));
    }
    let mut deposits = Balance::ZERO;
    for (payee, _) in MINIMUMS.iter(state) {
        deposits = deposits.saturating_add(MINIMUM_DEPOSIT);
        let held = balances::held(state, HoldReason::StorageDeposit, &payee);
        if held != MINIMUM_DEPOSIT {
            return Err(format!("{payee} has a minimum of its own and holds {held} for it"));
        }
    }
    let held = balances::total_held(state, HoldReason::StorageDeposit);
    if held == deposits {
        Ok(())
    } else {
        Err(format!("{held} is held as deposits, minimums explain {deposits}"))
    }
}

#[cfg(test)]
mod tests;
