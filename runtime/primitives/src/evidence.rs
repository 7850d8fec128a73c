//! Proof that a validator signed two different things where it may sign one.

use crate::{
    AccountId, Hash, Height, SignedProposal, SignedVote, Step, ValidatorSet, VoteSignature,
    crypto::keys::verify_ed25519,
};
use codec::{Decode, DecodeWithMemTracking, Encode};
use scale_info::TypeInfo;

/// Two conflicting messages of one validator, each with its signature: whoever has the validator
/// set of the height can check it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum Evidence {
    /// Two votes of one kind in one round.
    Votes(SignedVote, SignedVote),
    /// Two proposals in one round.
    Proposals(SignedProposal, SignedProposal),
}

/// What makes an offence one and the same: reports of it are not repeated.
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
pub struct Offence {
    /// Height of the messages.
    pub height: Height,
    /// Round of the messages.
    pub round: u32,
    /// Kind of the messages.
    pub step: Step,
    /// Who signed both.
    pub validator: AccountId,
}

/// Evidence that proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvidenceError {
    /// Of different heights, rounds, kinds or validators, or one and the same.
    #[error("the two messages do not conflict")]
    NoConflict,
    /// Not in the validator set of that height.
    #[error("{0} is not a validator of that height")]
    Unknown(AccountId),
    /// A signature that the accused did not make.
    #[error("a signature is not by {0}")]
    BadSignature(AccountId),
}

impl Evidence {
    /// The offence, if the two messages conflict. Signatures are not checked.
    pub fn offence(&self) -> Option<Offence> {
        let (first, second) = match self {
            Self::Votes(a, b) => (vote_offence(a), vote_offence(b)),
            Self::Proposals(a, b) => (proposal_offence(a), proposal_offence(b)),
        };
        let differ = match self {
            Self::Votes(a, b) => a.vote.block != b.vote.block,
            Self::Proposals(a, b) => {
                (a.proposal.block, a.proposal.pol_round) != (b.proposal.block, b.proposal.pol_round)
            }
        };
        (differ && first == second).then_some(first)
    }

    /// Checks it against the validators of its height.
    ///
    /// # Errors
    ///
    /// Why it proves nothing.
    pub fn check(
        &self,
        validators: &ValidatorSet,
        genesis: &Hash,
    ) -> Result<Offence, EvidenceError> {
        let offence = self.offence().ok_or(EvidenceError::NoConflict)?;
        let accused = offence.validator;
        let validator = validators.get(&accused).ok_or(EvidenceError::Unknown(accused))?;
        let by_accused = |(message, signature): (Vec<u8>, VoteSignature)| {
            verify_ed25519(&validator.vote_key, &message, &signature)
        };
        if self.signed_pair(genesis).into_iter().all(by_accused) {
            Ok(offence)
        } else {
            Err(EvidenceError::BadSignature(accused))
        }
    }

    fn signed_pair(&self, genesis: &Hash) -> [(Vec<u8>, VoteSignature); 2] {
        match self {
            Self::Votes(a, b) => [a, b].map(|s| (s.signed_bytes(genesis), s.signature)),
            Self::Proposals(a, b) => [a, b].map(|s| (s.signed_bytes(genesis), s.signature)),
        }
    }
}

fn vote_offence(signed: &SignedVote) -> Offence {
    let vote = &signed.vote;
    let (height, round, validator) = (vote.height, vote.round, vote.validator);
    Offence { height, round, step: vote.kind.into(), validator }
}

fn proposal_offence(signed: &SignedProposal) -> Offence {
    let proposal = &signed.proposal;
    let (height, round, validator) = (proposal.height, proposal.round, proposal.proposer);
    Offence { height, round, step: Step::Proposal, validator }
}
