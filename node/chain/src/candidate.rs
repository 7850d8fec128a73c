//! Executed blocks of the height after the head, of which at most one will be decided.

use crate::{Error, PooledTx};
use primitives::{Block, Hash, Moment};
use std::{collections::VecDeque, sync::Arc};
use storage::{Store, Unstaged};

/// Most executed blocks of one height that are kept; a proposer has one a round, so more than two are rare.
pub const CANDIDATES_MAX: usize = 4;

/// A block that was executed on the head.
pub(crate) struct Candidate {
    pub(crate) block: Arc<Block>,
    pub(crate) hash: Hash,
    pub(crate) time_ms: Moment,
    /// The body without its inherents.
    pub(crate) transactions: Vec<Arc<PooledTx>>,
    /// Hashes of the inherents, which come first in the body.
    pub(crate) inherents: Vec<Hash>,
}

/// The candidates: one is staged in the store, the others are set aside with what staging them takes.
#[derive(Default)]
pub(crate) struct Candidates {
    staged: Option<Candidate>,
    /// The oldest first.
    aside: VecDeque<(Candidate, Unstaged)>,
}

impl Candidates {
    pub(crate) fn get(&self, hash: &Hash) -> Option<&Candidate> {
        let aside = self.aside.iter().map(|(candidate, _)| candidate);
        self.staged.iter().chain(aside).find(|candidate| candidate.hash == *hash)
    }

    /// Sets the staged one aside, so that another block can be staged on the head.
    pub(crate) fn clear_stage(&mut self, store: &mut Store) {
        let Some(candidate) = self.staged.take() else { return };
        let unstaged = store.unstage().expect("the store has staged what is staged here");
        self.aside.push_back((candidate, unstaged));
        if self.aside.len() >= CANDIDATES_MAX {
            self.aside.pop_front();
        }
    }

    /// Adds the block that was just staged, after [`Self::clear_stage`].
    pub(crate) fn add_staged(&mut self, candidate: Candidate) {
        assert!(self.staged.is_none(), "the stage was cleared before it was used");
        self.staged = Some(candidate);
    }

    /// Puts the block with this hash on the stage.
    pub(crate) fn stage(&mut self, store: &mut Store, hash: &Hash) -> Result<&Candidate, Error> {
        if self.staged.as_ref().is_none_or(|staged| staged.hash != *hash) {
            let place = self.aside.iter().position(|(candidate, _)| candidate.hash == *hash);
            let place = place.ok_or(Error::UnknownBlock(*hash))?;
            let (candidate, unstaged) = self.aside.remove(place).expect("found at this place");
            self.clear_stage(store);
            store.restage(unstaged)?;
            self.staged = Some(candidate);
        }
        Ok(self.staged.as_ref().expect("staged just now or before"))
    }

    /// Ends the height: gives out the staged one, which was committed, and forgets the others.
    pub(crate) fn finish(&mut self) -> Candidate {
        self.aside.clear();
        self.staged.take().expect("a block is staged when it is committed")
    }
}
