//! A chain with its validators, peers that serve it well or badly, and a node that fetches it, on
//! virtual time.

use crate::sync::{
    Alarm, Input, Output, PeerFault, Progress, RequestId, Sync, Tip,
    wire::{Entry, REQUEST_BLOCKS_MAX, Request, Status},
};
use codec::Encode;
use primitives::{
    AccountId, Block, Certificate, Hash, Header, Height, Moment, OpaqueTransaction, ValidatorInfo,
    ValidatorSet, crypto::pair::Ed25519Pair,
};
use runtime::Digested;
use std::collections::BTreeMap;

pub(super) const GENESIS: Hash = Hash([9; 32]);
/// Milliseconds that an import takes.
const IMPORT_MS: Moment = 2;

fn pair(n: u8) -> Ed25519Pair {
    Ed25519Pair::from_seed(&[n; 32])
}

/// Four validators of this generation; two generations in a row share none.
fn validators(generation: u8) -> ValidatorSet {
    let info = |n: u8| ValidatorInfo {
        account: AccountId([n; 32]),
        vote_key: pair(n).public(),
        vrf_key: [0; 32],
        power: 1,
    };
    ValidatorSet {
        validators: (4 * generation..4 * generation + 4).map(info).collect(),
        seed: GENESIS,
    }
}

/// Final blocks from height 1 on.
#[derive(Clone)]
pub(super) struct TestChain {
    pub(super) blocks: Vec<(Block, Certificate)>,
    /// Generation of validators of each height, from 0 on; one longer than the blocks.
    generations: Vec<u8>,
}

impl TestChain {
    /// A chain whose validators change after the blocks of these heights; `salt` makes chains differ.
    pub(super) fn new(length: Height, changes: &[Height], salt: u8) -> Self {
        Self { blocks: Vec::new(), generations: vec![0, 0] }.grown(length, changes, salt)
    }

    pub(super) fn grown(mut self, length: Height, changes: &[Height], salt: u8) -> Self {
        for height in self.height() + 1..=length {
            let generation = self.generations[usize::try_from(height).expect("few")];
            let next = generation + u8::from(changes.contains(&height));
            self.generations.push(next);
            self.blocks.push(make_block(height, self.hash(height - 1), generation, next, salt));
        }
        self
    }

    /// The chain without its last block.
    pub(super) fn without_last(mut self) -> Self {
        self.blocks.pop();
        self.generations.pop();
        self
    }

    pub(super) fn height(&self) -> Height {
        Height::try_from(self.blocks.len()).expect("few")
    }

    pub(super) fn hash(&self, height: Height) -> Hash {
        match height.checked_sub(1) {
            None => GENESIS,
            Some(place) => self.blocks[usize::try_from(place).expect("few")].0.hash(),
        }
    }

    /// The node's tip, once it has this block.
    pub(super) fn tip(&self, height: Height) -> Tip {
        let generation = self.generations[usize::try_from(height).expect("few") + 1];
        Tip { height, hash: self.hash(height), validators: validators(generation) }
    }

    pub(super) fn status(&self) -> Status {
        Status { height: self.height(), hash: self.hash(self.height()) }
    }

    pub(super) fn entries(&self, request: Request) -> Vec<Entry> {
        let first = usize::try_from(request.from.saturating_sub(1)).expect("few");
        let count = usize::try_from(request.count).expect("few");
        let blocks = self.blocks.iter().skip(first).take(count);
        blocks.map(|(block, certificate)| (block.encode(), certificate.clone())).collect()
    }
}

pub(super) fn make_block(
    height: Height,
    parent_hash: Hash,
    generation: u8,
    next: u8,
    salt: u8,
) -> (Block, Certificate) {
    let body = vec![OpaqueTransaction(vec![salt; 40 + usize::from(salt)]); 3];
    let digest = runtime::make_digest(&Digested {
        author: AccountId([1; 32]),
        origin_round: 0,
        vrf_output: [2; 32],
        vrf_proof: [3; 64],
        next_validators: validators(next).members_hash(),
        new_rules: false,
    });
    let header = Header {
        parent_hash,
        number: height,
        state_root: Hash([salt; 32]),
        extrinsics_root: runtime::extrinsics_root(&body),
        digest,
    };
    let block = Block { header, body };
    let certificate = certify(&block, generation);
    (block, certificate)
}

