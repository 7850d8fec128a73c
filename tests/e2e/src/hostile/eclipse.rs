//! An attempt to surround a node: fifty nodes of one range of addresses, which all connect to it, and tell of none but
//! each other.

use super::{LOOK, RANGE, WAIT, origin, sockets::socket_of, words::Names};
use crate::namespace::Namespace;
use anyhow::{Context, Result, bail};
use futures::StreamExt;
use libp2p::{
    Multiaddr, PeerId, StreamProtocol, Swarm, Transport,
    core::{muxing::StreamMuxerBox, upgrade::Version},
    identify,
    identity::Keypair,
    kad::{self, ProviderRecord, store::MemoryStore, store::RecordStore},
    multiaddr::Protocol as Part,
    noise,
    swarm::{self, NetworkBehaviour, SwarmEvent, dial_opts::DialOpts},
    tcp, yamux,
};
use network::{Config, Direction, Handle, Inbound, Network, Role, Setup};
use primitives::Hash;
use prometheus_client::registry::Registry;
use std::{
    net::{IpAddr, Ipv4Addr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tempfile::TempDir;
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

/// Those who surround.
const HOSTILE: u8 = 50;
/// Honest nodes that are there before, each in a range of its own.
const HONEST: u8 = 6;
/// The chain.
const GENESIS: Hash = Hash([7; 32]);
/// The first port of nodes. Each range has its own: as the machine gives a connection the address that it goes to, one of
/// the same port on both sides would lead to itself.
const PORT: u16 = 20_000;
/// How long a hostile node waits before it connects again.
const AGAIN: Duration = Duration::from_millis(200);
/// How often each of them must have tried, before it is looked at who got in.
const TRIES_EACH: u64 = 4;

/// What came of it.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Report {
    /// Nodes in one range that tried to surround the victim.
    pub hostile: u8,
    /// How often they tried to connect.
    pub tries: u64,
    /// Most of them that were connected at a time.
    pub hostile_peers: usize,
    /// Most that may be.
    pub per_range_max: u32,
    /// Of those, dialled by the victim.
    pub hostile_dialled: usize,
    /// Honest nodes.
    pub honest: usize,
    /// Of those, connected in the end: one of them came when the others of its range had filled their share.
    pub honest_peers: usize,
    /// Peers that the victim dialled by itself, or whose dials it took, in the end.
    pub peers: usize,
}

impl Report {
    /// Whether the victim is not surrounded.
    pub fn holds(&self) -> bool {
        self.hostile_peers <= self.per_range_max as usize && self.honest_peers == self.honest
    }
}

#[derive(NetworkBehaviour)]
struct Liar {
    identify: identify::Behaviour,
    dht: kad::Behaviour<MemoryStore>,
}

/// An honest node.
struct Node {
    handle: Handle,
    /// Its queues are kept, as a node without readers is none.
    _inbound: Inbound,
    _folder: TempDir,
    stop: CancellationToken,
}

impl Drop for Node {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Fifty nodes try to surround one.
pub fn run() -> Result<Report> {
    Namespace::with_range(RANGE)?.run(surround)?
}

async fn surround() -> Result<Report> {
    // The machine gives all of its connections the address that they go to, unless somebody sees to it: to the honest, the
    // others are at one address.
    let many = u32::from(HONEST + HOSTILE);
    let first = node(honest(0), Vec::new(), many)?;
    let bootnode = address_of(honest(0)).with(Part::P2p(first.handle.local_peer()));
    let mut nodes = vec![first];
    for number in 1..HONEST {
        nodes.push(node(honest(number), vec![bootnode.clone()], many)?);
    }
    let victim_place = Ipv4Addr::new(45, 50, 0, 1);
    let victim = node(victim_place, vec![bootnode.clone()], Config::default().per_address_max)?;

    let keys: Vec<Keypair> = (0..HOSTILE).map(|_| Keypair::generate_ed25519()).collect();
    let members: Vec<(PeerId, Multiaddr)> = (0..HOSTILE)
        .zip(&keys)
        .map(|(number, key)| (key.public().to_peer_id(), address_of(hostile(number))))
        .collect();
    let tries = Arc::<AtomicU64>::default();
    let mut liars = JoinSet::new();
    let to = victim.handle.local_peer();
    for key in &keys {
        liars.spawn(lie(liar(key, &members)?, to, address_of(victim_place), tries.clone()));
    }
    // The range is full before the last honest node comes.
    let mut overview = victim.handle.overview();
    let mut hostile_peers = 0;
    let count = |overview: &network::Overview| {
        overview.peers.iter().filter(|peer| is_hostile(&peer.address)).count()
    };
    let filled = async {
        while tries.load(Ordering::Relaxed) < u64::from(HOSTILE) * TRIES_EACH {
            hostile_peers = hostile_peers.max(count(&overview.borrow_and_update()));
            sleep(LOOK).await;
        }
    };
    timeout(WAIT, filled).await.context("hostile nodes do not connect")?;
    nodes.push(node(honest(HONEST), vec![bootnode], many)?);
    let found = async {
        loop {
            let now = overview.borrow_and_update().clone();
            hostile_peers = hostile_peers.max(count(&now));
            let is_there =
                |node: &&Node| now.peers.iter().any(|p| p.id == node.handle.local_peer());
            if nodes.iter().filter(is_there).count() == nodes.len() {
                return now;
            }
            sleep(LOOK).await;
        }
    };
    let last = timeout(WAIT, found).await.with_context(|| {
        format!("honest nodes are not all connected: {:?}", victim.handle.overview().borrow())
    })?;
    liars.shutdown().await;
    let dialled = last
        .peers
        .iter()
        .filter(|peer| is_hostile(&peer.address) && peer.direction == Direction::Outbound);
    Ok(Report {
        hostile: HOSTILE,
        tries: tries.load(Ordering::Relaxed),
        hostile_peers,
        per_range_max: Config::default().per_range_max,
        hostile_dialled: dialled.count(),
        honest: nodes.len(),
        honest_peers: nodes.len(),
        peers: last.peers.len(),
    })
}

fn honest(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(45, 10, number, 1)
}

fn hostile(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(45, 66, 6, number + 1)
}

fn is_hostile(address: &Multiaddr) -> bool {
    let is_in_range = |ip: IpAddr| matches!(ip, IpAddr::V4(ip) if ip.octets()[..3] == [45, 66, 6]);
    address.iter().any(|part| matches!(part, Part::Ip4(ip) if is_in_range(ip.into())))
}

fn address_of(place: Ipv4Addr) -> Multiaddr {
    let [_, high, low, _] = place.octets();
    let port = PORT + u16::from(high) * 100 + u16::from(low);
    Multiaddr::empty().with(Part::Ip4(place)).with(Part::Tcp(port))
}

fn node(place: Ipv4Addr, bootnodes: Vec<Multiaddr>, per_address_max: u32) -> Result<Node> {
    let folder = TempDir::new()?;
    let mut key = [0; 32];
    key[..4].copy_from_slice(&place.octets());
    let defaults = Config::default();
    let config = Config {
        listen: vec![address_of(place)],
        bootnodes,
        per_address_max,
        per_range_max: defaults.per_range_max.max(per_address_max),
        ..defaults
    };
    let setup = Setup {
        config,
        key,
        genesis: GENESIS,
        role: Role::Agent,
        agent: "artel".to_owned(),
        folder: folder.path().to_owned(),
    };
    let (network, handle, inbound) = Network::new(setup, &mut Registry::default())?;
    let stop = CancellationToken::new();
    tokio::spawn(network.run(stop.clone()));
    Ok(Node { handle, _inbound: inbound, _folder: folder, stop })
}

/// A node that knows only its own kind, and says that all of them are validators.
fn liar(key: &Keypair, members: &[(PeerId, Multiaddr)]) -> Result<Swarm<Liar>> {
    let id = key.public().to_peer_id();
    let names = Names::new(&GENESIS);
    let name = StreamProtocol::try_from_owned(names.dht())?;
    let mut config = kad::Config::new(name);
    config.set_kbucket_inserts(kad::BucketInserts::Manual);
    let mut dht = kad::Behaviour::with_config(id, MemoryStore::new(id), config);
    dht.set_mode(Some(kad::Mode::Server));
    for role in ["validator", "agent", "gateway"] {
        let role = primitives::crypto::hash::blake2_256_of(&[GENESIS.as_bytes(), role.as_bytes()]);
        for (peer, address) in members {
            let addresses = vec![address.clone()];
            let record = ProviderRecord::new(kad::RecordKey::new(&role), *peer, addresses);
            // A full store keeps those that it has.
            let _ = dht.store_mut().add_provider(record);
        }
    }
    for (peer, address) in members.iter().filter(|(peer, _)| *peer != id) {
        dht.add_address(peer, address.clone());
    }
    let identify = identify::Config::new(names.chain(), key.public())
        .with_agent_version("artel (validator)".to_owned());
    let own = members.iter().find(|(peer, _)| *peer == id).context("it is a member")?;
    let listening = tcp::tokio::Transport::new(tcp::Config::default())
        .upgrade(Version::V1Lazy)
        .authenticate(noise::Config::new(key)?)
        .multiplex(yamux::Config::default())
        .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)));
    let place = socket_of(&own.1).ip();
    let IpAddr::V4(place) = place else { bail!("{place} is of IPv6") };
    // Whoever dials comes from its own address.
    let transport = origin::transport(place, key)?.or_transport(listening);
    let transport = transport.map(|either, _| either.into_inner()).boxed();
    let behaviour = Liar { identify: identify::Behaviour::new(identify), dht };
    let config = swarm::Config::with_tokio_executor().with_idle_connection_timeout(WAIT);
    let mut swarm = Swarm::new(transport, behaviour, id, config);
    swarm.listen_on(own.1.clone())?;
    swarm.add_external_address(own.1.clone());
    Ok(swarm)
}

/// Connects, and whenever it is thrown out or not let in, again.
async fn lie(mut swarm: Swarm<Liar>, to: PeerId, at: Multiaddr, tries: Arc<AtomicU64>) {
    let mut clock = tokio::time::interval(AGAIN);
    loop {
        tokio::select! {
            _ = clock.tick() => {
                if !swarm.is_connected(&to) {
                    tries.fetch_add(1, Ordering::Relaxed);
                    let options = DialOpts::peer_id(to).addresses(vec![at.clone()]).build();
                    // One that is under way already is enough.
                    let _ = swarm.dial(options);
                }
            }
            event = swarm.select_next_some() => {
                if let SwarmEvent::ListenerClosed { .. } = event {
                    return;
                }
            }
        }
    }
}
