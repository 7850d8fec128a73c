//! What tasks do to agents: put stake at risk, give it back, take it, count work.

use super::{AGENTS, Agent, Capabilities, EngineId, Error, Event, Reputation, clock, params};
use crate::{balances, balances::HoldReason, treasury};
use framework::prelude::*;

/// Share of a slash that is burned, in parts per million; the rest goes to the treasury, as
/// no-shows and releases have no one who was wronged or who checked.
const SLASH_BURN_PPM: u32 = 500_000;

/// No-shows in a row that bring an agent into jail.
const JAIL_NO_SHOWS: u8 = 3;

/// What a task asks of an agent.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// Engine that runs the program.
    pub engine: EngineId,
    /// What the agent must be able to do.
    pub requires: &'a Capabilities,
    /// Stake that is put at risk.
    pub hold: Balance,
}

/// Takes one of the agent's free slots and puts `terms.hold` of its stake at risk. A claim is a
/// sign of life.
pub fn engage(cx: &mut Ctx, account: &AccountId, terms: Terms) -> Result<Agent, DispatchError> {
    let mut agent = AGENTS.get(cx, account).ok_or(Error::NotAnAgent)?;
    let now = clock::now(cx);
    let silent_ms = now.saturating_sub(agent.last_seen);
    ensure(silent_ms < params(cx).silence_ms, Error::Inactive)?;
    ensure(now >= agent.jailed_until, Error::Jailed)?;
    let capable = agent.profile.engines.binary_search(&terms.engine).is_ok()
        && agent.profile.capabilities.cover(terms.requires);
    ensure(capable, Error::Incapable)?;
    ensure(terms.hold <= agent.profile.hold_max, Error::HoldAboveMax)?;
    ensure(terms.hold <= agent.free_stake(), Error::NotEnoughStake)?;
    ensure(agent.free_slots() > 0, Error::NoFreeSlot)?;
    agent.locked = agent.locked.saturating_add(terms.hold);
    agent.busy += 1;
    agent.last_seen = now;
    AGENTS.set(cx, account, &agent);
    Ok(agent)
}

/// Undoes [`engage`]: the slot is free and `unlock` of the stake is no longer at risk.
pub fn disengage(cx: &mut Ctx, account: &AccountId, unlock: Balance) {
    change(cx, account, |agent| {
        agent.busy = agent.busy.checked_sub(1).expect("an engaged agent is busy");
        agent.locked = agent.locked.checked_sub(unlock).expect("an engaged agent's hold is locked");
    });
}

/// The agent's result is in: its slot is free, its stake stays at risk until the result stands.
pub fn delivered(cx: &mut Ctx, account: &AccountId) {
    change(cx, account, |agent| {
        agent.busy = agent.busy.checked_sub(1).expect("an engaged agent is busy");
        agent.no_shows = 0;
    });
}

/// The agent did not deliver in time. Gives how often in a row it has not: from the third time on, each
/// jails it and leaves it a third of its reputation.
pub fn missed(cx: &mut Ctx, account: &AccountId) -> u8 {
    let now = clock::now(cx);
    let until = now.saturating_add(params(cx).jail_ms);
    let mut in_a_row = 0;
    change(cx, account, |agent| {
        agent.no_shows = agent.no_shows.saturating_add(1);
        in_a_row = agent.no_shows;
        if in_a_row >= JAIL_NO_SHOWS {
            agent.jailed_until = until;
            let reputation = agent.reputation.at(now);
            let value = Balance::new(reputation.value.get() / 3);
            agent.reputation = Reputation { value, ..reputation };
        }
    });
    if in_a_row >= JAIL_NO_SHOWS {
        cx.emit(Event::Jailed { agent: *account, until });
    }
    in_a_row
}

/// The agent's result stands: its stake is no longer at risk, and `earned` counts as reputation.
pub fn vindicated(cx: &mut Ctx, account: &AccountId, unlock: Balance, earned: Balance) {
    let now = clock::now(cx);
    change(cx, account, |agent| {
        agent.locked = agent.locked.checked_sub(unlock).expect("a worker's hold is locked");
        agent.reputation = agent.reputation.at(now);
        agent.reputation.value = agent.reputation.value.saturating_add(earned);
    });
}

/// Stake that a task had put at risk is no longer. An amount of nothing binds no agent to a task, so that
/// it may have left.
pub fn unlock(cx: &mut Ctx, account: &AccountId, amount: Balance) {
    if amount.is_zero() {
        return;
    }
    change(cx, account, |agent| {
        agent.locked = agent.locked.checked_sub(amount).expect("what is unlocked was locked");
    });
}

/// Unlocks `amount` of the agent's stake and takes it: half is burned, the rest is the treasury's.
/// While slashing is in its shadow phase, only the event tells. An amount of nothing is not slashed.
pub fn slash(cx: &mut Ctx, account: &AccountId, amount: Balance, task: Hash) {
    if amount.is_zero() {
        return;
    }
    let shadow = params(cx).shadow_slashing;
    change(cx, account, |agent| {
        agent.locked = agent.locked.checked_sub(amount).expect("what is slashed was locked");
        if !shadow {
            agent.stake = agent.stake.checked_sub(amount).expect("what is locked is staked");
        }
    });
    if !shadow {
        let burned = amount.share_ceil(SLASH_BURN_PPM);
        let rest = amount.saturating_sub(burned);
        balances::burn_held(cx, HoldReason::Stake, account, burned)
            .expect("an agent's stake is held");
        balances::transfer_held(cx, HoldReason::Stake, account, &treasury::TREASURY, rest, None)
            .expect("an agent's stake is held and the treasury takes any amount");
    }
    cx.emit(Event::Slashed { agent: *account, task, amount, shadow });
}

/// Changes the record of an agent that some task is bound to; such agents cannot leave.
fn change(cx: &mut Ctx, account: &AccountId, f: impl FnOnce(&mut Agent)) {
    let mut agent = AGENTS.get(cx, account).expect("an agent with stake at risk cannot leave");
    f(&mut agent);
    AGENTS.set(cx, account, &agent);
}
