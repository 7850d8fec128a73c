//! `cargo xtask sim`: many runs, each from a seed of its own, over all cores.

use anyhow::{Result, bail};
use artel_sim::{Outcome, Table, run_drawn, wan};
use clap::Parser;
use primitives::Height;
use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Instant,
};

/// Most failing runs that are told of.
const FAILURES_SHOWN_MAX: usize = 20;

/// Runs simulated networks, each with the faults that its seed draws.
#[derive(Parser)]
#[command(name = "sim")]
struct Cli {
    /// The first run's seed; each further run has the next.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many runs.
    #[arg(long, default_value_t = 1)]
    runs: u64,
    /// How many runs at a time; as many as there are cores by default.
    #[arg(long)]
    threads: Option<usize>,
    /// Measure finality over a wide area instead: the consensus core, published latencies, no transactions.
    #[arg(long)]
    wan: bool,
    /// Heights of that measurement.
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(Height).range(2..10_000))]
    heights: Height,
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    if cli.wan {
        for validators in [50, 100] {
            println!("{}", wan::measure(validators, cli.heights, cli.seed));
        }
        return Ok(());
    }
    let start = Instant::now();
    let (table, failed) = run(&cli);
    print!("{table}");
    println!("{:<20}{:>12}", "real seconds", start.elapsed().as_secs());
    if failed.is_empty() {
        return Ok(());
    }
    for outcome in failed.iter().take(FAILURES_SHOWN_MAX) {
        let Outcome { seed, failures, .. } = outcome;
        println!("\nseed {seed} fails: {}", failures.join("; "));
        println!("  see it again: cargo xtask sim --seed {seed} --runs 1");
    }
    bail!("{} of {} runs failed", failed.len(), cli.runs)
}

fn run(cli: &Cli) -> (Table, Vec<Outcome>) {
    let cores = || thread::available_parallelism().map_or(1, Into::into);
    let threads = cli.threads.unwrap_or_else(cores).max(1);
    let next = AtomicU64::new(0);
    let results = Mutex::new((Table::default(), Vec::new()));
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= cli.runs {
                        break;
                    }
                    let outcome = run_drawn(cli.seed.wrapping_add(number));
                    if cli.runs == 1 {
                        println!("seed {}: trace {}", outcome.seed, outcome.trace);
                    }
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
