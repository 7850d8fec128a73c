//! What the project does to itself: `cargo xtask ci | sim | clients | tidy | bless | weights | new-pallet NAME`.

mod ci;
mod new_pallet;
mod tidy;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

/// The project's own chores.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Formatting, lints, docs, house rules and all tests: what must pass before a change lands.
    Ci,
    /// Other people's clients, unmodified, each against a node of its own; a part of `ci`.
    Clients {
        /// Clients to run, all by default; --bless writes the table of features anew.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Simulated networks, each with the faults that its seed draws: `--seed S --runs N`, or `--wan`.
    Sim {
        /// What the simulator is told; `--help` lists it.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// The house rules that no compiler knows: file lengths, the pallets' order, where text may name what.
    Tidy,
    /// Write the fixtures anew (bytes, metadata, fuel) from what the code makes of them now; read the diff.
    Bless,
    /// Measure reads and writes of state on this machine beside the constants that weights use.
    Weights,
    /// Make a pallet of two calls, one map and one event, with a passing test, and list it in the runtime.
    NewPallet {
        /// Its name in CamelCase, as clients show it.
        name: String,
        /// Its index in calls, events and errors; the lowest free one above 110 by default.
        #[arg(long)]
        index: Option<u8>,
    },
}

fn main() -> ExitCode {
    match run(Cli::parse().chore) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(chore: Chore) -> Result<()> {
    let root = root();
    match chore {
        Chore::Ci => ci::run(&root),
        Chore::Clients { args } => ci::clients(&root, &args),
        Chore::Sim { args } => ci::sim(&root, &args),
        Chore::Tidy => tidy::run(&root),
        Chore::Bless => ci::bless(&root),
        Chore::Weights => ci::weights(&root),
        Chore::NewPallet { name, index } => new_pallet::run(&root, &name, index),
    }
}

/// The checkout's top folder. Cargo names it when it runs this, as checkouts may share a target folder.
fn root() -> PathBuf {
    let built = || env!("CARGO_MANIFEST_DIR").to_owned();
    let here = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_else(|_| built());
    Path::new(&here).ancestors().nth(2).expect("xtask lies two folders below the top").to_owned()
}
