//! What Malachite asks its host to do, each effect of its version 0.8.2.

use crate::{
    bodies::{Bodies, Next, Progress},
    certificate::{CertificateError, Check, Verifier, check_votes, require},
    config::TimeoutConfig,
    context::{self, Address, BlockId, Context, Height as MHeight, Members, round_number},
    core::{Fault, Identity, Output, Proposed, Verdict},
    evidence::{Evidence, Reported},
    guard::{Guard, Refusal},
    message::{Body, Bytes, Message, Proposal, Signature, SignedProposal, SignedVote, Vote},
    replay::Replay,
    timers::{TimerKind, Timers},
    types::{Step, Validators, vote_bytes},
    wal::{ElapsedStep, Entry, Record},
};
use arc_malachitebft_core_consensus::{self as mc, Effect, Resumable, Resume};
use arc_malachitebft_core_types as mt;
use arc_malachitebft_peer::PeerId;
use ed25519_dalek::Signer;
use mt::Round;
use primitives::{AccountId, Certificate, Hash, Height};
use std::{convert::Infallible, sync::Arc};

/// In place of a signature that the guard refused: never valid, never sent.
const UNSIGNED: Signature = [0; 64];

/// A block that came with its certificate and is being checked.
struct Syncing {
    block: Hash,
    round: u32,
    proposer: AccountId,
}

/// All of a validator but Malachite's state.
pub(crate) struct Host {
    identity: Identity,
    timeouts: TimeoutConfig,
    height: Height,
    pub(crate) parent: Hash,
    pub(crate) parent_certificate: Option<Certificate>,
    pub(crate) guard: Guard,
    pub(crate) verifier: Verifier,
    pub(crate) timers: Timers,
    pub(crate) bodies: Bodies,
    reported: Reported,
    /// Records that are not yet in an output.
    log: Vec<u8>,
    pub(crate) replay: Option<Replay>,
    /// The block that may have to be proposed again.
    pub(crate) keep: Option<Hash>,
    /// The block of a peer's [`Message::Decided`], until its certificate is accepted.
    sync_body: Option<Bytes>,
    syncing: Option<Syncing>,
    /// The block that a peer proved to be final.
    synced: Option<Hash>,
    pub(crate) decided: bool,
    pub(crate) decided_by_sync: bool,
    pub(crate) out: Vec<Output>,
    pub(crate) fault: Option<Fault>,
}

impl Host {
    pub(crate) fn new(timeouts: TimeoutConfig, identity: Identity, guard: Guard) -> Self {
        Self {
            identity,
            timeouts,
            height: 0,
            parent: Hash::ZERO,
            parent_certificate: None,
            guard,
            verifier: Verifier::default(),
            timers: Timers::default(),
            bodies: Bodies::default(),
            reported: Reported::default(),
            log: Vec::new(),
            replay: None,
            keep: None,
            sync_body: None,
            syncing: None,
            synced: None,
            decided: false,
            decided_by_sync: false,
            out: Vec::new(),
            fault: None,
        }
    }

    pub(crate) fn genesis(&self) -> Hash {
        self.identity.genesis
    }

    pub(crate) fn account(&self) -> AccountId {
        self.identity.account
    }

    /// Leave the height before behind. `reset_log` unless the log has records of this height.
    pub(crate) fn start_height(&mut self, height: Height, reset_log: bool) {
        self.height = height;
        self.log.clear();
        if reset_log {
            self.out.push(Output::ResetWal);
        }
        // A new record is on disk before the first block is, so that only a lost one is ever missing.
        self.out.extend(self.guard.take_changed().map(Output::WriteGuard));
        let stopped = self.timers.stop_pacing();
        self.out.extend(stopped.into_iter().map(Output::Cancel));
        self.bodies.start_height(height);
        self.verifier.clear();
        self.keep = None;
        self.sync_body = None;
        self.syncing = None;
        self.synced = None;
        self.decided = false;
        self.decided_by_sync = false;
    }

