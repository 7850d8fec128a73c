//! The state below all overlays: the state column at the flushed height.

use crate::{
    cache::Cache,
    database::Db,
    history::Changed,
    pinned::{Iter, Pinned},
};
use ahash::RandomState;
use primitives::{Height, RawValue};
use std::sync::Arc;

/// The state column and its history at one moment, and what is known of them without a look into the database.
#[derive(Debug)]
pub(crate) struct Base {
    pinned: Pinned,
    /// The flushed height at that moment.
    height: Height,
    /// The column may have values of blocks up to this height: a crash can leave some above the flushed one.
    ahead: Height,
    cache: Arc<Cache>,
}

impl Base {
    /// The column as it is now at the flushed height, with a cache of so many bytes for it and for what follows it. The
    /// history is written up to `ahead`.
    pub(crate) fn first(db: Arc<Db>, height: Height, ahead: Height, cache_bytes: usize) -> Self {
        let cache = Arc::new(Cache::new(cache_bytes));
        Self { pinned: Pinned::now(db), height, ahead: ahead.max(height), cache }
    }

    /// The column as it is now at the flushed height, after [`Self::begin_next`] and [`Self::replace`] for all changes that
    /// led there.
    pub(crate) fn next(&self, db: Arc<Db>, height: Height) -> Self {
        Self { pinned: Pinned::now(db), height, ahead: height, cache: self.cache.clone() }
    }

    /// From here on the cache is for bases at a height, which is that of the last block that is being flushed: the views
    /// above have these blocks in overlays, those below look into the database.
    pub(crate) fn begin_next(&self, height: Height) {
        self.cache.raise(height);
    }

    /// Changes what is known of a key. Says whether it has a value in this base, which takes the place of what `previous`
    /// has.
    pub(crate) fn replace(&self, key: &[u8], value: Option<&[u8]>, previous: &mut Vec<u8>) -> bool {
        if let Some(is_present) = self.cache.replace(key, value, previous) {
            return is_present;
        }
        let found = self.pinned.get(key);
        let is_present = found.is_some();
        *previous = found.unwrap_or_default();
        is_present
    }

    /// The flushed height of the column: the blocks above it are in overlays.
    pub(crate) fn height(&self) -> Height {
        self.height
    }

    /// Whether views of the block at a height need the history.
    pub(crate) fn is_ahead_of(&self, height: Height) -> bool {
        height < self.ahead
    }

    /// Lets the cache know what the column has under a key, while there is room: reads soon after a start find it.
    pub(crate) fn warm(&self, key: &[u8], value: &[u8]) {
        self.cache.warm(key, value);
    }

    /// What hashes are made with, here and in all overlays.
    pub(crate) fn hasher(&self) -> &RandomState {
        self.cache.hasher()
    }

    /// What a view of the block at `height` finds under a key, whose hash is `hash`, that its overlays do not have. If
    /// the column is ahead of that block, the history tells.
    pub(crate) fn get(&self, height: Height, hash: u64, key: &[u8]) -> Option<RawValue> {
        if self.is_ahead_of(height) {
            return self.before(height, hash, key);
        }
        if let Some(known) = self.cache.get(height, hash, key) {
            return known;
        }
        let value = self.pinned.get(key);
        self.cache.add(height, hash, key, value.as_deref());
        value
    }

    fn before(&self, height: Height, hash: u64, key: &[u8]) -> Option<RawValue> {
        if let Some(value) = self.pinned.before(height, key) {
            return value;
        }
        // Old reads are rare, so the cache does not learn from them.
        let known = self.cache.get(self.ahead, hash, key);
        known.unwrap_or_else(|| self.pinned.get(key))
    }

    /// The keys that changed since the block at `height`, if the column is ahead of it; see [`Pinned::changed`].
    pub(crate) fn changed(
        &self,
        height: Height,
        start: &[u8],
        prefix: &[u8],
    ) -> Option<Changed<'_>> {
        self.is_ahead_of(height).then(|| self.pinned.changed(height, start, prefix))
    }

    /// What [`Self::get`] gives, if that is known without a look into the database.
    pub(crate) fn known(&self, height: Height, hash: u64, key: &[u8]) -> Option<Option<RawValue>> {
        if self.is_ahead_of(height) { None } else { self.cache.get(height, hash, key) }
    }

    /// See [`Pinned::iterator`].
    pub(crate) fn iterator(&self, start: &[u8], prefix: &[u8]) -> Iter<'_> {
        self.pinned.iterator(start, prefix)
    }
}
