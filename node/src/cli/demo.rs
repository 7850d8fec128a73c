//! `artel demo`: the whole way of real tasks, on a chain of their own.

use super::{amount, dev::Home, task::follow};
use crate::{
    localnet::{Localnet, Plan, agent_uri},
    logging,
};
use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use client::{Client, TaskLimits, view::ResultView};
use network::Role;
use pallets::{balances::Event, system, tasks::Policy};
use primitives::{
    AccountId, Balance, Height, StateRead,
    crypto::pair::{Pair, Scheme},
};
use runtime::RuntimeEvent;
use std::{
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::time::{sleep, timeout};

/// Whose task is computed.
const REQUESTER: &str = "//Charlie";
/// What the demo pays for each task, in units: two tokens.
const REWARD: Balance = Balance::new(2_000_000_000_000);
/// Longest that a task may take here; seconds are usual.
const TASK_WAIT_MAX: Duration = Duration::from_secs(120);
/// Nodes that compute tasks.
const AGENTS: usize = 3;
/// Longest that nodes may take to find each other; seconds are usual.
const PEERS_WAIT_MAX: Duration = Duration::from_secs(60);
/// How often is looked whether they have.
const LOOK: Duration = Duration::from_millis(200);
/// Lines of an output that are shown.
const SHOWN_LINES: usize = 12;
/// Limits of the demo's tasks.
const LIMITS: TaskLimits =
    TaskLimits { fuel: 50_000_000_000, memory_pages: 1_024, output_bytes: 64 << 20 };

/// What `artel demo` takes.
#[derive(Args)]
#[command(after_help = "Example:
  artel demo README.md --programs ./programs --picture mandelbrot.ppm")]
pub struct DemoArgs {
    /// The file whose words are counted.
    file: PathBuf,
    /// Folder with wordfreq.wasm and mandelbrot.wasm, as tests/programs/build.sh makes them.
    #[arg(long, value_name = "FOLDER")]
    programs: PathBuf,
    /// Where the second task's picture goes.
    #[arg(long, value_name = "FILE", default_value = "mandelbrot.ppm")]
    picture: PathBuf,
    /// What is logged; the demo's own lines are not part of it.
    #[arg(long, default_value = "warn", value_name = "FILTER")]
    log: String,
}

/// Runs the demo and stops.
pub async fn run(args: DemoArgs) -> Result<()> {
    logging::start(&args.log, false)?;
    let input = std::fs::read(&args.file)
        .with_context(|| format!("cannot read the input {}", args.file.display()))?;
    let home = Home::new(None)?;
    println!(
        "== a network starts: four validators, three agents, a gateway, data in {}",
        home.path().display()
    );
    let program = std::env::current_exe().context("cannot find this program")?;
    let network = Localnet::start(Plan {
        agents: AGENTS,
        gateways: 1,
        log: args.log.clone(),
        ..Plan::new(program, home.path())
    })
    .await?;
    let gateway = network.first(Role::Gateway).context("one was started")?;
    let client = gateway.client().await?;
    wait_for_peers(&client, network.members.len() - 1).await?;

    let parties = Parties::new()?;
    let before = parties.show(&client, "before").await?;
    let (name, bytes) = (args.file.display(), input.len());
    println!("\n== task 1: how often does each word stand in {name} ({bytes} bytes)?");
    let words = task(&client, &parties, &args.programs, "wordfreq.wasm", &input, &[]).await?;
    for line in String::from_utf8_lossy(&words).lines().take(SHOWN_LINES) {
        println!("   {line}");
    }
    println!("\n== task 2: a picture of the Mandelbrot set");
    let size = [b"640".to_vec(), b"480".to_vec()];
    let picture = task(&client, &parties, &args.programs, "mandelbrot.wasm", &[], &size).await?;
    std::fs::write(&args.picture, &picture)
        .with_context(|| format!("cannot write {}", args.picture.display()))?;
    println!("   {} bytes in {}", picture.len(), args.picture.display());

    println!();
    let after = parties.show(&client, "after").await?;
    let (minted, burned) = minted_and_burned(&client, before.height, after.height).await?;
    let [was, is, new, gone] = [before.money, after.money, minted, burned].map(amount::format);
    println!(
        "   all accounts together: {was} before, {new} minted for stakers, {gone} burned by fees; {is} after"
    );
    let adds_up = after.money.checked_add(burned) == before.money.checked_add(minted);
    ensure!(adds_up, "money was made or lost: that is a bug");
    println!("\nTo keep such a network running: artel localnet --base-path ./artel-net");
    println!("Then open it in polkadot-js or any Substrate client at ws://127.0.0.1:9944,");
    println!("and post a task: artel task submit PROGRAM.wasm --input FILE --signer //Alice");
    network.stop().await
}

/// Shows how the gateway, which began with one address, finds all others.
async fn wait_for_peers(client: &Client, count: usize) -> Result<()> {
    let found = timeout(PEERS_WAIT_MAX, async {
        loop {
            let peers = client.peers().await?;
            if peers.len() >= count {
                return anyhow::Ok(peers);
            }
            sleep(LOOK).await;
        }
    });
    let peers = found.await.context("the nodes did not find each other in time")??;
    println!("   the gateway knew one address and has found {} nodes:", peers.len());
    for peer in peers {
        let role = peer.role.as_deref().unwrap_or("node");
        println!("   {role:<9} {} {}", peer.id, peer.address);
    }
    Ok(())
}

/// Who takes part.
struct Parties {
    requester: Pair,
    agents: Vec<AccountId>,
}

impl Parties {
    fn new() -> Result<Self> {
        let requester = Pair::from_uri(Scheme::Sr25519, REQUESTER)?;
        let agent = |number| Pair::from_uri(Scheme::Sr25519, &agent_uri(number));
        let agents: Result<Vec<_>, _> =
            (1..=AGENTS).map(|n| agent(n).map(|p| p.account())).collect();
        Ok(Self { requester, agents: agents? })
    }

    /// Prints what the parties have, and gives the sum of what all accounts have.
    async fn show(&self, client: &Client, when: &str) -> Result<Sum> {
        println!("== balances {when}");
        let agents = self.agents.iter().map(|agent| ("agent", *agent));
        for (role, account) in
            std::iter::once(("requester", self.requester.account())).chain(agents)
        {
            let info = client.account(&account).await?;
            let (free, held) = (amount::format(info.data.free), amount::format(info.data.reserved));
            println!("   {role:<9} {account}  free {free}, held {held}");
        }
        let all = |state: &dyn StateRead| -> Balance {
            let owned = |(_, info): (AccountId, system::AccountInfo)| {
                info.data.free.saturating_add(info.data.reserved)
            };
            system::accounts(state).map(owned).sum()
        };
        let head = client.finalised().await?;
        Ok(Sum { height: head.height, money: client.query(Some(head.hash), all).await? })
    }
}

/// What all accounts have after a block.
struct Sum {
    height: Height,
    money: Balance,
}

/// What the events of the blocks after one height and up to another say was minted and was burned.
async fn minted_and_burned(
    client: &Client,
    from: Height,
    to: Height,
) -> Result<(Balance, Balance)> {
    let (mut minted, mut burned) = (Balance::ZERO, Balance::ZERO);
    for height in from + 1..=to {
        let events = client.events(client.block_hash(height).await?).await?;
        for (_, event) in events.events {
            let RuntimeEvent::Balances(event) = event else { continue };
            match event {
                Event::Minted { amount, .. } => minted = minted.saturating_add(amount),
                Event::BurnedHeld { amount, .. }
                | Event::Burned { amount, .. }
                | Event::DustLost { amount, .. } => burned = burned.saturating_add(amount),
                _ => {}
            }
        }
    }
    Ok((minted, burned))
}

/// Posts a task, shows its way block by block, accepts its result and gives its output.
async fn task(
    client: &Client,
    parties: &Parties,
    programs: &Path,
    program: &str,
    input: &[u8],
    args: &[Vec<u8>],
) -> Result<Vec<u8>> {
    let path = programs.join(program);
    let bytes = std::fs::read(&path).with_context(|| {
        format!("cannot read {}: make it with tests/programs/build.sh", path.display())
    })?;
    let spec = client.prepare_task(&bytes, input, args.to_vec(), LIMITS).await?;
    let posted = client.post_task(&parties.requester, spec, Policy::economy(REWARD)).await?;
    println!("   {program}, {} bytes of code, posted as {}", bytes.len(), posted.task);
    let from = posted.receipt.height;
    let follow = follow::follow(client, posted.task, from, Some(&parties.requester), |event| {
        println!("   {}", follow::line(event));
    });
    let task = timeout(TASK_WAIT_MAX, follow).await.context("the task did not end in time")??;
    match task.outcome.map(|outcome| (outcome.fuel_used, outcome.result)) {
        Some((fuel, ResultView::Ok { size, .. })) => {
            println!("   the result: {size} bytes for {fuel} units of fuel");
        }
        Some((_, other)) => bail!("the program did not end well: {other:?}"),
        None => bail!("the task ended without a result: {:?}", task.close_reason),
    }
    Ok(client.output(posted.task).await?)
}
