//! # Agents
//!
//! The registry of those who execute tasks: stake, keys, capabilities, reputation. It also keeps
//! the market's [`clock`], by which all deadlines of the market are counted.
//!
//! Invariants: an agent's stake is exactly what its account holds for it; what tasks put at risk is
//! at most the stake; an agent that any task is bound to cannot leave.

pub mod clock;
mod params;
mod stake;
mod types;

pub use clock::{Clock, Deadline};
pub use params::Params;
pub use stake::{Terms, delivered, disengage, engage, missed, slash, unlock, vindicated};
pub use types::*;

use crate::{balances, balances::HoldReason};
use framework::prelude::*;
use serde::{Deserialize, Serialize};

/// Name of the pallet.
pub const NAME: &str = "Agents";
/// Index of the pallet.
pub const INDEX: u8 = 100;
/// What the libp2p key signs over, before genesis and account.
pub const PEER_DOMAIN: &str = "artel/peer/1";

static AGENTS: Map<AccountId, Agent> =
    Map::new(NAME, "Agents", "Agents by account: keys, capabilities, stake, reputation.");
static PARAMS: Value<Params> =
    Value::new_default(NAME, "Params", "Parameters of the registry, changed by governance.");

/// What users can do.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
#[allow(non_camel_case_types)] // Clients show these names; Substrate's are snake_case.
pub enum Call {
    /// Become an agent: part of your balance is held as stake.
    #[codec(index = 0)]
    register {
        /// Keys, capabilities, payee.
        profile: Profile,
        /// Money to hold; what a task puts at risk comes out of it.
        #[codec(compact)]
        stake: Balance,
    },
    /// Change keys, capabilities, payee or price. What is not paid yet goes to the new payee.
    #[codec(index = 1)]
    update {
        /// The new profile, whole.
        profile: Profile,
    },
    /// Hold more or less stake.
    #[codec(index = 2)]
    set_stake {
        /// The new stake, at least what tasks put at risk.
        #[codec(compact)]
        stake: Balance,
    },
    /// Say that you are there. Free of charge 50 seconds after the last sign of life.
    #[codec(index = 3)]
    heartbeat {
        /// Tasks that you work on at once.
        slots: u32,
        /// Version of your software.
        version: u32,
    },
    /// Stop being an agent, unless tasks or a jail bind you; your stake is yours again. Your reputation
    /// is gone.
    #[codec(index = 4)]
    leave {},
    /// Stop the market's clock or let it go on (governance).
    #[codec(index = 5)]
    set_paused {
        /// Whether the clock stands still.
        paused: bool,
    },
    /// Change the registry's parameters (governance).
    #[codec(index = 6)]
    set_params {
        /// The new parameters, whole.
        params: Params,
    },
}

/// What users are told.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
#[allow(missing_docs)] // Fields say what they are.
pub enum Event {
    /// Somebody became an agent.
    #[codec(index = 0)]
    Registered { agent: AccountId, stake: Balance },
    /// An agent changed its profile.
    #[codec(index = 1)]
    Updated { agent: AccountId },
    /// An agent changed its stake.
    #[codec(index = 2)]
    StakeSet { agent: AccountId, stake: Balance },
    /// An agent said that it is there.
    #[codec(index = 3)]
    Heartbeat { agent: AccountId, slots: u32, version: u32 },
    /// An agent left and has its stake back.
    #[codec(index = 4)]
    Left { agent: AccountId, stake: Balance },
    /// An agent lost stake over a task; in the shadow phase it only would have.
    #[codec(index = 5)]
    Slashed { agent: AccountId, task: Hash, amount: Balance, shadow: bool },
    /// The market's clock was stopped or goes on.
    #[codec(index = 6)]
    Paused { paused: bool },
    /// The parameters changed.
    #[codec(index = 7)]
    ParamsSet {},
    /// An agent did not deliver for the third time in a row, or yet again: it may neither claim nor leave
    /// before `until`, in market time.
    #[codec(index = 8)]
    Jailed { agent: AccountId, until: Moment },
}

