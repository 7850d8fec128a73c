//! Feeding a node with signed transactions and watching them become final.

use anyhow::{Context, Result, ensure};
use chain::Head;
use crossbeam_channel::Sender;
use primitives::{Hash, Height, OpaqueTransaction};
use rpc::PoolRequest;
use std::{
    collections::HashMap,
    time::{Duration, Instant},
};
use storage::Database;
use tokio::sync::{oneshot, watch};

/// Longest that nothing may become final while transactions wait.
const STALL_MAX: Duration = Duration::from_secs(30);
/// How often finality is looked at while nothing else is to be done.
const POLL: Duration = Duration::from_millis(2);
/// Most transactions that are submitted between two looks at finality.
const BURST_MAX: usize = 1_024;
/// The inherents of every block after the first: time, and the parent's certificate.
const INHERENTS: usize = 2;

/// Final transactions by the moment at which their block was.
pub struct Finality {
    heads: watch::Receiver<Head>,
    database: Database,
    next: Height,
    /// When each block was seen to be final, and how many transactions it has.
    pub blocks: Vec<(Instant, usize)>,
    /// Transactions whose way is followed, and when they were submitted.
    pub submitted: HashMap<Hash, Instant>,
    /// How long those took, in milliseconds.
    pub latencies_ms: Vec<f64>,
    /// Final transactions so far.
    pub count: usize,
}

impl Finality {
    /// Watches from the next block on.
    pub fn new(heads: watch::Receiver<Head>, database: Database) -> Self {
        let next = heads.borrow().height + 1;
        Self {
            heads,
            database,
            next,
            blocks: Vec::new(),
            submitted: HashMap::new(),
            latencies_ms: Vec::new(),
            count: 0,
        }
    }

    /// Takes down what became final since the last call.
    pub fn poll(&mut self) -> Result<()> {
        let height = self.heads.borrow_and_update().height;
        let now = Instant::now();
        while self.next <= height {
            let block = self.database.block(self.next)?.context("a final block is stored")?;
            let inherents = if self.next == 1 { INHERENTS - 1 } else { INHERENTS };
            let count = block.body.len().saturating_sub(inherents);
            if !self.submitted.is_empty() {
                for tx in block.body.iter().skip(inherents) {
                    if let Some(submitted) = self.submitted.remove(&tx.hash()) {
                        self.latencies_ms.push((now - submitted).as_secs_f64() * 1e3);
                    }
                }
            }
            self.blocks.push((now, count));
            self.count += count;
            self.next += 1;
        }
        Ok(())
    }

    /// Waits until so many transactions are final.
    pub fn wait_for(&mut self, count: usize) -> Result<()> {
        let mut progress = Instant::now();
        while self.count < count {
            let before = self.count;
            self.poll()?;
            if self.count > before {
                progress = Instant::now();
            }
            ensure!(
                progress.elapsed() < STALL_MAX,
                "only {} of {count} transactions became final, and then none for 30 s",
                self.count
            );
            std::thread::sleep(POLL);
        }
        Ok(())
    }

    /// Transactions per second in the blocks that became final from one moment to another.
    pub fn rate(&self, from: Instant, to: Instant) -> f64 {
        let inside = self.blocks.iter().filter(|(when, _)| (from..to).contains(when));
        let count: usize = inside.map(|(_, count)| count).sum();
        count as f64 / (to - from).as_secs_f64()
    }
}

/// Hands a transaction to the pool's front door; waits while the door is crowded.
pub fn submit(pool: &Sender<PoolRequest>, bytes: OpaqueTransaction) -> Result<()> {
    // Whether it was taken shows in the blocks.
    let (answer, _) = oneshot::channel();
    pool.send(PoolRequest::Submit { bytes, answer }).context("the pool has ended")
}

/// Submits as fast as the node takes, but never more than `window` ahead of finality, until the
/// time is over or nothing is left. Gives how many were submitted.
pub fn closed_loop(
    pool: &Sender<PoolRequest>,
    finality: &mut Finality,
    transactions: &mut impl Iterator<Item = OpaqueTransaction>,
    window: usize,
    time: Duration,
) -> Result<usize> {
    let (start, already) = (Instant::now(), finality.count);
    let mut submitted = 0;
    while start.elapsed() < time {
        finality.poll()?;
        let limit = finality.count - already + window;
        let burst = limit.saturating_sub(submitted).min(BURST_MAX);
        if burst == 0 {
            std::thread::sleep(POLL);
        }
        for _ in 0..burst {
            let Some(tx) = transactions.next() else { return Ok(submitted) };
            submit(pool, tx)?;
            submitted += 1;
        }
    }
    Ok(submitted)
}

/// Submits at a fixed rate, whatever the node does, and follows each to finality. Gives how many
/// were submitted.
pub fn open_loop(
    pool: &Sender<PoolRequest>,
    finality: &mut Finality,
    transactions: &mut impl Iterator<Item = OpaqueTransaction>,
    per_second: f64,
    time: Duration,
) -> Result<usize> {
    let start = Instant::now();
    let mut submitted = 0;
    while start.elapsed() < time {
        finality.poll()?;
        let due = (start.elapsed().as_secs_f64() * per_second) as usize;
        if submitted >= due {
            std::thread::sleep(POLL);
        }
        while submitted < due {
            let Some(tx) = transactions.next() else { return Ok(submitted) };
            finality.submitted.insert(tx.hash(), Instant::now());
            submit(pool, tx)?;
            submitted += 1;
        }
    }
    Ok(submitted)
}
