//! What the network is told, and what it tells.

use libp2p::{Multiaddr, PeerId};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};

/// Most commands that wait for the network.
pub const COMMANDS_MAX: usize = 1_024;
/// Most messages of one topic that wait for their reader; more are dropped and counted.
pub const GOSSIP_WAITING_MAX: usize = 1_024;
/// Most requests of one protocol that wait for their reader; more are refused.
pub const REQUESTS_WAITING_MAX: usize = 64;
/// Most news of peers that wait for their reader; when they would be more, the network waits.
pub const PEER_EVENTS_MAX: usize = 1_024;

/// What a node does on its chain. Nodes of a role are found by its name in the DHT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Decides blocks.
    Validator,
    /// Computes tasks.
    Agent,
    /// Serves dapps.
    Gateway,
}

/// What is told to everybody. Each topic has its own queue and limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    /// Proposals, votes and certificates of rounds.
    Consensus,
    /// Blocks that are proposed, as headers and hashes of transactions.
    Bodies,
    /// That a block is final.
    Heads,
    /// Transactions that wait.
    Transactions,
}

/// All topics.
pub const TOPICS: [Topic; 4] = [Topic::Consensus, Topic::Bodies, Topic::Heads, Topic::Transactions];

/// What is asked of one peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    /// Who are you, and how far are you?
    Status,
    /// A block that is proposed, or transactions of it.
    Bodies,
    /// A range of final blocks with their certificates.
    Blocks,
    /// A part of a state.
    State,
    /// A part of a blob.
    Blobs,
}

/// All protocols.
pub const PROTOCOLS: [Protocol; 5] =
    [Protocol::Status, Protocol::Bodies, Protocol::Blocks, Protocol::State, Protocol::Blobs];

/// A message that was told to everybody. It goes on to other peers once it is accepted.
#[derive(Debug)]
pub struct Gossip {
    /// Who passed it on: not necessarily its author.
    pub peer: PeerId,
    /// The content, within the topic's limit.
    pub bytes: Vec<u8>,
    /// How the network knows it again.
    pub receipt: Receipt,
}

/// Names a message in its verdict. The message counts as waiting until this is dropped.
#[derive(Clone, Debug)]
pub struct Receipt {
    pub(crate) id: libp2p::gossipsub::MessageId,
    pub(crate) peer: PeerId,
    pub(crate) received: Instant,
    /// Room for the message's bytes.
    pub(crate) _room: Arc<OwnedSemaphorePermit>,
}

/// What a message is worth. One that gets no verdict within some seconds is ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Others should have it.
    Accept,
    /// Nobody needs it any more, or whether it is good can't be told.
    Ignore,
    /// No honest peer would have passed it on.
    Reject,
}

/// A request of a peer.
#[derive(Debug)]
pub struct Request {
    /// Who asks.
    pub peer: PeerId,
    /// The content, within the protocol's limit.
    pub bytes: Vec<u8>,
    /// Where the answer goes; dropped, it refuses.
    pub answer: oneshot::Sender<Vec<u8>>,
}

/// Why a request has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// No connection, and none could be made.
    #[error("the peer can't be reached")]
    Unreachable,
    /// The peer said nothing in time.
    #[error("the peer did not answer in time")]
    TimedOut,
    /// The peer refused, or does not speak the protocol.
    #[error("the peer refused")]
    Refused,
    /// This node has too many requests under way, or has asked the peer for as much as it may. It says nothing about the
    /// peer, who can be asked a little later.
    #[error("too many requests are under way")]
    Busy,
    /// The network has stopped.
    #[error("the network has stopped")]
    Stopped,
}

/// What a peer did wrong. Faults add up, fade with time, and end in a ban.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerFault {
    /// It did not answer.
    Unhelpful,
    /// It asks for too much.
    Greedy,
    /// It sent what can't be decoded or breaks a limit.
    Malformed,
    /// It sent a block, a certificate, a vote or a proof that no honest peer passes on.
    Invalid,
    /// It answered a question with what it knew, or could have known, to be false: it is banned at once.
    Fraud,
}

/// How a connection came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// By the peer.
    Inbound,
    /// By this node.
    Outbound,
}

/// A connected peer.
#[derive(Clone, Debug, PartialEq)]
pub struct PeerInfo {
    /// Its identity.
    pub id: PeerId,
    /// Where it is.
    pub address: Multiaddr,
    /// How the connection came to be.
    pub direction: Direction,
    /// What it says that it runs; empty until it says so.
    pub agent: String,
    /// What it says that it does.
    pub role: Option<Role>,
    /// Round trip, if it was measured.
    pub ping: Option<Duration>,
    /// 0 for a good peer, below for one with faults; see the README for where a ban begins.
    pub score: i32,
    /// Whether it is never dropped for room.
    pub is_reserved: bool,
}