/// Why calls fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum Error {
    /// This account is no agent; register it first.
    #[codec(index = 0)]
    NotAnAgent,
    /// This account is an agent already; use update or set_stake.
    #[codec(index = 1)]
    AlreadyAnAgent,
    /// The profile breaks a limit: 1 to 16 engines, sorted; at most 8 tags of 1 to 32 bytes,
    /// sorted; memory class at most 16; at most 4096 slots.
    #[codec(index = 2)]
    BadProfile,
    /// A split needs two to four accounts whose parts sum to 1,000,000.
    #[codec(index = 3)]
    BadPayee,
    /// The signature by the libp2p key over ("artel/peer/1", genesis, account) is missing or wrong.
    #[codec(index = 4)]
    BadPeerProof,
    /// The stake is below the minimum of an agent.
    #[codec(index = 5)]
    StakeTooLow,
    /// Tasks still put stake at risk or wait for a result; finish or release them first.
    #[codec(index = 6)]
    StakeInUse,
    /// The last sign of life is less than 50 seconds old.
    #[codec(index = 7)]
    HeartbeatTooSoon,
    /// No sign of life for 3 minutes; send a heartbeat first.
    #[codec(index = 8)]
    Inactive,
    /// The agent did not deliver three times in a row: it may neither claim nor leave yet.
    #[codec(index = 9)]
    Jailed,
    /// The agent lacks the engine, memory class or tags that the task asks for.
    #[codec(index = 10)]
    Incapable,
    /// The task puts more stake at risk than the agent's hold_max allows.
    #[codec(index = 11)]
    HoldAboveMax,
    /// The agent has too little stake that is not at risk already.
    #[codec(index = 12)]
    NotEnoughStake,
    /// The agent is busy with as many tasks as it has slots.
    #[codec(index = 13)]
    NoFreeSlot,
    /// A parameter is outside the bounds that code sets.
    #[codec(index = 14)]
    BadParams,
}

impl PalletEvent for Event {
    const PALLET: u8 = INDEX;
}

impl PalletError for Error {
    const PALLET: u8 = INDEX;
}

impl Dispatch for Call {
    fn weight(&self) -> Weight {
        match self {
            Self::register { .. } => Weight::rw(8, 4).compute_us(80),
            Self::update { .. } => Weight::rw(3, 1).compute_us(80),
            Self::set_stake { .. } | Self::leave {} => Weight::rw(8, 4),
            Self::heartbeat { .. } => Weight::rw(4, 1),
            Self::set_paused { .. } | Self::set_params { .. } => Weight::rw(1, 1),
        }
    }

    fn pays(&self) -> Pays {
        match self {
            Self::heartbeat { .. } => Pays::No,
            _ => Pays::Yes,
        }
    }

    fn dispatch(self, cx: &mut Ctx, origin: Origin) -> DispatchResult {
        match self {
            Self::register { profile, stake } => register(cx, origin.signed()?, profile, stake),
            Self::update { profile } => update(cx, origin.signed()?, profile),
            Self::set_stake { stake } => set_stake(cx, origin.signed()?, stake),
            Self::heartbeat { slots, version } => heartbeat(cx, origin.signed()?, slots, version),
            Self::leave {} => leave(cx, origin.signed()?),
            Self::set_paused { paused } => {
                origin.root()?;
                clock::set_paused(cx, paused);
                Ok(())
            }
            Self::set_params { params } => {
                origin.root()?;
                ensure(params.check().is_ok(), Error::BadParams)?;
                PARAMS.set(cx, &params);
                cx.emit(Event::ParamsSet {});
                Ok(())
            }
        }
    }
}

/// The agent of an account.
pub fn agent(state: &dyn StateRead, account: &AccountId) -> Option<Agent> {
    AGENTS.get(state, account)
}

/// All agents, in no order that matters: for queries.
pub fn agents(state: &dyn StateRead) -> impl Iterator<Item = (AccountId, Agent)> {
    AGENTS.iter(state)
}

/// The parameters in force.
pub fn params(state: &dyn StateRead) -> Params {
    PARAMS.get(state).unwrap_or_default()
}

/// Whether a heartbeat of this account with these slots would succeed now: only then is it free of
/// charge. The pool and the fee path ask.
pub fn heartbeat_is_due(state: &dyn StateRead, account: &AccountId, slots: u32) -> bool {
    agent(state, account).is_some_and(|agent| check_heartbeat(state, &agent, slots).is_ok())
}

/// What an agent's libp2p key signs to be bound to its account on this chain.
pub fn peer_message(genesis: &Hash, account: &AccountId) -> Vec<u8> {
    (PEER_DOMAIN, genesis, account).encode()
}

fn register(cx: &mut Ctx, who: AccountId, profile: Profile, stake: Balance) -> DispatchResult {
    ensure(!AGENTS.contains(cx, &who), Error::AlreadyAnAgent)?;
    profile.check(&cx.block.genesis, &who)?;
    ensure(stake >= params(cx).stake_min, Error::StakeTooLow)?;
    balances::hold(cx, HoldReason::Stake, &who, stake)?;
    let now = clock::now(cx);
    let agent = Agent {
        owner: who,
        profile,
        stake,
        locked: Balance::ZERO,
        busy: 0,
        reputation: Reputation { value: Balance::ZERO, since: now },
        no_shows: 0,
        jailed_until: 0,
        last_seen: now,
        version: 0,
    };
    AGENTS.set(cx, &who, &agent);
    cx.emit(Event::Registered { agent: who, stake });
    Ok(())
}

