//! The long form of the crash test.

use artel_e2e::crash::{self, Plan};
use clap::Parser;

/// Crash a node under load again and again, and check that nothing final is ever lost.
#[derive(Parser)]
struct Args {
    /// Crashes of the process.
    #[arg(long, default_value_t = 50)]
    kills: usize,
    /// Crashes after which every log loses a random part of what was not synced.
    #[arg(long, default_value_t = 200)]
    cuts: usize,
    /// Seed of all random choices.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Args { kills, cuts, seed } = Args::parse();
    let report = crash::run(Plan { kills, cuts, seed }).await?;
    println!("nothing was lost: {report:?}");
    Ok(())
}
