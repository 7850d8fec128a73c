//! How payouts begin and how their records go.

use super::{
    Event, INTENTS, Intent, IntentState, MINIMUMS, OPEN, Owed, PAYEES, POT, Payee, PayoutId,
    PayoutKind, TRIES, params,
};
use crate::{
    agents::clock,
    balances::HoldReason,
    escrow,
    tasks::{Entry, Task, TaskId, TaskState},
};
use framework::prelude::*;
use primitives::crypto::hash::blake2_256;

/// Id of a payout: nothing can be paid twice, as there is one id for each thing to pay.
pub fn payout_id(task: &TaskId, slot: u8, kind: PayoutKind) -> PayoutId {
    blake2_256(&("artel/payout/1", task, slot, kind).encode())
}

/// Ids of a task's payouts.
pub fn ids_of(id: &TaskId, task: &Task) -> Vec<PayoutId> {
    let cancelled = task.state == TaskState::Cancelled;
    let mut ids = Vec::new();
    for (number, slot) in task.slots.iter().enumerate() {
        let number = u8::try_from(number).expect("a task has at most SLOTS_MAX slots");
        for part in 0..slot.payouts {
            ids.push(payout_id(id, number, kind(cancelled, part)));
        }
    }
    ids
}

fn kind(cancelled: bool, part: u8) -> PayoutKind {
    if cancelled { PayoutKind::Cancellation { part } } else { PayoutKind::Reward { part } }
}

/// Decides to pay `amount` for the work in the task's last slot and moves the money from the task's
/// escrow into the pot. Nothing happens where the payout was made before.
pub fn make(cx: &mut Ctx, entry: &mut Entry, cancelled: bool, to: &Payee, amount: Balance) {
    let number = u8::try_from(entry.task.slots.len().saturating_sub(1))
        .expect("a task has at most SLOTS_MAX slots");
    let slot = entry.task.slots.last_mut().expect("a task that pays has a slot");
    if slot.payouts > 0 || amount.is_zero() {
        return;
    }
    let agent = slot.agent;
    escrow::pay(cx, &entry.id, &POT, HoldReason::Accrued, amount);
    for (payee, amount) in to.split(amount) {
        let kind = kind(cancelled, slot.payouts);
        slot.payouts += 1;
        entry.task.payouts_open += 1;
        let payout = payout_id(&entry.id, number, kind);
        let state = IntentState::Accrued;
        let intent = Intent { task: entry.id, slot: number, kind, agent, payee, amount, state };
        INTENTS.set(cx, &payout, &intent);
        accrue(cx, &payee, &payout, amount);
        cx.emit(Event::Accrued { payout, task: entry.id, slot: number, payee, amount });
    }
}

/// Adds a payout to what a payee is owed. It is tried at once when there is enough, else at the end
/// of the payee's era; a payee whose transfers fail keeps its next try.
pub(super) fn accrue(cx: &mut Ctx, payee: &AccountId, payout: &PayoutId, amount: Balance) {
    let mut owed = PAYEES.get(cx, payee).unwrap_or_default();
    let old = owed.next_try;
    owed.amount = owed.amount.saturating_add(amount);
    owed.open = owed.open.checked_add(1).expect("state has no room for so many");
    OPEN.insert(cx, payee, payout);
    if owed.attempts == 0 {
        let (params, now) = (params(cx), clock::now(cx));
        let minimum = MINIMUMS.get(cx, payee).unwrap_or(params.minimum);
        owed.next_try = if owed.amount >= minimum {
            Some(old.map_or(now, |at| at.min(now)))
        } else {
            Some(old.unwrap_or_else(|| now.saturating_add(params.era_ms)))
        };
    }
    store(cx, payee, owed, old);
}

/// Writes what a payee is owed and moves it to its place in the schedule.
pub(super) fn store(cx: &mut Ctx, payee: &AccountId, owed: Owed, old: Option<Moment>) {
    if owed.next_try != old {
        if let Some(at) = old {
            TRIES.remove(cx, at, payee);
        }
        if let Some(at) = owed.next_try {
            TRIES.insert(cx, at, payee);
        }
    }
    if owed.amount.is_zero() {
        PAYEES.remove(cx, payee);
    } else {
        PAYEES.set(cx, payee, &owed);
    }
}

/// Forgets the payouts of a task that is pruned; those that are not paid stay until they are.
pub fn forget(cx: &mut Ctx, id: &TaskId, task: &Task) {
    for payout in ids_of(id, task) {
        let state = INTENTS.get(cx, &payout).map(|intent| intent.state);
        if matches!(state, Some(IntentState::Paid(_) | IntentState::Forfeited)) {
            INTENTS.remove(cx, &payout);
        }
    }
}
