//! The state below all overlays: the state column at the flushed height.

use crate::{
    cache::Cache,
    database::Db,
    pinned::{Iter, Pinned},
};
use primitives::{Height, RawValue};
use std::{hash::RandomState, sync::Arc};

/// The state column at one moment, and what is known of it without a look into the database.
#[derive(Debug)]
pub(crate) struct Base {
    pinned: Pinned,
    cache: Arc<Cache>,
}

impl Base {
    /// The column as it is now, with a cache of so many bytes for it and for what follows it.
    pub(crate) fn first(db: Arc<Db>, cache_bytes: usize) -> Self {
        Self { pinned: Pinned::now(db), cache: Arc::new(Cache::new(cache_bytes)) }
    }

    /// The column as it is now, after these changes up to a height were written to it.
    pub(crate) fn next<'a>(
        &self,
        db: Arc<Db>,
        height: Height,
        changes: impl IntoIterator<Item = (&'a [u8], Option<&'a [u8]>)>,
    ) -> Self {
        self.cache.advance(height, changes);
        Self { pinned: Pinned::now(db), cache: self.cache.clone() }
    }

    /// Lets the cache know what the column has under a key, while there is room: reads soon after a start find it.
    pub(crate) fn warm(&self, key: &[u8], value: &[u8]) {
        self.cache.warm(key, value);
    }

    /// What hashes are made with, here and in all overlays.
    pub(crate) fn hasher(&self) -> &RandomState {
        self.cache.hasher()
    }

    /// What a view of the block at `height` finds under a key, whose hash is `hash`, that its overlays do not have.
    pub(crate) fn get(&self, height: Height, hash: u64, key: &[u8]) -> Option<RawValue> {
        if let Some(known) = self.cache.get(height, hash, key) {
            return known;
        }
        let value = self.pinned.get(key);
        self.cache.add(height, hash, key, value.as_deref());
        value
    }

    /// See [`Pinned::iterator`].
    pub(crate) fn iterator(&self, start: &[u8], prefix: &[u8]) -> Iter<'_> {
        self.pinned.iterator(start, prefix)
    }
}
