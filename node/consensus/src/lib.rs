#![doc = include_str!("../README.md")]
#![deny(missing_docs)]
#![cfg_attr(not(test), deny(clippy::float_arithmetic, clippy::unwrap_used))]

mod bodies;
mod certificate;
mod config;
mod context;
mod core;
mod custody;
mod early;
mod evidence;
mod guard;
mod host;
mod io;
mod message;
mod pacing;
mod replay;
mod signer;
pub mod store;
mod timers;
mod types;
mod verify;
pub mod wal;

pub use crate::core::Consensus;
pub use config::{
    Config, ConfigError, INTERVAL_MS, INTERVAL_MS_MIN, PacingConfig, SETTING_MS_MAX,
    TIMEOUT_MS_MIN, TimeoutConfig,
};
pub use custody::{Custody, Denial, Instance, LEASE_MS};
pub use guard::{GUARD_RECORD_BYTES_MAX, GuardError, Refusal, Signed, Slot, WithoutRecord};
pub use io::{Fault, Identity, Input, Output, Proposed, Verdict};
pub use message::{
    BODY_BYTES_MAX, Body, Bytes, Decided, MESSAGE_BYTES_MAX, Message, MessageError,
    PolkaCertificate, Proposal, RoundCertificate, RoundReason, RoundVote, Signature,
    SignedProposal, SignedVote, Vote, VoteKind,
};
pub use primitives::{Evidence, EvidenceError, Offence};
pub use signer::{Content, LocalSigner, Unsigned, VoteSigner};
pub use timers::{Timer, TimerKind};
pub use types::{
    POWER_TOTAL_MAX, ROUND_MAX, Step, Time, VALIDATORS_MAX, Validators, ValidatorsError,
    proposal_bytes, vote_bytes,
};
pub use verify::{VerifyError, is_in_turn};

#[cfg(test)]
mod tests;