/// A certificate by all but the last validator of a generation.
pub(super) fn certify(block: &Block, generation: u8) -> Certificate {
    let (height, hash) = (block.header.number, block.hash());
    let mut certificate = Certificate { height, round: 0, block: hash, signatures: Vec::new() };
    let message = certificate.signed_bytes(&GENESIS);
    let signers = 4 * generation..4 * generation + 3;
    certificate.signatures =
        signers.map(|n| (AccountId([n; 32]), pair(n).sign(&message))).collect();
    certificate
}

/// How a peer answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// As it should.
    Honest,
    /// As it should, but one request in three gets lost, and none is fast.
    Lossy,
    /// Never.
    Silent,
    /// Without a block.
    Empty,
    /// With one block, whatever was asked for.
    Short,
    /// It says to be far higher than it is.
    Boaster,
    /// The last signature of each answer is wrong.
    Forger,
    /// The first block of each answer has another's body.
    BodySwapper,
    /// Blocks of another chain that nobody certified.
    Inventor,
    /// Bytes that are no response.
    Babbler,
    /// One block more than was asked for.
    Flooder,
}

impl Manner {
    /// Whether a node must never punish it.
    pub(super) fn is_harmless(self) -> bool {
        use Manner::{Boaster, Empty, Honest, Lossy, Short, Silent};
        matches!(self, Honest | Lossy | Silent | Empty | Short | Boaster)
    }
}

struct Peer {
    manner: Manner,
    asked: u64,
}

enum Event {
    Feed(Input<usize>),
    Import(Height, Hash),
}

pub(super) struct World {
    pub(super) chain: TestChain,
    /// What an inventor serves.
    false_chain: TestChain,
    pub(super) sync: Sync<usize>,
    pub(super) head: Height,
    peers: Vec<Peer>,
    delay_ms: Moment,
    /// When the chain has imported all that it was given.
    busy_until: Moment,
    events: BTreeMap<(Moment, u64), Event>,
    sequence: u64,
    pub(super) now: Moment,
    pub(super) punished: Vec<(usize, PeerFault)>,
    pub(super) asked: Vec<(Moment, usize, Request)>,
    pub(super) progress: Vec<Progress>,
    pub(super) alarm: Option<Alarm>,
}

impl World {
    /// A node at genesis and peers with the whole chain, whose answers take `delay_ms`, or up to three
    /// times as much for those with higher numbers.
    pub(super) fn new(chain: TestChain, manners: &[Manner], delay_ms: Moment) -> Self {
        let false_chain = TestChain::new(chain.height(), &[], 77);
        let false_chain = uncertified(false_chain);
        let sync = Sync::new(GENESIS, chain.tip(0), 0);
        let peers = manners.iter().map(|manner| Peer { manner: *manner, asked: 0 }).collect();
        Self {
            chain,
            false_chain,
            sync,
            head: 0,
            peers,
            delay_ms,
            busy_until: 0,
            events: BTreeMap::new(),
            sequence: 0,
            now: 0,
            punished: Vec::new(),
            asked: Vec::new(),
            progress: Vec::new(),
            alarm: None,
        }
    }

    /// Every peer tells its height.
    pub(super) fn greet(&mut self) {
        for peer in 0..self.peers.len() {
            let mut status = self.chain.status();
            if self.peers[peer].manner == Manner::Boaster {
                status.height = status.height.saturating_add(1_000_000_000);
            }
            self.feed(Input::Status { peer, status });
        }
    }

    /// Runs until nothing is left to do, or the node has everything, or for an hour.
    pub(super) fn run(&mut self) {
        while self.head < self.chain.height() && self.alarm.is_none() && self.now < 3_600_000 {
            if !self.advance() {
                return;
            }
        }
    }

    /// Goes on to the next event, or the next tick. Whether there was one.
    pub(super) fn advance(&mut self) -> bool {
        let wake = self.sync.wake_at(self.now);
        let next = self.events.first_key_value().map(|((at, _), _)| *at);
        match (next, wake) {
            (None, None) => return false,
            (Some(at), wake) if wake.is_none_or(|wake| at <= wake) => {
                self.now = at;
                let Some((_, event)) = self.events.pop_first() else { return false };
                match event {
                    Event::Feed(input) => self.feed(input),
                    Event::Import(height, hash) => self.import(height, hash),
                }
            }
            (_, Some(wake)) => {
                self.now = wake;
                self.feed(Input::Tick);
            }
            (Some(_), None) => unreachable!("the arm above has it"),
        }
        true
    }

