//! How long finality takes over a wide area: the consensus core alone, with published latencies, without
//! execution and without transactions.

use crate::random::Random;
use codec::Encode;
use consensus::{
    Config, Consensus, Identity, Input, Message, Output, Time, Verdict, WithoutRecord,
    store::Recovered,
};
use ed25519_dalek::SigningKey;
use primitives::{AccountId, Hash, Height, ValidatorInfo, ValidatorSet, crypto::hash::blake2_256};
use std::{collections::BTreeMap, fmt, sync::Arc};

/// Where validators are: one after the other goes to the next of these.
pub const REGIONS: [&str; 10] = [
    "East US",
    "West US",
    "Brazil South",
    "North Europe",
    "West Europe",
    "South Africa North",
    "Central India",
    "Southeast Asia",
    "Japan East",
    "Australia East",
];

/// Milliseconds there and back between regions: the 95th percentile of the 30 days to 2026-07-30 in "Azure
/// network round-trip latency statistics" (Microsoft Learn).
const ROUND_TRIP_MS: [[u64; 10]; 10] = [
    [2, 72, 119, 74, 89, 226, 214, 229, 165, 207],
    [72, 2, 171, 138, 151, 279, 224, 172, 110, 142],
    [119, 171, 2, 176, 191, 327, 320, 337, 265, 298],
    [74, 138, 176, 2, 19, 178, 160, 236, 232, 272],
    [89, 151, 191, 19, 2, 171, 153, 182, 240, 282],
    [226, 279, 327, 178, 171, 2, 134, 211, 255, 348],
    [214, 224, 320, 160, 153, 134, 2, 59, 129, 152],
    [229, 172, 337, 236, 182, 211, 59, 2, 74, 98],
    [165, 110, 265, 232, 240, 255, 129, 74, 2, 105],
    [207, 142, 298, 272, 282, 348, 152, 98, 105, 2],
];
/// Microseconds in which a node takes a message from the wire, checks its signature and steps.
const STEP_US: u64 = 60;
/// Microseconds to build or check an empty block.
const WORK_US: u64 = 2_000;
/// Delays vary by this much, in percent.
const JITTER_PERCENT: u64 = 10;
const GENESIS: Hash = Hash([9; 32]);

/// What was measured.
#[derive(Clone, Debug)]
pub struct Latency {
    /// How many validators.
    pub validators: usize,
    /// How many heights.
    pub heights: Height,
    /// From the time at which the proposer begins a block until a node has it as final, in milliseconds,
    /// ascending, for each height and node.
    pub finality_ms: Vec<u64>,
    /// Between two blocks of a node while work always waits, in milliseconds, ascending.
    pub interval_ms: Vec<u64>,
    /// The highest round.
    pub max_round: u32,
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { validators, heights, finality_ms, interval_ms, max_round } = self;
        let (p50, p99) = (quantile(finality_ms, 50), quantile(finality_ms, 99));
        let (i50, i99) = (quantile(interval_ms, 50), quantile(interval_ms, 99));
        write!(
            f,
            "{validators} validators in {} regions, {heights} heights: final after p50 {p50} ms, p99 {p99} ms; \
             a block every p50 {i50} ms, p99 {i99} ms while work waits; highest round {max_round}",
            REGIONS.len()
        )
    }
}

fn quantile(sorted: &[u64], percent: usize) -> u64 {
    let place = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(place).copied().unwrap_or(0)
}

enum Event {
    Deliver { to: usize, message: Arc<Message> },
    Feed { node: usize, input: Input },
}

struct Node {
    consensus: Consensus,
    busy_until_us: u64,
    committed_us: Option<u64>,
    height: Height,
}

struct Net {
    nodes: Vec<Node>,
    random: Random,
    now_us: u64,
    events: BTreeMap<(u64, u64), Event>,
    sequence: u64,
    /// When the first proposer of each height began its block.
    begun_us: BTreeMap<Height, u64>,
    finality_us: Vec<u64>,
    interval_us: Vec<u64>,
    max_round: u32,
    until: Height,
}

/// Runs so many validators of equal power until each has so many blocks.
pub fn measure(validators: usize, heights: Height, seed: u64) -> Latency {
    let nodes = (0..validators).map(|number| {
        let identity = Identity::local(GENESIS, account(number), key(number));
        let (recovered, without) = (Recovered::default(), WithoutRecord::Wait { started_ms: 0 });
        let consensus = Consensus::new(Config::default(), identity, recovered, without);
        let consensus = consensus.expect("there is no record to be wrong");
        Node { consensus, busy_until_us: 0, committed_us: None, height: 0 }
    });
    let mut net = Net {
        nodes: nodes.collect(),
        random: Random::new(seed),
        now_us: 0,
        events: BTreeMap::new(),
        sequence: 0,
        begun_us: BTreeMap::new(),
        finality_us: Vec::new(),
        interval_us: Vec::new(),
        max_round: 0,
        until: heights,
    };
    net.run();
    let sorted_ms = |mut all: Vec<u64>| {
        all.sort_unstable();
        all.into_iter().map(|us| us.div_ceil(1_000)).collect()
    };
    Latency {
        validators,
        heights,
        finality_ms: sorted_ms(net.finality_us),
        interval_ms: sorted_ms(net.interval_us),
        max_round: net.max_round,
    }
}

