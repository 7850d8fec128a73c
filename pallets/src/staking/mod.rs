//! # Staking
//!
//! Who may decide blocks: accounts bond stake, validate or nominate those who do, are elected by stake for an era,
//! are rewarded for it, and lose stake over offences.
//!
//! An era lasts `era_ms` and ends with the first block whose time reaches that; large elections take some blocks
//! more. Unbonding takes [`BONDING_ERAS`] eras, evidence reaches back [`crate::session::EVIDENCE_SESSIONS_MAX`], so that
//! stake which stood behind an offender can be slashed as long as evidence may come. Both count in eras and not in
//! time: a chain that stands still shortens neither.
//!
//! Invariants: what an account holds for staking is its ledger's total, active and unlocking; who validates does not
//! nominate; the validators' pot has all that is promised; what stands behind a validator in an era is the sum of its
//! pages and its own.

mod check;
mod election;
mod genesis;
mod history;
mod ledger;
mod params;
mod rewards;
mod roles;
mod slashing;
mod types;

pub use election::{Election, Seat, Stage};
pub use genesis::{Genesis, GenesisValidator};
pub use ledger::ledger;
pub use params::{BONDING_ERAS, ERA_MS_MAX, ERA_MS_MIN, Params};
pub use rewards::Paying;
pub use slashing::{JAIL_ERAS, REPORTER_PPM, jail, slash};
pub use types::*;

use crate::session;
use framework::prelude::*;
use primitives::MultiAddress;
use roles::chill;

/// Name of the pallet.
pub const NAME: &str = "Staking";
/// Index of the pallet.
pub const INDEX: u8 = 7;
/// Most validators that a nominator names.
pub const TARGETS_MAX: u32 = 16;
/// Most nominators.
pub const NOMINATORS_MAX: u32 = 10_000;
/// Most accounts that want to validate.
pub const CANDIDATES_MAX: usize = 1_000;
/// Most parts of a stake that unlock at different times.
pub const UNLOCKING_MAX: usize = 32;
/// Most nominators on one page behind a validator: what is paid or slashed in one step.
pub const PAGE_MAX: u32 = 64;
/// How many eras are remembered.
pub const HISTORY_DEPTH: EraIndex = 84;
/// Reads and writes to pay or slash one staker.
const STAKER_READS: u32 = 6;
const STAKER_WRITES: u32 = 4;

static VALIDATOR_COUNT: Value<u32> =
    Value::new_default(NAME, "ValidatorCount", "Most validators that are elected.");
static MINIMUM_VALIDATOR_COUNT: Value<u32> = Value::new_default(
    NAME,
    "MinimumValidatorCount",
    "Least validators that are elected: as long as any account can be, one is.",
);
static MIN_NOMINATOR_BOND: Value<Balance> =
    Value::new_default(NAME, "MinNominatorBond", "Least active stake of a nominator.");
static MIN_VALIDATOR_BOND: Value<Balance> =
    Value::new_default(NAME, "MinValidatorBond", "Least active stake of a validator.");
static MIN_COMMISSION: Value<Perbill> =
    Value::new_default(NAME, "MinCommission", "Least commission of validators.");
static MAX_VALIDATORS_COUNT: Value<u32> =
    Value::new(NAME, "MaxValidatorsCount", "Most accounts that want to validate.");
static MAX_NOMINATORS_COUNT: Value<u32> =
    Value::new(NAME, "MaxNominatorsCount", "Most nominators.");
static PARAMS: Value<Params> =
    Value::new_default(NAME, "Params", "Parameters of staking, changed by governance.");
static BONDED: Map<AccountId, AccountId, Twox64Concat> =
    Map::new(NAME, "Bonded", "Stashes; each is its own controller.");
static LEDGER: Map<AccountId, StakingLedger> =
    Map::new(NAME, "Ledger", "What stashes have bonded.");
static PAYEE: Map<AccountId, RewardDestination, Twox64Concat> =
    Map::new(NAME, "Payee", "Where rewards of stashes go.");
