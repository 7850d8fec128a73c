//! `artel task estimate`: what a task would cost.

use super::spec::{self, Limits};
use crate::cli::{Connection, amount, output};
use anyhow::{Context, Result};
use clap::Args;
use client::{
    RuntimeCall,
    view::{Bytes, EndView, EstimateRequest, EstimateView},
};
use codec::Encode;
use pallets::tasks::{self, Policy};
use primitives::{AccountId, Balance};
use std::path::PathBuf;

/// What `artel task estimate` takes.
#[derive(Args)]
pub struct EstimateArgs {
    /// The program: a WebAssembly module for wasm32-wasi.
    program: PathBuf,
    /// File that the program reads on its standard input, or - for this command's own.
    #[arg(long, short = 'i', value_name = "FILE")]
    input: Option<PathBuf>,
    /// An argument of the program; give it as often as there are arguments.
    #[arg(long = "arg", short = 'a', value_name = "TEXT", allow_hyphen_values = true)]
    args: Vec<String>,
    /// Reward in tokens.
    #[arg(long, default_value = "1", value_name = "TOKENS", value_parser = amount::parse)]
    reward: Balance,
    #[command(flatten)]
    limits: Limits,
    /// The account that would post it: then the node tries it too.
    #[arg(long, value_name = "ADDRESS")]
    from: Option<AccountId>,
    #[command(flatten)]
    connection: Connection,
}

pub async fn run(args: EstimateArgs) -> Result<()> {
    let program = std::fs::read(&args.program)
        .with_context(|| format!("cannot read the program {}", args.program.display()))?;
    let input = spec::read_input(args.input.as_deref())?;
    let arguments = args.args.into_iter().map(String::into_bytes).collect();
    let spec = client::task_spec(&program, &input, arguments, args.limits.into())?;
    let policy = Policy::economy(args.reward);
    let call = tasks::Call::create_task { spec, policy, requester: None, funded: true };
    let call = Bytes(RuntimeCall::Tasks(call).encode());
    let client = args.connection.client().await?;
    let request = EstimateRequest::Call { call, signer: args.from };
    let estimate = client.estimate(&request).await?;
    output::print(args.connection.json, &estimate, describe)
}

/// An estimate in a few lines.
fn describe(estimate: &EstimateView) -> String {
    let mut lines = vec![format!("fee       at most {}", amount::format(estimate.fee))];
    if let Some(task) = &estimate.task {
        let seconds = |ms: u64| ms / 1_000;
        let (held, deposit) = (amount::format(task.held), amount::format(task.deposit));
        lines.push(format!("on hold   {held}, of which {deposit} comes back in any case"));
        let listing = amount::format(task.listing_fee);
        lines.push(format!("unclaimed {listing} are burned if nobody takes it"));
        let stake = amount::format(task.stake_hold);
        lines.push(format!("agent     puts {stake} at risk and has {} s", seconds(task.exec_ms)));
        lines.push(format!(
            "result    stands {} s later unless challenged",
            seconds(task.window_ms)
        ));
    }
    lines.extend(estimate.run.as_ref().map(|run| match &run.end {
        EndView::Ok => "tried     it would be posted".to_owned(),
        EndView::Failed(why) => format!("tried     it would fail: {} ({})", why.text, why.name),
        EndView::Refused(why) => format!("tried     it would be refused: {}", why.text),
    }));
    lines.join("\n")
}
