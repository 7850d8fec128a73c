//! Parameters of payouts.

use crate::balances::EXISTENTIAL_DEPOSIT;
use framework::prelude::*;
use serde::{Deserialize, Serialize};

/// Largest minimum of a transfer: 10^6 existential deposits.
pub const MINIMUM_MAX: Balance = EXISTENTIAL_DEPOSIT.saturating_mul(1_000_000);

/// Parameters of payouts; spans are in milliseconds of market time.
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
    /// A payee that is owed this much is paid at once, unless it wants another minimum.
    pub minimum: Balance,
    /// What is less is paid this long after the first of it accrued.
    pub era_ms: Moment,
    /// Time to the first retry of a transfer that failed; each further one takes twice as long.
    pub retry_ms: Moment,
    /// How long a payout that could not be paid can be claimed.
    pub unclaimed_ms: Moment,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            minimum: EXISTENTIAL_DEPOSIT.saturating_mul(20),
            era_ms: 6 * 3_600_000,
            retry_ms: 5_000,
            unclaimed_ms: 90 * 24 * 3_600_000,
        }
    }
}

impl Params {
    /// The bounds that code sets to governance.
    pub fn check(&self) -> Result<(), String> {
        if self.minimum < EXISTENTIAL_DEPOSIT || self.minimum > MINIMUM_MAX {
            return Err(format!(
                "minimum = {}: from {EXISTENTIAL_DEPOSIT} to {MINIMUM_MAX}",
                self.minimum
            ));
        }
        let spans = [self.era_ms, self.retry_ms, self.unclaimed_ms];
        if !spans.iter().all(|span| (1_000..=31_536_000_000).contains(span)) {
            return Err(format!(
                "era_ms, retry_ms, unclaimed_ms = {spans:?}: each from a second to a year"
            ));
        }
        Ok(())
    }
}
