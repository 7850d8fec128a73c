//! What one block changed, in memory until the state column holds it.

use ahash::RandomState;
use hashbrown::HashTable;
use primitives::{RawKey, RawValue, Writes};
use std::sync::Arc;

/// The changes of one block: found by hash for reads, in key order for scans.
#[derive(Debug)]
pub(crate) struct Overlay {
    /// Sorted by key; `None` was deleted.
    entries: Vec<(RawKey, Option<RawValue>)>,
    /// Places in `entries`, by the key's hash under the store's hasher.
    index: HashTable<u32>,
    /// The block's `System.Events`; empty if it has none.
    pub(crate) events: Arc<Vec<u8>>,
}

impl Overlay {
    pub(crate) fn new(writes: Writes, events: Vec<u8>, hasher: &RandomState) -> Self {
        let entries: Vec<_> = writes.into_iter().collect();
        let mut index = HashTable::with_capacity(entries.len());
        for (at, (key, _)) in (0..).zip(&entries) {
            let hash_of = |at: &u32| hasher.hash_one(entries[*at as usize].0.as_slice());
            index.insert_unique(hasher.hash_one(key.as_slice()), at, hash_of);
        }
        Self { entries, index, events: Arc::new(events) }
    }

    /// What the block made of a key whose hash is `hash`; `None` if it did not touch it.
    pub(crate) fn get(&self, hash: u64, key: &[u8]) -> Option<&Option<RawValue>> {
        let at = self.index.find(hash, |at| self.entries[*at as usize].0 == key)?;
        Some(&self.entries[*at as usize].1)
    }

    /// All changes in key order.
    pub(crate) fn entries(&self) -> &[(RawKey, Option<RawValue>)] {
        &self.entries
    }
}
