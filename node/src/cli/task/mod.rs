//! `artel task`: post tasks, follow them and fetch their results.

mod estimate;
pub mod follow;
mod spec;

use super::{Connection, amount, output, signing::SignerArgs};
use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use client::view::{ResultView, TaskFilter, TaskState, TaskView};
use follow::find;
use primitives::Hash;
use spec::{Parts, Work};
use std::{
    io::Write,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::time::timeout;

/// Longest that a task is followed by default: what the default terms allow until payment.
const WAIT_DEFAULT_S: u64 = 900;

/// Commands for tasks.
#[derive(Subcommand)]
pub enum TaskCommand {
    /// Post a task: a program, its input and a reward, which goes into escrow.
    #[command(after_help = "Examples:
  artel task submit wordfreq.wasm --input book.txt --signer //Alice
  artel task submit mandelbrot.wasm --arg 640 --arg 480 --signer //Alice --accept --output picture.ppm
  cat data | artel task submit prog.wasm --input - --signer //Alice --json")]
    Submit(Box<SubmitArgs>),
    /// Tell what a task would cost and how long it may take, without posting it.
    #[command(after_help = "Example:
  artel task estimate wordfreq.wasm --input book.txt --reward 2")]
    Estimate(Box<estimate::EstimateArgs>),
    /// Show where a task stands.
    Status(OneArgs),
    /// Follow a task, or all of them, as blocks become final.
    Watch(WatchArgs),
    /// Fetch a task's output; it is verified against the hash on the chain.
    Result(ResultArgs),
    /// Accept a task's result, so that its agent is paid at once.
    Accept(SignedArgs),
    /// Take a task back; until it is drawn that is free of charge but for the listing fee.
    Cancel(SignedArgs),
    /// List tasks.
    List(ListArgs),
}

/// What `artel task submit` takes.
#[derive(Args)]
pub struct SubmitArgs {
    #[command(flatten)]
    work: Work,
    /// Accept the result when it comes and pay at once, then write the output.
    #[arg(long)]
    accept: bool,
    /// Follow the task until it is paid or closed.
    #[arg(long)]
    watch: bool,
    /// File for the output; standard output by default. Needs --accept or --watch.
    #[arg(long, short = 'o', value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    signer: SignerArgs,
    #[command(flatten)]
    connection: Connection,
}

/// What commands on one task take.
#[derive(Args)]
pub struct OneArgs {
    /// The task's id.
    task: Hash,
    #[command(flatten)]
    connection: Connection,
}

/// What `artel task watch` takes.
#[derive(Args)]
pub struct WatchArgs {
    /// The task's id; all tasks if none is given.
    task: Option<Hash>,
    /// Stop after so many seconds.
    #[arg(long, default_value_t = WAIT_DEFAULT_S, value_name = "SECONDS")]
    timeout: u64,
    #[command(flatten)]
    connection: Connection,
}

/// What `artel task result` takes.
#[derive(Args)]
pub struct ResultArgs {
    /// The task's id.
    task: Hash,
    /// File for the output; standard output by default.
    #[arg(long, short = 'o', value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    connection: Connection,
}

/// What signed commands on one task take.
#[derive(Args)]
pub struct SignedArgs {
    /// The task's id.
    task: Hash,
    #[command(flatten)]
    signer: SignerArgs,
    #[command(flatten)]
    connection: Connection,
}

/// What `artel task list` takes.
#[derive(Args)]
pub struct ListArgs {
    /// Only tasks in this state, such as pending.
    #[arg(long, value_name = "STATE", value_parser = parse_state)]
    state: Option<TaskState>,
    /// Most tasks.
    #[arg(long, default_value_t = 20, value_name = "COUNT")]
    count: u32,
    /// List from after this id.
    #[arg(long, value_name = "ID")]
    after: Option<Hash>,
    #[command(flatten)]
    connection: Connection,
}

/// Runs a command.
pub async fn run(command: TaskCommand) -> Result<()> {
    match command {
        TaskCommand::Submit(args) => submit(*args).await,
        TaskCommand::Estimate(args) => estimate::run(*args).await,
        TaskCommand::Status(args) => {
            let task = find(&args.connection.client().await?, args.task).await?;
            output::print(args.connection.json, &task, describe)
        }
        TaskCommand::Watch(args) => watch(args).await,
        TaskCommand::Result(args) => {
            let output = args.connection.client().await?.output(args.task).await?;
            write_output(args.output.as_deref(), &output)
        }
        TaskCommand::Accept(args) => {
            let (signer, client) = (args.signer.pair()?, args.connection.client().await?);
            let receipt = client.accept_result(&signer, args.task).await?;
            done(&args, "accepted", receipt.height)
        }
        TaskCommand::Cancel(args) => {
            let (signer, client) = (args.signer.pair()?, args.connection.client().await?);
            let receipt = client.cancel_task(&signer, args.task).await?;
            done(&args, "cancelled, or soon if an agent is at work", receipt.height)
        }
        TaskCommand::List(args) => list(args).await,
    }
}

fn parse_state(text: &str) -> Result<TaskState> {
    serde_json::from_value(text.into()).with_context(|| {
        format!("'{text}' is not a state: try pending, assigned, validating, validated or settled")
    })
}

fn done(args: &SignedArgs, what: &str, height: u32) -> Result<()> {
    let json = serde_json::json!({ "task": args.task, "height": height });
    output::print(args.connection.json, &json, |_| {
        format!("task {} is {what} (block {height})", args.task)
    })
}

async fn submit(args: SubmitArgs) -> Result<()> {
    let to_end = args.accept || args.watch;
    if args.output.is_some() && !to_end {
        bail!("--output needs --accept or --watch: without them this ends before the result");
    }
    let json = args.connection.json;
    let signer = args.signer.pair()?;
    let client = args.connection.client().await?;
    let Parts { program, input, args: arguments, limits, policy } = args.work.read()?;
    let spec = client.prepare_task(&program, &input, arguments, limits).await?;
    let posted = client.post_task(&signer, spec, policy).await?;
    let (id, height) = (posted.task, posted.receipt.height);
    if !to_end {
        let value = serde_json::json!({ "task": id, "height": height });
        return output::print(json, &value, |_| {
            format!("{id}\nposted in block {height}; follow it: artel task watch {id}")
        });
    }
    let accept = args.accept.then_some(&signer);
    let followed = follow::follow(&client, id, height, accept, |event| {
        if !json {
            eprintln!("{}", follow::line(event));
        }
    });
    let task =
        timeout(Duration::from_secs(WAIT_DEFAULT_S), followed).await.with_context(|| {
            format!("the task did not end within {WAIT_DEFAULT_S} s: see artel task status {id}")
        })??;
    if task.outcome.is_none() {
        let reason = task.close_reason.map_or_else(String::new, |reason| reason.text);
        bail!("task {id} ended without a result: {reason}");
    }
    if json {
        output::print(true, &task, describe)?;
    }
    if !json || args.output.is_some() {
        write_output(args.output.as_deref(), &client.output(id).await?)?;
    }
    Ok(())
}

async fn watch(args: WatchArgs) -> Result<()> {
    let client = args.connection.client().await?;
    let mut events = client.watch_task(args.task).await?;
    if let Some(id) = args.task {
        let task = find(&client, id).await?;
        if !args.connection.json {
            eprintln!("{}", describe(&task));
        }
        if task.state.is_final() {
            return Ok(());
        }
    }
    let follow = async {
        loop {
            let event = events.next().await?;
            output::print(args.connection.json, &event, follow::line)?;
            if let Some(id) = args.task
                && find(&client, id).await?.state.is_final()
            {
                return anyhow::Ok(());
            }
        }
    };
    // The time that the caller gave is over: not a failure.
    timeout(Duration::from_secs(args.timeout), follow).await.unwrap_or(Ok(()))
}

async fn list(args: ListArgs) -> Result<()> {
    let client = args.connection.client().await?;
    let filter = TaskFilter { state: args.state, ..TaskFilter::default() };
    let page = client.tasks(&filter, args.after, args.count).await?;
    output::print(args.connection.json, &page, |page| {
        let line = |task: &TaskView| {
            let (state, reward) = (state(task.state), amount::format(task.policy.reward));
            format!("{}  {state:<14}  {reward:<12}  block {}", task.id, task.created.height)
        };
        let mut lines: Vec<_> = page.tasks.iter().map(line).collect();
        match page.next {
            Some(next) => lines.push(format!("more: artel task list --after {next}")),
            None if lines.is_empty() => lines.push("no tasks".to_owned()),
            None => {}
        }
        lines.join("\n")
    })
}

/// A state's name, as --state takes it.
fn state(state: TaskState) -> String {
    serde_json::to_value(state).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}

/// A task in a few lines.
fn describe(task: &TaskView) -> String {
    let mut lines = vec![
        format!("task      {}", task.id),
        format!("state     {} since block {}", state(task.state), task.changed.height),
        format!("requester {}", task.requester),
        format!("reward    {}", amount::format(task.policy.reward)),
        format!("escrow    {}", amount::format(task.escrow)),
    ];
    for slot in &task.slots {
        lines.push(format!("agent     {} ({})", slot.agent, slot.state));
    }
    if let Some(outcome) = &task.outcome {
        let what = match &outcome.result {
            ResultView::Ok { size, hash, .. } => format!("{size} bytes, blake2b-256 {hash}"),
            ResultView::Trap { code } => format!("trap {code}"),
            ResultView::OutOfFuel => "out of fuel".to_owned(),
        };
        lines.push(format!("result    {what}"));
        lines.push(format!("fuel      {} of {}", outcome.fuel_used, task.spec.fuel_limit));
    }
    if let Some(reason) = &task.close_reason {
        lines.push(format!("ended     {} ({})", reason.text, reason.code));
    }
    lines.join("\n")
}

/// Writes an output to a file or to standard output.
fn write_output(path: Option<&Path>, output: &[u8]) -> Result<()> {
    let Some(path) = path else {
        std::io::stdout().lock().write_all(output)?;
        return Ok(());
    };
    std::fs::write(path, output)
        .with_context(|| format!("cannot write the output to {}", path.display()))?;
    eprintln!("wrote {} bytes to {}", output.len(), path.display());
    Ok(())
}