    /// Take what Malachite has learnt since it decided: starting the next height wipes it.
    pub(crate) fn harvest(&mut self, state: &mut mc::State<Context>) {
        let evidence = mc::MisbehaviorEvidence {
            proposals: state.driver.take_proposal_evidence(),
            votes: state.driver.take_vote_evidence(),
        };
        self.report(&evidence);
        let Some((round, block)) = state.decided_value().filter(|_| self.decided) else { return };
        let height = state.height();
        let votes = state.restore_precommits(height, round, &block);
        let wide = mt::CommitCertificate::new(height, round, block, votes);
        if let Some(known) = &mut self.parent_certificate
            && known.round == round_number(round)
            && known.signatures.len() < wide.commit_signatures.len()
        {
            *known = context::certificate(&wide);
        }
    }

    /// Perform an effect. Never fails: Malachite would log the error and go on.
    #[expect(clippy::unit_arg, reason = "one line for each effect: what is done, and the answer")]
    pub(crate) fn handle(
        &mut self,
        effect: Effect<Context>,
    ) -> Result<Resume<Context>, Infallible> {
        Ok(match effect {
            Effect::CancelAllTimeouts(r) => r.resume_with(self.cancel_all()),
            Effect::CancelTimeout(timeout, r) => r.resume_with(self.cancel(timeout)),
            Effect::ScheduleTimeout(timeout, r) => r.resume_with(self.schedule_timeout(timeout)),
            Effect::StartRound(_, _, _, _, r) => r.resume_with(self.flush_log()),
            Effect::PublishConsensusMsg(message, r) => r.resume_with(match message {
                mc::SignedConsensusMsg::Vote(vote) => self.publish_vote(&vote),
                mc::SignedConsensusMsg::Proposal(proposal) => self.publish_proposal(&proposal),
            }),
            Effect::PublishLivenessMsg(message, r) => r.resume_with(match message {
                mc::LivenessMsg::Vote(vote) => self.publish_vote(&vote),
                mc::LivenessMsg::PolkaCertificate(polka) => {
                    self.publish(Message::Polka((&polka).into()));
                }
                mc::LivenessMsg::SkipRoundCertificate(certificate) => {
                    self.publish(Message::Round((&certificate).into()));
                }
            }),
            Effect::RepublishVote(vote, r) => r.resume_with(self.publish_vote(&vote)),
            Effect::RepublishRoundCertificate(certificate, r) => {
                r.resume_with(self.publish(Message::Round((&certificate).into())))
            }
            Effect::GetValue(height, round, _, r) => r.resume_with(self.get_value(height, round)),
            Effect::RestreamProposal(_, round, _, _, block, r) => {
                r.resume_with(self.publish_body(round_number(round), block.0))
            }
            Effect::SignVote(vote, r) => r.resume_with(self.sign_vote(vote)),
            Effect::SignProposal(proposal, r) => r.resume_with(self.sign_proposal(proposal)),
            Effect::VerifySignature(message, key, r) => {
                r.resume_with(self.verify_signature(&message, key))
            }
            Effect::VerifyCommitCertificate(certificate, set, _, r) => {
                r.resume_with(self.verify_commit(&context::certificate(&certificate), &set))
            }
            Effect::VerifyExtendedCommitCertificate(certificate, set, _, _, r) => {
                let certificate = context::certificate(&certificate.trim_vote_extensions());
                r.resume_with(self.verify_commit(&certificate, &set))
            }
            Effect::VerifyPolkaCertificate(polka, set, _, r) => {
                r.resume_with(self.verify_polka(&polka, &set))
            }
            Effect::VerifyRoundCertificate(certificate, set, _, r) => {
                r.resume_with(self.verify_round(&certificate, &set))
            }
            // Vote extensions are disabled at every height; these two never come.
            Effect::ExtendVote(_, _, _, _, r) => r.resume_with(None),
            Effect::VerifyVoteExtension(_, _, _, _, _, _, r) => {
                r.resume_with(Err(mc::VoteExtensionError::InvalidVoteExtension))
            }
            Effect::WalAppend(height, input, r) => r.resume_with(self.append(height, &input)),
            Effect::Decide(certificate, _, r) => r.resume_with(self.decide(&certificate)),
            Effect::Finalize(_, _, evidence, r) => r.resume_with(self.report(&evidence)),
            Effect::CertVerifiedSyncValue(value, proposer, r) => {
                r.resume_with(self.check_synced(&value, proposer))
            }
            Effect::CertRejectedSyncValue(_, height, error, r) => {
                tracing::debug!(%height, %error, "a peer's certificate was refused");
                r.resume_with(())
            }
        })
    }
}

