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

impl StateRead for MemState {
    fn get(&self, key: &[u8]) -> Option<RawValue> {
        self.map.get(key).cloned()
    }

    fn next_key(&self, prefix: &[u8], after: &[u8]) -> Option<RawKey> {
        self.map
            .range::<[u8], _>((Bound::Excluded(after), Bound::Unbounded))
            .next()
            .map(|(key, _)| key.clone())
            .filter(|key| key.starts_with(prefix))
    }
}