impl Net {
    fn run(&mut self) {
        for node in 0..self.nodes.len() {
            let validators = validator_set(self.nodes.len(), 1);
            let start = Input::Start {
                height: 1,
                validators,
                parent: GENESIS,
                certificate: None,
                has_signed: false,
            };
            self.feed(node, start);
        }
        while self.nodes.iter().any(|node| node.height < self.until) {
            let ((at_us, _), event) = self.events.pop_first().expect("validators never rest");
            self.now_us = at_us;
            match event {
                Event::Feed { node, input } => self.feed(node, input),
                Event::Deliver { to, message } => self.deliver(to, message),
            }
        }
    }

    fn after(&mut self, delay_us: u64, event: Event) {
        self.sequence += 1;
        self.events.insert((self.now_us + delay_us, self.sequence), event);
    }

    /// A node takes one message after the other.
    fn deliver(&mut self, to: usize, message: Arc<Message>) {
        let node = &mut self.nodes[to];
        if node.busy_until_us > self.now_us {
            let wait_us = node.busy_until_us - self.now_us;
            return self.after(wait_us, Event::Deliver { to, message });
        }
        node.busy_until_us = self.now_us + STEP_US;
        self.feed(to, Input::Received((*message).clone()));
    }

    fn feed(&mut self, node: usize, input: Input) {
        let mut out = Vec::new();
        let consensus = &mut self.nodes[node].consensus;
        consensus.step(Time(self.now_us / 1_000), input, &mut out);
        self.max_round = self.max_round.max(consensus.round().unwrap_or(0));
        for output in out {
            self.perform(node, output);
        }
    }

    fn perform(&mut self, node: usize, output: Output) {
        match output {
            Output::Broadcast(message) => self.broadcast(node, message),
            Output::Schedule(timer, after_ms) => {
                self.after(after_ms * 1_000, Event::Feed { node, input: Input::Elapsed(timer) });
            }
            Output::Build { height, round, parent, .. } => {
                self.begun_us.entry(height).or_insert(self.now_us);
                let body = Arc::new((height, round, parent, account(node)).encode());
                let input = Input::Built { height, round, block: blake2_256(&body), body };
                self.after(WORK_US, Event::Feed { node, input });
            }
            Output::Check { height, block, .. } => {
                let input = Input::Checked { height, block, verdict: Verdict::Valid };
                self.after(WORK_US, Event::Feed { node, input });
            }
            Output::Commit { certificate, .. } => self.commit(node, certificate.height),
            Output::Halt(fault) => panic!("validator {node} halts: {fault}"),
            Output::AppendWal(_)
            | Output::WriteGuard(_)
            | Output::ResetWal
            | Output::Cancel(_)
            | Output::Want { .. }
            | Output::Behind { .. }
            | Output::Evidence(_) => {}
        }
    }

    fn commit(&mut self, node: usize, height: Height) {
        let validators = validator_set(self.nodes.len(), height + 1);
        let now_us = self.now_us;
        let this = &mut self.nodes[node];
        this.height = height;
        let before = this.committed_us.replace(now_us);
        self.interval_us.extend(before.map(|before| now_us - before));
        let begun_us = self.begun_us.get(&height).copied().unwrap_or(now_us);
        self.finality_us.push(now_us - begun_us);
        let stamp_ms = now_us / 1_000;
        let input = Input::Committed { height, stamp_ms, validators, work: true, due_in_ms: None };
        self.after(WORK_US, Event::Feed { node, input });
    }

    fn broadcast(&mut self, from: usize, message: Message) {
        let message = Arc::new(message);
        for to in (0..self.nodes.len()).filter(|to| *to != from) {
            let trip_ms = ROUND_TRIP_MS[from % REGIONS.len()][to % REGIONS.len()];
            let one_way_us = trip_ms * 1_000 / 2;
            let delay_us = one_way_us + self.random.below(one_way_us * JITTER_PERCENT / 100 + 1);
            self.after(delay_us, Event::Deliver { to, message: message.clone() });
        }
    }
}

fn key(node: usize) -> SigningKey {
    SigningKey::from_bytes(&blake2_256(&node.to_le_bytes()).0)
}

fn account(node: usize) -> AccountId {
    let mut account = [0; 32];
    account[..8].copy_from_slice(&node.to_be_bytes());
    AccountId(account)
}

fn validator_set(count: usize, height: Height) -> ValidatorSet {
    let info = |node: usize| ValidatorInfo {
        account: account(node),
        vote_key: key(node).verifying_key().to_bytes(),
        vrf_key: [0; 32],
        power: 1,
    };
    ValidatorSet {
        validators: (0..count).map(info).collect(),
        seed: blake2_256(&height.to_le_bytes()),
    }
}
