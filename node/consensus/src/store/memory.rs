//! A store in memory, for simulations of crashes.

use super::{Recovered, Store};
use crate::wal::{self, WalError};
use std::convert::Infallible;

/// A disk that only this process sees.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryStore {
    wal: Vec<u8>,
    guard: Option<Vec<u8>>,
}

impl MemoryStore {
    /// What a node that starts finds. A torn end of the log is cut off.
    pub fn recover(&mut self) -> Result<Recovered, WalError> {
        let log = wal::read(&self.wal)?;
        self.wal.truncate(log.good_bytes);
        Ok(Recovered { records: log.records, guard: self.guard.clone() })
    }

    /// Append only the first `kept` bytes, as a crash within an append does.
    pub fn append_torn(&mut self, bytes: &[u8], kept: usize) {
        self.wal.extend_from_slice(&bytes[..kept.min(bytes.len())]);
    }

    /// Lose the log.
    pub fn lose_wal(&mut self) {
        self.wal.clear();
    }

    /// Lose the guard's record.
    pub fn lose_guard(&mut self) {
        self.guard = None;
    }
}

impl Store for MemoryStore {
    type Error = Infallible;

    fn append_wal(&mut self, bytes: &[u8]) -> Result<(), Infallible> {
        self.wal.extend_from_slice(bytes);
        Ok(())
    }

    fn write_guard(&mut self, record: &[u8]) -> Result<(), Infallible> {
        self.guard = Some(record.to_vec());
        Ok(())
    }

    fn reset_wal(&mut self) -> Result<(), Infallible> {
        self.wal.clear();
        Ok(())
    }
}