    pub(super) fn feed(&mut self, input: Input<usize>) {
        let mut out = Vec::new();
        self.sync.step(self.now, input, &mut out);
        for output in out {
            match output {
                Output::Request { peer, id, request } => self.answer(peer, id, request),
                Output::Import(blocks) => {
                    for block in blocks {
                        let height = block.block.header.number;
                        assert_eq!(block.certificate.block, block.hash);
                        self.busy_until = self.busy_until.max(self.now) + IMPORT_MS;
                        let delay_ms = self.busy_until - self.now;
                        self.after(delay_ms, Event::Import(height, block.hash));
                    }
                }
                Output::Punish { peer, fault } => {
                    let is_new = self.punished.iter().all(|(known, _)| *known != peer);
                    assert!(is_new, "peer {peer} is named again, for answers of before: {fault}");
                    self.punished.push((peer, fault));
                    // The network lets it go.
                    self.after(0, Event::Feed(Input::Gone { peer }));
                }
                Output::Progress(progress) => self.progress.push(progress),
                Output::Alarm(alarm) => self.alarm = Some(alarm),
            }
        }
    }

    fn after(&mut self, delay_ms: Moment, event: Event) {
        self.sequence += 1;
        self.events.insert((self.now + delay_ms, self.sequence), event);
    }

    fn import(&mut self, height: Height, hash: Hash) {
        assert_eq!(height, self.head + 1, "blocks are imported in order, each once");
        assert_eq!(hash, self.chain.hash(height), "only the chain's blocks are imported");
        self.head = height;
        let tip = self.chain.tip(height);
        self.feed(Input::Imported(tip));
    }

    fn answer(&mut self, peer: usize, id: RequestId, request: Request) {
        assert!((1..=REQUEST_BLOCKS_MAX).contains(&request.count), "{request:?}");
        self.asked.push((self.now, peer, request));
        let Peer { manner, asked } = &mut self.peers[peer];
        *asked += 1;
        let mut entries = self.chain.entries(request);
        let lost = *asked % 3 == 1;
        match manner {
            Manner::Silent => return,
            Manner::Lossy if lost => return,
            Manner::Honest | Manner::Lossy | Manner::Boaster => {}
            Manner::Empty => entries.clear(),
            Manner::Short => entries.truncate(1),
            Manner::Forger => {
                if let Some((_, certificate)) = entries.last_mut() {
                    certificate.signatures[2].1[40] ^= 1;
                }
            }
            Manner::BodySwapper => {
                if let Some((bytes, _)) = entries.first_mut() {
                    let other = vec![OpaqueTransaction(vec![4; 9])];
                    let mut swapped = self.chain.blocks[0].0.clone();
                    if let Some((block, _)) = usize::try_from(request.from)
                        .ok()
                        .and_then(|height| self.chain.blocks.get(height - 1))
                    {
                        swapped.header = block.header.clone();
                    }
                    swapped.body = other;
                    *bytes = swapped.encode();
                }
            }
            Manner::Inventor => entries = self.false_chain.entries(request),
            Manner::Flooder => {
                let count = request.count + 1;
                entries = self.chain.entries(Request { count, ..request });
                while entries.len() < usize::try_from(count).expect("few") {
                    entries.push(self.chain.entries(Request { from: 1, count: 1 }).remove(0));
                }
            }
            Manner::Babbler => {}
        }
        let bytes = if *manner == Manner::Babbler { vec![0xff; 50] } else { entries.encode() };
        let slow = if *manner == Manner::Lossy { 700 } else { 0 };
        let delay_ms = self.delay_ms * (1 + Moment::try_from(peer).expect("few") % 3) + slow;
        self.after(delay_ms, Event::Feed(Input::Response { peer, id, bytes }));
    }
}

/// The chain with signatures that nobody made.
fn uncertified(mut chain: TestChain) -> TestChain {
    for (_, certificate) in &mut chain.blocks {
        certificate.signatures.iter_mut().for_each(|(_, signature)| signature[3] ^= 1);
    }
    chain
}
