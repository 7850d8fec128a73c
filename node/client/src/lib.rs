#![doc = include_str!("../README.md")]
#![deny(missing_docs)]

mod agents;
mod blob;
mod error;
mod explain;
mod fees;
mod heads;
mod light;
mod proof;
mod remote;
mod tasks;
mod transport;
mod tx;
mod wire;

pub use agents::{AgentEvent, AgentEvents};
pub use blobs::Cid;
pub use error::{Error, Failure};
pub use fees::Fee;
pub use framework::{DispatchError, StateRead};
pub use heads::{BlockEvents, Head, Heads};
pub use light::LightClient;
pub use pallets;
pub use proof::verify_read_proof;
pub use remote::READS_MAX;
pub use runtime::{
    RuntimeCall, RuntimeEvent,
    light::{Checkpoint, LightError, LightHead, TRUSTING_PERIOD_MS},
    view,
};
pub use tasks::{Posted, TaskEvents, TaskLimits, task_spec};
pub use tx::{Receipt, SignedTx, TxOptions, Watched};

use jsonrpsee::rpc_params;
use primitives::{AccountId, Balance, Hash, Nonce};
use std::sync::Arc;
use transport::Transport;
use wire::VersionJson;

/// A connection to a node; clones share it.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    url: String,
    rpc: Transport,
    chain: Chain,
}

/// What does not change while a connection lasts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Its name, for people.
    pub name: String,
    /// Hash of its first block: its name for programs.
    pub genesis: Hash,
}

impl Client {
    /// Connect to a node at a `ws://` address, or at an `http://` one, where nothing can be watched.
    ///
    /// # Errors
    /// If nothing answers there, or a chain whose rules this program does not know.
    pub async fn connect(url: &str) -> Result<Self, Error> {
        let rpc = Transport::connect(url).await?;
        let version = rpc.request("state_getRuntimeVersion", rpc_params![]).await;
        let version: VersionJson = version.map_err(|error| match error {
            // Over HTTP the first request is what connects.
            Error::Connection { reason, .. } => Error::Connect { url: url.to_owned(), reason },
            other => other,
        })?;
        let genesis = rpc.request("chain_getBlockHash", rpc_params![0]).await?;
        let name = rpc.request("system_chain", rpc_params![]).await?;
        let chain = Chain { name, genesis };
        let this = Self { inner: Arc::new(Inner { url: url.to_owned(), rpc, chain }) };
        this.check(&version).await?;
        Ok(this)
    }

    /// Whether this program knows the rules in force. Only the chain's state tells whether it rehearses those after them.
    async fn check(&self, version: &VersionJson) -> Result<(), Error> {
        let is_next = version.spec_version == runtime::REHEARSAL_SPEC_VERSION;
        let rehearses = is_next && self.query(None, pallets::system::rehearsals).await?;
        version.check(&self.inner.url, rehearses)
    }

    /// A new connection to the same address, which must still be on the same chain.
    pub async fn reconnect(&self) -> Result<Self, Error> {
        let url = &self.inner.url;
        let client = Self::connect(url).await?;
        let (old, new) = (self.chain().genesis, client.chain().genesis);
        if old == new {
            return Ok(client);
        }
        let reason = format!("it was on the chain with genesis {old} and is now on {new}");
        Err(Error::Connect { url: url.clone(), reason })
    }

    /// The chain that the node is on.
    pub fn chain(&self) -> &Chain {
        &self.inner.chain
    }

    /// Version of the rules after a block, by which its child is made and transactions for it are signed.
    ///
    /// # Errors
    /// If this program does not know them: the chain has changed its rules since it was built.
    pub async fn spec_version(&self, at: Hash) -> Result<u32, Error> {
        let version: VersionJson =
            self.rpc().request("state_getRuntimeVersion", rpc_params![at]).await?;
        self.check(&version).await?;
        Ok(version.spec_version)
    }

    /// Version of the node's software.
    pub async fn node_version(&self) -> Result<String, Error> {
        self.rpc().request("system_version", rpc_params![]).await
    }

    /// The account as of the last finalised block: nonce, money and what is held of it.
    pub async fn account(&self, who: &AccountId) -> Result<pallets::system::AccountInfo, Error> {
        let who = *who;
        self.query(None, move |state| pallets::system::account(state, &who)).await
    }

    /// What an account could spend at most.
    pub async fn balance(&self, who: &AccountId) -> Result<Balance, Error> {
        Ok(self.account(who).await?.data.free)
    }

    /// The nonce of an account's next transaction, those that wait in the pool counted.
    pub async fn next_nonce(&self, who: &AccountId) -> Result<Nonce, Error> {
        self.rpc().request("system_accountNextIndex", rpc_params![who]).await
    }

    fn rpc(&self) -> &Transport {
        &self.inner.rpc
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("chain", self.chain()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
