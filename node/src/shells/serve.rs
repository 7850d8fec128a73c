//! The serving task: answers peers that ask for final blocks, parts of states and blobs.

use crate::exchange;
use blobs::Store;
use chain::{snapshot_sync::Server, sync::wire};
use network::{Handle, PeerFault, PeerId, Request};
use std::sync::Arc;
use storage::{Database, Exports};
use tokio::{
    sync::{Semaphore, mpsc},
    task::spawn_blocking,
};
use tokio_util::sync::CancellationToken;

/// Most answers that are made at the same time.
const AT_ONCE_MAX: usize = 2;

/// What the task works with.
pub struct Shell {
    /// The network.
    pub network: Handle,
    /// Who asks for blocks.
    pub blocks: mpsc::Receiver<Request>,
    /// Who asks for parts of a state, and proofs of its block.
    pub state: mpsc::Receiver<Request>,
    /// Who asks for parts of blobs.
    pub blobs: mpsc::Receiver<Request>,
    /// Final blocks.
    pub database: Database,
    /// States that others can begin with.
    pub exports: Exports,
    /// Blobs.
    pub store: Arc<Store>,
}

/// What an answer is made from.
#[derive(Clone)]
struct Sources {
    network: Handle,
    server: Server,
    store: Arc<Store>,
    permits: Arc<Semaphore>,
}

/// Makes an answer to what a peer asks, if there is one.
type Make = fn(&Sources, PeerId, &[u8]) -> Option<Vec<u8>>;

impl Shell {
    /// Runs until `stop` fires.
    pub async fn run(mut self, stop: CancellationToken) -> anyhow::Result<()> {
        let sources = Sources {
            network: self.network,
            server: Server { database: self.database, exports: self.exports },
            store: self.store,
            permits: Arc::new(Semaphore::new(AT_ONCE_MAX)),
        };
        loop {
            let (request, make): (_, Make) = tokio::select! {
                () = stop.cancelled() => return Ok(()),
                Some(request) = self.blocks.recv() => (request, Sources::blocks),
                Some(request) = self.state.recv() => (request, Sources::state),
                Some(request) = self.blobs.recv() => (request, Sources::blob),
                else => return Ok(()),
            };
            let permit = sources.permits.clone().acquire_owned().await?;
            let sources = sources.clone();
            spawn_blocking(move || {
                let Request { peer, bytes, answer } = request;
                if let Some(bytes) = make(&sources, peer, &bytes) {
                    // Who asked may have gone.
                    let _ = answer.send(bytes);
                }
                drop(permit);
            });
        }
    }
}

impl Sources {
    fn blocks(&self, peer: PeerId, bytes: &[u8]) -> Option<Vec<u8>> {
        let Ok(request) = wire::Request::from_bytes(bytes) else {
            self.network.report(peer, PeerFault::Malformed);
            return None;
        };
        wire::answer(&self.server.database, request)
            .inspect_err(|error| tracing::error!(%error, "cannot read blocks for a peer"))
            .ok()
    }

    fn state(&self, peer: PeerId, bytes: &[u8]) -> Option<Vec<u8>> {
        let answer = self.server.answer(bytes);
        let answer = answer
            .inspect_err(|error| tracing::error!(%error, "cannot read a state for a peer"))
            .ok()?;
        if answer.is_none() {
            self.network.report(peer, PeerFault::Malformed);
        }
        answer
    }

    fn blob(&self, peer: PeerId, bytes: &[u8]) -> Option<Vec<u8>> {
        match exchange::answer(&self.store, bytes) {
            Ok(answer) => answer,
            Err(_) => {
                self.network.report(peer, PeerFault::Malformed);
                None
            }
        }
    }
}
