//! Beginning with the state after a later block, fetched from many peers of whom none is trusted.
//!
//! ```text
//! checkpoint (the operator's) --headers and certificates--> a block whose state peers serve      runtime::light
//!     --> the state root --chunks, from many at once--> importer --> Chain::begin_with            primitives::chunk
//! ```
//!
//! [`SnapshotSync`] is a pure core: [`SnapshotSync::step`] takes what happened and says what to do. Its shell carries bytes,
//! owns the [`storage::Importer`] and the clocks. `P` names a peer: the network's name for it, or a number in tests.
//!
//! - **Nothing is believed.** A chunk is verified against a root that the checkpoint's hash leads to. Who sends what does
//!   not verify is named in [`Output::Punish`], and so is who leaves question after question unanswered.
//! - **Nobody holds it up.** A question that is not answered goes to another peer. An offer that its peers cannot prove is
//!   forgotten. A peer that says of a subtree that it is too large for a chunk is found out when the halves are there and
//!   fit.
//! - **Nothing is fetched twice.** What the importer has is not asked for again, after a restart too.
//! - **Everything has a limit**: questions in flight, chunks on their way to the disk, bytes of answers, peers.

mod fetch;
mod peer;
mod seek;
#[cfg(test)]
mod tests;
mod wire;

pub use crate::light::LIGHT_BLOCKS_MAX;
pub use wire::{
    ANSWER_BYTES_MAX, Answer, OFFERS_MAX, Offer, PROTOCOL, REQUEST_BYTES_MAX, Request, Server,
};

use fetch::Fetch;
use peer::Peer;
use primitives::{
    Block, Certificate, Hash, Height, Moment,
    chunk::{ChunkError, PathPrefix, VerifiedChunk},
};
use runtime::light::{Checkpoint, Light, LightError};
use seek::Seek;
use std::{cmp::Reverse, collections::BTreeMap};
use storage::ImportTarget;

/// Heights whose states nodes make ready for others are multiples of this: then many have the same. At four blocks a second
/// that is more than half an hour, and as [`storage::EXPORTS_KEPT`] are kept, a state stays for another.
pub const EXPORT_BLOCKS: Height = 8_192;
/// Most peers that are asked.
pub const PEERS_MAX: usize = 64;
/// Most questions in flight to one peer.
pub const PEER_REQUESTS_MAX: usize = 4;
/// Most questions for parts of the state in flight, and chunks that are not on the disk yet, together.
pub const PIECES_MAX: usize = 32;
/// How long an answer may take, in milliseconds.
pub const ANSWER_TIMEOUT_MS: u64 = 15_000;
/// Unanswered questions, less the answered ones, after which a peer is asked nothing for half a minute.
pub const STRIKES_MAX: u32 = 4;
/// How often peers are asked for their offers, in milliseconds: they come and go.
const OFFERS_EVERY_MS: u64 = 30_000;
/// How long nobody may deliver any of the state that is being fetched before another one is looked for, in milliseconds.
pub const TARGET_LOST_MS: u64 = 120_000;

/// Most blocks whose offers are remembered as doubtful.
const DOUBTS_MAX: usize = 1_024;

/// The time, twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds on a clock that only runs forward, from any start.
    pub ms: u64,
    /// Milliseconds since 1970.
    pub unix_ms: Moment,
}

/// Names a question.
pub type RequestId = u64;

/// What happened.
#[derive(Clone, Debug)]
pub enum Input<P> {
    /// Here is somebody to ask.
    PeerFound(P),
    /// Somebody is gone.
    PeerGone(P),
    /// A question was answered with these bytes.
    Answered {
        /// The question.
        id: RequestId,
        /// The answer, at most [`ANSWER_BYTES_MAX`].
        bytes: Vec<u8>,
    },
    /// A question could not be asked, or was refused.
    Failed {
        /// The question.
        id: RequestId,
    },
    /// The importer of [`Output::Open`] is open.
    Opened {
        /// The block whose state it imports.
        block: Hash,
        /// The subtrees that it lacks.
        missing: Vec<PathPrefix>,
    },
    /// A chunk is on the disk.
    Stored {
        /// The block whose state it belongs to.
        block: Hash,
    },
    /// Time has passed. Once a second is enough.
    Tick,
}