/// Timers.
impl Host {
    pub(crate) fn schedule(&mut self, kind: TimerKind, after_ms: u64) {
        let timer = self.timers.start(self.height, kind);
        self.out.push(Output::Schedule(timer, after_ms));
    }

    fn schedule_timeout(&mut self, timeout: mt::Timeout) {
        let Some(kind) = timer_kind(timeout) else { return };
        let config = &self.timeouts;
        let (base, round) = match kind {
            TimerKind::Propose(round) => (config.propose_ms, round),
            TimerKind::Prevote(round) => (config.prevote_ms, round),
            TimerKind::Precommit(round) => (config.precommit_ms, round),
            TimerKind::Rebroadcast(round) => (config.rebroadcast_ms, round),
            TimerKind::Interval | TimerKind::Heartbeat | TimerKind::Due => return,
        };
        let grown = base.saturating_add(config.round_step_ms.saturating_mul(u64::from(round)));
        self.schedule(kind, grown.min(config.longest_ms));
    }

    fn cancel(&mut self, timeout: mt::Timeout) {
        let timer = timer_kind(timeout).and_then(|kind| self.timers.stop(kind));
        self.out.extend(timer.map(Output::Cancel));
    }

    fn cancel_all(&mut self) {
        let timers = self.timers.stop_round();
        self.out.extend(timers.into_iter().map(Output::Cancel));
    }
}

/// `None` for the timeout that Malachite has for pacing, which we do outside of it.
fn timer_kind(timeout: mt::Timeout) -> Option<TimerKind> {
    let round = round_number(timeout.round);
    match timeout.kind {
        mt::TimeoutKind::Propose => Some(TimerKind::Propose(round)),
        mt::TimeoutKind::Prevote => Some(TimerKind::Prevote(round)),
        mt::TimeoutKind::Precommit => Some(TimerKind::Precommit(round)),
        mt::TimeoutKind::Rebroadcast => Some(TimerKind::Rebroadcast(round)),
        mt::TimeoutKind::FinalizeHeight(_) => None,
    }
}

/// Log and messages.
impl Host {
    fn append(&mut self, height: MHeight, input: &mc::Input<Context>) {
        let entry = match input {
            mc::Input::Vote(vote) => Entry::Vote(vote.into()),
            mc::Input::Proposal(proposal) => Entry::Proposal(proposal.into()),
            mc::Input::ProposedValue(value, _) => Entry::Value {
                round: round_number(value.round),
                proposer: value.proposer.0,
                block: value.value.0,
                valid: value.validity.is_valid(),
            },
            mc::Input::TimeoutElapsed(timeout) => {
                let step = match timeout.kind {
                    mt::TimeoutKind::Propose => ElapsedStep::Propose,
                    mt::TimeoutKind::Prevote => ElapsedStep::Prevote,
                    mt::TimeoutKind::Precommit => ElapsedStep::Precommit,
                    mt::TimeoutKind::Rebroadcast | mt::TimeoutKind::FinalizeHeight(_) => return,
                };
                Entry::Elapsed { step, round: round_number(timeout.round) }
            }
            mc::Input::PolkaCertificate(polka) => Entry::Polka(polka.into()),
            // Malachite rebuilds these from others; it never asks to log them.
            mc::Input::StartHeight(..)
            | mc::Input::RoundCertificate(_)
            | mc::Input::Propose(_)
            | mc::Input::SyncValueResponse(_) => return,
        };
        self.write(Record { height: height.0, entry });
    }

    fn write(&mut self, record: Record) {
        if !self.replay.as_ref().is_some_and(|replay| replay.knows(&record)) {
            record.write(&mut self.log);
        }
    }

    fn flush_log(&mut self) {
        if !self.log.is_empty() {
            self.out.push(Output::AppendWal(std::mem::take(&mut self.log)));
        }
    }

    /// Send, after all that led to it is on disk. The log goes first: the guard never knows of a signature that a
    /// replay would not find.
    fn publish(&mut self, message: Message) {
        self.flush_log();
        self.out.extend(self.guard.take_changed().map(Output::WriteGuard));
        self.out.push(Output::Broadcast(message));
    }

    fn publish_vote(&mut self, vote: &mt::SignedVote<Context>) {
        if vote.signature != UNSIGNED {
            self.publish(Message::Vote(vote.into()));
        }
    }

