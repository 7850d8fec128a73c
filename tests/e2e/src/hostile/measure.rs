//! What a process has used, and what a well-behaved user notices.

use super::WAIT;
use crate::{process::get, steps::transfer};
use anyhow::{Context, Result};
use client::Client;
use node::{bench::machine::Process, localnet::Member};
use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};
use tokio::time::timeout;

/// What a node prints before the address of its metrics.
const METRICS: &str = "Metrics: ";

/// Who is attacked, seen from outside.
pub struct Victim {
    /// Its process.
    pub process: u32,
    metrics: String,
    log: PathBuf,
}

impl Victim {
    /// A node that serves.
    pub fn new(member: &Member) -> Result<Self> {
        let log = member.log();
        let text = fs::read_to_string(&log)?;
        let metrics = text.lines().find_map(|line| line.split_once(METRICS));
        let (_, metrics) = metrics.context("it does not say where its metrics are")?;
        let process = member.id().context("it does not run")?;
        Ok(Self { process, metrics: metrics.trim().to_owned(), log })
    }

    /// The sum of a metric's values whose labels hold a text.
    pub async fn metric(&self, name: &str, label: &str) -> Result<u64> {
        let url = self.metrics.clone();
        let text = tokio::task::spawn_blocking(move || get(&url)).await??;
        let of_name = |line: &&str| line.starts_with(name) && line.contains(label);
        let value =
            |line: &str| line.rsplit(' ').next().and_then(|value| value.parse::<u64>().ok());
        Ok(text.lines().filter(of_name).filter_map(value).sum())
    }

    /// Seconds of processors that it has used.
    pub fn cpu_seconds(&self) -> f64 {
        Process::of(self.process).cpu_seconds()
    }

    /// Bytes of its log.
    pub fn log_bytes(&self) -> Result<u64> {
        Ok(fs::metadata(&self.log)?.len())
    }
}

/// Sends transfers one after the other, and notes how long each took until it was final; ends if one is not in time.
pub async fn trickle(client: &Client, took: &mut Vec<Duration>) -> Result<()> {
    loop {
        took.push(transfer_time(client).await?);
    }
}

/// How long a transfer takes until it is final.
pub async fn transfer_time(client: &Client) -> Result<Duration> {
    let since = Instant::now();
    timeout(WAIT, transfer(client)).await.context("the chain has stopped")??;
    Ok(since.elapsed())
}

/// The duration below which so many of a hundred are, in milliseconds.
pub fn percentile(took: &mut [Duration], percent: usize) -> Option<u64> {
    took.sort();
    let index = (took.len() * percent / 100).min(took.len().checked_sub(1)?);
    u64::try_from(took[index].as_millis()).ok()
}
