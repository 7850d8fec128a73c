#![doc = include_str!("../README.md")]
#![deny(missing_docs)]

mod config;
mod core;
mod journal;
mod keys;
mod sender;
mod shell;
mod worker;

pub use config::{Config, ConfigError};
pub use shell::{Agent, Error};

#[cfg(test)]
mod tests;
