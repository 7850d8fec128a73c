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
        ValidationMode, WhitelistSubscriptionFilter,
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
/// Messages of one frame: more end its stream, as the pace counts frames.
const MESSAGES_PER_FRAME_MAX: usize = 1;
/// Bytes of a frame that are not messages: a subscription, a place in the mesh, or one message that need not be sent.
const CONTROL_BYTES_MAX: usize = 256;
/// Frames of one peer for each new message of it that is allowed: others have told most of them already. Each message is
/// remembered for a while whatever becomes of it, so this bounds memory.
const FRAMES_PER_MESSAGE: u64 = 2;
/// Frames of one peer besides: what meshes need to keep together.
const FRAMES_BESIDES: u64 = 64;
const HEARTBEAT: Duration = Duration::from_secs(1);
/// Heartbeats after which a message without a verdict is forgotten: a little more than [`crate::VERDICT_MAX`].
const HISTORY_HEARTBEATS: usize = 6;
/// How long a message is known again: longer than its way through the network, as long as it waits at each node.
const SEEN: Duration = Duration::from_secs(20);
/// What that takes for a message: twice its hash of 32 bytes with what points to it, in tables that double.
const REMEMBERED_BYTES: u64 = 256;
/// Messages smaller than this are sent twice more cheaply than others are told not to send them.
const TELLING_BYTES_MIN: usize = 8 << 10;
/// How long a message waits to be sent to a peer.
const SENDING_MAX: Duration = Duration::from_secs(5);
/// Most peers whose pace is remembered.
const PACES_MAX: usize = 8_192;

/// The gossipsub of one topic.
pub(crate) type Lane = Paced<Behaviour<IdentityTransform, WhitelistSubscriptionFilter>>;

/// Makes the gossipsub of one topic. What was missed is told again or asked for by whoever needs it, so no lists of known
/// messages are sent or heeded: what is promised in them is never forgotten. It keeps no scores of its own: those are of
/// one topic each, remember every message for two minutes with all who told it, and stop listening to whom this crate's
/// scores are about to find guilty.
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
        .max_ihave_messages_heartbeat(0)
        .gossip_lazy(0)
        .gossip_factor(0.0)
        .flood_publish(bounds.is_flooded)
        .connection_handler_queue_len(bounds.queue_max)
        .publish_queue_duration(SENDING_MAX)
        .forward_queue_duration(SENDING_MAX)
        .idontwant_message_size_threshold(TELLING_BYTES_MIN)
        // This crate connects favoured peers itself.
        .check_explicit_peers_ticks(u64::MAX)
        .build()
        .expect("the numbers fit each other");
    let filter = WhitelistSubscriptionFilter([hash].into());
    let mut lane =
        Behaviour::new_with_subscription_filter(MessageAuthenticity::Anonymous, config, filter)
            .expect("messages are anonymous on both sides");
    lane.subscribe(&names.topic(topic)).expect("the filter allows the topic");
    Paced::new(lane, frames(topic))
}

/// How many frames of one peer are heard.
const fn frames(topic: Topic) -> Rate {
    let messages = topic.bounds().messages;
    Rate {
        per_second: messages.per_second * FRAMES_PER_MESSAGE + FRAMES_BESIDES,
        burst: messages.burst * FRAMES_PER_MESSAGE + FRAMES_BESIDES,
    }
}

impl Topic {
    /// Most bytes that a connected peer makes a node remember of its messages, whatever becomes of them, unless it may do more
    /// than others. The tables keep that size.
    pub const fn remembered_bytes_max(self) -> u64 {
        let frames = frames(self);
        (frames.per_second * SEEN.as_secs() + frames.burst) * REMEMBERED_BYTES
    }
}

fn id_of(message: &Message) -> MessageId {
    MessageId::new(blake2_256(&message.data).as_bytes())
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
