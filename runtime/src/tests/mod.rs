//! Tests of the whole runtime.

mod blocks;
mod chain;
mod fees;
mod listing;
mod metadata;
mod specs;
mod supply;
