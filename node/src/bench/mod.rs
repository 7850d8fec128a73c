//! `artel bench`: what this machine can do. The last line of each is one JSON object; `rpc` prints a table without `--json`.

mod feed;
mod finality;
mod load;
pub mod machine;
mod rpc;
mod tasks;
mod transfers;
mod weights;

use anyhow::Result;
use clap::Subcommand;

/// What can be measured.
#[derive(Subcommand)]
pub enum BenchCommand {
    /// Transfers per second through a whole node: pool, consensus, execution, state root, disk.
    Transfers(transfers::TransfersArgs),
    /// Time to finality and transfers per second of a network of several validators, as a client sees them.
    Finality(finality::FinalityArgs),
    /// Tasks per second through the chain, and the time from a task's creation to its payment.
    Tasks(tasks::TasksArgs),
    /// Requests per second over WebSocket, beside the same work inside the process, and where the time goes.
    Rpc(rpc::RpcArgs),
    /// Send the requests of a file over WebSocket, and measure the answers.
    Load(load::LoadArgs),
    /// Time of reads and writes of state, beside the constants that weights use.
    Weights(weights::WeightsArgs),
}

/// Runs a measurement.
pub fn run(command: BenchCommand) -> Result<()> {
    match command {
        BenchCommand::Transfers(args) => transfers::run(args),
        BenchCommand::Finality(args) => {
            tokio::runtime::Runtime::new()?.block_on(finality::run(args))
        }
        BenchCommand::Tasks(args) => tasks::run(args),
        BenchCommand::Rpc(args) => rpc::run(&args),
        BenchCommand::Load(args) => load::run(&args),
        BenchCommand::Weights(args) => weights::run(&args),
    }
}

/// The value below which the given share of sorted values lies; 0 if there is none.
fn percentile(sorted: &[f64], share: f64) -> f64 {
    let last = sorted.len().saturating_sub(1) as f64;
    sorted.get((last * share).round() as usize).copied().unwrap_or_default()
}