    fn publish_proposal(&mut self, proposal: &mt::SignedProposal<Context>) {
        if proposal.signature != UNSIGNED {
            self.publish(Message::Proposal(proposal.into()));
        }
    }

    fn publish_body(&mut self, round: u32, block: Hash) {
        if let Some(bytes) = self.bodies.get(&block) {
            let height = self.height;
            self.out.push(Output::Broadcast(Message::Body(Body { height, round, block, bytes })));
        }
    }
}

/// Signatures.
impl Host {
    fn sign_vote(&mut self, vote: context::MVote) -> mt::SignedVote<Context> {
        let Identity { genesis, key, .. } = &self.identity;
        let sign = |signed: &SignedVote| key.sign(&signed.signed_bytes(genesis)).to_bytes();
        match self.guard.sign_vote(Vote::from(&vote), sign) {
            Ok(signed) => (&signed).into(),
            Err(refusal) => {
                self.warn_refused(vote.round, refusal);
                context::signed(vote, UNSIGNED)
            }
        }
    }

    fn sign_proposal(&mut self, proposal: context::MProposal) -> mt::SignedProposal<Context> {
        let Identity { genesis, key, .. } = &self.identity;
        let sign = |signed: &SignedProposal| key.sign(&signed.signed_bytes(genesis)).to_bytes();
        match self.guard.sign_proposal(Proposal::from(&proposal), sign) {
            Ok(signed) => (&signed).into(),
            Err(refusal) => {
                self.warn_refused(proposal.round, refusal);
                // Malachite stopped this timer when it proposed, and nothing else ends a round without proposal.
                self.schedule_timeout(mt::Timeout::propose(proposal.round));
                context::signed(proposal, UNSIGNED)
            }
        }
    }

    fn warn_refused(&self, round: Round, refusal: Refusal) {
        let height = self.height;
        let last = self.guard.last();
        tracing::warn!(height, %round, %refusal, ?last, "the last-signed guard refuses to sign");
    }

