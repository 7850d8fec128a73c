//! A node that comes late: how fast it has what the others have, and whether liars among them change that.
//!
//! A chain is made at once, served by real nodes, and fetched by one that has nothing and knows one of them: first from
//! honest peers alone, then among liars, of whom each that proves to be one must end banned. While it fetches, what it tells
//! of itself by JSON-RPC and to supervisors is held against what it has.

use crate::{
    chains::{self, Made},
    liars::{Liar, Lie},
    process::{ask, get},
    steps::{self, LOOK},
};
use anyhow::{Context, Result, ensure};
use jsonrpsee::{
    core::client::ClientT,
    http_client::{HttpClient, HttpClientBuilder},
    rpc_params,
};
use network::PeerId;
use node::{
    bench::machine::Process,
    localnet::{self, Localnet},
};
use primitives::{Hash, Height};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    time::{Duration, Instant, SystemTime},
};
use tempfile::TempDir;
use tokio::time::sleep;

/// Longest wait for anything that must come.
const WAIT: Duration = Duration::from_secs(1_200);
/// Blocks above the state that is served: who has begun follows the chain through them. As many are below it at least.
pub const BLOCKS_ABOVE: Height = 20;
/// Lines of a log that an error shows.
const LAST_LINES: usize = 12;
/// What a node prints before the address of its metrics.
const METRICS: &str = "Metrics: ";
/// Bytes that a node has sent to others, among its metrics.
const SENT: &str = "artel_network_libp2p_bandwidth_bytes_total{";
/// What a node logs of a ban.
const BANNED: &str = "peer banned";
/// Bans of peers, among its metrics.
const BANS: &str = "artel_network_bans_total ";

/// Who is there to fetch from.
#[derive(Clone, Copy, Debug)]
pub struct Peers {
    /// Nodes that have the chain.
    pub servers: usize,
    /// Peers that lie, in the second run.
    pub liars: usize,
    /// Whether the late node knows the liars from its start, and does not find them by and by.
    pub are_known: bool,
}

/// What a run showed.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// What was fetched, and from whom.
    pub run: &'static str,
    /// Height that was reached.
    pub height: Height,
    /// Height of the state that the node began with; 0 if it fetched all blocks.
    pub begun_at: Height,
    /// Seconds until it served, from its start: it has a state then.
    pub serving_seconds: f64,
    /// Seconds until it had the last block, from its start.
    pub seconds: f64,
    /// Seconds until it said to be ready, from its start.
    pub ready_seconds: f64,
    /// Blocks that were fetched, a second.
    pub blocks_per_second: f64,
    /// Signed transactions in them.
    pub transactions: u64,
    /// As many a second.
    pub transactions_per_second: f64,
    /// Bytes that all servers sent meanwhile, to liars too.
    pub sent_bytes: u64,
    /// Most memory that the node had.
    pub peak_rss_mb: u64,
    /// What it took of the processors.
    pub cpu_seconds: f64,
    /// The same by threads that still ran in the end.
    pub cpu_by_thread: BTreeMap<String, f64>,
    /// Bans of peers; one that comes back and lies again is banned again.
    pub bans: u64,
    /// The liars.
    pub liars: Vec<LiarReport>,
}

/// What became of a liar.
#[derive(Clone, Debug, Serialize)]
pub struct LiarReport {
    /// How it lies.
    pub how: Lie,
    /// Whether it was asked and lied, or did not answer.
    pub has_lied: bool,
    /// Whether the late node banned it.
    pub is_banned: bool,
    /// Whether it is not connected in the end.
    pub is_gone: bool,
}

/// What `system_syncState` answers.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SyncState {
    starting_block: Height,
    current_block: Height,
    highest_block: Height,
}

/// A peer, as `artel_peers` tells it.
#[derive(Deserialize)]
struct Peer {
    id: String,
}

/// Fetches all blocks of a chain: from honest peers, then among liars.
pub async fn blocks(
    plan: chains::Plan,
    peers: Peers,
    tell: impl Fn(Height),
    mut show: impl FnMut(&Report),
) -> Result<()> {
    let mut scene = Scene::open(plan, peers, None, tell).await?;
    let expected = Expected { begun_at: 0, transactions: scene.made.transactions };
    show(&scene.join("blocks", expected, &[], None).await?);
    if peers.liars > 0 {
        let liars = scene.liars(&Lie::ABOUT_BLOCKS).await?;
        show(&scene.join("blocks among liars", expected, &liars, None).await?);
    }
    scene.network.stop().await
}

