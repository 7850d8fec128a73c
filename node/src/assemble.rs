//! A node, put together from top to bottom: who owns what, and who talks to whom.

use crate::{
    config::Config,
    exchange::Fetcher,
    health,
    keyring::ValidatorKeys,
    metrics,
    peers::Peers,
    shells::{
        begin::Begin,
        blobs as blobs_shell, chain as chain_shell,
        clock::Clock,
        consensus as consensus_shell,
        evidence::EvidencePool,
        gossip as gossip_shell,
        imports::Workers,
        metrics::{BlobMetrics, ChainMetrics, PoolMetrics},
        pool as pool_shell,
        recent::Recent,
        serve as serve_shell, states as states_shell, sync as sync_shell,
        transactions as transactions_shell, verify as verify_shell,
    },
    signer::{self, Signer},
    wire::Numbers,
};
use anyhow::{Context, Result, anyhow, ensure};
use chain::{Chain, Head};
use consensus::{Consensus, Identity, WithoutRecord, store::FileStore};
use crossbeam_channel::{Sender, bounded};
use futures::FutureExt;
use primitives::{AccountId, Hash};
use prometheus_client::{metrics::counter::Counter, registry::Registry};
use rpc::{Backend, ChainInfo, NodeInfo, PoolRequest};
use runtime::ChainSpec;
use std::{
    collections::VecDeque, net::SocketAddr, path::PathBuf, sync::Arc, thread, time::Duration,
};
use storage::{Database, Exports};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
    time::timeout,
};
use tokio_util::sync::{CancellationToken, DropGuard};
use txpool::Pool;

/// Longest time that one part's stop may take: a reader that does not read must not hold the rest.
const STOP_WAIT_MAX: Duration = Duration::from_millis(2_500);

/// What the node calls itself in `system_name`.
const NODE_NAME: &str = "Artel Node";

/// How a node is to start.
pub struct Plan {
    /// Settings.
    pub config: Config,
    /// The chain.
    pub spec: ChainSpec,
    /// Folder of everything that the node keeps.
    pub base_path: PathBuf,
    /// What it does.
    pub role: Role,
}

/// What a node does on its chain. All check every block.
pub enum Role {
    /// Decides blocks.
    Validator {
        /// What it signs with.
        keys: Keys,
        /// Sign although the last-signed guard is missing: the operator swears that no other node
        /// has these keys.
        sign_without_guard: bool,
    },
    /// Has a worker beside it that computes tasks.
    Agent,
    /// Serves dapps.
    Gateway,
}

/// What a validator signs with.
pub enum Keys {
    /// Keys of its own: this one, and those in its folder.
    Local(Option<Box<ValidatorKeys>>),
    /// Those of another process.
    Remote {
        /// The other process's socket.
        socket: PathBuf,
        /// The account that staked.
        account: AccountId,
    },
}

impl From<ValidatorKeys> for Keys {
    fn from(keys: ValidatorKeys) -> Self {
        Self::Local(Some(Box::new(keys)))
    }
}

impl Role {
    fn in_network(&self) -> network::Role {
        match self {
            Self::Validator { .. } => network::Role::Validator,
            Self::Agent => network::Role::Agent,
            Self::Gateway => network::Role::Gateway,
        }
    }
}

/// The parts of a node in the order in which they stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// Servers, and whatever uses them.
    Edge,
    /// The network, and what talks to peers.
    Network,
    Consensus,
    Pool,
    Chain,
}

impl Part {
    /// The part's place in arrays with an entry for each.
    fn place(self) -> usize {
        STOP_ORDER.iter().position(|part| *part == self).expect("every part stops")
    }
}

const STOP_ORDER: [Part; 5] = [Part::Edge, Part::Network, Part::Consensus, Part::Pool, Part::Chain];

/// How a task ended.
struct Exit {
    part: Part,
    name: &'static str,
    result: Result<()>,
}

