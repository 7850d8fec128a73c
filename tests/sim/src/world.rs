//! The event loop: virtual time, the network, and what the plan does to both.

use crate::{
    liar,
    node::{self, Node, OUTSIDER},
    oracle::Oracle,
    outcome::Outcome,
    perform::Question,
    plan::{Ablation, Action, Crash, Sim, When},
    random::Random,
};
use chain::sync::{self, wire};
use codec::Encode;
use consensus::{Bytes, Input, Message};
use pallets::session;
use primitives::{Certificate, Hash, Height, Moment, OpaqueTransaction, crypto::hash::blake2_256};
use runtime::{Genesis, RuntimeCall};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

/// Virtual milliseconds without a new block, everything planned being over, after which a run is stuck.
const PATIENCE_MS: Moment = 120_000;
/// Virtual milliseconds after which a run ends in any case.
const RUN_MS_MAX: Moment = 3_600_000;
/// Blocks that must come once everything planned is over.
pub const CALM_BLOCKS: Height = 3;
/// How often nodes repeat their status, in milliseconds.
const STATUS_MS: Moment = 3_000;

/// What nodes send each other.
#[derive(Clone)]
pub(crate) enum Wire {
    Consensus(Arc<Message>),
    Transaction(OpaqueTransaction),
    Status(wire::Status),
    Ask {
        id: sync::RequestId,
        request: wire::Request,
    },
    Answer {
        id: sync::RequestId,
        bytes: Arc<Vec<u8>>,
    },
    /// Somebody misses the body of a proposal.
    Want {
        height: Height,
        block: Hash,
    },
    /// Somebody misses a decided block.
    Lagging {
        height: Height,
    },
}

pub(crate) enum Event {
    Deliver { from: usize, to: usize, wire: Wire },
    Feed { node: usize, life: u32, input: Input },
    Import { node: usize, life: u32, blocks: Vec<sync::Final> },
    Commit { node: usize, life: u32, certificate: Certificate, body: Bytes },
    Want { node: usize, life: u32, height: Height, block: Hash, left: u32 },
    Check { node: usize, life: u32, question: Question },
    Wake { node: usize, life: u32 },
    Tell { node: usize, life: u32 },
    Start { node: usize },
    Act(usize),
    Heal(usize),
    SetClock { node: usize, jump_ms: i64 },
    Submit,
    Spam,
}

/// See the module's text.
pub(crate) struct World {
    pub(crate) plan: Sim,
    pub(crate) genesis_hash: Hash,
    genesis: Genesis,
    pub(crate) nodes: Vec<Node>,
    pub(crate) oracle: Oracle,
    pub(crate) random: Random,
    pub(crate) now: Moment,
    events: BTreeMap<(Moment, u64), Event>,
    sequence: u64,
    /// Places in the plan of the actions that wait for a height.
    waiting: BTreeSet<usize>,
    /// The pairs of blocks that liars propose for one round, by each of the two.
    pub(crate) rivals: BTreeMap<Hash, [Hash; 2]>,
    partitions: BTreeMap<usize, (BTreeSet<usize>, BTreeSet<usize>)>,
    /// Things of the plan that are under way.
    open: usize,
    /// When all that was planned was over, and the height then.
    calm: Option<(Moment, Height)>,
    last_block_at: Moment,
    trace: Hash,
    _folder: tempfile::TempDir,
}

