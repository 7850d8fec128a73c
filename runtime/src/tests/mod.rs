//! Tests of the whole runtime.

mod blocks;
mod chain;
mod fees;
mod metadata;
mod specs;
mod supply;
