//! Blobs from other nodes: block by block, each checked against its name.

use crate::asking::ask;
use blobs::{CHUNK_BYTES, Cid, Root, Store};
use futures::{StreamExt, TryStreamExt, stream};
use network::{Handle, PeerFault, PeerId, Protocol, Role};
use std::{sync::Arc, time::Duration};
use tokio::{sync::Semaphore, task::spawn_blocking, time::timeout};

/// Most peers that are asked for one blob.
const ASKED_MAX: usize = 16;
/// Most blobs that are fetched at the same time.
const FETCHES_MAX: usize = 8;
/// Most chunks of one blob that are under way.
const CHUNKS_MAX: usize = 4;
/// Longest that fetching one blob may take.
const FETCH_WAIT: Duration = Duration::from_secs(60);

/// What a peer asked for is no blob's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no blob has this name")]
pub struct NoName;

/// The block that a peer asks for by its name, if it is here.
pub fn answer(store: &Store, name: &[u8]) -> Result<Option<Vec<u8>>, NoName> {
    let cid = Cid::from_bytes(name).map_err(|_| NoName)?;
    // A damaged block is as good as none.
    Ok(store.block(&cid).ok())
}

/// Fetches blobs. Clones share the limits.
#[derive(Clone)]
pub struct Fetcher {
    network: Handle,
    store: Arc<Store>,
    permits: Arc<Semaphore>,
}

impl Fetcher {
    /// For this store, from these peers.
    pub fn new(network: Handle, store: Arc<Store>) -> Self {
        Self { network, store, permits: Arc::new(Semaphore::new(FETCHES_MAX)) }
    }

    /// Fetches a blob that is not here. Whether it is here now.
    pub async fn fetch(self, cid: Cid) -> bool {
        let Ok(_permit) = self.permits.acquire().await else { return false };
        if self.store.has(&cid) {
            return true;
        }
        let peers = self.peers();
        let fetched = timeout(FETCH_WAIT, async {
            for peer in peers {
                if self.fetch_from(peer, cid).await.is_some() {
                    return true;
                }
            }
            false
        });
        let fetched = fetched.await.unwrap_or(false);
        tracing::debug!(%cid, fetched, "looked for a blob at peers");
        fetched
    }

    /// Whom to ask: gateways have what clients upload, agents what they computed.
    fn peers(&self) -> Vec<PeerId> {
        let overview = self.network.overview();
        let overview = overview.borrow();
        let mut peers: Vec<_> = overview.peers.iter().collect();
        peers.sort_by_key(|info| match info.role {
            Some(Role::Gateway) => 0,
            Some(Role::Agent) => 1,
            Some(Role::Validator) | None => 2,
        });
        peers.into_iter().map(|info| info.id).take(ASKED_MAX).collect()
    }

    async fn fetch_from(&self, peer: PeerId, cid: Cid) -> Option<()> {
        let block = self.block(peer, cid).await?;
        if let Cid::Root(_) = cid {
            let root = Root::decode(&block).ok()?;
            if root.size() > self.store.config().blob_bytes_max {
                return None;
            }
            let missing: Vec<Cid> = root.leaves().filter(|leaf| !self.store.has(leaf)).collect();
            stream::iter(missing)
                .map(|leaf| async move {
                    let chunk = self.block(peer, leaf).await.ok_or(())?;
                    self.keep(leaf, chunk).await.ok_or(())
                })
                .buffer_unordered(CHUNKS_MAX)
                .try_collect::<()>()
                .await
                .ok()?;
        }
        self.keep(cid, block).await
    }

    /// A block from a peer, if it has it.
    async fn block(&self, peer: PeerId, cid: Cid) -> Option<Vec<u8>> {
        let name = cid.to_bytes().to_vec();
        let block = ask(&self.network, peer, Protocol::Blobs, name, FETCH_WAIT).await.ok()?;
        if block.len() > CHUNK_BYTES || !cid.names(&block) {
            self.network.report(peer, PeerFault::Invalid);
            return None;
        }
        Some(block)
    }

    async fn keep(&self, cid: Cid, block: Vec<u8>) -> Option<()> {
        let store = self.store.clone();
        let kept = spawn_blocking(move || store.put_block(&cid, &block)).await.ok()?;
        kept.inspect_err(|error| tracing::warn!(%cid, %error, "cannot keep a blob of a peer")).ok()
    }
}
