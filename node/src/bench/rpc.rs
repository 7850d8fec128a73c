//! Transactions and reads over JSON-RPC, beside the same inside the process.

use super::{
    feed::Finality,
    load::{self, LoadArgs},
    machine::Process,
    percentile,
    transfers::{ENDOWMENT, numbered, sign},
};
use crate::{
    assemble::{Node, Plan, Role, assemble},
    cli::node::session_keys,
    config::{Config, on_loopback},
    logging,
};
use anyhow::{Context, Result, anyhow, ensure};
use clap::Args;
use codec::Encode;
use primitives::{
    OpaqueTransaction, RawKey, StateRead,
    crypto::{hash::twox_128, pair::Sr25519Pair},
};
use rayon::prelude::*;
use rpc::PoolRequest;
use runtime::ChainSpec;
use serde::Serialize;
use std::{
    collections::{BTreeMap, VecDeque},
    fs,
    io::{BufRead, BufReader, BufWriter, Write},
    path::Path,
    process::{Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Instant,
};
use tokio::{runtime::Runtime, sync::oneshot};

const SUBMIT: &str = "author_submitExtrinsic";
const READ: &str = "state_getStorage";
/// Fewest accounts of one connection: a transfer needs two.
const ACCOUNTS_MIN: usize = 2;
/// Stride by which reads pass over the accounts: prime, so that they come in no order that a cache could like.
const READ_STRIDE: usize = 7_919;

/// What `artel bench rpc` takes.
#[derive(Args)]
pub struct RpcArgs {
    /// Accounts, all funded.
    #[arg(long, default_value_t = 100_000, value_name = "COUNT")]
    accounts: usize,
    /// Transfers that are submitted each way.
    #[arg(long, default_value_t = 120_000, value_name = "COUNT")]
    transfers: usize,
    /// Values that are read each way.
    #[arg(long, default_value_t = 400_000, value_name = "COUNT")]
    reads: usize,
    /// Connections, or threads inside the process.
    #[arg(long, default_value_t = 8, value_name = "COUNT")]
    connections: usize,
    /// Most requests of each on their way.
    #[arg(long, default_value_t = 256, value_name = "COUNT")]
    depth: usize,
    /// Print JSON instead of tables.
    #[arg(long)]
    json: bool,
    /// What is logged.
    #[arg(long, default_value = "warn", value_name = "FILTER")]
    log: String,
}

/// How one kind of requests went one way.
#[derive(Serialize)]
struct Row {
    method: &'static str,
    way: &'static str,
    requests: usize,
    per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
    /// CPU time per request outside the node.
    client_us: f64,
    /// CPU time per request inside the node, by threads.
    node_us: BTreeMap<String, f64>,
}

/// Runs the measurement.
pub fn run(args: &RpcArgs) -> Result<()> {
    let RpcArgs { accounts, connections, depth, .. } = *args;
    ensure!(connections > 0 && depth > 0, "give a connection and a request at a time");
    ensure!(args.transfers > 0 && args.reads > 0, "nothing to measure: give transfers and reads");
    let each = accounts / connections;
    ensure!(each >= ACCOUNTS_MIN, "{accounts} accounts are too few for {connections} connections");
    logging::start(&args.log, false)?;
    let home = tempfile::Builder::new().prefix("artel-bench-").tempdir()?;
    eprintln!("making {accounts} accounts and their genesis");
    let pairs: Vec<Sr25519Pair> = (0..accounts as u64).into_par_iter().map(numbered).collect();
    let mut spec = ChainSpec::dev();
    spec.genesis.Balances.balances.extend(pairs.iter().map(|p| (p.public().into(), ENDOWMENT)));
    let runtime = named_runtime()?;
    let start = |name| runtime.block_on(assemble(plan(&home.path().join(name), spec.clone())?));

    let node = start("inside")?;
    eprintln!("signing {} transfers", args.transfers);
    let share = args.transfers.div_ceil(connections);
    let sign = |pairs| sign(pairs, node.genesis, share);
    let signed: Vec<_> = pairs.chunks_exact(each).take(connections).map(sign).collect();
    let keys = keys_to_read(&node, args.reads);
    eprintln!("inside the process");
    let mut rows = vec![submit_inside(&node, &signed, depth)?, read_inside(&node, &keys, args)];
    runtime.block_on(node.stop())?;

    // The same chain again, so that the same transactions are good.
    let node = start("over-rpc")?;
    let file = home.path().join("requests");
    let load = |connections, depth| LoadArgs {
        address: node.rpc_address.to_string(),
        requests: file.clone(),
        connections,
        depth,
        wait: true,
    };
    eprintln!("over {connections} connections");
    write_requests(&file, SUBMIT, in_turn(&signed).map(|tx| hex::encode(tx.encode())))?;
    let mut finality = Finality::new(node.heads.clone(), node.database.clone());
    rows.push(over_rpc(SUBMIT, &load(connections, depth), || finality.wait_for(count(&signed)))?);
    write_requests(&file, READ, keys.iter().map(hex::encode))?;
    rows.push(over_rpc(READ, &load(connections, depth), || Ok(()))?);
    runtime.block_on(node.stop())?;

    match args.json {
        true => println!("{}", serde_json::to_string(&rows)?),
        false => show(&rows),
    }
    Ok(())
}

/// Threads as a node has them, whose names tell those that serve sockets from those that may block.
fn named_runtime() -> Result<Runtime> {
    let workers = thread::available_parallelism()?.get();
    let started = AtomicUsize::new(0);
    let name = move || match started.fetch_add(1, Ordering::Relaxed) < workers {
        true => "rpc-sockets".to_owned(),
        false => "rpc-blocking".to_owned(),
    };
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    Ok(runtime.worker_threads(workers).thread_name_fn(name).enable_all().build()?)
}

fn plan(base_path: &Path, spec: ChainSpec) -> Result<Plan> {
    let mut config = Config::default();
    (config.rpc.port, config.metrics.enabled) = (0, false);
    config.network = on_loopback(0);
    config.validate()?;
    Ok(Plan {
        config,
        spec,
        base_path: base_path.to_owned(),
        role: Role::Validator {
            keys: session_keys(crate::cli::dev::VALIDATOR)?.into(),
            sign_without_guard: false,
        },
    })
}

fn count(signed: &[Vec<OpaqueTransaction>]) -> usize {
    signed.iter().map(Vec::len).sum()
}

/// The first of each list, then the second of each, and so on.
fn in_turn(signed: &[Vec<OpaqueTransaction>]) -> impl Iterator<Item = &OpaqueTransaction> {
    (0..signed[0].len()).flat_map(|place| signed.iter().map(move |list| &list[place]))
}

/// Keys of accounts.
fn keys_to_read(node: &Node, count: usize) -> Vec<RawKey> {
    let prefix = [twox_128("System"), twox_128("Account")].concat();
    let head = node.heads.borrow().clone();
    let keys: Vec<_> = head.snapshot.keys(&prefix, None).collect();
    (0..count).map(|number| keys[number.wrapping_mul(READ_STRIDE) % keys.len()].clone()).collect()
}

/// Submits through the pool's channel, a thread for each list.
fn submit_inside(node: &Node, signed: &[Vec<OpaqueTransaction>], depth: usize) -> Result<Row> {
    let mut finality = Finality::new(node.heads.clone(), node.database.clone());
    let (cpu, start) = (Process::this().cpu_by_thread(), Instant::now());
    let latencies_ms = thread::scope(|scope| -> Result<Vec<f64>> {
        let feeds = signed.iter().map(|list| scope.spawn(move || feed(node, list, depth)));
        let feeds: Vec<_> = feeds.collect();
        let join = |feed: thread::ScopedJoinHandle<'_, _>| {
            feed.join().map_err(|_| anyhow!("a thread that submits panicked"))?
        };
        let latencies: Result<Vec<Vec<f64>>> = feeds.into_iter().map(join).collect();
        Ok(latencies?.concat())
    })?;
    let seconds = start.elapsed().as_secs_f64();
    finality.wait_for(count(signed))?;
    Ok(Row::inside(SUBMIT, latencies_ms, seconds, &cpu))
}

