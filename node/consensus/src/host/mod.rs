//! What Malachite asks its host to do, each effect of its version 0.8.2.

mod blocks;
mod sending;
mod signing;

use crate::{
    bodies::Bodies,
    certificate::Verifier,
    config::TimeoutConfig,
    context::{self, Context, round_number},
    evidence::Reported,
    guard::Guard,
    io::{Fault, Identity, Output},
    message::{Bytes, Message, Signature},
    replay::Replay,
    timers::{TimerKind, Timers},
    types::Validators,
    wal::Append,
};
use arc_malachitebft_core_consensus::{self as mc, Effect, Resumable, Resume};
use arc_malachitebft_core_types as mt;
use primitives::{AccountId, Certificate, Hash, Height};
use std::convert::Infallible;

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
    /// The key that the height's validators know of this one, if it is one of them.
    pub(crate) vote_key: Option<[u8; 32]>,
    /// Votes that were signed when they were repeated, which Malachite has not heard of.
    pub(crate) late_votes: Vec<mt::SignedVote<Context>>,
    /// Whether nobody else decides this height.
    pub(crate) alone: bool,
    pub(crate) parent: Hash,
    pub(crate) parent_certificate: Option<Certificate>,
    pub(crate) guard: Guard,
    pub(crate) verifier: Verifier,
    pub(crate) timers: Timers,
    pub(crate) bodies: Bodies,
    reported: Reported,
    /// Records that are not yet in an output.
    log: Append,
    pub(crate) replay: Option<Replay>,
    /// The block that may have to be proposed again.
    pub(crate) keep: Option<Hash>,
    /// The block of a peer's [`Message::Decided`], until its certificate is accepted.
    pub(crate) sync_body: Option<Bytes>,
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
            vote_key: None,
            late_votes: Vec::new(),
            alone: false,
            parent: Hash::ZERO,
            parent_certificate: None,
            guard,
            verifier: Verifier::default(),
            timers: Timers::default(),
            bodies: Bodies::default(),
            reported: Reported::default(),
            log: Append::default(),
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

    /// Whether other nodes of this validator may sign too.
    pub(crate) fn shares_keys(&self) -> bool {
        self.identity.shares_keys
    }

    /// Whether this is the only one of the validators.
    pub(crate) fn is_alone(&self, validators: &Validators) -> bool {
        matches!(validators.members(), [only] if only.account == self.account())
    }

    /// Leave the height before behind. `reset_log` unless the log has records of this height.
    pub(crate) fn start_height(&mut self, height: Height, reset_log: bool) {
        self.height = height;
        self.log = Append::default();
        if reset_log {
            self.out.push(Output::ResetWal);
        }
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
            && (known.block, known.round) == (block.0, round_number(round))
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
            Effect::RepublishVote(vote, r) => r.resume_with(self.repeat_vote(vote)),
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
                r.resume_with(self.verify_synced(&certificate, &set))
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
