//! Why tasks end: a code by culprit and a sentence for people.

use framework::prelude::*;

/// Why a task ended. Codes tell the culprit: requester from 1, agent from 1000, gateway from 2000,
/// validator from 3000, network from 9000; 0 is success.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Encode,
    Decode,
    DecodeWithMemTracking,
    TypeInfo,
)]
pub enum CloseReason {
    /// The result stands and is paid.
    Done,
    /// Nobody funded the task in time.
    NotFunded,
    /// The requester cancelled before an agent was drawn.
    CancelledBeforeDraw,
    /// The requester cancelled while an agent worked.
    CancelledAtWork,
    /// Agents of three owners could not fetch the input.
    InputUnavailable,
    /// The agent of the last attempt did not deliver.
    NoShow,
    /// The agent of the last attempt gave the task back.
    Released,
    /// The validators came to no verdict.
    Inconclusive,
    /// Nobody claimed the task in time.
    NoCandidate,
}

impl CloseReason {
    /// Every reason.
    pub const ALL: [Self; 9] = [
        Self::Done,
        Self::NotFunded,
        Self::CancelledBeforeDraw,
        Self::CancelledAtWork,
        Self::InputUnavailable,
        Self::NoShow,
        Self::Released,
        Self::Inconclusive,
        Self::NoCandidate,
    ];

    /// The reason's number, for clients and logs.
    pub fn code(self) -> u16 {
        match self {
            Self::Done => 0,
            Self::NotFunded => 1,
            Self::CancelledBeforeDraw => 2,
            Self::CancelledAtWork => 3,
            Self::InputUnavailable => 4,
            Self::NoShow => 1000,
            Self::Released => 1001,
            Self::Inconclusive => 3000,
            Self::NoCandidate => 9000,
        }
    }
}

/// The reason as a sentence for people.
pub fn explain(reason: CloseReason) -> &'static str {
    match reason {
        CloseReason::Done => "The result stands and the agent is paid.",
        CloseReason::NotFunded => {
            "Nobody put the reward into escrow in time; the deposit went back less the listing fee."
        }
        CloseReason::CancelledBeforeDraw => {
            "The requester cancelled before an agent was drawn; the escrow went back less the \
             listing fee."
        }
        CloseReason::CancelledAtWork => {
            "The requester cancelled while an agent was at work; the agent gets a tenth of the \
             reward and the rest went back."
        }
        CloseReason::InputUnavailable => {
            "Agents of three owners could not fetch the program or the input; the whole escrow went \
             back. Keep the blobs online until the task is done."
        }
        CloseReason::NoShow => {
            "No agent delivered a result in time, in any attempt; the agents were slashed and the \
             whole escrow went back."
        }
        CloseReason::Released => {
            "The agent of the last attempt gave the task back; the whole escrow went back."
        }
        CloseReason::Inconclusive => {
            "The validators came to no verdict on the result; nobody was slashed."
        }
        CloseReason::NoCandidate => {
            "No agent claimed the task in time; the escrow went back less the listing fee. A \
             higher reward or fewer requirements may help."
        }
    }
}

/// Why an agent gives a task back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum ReleaseReason {
    /// Program or input cannot be fetched.
    InputUnavailable,
    /// This machine cannot execute the task.
    CannotExecute,
    /// The agent has too much to do or shuts down.
    Overloaded,
}
