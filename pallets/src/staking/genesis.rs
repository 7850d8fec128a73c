//! Who decides blocks at the start.

use super::{
    BONDED, CANDIDATES_MAX, MAX_NOMINATORS_COUNT, MAX_VALIDATORS_COUNT, MINIMUM_VALIDATOR_COUNT,
    NOMINATORS_MAX, Params, Perbill, RewardDestination, Seat, VALIDATOR_COUNT, ValidatorPrefs,
    check_count, election, ledger, roles, set_params,
};
use crate::session;
use framework::prelude::*;
use primitives::crypto::session::SessionKeys;
use serde::{Deserialize, Serialize};

/// A validator as a chain spec names it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenesisValidator {
    /// The account that stakes and is paid.
    pub account: AccountId,
    /// What it bonds: its voting power.
    pub stake: Balance,
    /// Its share of the rewards before they are divided by stake, in parts per million.
    #[serde(default)]
    pub commission_ppm: u32,
    /// Its ed25519 vote key.
    pub vote_key: Hash,
    /// Its sr25519 VRF key.
    pub vrf_key: Hash,
}

/// Who decides blocks at the start, and by what rules others come to.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Genesis {
    /// Parameters of staking.
    pub params: Params,
    /// Most validators that are elected.
    pub validator_count: u32,
    /// The first validators, in any order.
    pub validators: Vec<GenesisValidator>,
}

impl Default for Genesis {
    fn default() -> Self {
        Self { params: Params::default(), validator_count: 100, validators: Vec::new() }
    }
}

/// Writes down the first validators and their era.
pub(super) fn build(cx: &mut Ctx, genesis: Genesis) -> Result<(), String> {
    let Genesis { params, validator_count, validators } = genesis;
    params.check()?;
    set_params(cx, &params);
    check_count(validator_count)?;
    VALIDATOR_COUNT.set(cx, &validator_count);
    MINIMUM_VALIDATOR_COUNT.set(cx, &1);
    MAX_NOMINATORS_COUNT.set(cx, &NOMINATORS_MAX);
    MAX_VALIDATORS_COUNT.set(cx, &u32::try_from(CANDIDATES_MAX).unwrap_or(u32::MAX));
    let count = validators.len();
    if u32::try_from(count).map_or(true, |count| count > validator_count) {
        return Err(format!("{count} validators are more than validator_count, {validator_count}"));
    }
    let mut seats = Vec::with_capacity(count);
    for v in validators {
        seats.push(seat_of(cx, &params, v)?);
    }
    seats.sort_unstable_by_key(|seat| seat.account);
    session::begin_first(cx, election::with_power(&seats))?;
    for seat in &seats {
        election::write_seat(cx, 0, seat);
    }
    election::begin_era(cx, 0, None, &seats);
    Ok(())
}

fn seat_of(cx: &mut Ctx, params: &Params, v: GenesisValidator) -> Result<Seat, String> {
    let GenesisValidator { account, stake, commission_ppm, vote_key, vrf_key } = v;
    if stake < params.validator_bond_min {
        let least = params.validator_bond_min;
        return Err(format!("{account} stakes {stake}: {least} is the least of a validator"));
    }
    if BONDED.contains(cx, &account) {
        return Err(format!("{account} is a validator twice"));
    }
    let prefs = ValidatorPrefs { commission: Perbill::from_ppm(commission_ppm), blocked: false };
    let bonded = ledger::bond(cx, account, stake, RewardDestination::Staked);
    let bonded = bonded.and_then(|()| roles::validate(cx, account, prefs));
    if bonded.is_err() || ledger::active(cx, &account) != stake {
        return Err(format!("{account} cannot stake {stake}: fund it, or look at its commission"));
    }
    let keys = SessionKeys { vote: vote_key.0, vrf: vrf_key.0 };
    Ok(Seat { account, keys, prefs, own: stake, total: stake, nominators: 0 })
}
