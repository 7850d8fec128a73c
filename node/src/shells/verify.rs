//! The verifying thread: checks what comes in, in batches over all cores, while the pool takes in what was checked.
//! It has workers of its own, which yield to all others: blocks go before newcomers, and the chain's short tasks never
//! queue behind signatures.

use anyhow::Context;
use chain::{Head, PooledTx, Received, Verifier};
use crossbeam_channel::{Receiver, Sender};
use rayon::{ThreadPool, ThreadPoolBuilder, prelude::*};
use runtime::{InvalidTransaction, Validity};
use std::{sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

/// Most batches that are on their way: one is checked while the pool takes in the one before.
pub const BATCHES_MAX: usize = 2;
/// Fewest transactions that a core checks against the state at a time.
const SHARE_MIN: usize = 64;
/// By how much the workers yield: each step is a quarter less of a core that others want too.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 5;
/// Longest sleep, so that a stop is noticed soon.
const SLEEP_MAX: Duration = Duration::from_millis(100);

/// Transactions to check for the block after a head.
pub struct Batch {
    /// The head.
    pub head: Head,
    /// The transactions.
    pub transactions: Vec<Received>,
}

/// A transaction with a good signature that could go into the next block, and what the pool orders it by.
pub type Valid = (Arc<PooledTx>, Validity);

/// The verdicts on a batch, in its order.
pub type Verdicts = Vec<Result<Valid, InvalidTransaction>>;

/// What the thread works with.
pub struct Shell {
    /// The core; what the pool takes in is remembered there.
    pub verifier: Verifier,
    /// From the pool thread.
    pub batches: Receiver<Batch>,
    /// Back to it.
    pub verdicts: Sender<Verdicts>,
    /// Those who do the work.
    pub workers: Arc<ThreadPool>,
}

/// Starts the workers, as many as there are cores.
pub fn workers() -> anyhow::Result<ThreadPool> {
    let workers = ThreadPoolBuilder::new().thread_name(|n| format!("verify-{n}"));
    let workers = workers.start_handler(|_| yield_to_others()).build();
    workers.context("cannot start the threads that verify")
}

impl Shell {
    /// Runs until `stop` fires or the pool ends.
    pub fn run(self, stop: &CancellationToken) -> anyhow::Result<()> {
        while !stop.is_cancelled() {
            match self.batches.recv_timeout(SLEEP_MAX) {
                Ok(batch) => {
                    if self.verdicts.send(self.workers.install(|| self.check(batch))).is_err() {
                        return Ok(());
                    }
                }
                Err(error) if error.is_timeout() => {}
                Err(_) => return Ok(()),
            }
        }
        Ok(())
    }

    /// Checks signatures, and then what has a good one against the state.
    fn check(&self, Batch { head, transactions }: Batch) -> Verdicts {
        let verdicts = self.verifier.verify(&head, transactions, &seed());
        let validate = |verdict: Result<Arc<PooledTx>, _>| {
            let tx = verdict?;
            let validity = validate(&head, &tx)?;
            Ok((tx, validity))
        };
        verdicts.into_par_iter().with_min_len(SHARE_MIN).map(validate).collect()
    }
}

/// Randomness for one batch of signatures.
pub fn seed() -> [u8; 32] {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).expect("the operating system gives randomness");
    seed
}

/// Lowers the calling thread's priority, where that can be done for one thread alone.
fn yield_to_others() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(NICENESS) {
        tracing::debug!(%error, "signatures are verified with the priority of everything else");
    }
}

/// Whether a transaction could go into the block after a head or a later one.
pub fn validate(head: &Head, tx: &PooledTx) -> Result<Validity, InvalidTransaction> {
    tx.checked.check_rules(head.rules)?;
    runtime::validate(&head.snapshot, head.height.saturating_add(1), &tx.checked.tx)
}
