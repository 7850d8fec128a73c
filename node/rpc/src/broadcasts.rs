//! Transactions that a connection wants in the chain.

use crate::config::BROADCASTS_MAX;
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
    /// Whoever works on one is told when its sender goes.
    running: BTreeMap<u64, oneshot::Sender<()>>,
}

impl Broadcasts {
    /// Begins one: its name, and what resolves when it is to end. `None` if there are [`BROADCASTS_MAX`].
    pub fn begin(&self) -> Option<(String, oneshot::Receiver<()>)> {
        let mut state = self.state();
        if state.running.len() >= BROADCASTS_MAX {
            return None;
        }
        let (running, ended) = oneshot::channel();
        let id = state.begun;
        state.begun += 1;
        state.running.insert(id, running);
        Some((id.to_string(), ended))
    }

    /// Ends one; whether there was one of this name.
    pub fn stop(&self, name: &str) -> bool {
        let mut state = self.state();
        name.parse().is_ok_and(|id: u64| state.running.remove(&id).is_some())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic inside leaves the map whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