/// Begins with the state after a late block: from honest peers, then among liars and with a crash half way.
pub async fn state(
    plan: chains::Plan,
    peers: Peers,
    tell: impl Fn(Height),
    mut show: impl FnMut(&Report),
) -> Result<()> {
    let height = plan.height()?;
    ensure!(
        height >= 2 * BLOCKS_ABOVE,
        "{height} blocks are too few: {} are enough",
        2 * BLOCKS_ABOVE
    );
    let begun_at = height - BLOCKS_ABOVE;
    let mut scene = Scene::open(plan, peers, Some(begun_at), tell).await?;
    let bytes = scene.wait_for_states().await?;
    let trusted = format!("1:{}", scene.made.first);
    scene.network.members[scene.late].add_flags(["--trusted".to_owned(), trusted]);
    let expected = Expected { begun_at, transactions: 0 };
    show(&scene.join("state", expected, &[], None).await?);
    if peers.liars > 0 {
        let liars = scene.liars(&Lie::ABOUT_STATES).await?;
        let name = "state among liars, with a crash";
        show(&scene.join(name, expected, &liars, Some(bytes / 2)).await?);
    }
    scene.network.stop().await
}

/// What a run must show.
#[derive(Clone, Copy)]
struct Expected {
    begun_at: Height,
    transactions: u64,
}

/// Nodes that have a chain, and one that has nothing and does not run.
struct Scene {
    network: Localnet,
    made: Made,
    peers: Peers,
    /// Place of the late node among the network's.
    late: usize,
    _folder: TempDir,
}

impl Scene {
    /// States of the given height are served, if any are.
    async fn open(
        plan: chains::Plan,
        peers: Peers,
        served: Option<Height>,
        tell: impl Fn(Height),
    ) -> Result<Self> {
        ensure!(peers.servers > 0, "0 servers serve nothing: give 1 or more");
        let folder = TempDir::new()?;
        let path = folder.path();
        let chain = |member: usize| {
            let member = format!("gateway-{}", member + 1);
            let id = runtime::ChainSpec::local().id;
            path.join(member).join("chains").join(id)
        };
        let copies: Vec<PathBuf> =
            (0..peers.servers).map(|member| chain(member).join("db")).collect();
        for copy in &copies {
            fs::create_dir_all(copy.parent().context("it lies in a folder")?)?;
        }
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
        let (made_at, now_ms) = (path.join("made"), u64::try_from(now.as_millis())?);
        let made =
            tokio::task::block_in_place(|| chains::make(plan, now_ms, &made_at, &copies, tell))?;
        fs::remove_dir_all(made_at)?;

        let config = path.join("server.toml");
        let states = match served {
            Some(height) => format!("serve_every_blocks = {height}"),
            None => "serve_states = false".to_owned(),
        };
        fs::write(&config, format!("[sync]\n{states}\n"))?;
        let mut network = Localnet::of(
            &made.spec,
            localnet::Plan {
                validators: 0,
                gateways: peers.servers + 1,
                // Bans of those who are no validators are told to those who look for them alone.
                log: "info,artel_network::events=debug".to_owned(),
                ..steps::plan(path)?
            },
        )?;
        for server in 0..peers.servers {
            let flags = ["--config".to_owned(), config.display().to_string()];
            network.members[server].add_flags(flags);
            network.launch(server)?;
        }
        for server in 0..peers.servers {
            network.wait_ready(server).await?;
        }
        Ok(Self { network, made, peers, late: peers.servers, _folder: folder })
    }

    /// Waits until each server has a state for others, and tells its size.
    async fn wait_for_states(&self) -> Result<u64> {
        let since = Instant::now();
        let mut bytes = 0;
        for server in &self.network.members[..self.late] {
            let folder = self.chain_of(server).join("states");
            loop {
                ensure!(since.elapsed() < WAIT, "{} has no state to serve", server.name);
                let files = fs::read_dir(&folder).into_iter().flatten().flatten();
                let index = files
                    .map(|file| file.path())
                    .find(|path| path.extension().is_some_and(|extension| extension == "index"));
                if let Some(index) = index {
                    bytes = index.with_extension("state").metadata()?.len();
                    break;
                }
                sleep(LOOK).await;
            }
        }
        Ok(bytes)
    }

    /// Liars of these kinds in turns, connected to the first server.
    async fn liars(&mut self, kinds: &[Lie]) -> Result<Vec<Liar>> {
        let bootnode = &self.network.bootnode;
        let honest = bootnode.rsplit('/').next().context("it ends with an identity")?.parse()?;
        let mut liars = Vec::new();
        for (number, how) in (1..).zip(kinds.iter().cycle().take(self.peers.liars)) {
            liars.push(Liar::join(bootnode, self.made.genesis, honest, *how, number).await?);
        }
        if self.peers.are_known {
            let known =
                liars.iter().flat_map(|liar| ["--bootnode".to_owned(), liar.address.clone()]);
            self.network.members[self.late].add_flags(known);
        }
        Ok(liars)
    }

