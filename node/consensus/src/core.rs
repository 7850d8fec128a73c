//! The consensus core: inputs in, outputs out, in order.

use crate::{
    certificate::Check,
    config::Config,
    context::{self, Address, BlockId, Context, Height as MHeight, Members},
    early::Early,
    guard::{Guard, GuardError, Signed, WithoutRecord},
    host::Host,
    io::{Fault, Identity, Input, Output, Verdict},
    message::{BODY_BYTES_MAX, Bytes, Decided, Message},
    pacing::Pacing,
    replay::Replay,
    store::Recovered,
    timers::{Timer, TimerKind},
    types::{Time, Validators},
    wal::Record,
};
use arc_malachitebft_core_consensus as mc;
use arc_malachitebft_core_types as mt;
use mt::Round;
use primitives::{AccountId, Certificate, Hash, Height, Moment, ValidatorSet, check_certificate};

/// Malachite's queues for inputs of heights to come, which it never gets from us: small.
const QUEUE_HEIGHTS: usize = 4;
const QUEUE_INPUTS: usize = 1_024;

/// One validator's consensus. See the crate's documentation.
pub struct Consensus {
    state: Option<mc::State<Context>>,
    host: Host,
    pacing: Pacing,
    /// Records of the log, until the first start.
    recovered: Vec<Record>,
    /// Validators of the next height, once the current one is durable.
    next: Option<Validators>,
    /// Messages for the next height.
    early: Early,
    halted: bool,
}

impl Consensus {
    /// Consensus with what a store held; `without` counts if that says nothing of what was signed.
    pub fn new(
        config: Config,
        identity: Identity,
        recovered: Recovered,
        without: WithoutRecord,
    ) -> Result<Self, GuardError> {
        let stored = recovered.guard.as_deref();
        let guard = Guard::new(identity.genesis, identity.account, stored, without)?;
        let pacing = Pacing::new(config.pacing);
        let host = Host::new(config.timeouts, identity, guard);
        let recovered = recovered.records;
        Ok(Self {
            state: None,
            host,
            pacing,
            recovered,
            next: None,
            early: Early::default(),
            halted: false,
        })
    }

    /// Take an input and append what is to be done to `out`. After [`Output::Halt`] nothing happens
    /// any more.
    pub fn step(&mut self, now: Time, input: Input, out: &mut Vec<Output>) {
        if self.halted {
            return;
        }
        match input {
            Input::Start { height, validators, parent, certificate, has_signed } => {
                self.on_start(now, height, validators, (parent, certificate), has_signed);
            }
            Input::Elapsed(timer) => self.on_elapsed(now, timer),
            Input::Built { height, round, block, body } => {
                self.on_built(height, round, block, body)
            }
            Input::Checked { height, block, verdict } => self.on_checked(height, block, verdict),
            Input::Received(message) => self.on_message(now, message),
            Input::Committed { height, stamp_ms, validators, work, due_in_ms } => {
                self.on_committed(now, height, stamp_ms, validators, work, due_in_ms);
            }
            Input::WorkWaits => {
                self.pacing.want();
                self.start_if_ready(now);
            }
        }
        let halt = self.host.fault.take().map(Output::Halt);
        self.halted = halt.is_some();
        out.append(&mut self.host.out);
        out.extend(halt);
    }

    /// The height that is being decided or, if it is decided, was; `None` before the first start.
    pub fn height(&self) -> Option<Height> {
        self.state.as_ref().map(|state| state.height().0)
    }

    /// The round of the height; `None` before the first.
    pub fn round(&self) -> Option<u32> {
        self.state.as_ref().and_then(|state| state.round().as_u32())
    }

    fn on_start(
        &mut self,
        now: Time,
        height: Height,
        validators: ValidatorSet,
        (parent, certificate): (Hash, Option<Certificate>),
        has_signed: bool,
    ) {
        if self.height().is_some_and(|current| current >= height) {
            tracing::warn!(height, "a start at a height that is already under way is ignored");
            return;
        }
        match Validators::new(validators) {
            Ok(validators) => {
                if let Some(fault) = self.lost_blocks(height, &validators) {
                    self.host.fault = Some(fault);
                    return;
                }
                self.recall(height, certificate.as_ref(), has_signed);
                self.host.parent = parent;
                self.host.parent_certificate = certificate;
                self.start_height(now, height, validators);
            }
            Err(source) => self.host.fault = Some(Fault::Validators { height, source }),
        }
    }

