//! Settings of a node: a TOML file, then the environment, then flags; the last that names a setting
//! counts.

use anyhow::{Context, Result, anyhow, ensure};
use chain::snapshot_sync::EXPORT_BLOCKS;
use network::Multiaddr;
use runtime::light::Checkpoint;
use serde::{Deserialize, Serialize};
use std::{
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
};

// What clients take for the block time is what validators agree to.
const _: () = assert!(consensus::INTERVAL_MS == 2 * pallets::timestamp::MINIMUM_PERIOD_MS);

/// Longest name of a node, in bytes.
pub const NAME_BYTES_MAX: usize = 64;

/// Everything that can be set, as `artel config` prints it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Who this node is.
    pub node: NodeConfig,
    /// The server for dapps and tools.
    pub rpc: rpc::Config,
    /// Other nodes.
    pub network: network::Config,
    /// Beginning late, and helping others to.
    pub sync: SyncConfig,
    /// The server for Prometheus.
    pub metrics: MetricsConfig,
    /// The database.
    pub storage: storage::Config,
    /// The pool of waiting transactions.
    pub txpool: txpool::Config,
    /// Making blocks.
    pub block: BlockConfig,
    /// Deciding blocks.
    pub consensus: consensus::Config,
    /// Programs, inputs and outputs.
    pub blobs: blobs::Config,
    /// The worker for tasks.
    pub agent: agent::Config,
}

/// Who a node is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NodeConfig {
    /// Name in logs and in `system_name`'s answers to operators.
    pub name: String,
    /// The chain: `dev`, `local`, `testnet`, or the path of a chain spec.
    pub chain: String,
    /// Folder of everything that the node keeps; a temporary one if absent.
    pub base_path: Option<PathBuf>,
    /// Added to the machine's clock where blocks are stamped, in milliseconds: for a clock that is known to be wrong, and
    /// for tests of such.
    pub clock_offset_ms: i64,
}

impl Default for NodeConfig {
    fn default() -> Self {
        Self {
            name: "artel".to_owned(),
            chain: "dev".to_owned(),
            base_path: None,
            clock_offset_ms: 0,
        }
    }
}

/// Making blocks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BlockConfig {
    /// Most transactions in a block that this node makes; the chain's own limits hold as well.
    pub transactions_max: usize,
}

impl Default for BlockConfig {
    fn default() -> Self {
        Self { transactions_max: 65_536 }
    }
}

/// Beginning late, and helping others to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SyncConfig {
    /// A block that the operator vouches for, as `HEIGHT:HASH`, younger than nine days: a node without a chain begins with
    /// the state after a later one instead of all blocks.
    pub trusted: Option<String>,
    /// Whether states are made ready for nodes that begin so.
    pub serve_states: bool,
    /// They are those after blocks whose heights are multiples of this.
    pub serve_every_blocks: u32,
}

impl Default for SyncConfig {
    fn default() -> Self {
        Self { trusted: None, serve_states: true, serve_every_blocks: EXPORT_BLOCKS }
    }
}

impl SyncConfig {
    /// The block that the operator vouches for.
    pub fn checkpoint(&self) -> Result<Option<Checkpoint>> {
        let Some(text) = &self.trusted else { return Ok(None) };
        let parsed = text.split_once(':').and_then(|(height, hash)| {
            Some(Checkpoint { height: height.parse().ok()?, hash: hash.parse().ok()? })
        });
        let checkpoint = parsed.with_context(|| {
            format!("the trusted block '{text}' is not HEIGHT:HASH, such as 120000:0x5f…")
        })?;
        Ok(Some(checkpoint))
    }
}

/// The server for Prometheus.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MetricsConfig {
    /// Whether to serve metrics.
    pub enabled: bool,
    /// Address to listen on.
    pub host: IpAddr,
    /// Port; 0 takes a free one.
    pub port: u16,
}

impl Default for MetricsConfig {
    fn default() -> Self {
        Self { enabled: true, host: Ipv4Addr::LOCALHOST.into(), port: 9615 }
    }
}

/// Settings for nodes of one machine: they listen on loopback, on a port that is free if it is 0.
pub fn on_loopback(port: u16) -> network::Config {
    let address = format!("/ip4/{}/tcp/{port}", Ipv4Addr::LOCALHOST);
    let address: Multiaddr = address.parse().expect("it is in the form of addresses");
    network::Config { listen: vec![address], private_addresses: true, ..Default::default() }
}

impl Config {
    /// Reads a TOML file; an unknown setting is an error that names it.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the configuration {}", path.display()))?;
        toml::from_str(&text)
            .with_context(|| format!("the configuration {} is not valid", path.display()))
    }

    /// Whether a node can work with these settings.
    pub fn validate(&self) -> Result<()> {
        let name = &self.node.name;
        ensure!(
            !name.is_empty() && name.len() <= NAME_BYTES_MAX,
            "the node's name '{name}' has {} bytes: 1 to {NAME_BYTES_MAX} are allowed",
            name.len()
        );
        self.rpc.validate()?;
        self.storage.validate().map_err(|why| anyhow!("storage.{why}"))?;
        self.blobs.validate()?;
        ensure!(
            self.block.transactions_max > 0,
            "block.transactions_max is 0: set it to 1 or more"
        );
        self.network.validate().map_err(|why| anyhow!("network.{why}"))?;
        self.txpool.validate()?;
        self.sync.checkpoint()?;
        ensure!(
            self.sync.serve_every_blocks > 0,
            "sync.serve_every_blocks is 0: set it to 1 or more"
        );
        self.consensus.validate()?;
        self.agent.validate()?;
        Ok(())
    }

    /// As TOML, with every setting in force.
    pub fn to_toml(&self) -> Result<String> {
        Ok(toml::to_string_pretty(self)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_read_back() {
        let config = Config::default();
        let text = config.to_toml().expect("every setting has a TOML form");
        assert_eq!(toml::from_str::<Config>(&text).expect("it was just printed"), config);
        config.validate().expect("the defaults work");
    }

    #[test]
    fn an_unknown_setting_is_named() {
        let error = toml::from_str::<Config>("[rpc]\nprot = 1").expect_err("there is no `prot`");
        assert!(error.to_string().contains("prot"), "{error}");
    }
}
