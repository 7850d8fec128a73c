//! What stakers are paid.
//!
//! At the end of an era its reward is all that has come to the validators' pot since the last, which is their part of
//! fees, and new money for the time that it lasted. Validators share it by points, which authors earn; as authors are
//! drawn by stake, so are points. A validator takes its commission; the rest is divided by stake. It is paid without
//! being asked for, in the blocks that follow, or at once to those who ask. What rounding leaves, and what nobody can
//! take, stays in the pot for the next era.

use super::{
    ACTIVE_ERA, ActiveEraInfo, CLAIMED_REWARDS, ERAS_REWARD_POINTS, ERAS_STAKERS_OVERVIEW,
    ERAS_STAKERS_PAGED, ERAS_VALIDATOR_PREFS, ERAS_VALIDATOR_REWARD, EraIndex, EraRewardPoints,
    Error, Event, HISTORY_DEPTH, PAYEE, PAYING, RewardDestination, UNPAID, ledger, params,
};
use crate::{balances, session, system::HookWork, treasury};
use framework::prelude::*;
use primitives::PARTS_PER_MILLION;

/// A year, for inflation.
const YEAR_MS: u64 = 365 * 24 * 3_600_000;
/// Who is paid next.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo,
)]
pub struct Paying {
    /// The era.
    pub era: EraIndex,
    /// Place of the validator among those with points.
    pub place: u32,
    /// The page of its nominators.
    pub page: u32,
}

/// Gives the author of the block the points that it has earned.
pub(super) fn credit_author(cx: &mut Ctx) {
    let credit = session::take_credit(cx);
    let Some(active) = ACTIVE_ERA.get(cx).filter(|_| credit > 0) else { return };
    let mut points = ERAS_REWARD_POINTS.get(cx, &active.index).unwrap_or_default();
    // Parts of a sum that stood still would be more than the whole.
    let Some(total) = points.total.checked_add(credit) else { return };
    points.total = total;
    let own = points.individual.entry(cx.block.author).or_default();
    *own = own.saturating_add(credit);
    ERAS_REWARD_POINTS.set(cx, &active.index, &points);
}

/// What the pot has beyond its existential deposit.
pub(super) fn in_pot(state: &dyn StateRead) -> Balance {
    balances::free(state, &treasury::VALIDATORS).saturating_sub(balances::EXISTENTIAL_DEPOSIT)
}

/// What is promised for eras before and not paid yet.
pub(super) fn unpaid(state: &dyn StateRead) -> Balance {
    let unpaid = UNPAID.get(state).unwrap_or_default();
    unpaid.iter().fold(Balance::ZERO, |sum, (_, left)| sum.saturating_add(*left))
}

/// Fixes the reward of an era.
pub(super) fn end_era(cx: &mut Ctx, active: &ActiveEraInfo) {
    let era = active.index;
    let points = ERAS_REWARD_POINTS.get(cx, &era).unwrap_or_default();
    if points.total == 0 {
        ERAS_VALIDATOR_REWARD.set(cx, &era, &Balance::ZERO);
        return;
    }
    let fees = in_pot(cx).saturating_sub(unpaid(cx));
    let fresh = inflation(cx, active);
    let made = balances::mint(cx, &treasury::VALIDATORS, fresh).is_ok();
    let reward = if made { fees.saturating_add(fresh) } else { fees };
    ERAS_VALIDATOR_REWARD.set(cx, &era, &reward);
    let mut unpaid = UNPAID.get(cx).unwrap_or_default();
    unpaid.push((era, reward));
    UNPAID.set(cx, &unpaid);
    let (validator_payout, remainder) = (reward, Balance::ZERO);
    cx.emit(Event::EraPaid { era_index: era, validator_payout, remainder });
}

/// New money for an era, by how long it lasted; at most twice as long as it should, so that a chain that stood
/// still makes nothing of it.
fn inflation(cx: &Ctx, active: &ActiveEraInfo) -> Balance {
    let params = params(cx);
    let start = active.start.unwrap_or(cx.block.time_ms);
    let lasted = cx.block.time_ms.saturating_sub(start).min(params.era_ms.saturating_mul(2));
    let part = u128::from(params.inflation_ppm) * u128::from(lasted);
    let whole = u128::from(PARTS_PER_MILLION) * u128::from(YEAR_MS);
    balances::total_issuance(cx).portion_floor(part, whole)
}

/// Whether stakers are still to be paid.
pub(super) fn is_due(state: &dyn StateRead, active: &ActiveEraInfo) -> bool {
    PAYING.get(state).unwrap_or_default().era < active.index
}

/// Pays stakers of eras that have ended, while the block has time for it.
pub(super) fn run(cx: &mut Ctx) {
    let Some(active) = ACTIVE_ERA.get(cx) else { return };
    let mut paying = PAYING.get(cx).unwrap_or_default();
    let before = paying;
    while paying.era < active.index && HookWork::Reward.left(cx) > 0 {
        let points = ERAS_REWARD_POINTS.get(cx, &paying.era).unwrap_or_default();
        pay_era(cx, &points, &mut paying);
    }
    if paying != before {
        PAYING.set(cx, &paying);
    }
}

