//! A joiner among peers who serve a real state, and others who lie, on virtual time.

use super::super::*;
use crate::{
    Chain,
    tests::fixture::{self, Fixture, folder},
};
use codec::Encode;
use pallets::balances;
use primitives::{AccountId, Balance, crypto::hash::blake2_256};
use runtime::Genesis;
use std::collections::{BTreeSet, VecDeque};
use storage::{Database, Exports, Importer};
use tempfile::TempDir;

/// Accounts of the state, which make it some chunks large.
const ACCOUNTS: u32 = 20_000;
/// Blocks of the chain; the state after the last one is served.
pub(super) const BLOCKS: u64 = 6;
/// Another one whose state is served.
pub(super) const EARLIER: u64 = 4;
/// Longest virtual time that a run may take.
const RUN_MS: u64 = 3_600_000;

/// How a peer behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Honest,
    /// It serves nothing, and says so.
    Empty,
    /// It never answers.
    Silent,
    /// Its answers are no answers.
    Garbled,
    /// It changes each chunk.
    Spoiler,
    /// It says of each part that it is too large.
    Splitter,
    /// It offers the state of a block that there is not, at the height of the true one.
    False,
    /// It offers a state far above the chain.
    High,
    /// It changes what leads to a block.
    Forger,
    /// It offers the same, and does not answer when it is asked for a proof.
    Pretender,
    /// It offers the state and has no part of it.
    Forgetful,
    /// It offers states that there are not, always others, and takes its time to say that it has none.
    Inventor,
}

pub(super) const LIARS: [Kind; 9] = [
    Kind::Inventor,
    Kind::Silent,
    Kind::Garbled,
    Kind::Spoiler,
    Kind::Splitter,
    Kind::False,
    Kind::Forger,
    Kind::Pretender,
    Kind::Forgetful,
];

pub(super) struct Source {
    pub(super) fixture: Fixture,
    pub(super) genesis: Genesis,
    pub(super) server: Server,
    _folders: [TempDir; 2],
}

pub(super) fn source() -> Source {
    let mut genesis = fixture::genesis();
    let poor = |number: u32| {
        let account = AccountId(blake2_256(&number.encode()).0);
        (account, Balance::new(crate::tests::ARTL))
    };
    let mut accounts = std::mem::take(&mut genesis.Balances.balances);
    accounts.extend((0..ACCOUNTS).map(poor));
    genesis.Balances = balances::Genesis { balances: accounts };
    let folders = [folder(), folder()];
    let mut fixture = Fixture::open_with(&folders[0], &genesis);
    let exports = Exports::open(folders[1].path()).expect("room");
    for height in 1..=BLOCKS {
        let transfer = fixture.transfer(0, 1, fixture.nonce(0), 5);
        fixture.grow(height * 1_000, &[&transfer]);
        if [EARLIER, BLOCKS].contains(&height) {
            let head = fixture.chain.head().snapshot.clone();
            exports.make(head, &|| false).expect("room").expect("nobody stopped it");
        }
    }
    let server = Server { database: fixture.chain.database().clone(), exports };
    Source { fixture, genesis, server, _folders: folders }
}

impl Source {
    pub(super) fn checkpoint(&self) -> Checkpoint {
        let hash = self.fixture.chain.database().hash(2).expect("reads").expect("stored");
        Checkpoint { height: 2, hash }
    }

