//! `artel bench finality`: how long a network of several validators takes from a client's submission to the client's
//! hearing that the block is final, and how many transfers it makes final, beside one validator alone.

use super::{
    machine::Process,
    percentile,
    transfers::{ENDOWMENT, numbered, sign},
};
use crate::{
    localnet::{Localnet, Member, Plan},
    logging,
};
use anyhow::{Context, Result, ensure};
use clap::Args;
use codec::{Decode, Encode};
use futures::{StreamExt, stream};
use jsonrpsee::{
    client_transport::ws::{Url, WsTransportClientBuilder},
    core::client::{Client, ClientBuilder, ClientT, Subscription, SubscriptionClientT},
    rpc_params,
};
use primitives::{Hash, OpaqueTransaction, crypto::pair::Sr25519Pair};
use rayon::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

/// Longest that nothing may become final while transactions wait.
const STALL_MAX: Duration = Duration::from_secs(60);
/// Time between two transactions of the idle network: longer than the shortest interval between blocks, and of no simple
/// ratio to it or to the heartbeat.
const IDLE_EVERY: Duration = Duration::from_millis(1_373);
/// Most transactions of full load that are on their way.
const WINDOW: usize = 16_384;
/// Requests that one connection has under way.
const DEPTH: usize = 256;
/// How often the sender of a steady load wakes.
const STEP: Duration = Duration::from_millis(5);
/// The share of full load at which the time to finality is measured.
const LOAD_SHARE: f64 = 0.8;
/// Threads that spend less on a transfer are not shown.
const THREAD_SHOWN_US: f64 = 0.5;
/// Most bytes of a message: a block of hex.
const MESSAGE_BYTES_MAX: u32 = 32 << 20;

/// What `artel bench finality` takes.
#[derive(Args)]
pub struct FinalityArgs {
    /// Validators of the network.
    #[arg(long, default_value_t = 4, value_name = "COUNT")]
    validators: usize,
    /// Accounts that send to one another.
    #[arg(long, default_value_t = 20_000, value_name = "COUNT")]
    accounts: usize,
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 20, value_name = "SECONDS")]
    seconds: u64,
    /// What the nodes log.
    #[arg(long, default_value = "warn", value_name = "FILTER")]
    log: String,
}

/// Runs the measurement.
pub async fn run(args: FinalityArgs) -> Result<()> {
    ensure!(args.accounts >= 2, "{} accounts cannot send to one another", args.accounts);
    ensure!(args.seconds >= 5, "{} seconds are too short: give 5 or more", args.seconds);
    logging::start(&args.log, false)?;
    let home = tempfile::Builder::new().prefix("artel-bench-").tempdir()?;
    let pairs: Vec<Sr25519Pair> = (0..args.accounts as u64).into_par_iter().map(numbered).collect();
    let time = Duration::from_secs(args.seconds);

    eprintln!("one validator, {} s under full load", args.seconds);
    let bench = Bench::start(&home.path().join("one"), 1, &pairs, &args.log).await?;
    // More than any machine makes final in the time.
    let count = 40_000 * usize::try_from(args.seconds)?;
    let mut signed = sign(&pairs, bench.genesis, count).into_iter();
    let alone = bench.full_load(&mut signed, time).await?;
    bench.network.stop().await?;
    eprintln!("  {:.0} transfers/s final", alone.per_second);

    eprintln!("{} validators, idle for {} s", args.validators, args.seconds * 2);
    let bench = Bench::start(&home.path().join("all"), args.validators, &pairs, &args.log).await?;
    let mut signed = sign(&pairs, bench.genesis, 2 * count).into_iter();
    let idle = bench.idle(&mut signed, time * 2).await?;
    eprintln!("  {}", idle.line());
    eprintln!("{} s under full load", args.seconds);
    let together = bench.full_load(&mut signed, time).await?;
    eprintln!("  {:.0} transfers/s final", together.per_second);
    eprintln!("{}", compare(&alone, &together));
    let rate = together.per_second * LOAD_SHARE;
    eprintln!("{} s at {rate:.0} transfers/s", args.seconds);
    let loaded = bench.steady_load(&mut signed, rate, time).await?;
    eprintln!("  {}", loaded.line());
    bench.network.stop().await?;
    println!(
        "{}",
        json!({
            "validators": args.validators,
            "idle_p50_ms": idle.p50_ms,
            "idle_p99_ms": idle.p99_ms,
            "loaded_p50_ms": loaded.p50_ms,
            "loaded_p99_ms": loaded.p99_ms,
            "loaded_tps": rate.round(),
            "finalised_tps": together.per_second.round(),
            "alone_tps": alone.per_second.round(),
            "validator_us": together.validator_us(),
            "alone_us": alone.validator_us(),
            "seconds": args.seconds,
        })
    );
    Ok(())
}

