//! Transactions that a connection wants in the chain.

use crate::config::{BROADCAST_BYTES_MAX, BROADCASTS_MAX};
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};
use tokio::sync::oneshot;

/// What a connection has under way; it ends with the connection.
#[derive(Debug, Default)]
pub(crate) struct Broadcasts(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    begun: u64,
    /// With their bytes; whoever works on one is told when its sender goes.
    running: BTreeMap<u64, (usize, oneshot::Sender<()>)>,
    /// Bytes of all that run.
    bytes: usize,
}

impl Broadcasts {
    /// Begins one of so many bytes: its name, and what resolves when it is to end. `None` if there are
    /// [`BROADCASTS_MAX`], or they would have more than [`BROADCAST_BYTES_MAX`].
    pub fn begin(&self, bytes: usize) -> Option<(String, oneshot::Receiver<()>)> {
        let mut state = self.state();
        let all_bytes = state.bytes.checked_add(bytes)?;
        if state.running.len() >= BROADCASTS_MAX || all_bytes > BROADCAST_BYTES_MAX {
            return None;
        }
        let (running, ended) = oneshot::channel();
        let id = state.begun;
        state.begun += 1;
        state.bytes = all_bytes;
        state.running.insert(id, (bytes, running));
        Some((id.to_string(), ended))
    }

    /// Ends one; whether there was one of this name.
    pub fn stop(&self, name: &str) -> bool {
        let mut state = self.state();
        let Some((bytes, _)) = name.parse().ok().and_then(|id: u64| state.running.remove(&id))
        else {
            return false;
        };
        state.bytes -= bytes;
        true
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic inside leaves the map whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
