//! What the servers see of other nodes.

use crate::{exchange::Fetcher, shells::sync::Progress};
use futures::{FutureExt, future::BoxFuture};
use network::{Direction, Handle, Multiaddr, PeerId, PeerInfo};
use primitives::{Hash, Height, shown};
use rpc::NetworkView;
use runtime::view::PeerView;
use tokio::sync::watch;

/// Longest text that an error repeats.
const SHOWN_CHARS_MAX: usize = 80;

/// The network, for JSON-RPC.
pub struct Peers {
    /// The network.
    pub network: Handle,
    /// How far this node is.
    pub progress: watch::Receiver<Progress>,
    /// Where blobs come from that are not here.
    pub fetcher: Fetcher,
}

impl rpc::Peers for Peers {
    fn view(&self) -> NetworkView {
        let Progress { starting, highest, is_syncing, tips, .. } = self.progress.borrow().clone();
        let overview = self.network.overview().borrow().clone();
        let peers = overview.peers.into_iter().map(|info| {
            let tip = tips.get(&info.id).copied();
            view(info, tip)
        });
        let addresses = overview.listening.iter().chain(&overview.external);
        NetworkView {
            local: self.network.local_peer().to_string(),
            addresses: addresses.map(Multiaddr::to_string).collect(),
            peers: peers.collect(),
            starting_height: starting,
            highest_height: highest,
            is_syncing,
        }
    }

    fn reserve(&self, address: String) -> BoxFuture<'static, Result<(), String>> {
        let network = self.network.clone();
        async move {
            let parsed: Multiaddr = address.parse().map_err(|_| {
                let address = shown(&address, SHOWN_CHARS_MAX);
                format!(
                    "'{address}' is no address of a node: /ip4/1.2.3.4/tcp/30333/p2p/12D3… is one"
                )
            })?;
            network.reserve(parsed).await.map(drop)
        }
        .boxed()
    }

    fn release(&self, peer: String) -> BoxFuture<'static, Result<(), String>> {
        let network = self.network.clone();
        async move {
            let parsed: PeerId = peer.parse().map_err(|_| {
                let peer = shown(&peer, SHOWN_CHARS_MAX);
                format!("'{peer}' is no identity of a node: 12D3KooW… is one")
            })?;
            network.release(parsed).await;
            Ok(())
        }
        .boxed()
    }

    fn fetch(&self, cid: blobs::Cid) -> BoxFuture<'static, bool> {
        self.fetcher.clone().fetch(cid).boxed()
    }
}

fn view(info: PeerInfo, tip: Option<(Height, Hash)>) -> PeerView {
    PeerView {
        id: info.id.to_string(),
        address: info.address.to_string(),
        is_outbound: info.direction == Direction::Outbound,
        role: info.role.map(|role| role.name().to_owned()),
        agent: info.agent,
        height: tip.map(|(height, _)| height),
        hash: tip.map(|(_, hash)| hash),
        ping_ms: info.ping.map(|ping| u64::try_from(ping.as_millis()).unwrap_or(u64::MAX)),
        score: info.score,
        is_reserved: info.is_reserved,
    }
}
