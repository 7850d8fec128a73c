#![doc = include_str!("../README.md")]

pub mod badinput;
pub mod crash;
pub mod process;