    /// Starts the late node and waits until it follows the chain; with `crash_at`, it is killed once that many bytes were
    /// sent, and started again.
    async fn join(
        &mut self,
        run: &'static str,
        expected: Expected,
        liars: &[Liar],
        crash_at: Option<u64>,
    ) -> Result<Report> {
        let sent_before = self.sent_bytes()?;
        let since = Instant::now();
        self.network.launch(self.late)?;
        let (mut cpu_seconds, mut peak_rss_mb, mut past) = (0.0, 0, String::new());
        if let Some(bytes) = crash_at {
            while self.sent_bytes()?.saturating_sub(sent_before) < bytes {
                ensure!(since.elapsed() < WAIT, "it never gets half of the state");
                sleep(LOOK).await;
            }
            let process = self.process()?;
            (cpu_seconds, peak_rss_mb) = (process.cpu_seconds(), process.peak_rss_mb());
            self.network.kill(self.late)?;
            past = fs::read_to_string(self.network.members[self.late].log())?;
            self.network.launch(self.late)?;
        }
        self.network.wait_ready_for(self.late, WAIT).await?;
        let serving_seconds = since.elapsed().as_secs_f64();
        let node = View::of(&self.network.members[self.late]).await?;
        let (seconds, ready_seconds) = self
            .follow(&node, since, expected.begun_at, crash_at.is_some())
            .await
            .with_context(|| self.last_words())?;
        let liars = self.judge(&node, liars, &past).await?;
        let process = self.process()?;
        let blocks = self.made.height - expected.begun_at;
        let report = Report {
            run,
            height: self.made.height,
            begun_at: expected.begun_at,
            serving_seconds,
            seconds,
            ready_seconds,
            blocks_per_second: f64::from(blocks) / seconds,
            transactions: expected.transactions,
            #[allow(clippy::cast_precision_loss)] // They are far fewer than 2^52.
            transactions_per_second: expected.transactions as f64 / seconds,
            sent_bytes: self.sent_bytes()?.saturating_sub(sent_before),
            peak_rss_mb: peak_rss_mb.max(process.peak_rss_mb()),
            cpu_seconds: cpu_seconds + process.cpu_seconds(),
            cpu_by_thread: process.cpu_by_thread(),
            bans: node.count(BANS, |_| true)?,
            liars,
        };
        self.network.stop_one(self.late).await?;
        fs::remove_dir_all(self.chain_of(&self.network.members[self.late]))?;
        Ok(report)
    }

    /// Waits until the late node has the last block and says to be ready. Gives the seconds until both. What it says
    /// meanwhile must be so.
    async fn follow(
        &self,
        node: &View,
        since: Instant,
        begun_at: Height,
        was_killed: bool,
    ) -> Result<(f64, f64)> {
        let tip = self.made.height;
        let (mut last, mut reached, mut was_syncing) = (begun_at, None, false);
        loop {
            // What is asked first must still hold of what is asked then: blocks never become fewer.
            let (ready, _) = ask(&node.supervised("ready"))?;
            let (healthy, _) = ask(&node.supervised("health"))?;
            let is_syncing = node.is_syncing().await?;
            let state: SyncState = node.rpc.request("system_syncState", rpc_params![]).await?;
            let SyncState { starting_block, current_block, highest_block } = state;
            ensure!(healthy == 200, "the node is not healthy: {healthy}");
            // A node that was killed may have come further than to its beginning.
            let is_beginning =
                starting_block == begun_at || (was_killed && starting_block > begun_at);
            ensure!(is_beginning, "it began at {begun_at} and says {state:?}");
            ensure!(last <= current_block, "it was at {last} and is at {current_block}");
            ensure!(current_block <= highest_block && current_block <= tip, "{state:?} of {tip}");
            let is_there = current_block + 1 >= tip;
            ensure!(ready != 200 || is_there, "ready at {current_block} of {tip}");
            ensure!(!was_syncing || is_syncing || is_there, "no longer syncing at {current_block}");
            (last, was_syncing) = (current_block, was_syncing || is_syncing);
            if current_block == tip {
                let reached = *reached.get_or_insert_with(|| since.elapsed().as_secs_f64());
                if ready == 200 && highest_block == tip && !is_syncing {
                    let hash: Hash =
                        node.rpc.request("chain_getBlockHash", rpc_params![tip]).await?;
                    ensure!(hash == self.made.hash, "it has another block at {tip}: {hash}");
                    return Ok((reached, since.elapsed().as_secs_f64()));
                }
            }
            ensure!(since.elapsed() < WAIT, "it stays at {state:?}, ready: {ready}");
            sleep(LOOK).await;
        }
    }

