//! What is signed and verified.

use super::{Host, UNSIGNED};
use crate::{
    certificate::{Check, check_votes, require},
    context::{self, Address, Context, Members, round_number},
    guard::Refusal,
    io::{Fault, Identity},
    message::{Proposal, Signature, SignedProposal, SignedVote, Vote},
    types::{Step, Validators, vote_bytes},
};
use arc_malachitebft_core_consensus as mc;
use arc_malachitebft_core_types as mt;
use ed25519_dalek::Signer;
use mt::Round;
use primitives::{AccountId, Certificate, CertificateError};

/// What Malachite wants to hear about a certificate.
type Verdict = Result<(), mt::CertificateError<Context>>;

#[expect(clippy::result_large_err, reason = "the type of the error is Malachite's")]
impl Host {
    pub(super) fn sign_vote(&mut self, vote: context::MVote) -> mt::SignedVote<Context> {
        let Identity { genesis, key, .. } = &self.identity;
        let sign = |signed: &SignedVote| key.sign(&signed.signed_bytes(genesis)).to_bytes();
        match self.guard.sign_vote(Vote::from(&vote), sign) {
            Ok(signed) => context::core_vote(&signed),
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
        let Identity { genesis, key, .. } = &self.identity;
        let sign = |signed: &SignedProposal| key.sign(&signed.signed_bytes(genesis)).to_bytes();
        match self.guard.sign_proposal(Proposal::from(&proposal), sign) {
            Ok(signed) => context::core_proposal(&signed),
            Err(refusal) => {
                self.on_refused(proposal.round, refusal);
                // Malachite stopped this timer when it proposed, and nothing else ends a round
                // without proposal.
                self.schedule_timeout(mt::Timeout::propose(proposal.round));
                context::signed(proposal, UNSIGNED)
            }
        }
    }

    /// The validators go on without a refused signature, but an only one has to have it. A replay
    /// asks for signatures of rounds that are over; nothing depends on those.
    fn on_refused(&mut self, round: Round, refusal: Refusal) {
        let height = self.height;
        let last = self.guard.last();
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
        let message = certificate.signed_bytes(&self.identity.genesis);
        let votes: Vec<_> = certificate
            .signatures
            .iter()
            .map(|(who, sig)| (*who, message.as_slice(), *sig))
            .collect();
        self.verify_votes(&votes, &set.validators, Validators::is_quorum)
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
        let (height, round) = (polka.height.0, round_number(polka.round));
        let genesis = &self.identity.genesis;
        let message = vote_bytes(genesis, Step::Prevote, height, round, Some(polka.value_id.0));
        let votes: Vec<_> = polka
            .polka_signatures
            .iter()
            .map(|s| (s.address.0, message.as_slice(), s.signature))
            .collect();
        self.verify_votes(&votes, &set.validators, Validators::is_quorum)
    }

    pub(super) fn verify_round(
        &mut self,
        certificate: &mt::RoundCertificate<Context>,
        set: &Members,
    ) -> Verdict {
        let is_precommit = certificate.cert_type == mt::RoundCertificateType::Precommit;
        let stray = certificate
            .round_signatures
            .iter()
            .find(|s| is_precommit && s.vote_type == mt::VoteType::Prevote);
        if let Some(stray) = stray {
            return Err(mt::CertificateError::InvalidVoteType(stray.address));
        }
        let genesis = self.identity.genesis;
        let votes: Vec<SignedVote> =
            certificate.votes(&Context).map(|vote| context::signed_vote(&vote)).collect();
        let messages: Vec<_> = votes.iter().map(|vote| vote.signed_bytes(&genesis)).collect();
        let votes: Vec<_> = votes
            .iter()
            .zip(&messages)
            .map(|(signed, bytes)| (signed.vote.validator, bytes.as_slice(), signed.signature))
            .collect();
        let enough = if is_precommit { Validators::is_quorum } else { Validators::has_honest };
        self.verify_votes(&votes, &set.validators, enough)
    }

    fn verify_votes(
        &mut self,
        votes: &[(AccountId, &[u8], Signature)],
        validators: &Validators,
        enough: impl FnOnce(&Validators, u64) -> bool,
    ) -> Verdict {
        let checked = check_votes(&mut self.verifier, votes, validators);
        let result =
            checked.and_then(|power| require(enough(validators, power), power, validators));
        result.map_err(|error| match error {
            CertificateError::Duplicate(account) => {
                mt::CertificateError::DuplicateVote(Address(account))
            }
            CertificateError::Unknown(account) => {
                mt::CertificateError::UnknownValidator(Address(account))
            }
            error => mt::CertificateError::VerificationError(Some(mt::BoxError(Box::new(error)))),
        })
    }
}
