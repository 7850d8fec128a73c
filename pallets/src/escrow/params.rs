//! What the market costs.

use framework::prelude::*;
use primitives::PARTS_PER_MILLION;
use serde::{Deserialize, Serialize};

/// Largest fee on rewards that governance may set, in parts per million.
pub const FEE_PPM_MAX: u32 = 300_000;
/// Largest listing fee and largest storage deposits that governance may set.
pub const DEPOSIT_MAX: Balance = Balance::new(1_000_000_000_000_000);
/// Units of fuel that the audit price is for.
pub const AUDIT_FUEL: u128 = 1_000_000;

/// Fees and deposits.
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
    /// Fee on rewards, in parts per million.
    pub fee_ppm: u32,
    /// Share of the fee that validators get, in parts per million.
    pub fee_validators_ppm: u32,
    /// Share of the fee that the audit pool gets.
    pub fee_audits_ppm: u32,
    /// Share of the fee that the treasury gets; what is left of the fee is burned.
    pub fee_treasury_ppm: u32,
    /// Burned when a task closes that nobody worked on.
    pub listing_fee: Balance,
    /// Deposit for a task's place in state, whatever its size.
    pub storage_base: Balance,
    /// Deposit for each byte of its specification.
    pub storage_per_byte: Balance,
    /// Price of re-executing 10^6 units of fuel.
    pub audit_price: Balance,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            fee_ppm: 50_000,
            fee_validators_ppm: 400_000,
            fee_audits_ppm: 200_000,
            fee_treasury_ppm: 300_000,
            listing_fee: Balance::new(1_000_000_000),
            storage_base: Balance::new(10_000_000_000),
            storage_per_byte: Balance::new(1_000_000),
            audit_price: Balance::new(10_000),
        }
    }
}

/// What a task's creator puts on hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Deposit for the task's place in state.
    pub storage: Balance,
    /// Fee on each reward.
    pub fee: Balance,
    /// Rewards with fees, and audits.
    pub work: Balance,
}

impl Params {
    /// The bounds that code sets to governance.
    pub fn check(&self) -> Result<(), String> {
        if self.fee_ppm > FEE_PPM_MAX {
            return Err(format!("fee_ppm = {} is above {FEE_PPM_MAX}", self.fee_ppm));
        }
        let shares = [self.fee_validators_ppm, self.fee_audits_ppm, self.fee_treasury_ppm];
        let sum = shares.iter().try_fold(0u32, |sum, share| sum.checked_add(*share));
        if sum.is_none_or(|sum| sum > PARTS_PER_MILLION) {
            return Err(format!("the fee's shares {shares:?} sum to more than 1000000"));
        }
        let deposits = [self.listing_fee, self.storage_base, self.storage_per_byte];
        if deposits.iter().any(|amount| *amount > DEPOSIT_MAX) || self.audit_price > DEPOSIT_MAX {
            return Err(format!("fees and deposits are at most {DEPOSIT_MAX} each"));
        }
        if self.listing_fee > self.storage_base {
            return Err(format!(
                "listing_fee = {} is above storage_base = {}, out of which it is paid",
                self.listing_fee, self.storage_base
            ));
        }
        Ok(())
    }

    /// The fee on a reward, rounded up.
    pub fn fee(&self, reward: Balance) -> Balance {
        reward.share_ceil(self.fee_ppm)
    }

    /// `E = (1 + phi) w (r + x) + r A + storage deposit`, with A twice the price of re-executing
    /// all of the task's fuel. `None` where it does not fit.
    pub fn cost(
        &self,
        reward: Balance,
        replicas: u8,
        extra_attempts: u8,
        fuel_limit: u64,
        spec_bytes: usize,
    ) -> Option<Cost> {
        let slots = u128::from(replicas) + u128::from(extra_attempts);
        let audit = self.audit_price.checked_mul(u128::from(fuel_limit).checked_mul(2)?)?;
        let audit = Balance::new(audit.get().div_ceil(AUDIT_FUEL));
        let fee = self.fee(reward);
        let work = reward
            .checked_add(fee)?
            .checked_mul(slots)?
            .checked_add(audit.checked_mul(u128::from(replicas))?)?;
        let bytes = u128::try_from(spec_bytes).ok()?;
        let storage = self.storage_base.checked_add(self.storage_per_byte.checked_mul(bytes)?)?;
        Some(Cost { storage, fee, work })
    }
}
