//! The command line: what each command takes, and where it goes.

mod account;
mod agent;
mod amount;
mod backup;
pub mod chain_spec;
mod completions;
mod demo;
pub(crate) mod dev;
mod explain;
pub mod key;
mod localnet;
pub mod node;
mod output;
mod peers;
mod signal;
mod signer;
mod signing;
mod stake;
pub(crate) mod task;

use crate::{config::Config, logging};
use anyhow::{Context as _, Result};
use clap::{Args, CommandFactory, Parser, Subcommand};
use network::Multiaddr;
use std::{net::IpAddr, path::PathBuf, process::ExitCode};

/// Artel: a proof-of-stake chain for verifiable computing. Post a task, and whoever computes it is paid.
#[derive(Parser)]
#[command(name = "artel", version, about, max_term_width = 100)]
#[command(after_help = "Examples:
  artel dev                                     a chain of one node with an agent, data thrown away at the end
  artel dev --base-path ./data                  the same, kept
  artel task submit count.wasm --input text.txt --signer //Alice
  artel task watch 0x…                          follow a task to its payout
  artel key generate                            a new account

A node listens on ws://127.0.0.1:9944; any Substrate client can connect, for example polkadot-js.")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a development chain and an agent in one process.
    Dev(dev::DevArgs),
    /// Run a node of a chain.
    Node(node::NodeArgs),
    /// Run a network of several nodes on this machine.
    Localnet(localnet::LocalnetArgs),
    /// Show whom a node is connected to, and how far it is.
    Peers(peers::PeersArgs),
    /// Copy the chain of a node that is stopped.
    Backup(backup::BackupArgs),
    /// Make a node's folder from a copy.
    Restore(backup::RestoreArgs),
    /// Run an agent of its own, connected to a node.
    Agent(agent::AgentArgs),
    /// Post tasks, follow them and fetch their results.
    #[command(subcommand)]
    Task(task::TaskCommand),
    /// Look at accounts and send tokens.
    #[command(subcommand)]
    Account(account::AccountCommand),
    /// Validate, nominate, and look at stake.
    #[command(subcommand)]
    Stake(stake::StakeCommand),
    /// Tell in words what a transaction did, or why a call failed.
    Explain(explain::ExplainArgs),
    /// Make, look at and store keys.
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// Sign for a validator's nodes in a process of its own.
    #[command(subcommand)]
    Signer(signer::SignerCommand),
    /// Print or check a chain spec.
    #[command(subcommand)]
    ChainSpec(chain_spec::ChainSpecCommand),
    /// Print the configuration that would be in force.
    Config(NodeOptions),
    /// Print a script with which a shell completes these commands.
    Completions(completions::CompletionsArgs),
    /// Measure what this machine can do.
    #[command(subcommand)]
    Bench(crate::bench::BenchCommand),
    /// Run a chain, an agent and one real task from post to payout, and stop.
    Demo(demo::DemoArgs),
}

