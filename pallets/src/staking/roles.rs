//! What a stash does with its stake: validate, nominate, nothing.

use super::{
    CANDIDATES_MAX, COUNTER_FOR_NOMINATORS, COUNTER_FOR_VALIDATORS, CURRENT_ERA, Error, Event,
    NOMINATORS, NOMINATORS_MAX, Nominations, TARGETS_MAX, VALIDATORS, ValidatorPrefs, election,
    ledger, params, slashing,
};
use framework::prelude::*;
use primitives::MultiAddress;
use std::collections::BTreeSet;

pub(super) fn validate(cx: &mut Ctx, stash: AccountId, prefs: ValidatorPrefs) -> DispatchResult {
    let ledger = ledger::load(cx, &stash)?;
    let params = params(cx);
    ensure(ledger.active >= params.validator_bond_min, Error::InsufficientBond)?;
    let share = prefs.commission.is_share() && prefs.commission >= params.commission_min();
    ensure(share, Error::CommissionTooLow)?;
    ensure(!slashing::is_jailed(cx, &stash), Error::Jailed)?;
    ensure_may_change(cx, &stash)?;
    if !VALIDATORS.contains(cx, &stash) {
        let count = COUNTER_FOR_VALIDATORS.get(cx).unwrap_or_default();
        let fits = usize::try_from(count).is_ok_and(|count| count < CANDIDATES_MAX);
        ensure(fits, Error::TooManyValidators)?;
        COUNTER_FOR_VALIDATORS.set(cx, &count.saturating_add(1));
    }
    remove_nominator(cx, &stash);
    VALIDATORS.set(cx, &stash, &prefs);
    cx.emit(Event::ValidatorPrefsSet { stash, prefs });
    Ok(())
}

pub(super) fn nominate(cx: &mut Ctx, stash: AccountId, targets: &[MultiAddress]) -> DispatchResult {
    let ledger = ledger::load(cx, &stash)?;
    ensure(ledger.active >= params(cx).nominator_bond_min, Error::InsufficientBond)?;
    ensure(!targets.is_empty(), Error::EmptyTargets)?;
    let fits = u32::try_from(targets.len()).is_ok_and(|count| count <= TARGETS_MAX);
    ensure(fits, Error::TooManyTargets)?;
    let old = NOMINATORS.get(cx, &stash);
    let mut accounts = Vec::with_capacity(targets.len());
    for target in targets {
        let target = target.account().ok_or(DispatchError::CannotLookup)?;
        let prefs = VALIDATORS.get(cx, &target).ok_or(Error::BadTarget)?;
        let known = old.as_ref().is_some_and(|old| old.targets.contains(&target));
        ensure(!prefs.blocked || known, Error::BadTarget)?;
        accounts.push(target);
    }
    let distinct: BTreeSet<_> = accounts.iter().collect();
    ensure(distinct.len() == accounts.len(), Error::DuplicateIndex)?;
    ensure_may_change(cx, &stash)?;
    if old.is_none() {
        let count = COUNTER_FOR_NOMINATORS.get(cx).unwrap_or_default();
        ensure(count < NOMINATORS_MAX, Error::TooManyNominators)?;
        COUNTER_FOR_NOMINATORS.set(cx, &count.saturating_add(1));
    }
    remove_validator(cx, &stash);
    let submitted_in = CURRENT_ERA.get(cx).unwrap_or_default();
    let nominations = Nominations { targets: accounts, submitted_in, suppressed: false };
    NOMINATORS.set(cx, &stash, &nominations);
    Ok(())
}

/// Keeps a nominator as it is while an election goes on: it is counted to choose validators, and again to stand behind
/// them.
pub(super) fn ensure_may_change(cx: &Ctx, stash: &AccountId) -> DispatchResult {
    let counted = NOMINATORS.contains(cx, stash) && election::goes_on(cx);
    ensure(!counted, Error::ElectionOngoing)
}

/// Makes a stash neither validate nor nominate.
pub(super) fn chill(cx: &mut Ctx, stash: &AccountId) {
    let validated = remove_validator(cx, stash);
    if remove_nominator(cx, stash) || validated {
        cx.emit(Event::Chilled { stash: *stash });
    }
}

/// Makes a stash not validate. What it nominates by now stays.
pub(super) fn chill_validator(cx: &mut Ctx, stash: &AccountId) {
    if remove_validator(cx, stash) {
        cx.emit(Event::Chilled { stash: *stash });
    }
}

fn remove_validator(cx: &mut Ctx, stash: &AccountId) -> bool {
    let is_one = VALIDATORS.contains(cx, stash);
    if is_one {
        VALIDATORS.remove(cx, stash);
        let count = COUNTER_FOR_VALIDATORS.get(cx).unwrap_or_default();
        COUNTER_FOR_VALIDATORS.set(cx, &count.saturating_sub(1));
    }
    is_one
}

fn remove_nominator(cx: &mut Ctx, stash: &AccountId) -> bool {
    let is_one = NOMINATORS.contains(cx, stash);
    if is_one {
        NOMINATORS.remove(cx, stash);
        let count = COUNTER_FOR_NOMINATORS.get(cx).unwrap_or_default();
        COUNTER_FOR_NOMINATORS.set(cx, &count.saturating_sub(1));
    }
    is_one
}
