//! What a node's cores want done is done, as the node's shells do it.

use crate::{
    liar,
    node::{self, tip_of},
    world::{Event, Wire, World},
};
use chain::{
    BuildRequest, CheckError, CheckRequest, Committed, Error, Fault,
    sync::{self, Output as SyncOutput},
};
use codec::{Decode, Encode};
use consensus::{Bytes, Decided, Input, Message, Output, Proposed, Time, Verdict, store::Store};
use pallets::session;
use primitives::{Block, Certificate, Hash, Height, Moment, crypto::vrf};
use std::sync::Arc;

/// Milliseconds that a node takes to build or check a block.
const WORK_MS: Moment = 3;
/// Milliseconds that a commit takes.
const COMMIT_MS: Moment = 2;
/// After so long without a body, peers are asked for it.
const WANT_MS: Moment = 100;
/// How often, at most, one body is asked for after another call of the core.
const WANTS_MAX: u32 = 4;
/// In place of randomness that only an adversary in the same process could foresee.
const SEED: [u8; 32] = [6; 32];

/// A block that is to be judged.
#[derive(Clone)]
pub(crate) struct Question {
    height: Height,
    proposed: Option<Proposed>,
    block: Hash,
    body: Bytes,
}

impl World {
    /// Consensus of this node begins at the height after its head.
    pub(crate) fn feed_start(&mut self, node: usize) {
        let Some(running) = &self.nodes[node].running else { return };
        let head = running.chain.head();
        let input = Input::Start {
            height: head.next_height(),
            validators: runtime::validator_set(&head.snapshot),
            parent: head.hash,
            certificate: head.certificate.as_deref().cloned(),
            has_signed: session::has_signed(&head.snapshot, &node::account(node)),
        };
        self.feed(node, input);
    }

    pub(crate) fn feed(&mut self, node: usize, input: Input) {
        let now = Time(self.now);
        let Some(running) = &mut self.nodes[node].running else { return };
        let Some(consensus) = &mut running.consensus else { return };
        let mut out = Vec::new();
        consensus.step(now, input, &mut out);
        let round = consensus.round().unwrap_or(0);
        self.oracle.outcome.max_round = self.oracle.outcome.max_round.max(round);
        for output in out {
            let torn = match &output {
                Output::AppendWal(bytes) => Some(bytes.as_slice()),
                _ => None,
            };
            let matters = !matches!(output, Output::Schedule(..) | Output::Cancel(_));
            if matters && self.crashes(node, torn) {
                return;
            }
            self.perform(node, output);
        }
    }

    fn perform(&mut self, node: usize, output: Output) {
        let life = self.nodes[node].life;
        let store = &mut self.nodes[node].store;
        match output {
            Output::AppendWal(bytes) => store.append_wal(&bytes).expect("infallible"),
            Output::WriteGuard(record) => store.write_guard(&record).expect("infallible"),
            Output::ResetWal => store.reset_wal().expect("infallible"),
            Output::Broadcast(message) => self.broadcast(node, message),
            Output::Schedule(timer, after_ms) => {
                let input = Input::Elapsed(timer);
                self.after(after_ms, Event::Feed { node, life, input });
            }
            Output::Cancel(_) => {}
            Output::Build { height, round, .. } => {
                if let Some((block, body)) = self.build(node, height, round, 0) {
                    let input = Input::Built { height, round, block, body: Arc::new(body) };
                    self.after(WORK_MS, Event::Feed { node, life, input });
                }
            }
            Output::Check { height, proposed, block, body } => {
                self.check(node, Question { height, proposed, block, body });
            }
            Output::Commit { certificate, body } => {
                self.after(0, Event::Commit { node, life, certificate, body });
            }
            Output::Want { height, block } => {
                let event = Event::Want { node, life, height, block, left: WANTS_MAX };
                self.after(WANT_MS, event);
            }
            Output::Behind { height } => {
                if self.plan.pulls_decided {
                    let next = self.nodes[node].height().unwrap_or(0) + 1;
                    let peer = self.random.index(self.nodes.len());
                    if peer != node {
                        self.send(node, peer, Wire::Lagging { height: next });
                    }
                }
                self.sync(node, sync::Input::Exists { height: height.saturating_sub(1) });
            }
            Output::Evidence(evidence) => {
                self.oracle.on_evidence(node, &evidence);
                if let Some(running) = &mut self.nodes[node].running {
                    running.evidence.push(evidence);
                }
            }
            Output::Halt(fault) => self.oracle.fail(format!("node {node} halts: {fault}")),
        }
    }

