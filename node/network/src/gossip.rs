//! Gossip: one gossipsub for each topic, so that each has streams, queues and limits of its own, and a large body does
//! not stand before a vote.
//!
//! Messages are anonymous and known by the hash of their content: who answers for one is in it, or is whoever passed it
//! on.

use crate::{
    GOSSIP_WAITING_MAX, Gossip, Rate, Receipt, Topic, names::Names, paced::Paced, rate::Buckets,
};
use libp2p::{
    PeerId,
    gossipsub::{
        Behaviour, ConfigBuilder, IdentityTransform, Message, MessageAuthenticity, MessageId,
        PeerScoreParams, PeerScoreThresholds, TopicHash, TopicScoreParams, ValidationMode,
        WhitelistSubscriptionFilter,
    },
};
use primitives::crypto::hash::blake2_256;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::{Semaphore, mpsc};

/// What goes around a message on the wire, and what may come behind it in one read.
const FRAME_BYTES: usize = 64 << 10;
/// Messages that one frame may hold; nodes send one.
const MESSAGES_PER_FRAME_MAX: usize = 8;
/// Bytes of a frame that are not messages.
const CONTROL_BYTES_MAX: usize = 16 << 10;
/// Frames of one peer for each new message of it that is allowed: others have told most of them already. Each message is
/// remembered for two minutes whatever becomes of it, so this bounds memory.
const FRAMES_PER_MESSAGE: u64 = 2;
/// Frames of one peer besides: what meshes need to keep together.
const FRAMES_BESIDES: u64 = 64;
const HEARTBEAT: Duration = Duration::from_secs(1);
/// Heartbeats after which a message without a verdict is forgotten: a little more than [`crate::VERDICT_MAX`].
const HISTORY_HEARTBEATS: usize = 6;
/// How long a message is known again.
const SEEN: Duration = Duration::from_secs(120);
/// Messages smaller than this are sent twice more cheaply than others are told not to send them.
const TELLING_BYTES_MIN: usize = 8 << 10;
/// How long a message waits to be sent to a peer.
const SENDING_MAX: Duration = Duration::from_secs(5);
/// Most peers whose pace is remembered.
const PACES_MAX: usize = 8_192;

/// The gossipsub of one topic.
pub(crate) type Lane = Paced<Behaviour<IdentityTransform, WhitelistSubscriptionFilter>>;

/// Makes the gossipsub of one topic.
pub(crate) fn lane(names: &Names, topic: Topic) -> Lane {
    let bounds = topic.bounds();
    let hash = names.topic(topic).hash();
    let config = ConfigBuilder::default()
        .protocol_id_prefix(names.gossip_prefix(topic))
        .validation_mode(ValidationMode::Anonymous)
        .validate_messages()
        .message_id_fn(id_of)
        .max_transmit_size(bounds.bytes_max + FRAME_BYTES)
        .max_transmit_size_for_topic(bounds.bytes_max + FRAME_BYTES, hash.clone())
        .max_publish_messages(MESSAGES_PER_FRAME_MAX)
        .max_control_message_size(CONTROL_BYTES_MAX)
        .heartbeat_interval(HEARTBEAT)
        .heartbeat_initial_delay(HEARTBEAT)
        .history_length(HISTORY_HEARTBEATS)
        .duplicate_cache_time(SEEN)
        .flood_publish(bounds.is_flooded)
        .connection_handler_queue_len(bounds.queue_max)
        .publish_queue_duration(SENDING_MAX)
        .forward_queue_duration(SENDING_MAX)
        .idontwant_message_size_threshold(TELLING_BYTES_MIN)
        // This crate connects favoured peers itself.
        .check_explicit_peers_ticks(u64::MAX)
        .build()
        .expect("the numbers fit each other");
    let filter = WhitelistSubscriptionFilter([hash.clone()].into());
    let mut lane =
        Behaviour::new_with_subscription_filter(MessageAuthenticity::Anonymous, config, filter)
            .expect("messages are anonymous on both sides");
    lane.with_peer_score(scoring(hash), thresholds()).expect("the parameters fit each other");
    lane.subscribe(&names.topic(topic)).expect("the filter allows the topic");
    let frames = Rate {
        per_second: bounds.messages.per_second * FRAMES_PER_MESSAGE + FRAMES_BESIDES,
        burst: bounds.messages.burst * FRAMES_PER_MESSAGE + FRAMES_BESIDES,
    };
    Paced::new(lane, frames)
}

