//! What a task asks for: its input and its limits.

use anyhow::{Context, Result};
use clap::Args;
use client::TaskLimits;
use pallets::tasks;
use std::{io::Read, path::Path};

/// The limits of a task.
#[derive(Args, Clone, Copy, Debug)]
pub struct Limits {
    /// Most fuel; the program ends with a paid `out of fuel` when it is used up.
    #[arg(long, default_value_t = 10_000_000_000, value_name = "UNITS")]
    pub fuel: u64,
    /// Most memory, in pages of 64 KiB.
    #[arg(long, default_value_t = 1_024, value_name = "PAGES")]
    pub memory_pages: u32,
    /// Most bytes of output.
    #[arg(long, default_value_t = 64 * 1024 * 1024, value_name = "BYTES")]
    pub output_max: u64,
}

impl From<Limits> for TaskLimits {
    fn from(limits: Limits) -> Self {
        let Limits { fuel, memory_pages, output_max: output_bytes } = limits;
        Self { fuel, memory_pages, output_bytes }
    }
}

/// Reads what the program will read: a file, standard input for -, or nothing.
pub fn read_input(path: Option<&Path>) -> Result<Vec<u8>> {
    let Some(path) = path else { return Ok(Vec::new()) };
    if path == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin().lock().take(tasks::INPUT_BYTES_MAX).read_to_end(&mut bytes)?;
        return Ok(bytes);
    }
    std::fs::read(path).with_context(|| format!("cannot read the input {}", path.display()))
}
