//! What a block may hold, and how clients are told.

use codec::{Decode, Encode};
use framework::{Ctx, DispatchClass, READ_PS, WRITE_PS, Weight, WeightV2};
use scale_info::TypeInfo;

/// Most bytes of a block's transactions, their length prefixes included.
pub const BLOCK_BYTES_MAX: u32 = 5 * 1024 * 1024;
/// Most time that a block may take, hooks included, in picoseconds of the reference machine: a
/// second.
pub const BLOCK_REF_TIME_MAX: u64 = 1_000_000_000_000;
/// The part of [`BLOCK_REF_TIME_MAX`] that users' calls may fill; the rest waits for calls that keep
/// the chain going.
pub const NORMAL_REF_TIME_MAX: u64 = BLOCK_REF_TIME_MAX / 4 * 3;
/// Most time that hooks spend on work that has come due, in picoseconds: what users' calls leave of a
/// block.
pub const HOOKS_REF_TIME_MAX: u64 = BLOCK_REF_TIME_MAX - NORMAL_REF_TIME_MAX;
/// What each kind of such work has to itself, whatever the others have to do: far more than one step
/// takes. The rest belongs to who comes first.
pub const HOOK_WORK_REF_TIME_MIN: u64 = HOOKS_REF_TIME_MAX / 25;
/// The part of [`HOOKS_REF_TIME_MAX`] for hooks that run after a block's transactions.
pub const FINALIZE_REF_TIME_MAX: u64 = HOOK_WORK_REF_TIME_MIN * 8;
/// Most time that all transactions of a block may declare, on top of what the hooks before them took.
pub const CALLS_REF_TIME_MAX: u64 = BLOCK_REF_TIME_MAX - FINALIZE_REF_TIME_MAX;
/// What every transaction costs on top of its call: decoding, checks, its signer's account, events.
pub const BASE_WEIGHT: Weight = Weight::rw(1, 1);

/// Most picoseconds that calls of a class may declare in one block; inherents are bounded by their
/// number instead.
pub const fn ref_time_max(class: DispatchClass) -> u64 {
    match class {
        DispatchClass::Normal => NORMAL_REF_TIME_MAX,
        DispatchClass::Operational => CALLS_REF_TIME_MAX,
        DispatchClass::Mandatory => u64::MAX,
    }
}

/// Work that hooks do step by step as it comes due, in the order in which a block does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HookWork {
    /// Tasks that nobody funded.
    Unfunded,
    /// Tasks that nobody claimed.
    Unclaimed,
    /// Draws among candidates.
    Draw,
    /// Agents that did not deliver.
    NoShow,
    /// Validated tasks whose payouts take too long.
    Settle,
    /// Cancellations.
    Cancel,
    /// Results that stand.
    Validate,
    /// Records that are forgotten.
    Prune,
    /// Stakers who lose stake over offences; the first after the block's transactions.
    Slash,
    /// The end of an era: who was absent, who decides blocks next.
    Elect,
    /// Stakers who are paid for an era.
    Reward,
    /// Eras that are forgotten.
    Forget,
    /// Accepted results that are paid.
    Pay,
    /// Payouts that nobody claimed.
    Forfeit,
    /// Payees that are paid.
    Payout,
}

impl HookWork {
    /// How many picoseconds the work may still take in this block. A hook that asks before each step
    /// exceeds that by less than a step.
    pub fn left(self, cx: &Ctx) -> u64 {
        self.ends_at().saturating_sub(cx.used().ref_time())
    }

    /// How much all work of the hook up to this kind may take: that leaves to each later kind its own.
    const fn ends_at(self) -> u64 {
        const INITIALIZE_REF_TIME_MAX: u64 = HOOKS_REF_TIME_MAX - FINALIZE_REF_TIME_MAX;
        let (all, later) = match self {
            Self::Unfunded => (INITIALIZE_REF_TIME_MAX, 7),
            Self::Unclaimed => (INITIALIZE_REF_TIME_MAX, 6),
            Self::Draw => (INITIALIZE_REF_TIME_MAX, 5),
            Self::NoShow => (INITIALIZE_REF_TIME_MAX, 4),
            Self::Settle => (INITIALIZE_REF_TIME_MAX, 3),
            Self::Cancel => (INITIALIZE_REF_TIME_MAX, 2),
            Self::Validate => (INITIALIZE_REF_TIME_MAX, 1),
            Self::Prune => (INITIALIZE_REF_TIME_MAX, 0),
            Self::Slash => (FINALIZE_REF_TIME_MAX, 6),
            Self::Elect => (FINALIZE_REF_TIME_MAX, 5),
            Self::Reward => (FINALIZE_REF_TIME_MAX, 4),
            Self::Forget => (FINALIZE_REF_TIME_MAX, 3),
            Self::Pay => (FINALIZE_REF_TIME_MAX, 2),
            Self::Forfeit => (FINALIZE_REF_TIME_MAX, 1),
            Self::Payout => (FINALIZE_REF_TIME_MAX, 0),
        };
        all - later * HOOK_WORK_REF_TIME_MIN
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
            operational: class(CALLS_REF_TIME_MAX),
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
