#![doc = include_str!("../README.md")]
#![deny(missing_docs)]

mod engine;
mod fuel;
mod instrument;
mod job;
pub mod limits;
#[cfg(test)]
mod oracle;
#[cfg(test)]
mod tests;
mod trap;
mod wasi;

pub use engine::{CannotExecute, Executor};
pub use trap::TrapCode;

/// The name of the engine: instrumentation, fuel table, features, caps and host functions together.
pub const ENGINE: &str = "wasm-1";

/// F_ref, the reference fuel per second behind deadlines: that of the slowest program of the corpus.
///
/// Measured by the example `fuel_rate`; see the README for the table and the machine.
pub const F_REF_FUEL_PER_SECOND: u64 = 250_000_000;

/// A program and all that its outcome depends on.
#[derive(Clone, Copy, Debug)]
pub struct Job<'a> {
    /// The WebAssembly module: a WASI preview-1 command, in the binary format.
    pub program: &'a [u8],
    /// What the program reads on stdin.
    pub input: &'a [u8],
    /// The program's arguments from argument 1; argument 0 is always `program`.
    pub args: &'a [Vec<u8>],
    /// Bytes of the program's CID; a source of the random bytes only.
    pub program_cid: &'a [u8],
    /// Hash of the plain input; a source of the random bytes only.
    pub input_hash: [u8; 32],
    /// What the program may use.
    pub limits: Limits,
}

/// What a job may use. Larger values than the engine's own caps mean those caps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most fuel; at most `i64::MAX`.
    pub fuel_limit: u64,
    /// Most pages of 64 KiB of linear memory; at most [`limits::MEMORY_PAGES_MAX`].
    ///
    /// It also sets the price of loads and stores, by memory class.
    pub memory_pages_max: u32,
    /// Most bytes of output; at most [`limits::OUTPUT_BYTES_MAX`].
    pub output_bytes_max: u64,
}

/// How a program ended: the same on every machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It returned, or exited with status 0.
    Ok {
        /// What it wrote to stdout.
        output: Vec<u8>,
    },
    /// It failed, or could never run.
    Trap {
        /// Why.
        code: TrapCode,
    },
    /// It used up its fuel.
    OutOfFuel,
}

/// A finished execution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// How the program ended.
    pub outcome: Outcome,
    /// Fuel charged, exact also at a trap; the whole limit when it ran out.
    pub fuel_used: u64,
    /// The head of stderr, or why the program was rejected. It is no part of the result.
    pub log: Vec<u8>,
}