    /// Nobody who is honest may be banned. Whoever lied about blocks and can be proved to must be, and be gone; whether one who
    /// lied about a state was found out before all of it was there depends on who was asked when. `past` is what the late
    /// node said before a crash.
    async fn judge(&self, node: &View, liars: &[Liar], past: &str) -> Result<Vec<LiarReport>> {
        let (servers, late) = self.network.members.split_at(self.late);
        let this = self.identity_of(&late[0])?;
        let since = Instant::now();
        loop {
            let log = fs::read_to_string(late[0].log())?;
            let peers: Vec<Peer> = node.rpc.request("artel_peers", rpc_params![]).await?;
            for server in servers {
                let id = self.identity_of(server)?;
                ensure!(!is_banned(past, id) && !is_banned(&log, id), "{} was banned", server.name);
            }
            let mut stays = false;
            let reports = liars.iter().map(|liar| {
                let has_lied = liar.has_lied_to(&this);
                let (before, now) = (is_banned(past, liar.id), is_banned(&log, liar.id));
                let is_gone = !peers.iter().any(|peer| peer.id == liar.id.to_string());
                let is_judged = before || (now && is_gone);
                stays |= has_lied && liar.how.is_provable_of_blocks() && !is_judged;
                LiarReport { how: liar.how, has_lied, is_banned: before || now, is_gone }
            });
            let reports: Vec<LiarReport> = reports.collect();
            if !stays {
                return Ok(reports);
            }
            ensure!(since.elapsed() < WAIT, "liars stay: {reports:?}");
            sleep(LOOK).await;
        }
    }

    fn identity_of(&self, member: &localnet::Member) -> Result<PeerId> {
        let key = self.chain_of(member).join("network").join("node_key");
        Ok(network::peer_id(&network::load_or_create_key(key)?))
    }

    /// The end of what the late node said.
    fn last_words(&self) -> String {
        let log = fs::read_to_string(self.network.members[self.late].log()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let last = lines[lines.len().saturating_sub(LAST_LINES)..].join("\n");
        format!("the late node said last:\n{last}")
    }

    fn process(&self) -> Result<Process> {
        let id = self.network.members[self.late].id();
        Ok(Process::of(id.context("the late node does not run")?))
    }

    fn chain_of(&self, member: &localnet::Member) -> PathBuf {
        member.folder.join("chains").join(&self.made.spec.id)
    }

    /// Bytes that all servers have sent.
    fn sent_bytes(&self) -> Result<u64> {
        let servers = &self.network.members[..self.late];
        let sent = |server| {
            let metrics = metrics_of(server)?.context("servers have printed where metrics are")?;
            count(&get(&metrics)?, SENT, |labels| labels.contains("Outbound"))
        };
        servers.iter().map(sent).sum()
    }
}

/// Whether a log tells that a peer was banned.
fn is_banned(log: &str, peer: PeerId) -> bool {
    let peer = peer.to_string();
    log.lines().any(|line| line.contains(BANNED) && line.contains(&peer))
}

/// What the late node tells of itself.
struct View {
    rpc: HttpClient,
    metrics: String,
}

impl View {
    async fn of(member: &localnet::Member) -> Result<Self> {
        let since = Instant::now();
        let metrics = loop {
            if let Some(metrics) = metrics_of(member)? {
                break metrics;
            }
            ensure!(since.elapsed() < WAIT, "it does not say where its metrics are");
            sleep(LOOK).await;
        };
        let rpc = HttpClientBuilder::default().build(member.url.replace("ws://", "http://"))?;
        Ok(Self { rpc, metrics })
    }

    /// What supervisors ask.
    fn supervised(&self, what: &str) -> String {
        self.metrics.replace("/metrics", &format!("/{what}"))
    }

    async fn is_syncing(&self) -> Result<bool> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Health {
            is_syncing: bool,
        }
        let health: Health = self.rpc.request("system_health", rpc_params![]).await?;
        Ok(health.is_syncing)
    }

    fn count(&self, name: &str, of: impl Fn(&str) -> bool) -> Result<u64> {
        count(&get(&self.metrics)?, name, of)
    }
}

/// Where a node serves its metrics, once it has said so.
fn metrics_of(member: &localnet::Member) -> Result<Option<String>> {
    let log = fs::read_to_string(member.log())?;
    let metrics = log.lines().find_map(|line| line.strip_prefix(METRICS));
    Ok(metrics.map(|url| url.trim().to_owned()))
}

/// The sum of a metric, of those whose labels are wanted.
fn count(metrics: &str, name: &str, of: impl Fn(&str) -> bool) -> Result<u64> {
    let lines = metrics.lines().filter_map(|line| line.strip_prefix(name));
    let wanted = lines.filter(|rest| of(rest));
    let numbers = wanted.map(|rest| rest.rsplit(' ').next().unwrap_or_default().parse::<u64>());
    Ok(numbers.sum::<Result<u64, _>>()?)
}
