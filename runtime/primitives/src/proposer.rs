//! Whose turn it is to propose.

use crate::crypto::hash::blake2_256;
use crate::{Hash, Height, ValidatorInfo, ValidatorSet, validators::CONSENSUS_DOMAIN};
use codec::Encode;

/// Most validators of one height.
pub const VALIDATORS_MAX: usize = 512;
/// Largest sum of power in a set: consensus multiplies it by three.
pub const POWER_TOTAL_MAX: u64 = u64::MAX / 3;

/// A point below the total power, drawn from the seed of a height's set: the proposer of the round is the
/// first validator up to and with whom the power sums to more. `None` is the round before the first, for which
/// consensus asks too. `total` is not 0.
pub fn proposer_point(seed: &Hash, height: Height, round: Option<u32>, total: u64) -> u64 {
    let digest = blake2_256(&(CONSENSUS_DOMAIN, seed, height, round).encode()).0;
    let (draw, _) = digest.split_first_chunk().expect("a hash has more than 16 bytes");
    // 128 bits against a total below 2^63: the bias of the remainder is below 2^-64.
    let point = u128::from_le_bytes(*draw) % u128::from(total);
    u64::try_from(point).expect("it is below the total")
}

impl ValidatorSet {
    /// Power of all members; at most [`POWER_TOTAL_MAX`].
    pub fn total_power(&self) -> u64 {
        self.validators.iter().fold(0, |sum, v| sum.saturating_add(v.power))
    }

    /// Who proposes in this round, drawn by power from the set's seed; nobody in a set without power.
    pub fn proposer(&self, height: Height, round: u32) -> Option<&ValidatorInfo> {
        let total = self.total_power();
        if total == 0 {
            return None;
        }
        let point = proposer_point(&self.seed, height, Some(round), total);
        let mut sum = 0u64;
        self.validators.iter().find(|validator| {
            sum = sum.saturating_add(validator.power);
            sum > point
        })
    }
}
