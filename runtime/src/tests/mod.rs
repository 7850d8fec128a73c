//! Tests of the whole runtime.

mod blocks;
mod calls;
mod chain;
mod digest;
mod fees;
mod kept;
mod light;
mod listing;
mod metadata;
mod specs;
mod supply;
mod trace;
mod upgrades;
