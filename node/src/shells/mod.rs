//! One file per long task: each waits, steps its core, and performs what the core asks for, in order.

pub mod blobs;
pub mod chain;
pub mod consensus;
pub mod metrics;
pub mod pool;
pub mod verify;
