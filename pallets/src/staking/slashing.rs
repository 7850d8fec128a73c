//! Slashes: ordered at once, taken page by page in the blocks that follow.
//!
//! A share is ordered of all stake that stood behind a validator in an era. Where a larger one is ordered of the same
//! era, the difference is taken, so that an offence that is one with others costs what they cost together.
//!
//! The same stake stands behind a validator era after era, and who has its keys can equivocate in its name in each that
//! evidence reaches. So all eras in which an equivocator could decide before it was jailed are one span, over which a
//! staker loses the largest amount that an era of it asks for. Who is jailed is free again when evidence of the span
//! has run out. Any other era is a span of its own: what absence has cost before does not count.

use super::{
    ACTIVE_ERA, CURRENT_ERA, ERAS_STAKERS_OVERVIEW, ERAS_STAKERS_PAGED, EraIndex, Event, JAILED,
    Jail, Perbill, SLASHES, SPAN_SLASHES, Slash, VALIDATOR_SLASH_IN_ERA, ledger, roles,
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
        None => SLASHES.set(cx, &key, &Slash { share, next_page: 0, reporter }),
        // Nothing of it is taken yet.
        Some(slash) if slash.next_page == 0 => {
            SLASHES.set(cx, &key, &Slash { share, ..slash });
        }
        // When it is taken, the rest follows.
        Some(_) => {}
    }
    cx.emit(Event::SlashReported { validator: *validator, fraction: share, slash_era: era });
}

/// Keeps an account that equivocated in an era from validating for [`JAIL_ERAS`], and from the next election on from
/// deciding blocks. More evidence of the span changes nothing.
pub fn jail(cx: &mut Ctx, era: EraIndex, who: &AccountId) {
    let old = JAILED.get(cx, who);
    if old.is_some_and(|jail| era <= jail.since) {
        return;
    }
    roles::chill_validator(cx, who);
    let now = CURRENT_ERA.get(cx).unwrap_or_default();
    let since = old.filter(|_| is_jailed(cx, who)).map_or(now, |jail| jail.since);
    let until = now.saturating_add(JAIL_ERAS);
    JAILED.set(cx, who, &Jail { since, until });
    cx.emit(Event::Jailed { stash: *who, until });
}

/// Whether an account may not validate in the era that runs.
pub(super) fn is_jailed(state: &dyn StateRead, who: &AccountId) -> bool {
    let now = ACTIVE_ERA.get(state).map_or(0, |active| active.index);
    JAILED.get(state, who).is_some_and(|jail| now < jail.until)
}

/// The last era of the span to which a validator's era belongs.
fn span_of(state: &dyn StateRead, era: EraIndex, validator: &AccountId) -> EraIndex {
    JAILED.get(state, validator).map_or(era, |jail| era.max(jail.since))
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

fn take_page(cx: &mut Ctx, key: (EraIndex, AccountId), mut slash: Slash) {
    let (era, validator) = key;
    let span = span_of(cx, era, &validator);
    let exposed = ERAS_STAKERS_OVERVIEW.get(cx, &key).unwrap_or_default();
    if slash.next_page == 0 {
        let taken = take(cx, key, span, &slash, (validator, exposed.own));
        let (ordered, own) = VALIDATOR_SLASH_IN_ERA.get(cx, &key).unwrap_or_default();
        VALIDATOR_SLASH_IN_ERA.set(cx, &key, &(ordered, own.saturating_add(taken)));
    }
    let page = ERAS_STAKERS_PAGED.get(cx, &(era, validator, slash.next_page));
    for other in page.unwrap_or_default().others {
        take(cx, key, span, &slash, (other.who, other.value));
    }
    slash.next_page = slash.next_page.saturating_add(1);
    if slash.next_page < exposed.page_count {
        SLASHES.set(cx, &key, &slash);
        return;
    }
    let (ordered, _) = VALIDATOR_SLASH_IN_ERA.get(cx, &key).unwrap_or_default();
    if ordered > slash.share {
        SLASHES.set(cx, &key, &Slash { share: ordered, next_page: 0, ..slash });
    } else {
        SLASHES.remove(cx, &key);
    }
}

/// Takes of a staker what the slash asks for beyond what the span has cost it.
fn take(
    cx: &mut Ctx,
    (era, validator): (EraIndex, AccountId),
    span: EraIndex,
    slash: &Slash,
    (staker, value): (AccountId, Balance),
) -> Balance {
    let key = (span, validator, staker);
    let before = SPAN_SLASHES.get(cx, &key).unwrap_or_default();
    let amount = slash.share.of(value).saturating_sub(before);
    if amount.is_zero() {
        return amount;
    }
    // Of what nominators lose nothing is the reporter's: a validator could have itself reported, and gain by it.
    let reporter = slash.reporter.filter(|_| staker == validator);
    let taken = ledger::take(cx, &staker, amount, era, reporter.as_ref());
    if !taken.is_zero() {
        SPAN_SLASHES.set(cx, &key, &before.saturating_add(taken));
    }
    taken
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