    pub(super) fn answer(&self, kind: Kind, request: &Request, now_ms: u64) -> Option<Vec<u8>> {
        let head = self.fixture.chain.head();
        let bytes = self.server.answer(&request.encode()).expect("readable");
        let bytes = bytes.expect("the machine asks what is a question");
        let answer = Answer::from_bytes(request, &bytes).expect("our own bytes");
        let not_here = Answer::NotHere;
        let changed = match (kind, request, answer) {
            (Kind::Silent, ..) => return None,
            (Kind::Empty, ..) => not_here,
            (Kind::Garbled, Request::Offers, _) => return Some(bytes),
            (Kind::Garbled, ..) => return Some(vec![9; 40]),
            (Kind::Spoiler, _, Answer::Chunk(mut chunk)) => {
                match chunk.entries.first_mut() {
                    Some((_, value)) => value.push(0),
                    None => chunk.entries.push((vec![1], vec![1])),
                }
                Answer::Chunk(chunk)
            }
            (Kind::Inventor, Request::Light { .. }, _) => not_here,
            (Kind::Inventor, Request::Offers, _) => {
                let hash = |height: Height| blake2_256(&(now_ms, height).encode());
                let offer = |height| Offer { height, hash: hash(height), bytes: 1 };
                Answer::Offers((1_000..1_000 + OFFERS_MAX as Height).map(offer).collect())
            }
            (Kind::Splitter, Request::Piece { .. }, _) => Answer::TooLarge,
            (Kind::Forgetful, Request::Piece { .. }, _) => not_here,
            (Kind::False, Request::Offers, _) => {
                Answer::Offers(vec![Offer { height: head.height, hash: Hash([1; 32]), bytes: 1 }])
            }
            (Kind::Pretender, Request::Light { .. }, _) => return None,
            (Kind::High | Kind::Pretender, Request::Offers, _) => {
                Answer::Offers(vec![Offer { height: 1_000, hash: Hash([1; 32]), bytes: u64::MAX }])
            }
            (Kind::Forger, _, Answer::Light(mut blocks)) => {
                blocks[0].header.state_root = Hash([1; 32]);
                Answer::Light(blocks)
            }
            (_, _, answer) => answer,
        };
        Some(changed.encode())
    }
}

/// What has happened by some virtual time.
pub(super) struct World<'a> {
    source: &'a Source,
    pub(super) peers: Vec<Kind>,
    folder: &'a TempDir,
    pub(super) now_ms: u64,
    /// Answers on their way: when, which question, whose.
    pub(super) answers: BTreeMap<(u64, RequestId), (usize, Request)>,
    pub(super) importer: Option<Importer>,
    /// What a start finds.
    pub(super) begun: Option<ImportTarget>,
    pub(super) stored: BTreeSet<PathPrefix>,
    pub(super) punished: Vec<(usize, Fault)>,
    /// Nobody hears of anybody from the first of these moments to the second.
    pub(super) cut_off_ms: std::ops::Range<u64>,
}

pub(super) enum End {
    Finished(Box<Block>, Certificate),
    Stopped,
    Stuck(LightError),
}

impl<'a> World<'a> {
    pub(super) fn new(source: &'a Source, peers: &[Kind], folder: &'a TempDir) -> Self {
        Self {
            source,
            peers: peers.to_vec(),
            folder,
            now_ms: 0,
            answers: BTreeMap::new(),
            importer: None,
            begun: None,
            stored: BTreeSet::new(),
            punished: Vec::new(),
            cut_off_ms: 0..0,
        }
    }

    pub(super) fn now(&self) -> Now {
        Now { ms: self.now_ms, unix_ms: BLOCKS * 1_000 + self.now_ms }
    }

