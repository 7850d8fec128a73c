//! The record of a task and what may happen to it next.

use super::{CloseReason, Policy};
use crate::agents::{Deadline, EngineId};
use framework::prelude::*;

/// States of a task. `Revealing` and `Disputed` belong to replicated and challenged tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum TaskState {
    /// Waits for somebody to fund it.
    AwaitingEscrow,
    /// Waits for candidates, or for the draw among them.
    Pending,
    /// An agent works on it.
    Assigned,
    /// Replicas reveal what they committed to.
    Revealing,
    /// A result is in and can be challenged.
    Validating,
    /// Validators decide.
    Disputed,
    /// The result stands; payouts are on their way.
    Validated,
    /// All is paid. Final.
    Settled,
    /// Nobody funded or claimed it. Final.
    Expired,
    /// The requester took it back. Final.
    Cancelled,
    /// All attempts failed. Final.
    Failed,
}

impl TaskState {
    /// Whether nothing but pruning comes after this state.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Settled | Self::Expired | Self::Cancelled | Self::Failed)
    }
}

/// States of a slot. `Committed` and `NoReveal` belong to replicated tasks, `Rejected` to disputes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum SlotState {
    /// The agent works.
    Assigned,
    /// The agent has committed to a result.
    Committed,
    /// The result is in.
    Revealed,
    /// The result stands.
    Accepted,
    /// The result was found wrong.
    Rejected,
    /// The agent did not deliver in time.
    NoShow,
    /// The agent did not reveal in time.
    NoReveal,
    /// The agent gave the task back.
    Released,
    /// The requester took the task back.
    Cancelled,
}

/// One agent's part in a task. Slots are never reused: those of earlier attempts stay.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct Slot {
    /// Attempt for which the slot was drawn, from 0.
    pub attempt: u8,
    /// Who was drawn.
    pub agent: AccountId,
    /// Who answers for the agent.
    pub owner: AccountId,
    /// Stake at risk.
    pub hold: Balance,
    /// Whether there were candidates enough for the draw to count as random.
    pub random: bool,
    /// How far the agent is.
    pub state: SlotState,
    /// Commitment to the result; replicated tasks only.
    pub commit: Option<Hash>,
    /// Hash of the outcome; the validations pallet has the outcome itself.
    pub outcome: Option<Hash>,
    /// Payouts made for the slot.
    pub payouts: u8,
}

/// A report that the input cannot be fetched, with the stake that backs it until the task ends.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct InputReport {
    /// Who reports.
    pub agent: AccountId,
    /// Who answers for the agent.
    pub owner: AccountId,
    /// Stake at risk for the report.
    pub hold: Balance,
}

/// How far payment is ahead of validation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum EarlyPay {
    /// The requester has not accepted: payment comes with validation.
    No,
    /// The requester has accepted; the next hook pays.
    Accepted(Deadline),
    /// Paid before validation.
    Paid,
}

/// When something happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct Stamp {
    /// Height of the block.
    pub height: Height,
    /// Time of the block, in milliseconds since 1970.
    pub time_ms: Moment,
}

impl Stamp {
    pub(super) fn now(cx: &Ctx) -> Self {
        Self { height: cx.block.height, time_ms: cx.block.time_ms }
    }
}

