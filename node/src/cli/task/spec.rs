//! What a task asks for: uploaded program and input, and limits.

use anyhow::{Context, Result};
use blobs::{CHUNK_BYTES, Splitter};
use clap::Args;
use client::Client;
use pallets::tasks::{self, Cid, Input, TaskSpec};
use primitives::crypto::hash::blake2_256;
use std::{io::Read, path::Path};

/// Number of the engine `wasm-1`.
const ENGINE_WASM_1: u16 = 1;

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

/// Uploads program and input, and makes the specification of the task. A short input stands in the
/// task itself.
pub async fn build(
    client: &Client,
    program: &[u8],
    input: &[u8],
    args: Vec<Vec<u8>>,
    limits: Limits,
) -> Result<TaskSpec> {
    client.upload(program).await?;
    if input.len() > tasks::INPUT_INLINE_BYTES_MAX {
        client.upload(input).await?;
    }
    plan(program, input, args, limits)
}

/// The specification of a task whose program and input need not be uploaded yet.
pub fn plan(program: &[u8], input: &[u8], args: Vec<Vec<u8>>, limits: Limits) -> Result<TaskSpec> {
    let input = if input.len() <= tasks::INPUT_INLINE_BYTES_MAX {
        Input::Inline(input.to_vec())
    } else {
        Input::Blob {
            cid: name(input)?,
            plaintext_hash: blake2_256(input),
            key_commit: None,
            size: u64::try_from(input.len()).context("the input is too long")?,
        }
    };
    Ok(TaskSpec {
        engine: ENGINE_WASM_1,
        program: name(program)?,
        input,
        args,
        fuel_limit: limits.fuel,
        memory_pages_max: limits.memory_pages,
        output_bytes_max: limits.output_max,
    })
}

/// The name under which a blob is uploaded.
fn name(bytes: &[u8]) -> Result<Cid> {
    let mut splitter = Splitter::default();
    for chunk in bytes.chunks(CHUNK_BYTES) {
        splitter.push(chunk);
    }
    let (cid, _) = splitter.finish().context("it is larger than a blob may be")?;
    Ok(Cid(cid.to_bytes()))
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
