//! What is kept of stakers and eras, in FRAME's shapes.

use codec::{CompactAs, Decode, DecodeWithMemTracking, Encode};
use framework::Moment;
use primitives::{AccountId, Balance, PARTS_PER_MILLION};
use scale_info::{Path, Type, TypeInfo, build::Fields};
use std::collections::BTreeMap;

/// Number of an era, from 0. It is that of the era's session.
pub type EraIndex = u32;

/// A share in parts per billion.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Encode,
    Decode,
    DecodeWithMemTracking,
    CompactAs,
)]
pub struct Perbill(u32);

impl Perbill {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// The whole.
    pub const ONE: Self = Self(1_000_000_000);

    /// So many parts per million; at most the whole.
    pub fn from_ppm(parts: u32) -> Self {
        Self(parts.min(PARTS_PER_MILLION) * (Self::ONE.0 / PARTS_PER_MILLION))
    }

    /// So many parts per billion; at most the whole.
    pub fn from_parts(parts: u32) -> Self {
        Self(parts.min(Self::ONE.0))
    }

    /// The share in parts per billion.
    pub fn parts(self) -> u32 {
        self.0
    }

    /// Whether this is at most the whole: what others send may be more.
    pub fn is_share(self) -> bool {
        self <= Self::ONE
    }

    /// This share of an amount, rounded down.
    pub fn of(self, amount: Balance) -> Balance {
        amount.portion_floor(self.0.into(), Self::ONE.0.into())
    }
}

/// As Substrate describes it: clients look for this path to show a percentage.
impl TypeInfo for Perbill {
    type Identity = Self;

    fn type_info() -> Type {
        Type::builder()
            .path(
                Path::from_segments(["sp_arithmetic", "per_things", "Perbill"])
                    .expect("the path's segments are identifiers"),
            )
            .composite(Fields::unnamed().field(|f| f.ty::<u32>().type_name("u32")))
    }
}

/// Where a staker's rewards go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum RewardDestination {
    /// To the stash, and they are bonded there.
    Staked,
    /// To the stash.
    Stash,
    /// To the stash: there are no controllers apart from stashes.
    Controller,
    /// To another account; to the stash if that account cannot take them.
    Account(AccountId),
    /// To nobody: they are shared by all in the next era.
    None,
}

/// What a validator asks for.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo,
)]
pub struct ValidatorPrefs {
    /// Its share of the rewards before they are divided by stake.
    #[codec(compact)]
    pub commission: Perbill,
    /// Whether it takes no new nominators.
    pub blocked: bool,
}

/// Whom a nominator trusts.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct Nominations {
    /// The validators, each once.
    pub targets: Vec<AccountId>,
    /// Era in which they were named.
    pub submitted_in: EraIndex,
    /// Nothing on this chain.
    pub suppressed: bool,
}

/// Stake that is on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct UnlockChunk {
    /// How much.
    #[codec(compact)]
    pub value: Balance,
    /// Era from which on it can be withdrawn.
    #[codec(compact)]
    pub era: EraIndex,
}

/// What an account has bonded.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct StakingLedger {
    /// Whose it is.
    pub stash: AccountId,
    /// All that is held: active and unlocking.
    #[codec(compact)]
    pub total: Balance,
    /// What counts in elections to come.
    #[codec(compact)]
    pub active: Balance,
    /// What is on its way out, the earliest era first, each era once.
    pub unlocking: Vec<UnlockChunk>,
    /// Nothing on this chain.
    pub legacy_claimed_rewards: Vec<EraIndex>,
}

impl StakingLedger {
    /// A ledger with so much active stake.
    pub fn new(stash: AccountId, active: Balance) -> Self {
        let (unlocking, legacy_claimed_rewards) = (Vec::new(), Vec::new());
        Self { stash, total: active, active, unlocking, legacy_claimed_rewards }
    }
}

/// The era that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct ActiveEraInfo {
    /// Its number.
    pub index: EraIndex,
    /// Time of the block in which it began, in milliseconds; none in genesis.
    pub start: Option<Moment>,
}

/// Points of an era.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct EraRewardPoints {
    /// The sum.
    pub total: u32,
    /// Points of each validator that has earned some.
    pub individual: BTreeMap<AccountId, u32>,
}

/// What stands behind a validator in an era.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo,
)]
pub struct PagedExposureMetadata {
    /// All stake.
    #[codec(compact)]
    pub total: Balance,
    /// The validator's own.
    #[codec(compact)]
    pub own: Balance,
    /// How many nominators there are.
    pub nominator_count: u32,
    /// How many pages list them.
    pub page_count: u32,
}

/// What a nominator has behind a validator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct IndividualExposure {
    /// The nominator.
    pub who: AccountId,
    /// Its stake.
    #[codec(compact)]
    pub value: Balance,
}

/// Some of the nominators behind a validator.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct ExposurePage {
    /// Their stake.
    #[codec(compact)]
    pub page_total: Balance,
    /// Each of them.
    pub others: Vec<IndividualExposure>,
}

/// How long an equivocator may not validate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct Jail {
    /// The last era in which it could decide blocks when it was first reported.
    pub since: EraIndex,
    /// Era from which on it may validate again.
    pub until: EraIndex,
}

/// A slash that is taken from one page of stakers after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct Slash {
    /// The share of what stood behind the validator.
    pub share: Perbill,
    /// The page that is next; the validator's own stake is taken with the first.
    pub next_page: u32,
    /// Who has part of what is taken.
    pub reporter: Option<AccountId>,
}
