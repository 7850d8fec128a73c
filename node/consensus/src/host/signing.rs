//! What is signed and verified.

use super::{Host, UNSIGNED};
use crate::{
    certificate::{Check, check_votes, require},
    context::{self, Address, Context, Members},
    guard::Refusal,
    io::Fault,
    message::{
        PolkaCertificate, Proposal, RoundCertificate, Signature, SignedProposal, SignedVote, Vote,
    },
    signer::{Content, Unsigned},
    verify::VerifyError,
};
use arc_malachitebft_core_consensus as mc;
use arc_malachitebft_core_types as mt;
use mt::Round;
use primitives::{Certificate, CertificateError};

/// What Malachite wants to hear about a certificate.
type Verdict = Result<(), mt::CertificateError<Context>>;

#[expect(clippy::result_large_err, reason = "the type of the error is Malachite's")]
impl Host {
    pub(super) fn sign_vote(&mut self, vote: context::MVote) -> mt::SignedVote<Context> {
        match self.sign(&Content::Vote(Vote::from(&vote))) {
            Ok(signature) => context::signed(vote, signature),
            Err(refusal) => {
                self.on_refused(vote.round, refusal);
                context::signed(vote, UNSIGNED)
            }
        }
    }

    pub(super) fn sign_proposal(
        &mut self,
        proposal: context::MProposal,
    ) -> mt::SignedProposal<Context> {
        match self.sign(&Content::Proposal(Proposal::from(&proposal))) {
            Ok(signature) => context::signed(proposal, signature),
            Err(refusal) => {
                self.on_refused(proposal.round, refusal);
                // Malachite stopped this timer when it proposed, and nothing else ends a round
                // without proposal.
                self.schedule_timeout(mt::Timeout::propose(proposal.round));
                context::signed(proposal, UNSIGNED)
            }
        }
    }

    /// Sends a vote once more. One for which there was no signature may get it now: where others wait for it, nothing
    /// else would end the round.
    pub(super) fn repeat_vote(&mut self, vote: mt::SignedVote<Context>) {
        if vote.signature != UNSIGNED {
            self.publish_vote(&vote);
        } else if let Ok(signature) = self.sign(&Content::Vote(Vote::from(&vote.message))) {
            self.late_votes.push(context::signed(vote.message, signature));
        }
    }

    fn sign(&mut self, content: &Content) -> Result<Signature, Refusal> {
        let (key, signer) = (self.vote_key, &mut self.identity.signer);
        self.guard.sign(content, |known| {
            let key = key.ok_or(Unsigned::NoKey)?;
            signer.sign(&key, content, known)
        })
    }

    /// The validators go on without a refused signature, but an only one has to have it. A replay
    /// asks for signatures of rounds that are over; nothing depends on those.
    fn on_refused(&mut self, round: Round, refusal: Refusal) {
        let height = self.height;
        let last = self.guard.last();
        if let Refusal::Unsigned(why) = refusal {
            // The signer has told the operator; it is asked again.
            tracing::debug!(height, %round, %why, "no signature");
            return;
        }
        if self.alone
            && self.replay.is_none()
            && let Some(last) = last
        {
            self.fault = Some(Fault::LogLost { height, last });
            return;
        }
        tracing::warn!(height, %round, %refusal, ?last, "the last-signed guard refuses to sign");
    }

    pub(super) fn verify_signature(
        &mut self,
        signed: &mt::SignedMessage<Context, mc::ConsensusMsg<Context>>,
        key: [u8; 32],
    ) -> bool {
        let signature = signed.signature;
        match &signed.message {
            mc::ConsensusMsg::Vote(vote) => {
                let vote = SignedVote { vote: vote.into(), signature };
                self.verify(key, &vote.signed_bytes(&self.identity.genesis), signature)
            }
            mc::ConsensusMsg::Proposal(proposal) => {
                let signed = SignedProposal { proposal: proposal.into(), signature };
                let message = signed.signed_bytes(&self.identity.genesis);
                let valid = self.verify(key, &message, signature);
                if valid {
                    let next = self.bodies.name(&signed.proposal, self.keep);
                    self.follow(signed.proposal.block, next);
                }
                valid
            }
        }
    }

    fn verify(&mut self, key: [u8; 32], message: &[u8], signature: Signature) -> bool {
        signature != UNSIGNED && self.verifier.verify(&Check { key, message, signature })
    }

    pub(super) fn verify_commit(&mut self, certificate: &Certificate, set: &Members) -> Verdict {
        let validators = &set.validators;
        let message = certificate.signed_bytes(&self.identity.genesis);
        let votes: Vec<_> = certificate
            .signatures
            .iter()
            .map(|(who, signature)| (*who, message.as_slice(), *signature))
            .collect();
        let checked = check_votes(&mut self.verifier, &votes, validators);
        checked
            .and_then(|power| require(validators.is_quorum(power), power, validators))
            .map_err(|error| told(error.into()))
    }

    /// A certificate that came with its block.
    pub(super) fn verify_synced(&mut self, certificate: &Certificate, set: &Members) -> Verdict {
        let verdict = self.verify_commit(certificate, set);
        if verdict.is_ok() {
            self.synced = Some(certificate.block);
        }
        verdict
    }

    pub(super) fn verify_polka(
        &mut self,
        polka: &mt::PolkaCertificate<Context>,
        set: &Members,
    ) -> Verdict {
        let (verifier, genesis) = (&mut self.verifier, &self.identity.genesis);
        let verified = PolkaCertificate::from(polka).verify(verifier, &set.validators, genesis);
        verified.map_err(told)
    }

    pub(super) fn verify_round(
        &mut self,
        certificate: &mt::RoundCertificate<Context>,
        set: &Members,
    ) -> Verdict {
        let (verifier, genesis) = (&mut self.verifier, &self.identity.genesis);
        let certificate = RoundCertificate::from(certificate);
        certificate.verify(verifier, &set.validators, genesis).map_err(told)
    }
}

/// What was wrong, in Malachite's words.
fn told(error: VerifyError) -> mt::CertificateError<Context> {
    match error {
        VerifyError::Signatures(CertificateError::Duplicate(account)) => {
            mt::CertificateError::DuplicateVote(Address(account))
        }
        VerifyError::Signatures(CertificateError::Unknown(account)) => {
            mt::CertificateError::UnknownValidator(Address(account))
        }
        VerifyError::StrayPrevote(account) => {
            mt::CertificateError::InvalidVoteType(Address(account))
        }
        error => mt::CertificateError::VerificationError(Some(mt::BoxError(Box::new(error)))),
    }
}
