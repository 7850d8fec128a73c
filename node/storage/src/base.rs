//! The state below all overlays: the state column at the flushed height.

use crate::{
    cache::Cache,
    database::Db,
    pinned::{Iter, Pinned},
};
use primitives::RawValue;
use std::{hash::RandomState, sync::Arc};

/// The state column at one moment, and what is known of it without a look into the database.
#[derive(Debug)]
pub(crate) struct Base {
    pinned: Pinned,
    cache: Arc<Cache>,
    epoch: u64,
}

impl Base {
    /// The column as it is now, with a cache of so many bytes for it and for what follows it.
    pub(crate) fn first(db: Arc<Db>, cache_bytes: usize) -> Self {
        Self { pinned: Pinned::now(db), cache: Arc::new(Cache::new(cache_bytes)), epoch: 0 }
    }

    /// The column as it is now, after these changes were written to it.
    pub(crate) fn next<'a>(
        &self,
        db: Arc<Db>,
        changes: impl IntoIterator<Item = (&'a [u8], Option<&'a [u8]>)>,
    ) -> Self {
        let epoch = self.epoch + 1;
        self.cache.advance(epoch, changes);
        Self { pinned: Pinned::now(db), cache: self.cache.clone(), epoch }
    }

    /// Lets the cache know what the column has under a key, while there is room: reads soon after a start find it.
    pub(crate) fn warm(&self, key: &[u8], value: &[u8]) {
        self.cache.warm(key, value);
    }

    /// What hashes are made with, here and in all overlays.
    pub(crate) fn hasher(&self) -> &RandomState {
        self.cache.hasher()
    }

    /// The value under a key whose hash is `hash`.
    pub(crate) fn get(&self, hash: u64, key: &[u8]) -> Option<RawValue> {
        if let Some(known) = self.cache.get(self.epoch, hash, key) {
            return known;
        }
        let value = self.pinned.get(key);
        self.cache.add(self.epoch, hash, key, value.as_deref());
        value
    }

    /// See [`Pinned::iterator`].
    pub(crate) fn iterator(&self, start: &[u8], prefix: &[u8]) -> Iter<'_> {
        self.pinned.iterator(start, prefix)
    }
}