/// A running node.
pub struct Node {
    /// Where JSON-RPC is served.
    pub rpc_address: SocketAddr,
    /// Where metrics are served.
    pub metrics_address: Option<SocketAddr>,
    /// Hash of the chain's first block.
    pub genesis: Hash,
    /// The last final block.
    pub heads: watch::Receiver<Head>,
    /// Other nodes.
    pub peers: network::Handle,
    /// The pool's front door.
    pub pool: Sender<PoolRequest>,
    /// Blocks by height.
    pub database: Database,
    /// Transactions whose signatures were checked so far.
    pub verified: Counter,
    tasks: Tasks,
    stops: [CancellationToken; STOP_ORDER.len()],
    /// A node that is dropped, or does not come to be, leaves no thread behind.
    _stop_on_drop: [DropGuard; STOP_ORDER.len()],
}

/// Starts a node.
pub async fn assemble(plan: Plan) -> Result<Node> {
    let Plan { config, spec, base_path, role } = plan;
    let home = base_path.join("chains").join(&spec.id);
    std::fs::create_dir_all(&home)
        .with_context(|| format!("cannot make the folder {}", home.display()))?;
    let clock = Clock { offset_ms: config.node.clock_offset_ms };
    let mut registry = Registry::default();
    let mut tasks = Tasks::default();
    let stops: [CancellationToken; STOP_ORDER.len()] = Default::default();
    let stop_on_drop = stops.clone().map(CancellationToken::drop_guard);
    let [edge, network_stop, consensus_stop, pool_stop, chain_stop] = &stops;

    // Addresses, before anything runs: one that is taken is the likeliest fault of a start.
    let server = rpc::Server::bind(&config.rpc).await?;
    let rpc_address = server.address();
    let metrics_listener = match config.metrics.enabled {
        true => Some(metrics::bind((config.metrics.host, config.metrics.port).into()).await?),
        false => None,
    };
    let metrics_address =
        metrics_listener.as_ref().map(|listener| listener.local_addr()).transpose()?;

    // The chain: owns the database.
    let chain_config = chain::Config {
        path: home.join("db"),
        storage: config.storage.clone(),
        ..chain::Config::default()
    };
    // A node that is to begin with others' state needs them first.
    let checkpoint = config.sync.checkpoint()?;
    let opened = match checkpoint {
        None => Some(Chain::open(&chain_config, &spec.genesis)?),
        Some(_) => None,
    };

    // The network: owns all connections.
    let genesis = chain::genesis_hash(&spec.genesis)?;
    let folder = home.join("network");
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let key = network::load_or_create_key(folder.join("node_key"))?;
    let (swarm, peers, inbound) = network::Network::new(
        network::Setup {
            config: with_bootnodes(config.network.clone(), &spec.bootnodes)?,
            key,
            genesis,
            role: role.in_network(),
            agent: format!("artel/{}", env!("CARGO_PKG_VERSION")),
            folder,
        },
        &mut registry,
    )?;
    let network::Inbound { gossip, requests: asked, peers: mut peer_events } = inbound;
    let [votes_gossip, bodies_gossip, heads_gossip, transactions_gossip] = gossip;
    let [status_asked, bodies_asked, blocks_asked, state_asked, blobs_asked] = asked;
    let numbers = Arc::new(Numbers::new(clock.now_ms()));
    tasks.add(Part::Network, "network", swarm.run(network_stop.clone()).map(|ended| Ok(ended?)));

    if let Some(checkpoint) = checkpoint {
        let begin = Begin {
            config: &chain_config,
            genesis: &spec.genesis,
            genesis_hash: genesis,
            checkpoint,
            clock,
            network: &peers,
            events: &mut peer_events,
        };
        begin.run().await?;
    }
    let chain = match opened {
        Some(chain) => chain,
        None => Chain::open(&chain_config, &spec.genesis)?,
    };
    let head = chain.head().clone();
    let (database, verifier) = (chain.database().clone(), chain.verifier().clone());
    let (head_sender, heads) = watch::channel(head.clone());

    // Channels: whoever receives owns the work.
    let (commands, command_inbox) = bounded(chain_shell::COMMANDS_MAX);
    let (control, control_inbox) = bounded(chain_shell::COMMANDS_MAX);
    let (requests, request_inbox) = bounded(pool_shell::REQUESTS_MAX);
    let (batches, batch_inbox) = bounded(verify_shell::BATCHES_MAX);
    let (proofs, proof_inbox) = bounded(chain_shell::PROOFS_MAX);
    let (verdicts, verdict_inbox) = bounded(verify_shell::BATCHES_MAX);
    let (arrived, arrivals) = bounded(transactions_shell::ARRIVED_MAX);
    let (taken, taken_inbox) = mpsc::channel(transactions_shell::TAKEN_MAX);
    let (told, told_inbox) = mpsc::channel(gossip_shell::TOLD_MAX);
    let (hints, hint_inbox) = mpsc::channel(sync_shell::HINTS_MAX);
    let (consensus_sender, consensus_inbox) = bounded(consensus_shell::INBOX_MAX);
    let (heard_sender, heard_inbox) = bounded(gossip_shell::HEARD_MAX);

    // Consensus: owns the write-ahead log and the guard.
    let (mut author, mut starter) = (None, None);
    if let Role::Validator { keys, sign_without_guard } = role {
        let (store, recovered) = FileStore::open(&home.join("consensus"), &genesis)?;
        let (account, signer, worker) = signer::open(keys, &home, genesis, &store)?;
        if let Some(worker) = worker {
            tasks.add_thread(Part::Consensus, "signer", consensus_stop, move |stop| {
                worker.run(stop)
            })?;
        }
        check_keys(account, &signer, &head, &spec.id);
        let without = match sign_without_guard {
            true => WithoutRecord::Override,
            false => WithoutRecord::Wait { started_ms: clock.now_ms() },
        };
        if sign_without_guard {
            tracing::warn!(%account, "signing whatever is forgotten of what was signed, as told");
        }
        let shares_keys = matches!(signer, Signer::Remote(_));
        let identity = Identity { genesis, account, signer: Box::new(signer.clone()), shares_keys };
        let core = Consensus::new(config.consensus.clone(), identity, recovered, without)?;
        author = Some(chain_shell::Author { account, signer: signer.clone() });
        starter = Some(sync_shell::Starter { inbox: consensus_sender.clone(), account, signer });
        let (inbox, heard, chain) = (consensus_inbox, heard_inbox, commands.clone());
        let shell = consensus_shell::Shell { core, store, inbox, heard, told, chain };
        tasks.add_thread(Part::Consensus, "consensus", consensus_stop, move |stop| {
            shell.run(stop)
        })?;
    }

    let is_validator = starter.is_some();
    let consensus_sender = is_validator.then_some(consensus_sender);
    let heard_sender = is_validator.then_some(heard_sender);

    let recent = Recent::default();
    let shell = chain_shell::Shell {
        chain,
        author,
        transactions_max: config.block.transactions_max,
        commands: command_inbox,
        proofs: proof_inbox,
        consensus: consensus_sender.clone(),
        pool: control,
        heads: head_sender,
        recent: recent.clone(),
        clock,
        metrics: ChainMetrics::new(&mut registry),
        evidence: EvidencePool::open(&home.join("evidence"), genesis)?,
        early: VecDeque::new(),
    };
    tasks.add_thread(Part::Chain, "chain", chain_stop, move |stop| shell.run(stop))?;

    let pool_metrics = PoolMetrics::new(&mut registry);
    let verified = pool_metrics.verified.clone();
    let shell = pool_shell::Shell {
        pool: Pool::new(config.txpool, head.height),
        head,
        heads: heads.clone(),
        verifier: verifier.clone(),
        control: control_inbox,
        requests: request_inbox,
        arrivals,
        taken,
        batches,
        verdicts: verdict_inbox,
        consensus: consensus_sender.clone(),
        metrics: pool_metrics,
    };
    tasks.add_thread(Part::Pool, "txpool", pool_stop, move |stop| shell.run(stop))?;
    let workers = Arc::new(verify_shell::workers()?);
    let shell = verify_shell::Shell {
        verifier: verifier.clone(),
        batches: batch_inbox,
        verdicts,
        workers: workers.clone(),
    };
    tasks.add_thread(Part::Pool, "verify", pool_stop, move |stop| shell.run(stop))?;

    // What peers say, each kind by its own task.
    let shell = gossip_shell::Shell {
        genesis,
        network: peers.clone(),
        numbers: numbers.clone(),
        votes: votes_gossip,
        proposals: bodies_gossip,
        requests: bodies_asked,
        told: told_inbox,
        consensus: heard_sender,
        chain: commands.clone(),
        heads: heads.clone(),
        verifier: verifier.clone(),
        recent: recent.clone(),
        hints,
    };
    tasks.add(Part::Network, "gossip", shell.run(network_stop.clone()));
    let shell = transactions_shell::Shell {
        network: peers.clone(),
        numbers,
        taken: taken_inbox,
        gossip: transactions_gossip,
        pool: arrived,
        verifier: verifier.clone(),
    };
    tasks.add(Part::Network, "transactions", shell.run(network_stop.clone()));
    let (progress, syncing) = watch::channel(sync_shell::Progress::default());
    let shell = sync_shell::Shell {
        genesis,
        network: peers.clone(),
        events: peer_events,
        announced: heads_gossip,
        asked: status_asked,
        hints: hint_inbox,
        heads: heads.clone(),
        workers: Workers { chain: commands, verifier, pool: workers },
        recent,
        consensus: starter,
        progress,
    };
    tasks.add(Part::Network, "sync", shell.run(network_stop.clone()));

    // Blobs: those of tasks are kept, others are not.
    let blobs = Arc::new(blobs::Store::open(&home.join("blobs"), config.blobs.clone())?);
    let shell = blobs_shell::Shell {
        store: blobs.clone(),
        heads: heads.clone(),
        database: database.clone(),
        metrics: BlobMetrics::new(&mut registry),
    };
    tasks.add_thread(Part::Edge, "blobs", edge, move |stop| shell.run(stop))?;
    let exports = Exports::open(&home.join("states"))?;
    if config.sync.serve_states {
        let shell = states_shell::Shell {
            exports: exports.clone(),
            heads: heads.clone(),
            database: database.clone(),
            every: config.sync.serve_every_blocks,
        };
        tasks.add_thread(Part::Edge, "states", edge, move |stop| shell.run(stop))?;
    }
    let shell = serve_shell::Shell {
        network: peers.clone(),
        blocks: blocks_asked,
        state: state_asked,
        blobs: blobs_asked,
        database: database.clone(),
        exports: exports.clone(),
        store: blobs.clone(),
    };
    tasks.add(Part::Network, "serve", shell.run(network_stop.clone()));

    // Servers.
    let backend = Backend {
        heads: heads.clone(),
        database: database.clone(),
        pool: requests.clone(),
        proofs,
        blobs: blobs.clone(),
        chain: ChainInfo {
            name: spec.name.clone(),
            chain_type: spec.chain_type.clone(),
            properties: spec.properties.clone(),
        },
        node: NodeInfo {
            name: NODE_NAME.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            is_validator,
        },
        peers: Arc::new(Peers {
            network: peers.clone(),
            progress: syncing.clone(),
            fetcher: Fetcher::new(peers.clone(), blobs),
        }),
    };
    let server = server.start(backend, &mut registry)?;
    let (stop, stopped) = (edge.clone(), server.clone().stopped());
    tokio::spawn(async move {
        stop.cancelled().await;
        // It may have stopped by itself.
        let _ = server.stop();
    });
    tasks.add(Part::Edge, "rpc", stopped.map(Ok));
    if let Some(listener) = metrics_listener {
        let health = health::Health { progress: syncing.clone(), peers: peers.overview() };
        let server = metrics::serve(listener, Arc::new(registry), health, edge.clone());
        tasks.add(Part::Edge, "metrics", server);
    }
    tracing::info!(chain = %spec.name, %genesis, rpc = %rpc_address, "started");
    Ok(Node {
        rpc_address,
        metrics_address,
        genesis,
        heads,
        peers,
        pool: requests,
        database,
        verified,
        tasks,
        stops,
        _stop_on_drop: stop_on_drop,
    })
}

