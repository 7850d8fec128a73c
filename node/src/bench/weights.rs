//! What reads and writes of state take on this machine.

use anyhow::{Result, ensure};
use chain::Chain;
use clap::Args;
use framework::Weight;
use primitives::{AccountId, Balance, crypto::hash::blake2_256};
use runtime::ChainSpec;
use serde_json::json;
use std::{hint::black_box, time::Instant};

/// What `artel bench weights` takes.
#[derive(Args)]
pub struct WeightsArgs {
    /// Accounts in the state.
    #[arg(long, default_value_t = 200_000, value_name = "COUNT")]
    accounts: usize,
    /// Reads that are measured.
    #[arg(long, default_value_t = 100_000, value_name = "COUNT")]
    reads: usize,
}

/// Runs the measurement.
pub fn run(args: &WeightsArgs) -> Result<()> {
    ensure!(args.accounts > 0 && args.reads > 0, "nothing to measure: give accounts and reads");
    let home = tempfile::Builder::new().prefix("artel-bench-").tempdir()?;
    let account = |number: usize| AccountId(blake2_256(&(number as u64).to_le_bytes()).0);
    let mut genesis = ChainSpec::dev().genesis;
    let endowment = Balance::new(1_000_000_000_000);
    genesis.Balances.balances.extend((0..args.accounts).map(|n| (account(n), endowment)));
    let config = chain::Config { path: home.path().join("db"), ..chain::Config::default() };
    let start = Instant::now();
    let chain = Chain::open(&config, &genesis)?;
    let write_ps = start.elapsed().as_nanos() as f64 * 1e3 / args.accounts as f64;

    let state = &chain.head().snapshot;
    // A stride without a common divisor visits the accounts in no order that a cache could like.
    let start = Instant::now();
    for number in 0..args.reads {
        let who = account(number.wrapping_mul(7_919) % args.accounts);
        black_box(pallets::system::account(state, &who));
    }
    let read_ps = start.elapsed().as_nanos() as f64 * 1e3 / args.reads as f64;
    println!(
        "{}",
        json!({
            "read_ps": read_ps.round(),
            "read_ps_declared": Weight { reads: 1, ..Weight::ZERO }.ref_time(),
            "write_ps": write_ps.round(),
            "write_ps_declared": Weight { writes: 1, ..Weight::ZERO }.ref_time(),
        })
    );
    Ok(())
}
