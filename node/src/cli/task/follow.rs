//! Following a task through its blocks.

use crate::cli::amount;
use anyhow::{Context, Result};
use client::{
    Client,
    view::{self, TaskEventView, TaskState, TaskView},
};
use pallets::timestamp;
use primitives::{Hash, Height, crypto::pair::Pair};

/// The task, or that there is none.
pub async fn find(client: &Client, id: Hash) -> Result<TaskView> {
    client.task(id).await?.with_context(|| {
        format!("there is no task {id} on this chain, or it ended long ago and was pruned")
    })
}

/// Follows a task from a block on until it is paid or closed, telling `on_event` of each event.
/// With a key the result is accepted as soon as there is one, so that its agent is paid at once.
pub async fn follow(
    client: &Client,
    id: Hash,
    from: Height,
    accept: Option<&Pair>,
    mut on_event: impl FnMut(&TaskEventView),
) -> Result<TaskView> {
    let mut heads = client.heads(Some(from)).await?;
    let mut accepted = false;
    loop {
        let head = heads.next().await?;
        let time_ms = client.query(Some(head.hash), timestamp::now).await?;
        let events = client.events(head.hash).await?.events;
        for (index, (_, event)) in (0..).zip(&events) {
            let event = view::task_event(event, head.hash, head.height, time_ms, index);
            if let Some(event) = event.filter(|event| event.task == id) {
                on_event(&event);
            }
        }
        let task = find(client, id).await?;
        let acceptable = task.state == TaskState::Validating && !task.paid_early && !accepted;
        if let (Some(signer), true) = (accept, acceptable) {
            accepted = true;
            client.accept_result(signer, id).await?;
        }
        if task.state.is_final() || (task.paid_early && is_paid(client, id).await?) {
            return Ok(task);
        }
    }
}

/// Whether all that the task owes has reached its payees.
async fn is_paid(client: &Client, id: Hash) -> Result<bool> {
    let payouts = client.payouts_of_task(id).await?;
    Ok(!payouts.is_empty() && payouts.iter().all(|payout| payout.state == "paid"))
}

/// An event as a line for people.
pub fn line(event: &TaskEventView) -> String {
    let amount = event.amount.map(|a| format!(", {}", amount::format(a))).unwrap_or_default();
    let account = event.account.map(|account| format!("  {account}{amount}")).unwrap_or_default();
    format!("block {:>5}  {:<24} {}{account}", event.height, event.event, event.text)
}