    /// What was signed last is in the guard's record, or in the log if a crash came between them, which may be of a height
    /// that is decided by now; or else it is lost, if the chain shows that there is something.
    fn recall(&mut self, height: Height, parent: Option<&Certificate>, has_signed: bool) {
        let account = self.host.account();
        for signed in Replay::new(&self.recovered, account).own_messages() {
            self.host.guard.observe(Signed::clone(signed));
        }
        let is_mine = |(who, _): &(AccountId, _)| *who == account;
        let signed_parent = parent.is_some_and(|parent| parent.signatures.iter().any(is_mine));
        if !self.host.shares_keys() {
            self.host.guard.start(height, has_signed, signed_parent);
        }
    }

    /// Nothing is signed or logged at a height before all blocks below are durable. Where others
    /// have the lost blocks, they are fetched again, and the guard prevents double signing.
    fn lost_blocks(&self, height: Height, validators: &Validators) -> Option<Fault> {
        let signed = self.host.guard.last().map(|slot| slot.height);
        let logged = self.recovered.iter().map(|record| record.height).max();
        let reached = signed.max(logged).filter(|reached| *reached > height)?;
        if self.host.is_alone(validators) {
            return Some(Fault::BlocksLost { height, reached });
        }
        tracing::warn!(height, reached, "this node was further before: the chain has lost blocks");
        None
    }

    fn on_elapsed(&mut self, now: Time, timer: Timer) {
        if !self.host.timers.elapse(timer) {
            return;
        }
        let timeout = match timer.kind {
            TimerKind::Propose(round) => mt::Timeout::propose(Round::new(round)),
            TimerKind::Prevote(round) => mt::Timeout::prevote(Round::new(round)),
            TimerKind::Precommit(round) => mt::Timeout::precommit(Round::new(round)),
            TimerKind::Rebroadcast(round) => mt::Timeout::rebroadcast(Round::new(round)),
            TimerKind::Interval => {
                self.pacing.end_interval();
                return self.start_if_ready(now);
            }
            TimerKind::Heartbeat | TimerKind::Due => {
                self.pacing.want();
                return self.start_if_ready(now);
            }
        };
        self.feed(mc::Input::TimeoutElapsed(timeout));
    }

    fn on_built(&mut self, height: Height, round: u32, block: Hash, body: Bytes) {
        let Some(state) = &self.state else { return };
        if (state.height().0, state.round()) != (height, Round::new(round)) {
            tracing::debug!(height, round, "a block came too late to be proposed");
            return;
        }
        if body.len() > BODY_BYTES_MAX {
            let bytes = body.len();
            tracing::error!(height, round, bytes, "a block above the limit is not proposed");
            return;
        }
        self.host.hold_built(height, round, block, body);
        self.feed(propose(height, round, block));
    }

    fn on_checked(&mut self, height: Height, block: Hash, verdict: Verdict) {
        if self.height() != Some(height) {
            return;
        }
        if let Some(input) = self.host.on_checked(height, block, verdict) {
            self.feed(input);
        }
    }

    fn on_message(&mut self, now: Time, message: Message) {
        let Some(current) = self.height() else { return };
        if message.height() > current {
            self.on_early(now, current, message);
        } else if message.height() == current {
            self.on_current(message);
        }
    }

    fn on_current(&mut self, message: Message) {
        let input = match message {
            Message::Vote(signed) => mc::Input::Vote(context::core_vote(&signed)),
            Message::Proposal(signed) => mc::Input::Proposal(context::core_proposal(&signed)),
            Message::Polka(polka) => mc::Input::PolkaCertificate((&polka).into()),
            Message::Round(certificate) => mc::Input::RoundCertificate((&certificate).into()),
            Message::Body(body) => {
                self.note_valid_block();
                return self.host.on_body(body);
            }
            Message::Decided(decided) => return self.on_decided(decided),
        };
        self.feed(input);
    }