static VALIDATORS: Map<AccountId, ValidatorPrefs, Twox64Concat> =
    Map::new_default(NAME, "Validators", "Stashes that want to validate, and what they ask for.");
static COUNTER_FOR_VALIDATORS: Value<u32> =
    Value::new_default(NAME, "CounterForValidators", "How many stashes want to validate.");
static NOMINATORS: Map<AccountId, Nominations, Twox64Concat> =
    Map::new(NAME, "Nominators", "Stashes that nominate, and whom.");
static COUNTER_FOR_NOMINATORS: Value<u32> =
    Value::new_default(NAME, "CounterForNominators", "How many stashes nominate.");
static CURRENT_ERA: Value<EraIndex> = Value::new(
    NAME,
    "CurrentEra",
    "The era that runs or, while its successor is being elected, that successor.",
);
static ACTIVE_ERA: Value<ActiveEraInfo> = Value::new(NAME, "ActiveEra", "The era that runs.");
static ERAS_START_SESSION_INDEX: Map<EraIndex, session::SessionIndex, Twox64Concat> =
    Map::new(NAME, "ErasStartSessionIndex", "The session of an era.");
static ERAS_STAKERS_OVERVIEW: NestedMap<(EraIndex, AccountId), PagedExposureMetadata> =
    NestedMap::new(NAME, "ErasStakersOverview", "What stands behind validators, by era.");
static ERAS_STAKERS_PAGED: NestedMap<(EraIndex, AccountId, u32), ExposurePage> =
    NestedMap::new(NAME, "ErasStakersPaged", "Nominators behind validators, by era, in pages.");
static CLAIMED_REWARDS: NestedMap<(EraIndex, AccountId), Vec<u32>> =
    NestedMap::new_default(NAME, "ClaimedRewards", "Pages of stakers that were paid, by era.");
static ERAS_VALIDATOR_PREFS: NestedMap<(EraIndex, AccountId), ValidatorPrefs> =
    NestedMap::new_default(NAME, "ErasValidatorPrefs", "What validators ask for, by era.");
static ERAS_VALIDATOR_REWARD: Map<EraIndex, Balance, Twox64Concat> =
    Map::new(NAME, "ErasValidatorReward", "The reward of each era that has ended.");
static ERAS_REWARD_POINTS: Map<EraIndex, EraRewardPoints, Twox64Concat> =
    Map::new_default(NAME, "ErasRewardPoints", "Points of validators, by era.");
static ERAS_TOTAL_STAKE: Map<EraIndex, Balance, Twox64Concat> =
    Map::new_default(NAME, "ErasTotalStake", "All stake behind validators, by era.");
static VALIDATOR_SLASH_IN_ERA: NestedMap<(EraIndex, AccountId), (Perbill, Balance)> =
    NestedMap::new(
        NAME,
        "ValidatorSlashInEra",
        "The largest share ordered of the stake behind a validator in an era, and what of its own was taken.",
    );
static SLASHES: NestedMap<(EraIndex, AccountId), Slash> =
    NestedMap::new(NAME, "OrderedSlashes", "Slashes that are being taken.");
static SPAN_SLASHES: NestedMap<(EraIndex, AccountId, AccountId), Balance> = NestedMap::new(
    NAME,
    "SpanSlashes",
    "What a slashing span has cost stakers, by its last era, the validator and the staker.",
);
static JAILED: Map<AccountId, Jail, Twox64Concat> =
    Map::new(NAME, "Jailed", "Equivocators, and for how long they may not validate.");
static ELECTION: Value<Election> =
    Value::new(NAME, "Election", "The election that goes on, if one does.");
static PAYING: Value<Paying> = Value::new_default(NAME, "Paying", "Who is paid next.");
static UNPAID: Value<Vec<(EraIndex, Balance)>> =
    Value::new_default(NAME, "Unpaid", "What is left of the rewards of eras that are being paid.");
