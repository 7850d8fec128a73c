//! How payouts are paid, tried again, given up and claimed.

use super::{
    Error, Event, FORFEITS, IDS_MAX, INTENTS, Intent, IntentState, OPEN, Owed, PAYEES,
    PAYOUT_WEIGHT, POT, PayoutId, RETRIES_MAX, TRIES, UNCLAIMED,
    intents::{accrue, store},
    params,
};
use crate::{agents::clock, balances, balances::HoldReason, system::HookWork, tasks, treasury};
use framework::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// Pays payees whose time has come, longest first, while the block has time for it.
pub(super) fn pay_due(cx: &mut Ctx) {
    let now = clock::now(cx);
    let mut after = None;
    while let Some((at, payee)) = TRIES.next_after(cx, after.as_ref())
        && at <= now
    {
        let fits = HookWork::Payout.left(cx) / PAYOUT_WEIGHT.ref_time();
        let fits = usize::try_from(fits).unwrap_or(usize::MAX);
        if fits == 0 || !try_payee(cx, &payee, fits, after.is_none()) {
            return;
        }
        after = Some((at, payee));
    }
}

/// Tries to pay a payee all it is owed, at most `limit` payouts, and tells whether it did. Part of what is
/// owed may be too little for a transfer where all of it is enough: so who is owed more waits for the
/// next block and is the `first` there. The first is paid as much as fits and goes to the end of the
/// line.
pub(super) fn try_payee(cx: &mut Ctx, payee: &AccountId, limit: usize, first: bool) -> bool {
    let ids = OPEN.of(cx, payee).chain(UNCLAIMED.of(cx, payee)).take(limit.saturating_add(1));
    let mut ids: Vec<_> = ids.collect();
    if ids.len() > limit && !first {
        return false;
    }
    ids.truncate(limit);
    let intents = load(cx, &ids).expect("indexes name payouts that exist");
    if let Err(reason) = transfer(cx, payee, &intents) {
        failed(cx, payee, intents, reason);
        return true;
    }
    if let Some(owed) = PAYEES.get(cx, payee).filter(|owed| owed.open > 0) {
        store(cx, payee, Owed { next_try: Some(clock::now(cx)), ..owed }, owed.next_try);
    }
    true
}

/// A transfer failed: it is tried again later or, after the last time, the payouts are given up.
fn failed(
    cx: &mut Ctx,
    payee: &AccountId,
    intents: Vec<(PayoutId, Intent)>,
    reason: DispatchError,
) {
    let (params, now) = (params(cx), clock::now(cx));
    let mut owed = PAYEES.get(cx, payee).expect("a payee that is tried is owed something");
    let old = owed.next_try;
    owed.attempts = owed.attempts.saturating_add(1);
    if owed.attempts <= RETRIES_MAX {
        let wait_ms = params.retry_ms << (owed.attempts - 1);
        let next_try = now.saturating_add(wait_ms);
        owed.next_try = Some(next_try);
        store(cx, payee, owed, old);
        let (payee, amount, attempts) = (*payee, owed.amount, owed.attempts);
        cx.emit(Event::Failed { payee, amount, reason, attempts, next_try });
        return;
    }
    let until = now.saturating_add(params.unclaimed_ms);
    owed.open = without(owed.open, &intents);
    for (id, intent) in intents {
        if intent.state == IntentState::Accrued {
            give_up(cx, id, intent, until);
        }
    }
    // Payouts beyond the limit are given up in the next block.
    let more = owed.open > 0;
    (owed.attempts, owed.next_try) = if more { (RETRIES_MAX, Some(now)) } else { (0, None) };
    store(cx, payee, owed, old);
}

fn give_up(cx: &mut Ctx, id: PayoutId, mut intent: Intent, until: Moment) {
    intent.state = IntentState::Unclaimed(until);
    OPEN.remove(cx, &intent.payee, &id);
    UNCLAIMED.insert(cx, &intent.payee, &id);
    FORFEITS.insert(cx, until, &id);
    INTENTS.set(cx, &id, &intent);
    tasks::payout_done(cx, &intent.task);
    let Intent { payee, amount, .. } = intent;
    cx.emit(Event::Unclaimed { payout: id, payee, amount, until });
}

/// Pays some payouts of one payee by one transfer, or none of them.
fn transfer(cx: &mut Ctx, payee: &AccountId, intents: &[(PayoutId, Intent)]) -> DispatchResult {
    let amount: Balance = intents.iter().map(|(_, intent)| intent.amount).sum();
    balances::transfer_held(cx, HoldReason::Accrued, &POT, payee, amount, None)?;
    for (id, intent) in intents {
        let paid = IntentState::Paid(cx.block.height);
        end(cx, id, intent, paid);
        let (payout, task, payee, amount) = (*id, intent.task, intent.payee, intent.amount);
        cx.emit(Event::Paid { payout, task, payee, amount });
    }
    settle(cx, payee, intents, amount);
    let payouts = u32::try_from(intents.len()).unwrap_or(u32::MAX);
    cx.emit(Event::Transferred { payee: *payee, amount, payouts });
    Ok(())
}