    /// Messages of later heights: whose signature is good tells where its validator is. The next
    /// height's are kept.
    ///
    /// Its validators may not be known yet; the current ones stand in for them. A newcomer is heard
    /// when it repeats itself.
    fn on_early(&mut self, now: Time, current: Height, message: Message) {
        let height = message.height();
        let is_next = height == current.saturating_add(1);
        if let Message::Body(body) = message {
            if is_next {
                self.host.bodies.put_early(body);
            }
            return;
        }
        let Some(signer) = self.signing_validator(&message) else { return };
        if self.next.is_none() && !self.host.decided {
            self.host.out.push(Output::Behind { height });
        }
        if is_next && self.early.put(signer, message) {
            self.pacing.want();
            self.start_if_ready(now);
        }
    }

    /// The validator that signed the message; `None` if none did.
    fn signing_validator(&mut self, message: &Message) -> Option<AccountId> {
        let genesis = self.host.genesis();
        let (account, bytes, signature) = match message {
            Message::Vote(s) => (s.vote.validator, s.signed_bytes(&genesis), s.signature),
            Message::Proposal(s) => (s.proposal.proposer, s.signed_bytes(&genesis), s.signature),
            _ => return None,
        };
        let current = self.state.as_ref().map(|state| &state.validator_set().validators);
        let key = self.next.as_ref().or(current)?.get(&account)?.vote_key;
        let valid = self.host.verifier.verify(&Check { key, message: &bytes, signature });
        valid.then_some(account)
    }

    fn on_decided(&mut self, decided: Decided) {
        if self.host.decided {
            return self.check_fork(decided.certificate);
        }
        let input = self.host.sync_input(&decided.certificate, decided.body);
        self.feed(input);
        self.host.sync_body = None;
    }

    /// A certificate for another block than the one decided stops this node: its signers' power
    /// proves that more than a third of the validators break the protocol.
    fn check_fork(&mut self, theirs: Certificate) {
        let Some(state) = &self.state else { return };
        let validators = &state.validator_set().validators;
        let Some(ours) = &self.host.parent_certificate else { return };
        let genesis = self.host.genesis();
        if ours.block != theirs.block
            && check_certificate(&theirs, &theirs.block, validators.source(), &genesis).is_ok()
        {
            let ours = Box::new(ours.clone());
            self.host.fault = Some(Fault::Fork { ours, theirs: Box::new(theirs) });
        }
    }

    fn on_committed(
        &mut self,
        now: Time,
        height: Height,
        stamp_ms: Moment,
        validators: ValidatorSet,
        work: bool,
        due_in_ms: Option<u64>,
    ) {
        if self.height() != Some(height) || !self.host.decided || self.next.is_some() {
            tracing::warn!(height, "a commit that was not asked for is ignored");
            return;
        }
        let validators = match Validators::new(validators) {
            Ok(validators) => validators,
            Err(source) => {
                let height = height.saturating_add(1);
                self.host.fault = Some(Fault::Validators { height, source });
                return;
            }
        };
        self.next = Some(validators);
        self.host.guard.on_certified(height, stamp_ms);
        let others_are_ahead = !self.early.is_empty() || self.host.decided_by_sync;
        let waits = self.pacing.finish(now, work || others_are_ahead);
        if self.host.decided_by_sync {
            self.pacing.end_interval();
        }
        self.host.schedule(TimerKind::Interval, waits.interval_ms);
        self.host.schedule(TimerKind::Heartbeat, waits.heartbeat_ms);
        if let Some(due_in_ms) = due_in_ms {
            self.host.schedule(TimerKind::Due, due_in_ms);
        }
        self.start_if_ready(now);
    }

    fn start_if_ready(&mut self, now: Time) {
        if !self.pacing.is_ready() {
            return;
        }
        let Some(height) = self.height() else { return };
        if let Some(validators) = self.next.take() {
            self.start_height(now, height.saturating_add(1), validators);
        }
    }

