//! A network of validators in one thread: virtual time, seeded delays and losses, crashes at any
//! output, and an oracle over all that is ever sent.

use crate::{
    Bytes, Config, Consensus, Decided, Identity, Input, Message, Output, Step, Time, Timer,
    Validators, Verdict, WithoutRecord,
    store::{MemoryStore, Store},
};
use codec::{Decode, Encode};
use primitives::{
    AccountId, Certificate, Hash, Height, ValidatorInfo, ValidatorSet, check_certificate,
    crypto::hash::blake2_256,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

pub(super) const GENESIS: Hash = Hash([9; 32]);
/// Virtual milliseconds after which a run counts as stuck.
const PATIENCE_MS: u64 = 400_000;

pub(super) fn key(node: usize) -> ed25519_dalek::SigningKey {
    ed25519_dalek::SigningKey::from_bytes(&blake2_256(&node.to_le_bytes()).0)
}

pub(super) fn account(node: usize) -> AccountId {
    let byte = u8::try_from(node + 1).expect("few nodes");
    AccountId([byte; 32])
}

/// Consensus begins at a height, on a chain that shows no signature of this node.
pub(super) fn start_at(height: Height, powers: &[u64]) -> Input {
    let validators = validator_set(powers, height);
    Input::Start { height, validators, parent: GENESIS, certificate: None, has_signed: false }
}

pub(super) fn validator_set(powers: &[u64], height: Height) -> ValidatorSet {
    let validator = |(node, power): (usize, &u64)| ValidatorInfo {
        account: account(node),
        vote_key: key(node).verifying_key().to_bytes(),
        vrf_key: [0; 32],
        power: *power,
    };
    let validators = powers.iter().enumerate().map(validator).collect();
    ValidatorSet { validators, seed: blake2_256(&height.to_le_bytes()) }
}

/// xorshift64*: enough to vary delays.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16) % bound
    }
}

/// A block as these tests have it.
#[derive(Encode, Decode)]
struct TestBlock {
    height: Height,
    parent: Hash,
    author: AccountId,
    /// Makes each block that is ever built differ.
    number: u64,
}

#[derive(Clone)]
enum Event {
    Feed { node: usize, life: u32, input: Box<Input> },
    Restart { node: usize },
}

struct Node {
    consensus: Option<Consensus>,
    /// Counts starts: events of an earlier life do nothing.
    life: u32,
    store: MemoryStore,
    chain: Vec<(Certificate, Bytes)>,
    /// Outputs performed so far that a crash may come before.
    performed: u64,
}

/// What a node loses when it crashes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Losses {
    pub(super) wal: bool,
    pub(super) guard: bool,
}

/// A planned crash: before the node performs its output of this number, of those that matter to a
/// crash.
#[derive(Clone, Copy, Debug)]
pub(super) struct Crash {
    pub(super) node: usize,
    pub(super) before_output: u64,
    /// If the output appends to the log, how many bytes still get there.
    pub(super) torn_bytes: usize,
    /// How long until the node is back, in milliseconds.
    pub(super) down_ms: u64,
    pub(super) losses: Losses,
}

pub(super) struct Network {
    powers: Vec<u64>,
    config: Config,
    nodes: Vec<Node>,
    events: BTreeMap<(u64, u64), Event>,
    sequence: u64,
    built: u64,
    pub(super) now: u64,
    random: Random,
    pub(super) delay_ms: (u64, u64),
    pub(super) loss_percent: u64,
    pub(super) crashes: Vec<Crash>,
    /// Whether a planned crash came, and whether it came before an append to the log.
    pub(super) crashed: bool,
    pub(super) crash_tore_log: bool,
    /// Whether a transaction always waits.
    pub(super) busy: bool,
    /// Whether nodes that have lost their records are told that they may sign.
    pub(super) is_sworn: bool,
    bodies: BTreeMap<Hash, Message>,
    published: BTreeMap<(usize, Height, u32, Step), Vec<u8>>,
    /// Slots in which one node published two things.
    pub(super) double_signs: BTreeSet<(usize, Height, u32, Step)>,
    pub(super) evidence: Vec<crate::Evidence>,
    /// When each height of node 0 was committed.
    pub(super) commit_times: Vec<u64>,
    pub(super) syncs: u64,
    pub(super) max_round: u32,
}

