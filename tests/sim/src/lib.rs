#![doc = include_str!("../README.md")]
#![deny(missing_docs)]

mod liar;
mod node;
mod oracle;
mod outcome;
mod perform;
mod plan;
mod random;
pub mod wan;
mod world;

pub use outcome::{Outcome, Table};
pub use plan::{Ablation, NODES_MAX, Sim, When, after, at_height, secs, sim};
pub use world::CALM_BLOCKS;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

/// Many drawn runs from a first seed on, so many at a time: their sums, and those that failed, by seed.
pub fn run_many(seed: u64, runs: u64, threads: usize) -> (Table, Vec<Outcome>) {
    let next = AtomicU64::new(0);
    let results = Mutex::new((Table::default(), Vec::new()));
    thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= runs {
                        break;
                    }
                    let outcome = run_drawn(seed.wrapping_add(number));
                    let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
                    results.0.add(&outcome);
                    if !outcome.failures.is_empty() {
                        results.1.push(outcome);
                    }
                }
            });
        }
    });
    let (table, mut failed) = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    failed.sort_by_key(|outcome| outcome.seed);
    (table, failed)
}

/// As many runs at a time as there are cores.
pub fn cores() -> usize {
    thread::available_parallelism().map_or(1, Into::into)
}

/// The run that a seed draws, on this thread alone. A panic of a core is a failure like others.
pub fn run_drawn(seed: u64) -> Outcome {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
    let pool = pool.expect("a thread can be made");
    let run = AssertUnwindSafe(|| pool.install(|| Sim::drawn(seed).run()));
    catch_unwind(run).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        let failure = format!("panic: {}", text.unwrap_or_else(|| "without a message".to_owned()));
        Outcome { seed, failures: vec![failure], ..Outcome::default() }
    })
}

#[cfg(test)]
mod tests;