/// A network, and connections to its validators.
struct Bench {
    network: Localnet,
    clients: Vec<Arc<Client>>,
    genesis: Hash,
    seen: Seen,
}

/// What a network makes final, and what that takes.
struct Throughput {
    per_second: f64,
    /// CPU time of each validator for each transfer, by thread.
    by_thread_us: BTreeMap<String, f64>,
}

impl Throughput {
    /// CPU time of each validator for each transfer.
    fn validator_us(&self) -> f64 {
        self.by_thread_us.values().sum::<f64>().round()
    }
}

/// Where a transfer's time goes: at one validator alone, and at each of several.
fn compare(alone: &Throughput, together: &Throughput) -> String {
    let row = |name: &str, alone: f64, together: f64| {
        format!("  {name:<24}{alone:>10.1}{together:>12.1}")
    };
    let threads: BTreeSet<_> =
        alone.by_thread_us.keys().chain(together.by_thread_us.keys()).collect();
    let mut rows =
        vec![format!("  {:<24}{:>10}{:>12}", "CPU us for a transfer", "alone", "of several")];
    for thread in threads {
        let [one, each] = [alone, together]
            .map(|side| side.by_thread_us.get(thread).copied().unwrap_or_default());
        if one.max(each) >= THREAD_SHOWN_US {
            rows.push(row(thread, one, each));
        }
    }
    rows.push(row("all", alone.validator_us(), together.validator_us()));
    rows.join("\n")
}

/// Times to finality.
struct Latencies {
    count: usize,
    p50_ms: f64,
    p99_ms: f64,
}

impl Latencies {
    fn of(mut all_ms: Vec<f64>) -> Self {
        all_ms.sort_by(f64::total_cmp);
        let (p50_ms, p99_ms) = (percentile(&all_ms, 0.5), percentile(&all_ms, 0.99));
        Self { count: all_ms.len(), p50_ms, p99_ms }
    }

    fn line(&self) -> String {
        let Self { count, p50_ms, p99_ms } = self;
        format!("{count} transfers final after {p50_ms:.0} ms (half), {p99_ms:.0} ms (99 %)")
    }
}

impl Bench {
    async fn start(
        folder: &Path,
        validators: usize,
        pairs: &[Sr25519Pair],
        log: &str,
    ) -> Result<Self> {
        let program = std::env::current_exe().context("cannot find this program")?;
        let network = Localnet::start(Plan {
            validators,
            log: log.to_owned(),
            endowed: pairs.iter().map(|p| (p.public().into(), ENDOWMENT)).collect(),
            ..Plan::new(program, folder.to_owned())
        })
        .await?;
        let mut clients = Vec::new();
        for member in &network.members {
            let transport = WsTransportClientBuilder {
                max_response_size: MESSAGE_BYTES_MAX,
                ..Default::default()
            };
            let (sender, receiver) = transport.build(Url::parse(&member.url)?).await?;
            let builder = ClientBuilder::default().max_concurrent_requests(2 * DEPTH);
            clients.push(Arc::new(builder.build_with_tokio(sender, receiver)));
        }
        let genesis = clients[0].request("chain_getBlockHash", rpc_params![0]).await?;
        let seen = Seen::follow(clients[0].clone()).await?;
        // Blocks, so that all validators are there.
        let mut heights = seen.heights.clone();
        let started = heights.wait_for(|height| *height >= 2);
        timeout(STALL_MAX, started).await.context("the network makes no blocks")??;
        Ok(Self { network, clients, genesis, seen })
    }

