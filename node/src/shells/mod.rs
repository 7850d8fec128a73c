//! One file per long task: each waits, steps its core, and performs what the core asks for, in order.

pub mod begin;
pub mod blobs;
mod bodies;
pub mod chain;
pub mod clock;
pub mod consensus;
pub mod evidence;
mod favours;
pub mod gossip;
mod guesses;
pub mod imports;
pub mod metrics;
pub mod pool;
pub mod recent;
pub mod serve;
mod sets;
pub mod states;
pub mod sync;
pub mod transactions;
pub mod verify;
