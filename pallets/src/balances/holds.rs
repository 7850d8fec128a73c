//! Money held for reasons.

use super::{Error, Event, HoldReason, IdAmount, NAME, announce, credit, debit};
use crate::system;
use framework::{Blake2_128Concat, Entry, prelude::*};

/// Most reasons for which an account can hold money at a time.
const HOLDS_MAX: usize = HoldReason::ALL.len();

pub(super) static HOLDS: Map<AccountId, Vec<IdAmount<HoldReason>>, Blake2_128Concat> =
    Map::new_default(NAME, "Holds", "Money held by reason; each account's sum is its reserve.");

/// The holds of one account, between reading and writing them.
struct Holds(Entry<Vec<IdAmount<HoldReason>>>);

impl Holds {
    fn load(state: &dyn StateRead, who: &AccountId) -> Self {
        Self(HOLDS.entry(state, who))
    }

    fn add(&mut self, reason: HoldReason, amount: Balance) -> DispatchResult {
        let holds = self.0.value.get_or_insert_default();
        if let Some(hold) = holds.iter_mut().find(|hold| hold.id == reason) {
            hold.amount = hold.amount.checked_add(amount).ok_or(TokenError::CannotCreateHold)?;
            return Ok(());
        }
        ensure(holds.len() < HOLDS_MAX, Error::TooManyHolds)?;
        holds.push(IdAmount { id: reason, amount });
        Ok(())
    }

    fn take(&mut self, reason: HoldReason, amount: Balance) -> DispatchResult {
        let holds = self.0.value.get_or_insert_default();
        let place = holds
            .iter()
            .position(|hold| hold.id == reason && hold.amount >= amount)
            .ok_or(TokenError::FundsUnavailable)?;
        holds[place].amount = holds[place].amount.saturating_sub(amount);
        if holds[place].amount.is_zero() {
            holds.remove(place);
        }
        Ok(())
    }

    fn store(mut self, cx: &mut Ctx) {
        self.0.value.take_if(|holds| holds.is_empty());
        self.0.store(cx);
    }
}

/// What an account holds for a reason.
pub fn held(state: &dyn StateRead, reason: HoldReason, who: &AccountId) -> Balance {
    let holds = HOLDS.get(state, who).unwrap_or_default();
    holds.iter().find(|hold| hold.id == reason).map(|hold| hold.amount).unwrap_or_default()
}

/// What all accounts together hold for a reason: for checks.
pub fn total_held(state: &dyn StateRead, reason: HoldReason) -> Balance {
    let holds = HOLDS.iter(state).flat_map(|(_, holds)| holds);
    holds.filter(|hold| hold.id == reason).map(|hold| hold.amount).sum()
}

/// What an account holds for all reasons together.
pub(super) fn total(state: &dyn StateRead, who: &AccountId) -> Balance {
    HOLDS.get(state, who).unwrap_or_default().iter().map(|hold| hold.amount).sum()
}

/// Each entry names each reason once and no amount of zero, and belongs to an account that exists.
pub(super) fn check(state: &dyn StateRead) -> Result<(), String> {
    for (who, holds) in HOLDS.iter(state) {
        let mut reasons: Vec<_> = holds.iter().map(|hold| hold.id).collect();
        reasons.sort_unstable();
        reasons.dedup();
        let zero = holds.is_empty() || holds.iter().any(|hold| hold.amount.is_zero());
        if reasons.len() != holds.len() || zero || !system::account(state, &who).exists() {
            return Err(format!("{who} has the holds {holds:?}"));
        }
    }
    Ok(())
}

/// Makes the reserved money of `info` `reserved`; holding money needs the account.
fn set_reserved(info: &mut system::AccountInfo, reserved: Balance) {
    info.data.reserved = reserved;
    info.consumers = u32::from(!reserved.is_zero());
}

fn add_reserved(info: &mut system::AccountInfo, amount: Balance) -> DispatchResult {
    let sum = info.data.reserved.checked_add(amount).ok_or(TokenError::CannotCreateHold)?;
    set_reserved(info, sum);
    Ok(())
}

fn sub_reserved(info: &mut system::AccountInfo, amount: Balance) -> DispatchResult {
    let rest = info.data.reserved.checked_sub(amount).ok_or(TokenError::FundsUnavailable)?;
    set_reserved(info, rest);
    Ok(())
}

