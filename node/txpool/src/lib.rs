#![doc = include_str!("../README.md")]
#![deny(missing_docs)]

mod banned;
mod config;
mod pool;
mod refusal;
mod sender;
mod transaction;

pub use config::{
    BANNED_BLOCKS, BANNED_MAX, Config, ConfigError, REPLACEMENT_DIVISOR, TAKE_MISSES_MAX,
};
pub use pool::{Limits, Pool};
pub use refusal::Refusal;
pub use transaction::{Change, Included, Status, Transaction};

#[cfg(test)]
mod tests;
