//! Immutable views of the state, for any number of threads and without a lock.

use crate::{
    base::Base,
    columns::{EVENTS, height_key},
    database::{Db, column},
    history::Changed,
    horizon::Held,
    overlay::Overlay,
    pinned::Iter,
};
use primitives::{Hash, Height, RawKey, RawValue, StateRead, crypto::hash::twox_128};
use std::{ops::Deref, sync::Arc};

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

/// The state after some block: one of long ago, a recent one, or one that is only staged.
///
/// It never changes, and what it needs stays while it or a clone lives; see [`Snapshot`] for what a read costs.
#[derive(Clone, Debug)]
pub struct StateView {
    base: Arc<Base>,
    /// What came after the base, the newest first; none if the block is not above the base.
    overlays: Arc<[Arc<Overlay>]>,
    events: Events,
    /// Number of the block.
    height: Height,
    /// Keeps what the view needs of the history, if the base is ahead of its block.
    _held: Option<Arc<Held>>,
}

/// Where the value of `System.Events` is.
#[derive(Clone)]
pub(crate) enum Events {
    /// Here; empty if there is none.
    Known(Arc<Vec<u8>>),
    /// In its column: it may be large, and hardly anybody asks.
    Stored(Arc<Db>),
}

/// The state after a committed block, of any height that can still be read.
///
/// At the head and a few blocks below, a read costs about a microsecond if the key was in use lately, and some microseconds
/// otherwise, as a step to the next key does. At an older block both search the history first, in each file of it that is
/// not merged yet: tens of microseconds for a read or the begin of a scan on a quiet node, a millisecond or two under full
/// load, and each step also passes over the keys in its way that were made since or are gone by now.
/// So scans of old states belong on threads that may block.
///
/// While an old state is held, the history that it needs is not pruned, and files on disk stay: hold it for a request, not
/// for longer.
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
        Self { base, overlays, events: Events::Known(events), height, _held: None }
    }

    /// What the last block wrote, in key order; empty when its changes have gone into the database.
    pub fn written(&self) -> &[(RawKey, Option<RawValue>)] {
        self.overlays.first().map_or(&[], |overlay| overlay.entries())
    }

    /// The keys that start with `prefix`, in order; with `after` only those greater than it.
    pub fn keys(&self, prefix: &[u8], after: Option<&[u8]>) -> Keys<'_> {
        Keys(self.layers(prefix, after, false))
    }

    /// All keys, in order, with their values.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (RawKey, RawValue)> {
        self.layers(&[], None, true)
    }

    fn layers(&self, prefix: &[u8], after: Option<&[u8]>, with_values: bool) -> Layers<'_> {
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
        let is_in_range = EVENTS_KEY.as_slice() >= start && EVENTS_KEY.starts_with(prefix);
        let events = (is_in_range && self.events.exist(self.height)).then(|| {
            let value = with_values.then(|| self.events.get(self.height)).flatten();
            value.unwrap_or_default()
        });
        let base = self.base.iterator(start, prefix);
        let changed = self.base.changed(self.height, start, prefix);
        Layers { base, changed, overlays, events, prefix: prefix.to_vec(), with_values }
    }
}

impl StateView {
    /// The value under a key, if it is known without a look into the database: `Some(None)` if there is none. Of
    /// [`EVENTS_KEY`], whose value is large, nothing is known.
    pub fn known(&self, key: &[u8]) -> Option<Option<RawValue>> {
        if key == EVENTS_KEY {
            return None;
        }
        let hash = self.base.hasher().hash_one(key);
        let above = self.overlays.iter().find_map(|overlay| overlay.get(hash, key));
        above.cloned().or_else(|| self.base.known(self.height, hash, key))
    }
}