/// Takes a payout off all indexes and tells its task, unless it was told before. The record stays
/// as long as the task's does.
fn end(cx: &mut Ctx, id: &PayoutId, intent: &Intent, state: IntentState) {
    match intent.state {
        IntentState::Accrued => {
            OPEN.remove(cx, &intent.payee, id);
            tasks::payout_done(cx, &intent.task);
        }
        IntentState::Unclaimed(until) => {
            UNCLAIMED.remove(cx, &intent.payee, id);
            FORFEITS.remove(cx, until, id);
        }
        IntentState::Paid(_) | IntentState::Forfeited => unreachable!("a payout ends once"),
    }
    if tasks::exists(cx, &intent.task) {
        INTENTS.set(cx, id, &Intent { state, ..intent.clone() });
    } else {
        INTENTS.remove(cx, id);
    }
}

/// How many of `open` payouts that accrue are left without these.
fn without(open: u32, ended: &[(PayoutId, Intent)]) -> u32 {
    let accrued = ended.iter().filter(|(_, intent)| intent.state == IntentState::Accrued).count();
    let accrued = u32::try_from(accrued).expect("a call or block handles few");
    open.checked_sub(accrued).expect("each payout that accrues is counted")
}

/// Takes what has ended, worth `amount`, off what the payee is owed.
fn settle(cx: &mut Ctx, payee: &AccountId, ended: &[(PayoutId, Intent)], amount: Balance) {
    let mut owed = PAYEES.get(cx, payee).expect("a payee with payouts is owed something");
    let old = owed.next_try;
    owed.amount = owed.amount.checked_sub(amount).expect("what is owed is the sum of payouts");
    owed.open = without(owed.open, ended);
    owed.attempts = 0;
    // What is left accrues on, or is tried in the next block if the budget cut it off.
    if owed.open == 0 {
        owed.next_try = None;
    }
    store(cx, payee, owed, old);
}

/// Gives payouts that nobody claimed to the treasury, while the block has time for it.
pub(super) fn forfeit_due(cx: &mut Ctx) {
    let now = clock::now(cx);
    let mut after = None;
    while HookWork::Forfeit.left(cx) > 0
        && let Some((at, id)) = FORFEITS.next_after(cx, after.as_ref())
        && at <= now
    {
        after = Some((at, id));
        let intent = INTENTS.get(cx, &id).expect("schedules name payouts that exist");
        let Intent { payee, amount, .. } = intent;
        balances::transfer_held(cx, HoldReason::Accrued, &POT, &treasury::TREASURY, amount, None)
            .expect("the pot holds what is owed, and the treasury exists");
        end(cx, &id, &intent, IntentState::Forfeited);
        let mut owed = PAYEES.get(cx, &payee).expect("a payee with payouts is owed something");
        owed.amount = owed.amount.checked_sub(amount).expect("what is owed is the sum of payouts");
        store(cx, &payee, owed, owed.next_try);
        cx.emit(Event::Forfeited { payout: id, payee, amount });
    }
}

/// Pays the given payouts now. All or nothing: if one transfer fails, so does the call.
pub(super) fn claim(cx: &mut Ctx, ids: &[PayoutId]) -> DispatchResult {
    check_ids(ids)?;
    let mut by_payee = BTreeMap::<AccountId, Vec<(PayoutId, Intent)>>::new();
    for (id, intent) in load(cx, ids)? {
        by_payee.entry(intent.payee).or_default().push((id, intent));
    }
    by_payee.iter().try_for_each(|(payee, intents)| transfer(cx, payee, intents))
}

/// Sends unclaimed payouts to another account. Their tasks are settled already.
pub(super) fn redirect(
    cx: &mut Ctx,
    who: AccountId,
    ids: &[PayoutId],
    to: AccountId,
) -> DispatchResult {
    check_ids(ids)?;
    for (id, intent) in load(cx, ids)? {
        ensure(intent.agent == who, Error::NotTheAgent)?;
        let IntentState::Unclaimed(until) = intent.state else {
            return Err(Error::NotUnclaimed.into());
        };
        UNCLAIMED.remove(cx, &intent.payee, &id);
        FORFEITS.remove(cx, until, &id);
        settle_redirected(cx, &intent);
        let (from, amount) = (intent.payee, intent.amount);
        let told = intent.task;
        INTENTS.set(cx, &id, &Intent { payee: to, state: IntentState::Accrued, ..intent });
        tasks::payout_reopened(cx, &told);
        accrue(cx, &to, &id, amount);
        cx.emit(Event::Redirected { payout: id, from, to, amount });
    }
    Ok(())
}

fn settle_redirected(cx: &mut Ctx, intent: &Intent) {
    let mut owed = PAYEES.get(cx, &intent.payee).expect("a payee with payouts is owed something");
    owed.amount =
        owed.amount.checked_sub(intent.amount).expect("what is owed is the sum of payouts");
    store(cx, &intent.payee, owed, owed.next_try);
}

fn check_ids(ids: &[PayoutId]) -> DispatchResult {
    let different = ids.iter().collect::<BTreeSet<_>>().len() == ids.len();
    ensure((1..=IDS_MAX).contains(&ids.len()) && different, Error::BadIds)
}

/// The payouts with these ids, none of which has ended.
fn load(cx: &Ctx, ids: &[PayoutId]) -> Result<Vec<(PayoutId, Intent)>, DispatchError> {
    ids.iter()
        .map(|id| {
            let intent = INTENTS.get(cx, id).ok_or(Error::UnknownPayout)?;
            let open = matches!(intent.state, IntentState::Accrued | IntentState::Unclaimed(_));
            ensure(open, Error::AlreadyClosed)?;
            Ok((*id, intent))
        })
        .collect()
}
