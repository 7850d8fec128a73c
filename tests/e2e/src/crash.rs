//! What must hold of a chain whose node crashes at any moment.

use crate::process::DevNode;
use anyhow::{Context, Result, bail, ensure};
use client::{Client, view::TaskState};
use pallets::{
    balances, system,
    tasks::{Cid, Input, Policy, TaskSpec},
};
use primitives::{
    AccountId, Balance, Hash, Height, StateRead,
    crypto::pair::{Pair, Scheme},
};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use runtime::RuntimeCall;
use std::{
    collections::BTreeMap,
    convert::Infallible,
    fs::{self, OpenOptions},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};
use tempfile::TempDir;
use tokio::time::{Instant, sleep, timeout};

/// Who sends transfers all the time.
const SENDERS: [&str; 3] = ["//Dave", "//Eve", "//Ferdie"];
/// Who posts tasks.
const REQUESTER: &str = "//Charlie";
/// Longest life of a node before it is killed, in milliseconds.
const LIFE_MS_MAX: u64 = 2_500;
/// Longest that tasks may take to end once the node is left alone.
const SETTLE_WAIT_MAX: Duration = Duration::from_secs(180);
/// Names of the files that a node appends to: RocksDB's and consensus's logs.
const LOG_EXTENSIONS: [&str; 2] = ["log", "wal"];
/// Name of the log of consensus.
const CONSENSUS_LOG_NAME: &str = "consensus.wal";
/// Name of the file of the last-signed guard.
const GUARD_NAME: &str = "last-signed";

/// What is known to be final: it must be there after every crash.
#[derive(Default)]
struct Witness {
    blocks: BTreeMap<Height, Hash>,
    /// Transactions with the block that includes them.
    transactions: Vec<(Hash, Hash)>,
    tasks: Vec<Hash>,
    /// What should have succeeded and did not.
    fault: Option<String>,
}

/// Notes what a node refused: that it is gone is what is tested, that it refuses is not.
fn note_fault(witness: &Mutex<Witness>, result: Result<Infallible>) {
    let Err(error) = result;
    if let Some(client::Error::Failed { .. }) = error.downcast_ref() {
        witness.lock().expect("no holder panics").fault = Some(format!("{error:#}"));
    }
}

/// How often what is done.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Crashes of the process.
    pub kills: usize,
    /// Crashes after which every log loses a random part of what was not synced for certain.
    pub cuts: usize,
    /// Seed of all random choices.
    pub seed: u64,
}

/// What came of it.
#[derive(Clone, Copy, Debug)]
pub struct Report {
    /// Height of the chain in the end.
    pub height: Height,
    /// Transactions that were seen to be final.
    pub transactions: usize,
    /// Tasks that were posted; all ended.
    pub tasks: usize,
}

/// Crashes a node under load again and again, and checks after each start that nothing final is
/// lost; in the end, that every task ended and that no money was made or lost.
pub async fn run(plan: Plan) -> Result<Report> {
    let Plan { kills, cuts, seed } = plan;
    println!("crash: {kills} kills, {cuts} cuts, seed {seed}");
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let folder = TempDir::new()?;
    let witness = Arc::new(Mutex::new(Witness::default()));
    for crash in 0..kills + cuts {
        let synced = life(folder.path(), &witness, rng.random_range(0..LIFE_MS_MAX)).await;
        let synced = synced.with_context(|| format!("at crash {crash}, seed {seed}"))?;
        if crash >= kills {
            cut_logs(folder.path(), &synced, &mut rng)?;
        }
    }
    finish(folder.path(), &witness).await.with_context(|| format!("in the end, seed {seed}"))
}

