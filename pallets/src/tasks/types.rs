//! What a requester asks for.

use crate::agents::{Capabilities, EngineId};
use framework::prelude::*;

/// Most bytes of an input that stands in the specification itself.
pub const INPUT_INLINE_BYTES_MAX: usize = 4 * 1024;
/// Most bytes of all arguments together, each with its length.
pub const ARGS_BYTES_MAX: usize = 1024;
/// Most bytes of an input blob: 1 GiB.
pub const INPUT_BYTES_MAX: u64 = 1 << 30;
/// Most bytes of output that a task may allow: 256 MiB.
pub const OUTPUT_BYTES_MAX: u64 = 1 << 28;
/// Most fuel that a task may allow.
pub const FUEL_LIMIT_MAX: u64 = 1 << 50;
/// Most pages of 64 KiB that a task may allow: the whole 32-bit space.
pub const MEMORY_PAGES_MAX: u32 = 65_536;
/// Most slots of a task: replicas and extra attempts together.
pub const SLOTS_MAX: u8 = 8;
/// Largest value at risk outside the level `Assured`, in rewards.
pub const VALUE_AT_RISK_REWARDS_MAX: u128 = 50;
/// Bytes of a content id.
pub const CID_BYTES: usize = 38;

/// Id of a task: see [`super::task_id`].
pub type TaskId = Hash;

/// A content id: CIDv1, raw or dag-pb, blake2b-256.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Encode,
    Decode,
    DecodeWithMemTracking,
    TypeInfo,
)]
pub struct Cid(pub [u8; CID_BYTES]);

impl Cid {
    /// Codec of raw bytes.
    pub const RAW: u8 = 0x55;
    /// Codec of UnixFS files.
    pub const DAG_PB: u8 = 0x70;

    /// The id of content with this codec and blake2b-256 digest.
    pub fn new(codec: u8, digest: [u8; 32]) -> Self {
        let mut bytes = [0; CID_BYTES];
        bytes[..6].copy_from_slice(&[1, codec, 0xa0, 0xe4, 0x02, 32]);
        bytes[6..].copy_from_slice(&digest);
        Self(bytes)
    }

    /// Whether version, codec and hash function are the market's.
    pub fn is_valid(&self) -> bool {
        let [1, codec, 0xa0, 0xe4, 0x02, 32, ..] = self.0 else { return false };
        codec == Self::RAW || codec == Self::DAG_PB
    }
}

/// What a program reads.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum Input {
    /// The bytes themselves.
    Inline(Vec<u8>),
    /// A blob.
    Blob {
        /// Where to get it; of the ciphertext if the input is private.
        cid: Cid,
        /// blake2b-256 of the plaintext: with it a wrong input can be proven.
        plaintext_hash: Hash,
        /// Commitment to the content key of a private input.
        key_commit: Option<Hash>,
        /// Bytes of the blob.
        size: u64,
    },
}

impl Input {
    /// Bytes of the input.
    pub fn size(&self) -> u64 {
        match self {
            Self::Inline(bytes) => u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            Self::Blob { size, .. } => *size,
        }
    }

    fn is_valid(&self) -> bool {
        match self {
            Self::Inline(bytes) => bytes.len() <= INPUT_INLINE_BYTES_MAX,
            Self::Blob { cid, size, .. } => cid.is_valid() && *size <= INPUT_BYTES_MAX,
        }
    }
}

/// What is to be computed. The same specification gives the same outcome and fuel everywhere.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct TaskSpec {
    /// Engine that runs the program.
    pub engine: EngineId,
    /// The program.
    pub program: Cid,
    /// What the program reads.
    pub input: Input,
    /// Arguments of the program.
    pub args: Vec<Vec<u8>>,
    /// Fuel after which the outcome is `OutOfFuel`.
    pub fuel_limit: u64,
    /// Most memory, in pages of 64 KiB.
    pub memory_pages_max: u32,
    /// Most bytes of output.
    pub output_bytes_max: u64,
}

impl TaskSpec {
    /// Whether the specification keeps to the limits.
    pub fn is_valid(&self) -> bool {
        self.program.is_valid()
            && self.input.is_valid()
            && self.args.encoded_size() <= ARGS_BYTES_MAX
            && (1..=FUEL_LIMIT_MAX).contains(&self.fuel_limit)
            && (1..=MEMORY_PAGES_MAX).contains(&self.memory_pages_max)
            && self.output_bytes_max <= OUTPUT_BYTES_MAX
    }
}

/// How much certainty a requester pays for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum Assurance {
    /// One replica; audits by chance.
    Economy,
    /// Two replicas that must agree.
    Standard,
    /// Always audited by a committee.
    Assured,
}

/// Under which terms it is to be computed.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct Policy {
    /// Reward of each slot.
    pub reward: Balance,
    /// Replicas, r.
    pub replicas: u8,
    /// Results that must agree, q.
    pub quorum: u8,
    /// Attempts after the first, x.
    pub extra_attempts: u8,
    /// Level of certainty.
    pub assurance: Assurance,
    /// What a wrong result would gain somebody outside of the chain, X; stakes grow with it.
    pub value_at_risk: Balance,
    /// What agents must be able to do.
    pub requires: Capabilities,
    /// How long the task waits for candidates, in milliseconds.
    pub claim_ms: Moment,
    /// How long its record stays after it has ended, in milliseconds: at most 30 days.
    pub retain_ms: Moment,
}

impl Policy {
    /// The default terms for one replica and this reward.
    pub fn economy(reward: Balance) -> Self {
        Self {
            reward,
            replicas: 1,
            quorum: 1,
            extra_attempts: 2,
            assurance: Assurance::Economy,
            value_at_risk: Balance::ZERO,
            requires: Capabilities::default(),
            claim_ms: 600_000,
            retain_ms: 7 * 24 * 3_600_000,
        }
    }
}

/// What came out of a program. Every one of them is a result and is paid.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum Outcome {
    /// The program ended by itself.
    Ok {
        /// Its output.
        output: Output,
        /// blake2b-256 of the output.
        hash: Hash,
        /// Bytes of the output.
        size: u64,
    },
    /// The program trapped.
    Trap {
        /// Which trap, as the engine numbers them.
        code: u32,
    },
    /// The program used up its fuel.
    OutOfFuel,
}

/// Where an output is.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum Output {
    /// Here: at most 1 KiB.
    Inline(Vec<u8>),
    /// In a blob.
    Blob(Cid),
}
