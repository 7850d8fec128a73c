//! Whether validators made a message: what a node asks before it passes one on.

use crate::{
    certificate::{Check, Verifier, check_votes, require},
    message::{
        Message, PolkaCertificate, Proposal, RoundCertificate, RoundReason, RoundVote, VoteKind,
    },
    types::{Step, Validators, vote_bytes},
};
use primitives::{AccountId, CertificateError, Hash};

/// A message that validators did not make, or not this way.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// A signature is wrong, or there are too few.
    #[error(transparent)]
    Signatures(#[from] CertificateError),
    /// Prevotes do not end a round.
    #[error("a certificate of precommits has a prevote of {0}")]
    StrayPrevote(AccountId),
    /// Nobody signs such messages.
    #[error("a block alone proves nothing")]
    Unsigned,
}

impl Message {
    /// Check every signature in the message against the validators of its height, and that they
    /// suffice for what it says. Whose turn it is to propose is not looked at: see
    /// [`is_in_turn`].
    ///
    /// # Errors
    ///
    /// What is wrong. Blocks carry no signature of their own and are always refused.
    pub fn verify(&self, validators: &Validators, genesis: &Hash) -> Result<(), VerifyError> {
        match self {
            Self::Vote(signed) => {
                let message = signed.signed_bytes(genesis);
                Ok(check_one(&signed.vote.validator, &message, signed.signature, validators)?)
            }
            Self::Proposal(signed) => {
                let message = signed.signed_bytes(genesis);
                Ok(check_one(&signed.proposal.proposer, &message, signed.signature, validators)?)
            }
            Self::Polka(polka) => polka.verify(&mut Verifier::default(), validators, genesis),
            Self::Round(round) => round.verify(&mut Verifier::default(), validators, genesis),
            Self::Body(_) | Self::Decided(_) => Err(VerifyError::Unsigned),
        }
    }
}

/// Whether the proposer of this proposal is the one of its round; `validators` have the seed of its
/// height.
pub fn is_in_turn(proposal: &Proposal, validators: &Validators) -> bool {
    validators.proposer(proposal.height, Some(proposal.round)) == proposal.proposer
}

fn check_one(
    signer: &AccountId,
    message: &[u8],
    signature: [u8; 64],
    validators: &Validators,
) -> Result<(), CertificateError> {
    let key = validators.get(signer).ok_or(CertificateError::Unknown(*signer))?.vote_key;
    let valid = Verifier::default().verify(&Check { key, message, signature });
    if valid { Ok(()) } else { Err(CertificateError::BadSignature(*signer)) }
}

impl PolkaCertificate {
    /// As [`Message::verify`], with a memory of what was valid.
    pub(crate) fn verify(
        &self,
        verifier: &mut Verifier,
        validators: &Validators,
        genesis: &Hash,
    ) -> Result<(), VerifyError> {
        let Self { height, round, block, ref signatures } = *self;
        let message = vote_bytes(genesis, Step::Prevote, height, round, Some(block));
        let votes: Vec<_> =
            signatures.iter().map(|(who, sig)| (*who, message.as_slice(), *sig)).collect();
        let power = check_votes(verifier, &votes, validators)?;
        Ok(require(validators.is_quorum(power), power, validators)?)
    }
}

impl RoundCertificate {
    /// As [`Message::verify`], with a memory of what was valid.
    pub(crate) fn verify(
        &self,
        verifier: &mut Verifier,
        validators: &Validators,
        genesis: &Hash,
    ) -> Result<(), VerifyError> {
        let Self { height, round, reason, ref votes } = *self;
        let stray = votes.iter().find(|vote| vote.kind == VoteKind::Prevote);
        if let (RoundReason::Precommit, Some(stray)) = (reason, stray) {
            return Err(VerifyError::StrayPrevote(stray.validator));
        }
        let bytes =
            |vote: &RoundVote| vote_bytes(genesis, vote.kind.into(), height, round, vote.block);
        let messages: Vec<_> = votes.iter().map(bytes).collect();
        let votes: Vec<_> = votes
            .iter()
            .zip(&messages)
            .map(|(vote, bytes)| (vote.validator, bytes.as_slice(), vote.signature))
            .collect();
        let power = check_votes(verifier, &votes, validators)?;
        let enough = match reason {
            RoundReason::Precommit => validators.is_quorum(power),
            RoundReason::Skip => validators.has_honest(power),
        };
        Ok(require(enough, power, validators)?)
    }
}