static FORGOTTEN: Value<EraIndex> =
    Value::new_default(NAME, "ForgottenEras", "The first era that is not all forgotten.");

/// What users can do.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
#[allow(non_camel_case_types)]
pub enum Call {
    /// Bond some of your money, as stash: it can validate or nominate then.
    #[codec(index = 0)]
    bond {
        /// How much; at most what can be spent.
        #[codec(compact)]
        value: Balance,
        /// Where rewards go.
        payee: RewardDestination,
    },
    /// Bond more.
    #[codec(index = 1)]
    bond_extra {
        /// How much; at most what can be spent.
        #[codec(compact)]
        max_additional: Balance,
    },
    /// Take stake out: it waits for 56 eras, is slashable until then, and is yours after withdraw_unbonded.
    #[codec(index = 2)]
    unbond {
        /// How much; all, if less than the existential deposit would be left.
        #[codec(compact)]
        value: Balance,
    },
    /// Make stake free that has waited long enough.
    #[codec(index = 3)]
    withdraw_unbonded {
        /// Nothing on this chain.
        num_slashing_spans: u32,
    },
    /// Ask to be elected from the next era on. Set session keys, too: they count two eras later.
    #[codec(index = 4)]
    validate {
        /// Your commission, and whether you take no new nominators.
        prefs: ValidatorPrefs,
    },
    /// Put your stake behind validators from the next era on. You gain and lose with them.
    #[codec(index = 5)]
    nominate {
        /// One to 16 validators.
        targets: Vec<MultiAddress>,
    },
    /// Neither validate nor nominate from the next era on.
    #[codec(index = 6)]
    chill,
    /// Say where rewards go.
    #[codec(index = 7)]
    set_payee {
        /// Where to.
        payee: RewardDestination,
    },
    /// Set how many validators are elected (governance).
    #[codec(index = 9)]
    set_validator_count {
        /// At most; 1 to 512.
        #[codec(compact)]
        new: u32,
    },
    /// Pay stakers behind a validator for an era that has ended, a page at a time. They are paid without it, too, but
    /// perhaps some blocks later.
    #[codec(index = 18)]
    payout_stakers {
        /// The validator.
        validator_stash: AccountId,
        /// The era.
        era: EraIndex,
    },
    /// Bond stake again that waits to be withdrawn, the latest first.
    #[codec(index = 19)]
    rebond {
        /// How much.
        #[codec(compact)]
        value: Balance,
    },
    /// Pay a certain page of stakers behind a validator for an era that has ended.
    #[codec(index = 26)]
    payout_stakers_by_page {
        /// The validator.
        validator_stash: AccountId,
        /// The era.
        era: EraIndex,
        /// The page, from 0.
        page: u32,
    },
    /// Change parameters (governance).
    #[codec(index = 100)]
    set_params {
        /// The new parameters, whole.
        params: Params,
    },
}

