//! Why the client did not do as asked.

use blobs::Cid;
use framework::DispatchError;
use primitives::{Hash, Height};
use runtime::{
    explain::{self, Explained},
    light::LightError,
};
use std::fmt;

/// Code of a node that cannot read a state, and what it says if the state is too old.
const STATE_CODE: i32 = 4003;
const DISCARDED: &str = "State already discarded";

/// A fault between this program and the chain.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing answers at the address, or it is no address.
    #[error("cannot connect to {url}: {reason}")]
    Connect {
        /// The address.
        url: String,
        /// What went wrong.
        reason: String,
    },
    /// The connection broke or the node did not answer in time.
    #[error("{method}: the connection to the node failed: {reason}")]
    Connection {
        /// What was asked.
        method: String,
        /// What went wrong.
        reason: String,
    },
    /// The node answered with an error.
    #[error("{method}: {message} (code {code})")]
    Node {
        /// What was asked.
        method: String,
        /// JSON-RPC's or Substrate's code.
        code: i32,
        /// The node's words.
        message: String,
    },
    /// The node's answer makes no sense.
    #[error("{method}: the node's answer is not understood: {reason}")]
    Answer {
        /// What was asked.
        method: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Another kind of chain, or other rules.
    #[error(
        "{url} runs {found}, and this program was built for {built}: use the `artel` of the node's version"
    )]
    OtherRuntime {
        /// The address.
        url: String,
        /// The node's runtime.
        found: String,
        /// This program's.
        built: String,
    },
    /// What a node says of the chain is not proven, or what was trusted is too old.
    #[error("the chain cannot be followed without trust: {0}")]
    Light(#[from] LightError),
    /// A query that walks over keys: there are proofs of values alone.
    #[error("the query walks over keys, which cannot be proven: read values by their keys")]
    Unprovable,
    /// Only a WebSocket can watch.
    #[error("{0} needs a WebSocket: connect to ws://... instead of http://...")]
    NeedsWebSocket(&'static str),
    /// A block that the node does not have.
    #[error("the node has no block {0}; it may be pruned or of another chain")]
    NoBlock(String),
    /// A block whose events the node does not have.
    #[error("the node does not have the events of block {0}: it is genesis, or too old")]
    NoEvents(Hash),
    /// The transaction left the pool without being included.
    #[error("transaction {hash} was not included: {status}")]
    NotIncluded {
        /// The transaction.
        hash: Hash,
        /// The pool's last word.
        status: String,
    },
    /// The transaction was included and failed; its fee is paid.
    #[error("transaction {hash} failed in block {height}: {failure}")]
    Failed {
        /// The transaction.
        hash: Hash,
        /// In which block.
        height: Height,
        /// Why.
        failure: Failure,
    },
    /// It took too long.
    #[error("{what} did not happen within {seconds} s")]
    TimedOut {
        /// What was waited for.
        what: String,
        /// How long.
        seconds: u64,
    },
    /// A query that reads without end.
    #[error("the query reads more than {max} times: ask for less at once")]
    TooManyReads {
        /// The bound.
        max: usize,
    },
    /// The chain's state does not decode as this program expects.
    #[error("the node's state at {0} does not fit this program's runtime")]
    StateMismatch(Hash),
    /// The node has no such blob.
    #[error(
        "the node does not have the blob {0}: its owner must upload it, or the time to keep it is over"
    )]
    NoBlob(Cid),
    /// A blob that is no blob, or larger than allowed.
    #[error("blob {cid}: {reason}")]
    BadBlob {
        /// The blob.
        cid: Cid,
        /// What is wrong.
        reason: String,
    },
    /// A blob to upload is larger than a blob may be.
    #[error("the data has {size} bytes, a blob has at most {max}")]
    BlobTooLarge {
        /// Its bytes.
        size: u64,
        /// The bound.
        max: u64,
    },
    /// No such task.
    #[error("no task {0} on this chain; it may have been pruned")]
    NoTask(Hash),
    /// A task that has no result.
    #[error("task {task} has no result: {why}")]
    NoResult {
        /// The task.
        task: Hash,
        /// Where it stands.
        why: String,
    },
}

impl Error {
    /// Whether the node had the state and has it no more: it keeps those of the latest blocks. A newer one can be read.
    pub fn is_discarded(&self) -> bool {
        matches!(self, Self::Node { code: STATE_CODE, message, .. } if message.contains(DISCARDED))
    }
}

/// Why a transaction failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The error as the chain has it.
    pub error: DispatchError,
    /// The error in words.
    pub explained: Explained,
}

impl Failure {
    /// The error with its words.
    pub fn new(error: DispatchError) -> Self {
        Self { error, explained: explain::error(&error) }
    }

    /// Whether it is this error of a pallet.
    pub fn is(&self, error: impl Into<DispatchError>) -> bool {
        self.error == error.into()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.explained.text, self.explained.name)
    }
}

impl Error {
    /// Whether the chain refused for good: sending the same again gives the same.
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Failed { failure, .. } => Some(failure),
            _ => None,
        }
    }

    /// Whether the connection is at fault, so that a new one may help.
    pub fn is_connection(&self) -> bool {
        matches!(self, Self::Connect { .. } | Self::Connection { .. } | Self::TimedOut { .. })
    }
}
