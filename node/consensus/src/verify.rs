//! Whether validators made a message: what a node asks before it passes one on.

use crate::{
    certificate::{Check, Verifier, check_votes, require},
    message::{
        Message, PolkaCertificate, Proposal, RoundCertificate, RoundReason, SignedVote, Vote,
        VoteKind,
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
            Self::Polka(polka) => verify_polka(polka, validators, genesis),
            Self::Round(certificate) => verify_round(certificate, validators, genesis),
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

fn verify_polka(
    polka: &PolkaCertificate,
    validators: &Validators,
    genesis: &Hash,
) -> Result<(), VerifyError> {
    let PolkaCertificate { height, round, block, ref signatures } = *polka;
    let message = vote_bytes(genesis, Step::Prevote, height, round, Some(block));
    let votes: Vec<_> =
        signatures.iter().map(|(who, sig)| (*who, message.as_slice(), *sig)).collect();
    let power = check_votes(&mut Verifier::default(), &votes, validators)?;
    Ok(require(validators.is_quorum(power), power, validators)?)
}

fn verify_round(
    certificate: &RoundCertificate,
    validators: &Validators,
    genesis: &Hash,
) -> Result<(), VerifyError> {
    let RoundCertificate { height, round, reason, ref votes } = *certificate;
    let stray = votes.iter().find(|vote| vote.kind == VoteKind::Prevote);
    if let (RoundReason::Precommit, Some(stray)) = (reason, stray) {
        return Err(VerifyError::StrayPrevote(stray.validator));
    }
    let signed: Vec<SignedVote> = votes
        .iter()
        .map(|vote| SignedVote {
            vote: Vote {
                kind: vote.kind,
                height,
                round,
                block: vote.block,
                validator: vote.validator,
            },
            signature: vote.signature,
        })
        .collect();
    let messages: Vec<_> = signed.iter().map(|signed| signed.signed_bytes(genesis)).collect();
    let votes: Vec<_> = signed
        .iter()
        .zip(&messages)
        .map(|(signed, bytes)| (signed.vote.validator, bytes.as_slice(), signed.signature))
        .collect();
    let power = check_votes(&mut Verifier::default(), &votes, validators)?;
    let enough = match reason {
        RoundReason::Precommit => validators.is_quorum(power),
        RoundReason::Skip => validators.has_honest(power),
    };
    Ok(require(enough, power, validators)?)
}