/// The settings with the nodes that the chain's specification begins with.
fn with_bootnodes(mut config: network::Config, bootnodes: &[String]) -> Result<network::Config> {
    for text in bootnodes {
        let address = text.parse();
        config.bootnodes.push(address.with_context(|| {
            format!("the chain spec's bootnode '{text}' is no address: /ip4/…/tcp/…/p2p/… is one")
        })?);
    }
    Ok(config)
}

/// Tells the operator at once what a validator would only show by its silence. The chain may be behind, or a new key may
/// still come, so it follows all the same.
fn check_keys(account: AccountId, signer: &Signer, head: &Head, chain: &str) {
    match (runtime::validator_set(&head.snapshot).get(&account), signer) {
        (None, _) => {
            tracing::warn!(%account, chain, "this validator is not elected: it follows until it is");
        }
        (Some(registered), Signer::Local { keys, .. }) => {
            // It warns by itself of a key that is not there.
            let _ = keys.has(&registered.vote_key);
        }
        (Some(_), Signer::Remote(_)) => {}
    }
}

impl Node {
    /// Adds work that uses the servers and stops before they do; its failure stops the node.
    pub fn add_edge<F>(&mut self, name: &'static str, run: impl FnOnce(CancellationToken) -> F)
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        let work = run(self.stops[Part::Edge.place()].clone());
        self.tasks.add(Part::Edge, name, work);
    }