/// Starts a node, checks what must be there, loads it for a while and kills it. Gives the length
/// that each log had when the last block was seen to be final: up to there it was synced.
async fn life(folder: &Path, witness: &Arc<Mutex<Witness>>, life_ms: u64) -> Result<Logs> {
    let node = DevNode::start(folder, &[])?;
    let client = node.client().await.with_context(|| format!("{:?}", node.faults()))?;
    check(&client, witness).await?;
    let mut load = Vec::new();
    for uri in SENDERS {
        let (client, witness) = (client.clone(), witness.clone());
        load.push(tokio::spawn(async move {
            note_fault(&witness, transfers(client, uri, &witness).await);
        }));
    }
    let (for_tasks, noted) = (client.clone(), witness.clone());
    load.push(tokio::spawn(async move { note_fault(&noted, tasks(for_tasks, &noted).await) }));
    let watching = tokio::spawn(blocks(client, witness.clone(), folder.to_owned()));
    sleep(Duration::from_millis(life_ms)).await;
    node.kill()?;
    for task in load {
        // The load ends with an error when its node is gone; that is what is tested.
        task.abort();
    }
    // Ends with the connection; the lengths that it noted count.
    let lengths = watching.await.context("watching blocks panicked")?;
    match witness.lock().expect("no holder panics").fault.take() {
        Some(fault) => bail!("a call failed: {fault}"),
        None => Ok(lengths),
    }
}

/// Everything that was final must still be: the same blocks, with the same transactions.
async fn check(client: &Client, witness: &Arc<Mutex<Witness>>) -> Result<()> {
    let (blocks, transactions) = {
        let witness = witness.lock().expect("no holder panics");
        (witness.blocks.clone(), witness.transactions.clone())
    };
    let head = client.finalised().await?;
    if let Some((height, _)) = blocks.last_key_value() {
        ensure!(head.height >= *height, "block {height} was final, now {} is", head.height);
    }
    // The latest are at risk; older ones were checked after earlier crashes.
    for (height, hash) in blocks.iter().rev().take(16) {
        let now = client.block_hash(*height).await?;
        ensure!(now == *hash, "block {height} was {hash} and is {now}: two were signed");
    }
    for (hash, block) in transactions.iter().rev().take(64) {
        client
            .receipt(*hash, *block)
            .await
            .with_context(|| format!("transaction {hash} is lost"))?;
    }
    Ok(())
}

/// Sends tokens around until the node is gone.
async fn transfers(client: Client, uri: &str, witness: &Mutex<Witness>) -> Result<Infallible> {
    let pair = Pair::from_uri(Scheme::Sr25519, uri)?;
    let dest = Pair::from_uri(Scheme::Sr25519, REQUESTER)?.account().into();
    let call = balances::Call::transfer_keep_alive { dest, value: Balance::new(1_000_000_000) };
    let call = RuntimeCall::Balances(call);
    loop {
        let receipt = client.call(&pair, &call).await?;
        let mut witness = witness.lock().expect("no holder panics");
        witness.transactions.push((receipt.hash, receipt.block));
    }
}

/// Posts tasks until the node is gone.
async fn tasks(client: Client, witness: &Mutex<Witness>) -> Result<Infallible> {
    let pair = Pair::from_uri(Scheme::Sr25519, REQUESTER)?;
    let mut policy = Policy::economy(Balance::new(1_000_000_000_000));
    policy.claim_ms = 30_000;
    loop {
        let program = upload(&client).await?;
        let spec = TaskSpec {
            engine: 1,
            program,
            input: Input::Inline(Vec::new()),
            args: Vec::new(),
            fuel_limit: 1_000_000,
            memory_pages_max: 16,
            output_bytes_max: 1_024,
        };
        let posted = client.post_task(&pair, spec, policy.clone()).await?;
        witness.lock().expect("no holder panics").tasks.push(posted.task);
    }
}

/// Not a program, so the engine's outcome is a trap: a result like any other.
async fn upload(client: &Client) -> Result<Cid> {
    Ok(Cid(client.upload(b"this is no WebAssembly").await?.to_bytes()))
}