impl Network {
    pub(super) fn new(powers: &[u64], seed: u64) -> Self {
        let node = || Node {
            consensus: None,
            life: 0,
            store: MemoryStore::default(),
            chain: Vec::new(),
            performed: 0,
        };
        let mut config = Config::default();
        config.timeouts.propose_ms = 300;
        config.timeouts.prevote_ms = 100;
        config.timeouts.precommit_ms = 100;
        config.timeouts.rebroadcast_ms = 500;
        config.timeouts.round_step_ms = 100;
        Self {
            powers: powers.to_vec(),
            config,
            nodes: powers.iter().map(|_| node()).collect(),
            events: BTreeMap::new(),
            sequence: 0,
            built: 0,
            now: 0,
            random: Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1),
            delay_ms: (1, 30),
            loss_percent: 0,
            crashes: Vec::new(),
            crashed: false,
            crash_tore_log: false,
            busy: true,
            is_sworn: false,
            bodies: BTreeMap::new(),
            published: BTreeMap::new(),
            double_signs: BTreeSet::new(),
            evidence: Vec::new(),
            commit_times: Vec::new(),
            syncs: 0,
            max_round: 0,
        }
    }

    /// Start all nodes and go on until each has this height, or nothing moves for long. Whether all
    /// got there.
    pub(super) fn run_until(&mut self, height: usize) -> bool {
        for node in 0..self.nodes.len() {
            if self.nodes[node].life == 0 {
                self.start(node);
            }
        }
        let end = self.now + PATIENCE_MS;
        while self.nodes.iter().any(|node| node.chain.len() < height) {
            let Some(((time, _), event)) = self.events.pop_first() else { return false };
            if time > end {
                return false;
            }
            self.now = time;
            match event {
                Event::Feed { node, life, input } if self.nodes[node].life == life => {
                    self.feed(node, *input);
                }
                Event::Feed { .. } => {}
                Event::Restart { node } => self.start(node),
            }
        }
        true
    }

    /// Agreement and certificates of all chains, checked without the nodes' help.
    pub(super) fn check(&self) {
        let mut blocks: BTreeMap<Height, Hash> = BTreeMap::new();
        for node in &self.nodes {
            let mut parent = GENESIS;
            for (height, (certificate, body)) in (1..).zip(&node.chain) {
                let block = blake2_256(body);
                let decoded = TestBlock::decode(&mut body.as_slice()).expect("blocks decode");
                assert_eq!((decoded.parent, decoded.height), (parent, height));
                let set = validator_set(&self.powers, height);
                check_certificate(certificate, &block, &set, &GENESIS).expect("proves the block");
                assert_eq!(certificate.height, height);
                assert_eq!(*blocks.entry(height).or_insert(block), block, "fork at {height}");
                parent = block;
            }
        }
        for evidence in &self.evidence {
            let height = evidence.offence().expect("conflicts").height;
            let set = Validators::new(validator_set(&self.powers, height)).expect("valid");
            evidence.check(&set, &GENESIS).expect("evidence holds");
        }
    }

    /// What a node's blocks are final by.
    pub(super) fn certificates(&self, node: usize) -> impl Iterator<Item = &Certificate> {
        self.nodes[node].chain.iter().map(|(certificate, _)| certificate)
    }

    pub(super) fn height(&self, node: usize) -> usize {
        self.nodes[node].chain.len()
    }

    pub(super) fn send(&mut self, node: usize, message: Message) {
        let life = self.nodes[node].life;
        self.after(0, Event::Feed { node, life, input: Box::new(Input::Received(message)) });
    }

    fn after(&mut self, delay_ms: u64, event: Event) {
        self.sequence += 1;
        self.events.insert((self.now + delay_ms, self.sequence), event);
    }

    fn start(&mut self, node: usize) {
        let without = match self.is_sworn {
            true => WithoutRecord::Override,
            false => WithoutRecord::Wait { started_ms: self.now },
        };
        let this = &mut self.nodes[node];
        this.life += 1;
        let recovered = this.store.recover().expect("only its end is torn");
        let identity = Identity::local(GENESIS, account(node), key(node));
        let consensus = Consensus::new(self.config.clone(), identity, recovered, without);
        this.consensus = Some(consensus.expect("the record is this node's"));
        let height = Height::try_from(this.chain.len() + 1).expect("few heights");
        let certificate = this.chain.last().map(|(certificate, _)| certificate.clone());
        let parent = certificate.as_ref().map_or(GENESIS, |certificate| certificate.block);
        let validators = validator_set(&self.powers, height);
        let is_mine = |(who, _): &(AccountId, _)| *who == account(node);
        let has_signed = self.certificates(node).any(|c| c.signatures.iter().any(is_mine));
        self.feed(node, Input::Start { height, validators, parent, certificate, has_signed });
    }

    fn feed(&mut self, node: usize, input: Input) {
        let mut out = Vec::new();
        let Some(consensus) = &mut self.nodes[node].consensus else { return };
        consensus.step(Time(self.now), input, &mut out);
        self.max_round = self.max_round.max(consensus.round().unwrap_or(0));
        for output in out {
            if self.crashes_before(node, &output) {
                return;
            }
            self.perform(node, output);
        }
    }

    /// Crash the node if that is planned here.
    fn crashes_before(&mut self, node: usize, output: &Output) -> bool {
        let matters = matches!(
            output,
            Output::AppendWal(_)
                | Output::WriteGuard(_)
                | Output::ResetWal
                | Output::Commit { .. }
                | Output::Broadcast(_)
        );
        if !matters {
            return false;
        }
        let performed = self.nodes[node].performed;
        self.nodes[node].performed += 1;
        let planned = |crash: &Crash| (crash.node, crash.before_output) == (node, performed);
        let Some(crash) = self.crashes.iter().copied().find(planned) else { return false };
        self.crashed = true;
        let this = &mut self.nodes[node];
        if let Output::AppendWal(bytes) = output {
            self.crash_tore_log = true;
            this.store.append_torn(bytes, crash.torn_bytes);
        }
        if crash.losses.wal {
            this.store.lose_wal();
        }
        if crash.losses.guard {
            this.store.lose_guard();
        }
        this.consensus = None;
        this.life += 1;
        self.after(crash.down_ms, Event::Restart { node });
        true
    }

    fn perform(&mut self, node: usize, output: Output) {
        let life = self.nodes[node].life;
        let later = |input| Event::Feed { node, life, input: Box::new(input) };
        let store = &mut self.nodes[node].store;
        match output {
            Output::AppendWal(bytes) => store.append_wal(&bytes).expect("infallible"),
            Output::WriteGuard(record) => store.write_guard(&record).expect("infallible"),
            Output::ResetWal => store.reset_wal().expect("infallible"),
            Output::Broadcast(message) => self.broadcast(node, message),
            Output::Schedule(timer, after_ms) => {
                self.after(after_ms, later(Input::Elapsed(timer)));
            }
            Output::Cancel(Timer { .. }) => {}
            Output::Build { height, round, parent, .. } => {
                self.built += 1;
                let (author, number) = (account(node), self.built);
                let body = Arc::new(TestBlock { height, parent, author, number }.encode());
                let block = blake2_256(&body);
                self.after(2, later(Input::Built { height, round, block, body }));
            }
            Output::Check { height, block, body, .. } => {
                let verdict = self.judge(node, height, &block, &body);
                self.after(2, later(Input::Checked { height, block, verdict }));
            }
            Output::Commit { certificate, body } => self.commit(node, certificate, body),
            Output::Want { block, .. } => {
                if let Some(body) = self.bodies.get(&block).cloned() {
                    self.after(100, later(Input::Received(body)));
                }
            }
            Output::Behind { .. } => self.sync(node),
            Output::Evidence(evidence) => self.evidence.push(evidence),
            Output::Halt(fault) => panic!("node {node} halts: {fault}"),
        }
    }

    fn judge(&self, node: usize, height: Height, block: &Hash, body: &Bytes) -> Verdict {
        let Ok(decoded) = TestBlock::decode(&mut body.as_slice()) else { return Verdict::Forged };
        if blake2_256(body) != *block {
            return Verdict::Forged;
        }
        let tip = self.nodes[node].chain.last();
        let parent = tip.map_or(GENESIS, |(certificate, _)| certificate.block);
        let right = decoded.height == height && decoded.parent == parent;
        if right { Verdict::Valid } else { Verdict::Invalid }
    }

    fn commit(&mut self, node: usize, certificate: Certificate, body: Bytes) {
        let height = certificate.height;
        self.nodes[node].chain.push((certificate, body));
        if node == 0 {
            self.commit_times.push(self.now);
        }
        let validators = validator_set(&self.powers, height + 1);
        let (stamp_ms, work) = (self.now, self.busy);
        let committed = Input::Committed { height, stamp_ms, validators, work, due_in_ms: None };
        let life = self.nodes[node].life;
        self.after(1, Event::Feed { node, life, input: Box::new(committed) });
    }

    /// Give a lagging node its next block, from whoever has it.
    fn sync(&mut self, node: usize) {
        let next = self.nodes[node].chain.len();
        let found = self.nodes.iter().find_map(|peer| peer.chain.get(next)).cloned();
        if let Some((certificate, body)) = found {
            self.syncs += 1;
            let life = self.nodes[node].life;
            let message = Message::Decided(Decided { certificate, body });
            self.after(5, Event::Feed { node, life, input: Box::new(Input::Received(message)) });
        }
    }

    fn broadcast(&mut self, node: usize, message: Message) {
        self.observe(node, &message);
        if let Message::Body(body) = &message {
            self.bodies.insert(body.block, message.clone());
        }
        let decoded = Message::from_bytes(&message.encode()).expect("honest messages decode");
        assert_eq!(decoded, message);
        for peer in (0..self.nodes.len()).filter(|peer| *peer != node) {
            if self.random.below(100) < self.loss_percent {
                continue;
            }
            let (least, most) = self.delay_ms;
            let delay_ms = least + self.random.below(most - least + 1);
            let life = self.nodes[peer].life;
            let input = Box::new(Input::Received(message.clone()));
            self.after(delay_ms, Event::Feed { node: peer, life, input });
        }
    }

    /// The oracle: in each slot a node may send one thing.
    fn observe(&mut self, node: usize, message: &Message) {
        let (who, slot) = match message {
            Message::Vote(signed) => {
                let vote = &signed.vote;
                (vote.validator, (node, vote.height, vote.round, vote.kind.into()))
            }
            Message::Proposal(signed) => {
                let proposal = &signed.proposal;
                (proposal.proposer, (node, proposal.height, proposal.round, Step::Proposal))
            }
            _ => return,
        };
        if who == account(node) {
            let bytes = message.encode();
            if *self.published.entry(slot).or_insert_with(|| bytes.clone()) != bytes {
                self.double_signs.insert(slot);
            }
        }
    }
}