    /// Runs a machine to its end, or until so many chunks are stored, as a crash would end it.
    pub(super) fn run(&mut self, stored_max: usize) -> End {
        let source = self.source;
        let genesis = source.fixture.chain.genesis();
        let mut sync = SnapshotSync::new(genesis, source.checkpoint(), self.begun);
        self.answers.clear();
        let mut stored = 0;
        let mut inputs: VecDeque<_> = (0..self.peers.len()).map(Input::PeerFound).collect();
        let begun_ms = self.now_ms;
        loop {
            let Some(input) = inputs.pop_front() else {
                assert!(self.now_ms - begun_ms < RUN_MS, "{:?} {:?}", self.peers, sync.status());
                inputs.extend(self.wait());
                continue;
            };
            let mut out = Vec::new();
            sync.step(self.now(), input, &mut out);
            let asked = sync.asked.len();
            assert!(asked <= self.peers.len() * (PEER_REQUESTS_MAX + 1));
            for output in out {
                match output {
                    Output::Request { id, peer, request } => {
                        if let Request::Piece { prefix, .. } = request {
                            let known = self.stored.iter().any(|known| known.covers(&prefix));
                            assert!(!known, "it is there already");
                        }
                        // Each peer has a pace of its own.
                        let pace_ms = match (self.peers[peer], request) {
                            (Kind::Inventor, Request::Light { .. }) => ANSWER_TIMEOUT_MS - 1_000,
                            _ => 20 + 30 * peer as u64,
                        };
                        self.answers.insert((self.now_ms + pace_ms, id), (peer, request));
                    }
                    Output::Open(target) => {
                        if self.begun.is_some_and(|begun| begun != target) {
                            self.stored.clear();
                        }
                        (self.importer, self.begun) = (None, Some(target));
                        let database =
                            Database::open(self.folder.path(), &storage::Config::default());
                        let importer = Importer::open(database.expect("closed"), target);
                        let importer = importer.expect("it has no chain");
                        let (block, missing) = (target.block, importer.missing());
                        inputs.push_back(Input::Opened { block, missing });
                        self.importer = Some(importer);
                    }
                    Output::Put(chunk) => {
                        let importer = self.importer.as_mut().expect("it was opened");
                        importer.put(&chunk).expect("it is of this state");
                        self.stored.insert(*chunk.prefix());
                        stored += 1;
                        if stored > stored_max {
                            self.importer = None;
                            return End::Stopped;
                        }
                        inputs.push_back(Input::Stored { block: importer.target().block });
                    }
                    Output::Finish { block, certificate } => {
                        assert_eq!(sync.status(), Status::Finished);
                        return End::Finished(block, certificate);
                    }
                    Output::Punish { peer, fault } => self.punished.push((peer, fault)),
                    Output::Stuck(error) => return End::Stuck(error),
                }
            }
        }
    }

    /// The next thing that happens.
    pub(super) fn wait(&mut self) -> Vec<Input<usize>> {
        let tick_ms = self.now_ms + 1_000;
        match self.answers.first_key_value() {
            Some((&(at_ms, id), &(peer, request))) if at_ms < tick_ms => {
                self.now_ms = self.now_ms.max(at_ms);
                self.answers.remove(&(at_ms, id));
                let answer = self.source.answer(self.peers[peer], &request, self.now_ms);
                let answer = answer.filter(|_| !self.cut_off_ms.contains(&self.now_ms));
                answer.map(|bytes| Input::Answered { id, bytes }).into_iter().collect()
            }
            _ => {
                self.now_ms = tick_ms;
                vec![Input::Tick]
            }
        }
    }

    /// Begins the chain and compares it with its source.
    pub(super) fn check(&mut self, end: End) {
        let (block, certificate) = match end {
            End::Finished(block, certificate) => (block, certificate),
            End::Stopped => panic!("it was stopped"),
            End::Stuck(error) => panic!("it is stuck: {error}"),
        };
        let importer = self.importer.take().expect("it was opened");
        let genesis = &self.source.genesis;
        let chain = Chain::begin_with(importer, genesis, &block, &certificate, 100);
        let chain = chain.expect("all is there");
        let (head, expected) = (chain.head(), self.source.fixture.chain.head());
        assert_eq!((head.hash, head.snapshot.root), (expected.hash, expected.snapshot.root));
        assert_eq!((head.time_ms, &head.header), (expected.time_ms, &expected.header));
        assert_eq!(chain.genesis(), self.source.fixture.chain.genesis());
        runtime::check(&head.snapshot).expect("the invariants hold");
        for (peer, fault) in &self.punished {
            let kind = self.peers[*peer];
            assert!(LIARS.contains(&kind) || kind == Kind::High, "{kind:?} {fault}");
        }
    }
}
