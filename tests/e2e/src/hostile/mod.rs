//! Peers that mean no good, at every door of a validator of a real network.
//!
//! All of it is on a machine of its own that has a whole range of addresses: the validators, and attackers each in a range
//! of its own, as those are who have many. Whenever an attacker is thrown out it comes back as somebody else. Meanwhile one
//! client sends transfers through another validator, and the victim is looked at from outside.

pub mod eclipse;
mod line;
mod measure;
mod origin;
mod samples;
mod sockets;
mod ways;
mod words;

pub use ways::{Door, Way};

use crate::{memory, namespace::Namespace, steps, stranger::Stranger};
use anyhow::{Context, Result};
use client::Client;
use libp2p::Multiaddr;
use line::{Tally, Target};
use measure::{Victim, percentile, transfer_time, trickle};
use network::{READING_BYTES_MAX, Topic, UNREAD_BYTES_MAX};
use node::localnet::{Localnet, Place, Plan as NetworkPlan};
use samples::Samples;
use std::{
    net::Ipv4Addr,
    path::Path,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

/// Addresses of the machine; none of them leaves it.
const RANGE: &str = "45.0.0.0/8";
/// Metrics of the victim.
const BANS: &str = "artel_network_bans_total";
const FAULTS: &str = "artel_network_faults_total";
/// Validators of the network; the first is the victim.
const VALIDATORS: u8 = 4;
/// Port on which the victim waits for QUIC.
const QUIC_PORT: u16 = 30_333;
/// Longest wait for anything that must come: a chain that takes longer for a transfer has stopped.
const WAIT: Duration = Duration::from_secs(60);
/// Longest wait for bans beyond the time that attacks last.
const BAN_WAIT: Duration = Duration::from_secs(30);
/// How often is looked whether it has.
const LOOK: Duration = Duration::from_millis(50);
/// Memory that a node takes for its own work besides what its limits let peers fill: blocks, caches, and pages that its
/// allocator keeps for a while.
const WORK_BYTES_MAX: u64 = 160 << 20;
/// Longest wait until a node has given back what attackers made it take.
const REST_WAIT: Duration = Duration::from_secs(90);
/// Most that attackers may make a node write into its log in a second, as disks are finite.
const LOG_BYTES_PER_SECOND_MAX: u64 = 64 << 10;

/// How much of it.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Attackers at a time.
    pub attackers: u8,
    /// How long each kind lasts.
    pub lasts: Duration,
    /// At these doors.
    pub doors: Vec<Door>,
    /// In these ways.
    pub ways: Vec<Way>,
    /// Whether the ways are taken at the same time, by one attacker after the other; otherwise one by one.
    pub is_mixed: bool,
    /// Seed of all random choices.
    pub seed: u64,
}

/// What came of a kind of attack.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Report {
    /// Where.
    pub door: Door,
    /// How.
    pub ways: Vec<Way>,
    /// Messages that attackers sent.
    pub messages: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Connections that they got, each with an identity of its own.
    pub connections: u64,
    /// Connections that they did not get.
    pub denied: u64,
    /// Resident memory of the victim before, in MiB.
    pub before_mib: u64,
    /// At its peak.
    pub peak_mib: u64,
    /// After the attackers have gone.
    pub after_mib: u64,
    /// What the peak may be above what was there before.
    pub bound_mib: u64,
    /// Hundredths of one processor that the victim used.
    pub cpu_percent: u64,
    /// Bytes that the victim wrote into its log.
    pub log_bytes: u64,
    /// Until an honest transfer was final, half of them.
    pub final_p50_ms: u64,
    /// Until an honest transfer was final, nearly all of them.
    pub final_p99_ms: u64,
    /// Faults that the victim counted.
    pub faults: u64,
    /// Bans.
    pub bans: u64,
    /// Whether what attackers sent had to get them banned.
    pub is_provable: bool,
    /// What does not hold.
    pub violations: Vec<String>,
}

/// What is left when all attackers have gone.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct Rest {
    /// Whether all bounds held meanwhile.
    pub all_held: bool,
    /// Resident memory of the victim before the first attack, in MiB.
    pub first_mib: u64,
    /// After the last one.
    pub rest_mib: u64,
    /// What that may be.
    pub bound_mib: u64,
    /// How long after it.
    pub seconds: f64,
}

