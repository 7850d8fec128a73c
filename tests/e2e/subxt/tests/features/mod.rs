//! What a dapp needs of a chain. Each function is a feature, and is tested in each way to use subxt.

mod paying;
mod reading;
mod refused;
mod sending;

pub use paying::*;
pub use reading::*;
pub use refused::*;
pub use sending::*;

/// What tests send: one token.
const AMOUNT: u128 = 1_000_000_000_000;
