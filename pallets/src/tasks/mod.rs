//! # Tasks
//!
//! The market's state machine for one replica: create, fund, claim, draw, release, cancel, expire.
//! Results are the `validations` pallet's, which also drives the steps that pay.
//!
//! No state is without a deadline, and no deadline without a step that the hook takes by itself.
//! [`Task::next`] alone says which step is next and when.
//!
//! Invariants: each schedule names exactly the tasks whose next step is its own, at that step's
//! time; candidates are stored exactly for tasks that have some; a specification is stored for each
//! task; a task that is not final has an escrow.

mod check;
mod claim;
mod create;
mod entry;
mod params;
mod reasons;
mod task;
mod types;
mod work;

pub use claim::{CLAIM_LABEL, Epoch, claim_message, epoch};
pub use create::{Terms, cost, task_id, terms};
pub use entry::{Entry, close, current, each_due, forget, overdue, take};
pub use params::{DEADLINE_MS_MIN, EXEC_MS_MAX, Params, RETAIN_MS_MAX, SPAN_MS_MAX};
pub use reasons::{CloseReason, ReleaseReason, explain};
pub use task::*;
pub use types::*;
pub use work::{payout_done, payout_reopened, resolve_reports};

use crate::{agents::clock, system::HookWork};
use framework::prelude::*;
use serde::{Deserialize, Serialize};

/// Name of the pallet.
pub const NAME: &str = "Tasks";
/// Index of the pallet.
pub const INDEX: u8 = 101;
/// Most candidates of one task.
pub const CANDIDATES_MAX: u8 = 32;
/// Owners that must report an unavailable input before the task is closed for it.
pub const INPUT_REPORTS: usize = 3;

static TASKS: Map<TaskId, Task, Identity> =
    Map::new(NAME, "Tasks", "Tasks by id, until they are pruned.");
static SPECS: Map<TaskId, TaskSpec, Identity> =
    Map::new(NAME, "Specs", "What is to be computed, by task.");
static CANDIDATES: Map<TaskId, Vec<Candidate>, Identity> =
    Map::new(NAME, "Candidates", "Who wants a task, until the draw.");
static RECORDS: Map<TaskId, Hash, Identity> =
    Map::new(NAME, "Records", "blake2b-256 of the last record of each task that was pruned.");
static PARAMS: Value<Params> =
    Value::new_default(NAME, "Params", "Parameters of tasks, changed by governance.");
static EPOCH: Value<Epoch> =
    Value::new_default(NAME, "Epoch", "Seeds over which claims are signed.");
static UNFUNDED: Schedule<TaskId> =
    Schedule::new(NAME, "Unfunded", "When unfunded tasks expire, by market time.");
static UNCLAIMED: Schedule<TaskId> =
    Schedule::new(NAME, "Unclaimed", "When tasks without candidates expire.");
static DRAWS: Schedule<TaskId> = Schedule::new(NAME, "Draws", "When candidates are drawn.");
static NO_SHOWS: Schedule<TaskId> =
    Schedule::new(NAME, "NoShows", "When agents must have delivered.");
static CANCELS: Schedule<TaskId> =
    Schedule::new(NAME, "Cancels", "When cancellations take effect.");
static PAYS: Schedule<TaskId> =
    Schedule::new(NAME, "Pays", "Accepted results that are to be paid.");
static VALIDATES: Schedule<TaskId> =
    Schedule::new(NAME, "Validates", "When results stand unless challenged.");
static SETTLES: Schedule<TaskId> =
    Schedule::new(NAME, "Settles", "When validated tasks end whatever is not paid.");
static PRUNES: Schedule<TaskId> = Schedule::new(NAME, "Prunes", "When records are forgotten.");

