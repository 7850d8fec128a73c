//! What each topic and protocol may cost.

use crate::{Protocol, Rate, Topic};
use primitives::chunk::CHUNK_MESSAGE_BYTES_MAX;
use std::time::Duration;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;
const MIB_UNITS: u64 = 1 << 20;

/// Favoured and reserved peers may do so many times as much as others.
pub const FAVOURED_FACTOR: u64 = 4;
/// A message that got no verdict for so long is ignored.
pub const VERDICT_MAX: Duration = Duration::from_secs(4);
/// Bytes of requests of one protocol that are being read; more are refused.
pub const READING_BYTES_MAX: usize = 64 * MIB;

/// What a topic may cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TopicBounds {
    /// Bytes of a message.
    pub bytes_max: usize,
    /// Bytes of messages that have no verdict yet; more are dropped.
    pub waiting_bytes_max: usize,
    /// Messages that wait to be sent to one peer; more are dropped.
    pub queue_max: usize,
    /// New messages of one peer.
    pub messages: Rate,
    /// Bytes of new messages of one peer.
    pub bytes: Rate,
    /// Whether own messages go to all peers at once, and not to the mesh and favoured peers alone.
    pub is_flooded: bool,
}

impl Topic {
    /// Most bytes of a message.
    pub const fn bytes_max(self) -> usize {
        self.bounds().bytes_max
    }

    /// Most bytes of messages that have no verdict yet.
    pub const fn waiting_bytes_max(self) -> usize {
        self.bounds().waiting_bytes_max
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Consensus => "consensus",
            Self::Bodies => "bodies",
            Self::Heads => "heads",
            Self::Transactions => "transactions",
        }
    }

    pub(crate) const fn bounds(self) -> TopicBounds {
        match self {
            Self::Consensus => TopicBounds {
                bytes_max: 256 * KIB,
                waiting_bytes_max: 32 * MIB,
                queue_max: 1_024,
                messages: Rate { per_second: 1_024, burst: 4_096 },
                bytes: Rate { per_second: 2 * MIB_UNITS, burst: 8 * MIB_UNITS },
                is_flooded: true,
            },
            // Large, so that flooding them would keep a proposer's line busy: favoured peers and the mesh get them at once.
            Self::Bodies => TopicBounds {
                bytes_max: 4 * MIB,
                waiting_bytes_max: 64 * MIB,
                queue_max: 16,
                messages: Rate { per_second: 8, burst: 32 },
                bytes: Rate { per_second: 16 * MIB_UNITS, burst: 32 * MIB_UNITS },
                is_flooded: false,
            },
            Self::Heads => TopicBounds {
                bytes_max: 256 * KIB,
                waiting_bytes_max: 8 * MIB,
                queue_max: 64,
                messages: Rate { per_second: 32, burst: 128 },
                bytes: Rate { per_second: MIB_UNITS, burst: 4 * MIB_UNITS },
                is_flooded: true,
            },
            Self::Transactions => TopicBounds {
                bytes_max: 512 * KIB,
                waiting_bytes_max: 64 * MIB,
                queue_max: 128,
                messages: Rate { per_second: 512, burst: 2_048 },
                bytes: Rate { per_second: 8 * MIB_UNITS, burst: 16 * MIB_UNITS },
                is_flooded: false,
            },
        }
    }
}

/// What a protocol may cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ProtocolBounds {
    /// Bytes of a request.
    pub request_bytes_max: usize,
    /// Bytes of an answer.
    pub answer_bytes_max: usize,
    /// From asking to the end of the answer.
    pub timeout: Duration,
    /// Requests under way to or from one peer; more are refused.
    pub per_peer_max: usize,
    /// Requests under way to, and as many from, all peers; more are refused.
    pub in_all_max: usize,
    /// Requests of one peer.
    pub requests: Rate,
    /// Bytes of answers to one peer. The last answer may go beyond.
    pub answered_bytes: Rate,
}

impl Rate {
    /// What a node keeps to where its peers count at this rate: less, as their clocks and the way there are not its own.
    pub(crate) const fn own(self) -> Self {
        Self { per_second: self.per_second * 7 / 8, burst: self.burst / 2 }
    }
}

impl Protocol {
    /// Most bytes of a request.
    pub const fn request_bytes_max(self) -> usize {
        self.bounds().request_bytes_max
    }

    /// Most bytes of an answer.
    pub const fn answer_bytes_max(self) -> usize {
        self.bounds().answer_bytes_max
    }

    /// Most bytes of answers that are on their way to those who asked.
    pub const fn served_bytes_max(self) -> usize {
        self.bounds().answer_bytes_max * self.bounds().in_all_max
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Bodies => "bodies",
            Self::Blocks => "blocks",
            Self::State => "state",
            Self::Blobs => "blobs",
        }
    }

    pub(crate) const fn bounds(self) -> ProtocolBounds {
        match self {
            Self::Status => ProtocolBounds {
                request_bytes_max: 4 * KIB,
                answer_bytes_max: 64 * KIB,
                timeout: Duration::from_secs(5),
                per_peer_max: 4,
                in_all_max: 128,
                requests: Rate { per_second: 4, burst: 32 },
                answered_bytes: Rate { per_second: 256 << 10, burst: 2 * MIB_UNITS },
            },
            Self::Bodies => ProtocolBounds {
                request_bytes_max: MIB,
                answer_bytes_max: 17 * MIB,
                timeout: Duration::from_secs(5),
                per_peer_max: 4,
                in_all_max: 32,
                requests: Rate { per_second: 32, burst: 128 },
                answered_bytes: Rate { per_second: 16 * MIB_UNITS, burst: 64 * MIB_UNITS },
            },
            Self::Blocks => ProtocolBounds {
                request_bytes_max: 4 * KIB,
                answer_bytes_max: 17 * MIB,
                timeout: Duration::from_secs(15),
                per_peer_max: 4,
                in_all_max: 16,
                requests: Rate { per_second: 16, burst: 64 },
                answered_bytes: Rate { per_second: 16 * MIB_UNITS, burst: 64 * MIB_UNITS },
            },
            Self::State => ProtocolBounds {
                request_bytes_max: 64 * KIB,
                // A chunk, and what says that it is one.
                answer_bytes_max: CHUNK_MESSAGE_BYTES_MAX + KIB,
                timeout: Duration::from_secs(15),
                per_peer_max: 4,
                in_all_max: 16,
                // Most answers are chunks of less than a mebibyte, so that their bytes are the bound.
                requests: Rate { per_second: 64, burst: 256 },
                answered_bytes: Rate { per_second: 16 * MIB_UNITS, burst: 64 * MIB_UNITS },
            },
            Self::Blobs => ProtocolBounds {
                request_bytes_max: 4 * KIB,
                answer_bytes_max: 4 * MIB,
                timeout: Duration::from_secs(15),
                per_peer_max: 4,
                in_all_max: 32,
                requests: Rate { per_second: 32, burst: 128 },
                answered_bytes: Rate { per_second: 16 * MIB_UNITS, burst: 64 * MIB_UNITS },
            },
        }
    }
}
