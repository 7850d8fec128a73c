//! Clumsy and hostile clients beside a well-behaved one.

use anyhow::Result;
use artel_e2e::crowd::{self, Crowd, Latencies, Plan, Report};
use clap::Parser;

/// Send crowds of clumsy and hostile clients to a node, and see what a well-behaved client notices and how much memory the
/// node takes.
///
/// The exit code is 1 if a bound does not hold.
#[derive(Parser)]
#[command(
    name = "crowd",
    after_help = "Examples:
  crowd                          every crowd at its full size
  crowd --crowd slow --short     one of them, as the tests send it"
)]
struct Args {
    /// Only this crowd; can be given several times.
    #[arg(long)]
    crowd: Vec<Crowd>,
    /// The size that tests use.
    #[arg(long)]
    short: bool,
}

#[tokio::main]
async fn main() -> Result<()> {
    let Args { crowd, short } = Args::parse();
    let crowds = if crowd.is_empty() { Crowd::ALL.to_vec() } else { crowd };
    let plan = if short { Plan::SHORT } else { Plan::LONG };
    println!(
        "{:<12}{:>8}{:>12}{:>10}{:>11}{:>10}  read p50/p99 ms   transfer p50/p99 ms",
        "crowd", "count", "before MiB", "peak MiB", "after MiB", "KiB each"
    );
    let before = crowd::run(&crowds, plan, show).await?;
    println!("{:<63}  {}", "nobody", shown(&before));
    Ok(())
}

fn show(report: &Report) {
    let mib = |bytes: u64| bytes >> 20;
    println!(
        "{:<12}{:>8}{:>12}{:>10}{:>11}{:>10}  {}",
        format!("{:?}", report.crowd).to_lowercase(),
        report.count,
        mib(report.before_bytes),
        mib(report.peak_bytes),
        mib(report.after_bytes),
        report.bytes_each() >> 10,
        shown(&report.during),
    );
}

fn shown(latencies: &Latencies) -> String {
    let Latencies { read_p50, read_p99, transfer_p50, transfer_p99 } = latencies;
    format!("{read_p50:>7.1} / {read_p99:<7.1}  {transfer_p50:>8.0} / {transfer_p99:<8.0}")
}