    /// Submits one transaction now and then.
    async fn idle(
        &self,
        signed: &mut impl Iterator<Item = OpaqueTransaction>,
        time: Duration,
    ) -> Result<Latencies> {
        let start = Instant::now();
        let mut count = 0;
        while start.elapsed() < time {
            sleep(IDLE_EVERY).await;
            let tx = signed.next().context("there are too few transfers")?;
            let client = &self.clients[count % self.clients.len()];
            self.seen.note(&tx, Instant::now());
            submit(client, tx).await?;
            count += 1;
        }
        self.seen.drained().await?;
        Ok(Latencies::of(self.seen.take_latencies()))
    }

    /// Submits as fast as the network takes; what it makes final in the last half of the time counts.
    async fn full_load(
        &self,
        signed: &mut impl Iterator<Item = OpaqueTransaction>,
        time: Duration,
    ) -> Result<Throughput> {
        let start = Instant::now();
        let before = self.cpu();
        let due = |_| (self.seen.waiting() < WINDOW).then(Instant::now);
        self.load(signed, time, due).await?;
        let after = self.cpu();
        let per_second = self.seen.rate(start + time / 2, start + time);
        let transfers = self.seen.take_latencies().len() as f64 * self.clients.len() as f64;
        let spent = |(name, seconds): (&String, &f64)| {
            let spent = seconds - before.get(name).copied().unwrap_or_default();
            (name.clone(), spent * 1e6 / transfers)
        };
        Ok(Throughput { per_second, by_thread_us: after.iter().map(spent).collect() })
    }

    /// CPU seconds of all validators together, by thread.
    fn cpu(&self) -> BTreeMap<String, f64> {
        let mut all = BTreeMap::new();
        for id in self.network.members.iter().filter_map(Member::id) {
            for (thread, seconds) in Process::of(id).cpu_by_thread() {
                *all.entry(thread).or_default() += seconds;
            }
        }
        all
    }

    /// Submits at a fixed rate, whatever the network does: time counts from when a transfer is due.
    async fn steady_load(
        &self,
        signed: &mut impl Iterator<Item = OpaqueTransaction>,
        per_second: f64,
        time: Duration,
    ) -> Result<Latencies> {
        let start = Instant::now();
        let due = |sent: usize| {
            let since = start + Duration::from_secs_f64(sent as f64 / per_second);
            (since <= Instant::now()).then_some(since)
        };
        self.load(signed, time, due).await?;
        Ok(Latencies::of(self.seen.take_latencies()))
    }

    /// Submits for a time, and waits for all. `due` says of each, by its number, since when it is due, if it is.
    async fn load(
        &self,
        signed: &mut impl Iterator<Item = OpaqueTransaction>,
        time: Duration,
        due: impl Fn(usize) -> Option<Instant>,
    ) -> Result<()> {
        let (end, depth) = (Instant::now() + time, DEPTH * self.clients.len());
        let due = |number| due(number).filter(|since| *since < end);
        let mut sending = stream::FuturesUnordered::new();
        let mut sent = 0;
        while Instant::now() < end || due(sent).is_some() {
            while sending.len() < depth
                && let Some(since) = due(sent)
            {
                let tx = signed.next().context("there are too few transfers")?;
                let client = self.clients[sent % self.clients.len()].clone();
                sent += 1;
                self.seen.note(&tx, since);
                sending.push(async move { submit(&client, tx).await });
            }
            match sending.is_empty() {
                true => sleep(STEP).await,
                false => {
                    if let Ok(Some(result)) = timeout(STEP, sending.next()).await {
                        result?;
                    }
                }
            }
        }
        while let Some(result) = sending.next().await {
            result?;
        }
        self.seen.drained().await
    }
}

