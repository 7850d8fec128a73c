//! What strangers can send: random and mutated input at each door, and what must come of it.
//!
//! A [`Target`] is a door: what makes inputs for it out of a seed, and what offers one and judges the
//! answer. Each input must be refused with an error that says what is wrong, or accepted and then be
//! usable; in bounded time, without a panic. In the end whoever serves the door must still work and
//! have given back its memory.
//!
//! ```text
//! seed --> door's generator --> input --> door --> Refused(why) | Accepted, or a violation
//!            mutate: bits, cuts, splices, lengths, JSON, depth
//! ```

mod blobs;
mod extrinsics;
mod modules;
mod mutate;
mod rpc;
mod served;
mod specs;
#[cfg(test)]
mod tests;

use crate::memory;
use anyhow::{Result, anyhow, bail, ensure};
use futures::FutureExt;
use mutate::Source;
use rand::{RngExt, SeedableRng};
use std::{
    any::Any,
    collections::BTreeSet,
    fmt::Debug,
    panic::AssertUnwindSafe,
    time::{Duration, Instant},
};

/// Longest that one input may take, on a machine that has other work too.
const INPUT_TIME_MAX: Duration = Duration::from_secs(30);
/// Longest text of an error, in bytes: what was sent is not repeated at length.
const TEXT_BYTES_MAX: usize = 1_500;
/// Longest part of an input that a violation shows, in characters.
const SHOWN_CHARS_MAX: usize = 600;
/// After so many violations a target ends early.
const VIOLATIONS_MAX: usize = 10;
/// Most memory that a target's inputs may leave behind, in bytes.
pub const MEMORY_GROWTH_MAX: u64 = 64 << 20;

/// Where inputs go in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// Transactions, into the pool of a running node.
    Extrinsics,
    /// Bodies of JSON-RPC, over HTTP and WebSocket, to a running node.
    Rpc,
    /// Blobs and blocks, names and ranges, to a running node; the decoders of their layout.
    Blobs,
    /// Programs, into the executor.
    Modules,
    /// Chain specs, into the loader behind `--chain FILE`.
    Specs,
}

impl Target {
    /// All, in the order in which they are run.
    pub const ALL: [Self; 5] =
        [Self::Extrinsics, Self::Rpc, Self::Blobs, Self::Modules, Self::Specs];
}

/// What a door did with an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It said no, and why.
    Refused(String),
    /// It took the input, which proved usable.
    Accepted,
}

impl Outcome {
    /// A refusal whose text was found to say something.
    fn refused(text: impl Into<String>) -> Result<Self> {
        let text = text.into();
        check_text(&text)?;
        Ok(Self::Refused(text))
    }
}

/// A door: a generator of inputs, and a judge of what becomes of them.
trait Door {
    /// What is sent.
    type Input: Debug;

    /// Makes an input; a seed gives the same one again, but for what the door has learned meanwhile.
    fn input(&mut self, source: &mut Source) -> Self::Input;

    /// Sends it. An error is a violation of what must hold.
    async fn offer(&mut self, input: &Self::Input) -> Result<Outcome>;

    /// The process whose memory counts.
    fn process(&self) -> u32 {
        std::process::id()
    }

    /// Whoever serves the door must still do its work.
    async fn finish(self) -> Result<()>;
}

/// How much is sent.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Inputs for each target.
    pub count: usize,
    /// Seed of all random choices.
    pub seed: u64,
}

/// What came of a target's inputs.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Report {
    /// Where they went.
    pub target: Target,
    /// Inputs that were sent.
    pub count: usize,
    /// Those that were taken.
    pub accepted: usize,
    /// Those that were refused.
    pub refused: usize,
    /// Different texts of refusals.
    pub texts: usize,
    /// Memory of the serving process after a tenth of the inputs, in bytes.
    pub warm_bytes: u64,
    /// Its memory in the end, in bytes.
    pub end_bytes: u64,
    /// What the slowest input took, in milliseconds.
    pub slowest_ms: u128,
    /// What should not have happened; empty on success.
    pub violations: Vec<String>,
}

