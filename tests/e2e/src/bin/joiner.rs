//! How fast a node that comes late has what the others have, and whether liars among them change that.

use anyhow::Result;
use artel_e2e::{
    chains::Plan,
    joiner::{self, BLOCKS_ABOVE, Peers, Report},
};
use clap::{Parser, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};

/// Make a chain, serve it from several nodes, and measure a node that has nothing and fetches it: all blocks, then the state
/// after a late one; each from honest peers, and among peers that lie, who must end banned.
///
/// Each run prints one JSON object; a readable line goes to the standard error.
#[derive(Parser)]
#[command(
    name = "joiner",
    after_help = "Examples:
  joiner                                   10,000 blocks, then a state of a million accounts
  joiner --only blocks --blocks 1000 --transactions 50000 --liars 6
  joiner --only state --accounts 100000"
)]
struct Args {
    /// Blocks that the late node lacks.
    #[arg(long, default_value_t = 10_000)]
    blocks: u32,
    /// Signed transfers in them.
    #[arg(long, default_value_t = 500_000)]
    transactions: u64,
    /// Accounts in the state.
    #[arg(long, default_value_t = 1_000_000)]
    accounts: u64,
    /// Honest nodes that have the chain.
    #[arg(long, default_value_t = 3)]
    servers: usize,
    /// Peers that lie, in the second run of each kind; 0 leaves it out.
    #[arg(long, default_value_t = 4)]
    liars: usize,
    /// Only this.
    #[arg(long)]
    only: Option<What>,
    /// Seed of the sizes of blocks.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// What is fetched.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    Blocks,
    State,
}

#[tokio::main]
async fn main() -> Result<()> {
    let Args { blocks, transactions, accounts, servers, liars, only, seed } = Args::parse();
    let peers = Peers { servers, liars, are_known: false };
    if only != Some(What::State) {
        let plan = Plan { accounts: 0, blocks, transfers: transactions, seed };
        let bar = bar(plan)?;
        joiner::blocks(plan, peers, |height| bar.set_position(height.into()), show).await?;
    }
    if only != Some(What::Blocks) {
        let plan = Plan { accounts, blocks: 2 * BLOCKS_ABOVE, transfers: 0, seed };
        let bar = bar(plan)?;
        joiner::state(plan, peers, |height| bar.set_position(height.into()), show).await?;
    }
    Ok(())
}

/// Shows how far the making of a chain is.
fn bar(plan: Plan) -> Result<ProgressBar> {
    let style = ProgressStyle::with_template("making blocks {bar:30} {pos}/{len} {elapsed}")?;
    Ok(ProgressBar::new(plan.height()?.into()).with_style(style))
}

fn show(report: &Report) {
    let Report { run, seconds, ready_seconds, peak_rss_mb, cpu_seconds, .. } = report;
    let mib = report.sent_bytes >> 20;
    let banned = report.liars.iter().filter(|liar| liar.has_lied && liar.is_banned).count();
    let lied = report.liars.iter().filter(|liar| liar.has_lied).count();
    eprintln!(
        "{run}: serving after {:.1} s, at the tip after {seconds:.1} s ({:.0} blocks/s, {:.0} transactions/s), ready \
         after {ready_seconds:.1} s; {mib} MiB sent, peak {peak_rss_mb} MiB, {cpu_seconds:.1} CPU s; {} of {} liars \
         asked, {banned} of {lied} banned, {} bans",
        report.serving_seconds,
        report.blocks_per_second,
        report.transactions_per_second,
        lied,
        report.liars.len(),
        report.bans,
    );
    match serde_json::to_string(report) {
        Ok(line) => println!("{line}"),
        Err(error) => eprintln!("the report cannot be printed: {error}"),
    }
}
