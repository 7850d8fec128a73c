//! Where the write-ahead log and the guard's record are kept.

mod file;
mod memory;

pub use file::{FileStore, RecordFile, StoreError};
pub use memory::MemoryStore;

use crate::wal::Record;

/// What a store held when it was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// The log's records.
    pub records: Vec<Record>,
    /// The guard's record, if there is one.
    pub guard: Option<Vec<u8>>,
}

/// Keeps what must survive a crash. After an error nothing is known about the disk any more: the
/// caller stops the process, and never tries again.
pub trait Store {
    /// What went wrong.
    type Error: std::error::Error;

    /// Append to the log and sync it.
    fn append_wal(&mut self, bytes: &[u8]) -> Result<(), Self::Error>;

    /// Replace the guard's record as a whole or not at all, and sync it.
    fn write_guard(&mut self, record: &[u8]) -> Result<(), Self::Error>;

    /// Forget the log: its height is durable. Need not be synced, as records of old heights are
    /// skipped.
    fn reset_wal(&mut self) -> Result<(), Self::Error>;
}