/// Sends a target its inputs; `progress` hears of each.
///
/// # Errors
/// If the target cannot be set up. What its inputs do wrong is in the report.
pub async fn run(target: Target, plan: Plan, progress: impl Fn()) -> Result<Report> {
    match target {
        Target::Extrinsics => {
            drive(extrinsics::Extrinsics::open().await?, target, plan, progress).await
        }
        Target::Rpc => drive(rpc::Rpc::open().await?, target, plan, progress).await,
        Target::Blobs => drive(blobs::Blobs::open().await?, target, plan, progress).await,
        Target::Modules => drive(modules::Modules::open()?, target, plan, progress).await,
        Target::Specs => drive(specs::Specs::open()?, target, plan, progress).await,
    }
}

async fn drive<D: Door>(
    mut door: D,
    target: Target,
    plan: Plan,
    progress: impl Fn(),
) -> Result<Report> {
    ensure!(plan.count > 0, "0 inputs show nothing: give --count 1 or more");
    let process = door.process();
    let mut seeds = Source::seed_from_u64(plan.seed);
    let mut texts = BTreeSet::new();
    let warm_at = plan.count.div_ceil(10);
    let mut report = Report {
        target,
        count: 0,
        accepted: 0,
        refused: 0,
        texts: 0,
        warm_bytes: 0,
        end_bytes: 0,
        slowest_ms: 0,
        violations: Vec::new(),
    };
    while report.count < plan.count && report.violations.len() < VIOLATIONS_MAX {
        let started = Instant::now();
        match attempt(&mut door, seeds.random()).await {
            Ok(Outcome::Accepted) => report.accepted += 1,
            Ok(Outcome::Refused(text)) => {
                report.refused += 1;
                texts.insert(text);
            }
            Err(violation) => report.violations.push(format!("{violation:#}")),
        }
        report.slowest_ms = report.slowest_ms.max(started.elapsed().as_millis());
        report.count += 1;
        if report.count == warm_at {
            report.warm_bytes = memory::settled_bytes(process).await?;
        }
        progress();
    }
    report.texts = texts.len();
    drop(texts);
    report.end_bytes = memory::settled_bytes(process).await?;
    let growth = report.end_bytes.saturating_sub(report.warm_bytes);
    if report.warm_bytes > 0 && growth >= MEMORY_GROWTH_MAX {
        let text = format!("memory grew by {growth} bytes, {MEMORY_GROWTH_MAX} are the bound");
        report.violations.push(text);
    }
    if let Err(violation) = door.finish().await {
        report.violations.push(format!("in the end: {violation:#}"));
    }
    Ok(report)
}

/// One input, made from a seed: offered in bounded time, and judged.
async fn attempt<D: Door>(door: &mut D, seed: u64) -> Result<Outcome> {
    let input = door.input(&mut Source::seed_from_u64(seed));
    let started = Instant::now();
    let offered = AssertUnwindSafe(door.offer(&input)).catch_unwind();
    let outcome = match tokio::time::timeout(INPUT_TIME_MAX, offered).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(panic)) => Err(anyhow!("it panicked: {}", panic_text(&*panic))),
        Err(_) => Err(anyhow!("there is no answer within {} s", INPUT_TIME_MAX.as_secs())),
    };
    let outcome = outcome.and_then(|outcome| {
        let elapsed = started.elapsed();
        ensure!(elapsed < INPUT_TIME_MAX, "it took {} s", elapsed.as_secs());
        Ok(outcome)
    });
    outcome.map_err(|error| {
        let shown: String = format!("{input:?}").chars().take(SHOWN_CHARS_MAX).collect();
        error.context(format!("input of seed {seed}: {shown}"))
    })
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a text")
}

/// An error must help whoever reads it: it has words, is short, and tells of the input, not of a
/// fault of the program's own.
fn check_text(text: &str) -> Result<()> {
    let is_word = |word: &&str| word.chars().filter(|c| c.is_alphabetic()).count() >= 2;
    let words = text.split_whitespace().filter(is_word).count();
    ensure!(words >= 2, "the error says nothing: '{text}'");
    ensure!(text.len() <= TEXT_BYTES_MAX, "the error has {} bytes: {text:.300}", text.len());
    for fault in ["panicked", "Internal error", "internal error", "unwrap()"] {
        if text.contains(fault) {
            bail!("the error is the program's own: '{text}'");
        }
    }
    // The decoder of SCALE lays its message out in lines.
    let is_control = |c: char| c.is_control() && c != '\n' && c != '\t';
    ensure!(!text.contains(is_control), "the error has control characters: {text:?}");
    Ok(())
}
