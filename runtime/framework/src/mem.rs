//! State in memory: for genesis, tests and small overlays.

use primitives::{RawKey, RawValue, StateRead, Writes};
use std::{collections::BTreeMap, ops::Bound};

/// A whole state in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemState {
    /// Every key with its value.
    pub map: BTreeMap<RawKey, RawValue>,
}

impl MemState {
    /// Applies what a transaction, hook or block changed.
    pub fn apply(&mut self, writes: &Writes) {
        for (key, value) in writes {
            match value {
                Some(value) => self.map.insert(key.clone(), value.clone()),
                None => self.map.remove(key),
            };
        }
    }
}

/// The first entry whose key is greater than `after` and starts with `prefix`.
pub(crate) fn first_after<'a, V>(
    map: &'a BTreeMap<RawKey, V>,
    prefix: &[u8],
    after: &[u8],
) -> Option<(&'a RawKey, &'a V)> {
    let start = if after < prefix { Bound::Included(prefix) } else { Bound::Excluded(after) };
    map.range::<[u8], _>((start, Bound::Unbounded))
        .next()
        .filter(|(key, _)| key.starts_with(prefix))
}

impl StateRead for MemState {
    fn get(&self, key: &[u8]) -> Option<RawValue> {
        self.map.get(key).cloned()
    }

    fn next_key(&self, prefix: &[u8], after: &[u8]) -> Option<RawKey> {
        first_after(&self.map, prefix, after).map(|(key, _)| key.clone())
    }
}