impl Rest {
    /// Whether all bounds hold.
    pub fn holds(&self) -> bool {
        self.all_held && self.rest_mib <= self.bound_mib
    }
}

/// The network that is attacked.
struct Stage {
    network: Localnet,
    victim: Victim,
    client: Client,
    target: Target,
    samples: Arc<Samples>,
    _folder: TempDir,
}

/// Attacks a network in all ways of the plan, and shows what comes of each.
pub fn run(plan: &Plan, mut show: impl FnMut(&Report) + Send) -> Result<Rest> {
    let machine = Namespace::with_range(RANGE)?;
    machine.run(|| async {
        let stage = Stage::new().await?;
        let kinds: Vec<Vec<Way>> = match plan.is_mixed {
            true => vec![plan.ways.clone()],
            false => plan.ways.iter().map(|way| vec![*way]).collect(),
        };
        let first = memory::resident_bytes(stage.victim.process)?;
        let (mut all_held, mut number) = (true, 0);
        for door in &plan.doors {
            for ways in &kinds {
                let report = stage.attack(plan, number, *door, ways).await;
                let report = report.with_context(|| format!("{door:?} {ways:?}"))?;
                number = number.wrapping_add(1);
                show(&report);
                all_held &= report.violations.is_empty();
            }
        }
        let remembered: u64 = plan
            .doors
            .iter()
            .filter_map(|door| door.topic())
            .map(Topic::remembered_bytes_max)
            .sum();
        let bound = first + u64::from(plan.attackers) * remembered + WORK_BYTES_MAX;
        let since = Instant::now();
        let rest = memory::wait_below(stage.victim.process, bound, REST_WAIT).await?;
        let seconds = since.elapsed().as_secs_f64();
        stage.network.stop().await?;
        let [first_mib, rest_mib, bound_mib] = [first, rest, bound].map(|bytes| bytes >> 20);
        Ok(Rest { all_held, first_mib, rest_mib, bound_mib, seconds })
    })?
}

/// The first address of an attacker: a range for each, and another for each kind, as what was done before is remembered.
fn place(kind: u8, attacker: u8) -> Ipv4Addr {
    Ipv4Addr::new(45, 100 + kind % 100, attacker, 1)
}

impl Stage {
    async fn new() -> Result<Self> {
        let folder = TempDir::new()?;
        let network = start(folder.path()).await?;
        let client = network.members[1].client().await?;
        timeout(WAIT, transfer_time(&client)).await.context("the network does not begin")??;
        let genesis = client.chain().genesis;
        let bootnode: Multiaddr = network.bootnode.parse()?;
        let listen = format!("/ip4/{}/tcp/0", Ipv4Addr::new(45, 90, 0, 1)).parse()?;
        let config = network::Config {
            listen: vec![listen],
            bootnodes: vec![bootnode.clone()],
            ..network::Config::default()
        };
        let joining = Stranger::join_with(config, genesis, network::Role::Gateway, [5; 32]);
        let stranger = timeout(WAIT, joining).await.context("nobody answers")??;
        let samples = Arc::new(Samples::gather(&client, stranger).await?);
        let victim = Victim::new(&network.members[0])?;
        let mut address = bootnode;
        address.pop();
        let quic = format!("/ip4/{}/udp/{QUIC_PORT}/quic-v1", validator(1)).parse()?;
        let target = Target { address, quic, names: words::Names::new(&genesis) };
        Ok(Self { network, victim, client, target, samples, _folder: folder })
    }