/// What users can do.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
#[allow(non_camel_case_types)] // Clients show these names; Substrate's are snake_case.
#[allow(clippy::large_enum_variant)] // A call is decoded and run once; a box would save nothing.
pub enum Call {
    /// Ask for a computation. Its whole cost is put on hold, or only a deposit if it is to be
    /// funded later.
    #[codec(index = 0)]
    create_task {
        /// What to compute.
        spec: TaskSpec,
        /// Under which terms.
        policy: Policy,
        /// Who asks, if not you; then you are the sponsor and pay.
        requester: Option<AccountId>,
        /// Whether to fund it now.
        funded: bool,
    },
    /// Fund a task that waits for it, your own or somebody else's.
    #[codec(index = 1)]
    fund_task {
        /// The task.
        task: TaskId,
        /// Hash of the specification that you mean to pay for.
        spec_hash: Hash,
    },
    /// Offer to execute a task; an agent's call. Part of your stake is at risk until the draw, and
    /// on if you are drawn.
    #[codec(index = 2)]
    claim_task {
        /// The task.
        task: TaskId,
        /// Output of your VRF over task, attempt and the epoch's seed.
        output: [u8; 32],
        /// Proof of the output.
        proof: [u8; 64],
    },
    /// Give a task back that you were drawn for. It costs a hundredth of the stake at risk.
    #[codec(index = 3)]
    release_task {
        /// The task.
        task: TaskId,
        /// Why.
        reason: ReleaseReason,
    },
    /// Take a task back. Once an agent works on it, it takes 10 seconds and a tenth of the reward.
    #[codec(index = 4)]
    cancel_task {
        /// The task.
        task: TaskId,
    },
    /// Change the parameters of tasks (governance). Tasks that exist keep what was fixed for them.
    #[codec(index = 5)]
    set_params {
        /// The new parameters, whole.
        params: Params,
    },
}

/// What users are told.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
#[allow(missing_docs)] // Fields say what they are.
pub enum Event {
    /// A task was created.
    #[codec(index = 0)]
    Created {
        task: TaskId,
        requester: AccountId,
        sponsor: Option<AccountId>,
        engine: crate::agents::EngineId,
        reward: Balance,
        funded: bool,
    },
    /// A task was funded and waits for candidates.
    #[codec(index = 1)]
    Funded { task: TaskId, by: AccountId },
    /// An agent wants a task.
    #[codec(index = 2)]
    Claimed { task: TaskId, attempt: u8, agent: AccountId },
    /// An agent was drawn and has until `until`, in market time, to deliver.
    #[codec(index = 3)]
    Assigned { task: TaskId, attempt: u8, slot: u8, agent: AccountId, until: Moment },
    /// An agent gave a task back.
    #[codec(index = 4)]
    Released { task: TaskId, slot: u8, agent: AccountId, reason: ReleaseReason },
    /// An agent did not deliver in time.
    #[codec(index = 5)]
    NoShow { task: TaskId, slot: u8, agent: AccountId },
    /// A task waits for candidates again.
    #[codec(index = 6)]
    Reopened { task: TaskId, attempt: u8 },
    /// The requester takes a task back; it takes effect at `at`, in market time, unless a result
    /// comes first.
    #[codec(index = 7)]
    CancelRequested { task: TaskId, at: Moment },
    /// A task has ended.
    #[codec(index = 8)]
    Closed { task: TaskId, state: TaskState, reason: CloseReason, code: u16 },
    /// The record of a task was forgotten; its hash is kept.
    #[codec(index = 9)]
    Pruned { task: TaskId, record: Hash },
    /// A new epoch: claims are signed over this seed or the one before.
    #[codec(index = 10)]
    EpochStarted { seed: Hash },
    /// The parameters changed.
    #[codec(index = 11)]
    ParamsSet {},
}

