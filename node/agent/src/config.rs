//! What an agent offers, and on which terms.

use client::pallets::agents::{Capabilities, TAG_BYTES_MAX, TAGS_MAX};
use primitives::Balance;
use serde::{Deserialize, Serialize};

/// Most tasks that one agent may be set to compute at once.
pub const SLOTS_MAX: u32 = 256;
/// Number of the engine `wasm-1`.
pub const WASM_1: u16 = 1;

/// Settings of an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Tasks that are computed at once; each may need a core and `memory_pages_max`.
    pub slots_max: u32,
    /// Least price of 10^6 units of fuel; a task is claimed if its reward pays its whole fuel limit at this price.
    pub price_per_mfuel: Balance,
    /// Engines that are run; only 1, which is `wasm-1`, exists.
    pub engines: Vec<u16>,
    /// Most memory of one task, in pages of 64 KiB.
    pub memory_pages_max: u32,
    /// Most bytes of an input that is fetched.
    pub input_bytes_max: u64,
    /// Most bytes of output that a task may allow.
    pub output_bytes_max: u64,
    /// Labels that the agent carries, for tasks that ask for them.
    pub tags: Vec<String>,
    /// Most stake that one task may put at risk.
    pub hold_max: Balance,
    /// Stake with which the agent registers its account if it is not registered; without it, it waits until it is.
    pub stake: Option<Balance>,
    /// Market time without another sign of life after which a heartbeat is sent, in ms.
    pub heartbeat_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            slots_max: 2,
            price_per_mfuel: Balance::new(1_000_000),
            engines: vec![WASM_1],
            memory_pages_max: 16_384,
            input_bytes_max: 256 << 20,
            output_bytes_max: 64 << 20,
            tags: Vec::new(),
            hold_max: Balance::new(1_000_000_000_000_000),
            stake: Some(Balance::new(1_000_000_000_000_000)),
            heartbeat_ms: 60_000,
        }
    }
}

/// A setting is out of its bounds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("agent.{name} is {value}: {rule}")]
pub struct ConfigError {
    name: &'static str,
    value: String,
    rule: String,
}

impl Config {
    /// Whether an agent can work so; the error names the setting that is wrong.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let check = |good: bool, name: &'static str, value: String, rule: String| {
            if good { Ok(()) } else { Err(ConfigError { name, value, rule }) }
        };
        let slots = self.slots_max;
        let rule = format!("1 to {SLOTS_MAX} tasks can be computed at once");
        check((1..=SLOTS_MAX).contains(&slots), "slots_max", slots.to_string(), rule)?;
        let engines = format!("{:?}", self.engines);
        check(self.engines == [WASM_1], "engines", engines, "only [1], wasm-1, exists".to_owned())?;
        let pages = self.memory_pages_max;
        let rule = "1 to 65536 pages are possible".to_owned();
        check((1..=65_536).contains(&pages), "memory_pages_max", pages.to_string(), rule)?;
        let rule = format!("at most {TAGS_MAX} labels of 1 to {TAG_BYTES_MAX} bytes");
        let tags = format!("{:?}", self.tags);
        check(self.capabilities().is_valid(), "tags", tags, rule)?;
        let rule =
            "the chain takes a heartbeat every 50,000 ms, and needs one every 180,000".to_owned();
        let beat = self.heartbeat_ms;
        check((50_000..180_000).contains(&beat), "heartbeat_ms", beat.to_string(), rule)
    }

    /// What is registered: the memory class is the largest that surely fits.
    pub(crate) fn capabilities(&self) -> Capabilities {
        let mut tags: Vec<Vec<u8>> = self.tags.iter().map(|tag| tag.clone().into_bytes()).collect();
        tags.sort();
        tags.dedup();
        let memory_class = self.memory_pages_max.checked_ilog2().unwrap_or(0).min(16);
        let memory_class = u8::try_from(memory_class).expect("a class is at most 16");
        Capabilities { memory_class, tags }
    }
}
