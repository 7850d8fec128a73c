//! The market under random calls by random parties, honest and not: every task ends, money is
//! conserved, every pallet's check holds after every block, and nothing is overdue.
//!
//! One seed gives one run. What was covered is printed; run with `--no-capture` to see it.

use super::{coverage::TRANSITIONS_MIN, *};
use crate::{
    agents::{Capabilities, Payee, Share},
    payouts::PayoutId,
    tasks::{EarlyPay, ReleaseReason},
    testing::Random,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

const AGENTS: u16 = 40;
const REQUESTERS: u16 = 6;
/// Agents that claim and never work.
const LAZY: usize = 4;
const CALLS: usize = 100_000;
/// What will become of a task, so that rare ends are met often enough.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Done,
    InputUnavailable,
    NoShow,
    Released,
    CancelledEarly,
    CancelledAtWork,
    Ignored,
}

fn fate(id: &TaskId) -> Fate {
    match id.0[0] % 24 {
        0..=3 => Fate::InputUnavailable,
        4 | 5 => Fate::NoShow,
        6 | 7 => Fate::Released,
        8 => Fate::CancelledAtWork,
        9 => Fate::CancelledEarly,
        10 => Fate::Ignored,
        _ => Fate::Done,
    }
}

/// A chain, its parties, and what has happened to them.
pub struct Model {
    pub world: World,
    random: Random,
    agents: Vec<AccountId>,
    requesters: Vec<AccountId>,
    pub live: Vec<TaskId>,
    pub payouts: VecDeque<PayoutId>,
    pub unclaimed: Vec<(PayoutId, AccountId)>,
    pub transitions: BTreeMap<&'static str, usize>,
    pub errors: BTreeMap<(u8, u8), usize>,
    pub other_errors: BTreeMap<String, usize>,
    pub calls: usize,
    pub succeeded: usize,
}

fn party(number: u16) -> AccountId {
    AccountId(blake2_256(&("party", number).encode()).0)
}

impl Model {
    fn new(seed: u64) -> Self {
        let agents: Vec<_> = (0..AGENTS).map(party).collect();
        let requesters: Vec<_> = (AGENTS..AGENTS + REQUESTERS).map(party).collect();
        let all: Vec<_> = agents.iter().chain(&requesters).copied().collect();
        let mut world = World::new(&all);
        set_short_spans(&mut world);
        for agent in &agents {
            world.register(*agent, 100 * TOKEN);
        }
        Self {
            world,
            random: Random(seed),
            agents,
            requesters,
            live: Vec::new(),
            payouts: VecDeque::new(),
            unclaimed: Vec::new(),
            transitions: BTreeMap::new(),
            errors: BTreeMap::new(),
            other_errors: BTreeMap::new(),
            calls: 0,
            succeeded: 0,
        }
    }

    fn agent(&mut self) -> AccountId {
        self.random.pick(&self.agents).expect("there are agents")
    }

    fn requester(&mut self) -> AccountId {
        self.random.pick(&self.requesters).expect("there are requesters")
    }

    fn anybody(&mut self) -> AccountId {
        if self.random.percent(50) { self.agent() } else { self.requester() }
    }

    fn live_task(&mut self) -> TaskId {
        self.random.pick(&self.live).unwrap_or(Hash([0xee; 32]))
    }

    fn call(&mut self, who: AccountId, call: impl Into<RuntimeCall>) {
        self.run(Origin::Signed(who), call.into());
    }

    fn run(&mut self, origin: Origin, call: RuntimeCall) {
        let result = self.world.dispatch(origin, call);
        self.note_result(result);
    }

    fn note_result(&mut self, result: DispatchResult) {
        self.calls += 1;
        match result {
            Ok(()) => self.succeeded += 1,
            Err(DispatchError::Module(error)) => {
                *self.errors.entry((error.index, error.error[0])).or_default() += 1;
            }
            Err(error) => *self.other_errors.entry(format!("{error:?}")).or_default() += 1,
        }
        self.note_events();
    }

