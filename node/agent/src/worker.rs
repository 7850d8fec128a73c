//! One task from its blobs to its result.

use crate::{core::RunEnd, journal::Entry};
use client::{
    Cid, Client,
    pallets::{
        tasks::{Cid as ChainCid, Input, Outcome, Output, TaskSpec},
        validations::OUTPUT_INLINE_BYTES_MAX,
    },
};
use executor::{Executor, Job, Limits, Report, limits::MODULE_BYTES_MAX};
use primitives::{Hash, crypto::hash::blake2_256};
use std::{sync::Arc, thread};
use tokio::sync::{Semaphore, oneshot};

/// What all workers of an agent share.
#[derive(Clone)]
pub(crate) struct Workshop {
    pub executor: Arc<Executor>,
    /// One permit for each task that may be computed at once.
    pub slots: Arc<Semaphore>,
    pub input_bytes_max: u64,
}

impl Workshop {
    /// Fetches, executes, uploads.
    pub async fn run(&self, client: &Client, task: Hash, attempt: u8, spec: TaskSpec) -> RunEnd {
        let _slot = self.slots.acquire().await.expect("nobody closes the semaphore");
        let (program, input) = match self.fetch(client, &spec).await {
            Ok(blobs) => blobs,
            Err(reason) => return RunEnd::Unavailable(reason),
        };
        let report = match self.execute(spec, program, input).await {
            Ok(report) => report,
            Err(reason) => return RunEnd::CannotExecute(reason),
        };
        let fuel_used = report.fuel_used;
        match outcome(client, report.outcome).await {
            Ok(outcome) => {
                RunEnd::Finished(Entry { task, attempt, outcome, fuel_used, delivery: None })
            }
            Err(error) => RunEnd::Unavailable(format!("the output cannot be uploaded: {error}")),
        }
    }

    async fn fetch(&self, client: &Client, spec: &TaskSpec) -> Result<(Vec<u8>, Vec<u8>), String> {
        let program = download(client, &spec.program, MODULE_BYTES_MAX as u64).await?;
        let input = match &spec.input {
            Input::Inline(bytes) => bytes.clone(),
            Input::Blob { cid, plaintext_hash, .. } => {
                let input = download(client, cid, self.input_bytes_max).await?;
                if blake2_256(&input) != *plaintext_hash {
                    return Err("the input is not the one that the task promises".to_owned());
                }
                input
            }
        };
        Ok((program, input))
    }

    /// Executes on a thread of its own, which nobody waits for when the agent stops: fuel bounds it, and what it finds is found
    /// again.
    async fn execute(
        &self,
        spec: TaskSpec,
        program: Vec<u8>,
        input: Vec<u8>,
    ) -> Result<Report, String> {
        let (done, report) = oneshot::channel();
        let executor = self.executor.clone();
        let work = move || {
            let job = Job {
                program: &program,
                input: &input,
                args: &spec.args,
                program_cid: &spec.program.0,
                input_hash: blake2_256(&input).0,
                limits: Limits {
                    fuel_limit: spec.fuel_limit,
                    memory_pages_max: spec.memory_pages_max,
                    output_bytes_max: spec.output_bytes_max,
                },
            };
            // Nobody listens any more if the agent has stopped.
            let _ = done.send(executor.execute(&job).map_err(|error| error.to_string()));
        };
        thread::Builder::new()
            .name("agent-worker".to_owned())
            .spawn(work)
            .map_err(|error| format!("no thread can be started: {error}"))?;
        report.await.unwrap_or_else(|_| Err("the worker's thread panicked".to_owned()))
    }
}

async fn download(client: &Client, cid: &ChainCid, bytes_max: u64) -> Result<Vec<u8>, String> {
    let cid = Cid::from_bytes(&cid.0).map_err(|error| error.to_string())?;
    client.download(&cid, bytes_max).await.map_err(|error| error.to_string())
}

/// The outcome as the chain takes it; a long output is uploaded.
async fn outcome(client: &Client, end: executor::Outcome) -> Result<Outcome, client::Error> {
    let bytes = match end {
        executor::Outcome::Ok { output } => output,
        executor::Outcome::Trap { code } => return Ok(Outcome::Trap { code: code.code() }),
        executor::Outcome::OutOfFuel => return Ok(Outcome::OutOfFuel),
    };
    let (hash, size) = (blake2_256(&bytes), bytes.len() as u64);
    let output = if bytes.len() <= OUTPUT_INLINE_BYTES_MAX {
        Output::Inline(bytes)
    } else {
        Output::Blob(ChainCid(client.upload(&bytes).await?.to_bytes()))
    };
    Ok(Outcome::Ok { output, hash, size })
}
