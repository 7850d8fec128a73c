//! Nodes of a test: real sockets on loopback, and waiting for conditions instead of for time.

use crate::{
    Config, Handle, Inbound, Network, Overview, PeerInfo, Role, Setup, Topic, Verdict, peer_id,
};
use libp2p::{Multiaddr, PeerId, multiaddr::Protocol as Part};
use primitives::Hash;
use prometheus_client::registry::Registry;
use std::{
    future::Future,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

/// What is not there by then does not come.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A node.
pub struct Node {
    pub handle: Handle,
    pub inbound: Inbound,
    pub registry: Registry,
    pub folder: TempDir,
    setup: Setup,
    stop: CancellationToken,
    task: JoinHandle<Result<(), crate::Error>>,
}

/// Settings for nodes on one machine.
pub fn config() -> Config {
    Config {
        listen: vec!["/ip4/127.0.0.1/tcp/0".parse().expect("an address")],
        private_addresses: true,
        relay: false,
        ..Config::default()
    }
}

pub fn key(seed: u8) -> [u8; 32] {
    [seed; 32]
}

/// A validator with a key of its own.
pub fn start(seed: u8, config: Config) -> Node {
    start_in(seed, config, Hash([7; 32]), TempDir::new().expect("a folder"))
}

pub fn start_in(seed: u8, config: Config, genesis: Hash, folder: TempDir) -> Node {
    let setup = Setup {
        config,
        key: key(seed),
        genesis,
        role: Role::Validator,
        agent: "artel/0.0.0".to_owned(),
        folder: folder.path().to_owned(),
    };
    let mut registry = Registry::default();
    let (network, handle, inbound) = Network::new(setup.clone(), &mut registry).expect("a network");
    let stop = CancellationToken::new();
    let task = tokio::spawn(network.run(stop.clone()));
    Node { handle, inbound, registry, folder, setup, stop, task }
}

/// Waits for something to come true.
pub async fn until<T>(what: &str, mut check: impl FnMut() -> Option<T>) -> T {
    let wait = async {
        loop {
            if let Some(found) = check() {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    within(what, wait).await
}

/// Waits for a future, not for ever.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(found) => found,
        Err(_) => panic!("waited in vain: {what}"),
    }
}

impl Node {
    pub fn id(&self) -> PeerId {
        peer_id(&self.setup.key)
    }

    pub fn overview(&self) -> Overview {
        self.handle.overview().borrow().clone()
    }

    /// The address at which others find it, with its identity.
    pub async fn address(&self) -> Multiaddr {
        until("an address", || self.overview().listening.first().cloned()).await
    }

    pub fn peer(&self, id: PeerId) -> Option<PeerInfo> {
        self.overview().peers.into_iter().find(|peer| peer.id == id)
    }

    pub async fn until_peers(&self, count: usize) {
        let what = format!("{count} peers of {}", self.id());
        until(&what, || (self.overview().peers.len() >= count).then_some(())).await;
    }

    pub async fn until_gone(&self, id: PeerId) {
        until("a peer to be gone", || self.peer(id).is_none().then_some(())).await;
    }

    /// The next message of a topic, which it accepts.
    pub async fn hear(&mut self, topic: Topic) -> Vec<u8> {
        self.judge_next(topic, Verdict::Accept).await
    }

    /// Waits for a message, and says when the network received it.
    pub async fn next(&mut self, topic: Topic, bytes: &[u8]) -> Instant {
        loop {
            let next = self.inbound.gossip[topic as usize].recv();
            let gossip = within("a message", next).await.expect("the network runs");
            let (is_it, received) = (gossip.bytes == bytes, gossip.receipt.received);
            self.handle.judge(topic, gossip.receipt, Verdict::Accept);
            if is_it {
                return received;
            }
        }
    }

    pub async fn judge_next(&mut self, topic: Topic, verdict: Verdict) -> Vec<u8> {
        let next = self.inbound.gossip[topic as usize].recv();
        let gossip = within("a message", next).await.expect("the network runs");
        self.handle.judge(topic, gossip.receipt, verdict);
        gossip.bytes
    }

    /// Tells all once somebody can be told.
    pub fn publish(&self, topic: Topic, bytes: &[u8]) {
        assert!(self.handle.publish(topic, bytes.to_vec()), "the network takes commands");
    }

    /// What a metric shows: the sum of all its values whose labels hold a text.
    pub fn metric(&self, name: &str, label: &str) -> u64 {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).expect("text");
        let of_name = |line: &&str| line.starts_with(name) && line.contains(label);
        let value =
            |line: &str| line.rsplit(' ').next().and_then(|value| value.parse::<u64>().ok());
        text.lines().filter(of_name).filter_map(value).sum()
    }

    /// Stops it, and gives back what a new start needs.
    pub async fn stop(self) -> TempDir {
        self.stop.cancel();
        within("the network to stop", self.task)
            .await
            .expect("it does not panic")
            .expect("no error");
        self.folder
    }
}

/// Nodes that know only their neighbours in a line.
pub async fn line(count: u8) -> Vec<Node> {
    let mut nodes: Vec<Node> = Vec::new();
    for seed in 1..=count {
        let reserved = match nodes.last() {
            Some(before) => vec![before.address().await],
            None => Vec::new(),
        };
        // The first waits for nobody, and lets in only whom it is told to.
        let node = start(seed, Config { reserved, outbound_peers: 0, ..config() });
        if let Some(before) = nodes.last() {
            before.handle.reserve(node.address().await).await.expect("an address");
            node.until_peers(1).await;
        }
        nodes.push(node);
    }
    nodes
}

/// Waits until a message gets from the first node to the last.
pub async fn warm_up(nodes: &mut [Node], topic: Topic) {
    let (first, others) = nodes.split_first_mut().expect("some nodes");
    for number in 0..u32::MAX {
        first.publish(topic, format!("warm up {number}").as_bytes());
        let last = others.len() - 1;
        let mut is_there = false;
        let deadline = tokio::time::Instant::now() + Duration::from_millis(100);
        while tokio::time::Instant::now() < deadline && !is_there {
            for (index, node) in others.iter_mut().enumerate() {
                while let Ok(gossip) = node.inbound.gossip[topic as usize].try_recv() {
                    node.handle.judge(topic, gossip.receipt, Verdict::Accept);
                    is_there |= index == last;
                }
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        if is_there {
            return;
        }
        assert!(number < 200, "no message gets through");
    }
}

/// An address that leads to another at 16 MiB a second.
pub async fn slow_line(to: Multiaddr) -> Multiaddr {
    const CHUNK: usize = 64 << 10;
    const PAUSE: Duration = Duration::from_millis(4);
    let mut parts = to.iter().skip(1);
    let (Some(Part::Tcp(port)), Some(identity)) = (parts.next(), parts.next()) else {
        panic!("{to} is not what nodes of a test listen on");
    };
    let socket = TcpSocket::new_v4().expect("a socket");
    // What lies in a socket's buffer can't be overtaken.
    socket.set_recv_buffer_size(256 << 10).expect("a size");
    socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a port");
    let listener = socket.listen(8).expect("a listener");
    let here = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let Ok(far) = TcpStream::connect(("127.0.0.1", port)).await else { continue };
            let ((mut near_in, mut near_out), (mut far_in, mut far_out)) =
                (near.into_split(), far.into_split());
            tokio::spawn(async move { tokio::io::copy(&mut far_in, &mut near_out).await });
            tokio::spawn(async move {
                let mut chunk = vec![0; CHUNK];
                let mut clock = tokio::time::interval(PAUSE);
                while let Ok(count @ 1..) = near_in.read(&mut chunk).await {
                    if far_out.write_all(&chunk[..count]).await.is_err() {
                        return;
                    }
                    clock.tick().await;
                }
            });
        }
    });
    let address = Multiaddr::empty().with(Part::Ip4([127, 0, 0, 1].into()));
    address.with(Part::Tcp(here)).with(identity)
}