impl World {
    pub(crate) fn new(plan: Sim) -> Self {
        assert!(plan.count() <= crate::NODES_MAX, "at most {} nodes", crate::NODES_MAX);
        let folder = tempfile::Builder::new().prefix("artel-sim").tempdir_in(folder_for_all());
        let folder = folder.expect("a temporary folder can be made");
        let genesis = node::genesis(&plan.powers);
        let genesis_hash = chain::genesis_hash(&genesis).expect("the genesis is valid");
        let state = testkit::state_of(&genesis);
        let liars = plan.equivocators.union(&plan.withholders).copied().collect();
        let nodes = (0..plan.count())
            .map(|number| {
                let is_validator = number < plan.powers.len() + plan.standbys;
                Node::new(folder.path().join(number.to_string()), is_validator)
            })
            .collect();
        let mut oracle = Oracle::new(genesis_hash, runtime::validator_set(&state), liars);
        oracle.outcome.seed = plan.seed;
        Self {
            random: Random::new(plan.seed),
            genesis_hash,
            genesis,
            nodes,
            oracle,
            now: 0,
            events: BTreeMap::new(),
            sequence: 0,
            waiting: BTreeSet::new(),
            rivals: BTreeMap::new(),
            partitions: BTreeMap::new(),
            open: 0,
            calm: None,
            last_block_at: 0,
            trace: genesis_hash,
            _folder: folder,
            plan,
        }
    }

    pub(crate) fn run(mut self) -> Outcome {
        for node in 0..self.nodes.len() {
            if !self.plan.late.contains_key(&node) {
                self.start(node);
            }
        }
        for (place, (when, _)) in self.plan.actions.clone().iter().enumerate() {
            match when {
                When::Height(_) => {
                    self.waiting.insert(place);
                }
                When::Ms(ms) => {
                    self.open += 1;
                    self.after(*ms, Event::Act(place));
                }
            }
        }
        if self.plan.transactions_ms.is_some() {
            self.after(100, Event::Submit);
        }
        if self.plan.spam_ms.is_some() {
            self.after(50, Event::Spam);
        }
        while self.oracle.outcome.failures.is_empty() && !self.is_done() {
            let Some(((at, sequence), event)) = self.events.pop_first() else {
                self.oracle.fail("nothing is left to happen".to_owned());
                break;
            };
            self.now = at;
            self.oracle.outcome.events += 1;
            self.note(&(at, sequence, tag(&event)));
            self.handle(event);
        }
        let mut outcome = self.oracle.finish();
        (outcome.trace, outcome.ms) = (self.trace, self.now);
        outcome
    }

    /// Adds to the trace.
    pub(crate) fn note(&mut self, what: &impl Encode) {
        self.trace = blake2_256(&(self.trace, what).encode());
    }

    fn is_done(&mut self) -> bool {
        let highest = self.oracle.outcome.height;
        let is_over = self.open == 0 && self.waiting.is_empty();
        let is_calm = is_over && self.nodes.iter().all(|node| node.running.is_some());
        match (is_calm, self.calm) {
            (true, None) => {
                self.calm = Some((self.now, highest));
                self.plan.link.loss_percent = 0;
            }
            (false, _) => self.calm = None,
            (true, Some(_)) => {}
        }
        if let Some((since, height)) = self.calm {
            let wanted = self.plan.until.max(height + CALM_BLOCKS);
            let all_have =
                |wanted| self.nodes.iter().all(|node| node.height().is_some_and(|h| h >= wanted));
            if self.oracle.outcome.recovery_ms == 0 && all_have(height + CALM_BLOCKS) {
                self.oracle.outcome.recovery_ms = self.now - since;
            }
            if all_have(wanted) {
                return true;
            }
            let since = since.max(self.last_block_at);
            if self.now > since + PATIENCE_MS {
                self.stall(format!("no node gets a block for {PATIENCE_MS} ms"));
            }
        }
        if self.now > RUN_MS_MAX {
            self.stall("the run does not end".to_owned());
        }
        false
    }

    fn stall(&mut self, what: String) {
        self.oracle.outcome.stalls += 1;
        let heights: Vec<_> = self.nodes.iter().map(Node::height).collect();
        let round = |node: &Node| {
            let consensus = node.running.as_ref()?.consensus.as_ref()?;
            Some((consensus.height()?, consensus.round()?))
        };
        let rounds: Vec<_> = self.nodes.iter().map(round).collect();
        self.oracle.fail(format!("stall: {what}; heads {heights:?}, rounds {rounds:?}"));
    }

