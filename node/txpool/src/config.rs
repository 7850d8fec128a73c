//! How much a pool holds.

use primitives::{Nonce, TRANSACTION_BYTES_MAX};

/// A replacement's priority is higher by at least this part of the old one's.
pub const REPLACEMENT_DIVISOR: u64 = 10;
/// Most transactions that one `take` passes over because they do not fit any more.
pub const TAKE_MISSES_MAX: usize = 64;
/// Most rejected transactions that are remembered; the oldest are forgotten first.
pub const BANNED_MAX: usize = 16_384;
/// For how many blocks a rejected transaction is refused.
pub const BANNED_BLOCKS: u32 = 128;

/// The limits of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Most transactions, futures included.
    pub transactions_max: usize,
    /// Most bytes of transactions, futures included.
    pub bytes_max: u64,
    /// Most transactions that wait for a nonce before theirs.
    pub futures_max: usize,
    /// How many nonces, from its account's on, a sender may use at a time.
    pub sender_nonces_max: Nonce,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            transactions_max: 131_072,
            bytes_max: 128 * 1024 * 1024,
            futures_max: 8_192,
            sender_nonces_max: 128,
        }
    }
}

/// A limit that no pool can work with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The named limit is zero.
    #[error("the pool's {0} is 0: nothing could enter; set it to 1 or more")]
    Zero(&'static str),
    /// The largest transaction would never fit.
    #[error(
        "the pool's bytes_max is {0}, less than one transaction may have: set it to {TRANSACTION_BYTES_MAX} or more"
    )]
    BytesTooFew(u64),
}

impl Config {
    /// Whether a pool can work with these limits.
    pub fn validate(&self) -> Result<(), ConfigError> {
        if self.transactions_max == 0 {
            return Err(ConfigError::Zero("transactions_max"));
        }
        if self.sender_nonces_max == 0 {
            return Err(ConfigError::Zero("sender_nonces_max"));
        }
        if usize::try_from(self.bytes_max).is_ok_and(|bytes| bytes < TRANSACTION_BYTES_MAX) {
            return Err(ConfigError::BytesTooFew(self.bytes_max));
        }
        Ok(())
    }
}
