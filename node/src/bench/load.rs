//! `artel bench load`: sends the requests of a file and measures the answers. A process of its own, so that its work is not
//! taken for the node's.

use super::{machine::Process, percentile};
use anyhow::{Context, Result, anyhow, bail, ensure};
use clap::Args;
use futures::{
    future::try_join_all,
    io::{BufReader, BufWriter},
};
use serde::{Deserialize, Serialize};
use soketto::handshake::{Client, ServerResponse};
use std::{
    fs,
    io::{self, Write},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{net::TcpStream, sync::Semaphore, time::timeout};
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt};

/// Bytes that are gathered for one call of the system.
const BUFFER_BYTES: usize = 64 << 10;
/// Longest wait for an answer.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(30);
/// What is printed when all is ready.
pub const READY: &str = "ready";

/// What `artel bench load` takes.
#[derive(Args)]
pub struct LoadArgs {
    /// Address and port of a node's JSON-RPC, such as 127.0.0.1:9944.
    #[arg(long, value_name = "ADDRESS")]
    pub address: String,
    /// JSON-RPC requests, one a line; the id of each is the number of its line, from 0 on.
    #[arg(long, value_name = "FILE")]
    pub requests: PathBuf,
    /// Connections; the lines go to them in turn.
    #[arg(long, default_value_t = 8, value_name = "COUNT")]
    pub connections: usize,
    /// Most requests of one connection on their way.
    #[arg(long, default_value_t = 256, value_name = "COUNT")]
    pub depth: usize,
    /// Begin when a line comes in, after "ready" went out.
    #[arg(long)]
    pub wait: bool,
}

/// What came of the requests.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Figures {
    /// Requests, all answered.
    pub requests: usize,
    /// Those answered with an error, and what the first one said.
    pub errors: usize,
    /// The first error.
    pub first_error: Option<String>,
    /// From the first request to the last answer.
    pub seconds: f64,
    /// Half of the answers took less, in milliseconds.
    pub p50_ms: f64,
    /// Of a hundred answers one took longer.
    pub p99_ms: f64,
    /// CPU time of this process meanwhile; it works in one thread.
    pub cpu_seconds: f64,
}

type Stream = BufReader<BufWriter<Compat<TcpStream>>>;

/// Runs the load; the last line is one JSON object.
pub fn run(args: &LoadArgs) -> Result<()> {
    ensure!(args.connections > 0 && args.depth > 0, "give a connection and a request at a time");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let figures = runtime.block_on(measure(args))?;
    println!("{}", serde_json::to_string(&figures)?);
    Ok(())
}

async fn measure(args: &LoadArgs) -> Result<Figures> {
    let text = fs::read_to_string(&args.requests)
        .with_context(|| format!("cannot read {}", args.requests.display()))?;
    let all = Arc::new(All {
        lines: text.lines().map(str::to_owned).collect(),
        sent_us: text.lines().map(|_| AtomicU64::new(0)).collect(),
        connections: args.connections,
        start: Instant::now(),
    });
    drop(text);
    let connecting = (0..args.connections).map(|_| connect(&args.address));
    let streams = try_join_all(connecting).await?;
    if args.wait {
        println!("{READY}");
        io::stdout().flush()?;
        io::stdin().read_line(&mut String::new())?;
    }
    let (cpu, start) = (Process::this().cpu_of_first_thread(), Instant::now());
    let running = streams.into_iter().enumerate().map(|(number, stream)| {
        let work = connection(all.clone(), number, args.depth, stream);
        async { tokio::spawn(work).await? }
    });
    let parts = try_join_all(running).await?;
    let (seconds, cpu) =
        (start.elapsed().as_secs_f64(), Process::this().cpu_of_first_thread() - cpu);
    let errors: Vec<_> = parts.iter().flat_map(|part| &part.first_error).collect();
    let first_error = errors.first().map(|error| (*error).clone());
    let mut latencies: Vec<_> = parts.iter().flat_map(|part| &part.latencies_ms).copied().collect();
    latencies.sort_by(f64::total_cmp);
    Ok(Figures {
        requests: latencies.len(),
        errors: parts.iter().map(|part| part.errors).sum(),
        first_error,
        seconds,
        p50_ms: percentile(&latencies, 0.5),
        p99_ms: percentile(&latencies, 0.99),
        cpu_seconds: cpu,
    })
}

