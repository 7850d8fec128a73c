//! Tasks and agents with all that belongs to them, and what a task would cost.

use super::{View, fees};
use crate::{RuntimeCall, UncheckedTransaction, transaction::decode_bounded};
use codec::{Decode, Encode};
use framework::DispatchError;
use pallets::{
    agents::{self, Agent, Deadline, clock},
    escrow::{self, Escrow},
    tasks::{self, Policy, Task, TaskId, TaskSpec},
    validations::{self, TaskResult},
};
use primitives::{
    AccountId, Balance, Era, Moment, MultiAddress, MultiSignature, Nonce, OpaqueTransaction,
    StateRead, TransactionExtra,
};
use scale_info::TypeInfo;

/// Largest nonce with four bytes in a transaction, for an estimate that holds for all smaller ones.
pub(crate) const NONCE_FOR_ESTIMATES: Nonce = (1 << 30) - 1;

/// A task with all that belongs to it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct TaskInfo {
    /// Its record.
    pub task: Task,
    /// What is to be computed.
    pub spec: TaskSpec,
    /// What is left of its money, while it has any.
    pub escrow: Option<Escrow>,
    /// Who wants it, until the draw.
    pub candidates: Vec<AccountId>,
    /// Results by slot.
    pub results: Vec<(u8, TaskResult)>,
    /// When its present state ends by itself; nothing where it does not.
    pub deadline: Option<Deadline>,
}

/// An agent, and what follows from its record now.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct AgentInfo {
    /// Its record.
    pub agent: Agent,
    /// Tasks that it can still take.
    pub free_slots: u32,
    /// Stake that no task puts at risk.
    pub free_stake: Balance,
    /// Validated value: its reputation now.
    pub reputation: Balance,
    /// Market time now, by which its moments are counted.
    pub market_ms: Moment,
}

/// What a task would cost, and how long it could take. Spans are in milliseconds of market time, which stands still while
/// the chain does.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct Estimate {
    /// What the creation would put on hold: the deposit, and the work if the task is funded with it.
    pub held: Balance,
    /// The part for the task's place in state; it comes back when the task has ended.
    pub deposit: Balance,
    /// The part for rewards with fees, and audits; what is not used of it comes back.
    pub work: Balance,
    /// What an agent gets for a result that stands.
    pub reward: Balance,
    /// What the protocol takes for each reward.
    pub protocol_fee: Balance,
    /// What is burned out of the deposit if nobody works on the task.
    pub listing_fee: Balance,
    /// Stake that an agent puts at risk.
    pub stake_at_risk: Balance,
    /// At most what the transaction costs that creates it, without a tip.
    pub transaction_fee: Balance,
    /// When it expires unless somebody funds it; meaningless for a task that is funded at once.
    pub unfunded_ms: Moment,
    /// When it expires unless somebody claims it.
    pub unclaimed_ms: Moment,
    /// How long an agent has for a result.
    pub exec_ms: Moment,
    /// How long a result can be challenged; the requester may accept it earlier.
    pub challenge_ms: Moment,
    /// When it has failed at the latest, if each agent in turn brings no result.
    pub failed_ms: Moment,
}

pub(super) fn task(state: &dyn StateRead, id: &TaskId) -> Option<TaskInfo> {
    let task = tasks::task(state, id)?;
    let candidates = tasks::candidates(state, id);
    Some(TaskInfo {
        spec: tasks::spec(state, id)?,
        escrow: escrow::escrow(state, id),
        candidates: candidates.into_iter().map(|candidate| candidate.agent).collect(),
        results: validations::results(state, id),
        deadline: task.next().map(|(_, deadline)| deadline),
        task,
    })
}

pub(super) fn agent(state: &dyn StateRead, account: &AccountId) -> Option<AgentInfo> {
    let agent = agents::agent(state, account)?;
    let market_ms = clock::now(state);
    Some(AgentInfo {
        free_slots: agent.free_slots(),
        free_stake: agent.free_stake(),
        reputation: agent.reputation.at(market_ms).value,
        agent,
        market_ms,
    })
}

pub(super) fn estimate(
    view: &View,
    args: &[u8],
) -> Result<Result<Estimate, DispatchError>, codec::Error> {
    let decoded = decode_bounded::<(TaskSpec, Policy, bool)>(args);
    let (spec, policy, funded) = decoded.ok_or("not a specification, a policy and a flag")?;
    Ok(estimate_of(view, spec, policy, funded))
}

pub(super) fn estimate_of(
    view: &View,
    spec: TaskSpec,
    policy: Policy,
    funded: bool,
) -> Result<Estimate, DispatchError> {
    let terms = tasks::terms(view.state, &spec, &policy)?;
    let params = tasks::params(view.state);
    let attempts = Moment::from(policy.extra_attempts).saturating_add(1);
    let attempt_ms = policy.claim_ms.saturating_add(params.draw_ms).saturating_add(terms.exec_ms);
    let work = if funded { terms.cost.work } else { Balance::ZERO };
    Ok(Estimate {
        held: terms.cost.storage.saturating_add(work),
        deposit: terms.cost.storage,
        work: terms.cost.work,
        reward: policy.reward,
        protocol_fee: terms.cost.fee,
        listing_fee: escrow::params(view.state).listing_fee,
        stake_at_risk: terms.slot_hold,
        unfunded_ms: params.funding_ms,
        unclaimed_ms: policy.claim_ms,
        exec_ms: terms.exec_ms,
        challenge_ms: validations::params(view.state).window_ms,
        failed_ms: attempt_ms.saturating_mul(attempts),
        transaction_fee: transaction_fee(view, spec, policy, funded),
    })
}

/// The fee of the transaction that creates the task, for the longest address, signature, era and nonce that people use.
fn transaction_fee(view: &View, spec: TaskSpec, policy: Policy, funded: bool) -> Balance {
    let call = tasks::Call::create_task { spec, policy, requester: None, funded };
    let call = RuntimeCall::Tasks(call);
    let era = Era::mortal(64, 0);
    let transaction = UncheckedTransaction::Signed {
        address: MultiAddress::Id(AccountId([0; 32])),
        signature: MultiSignature::Ecdsa([0; 65]),
        extra: TransactionExtra::new(era, NONCE_FOR_ESTIMATES, Balance::ZERO),
        call: call.clone(),
    };
    let length = OpaqueTransaction(transaction.encode()).encoded_size();
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    fees::details(view, &fees::priced(&call, length)).fee()
}
