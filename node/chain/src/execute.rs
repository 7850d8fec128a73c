//! Applying transactions so that one that panics harms nobody.

use primitives::{RawKey, RawValue, StateRead};
use runtime::{ApplyError, CheckedTx, Execution, InvalidTransaction};
use std::{
    any::Any,
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
};
use tracing::error;

/// Why a transaction does not go into a block. It has changed nothing.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    /// It cannot be included in this state.
    Invalid(InvalidTransaction),
    /// The block has no room for it.
    BlockFull,
    /// It brought execution to a panic, with this message.
    Panicked(String),
}

/// A view that knows whether a read is under way, so that a panic of the database is told from one of a transaction:
/// the first ends the process, as it must never be an outcome.
pub(crate) struct WatchedState<'a> {
    state: &'a dyn StateRead,
    is_reading: Cell<bool>,
}

impl<'a> WatchedState<'a> {
    pub(crate) fn new(state: &'a dyn StateRead) -> Self {
        Self { state, is_reading: Cell::new(false) }
    }

    /// Applies one transaction. A panic leaves the block as it was before, because what a transaction does reaches the
    /// block only once it has ended.
    pub(crate) fn apply(
        &self,
        execution: &mut Execution<'_>,
        tx: &CheckedTx,
    ) -> Result<(), Refusal> {
        match catch_unwind(AssertUnwindSafe(|| execution.apply(tx))) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(ApplyError::Invalid(reason))) => Err(Refusal::Invalid(reason)),
            Ok(Err(ApplyError::BlockFull)) => Err(Refusal::BlockFull),
            Err(panic) if self.is_reading.get() => resume_unwind(panic),
            Err(panic) => {
                let message = message_of(panic.as_ref());
                error!(tx = %tx.tx.hash, message, "transaction panicked");
                Err(Refusal::Panicked(message))
            }
        }
    }

    fn watch<R>(&self, read: impl FnOnce(&dyn StateRead) -> R) -> R {
        self.is_reading.set(true);
        let result = read(self.state);
        self.is_reading.set(false);
        result
    }
}

impl StateRead for WatchedState<'_> {
    fn get(&self, key: &[u8]) -> Option<RawValue> {
        self.watch(|state| state.get(key))
    }

    fn next_key(&self, prefix: &[u8], after: &[u8]) -> Option<RawKey> {
        self.watch(|state| state.next_key(prefix, after))
    }
}

fn message_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "a panic without a message".into())
}