    pub(crate) fn after(&mut self, delay_ms: Moment, event: Event) {
        self.sequence += 1;
        self.events.insert((self.now + delay_ms, self.sequence), event);
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Deliver { from, to, wire } => self.deliver(from, to, wire),
            Event::Feed { node, life, input } if self.lives(node, life) => self.feed(node, input),
            Event::Import { node, life, blocks } if self.lives(node, life) => {
                self.import(node, blocks);
            }
            Event::Commit { node, life, certificate, body } if self.lives(node, life) => {
                self.commit(node, certificate, &body);
            }
            Event::Want { node, life, height, block, left } if self.lives(node, life) => {
                self.want(node, height, block, left);
            }
            Event::Check { node, life, question } if self.lives(node, life) => {
                self.check(node, question);
            }
            Event::Wake { node, life } if self.lives(node, life) => {
                if let Some(running) = &mut self.nodes[node].running {
                    running.wake_at = None;
                }
                self.sync(node, sync::Input::Tick);
            }
            Event::Tell { node, life } if self.lives(node, life) => {
                self.tell_status(node);
                self.after(STATUS_MS, Event::Tell { node, life });
            }
            Event::Feed { .. }
            | Event::Import { .. }
            | Event::Commit { .. }
            | Event::Want { .. }
            | Event::Check { .. }
            | Event::Wake { .. }
            | Event::Tell { .. } => {}
            Event::Start { node } => {
                self.open -= 1;
                self.start(node);
            }
            Event::Act(place) => {
                self.open -= 1;
                self.act(place);
            }
            Event::Heal(place) => {
                self.open -= 1;
                self.partitions.remove(&place);
            }
            Event::SetClock { node, jump_ms } => {
                self.open -= 1;
                self.nodes[node].clock_ms -= jump_ms;
            }
            Event::Submit => self.submit(),
            Event::Spam => {
                liar::spam(self);
                let every_ms = self.plan.spam_ms.unwrap_or(STATUS_MS);
                self.after(every_ms, Event::Spam);
            }
        }
    }

    pub(crate) fn lives(&self, node: usize, life: u32) -> bool {
        self.nodes[node].running.is_some() && self.nodes[node].life == life
    }

    fn act(&mut self, place: usize) {
        let Some((_, action)) = self.plan.actions.get(place).cloned() else { return };
        match action {
            Action::Crash(crash) => {
                let node = &mut self.nodes[crash.node];
                if node.running.is_some() && node.crash.is_none() {
                    node.crash = Some(crash);
                    self.open += 1;
                }
            }
            Action::Partition { left, right, ms } => {
                self.oracle.outcome.partitions += 1;
                self.partitions.insert(place, (left, right));
                self.open += 1;
                self.after(ms, Event::Heal(place));
            }
            Action::Clock { node, jump_ms, ms } => {
                self.nodes[node].clock_ms += jump_ms;
                self.open += 1;
                self.after(ms, Event::SetClock { node, jump_ms });
            }
            Action::Join { node } => self.start(node),
            Action::Call(call) => self.submit_call(*call),
        }
    }

    /// Actions that waited for this height are due.
    pub(crate) fn on_first_block(&mut self, height: Height) {
        self.last_block_at = self.now;
        let is_due = |place: &usize| matches!(self.plan.actions.get(*place), Some((When::Height(h), _)) if *h <= height);
        let due: Vec<usize> = self.waiting.iter().copied().filter(is_due).collect();
        for place in due {
            self.waiting.remove(&place);
            self.open += 1;
            self.after(0, Event::Act(place));
        }
    }

    /// Any node got a block.
    pub(crate) fn on_any_block(&mut self) {
        self.last_block_at = self.now;
    }

    fn start(&mut self, node: usize) {
        if self.nodes[node].running.is_some() {
            return;
        }
        let started = self.nodes[node].start(node, &self.genesis, &self.plan, self.now);
        if let Err(error) = started {
            return self.oracle.fail(format!("node {node} does not start: {error}"));
        }
        let life = self.nodes[node].life;
        self.after(1, Event::Tell { node, life });
        if self.nodes[node].is_validator {
            self.feed_start(node);
        }
        // Who connects is told at once how far the others are.
        for peer in (0..self.nodes.len()).filter(|peer| *peer != node) {
            self.send_status(peer, node);
        }
    }

    /// Whether the node crashes before this output; then it is down.
    pub(crate) fn crashes(&mut self, node: usize, torn: Option<&[u8]>) -> bool {
        let this = &mut self.nodes[node];
        let Some(crash) = &mut this.crash else { return false };
        if crash.outputs > 0 {
            crash.outputs -= 1;
            return false;
        }
        let Crash { torn_bytes, down_ms, forgets, .. } = *crash;
        this.crash = None;
        if let Some(bytes) = torn {
            this.store.append_torn(bytes, torn_bytes);
            self.oracle.outcome.torn += 1;
        }
        if matches!(self.plan.ablation, Ablation::NoLog | Ablation::NoLogAndNoGuard) {
            this.store.lose_wal();
        }
        if self.plan.ablation == Ablation::NoLogAndNoGuard {
            this.store.lose_guard();
        }
        // Before the chain shows a signature, nobody can know that there was one.
        let is_shown = this.running.as_ref().is_some_and(|running| {
            session::has_signed(&running.chain.head().snapshot, &node::account(node))
        });
        if forgets && is_shown {
            this.store.lose_wal();
            this.store.lose_guard();
            self.oracle.outcome.forgotten += 1;
        }
        this.stop();
        self.oracle.outcome.crashes += 1;
        self.after(down_ms, Event::Start { node });
        true
    }

    /// Sends to one node, as the network likes.
    pub(crate) fn send(&mut self, from: usize, to: usize, wire: Wire) {
        let cut = |(left, right): &(BTreeSet<usize>, BTreeSet<usize>)| {
            (left.contains(&from) && right.contains(&to))
                || (right.contains(&from) && left.contains(&to))
        };
        let link = self.plan.link;
        if self.partitions.values().any(cut) || self.random.chance(link.loss_percent) {
            return;
        }
        let times = if self.random.chance(link.double_percent) { 2 } else { 1 };
        for _ in 0..times {
            let delay_ms = self.random.between(link.delay_ms.0, link.delay_ms.1);
            self.after(delay_ms, Event::Deliver { from, to, wire: wire.clone() });
        }
    }

    pub(crate) fn send_all(&mut self, from: usize, wire: &Wire) {
        for to in (0..self.nodes.len()).filter(|to| *to != from) {
            self.send(from, to, wire.clone());
        }
    }

    fn deliver(&mut self, from: usize, to: usize, wire: Wire) {
        let Some(running) = &mut self.nodes[to].running else { return };
        match wire {
            Wire::Consensus(message) => {
                if let Message::Body(body) = &*message {
                    running.keep_body(body);
                }
                self.feed(to, Input::Received((*message).clone()));
            }
            Wire::Transaction(bytes) => {
                if running.admit(bytes) {
                    self.feed(to, Input::WorkWaits);
                }
            }
            Wire::Status(status) => {
                self.sync(to, sync::Input::Status { peer: from, status });
            }
            Wire::Ask { id, request } => {
                let database = running.chain.database();
                let mut bytes = wire::answer(database, request).expect("the database works");
                if self.plan.equivocators.contains(&to) {
                    liar::damage(&mut bytes, &mut self.random);
                }
                self.send(to, from, Wire::Answer { id, bytes: Arc::new(bytes) });
            }
            Wire::Answer { id, bytes } => {
                let bytes = bytes.as_ref().clone();
                self.sync(to, sync::Input::Response { peer: from, id, bytes });
            }
            Wire::Want { height, block } => {
                if let Some(body) = running.body(height, block)
                    && !self.plan.withholders.contains(&to)
                {
                    self.send(to, from, Wire::Consensus(Arc::new(Message::Body(body))));
                }
            }
            Wire::Lagging { height } => {
                if let Some(message) = self.decided(to, height) {
                    self.send(to, from, Wire::Consensus(Arc::new(message)));
                }
            }
        }
    }

    /// Somebody with money sends it to somebody else, through one of the nodes.
    fn submit(&mut self) {
        let Some(every_ms) = self.plan.transactions_ms else { return };
        let delay_ms = self.random.between(every_ms / 2, every_ms * 2);
        self.after(delay_ms, Event::Submit);
        let to = node::rich(self.random.below(node::RICH));
        let call = testkit::transfer(&to, u128::from(self.random.below(1_000_000)));
        self.submit_call(call);
    }

    fn submit_call(&mut self, call: RuntimeCall) {
        let from = node::rich(self.random.below(node::RICH));
        let node = self.random.index(self.nodes.len());
        let Some(running) = &mut self.nodes[node].running else { return };
        let account = from.account();
        let state = &running.chain.head().snapshot;
        let in_state = pallets::system::account(state, &account).nonce;
        let mut signer = testkit::Signer::new(from, self.genesis_hash);
        signer.nonce = running.pool.nonce_after(&account).unwrap_or(in_state);
        let bytes = signer.sign(&call);
        let is_work = running.admit(bytes.clone());
        self.send_all(node, &Wire::Transaction(bytes));
        if is_work {
            self.feed(node, Input::WorkWaits);
        }
    }

    fn tell_status(&mut self, node: usize) {
        for to in (0..self.nodes.len()).filter(|to| *to != node) {
            self.send_status(node, to);
        }
    }

    pub(crate) fn send_status(&mut self, from: usize, to: usize) {
        let Some(running) = &self.nodes[from].running else { return };
        let head = running.chain.head();
        let mut status = wire::Status { height: head.height, hash: head.hash };
        if self.plan.equivocators.contains(&from) {
            liar::boast(&mut status, &mut self.random);
        }
        self.send(from, to, Wire::Status(status));
    }

    /// One node hears nonsense from an outsider.
    pub(crate) fn send_spam(&mut self, to: usize, wire: Wire) {
        self.send(OUTSIDER, to, wire);
    }
}