    /// Runs until `signal` is ready or a part ends by itself, which is an error, then stops in
    /// order.
    pub async fn run_until(mut self, signal: impl Future<Output = ()>) -> Result<()> {
        let failed = tokio::select! {
            () = signal => None,
            exit = self.tasks.next() => exit,
        };
        let failure = failed.map(|Exit { name, result, .. }| {
            let error = result.err().unwrap_or_else(|| anyhow!("it ended by itself"));
            error.context(format!("{name} failed, so the node stops"))
        });
        let stopped = self.stop().await;
        failure.map_or(stopped, Err)
    }

    /// Stops part by part: nothing takes in work whose worker is gone.
    pub async fn stop(mut self) -> Result<()> {
        tracing::info!("stopping");
        let mut late = Vec::new();
        for part in STOP_ORDER {
            self.stops[part.place()].cancel();
            if timeout(STOP_WAIT_MAX, self.tasks.end_of(part)).await.is_err() {
                late.push(part);
            }
        }
        ensure!(late.is_empty(), "these did not stop within 2.5 s each: {late:?}");
        Ok(())
    }
}

/// What runs, and how much of it in each part.
#[derive(Default)]
struct Tasks {
    set: JoinSet<Exit>,
    running: [usize; STOP_ORDER.len()],
}

