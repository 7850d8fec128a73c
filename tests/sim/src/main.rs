//! `cargo xtask sim`: many runs, each from a seed of its own, over all cores.

use anyhow::{Result, bail};
use artel_sim::{Outcome, Table, cores, run_drawn, run_many, wan};
use clap::Parser;
use primitives::Height;
use std::time::Instant;

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
    #[arg(long, default_value_t = 100)]
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
    let (table, failed) = match cli.runs {
        1 => run_one(cli.seed),
        runs => run_many(cli.seed, runs, cli.threads.unwrap_or_else(cores)),
    };
    print!("{table}");
    println!("{:<22}{:>12}", "real seconds", start.elapsed().as_secs());
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

/// One run, with all that is known of it.
fn run_one(seed: u64) -> (Table, Vec<Outcome>) {
    let outcome = run_drawn(seed);
    println!("seed {seed}: trace {}", outcome.trace);
    let mut table = Table::default();
    table.add(&outcome);
    (table, [outcome].into_iter().filter(|outcome| !outcome.failures.is_empty()).collect())
}
