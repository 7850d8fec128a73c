//! The invariants of tasks.

use super::{
    CANDIDATES, CANDIDATES_MAX, INPUT_REPORTS, SLOTS_MAX, SPECS, Step, TASKS, Task, TaskId,
    candidates, schedule,
};
use crate::{agents, escrow};
use framework::prelude::*;
use std::collections::BTreeMap;

/// What tasks bind of an agent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Bound {
    locked: Balance,
    busy: u32,
}

pub(super) fn check(state: &dyn StateRead) -> Result<(), String> {
    let mut bound = BTreeMap::<AccountId, Bound>::new();
    let (mut tasks, mut scheduled, mut with_candidates) = (0usize, 0usize, 0usize);
    for (id, task) in TASKS.iter(state) {
        check_task(state, &id, &task).map_err(|e| format!("task {id}: {e}: {task:?}"))?;
        tasks += 1;
        scheduled += usize::from(task.next().is_some());
        with_candidates += usize::from(task.candidates > 0);
        add_bound(state, &id, &task, &mut bound);
    }
    let names = Step::ALL.iter().map(|step| schedule(*step).iter(state).count()).sum::<usize>();
    if names != scheduled {
        return Err(format!("schedules name {names} tasks, {scheduled} have a next step"));
    }
    for (what, count, expected) in [
        ("specifications", SPECS.iter(state).count(), tasks),
        ("candidates", CANDIDATES.iter(state).count(), with_candidates),
    ] {
        if count != expected {
            return Err(format!("{count} {what} are stored, {expected} belong to a task"));
        }
    }
    // A report without a fine binds nobody.
    bound.retain(|_, bound| *bound != Bound::default());
    for (account, agent) in agents::agents(state) {
        let expected = bound.remove(&account).unwrap_or_default();
        if (Bound { locked: agent.locked, busy: agent.busy }) != expected {
            return Err(format!(
                "{account} has {} at risk and is busy with {}, its tasks say {expected:?}",
                agent.locked, agent.busy
            ));
        }
    }
    match bound.first_key_value() {
        Some((account, bound)) => Err(format!("{account} is bound by {bound:?} but no agent")),
        None => Ok(()),
    }
}

fn check_task(state: &dyn StateRead, id: &TaskId, task: &Task) -> Result<(), &'static str> {
    let ensure = |condition: bool, what: &'static str| if condition { Ok(()) } else { Err(what) };
    if let Some((step, deadline)) = task.next() {
        let named = schedule(step).contains(state, deadline.at, id);
        ensure(named, "the schedule of its next step does not name it")?;
    }
    let candidates = candidates(state, id).len();
    ensure(candidates == usize::from(task.candidates), "it counts its candidates wrongly")?;
    ensure(task.candidates <= CANDIDATES_MAX, "it has too many candidates")?;
    ensure(task.slots.len() <= usize::from(SLOTS_MAX), "it has too many slots")?;
    ensure(task.input_reports.len() < INPUT_REPORTS, "it has too many reports")?;
    ensure(task.state.is_final() == task.close_reason.is_some(), "its reason is not its state's")?;
    let has_escrow = escrow::escrow(state, id).is_some();
    ensure(has_escrow != task.state.is_final(), "its escrow is not its state's")?;
    ensure(SPECS.contains(state, id), "its specification is missing")
}

fn add_bound(
    state: &dyn StateRead,
    id: &TaskId,
    task: &Task,
    bound: &mut BTreeMap<AccountId, Bound>,
) {
    use super::{SlotState, TaskState};
    let mut add = |who: AccountId, locked: Balance, busy: u32| {
        let of = bound.entry(who).or_default();
        of.locked = of.locked.saturating_add(locked);
        of.busy += busy;
    };
    for candidate in candidates(state, id) {
        add(candidate.agent, task.slot_hold, 1);
    }
    for report in &task.input_reports {
        add(report.agent, report.hold, 0);
    }
    for slot in &task.slots {
        match (slot.state, task.state) {
            (SlotState::Assigned, _) => add(slot.agent, slot.hold, 1),
            (SlotState::Revealed, TaskState::Validating) => add(slot.agent, slot.hold, 0),
            _ => {}
        }
    }
}
