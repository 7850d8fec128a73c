//! A node that is none: it joins a network, and says and asks what it likes.

use anyhow::{Context, Result};
use network::{Config, Handle, Inbound, Network, PeerEvent, Role, Setup};
use primitives::Hash;
use prometheus_client::registry::Registry;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A peer of a network; it leaves when it is dropped.
pub struct Stranger {
    /// Says and asks.
    pub network: Handle,
    /// What others say and ask.
    pub inbound: Inbound,
    stop: CancellationToken,
    running: JoinHandle<()>,
    _folder: TempDir,
}

impl Stranger {
    /// Joins by one address and waits until somebody is connected.
    pub async fn join(bootnode: &str, genesis: Hash, role: Role, seed: [u8; 32]) -> Result<Self> {
        let config = Config {
            listen: vec!["/ip4/127.0.0.1/tcp/0".parse()?],
            bootnodes: vec![bootnode.parse()?],
            private_addresses: true,
            ..Config::default()
        };
        Self::join_with(config, genesis, role, seed).await
    }

    /// Joins with other settings.
    pub async fn join_with(
        config: Config,
        genesis: Hash,
        role: Role,
        seed: [u8; 32],
    ) -> Result<Self> {
        let folder = TempDir::new()?;
        let setup = Setup {
            config,
            key: seed,
            genesis,
            role,
            agent: "stranger".to_owned(),
            folder: folder.path().to_owned(),
        };
        let (network, handle, inbound) = Network::new(setup, &mut Registry::default())?;
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let running = tokio::spawn(async move {
            // How it ends is nobody's concern.
            let _ = network.run(stopped).await;
        });
        let mut this = Self { network: handle, inbound, stop, running, _folder: folder };
        loop {
            match this.inbound.peers.recv().await.context("the network has ended")? {
                PeerEvent::Connected(_) => return Ok(this),
                PeerEvent::Disconnected(_) => {}
            }
        }
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.stop.cancel();
        self.running.abort();
    }
}
