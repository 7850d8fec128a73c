//! Settings of consensus.

/// How long a round waits at each step, in milliseconds. `*_step_ms` is added for each round of a
/// height, so that rounds become long enough for any network.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TimeoutConfig {
    /// Wait for a proposal and its block.
    pub propose_ms: u64,
    /// Wait for more prevotes once two thirds prevoted.
    pub prevote_ms: u64,
    /// Wait for more precommits once two thirds precommitted.
    pub precommit_ms: u64,
    /// Repeat own votes when nothing moves.
    pub rebroadcast_ms: u64,
    /// Added to each for every round after the first.
    pub round_step_ms: u64,
    /// No wait is longer.
    pub longest_ms: u64,
}

impl Default for TimeoutConfig {
    fn default() -> Self {
        Self {
            propose_ms: 3_000,
            prevote_ms: 1_000,
            precommit_ms: 1_000,
            rebroadcast_ms: 5_000,
            round_step_ms: 500,
            longest_ms: 60_000,
        }
    }
}

/// When the next height starts.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PacingConfig {
    /// Shortest time between the starts of two heights, in milliseconds.
    pub interval_ms: u64,
    /// Longest time between the starts of two heights if nothing waits, in milliseconds.
    pub heartbeat_ms: u64,
}

impl Default for PacingConfig {
    fn default() -> Self {
        Self { interval_ms: INTERVAL_MS, heartbeat_ms: 3_000 }
    }
}

/// Settings of consensus.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How long a round waits at each step.
    pub timeouts: TimeoutConfig,
    /// When the next height starts.
    pub pacing: PacingConfig,
}

/// Shortest time between the starts of two heights that validators agree to, in milliseconds. A transaction that comes
/// right after another waits for it; a shorter one would cost throughput, as each block has costs of its own.
pub const INTERVAL_MS: u64 = 250;
/// Shortest interval between heights, in milliseconds: below, an idle node would be busy making
/// empty blocks.
pub const INTERVAL_MS_MIN: u64 = 10;
/// Shortest timeout, in milliseconds: below, a healthy round would be given up.
pub const TIMEOUT_MS_MIN: u64 = 10;
/// Longest time that a setting may name, in milliseconds: an hour.
pub const SETTING_MS_MAX: u64 = 3_600_000;

/// A setting with which consensus would not work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Outside of what makes sense.
    #[error("consensus setting {name} is {value} ms: choose {least} to {most} ms")]
    OutOfRange {
        /// The setting.
        name: &'static str,
        /// What it was set to, in milliseconds.
        value: u64,
        /// Smallest value that works, in milliseconds.
        least: u64,
        /// Largest value that works, in milliseconds.
        most: u64,
    },
}

impl Config {
    /// Whether consensus works with these settings.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let TimeoutConfig {
            propose_ms,
            prevote_ms,
            precommit_ms,
            rebroadcast_ms,
            round_step_ms,
            longest_ms,
        } = self.timeouts;
        let PacingConfig { interval_ms, heartbeat_ms } = self.pacing;
        for (name, value, least) in [
            ("timeouts.propose_ms", propose_ms, TIMEOUT_MS_MIN),
            ("timeouts.prevote_ms", prevote_ms, TIMEOUT_MS_MIN),
            ("timeouts.precommit_ms", precommit_ms, TIMEOUT_MS_MIN),
            ("timeouts.rebroadcast_ms", rebroadcast_ms, TIMEOUT_MS_MIN),
            ("timeouts.round_step_ms", round_step_ms, 1),
            ("timeouts.longest_ms", longest_ms, propose_ms.max(prevote_ms).max(precommit_ms)),
            ("pacing.interval_ms", interval_ms, INTERVAL_MS_MIN),
            ("pacing.heartbeat_ms", heartbeat_ms, interval_ms),
        ] {
            let most = SETTING_MS_MAX;
            if value < least || value > most {
                return Err(ConfigError::OutOfRange { name, value, least, most });
            }
        }
        Ok(())
    }
}
