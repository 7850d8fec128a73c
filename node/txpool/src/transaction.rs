//! What the pool knows of a transaction, and what it tells of it.

use primitives::{AccountId, Hash, Height, Nonce};

/// A transaction that its shell has checked. `T` is what the shell wants back from `take`: the decoded transaction
/// in a node, nothing in tests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction<T> {
    /// Hash of the full bytes.
    pub hash: Hash,
    /// Who signed it.
    pub sender: AccountId,
    /// How many transactions of the sender come before it.
    pub nonce: Nonce,
    /// Higher comes first: fee per weight, and tip.
    pub priority: u64,
    /// Length of the encoding.
    pub bytes: u32,
    /// Time that it takes in a block, in picoseconds.
    pub weight: u64,
    /// The first height at which it is no longer valid; `Height::MAX` if it never dies.
    pub death: Height,
    /// What the shell wants back.
    pub content: T,
}

/// A transaction that a block included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Included {
    /// Hash of the full bytes.
    pub hash: Hash,
    /// Who signed it.
    pub sender: AccountId,
    /// Its nonce: the account's is one more now.
    pub nonce: Nonce,
}

/// What became of a transaction. That a block included it is told by the block, not by the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It can go into the next block.
    Ready,
    /// It waits for a nonce before its own.
    Future,
    /// Another one with the same sender and nonce took its place.
    Usurped(Hash),
    /// The pool was full.
    Dropped,
    /// It expired or cannot be included any more.
    Invalid,
}

/// News of one transaction. All but `Ready` and `Future` are the last of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which transaction.
    pub hash: Hash,
    /// What became of it.
    pub status: Status,
}