/// What to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Output<P> {
    /// Ask a peer.
    Request {
        /// Names the question.
        id: RequestId,
        /// Whom to ask.
        peer: P,
        /// What to ask.
        request: Request,
    },
    /// Open an importer for this state in place of the one before, and say what it lacks.
    Open(ImportTarget),
    /// Put a chunk into the importer and say when it is on the disk.
    Put(VerifiedChunk),
    /// All is there: begin the chain with it.
    Finish {
        /// The block whose state was imported.
        block: Box<Block>,
        /// Why it is final.
        certificate: Certificate,
    },
    /// Somebody did what an honest node does not do.
    Punish {
        /// Who.
        peer: P,
        /// What.
        fault: Fault,
    },
    /// It cannot go on: the operator must give a newer checkpoint, or set the clock.
    Stuck(LightError),
}

/// What a peer did.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Fault {
    /// It did not answer, again and again.
    #[error("it does not answer")]
    Silent,
    /// Its answer does not decode or answers something else.
    #[error("its answer is malformed: {0}")]
    Malformed(codec::Error),
    /// What it says of blocks is not true.
    #[error("its proof of a block does not hold: {0}")]
    Light(LightError),
    /// Its proof leads elsewhere than asked for, or goes a longer way than it must.
    #[error("its proof of a block goes another way than it was asked for")]
    Detour,
    /// It serves the state of a block that is not of the chain.
    #[error("it offers a state of block {hash} at height {height}, which is not of the chain")]
    FalseOffer {
        /// The height.
        height: Height,
        /// The block's hash.
        hash: Hash,
    },
    /// The block is not the one that was asked for.
    #[error("it sent another block than the one asked for")]
    OtherBlock,
    /// The chunk is not what the state has there.
    #[error("its chunk of the state does not hold: {0}")]
    Chunk(ChunkError),
    /// It said of a subtree that it is more than a chunk holds.
    #[error("it said of a part of the state that it is too large, and it is not")]
    FalselyTooLarge,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It looks for a state that peers serve and can prove.
    Seeking {
        /// The last block that is known to be final.
        height: Height,
        /// Peers that can be asked.
        peers: usize,
    },
    /// It fetches the state after a block.
    Fetching {
        /// Height of the block.
        height: Height,
        /// Chunks that are on the disk, of those fetched since the start.
        stored: u64,
        /// Parts that are to be asked for.
        waiting: usize,
        /// Peers that serve it.
        peers: usize,
    },
    /// Everything is there.
    Finished,
    /// It cannot go on.
    Stuck,
}

/// A question that waits for its answer.
#[derive(Clone, Copy, Debug)]
struct Asked<P> {
    peer: P,
    request: Request,
    at_ms: u64,
}

/// Fetches the state after a block; see the module.
#[derive(Debug)]
pub struct SnapshotSync<P> {
    genesis: Hash,
    checkpoint: Checkpoint,
    peers: BTreeMap<P, Peer>,
    asked: BTreeMap<RequestId, Asked<P>>,
    next_id: RequestId,
    stage: Stage<P>,
    /// Blocks that peers offered and could not prove or deliver, and how often: others are tried first.
    doubts: BTreeMap<Hash, u32>,
    /// The state of which a part is there.
    begun: Option<Hash>,
    /// From the checkpoint on.
    start: Option<Light>,
}

#[derive(Debug)]
enum Stage<P> {
    Seek(Box<Seek>),
    Fetch(Box<Fetch<P>>),
    Finished,
    Stuck,
}

impl<P: Copy + Ord> SnapshotSync<P> {
    /// For the chain with this genesis, from a block whose hash the operator vouches for. What was begun, as
    /// [`storage::Database::unfinished_import`] says, is gone on with as long as somebody serves it.
    pub fn new(genesis: Hash, checkpoint: Checkpoint, begun: Option<ImportTarget>) -> Self {
        Self {
            genesis,
            checkpoint,
            peers: BTreeMap::new(),
            asked: BTreeMap::new(),
            next_id: 0,
            stage: Stage::Seek(Box::default()),
            doubts: BTreeMap::new(),
            begun: begun.map(|target| target.block),
            start: None,
        }
    }