/// News of peers, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum PeerEvent {
    /// A peer of this chain is connected and has said who it is.
    Connected(PeerInfo),
    /// The last connection to a peer is gone.
    Disconnected(PeerId),
}

/// What comes in. Every queue has one reader, and none of them holds up another.
pub struct Inbound {
    /// Messages by topic, in the order of [`TOPICS`].
    pub gossip: [mpsc::Receiver<Gossip>; TOPICS.len()],
    /// Requests by protocol, in the order of [`PROTOCOLS`].
    pub requests: [mpsc::Receiver<Request>; PROTOCOLS.len()],
    /// News of peers.
    pub peers: mpsc::Receiver<PeerEvent>,
}

/// What the network is told to do.
#[derive(Debug)]
pub(crate) enum Command {
    Publish {
        topic: Topic,
        bytes: Vec<u8>,
    },
    Judge {
        receipt: Receipt,
        topic: Topic,
        verdict: Verdict,
    },
    Ask {
        peer: PeerId,
        protocol: Protocol,
        bytes: Vec<u8>,
        answer: oneshot::Sender<Result<Vec<u8>, RequestError>>,
    },
    Report {
        peer: PeerId,
        fault: PeerFault,
    },
    Favour {
        peer: PeerId,
        favoured: bool,
    },
    Reserve {
        address: Multiaddr,
        answer: oneshot::Sender<Result<PeerId, String>>,
    },
    Release {
        peer: PeerId,
    },
}

/// What this node knows of its place in the network.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overview {
    /// Addresses on which it listens, with its identity at the end.
    pub listening: Vec<Multiaddr>,
    /// Addresses at which others have confirmed to reach it.
    pub external: Vec<Multiaddr>,
    /// Connected peers.
    pub peers: Vec<PeerInfo>,
}

/// Tells the network what to do. Clones are cheap.
#[derive(Clone, Debug)]
pub struct Handle {
    pub(crate) local: PeerId,
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) overview: watch::Receiver<Overview>,
}

impl Handle {
    /// This node's identity.
    pub fn local_peer(&self) -> PeerId {
        self.local
    }

    /// Tells everybody. `false` if too much waits already and the message is dropped.
    pub fn publish(&self, topic: Topic, bytes: Vec<u8>) -> bool {
        self.commands.try_send(Command::Publish { topic, bytes }).is_ok()
    }

    /// Says what a message is worth. Every message should get a verdict.
    pub fn judge(&self, topic: Topic, receipt: Receipt, verdict: Verdict) {
        // Without it the network ignores the message some seconds later.
        let _ = self.commands.try_send(Command::Judge { receipt, topic, verdict });
    }

    /// Asks a peer and waits for the answer, connecting if need be.
    ///
    /// # Errors
    ///
    /// Why there is no answer.
    pub async fn ask(
        &self,
        peer: PeerId,
        protocol: Protocol,
        bytes: Vec<u8>,
    ) -> Result<Vec<u8>, RequestError> {
        let (answer, answered) = oneshot::channel();
        let command = Command::Ask { peer, protocol, bytes, answer };
        self.commands.send(command).await.map_err(|_| RequestError::Stopped)?;
        answered.await.unwrap_or(Err(RequestError::Stopped))
    }

    /// Counts a fault of a peer.
    pub fn report(&self, peer: PeerId, fault: PeerFault) {
        let _ = self.commands.try_send(Command::Report { peer, fault });
    }

    /// Says whether a peer has proved to be a validator: such are kept connected beyond the limits,
    /// and get everything at once.
    pub fn favour(&self, peer: PeerId, favoured: bool) {
        let _ = self.commands.try_send(Command::Favour { peer, favoured });
    }

    /// Keeps a connection to a peer, beyond all limits. The address must end in `/p2p/` and the
    /// peer's identity.
    ///
    /// # Errors
    ///
    /// What is wrong with the address.
    pub async fn reserve(&self, address: Multiaddr) -> Result<PeerId, String> {
        let (answer, answered) = oneshot::channel();
        let stopped = || "the network has stopped".to_owned();
        let command = Command::Reserve { address, answer };
        self.commands.send(command).await.map_err(|_| stopped())?;
        answered.await.map_err(|_| stopped())?
    }

    /// Treats a reserved peer like all others again.
    pub async fn release(&self, peer: PeerId) {
        // If the network has stopped, nothing is reserved.
        let _ = self.commands.send(Command::Release { peer }).await;
    }

    /// What this node knows of its place in the network; it changes when that does.
    pub fn overview(&self) -> watch::Receiver<Overview> {
        self.overview.clone()
    }
}