    /// Ends the block and opens another; now and then after a halt, or with its budget used up.
    fn next_block(&mut self) {
        self.world.close();
        self.note_events();
        self.world.check();
        let height = self.world.block.height;
        assert_eq!(tasks::overdue(&self.world.state, height), 0, "block {height} left steps");
        assert_eq!(payouts::overdue(&self.world.state), 0, "block {height} left payouts");
        if self.random.percent(1) {
            self.world.restart();
        }
        let passed_ms = match self.random.below(200) {
            0 => 7_200_000,
            1..=20 => 1,
            _ => 200 + self.random.below(7_000),
        };
        if self.random.percent(5) {
            self.world.open_without_steps(passed_ms);
            for _ in 0..4 {
                self.step();
            }
            self.poke_all();
        } else {
            self.world.open(passed_ms);
        }
        self.note_events();
    }

    /// Pokes every task that has a step due: then nothing is overdue.
    fn poke_all(&mut self) {
        let state = &self.world.state;
        let block = self.world.block.clone();
        let cx = Ctx::new(state, &block, Hash::ZERO);
        let due: Vec<_> = self
            .live
            .iter()
            .filter(|id| tasks::Entry::load(&cx, id).is_ok_and(|entry| entry.due(&cx).is_some()))
            .copied()
            .collect();
        for id in due {
            let who = self.anybody();
            self.world.ok(who, poke_it(&id));
            self.calls += 1;
            self.succeeded += 1;
            self.note_events();
        }
        let height = self.world.block.height;
        assert_eq!(tasks::overdue(&self.world.state, height), 0, "a poke left steps");
    }

    /// One call: mostly one that takes some task on, else any call by anybody.
    fn step(&mut self) {
        match self.random.below(100) {
            0..=9 => self.create(),
            10..=69 => self.advance(),
            70..=84 => self.housekeeping(),
            85..=90 => self.payout_call(),
            91 => self.govern(),
            _ => self.anything(),
        }
    }

    fn reward(&mut self) -> Balance {
        let units = match self.random.below(10) {
            0..=5 => 1_000_000 + u128::from(self.random.below(100_000_000)),
            6 => 1_000_000_000 + u128::from(self.random.below(30_000_000_000)),
            _ => TOKEN + u128::from(self.random.below(1_000_000_000_000)),
        };
        Balance::new(units)
    }

    fn policy(&mut self) -> Policy {
        let reward = self.reward();
        let mut policy = Policy {
            extra_attempts: u8::try_from(self.random.below(5)).expect("it is small"),
            claim_ms: 24_000 + self.random.below(40_000),
            retain_ms: 24_000 + self.random.below(60_000),
            ..Policy::economy(reward)
        };
        if self.random.percent(10) {
            policy.value_at_risk = policy.reward.saturating_mul(50);
        }
        if self.random.percent(5) {
            policy.requires = Capabilities { memory_class: 9, tags: vec![b"us".to_vec()] };
        }
        policy
    }

    fn create(&mut self) {
        let (who, mut spec, mut policy) = (self.anybody(), job(), self.policy());
        match self.random.below(60) {
            0 => spec.fuel_limit = 0,
            1 => spec.fuel_limit = tasks::FUEL_LIMIT_MAX,
            2 => policy.extra_attempts = 200,
            3 => policy.replicas = 3,
            4 => policy.reward = Balance::new(1),
            5 => policy.reward = Balance::MAX,
            6 => policy.reward = ENDOWMENT,
            7 => spec.engine = 2,
            _ => {}
        }
        let requester = if self.random.percent(10) { Some(self.requester()) } else { None };
        let funded = self.random.percent(75);
        let call = tasks::Call::create_task { spec, policy, requester, funded };
        self.call(who, call.clone());
        if self.random.percent(1) {
            let result = self.world.call_as(who, call);
            self.note_result(result);
        }
    }

