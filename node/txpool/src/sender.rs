//! The transactions of one sender, and the ranks by which the pool compares senders.

use crate::Transaction;
use primitives::Nonce;
use std::{cmp::Reverse, collections::BTreeMap, sync::Arc};

/// A transaction and when it came.
#[derive(Debug)]
pub(crate) struct Entry<T> {
    pub(crate) tx: Transaction<T>,
    /// Counts the transactions that entered the pool; no two are equal.
    pub(crate) arrival: u64,
}

impl<T> Entry<T> {
    pub(crate) fn take_rank(&self) -> TakeRank {
        TakeRank { priority: Reverse(self.tx.priority), arrival: self.arrival }
    }
}

/// Order in which transactions go into a block: the first in order goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TakeRank {
    priority: Reverse<u64>,
    arrival: u64,
}

/// Order in which transactions leave a full pool: the first in order leaves first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct KeepRank {
    /// Futures leave before any ready one.
    pub(crate) ready: bool,
    /// The lowest priority among this and the sender's earlier ones, as it cannot be included before them.
    pub(crate) floor: u64,
    /// Of equals the newest leaves.
    pub(crate) arrival: Reverse<u64>,
}

/// What one sender has in the pool.
#[derive(Debug)]
pub(crate) struct Sender<T> {
    /// The account's nonce at the pool's head. All of `txs` have this or a higher one.
    pub(crate) nonce: Nonce,
    /// The first nonce from `nonce` on that has no transaction. All below it are ready.
    pub(crate) ready_end: Nonce,
    pub(crate) txs: BTreeMap<Nonce, Arc<Entry<T>>>,
    /// How many wait behind a gap, as counted in the pool.
    pub(crate) futures: usize,
    /// Where the pool's indices have this sender now.
    pub(crate) head: Option<TakeRank>,
    pub(crate) tail: Option<KeepRank>,
}

impl<T> Sender<T> {
    pub(crate) fn new(nonce: Nonce) -> Self {
        Self { nonce, ready_end: nonce, txs: BTreeMap::new(), futures: 0, head: None, tail: None }
    }

    /// How many wait behind a gap.
    pub(crate) fn count_futures(&self) -> usize {
        self.txs.range(self.ready_end..).count()
    }

    /// The first nonce from `nonce` on that has no transaction.
    pub(crate) fn find_ready_end(&self) -> Nonce {
        let mut end = self.nonce;
        for nonce in self.txs.keys() {
            if *nonce != end {
                break;
            }
            end = end.saturating_add(1);
        }
        end
    }

    /// The transaction with the lowest nonce, if it is ready.
    pub(crate) fn head(&self) -> Option<&Arc<Entry<T>>> {
        self.txs
            .first_key_value()
            .filter(|(nonce, _)| **nonce < self.ready_end)
            .map(|(_, entry)| entry)
    }

    /// The rank of a transaction with this nonce, whether it is here or only offered.
    pub(crate) fn keep_rank(&self, tx: &Transaction<T>, arrival: u64) -> KeepRank {
        let before = self.txs.range(..tx.nonce).map(|(_, entry)| entry.tx.priority).min();
        KeepRank {
            ready: tx.nonce <= self.ready_end,
            floor: before.map_or(tx.priority, |lowest| lowest.min(tx.priority)),
            arrival: Reverse(arrival),
        }
    }

    /// The rank of the last transaction.
    pub(crate) fn tail_rank(&self) -> Option<KeepRank> {
        let (nonce, entry) = self.txs.last_key_value()?;
        let ready = *nonce < self.ready_end;
        Some(KeepRank { ready, ..self.keep_rank(&entry.tx, entry.arrival) })
    }
}
