//! `artel dev`: a chain and an agent in one process.

use super::{NodeOptions, chain_spec, node::session_keys, signal};
use crate::{
    assemble::{Node, Plan, Role, assemble},
    config::{Config, on_loopback},
};
use anyhow::{Context, Result};
use clap::Args;
use client::Client;
use primitives::crypto::pair::Sr25519Pair;
use std::path::PathBuf;
use tempfile::TempDir;

/// Whose validator makes the blocks of a development chain.
pub const VALIDATOR: &str = "//Alice";
/// Whose agent computes its tasks.
pub const AGENT: &str = "//Bob";

/// What `artel dev` takes.
#[derive(Args)]
#[command(after_help = "Examples:
  artel dev
  artel dev --base-path ./data --rpc-port 9955 --log info,artel_agent=debug

//Alice validates, //Bob's agent works; //Alice to //Ferdie have tokens. Connect polkadot-js or any
Substrate client to ws://127.0.0.1:9944.")]
pub struct DevArgs {
    #[command(flatten)]
    options: NodeOptions,
    /// Do not run an agent: tasks wait for one that you start with `artel agent`.
    #[arg(long)]
    no_agent: bool,
    /// Sign although the last-signed guard is missing from --base-path.
    #[arg(long)]
    sign_without_guard: bool,
}

/// Runs a development chain until it is told to stop.
pub async fn run(args: DevArgs) -> Result<()> {
    args.options.start_logging()?;
    let config = args.options.resolve()?;
    let home = Home::new(config.node.base_path.clone())?;
    let mut node = start(config.clone(), home.path(), args.sign_without_guard).await?;
    if !args.no_agent {
        add_agent(&mut node, config, home.path()).await?;
    }
    eprintln!("Artel is running. JSON-RPC: ws://{}", node.rpc_address);
    if let Some(address) = node.metrics_address {
        eprintln!("Metrics: http://{address}/metrics");
    }
    eprintln!("Post a task: artel task submit PROGRAM.wasm --signer //Alice   Stop: Ctrl-C");
    node.run_until(signal::stop()).await
}

/// The folder of a development chain's data: the caller's, or one that is gone at the end.
pub enum Home {
    /// Kept.
    Kept(PathBuf),
    /// Deleted when it is dropped.
    Temporary(TempDir),
}

impl Home {
    /// The folder given, or a temporary one.
    pub fn new(path: Option<PathBuf>) -> Result<Self> {
        match path {
            Some(path) => Ok(Self::Kept(path)),
            None => {
                let folder = tempfile::Builder::new().prefix("artel-").tempdir();
                Ok(Self::Temporary(folder.context("cannot make a temporary folder")?))
            }
        }
    }

    /// Where it is.
    pub fn path(&self) -> PathBuf {
        match self {
            Self::Kept(path) => path.clone(),
            Self::Temporary(folder) => folder.path().to_owned(),
        }
    }
}

/// Starts the node of a development chain.
pub async fn start(
    mut config: Config,
    base_path: PathBuf,
    sign_without_guard: bool,
) -> Result<Node> {
    let spec = chain_spec::load(&config.node.chain)?;
    if config.network == network::Config::default() {
        config.network = on_loopback(0);
    }
    let role = Role::Validator { keys: session_keys(VALIDATOR)?.into(), sign_without_guard };
    assemble(Plan { config, spec, base_path, role }).await
}

/// Adds an agent to a node; it sees the chain through JSON-RPC, as one in a process of its own does.
pub async fn add_agent(node: &mut Node, config: Config, base_path: PathBuf) -> Result<()> {
    add_worker(node, config, base_path, Sr25519Pair::from_uri(AGENT)?).await
}

/// Adds an agent with this key.
pub async fn add_worker(
    node: &mut Node,
    config: Config,
    base_path: PathBuf,
    key: Sr25519Pair,
) -> Result<()> {
    let client = Client::connect(&format!("ws://{}", node.rpc_address)).await?;
    let agent = agent::Agent::start(config.agent, client, key, &base_path.join("agent")).await?;
    node.add_edge("agent", |stop| async move { Ok(agent.run(stop).await?) });
    Ok(())
}
