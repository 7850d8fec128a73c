//! How all code above the database reads chain state.

use std::collections::BTreeMap;

/// A storage key as it stands in state.
pub type RawKey = Vec<u8>;
/// A stored value's SCALE bytes.
pub type RawValue = Vec<u8>;
/// What a transaction, hook or block changed: the new value by key, `None` where it was deleted.
pub type Writes = BTreeMap<RawKey, Option<RawValue>>;

/// Read access to the state at one block.
///
/// A fault of the database panics: it ends the process and is never an outcome of a transition.
pub trait StateRead {
    /// The value under `key`.
    fn get(&self, key: &[u8]) -> Option<RawValue>;
    /// The smallest key that is greater than `after` and starts with `prefix`.
    fn next_key(&self, prefix: &[u8], after: &[u8]) -> Option<RawKey>;
}
