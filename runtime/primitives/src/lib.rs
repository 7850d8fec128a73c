#![doc = include_str!("../README.md")]
#![deny(missing_docs)]

mod account;
mod balance;
mod block;
mod certificate;
pub mod chunk;
pub mod crypto;
mod era;
mod evidence;
mod hash;
pub mod proof;
mod proposer;
mod state;
mod text;
mod transaction;
mod validators;
mod votes;

pub use account::{AccountId, MultiAddress};
pub use balance::{Balance, PARTS_PER_MILLION};
pub use block::{Block, Digest, DigestItem, Header, OpaqueTransaction, TRANSACTION_BYTES_MAX};
pub use certificate::{CertificateError, check_certificate, check_certificates};
pub use era::{ERA_PERIOD_MAX, ERA_PERIOD_MIN, Era};
pub use evidence::{Evidence, EvidenceError, Offence};
pub use hash::{Hash, ParseHashError};
pub use proposer::{POWER_TOTAL_MAX, VALIDATORS_MAX, proposer_point};
pub use state::{RawKey, RawValue, StateRead, Writes};
pub use text::shown;
pub use transaction::{
    CheckMetadataHash, MetadataMode, MultiSignature, SIGNING_PAYLOAD_PLAIN_MAX, SigningContext,
    Transaction, TransactionExtra, signing_payload,
};
pub use validators::{Certificate, ValidatorInfo, ValidatorSet};
pub use votes::{
    Proposal, ROUND_MAX, SignedProposal, SignedVote, Step, Vote, VoteKind, VoteSignature,
    proposal_bytes, vote_bytes,
};

/// Number of a block: its distance from genesis.
pub type Height = u32;
/// How many transactions an account has had included.
pub type Nonce = u32;
/// A point in time or a span, in milliseconds.
pub type Moment = u64;

#[cfg(test)]
mod tests;
