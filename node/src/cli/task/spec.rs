//! What a task is made of: a program, what it reads, its limits and its reward.

use crate::cli::amount;
use anyhow::{Context, Result};
use clap::Args;
use client::TaskLimits;
use pallets::tasks::{self, Policy};
use primitives::Balance;
use std::{
    io::Read,
    path::{Path, PathBuf},
};

/// A task, as the command line tells it.
#[derive(Args)]
pub struct Work {
    /// The program: a WebAssembly module for wasm32-wasi.
    program: PathBuf,
    /// File that the program reads on its standard input, or - for this command's own.
    #[arg(long, short = 'i', value_name = "FILE")]
    input: Option<PathBuf>,
    /// An argument of the program; give it as often as there are arguments.
    #[arg(long = "arg", short = 'a', value_name = "TEXT", allow_hyphen_values = true)]
    args: Vec<String>,
    /// Reward in tokens.
    #[arg(long, default_value = "1", value_name = "TOKENS", value_parser = amount::parse)]
    reward: Balance,
    #[command(flatten)]
    limits: Limits,
}

/// The limits of a task.
#[derive(Args, Clone, Copy, Debug)]
struct Limits {
    /// Most fuel; the program ends with a paid `out of fuel` when it is used up.
    #[arg(long, default_value_t = 10_000_000_000, value_name = "UNITS")]
    fuel: u64,
    /// Most memory, in pages of 64 KiB.
    #[arg(long, default_value_t = 1_024, value_name = "PAGES")]
    memory_pages: u32,
    /// Most bytes of output.
    #[arg(long, default_value_t = 64 * 1024 * 1024, value_name = "BYTES")]
    output_max: u64,
}

/// A task, with what its files hold.
pub struct Parts {
    pub program: Vec<u8>,
    pub input: Vec<u8>,
    pub args: Vec<Vec<u8>>,
    pub limits: TaskLimits,
    pub policy: Policy,
}

impl Work {
    /// Reads the files.
    pub fn read(self) -> Result<Parts> {
        let program = std::fs::read(&self.program)
            .with_context(|| format!("cannot read the program {}", self.program.display()))?;
        let input = read_input(self.input.as_deref())?;
        let args = self.args.into_iter().map(String::into_bytes).collect();
        let policy = Policy::economy(self.reward);
        Ok(Parts { program, input, args, limits: self.limits.into(), policy })
    }
}

impl From<Limits> for TaskLimits {
    fn from(limits: Limits) -> Self {
        let Limits { fuel, memory_pages, output_max: output_bytes } = limits;
        Self { fuel, memory_pages, output_bytes }
    }
}

/// Reads what the program will read: a file, standard input for -, or nothing.
fn read_input(path: Option<&Path>) -> Result<Vec<u8>> {
    let Some(path) = path else { return Ok(Vec::new()) };
    if path == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin().lock().take(tasks::INPUT_BYTES_MAX).read_to_end(&mut bytes)?;
        return Ok(bytes);
    }
    std::fs::read(path).with_context(|| format!("cannot read the input {}", path.display()))
}
