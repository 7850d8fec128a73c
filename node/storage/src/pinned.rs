//! The state column as it stands at one moment.

use crate::{
    columns::STATE,
    database::{Db, column},
};
use primitives::RawValue;
use rocksdb::{ColumnFamily, DBRawIteratorWithThreadMode, ReadOptions, SnapshotWithThreadMode};
use self_cell::self_cell;
use std::{fmt, sync::Arc};

/// A RocksDB snapshot and all that a read through it needs, made once so that a read allocates
/// nothing but its answer.
struct View<'a> {
    snapshot: SnapshotWithThreadMode<'a, Db>,
    state: &'a ColumnFamily,
    reads: ReadOptions,
}

/// Walks over the column.
pub(crate) type Iter<'a> = DBRawIteratorWithThreadMode<'a, Db>;

self_cell! {
    /// The state column at one moment; it keeps the database open.
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
    /// Pins the state column as it is now.
    pub(crate) fn now(db: Arc<Db>) -> Self {
        Self::new(db, |db| {
            let snapshot = db.snapshot();
            let mut reads = ReadOptions::default();
            reads.set_snapshot(&snapshot);
            View { snapshot, state: column(db, STATE), reads }
        })
    }

    /// # Panics
    ///
    /// If the database cannot be read: that ends the process and is never an outcome.
    pub(crate) fn get(&self, key: &[u8]) -> Option<RawValue> {
        let view = self.borrow_dependent();
        let value = self.borrow_owner().get_pinned_cf_opt(view.state, key, &view.reads);
        value.expect("the database can be read").map(|value| value.to_vec())
    }

    /// An iterator that stands at the first key from `start` on; it does not look far beyond the
    /// keys that start with `prefix`.
    pub(crate) fn iterator(&self, start: &[u8], prefix: &[u8]) -> Iter<'_> {
        let view = self.borrow_dependent();
        let mut reads = ReadOptions::default();
        if let Some(end) = after_prefix(prefix) {
            reads.set_iterate_upper_bound(end);
        }
        let mut iterator = view.snapshot.raw_iterator_cf_opt(view.state, reads);
        iterator.seek(start);
        iterator
    }
}

/// The smallest key greater than all that start with `prefix`; `None` if there is none.
fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}
