//! What the server works with: handles that the node's shells fill. It owns nothing but copies of them.

use blobs::Store;
use chain::Head;
use crossbeam_channel::Sender;
use primitives::{AccountId, Hash, Nonce, OpaqueTransaction, RawKey, proof::Proof};
use runtime::{ChainType, InvalidTransaction, Properties};
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
    /// Other nodes that this one is connected to.
    pub peers: usize,
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