/// What users are told.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
#[allow(missing_docs)] // Fields say what they are.
pub enum Event {
    /// An era has ended, and so much is shared by its stakers.
    #[codec(index = 0)]
    EraPaid { era_index: EraIndex, validator_payout: Balance, remainder: Balance },
    /// A staker was rewarded.
    #[codec(index = 1)]
    Rewarded { stash: AccountId, dest: RewardDestination, amount: Balance },
    /// A staker lost stake.
    #[codec(index = 2)]
    Slashed { staker: AccountId, amount: Balance },
    /// All who stood behind a validator in an era lose this share of what they had there, less what they lost before over
    /// offences of the same span.
    #[codec(index = 3)]
    SlashReported { validator: AccountId, fraction: Perbill, slash_era: EraIndex },
    /// Validators of the next era are elected.
    #[codec(index = 5)]
    StakersElected,
    /// Stake was bonded.
    #[codec(index = 6)]
    Bonded { stash: AccountId, amount: Balance },
    /// Stake waits to be withdrawn.
    #[codec(index = 7)]
    Unbonded { stash: AccountId, amount: Balance },
    /// Stake is free again.
    #[codec(index = 8)]
    Withdrawn { stash: AccountId, amount: Balance },
    /// Nobody can be elected: those who decide blocks go on.
    #[codec(index = 10)]
    StakingElectionFailed,
    /// A stash neither validates nor nominates any more.
    #[codec(index = 11)]
    Chilled { stash: AccountId },
    /// A page of stakers is being paid.
    #[codec(index = 12)]
    PayoutStarted { era_index: EraIndex, validator_stash: AccountId, page: u32, next: Option<u32> },
    /// A validator has said what it asks for.
    #[codec(index = 13)]
    ValidatorPrefsSet { stash: AccountId, prefs: ValidatorPrefs },
    /// A validator has missed most blocks of an era.
    #[codec(index = 100)]
    Absent { stash: AccountId, missed: u32, blocks: u32 },
    /// An equivocator may not validate before the era `until`.
    #[codec(index = 101)]
    Jailed { stash: AccountId, until: EraIndex },
    /// The parameters changed.
    #[codec(index = 102)]
    ParamsSet {},
}

impl PalletEvent for Event {
    const PALLET: u8 = INDEX;
}

/// Why calls fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum Error {
    /// This account has bonded nothing; bond first.
    #[codec(index = 0)]
    NotController,
    /// This account has bonded nothing, or was no validator in that era.
    #[codec(index = 1)]
    NotStash,
    /// This account has bonded already; use bond_extra.
    #[codec(index = 2)]
    AlreadyBonded,
    /// Name at least one validator.
    #[codec(index = 4)]
    EmptyTargets,
    /// A validator is named twice.
    #[codec(index = 5)]
    DuplicateIndex,
    /// The active stake would be below the minimum of its role, or of the existential deposit; chill first if you want to
    /// leave.
    #[codec(index = 7)]
    InsufficientBond,
    /// Stake already unlocks at 32 different times; withdraw what has waited long enough.
    #[codec(index = 8)]
    NoMoreChunks,
    /// Nothing waits to be withdrawn.
    #[codec(index = 9)]
    NoUnlockChunk,
    /// The era has not ended, or is forgotten.
    #[codec(index = 11)]
    InvalidEraToReward,
    /// Those stakers were paid, or have earned nothing.
    #[codec(index = 14)]
    AlreadyClaimed,
    /// There is no such page of stakers.
    #[codec(index = 15)]
    InvalidPage,
    /// Name at most 16 validators.
    #[codec(index = 19)]
    TooManyTargets,
    /// An account that is named does not validate, or takes no new nominators.
    #[codec(index = 20)]
    BadTarget,
    /// There are as many nominators as there may be.
    #[codec(index = 22)]
    TooManyNominators,
    /// There are as many validators as there may be.
    #[codec(index = 23)]
    TooManyValidators,
    /// The commission is below the minimum, or above the whole.
    #[codec(index = 24)]
    CommissionTooLow,
    /// A number is outside the bounds that code sets.
    #[codec(index = 25)]
    BoundNotMet,
    /// This account signed two things where it may sign one: it may not validate yet.
    #[codec(index = 100)]
    Jailed,
    /// Validators of the next era are being elected, and nominators stay as they are until then; try again in some blocks.
    #[codec(index = 101)]
    ElectionOngoing,
}

impl PalletError for Error {
    const PALLET: u8 = INDEX;
}

