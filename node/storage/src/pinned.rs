//! The columns of the state and of its history as they stand at one moment.

use crate::{
    columns::{HISTORY, STATE},
    database::{Db, column},
    history::{self, Changed},
};
use primitives::{Height, RawValue};
use rocksdb::{ColumnFamily, DBRawIteratorWithThreadMode, ReadOptions, SnapshotWithThreadMode};
use self_cell::self_cell;
use std::{fmt, sync::Arc};

/// A RocksDB snapshot and all that a read through it needs, made once so that a read allocates
/// nothing but its answer.
struct View<'a> {
    snapshot: SnapshotWithThreadMode<'a, Db>,
    state: &'a ColumnFamily,
    history: &'a ColumnFamily,
    reads: ReadOptions,
}

/// Walks over a column.
pub(crate) type Iter<'a> = DBRawIteratorWithThreadMode<'a, Db>;

self_cell! {
    /// Both columns at one moment; it keeps the database open.
    pub(crate) struct Pinned {
        owner: Arc<Db>,
        #[covariant]
        dependent: View,
    }
}

impl fmt::Debug for Pinned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pinned").finish_non_exhaustive()
    }
}

impl Pinned {
    /// Pins both as they are now. The history always has what the state column has, as it is written first.
    pub(crate) fn now(db: Arc<Db>) -> Self {
        Self::new(db, |db| {
            let snapshot = db.snapshot();
            let mut reads = ReadOptions::default();
            reads.set_snapshot(&snapshot);
            View { snapshot, state: column(db, STATE), history: column(db, HISTORY), reads }
        })
    }

    /// The value in the state column.
    ///
    /// # Panics
    ///
    /// If the database cannot be read: that ends the process and is never an outcome.
    pub(crate) fn get(&self, key: &[u8]) -> Option<RawValue> {
        let view = self.borrow_dependent();
        let value = self.borrow_owner().get_pinned_cf_opt(view.state, key, &view.reads);
        value.expect("the database can be read").map(|value| value.to_vec())
    }

    /// What a key was after the block at a height, if the history knows; `None` if it did not change since.
    ///
    /// # Panics
    ///
    /// If the database cannot be read.
    pub(crate) fn before(&self, height: Height, key: &[u8]) -> Option<Option<RawValue>> {
        let view = self.borrow_dependent();
        let mut wanted = Vec::with_capacity(key.len() + 16);
        history::entry_key(key, height.saturating_add(1), &mut wanted);
        let mut reads = ReadOptions::default();
        // Files whose filter does not know the raw key are passed over.
        reads.set_prefix_same_as_start(true);
        let mut iterator = view.snapshot.raw_iterator_cf_opt(view.history, reads);
        iterator.seek(&wanted);
        let found = history::found(&iterator, &wanted);
        iterator.status().expect("the database can be read");
        found
    }

    /// An iterator over the state column that stands at the first key from `start` on; it does not look far beyond the
    /// keys that start with `prefix`.
    pub(crate) fn iterator(&self, start: &[u8], prefix: &[u8]) -> Iter<'_> {
        let view = self.borrow_dependent();
        let mut iterator = view.snapshot.raw_iterator_cf_opt(view.state, within(prefix));
        iterator.seek(start);
        iterator
    }

    /// The keys that changed after the block at a height, from `start` on, of those that start with `prefix`.
    pub(crate) fn changed(&self, height: Height, start: &[u8], prefix: &[u8]) -> Changed<'_> {
        let view = self.borrow_dependent();
        let (from, prefix) = history::scan_bounds(start, prefix);
        let mut reads = within(&prefix);
        reads.set_total_order_seek(true);
        let mut iterator = view.snapshot.raw_iterator_cf_opt(view.history, reads);
        iterator.seek(from);
        Changed::new(iterator, height)
    }
}

/// Reads that end where the keys that start with `prefix` do.
fn within(prefix: &[u8]) -> ReadOptions {
    let mut reads = ReadOptions::default();
    if let Some(end) = after_prefix(prefix) {
        reads.set_iterate_upper_bound(end);
    }
    reads
}

/// The smallest key greater than all that start with `prefix`; `None` if there is none.
fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}
