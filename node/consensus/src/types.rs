//! Who decides a height, and the bytes that they sign.

use codec::Encode;
use primitives::{AccountId, Hash, Height, ValidatorInfo, ValidatorSet, crypto::hash::blake2_256};
use std::{fmt, sync::Arc};

/// Most validators of one height.
pub const VALIDATORS_MAX: usize = 512;
/// Largest sum of power in a set: Malachite multiplies it by three.
pub const POWER_TOTAL_MAX: u64 = u64::MAX / 3;
/// Highest round that a message may name. Timeouts grow by round, so that honest validators stay
/// far below.
pub const ROUND_MAX: u32 = 100_000;
/// Separates what consensus signs from everything else that a key might sign.
const DOMAIN: &[u8; 16] = b"artel/consensus1";

/// Milliseconds on a clock that only runs forward, from any start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub u64);

impl Time {
    /// Milliseconds since `earlier`; 0 if that is later.
    pub const fn since_ms(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// What a validator may sign once per round, in the order in which it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode)]
pub enum Step {
    /// The proposer names a block.
    Proposal,
    /// First vote.
    Prevote,
    /// Second vote: two thirds of these make a block final.
    Precommit,
}

/// The bytes that a vote's signature covers; the voter is implied by its key. `block` is `None` for
/// nil.
pub fn vote_bytes(
    genesis: &Hash,
    step: Step,
    height: Height,
    round: u32,
    block: Option<Hash>,
) -> Vec<u8> {
    (DOMAIN, genesis, step, height, round, block).encode()
}

/// The bytes that a proposal's signature covers. `pol_round` is the round whose polka justifies
/// proposing again.
pub fn proposal_bytes(
    genesis: &Hash,
    height: Height,
    round: u32,
    block: Hash,
    pol_round: Option<u32>,
) -> Vec<u8> {
    (DOMAIN, genesis, Step::Proposal, height, round, Some(block), pol_round).encode()
}

/// A set that cannot decide anything.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValidatorsError {
    /// Nobody could propose.
    #[error("the validator set is empty: name at least one validator with power")]
    Empty,
    /// More than [`VALIDATORS_MAX`].
    #[error("{0} validators are more than the {VALIDATORS_MAX} that one height may have")]
    TooMany(usize),
    /// Not strictly ascending.
    #[error("validator {0} is not above the one before it: sort by account, each account once")]
    Unsorted(AccountId),
    /// A validator that could never sign anything that counts.
    #[error("validator {0} has no power: leave it out")]
    Powerless(AccountId),
    /// Above [`POWER_TOTAL_MAX`].
    #[error("the power of all validators is above {POWER_TOTAL_MAX}: scale the stakes down")]
    TooMuchPower,
}

/// The checked validators of one height. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct Validators(Arc<Inner>);

#[derive(PartialEq, Eq)]
struct Inner {
    set: ValidatorSet,
    /// Power of all validators up to and with the one at this index.
    cumulative: Vec<u64>,
    total: u64,
}

impl Validators {
    /// Check a set: not empty, at most [`VALIDATORS_MAX`], strictly ascending, all with power,
    /// total power at most [`POWER_TOTAL_MAX`].
    pub fn new(set: ValidatorSet) -> Result<Self, ValidatorsError> {
        let count = set.validators.len();
        if count > VALIDATORS_MAX {
            return Err(ValidatorsError::TooMany(count));
        }
        let mut cumulative = Vec::with_capacity(count);
        let mut total = 0_u64;
        let mut before: Option<AccountId> = None;
        for validator in &set.validators {
            if before.is_some_and(|before| before >= validator.account) {
                return Err(ValidatorsError::Unsorted(validator.account));
            }
            if validator.power == 0 {
                return Err(ValidatorsError::Powerless(validator.account));
            }
            total = total
                .checked_add(validator.power)
                .filter(|total| *total <= POWER_TOTAL_MAX)
                .ok_or(ValidatorsError::TooMuchPower)?;
            cumulative.push(total);
            before = Some(validator.account);
        }
        if total == 0 {
            return Err(ValidatorsError::Empty);
        }
        Ok(Self(Arc::new(Inner { set, cumulative, total })))
    }

    /// The set as the runtime knows it.
    pub fn source(&self) -> &ValidatorSet {
        &self.0.set
    }

    /// Power of all members.
    pub fn total_power(&self) -> u64 {
        self.0.total
    }

    /// The member with this account.
    pub fn get(&self, account: &AccountId) -> Option<&ValidatorInfo> {
        self.0.set.get(account)
    }

    /// Whether this power is more than two thirds of the total.
    pub fn is_quorum(&self, power: u64) -> bool {
        exceeds(power, 2, self.0.total)
    }

    /// Whether this power is more than one third of the total: at least one of it is honest.
    pub fn has_honest(&self, power: u64) -> bool {
        exceeds(power, 1, self.0.total)
    }

    /// Who proposes in this round, drawn by power from the seed of the set. `None` is the round
    /// before the first, for which Malachite asks too.
    pub fn proposer(&self, height: Height, round: Option<u32>) -> AccountId {
        self.proposer_info(height, round).account
    }

    pub(crate) fn proposer_info(&self, height: Height, round: Option<u32>) -> &ValidatorInfo {
        let digest = blake2_256(&(DOMAIN, self.0.set.seed, height, round).encode()).0;
        let (draw, _) = digest.split_first_chunk().expect("a hash has more than 16 bytes");
        // 128 bits against a total below 2^63: the bias of the remainder is below 2^-64.
        let point = u128::from_le_bytes(*draw) % u128::from(self.0.total);
        let place = self.0.cumulative.partition_point(|sum| u128::from(*sum) <= point);
        self.0.set.validators.get(place).expect("the point is below the last cumulative power")
    }

    pub(crate) fn members(&self) -> &[ValidatorInfo] {
        &self.0.set.validators
    }
}

/// `power / total > thirds / 3`, without rounding.
fn exceeds(power: u64, thirds: u128, total: u64) -> bool {
    u128::from(power) * 3 > u128::from(total) * thirds
}

impl fmt::Debug for Validators {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Validators")
            .field("count", &self.0.set.validators.len())
            .field("total_power", &self.0.total)
            .field("seed", &self.0.set.seed)
            .finish()
    }
}
