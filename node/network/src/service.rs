//! The network: the swarm and all that is kept about peers, with one owner.
//!
//! `run` waits for whatever comes next: an event of the swarm (`events`), a command (`commands`), an answer that a reader
//! gives to a request, or the time for what is done now and then (`upkeep`).

use crate::{
    COMMANDS_MAX, Command, Config, ConfigError, Handle, Inbound, Overview, PEER_EVENTS_MAX,
    PROTOCOLS, PeerEvent, Protocol, REQUESTS_WAITING_MAX, Request, Role, TOPICS,
    addresses::is_usable,
    behaviour::Behaviour,
    book::{Book, Trial, write},
    config::identity_of,
    discovery::Discovery,
    gossip::Inflow,
    key::keypair,
    metrics::Metrics,
    names::Names,
    rate::Buckets,
    requests::UnderWay,
    session::Session,
    transport,
};
use futures::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use libp2p::{
    Multiaddr, PeerId, TransportError,
    core::transport::ListenerId,
    multiaddr::Protocol as Part,
    request_response::ResponseChannel,
    swarm::{self, Swarm},
};
use primitives::Hash;
use prometheus_client::registry::Registry;
use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    hash::RandomState,
    io,
    net::{TcpListener, UdpSocket},
    path::PathBuf,
    time::{Duration, Instant},
};
use tokio::{
    sync::{mpsc, watch},
    time::MissedTickBehavior,
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

/// The file of known peers.
const PEERS_FILE: &str = "peers.json";
/// How often it is looked at what else there is to do.
const TICK: Duration = Duration::from_millis(100);
/// Most peers whose pace of requests is remembered.
const PACES_MAX: usize = 8_192;
/// A connection that nobody uses is kept: which ones are is this crate's own choice.
const IDLE_MAX: Duration = Duration::from_secs(365 * 24 * 3_600);
/// Streams of one connection whose protocol is being settled.
const NEGOTIATING_MAX: usize = 64;

/// What a network begins with.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Its settings.
    pub config: Config,
    /// The seed of the ed25519 key of the node's identity.
    pub key: [u8; 32],
    /// The chain: nodes of others are not talked to.
    pub genesis: Hash,
    /// What the node does.
    pub role: Role,
    /// What it says that it runs, as `artel/0.1.0 (validator)`.
    pub agent: String,
    /// Where known peers are kept. It must be there.
    pub folder: PathBuf,
}

/// Why there is no network.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting is not possible.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// An address can't be listened on.
    #[error("can't listen on {address}: {reason}; stop what uses it, or set network.listen")]
    Listen {
        /// The address.
        address: Multiaddr,
        /// What the system says.
        reason: String,
    },
    /// The transport can't be made.
    #[error("the network can't be set up: {0}")]
    Setup(String),
    /// Nothing is listened on any more.
    #[error("the network has lost all addresses that it listened on: {0}")]
    NotListening(String),
}

/// A request that its reader has done with.
pub(crate) struct Served {
    pub protocol: Protocol,
    pub peer: PeerId,
    pub channel: ResponseChannel<Option<Vec<u8>>>,
    pub answer: Option<Vec<u8>>,
}

/// The network: nothing happens unless it is [run](Network::run).
pub struct Network {
    pub(crate) swarm: Swarm<Behaviour>,
    pub(crate) names: Names,
    pub(crate) config: Config,
    pub(crate) role: Role,
    pub(crate) local: PeerId,
    peers_file: PathBuf,
    pub(crate) book: Book,
    pub(crate) discovery: Discovery,
    pub(crate) sessions: BTreeMap<PeerId, Session>,
    pub(crate) inflows: [Inflow; TOPICS.len()],
    pub(crate) readers: [mpsc::Sender<Request>; PROTOCOLS.len()],
    pub(crate) under_way: [UnderWay; PROTOCOLS.len()],
    pub(crate) asking: [Buckets<PeerId>; PROTOCOLS.len()],
    pub(crate) answered: [Buckets<PeerId>; PROTOCOLS.len()],
    /// What this node itself asks of each peer, and the bytes of the answers.
    pub(crate) asked: [Buckets<PeerId>; PROTOCOLS.len()],
    pub(crate) received: [Buckets<PeerId>; PROTOCOLS.len()],
    pub(crate) serving: FuturesUnordered<BoxFuture<'static, Served>>,
    pub(crate) news: VecDeque<PeerEvent>,
    peer_events: mpsc::Sender<PeerEvent>,
    commands: mpsc::Receiver<Command>,
    pub(crate) overview: watch::Sender<Overview>,
    pub(crate) is_changed: bool,
    pub(crate) metrics: Metrics,
    pub(crate) listeners: HashSet<ListenerId>,
    pub(crate) relays: HashMap<ListenerId, PeerId>,
    pub(crate) lost_listener: Option<String>,
    pub(crate) chance: RandomState,
    pub(crate) started: Instant,
    pub(crate) upkeep: crate::upkeep::Times,
}