fn tag(event: &Event) -> (u8, u64) {
    let node = |node: &usize| u64::try_from(*node).unwrap_or(u64::MAX);
    match event {
        Event::Deliver { to, wire, .. } => (wire_tag(wire), node(to)),
        Event::Feed { node: n, .. } => (1, node(n)),
        Event::Import { node: n, .. } => (2, node(n)),
        Event::Commit { node: n, .. } => (3, node(n)),
        Event::Want { node: n, .. } => (4, node(n)),
        Event::Wake { node: n, .. } => (5, node(n)),
        Event::Tell { node: n, .. } => (6, node(n)),
        Event::Start { node: n } => (7, node(n)),
        Event::Act(n) => (8, node(n)),
        Event::Heal(n) => (9, node(n)),
        Event::SetClock { node: n, .. } => (10, node(n)),
        Event::Submit => (11, 0),
        Event::Spam => (12, 0),
        Event::Check { node: n, .. } => (13, node(n)),
    }
}

fn wire_tag(wire: &Wire) -> u8 {
    match wire {
        Wire::Consensus(_) => 20,
        Wire::Transaction(_) => 21,
        Wire::Status(_) => 22,
        Wire::Ask { .. } => 23,
        Wire::Answer { .. } => 24,
        Wire::Want { .. } => 25,
        Wire::Lagging { .. } => 26,
    }
}

/// Where databases of a run lie: in memory where the system has such a folder, as every block is
/// synced.
fn folder_for_all() -> std::path::PathBuf {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() }
}