impl Dispatch for Call {
    fn weight(&self) -> Weight {
        match self {
            Self::bond { .. } => Weight::rw(5, 5),
            Self::bond_extra { .. } => Weight::rw(5, 4),
            Self::unbond { .. } | Self::withdraw_unbonded { .. } => Weight::rw(12, 10),
            Self::rebond { .. } => Weight::rw(3, 2),
            Self::validate { .. } => Weight::rw(11, 6),
            Self::nominate { targets } => {
                let targets = u32::try_from(targets.len()).unwrap_or(u32::MAX);
                Weight::rw(10, 6).plus(Weight::rw(1, 0).times(targets.min(TARGETS_MAX)))
            }
            Self::chill => Weight::rw(7, 4),
            Self::set_payee { .. } => Weight::rw(2, 1),
            Self::set_validator_count { .. } => Weight::rw(0, 1),
            Self::payout_stakers { .. } | Self::payout_stakers_by_page { .. } => {
                Weight::rw(12, 4).plus(Weight::rw(STAKER_READS, STAKER_WRITES).times(PAGE_MAX + 1))
            }
            Self::set_params { .. } => Weight::rw(0, 4),
        }
    }

    fn dispatch(self, cx: &mut Ctx, origin: Origin) -> DispatchResult {
        match self {
            Self::bond { value, payee } => ledger::bond(cx, origin.signed()?, value, payee),
            Self::bond_extra { max_additional } => {
                ledger::bond_extra(cx, origin.signed()?, max_additional)
            }
            Self::unbond { value } => ledger::unbond(cx, origin.signed()?, value),
            Self::withdraw_unbonded { .. } => ledger::withdraw_unbonded(cx, origin.signed()?),
            Self::validate { prefs } => roles::validate(cx, origin.signed()?, prefs),
            Self::nominate { targets } => roles::nominate(cx, origin.signed()?, &targets),
            Self::chill => {
                let stash = origin.signed()?;
                ledger::load(cx, &stash)?;
                roles::ensure_may_change(cx, &stash)?;
                chill(cx, &stash);
                Ok(())
            }
            Self::set_payee { payee } => {
                let stash = origin.signed()?;
                ledger::load(cx, &stash)?;
                PAYEE.set(cx, &stash, &payee);
                Ok(())
            }
            Self::set_validator_count { new } => {
                origin.root()?;
                check_count(new).map_err(|_| Error::BoundNotMet)?;
                VALIDATOR_COUNT.set(cx, &new);
                Ok(())
            }
            Self::payout_stakers { validator_stash, era } => {
                origin.signed()?;
                rewards::payout(cx, &validator_stash, era, None)
            }
            Self::rebond { value } => ledger::rebond(cx, origin.signed()?, value),
            Self::payout_stakers_by_page { validator_stash, era, page } => {
                origin.signed()?;
                rewards::payout(cx, &validator_stash, era, Some(page))
            }
            Self::set_params { params } => {
                origin.root()?;
                ensure(params.check().is_ok(), Error::BoundNotMet)?;
                set_params(cx, &params);
                cx.emit(Event::ParamsSet {});
                Ok(())
            }
        }
    }
}

/// The parameters in force.
pub fn params(state: &dyn StateRead) -> Params {
    PARAMS.get(state).unwrap_or_default()
}

/// Clients look for minima under names of their own.
fn set_params(cx: &mut Ctx, params: &Params) {
    PARAMS.set(cx, params);
    MIN_NOMINATOR_BOND.set(cx, &params.nominator_bond_min);
    MIN_VALIDATOR_BOND.set(cx, &params.validator_bond_min);
    MIN_COMMISSION.set(cx, &params.commission_min());
}

/// The era that runs; none before genesis.
pub fn active_era(state: &dyn StateRead) -> Option<ActiveEraInfo> {
    ACTIVE_ERA.get(state)
}

/// What stands behind a validator in an era.
pub fn exposure(
    state: &dyn StateRead,
    era: EraIndex,
    validator: &AccountId,
) -> Option<PagedExposureMetadata> {
    ERAS_STAKERS_OVERVIEW.get(state, &(era, *validator))
}

/// Points that validators have in an era.
pub fn reward_points(state: &dyn StateRead, era: EraIndex) -> EraRewardPoints {
    ERAS_REWARD_POINTS.get(state, &era).unwrap_or_default()
}

