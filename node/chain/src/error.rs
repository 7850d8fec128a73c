//! What can be wrong with a block, and what can go wrong in the node.

use primitives::{Hash, Height, Moment};
use runtime::{BlockError, InvalidTransaction};
use std::path::PathBuf;

/// The node's own fault: it ends the process.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] storage::Error),
    /// The chain specification makes no state.
    #[error("the chain specification is not valid: {0}")]
    Genesis(String),
    /// The database has another chain.
    #[error("the database at {} has a chain with another genesis ({found}) than the chain specification; choose another --base-path or --chain", path.display())]
    OtherGenesis {
        /// The database's folder.
        path: PathBuf,
        /// Hash of the block 0 found.
        found: Hash,
    },
    /// The database lacks a block that it must have.
    #[error("the database has no block {0}; restore it from a copy or sync again")]
    NoBlock(Height),
    /// A block to commit was neither built nor checked, or has been displaced by others since.
    #[error("block {0} was not executed on the head: check it before it is committed")]
    UnknownBlock(Hash),
    /// Another block than the chain's is final at its height: more than a third of the validators break the protocol.
    #[error(
        "this chain has block {ours} at height {height}, but {theirs} is final there too; keep this message and the data, and \
         ask the other validators which chain goes on"
    )]
    Fork {
        /// The height.
        height: Height,
        /// The block of this chain.
        ours: Hash,
        /// The other.
        theirs: Hash,
    },
    /// A block that the database holds does not have its inherents.
    #[error(
        "block {height} in the database is damaged: {source}; restore it from a copy or sync again"
    )]
    Damaged {
        /// Number of the block.
        height: Height,
        /// What is wrong with it.
        source: BlockError,
    },
    /// The runtime refused to begin a block that this node built itself.
    #[error("the block to be built is not valid: {0}")]
    Build(BlockError),
    /// The chain changes to rules that this program does not have. It must not go on by those that it has.
    #[error(transparent)]
    UnknownRules(BlockError),
}

/// Why a block is not voted for.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum Fault {
    /// The header commits to another body.
    #[error("the body has root {found}, the header says {expected}")]
    ExtrinsicsRoot {
        /// Root in the header.
        expected: Hash,
        /// Root of the body.
        found: Hash,
    },
    /// Its time is too far ahead of this node's clock. It may be valid a little later.
    #[error("the block's time {time_ms} is too far ahead of this node's clock, {now_ms}")]
    TooEarly {
        /// Time of the block.
        time_ms: Moment,
        /// Time of this node.
        now_ms: Moment,
    },
    /// Parent, number, time, digest, proof of randomness or inherents are wrong.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// A transaction does not decode, has no valid signature or cannot be included.
    #[error("transaction {index} of the body is not valid: {source}")]
    Transaction {
        /// Its place in the body.
        index: usize,
        /// What is wrong with it.
        source: InvalidTransaction,
    },
    /// The body is more than a block may hold.
    #[error("the block is full before transaction {index} of its body")]
    Overfull {
        /// Place of the first transaction that does not fit.
        index: usize,
    },
    /// A transaction brought execution to a panic.
    #[error("transaction {index} of the body cannot be executed: {message}")]
    Panicked {
        /// Its place in the body.
        index: usize,
        /// The panic's message.
        message: String,
    },
    /// The header commits to other validators of the next height.
    #[error("the next validators have hash {found}, the header says {expected}")]
    NextValidators {
        /// Hash in the header.
        expected: Hash,
        /// Hash of what execution gives.
        found: Hash,
    },
    /// The header commits to another state.
    #[error("the state after the block has root {found}, the header says {expected}")]
    StateRoot {
        /// Root in the header.
        expected: Hash,
        /// Root that execution gives.
        found: Hash,
    },
}

/// How a check ends when the block cannot be voted for.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The block's fault: vote nil.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The node's own fault: end the process.
    #[error(transparent)]
    Local(#[from] Error),
}

impl From<BlockError> for CheckError {
    fn from(error: BlockError) -> Self {
        match error {
            BlockError::UnknownRules { .. } => Self::Local(Error::UnknownRules(error)),
            error => Self::Fault(Fault::Block(error)),
        }
    }
}

impl From<storage::Error> for CheckError {
    fn from(error: storage::Error) -> Self {
        Self::Local(error.into())
    }
}
