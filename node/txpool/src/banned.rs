//! Transactions that a block showed to be invalid and that need not be tried again soon.

use crate::config::{BANNED_BLOCKS, BANNED_MAX};
use primitives::{Hash, Height};
use std::collections::{HashSet, VecDeque};

#[derive(Debug, Default)]
pub(crate) struct Banned {
    hashes: HashSet<Hash>,
    /// In the order of the ban, with the height at which it ends.
    ends: VecDeque<(Height, Hash)>,
}

impl Banned {
    pub(crate) fn contains(&self, hash: &Hash) -> bool {
        self.hashes.contains(hash)
    }

    pub(crate) fn add(&mut self, hash: Hash, height: Height) {
        if !self.hashes.insert(hash) {
            return;
        }
        self.ends.push_back((height.saturating_add(BANNED_BLOCKS), hash));
        if self.ends.len() > BANNED_MAX {
            self.forget_oldest();
        }
    }

    /// Ends the bans that a new head has outlived.
    pub(crate) fn on_head(&mut self, height: Height) {
        while self.ends.front().is_some_and(|(end, _)| *end <= height) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((_, hash)) = self.ends.pop_front() {
            self.hashes.remove(&hash);
        }
    }
}
