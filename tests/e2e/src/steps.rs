//! What sentences about networks of processes are made of.

use crate::process::artel;
use anyhow::{Context, Result, ensure};
use client::{Client, TaskLimits};
use node::localnet::Plan;
use pallets::tasks::Policy;
use primitives::{Balance, Height};
use std::{path::Path, time::Duration};
use tokio::time::{sleep, timeout};

/// A program that gives back what it reads.
pub const ECHO: &str = include_str!("../../../node/executor/tests/corpus/echo.wat");
/// Longest wait for anything that must come.
pub const WAIT: Duration = Duration::from_secs(90);
/// How often is looked whether it has.
pub const LOOK: Duration = Duration::from_millis(20);

/// A network of four validators.
pub fn plan(folder: &Path) -> Result<Plan> {
    Ok(Plan { log: "info".to_owned(), ..Plan::new(artel()?, folder.to_owned()) })
}

/// Waits until the node has this block.
pub async fn reach(client: &Client, height: Height) -> Result<()> {
    let reached = timeout(WAIT, async {
        while client.finalised().await?.height < height {
            sleep(LOOK).await;
        }
        anyhow::Ok(())
    });
    reached.await.with_context(|| format!("block {height} does not come"))?
}

/// Sends tokens, which must become final; gives the height.
pub async fn transfer(client: &Client) -> Result<Height> {
    let (alice, bob) = (testkit::alice(), testkit::bob().account());
    let sent = client.transfer(&alice, bob, Balance::new(1 << 40));
    let receipt = timeout(WAIT, sent).await.context("the transfer does not become final")??;
    Ok(receipt.height)
}

/// Takes a task from post to payout.
pub async fn echo(client: &Client) -> Result<()> {
    let program = wat::parse_str(ECHO)?;
    let limits = TaskLimits { fuel: 1_000_000_000, memory_pages: 64, output_bytes: 1_024 };
    let said = b"what comes in goes out";
    let spec = client.prepare_task(&program, said, Vec::new(), limits).await?;
    let policy = Policy::economy(Balance::new(1_000_000_000_000));
    let alice = testkit::alice();
    let task = client.post_task(&alice, spec, policy).await?.task;
    timeout(WAIT, client.wait_for_result(task)).await.context("nobody does the task")??;
    let output = client.output(task).await?;
    ensure!(output == said, "the output is {output:?}");
    client.accept_result(&alice, task).await?;
    Ok(())
}
