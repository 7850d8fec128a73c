//! Amounts of the native token.

use codec::{CompactAs, Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::{Type, TypeInfo};
use std::{fmt, iter::Sum, str::FromStr};

/// The whole, where a share is counted in parts per million.
pub const PARTS_PER_MILLION: u32 = 1_000_000;

/// An amount of the native token in its smallest unit (10^-12 of a token).
///
/// It has no operators: every sum, difference and product is checked, saturating or a share.
#[derive(
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    CompactAs,
)]
pub struct Balance(u128);

impl Balance {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// The largest amount that can be written.
    pub const MAX: Self = Self(u128::MAX);

    /// So many of the smallest unit.
    pub const fn new(units: u128) -> Self {
        Self(units)
    }

    /// The amount in the smallest unit.
    pub const fn get(self) -> u128 {
        self.0
    }

    /// Whether this is nothing.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The sum, or `None` where it does not fit.
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(sum) => Some(Self(sum)),
            None => None,
        }
    }

    /// The difference, or `None` where it would be negative.
    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        match self.0.checked_sub(other.0) {
            Some(difference) => Some(Self(difference)),
            None => None,
        }
    }

    /// The product with a count, or `None` where it does not fit.
    pub const fn checked_mul(self, factor: u128) -> Option<Self> {
        match self.0.checked_mul(factor) {
            Some(product) => Some(Self(product)),
            None => None,
        }
    }

    /// The sum, at most [`Balance::MAX`].
    pub const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The difference, at least nothing.
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// The product with a count, at most [`Balance::MAX`].
    pub const fn saturating_mul(self, factor: u128) -> Self {
        Self(self.0.saturating_mul(factor))
    }

    /// A share in parts per million, rounded down; at most the whole.
    pub fn share_floor(self, parts: u32) -> Self {
        let million = u128::from(PARTS_PER_MILLION);
        let parts = u128::from(parts.min(PARTS_PER_MILLION));
        // Split at the million, so that no product leaves 128 bits: both addends are at most self.
        Self((self.0 / million) * parts + (self.0 % million) * parts / million)
    }

    /// The share that `part` has of `whole`, rounded down; at most the amount itself, and nothing where
    /// the whole is 0. No product is lost, however large the numbers are.
    pub fn portion_floor(self, part: u128, whole: u128) -> Self {
        if part >= whole {
            return if whole == 0 { Self::ZERO } else { self };
        }
        if let Some(product) = self.0.checked_mul(part) {
            return Self(product / whole);
        }
        // Long division of the product: bit by bit of the amount, the highest first, with quotient and
        // remainder so far. `part` and `rest` are below `whole`, so what does not fit is told by a carry.
        let (mut quotient, mut rest) = (0u128, 0u128);
        let mut add = |quotient: &mut u128, more: u128| {
            let (sum, carry) = rest.overflowing_add(more);
            let over = carry || sum >= whole;
            rest = if over { sum.wrapping_sub(whole) } else { sum };
            *quotient += u128::from(over);
            rest
        };
        for bit in (0..u128::BITS).rev() {
            quotient <<= 1;
            let twice = add(&mut quotient, 0);
            add(&mut quotient, twice);
            if self.0 >> bit & 1 == 1 {
                add(&mut quotient, part);
            }
        }
        Self(quotient)
    }

    /// A share in parts per million, rounded up; at most the whole.
    pub fn share_ceil(self, parts: u32) -> Self {
        let rest = PARTS_PER_MILLION - parts.min(PARTS_PER_MILLION);
        Self(self.0 - self.share_floor(rest).0)
    }
}

impl From<u128> for Balance {
    fn from(units: u128) -> Self {
        Self(units)
    }
}

impl fmt::Display for Balance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Balance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for Balance {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// A sum for checks and tests: it panics where the total does not fit.
impl Sum for Balance {
    fn sum<I: Iterator<Item = Self>>(mut amounts: I) -> Self {
        amounts
            .try_fold(Self::ZERO, Self::checked_add)
            .expect("amounts of one token sum to at most its issuance")
    }
}

/// Clients know balances as plain `u128`.
impl TypeInfo for Balance {
    type Identity = u128;

    fn type_info() -> Type {
        u128::type_info()
    }
}

/// JSON numbers above 2^53 lose digits in many readers, so amounts are decimal strings.
impl serde::Serialize for Balance {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Balance {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Balance;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an amount: a whole number, as a string or a number")
            }

            fn visit_u64<E: serde::de::Error>(self, units: u64) -> Result<Balance, E> {
                Ok(Balance(units.into()))
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Balance, E> {
                text.parse().map_err(|_| {
                    let text = crate::shown(text, 80);
                    E::custom(format_args!("'{text}' is not a whole number of units"))
                })
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl schemars::JsonSchema for Balance {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Balance".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^[0-9]+$",
            "description": "An amount in the smallest unit, in decimal.",
        })
    }
}
