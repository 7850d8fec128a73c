#![doc = include_str!("../README.md")]
#![deny(missing_docs)]

mod build;
mod candidate;
mod check;
mod commit;
mod error;
mod execute;
mod head;
mod light;
mod open;
pub mod snapshot_sync;
pub mod sync;
mod verify;

pub use build::{BuildRequest, Built, Rejected};
pub use candidate::CANDIDATES_MAX;
pub use check::{CLOCK_AHEAD_MAX_MS, CheckRequest, Checked, early_ms};
pub use commit::{Committed, Included};
pub use error::{CheckError, Error, Fault};
pub use execute::Refusal;
pub use head::Head;
pub use light::{LIGHT_BLOCKS_MAX, light_blocks, light_start};
pub use open::{Chain, Config, genesis_hash};
pub use verify::{PooledTx, Received, VERIFIED_MAX, Verifier, is_signed};

#[cfg(test)]
mod tests;