fn id_of(message: &Message) -> MessageId {
    MessageId::new(blake2_256(&message.data).as_bytes())
}

/// What lowers a peer's score within a mesh: messages that are rejected, and breaking gossipsub's rules. Silence does
/// not, as an idle chain says little; nor does sharing an address, which the gate counts. Half of one rejected message
/// is forgotten in about ten minutes.
fn scoring(topic: TopicHash) -> PeerScoreParams {
    let of_topic = TopicScoreParams {
        topic_weight: 1.0,
        time_in_mesh_weight: 0.01,
        time_in_mesh_quantum: Duration::from_secs(1),
        time_in_mesh_cap: 300.0,
        first_message_deliveries_weight: 0.1,
        first_message_deliveries_decay: 0.9,
        first_message_deliveries_cap: 50.0,
        mesh_message_deliveries_weight: 0.0,
        mesh_failure_penalty_weight: 0.0,
        invalid_message_deliveries_weight: -10.0,
        invalid_message_deliveries_decay: 0.999,
        ..TopicScoreParams::default()
    };
    PeerScoreParams {
        topics: [(topic, of_topic)].into(),
        topic_score_cap: 10.0,
        app_specific_weight: 1.0,
        ip_colocation_factor_weight: 0.0,
        behaviour_penalty_weight: -1.0,
        behaviour_penalty_threshold: 6.0,
        behaviour_penalty_decay: 0.9,
        slow_peer_weight: -0.05,
        retain_score: Duration::from_secs(600),
        ..PeerScoreParams::default()
    }
}

/// A peer with a negative score leaves the mesh. Further down it is not listened to, but that is where this crate's own
/// scores, which are part of it, have led to a ban already: who is not heard can't be found guilty. Five rejected messages
/// make 250, and the score of who is about to be banned another 100.
fn thresholds() -> PeerScoreThresholds {
    PeerScoreThresholds {
        gossip_threshold: -100.0,
        publish_threshold: -600.0,
        graylist_threshold: -800.0,
        ..PeerScoreThresholds::default()
    }
}

/// Why a message does not reach its reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dropped {
    /// It is larger than its topic allows.
    TooLarge,
    /// Its peer passes on too much.
    TooFast,
    /// Its reader has enough to read.
    NoRoom,
}

/// The way of one topic's messages to their reader.
pub(crate) struct Inflow {
    topic: Topic,
    sender: mpsc::Sender<Gossip>,
    room: Arc<Semaphore>,
    messages: Buckets<PeerId>,
    bytes: Buckets<PeerId>,
}

impl Inflow {
    pub fn new(topic: Topic) -> (Self, mpsc::Receiver<Gossip>) {
        let (sender, receiver) = mpsc::channel(GOSSIP_WAITING_MAX);
        let room = Arc::new(Semaphore::new(topic.bounds().waiting_bytes_max));
        let (messages, bytes) = (Buckets::new(PACES_MAX), Buckets::new(PACES_MAX));
        (Self { topic, sender, room, messages, bytes }, receiver)
    }

    /// Hands a message on, if it keeps to the limits; `factor` is how many times as much its peer may do.
    pub fn take(
        &mut self,
        peer: PeerId,
        id: MessageId,
        bytes: Vec<u8>,
        factor: u64,
        now: Instant,
    ) -> Result<(), Dropped> {
        let bounds = self.topic.bounds();
        if bytes.len() > bounds.bytes_max {
            return Err(Dropped::TooLarge);
        }
        let size = u32::try_from(bytes.len()).map_err(|_| Dropped::TooLarge)?;
        let is_in_pace = self.messages.of(&peer, now).take(bounds.messages.times(factor), 1, now)
            && self.bytes.of(&peer, now).take(bounds.bytes.times(factor), size.into(), now);
        if !is_in_pace {
            return Err(Dropped::TooFast);
        }
        let room = Arc::clone(&self.room).try_acquire_many_owned(size);
        let room = Arc::new(room.map_err(|_| Dropped::NoRoom)?);
        let receipt = Receipt { id, peer, received: now, _room: room };
        let gossip = Gossip { peer, bytes, receipt };
        self.sender.try_send(gossip).map_err(|_| Dropped::NoRoom)
    }

    /// Forgets a peer that is gone; one that was too fast comes back no fresher for a moment's absence.
    pub fn forget(&mut self, peer: &PeerId, now: Instant) {
        for buckets in [&mut self.messages, &mut self.bytes] {
            if buckets.of(peer, now).is_full(now) {
                buckets.remove(peer);
            }
        }
    }
}
