//! How tasks begin.

use super::{
    Assurance, DEADLINE_MS_MIN, EXEC_MS_MAX, EarlyPay, Entry, Error, Event, Policy, RECORDS,
    RETAIN_MS_MAX, SLOTS_MAX, SPAN_MS_MAX, SPECS, Stamp, TASKS, Task, TaskId, TaskSpec, TaskState,
    VALUE_AT_RISK_REWARDS_MAX, current, params,
};
use crate::{
    agents::{Deadline, clock::DEADLINE_BLOCKS},
    escrow, system,
};
use framework::prelude::*;
use primitives::{Nonce, crypto::hash::blake2_256};

/// Id of the task that is created as number `index` (from 0) by the transaction with `nonce` of
/// `signer`. In a batch, creations that failed count too.
pub fn task_id(genesis: &Hash, signer: &AccountId, nonce: Nonce, index: u32) -> TaskId {
    blake2_256(&("artel/task/1", genesis, signer, nonce, index).encode())
}

pub(super) fn create(
    cx: &mut Ctx,
    signer: AccountId,
    spec: TaskSpec,
    policy: Policy,
    requester: Option<AccountId>,
    funded: bool,
) -> DispatchResult {
    // Whether or not the creation fails.
    let index = cx.fresh_index();
    let Terms { exec_ms, slot_hold, cost } = terms(cx, &spec, &policy)?;
    let bytes = spec.encode();

    // The nonce was counted up before the call ran.
    let nonce = system::account(cx, &signer).nonce.saturating_sub(1);
    let id = task_id(&cx.block.genesis, &signer, nonce, index);
    // A call in another account's name does not count that account's nonce.
    let known = TASKS.contains(cx, &id) || RECORDS.contains(cx, &id);
    ensure(!known, Error::TaskExists)?;
    let (state, held, wait_ms) = if funded {
        let all = cost.storage.checked_add(cost.work).ok_or(Error::TooExpensive)?;
        (TaskState::Pending, all, policy.claim_ms)
    } else {
        (TaskState::AwaitingEscrow, cost.storage, params(cx).funding_ms)
    };
    escrow::open(cx, &id, &signer, held, &cost)?;
    let owner = requester.unwrap_or(signer);
    let sponsor = (owner != signer).then_some(signer);
    let (engine, reward) = (spec.engine, policy.reward);
    let task = Task {
        requester: owner,
        sponsor,
        spec_hash: blake2_256(&bytes),
        engine,
        fuel_limit: spec.fuel_limit,
        output_bytes_max: spec.output_bytes_max,
        policy,
        slot_hold,
        exec_ms,
        state,
        attempt: 0,
        slots: Vec::new(),
        deadline: Deadline::after(cx, wait_ms, DEADLINE_BLOCKS),
        candidates: 0,
        cancel: None,
        barred: Vec::new(),
        input_reports: Vec::new(),
        early: EarlyPay::No,
        payouts_open: 0,
        verdict: None,
        created: Stamp::now(cx),
        changed: Stamp::now(cx),
        close_reason: None,
    };
    SPECS.set(cx, &id, &spec);
    Entry::new(id, task).save(cx);
    cx.emit(Event::Created { task: id, requester: owner, sponsor, engine, reward, funded });
    Ok(())
}

pub(super) fn fund(cx: &mut Ctx, who: AccountId, id: TaskId, spec_hash: Hash) -> DispatchResult {
    let mut entry = current(cx, &id)?;
    ensure(entry.task.state == TaskState::AwaitingEscrow, Error::NotAwaitingEscrow)?;
    ensure(entry.task.spec_hash == spec_hash, Error::WrongSpec)?;
    let spec = SPECS.get(cx, &id).expect("each task has a specification");
    let cost = cost(cx, &spec, &entry.task.policy)?;
    escrow::fund(cx, &id, &who, &cost)?;
    let claim_ms = entry.task.policy.claim_ms;
    entry.enter(cx, TaskState::Pending, Deadline::after(cx, claim_ms, DEADLINE_BLOCKS));
    entry.save(cx);
    cx.emit(Event::Funded { task: id, by: who });
    Ok(())
}

fn check_policy(policy: &Policy) -> DispatchResult {
    let one = policy.replicas == 1 && policy.quorum == 1;
    ensure(one && policy.assurance == Assurance::Economy, Error::NotYetPossible)?;
    let risk_max = policy.reward.saturating_mul(VALUE_AT_RISK_REWARDS_MAX);
    ensure(
        policy.extra_attempts < SLOTS_MAX
            && policy.value_at_risk <= risk_max
            && policy.requires.is_valid()
            && (DEADLINE_MS_MIN..=SPAN_MS_MAX).contains(&policy.claim_ms)
            && (DEADLINE_MS_MIN..=RETAIN_MS_MAX).contains(&policy.retain_ms),
        Error::BadPolicy,
    )
}

/// What follows from what is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Time that an agent has, in milliseconds.
    pub exec_ms: Moment,
    /// Stake that a slot puts at risk.
    pub slot_hold: Balance,
    /// What the creator puts on hold.
    pub cost: escrow::Cost,
}

/// On which terms a task would be created: also what a client shows before it asks.
///
/// # Errors
///
/// Why nobody can create the task.
pub fn terms(
    state: &dyn StateRead,
    spec: &TaskSpec,
    policy: &Policy,
) -> Result<Terms, DispatchError> {
    ensure(spec.is_valid(), Error::BadSpec)?;
    let params = params(state);
    check_policy(policy)?;
    ensure(policy.reward >= params.reward_min, Error::RewardTooLow)?;
    let exec_ms = params.exec_ms(spec);
    ensure(exec_ms <= EXEC_MS_MAX, Error::TooLong)?;
    let slot_hold = params.slot_hold(policy).ok_or(Error::TooExpensive)?;
    Ok(Terms { exec_ms, slot_hold, cost: cost(state, spec, policy)? })
}

/// What a task costs: also what a client shows before it asks.
pub fn cost(
    state: &dyn StateRead,
    spec: &TaskSpec,
    policy: &Policy,
) -> Result<escrow::Cost, DispatchError> {
    let bytes = spec.encoded_size();
    escrow::params(state)
        .cost(policy.reward, policy.replicas, policy.extra_attempts, spec.fuel_limit, bytes)
        .ok_or_else(|| Error::TooExpensive.into())
}
