//! Immutable views of the state, for any number of threads and without a lock.

use crate::{base::Base, overlay::Overlay, pinned::Iter};
use primitives::{Hash, Height, RawKey, RawValue, StateRead, crypto::hash::twox_128};
use std::{hash::BuildHasher, ops::Deref, sync::Arc};

/// Raw key of `System.Events`. The tree has a leaf for it, but its value is written once, to the
/// column of events: it is never in the state column nor in a block's changes.
pub const EVENTS_KEY: [u8; 32] = {
    let (pallet, item) = (twox_128("System"), twox_128("Events"));
    let mut key = [0; 32];
    let mut at = 0;
    while at < 16 {
        key[at] = pallet[at];
        key[at + 16] = item[at];
        at += 1;
    }
    key
};

/// The state after some block, committed or only staged.
#[derive(Clone, Debug)]
pub struct StateView {
    base: Arc<Base>,
    /// What came after the base, the newest first.
    overlays: Arc<[Arc<Overlay>]>,
    /// Value of `System.Events`; empty if it has none.
    events: Arc<Vec<u8>>,
    /// Number of the block.
    height: Height,
}

/// The state after a committed block.
#[derive(Clone, Debug)]
pub struct Snapshot {
    view: StateView,
    /// Height of the block.
    pub height: Height,
    /// Hash of the block.
    pub hash: Hash,
    /// Root of the state.
    pub root: Hash,
}

impl StateView {
    pub(crate) fn new(
        base: Arc<Base>,
        overlays: Arc<[Arc<Overlay>]>,
        events: Arc<Vec<u8>>,
        height: Height,
    ) -> Self {
        Self { base, overlays, events, height }
    }

    /// The keys that start with `prefix`, in order; with `after` only those greater than it.
    pub fn keys(&self, prefix: &[u8], after: Option<&[u8]>) -> Keys<'_> {
        // The smallest key greater than `after` is at least `after` with a zero byte appended.
        let next = after.map(|after| [after, &[0]].concat()).unwrap_or_default();
        let start = next.as_slice().max(prefix);
        let overlays = self
            .overlays
            .iter()
            .map(|overlay| {
                let entries = overlay.entries();
                &entries[entries.partition_point(|(key, _)| key.as_slice() < start)..]
            })
            .collect();
        let events = !self.events.is_empty() && EVENTS_KEY.as_slice() >= start;
        let base = self.base.iterator(start, prefix);
        Keys { base, overlays, events, prefix: prefix.to_vec() }
    }
}

impl StateRead for StateView {
    fn get(&self, key: &[u8]) -> Option<RawValue> {
        if key == EVENTS_KEY {
            return (!self.events.is_empty()).then(|| self.events.to_vec());
        }
        let hash = self.base.hasher().hash_one(key);
        match self.overlays.iter().find_map(|overlay| overlay.get(hash, key)) {
            Some(value) => value.clone(),
            None => self.base.get(self.height, hash, key),
        }
    }

    fn next_key(&self, prefix: &[u8], after: &[u8]) -> Option<RawKey> {
        self.keys(prefix, Some(after)).next()
    }
}

impl Snapshot {
    pub(crate) fn new(view: StateView, height: Height, hash: Hash, root: Hash) -> Self {
        Self { view, height, hash, root }
    }

    /// The state without the block's name.
    pub fn view(&self) -> &StateView {
        &self.view
    }
}

impl Deref for Snapshot {
    type Target = StateView;

    fn deref(&self) -> &StateView {
        &self.view
    }
}

impl StateRead for Snapshot {
    fn get(&self, key: &[u8]) -> Option<RawValue> {
        self.view.get(key)
    }

    fn next_key(&self, prefix: &[u8], after: &[u8]) -> Option<RawKey> {
        self.view.next_key(prefix, after)
    }
}

/// Keys of a view in order; see [`StateView::keys`].
pub struct Keys<'a> {
    base: Iter<'a>,
    /// What is left of each overlay, the newest first.
    overlays: Vec<&'a [(RawKey, Option<RawValue>)]>,
    /// Whether the key of events is still to come.
    events: bool,
    prefix: Vec<u8>,
}

impl Keys<'_> {
    /// Takes the smallest key that any layer has next, and whether it has a value.
    fn step(&mut self) -> Option<(RawKey, bool)> {
        self.base.status().expect("the database can be read");
        let events = self.events.then_some(EVENTS_KEY.as_slice());
        let layers = self.overlays.iter().filter_map(|entries| Some(entries.first()?.0.as_slice()));
        let key = layers.chain(events).chain(self.base.key()).min()?.to_vec();

        let mut present = None;
        for entries in &mut self.overlays {
            if let Some(((first, value), rest)) = entries.split_first()
                && *first == key
            {
                present = present.or(Some(value.is_some()));
                *entries = rest;
            }
        }
        if self.events && key == EVENTS_KEY {
            self.events = false;
        }
        if self.base.key() == Some(&key) {
            self.base.next();
        }
        Some((key, present.unwrap_or(true)))
    }
}

impl Iterator for Keys<'_> {
    type Item = RawKey;

    fn next(&mut self) -> Option<RawKey> {
        loop {
            let (key, present) = self.step()?;
            if !key.starts_with(&self.prefix) {
                return None;
            }
            if present {
                return Some(key);
            }
        }
    }
}