/// Settings of a node that flags can override.
#[derive(Args, Clone, Debug)]
pub struct NodeOptions {
    /// Configuration file (TOML); `artel config` prints one with every setting.
    #[arg(long, value_name = "FILE", env = "ARTEL_CONFIG")]
    pub config: Option<PathBuf>,
    /// The chain: dev, local, testnet, or the path of a chain spec.
    #[arg(long, value_name = "CHAIN", env = "ARTEL_CHAIN")]
    pub chain: Option<String>,
    /// Folder of everything that the node keeps.
    #[arg(long, short = 'd', value_name = "PATH", env = "ARTEL_BASE_PATH")]
    pub base_path: Option<PathBuf>,
    /// Blocks before the head whose states stay readable.
    #[arg(long, value_name = "NUMBER", env = "ARTEL_HISTORY_BLOCKS", conflicts_with = "archive")]
    pub history_blocks: Option<u32>,
    /// Keep all states from now on readable.
    #[arg(long)]
    pub archive: bool,
    /// Name of the node in logs.
    #[arg(long, value_name = "NAME", env = "ARTEL_NAME")]
    pub name: Option<String>,
    /// Address to listen on for other nodes, such as /ip4/0.0.0.0/tcp/30333; may be repeated.
    #[arg(long, value_name = "ADDRESS", env = "ARTEL_LISTEN", value_delimiter = ',')]
    pub listen: Vec<Multiaddr>,
    /// A node to begin with, such as /ip4/1.2.3.4/tcp/30333/p2p/12D3…; may be repeated.
    #[arg(long, value_name = "ADDRESS", env = "ARTEL_BOOTNODES", value_delimiter = ',')]
    pub bootnode: Vec<Multiaddr>,
    /// A node to stay connected to whatever the limits are; may be repeated.
    #[arg(long, value_name = "ADDRESS", env = "ARTEL_RESERVED", value_delimiter = ',')]
    pub reserved: Vec<Multiaddr>,
    /// Connect to reserved nodes alone: a validator behind its sentries.
    #[arg(long)]
    pub reserved_only: bool,
    /// Tell and dial private and loopback addresses: for networks on one machine or in one house.
    #[arg(long)]
    pub private_addresses: bool,
    /// Find nodes of the local network by multicast.
    #[arg(long)]
    pub mdns: bool,
    /// Begin with the state after a late block instead of all blocks: a block that you vouch for,
    /// younger than nine days.
    #[arg(long, value_name = "HEIGHT:HASH", env = "ARTEL_TRUSTED")]
    pub trusted: Option<String>,
    /// Port of JSON-RPC over HTTP and WebSocket; 0 takes a free one.
    #[arg(long, value_name = "PORT", env = "ARTEL_RPC_PORT")]
    pub rpc_port: Option<u16>,
    /// Address of JSON-RPC; anything but loopback needs a proxy in front.
    #[arg(long, value_name = "IP", env = "ARTEL_RPC_HOST")]
    pub rpc_host: Option<IpAddr>,
    /// Which methods of JSON-RPC are served: auto serves those that cost much on loopback only,
    /// safe nowhere, unsafe everywhere.
    #[arg(long, value_name = "POLICY", env = "ARTEL_RPC_METHODS", value_parser = parse_methods)]
    pub rpc_methods: Option<rpc::MethodPolicy>,
    /// Port of Prometheus metrics; 0 takes a free one.
    #[arg(long, value_name = "PORT", env = "ARTEL_PROMETHEUS_PORT")]
    pub prometheus_port: Option<u16>,
    /// Do not serve metrics.
    #[arg(long)]
    pub no_prometheus: bool,
    /// What is logged: a level, and levels by module, such as info,artel_rpc=debug.
    #[arg(long, short = 'l', value_name = "FILTER", default_value = "info", env = "ARTEL_LOG")]
    pub log: String,
    /// Log as JSON, one object a line.
    #[arg(long)]
    pub log_json: bool,
}

impl NodeOptions {
    /// The configuration in force: defaults, then the file, then the environment and flags.
    pub fn resolve(&self) -> Result<Config> {
        let mut config = match &self.config {
            Some(path) => Config::read(path)?,
            None => Config::default(),
        };
        let set = |to: &mut String, from: &Option<String>| {
            if let Some(from) = from {
                to.clone_from(from);
            }
        };
        set(&mut config.node.chain, &self.chain);
        set(&mut config.node.name, &self.name);
        if self.base_path.is_some() {
            config.node.base_path.clone_from(&self.base_path);
        }
        if let Some(blocks) = self.history_blocks {
            config.storage.history_blocks = blocks;
            config.storage.archive = false;
        }
        config.storage.archive |= self.archive;
        config.rpc.port = self.rpc_port.unwrap_or(config.rpc.port);
        config.rpc.host = self.rpc_host.unwrap_or(config.rpc.host);
        config.rpc.methods = self.rpc_methods.unwrap_or(config.rpc.methods);
        config.metrics.port = self.prometheus_port.unwrap_or(config.metrics.port);
        config.metrics.enabled &= !self.no_prometheus;
        let network = &mut config.network;
        if !self.listen.is_empty() {
            network.listen.clone_from(&self.listen);
        }
        network.bootnodes.extend(self.bootnode.iter().cloned());
        network.reserved.extend(self.reserved.iter().cloned());
        network.reserved_only |= self.reserved_only;
        network.private_addresses |= self.private_addresses;
        network.mdns |= self.mdns;
        if self.trusted.is_some() {
            config.sync.trusted.clone_from(&self.trusted);
        }
        config.validate()?;
        Ok(config)
    }

