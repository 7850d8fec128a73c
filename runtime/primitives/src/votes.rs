//! What validators sign, and the exact bytes: consensus makes and checks them, and the runtime checks them once
//! more where two of them contradict each other.

use crate::{AccountId, Hash, Height, validators::CONSENSUS_DOMAIN};
use codec::{Decode, DecodeWithMemTracking, Encode};
use scale_info::TypeInfo;

/// Highest round that a message may name. Timeouts grow by round, so that honest validators stay
/// far below.
pub const ROUND_MAX: u32 = 100_000;

/// An ed25519 signature by a vote key.
pub type VoteSignature = [u8; 64];

/// What a validator may sign once per round, in the order in which it does.
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
pub enum Step {
    /// The proposer names a block.
    Proposal,
    /// First vote.
    Prevote,
    /// Second vote: two thirds of these make a block final.
    Precommit,
}

/// The bytes that a vote's signature covers; the voter is implied by its key. `block` is `None` for
/// nil.
pub fn vote_bytes(
    genesis: &Hash,
    step: Step,
    height: Height,
    round: u32,
    block: Option<Hash>,
) -> Vec<u8> {
    (CONSENSUS_DOMAIN, genesis, step, height, round, block).encode()
}

/// The bytes that a proposal's signature covers. `pol_round` is the round whose polka justifies
/// proposing again.
pub fn proposal_bytes(
    genesis: &Hash,
    height: Height,
    round: u32,
    block: Hash,
    pol_round: Option<u32>,
) -> Vec<u8> {
    (CONSENSUS_DOMAIN, genesis, Step::Proposal, height, round, Some(block), pol_round).encode()
}

/// First or second vote.
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
pub enum VoteKind {
    /// The block looks right.
    Prevote,
    /// Two thirds think so.
    Precommit,
}

impl From<VoteKind> for Step {
    fn from(kind: VoteKind) -> Self {
        match kind {
            VoteKind::Prevote => Self::Prevote,
            VoteKind::Precommit => Self::Precommit,
        }
    }
}

/// A vote for a block or, with `None`, for nil.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct Vote {
    /// First or second.
    pub kind: VoteKind,
    /// Height voted on.
    pub height: Height,
    /// Round voted in.
    pub round: u32,
    /// The block; `None` is nil.
    pub block: Option<Hash>,
    /// Who votes.
    pub validator: AccountId,
}

/// A vote and the voter's signature.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct SignedVote {
    /// What is signed.
    pub vote: Vote,
    /// By the voter's vote key.
    pub signature: VoteSignature,
}

impl SignedVote {
    /// The bytes that the signature covers.
    pub fn signed_bytes(&self, genesis: &Hash) -> Vec<u8> {
        let vote = &self.vote;
        vote_bytes(genesis, vote.kind.into(), vote.height, vote.round, vote.block)
    }
}

/// A proposer's choice of a block.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct Proposal {
    /// Height of the block.
    pub height: Height,
    /// Round in which it is proposed.
    pub round: u32,
    /// The block.
    pub block: Hash,
    /// The earlier round whose polka justifies proposing this block again.
    pub pol_round: Option<u32>,
    /// Who proposes.
    pub proposer: AccountId,
}

/// A proposal and the proposer's signature.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct SignedProposal {
    /// What is signed.
    pub proposal: Proposal,
    /// By the proposer's vote key.
    pub signature: VoteSignature,
}

impl SignedProposal {
    /// The bytes that the signature covers.
    pub fn signed_bytes(&self, genesis: &Hash) -> Vec<u8> {
        let Proposal { height, round, block, pol_round, .. } = self.proposal;
        proposal_bytes(genesis, height, round, block, pol_round)
    }
}
