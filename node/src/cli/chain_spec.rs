//! `artel chain-spec`: print or check a chain spec.

use anyhow::{Context, Result, anyhow};
use clap::Subcommand;
use runtime::{ChainSpec, SPEC_BYTES_MAX};
use std::path::PathBuf;

/// Commands for chain specs.
#[derive(Subcommand)]
pub enum ChainSpecCommand {
    /// Print a chain spec as JSON, to be edited and given to --chain.
    #[command(after_help = "Example:
  artel chain-spec show dev > mine.json")]
    Show {
        /// dev, local, testnet, or a file.
        chain: String,
    },
    /// Check a chain spec: say what is wrong, or the hash of the chain's first block.
    Check {
        /// dev, local, testnet, or a file.
        chain: String,
    },
}

/// Runs a command.
pub fn run(command: ChainSpecCommand) -> Result<()> {
    match command {
        ChainSpecCommand::Show { chain } => {
            println!("{}", serde_json::to_string_pretty(&load(&chain)?)?);
        }
        ChainSpecCommand::Check { chain } => {
            let spec = load(&chain)?;
            let genesis = chain::genesis_hash(&spec.genesis)?;
            println!("{} ({}) is valid; its genesis is {genesis}", spec.name, spec.id);
        }
    }
    Ok(())
}

/// The chain spec with this name, or in this file.
pub fn load(chain: &str) -> Result<ChainSpec> {
    match chain {
        "dev" => Ok(ChainSpec::dev()),
        "local" => Ok(ChainSpec::local()),
        "testnet" => Ok(ChainSpec::testnet()),
        path => {
            let path = PathBuf::from(path);
            let size = std::fs::metadata(&path)
                .with_context(|| format!("'{chain}' is neither dev, local, testnet nor a file"))?
                .len();
            anyhow::ensure!(
                usize::try_from(size).is_ok_and(|size| size <= SPEC_BYTES_MAX),
                "the chain spec {chain} has {size} bytes: {SPEC_BYTES_MAX} is the most"
            );
            let json = std::fs::read_to_string(&path)
                .with_context(|| format!("cannot read the chain spec {chain}"))?;
            ChainSpec::from_json(&json).map_err(|why| anyhow!("{chain}: {why}"))
        }
    }
}
