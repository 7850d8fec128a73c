//! The second half: all parts of a state, from whoever serves it.

use super::{Fault, Output, PIECES_MAX, Request, TARGET_LOST_MS};
use primitives::{
    Block, Certificate,
    chunk::{CHUNK_BYTES_MAX, PathPrefix, StateChunk},
};
use std::collections::BTreeMap;
use storage::ImportTarget;

/// Bits by which a state is parted at once, whatever its size is said to be; larger parts are halved when they are met.
const PARTED_BITS_MAX: usize = 12;
/// Most parts that are halved and not whole yet. As the halves are asked for before other parts, there are only a few unless
/// peers lie.
const SPLITS_MAX: usize = 4_096;

/// The state that is being fetched.
#[derive(Debug)]
pub(super) struct Fetch<P> {
    pub(super) target: ImportTarget,
    certificate: Certificate,
    block: Option<Block>,
    is_block_asked: bool,
    /// How deep the parts lie that are asked for first.
    depth: usize,
    /// Parts to ask for, the next one last. The halves of a part come before its neighbours, so there are few at a time.
    waiting: Vec<PathPrefix>,
    is_open: bool,
    /// Who did not answer well for a part: somebody else is asked for it, if there is anybody.
    avoided: BTreeMap<PathPrefix, P>,
    /// Parts that a peer said are too large, and what their halves have, where that is known.
    split: BTreeMap<PathPrefix, Split<P>>,
    /// Questions for parts in flight.
    asked: usize,
    /// Chunks that are not on the disk yet.
    unstored: usize,
    stored: u64,
    /// When somebody delivered any of it last.
    delivered_ms: u64,
}

#[derive(Debug)]
struct Split<P> {
    by: P,
    bytes: [Option<usize>; 2],
}

impl<P: Copy + Ord> Fetch<P> {
    /// Nothing is asked for before [`Self::open`]. The state is said to have so many bytes.
    pub(super) fn new(
        target: ImportTarget,
        certificate: Certificate,
        bytes: u64,
        now_ms: u64,
    ) -> Self {
        // Parts of half a chunk on average: hashes spread evenly, so hardly any has more than a chunk.
        let parts = bytes / (CHUNK_BYTES_MAX as u64 / 2) + 1;
        let bits = usize::try_from(parts.next_power_of_two().trailing_zeros());
        Self {
            target,
            certificate,
            block: None,
            is_block_asked: false,
            depth: bits.map_or(PARTED_BITS_MAX, |bits| bits.min(PARTED_BITS_MAX)),
            waiting: Vec::new(),
            is_open: false,
            avoided: BTreeMap::new(),
            split: BTreeMap::new(),
            asked: 0,
            unstored: 0,
            stored: 0,
            delivered_ms: now_ms,
        }
    }

    /// The importer is open and lacks these parts.
    pub(super) fn open(&mut self, now_ms: u64, missing: Vec<PathPrefix>) {
        if self.is_open {
            return;
        }
        self.is_open = true;
        self.delivered_ms = now_ms;
        let mut rest = missing;
        while let Some(part) = rest.pop() {
            match part.halves() {
                Some(halves) if part.depth() < self.depth => rest.extend(halves),
                _ => self.waiting.push(part),
            }
        }
    }

    pub(super) fn stored(&mut self, now_ms: u64) {
        // While the disk is slow nobody is asked.
        self.delivered_ms = now_ms;
        self.unstored = self.unstored.saturating_sub(1);
        self.stored += 1;
    }

