//! How a result comes in, stands and is paid.

use super::{Error, Event, OUTPUT_INLINE_BYTES_MAX, RESULTS, params};
use crate::{
    agents::{
        self, Deadline, Payee,
        clock::{CHALLENGE_BLOCKS, DEADLINE_BLOCKS},
    },
    escrow, payouts,
    tasks::{
        self, CloseReason, EarlyPay, Entry, Outcome, Output, SlotState, Stamp, Step, Task, TaskId,
        TaskState,
    },
};
use framework::prelude::*;
use primitives::crypto::hash::blake2_256;

/// What an agent delivered.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct TaskResult {
    /// Who delivered it.
    pub agent: AccountId,
    /// For which attempt.
    pub attempt: u8,
    /// What came out.
    pub outcome: Outcome,
    /// Fuel that it took.
    pub fuel_used: u64,
    /// When it came in.
    pub at: Stamp,
}

impl TaskResult {
    /// What replicas and auditors must agree on: hash of outcome and fuel.
    pub fn hash(&self) -> Hash {
        blake2_256(&("artel/outcome/1", &self.outcome, self.fuel_used).encode())
    }
}

pub(super) fn submit(
    cx: &mut Ctx,
    who: AccountId,
    id: TaskId,
    outcome: Outcome,
    fuel_used: u64,
) -> DispatchResult {
    let mut entry = tasks::current(cx, &id)?;
    ensure(entry.task.state == TaskState::Assigned, tasks::Error::NotAssigned)?;
    let (number, slot) = entry.task.slot().ok_or(tasks::Error::NotAssigned)?;
    ensure(slot.agent == who, tasks::Error::NotAssigned)?;
    ensure(fits(&entry.task, &outcome, fuel_used), Error::BadOutcome)?;
    let at = Stamp { height: cx.block.height, time_ms: cx.block.time_ms };
    let attempt = slot.attempt;
    let result = TaskResult { agent: who, attempt, outcome, fuel_used, at };
    let hash = result.hash();
    RESULTS.set(cx, &(id, number), &result);
    agents::delivered(cx, &who);
    let slot = entry.task.slot_mut().expect("it was just found");
    slot.state = SlotState::Revealed;
    slot.outcome = Some(hash);
    // A result that lands stops a cancellation.
    entry.task.cancel = None;
    let window = Deadline::after(cx, params(cx).window_ms, CHALLENGE_BLOCKS);
    entry.enter(cx, TaskState::Validating, window);
    entry.save(cx);
    let (agent, outcome, until) = (who, hash, window.at);
    cx.emit(Event::ResultSubmitted { task: id, slot: number, agent, outcome, until });
    Ok(())
}

/// Whether an outcome keeps to its task's limits. Whether it is right is for others to say.
fn fits(task: &Task, outcome: &Outcome, fuel_used: u64) -> bool {
    let output_fits = match outcome {
        Outcome::Ok { output, hash, size } => {
            let place_fits = match output {
                Output::Inline(bytes) => {
                    bytes.len() <= OUTPUT_INLINE_BYTES_MAX
                        && u64::try_from(bytes.len()) == Ok(*size)
                        && blake2_256(bytes) == *hash
                }
                Output::Blob(cid) => cid.is_valid(),
            };
            place_fits && *size <= task.output_bytes_max
        }
        Outcome::Trap { .. } | Outcome::OutOfFuel => true,
    };
    output_fits && fuel_used <= task.fuel_limit
}

pub(super) fn accept(cx: &mut Ctx, who: AccountId, id: TaskId) -> DispatchResult {
    let mut entry = tasks::current(cx, &id)?;
    ensure(entry.task.requester == who, tasks::Error::NotTheRequester)?;
    ensure(entry.task.state == TaskState::Validating, Error::NotValidating)?;
    ensure(entry.task.early == EarlyPay::No, Error::AlreadyAccepted)?;
    // Money moves in the hook at the block's end, so that acceptances do not wait for one another.
    entry.task.early = EarlyPay::Accepted(Deadline::after(cx, 0, 0));
    let (slot, _) = entry.task.slot().expect("a task with a result has a slot");
    entry.save(cx);
    cx.emit(Event::ResultAccepted { task: id, slot });
    Ok(())
}

