//! What a transaction costs.

use crate::system::{BASE_WEIGHT, BLOCK_BYTES_MAX, NORMAL_REF_TIME_MAX, ref_time_max};
use codec::{Decode, Encode};
use framework::{DispatchClass, Pays, Weight};
use primitives::{Balance, PARTS_PER_MILLION};
use scale_info::TypeInfo;

/// Price of a picosecond of the reference machine, before the multiplier.
pub const WEIGHT_FEE_PER_PS: u128 = 4;
/// Price of a byte.
pub const LENGTH_FEE_PER_BYTE: u128 = 1_000_000;
/// How many times its fee an operational transaction offers when blocks are contended.
pub const OPERATIONAL_FEE_MULTIPLIER: u8 = 5;
/// The part of a block's room for users' calls at which the price stands still.
const TARGET_FULLNESS_PPM: i128 = 250_000;
/// The price follows the distance from the target divided by this.
const ADJUSTMENT_DIVISOR: i128 = 128;
/// One, in the multiplier's fixed-point form.
const ONE: u128 = 1_000_000_000_000_000_000;
/// Highest multiplier: a million.
const MULTIPLIER_MAX: u128 = ONE * 1_000_000;
const PARTS_PER_BILLION: i128 = 1_000_000_000;

/// Factor on the price of weight, in units of 10^-18. It is at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode, TypeInfo)]
pub struct Multiplier(u128);

impl Default for Multiplier {
    fn default() -> Self {
        Self(ONE)
    }
}

impl Multiplier {
    /// The multiplier after a block whose users' calls took `used_ref_time` picoseconds.
    ///
    /// The formula is that of Polkadot's `TargetedFeeAdjustment`: with the distance d from the target and
    /// v = 1/128, the factor is 1 + vd + (vd)^2 / 2, the start of e^(vd). Full blocks double the price in
    /// about 120 blocks; empty ones halve it in about 355.
    pub fn after_block(self, used_ref_time: u64) -> Self {
        let fullness = u128::from(used_ref_time.min(NORMAL_REF_TIME_MAX))
            * u128::from(PARTS_PER_MILLION)
            / u128::from(NORMAL_REF_TIME_MAX);
        let fullness = i128::try_from(fullness).expect("at most a million");
        let scaled = (fullness - TARGET_FULLNESS_PPM) * (PARTS_PER_BILLION / 1_000_000);
        let vd = scaled / ADJUSTMENT_DIVISOR;
        let change = vd + vd * vd / PARTS_PER_BILLION / 2;
        let factor =
            u128::try_from(PARTS_PER_BILLION + change).expect("the price falls by 0.2 % at most");
        let billion = PARTS_PER_BILLION.unsigned_abs();
        // At most 10^24 * 1.006 * 10^9, which fits 128 bits.
        Self((self.0 * factor / billion).clamp(ONE, MULTIPLIER_MAX))
    }

    /// The multiplier as a number of 10^-18.
    pub const fn units(self) -> u128 {
        self.0
    }

    /// An amount times this, rounded down.
    fn times(self, amount: Balance) -> Balance {
        // Split at one, so that the product leaves 128 bits only where the result does.
        let (whole, part) = (self.0 / ONE, self.0 % ONE);
        let of_part = match amount.checked_mul(part) {
            Some(product) => Balance::new(product.get() / ONE),
            None => Balance::new(amount.get() / ONE).saturating_mul(part),
        };
        amount.saturating_mul(whole).saturating_add(of_part)
    }
}

/// The parts of the fee that inclusion costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct InclusionFee {
    /// For being a transaction at all.
    pub base_fee: Balance,
    /// For the bytes.
    pub len_fee: Balance,
    /// For the call's weight, times the multiplier.
    pub adjusted_weight_fee: Balance,
}

impl InclusionFee {
    /// The sum.
    pub fn total(&self) -> Balance {
        self.base_fee.saturating_add(self.len_fee).saturating_add(self.adjusted_weight_fee)
    }
}

/// All that a transaction pays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct FeeDetails {
    /// The fee; `None` for calls that pay none.
    pub inclusion_fee: Option<InclusionFee>,
    /// What goes to the author on top.
    pub tip: Balance,
}

impl FeeDetails {
    /// The fee without the tip.
    pub fn fee(&self) -> Balance {
        self.inclusion_fee.map(|fee| fee.total()).unwrap_or_default()
    }

    /// Fee and tip.
    pub fn total(&self) -> Balance {
        self.fee().saturating_add(self.tip)
    }
}

/// What the fee depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Priced {
    /// Bytes of the transaction, its length prefix included.
    pub length: u32,
    /// Weight of the call.
    pub weight: Weight,
    /// Class of the call.
    pub class: DispatchClass,
    /// Whether the call pays.
    pub pays: Pays,
    /// What the sender adds.
    pub tip: Balance,
}

impl Priced {
    /// What this costs.
    pub fn fee_details(&self, multiplier: Multiplier) -> FeeDetails {
        let inclusion_fee = (self.pays == Pays::Yes).then(|| InclusionFee {
            base_fee: weight_fee(&BASE_WEIGHT),
            len_fee: length_to_fee(self.length),
            adjusted_weight_fee: multiplier.times(weight_fee(&self.weight)),
        });
        FeeDetails { inclusion_fee, tip: self.tip }
    }

    /// Picoseconds that this takes of a block.
    pub fn ref_time(&self) -> u64 {
        self.weight.plus(BASE_WEIGHT).ref_time()
    }

    /// How much a full block of such transactions would pay: what an author sorts by.
    pub fn priority(&self, fees: &FeeDetails) -> u64 {
        let fitting = |max: u64, one: u64| max / one.max(1);
        let room = ref_time_max(self.class).min(NORMAL_REF_TIME_MAX);
        let count = fitting(room, self.ref_time())
            .min(fitting(u64::from(BLOCK_BYTES_MAX), u64::from(self.length)));
        let factor = match self.class {
            DispatchClass::Operational => OPERATIONAL_FEE_MULTIPLIER,
            DispatchClass::Normal | DispatchClass::Mandatory => 1,
        };
        let paid = fees.total().saturating_mul(u128::from(count) * u128::from(factor));
        u64::try_from(paid.get()).unwrap_or(u64::MAX)
    }
}

fn weight_fee(weight: &Weight) -> Balance {
    weight_to_fee(weight.ref_time())
}

/// Price of so many picoseconds, before the multiplier.
pub fn weight_to_fee(ref_time: u64) -> Balance {
    Balance::new(WEIGHT_FEE_PER_PS).saturating_mul(u128::from(ref_time))
}

/// Price of so many bytes.
pub fn length_to_fee(bytes: u32) -> Balance {
    Balance::new(LENGTH_FEE_PER_BYTE).saturating_mul(u128::from(bytes))
}