/// What is known of a node's logs at some moment.
struct Logs {
    /// Length of each: up to there it was synced.
    lengths: BTreeMap<PathBuf, u64>,
    /// The last-signed guard.
    guard: Vec<u8>,
}

/// Notes each block that becomes final, and how the logs were then, until the node is gone.
async fn blocks(client: Client, witness: Arc<Mutex<Witness>>, folder: PathBuf) -> Logs {
    let mut logs = look_at_logs(&folder);
    let Ok(mut heads) = client.heads(None).await else { return logs };
    while let Ok(head) = heads.next().await {
        logs = look_at_logs(&folder);
        witness.lock().expect("no holder panics").blocks.insert(head.height, head.hash);
    }
    logs
}

fn look_at_logs(folder: &Path) -> Logs {
    let mut lengths = BTreeMap::new();
    let mut guard = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let is_log = path.extension().is_some_and(|e| LOG_EXTENSIONS.iter().any(|l| e == *l));
            match entry.metadata() {
                Ok(metadata) if metadata.is_dir() => open.push(path),
                Ok(metadata) if is_log => {
                    lengths.insert(path, metadata.len());
                }
                Ok(_) if path.ends_with(GUARD_NAME) => {
                    guard = fs::read(path).unwrap_or_default();
                }
                // Not a log, or a file that was deleted meanwhile.
                Ok(_) | Err(_) => {}
            }
        }
    }
    Logs { lengths, guard }
}

/// Cuts each log at a random byte after the length that was synced for certain.
fn cut_logs(folder: &Path, synced: &Logs, rng: &mut impl Rng) -> Result<()> {
    // The guard is written after the log of consensus was synced, so a new guard says that it was.
    let is_guard_new = look_at_logs(folder).guard != synced.guard;
    for (path, synced) in &synced.lengths {
        if is_guard_new && path.ends_with(CONSENSUS_LOG_NAME) {
            continue;
        }
        // A log that was deleted since has nothing to lose.
        let Ok(file) = OpenOptions::new().write(true).open(path) else { continue };
        let length = file.metadata()?.len();
        if length > *synced {
            file.set_len(rng.random_range(*synced..=length))?;
        }
    }
    Ok(())
}

/// Leaves a node alone until every task has ended, and checks that the accounts sum to the
/// issuance.
async fn finish(folder: &Path, witness: &Arc<Mutex<Witness>>) -> Result<Report> {
    let node = DevNode::start(folder, &[])?;
    let client = node.client().await?;
    check(&client, witness).await?;
    let (tasks, transactions) = {
        let witness = witness.lock().expect("no holder panics");
        (witness.tasks.clone(), witness.transactions.len())
    };
    let start = Instant::now();
    let settled = async {
        let mut heads = client.heads(None).await?;
        for task in &tasks {
            loop {
                let state = client.task(*task).await?.map(|task| (task.state, task.paid_early));
                let Some((state, _)) = state else { break };
                if state.is_final() || matches!(state, TaskState::Validating | TaskState::Validated)
                {
                    break;
                }
                heads.next().await?;
            }
        }
        anyhow::Ok(())
    };
    timeout(SETTLE_WAIT_MAX, settled)
        .await
        .with_context(|| format!("after {} s a task is stuck", start.elapsed().as_secs()))??;
    let (sum, issuance) = client.query(None, money).await?;
    ensure!(sum == issuance, "all accounts have {sum}, the issuance is {issuance}");
    let height = client.finalised().await?.height;
    node.stop()?;
    Ok(Report { height, transactions, tasks: tasks.len() })
}

/// What all accounts have, and what was issued.
fn money(state: &dyn StateRead) -> (Balance, Balance) {
    let owned = |(_, info): (AccountId, system::AccountInfo)| {
        info.data.free.saturating_add(info.data.reserved)
    };
    (system::accounts(state).map(owned).sum(), balances::total_issuance(state))
}
