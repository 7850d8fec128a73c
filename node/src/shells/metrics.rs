//! What the threads count.

use chain::{Head, PooledTx};
use primitives::Hash;
use prometheus_client::{
    metrics::{
        counter::Counter,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};
use rpc::SubmitError;
use std::sync::Arc;
use storage::{Database, HistorySize};
use txpool::Pool;

/// Bounds of histograms of time: from a millisecond, each twice the one before.
const SECONDS_FIRST: f64 = 0.001;
const SECONDS_BUCKETS: u16 = 14;

/// What the chain thread counts.
pub struct ChainMetrics {
    /// Seconds to build a block.
    pub built: Histogram,
    /// Seconds to make a block final on disk.
    pub committed: Histogram,
    height: Gauge,
    transactions: Counter,
    oldest_state: Gauge,
    history_entries: Gauge,
    history_bytes: Gauge,
}

impl ChainMetrics {
    /// Registers them.
    pub fn new(registry: &mut Registry) -> Self {
        let seconds = || Histogram::new(exponential_buckets(SECONDS_FIRST, 2.0, SECONDS_BUCKETS));
        let metrics = Self {
            built: seconds(),
            committed: seconds(),
            height: Gauge::default(),
            transactions: Counter::default(),
            oldest_state: Gauge::default(),
            history_entries: Gauge::default(),
            history_bytes: Gauge::default(),
        };
        let storage = registry.sub_registry_with_prefix("artel_storage");
        let oldest = metrics.oldest_state.clone();
        storage.register("oldest_state_height", "Oldest height whose state can be read", oldest);
        let entries = metrics.history_entries.clone();
        storage.register("history_entries", "About how many changes the history has", entries);
        let bytes = metrics.history_bytes.clone();
        storage.register("history_bytes", "Bytes of the history's files", bytes);
        let registry = registry.sub_registry_with_prefix("artel_chain");
        registry.register("build_seconds", "Time to build a block", metrics.built.clone());
        registry.register(
            "commit_seconds",
            "Time to make a block final",
            metrics.committed.clone(),
        );
        registry.register("height", "Height of the last final block", metrics.height.clone());
        registry.register("transactions", "Final transactions", metrics.transactions.clone());
        metrics
    }

    /// Counts a final block.
    pub fn note(&self, head: &Head, transactions: usize) {
        self.height.set(head.height.into());
        self.transactions.inc_by(u64::try_from(transactions).unwrap_or(u64::MAX));
    }

    /// Notes how far the states go back.
    pub fn note_history(&self, database: &Database) -> Result<(), storage::Error> {
        let HistorySize { entries, bytes } = database.history_size()?;
        self.oldest_state.set(database.oldest_state().into());
        self.history_entries.set(i64::try_from(entries).unwrap_or(i64::MAX));
        self.history_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
        Ok(())
    }
}

/// What the blobs thread counts.
pub struct BlobMetrics {
    bytes: Gauge,
    pins: Gauge,
    collected_bytes: Counter,
}

impl BlobMetrics {
    /// Registers them.
    pub fn new(registry: &mut Registry) -> Self {
        let metrics = Self {
            bytes: Gauge::default(),
            pins: Gauge::default(),
            collected_bytes: Counter::default(),
        };
        let registry = registry.sub_registry_with_prefix("artel_blobs");
        registry.register("bytes", "Bytes of all blocks of blobs", metrics.bytes.clone());
        registry.register("pins", "Blobs pinned, by owner", metrics.pins.clone());
        registry.register(
            "collected_bytes",
            "Bytes removed as nobody needed them",
            metrics.collected_bytes.clone(),
        );
        metrics
    }

    /// Takes the store's size down.
    pub fn set(&self, store: &blobs::Store) {
        self.bytes.set(i64::try_from(store.bytes()).unwrap_or(i64::MAX));
        self.pins.set(i64::try_from(store.pin_count()).unwrap_or(i64::MAX));
    }

    /// Counts what a collection removed.
    pub fn count(&self, collected: &blobs::Collected) {
        self.collected_bytes.inc_by(collected.bytes);
    }
}

/// What the pool thread counts.
pub struct PoolMetrics {
    /// Transactions whose signatures were checked.
    pub verified: Counter,
    accepted: Counter,
    refused: Counter,
    waiting: Gauge,
    bytes: Gauge,
}

impl PoolMetrics {
    /// Registers them.
    pub fn new(registry: &mut Registry) -> Self {
        let metrics = Self {
            verified: Counter::default(),
            accepted: Counter::default(),
            refused: Counter::default(),
            waiting: Gauge::default(),
            bytes: Gauge::default(),
        };
        let registry = registry.sub_registry_with_prefix("artel_txpool");
        registry.register("verified", "Transactions verified", metrics.verified.clone());
        registry.register("accepted", "Transactions taken in", metrics.accepted.clone());
        registry.register("refused", "Transactions refused", metrics.refused.clone());
        registry.register("waiting", "Transactions that wait", metrics.waiting.clone());
        registry.register("bytes", "Bytes of what waits", metrics.bytes.clone());
        metrics
    }

    /// Counts a verdict.
    pub fn count(&self, result: &Result<Hash, SubmitError>) {
        if result.is_ok() {
            self.accepted.inc()
        } else {
            self.refused.inc()
        };
    }

    /// Takes the pool's size down.
    pub fn set(&self, pool: &Pool<Arc<PooledTx>>) {
        self.waiting.set(i64::try_from(pool.len()).unwrap_or(i64::MAX));
        self.bytes.set(i64::try_from(pool.bytes()).unwrap_or(i64::MAX));
    }
}