fn check_count(count: u32) -> Result<(), String> {
    let most = session::VALIDATORS_MAX;
    if count > 0 && usize::try_from(count).is_ok_and(|count| count <= most) {
        Ok(())
    } else {
        Err(format!("validator_count is {count}: 1 to {most}"))
    }
}

/// The pallet.
pub struct Pallet;

impl framework::Pallet for Pallet {
    const NAME: &'static str = NAME;
    const INDEX: u8 = INDEX;
    const DOC: &'static str = "Stake, elections, rewards and slashes of those who decide blocks.";
    const STORAGE: StorageItems = &[
        &VALIDATOR_COUNT,
        &MINIMUM_VALIDATOR_COUNT,
        &BONDED,
        &MIN_NOMINATOR_BOND,
        &MIN_VALIDATOR_BOND,
        &MIN_COMMISSION,
        &LEDGER,
        &PAYEE,
        &VALIDATORS,
        &COUNTER_FOR_VALIDATORS,
        &MAX_VALIDATORS_COUNT,
        &NOMINATORS,
        &COUNTER_FOR_NOMINATORS,
        &MAX_NOMINATORS_COUNT,
        &CURRENT_ERA,
        &ACTIVE_ERA,
        &ERAS_START_SESSION_INDEX,
        &ERAS_STAKERS_OVERVIEW,
        &ERAS_STAKERS_PAGED,
        &CLAIMED_REWARDS,
        &ERAS_VALIDATOR_PREFS,
        &ERAS_VALIDATOR_REWARD,
        &ERAS_REWARD_POINTS,
        &ERAS_TOTAL_STAKE,
        &VALIDATOR_SLASH_IN_ERA,
        &SLASHES,
        &SPAN_SLASHES,
        &JAILED,
        &ELECTION,
        &PAYING,
        &UNPAID,
        &FORGOTTEN,
        &PARAMS,
    ];
    type Call = Call;
    type Event = Event;
    type Error = Error;
    type Genesis = Genesis;

    fn constants() -> Vec<ConstantMeta> {
        let unlocking = u32::try_from(UNLOCKING_MAX).unwrap_or(u32::MAX);
        vec![
            ConstantMeta::new("HistoryDepth", &HISTORY_DEPTH, "How many eras are remembered."),
            ConstantMeta::new("SessionsPerEra", &1u32, "A session is an era."),
            ConstantMeta::new("BondingDuration", &BONDING_ERAS, "Eras that unbonding takes."),
            ConstantMeta::new("SlashDeferDuration", &0u32, "Slashes are taken at once."),
            ConstantMeta::new("MaxNominations", &TARGETS_MAX, "Most validators to nominate."),
            ConstantMeta::new("MaxExposurePageSize", &PAGE_MAX, "Most nominators on a page."),
            ConstantMeta::new("MaxUnlockingChunks", &unlocking, "Most parts that unlock."),
        ]
    }

    fn genesis(cx: &mut Ctx, spec: Genesis) -> Result<(), String> {
        genesis::build(cx, spec)
    }

    fn on_finalize(cx: &mut Ctx) {
        if let Some(active) = ACTIVE_ERA.get(cx)
            && active.start.is_none()
        {
            ACTIVE_ERA.set(cx, &ActiveEraInfo { start: Some(cx.block.time_ms), ..active });
        }
        rewards::credit_author(cx);
        slashing::take_ordered(cx);
        election::run(cx);
        rewards::run(cx);
        history::forget(cx);
    }

    fn next_due(state: &dyn StateRead) -> Option<Moment> {
        let active = ACTIVE_ERA.get(state)?;
        let has_work = election::goes_on(state)
            || slashing::next(state).is_some()
            || rewards::is_due(state, &active)
            || history::is_due(state, &active);
        if has_work { active.start } else { election::ends_at(state, &active) }
    }

    fn check(state: &dyn StateRead) -> Result<(), String> {
        check::check(state)
    }
}

#[cfg(test)]
mod tests;