impl Tasks {
    fn add(
        &mut self,
        part: Part,
        name: &'static str,
        work: impl Future<Output = Result<()>> + Send + 'static,
    ) {
        self.running[part.place()] += 1;
        self.set.spawn(async move {
            let result = std::panic::AssertUnwindSafe(work).catch_unwind().await;
            let result = result.unwrap_or_else(|_| Err(anyhow!("it panicked")));
            Exit { part, name, result }
        });
    }

    /// Runs a thread whose end the supervisor hears of, by panic too.
    fn add_thread(
        &mut self,
        part: Part,
        name: &'static str,
        stop: &CancellationToken,
        run: impl FnOnce(&CancellationToken) -> Result<()> + Send + 'static,
    ) -> Result<()> {
        let (done, ended) = oneshot::channel();
        let stop = stop.clone();
        thread::Builder::new().name(name.to_owned()).spawn(move || {
            // Nobody waits for the result once the process is ending anyway.
            let _ = done.send(run(&stop));
        })?;
        let ended = async move { ended.await.unwrap_or_else(|_| Err(anyhow!("it panicked"))) };
        self.add(part, name, ended);
        Ok(())
    }

    /// Waits until all of a part has ended.
    async fn end_of(&mut self, part: Part) {
        while self.running[part.place()] > 0 {
            if let Some(Exit { name, result: Err(error), .. }) = self.next().await {
                tracing::warn!(name, error = format!("{error:#}"), "failed while stopping");
            }
        }
    }

    /// The next that ends; `None` if nothing runs.
    async fn next(&mut self) -> Option<Exit> {
        let exit = self.set.join_next().await?.expect("panics are caught and none is aborted");
        self.running[exit.part.place()] -= 1;
        Some(exit)
    }
}

#[cfg(test)]
mod tests;
