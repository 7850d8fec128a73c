//! What a call may cost, as it is declared before and metered while it runs.

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// Time of one read of state, in picoseconds.
pub const READ_PS: u64 = 4_000_000;
/// Time of one write of state with its share of the tree, in picoseconds.
pub const WRITE_PS: u64 = 6_000_000;
const PS_PER_US: u64 = 1_000_000;
/// Computing time of what computes little: decoding, checks, a few keys that are hashed, an event.
const LITTLE_US: u32 = 2;

/// What a call costs, in operations on state and in computing time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weight {
    /// Reads that go to state, each counted.
    pub reads: u32,
    /// Distinct keys written.
    pub writes: u32,
    /// Computing time, in microseconds.
    pub compute_us: u32,
}

impl Weight {
    /// Nothing.
    pub const ZERO: Self = Self { reads: 0, writes: 0, compute_us: 0 };

    /// A call that reads and writes so often and computes little.
    pub const fn rw(reads: u32, writes: u32) -> Self {
        Self { reads, writes, compute_us: LITTLE_US }
    }

    /// The same with so much computing time.
    pub const fn compute_us(self, compute_us: u32) -> Self {
        Self { compute_us, ..self }
    }

    /// Both, one after the other.
    pub const fn plus(self, other: Self) -> Self {
        Self {
            reads: self.reads.saturating_add(other.reads),
            writes: self.writes.saturating_add(other.writes),
            compute_us: self.compute_us.saturating_add(other.compute_us),
        }
    }

    /// So many times this.
    pub const fn times(self, count: u32) -> Self {
        Self {
            reads: self.reads.saturating_mul(count),
            writes: self.writes.saturating_mul(count),
            compute_us: self.compute_us.saturating_mul(count),
        }
    }

    /// What was metered after `before` was.
    pub const fn since(self, before: Self) -> Self {
        Self {
            reads: self.reads.saturating_sub(before.reads),
            writes: self.writes.saturating_sub(before.writes),
            compute_us: self.compute_us.saturating_sub(before.compute_us),
        }
    }

    /// This declaration, with what was metered in place of the operations; computing time is not
    /// metered.
    pub fn corrected(self, used: Self) -> Self {
        Self { reads: self.reads.min(used.reads), writes: self.writes.min(used.writes), ..self }
    }

    /// Whether the operations declared here are enough for those that were metered.
    pub const fn covers(&self, used: &Self) -> bool {
        used.reads <= self.reads && used.writes <= self.writes
    }

    /// Time on the reference machine, in picoseconds.
    pub fn ref_time(&self) -> u64 {
        u64::from(self.reads) * READ_PS
            + u64::from(self.writes) * WRITE_PS
            + u64::from(self.compute_us) * PS_PER_US
    }
}

impl From<Weight> for WeightV2 {
    fn from(weight: Weight) -> Self {
        Self { ref_time: weight.ref_time(), proof_size: 0 }
    }
}

/// A weight as clients know it.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub struct WeightV2 {
    /// Time on the reference machine, in picoseconds.
    #[codec(compact)]
    pub ref_time: u64,
    /// Bytes of proof; always 0, as no block carries a proof of state.
    #[codec(compact)]
    pub proof_size: u64,
}

/// To which share of a block a call belongs.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub enum DispatchClass {
    /// Anybody's call.
    #[default]
    Normal,
    /// A call that keeps the chain going.
    Operational,
    /// An inherent.
    Mandatory,
}

/// Whether a call pays a fee.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub enum Pays {
    /// It does.
    #[default]
    Yes,
    /// It does not.
    No,
}

/// What the events of a transaction's end tell of its cost.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub struct DispatchInfo {
    /// What was charged for.
    pub weight: WeightV2,
    /// The call's class.
    pub class: DispatchClass,
    /// Whether it paid.
    pub pays_fee: Pays,
}
