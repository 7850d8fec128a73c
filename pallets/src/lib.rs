#![doc = include_str!("../README.md")]
#![deny(missing_docs, clippy::float_arithmetic)]

pub mod agents;
pub mod balances;
pub mod escrow;
pub mod offences;
pub mod payouts;
pub mod session;
pub mod staking;
pub mod sudo;
pub mod system;
pub mod tasks;
pub mod timestamp;
pub mod transaction_payment;
pub mod treasury;
pub mod utility;
pub mod validations;

#[cfg(test)]
mod eras;
#[cfg(test)]
mod market;
#[cfg(test)]
mod testing;