/// Submits a list and waits for the answers, with at most `depth` of them open.
fn feed(node: &Node, list: &[OpaqueTransaction], depth: usize) -> Result<Vec<f64>> {
    let mut open = VecDeque::new();
    let mut latencies_ms = Vec::with_capacity(list.len());
    let mut wait =
        |(submitted, answered): (Instant, oneshot::Receiver<Result<_, rpc::SubmitError>>)| {
            answered.blocking_recv().context("the pool has ended")??;
            latencies_ms.push(submitted.elapsed().as_secs_f64() * 1e3);
            anyhow::Ok(())
        };
    for tx in list {
        if open.len() == depth {
            open.pop_front().map_or(Ok(()), &mut wait)?;
        }
        let (answer, answered) = oneshot::channel();
        let request = PoolRequest::Submit { bytes: tx.clone(), answer };
        node.pool.send(request).context("the pool has ended")?;
        open.push_back((Instant::now(), answered));
    }
    open.into_iter().try_for_each(wait)?;
    Ok(latencies_ms)
}

/// Reads from the head's snapshot, in as many threads as there are connections.
fn read_inside(node: &Node, keys: &[RawKey], args: &RpcArgs) -> Row {
    let (cpu, start) = (Process::this().cpu_by_thread(), Instant::now());
    let read = |keys: &[RawKey]| -> Vec<f64> {
        let timed = keys.iter().map(|key| {
            let start = Instant::now();
            let snapshot = node.heads.borrow().snapshot.clone();
            std::hint::black_box(snapshot.get(key));
            start.elapsed().as_secs_f64() * 1e3
        });
        timed.collect()
    };
    let latencies_ms = thread::scope(|scope| {
        let shares = keys.chunks(keys.len().div_ceil(args.connections));
        let threads: Vec<_> = shares.map(|share| scope.spawn(move || read(share))).collect();
        let join =
            |thread: thread::ScopedJoinHandle<'_, _>| thread.join().expect("reads are total");
        threads.into_iter().flat_map(join).collect()
    });
    Row::inside(READ, latencies_ms, start.elapsed().as_secs_f64(), &cpu)
}

