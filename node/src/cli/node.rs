//! `artel node`: run a node of a chain.

use super::{NodeOptions, chain_spec, dev::add_worker, signal, signing::OptionalSignerArgs};
pub use crate::keyring::session_keys;
use crate::{
    assemble::{Keys, Node, Plan, Role, assemble},
    keyring::read_session_key,
};
use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use primitives::{AccountId, crypto::pair::Pair};
use std::path::PathBuf;

/// What `artel node` takes.
#[derive(Args)]
#[command(after_help = "Examples:
  echo //Testnet//Validator//1 > first.key
  artel node --role validator --chain testnet --base-path ./first --session-key-file first.key
  artel node --role validator --chain testnet --base-path ./first --remote-signer ./signer/socket --validator 5Grw…
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
    /// Stakes and decides blocks; needs --session-key-file, a key in its folder, or --remote-signer.
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
    ///
    /// Not needed once `artel key rotate` has put a key into the node's folder.
    #[arg(long, value_name = "FILE", env = "ARTEL_SESSION_KEY_FILE")]
    session_key_file: Option<PathBuf>,
    /// Socket of a process that has the keys: see `artel help signer`. Two nodes with one signer are a
    /// validator and its hot standby.
    #[arg(
        long,
        value_name = "SOCKET",
        env = "ARTEL_REMOTE_SIGNER",
        requires = "validator",
        conflicts_with = "session_key_file"
    )]
    remote_signer: Option<PathBuf>,
    /// The account that staked, where a signer has the keys.
    #[arg(long, value_name = "ACCOUNT", env = "ARTEL_VALIDATOR", requires = "remote_signer")]
    validator: Option<AccountId>,
    /// Sign although the last-signed guard or the write-ahead log is missing. Only if no other node has this key: a
    /// validator that signs twice loses its stake.
    #[arg(long)]
    sign_without_guard: bool,
}

impl SessionKeyArgs {
    fn keys(self) -> Result<Keys> {
        let Self { session_key_file, remote_signer, validator, .. } = self;
        match (remote_signer, validator, session_key_file) {
            (Some(socket), Some(account), _) => Ok(Keys::Remote { socket, account }),
            (_, _, Some(file)) => Ok(read_session_key(&file)?.into()),
            _ => Ok(Keys::Local(None)),
        }
    }
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
            let sign_without_guard = args.keys.sign_without_guard;
            Role::Validator { keys: args.keys.keys()?, sign_without_guard }
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