/// Holds free money for a reason; the existential deposit stays free.
///
/// # Errors
///
/// `FundsUnavailable` or `NotExpendable` if there is less above the existential deposit.
pub fn hold(cx: &mut Ctx, reason: HoldReason, who: &AccountId, amount: Balance) -> DispatchResult {
    if amount.is_zero() {
        return Ok(());
    }
    let (mut account, mut holds) = (system::load(cx, who), Holds::load(cx, who));
    debit(&mut account, amount, true)?;
    add_reserved(&mut account.info, amount)?;
    holds.add(reason, amount)?;
    account.store(cx);
    holds.store(cx);
    cx.emit(Event::Held { reason, who: *who, amount });
    Ok(())
}

/// Makes held money free again.
///
/// # Errors
///
/// `FundsUnavailable` if less is held for the reason.
pub fn release(
    cx: &mut Ctx,
    reason: HoldReason,
    who: &AccountId,
    amount: Balance,
) -> DispatchResult {
    if amount.is_zero() {
        return Ok(());
    }
    let (mut account, mut holds) = (system::load(cx, who), Holds::load(cx, who));
    holds.take(reason, amount)?;
    sub_reserved(&mut account.info, amount)?;
    credit(&mut account, amount)?;
    account.store(cx);
    holds.store(cx);
    cx.emit(Event::Released { reason, who: *who, amount });
    Ok(())
}

/// Destroys held money.
///
/// # Errors
///
/// `FundsUnavailable` if less is held for the reason.
pub fn burn_held(
    cx: &mut Ctx,
    reason: HoldReason,
    who: &AccountId,
    amount: Balance,
) -> DispatchResult {
    if amount.is_zero() {
        return Ok(());
    }
    let (mut account, mut holds) = (system::load(cx, who), Holds::load(cx, who));
    holds.take(reason, amount)?;
    sub_reserved(&mut account.info, amount)?;
    account.store(cx);
    holds.store(cx);
    cx.note_burned(amount);
    cx.emit(Event::BurnedHeld { reason, who: *who, amount });
    Ok(())
}

/// Moves held money to an account: free there or, with `to_hold`, held there for that reason. Both
/// accounts may be one.
///
/// # Errors
///
/// `FundsUnavailable` if less is held for the reason; `BelowMinimum` if the money arrives free and
/// the account would stay below the existential deposit; `CannotCreateHold` if it arrives held and
/// the account does not exist.
pub fn transfer_held(
    cx: &mut Ctx,
    reason: HoldReason,
    from: &AccountId,
    to: &AccountId,
    amount: Balance,
    to_hold: Option<HoldReason>,
) -> DispatchResult {
    if amount.is_zero() {
        return Ok(());
    }
    if from == to {
        return rename_held(cx, reason, from, amount, to_hold);
    }
    let (mut source, mut source_holds) = (system::load(cx, from), Holds::load(cx, from));
    source_holds.take(reason, amount)?;
    sub_reserved(&mut source.info, amount)?;
    let mut dest = system::load(cx, to);
    let (mut born, mut dest_holds) = (false, None);
    match to_hold {
        None => born = credit(&mut dest, amount)?,
        Some(reason) => {
            ensure(dest.info.exists(), TokenError::CannotCreateHold)?;
            add_reserved(&mut dest.info, amount)?;
            let mut holds = Holds::load(cx, to);
            holds.add(reason, amount)?;
            dest_holds = Some(holds);
        }
    }
    source.store(cx);
    source_holds.store(cx);
    dest.store(cx);
    if let Some(holds) = dest_holds {
        holds.store(cx);
    }
    if born {
        announce(cx, to, amount);
    }
    let (source, dest) = (*from, *to);
    match to_hold {
        None => {
            cx.emit(Event::Released { reason, who: source, amount });
            cx.emit(Event::Transfer { from: source, to: dest, amount });
        }
        Some(to_hold) if to_hold == reason => {
            cx.emit(Event::TransferOnHold { reason, source, dest, amount });
        }
        Some(to_hold) => {
            cx.emit(Event::Released { reason, who: source, amount });
            cx.emit(Event::TransferAndHold { reason: to_hold, source, dest, transferred: amount });
        }
    }
    Ok(())
}

/// Gives held money another reason, or none.
fn rename_held(
    cx: &mut Ctx,
    reason: HoldReason,
    who: &AccountId,
    amount: Balance,
    to_hold: Option<HoldReason>,
) -> DispatchResult {
    let Some(to_hold) = to_hold else { return release(cx, reason, who, amount) };
    let mut holds = Holds::load(cx, who);
    holds.take(reason, amount)?;
    holds.add(to_hold, amount)?;
    holds.store(cx);
    if to_hold != reason {
        cx.emit(Event::Released { reason, who: *who, amount });
        cx.emit(Event::Held { reason: to_hold, who: *who, amount });
    }
    Ok(())
}
