//! `artel task estimate`: what a task would cost.

use super::spec::{Parts, Work};
use crate::cli::{Connection, amount, output};
use anyhow::Result;
use clap::Args;
use client::{
    RuntimeCall,
    view::{Bytes, EndView, EstimateRequest, EstimateView},
};
use codec::Encode;
use pallets::tasks;
use primitives::AccountId;

/// What `artel task estimate` takes.
#[derive(Args)]
pub struct EstimateArgs {
    #[command(flatten)]
    work: Work,
    /// The account that would post it: then the node tries it too.
    #[arg(long, value_name = "ADDRESS")]
    from: Option<AccountId>,
    #[command(flatten)]
    connection: Connection,
}

pub async fn run(args: EstimateArgs) -> Result<()> {
    let Parts { program, input, args: arguments, limits, policy } = args.work.read()?;
    let spec = client::task_spec(&program, &input, arguments, limits)?;
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