/// Why calls fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum Error {
    /// No task has this id; it may have been pruned.
    #[codec(index = 0)]
    UnknownTask,
    /// The specification breaks a limit: content ids, input, arguments, fuel, memory or output.
    #[codec(index = 1)]
    BadSpec,
    /// The policy breaks a limit: value at risk, capabilities, spans or the number of attempts.
    #[codec(index = 2)]
    BadPolicy,
    /// Only one replica at the level Economy is possible yet.
    #[codec(index = 3)]
    NotYetPossible,
    /// The reward is below the minimum.
    #[codec(index = 4)]
    RewardTooLow,
    /// The fuel limit and sizes would give an agent more than 7 days.
    #[codec(index = 5)]
    TooLong,
    /// The amounts do not fit into 128 bits.
    #[codec(index = 6)]
    TooExpensive,
    /// The task does not wait for funds.
    #[codec(index = 7)]
    NotAwaitingEscrow,
    /// The task's specification has another hash.
    #[codec(index = 8)]
    WrongSpec,
    /// The task does not wait for candidates.
    #[codec(index = 9)]
    NotPending,
    /// The candidates are closed; the draw comes with the next block.
    #[codec(index = 10)]
    ClaimsClosed,
    /// The agent is a candidate already.
    #[codec(index = 11)]
    AlreadyClaimed,
    /// The task has as many candidates as it can have.
    #[codec(index = 12)]
    TooManyCandidates,
    /// The agent gave this task back before, or did not deliver, and may not claim it again.
    #[codec(index = 13)]
    Barred,
    /// The VRF proof is not the agent's over ("artel/claim/1", genesis, task, attempt, seed of this
    /// epoch or the last).
    #[codec(index = 14)]
    BadClaimProof,
    /// The task is not assigned to this agent.
    #[codec(index = 15)]
    NotAssigned,
    /// Only the requester can do this.
    #[codec(index = 16)]
    NotTheRequester,
    /// A result is in, or the task has ended: it cannot be cancelled any more.
    #[codec(index = 17)]
    TooLateToCancel,
    /// The task is being cancelled already.
    #[codec(index = 18)]
    AlreadyCancelling,
    /// A deadline of the task has passed; poke the task or wait for the next block.
    #[codec(index = 19)]
    StepDue,
    /// A parameter is outside the bounds that code sets.
    #[codec(index = 20)]
    BadParams,
    /// The transaction makes calls in another account's name, and that account has created a task with
    /// the same nonce.
    #[codec(index = 21)]
    TaskExists,
}

impl PalletEvent for Event {
    const PALLET: u8 = INDEX;
}

impl PalletError for Error {
    const PALLET: u8 = INDEX;
}

impl Dispatch for Call {
    fn weight(&self) -> Weight {
        match self {
            Self::create_task { .. } => Weight::rw(16, 10).compute_us(15),
            Self::fund_task { .. } => Weight::rw(14, 10),
            // The VRF is verified over the seed of this epoch and, if need be, of the last.
            Self::claim_task { .. } => Weight::rw(30, 20).compute_us(250),
            Self::release_task { .. } => Weight::rw(40, 30),
            // The holds of all candidates are released, or a late agent is slashed first.
            Self::cancel_task { .. } => {
                Weight::rw(40, 30).plus(Weight::rw(1, 1).times(u32::from(CANDIDATES_MAX)))
            }
            Self::set_params { .. } => Weight::rw(1, 1),
        }
    }

    fn dispatch(self, cx: &mut Ctx, origin: Origin) -> DispatchResult {
        match self {
            Self::create_task { spec, policy, requester, funded } => {
                create::create(cx, origin.signed()?, spec, policy, requester, funded)
            }
            Self::fund_task { task, spec_hash } => {
                create::fund(cx, origin.signed()?, task, spec_hash)
            }
            Self::claim_task { task, output, proof } => {
                claim::claim(cx, origin.signed()?, task, &output, &proof)
            }
            Self::release_task { task, reason } => {
                work::release(cx, origin.signed()?, task, reason)
            }
            Self::cancel_task { task } => work::cancel(cx, origin.signed()?, task),
            Self::set_params { params } => {
                origin.root()?;
                ensure(params.check().is_ok(), Error::BadParams)?;
                PARAMS.set(cx, &params);
                cx.emit(Event::ParamsSet {});
                Ok(())
            }
        }
    }
}

/// The record of a task.
pub fn task(state: &dyn StateRead, id: &TaskId) -> Option<Task> {
    TASKS.get(state, id)
}