    fn start_height(&mut self, now: Time, height: Height, validators: Validators) {
        self.pacing.start(now);
        self.next = None;
        if let Some(state) = &mut self.state {
            self.host.harvest(state);
        }
        let recovered = std::mem::take(&mut self.recovered);
        let records: Vec<_> =
            recovered.into_iter().filter(|record| record.height == height).collect();
        self.host.start_height(height, records.is_empty());
        self.host.alone = self.host.is_alone(&validators);
        if records.is_empty() && !self.host.alone {
            self.host.guard.on_no_log(height);
        }
        self.host.vote_key = validators.get(&self.host.account()).map(|member| member.vote_key);
        let members = Members::new(validators);
        let enabled = self.host.guard.may_sign(height);
        let state = self.state.get_or_insert_with(|| {
            let params = mc::Params {
                address: Address(self.host.account()),
                threshold_params: mc::ThresholdParams::default(),
                value_payload: mt::ValuePayload::ProposalAndParts,
                enabled,
            };
            let height = MHeight(height);
            mc::State::new(Context, height, members.clone(), params, QUEUE_HEIGHTS, QUEUE_INPUTS)
        });
        state.params.enabled = enabled;
        let start = mc::Input::StartHeight(
            MHeight(height),
            members,
            false,
            None,
            mt::VoteExtensionPolicy::Disabled,
        );
        if records.is_empty() {
            self.feed(start);
        } else {
            self.replay(height, start, records);
        }
        for message in self.early.take() {
            if message.height() == height {
                self.on_current(message);
            }
        }
    }

    /// Bring consensus back to where the log says it was. What is published meanwhile was published
    /// before, or is signed and logged now.
    fn replay(&mut self, height: Height, start: mc::Input<Context>, records: Vec<Record>) {
        tracing::info!(height, count = records.len(), "replaying the write-ahead log");
        let replay = Replay::new(&records, self.host.account());
        for (block, round, bytes, progress) in replay.bodies() {
            self.host.bodies.hold(block, round, bytes, progress, None);
        }
        let inputs: Vec<_> = records.iter().filter_map(Replay::input).collect();
        let binding = records.iter().filter(|record| Replay::binds(record));
        let binding: Vec<_> = binding.filter_map(Replay::input).collect();
        self.host.replay = Some(replay);
        self.feed(start);
        let Some(state) = &mut self.state else { return };
        state.index_wal_entries(binding.iter());
        for input in inputs {
            self.feed(input);
        }
        let Some(state) = &mut self.state else { return };
        state.reset_entries_index();
        let Some(replay) = self.host.replay.take() else { return };
        let round = state.round();
        let open = Round::from(replay.build_round) == round && !state.driver.step_is_commit();
        let mine = state.address();
        if !open
            || state.full_proposal_at_round_and_proposer(&state.height(), round, mine).is_some()
        {
            return;
        }
        let round = crate::context::round_number(round);
        match replay.own_block(round) {
            Some(block) => self.feed(propose(height, round, block)),
            None => self.host.ask_for_block(height, round),
        }
    }

    /// Give Malachite an input, and perform its effects.
    fn feed(&mut self, input: mc::Input<Context>) {
        self.note_valid_block();
        let Some(state) = &mut self.state else { return };
        if self.host.fault.is_some() {
            return;
        }
        let height = state.height().0;
        let host = &mut self.host;
        let result: Result<(), mc::Error<Context>> = mc::process!(
            input: input,
            state: state,
            metrics: &(),
            with: effect => host.handle(effect)
        );
        match result {
            Ok(()) => {}
            // Nothing in these comes from a flaw of ours; the input is lost, and the protocol bears
            // lost messages.
            Err(
                error @ (mc::Error::DriverProcess(_)
                | mc::Error::MissingPolkaCertificate(..)
                | mc::Error::InvalidCommitCertificate(..)
                | mc::Error::VoteExtensionRequired(..)),
            ) => tracing::error!(height, %error, "an input could not be processed"),
            Err(error) => {
                self.host.fault = Some(Fault::Broken { height, reason: error.to_string() });
            }
        }
        for vote in std::mem::take(&mut self.host.late_votes) {
            // It counts here before others hear of it, as the log must have it.
            self.feed(mc::Input::Vote(vote.clone()));
            self.host.publish_vote(&vote);
        }
    }

    /// Tell the host which block must be kept because it may have to be proposed again.
    fn note_valid_block(&mut self) {
        let state = self.state.as_ref();
        let valid = state.and_then(|state| state.driver.valid_value());
        self.host.keep = valid.map(|valid| valid.value.0);
    }
}

fn propose(height: Height, round: u32, block: Hash) -> mc::Input<Context> {
    mc::Input::Propose(mc::LocallyProposedValue {
        height: MHeight(height),
        round: Round::new(round),
        value: BlockId(block),
    })
}
