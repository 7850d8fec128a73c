//! What a block may hold, and how clients are told.

use codec::{Decode, Encode};
use framework::{DispatchClass, READ_PS, WRITE_PS, Weight, WeightV2};
use scale_info::TypeInfo;

/// Most bytes of a block's transactions, their length prefixes included.
pub const BLOCK_BYTES_MAX: u32 = 5 * 1024 * 1024;
/// Most time that a block's transactions may declare, in picoseconds of the reference machine: a
/// second.
pub const BLOCK_REF_TIME_MAX: u64 = 1_000_000_000_000;
/// The part of [`BLOCK_REF_TIME_MAX`] that users' calls may fill; the rest waits for calls that keep
/// the chain going.
pub const NORMAL_REF_TIME_MAX: u64 = BLOCK_REF_TIME_MAX / 4 * 3;
/// What every transaction costs on top of its call: decoding, checks, its signer's account, events.
pub const BASE_WEIGHT: Weight = Weight::rw(1, 1);

/// Most picoseconds that calls of a class may declare in one block; inherents are bounded by their
/// number instead.
pub const fn ref_time_max(class: DispatchClass) -> u64 {
    match class {
        DispatchClass::Normal => NORMAL_REF_TIME_MAX,
        DispatchClass::Operational => BLOCK_REF_TIME_MAX,
        DispatchClass::Mandatory => u64::MAX,
    }
}

/// A value for each class of call.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct PerDispatchClass<T> {
    /// For users' calls.
    pub normal: T,
    /// For calls that keep the chain going.
    pub operational: T,
    /// For inherents.
    pub mandatory: T,
}

/// Limits of one class of calls.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct WeightsPerClass {
    /// What a transaction costs on top of its call.
    pub base_extrinsic: WeightV2,
    /// Most that one transaction may cost.
    pub max_extrinsic: Option<WeightV2>,
    /// Most that all transactions of the class may cost.
    pub max_total: Option<WeightV2>,
    /// What is kept free for the class.
    pub reserved: Option<WeightV2>,
}

/// Time limits of a block.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct BlockWeights {
    /// What an empty block costs.
    pub base_block: WeightV2,
    /// Most that a block may cost.
    pub max_block: WeightV2,
    /// Limits by class.
    pub per_class: PerDispatchClass<WeightsPerClass>,
}

/// Byte limits of a block.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct BlockLength {
    /// Most bytes of transactions by class.
    pub max: PerDispatchClass<u32>,
}

/// What one operation on state costs, in picoseconds.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct RuntimeDbWeight {
    /// A read.
    pub read: u64,
    /// A write.
    pub write: u64,
}

/// The time limits as clients read them.
pub fn block_weights() -> BlockWeights {
    let weight = |ref_time| WeightV2 { ref_time, proof_size: 0 };
    let base = BASE_WEIGHT.ref_time();
    let class = |max: u64| WeightsPerClass {
        base_extrinsic: weight(base),
        max_extrinsic: Some(weight(max - base)),
        max_total: Some(weight(max)),
        reserved: None,
    };
    BlockWeights {
        base_block: weight(0),
        max_block: weight(BLOCK_REF_TIME_MAX),
        per_class: PerDispatchClass {
            normal: class(NORMAL_REF_TIME_MAX),
            operational: class(BLOCK_REF_TIME_MAX),
            mandatory: WeightsPerClass {
                base_extrinsic: weight(base),
                max_extrinsic: None,
                max_total: None,
                reserved: None,
            },
        },
    }
}

/// The byte limits as clients read them.
pub fn block_length() -> BlockLength {
    let max = PerDispatchClass {
        normal: BLOCK_BYTES_MAX,
        operational: BLOCK_BYTES_MAX,
        mandatory: BLOCK_BYTES_MAX,
    };
    BlockLength { max }
}

/// Costs of operations on state as clients read them.
pub fn db_weight() -> RuntimeDbWeight {
    RuntimeDbWeight { read: READ_PS, write: WRITE_PS }
}
