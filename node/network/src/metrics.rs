//! What is counted. The transport counts bytes itself.

use crate::{Direction, PeerFault, Protocol, Topic, gossip::Dropped, limits::Denial};
use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue},
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(crate) enum MessageOutcome {
    /// It came in, new.
    Received,
    /// It was told by this node.
    Published,
    /// Nobody could be told: no peers, no room, or it was told before.
    Unpublished,
    /// Its reader wants others to have it.
    Accepted,
    /// Its reader does not.
    Ignored,
    /// No honest peer would have passed it on.
    Rejected,
    /// Its verdict came too late.
    Late,
    /// It was too large.
    TooLarge,
    /// Its peer sent too many.
    TooFast,
    /// Its reader had enough to read.
    NoRoom,
}

impl From<Dropped> for MessageOutcome {
    fn from(dropped: Dropped) -> Self {
        match dropped {
            Dropped::TooLarge => Self::TooLarge,
            Dropped::TooFast => Self::TooFast,
            Dropped::NoRoom => Self::NoRoom,
        }
    }
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(crate) enum RequestOutcome {
    Answered,
    /// The reader did not want to, or too much was under way.
    Refused,
    /// The peer asked too fast.
    TooFast,
    Malformed,
    Unreachable,
    TimedOut,
    Busy,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfMessage {
    topic: &'static str,
    outcome: MessageOutcome,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfBytes {
    topic: &'static str,
    direction: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfRequest {
    protocol: &'static str,
    direction: &'static str,
    outcome: RequestOutcome,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfDirection {
    direction: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfReason {
    reason: String,
}

/// What is counted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metrics {
    peers: Family<OfDirection, Gauge>,
    known: Gauge,
    messages: Family<OfMessage, Counter>,
    bytes: Family<OfBytes, Counter>,
    requests: Family<OfRequest, Counter>,
    faults: Family<OfReason, Counter>,
    bans: Counter,
    dial_failures: Counter,
    denials: Family<OfReason, Counter>,
}

impl Metrics {
    /// `registry` is the network's own: its prefix is `artel_network`.
    pub fn new(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register("peers", "Connected peers", metrics.peers.clone());
        registry.register("known_peers", "Peers that could be dialled", metrics.known.clone());
        registry.register("gossip_messages", "Messages told to all", metrics.messages.clone());
        registry.register(
            "gossip_bytes",
            "Bytes of new messages told to all",
            metrics.bytes.clone(),
        );
        registry.register("requests", "Requests of one peer", metrics.requests.clone());
        registry.register("faults", "What peers did wrong", metrics.faults.clone());
        registry.register("bans", "Bans of peers", metrics.bans.clone());
        registry.register("dial_failures", "Dials that failed", metrics.dial_failures.clone());
        registry.register("denials", "Connections not let in", metrics.denials.clone());
        metrics
    }

    pub fn set_peers(&self, direction: Direction, count: usize) {
        let labels = OfDirection { direction: name(direction) };
        self.peers.get_or_create(&labels).set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    pub fn set_known(&self, count: usize) {
        self.known.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    pub fn message(&self, topic: Topic, outcome: MessageOutcome) {
        self.messages.get_or_create(&OfMessage { topic: topic.name(), outcome }).inc();
    }

    pub fn bytes(&self, topic: Topic, direction: Direction, count: usize) {
        let labels = OfBytes { topic: topic.name(), direction: name(direction) };
        self.bytes.get_or_create(&labels).inc_by(u64::try_from(count).unwrap_or(u64::MAX));
    }

    pub fn request(&self, protocol: Protocol, direction: Direction, outcome: RequestOutcome) {
        let (protocol, direction) = (protocol.name(), name(direction));
        self.requests.get_or_create(&OfRequest { protocol, direction, outcome }).inc();
    }

    pub fn fault(&self, fault: PeerFault) {
        self.faults.get_or_create(&OfReason { reason: fault.name().to_owned() }).inc();
    }

    pub fn ban(&self) {
        self.bans.inc();
    }

    pub fn dial_failure(&self) {
        self.dial_failures.inc();
    }

    pub fn denial(&self, denial: Denial) {
        let reason = format!("{denial:?}");
        self.denials.get_or_create(&OfReason { reason }).inc();
    }
}

const fn name(direction: Direction) -> &'static str {
    match direction {
        Direction::Inbound => "inbound",
        Direction::Outbound => "outbound",
    }
}
