//! Bonding: stake comes, is unbonded, waits, goes.

use super::{
    BONDED, CURRENT_ERA, EraIndex, Error, Event, LEDGER, NOMINATORS, PAYEE, RewardDestination,
    StakingLedger, UNLOCKING_MAX, UnlockChunk, VALIDATORS, chill, params, params::BONDING_ERAS,
    roles,
};
use crate::{balances, balances::HoldReason};
use framework::prelude::*;

/// The ledger of a stash.
pub fn ledger(state: &dyn StateRead, stash: &AccountId) -> Option<StakingLedger> {
    LEDGER.get(state, stash)
}

/// The active stake of a stash.
pub(super) fn active(state: &dyn StateRead, stash: &AccountId) -> Balance {
    ledger(state, stash).map(|ledger| ledger.active).unwrap_or_default()
}

pub(super) fn load(cx: &Ctx, stash: &AccountId) -> Result<StakingLedger, DispatchError> {
    LEDGER.get(cx, stash).ok_or(Error::NotController.into())
}

pub(super) fn bond(
    cx: &mut Ctx,
    stash: AccountId,
    value: Balance,
    payee: RewardDestination,
) -> DispatchResult {
    ensure(!BONDED.contains(cx, &stash), Error::AlreadyBonded)?;
    let value = value.min(balances::spendable(cx, &stash, true));
    ensure(value >= balances::EXISTENTIAL_DEPOSIT, Error::InsufficientBond)?;
    balances::hold(cx, HoldReason::Staking, &stash, value)?;
    BONDED.set(cx, &stash, &stash);
    PAYEE.set(cx, &stash, &payee);
    LEDGER.set(cx, &stash, &StakingLedger::new(stash, value));
    cx.emit(Event::Bonded { stash, amount: value });
    Ok(())
}

pub(super) fn bond_extra(cx: &mut Ctx, stash: AccountId, most: Balance) -> DispatchResult {
    ensure(LEDGER.contains(cx, &stash), Error::NotStash)?;
    let extra = most.min(balances::spendable(cx, &stash, true));
    add(cx, &stash, extra)
}

/// Bonds free money of a stash that has a ledger.
pub(super) fn add(cx: &mut Ctx, stash: &AccountId, extra: Balance) -> DispatchResult {
    let mut ledger = LEDGER.get(cx, stash).ok_or(Error::NotStash)?;
    balances::hold(cx, HoldReason::Staking, stash, extra)?;
    ledger.total = ledger.total.saturating_add(extra);
    ledger.active = ledger.active.saturating_add(extra);
    ensure(ledger.active >= balances::EXISTENTIAL_DEPOSIT, Error::InsufficientBond)?;
    LEDGER.set(cx, stash, &ledger);
    cx.emit(Event::Bonded { stash: *stash, amount: extra });
    Ok(())
}

pub(super) fn unbond(cx: &mut Ctx, stash: AccountId, value: Balance) -> DispatchResult {
    let mut ledger = load(cx, &stash)?;
    let now = CURRENT_ERA.get(cx).unwrap_or_default();
    let era = now.saturating_add(BONDING_ERAS);
    let joins = |ledger: &StakingLedger| ledger.unlocking.last().is_some_and(|c| c.era == era);
    if ledger.unlocking.len() >= UNLOCKING_MAX && !joins(&ledger) {
        release_due(cx, &mut ledger, now)?;
        ensure(ledger.unlocking.len() < UNLOCKING_MAX, Error::NoMoreChunks)?;
    }
    let mut value = value.min(ledger.active);
    if value.is_zero() {
        return store(cx, ledger);
    }
    roles::ensure_may_change(cx, &stash)?;
    let rest = ledger.active.saturating_sub(value);
    if rest < balances::EXISTENTIAL_DEPOSIT {
        value = ledger.active;
    }
    ledger.active = ledger.active.saturating_sub(value);
    let least = if NOMINATORS.contains(cx, &stash) {
        params(cx).nominator_bond_min
    } else if VALIDATORS.contains(cx, &stash) {
        params(cx).validator_bond_min
    } else {
        Balance::ZERO
    };
    ensure(ledger.active >= least, Error::InsufficientBond)?;
    match ledger.unlocking.last_mut().filter(|chunk| chunk.era == era) {
        Some(chunk) => chunk.value = chunk.value.saturating_add(value),
        None => ledger.unlocking.push(UnlockChunk { value, era }),
    }
    store(cx, ledger)?;
    cx.emit(Event::Unbonded { stash, amount: value });
    Ok(())
}