fn update(cx: &mut Ctx, who: AccountId, profile: Profile) -> DispatchResult {
    let mut agent = AGENTS.get(cx, &who).ok_or(Error::NotAnAgent)?;
    profile.check(&cx.block.genesis, &who)?;
    agent.profile = profile;
    agent.last_seen = clock::now(cx);
    AGENTS.set(cx, &who, &agent);
    cx.emit(Event::Updated { agent: who });
    Ok(())
}

fn set_stake(cx: &mut Ctx, who: AccountId, stake: Balance) -> DispatchResult {
    let mut agent = AGENTS.get(cx, &who).ok_or(Error::NotAnAgent)?;
    ensure(stake >= params(cx).stake_min, Error::StakeTooLow)?;
    ensure(stake >= agent.locked, Error::StakeInUse)?;
    match stake.checked_sub(agent.stake) {
        Some(more) => balances::hold(cx, HoldReason::Stake, &who, more)?,
        None => {
            let less = agent.stake.saturating_sub(stake);
            balances::release(cx, HoldReason::Stake, &who, less)?;
        }
    }
    agent.stake = stake;
    AGENTS.set(cx, &who, &agent);
    cx.emit(Event::StakeSet { agent: who, stake });
    Ok(())
}

fn heartbeat(cx: &mut Ctx, who: AccountId, slots: u32, version: u32) -> DispatchResult {
    let mut agent = AGENTS.get(cx, &who).ok_or(Error::NotAnAgent)?;
    check_heartbeat(cx, &agent, slots)?;
    agent.profile.slots = slots;
    agent.version = version;
    agent.last_seen = clock::now(cx);
    AGENTS.set(cx, &who, &agent);
    cx.emit(Event::Heartbeat { agent: who, slots, version });
    Ok(())
}

/// Everything that a heartbeat of an agent can fail of: as it is free, it must not be able to fail.
fn check_heartbeat(state: &dyn StateRead, agent: &Agent, slots: u32) -> DispatchResult {
    ensure(slots <= SLOTS_MAX, Error::BadProfile)?;
    let since_ms = clock::now(state).saturating_sub(agent.last_seen);
    ensure(since_ms >= params(state).heartbeat_ms, Error::HeartbeatTooSoon)
}

fn leave(cx: &mut Ctx, who: AccountId) -> DispatchResult {
    let agent = AGENTS.get(cx, &who).ok_or(Error::NotAnAgent)?;
    ensure(agent.locked.is_zero() && agent.busy == 0, Error::StakeInUse)?;
    // It could come back without its record.
    ensure(clock::now(cx) >= agent.jailed_until, Error::Jailed)?;
    balances::release(cx, HoldReason::Stake, &who, agent.stake)?;
    AGENTS.remove(cx, &who);
    cx.emit(Event::Left { agent: who, stake: agent.stake });
    Ok(())
}

/// The pallet's part of a chain spec.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Genesis {
    /// Parameters of the registry.
    pub params: Params,
}

/// The pallet.
pub struct Pallet;

impl framework::Pallet for Pallet {
    const NAME: &'static str = NAME;
    const INDEX: u8 = INDEX;
    const DOC: &'static str =
        "The registry of those who execute tasks: stake, keys, capabilities, reputation.";
    const STORAGE: StorageItems = &[&AGENTS, &PARAMS, &clock::CLOCK];
    type Call = Call;
    type Event = Event;
    type Error = Error;
    type Genesis = Genesis;

    fn genesis(cx: &mut Ctx, genesis: Genesis) -> Result<(), String> {
        genesis.params.check()?;
        PARAMS.set(cx, &genesis.params);
        Ok(())
    }

    fn on_initialize(cx: &mut Ctx) {
        clock::tick(cx);
    }

    fn check(state: &dyn StateRead) -> Result<(), String> {
        let mut all = Balance::ZERO;
        for (account, agent) in agents(state) {
            all = all.saturating_add(agent.stake);
            if agent.locked > agent.stake {
                return Err(format!("{account} has {} at risk of {}", agent.locked, agent.stake));
            }
            let held = balances::held(state, HoldReason::Stake, &account);
            if held != agent.stake {
                return Err(format!("{account} has a stake of {} but {held} held", agent.stake));
            }
        }
        let held = balances::total_held(state, HoldReason::Stake);
        if held != all {
            return Err(format!("{held} is held as stake, agents have {all}"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
