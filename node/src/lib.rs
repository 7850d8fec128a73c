#![doc = include_str!("../README.md")]

pub mod assemble;
pub mod bench;
pub mod cli;
pub mod config;
pub mod keystore;
mod logging;
mod metrics;
mod shells;