/// Takes the step that is due, if it is one of this pallet's.
pub(super) fn take(cx: &mut Ctx, entry: &mut Entry) {
    match entry.due(cx) {
        Some(Step::Cancel) => cancel(cx, entry),
        Some(Step::Pay) => pay_early(cx, entry),
        Some(Step::Validate) => validate(cx, entry),
        Some(Step::Prune) => prune(cx, entry),
        Some(Step::Unfunded | Step::Unclaimed | Step::Draw | Step::NoShow | Step::Settle)
        | None => {}
    }
}

/// The cancellation takes effect: the agent gets a part of the reward for its time.
fn cancel(cx: &mut Ctx, entry: &mut Entry) {
    let (_, slot) = entry.task.slot().expect("an assigned task has a slot");
    let (agent, hold) = (slot.agent, slot.hold);
    let payee = payee(cx, &agent);
    agents::disengage(cx, &agent, hold);
    entry.task.slot_mut().expect("it was just found").state = SlotState::Cancelled;
    let part = entry.task.policy.reward.share_floor(tasks::params(cx).cancel_pay_ppm);
    payouts::make(cx, entry, true, &payee, part);
    tasks::close(cx, entry, TaskState::Cancelled, CloseReason::CancelledAtWork);
}

fn pay_early(cx: &mut Ctx, entry: &mut Entry) {
    pay(cx, entry);
    entry.task.early = EarlyPay::Paid;
    let (slot, of) = entry.task.slot().expect("a task with a result has a slot");
    let (task, agent, reward) = (entry.id, of.agent, entry.task.policy.reward);
    cx.emit(Event::PaidEarly { task, slot, agent, reward });
}

/// The window is over and nobody challenged the result: it stands.
fn validate(cx: &mut Ctx, entry: &mut Entry) {
    if entry.task.early == EarlyPay::No {
        pay(cx, entry);
    }
    let (number, slot) = entry.task.slot().expect("a task with a result has a slot");
    let (agent, hold) = (slot.agent, slot.hold);
    let verdict = slot.outcome.expect("a task that validates has an outcome");
    let earned = earned(cx, entry);
    agents::vindicated(cx, &agent, hold, earned);
    entry.task.slot_mut().expect("it was just found").state = SlotState::Accepted;
    entry.task.verdict = Some(verdict);
    tasks::resolve_reports(cx, entry, false);
    escrow::refund(cx, &entry.id);
    let settle_ms = tasks::params(cx).settle_ms;
    entry.enter(cx, TaskState::Validated, Deadline::after(cx, settle_ms, DEADLINE_BLOCKS));
    cx.emit(Event::Validated { task: entry.id, slot: number, agent, verdict });
    if entry.task.payouts_open == 0 {
        tasks::close(cx, entry, TaskState::Settled, CloseReason::Done);
    }
}

/// The reward to the payee, the fee to those who share it.
fn pay(cx: &mut Ctx, entry: &mut Entry) {
    let (_, slot) = entry.task.slot().expect("a task with a result has a slot");
    let payee = payee(cx, &slot.agent);
    let reward = entry.task.policy.reward;
    payouts::make(cx, entry, false, &payee, reward);
    escrow::pay_fee(cx, &entry.id);
}

fn payee(cx: &Ctx, agent: &AccountId) -> Payee {
    agents::agent(cx, agent).expect("an agent with stake at risk cannot leave").profile.payout
}

/// What a validated task adds to its agent's reputation: nothing if there was little competition,
/// or if the agent's owner is on the other side too.
fn earned(cx: &Ctx, entry: &Entry) -> Balance {
    let (_, slot) = entry.task.slot().expect("a task with a result has a slot");
    let deposits = escrow::escrow(cx, &entry.id).map(|e| e.deposits).unwrap_or_default();
    let own = entry.task.requester == slot.owner
        || entry.task.sponsor == Some(slot.owner)
        || deposits.iter().any(|deposit| deposit.who == slot.owner);
    if slot.random && !own { entry.task.policy.reward } else { Balance::ZERO }
}

fn prune(cx: &mut Ctx, entry: &mut Entry) {
    payouts::forget(cx, &entry.id, &entry.task);
    for number in 0..u8::try_from(entry.task.slots.len()).expect("SLOTS_MAX is small") {
        RESULTS.remove(cx, &(entry.id, number));
    }
    tasks::forget(cx, entry);
}