    fn broadcast(&mut self, node: usize, message: Message) {
        self.oracle.on_sent(node, &message);
        let decoded = Message::from_bytes(&message.encode());
        if decoded.as_ref() != Ok(&message) {
            self.oracle.fail(format!("node {node} sends what is refused: {decoded:?}"));
        }
        if let (Message::Body(body), Some(running)) = (&message, &mut self.nodes[node].running) {
            running.keep_body(body);
        }
        if !liar::broadcast(self, node, &message) {
            self.send_all(node, &Wire::Consensus(Arc::new(message)));
        }
    }

    /// A block on the head of this node; `later_ms` makes blocks differ.
    pub(crate) fn build(
        &mut self,
        node: usize,
        height: Height,
        round: u32,
        later_ms: Moment,
    ) -> Option<(Hash, Vec<u8>)> {
        let now_ms = self.nodes[node].clock(self.now) + later_ms;
        let running = self.nodes[node].running.as_mut()?;
        if running.chain.head().next_height() != height {
            return None;
        }
        let transactions = running.take();
        let built = running.chain.build(BuildRequest {
            author: node::account(node),
            origin_round: round,
            now_ms,
            certificate: None,
            widened: Vec::new(),
            evidence: running.evidence.clone(),
            transactions,
            sign_vrf: &|message| vrf::sign(&node::vrf_pair(node), runtime::VRF_LABEL, message).0,
            is_late: &mut || false,
        });
        match built {
            Ok(built) => {
                for rejected in &built.rejected {
                    running.pool.ban(&rejected.hash, &mut Vec::new());
                }
                Some((built.hash, built.block.encode()))
            }
            Err(error) => {
                self.oracle.fail(format!("node {node} cannot build: {error}"));
                None
            }
        }
    }

    /// Judges a block, later if it is ahead of the node's clock.
    pub(crate) fn check(&mut self, node: usize, question: Question) {
        let life = self.nodes[node].life;
        match self.judge(node, &question) {
            Ok(verdict) => {
                let Question { height, block, .. } = question;
                let input = Input::Checked { height, block, verdict };
                self.after(WORK_MS, Event::Feed { node, life, input });
            }
            Err(Some(early_ms)) => self.after(early_ms, Event::Check { node, life, question }),
            Err(None) => {}
        }
    }

    /// The verdict, or how long it must wait, if there is to be one.
    fn judge(&mut self, node: usize, question: &Question) -> Result<Verdict, Option<Moment>> {
        let Question { proposed, block: expected, ref body, .. } = *question;
        let Ok(block) = Block::decode(&mut &body[..]) else { return Ok(Verdict::Forged) };
        if block.hash() != expected {
            return Ok(Verdict::Forged);
        }
        let clock = self.nodes[node].clock(self.now);
        let is_new = proposed.is_some_and(|proposed| proposed.pol_round.is_none());
        let request = CheckRequest { block, now_ms: is_new.then_some(clock), seed: SEED };
        let running = self.nodes[node].running.as_mut().ok_or(None)?;
        match running.chain.check(request) {
            Ok(checked) => {
                let fits = proposed
                    .is_none_or(|proposed| proposed.fits(&checked.author, checked.origin_round));
                Ok(if fits { Verdict::Valid } else { Verdict::Invalid })
            }
            Err(CheckError::Fault(Fault::TooEarly { time_ms, now_ms })) => {
                Err(Some(chain::early_ms(time_ms, now_ms)))
            }
            Err(CheckError::Fault(Fault::ExtrinsicsRoot { .. })) => Ok(Verdict::Forged),
            Err(CheckError::Fault(_)) => Ok(Verdict::Invalid),
            Err(CheckError::Local(error)) => {
                self.oracle.fail(format!("node {node} cannot check: {error}"));
                Err(None)
            }
        }
    }

    /// A block that consensus decided.
    pub(crate) fn commit(&mut self, node: usize, certificate: Certificate, body: &[u8]) {
        let Some(running) = &mut self.nodes[node].running else { return };
        let (height, hash) = (certificate.height, certificate.block);
        if running.chain.head().height >= height {
            // The sync machine was faster, and consensus has begun the next height.
            return;
        }
        let committed = match running.chain.commit(&hash, certificate.clone()) {
            Err(Error::UnknownBlock(_)) => {
                let Ok(block) = Block::decode(&mut &body[..]) else {
                    return self.oracle.fail(format!("decided block {height} is malformed"));
                };
                running.chain.import(block, certificate, SEED).map_err(|error| error.to_string())
            }
            result => result.map(Some).map_err(|error| error.to_string()),
        };
        match committed {
            Ok(Some(committed)) => {
                self.on_head(node, &committed);
                self.feed_committed(node, &committed);
            }
            Ok(None) => {}
            Err(error) => self.oracle.fail(format!("node {node} cannot commit {height}: {error}")),
        }
    }