/// Writes requests as the load reads them.
fn write_requests(path: &Path, method: &str, params: impl Iterator<Item = String>) -> Result<()> {
    let mut file = BufWriter::new(fs::File::create(path)?);
    for (id, hex) in params.enumerate() {
        let hex = hex.trim_start_matches("0x");
        writeln!(
            file,
            r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":["0x{hex}"]}}"#
        )?;
    }
    Ok(file.flush()?)
}

/// Sends the requests from a process of its own. CPU time counts until `settle` returns.
fn over_rpc(
    method: &'static str,
    load: &LoadArgs,
    settle: impl FnOnce() -> Result<()>,
) -> Result<Row> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(["bench", "load", "--wait", "--address", &load.address, "--requests"])
        .arg(&load.requests)
        .args(["--connections", &load.connections.to_string()])
        .args(["--depth", &load.depth.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("the process that sends requests does not start")?;
    let mut lines = BufReader::new(child.stdout.take().context("its output is piped")?).lines();
    let mut begin = child.stdin.take().context("its input is piped")?;
    let said = lines.next().context("it ended before it was ready")??;
    ensure!(said == load::READY, "the process that sends requests said {said}");
    let cpu = Process::this().cpu_by_thread();
    begin.write_all(b"\n")?;
    let figures = lines.next().context("it ended without figures")??;
    let figures: load::Figures = serde_json::from_str(&figures)?;
    let status = child.wait()?;
    ensure!(status.success(), "the process that sends requests ended with {status}");
    settle()?;
    if let Some(error) = figures.first_error {
        return Err(anyhow!("{} requests failed, the first with {error}", figures.errors));
    }
    Ok(Row {
        method,
        way: "over WebSocket",
        requests: figures.requests,
        per_second: figures.requests as f64 / figures.seconds,
        p50_ms: figures.p50_ms,
        p99_ms: figures.p99_ms,
        client_us: figures.cpu_seconds * 1e6 / figures.requests as f64,
        node_us: node_us(&cpu, figures.requests),
    })
}

impl Row {
    fn inside(
        method: &'static str,
        mut latencies_ms: Vec<f64>,
        seconds: f64,
        cpu: &BTreeMap<String, f64>,
    ) -> Self {
        latencies_ms.sort_by(f64::total_cmp);
        let requests = latencies_ms.len();
        Self {
            method,
            way: "in the process",
            requests,
            per_second: requests as f64 / seconds,
            p50_ms: percentile(&latencies_ms, 0.5),
            p99_ms: percentile(&latencies_ms, 0.99),
            client_us: 0.0,
            node_us: node_us(cpu, requests),
        }
    }
}

/// CPU time per request since `before`, by threads.
fn node_us(before: &BTreeMap<String, f64>, requests: usize) -> BTreeMap<String, f64> {
    let since = |(name, seconds): (String, f64)| {
        let spent = seconds - before.get(&name).copied().unwrap_or_default();
        (name, spent * 1e6 / requests as f64)
    };
    Process::this().cpu_by_thread().into_iter().map(since).collect()
}

/// Prints the rows, and below them where the node's time goes.
fn show(rows: &[Row]) {
    println!(
        "{:<24}{:<16}{:>10}{:>12}{:>10}{:>10}{:>12}{:>12}",
        "method", "way", "requests", "per second", "p50 ms", "p99 ms", "node CPU us", "client us"
    );
    for row in rows {
        println!(
            "{:<24}{:<16}{:>10}{:>12.0}{:>10.3}{:>10.3}{:>12.1}{:>12.1}",
            row.method,
            row.way,
            row.requests,
            row.per_second,
            row.p50_ms,
            row.p99_ms,
            row.node_us.values().sum::<f64>(),
            row.client_us
        );
    }
    println!("\nthe node's CPU time per request in us, by threads");
    let names: std::collections::BTreeSet<_> =
        rows.iter().flat_map(|row| row.node_us.keys()).collect();
    for name in names {
        print!("{name:<16}");
        for row in rows {
            print!("{:>12.1}", row.node_us.get(name).copied().unwrap_or_default());
        }
        println!();
    }
}
