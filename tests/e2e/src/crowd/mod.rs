//! Clumsy and hostile clients, and what a well-behaved one notices of them.
//!
//! A [`Crowd`] is a number of connections that behave in one way. While it is there, one client sends transfers and reads
//! state as it did before; the node's memory is taken down before, at its peak and after the crowd has gone.

mod sockets;
mod ways;

use crate::{memory, process::DevNode};
use anyhow::{Context, Result, ensure};
use client::Client;
use primitives::crypto::hash::twox_128;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::sync::{oneshot, watch};

/// Longest that a read of the well-behaved client may take, on a machine that has other work too.
pub const READ_MS_MAX: f64 = 5_000.0;
/// Longest that its transfer may take until it is final.
pub const TRANSFER_MS_MAX: f64 = 20_000.0;
/// Most memory that a crowd may leave behind, in bytes.
pub const LEFT_BYTES_MAX: u64 = 96 << 20;
/// How long sockets and pages may take to be given back.
const LEAVING_MAX: Duration = Duration::from_secs(20);
/// Most memory of one subscription that nothing is sent to but heads.
pub const SUBSCRIPTION_BYTES_MAX: u64 = 64 << 10;
/// Most memory that any crowd may take beside its subscriptions, in bytes: what all answers and requests may have together,
/// and room for what is being worked on.
pub const CROWD_BYTES_MAX: u64 = 1 << 30;
/// Bytes of a blob that makes answers large.
const BLOB_BYTES: usize = 4 << 20;
/// Who pays whom.
const PAYER: &str = "//Charlie";
const PAYEE: &str = "//Alice";

/// What a number of clients does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Crowd {
    /// Subscribe to everything, read what comes, and do nothing.
    Idle,
    /// Follow the chain and never unpin a block.
    Unpinned,
    /// Subscribe, ask for large answers, and never read.
    Slow,
    /// Subscribe, ask, and are gone without a word.
    Vanishing,
    /// Send what is too large, too deep, too many or no JSON at all.
    Malformed,
    /// Begin messages and requests, and never end them.
    Halves,
}

impl Crowd {
    /// All, in the order in which they come.
    pub const ALL: [Self; 6] =
        [Self::Idle, Self::Unpinned, Self::Slow, Self::Vanishing, Self::Malformed, Self::Halves];
}

/// How large the crowds are.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Subscriptions that are idle.
    pub subscriptions: usize,
    /// Connections that share them, and that follow without unpinning.
    pub connections: usize,
    /// Connections that never read.
    pub slow: usize,
    /// Connections that vanish.
    pub vanishing: usize,
    /// Malformed messages of each kind.
    pub malformed: usize,
    /// Connections with half a message.
    pub halves: usize,
    /// Reads of the well-behaved client beside each crowd.
    pub reads: usize,
    /// Its transfers.
    pub transfers: usize,
}

impl Plan {
    /// The full size.
    pub const LONG: Self = Self {
        subscriptions: 1_000,
        connections: 4,
        slow: 64,
        vanishing: 400,
        malformed: 20,
        halves: 128,
        reads: 400,
        transfers: 10,
    };
    /// For the tests.
    pub const SHORT: Self = Self {
        subscriptions: 1_000,
        connections: 4,
        slow: 16,
        vanishing: 40,
        malformed: 2,
        halves: 64,
        reads: 50,
        transfers: 2,
    };
}

/// What the well-behaved client saw, in milliseconds.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct Latencies {
    /// Half of the reads took less.
    pub read_p50: f64,
    /// Of a hundred reads one took longer.
    pub read_p99: f64,
    /// Half of the transfers were final sooner.
    pub transfer_p50: f64,
    /// The slowest transfer, nearly.
    pub transfer_p99: f64,
}

/// What came of a crowd.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Report {
    /// Who came.
    pub crowd: Crowd,
    /// Subscriptions, connections or messages.
    pub count: usize,
    /// Resident memory of the node before, in bytes.
    pub before_bytes: u64,
    /// The most while the crowd was there.
    pub peak_bytes: u64,
    /// What was left when it had gone.
    pub after_bytes: u64,
    /// What the well-behaved client saw meanwhile.
    pub during: Latencies,
}

impl Report {
    /// What the node took for each of the crowd, in bytes.
    pub fn bytes_each(&self) -> u64 {
        let count = u64::try_from(self.count).unwrap_or(u64::MAX);
        self.peak_bytes.saturating_sub(self.before_bytes) / count.max(1)
    }

    /// Fails if a bound does not hold.
    pub fn check(&self) -> Result<()> {
        let Self { crowd, before_bytes, peak_bytes, after_bytes, during, .. } = self;
        let (peak, left) =
            (peak_bytes.saturating_sub(*before_bytes), after_bytes.saturating_sub(*before_bytes));
        ensure!(
            peak <= CROWD_BYTES_MAX,
            "{crowd:?} took {peak} bytes, {CROWD_BYTES_MAX} are the most"
        );
        ensure!(
            left <= LEFT_BYTES_MAX,
            "{crowd:?} left {left} bytes, {LEFT_BYTES_MAX} are the most"
        );
        if *crowd == Crowd::Idle {
            let each = self.bytes_each();
            ensure!(each <= SUBSCRIPTION_BYTES_MAX, "an idle subscription takes {each} bytes");
        }
        during.check().with_context(|| format!("beside {crowd:?}"))
    }
}

impl Latencies {
    fn check(&self) -> Result<()> {
        let Self { read_p99, transfer_p99, .. } = self;
        ensure!(*read_p99 <= READ_MS_MAX, "reads took {read_p99} ms");
        ensure!(*transfer_p99 <= TRANSFER_MS_MAX, "transfers took {transfer_p99} ms");
        Ok(())
    }
}

