#![doc = include_str!("../README.md")]

pub mod badinput;
pub mod clients;
pub mod crash;
pub mod crowd;
mod memory;
pub mod process;
pub mod steps;
pub mod stranger;
pub mod wires;
