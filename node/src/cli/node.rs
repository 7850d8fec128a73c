//! `artel node`: run a node of a chain.

use super::{NodeOptions, chain_spec, dev::add_worker, signal, signer::OptionalSignerArgs};
use crate::assemble::{Node, Plan, Role, ValidatorKeys, assemble};
use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use primitives::crypto::pair::{Ed25519Pair, Pair, Sr25519Pair};
use std::path::{Path, PathBuf};

/// Longest secret URI in a file.
pub const SECRET_BYTES_MAX: usize = 1_024;

/// What `artel node` takes.
#[derive(Args)]
#[command(after_help = "Examples:
  echo //Testnet//Validator//1 > first.key
  artel node --role validator --chain testnet --base-path ./first --session-key-file first.key
  artel node --role gateway --chain testnet --base-path ./gateway --bootnode /ip4/1.2.3.4/tcp/30333/p2p/12D3…
  artel node --role agent --chain testnet --base-path ./agent --signer agent.json --bootnode …

A node finds the others by the one it begins with. All roles check every block: a validator decides them
too, an agent computes tasks, a gateway serves dapps. `artel localnet` runs a whole network here.")]
pub struct NodeArgs {
    /// What the node does.
    #[arg(long, value_enum, default_value = "gateway", env = "ARTEL_ROLE")]
    role: RoleName,
    #[command(flatten)]
    options: NodeOptions,
    #[command(flatten)]
    keys: SessionKeyArgs,
    #[command(flatten)]
    signer: OptionalSignerArgs,
}

/// What a node does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RoleName {
    /// Stakes and decides blocks; needs --session-key-file.
    Validator,
    /// Computes tasks; needs --signer.
    Agent,
    /// Serves dapps.
    Gateway,
}

/// With which keys a validator signs.
#[derive(Args, Clone, Debug)]
pub struct SessionKeyArgs {
    /// File with the secret URI of the validator. Its account is the URI's sr25519 key, its vote key
    /// the ed25519 key of URI//vote, its VRF key the sr25519 key of URI//vrf.
    #[arg(long, value_name = "FILE", env = "ARTEL_SESSION_KEY_FILE")]
    session_key_file: Option<PathBuf>,
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
    let mut worker = None;
    let role = match args.role {
        RoleName::Validator => {
            let file = args.keys.session_key_file.as_deref();
            let file = file.context("a validator needs its key: give --session-key-file")?;
            let keys = read_session_key(file)?.into();
            Role::Validator { keys, sign_without_guard: args.keys.sign_without_guard }
        }
        RoleName::Agent => {
            let pair = args.signer.pair()?.context("an agent needs its key: give --signer")?;
            let Pair::Sr25519(key) = pair else {
                bail!("an agent's key is sr25519: leave out --scheme");
            };
            worker = Some(key);
            Role::Agent
        }
        RoleName::Gateway => Role::Gateway,
    };
    let plan = Plan { config: config.clone(), spec, base_path: base_path.clone(), role };
    let mut node = assemble(plan).await?;
    if let Some(key) = worker {
        add_worker(&mut node, config, base_path, key).await?;
    }
    announce(&node);
    node.run_until(signal::stop()).await
}

/// Tells people, and programs that started this one, where the node is.
fn announce(node: &Node) {
    eprintln!("Artel is running. JSON-RPC: ws://{}", node.rpc_address);
    if let Some(address) = node.metrics_address {
        eprintln!("Metrics: http://{address}/metrics");
    }
    for address in &node.peers.overview().borrow().listening {
        eprintln!("Other nodes: {address}");
    }
    eprintln!("Stop: Ctrl-C");
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
