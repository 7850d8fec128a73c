//! What must hold of stakers and eras after every block.

use super::*;
use crate::{balances, balances::HoldReason};
use std::collections::BTreeSet;

pub(super) fn check(state: &dyn StateRead) -> Result<(), String> {
    check_ledgers(state)?;
    check_roles(state)?;
    check_params(state)?;
    check_era(state)?;
    let (pot, unpaid) = (rewards::in_pot(state), rewards::unpaid(state));
    if pot < unpaid {
        return Err(format!("{unpaid} is promised, the pot has {pot}"));
    }
    check_slashes(state)
}

/// Each stash holds what its ledger says, and nobody else holds anything.
fn check_ledgers(state: &dyn StateRead) -> Result<(), String> {
    let mut all = Balance::ZERO;
    let mut count = 0;
    for (stash, ledger) in LEDGER.iter(state) {
        let chunks = &ledger.unlocking;
        let unlocking: Balance = chunks.iter().map(|chunk| chunk.value).sum();
        if ledger.active.checked_add(unlocking) != Some(ledger.total)
            || ledger.total.is_zero()
            || ledger.stash != stash
            || chunks.len() > UNLOCKING_MAX
            || chunks.iter().any(|chunk| chunk.value.is_zero())
            || !chunks.is_sorted_by(|a, b| a.era < b.era)
        {
            return Err(format!("{stash} has the ledger {ledger:?}"));
        }
        let held = balances::held(state, HoldReason::Staking, &stash);
        if held != ledger.total {
            return Err(format!("{stash} has bonded {} and {held} held", ledger.total));
        }
        if BONDED.get(state, &stash) != Some(stash) || PAYEE.get(state, &stash).is_none() {
            return Err(format!("{stash} has a ledger, but is not bonded or has no payee"));
        }
        all = all.saturating_add(held);
        count += 1;
    }
    let held = balances::total_held(state, HoldReason::Staking);
    if held != all {
        return Err(format!("{held} is held for staking, ledgers have {all}"));
    }
    if BONDED.iter(state).count() != count || PAYEE.iter(state).count() != count {
        return Err(format!("{count} ledgers, but not as many stashes or payees"));
    }
    Ok(())
}

fn check_roles(state: &dyn StateRead) -> Result<(), String> {
    let validators: BTreeSet<_> = VALIDATORS.iter(state).map(|(stash, _)| stash).collect();
    let mut nominators = 0u32;
    for (stash, nominations) in NOMINATORS.iter(state) {
        let targets: BTreeSet<_> = nominations.targets.iter().collect();
        let most = usize::try_from(TARGETS_MAX).unwrap_or(usize::MAX);
        let bad = targets.len() != nominations.targets.len();
        if bad || targets.is_empty() || targets.len() > most || validators.contains(&stash) {
            return Err(format!("{stash} nominates {nominations:?}"));
        }
        if ledger(state, &stash).is_none() {
            return Err(format!("{stash} nominates without stake"));
        }
        nominators += 1;
    }
    if let Some(stash) = validators.iter().find(|stash| ledger(state, stash).is_none()) {
        return Err(format!("{stash} validates without stake"));
    }
    let counted = COUNTER_FOR_VALIDATORS.get(state).unwrap_or_default();
    if usize::try_from(counted).ok() != Some(validators.len()) || validators.len() > CANDIDATES_MAX
    {
        return Err(format!("{counted} validators are counted, {} there", validators.len()));
    }
    let counted = COUNTER_FOR_NOMINATORS.get(state).unwrap_or_default();
    if counted == nominators && counted <= NOMINATORS_MAX {
        Ok(())
    } else {
        Err(format!("{counted} nominators are counted, {nominators} there"))
    }
}

fn check_params(state: &dyn StateRead) -> Result<(), String> {
    let params = params(state);
    params.check()?;
    check_count(VALIDATOR_COUNT.get(state).unwrap_or_default())?;
    let shown = (MIN_NOMINATOR_BOND.get(state), MIN_VALIDATOR_BOND.get(state));
    if shown == (Some(params.nominator_bond_min), Some(params.validator_bond_min))
        && MIN_COMMISSION.get(state) == Some(params.commission_min())
    {
        Ok(())
    } else {
        Err(format!("clients are shown other minima than {params:?}"))
    }
}

/// The era is the session, and what stands behind its validators adds up.
fn check_era(state: &dyn StateRead) -> Result<(), String> {
    let active = active_era(state).ok_or("there is no era")?;
    let session = session::current_index(state);
    let planned = CURRENT_ERA.get(state).unwrap_or_default();
    let elects = ELECTION.get(state).is_some();
    if session != active.index || planned != active.index + u32::from(elects) {
        return Err(format!("era {} and {planned} in session {session}", active.index));
    }
    let (mut all, mut accounts) = (Balance::ZERO, BTreeSet::new());
    for ((_, validator), exposed) in ERAS_STAKERS_OVERVIEW.under(state, &active.index) {
        let (mut sum, mut count) = (exposed.own, 0u32);
        for page in 0..exposed.page_count {
            let page = ERAS_STAKERS_PAGED.get(state, &(active.index, validator, page));
            let page = page.ok_or(format!("a page of {validator} is missing"))?;
            let others: Balance = page.others.iter().map(|other| other.value).sum();
            count += u32::try_from(page.others.len()).unwrap_or(u32::MAX);
            if others != page.page_total {
                return Err(format!("a page of {validator} has {others}"));
            }
            sum = sum.saturating_add(others);
        }
        if sum != exposed.total || count != exposed.nominator_count {
            return Err(format!("{validator} has {sum} of {count} behind it, not {exposed:?}"));
        }
        all = all.saturating_add(sum);
        accounts.insert(validator);
    }
    let set = session::validators(state).validators;
    if !set.iter().map(|v| v.account).eq(accounts) {
        return Err("others decide blocks than were elected".to_owned());
    }
    let total = ERAS_TOTAL_STAKE.get(state, &active.index);
    if total == Some(all) {
        Ok(())
    } else {
        Err(format!("{all} stands behind validators, not {total:?}"))
    }
}

/// A slash that is being taken was ordered, and is not more than that.
fn check_slashes(state: &dyn StateRead) -> Result<(), String> {
    for (key, slash) in SLASHES.iter(state) {
        let ordered = VALIDATOR_SLASH_IN_ERA.get(state, &key).unwrap_or_default();
        if slash.share == Perbill::ZERO || slash.share > ordered.0 {
            return Err(format!("{slash:?} is taken of {key:?}, but {ordered:?} was ordered"));
        }
    }
    Ok(())
}
