//! Random and mutated input at every door.

use anyhow::Result;
use artel_e2e::badinput::{self, Plan, Report, Target};
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use std::process::ExitCode;

/// Send random and mutated input to everything that takes input from strangers, and check that it is
/// refused in words or usable, that nothing panics, and that memory comes back.
///
/// A line tells of each target; the last line is one JSON object. The exit code is 1 if anything was
/// violated.
#[derive(Parser)]
#[command(
    name = "badinput",
    after_help = "Examples:
  badinput                              10,000 inputs for each target
  badinput --target rpc --count 1000    fewer, for one target
  badinput --seed 2                     other inputs"
)]
struct Args {
    /// Inputs for each target.
    #[arg(long, default_value_t = 10_000)]
    count: usize,
    /// Seed of all random choices.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only this target; can be given several times.
    #[arg(long)]
    target: Vec<Target>,
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let Args { count, seed, target } = Args::parse();
    let targets = if target.is_empty() { Target::ALL.to_vec() } else { target };
    println!("badinput: {count} inputs for each of {} targets, seed {seed}", targets.len());
    let mut reports = Vec::new();
    for target in targets {
        let style = "{prefix:>10} {bar:30} {pos}/{len} {elapsed}";
        let bar = ProgressBar::new(u64::try_from(count)?)
            .with_style(ProgressStyle::with_template(style)?)
            .with_prefix(format!("{target:?}").to_lowercase());
        let report = badinput::run(target, Plan { count, seed }, || bar.inc(1)).await?;
        bar.finish_and_clear();
        show(&report);
        reports.push(report);
    }
    let passed = reports.iter().all(|report| report.violations.is_empty());
    let summary = serde_json::json!({ "seed": seed, "passed": passed, "targets": reports });
    println!("{summary}");
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn show(report: &Report) {
    let mib = |bytes: u64| bytes >> 20;
    let name = format!("{:?}", report.target).to_lowercase();
    println!(
        "{name:>10}: {} inputs, {} accepted, {} refused with {} texts; slowest {} ms; memory {} MiB \
         warm, {} MiB in the end",
        report.count,
        report.accepted,
        report.refused,
        report.texts,
        report.slowest_ms,
        mib(report.warm_bytes),
        mib(report.end_bytes),
    );
    for violation in &report.violations {
        println!("{name:>10}: VIOLATED: {violation}");
    }
}
