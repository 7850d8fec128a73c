//! Values of the state column that were read or flushed lately, so that a read of an account that is in use does not
//! search the database's files.

use ahash::RandomState;
use hashbrown::HashTable;
use primitives::{Height, RawValue};
use std::{
    fmt,
    mem::size_of,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Parts with a lock of their own.
const SHARDS: usize = 64;
/// Memory that an entry takes beside its key and value: its place in the table, which is at most 7/8 full and grows by
/// doubling, and the allocator's rounding.
const ENTRY_OVERHEAD: usize = 2 * size_of::<Entry>() + 16;

/// The column's values at the flushed height. A view of a block below that height finds nothing here and reads its own
/// snapshot of the database, so a value never reaches a view that it is too new for; nor does such a view add what it
/// reads, which may be too old. All other views may use it, even those that lie on an earlier snapshot: what changed
/// between that and the flushed height stands in their overlays, so they do not ask for it here.
pub(crate) struct Cache {
    shards: Vec<Mutex<Shard>>,
    hasher: RandomState,
}

/// Two generations: when the young one is full it becomes the old one, and the old one is forgotten. What is found in
/// the old one moves to the young one.
#[derive(Default)]
struct Shard {
    /// The flushed height.
    height: Height,
    young: HashTable<Entry>,
    old: HashTable<Entry>,
    young_bytes: usize,
    young_bytes_max: usize,
}

struct Entry {
    hash: u64,
    /// The key, and after it the value if there is one.
    bytes: Box<[u8]>,
    key_len: u32,
    is_present: bool,
}

impl Cache {
    /// An empty cache that takes about so many bytes at most.
    pub(crate) fn new(bytes_max: usize) -> Self {
        let young_bytes_max = bytes_max / SHARDS / 2;
        let shard = || Mutex::new(Shard { young_bytes_max, ..Shard::default() });
        let shards = std::iter::repeat_with(shard).take(SHARDS).collect();
        Self { shards, hasher: RandomState::new() }
    }

    /// What makes the hashes that are asked for.
    pub(crate) fn hasher(&self) -> &RandomState {
        &self.hasher
    }

    /// What a view of the block at `height` finds under a key that its overlays do not have, or `Some(None)` if there is
    /// no value; `None` if it is not known here.
    pub(crate) fn get(&self, height: Height, hash: u64, key: &[u8]) -> Option<Option<RawValue>> {
        let mut shard = self.shard(hash);
        if shard.height > height {
            return None;
        }
        Some(shard.find(hash, key)?.value().map(<[u8]>::to_vec))
    }

    /// Remembers what a view of the block at `height` read below its overlays.
    pub(crate) fn add(&self, height: Height, hash: u64, key: &[u8], value: Option<&[u8]>) {
        let mut shard = self.shard(hash);
        if shard.height <= height {
            shard.insert(Entry::new(hash, key, value));
        }
    }

    /// Remembers a value that nobody asked for yet, as long as nothing else must go for it.
    pub(crate) fn warm(&self, key: &[u8], value: &[u8]) {
        let hash = self.hasher.hash_one(key);
        let mut shard = self.shard(hash);
        let entry = Entry::new(hash, key, Some(value));
        if shard.has_room(&entry) {
            shard.insert(entry);
        }
    }

    /// Raises the flushed height: views below it neither see nor add anything from here on. All changes that lead to it
    /// follow by [`Self::replace`], and no view may lie on it before that.
    pub(crate) fn raise(&self, height: Height) {
        for shard in &self.shards {
            lock(shard).height = height;
        }
    }

    /// Changes a key's value to the one at the flushed height. Says whether it had one, which takes the place of what
    /// `previous` has; `None` if that is not known here.
    pub(crate) fn replace(
        &self,
        key: &[u8],
        value: Option<&[u8]>,
        previous: &mut Vec<u8>,
    ) -> Option<bool> {
        let hash = self.hasher.hash_one(key);
        self.shard(hash).replace(hash, key, value, previous)
    }

    fn shard(&self, hash: u64) -> MutexGuard<'_, Shard> {
        // The tables use the lowest and the highest bits.
        lock(&self.shards[(hash >> 32) as usize % SHARDS])
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").finish_non_exhaustive()
    }
}

impl Shard {
    fn find(&mut self, hash: u64, key: &[u8]) -> Option<&Entry> {
        if self.young.find(hash, |entry| entry.key() == key).is_none() {
            let old = self.old.find_entry(hash, |entry| entry.key() == key).ok()?;
            let (entry, _) = old.remove();
            self.insert(entry);
        }
        self.young.find(hash, |entry| entry.key() == key)
    }

    /// Puts a value in the place of the one before; most are as long as that, and then nothing is allocated.
    fn replace(
        &mut self,
        hash: u64,
        key: &[u8],
        value: Option<&[u8]>,
        previous: &mut Vec<u8>,
    ) -> Option<bool> {
        let mut tell = |known: &Entry| {
            previous.clear();
            previous.extend_from_slice(known.value().unwrap_or_default());
            known.is_present
        };
        let young = self.young.find_mut(hash, |entry| entry.key() == key);
        let was_present = match young {
            Some(known) => {
                let was_present = tell(known);
                if known.replace(value) {
                    return Some(was_present);
                }
                Some(was_present)
            }
            None => self.old.find(hash, |entry| entry.key() == key).map(tell),
        };
        self.insert(Entry::new(hash, key, value));
        was_present
    }

    /// Whether nothing is forgotten for one more entry.
    fn has_room(&self, entry: &Entry) -> bool {
        self.young_bytes + entry.cost() <= self.young_bytes_max || self.old.is_empty()
    }

    fn insert(&mut self, entry: Entry) {
        if self.young_bytes + entry.cost() > self.young_bytes_max {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        self.young_bytes += entry.cost();
        match self.young.find_mut(entry.hash, |other| other.key() == entry.key()) {
            Some(known) => {
                self.young_bytes -= known.cost();
                *known = entry;
            }
            None => {
                self.young.insert_unique(entry.hash, entry, |entry| entry.hash);
            }
        }
    }
}

impl Entry {
    fn new(hash: u64, key: &[u8], value: Option<&[u8]>) -> Self {
        let key_len = u32::try_from(key.len()).expect("keys are far shorter than 4 GiB");
        let bytes = [key, value.unwrap_or_default()].concat().into_boxed_slice();
        Self { hash, bytes, key_len, is_present: value.is_some() }
    }

    /// Takes over a value as long as its own; whether it is.
    fn replace(&mut self, value: Option<&[u8]>) -> bool {
        let own = &mut self.bytes[self.key_len as usize..];
        let Some(value) = value.filter(|value| self.is_present && value.len() == own.len()) else {
            return false;
        };
        own.copy_from_slice(value);
        true
    }

    fn key(&self) -> &[u8] {
        &self.bytes[..self.key_len as usize]
    }

    fn value(&self) -> Option<&[u8]> {
        self.is_present.then(|| &self.bytes[self.key_len as usize..])
    }

    fn cost(&self) -> usize {
        self.bytes.len() + ENTRY_OVERHEAD
    }
}

/// What a panic elsewhere leaves behind is whole: each change is one insertion.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