    /// Does what some task waits for, by who should do it.
    fn advance(&mut self) {
        let mut id = self.live_task();
        for _ in 0..8 {
            let waits = |task: &tasks::Task| {
                task.candidates == 0 && task.early == EarlyPay::No && !task.state.is_final()
            };
            if tasks::task(&self.world.state, &id).as_ref().is_some_and(waits) {
                break;
            }
            id = self.live_task();
        }
        let Some(task) = tasks::task(&self.world.state, &id) else { return };
        let fate = fate(&id);
        match task.state {
            TaskState::AwaitingEscrow | TaskState::Pending if fate == Fate::CancelledEarly => {
                self.call(task.requester, cancel(&id));
            }
            TaskState::AwaitingEscrow if fate != Fate::Ignored => {
                let who = self.requester();
                let spec_hash = task.spec_hash;
                self.call(who, tasks::Call::fund_task { task: id, spec_hash });
            }
            TaskState::Pending if fate != Fate::Ignored => self.claim(&id),
            TaskState::Assigned => self.work(&id, &task, fate),
            TaskState::Validating if task.early == EarlyPay::No && self.random.percent(60) => {
                self.call(task.requester, accept(&id));
            }
            _ => {}
        }
    }

    fn claim(&mut self, id: &TaskId) {
        let crowd = if self.random.percent(1) { usize::from(AGENTS) } else { 1 };
        for number in 0..crowd {
            let who = if crowd > 1 { self.agents[number] } else { self.agent() };
            let mut call = self.world.claim(&who, id);
            if let tasks::Call::claim_task { proof, .. } = &mut call
                && self.random.percent(4)
            {
                proof[3] ^= 1;
            }
            self.call(who, call);
        }
    }

    fn work(&mut self, id: &TaskId, task: &tasks::Task, fate: Fate) {
        let Some((_, slot)) = task.slot() else { return };
        let agent = slot.agent;
        if self.agents[..LAZY].contains(&agent) {
            return;
        }
        let release = |reason| tasks::Call::release_task { task: *id, reason };
        match fate {
            Fate::InputUnavailable => self.call(agent, release(ReleaseReason::InputUnavailable)),
            Fate::Released => self.call(agent, release(ReleaseReason::CannotExecute)),
            Fate::CancelledAtWork => {
                let who = if self.random.percent(90) { task.requester } else { self.anybody() };
                self.call(who, cancel(id));
            }
            Fate::NoShow => {}
            Fate::Done | Fate::CancelledEarly | Fate::Ignored => self.call(agent, self::submit(id)),
        }
    }

    fn profile(&mut self, who: &AccountId) -> agents::Profile {
        let mut new = profile(who);
        let poor = AccountId(blake2_256(&("poor", self.random.next()).encode()).0);
        let (one, other) = (self.anybody(), self.anybody());
        new.payout = match self.random.below(10) {
            0..=4 => Payee::Account(poor),
            5 => Payee::Account(one),
            6 => {
                let share = |account, parts| Share { account, parts };
                Payee::Split(vec![share(one, 100), share(other, 499_900), share(*who, 500_000)])
            }
            _ => Payee::Account(*who),
        };
        match self.random.below(40) {
            0 => new.payout = Payee::Split(Vec::new()),
            1 => new.engines.clear(),
            2 => new.peer_proof[9] ^= 1,
            3 => new.hold_max = Balance::new(TOKEN),
            4 => new.slots = 1,
            5 => new.engines = vec![1, 2],
            6 => new.capabilities.tags = vec![b"us".to_vec()],
            _ => {}
        }
        new
    }

