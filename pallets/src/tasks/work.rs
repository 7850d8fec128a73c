//! What happens while an agent works, apart from its result.

use super::{
    CloseReason, Entry, Error, Event, INPUT_REPORTS, InputReport, ReleaseReason, SlotState, TaskId,
    TaskState, close, current, params,
};
use crate::agents::{self, Deadline, clock::DEADLINE_BLOCKS};
use framework::prelude::*;
use std::collections::BTreeSet;

/// Gives a task back. A report of an unavailable input keeps its hundredth of the stake at risk until the
/// task ends: it is slashed if another agent's result stands, and returned if not.
pub(super) fn release(
    cx: &mut Ctx,
    who: AccountId,
    id: TaskId,
    reason: ReleaseReason,
) -> DispatchResult {
    let mut entry = current(cx, &id)?;
    let release_ppm = params(cx).release_ppm;
    ensure(entry.task.state == TaskState::Assigned, Error::NotAssigned)?;
    let (index, slot) = entry.task.slot().ok_or(Error::NotAssigned)?;
    ensure(slot.agent == who, Error::NotAssigned)?;
    let (owner, hold) = (slot.owner, slot.hold);
    let fine = hold.share_ceil(release_ppm);
    agents::disengage(cx, &who, hold.saturating_sub(fine));
    set_slot(&mut entry, SlotState::Released);
    entry.task.barred.push(who);
    cx.emit(Event::Released { task: id, slot: index, agent: who, reason });
    if reason == ReleaseReason::InputUnavailable {
        entry.task.input_reports.push(InputReport { agent: who, owner, hold: fine });
    } else {
        agents::slash(cx, &who, fine, id);
    }
    let owners: BTreeSet<_> = entry.task.input_reports.iter().map(|r| r.owner).collect();
    if owners.len() >= INPUT_REPORTS {
        close(cx, &mut entry, TaskState::Failed, CloseReason::InputUnavailable);
    } else {
        next_attempt(cx, &mut entry, CloseReason::Released);
    }
    entry.save(cx);
    Ok(())
}

/// Takes a task back: at once before the draw, after a while when an agent works on it.
pub(super) fn cancel(cx: &mut Ctx, who: AccountId, id: TaskId) -> DispatchResult {
    let mut entry = current(cx, &id)?;
    ensure(entry.task.requester == who, Error::NotTheRequester)?;
    match entry.task.state {
        TaskState::AwaitingEscrow | TaskState::Pending => {
            close(cx, &mut entry, TaskState::Cancelled, CloseReason::CancelledBeforeDraw);
        }
        TaskState::Assigned => {
            ensure(entry.task.cancel.is_none(), Error::AlreadyCancelling)?;
            let cancel = Deadline::after(cx, params(cx).cancel_ms, DEADLINE_BLOCKS);
            entry.task.cancel = Some(cancel);
            cx.emit(Event::CancelRequested { task: id, at: cancel.at });
        }
        TaskState::Revealing
        | TaskState::Validating
        | TaskState::Disputed
        | TaskState::Validated
        | TaskState::Settled
        | TaskState::Expired
        | TaskState::Cancelled
        | TaskState::Failed => return Err(Error::TooLateToCancel.into()),
    }
    entry.save(cx);
    Ok(())
}

/// The agent did not deliver in time.
pub(super) fn no_show(cx: &mut Ctx, entry: &mut Entry) {
    let (index, slot) = entry.task.slot().expect("an assigned task has a slot");
    let (agent, hold) = (slot.agent, slot.hold);
    let in_a_row = agents::missed(cx, &agent);
    let fine = hold.share_ceil(params(cx).no_show_fine_ppm(in_a_row));
    agents::disengage(cx, &agent, hold.saturating_sub(fine));
    agents::slash(cx, &agent, fine, entry.id);
    set_slot(entry, SlotState::NoShow);
    entry.task.barred.push(agent);
    cx.emit(Event::NoShow { task: entry.id, slot: index, agent });
    next_attempt(cx, entry, CloseReason::NoShow);
}

/// Opens the task for candidates again, unless there are no attempts left or the requester wants
/// it back.
fn next_attempt(cx: &mut Ctx, entry: &mut Entry, reason: CloseReason) {
    if entry.task.cancel.is_some() {
        return close(cx, entry, TaskState::Cancelled, CloseReason::CancelledAtWork);
    }
    if entry.task.is_last_attempt() {
        return close(cx, entry, TaskState::Failed, reason);
    }
    entry.task.attempt += 1;
    let claim_ms = entry.task.policy.claim_ms;
    entry.enter(cx, TaskState::Pending, Deadline::after(cx, claim_ms, DEADLINE_BLOCKS));
    cx.emit(Event::Reopened { task: entry.id, attempt: entry.task.attempt });
}

fn set_slot(entry: &mut Entry, state: SlotState) {
    entry.task.slot_mut().expect("an assigned task has a slot").state = state;
}

/// Ends the reports of an unavailable input. Those that a result has proven wrong are slashed; nothing
/// else proves them wrong, as a requester could bring about all else.
pub fn resolve_reports(cx: &mut Ctx, entry: &mut Entry, right: bool) {
    for report in std::mem::take(&mut entry.task.input_reports) {
        if right {
            agents::unlock(cx, &report.agent, report.hold);
        } else {
            agents::slash(cx, &report.agent, report.hold, entry.id);
        }
    }
}

/// One payout of a task is paid or unclaimed; after the last one a validated task is settled, if that did
/// not take too long.
pub fn payout_done(cx: &mut Ctx, id: &TaskId) {
    // The task may have been pruned before its payout went through.
    let Ok(mut entry) = Entry::load(cx, id) else { return };
    entry.task.payouts_open =
        entry.task.payouts_open.checked_sub(1).expect("each payout is counted once");
    if entry.task.payouts_open == 0 && entry.task.state == TaskState::Validated {
        close(cx, &mut entry, TaskState::Settled, CloseReason::Done);
    }
    entry.save(cx);
}

/// A payout that had counted as done is tried again, for another payee. The task keeps its state.
pub fn payout_reopened(cx: &mut Ctx, id: &TaskId) {
    let Ok(mut entry) = Entry::load(cx, id) else { return };
    entry.task.payouts_open += 1;
    entry.save(cx);
}
