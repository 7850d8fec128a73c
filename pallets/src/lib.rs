#![doc = include_str!("../README.md")]
#![deny(missing_docs)]

pub mod balances;
pub mod session;
pub mod sudo;
pub mod system;
pub mod timestamp;
pub mod treasury;
pub mod utility;