    /// What agents do besides working.
    fn housekeeping(&mut self) {
        let who = self.agent();
        let kind = if agents::agent(&self.world.state, &who).is_none() && self.random.percent(60) {
            19
        } else {
            self.random.below(20)
        };
        match kind {
            0..=8 => {
                let slots = u32::try_from(self.random.below(60)).expect("it is small");
                self.call(who, agents::Call::heartbeat { slots, version: 1 });
            }
            9..=13 => {
                let profile = self.profile(&who);
                self.call(who, agents::Call::update { profile });
            }
            14..=16 => {
                let units = 10 * TOKEN + u128::from(self.random.below(1 << 48));
                self.call(who, agents::Call::set_stake { stake: Balance::new(units) });
            }
            17 => self.call(who, agents::Call::leave {}),
            _ => {
                let profile = self.profile(&who);
                let stake = Balance::new(u128::from(self.random.below(1 << 47)));
                self.call(who, agents::Call::register { profile, stake });
            }
        }
    }

    fn payout_call(&mut self) {
        let (recent, who) = (self.payouts.make_contiguous().to_vec(), self.anybody());
        let known = self.random.pick(&recent).unwrap_or(Hash::ZERO);
        match self.random.below(10) {
            0..=2 => {
                let ids = match self.random.below(8) {
                    0 => vec![known, known],
                    1 => vec![Hash::ZERO],
                    _ => vec![known],
                };
                self.call(who, payouts::Call::claim_payouts { ids });
            }
            3..=7 => {
                let lost = self.random.pick(&self.unclaimed);
                let (id, agent) = lost.unwrap_or((known, who));
                let who = if self.random.percent(90) { agent } else { who };
                let payee = self.requester();
                // Half of what is unclaimed stays so and falls to the treasury.
                let id = if id.0[1] % 2 == 0 { id } else { known };
                self.call(who, payouts::Call::redirect_payouts { ids: vec![id], payee });
            }
            _ => {
                let minimum = match self.random.below(3) {
                    0 => None,
                    1 => Some(Balance::new(self.random.below(2_000_000_000).into())),
                    _ => Some(balances::EXISTENTIAL_DEPOSIT),
                };
                self.call(who, payouts::Call::set_minimum { minimum });
            }
        }
    }

    /// Parameters that are wrong, and attempts to set them without being root.
    fn govern(&mut self) {
        let origin =
            if self.random.percent(80) { Origin::Root } else { Origin::Signed(self.anybody()) };
        let call: RuntimeCall = match self.random.below(6) {
            0 => {
                let params = agents::Params { stake_min: Balance::ZERO, ..Default::default() };
                agents::Call::set_params { params }.into()
            }
            1 => {
                let params = tasks::Params { draw_ms: 0, ..Default::default() };
                tasks::Call::set_params { params }.into()
            }
            2 => {
                let params = escrow::Params { fee_ppm: u32::MAX, ..Default::default() };
                escrow::Call::set_params { params }.into()
            }
            3 => {
                let params = validations::Params { window_ms: 0 };
                validations::Call::set_params { params }.into()
            }
            4 => {
                let params = payouts::Params { minimum: Balance::MAX, ..Default::default() };
                payouts::Call::set_params { params }.into()
            }
            _ => agents::Call::set_paused { paused: self.random.percent(10) }.into(),
        };
        self.run(origin, call);
        if agents::clock::clock(&self.world.state).paused {
            self.world.next(1_000);
            self.run(Origin::Root, agents::Call::set_paused { paused: false }.into());
        }
    }

