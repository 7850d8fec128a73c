//! What the server works with: handles that the node's shells fill. It owns nothing but copies of them.

use blobs::{Cid, Store};
use chain::Head;
use crossbeam_channel::Sender;
use futures::future::BoxFuture;
use primitives::{AccountId, Hash, Height, Nonce, OpaqueTransaction, RawKey, proof::Proof};
use runtime::{ChainType, InvalidTransaction, Properties, view::PeerView};
use std::sync::Arc;
use storage::Database;
use tokio::sync::{mpsc, oneshot, watch};

/// Updates of one watched transaction that wait for its watcher; the last of them ends the watch, and a transaction has
/// no more than these states on its way.
pub const UPDATES_MAX: usize = 16;

/// Everything that is served.
#[derive(Clone)]
pub struct Backend {
    /// The last final block and its state. When the sender goes, subscriptions end.
    pub heads: watch::Receiver<Head>,
    /// Blocks, certificates and events by height.
    pub database: Database,
    /// To the pool. A full channel is an error to the caller, never a wait.
    pub pool: Sender<PoolRequest>,
    /// To the chain, which makes proofs while it has nothing else to do. A full channel is an error to the caller.
    pub proofs: Sender<ProofRequest>,
    /// Programs, inputs and outputs.
    pub blobs: Arc<Store>,
    /// What the chain says of itself.
    pub chain: ChainInfo,
    /// What the node says of itself.
    pub node: NodeInfo,
    /// Other nodes.
    pub peers: Arc<dyn Peers>,
}

/// The node's place among others.
pub trait Peers: Send + Sync {
    /// How it is now.
    fn view(&self) -> NetworkView;

    /// Keeps a connection to the node at this address, whatever the limits are.
    ///
    /// # Errors
    ///
    /// What is wrong with the address.
    fn reserve(&self, address: String) -> BoxFuture<'static, Result<(), String>>;

    /// Treats a reserved peer, named by its identity, like all others again.
    ///
    /// # Errors
    ///
    /// What is wrong with the identity.
    fn release(&self, peer: String) -> BoxFuture<'static, Result<(), String>>;

    /// Fetches a blob that is not here from others. Whether it is here now.
    fn fetch(&self, cid: Cid) -> BoxFuture<'static, bool>;
}

/// A node's place among others, as it is now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkView {
    /// The node's identity.
    pub local: String,
    /// Addresses on which it listens, and at which others reach it.
    pub addresses: Vec<String>,
    /// Nodes that it is connected to.
    pub peers: Vec<PeerView>,
    /// Its height when it began.
    pub starting_height: Height,
    /// The highest block that peers have.
    pub highest_height: Height,
    /// Whether it fetches blocks.
    pub is_syncing: bool,
}

/// What the chain's specification tells clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainInfo {
    /// Name for people.
    pub name: String,
    /// What the chain is for.
    pub chain_type: ChainType,
    /// What wallets show.
    pub properties: Properties,
}

/// What a node tells of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeInfo {
    /// Name of the software, such as `Artel Node`.
    pub name: String,
    /// Version of the software.
    pub version: String,
    /// Whether it takes part in making blocks.
    pub is_validator: bool,
}

/// What the pool is asked.
#[derive(Debug)]
pub enum PoolRequest {
    /// Take a transaction in.
    Submit {
        /// The transaction.
        bytes: OpaqueTransaction,
        /// Its hash once it is in.
        answer: oneshot::Sender<Result<Hash, SubmitError>>,
    },
    /// Take a transaction in and say what becomes of it.
    Watch {
        /// The transaction.
        bytes: OpaqueTransaction,
        /// What becomes of it; with room for [`UPDATES_MAX`]. The pool drops it when there is no more to say.
        updates: mpsc::Sender<TxStatus>,
        /// Its hash once it is in.
        answer: oneshot::Sender<Result<Hash, SubmitError>>,
    },
    /// All that waits.
    Pending {
        /// In the pool's order.
        answer: oneshot::Sender<Vec<OpaqueTransaction>>,
    },
    /// The nonce of an account's next transaction.
    NextNonce {
        /// The account.
        account: AccountId,
        /// The nonce after those that wait in the pool without a gap; `None` if none does.
        answer: oneshot::Sender<Option<Nonce>>,
    },
}

/// Proofs that the chain is asked for.
#[derive(Debug)]
pub struct ProofRequest {
    /// The block after which the state is meant.
    pub block: Hash,
    /// Raw keys, at most [`crate::PROVEN_KEYS_MAX`].
    pub keys: Vec<RawKey>,
    /// A proof for each; `None` if the block is not among the latest.
    pub answer: oneshot::Sender<Option<Vec<Proof>>>,
}

/// What became of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TxStatus {
    /// It waits for the next block.
    Ready,
    /// It waits for others of its sender.
    Future,
    /// It is in a block, which is final.
    InBlock {
        /// Hash of the block.
        block: Hash,
    },
    /// Another transaction with its nonce, of this hash, took its place.
    Usurped(Hash),
    /// The pool had no more room for it.
    Dropped,
    /// It cannot be included any more.
    Invalid,
}

impl TxStatus {
    /// Whether nothing follows.
    pub fn is_final(&self) -> bool {
        !matches!(self, Self::Ready | Self::Future)
    }
}

/// Why a transaction was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// It is not valid.
    #[error("{0}")]
    Invalid(InvalidTransaction),
    /// It is valid, but the pool does not take it.
    #[error("{0}")]
    Refused(txpool::Refusal),
}