/// A node, and what its clients know of it.
struct Served {
    node: DevNode,
    client: Client,
    /// Its address without the scheme.
    address: String,
    /// All names that it serves.
    methods: Vec<String>,
    /// Name of a large blob.
    blob: String,
    // After the node, which writes to it until it is gone.
    _folder: TempDir,
}

impl Served {
    async fn start() -> Result<Self> {
        let folder = TempDir::new()?;
        let node = DevNode::start(folder.path(), &["--no-agent"])?;
        let client = node.client().await?;
        let blob = client.upload(&vec![7; BLOB_BYTES]).await?.to_string();
        let address = node.url.trim_start_matches("ws://").to_owned();
        let mut this = Self { node, client, address, methods: Vec::new(), blob, _folder: folder };
        let listed = this.socket().await?.ask("rpc_methods", json!([])).await?;
        this.methods = serde_json::from_value(listed["methods"].clone())?;
        Ok(this)
    }

    fn serves(&self, method: &str) -> bool {
        self.methods.iter().any(|served| served == method)
    }

    async fn socket(&self) -> Result<sockets::Socket> {
        sockets::Socket::connect(&self.address).await
    }
}

/// Tells when a crowd is there, and hears when it may go.
struct Stage {
    here: Option<oneshot::Sender<()>>,
    leave: watch::Receiver<bool>,
}

impl Stage {
    /// All are here.
    fn begin(&mut self) {
        // Whoever measures is gone if it failed.
        let _ = self.here.take().map(|here| here.send(()));
    }

    fn may_leave(&self) -> bool {
        *self.leave.borrow()
    }

    /// All are here and stay until they may go.
    async fn hold(&mut self) {
        self.begin();
        let _ = self.leave.wait_for(|leave| *leave).await;
    }
}

/// Runs crowds against a node, one after the other; `progress` hears of each. Gives what a client saw before them.
///
/// # Errors
/// If a bound does not hold, the node fails a client or says that itself is at fault.
pub async fn run(
    crowds: &[Crowd],
    plan: Plan,
    mut progress: impl FnMut(&Report),
) -> Result<Latencies> {
    let served = Served::start().await?;
    // Once unmeasured, so that caches are filled.
    behave(&served.client, plan).await?;
    let before = behave(&served.client, plan).await?;
    let mut bytes = memory::settled_bytes(served.node.id()).await?;
    for crowd in crowds {
        if *crowd == Crowd::Unpinned && !served.serves(ways::FOLLOW) {
            continue;
        }
        let report = visit(&served, *crowd, plan, bytes).await;
        let report = report.with_context(|| format!("{crowd:?}"))?;
        bytes = report.after_bytes;
        progress(&report);
        report.check()?;
        let faults = served.node.faults();
        ensure!(faults.is_empty(), "after {crowd:?} the log says: {}", faults.join("\n"));
    }
    behave(&served.client, plan).await.context("after all had gone")?.check()?;
    served.node.stop()?;
    Ok(before)
}

/// One crowd comes, stays while the well-behaved client is measured, and goes.
async fn visit(served: &Served, crowd: Crowd, plan: Plan, before_bytes: u64) -> Result<Report> {
    let process = served.node.id();
    let (here, all_here) = oneshot::channel();
    let (leave, left) = watch::channel(false);
    let stage = Stage { here: Some(here), leave: left };
    let measured = async {
        // A crowd that fails says so itself.
        let _ = all_here.await;
        let during = behave(&served.client, plan).await;
        leave.send_replace(true);
        during
    };
    let visiting = async { tokio::try_join!(ways::run(served, crowd, plan, stage), measured) };
    let (peak_bytes, result) = memory::peak_bytes(process, visiting).await?;
    let (count, during) = result?;
    // Sockets are closed and pages given back some time after.
    memory::wait_below(process, before_bytes + LEFT_BYTES_MAX / 2, LEAVING_MAX).await?;
    let after_bytes = memory::settled_bytes(process).await?;
    Ok(Report { crowd, count, before_bytes, peak_bytes, after_bytes, during })
}

/// Transfers and reads at the same time.
async fn behave(client: &Client, plan: Plan) -> Result<Latencies> {
    let (payer, payee) = (testkit::pair(PAYER), testkit::pair(PAYEE));
    let transfers = async {
        let mut times = Vec::new();
        for _ in 0..plan.transfers {
            let start = Instant::now();
            let transfer = testkit::transfer(&payee, 1_000_000_000_000);
            client.call(&payer, &transfer).await.context("a transfer failed")?;
            times.push(start.elapsed());
        }
        anyhow::Ok(times)
    };
    let reads = async {
        let key = [twox_128("Timestamp"), twox_128("Now")].concat();
        let mut times = Vec::new();
        for _ in 0..plan.reads {
            let start = Instant::now();
            client.storage(&key, None).await.context("a read failed")?;
            times.push(start.elapsed());
        }
        anyhow::Ok(times)
    };
    let (transfers, reads) = tokio::try_join!(transfers, reads)?;
    let ((read_p50, read_p99), (transfer_p50, transfer_p99)) =
        (percentiles(reads), percentiles(transfers));
    Ok(Latencies { read_p50, read_p99, transfer_p50, transfer_p99 })
}

/// The times that half and 99 of 100 do not exceed, in milliseconds.
fn percentiles(mut times: Vec<Duration>) -> (f64, f64) {
    times.sort_unstable();
    let at = |percent: usize| {
        let place = (times.len() * percent).div_ceil(100).saturating_sub(1);
        times.get(place).map_or(0.0, |time| time.as_secs_f64() * 1e3)
    };
    (at(50), at(99))
}

/// A JSON-RPC request.
fn request(id: usize, method: &str, params: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
}