/// All requests.
struct All {
    lines: Vec<String>,
    /// When each was sent, in microseconds after `start`.
    sent_us: Vec<AtomicU64>,
    connections: usize,
    start: Instant,
}

impl All {
    fn now_us(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// The numbers of a connection's requests.
    fn of(&self, connection: usize) -> impl Iterator<Item = usize> + use<> {
        (connection..self.lines.len()).step_by(self.connections)
    }
}

/// What came of one connection's requests.
#[derive(Default)]
struct Part {
    latencies_ms: Vec<f64>,
    errors: usize,
    first_error: Option<String>,
}

/// An answer, as far as it matters.
#[derive(Deserialize)]
struct Answer {
    id: usize,
    error: Option<serde_json::Value>,
}

async fn connect(address: &str) -> Result<(soketto::Sender<Stream>, soketto::Receiver<Stream>)> {
    let socket = TcpStream::connect(address).await;
    let socket = socket.with_context(|| format!("nobody answers at {address}"))?;
    socket.set_nodelay(true)?;
    let writer = BufWriter::with_capacity(BUFFER_BYTES, socket.compat());
    let stream = BufReader::with_capacity(BUFFER_BYTES, writer);
    let mut client = Client::new(stream, address, "/");
    match client.handshake().await? {
        ServerResponse::Accepted { .. } => Ok(client.into_builder().finish()),
        refused => bail!("{address} takes no WebSocket connections: {refused:?}"),
    }
}

/// Sends one connection's requests and takes down the answers.
async fn connection(
    all: Arc<All>,
    number: usize,
    depth: usize,
    (mut sender, mut receiver): (soketto::Sender<Stream>, soketto::Receiver<Stream>),
) -> Result<Part> {
    let window = Arc::new(Semaphore::new(depth));
    let sending = tokio::spawn({
        let (all, window) = (all.clone(), window.clone());
        async move {
            let mut requests = all.of(number).peekable();
            while requests.peek().is_some() {
                window.acquire().await?.forget();
                // What else there is room for goes out with it.
                let more = window.available_permits();
                let more = window.try_acquire_many(u32::try_from(more)?).map(|permits| {
                    permits.forget();
                    more
                });
                for request in requests.by_ref().take(1 + more.unwrap_or_default()) {
                    all.sent_us[request].store(all.now_us(), Ordering::Relaxed);
                    sender.send_text(&all.lines[request]).await?;
                }
                sender.flush().await?;
            }
            // The connection lasts as long as both its halves.
            anyhow::Ok(sender)
        }
    });
    let mut part = Part::default();
    let mut message = Vec::new();
    for _ in all.of(number) {
        message.clear();
        timeout(ANSWER_WAIT_MAX, receiver.receive_data(&mut message))
            .await
            .map_err(|_| anyhow!("no answer comes for {} s", ANSWER_WAIT_MAX.as_secs()))??;
        let answer: Answer = serde_json::from_slice(&message).context("the answer is no JSON")?;
        let sent = all.sent_us.get(answer.id).context("nobody asked that")?;
        let took = all.now_us().saturating_sub(sent.load(Ordering::Relaxed));
        part.latencies_ms.push(took as f64 / 1e3);
        if let Some(error) = answer.error {
            part.errors += 1;
            part.first_error.get_or_insert_with(|| error.to_string());
        }
        window.add_permits(1);
    }
    sending.await??;
    Ok(part)
}
