#![doc = include_str!("../README.md")]

mod asking;
pub mod assemble;
pub mod bench;
pub mod cli;
pub mod config;
mod exchange;
mod health;
pub mod keyring;
pub mod keystore;
pub mod localnet;
mod logging;
mod metrics;
mod peers;
mod shells;
mod signer;
pub mod wire;