impl Network {
    /// Binds the network's addresses. It must be called where tokio runs.
    ///
    /// # Errors
    ///
    /// A setting is not possible, or an address is taken: it is named.
    pub fn new(setup: Setup, registry: &mut Registry) -> Result<(Self, Handle, Inbound), Error> {
        let Setup { config, key, genesis, role, agent, folder } = setup;
        config.validate()?;
        let registry = registry.sub_registry_with_prefix("artel_network");
        let metrics = Metrics::new(registry);
        let keypair = keypair(&key);
        let local = keypair.public().to_peer_id();
        let names = Names::new(genesis);
        let failed = |error: &dyn std::fmt::Display| Error::Setup(error.to_string());
        let (transport, relay_client) =
            transport::build(&keypair, config.dials_private(), registry)
                .map_err(|error| failed(&error))?;
        let is_validator = role == Role::Validator;
        let agent = role.sign(agent);
        let behaviour =
            Behaviour::new(&config, &names, &keypair, agent, is_validator, relay_client)
                .map_err(|error| failed(&error))?;
        let swarm_config = swarm::Config::with_tokio_executor()
            .with_idle_connection_timeout(IDLE_MAX)
            .with_max_negotiating_inbound_streams(NEGOTIATING_MAX);
        let swarm = Swarm::new(transport, behaviour, local, swarm_config);

        let (commands_in, commands) = mpsc::channel(COMMANDS_MAX);
        let (peer_events, peers) = mpsc::channel(PEER_EVENTS_MAX);
        let (overview, overview_out) = watch::channel(Overview::default());
        let (inflows, gossip) = split(TOPICS.map(Inflow::new));
        let (readers, requests) = split(PROTOCOLS.map(|_| mpsc::channel(REQUESTS_WAITING_MAX)));
        let now = Instant::now();
        let mut network = Self {
            swarm,
            names,
            config,
            role,
            local,
            peers_file: folder.join(PEERS_FILE),
            book: Book::default(),
            discovery: Discovery::new(now),
            sessions: BTreeMap::new(),
            inflows,
            readers,
            under_way: Default::default(),
            asking: PROTOCOLS.map(|_| Buckets::new(PACES_MAX)),
            answered: PROTOCOLS.map(|_| Buckets::new(PACES_MAX)),
            asked: PROTOCOLS.map(|_| Buckets::new(PACES_MAX)),
            received: PROTOCOLS.map(|_| Buckets::new(PACES_MAX)),
            serving: FuturesUnordered::new(),
            news: VecDeque::new(),
            peer_events,
            commands,
            overview,
            is_changed: true,
            metrics,
            listeners: HashSet::new(),
            relays: HashMap::new(),
            lost_listener: None,
            chance: RandomState::new(),
            started: now,
            upkeep: crate::upkeep::Times::new(now),
        };
        network.listen()?;
        network.learn();
        let handle = Handle { local, commands: commands_in, overview: overview_out };
        Ok((network, handle, Inbound { gossip, requests, peers }))
    }