/// Whether the task is there and not pruned.
pub fn exists(state: &dyn StateRead, id: &TaskId) -> bool {
    TASKS.contains(state, id)
}

/// All tasks, in the order of their ids: for queries and checks.
pub fn tasks(state: &dyn StateRead) -> impl Iterator<Item = (TaskId, Task)> {
    TASKS.iter(state)
}

/// The task whose id comes next after `after`, or the first: to list them in pages.
pub fn next_task(state: &dyn StateRead, after: Option<&TaskId>) -> Option<(TaskId, Task)> {
    TASKS.next_after(state, after)
}

/// What a task is to compute.
pub fn spec(state: &dyn StateRead, id: &TaskId) -> Option<TaskSpec> {
    SPECS.get(state, id)
}

/// Who wants a task, until the draw.
pub fn candidates(state: &dyn StateRead, id: &TaskId) -> Vec<Candidate> {
    CANDIDATES.get(state, id).unwrap_or_default()
}

/// Hash of the last record of a task that was pruned.
pub fn record(state: &dyn StateRead, id: &TaskId) -> Option<Hash> {
    RECORDS.get(state, id)
}

/// The parameters in force.
pub fn params(state: &dyn StateRead) -> Params {
    PARAMS.get(state).unwrap_or_default()
}

fn schedule(step: Step) -> &'static Schedule<TaskId> {
    match step {
        Step::Unfunded => &UNFUNDED,
        Step::Unclaimed => &UNCLAIMED,
        Step::Draw => &DRAWS,
        Step::NoShow => &NO_SHOWS,
        Step::Cancel => &CANCELS,
        Step::Pay => &PAYS,
        Step::Validate => &VALIDATES,
        Step::Settle => &SETTLES,
        Step::Prune => &PRUNES,
    }
}

fn hook_work(step: Step) -> HookWork {
    match step {
        Step::Unfunded => HookWork::Unfunded,
        Step::Unclaimed => HookWork::Unclaimed,
        Step::Draw => HookWork::Draw,
        Step::NoShow => HookWork::NoShow,
        Step::Cancel => HookWork::Cancel,
        Step::Pay => HookWork::Pay,
        Step::Validate => HookWork::Validate,
        Step::Settle => HookWork::Settle,
        Step::Prune => HookWork::Prune,
    }
}

/// The pallet's part of a chain spec.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Genesis {
    /// Parameters of tasks.
    pub params: Params,
}

/// The pallet.
pub struct Pallet;

impl framework::Pallet for Pallet {
    const NAME: &'static str = NAME;
    const INDEX: u8 = INDEX;
    const DOC: &'static str = "The market: ask for computations, claim them, give them back.";
    const STORAGE: StorageItems = &[
        &TASKS,
        &SPECS,
        &CANDIDATES,
        &RECORDS,
        &PARAMS,
        &EPOCH,
        &UNFUNDED,
        &UNCLAIMED,
        &DRAWS,
        &NO_SHOWS,
        &CANCELS,
        &PAYS,
        &VALIDATES,
        &SETTLES,
        &PRUNES,
    ];
    type Call = Call;
    type Event = Event;
    type Error = Error;
    type Genesis = Genesis;

    fn genesis(cx: &mut Ctx, genesis: Genesis) -> Result<(), String> {
        genesis.params.check()?;
        PARAMS.set(cx, &genesis.params);
        Ok(())
    }

    fn on_initialize(cx: &mut Ctx) {
        claim::roll_epoch(cx);
        for step in [Step::Unfunded, Step::Unclaimed, Step::Draw, Step::NoShow, Step::Settle] {
            each_due(cx, step, entry::take);
        }
    }

    /// The earliest of all steps, those that other pallets drive included.
    fn next_due(state: &dyn StateRead) -> Option<Moment> {
        let at = Step::ALL.iter().filter_map(|step| schedule(*step).next(state)).min()?;
        clock::block_time(state, at)
    }

    fn check(state: &dyn StateRead) -> Result<(), String> {
        check::check(state)
    }
}

#[cfg(test)]
mod tests;
