#![doc = include_str!("../README.md")]

mod base;
mod cache;
mod columns;
mod config;
mod database;
mod error;
mod export;
mod flush;
mod history;
mod horizon;
mod import;
mod overlay;
mod pinned;
mod snapshot;
mod store;
pub mod tree;

#[cfg(test)]
mod tests;

pub use config::{CACHE_MB_MAX, Config, HISTORY_BLOCKS_MIN};
pub use database::{Database, HistorySize, TransactionLocation};
pub use error::Error;
pub use export::{EXPORTS_KEPT, Export, Exports, Piece};
pub use import::{ImportTarget, Importer};
pub use snapshot::{EVENTS_KEY, Keys, Snapshot, StateView};
pub use store::{CommitInput, OVERLAY_BLOCKS_MAX, STAGED_BLOCKS_MAX, Store, Unstaged};
