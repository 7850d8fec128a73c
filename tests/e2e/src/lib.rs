#![doc = include_str!("../README.md")]

pub mod crash;
pub mod process;
