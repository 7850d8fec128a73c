//! Other people's clients against a node; `cargo xtask clients` builds and runs this.

use anyhow::{Context, Result};
use artel_e2e::clients::{Plan, run};
use clap::Parser;

/// Runs other people's clients, unmodified, each against a node of its own.
#[derive(Parser)]
struct Args {
    /// Clients to run: polkadot-js, papi, py-substrate-interface, async-substrate-interface, read-proof; all by default.
    clients: Vec<String>,
    /// Write the table of features anew.
    #[arg(long)]
    bless: bool,
}

fn main() -> Result<()> {
    let Args { clients, bless } = Args::parse();
    let here = std::env::current_exe()?;
    // Beside the builds, as they are made from lock files too and can be thrown away.
    let target = here.ancestors().nth(2).context("this program lies in a target folder")?;
    let home = target.join("clients");
    run(&Plan { clients, bless, root: std::env::current_dir()?, home })
}