    /// Takes what happened and adds what to do, to be done in order.
    pub fn step(&mut self, now: Now, input: Input<P>, out: &mut Vec<Output<P>>) {
        match input {
            Input::PeerFound(peer) => self.on_peer(peer),
            Input::Tick => {}
            Input::PeerGone(peer) => self.forget(&peer),
            Input::Answered { id, bytes } => self.on_answer(now, id, &bytes, out),
            Input::Failed { id } => self.on_failure(now, id, out),
            Input::Opened { block, missing } => {
                if let Some(fetch) = self.fetch_of(&block) {
                    fetch.open(now.ms, missing);
                }
            }
            Input::Stored { block } => {
                if let Some(fetch) = self.fetch_of(&block) {
                    fetch.stored(now.ms);
                }
            }
        }
        self.give_up_waiting(now, out);
        self.go_on(now, out);
    }

    /// How far it is.
    pub fn status(&self) -> Status {
        match &self.stage {
            Stage::Seek(seek) => {
                let known = seek.light.as_ref().or(self.start.as_ref());
                let height = known.map_or(self.checkpoint.height, |light| light.head().height);
                Status::Seeking { height, peers: self.peers.len() }
            }
            Stage::Fetch(fetch) => Status::Fetching {
                height: fetch.target.height,
                stored: fetch.stored_count(),
                waiting: fetch.waiting(),
                peers: self.serving(&fetch.target.block).count(),
            },
            Stage::Finished => Status::Finished,
            Stage::Stuck => Status::Stuck,
        }
    }

    /// A new peer, who takes the place of one that has nothing, or could least prove what it offered, if there is no room.
    fn on_peer(&mut self, peer: P) {
        if self.peers.len() >= PEERS_MAX && !self.peers.contains_key(&peer) {
            let was_heard = |known: &Peer| known.asked == 0 && known.asked_ms.is_some();
            let worth = |known: &Peer| (!known.offers.is_empty(), Reverse(known.unproven));
            let heard = self.peers.iter().filter(|(_, known)| was_heard(known));
            let least = heard.min_by_key(|(_, known)| worth(known));
            let least = least.filter(|(_, known)| worth(known) < (true, Reverse(0)));
            let Some(least) = least.map(|(name, _)| *name) else { return };
            self.forget(&least);
        }
        self.peers.entry(peer).or_default();
    }

    /// The state that is being fetched, unless it is another one by now.
    fn fetch_of(&mut self, block: &Hash) -> Option<&mut Fetch<P>> {
        match &mut self.stage {
            Stage::Fetch(fetch) if fetch.target.block == *block => Some(fetch),
            _ => None,
        }
    }

    fn on_answer(&mut self, now: Now, id: RequestId, bytes: &[u8], out: &mut Vec<Output<P>>) {
        // Who answers too late was counted as silent; the question went to somebody else.
        let Some(Asked { peer, request, at_ms }) = self.take(id) else { return };
        let answer = match Answer::from_bytes(&request, bytes) {
            Ok(answer) => answer,
            Err(error) => {
                self.give_back(&request, &peer);
                return self.punish(peer, Fault::Malformed(error), out);
            }
        };
        if let Some(known) = self.peers.get_mut(&peer) {
            known.strikes = known.strikes.saturating_sub(1);
            if matches!(answer, Answer::Chunk(_)) {
                known.delivered += 1;
                known.piece_ms = (3 * known.piece_ms + now.ms.saturating_sub(at_ms)) / 4;
            }
        }
        let faults = match (request, answer) {
            (_, Answer::NotHere) => {
                self.on_not_here(now, &request, &peer);
                Vec::new()
            }
            (_, Answer::Offers(offers)) => {
                if let Some(known) = self.peers.get_mut(&peer) {
                    known.offers = offers;
                }
                Vec::new()
            }
            (_, Answer::Start(start)) => self.on_start(now, peer, *start, out),
            (Request::Light { to, .. }, Answer::Light(blocks)) => {
                self.on_light(now, peer, to, blocks, out)
            }
            (_, Answer::Block(block)) => match &mut self.stage {
                Stage::Fetch(fetch) => fetch.on_block(now.ms, peer, block.0),
                _ => Vec::new(),
            },
            (Request::Piece { prefix, .. }, Answer::Chunk(chunk)) => match &mut self.stage {
                Stage::Fetch(fetch) => fetch.on_chunk(now.ms, peer, prefix, chunk, out),
                _ => Vec::new(),
            },
            (Request::Piece { prefix, .. }, Answer::TooLarge) => match &mut self.stage {
                Stage::Fetch(fetch) => fetch.on_too_large(peer, prefix),
                _ => Vec::new(),
            },
            (_, Answer::Light(_) | Answer::Chunk(_) | Answer::TooLarge) => {
                unreachable!("an answer is decoded for its question")
            }
        };
        for (peer, fault) in faults {
            self.punish(peer, fault, out);
        }
    }

