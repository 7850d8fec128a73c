//! The blocks of a height. Malachite decides on hashes; what they stand for is kept here.
//!
//! A block is looked at only once a signed proposal of the round's proposer names it: Malachite
//! keeps two values for each round, and a third, by whomever, would push an honest one out.

use crate::message::{Body, Bytes, Proposal};
use primitives::{AccountId, Hash, Height};
use std::collections::BTreeMap;

/// Most blocks of one height: beyond, the one of the earliest round goes, unless it is the one to
/// propose again.
const HELD_MAX: usize = 16;
/// Most blocks that one proposer can name in one round.
const NAMED_PER_ROUND_MAX: usize = 2;
/// Most blocks that wait for their proposal or their height.
const EARLY_MAX: usize = 4;

/// What a proposal says of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) round: u32,
    pub(crate) pol_round: Option<u32>,
    pub(crate) proposer: AccountId,
}

/// How far a block is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Nobody looks at it.
    Idle,
    /// The chain checks it.
    Checking,
    /// Its validity is known.
    Checked,
}

#[derive(Debug)]
struct Held {
    round: u32,
    bytes: Bytes,
    progress: Progress,
}

/// What to do about a block now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Let the chain check it.
    Check(Named, Bytes),
    /// Ask peers for it.
    Want,
    /// Nothing.
    Wait,
}

#[derive(Debug, Default)]
pub(crate) struct Bodies {
    named: BTreeMap<Hash, Named>,
    held: BTreeMap<Hash, Held>,
    early: Vec<Body>,
}

impl Bodies {
    /// Forget the height before; blocks that came too early stay.
    pub(crate) fn start_height(&mut self, height: Height) {
        self.named.clear();
        self.held.clear();
        self.early.retain(|body| body.height >= height);
    }

    /// Keep a block for which no proposal is known yet; the oldest gives way.
    pub(crate) fn put_early(&mut self, body: Body) {
        if self.early.contains(&body) {
            return;
        }
        if self.early.len() >= EARLY_MAX {
            self.early.remove(0);
        }
        self.early.push(body);
    }

    /// A verified proposal names a block. `keep` is the block that may have to be proposed again.
    pub(crate) fn name(&mut self, proposal: &Proposal, keep: Option<Hash>) -> Next {
        let Proposal { height, round, block, pol_round, proposer } = *proposal;
        let named = Named { round, pol_round, proposer };
        let in_round = self.named.values().filter(|named| named.round == round).count();
        if !self.named.contains_key(&block) && in_round >= NAMED_PER_ROUND_MAX {
            return Next::Wait;
        }
        self.named.entry(block).or_insert(named);
        if self.named.len() > 2 * HELD_MAX
            && let Some(oldest) = self.oldest_named(keep)
        {
            self.named.remove(&oldest);
        }
        if !self.held.contains_key(&block) {
            let place = self.early.iter().position(|b| b.height == height && b.block == block);
            let Some(place) = place else { return Next::Want };
            let body = self.early.remove(place);
            self.hold(block, round, body.bytes, Progress::Idle, keep);
        }
        self.check_if_idle(block)
    }

    /// A peer sent a block of the current height.
    pub(crate) fn receive(&mut self, body: Body, keep: Option<Hash>) -> Next {
        let block = body.block;
        let Some(named) = self.named.get(&block).copied() else {
            self.put_early(body);
            return Next::Wait;
        };
        if !self.held.contains_key(&block) {
            self.hold(block, named.round, body.bytes, Progress::Idle, keep);
        }
        self.check_if_idle(block)
    }

    /// Keep a block of the current height.
    pub(crate) fn hold(
        &mut self,
        block: Hash,
        round: u32,
        bytes: Bytes,
        progress: Progress,
        keep: Option<Hash>,
    ) {
        self.held.insert(block, Held { round, bytes, progress });
        if self.held.len() > HELD_MAX {
            let others =
                self.held.iter().filter(|(hash, _)| Some(**hash) != keep && **hash != block);
            let oldest = others.min_by_key(|(_, held)| held.round).map(|(hash, _)| *hash);
            if let Some(oldest) = oldest {
                self.held.remove(&oldest);
            }
        }
    }

    /// A block is proved to be final. Its bytes, to be checked: those that are held, or else these.
    pub(crate) fn check_final(
        &mut self,
        block: Hash,
        round: u32,
        bytes: Bytes,
        keep: Option<Hash>,
    ) -> Bytes {
        let bytes = self.get(&block).unwrap_or(bytes);
        self.hold(block, round, Bytes::clone(&bytes), Progress::Checking, keep);
        bytes
    }

    /// The chain knows whether the block is valid. The block, if it was being checked.
    pub(crate) fn finish_check(&mut self, block: &Hash) -> Option<(Option<Named>, u32, Bytes)> {
        let held = self.held.get_mut(block).filter(|h| h.progress == Progress::Checking)?;
        held.progress = Progress::Checked;
        Some((self.named.get(block).copied(), held.round, held.bytes.clone()))
    }

    /// The bytes are not the block that they were said to be.
    pub(crate) fn drop_forged(&mut self, block: &Hash) -> bool {
        let checking = self.held.get(block).is_some_and(|h| h.progress == Progress::Checking);
        checking && self.held.remove(block).is_some()
    }

    /// A block's bytes.
    pub(crate) fn get(&self, block: &Hash) -> Option<Bytes> {
        self.held.get(block).map(|held| held.bytes.clone())
    }

    fn check_if_idle(&mut self, block: Hash) -> Next {
        let named = self.named.get(&block).copied();
        let held = self.held.get_mut(&block).filter(|held| held.progress == Progress::Idle);
        let (Some(named), Some(held)) = (named, held) else { return Next::Wait };
        held.progress = Progress::Checking;
        Next::Check(named, held.bytes.clone())
    }

    fn oldest_named(&self, keep: Option<Hash>) -> Option<Hash> {
        let others = self.named.iter().filter(|(block, _)| Some(**block) != keep);
        others.min_by_key(|(_, named)| named.round).map(|(block, _)| *block)
    }
}
