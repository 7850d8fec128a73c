//! The registry's parameters.

use framework::prelude::*;
use serde::{Deserialize, Serialize};

/// Longest time in jail: 30 days, in milliseconds.
const JAIL_MS_MAX: Moment = 30 * 24 * 3_600_000;

/// Parameters of the registry; spans are in milliseconds of market time.
#[derive(
    Clone,
    Debug,
    PartialEq,
    Eq,
    Encode,
    Decode,
    DecodeWithMemTracking,
    TypeInfo,
    Serialize,
    Deserialize,
)]
#[serde(default, deny_unknown_fields)]
pub struct Params {
    /// Least stake of an agent.
    pub stake_min: Balance,
    /// A heartbeat is free, and possible, this long after the last sign of life.
    pub heartbeat_ms: Moment,
    /// Who gave no sign of life for this long is not drawn.
    pub silence_ms: Moment,
    /// How long a third no-show in a row, and each after it, keeps an agent from claiming.
    pub jail_ms: Moment,
    /// Whether slashes are only told and not done.
    pub shadow_slashing: bool,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            stake_min: Balance::new(10_000_000_000_000),
            heartbeat_ms: 50_000,
            silence_ms: 180_000,
            jail_ms: 3_600_000,
            shadow_slashing: false,
        }
    }
}

impl Params {
    /// The bounds that code sets to governance.
    pub fn check(&self) -> Result<(), String> {
        if self.stake_min.is_zero() {
            return Err("stake_min is 0: an agent must have something to lose".into());
        }
        if !(1_000..self.silence_ms).contains(&self.heartbeat_ms) || self.silence_ms > 86_400_000 {
            return Err(format!(
                "heartbeat_ms = {} and silence_ms = {}: a second at least, less than silence_ms, \
                 at most a day",
                self.heartbeat_ms, self.silence_ms
            ));
        }
        if !(1_000..=JAIL_MS_MAX).contains(&self.jail_ms) {
            return Err(format!("jail_ms = {}: from 1000 to {JAIL_MS_MAX}", self.jail_ms));
        }
        Ok(())
    }
}