    async fn attack(&self, plan: &Plan, kind: u8, door: Door, ways: &[Way]) -> Result<Report> {
        let Self { victim, client, .. } = self;
        let process = victim.process;
        let before = memory::resident_bytes(process)?;
        let (cpu, log) = (victim.cpu_seconds(), victim.log_bytes()?);
        let bans = victim.metric(BANS, "").await?;
        let faults = victim.metric(FAULTS, "").await?;
        let tally = Arc::<Tally>::default();
        let mut attackers = JoinSet::new();
        let mut bans_due = 0;
        let since = Instant::now();
        for (index, way) in (0..plan.attackers).zip(ways.iter().cycle()) {
            bans_due += u64::from(door.is_provable(*way));
            let attacker = ways::Attacker {
                from: place(kind, index),
                target: self.target.clone(),
                samples: self.samples.clone(),
                tally: tally.clone(),
                rng: ways::rng(plan.seed, index.into()),
                number: u64::from(index) << 56 | plan.seed << 32,
            };
            attackers.spawn(attacker.attack(door, *way));
        }
        let mut took = Vec::new();
        let attacked = async {
            let enough = async {
                sleep(plan.lasts).await;
                while victim.metric(BANS, "").await? < bans + bans_due {
                    sleep(LOOK).await;
                }
                anyhow::Ok(())
            };
            tokio::select! {
                ended = trickle(client, &mut took) => ended?,
                // That there were too few is seen below.
                enough = timeout(plan.lasts + BAN_WAIT, enough) => enough.unwrap_or(Ok(()))?,
            }
            if took.is_empty() {
                took.push(transfer_time(client).await?);
            }
            anyhow::Ok(())
        };
        let (peak, ended) = memory::peak_bytes(process, attacked).await?;
        ended?;
        let seconds = since.elapsed();
        attackers.shutdown().await;
        let cpu = (victim.cpu_seconds() - cpu) / seconds.as_secs_f64();
        let bans = victim.metric(BANS, "").await? - bans;
        let after = match plan.is_mixed {
            true => memory::resident_bytes(process)?,
            false => memory::settled_bytes(process).await?,
        };
        let bound = bound(door, plan.attackers);
        let log_bytes = victim.log_bytes()? - log;
        let mut violations = Vec::new();
        let grown = peak.saturating_sub(before);
        if grown > bound {
            violations.push(format!("memory grew by {} MiB of {}", grown >> 20, bound >> 20));
        }
        if bans < bans_due {
            violations.push(format!("{bans} bans, where {bans_due} attackers sent proof"));
        }
        if log_bytes > LOG_BYTES_PER_SECOND_MAX * seconds.as_secs().max(1) {
            violations.push(format!("{log_bytes} bytes of log in {} s", seconds.as_secs()));
        }
        Ok(Report {
            door,
            ways: ways.to_vec(),
            messages: tally.messages.load(Ordering::Relaxed),
            bytes: tally.bytes.load(Ordering::Relaxed),
            connections: tally.connections.load(Ordering::Relaxed),
            denied: tally.denied.load(Ordering::Relaxed),
            before_mib: before >> 20,
            peak_mib: peak >> 20,
            after_mib: after >> 20,
            bound_mib: bound >> 20,
            // A share of processors is small and not negative.
            cpu_percent: (cpu * 100.0) as u64,
            log_bytes,
            final_p50_ms: percentile(&mut took, 50).context("there is one")?,
            final_p99_ms: percentile(&mut took, 99).context("there is one")?,
            faults: victim.metric(FAULTS, "").await? - faults,
            bans,
            is_provable: bans_due > 0,
            violations,
        })
    }
}

/// Most memory that attackers at a door may make a node take: what waits in the queues of that door, what lies unread in
/// the streams of each attacker's connection, and what the node takes for itself meanwhile.
fn bound(door: Door, attackers: u8) -> u64 {
    let queues = match (door.topic(), door.protocol()) {
        (Some(topic), _) => topic.waiting_bytes_max(),
        (_, Some(protocol)) => READING_BYTES_MAX + protocol.served_bytes_max(),
        (None, None) => 0,
    };
    let filled = queues + usize::from(attackers) * UNREAD_BYTES_MAX;
    u64::try_from(filled).unwrap_or(u64::MAX) + WORK_BYTES_MAX
}

/// The address of a validator: a range for each.
fn validator(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(45, number, 0, 1)
}

async fn start(folder: &Path) -> Result<Localnet> {
    let place = |number| {
        let address = validator(number);
        let quic = format!("/ip4/{address}/udp/{QUIC_PORT}/quic-v1");
        Place { prefix: Vec::new(), address, flags: vec!["--listen".to_owned(), quic] }
    };
    Localnet::start(NetworkPlan {
        validators: VALIDATORS.into(),
        places: (1..=VALIDATORS).map(place).collect(),
        ..steps::plan(folder)?
    })
    .await
}
