//! Slashes: ordered at once, taken page by page in the blocks that follow.
//!
//! A share is ordered of all stake that stood behind a validator in an era. Within an era the largest share counts,
//! not their sum: where a larger one is ordered, the difference is taken. So an offence that is one with others costs
//! what they cost together, and none is applied twice.

use super::{
    CURRENT_ERA, ERAS_STAKERS_OVERVIEW, ERAS_STAKERS_PAGED, EraIndex, Event, JAILED, Perbill,
    SLASHES, Slash, VALIDATOR_SLASH_IN_ERA, VALIDATORS, chill, ledger,
};
use crate::{balances, balances::HoldReason, system::HookWork, treasury};
use framework::prelude::*;

/// The reporter's part of what is taken of the offender's own stake, in parts per million, as FRAME's
/// `SlashRewardFraction`. The rest is the treasury's.
pub const REPORTER_PPM: u32 = 100_000;
/// How many eras an equivocator may not validate: as long as evidence may come.
pub const JAIL_ERAS: EraIndex = crate::session::EVIDENCE_SESSIONS_MAX;

/// Orders a slash of this share of all stake behind a validator in an era. Nothing happens if as much was ordered
/// before.
pub fn slash(
    cx: &mut Ctx,
    era: EraIndex,
    validator: &AccountId,
    share: Perbill,
    reporter: Option<AccountId>,
) {
    let key = (era, *validator);
    let (ordered, own) = VALIDATOR_SLASH_IN_ERA.get(cx, &key).unwrap_or_default();
    if share <= ordered {
        return;
    }
    VALIDATOR_SLASH_IN_ERA.set(cx, &key, &(share, own));
    match SLASHES.get(cx, &key) {
        None => {
            let slash = Slash { from: ordered, to: share, next_page: 0, reporter };
            SLASHES.set(cx, &key, &slash);
        }
        // Nothing of it is taken yet.
        Some(slash) if slash.next_page == 0 => {
            SLASHES.set(cx, &key, &Slash { to: share, ..slash });
        }
        // When it is taken, the rest follows.
        Some(_) => {}
    }
    cx.emit(Event::SlashReported { validator: *validator, fraction: share, slash_era: era });
}

/// Keeps an account from validating for [`JAIL_ERAS`], and from the next election on from deciding blocks.
pub fn jail(cx: &mut Ctx, who: &AccountId) {
    if VALIDATORS.contains(cx, who) {
        chill(cx, who);
    }
    let until = CURRENT_ERA.get(cx).unwrap_or_default().saturating_add(JAIL_ERAS);
    JAILED.set(cx, who, &until);
    cx.emit(Event::Jailed { stash: *who, until });
}

/// Whether an account may not validate in this era.
pub(super) fn is_jailed(state: &dyn StateRead, who: &AccountId) -> bool {
    let now = CURRENT_ERA.get(state).unwrap_or_default();
    JAILED.get(state, who).is_some_and(|until| now < until)
}

/// Takes what was ordered, while the block has time for it.
pub(super) fn take_ordered(cx: &mut Ctx) {
    while HookWork::Slash.left(cx) > 0 {
        let Some((key, slash)) = next(cx) else { return };
        take_page(cx, key, slash);
    }
}

/// The slash that is taken first.
pub(super) fn next(state: &dyn StateRead) -> Option<((EraIndex, AccountId), Slash)> {
    SLASHES.iter(state).next()
}

fn take_page(cx: &mut Ctx, (era, validator): (EraIndex, AccountId), mut slash: Slash) {
    let key = (era, validator);
    let exposed = ERAS_STAKERS_OVERVIEW.get(cx, &key).unwrap_or_default();
    let share = |value: Balance| slash.to.of(value).saturating_sub(slash.from.of(value));
    if slash.next_page == 0 {
        let amount = share(exposed.own);
        let taken = ledger::take(cx, &validator, amount, era, slash.reporter.as_ref());
        let (ordered, own) = VALIDATOR_SLASH_IN_ERA.get(cx, &key).unwrap_or_default();
        VALIDATOR_SLASH_IN_ERA.set(cx, &key, &(ordered, own.saturating_add(taken)));
    }
    let page = ERAS_STAKERS_PAGED.get(cx, &(era, validator, slash.next_page));
    for other in page.unwrap_or_default().others {
        // Nothing of this is the reporter's: a validator could have itself reported, and gain what others lose.
        ledger::take(cx, &other.who, share(other.value), era, None);
    }
    slash.next_page = slash.next_page.saturating_add(1);
    if slash.next_page < exposed.page_count {
        SLASHES.set(cx, &key, &slash);
        return;
    }
    let (ordered, _) = VALIDATOR_SLASH_IN_ERA.get(cx, &key).unwrap_or_default();
    if ordered > slash.to {
        let rest = Slash { from: slash.to, to: ordered, next_page: 0, ..slash };
        SLASHES.set(cx, &key, &rest);
    } else {
        SLASHES.remove(cx, &key);
    }
}

/// Gives what a staker lost to the reporter and to the treasury.
pub(super) fn give(cx: &mut Ctx, stash: &AccountId, amount: Balance, reporter: Option<&AccountId>) {
    // Nobody gains by reporting itself.
    let reporter = reporter.filter(|reporter| *reporter != stash);
    let part = reporter.map(|_| amount.share_floor(REPORTER_PPM)).unwrap_or_default();
    let hold = HoldReason::Staking;
    let paid = reporter.is_some_and(|reporter| {
        balances::transfer_held(cx, hold, stash, reporter, part, None).is_ok()
    });
    let rest = if paid { amount.saturating_sub(part) } else { amount };
    balances::transfer_held(cx, hold, stash, &treasury::TREASURY, rest, None)
        .expect("what is staked is held, and the treasury takes any amount");
}