    /// A peer does not have what it was asked for. If it had offered it, it does so no more.
    fn on_not_here(&mut self, now: Now, request: &Request, peer: &P) {
        self.give_back(request, peer);
        if let (Stage::Seek(seek), Request::Start(_)) = (&mut self.stage, request) {
            seek.rest(now.ms);
        }
        match (request, self.peers.get_mut(peer)) {
            (_, None) => {}
            (Request::Offers, Some(known)) => known.offers.clear(),
            // It may be younger than the checkpoint; others are asked first from now on.
            (Request::Start(_), Some(known)) => known.strikes += 1,
            (Request::Light { to, .. }, Some(_)) => self.doubt(peer, *to),
            (Request::Block(block) | Request::Piece { block, .. }, Some(known)) => {
                known.offers.retain(|offer| offer.hash != *block);
            }
        }
    }

    fn on_failure(&mut self, now: Now, id: RequestId, out: &mut Vec<Output<P>>) {
        let Some(Asked { peer, request, .. }) = self.take(id) else { return };
        self.give_back(&request, &peer);
        if let Request::Light { to, .. } = request {
            self.doubt(&peer, to);
        }
        let Some(known) = self.peers.get_mut(&peer) else { return };
        known.strikes += 1;
        if known.strikes >= STRIKES_MAX {
            self.rest(now, peer, out);
        }
    }

    /// Who is silent may be cut off for a while, or have too many to serve: in some time it is asked what it offers, and
    /// nothing before.
    fn rest(&mut self, now: Now, peer: P, out: &mut Vec<Output<P>>) {
        self.take_back(&peer);
        if let Some(known) = self.peers.get_mut(&peer) {
            known.offers.clear();
            (known.asked, known.asked_ms, known.strikes) = (0, Some(now.ms), STRIKES_MAX - 1);
            out.push(Output::Punish { peer, fault: Fault::Silent });
        }
    }

    /// A peer could not prove what it offered at a height: it offers it no more until it says so again, and then others are
    /// tried first.
    fn doubt(&mut self, peer: &P, height: Height) {
        let Some(known) = self.peers.get_mut(peer) else { return };
        let offers = std::mem::take(&mut known.offers);
        let (doubted, others): (Vec<Offer>, Vec<Offer>) =
            offers.into_iter().partition(|offer| offer.height == height);
        known.offers = others;
        known.unproven = known.unproven.saturating_add(u32::from(!doubted.is_empty()));
        for offer in doubted {
            self.doubt_block(offer.hash);
        }
    }

    fn doubt_block(&mut self, block: Hash) {
        if self.doubts.len() >= DOUBTS_MAX {
            self.doubts.clear();
        }
        let doubts = self.doubts.entry(block).or_default();
        *doubts = doubts.saturating_add(1);
    }

    fn give_up_waiting(&mut self, now: Now, out: &mut Vec<Output<P>>) {
        let late = |asked: &Asked<P>| now.ms.saturating_sub(asked.at_ms) >= ANSWER_TIMEOUT_MS;
        let late: Vec<RequestId> =
            self.asked.iter().filter(|(_, asked)| late(asked)).map(|(id, _)| *id).collect();
        for id in late {
            self.on_failure(now, id, out);
        }
    }

    /// Asks whatever can be asked now.
    fn go_on(&mut self, now: Now, out: &mut Vec<Output<P>>) {
        let is_over = matches!(self.stage, Stage::Finished | Stage::Stuck);
        if is_over {
            return;
        }
        let stale = |peer: &Peer| {
            peer.asked_ms.is_none_or(|asked| now.ms.saturating_sub(asked) >= OFFERS_EVERY_MS)
        };
        let unsure: Vec<P> =
            self.peers.iter().filter(|(_, peer)| stale(peer)).map(|(name, _)| *name).collect();
        for peer in unsure {
            if let Some(known) = self.peers.get_mut(&peer) {
                known.asked_ms = Some(now.ms);
            }
            self.ask(now, peer, Request::Offers, out);
        }
        match &self.stage {
            Stage::Seek(_) => self.seek(now, out),
            Stage::Fetch(_) => self.fetch(now, out),
            Stage::Finished | Stage::Stuck => {}
        }
    }

