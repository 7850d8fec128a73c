//! What validators send each other. Every field is bounded when it is decoded, and no field can
//! name the round before the first, which Malachite knows as nil.

use crate::types::{ROUND_MAX, VALIDATORS_MAX};
use codec::{Decode, DecodeAll, Encode};
use primitives::{AccountId, Certificate, Hash, Height};
pub use primitives::{Proposal, SignedProposal, SignedVote, Vote, VoteKind};
use std::sync::Arc;

/// Largest encoded block.
pub const BODY_BYTES_MAX: usize = 16 << 20;
/// Largest message: a block, a full certificate and some framing.
pub const MESSAGE_BYTES_MAX: usize = BODY_BYTES_MAX + VALIDATORS_MAX * 256 + 1024;

/// An encoded block, shared between the outputs that carry it.
pub type Bytes = Arc<Vec<u8>>;
/// An ed25519 signature.
pub type Signature = primitives::VoteSignature;

/// Prevotes of more than two thirds for one block: a polka.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct PolkaCertificate {
    /// Height of the votes.
    pub height: Height,
    /// Round of the votes.
    pub round: u32,
    /// The block.
    pub block: Hash,
    /// The voters, each once, and their signatures.
    pub signatures: Vec<(AccountId, Signature)>,
}

/// Why a round may be left or entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum RoundReason {
    /// More than one third already votes in that round.
    Skip,
    /// More than two thirds precommitted in that round without deciding.
    Precommit,
}

/// One vote of a [`RoundCertificate`].
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct RoundVote {
    /// First or second.
    pub kind: VoteKind,
    /// The block; `None` is nil.
    pub block: Option<Hash>,
    /// Who voted.
    pub validator: AccountId,
    /// By the voter's vote key.
    pub signature: Signature,
}

/// Votes of one round that let everybody leave it or enter it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct RoundCertificate {
    /// Height of the votes.
    pub height: Height,
    /// Round of the votes.
    pub round: u32,
    /// What they justify.
    pub reason: RoundReason,
    /// The votes, one for each voter.
    pub votes: Vec<RoundVote>,
}

/// An encoded block on its way to the validators. A validator looks at it only once a proposal
/// names it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Body {
    /// Height of the block.
    pub height: Height,
    /// Round for which it is sent.
    pub round: u32,
    /// The block's hash, as the sender says.
    pub block: Hash,
    /// The encoded block, at most [`BODY_BYTES_MAX`].
    pub bytes: Bytes,
}

/// A final block for a peer that lags.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Decided {
    /// Proof that the block is final.
    pub certificate: Certificate,
    /// The encoded block, at most [`BODY_BYTES_MAX`].
    pub body: Bytes,
}

/// A message between validators.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Message {
    /// A vote.
    Vote(SignedVote),
    /// A proposal.
    Proposal(SignedProposal),
    /// A polka.
    Polka(PolkaCertificate),
    /// Votes that change the round.
    Round(RoundCertificate),
    /// A block that is proposed.
    Body(Body),
    /// A block that is final.
    Decided(Decided),
}

/// A message that no honest peer sends.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// Above [`MESSAGE_BYTES_MAX`].
    #[error("a message of {0} bytes is above the limit of {MESSAGE_BYTES_MAX}")]
    TooLong(usize),
    /// Not SCALE of a [`Message`].
    #[error("the message can't be decoded: {0}")]
    Malformed(#[from] codec::Error),
    /// A block above [`BODY_BYTES_MAX`].
    #[error("a block of {0} bytes is above the limit of {BODY_BYTES_MAX}")]
    BodyTooLong(usize),
    /// More signatures than a set has validators.
    #[error("{0} signatures are more than the {VALIDATORS_MAX} validators that a height may have")]
    TooManySignatures(usize),
    /// Above [`ROUND_MAX`].
    #[error("round {0} is above the limit of {ROUND_MAX}")]
    RoundTooHigh(u32),
    /// A polka can only be of an earlier round.
    #[error("a proposal of round {round} can't rest on a polka of round {pol_round}")]
    PolkaNotEarlier {
        /// Round of the proposal.
        round: u32,
        /// Round of the polka that it claims.
        pol_round: u32,
    },
}

impl Message {
    /// Decode what a peer sent, and check all bounds. Signatures are not checked here.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, MessageError> {
        if bytes.len() > MESSAGE_BYTES_MAX {
            return Err(MessageError::TooLong(bytes.len()));
        }
        let message = Self::decode_all(&mut &bytes[..])?;
        message.check()?;
        Ok(message)
    }

    /// The height that the message is about.
    pub fn height(&self) -> Height {
        match self {
            Self::Vote(signed) => signed.vote.height,
            Self::Proposal(signed) => signed.proposal.height,
            Self::Polka(polka) => polka.height,
            Self::Round(certificate) => certificate.height,
            Self::Body(body) => body.height,
            Self::Decided(decided) => decided.certificate.height,
        }
    }

    fn check(&self) -> Result<(), MessageError> {
        match self {
            Self::Vote(signed) => check_round(signed.vote.round),
            Self::Proposal(signed) => {
                let Proposal { round, pol_round, .. } = signed.proposal;
                if let Some(pol_round) = pol_round.filter(|pol_round| *pol_round >= round) {
                    return Err(MessageError::PolkaNotEarlier { round, pol_round });
                }
                check_round(round)
            }
            Self::Polka(polka) => check_certificate(polka.round, polka.signatures.len()),
            Self::Round(certificate) => {
                check_certificate(certificate.round, certificate.votes.len())
            }
            Self::Body(body) => {
                check_body(&body.bytes)?;
                check_round(body.round)
            }
            Self::Decided(Decided { certificate, body }) => {
                check_body(body)?;
                check_certificate(certificate.round, certificate.signatures.len())
            }
        }
    }
}

fn check_round(round: u32) -> Result<(), MessageError> {
    if round > ROUND_MAX { Err(MessageError::RoundTooHigh(round)) } else { Ok(()) }
}

fn check_certificate(round: u32, signatures: usize) -> Result<(), MessageError> {
    if signatures > VALIDATORS_MAX {
        return Err(MessageError::TooManySignatures(signatures));
    }
    check_round(round)
}

fn check_body(bytes: &Bytes) -> Result<(), MessageError> {
    let length = bytes.len();
    if length > BODY_BYTES_MAX { Err(MessageError::BodyTooLong(length)) } else { Ok(()) }
}