    fn feed_committed(&mut self, node: usize, committed: &Committed) {
        let head = &committed.head;
        let clock = self.nodes[node].clock(self.now);
        let life = self.nodes[node].life;
        let Some(running) = &self.nodes[node].running else { return };
        let work = running.pool.ready() > 0;
        let due_in_ms = runtime::next_due(&head.snapshot).map(|due| due.saturating_sub(clock));
        let input = Input::Committed {
            height: head.height,
            stamp_ms: head.time_ms,
            validators: runtime::validator_set(&head.snapshot),
            work,
            due_in_ms,
        };
        self.after(COMMIT_MS, Event::Feed { node, life, input });
    }

    /// Blocks that the sync machine verified.
    pub(crate) fn import(&mut self, node: usize, blocks: Vec<sync::Final>) {
        for sync::Final { block, certificate, .. } in blocks {
            if self.crashes(node, None) {
                return;
            }
            let Some(running) = &mut self.nodes[node].running else { return };
            let height = block.header.number;
            match running.chain.import(block, certificate, SEED) {
                Ok(Some(committed)) => {
                    self.oracle.outcome.synced += 1;
                    self.on_head(node, &committed);
                    self.feed_start(node);
                }
                Ok(None) => {}
                Err(CheckError::Fault(fault)) => {
                    let why = fault.to_string();
                    return self.sync(node, sync::Input::Refused { height, why });
                }
                Err(CheckError::Local(error)) => {
                    return self.oracle.fail(format!("node {node} cannot import: {error}"));
                }
            }
        }
    }

    fn on_head(&mut self, node: usize, committed: &Committed) {
        let Committed { head, included, .. } = committed;
        self.note(&(number(node), head.height, head.hash));
        let Some(running) = &mut self.nodes[node].running else { return };
        running.prune(head, included);
        if self.oracle.on_head(node, head, included.len()) {
            self.on_first_block(head.height);
        }
        self.on_any_block();
        for to in (0..self.nodes.len()).filter(|to| *to != node) {
            self.send_status(node, to);
        }
        self.sync(node, sync::Input::Imported(tip_of(head)));
    }

    pub(crate) fn sync(&mut self, node: usize, input: sync::Input<usize>) {
        let now = self.now;
        let life = self.nodes[node].life;
        let Some(running) = &mut self.nodes[node].running else { return };
        let mut out = Vec::new();
        running.sync.step(now, input, &mut out);
        let wake = running.sync.wake_at(now);
        if let Some(wake) = wake.filter(|wake| running.wake_at.is_none_or(|known| *wake < known)) {
            running.wake_at = Some(wake);
            self.after(wake - now, Event::Wake { node, life });
        }
        for output in out {
            match output {
                SyncOutput::Request { peer, id, request } => {
                    if peer != node::OUTSIDER {
                        self.send(node, peer, Wire::Ask { id, request });
                    }
                }
                SyncOutput::Import(blocks) => {
                    self.after(WORK_MS, Event::Import { node, life, blocks });
                }
                SyncOutput::Punish { peer, fault } => self.oracle.on_punished(node, peer, &fault),
                SyncOutput::Progress(_) => {}
                SyncOutput::Alarm(alarm) => {
                    self.oracle.fail(format!("node {node} raises an alarm: {alarm}"));
                }
            }
        }
    }

    /// Asks one peer after the other for a body, until it is there or no longer of use.
    pub(crate) fn want(&mut self, node: usize, height: Height, block: Hash, left: u32) {
        let Some(running) = &self.nodes[node].running else { return };
        if running.chain.head().height >= height || running.body(height, block).is_some() {
            return;
        }
        let peer = self.random.index(self.nodes.len());
        if peer != node {
            self.send(node, peer, Wire::Want { height, block });
        }
        if let Some(left) = left.checked_sub(1) {
            let life = self.nodes[node].life;
            let event = Event::Want { node, life, height, block, left };
            self.after(WANT_MS * 2, event);
        }
    }

    /// A decided block, for a validator that lags.
    pub(crate) fn decided(&self, node: usize, height: Height) -> Option<Message> {
        let database = self.nodes[node].running.as_ref()?.chain.database();
        let certificate = database.certificate(height).ok()??;
        let body = Arc::new(database.block(height).ok()??.encode());
        Some(Message::Decided(Decided { certificate, body }))
    }
}

fn number(node: usize) -> u64 {
    u64::try_from(node).expect("few nodes")
}