    /// Any call by anybody on any task: the adversary.
    fn anything(&mut self) {
        let who = self.anybody();
        let id = if self.random.percent(3) { Hash([0xee; 32]) } else { self.live_task() };
        let call: RuntimeCall = match self.random.below(10) {
            0 => tasks::Call::fund_task { task: id, spec_hash: Hash::ZERO }.into(),
            1 => {
                let spec_hash = blake2_256(&job().encode());
                tasks::Call::fund_task { task: id, spec_hash }.into()
            }
            2 => {
                // A claim of somebody else, or for another attempt.
                let (other, attempt) = (self.anybody(), self.random.below(3));
                let seed = tasks::epoch(&self.world.state).last;
                let attempt = u8::try_from(attempt).expect("it is small");
                claim_over(&other, &id, attempt, &seed).into()
            }
            3 => tasks::Call::release_task { task: id, reason: ReleaseReason::Overloaded }.into(),
            4 => cancel(&id).into(),
            5 => self::submit(&id).into(),
            6 => {
                let outcome = tasks::Outcome::OutOfFuel;
                let task = tasks::task(&self.world.state, &id);
                let slot = task.as_ref().and_then(|task| task.slot());
                let who = slot.map_or(who, |(_, slot)| slot.agent);
                let call =
                    validations::Call::submit_result { task: id, outcome, fuel_used: u64::MAX };
                return self.call(who, call);
            }
            7 => accept(&id).into(),
            8 => poke_it(&id).into(),
            _ => {
                let task = tasks::task(&self.world.state, &id);
                let who = task.map_or(who, |task| task.requester);
                self.call(who, accept(&id));
                return self.call(who, accept(&id));
            }
        };
        self.call(who, call);
    }

    /// Lets time pass until everything has ended, and sees that nothing is left on hold.
    fn drain(&mut self) {
        for _ in 0..40 {
            self.world.pass(100_000);
            self.note_events();
        }
        assert!(self.live.is_empty(), "{} tasks never ended", self.live.len());
        for agent in self.agents.clone() {
            if agents::agent(&self.world.state, &agent).is_some() {
                self.world.ok(agent, agents::Call::leave {});
            }
        }
        let parties: Vec<_> = self.agents.iter().chain(&self.requesters).copied().collect();
        for who in parties {
            self.world.ok(who, payouts::Call::set_minimum { minimum: None });
        }
        self.world.next(1);
        let parties = self.agents.iter().chain(&self.requesters).chain([&payouts::POT]);
        for who in parties {
            for reason in balances::HoldReason::ALL {
                let held = balances::held(&self.world.state, reason, who);
                assert_eq!(held, Balance::ZERO, "{who} still holds money for {reason:?}");
            }
        }
    }
}

/// Spans as short as code allows, so that deadlines are met often.
fn set_short_spans(world: &mut World) {
    let params = agents::Params {
        heartbeat_ms: 10_000,
        silence_ms: 150_000,
        jail_ms: 60_000,
        ..Default::default()
    };
    world.root(agents::Call::set_params { params }).expect("it is within bounds");
    let params = tasks::Params {
        funding_ms: 30_000,
        exec_ms_min: 24_000,
        epoch_ms: 60_000,
        settle_ms: 60_000,
        slot_hold_min: Balance::new(TOKEN / 10),
        ..Default::default()
    };
    world.root(tasks::Call::set_params { params }).expect("it is within bounds");
    let params = validations::Params { window_ms: 48_000 };
    world.root(validations::Call::set_params { params }).expect("it is within bounds");
    let params = payouts::Params {
        era_ms: 30_000,
        retry_ms: 1_000,
        unclaimed_ms: 500_000,
        ..Default::default()
    };
    world.root(payouts::Call::set_params { params }).expect("it is within bounds");
}

fn run(seed: u64, calls: usize) -> Model {
    let mut model = Model::new(seed);
    while model.calls < calls {
        for _ in 0..1 + model.random.below(40) {
            model.step();
        }
        model.next_block();
    }
    model.drain();
    model
}

#[test]
fn the_market_survives_random_calls_and_every_task_ends() {
    let model = run(1, CALLS);
    let (table, missing) = model.report(TRANSITIONS_MIN);
    println!("{table}");
    assert_eq!(missing, Vec::<String>::new(), "not covered often enough");
}

#[test]
fn the_same_seed_gives_the_same_chain() {
    let digest = |seed| blake2_256(&run(seed, 1_000).world.state.map.encode());
    let different: BTreeSet<_> = [digest(2), digest(2), digest(3)].into();
    assert_eq!(different.len(), 2);
}