async fn submit(client: &Client, tx: OpaqueTransaction) -> Result<()> {
    let bytes = format!("0x{}", hex::encode(tx.encode()));
    let _: Hash = client.request("author_submitExtrinsic", rpc_params![bytes]).await?;
    Ok(())
}

/// What a client hears of final blocks.
#[derive(Clone)]
struct Seen {
    state: Arc<Mutex<State>>,
    heights: watch::Receiver<u64>,
}

#[derive(Default)]
struct State {
    submitted: HashMap<Hash, Instant>,
    latencies_ms: Vec<f64>,
    /// When each block was heard of, and how many of the transactions it has.
    blocks: Vec<(Instant, usize)>,
}

#[derive(Deserialize)]
struct SignedBlock {
    block: Body,
}

#[derive(Deserialize)]
struct Body {
    extrinsics: Vec<String>,
}

impl Seen {
    async fn follow(client: Arc<Client>) -> Result<Self> {
        let mut heads: Subscription<Value> = client
            .subscribe(
                "chain_subscribeFinalizedHeads",
                rpc_params![],
                "chain_unsubscribeFinalizedHeads",
            )
            .await?;
        let (sender, heights) = watch::channel(0);
        let state = Arc::<Mutex<State>>::default();
        let this = Self { state: state.clone(), heights };
        let seen = this.clone();
        tokio::spawn(async move {
            while let Some(Ok(head)) = heads.next().await {
                let at = Instant::now();
                let number = head["number"].as_str().and_then(|n| n.strip_prefix("0x"));
                let number = number.and_then(|n| u64::from_str_radix(n, 16).ok());
                let Some(number) = number else { return };
                if seen.note_block(&client, number, at).await.is_err() {
                    return;
                }
                sender.send_replace(number);
            }
        });
        Ok(this)
    }

    async fn note_block(&self, client: &Client, number: u64, at: Instant) -> Result<()> {
        let hash: Hash = client.request("chain_getBlockHash", rpc_params![number]).await?;
        let block: SignedBlock = client.request("chain_getBlock", rpc_params![hash]).await?;
        let hashes: Vec<Hash> = block
            .block
            .extrinsics
            .iter()
            .filter_map(|text| hex::decode(text).ok())
            .filter_map(|bytes| OpaqueTransaction::decode(&mut &bytes[..]).ok())
            .map(|tx| tx.hash())
            .collect();
        let mut state = self.lock();
        let mut count = 0;
        for hash in hashes {
            if let Some(submitted) = state.submitted.remove(&hash) {
                state.latencies_ms.push((at - submitted).as_secs_f64() * 1e3);
                count += 1;
            }
        }
        state.blocks.push((at, count));
        Ok(())
    }

    fn note(&self, tx: &OpaqueTransaction, since: Instant) {
        self.lock().submitted.insert(tx.hash(), since);
    }

    fn waiting(&self) -> usize {
        self.lock().submitted.len()
    }

    /// Waits until all that was submitted is final.
    async fn drained(&self) -> Result<()> {
        let (mut waiting, mut since) = (self.waiting(), Instant::now());
        while waiting > 0 {
            sleep(STEP).await;
            let now = self.waiting();
            if now < waiting {
                (waiting, since) = (now, Instant::now());
            }
            ensure!(since.elapsed() < STALL_MAX, "{now} transfers do not become final");
        }
        Ok(())
    }

    fn rate(&self, from: Instant, to: Instant) -> f64 {
        let state = self.lock();
        let inside = state.blocks.iter().filter(|(at, _)| (from..to).contains(at));
        let count: usize = inside.map(|(_, count)| count).sum();
        count as f64 / (to - from).as_secs_f64()
    }

    fn take_latencies(&self) -> Vec<f64> {
        std::mem::take(&mut self.lock().latencies_ms)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
