//! Parameters of tasks.

use super::{Policy, TaskSpec};
use framework::prelude::*;
use primitives::PARTS_PER_MILLION;
use serde::{Deserialize, Serialize};

/// Longest span that a parameter or policy may name: a year, in milliseconds.
pub const SPAN_MS_MAX: Moment = 365 * 24 * 3_600_000;
/// Longest time that an agent may have for a task: 7 days, in milliseconds.
pub const EXEC_MS_MAX: Moment = 7 * 24 * 3_600_000;
/// Longest time that the record of a task that has ended may stay: 30 days, in milliseconds. Its deposit
/// is back by then.
pub const RETAIN_MS_MAX: Moment = 30 * 24 * 3_600_000;
/// Shortest span of a deadline: four blocks at the clock's largest step.
pub const DEADLINE_MS_MIN: Moment = 24_000;

/// What the fine for not delivering doubles up to, in parts per million.
const NO_SHOW_PPM_MAX: u32 = PARTS_PER_MILLION / 2;

/// Parameters of tasks; spans are in milliseconds of market time.
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
    /// Least reward of a slot.
    pub reward_min: Balance,
    /// Least stake that a slot puts at risk, S_min.
    pub slot_hold_min: Balance,
    /// Stake at risk per reward and value at risk, sigma.
    pub slot_hold_factor: u32,
    /// Stake that counts as one unit of weight in a draw.
    pub stake_unit: Balance,
    /// Most weight of a candidate in a draw.
    pub weight_max: u32,
    /// How long an unfunded task waits.
    pub funding_ms: Moment,
    /// How long after the first claim the draw closes.
    pub draw_ms: Moment,
    /// Least time that an agent has.
    pub exec_ms_min: Moment,
    /// Reference fuel per millisecond, F_ref: that of the slowest program.
    pub fuel_per_ms: u64,
    /// Reference speed at which input and output move, in bytes per millisecond.
    pub io_bytes_per_ms: u64,
    /// How long a cancellation waits for a result that is on its way.
    pub cancel_ms: Moment,
    /// How long claims may be signed over one seed.
    pub epoch_ms: Moment,
    /// How long a validated task waits for its payouts; after that it is settled and they go on alone.
    pub settle_ms: Moment,
    /// Share of its stake at risk that an agent loses by giving a task back, in parts per million.
    pub release_ppm: u32,
    /// Share of its stake at risk that an agent loses by not delivering; it doubles with each further
    /// time in a row, up to a half.
    pub no_show_ppm: u32,
    /// Share of the reward that an agent gets whose task is cancelled.
    pub cancel_pay_ppm: u32,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            reward_min: Balance::new(1_000_000),
            slot_hold_min: Balance::new(100_000_000_000),
            slot_hold_factor: 10,
            stake_unit: Balance::new(1_000_000_000_000),
            weight_max: 1_000,
            funding_ms: 3_600_000,
            draw_ms: 500,
            exec_ms_min: 30_000,
            fuel_per_ms: 100_000,
            io_bytes_per_ms: 1_000,
            cancel_ms: 10_000,
            epoch_ms: 600_000,
            settle_ms: 24 * 3_600_000,
            release_ppm: 10_000,
            no_show_ppm: 50_000,
            cancel_pay_ppm: 100_000,
        }
    }
}

impl Params {
    /// The bounds that code sets to governance.
    pub fn check(&self) -> Result<(), String> {
        let longs = [self.funding_ms, self.exec_ms_min, self.epoch_ms, self.settle_ms];
        if !longs.iter().all(|span| (DEADLINE_MS_MIN..=SPAN_MS_MAX).contains(span)) {
            return Err(format!(
                "funding_ms, exec_ms_min, epoch_ms, settle_ms = {longs:?}: each from \
                 {DEADLINE_MS_MIN} to {SPAN_MS_MAX}"
            ));
        }
        let shorts = [self.draw_ms, self.cancel_ms];
        if !shorts.iter().all(|span| (1..=600_000).contains(span)) {
            return Err(format!("draw_ms, cancel_ms = {shorts:?}: each from 1 to 600000"));
        }
        let shares = [self.release_ppm, self.no_show_ppm, self.cancel_pay_ppm];
        if shares.iter().any(|share| *share > PARTS_PER_MILLION) {
            return Err(format!(
                "release_ppm, no_show_ppm, cancel_pay_ppm = {shares:?}: at most 1000000"
            ));
        }
        let nonzero = [self.reward_min, self.slot_hold_min, self.stake_unit];
        if nonzero.iter().any(|amount| amount.is_zero())
            || self.weight_max == 0
            || self.fuel_per_ms == 0
            || self.io_bytes_per_ms == 0
        {
            return Err("reward_min, slot_hold_min, stake_unit, weight_max, fuel_per_ms and \
                        io_bytes_per_ms must not be 0"
                .into());
        }
        if !(1..=1_000).contains(&self.slot_hold_factor) {
            return Err(format!("slot_hold_factor = {}: from 1 to 1000", self.slot_hold_factor));
        }
        Ok(())
    }

    /// `S = max(S_min, sigma (w + X))`; `None` where it does not fit.
    pub fn slot_hold(&self, policy: &Policy) -> Option<Balance> {
        let at_stake = policy.reward.checked_add(policy.value_at_risk)?;
        let hold = at_stake.checked_mul(u128::from(self.slot_hold_factor))?;
        Some(hold.max(self.slot_hold_min))
    }

    /// `T_exec = max(30 s, 4 fuel_limit / F_ref + io)`, in milliseconds.
    pub fn exec_ms(&self, spec: &TaskSpec) -> Moment {
        let compute = spec.fuel_limit.saturating_mul(4) / self.fuel_per_ms;
        let bytes = spec.input.size().saturating_add(spec.output_bytes_max);
        compute.saturating_add(bytes / self.io_bytes_per_ms).max(self.exec_ms_min)
    }

    /// The fine of an agent that has not delivered so often in a row, of its stake at risk.
    pub fn no_show_fine_ppm(&self, in_a_row: u8) -> u32 {
        let doublings = u32::from(in_a_row.saturating_sub(1));
        let doubled = 2u32.saturating_pow(doublings).saturating_mul(self.no_show_ppm);
        doubled.min(NO_SHOW_PPM_MAX.max(self.no_show_ppm))
    }

    /// Weight in a draw: units of stake, at least 1, at most the cap.
    pub fn weight(&self, stake: Balance) -> u32 {
        let units = u32::try_from(stake.get() / self.stake_unit.get()).unwrap_or(u32::MAX);
        units.clamp(1, self.weight_max)
    }
}
