//! `artel node`: run a node of a chain.

use super::{NodeOptions, chain_spec, signal};
use crate::assemble::{Plan, ValidatorKeys, assemble};
use anyhow::{Context, Result};
use clap::Args;
use primitives::crypto::pair::{Ed25519Pair, Sr25519Pair};
use std::path::{Path, PathBuf};

/// Longest secret URI in a file.
const SECRET_BYTES_MAX: usize = 1_024;

/// What `artel node` takes.
#[derive(Args)]
#[command(after_help = "Examples:
  echo //Alice > alice.key
  artel node --chain dev --base-path ./data --session-key-file alice.key

  echo //Testnet//Validator//1 > first.key
  artel node --chain testnet --base-path ./testnet --session-key-file first.key

A validator that has a quorum alone, as in these, makes a complete chain; nodes that follow others
come with the network.")]
pub struct NodeArgs {
    #[command(flatten)]
    options: NodeOptions,
    #[command(flatten)]
    keys: SessionKeyArgs,
}

/// With which keys a validator signs.
#[derive(Args, Clone, Debug)]
pub struct SessionKeyArgs {
    /// File with the secret URI of the validator. Its account is the URI's sr25519 key, its vote key
    /// the ed25519 key of URI//vote, its VRF key the sr25519 key of URI//vrf.
    #[arg(long, value_name = "FILE", env = "ARTEL_SESSION_KEY_FILE")]
    session_key_file: PathBuf,
    /// Sign although the last-signed guard is missing. Only if no other node has this key: a
    /// validator that signs twice loses its stake.
    #[arg(long)]
    sign_without_guard: bool,
}

/// Runs a node until it is told to stop.
pub async fn run(args: NodeArgs) -> Result<()> {
    args.options.start_logging()?;
    let config = args.options.resolve()?;
    let base_path = config
        .node
        .base_path
        .clone()
        .context("a node keeps its data: say where with --base-path, or try artel dev")?;
    let spec = chain_spec::load(&config.node.chain)?;
    let keys = read_session_key(&args.keys.session_key_file)?;
    let sign_without_guard = args.keys.sign_without_guard;
    let node = assemble(Plan { config, spec, base_path, keys, sign_without_guard }).await?;
    node.run_until(signal::stop()).await
}

fn read_session_key(path: &Path) -> Result<ValidatorKeys> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the session key {}", path.display()))?;
    anyhow::ensure!(text.len() <= SECRET_BYTES_MAX, "{} is not a secret URI", path.display());
    session_keys(text.trim()).with_context(|| format!("{} has no usable key", path.display()))
}

/// The keys of the validator behind a secret URI: its account is the URI's own sr25519 key, its vote
/// key the ed25519 key of `URI//vote`, its VRF key the sr25519 key of `URI//vrf`.
pub fn session_keys(uri: &str) -> Result<ValidatorKeys> {
    let (path, password) = uri.split_once("///").map_or((uri, None), |(p, w)| (p, Some(w)));
    let child = |name: &str| match password {
        Some(password) => format!("{path}//{name}///{password}"),
        None => format!("{path}//{name}"),
    };
    Ok(ValidatorKeys {
        account: Sr25519Pair::from_uri(uri)?.public().into(),
        vote: Ed25519Pair::from_uri(&child("vote"))?,
        vrf: Sr25519Pair::from_uri(&child("vrf"))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_development_chains_validator_has_the_keys_of_alice() {
        let keys = session_keys("//Alice").expect("it is a secret URI");
        let genesis = runtime::ChainSpec::dev().genesis;
        let validator = &genesis.Staking.validators[0];
        assert_eq!(validator.account, keys.account);
        assert_eq!(validator.vote_key.0, keys.vote.public());
        assert_eq!(validator.vrf_key.0, keys.vrf.public());
    }
}
