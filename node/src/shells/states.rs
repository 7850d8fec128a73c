//! The states thread: now and then makes the state after a block ready for nodes that begin with it.

use anyhow::Result;
use chain::Head;
use primitives::Height;
use storage::{Database, Exports};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// What the thread works with.
pub struct Shell {
    /// Where the states are.
    pub exports: Exports,
    /// The last final block.
    pub heads: watch::Receiver<Head>,
    /// Older states.
    pub database: Database,
    /// States are those after blocks whose heights are multiples of this, so that many nodes have the same.
    pub every: Height,
}

impl Shell {
    /// Runs until `stop` fires.
    pub fn run(mut self, stop: &CancellationToken) -> Result<()> {
        let mut made = self.exports.list().last().map_or(0, |export| export.height);
        loop {
            let head = self.heads.borrow_and_update().clone();
            let due = head.height - head.height % self.every;
            if due > made {
                made = due;
                let state = match due == head.height {
                    true => Some(head.snapshot),
                    false => self.database.state_at(&head.snapshot, due)?,
                };
                // One that can't be read any more is left to other nodes.
                if let Some(state) = state
                    && let Some(export) = self.exports.make(state, &|| stop.is_cancelled())?
                {
                    let (height, count) = (export.height, export.count());
                    tracing::info!(
                        height,
                        count,
                        bytes = export.bytes(),
                        "a state is ready for others"
                    );
                }
            }
            let changed = futures::executor::block_on(async {
                tokio::select! {
                    () = stop.cancelled() => false,
                    changed = self.heads.changed() => changed.is_ok(),
                }
            });
            if !changed {
                return Ok(());
            }
        }
    }
}