    fn verify_signature(
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

    fn verify_commit(
        &mut self,
        certificate: &Certificate,
        set: &Members,
    ) -> Result<(), mt::CertificateError<Context>> {
        let Certificate { height, round, block, ref signatures } = *certificate;
        let genesis = &self.identity.genesis;
        let message = vote_bytes(genesis, Step::Precommit, height, round, Some(block));
        let votes: Vec<_> =
            signatures.iter().map(|(who, sig)| (*who, message.as_slice(), *sig)).collect();
        self.verify_votes(&votes, &set.validators, Validators::is_quorum)
    }

    fn verify_polka(
        &mut self,
        polka: &mt::PolkaCertificate<Context>,
        set: &Members,
    ) -> Result<(), mt::CertificateError<Context>> {
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

    fn verify_round(
        &mut self,
        certificate: &mt::RoundCertificate<Context>,
        set: &Members,
    ) -> Result<(), mt::CertificateError<Context>> {
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
            certificate.votes(&Context).map(|vote| SignedVote::from(&vote)).collect();
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
    ) -> Result<(), mt::CertificateError<Context>> {
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

/// Blocks.
impl Host {
    fn get_value(&mut self, height: MHeight, round: Round) {
        let round = round_number(round);
        match &mut self.replay {
            // Whether a block of ours exists already is known at the end of the log.
            Some(replay) => replay.build_round = Some(round),
            None => self.ask_for_block(height.0, round),
        }
    }

    pub(crate) fn ask_for_block(&mut self, height: Height, round: u32) {
        let grown = self.timeouts.round_step_ms.saturating_mul(u64::from(round));
        let within_ms =
            self.timeouts.propose_ms.saturating_add(grown).min(self.timeouts.longest_ms);
        let (parent, certificate) = (self.parent, self.parent_certificate.clone());
        self.out.push(Output::Build { height, round, parent, certificate, within_ms });
    }

    /// Keep, log and send a block of ours.
    pub(crate) fn hold_built(&mut self, height: Height, round: u32, block: Hash, bytes: Bytes) {
        let body = Body { height, round, block, bytes: Arc::clone(&bytes) };
        self.write(Record { height, entry: Entry::Body(body.clone()) });
        self.bodies.hold(block, round, bytes, Progress::Checked, self.keep);
        self.out.push(Output::Broadcast(Message::Body(body)));
    }

    /// A peer sent a block of this height.
    pub(crate) fn on_body(&mut self, body: Body) {
        if !self.decided {
            let block = body.block;
            let next = self.bodies.receive(body, self.keep);
            self.follow(block, next);
        }
    }

    fn follow(&mut self, block: Hash, next: Next) {
        let height = self.height;
        match next {
            Next::Check(named, body) => {
                let proposed = Some(Proposed {
                    round: named.round,
                    pol_round: named.pol_round,
                    proposer: named.proposer,
                });
                self.out.push(Output::Check { height, proposed, block, body });
            }
            Next::Want => self.out.push(Output::Want { height, block }),
            Next::Wait => {}
        }
    }

    /// The chain's verdict about a block, for Malachite.
    pub(crate) fn on_checked(
        &mut self,
        height: Height,
        block: Hash,
        verdict: Verdict,
    ) -> Option<mc::Input<Context>> {
        if verdict == Verdict::Forged {
            if self.bodies.drop_forged(&block) {
                self.out.push(Output::Want { height, block });
            }
            return None;
        }
        let (named, held_round, bytes) = self.bodies.finish_check(&block)?;
        let syncing = self.syncing.take_if(|syncing| syncing.block == block);
        let (round, proposer, origin) = match (syncing, named) {
            (Some(sync), _) => (sync.round, sync.proposer, mt::ValueOrigin::Sync),
            (None, Some(named)) => (named.round, named.proposer, mt::ValueOrigin::Consensus),
            (None, None) => return None,
        };
        let body = Body { height, round: held_round, block, bytes };
        self.write(Record { height, entry: Entry::Body(body) });
        let value = mc::ProposedValue {
            height: MHeight(height),
            round: Round::new(round),
            valid_round: Round::Nil,
            proposer: Address(proposer),
            value: BlockId(block),
            validity: mt::Validity::from_bool(verdict == Verdict::Valid),
        };
        Some(mc::Input::ProposedValue(value, origin))
    }

    /// A final block from a peer, for Malachite. Its bytes wait here until the certificate is accepted.
    pub(crate) fn sync_input(
        &mut self,
        certificate: &Certificate,
        body: Bytes,
    ) -> mc::Input<Context> {
        self.sync_body = Some(body);
        self.synced = Some(certificate.block);
        // The shell knows whose message this step takes; Malachite only hands the peer back.
        let peer = PeerId::from_bytes(&[0, 0]).expect("an empty identity hash is a peer id");
        let certificate = context::extended(certificate);
        mc::Input::SyncValueResponse(mt::ValueResponse::new(peer, Default::default(), certificate))
    }

    fn check_synced(&mut self, value: &mt::ValueResponse<Context>, proposer: Address) {
        let Some(body) = self.sync_body.take() else { return };
        let block = value.certificate.value_id.0;
        let round = round_number(value.certificate.round);
        self.bodies.hold(block, round, Arc::clone(&body), Progress::Checking, self.keep);
        self.syncing = Some(Syncing { block, round, proposer: proposer.0 });
        let height = self.height;
        self.out.push(Output::Check { height, proposed: None, block, body });
    }

    fn decide(&mut self, certificate: &mt::CommitCertificate<Context>) {
        self.flush_log();
        let certificate = context::certificate(certificate);
        let block = certificate.block;
        let Some(body) = self.bodies.get(&block) else {
            self.fault = Some(Fault::BodyLost { height: self.height, block });
            return;
        };
        self.decided = true;
        self.decided_by_sync = self.synced == Some(block);
        self.parent = block;
        self.parent_certificate = Some(certificate.clone());
        self.out.push(Output::Commit { certificate, body });
    }

    fn report(&mut self, evidence: &mc::MisbehaviorEvidence<Context>) {
        let votes = evidence.votes.iter().flat_map(|(_, pairs)| pairs);
        let votes = votes.map(|(a, b)| Evidence::Votes(a.into(), b.into()));
        let proposals = evidence.proposals.iter().flat_map(|(_, pairs)| pairs);
        let proposals = proposals.map(|(a, b)| Evidence::Proposals(a.into(), b.into()));
        for evidence in votes.chain(proposals) {
            if evidence.offence().is_some_and(|offence| self.reported.insert(offence)) {
                self.out.push(Output::Evidence(evidence));
            }
        }
    }
}