    /// Starts logging as the flags say.
    pub fn start_logging(&self) -> Result<()> {
        logging::start(&self.log, self.log_json)
    }
}

fn parse_methods(text: &str) -> Result<rpc::MethodPolicy> {
    serde_json::from_value(text.into())
        .with_context(|| format!("'{text}' is not a policy: give auto, safe or unsafe"))
}

/// Where a command finds a node.
#[derive(Args, Clone, Debug)]
pub struct Connection {
    /// WebSocket address of a node.
    #[arg(long, value_name = "URL", default_value = "ws://127.0.0.1:9944", env = "ARTEL_URL")]
    pub url: String,
    /// Print JSON for scripts.
    #[arg(long)]
    pub json: bool,
}

impl Connection {
    /// Connects, or says how to start a node.
    pub async fn client(&self) -> Result<client::Client> {
        client::Client::connect(&self.url).await.with_context(|| {
            format!("no node answers at {}: start one with `artel dev`, or give --url", self.url)
        })
    }
}

/// Parses the command line and runs it. An error is printed with its causes; the exit code is 1.
pub fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<()> {
    match command {
        Command::Key(command) => key::run(command),
        Command::ChainSpec(command) => chain_spec::run(command),
        Command::Config(options) => {
            print!("{}", options.resolve()?.to_toml()?);
            Ok(())
        }
        Command::Completions(args) => completions::run(args, &mut Cli::command()),
        Command::Backup(args) => backup::backup(args),
        Command::Restore(args) => backup::restore(args),
        Command::Bench(command) => crate::bench::run(command),
        Command::Dev(args) => block_on(dev::run(args)),
        Command::Node(args) => block_on(node::run(args)),
        Command::Localnet(args) => block_on(localnet::run(args)),
        Command::Peers(args) => block_on(peers::run(args)),
        Command::Agent(args) => block_on(agent::run(args)),
        Command::Task(command) => block_on(task::run(command)),
        Command::Account(command) => block_on(account::run(command)),
        Command::Stake(command) => block_on(stake::run(command)),
        Command::Signer(command) => block_on(signer::run(command)),
        Command::Explain(args) => block_on(explain::run(args)),
        Command::Demo(args) => block_on(demo::run(args)),
    }
}

fn block_on(work: impl Future<Output = Result<()>>) -> Result<()> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(work)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(flags: &[&str]) -> Result<Config> {
        let cli = Cli::try_parse_from([&["artel", "config"], flags].concat())?;
        let Command::Config(options) = cli.command else { panic!("it is the command given") };
        options.resolve()
    }

    #[test]
    fn flags_say_how_far_states_go_back() {
        let by_default = config(&[]).expect("flags are optional").storage;
        assert_eq!((by_default.history_blocks, by_default.archive), (4_096, false));
        assert!(config(&["--archive"]).expect("a flag").storage.archive);
        let window = config(&["--history-blocks", "100"]).expect("a flag").storage;
        assert_eq!((window.history_blocks, window.archive), (100, false));
        assert!(config(&["--archive", "--history-blocks", "100"]).is_err());
        let too_small = config(&["--history-blocks", "15"]).expect_err("proofs go back further");
        assert!(too_small.to_string().contains("history_blocks is 15"), "{too_small}");
    }
}