/// Pays an era's stakers from where it was left, and goes on to the next era if they are all paid.
fn pay_era(cx: &mut Ctx, points: &EraRewardPoints, paying: &mut Paying) {
    let skipped = usize::try_from(paying.place).unwrap_or(usize::MAX);
    for validator in points.individual.keys().skip(skipped) {
        let exposed = ERAS_STAKERS_OVERVIEW.get(cx, &(paying.era, *validator));
        let pages = exposed.unwrap_or_default().page_count.max(1);
        while paying.page < pages {
            if HookWork::Reward.left(cx) == 0 {
                return;
            }
            pay_page(cx, points, paying.era, validator, paying.page);
            paying.page += 1;
        }
        (paying.place, paying.page) = (paying.place + 1, 0);
    }
    let mut unpaid = UNPAID.get(cx).unwrap_or_default();
    unpaid.retain(|(era, _)| *era != paying.era);
    UNPAID.set(cx, &unpaid);
    *paying = Paying { era: paying.era.saturating_add(1), place: 0, page: 0 };
}

/// Pays a page of stakers behind a validator, if it was not paid. Tells whether it was paid now.
fn pay_page(
    cx: &mut Ctx,
    points: &EraRewardPoints,
    era: EraIndex,
    validator: &AccountId,
    page: u32,
) -> bool {
    let key = (era, *validator);
    let mut claimed = CLAIMED_REWARDS.get(cx, &key).unwrap_or_default();
    if claimed.contains(&page) {
        return false;
    }
    let exposed = ERAS_STAKERS_OVERVIEW.get(cx, &key).unwrap_or_default();
    let earned = points.individual.get(validator).copied().unwrap_or_default();
    let reward = ERAS_VALIDATOR_REWARD.get(cx, &era).unwrap_or_default();
    let whole = reward.portion_floor(earned.into(), points.total.into());
    let prefs = ERAS_VALIDATOR_PREFS.get(cx, &key).unwrap_or_default();
    let commission = prefs.commission.of(whole);
    let by_stake = whole.saturating_sub(commission);
    let share = |value: Balance| by_stake.portion_floor(value.get(), exposed.total.get());

    let next = page.checked_add(1).filter(|next| *next < exposed.page_count);
    cx.emit(Event::PayoutStarted { era_index: era, validator_stash: *validator, page, next });
    let mut paid = Balance::ZERO;
    if page == 0 {
        let amount = commission.saturating_add(share(exposed.own));
        paid = paid.saturating_add(pay(cx, validator, amount));
    }
    let nominators = ERAS_STAKERS_PAGED.get(cx, &(era, *validator, page)).unwrap_or_default();
    for other in nominators.others {
        paid = paid.saturating_add(pay(cx, &other.who, share(other.value)));
    }
    claimed.push(page);
    CLAIMED_REWARDS.set(cx, &key, &claimed);
    let mut unpaid = UNPAID.get(cx).unwrap_or_default();
    for (_, left) in unpaid.iter_mut().filter(|(of, _)| *of == era) {
        *left = left.checked_sub(paid).expect("parts of a reward are at most the reward");
    }
    UNPAID.set(cx, &unpaid);
    true
}

/// Pays a staker from the pot. Gives what was paid.
fn pay(cx: &mut Ctx, stash: &AccountId, amount: Balance) -> Balance {
    let dest = PAYEE.get(cx, stash).unwrap_or(RewardDestination::Stash);
    if amount.is_zero() || dest == RewardDestination::None {
        return Balance::ZERO;
    }
    let other = match dest {
        RewardDestination::Account(other) => move_from_pot(cx, &other, amount),
        _ => false,
    };
    if !other && !move_from_pot(cx, stash, amount) {
        return Balance::ZERO;
    }
    // What has all been unbonded is not bonded anew by a little.
    let bonds = dest == RewardDestination::Staked
        && ledger::active(cx, stash) >= balances::EXISTENTIAL_DEPOSIT;
    cx.emit(Event::Rewarded { stash: *stash, dest, amount });
    if bonds {
        ledger::add(cx, stash, amount).expect("the stash has just got so much above its deposit");
    }
    amount
}

/// An account that does not exist takes no less than the existential deposit.
fn move_from_pot(cx: &mut Ctx, to: &AccountId, amount: Balance) -> bool {
    balances::transfer(cx, &treasury::VALIDATORS, to, amount, true).is_ok()
}

/// Pays the next page of an era's stakers behind a validator, or the given one.
pub(super) fn payout(
    cx: &mut Ctx,
    validator: &AccountId,
    era: EraIndex,
    page: Option<u32>,
) -> DispatchResult {
    let active = ACTIVE_ERA.get(cx).ok_or(Error::InvalidEraToReward)?;
    let oldest = active.index.saturating_sub(HISTORY_DEPTH);
    ensure((oldest..active.index).contains(&era), Error::InvalidEraToReward)?;
    let key = (era, *validator);
    let exposed = ERAS_STAKERS_OVERVIEW.get(cx, &key).ok_or(Error::NotStash)?;
    let pages = exposed.page_count.max(1);
    let points = ERAS_REWARD_POINTS.get(cx, &era).unwrap_or_default();
    // Who has earned nothing has nothing to claim.
    ensure(points.individual.contains_key(validator), Error::AlreadyClaimed)?;
    let page = match page {
        Some(page) => page,
        None => {
            let claimed = CLAIMED_REWARDS.get(cx, &key).unwrap_or_default();
            (0..pages).find(|page| !claimed.contains(page)).ok_or(Error::AlreadyClaimed)?
        }
    };
    ensure(page < pages, Error::InvalidPage)?;
    ensure(pay_page(cx, &points, era, validator, page), Error::AlreadyClaimed)
}
