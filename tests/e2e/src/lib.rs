#![doc = include_str!("../README.md")]

pub mod badinput;
pub mod chains;
pub mod clients;
pub mod crash;
pub mod crowd;
pub mod hostile;
pub mod joiner;
pub mod liars;
mod memory;
pub mod namespace;
pub mod process;
pub mod steps;
pub mod stranger;
pub mod wires;