impl StateRead for StateView {
    fn get(&self, key: &[u8]) -> Option<RawValue> {
        if key == EVENTS_KEY {
            return self.events.get(self.height);
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

    /// The state after an earlier block, as the same base tells. `db` has its events; `hold` keeps its history, and says
    /// that it is gone by `None`.
    pub(crate) fn view_at(
        &self,
        db: &Arc<Db>,
        height: Height,
        hold: impl FnOnce() -> Option<Held>,
    ) -> Option<StateView> {
        let StateView { base, overlays, .. } = &self.view;
        let held = if base.is_ahead_of(height) { Some(Arc::new(hold()?)) } else { None };
        // There is one overlay for each block above the base.
        let above = usize::try_from(height.saturating_sub(base.height())).ok()?;
        let overlays = &overlays[overlays.len().checked_sub(above)?..];
        let events = match overlays.first() {
            Some(overlay) => Events::Known(overlay.events.clone()),
            None => Events::Stored(db.clone()),
        };
        Some(StateView {
            base: base.clone(),
            overlays: overlays.into(),
            events,
            height,
            _held: held,
        })
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

impl Events {
    /// The value after the block at a height.
    ///
    /// # Panics
    ///
    /// If the database cannot be read.
    fn get(&self, height: Height) -> Option<RawValue> {
        let value = match self {
            Self::Known(events) => events.to_vec(),
            Self::Stored(db) => {
                let value = db.get_cf(column(db, EVENTS), height_key(height));
                value.expect("the database can be read").unwrap_or_default()
            }
        };
        (!value.is_empty()).then_some(value)
    }

    fn exist(&self, height: Height) -> bool {
        match self {
            Self::Known(events) => !events.is_empty(),
            Self::Stored(_) => self.get(height).is_some(),
        }
    }
}

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Known(events) => write!(f, "{} bytes", events.len()),
            Self::Stored(_) => f.write_str("stored"),
        }
    }
}

/// Keys of a view in order; see [`StateView::keys`].
pub struct Keys<'a>(Layers<'a>);

impl Iterator for Keys<'_> {
    type Item = RawKey;

    fn next(&mut self) -> Option<RawKey> {
        Some(self.0.next()?.0)
    }
}

/// Keys of a view in order, with their values if these are wanted and else with empty ones.
struct Layers<'a> {
    base: Iter<'a>,
    /// What the base's history tells, if the base is ahead of the view.
    changed: Option<Changed<'a>>,
    /// What is left of each overlay, the newest first.
    overlays: Vec<&'a [(RawKey, Option<RawValue>)]>,
    /// The value under the key of events, if that is still to come.
    events: Option<RawValue>,
    prefix: Vec<u8>,
    with_values: bool,
}

impl Layers<'_> {
    /// Takes the smallest key that any layer has next, and what it has there.
    fn step(&mut self) -> Option<(RawKey, Option<RawValue>)> {
        self.base.status().expect("the database can be read");
        let events = self.events.as_ref().map(|_| EVENTS_KEY.as_slice());
        let layers = self.overlays.iter().filter_map(|entries| Some(entries.first()?.0.as_slice()));
        let changed = self.changed.as_ref().and_then(Changed::key);
        let key = layers.chain(events).chain(changed).chain(self.base.key()).min()?.to_vec();

        let wanted = |value: &[u8]| if self.with_values { value.to_vec() } else { Vec::new() };
        let mut found = None;
        for entries in &mut self.overlays {
            if let Some(((first, value), rest)) = entries.split_first()
                && *first == key
            {
                found = found.or_else(|| Some(value.as_deref().map(wanted)));
                *entries = rest;
            }
        }
        if key == EVENTS_KEY
            && let Some(events) = self.events.take()
        {
            found = Some(Some(events));
        }
        if let Some(changed) = &mut self.changed
            && changed.key() == Some(&key)
        {
            found = found.or_else(|| Some(changed.value().map(wanted)));
            changed.next();
        }
        if self.base.key() == Some(&key) {
            found = found.or_else(|| Some(self.base.value().map(wanted)));
            self.base.next();
        }
        Some((key, found.flatten()))
    }
}

impl Iterator for Layers<'_> {
    type Item = (RawKey, RawValue);

    fn next(&mut self) -> Option<(RawKey, RawValue)> {
        loop {
            let (key, value) = self.step()?;
            if !key.starts_with(&self.prefix) {
                return None;
            }
            if let Some(value) = value {
                return Some((key, value));
            }
        }
    }
}
