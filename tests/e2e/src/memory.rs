//! How much memory a process has.

use anyhow::{Context, Result};
use std::{
    fs,
    time::{Duration, Instant},
};

/// Time between two looks.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// Time between two looks for a peak.
const PEAK_INTERVAL: Duration = Duration::from_millis(20);
/// After so many looks that show no less, the memory counts as settled.
const STEADY_LOOKS: usize = 10;
/// Most looks; what has not settled by then counts as it is.
const LOOKS_MAX: usize = 200;
/// What is less by fewer bytes is as much.
const NOISE_BYTES: u64 = 256 << 10;

/// The resident memory of a process once it no longer falls: work that goes on, and pages on their way
/// back to the system, do not count.
pub async fn settled_bytes(process: u32) -> Result<u64> {
    let mut least = resident_bytes(process)?;
    let mut steady = 0;
    for _ in 0..LOOKS_MAX {
        if steady == STEADY_LOOKS {
            break;
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
        let now = resident_bytes(process)?;
        steady = if now + NOISE_BYTES < least { 0 } else { steady + 1 };
        least = least.min(now);
    }
    Ok(least)
}

/// Waits until a process has no more resident memory than this, or has had the time for it; gives what it has.
pub async fn wait_below(process: u32, bytes: u64, longest: Duration) -> Result<u64> {
    let since = Instant::now();
    loop {
        let now = resident_bytes(process)?;
        if now <= bytes || since.elapsed() >= longest {
            return Ok(now);
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}

/// The most resident memory that a process has from now on, until `done` is ready.
pub async fn peak_bytes<T>(process: u32, done: impl Future<Output = T>) -> Result<(u64, T)> {
    let mut peak = resident_bytes(process)?;
    tokio::pin!(done);
    loop {
        tokio::select! {
            result = &mut done => return Ok((peak, result)),
            () = tokio::time::sleep(PEAK_INTERVAL) => peak = peak.max(resident_bytes(process)?),
        }
    }
}

/// `VmRSS` of a process.
pub fn resident_bytes(process: u32) -> Result<u64> {
    let path = format!("/proc/{process}/status");
    let status = fs::read_to_string(&path).with_context(|| format!("{path} cannot be read"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    Ok(kib.with_context(|| format!("{path} has no VmRSS: has the process ended?"))? << 10)
}
