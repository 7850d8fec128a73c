//! A task between reading and writing it, its schedules, and how it ends.

use super::{
    CANDIDATES, CloseReason, EarlyPay, Error, Event, RECORDS, SPECS, Stamp, Step, TASKS, Task,
    TaskId, TaskState, claim, hook_work, schedule, work,
};
use crate::{
    agents::{
        Deadline,
        clock::{self, DEADLINE_BLOCKS},
    },
    escrow,
};
use framework::prelude::*;
use primitives::crypto::hash::blake2_256;

/// A task that is being changed. [`Entry::save`] keeps its schedules right.
pub struct Entry {
    /// The task's id.
    pub id: TaskId,
    /// The record.
    pub task: Task,
    was: Option<(Step, Moment)>,
}

impl Entry {
    /// A task that is not stored yet.
    pub(super) fn new(id: TaskId, task: Task) -> Self {
        Self { id, task, was: None }
    }

    /// Reads a task.
    pub fn load(state: &dyn StateRead, id: &TaskId) -> Result<Self, DispatchError> {
        let task = TASKS.get(state, id).ok_or(Error::UnknownTask)?;
        let was = task.next().map(|(step, deadline)| (step, deadline.at));
        Ok(Self { id: *id, task, was })
    }

    /// Moves the task to another state, whose default step is due at `deadline`.
    pub fn enter(&mut self, cx: &Ctx, state: TaskState, deadline: Deadline) {
        self.task.state = state;
        self.task.changed = Stamp::now(cx);
        self.task.deadline = deadline;
    }

    /// Writes the task and moves it to the schedule of its next step.
    pub fn save(self, cx: &mut Ctx) {
        let next = self.task.next().map(|(step, deadline)| (step, deadline.at));
        if next != self.was {
            if let Some((step, at)) = self.was {
                schedule(step).remove(cx, at, &self.id);
            }
            if let Some((step, at)) = next {
                schedule(step).insert(cx, at, &self.id);
            }
        }
        TASKS.set(cx, &self.id, &self.task);
    }

    /// The step whose time has come, if any.
    pub fn due(&self, cx: &Ctx) -> Option<Step> {
        self.task.next().filter(|(_, deadline)| deadline.is_over(cx)).map(|(step, _)| step)
    }

    /// The clock says that it is time, but too few blocks were made: the deadline moves on.
    fn postpone(&mut self, cx: &Ctx) {
        let at = clock::now(cx) + 1;
        match self.task.next().map(|(step, _)| step) {
            Some(Step::Cancel) => {
                self.task.cancel = self.task.cancel.map(|cancel| Deadline { at, ..cancel });
            }
            Some(Step::Pay) => {
                if let EarlyPay::Accepted(when) = self.task.early {
                    self.task.early = EarlyPay::Accepted(Deadline { at, ..when });
                }
            }
            Some(_) | None => self.task.deadline.at = at,
        }
    }
}

/// The task, after the steps that were due have been taken: no call acts on what is over.
///
/// # Errors
///
/// `UnknownTask`; `ClaimsClosed` or `StepDue` if a step is due that only hooks and pokes take.
pub fn current(cx: &mut Ctx, id: &TaskId) -> Result<Entry, DispatchError> {
    let mut entry = Entry::load(cx, id)?;
    while let Some(step) = entry.due(cx) {
        match step {
            Step::Unfunded | Step::Unclaimed | Step::NoShow | Step::Settle => {
                take(cx, &mut entry);
            }
            // An accepted result is paid at the block's end; no call depends on that.
            Step::Pay => break,
            Step::Draw => return Err(Error::ClaimsClosed.into()),
            Step::Cancel | Step::Validate | Step::Prune => return Err(Error::StepDue.into()),
        }
    }
    Ok(entry)
}