pub(super) fn rebond(cx: &mut Ctx, stash: AccountId, value: Balance) -> DispatchResult {
    let mut ledger = load(cx, &stash)?;
    ensure(!ledger.unlocking.is_empty(), Error::NoUnlockChunk)?;
    let mut left = value;
    while let Some(chunk) = ledger.unlocking.last_mut()
        && !left.is_zero()
    {
        let part = chunk.value.min(left);
        chunk.value = chunk.value.saturating_sub(part);
        left = left.saturating_sub(part);
        ledger.active = ledger.active.saturating_add(part);
        if chunk.value.is_zero() {
            ledger.unlocking.pop();
        }
    }
    ensure(ledger.active >= balances::EXISTENTIAL_DEPOSIT, Error::InsufficientBond)?;
    let amount = value.saturating_sub(left);
    store(cx, ledger)?;
    cx.emit(Event::Bonded { stash, amount });
    Ok(())
}

pub(super) fn withdraw_unbonded(cx: &mut Ctx, stash: AccountId) -> DispatchResult {
    let mut ledger = load(cx, &stash)?;
    let now = CURRENT_ERA.get(cx).unwrap_or_default();
    release_due(cx, &mut ledger, now)?;
    store(cx, ledger)
}

/// Makes free what has waited long enough.
fn release_due(cx: &mut Ctx, ledger: &mut StakingLedger, now: EraIndex) -> DispatchResult {
    let due = ledger.unlocking.partition_point(|chunk| chunk.era <= now);
    let amount: Balance = ledger.unlocking.drain(..due).map(|chunk| chunk.value).sum();
    if amount.is_zero() {
        return Ok(());
    }
    ledger.total = ledger.total.saturating_sub(amount);
    balances::release(cx, HoldReason::Staking, &ledger.stash, amount)?;
    cx.emit(Event::Withdrawn { stash: ledger.stash, amount });
    Ok(())
}

/// Stores a ledger; one of nothing is forgotten, and its stash with it.
fn store(cx: &mut Ctx, ledger: StakingLedger) -> DispatchResult {
    let stash = ledger.stash;
    if !ledger.total.is_zero() {
        LEDGER.set(cx, &stash, &ledger);
        return Ok(());
    }
    chill(cx, &stash);
    BONDED.remove(cx, &stash);
    PAYEE.remove(cx, &stash);
    LEDGER.remove(cx, &stash);
    Ok(())
}

/// Takes stake over an offence in an era, as far as it is there: active stake first, then what was unbonded since
/// that era began, the latest first. What was unbonded before did not stand behind anybody then. Part of it is the
/// reporter's, the rest the treasury's.
pub(super) fn take(
    cx: &mut Ctx,
    stash: &AccountId,
    amount: Balance,
    era: EraIndex,
    reporter: Option<&AccountId>,
) -> Balance {
    let Some(mut ledger) = LEDGER.get(cx, stash) else { return Balance::ZERO };
    let mut left = amount;
    let mut cut = |value: &mut Balance| {
        let part = (*value).min(left);
        *value = value.saturating_sub(part);
        left = left.saturating_sub(part);
    };
    cut(&mut ledger.active);
    let bound = era.saturating_add(BONDING_ERAS);
    for chunk in ledger.unlocking.iter_mut().rev().take_while(|chunk| chunk.era >= bound) {
        cut(&mut chunk.value);
    }
    ledger.unlocking.retain(|chunk| !chunk.value.is_zero());
    let taken = amount.saturating_sub(left);
    if taken.is_zero() {
        return taken;
    }
    ledger.total = ledger.total.saturating_sub(taken);
    super::slashing::give(cx, stash, taken, reporter);
    store(cx, ledger).expect("storing a ledger does not fail");
    cx.emit(Event::Slashed { staker: *stash, amount: taken });
    taken
}
