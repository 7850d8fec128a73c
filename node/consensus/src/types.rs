//! Who decides a height.

use primitives::{AccountId, Height, ValidatorInfo, ValidatorSet, proposer_point};
pub use primitives::{
    POWER_TOTAL_MAX, ROUND_MAX, Step, VALIDATORS_MAX, proposal_bytes, vote_bytes,
};
use std::{fmt, ops::Deref, sync::Arc};

/// Milliseconds on a clock that only runs forward, from any start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub u64);

impl Time {
    /// Milliseconds since `earlier`; 0 if that is later.
    pub const fn since_ms(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
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
        let point = proposer_point(&self.0.set.seed, height, round, self.0.total);
        let place = self.0.cumulative.partition_point(|sum| *sum <= point);
        self.0.set.validators.get(place).expect("the point is below the last cumulative power")
    }

    pub(crate) fn members(&self) -> &[ValidatorInfo] {
        &self.0.set.validators
    }
}

/// Checked validators are validators.
impl Deref for Validators {
    type Target = ValidatorSet;

    fn deref(&self) -> &ValidatorSet {
        &self.0.set
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