    /// Runs until the token fires.
    ///
    /// # Errors
    ///
    /// Nothing is listened on any more.
    pub async fn run(mut self, stop: CancellationToken) -> Result<(), Error> {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let peer_events = self.peer_events.clone();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                place = peer_events.reserve(), if !self.news.is_empty() => match place {
                    Ok(place) => {
                        if let Some(event) = self.news.pop_front() {
                            place.send(event);
                        }
                    }
                    // Nobody wants to know.
                    Err(_) => self.news.clear(),
                },
                command = self.commands.recv() => match command {
                    Some(command) => self.on_command(command),
                    // Nobody can tell it anything any more, and so nobody wants it.
                    None => break,
                },
                Some(served) = self.serving.next(), if !self.serving.is_empty() => {
                    self.on_served(served);
                }
                event = self.swarm.select_next_some(), if self.news.len() < PEER_EVENTS_MAX => {
                    self.on_swarm_event(event);
                }
                _ = tick.tick() => self.on_tick(Instant::now()),
            }
            if let Some(reason) = self.lost_listener.take() {
                return Err(Error::NotListening(reason));
            }
        }
        self.save_and_wait();
        Ok(())
    }

    fn listen(&mut self) -> Result<(), Error> {
        let is_ip4 = |address: &Multiaddr| matches!(address.iter().next(), Some(Part::Ip4(_)));
        let has_ip4 = self.config.listen.iter().any(is_ip4);
        for address in self.config.listen.clone() {
            let taken = |reason: &dyn std::fmt::Display| Error::Listen {
                address: address.clone(),
                reason: reason.to_string(),
            };
            if has_ip4 && !can_bind(&address) {
                warn!(%address, "not listened on, as this machine has no IPv6 there");
                continue;
            }
            // libp2p shares ports of TCP with whoever else does, so that a second node would not notice the first.
            probe(&address).map_err(|error| taken(&error))?;
            let listener = self.swarm.listen_on(address.clone()).map_err(|error| match error {
                TransportError::Other(error) => taken(&error),
                TransportError::MultiaddrNotSupported(_) => taken(&"no transport knows it"),
            })?;
            self.listeners.insert(listener);
        }
        for address in self.config.external.clone() {
            self.swarm.add_external_address(address);
        }
        Ok(())
    }

    /// Learns of peers from the settings and from the file of a run before.
    fn learn(&mut self) {
        let local = self.local;
        let named = |addresses: &[Multiaddr]| -> Vec<(PeerId, Multiaddr)> {
            let pair = |address: &Multiaddr| {
                let mut address = address.clone();
                let peer = identity_of(&address)?;
                address.pop();
                (peer != local).then_some((peer, address))
            };
            addresses.iter().filter_map(pair).collect()
        };
        for (peer, address) in named(&self.config.bootnodes) {
            self.book.note(peer, vec![address], Trial::Named);
        }
        for (peer, address) in named(&self.config.reserved) {
            self.book.note(peer, vec![address], Trial::Named);
            self.swarm.behaviour_mut().gate.limits.reserve(peer);
        }
        let private = self.config.dials_private();
        match self.book.load(&self.peers_file, |address| is_usable(address, private)) {
            Ok(count) => debug!(count, "known peers read"),
            Err(error) => {
                // Others tell of peers too.
                warn!(path = %self.peers_file.display(), %error, "known peers can't be read");
            }
        }
    }

    /// Writes known peers on another thread, as writing waits for a disk.
    pub(crate) fn save(&mut self) {
        if let Some(bytes) = self.book.changes() {
            let path = self.peers_file.clone();
            tokio::task::spawn_blocking(move || report(&path, write(&path, &bytes)));
        }
    }

    fn save_and_wait(&mut self) {
        if let Some(bytes) = self.book.changes() {
            report(&self.peers_file, write(&self.peers_file, &bytes));
        }
        info!("network stopped");
    }
}

/// Keeping peers is for the next start alone, so that a disk that is full does not end this run.
fn report(path: &std::path::Path, written: io::Result<()>) {
    if let Err(error) = written {
        warn!(path = %path.display(), %error, "known peers can't be written");
    }
}

/// Whether the machine has the address, if it is one of IPv6: many have none, and the settings name it by default.
fn can_bind(address: &Multiaddr) -> bool {
    match address.iter().next() {
        Some(Part::Ip6(ip)) => UdpSocket::bind((ip, 0)).is_ok(),
        _ => true,
    }
}

/// Fails if another socket has the port already.
fn probe(address: &Multiaddr) -> io::Result<()> {
    let mut parts = address.iter();
    let ip = match parts.next() {
        Some(Part::Ip4(ip)) => ip.into(),
        Some(Part::Ip6(ip)) => std::net::IpAddr::from(ip),
        _ => return Ok(()),
    };
    match parts.next() {
        // Where 0.0.0.0 is bound, [::] of the same port may count as taken; the transport binds it apart.
        Some(Part::Tcp(port)) if port != 0 && ip.is_ipv4() => {
            TcpListener::bind((ip, port)).map(drop)
        }
        Some(Part::Udp(port)) if port != 0 && ip.is_ipv4() => UdpSocket::bind((ip, port)).map(drop),
        _ => Ok(()),
    }
}

/// Takes pairs apart.
fn split<A, B, const N: usize>(pairs: [(A, B); N]) -> ([A; N], [B; N]) {
    let mut seconds = Vec::with_capacity(N);
    let firsts = pairs.map(|(first, second)| {
        seconds.push(second);
        first
    });
    let seconds = seconds.try_into().map_err(|_| "lengths").expect("there are N of them");
    (firsts, seconds)
}