    pub(super) fn stored_count(&self) -> u64 {
        self.stored
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Whether nobody has delivered any of the state for too long, though it is wanted.
    pub(super) fn is_lost(&self, now_ms: u64) -> bool {
        let is_wanted = self.unstored == 0 && self.is_open;
        is_wanted && now_ms.saturating_sub(self.delivered_ms) >= TARGET_LOST_MS
    }

    /// What to ask a peer next.
    pub(super) fn next_request(&mut self, peer: &P, has_others: bool) -> Option<Request> {
        let block = self.target.block;
        if self.block.is_none() && !self.is_block_asked {
            self.is_block_asked = true;
            return Some(Request::Block(block));
        }
        if self.asked + self.unstored >= PIECES_MAX {
            return None;
        }
        let may = |part: &PathPrefix| !has_others || self.avoided.get(part) != Some(peer);
        let place = self.waiting.iter().rposition(may)?;
        let prefix = self.waiting.remove(place);
        self.asked += 1;
        Some(Request::Piece { block, prefix })
    }

    /// A question was not answered well.
    pub(super) fn give_back(&mut self, request: &Request, peer: P) {
        match request {
            Request::Block(block) if *block == self.target.block => self.is_block_asked = false,
            Request::Piece { block, prefix } if *block == self.target.block => {
                self.asked = self.asked.saturating_sub(1);
                self.avoided.insert(*prefix, peer);
                self.waiting.push(*prefix);
            }
            _ => {}
        }
    }

    pub(super) fn on_block(&mut self, now_ms: u64, peer: P, block: Block) -> Vec<(P, Fault)> {
        self.is_block_asked = false;
        let is_it = block.hash() == self.target.block
            && runtime::extrinsics_root(&block.body) == block.header.extrinsics_root;
        if !is_it {
            return vec![(peer, Fault::OtherBlock)];
        }
        self.delivered_ms = now_ms;
        self.block = Some(block);
        Vec::new()
    }

    pub(super) fn on_chunk(
        &mut self,
        now_ms: u64,
        peer: P,
        prefix: PathPrefix,
        chunk: StateChunk,
        out: &mut Vec<Output<P>>,
    ) -> Vec<(P, Fault)> {
        let chunk = match chunk.verify(&self.target.root, &prefix) {
            Ok(chunk) => chunk,
            Err(error) => {
                let block = self.target.block;
                self.give_back(&Request::Piece { block, prefix }, peer);
                return vec![(peer, Fault::Chunk(error))];
            }
        };
        self.asked = self.asked.saturating_sub(1);
        self.avoided.remove(&prefix);
        self.unstored += 1;
        self.delivered_ms = now_ms;
        let bytes = chunk.bytes();
        out.push(Output::Put(chunk));
        self.judge_splits(prefix, bytes)
    }

    /// Halves a part on a peer's word, which is judged once the halves are there.
    pub(super) fn on_too_large(&mut self, peer: P, prefix: PathPrefix) -> Vec<(P, Fault)> {
        if self.split.len() >= SPLITS_MAX {
            let block = self.target.block;
            self.give_back(&Request::Piece { block, prefix }, peer);
            return Vec::new();
        }
        self.asked = self.asked.saturating_sub(1);
        self.avoided.remove(&prefix);
        let Some([left, right]) = prefix.halves() else {
            // A whole path has one entry at most, and one may have any size.
            self.waiting.push(prefix);
            return vec![(peer, Fault::FalselyTooLarge)];
        };
        self.split.insert(prefix, Split { by: peer, bytes: [None; 2] });
        for half in [right, left] {
            // Who halves everything is not asked again for what came of it.
            self.avoided.insert(half, peer);
            self.waiting.push(half);
        }
        Vec::new()
    }

    /// A part has so many bytes. If both halves of one that was said to be too large are known, whoever said so told the
    /// truth or not.
    fn judge_splits(&mut self, mut prefix: PathPrefix, mut bytes: usize) -> Vec<(P, Fault)> {
        let mut liars = Vec::new();
        while let Some(parent) = prefix.parent()
            && let Some(split) = self.split.get_mut(&parent)
        {
            let is_right = parent.halves().is_some_and(|[_, right]| right == prefix);
            split.bytes[usize::from(is_right)] = Some(bytes);
            let [Some(left), Some(right)] = split.bytes else { break };
            bytes = left + right;
            if bytes <= CHUNK_BYTES_MAX {
                liars.push((split.by, Fault::FalselyTooLarge));
            }
            self.split.remove(&parent);
            prefix = parent;
        }
        liars
    }

    /// What the chain begins with, once all is there.
    pub(super) fn finish(&mut self) -> Option<(Block, Certificate)> {
        let is_whole =
            self.is_open && self.waiting.is_empty() && self.asked == 0 && self.unstored == 0;
        let block = if is_whole { self.block.take() } else { None };
        block.map(|block| (block, self.certificate.clone()))
    }
}
