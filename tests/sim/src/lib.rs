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

use std::panic::{AssertUnwindSafe, catch_unwind};

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