/// A task.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct Task {
    /// Who asked for the result, may cancel and may accept.
    pub requester: AccountId,
    /// Who paid for the task's creation, if not the requester.
    pub sponsor: Option<AccountId>,
    /// blake2b-256 of the specification's SCALE bytes.
    pub spec_hash: Hash,
    /// Engine of the specification.
    pub engine: EngineId,
    /// Fuel limit of the specification.
    pub fuel_limit: u64,
    /// Output limit of the specification.
    pub output_bytes_max: u64,
    /// The terms.
    pub policy: Policy,
    /// Stake that a slot puts at risk, `S = max(S_min, sigma (w + X))`, fixed at creation.
    pub slot_hold: Balance,
    /// Time that an agent has, `T_exec`, fixed at creation, in milliseconds.
    pub exec_ms: Moment,
    /// Where the task stands.
    pub state: TaskState,
    /// The attempt that runs, from 0.
    pub attempt: u8,
    /// Slots of all attempts.
    pub slots: Vec<Slot>,
    /// When the state's default transition is due; meaningless where there is none.
    pub deadline: Deadline,
    /// Candidates of this attempt, until the draw.
    pub candidates: u8,
    /// When the requester's cancellation takes effect, if no result comes before.
    pub cancel: Option<Deadline>,
    /// Agents that gave the task back, or did not deliver, and may not claim it again.
    pub barred: Vec<AccountId>,
    /// Reports that the input cannot be fetched.
    pub input_reports: Vec<InputReport>,
    /// Whether payment came before validation.
    pub early: EarlyPay,
    /// Payouts that are neither paid nor unclaimed yet.
    pub payouts_open: u8,
    /// Hash of the outcome that stands.
    pub verdict: Option<Hash>,
    /// When the task was created.
    pub created: Stamp,
    /// When the task reached the state that it is in.
    pub changed: Stamp,
    /// Why the task ended.
    pub close_reason: Option<CloseReason>,
}

/// What happens to a task when its time comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Nobody funded it: it expires.
    Unfunded,
    /// Nobody claimed it: it expires.
    Unclaimed,
    /// One of the candidates is drawn.
    Draw,
    /// The agent did not deliver: next attempt, or failure.
    NoShow,
    /// The cancellation takes effect.
    Cancel,
    /// An accepted result is paid.
    Pay,
    /// Nobody challenged the result: it stands.
    Validate,
    /// Payouts still wait for their payees: the task is settled without them.
    Settle,
    /// The record is forgotten.
    Prune,
}

impl Step {
    /// Every step.
    pub const ALL: [Self; 9] = [
        Self::Unfunded,
        Self::Unclaimed,
        Self::Draw,
        Self::NoShow,
        Self::Cancel,
        Self::Pay,
        Self::Validate,
        Self::Settle,
        Self::Prune,
    ];
}

impl Task {
    /// What happens next by itself, and when. Schedules follow from this alone.
    pub fn next(&self) -> Option<(Step, Deadline)> {
        let step = match self.state {
            TaskState::AwaitingEscrow => Step::Unfunded,
            TaskState::Pending if self.candidates > 0 => Step::Draw,
            TaskState::Pending => Step::Unclaimed,
            TaskState::Assigned => match self.cancel {
                Some(cancel) if cancel.at < self.deadline.at => {
                    return Some((Step::Cancel, cancel));
                }
                Some(_) | None => Step::NoShow,
            },
            TaskState::Validating => match self.early {
                EarlyPay::Accepted(when) => return Some((Step::Pay, when)),
                EarlyPay::No | EarlyPay::Paid => Step::Validate,
            },
            // The last payout settles it before.
            TaskState::Validated => Step::Settle,
            // They do not occur with one replica.
            TaskState::Revealing | TaskState::Disputed => return None,
            TaskState::Settled | TaskState::Expired | TaskState::Cancelled | TaskState::Failed => {
                Step::Prune
            }
        };
        Some((step, self.deadline))
    }

    /// The slot that an agent works on or has delivered for, with its number.
    pub fn slot(&self) -> Option<(u8, &Slot)> {
        let slot = self.slots.last().filter(|slot| slot.attempt == self.attempt)?;
        let index = u8::try_from(self.slots.len() - 1).expect("SLOTS_MAX is small");
        Some((index, slot))
    }

    pub(crate) fn slot_mut(&mut self) -> Option<&mut Slot> {
        let attempt = self.attempt;
        self.slots.last_mut().filter(|slot| slot.attempt == attempt)
    }

    /// Whether this attempt is the last.
    pub fn is_last_attempt(&self) -> bool {
        self.attempt >= self.policy.extra_attempts
    }
}

/// One who wants the task.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct Candidate {
    /// The agent.
    pub agent: AccountId,
    /// Who answers for it.
    pub owner: AccountId,
    /// Randomness of its VRF.
    pub randomness: [u8; 32],
    /// Its weight in the draw, at least 1.
    pub weight: u32,
}
