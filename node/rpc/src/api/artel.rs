//! The market: tasks, agents, payouts.

use crate::{
    args::Args,
    context::Context,
    error::Error,
    follow::Follower,
    module::Module,
    subscriber::{Caller, Closed},
};
use primitives::{AccountId, Hash, Height};
use runtime::{
    Inherents,
    view::{
        self, AgentView, MarketView, PayoutView, TASKS_PAGE_MAX, TaskEventView, TaskFilter,
        TaskPage, TaskView,
    },
};
use schemars::JsonSchema;
use serde::Deserialize;
use std::sync::Arc;

/// Whose payouts are asked for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) enum PayoutsOf {
    Task(Hash),
    Account(AccountId),
}

pub(crate) fn register(module: &mut Module) {
    module.blocking(&["artel_task"], task);
    module.blocking(&["artel_tasks"], tasks);
    module.blocking(&["artel_agent"], agent);
    module.blocking(&["artel_payouts"], payouts);
    module.blocking(&["artel_market"], market);
    module.subscription(
        &["artel_taskEvents"],
        "artel_taskEvent",
        &["artel_unwatchTaskEvents"],
        task_events,
    );
}

fn task(cx: &Context, mut args: Args) -> Result<Option<TaskView>, Error> {
    let id: Hash = args.next("id")?;
    let snapshot = cx.snapshot(args.optional("at")?)?;
    Ok(view::task(&snapshot, &id))
}

fn tasks(cx: &Context, mut args: Args) -> Result<TaskPage, Error> {
    let filter: TaskFilter = args.optional("filter")?.unwrap_or_default();
    let start: Option<Hash> = args.optional("startAfter")?;
    let count = args.optional("count")?.unwrap_or(TASKS_PAGE_MAX);
    if count == 0 || count > TASKS_PAGE_MAX {
        let text = format!("parameter `count` is {count}: 1 to {TASKS_PAGE_MAX} is possible");
        return Err(Error::Params(text));
    }
    Ok(view::tasks(&cx.snapshot(None)?, &filter, start.as_ref(), count))
}

fn agent(cx: &Context, mut args: Args) -> Result<Option<AgentView>, Error> {
    let account: AccountId = args.next("account")?;
    let snapshot = cx.snapshot(args.optional("at")?)?;
    Ok(view::agent(&snapshot, &account))
}

fn payouts(cx: &Context, mut args: Args) -> Result<Vec<PayoutView>, Error> {
    let whose: PayoutsOf = args.next("of")?;
    let snapshot = cx.snapshot(None)?;
    Ok(match whose {
        PayoutsOf::Task(task) => view::payouts_of_task(&snapshot, &task),
        PayoutsOf::Account(account) => view::payouts_of_account(&snapshot, &account),
    })
}

fn market(cx: &Context, mut args: Args) -> Result<MarketView, Error> {
    Ok(view::market(&cx.snapshot(args.optional("at")?)?))
}

/// What happens to a task, or to any, in each block from now on.
async fn task_events(cx: Arc<Context>, mut args: Args, caller: Caller) -> Result<(), Closed> {
    let wanted: Option<Hash> = match args.optional("id") {
        Ok(wanted) => wanted,
        Err(error) => return caller.reject(error).await,
    };
    let (mut follower, _) = Follower::new(&cx);
    let session = caller.session.clone();
    let subscriber = caller.accept().await?;
    loop {
        let (height, _) = follower.next(&subscriber).await?;
        let events = session.work_in_turn(&cx, move |cx| events_at(cx, height)).await;
        let events = events.map_err(|_| Closed)?;
        for event in events.iter().filter(|event| wanted.is_none_or(|task| event.task == task)) {
            subscriber.tell(event).await?;
        }
    }
}

/// What a block meant to tasks.
fn events_at(cx: &Context, height: Height) -> Result<Vec<TaskEventView>, Error> {
    let database = cx.database();
    let (Some(events), Some(block)) = (database.events(height)?, database.block(height)?) else {
        return Err(Error::Failed);
    };
    let time_ms = match Inherents::from_body(height, &block.body) {
        Ok((inherents, _)) => inherents.time_ms,
        Err(error) => {
            tracing::error!(height, %error, "stored block has no inherents");
            return Err(Error::Failed);
        }
    };
    view::task_events(&events, block.hash(), height, time_ms).map_err(|error| {
        tracing::error!(height, %error, "stored events do not decode");
        Error::Failed
    })
}
