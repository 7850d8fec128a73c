//! Parameters.

use super::{Perbill, types::EraIndex};
use codec::{Decode, DecodeWithMemTracking, Encode};
use framework::Moment;
use primitives::{Balance, PARTS_PER_MILLION};
use scale_info::TypeInfo;
use serde::{Deserialize, Serialize};

/// Shortest era: its election and rewards take some blocks where there are many stakers.
pub const ERA_MS_MIN: Moment = 10_000;
/// Longest era: evidence and unbonding count in eras, and nobody should wait for months.
pub const ERA_MS_MAX: Moment = 24 * 3_600_000;
/// How many eras unbonding takes: 14 days of eras of six hours. Evidence reaches back fewer, so that whatever it
/// names still holds its stake.
pub const BONDING_ERAS: EraIndex = 56;
/// Most inflation in a year.
const INFLATION_PPM_MAX: u32 = 200_000;

/// Parameters of staking.
#[derive(
    Clone,
    Debug,
    PartialEq,
    Eq,
    Encode,
    Decode,
    DecodeWithMemTracking,
    TypeInfo,
    Serialize,
    Deserialize,
)]
#[serde(default, deny_unknown_fields)]
pub struct Params {
    /// How long an era lasts, in milliseconds. It ends with the first block whose time reaches that.
    pub era_ms: Moment,
    /// New money for stakers in a year, of all money, in parts per million.
    pub inflation_ppm: u32,
    /// Least active stake of a nominator.
    pub nominator_bond_min: Balance,
    /// Least active stake of a validator.
    pub validator_bond_min: Balance,
    /// Least commission of validators, in parts per million.
    pub commission_ppm_min: u32,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            era_ms: 6 * 3_600_000,
            inflation_ppm: 50_000,
            nominator_bond_min: Balance::new(10_000_000_000_000),
            validator_bond_min: Balance::new(100_000_000_000_000),
            commission_ppm_min: 0,
        }
    }
}

impl Params {
    /// Checks the bounds that code sets.
    ///
    /// # Errors
    ///
    /// What is out of bounds, in words for a spec's author.
    pub fn check(&self) -> Result<(), String> {
        if !(ERA_MS_MIN..=ERA_MS_MAX).contains(&self.era_ms) {
            return Err(format!("era_ms is {}: {ERA_MS_MIN} to {ERA_MS_MAX}", self.era_ms));
        }
        if self.inflation_ppm > INFLATION_PPM_MAX {
            return Err(format!("inflation_ppm is above {INFLATION_PPM_MAX}"));
        }
        if self.commission_ppm_min > PARTS_PER_MILLION {
            return Err(format!("commission_ppm_min is above {PARTS_PER_MILLION}"));
        }
        Ok(())
    }

    /// Least commission of validators.
    pub fn commission_min(&self) -> Perbill {
        Perbill::from_ppm(self.commission_ppm_min)
    }
}