/// Takes the step that is due, if it is one of this pallet's.
pub fn take(cx: &mut Ctx, entry: &mut Entry) {
    match entry.due(cx) {
        Some(Step::Unfunded) => {
            close(cx, entry, TaskState::Expired, CloseReason::NotFunded);
        }
        Some(Step::Unclaimed) => {
            close(cx, entry, TaskState::Expired, CloseReason::NoCandidate);
        }
        Some(Step::Draw) => claim::draw(cx, entry),
        Some(Step::NoShow) => work::no_show(cx, entry),
        Some(Step::Settle) => close(cx, entry, TaskState::Settled, CloseReason::Done),
        Some(Step::Cancel | Step::Pay | Step::Validate | Step::Prune) | None => {}
    }
}

/// Runs `run` for each task whose `step` is due, longest first, while the block has time for this kind of
/// work; the rest waits for the next block.
pub fn each_due(cx: &mut Ctx, step: Step, mut run: impl FnMut(&mut Ctx, &mut Entry)) {
    let now = clock::now(cx);
    let mut after = None;
    while hook_work(step).left(cx) > 0
        && let Some((at, id)) = schedule(step).next_after(cx, after.as_ref())
        && at <= now
    {
        after = Some((at, id));
        let entry = Entry::load(cx, &id).ok().filter(|entry| entry.was == Some((step, at)));
        let Some(mut entry) = entry else {
            // Every call keeps the schedules right; a hook that panicked if one did not would halt the
            // chain for good.
            schedule(step).remove(cx, at, &id);
            continue;
        };
        if entry.due(cx) == Some(step) {
            run(cx, &mut entry);
        } else {
            entry.postpone(cx);
            // Another deadline may have come before the one that moved on.
            take(cx, &mut entry);
        }
        // A pruned task is gone.
        if TASKS.contains(cx, &id) {
            entry.save(cx);
        }
    }
}

/// How many steps are due and not taken: 0 between blocks, unless a block's budget was used up.
pub fn overdue(state: &dyn StateRead, height: Height) -> usize {
    let now = clock::now(state);
    let over = |deadline: Deadline| now >= deadline.at && height >= deadline.height;
    Step::ALL
        .iter()
        .flat_map(|step| schedule(*step).due(state, now, usize::MAX))
        .filter_map(|(_, id)| TASKS.get(state, &id)?.next())
        .filter(|(_, deadline)| over(*deadline))
        .count()
}

/// Ends a task: all that is still bound by it is set free, and what is left of its money goes back.
/// The listing fee is burned where no agent was drawn; reports of an unavailable input are returned.
pub fn close(cx: &mut Ctx, entry: &mut Entry, state: TaskState, reason: CloseReason) {
    let fee = match reason {
        CloseReason::NotFunded | CloseReason::NoCandidate | CloseReason::CancelledBeforeDraw => {
            true
        }
        CloseReason::Done
        | CloseReason::CancelledAtWork
        | CloseReason::InputUnavailable
        | CloseReason::NoShow
        | CloseReason::Released
        | CloseReason::Inconclusive => false,
    };
    claim::dismiss(cx, entry, None);
    work::resolve_reports(cx, entry, true);
    if fee {
        escrow::burn_listing_fee(cx, &entry.id);
    }
    escrow::close(cx, &entry.id);
    let retain_ms = entry.task.policy.retain_ms;
    entry.enter(cx, state, Deadline::after(cx, retain_ms, DEADLINE_BLOCKS));
    entry.task.cancel = None;
    entry.task.close_reason = Some(reason);
    cx.emit(Event::Closed { task: entry.id, state, reason, code: reason.code() });
}

/// Forgets a task that has ended, but for the hash of its record.
pub fn forget(cx: &mut Ctx, entry: &Entry) {
    assert!(entry.task.state.is_final(), "only tasks that have ended are pruned");
    if let Some((step, at)) = entry.was {
        schedule(step).remove(cx, at, &entry.id);
    }
    let record = blake2_256(&entry.task.encode());
    TASKS.remove(cx, &entry.id);
    SPECS.remove(cx, &entry.id);
    CANDIDATES.remove(cx, &entry.id);
    RECORDS.set(cx, &entry.id, &record);
    cx.emit(Event::Pruned { task: entry.id, record });
}
