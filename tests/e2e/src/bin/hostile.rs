//! Hostile peers of a real network.

use anyhow::Result;
use artel_e2e::hostile::{self, Door, Plan, Way, eclipse};
use clap::Parser;
use std::{process::ExitCode, time::Duration};

/// Attack a validator of a network at every door that peers have, in every way, and see whether the chain goes on, memory
/// stays within what the limits allow and is given back, and whoever sends what no honest peer does is banned.
///
/// One JSON line tells of each kind, of what is left after all, and of an attempt to surround a node; the exit code is 1 if
/// a bound does not hold. Needs root, for network namespaces.
#[derive(Parser)]
#[command(
    name = "hostile",
    after_help = "Examples:
  hostile                                        every kind for ten seconds
  hostile --door consensus --way flooding        one of them
  hostile --attackers 32 --seconds 60            more of all of it"
)]
struct Args {
    /// Attackers at a time.
    #[arg(long, default_value_t = 8)]
    attackers: u8,
    /// How long each kind lasts.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Only this door; can be given several times.
    #[arg(long)]
    door: Vec<Door>,
    /// Only in this way; can be given several times.
    #[arg(long)]
    way: Vec<Way>,
    /// Seed of all random choices.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn main() -> Result<ExitCode> {
    let Args { attackers, seconds, door, way, seed } = Args::parse();
    let is_all = door.is_empty() && way.is_empty();
    let plan = Plan {
        attackers,
        lasts: Duration::from_secs(seconds),
        doors: if door.is_empty() { Door::ALL.to_vec() } else { door },
        ways: if way.is_empty() { Way::ALL.to_vec() } else { way },
        is_mixed: false,
        seed,
    };
    let show = |report: &hostile::Report| println!("{}", serde_json::json!(report));
    let rest = hostile::run(&plan, show)?;
    println!("{}", serde_json::json!(rest));
    let mut all_hold = rest.holds();
    if is_all {
        let report = eclipse::run()?;
        println!("{}", serde_json::json!(report));
        all_hold &= report.holds();
    }
    Ok(if all_hold { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