    /// Asks for parts of the state from all who serve it, the quickest first.
    fn fetch(&mut self, now: Now, out: &mut Vec<Output<P>>) {
        let Stage::Fetch(fetch) = &mut self.stage else { return };
        let block = fetch.target.block;
        if fetch.is_lost(now.ms) {
            self.doubt_block(block);
            return self.abandon();
        }
        let serving = self
            .peers
            .iter()
            .filter(|(_, peer)| peer.offers.iter().any(|offer| offer.hash == block))
            .map(|(name, peer)| {
                (peer.rank(), *name, peer.requests_max().saturating_sub(peer.asked))
            });
        let mut serving: Vec<((u32, bool, u64), P, usize)> = serving.collect();
        serving.sort_unstable();
        let mut questions = Vec::new();
        if let Stage::Fetch(fetch) = &mut self.stage {
            // In turns, so that all work at once.
            for turn in 0..PEER_REQUESTS_MAX {
                for (_, peer, room) in &serving {
                    if turn < *room
                        && let Some(request) = fetch.next_request(peer, serving.len() > 1)
                    {
                        questions.push((*peer, request));
                    }
                }
            }
        }
        for (peer, request) in questions {
            self.ask(now, peer, request, out);
        }
        if let Stage::Fetch(fetch) = &mut self.stage
            && let Some((block, certificate)) = fetch.finish()
        {
            out.push(Output::Finish { block: Box::new(block), certificate });
            self.stage = Stage::Finished;
        }
    }

    /// Forgets the state that is being fetched, which nobody serves any more, and looks for another.
    fn abandon(&mut self) {
        self.asked.retain(|_, asked| matches!(asked.request, Request::Offers));
        for (name, peer) in &mut self.peers {
            peer.asked = self.asked.values().filter(|asked| asked.peer == *name).count();
        }
        self.stage = Stage::Seek(Box::default());
    }

    fn serving(&self, block: &Hash) -> impl Iterator<Item = &P> {
        let serves = move |peer: &Peer| peer.offers.iter().any(|offer| offer.hash == *block);
        self.peers.iter().filter(move |(_, peer)| serves(peer)).map(|(name, _)| name)
    }

    fn ask(&mut self, now: Now, peer: P, request: Request, out: &mut Vec<Output<P>>) {
        let id = self.next_id;
        self.next_id += 1;
        if let Some(known) = self.peers.get_mut(&peer) {
            known.asked += 1;
        }
        self.asked.insert(id, Asked { peer, request, at_ms: now.ms });
        out.push(Output::Request { id, peer, request });
    }

    fn take(&mut self, id: RequestId) -> Option<Asked<P>> {
        let asked = self.asked.remove(&id)?;
        if let Some(known) = self.peers.get_mut(&asked.peer) {
            known.asked = known.asked.saturating_sub(1);
        }
        Some(asked)
    }

    /// A question that a peer did not answer well is asked again, if it can be, of somebody else.
    fn give_back(&mut self, request: &Request, peer: &P) {
        match &mut self.stage {
            Stage::Fetch(fetch) => fetch.give_back(request, *peer),
            Stage::Seek(seek) => seek.give_back(request),
            Stage::Finished | Stage::Stuck => {}
        }
    }

    fn punish(&mut self, peer: P, fault: Fault, out: &mut Vec<Output<P>>) {
        // Of several faults of one peer, the first counts.
        if self.peers.contains_key(&peer) {
            self.forget(&peer);
            out.push(Output::Punish { peer, fault });
        }
    }

    fn forget(&mut self, peer: &P) {
        self.peers.remove(peer);
        self.take_back(peer);
    }

    /// What a peer was asked can be asked of others.
    fn take_back(&mut self, peer: &P) {
        let lost: Vec<Asked<P>> =
            self.asked.values().filter(|asked| asked.peer == *peer).copied().collect();
        self.asked.retain(|_, asked| asked.peer != *peer);
        for asked in lost {
            self.give_back(&asked.request, peer);
        }
    }

    fn stuck(&mut self, error: LightError, out: &mut Vec<Output<P>>) {
        self.stage = Stage::Stuck;
        self.asked.clear();
        out.push(Output::Stuck(error));
    }
}
