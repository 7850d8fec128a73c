//! A thousand eras of random stakers, honest and not. After every block all money is somebody's, every pallet's check
//! holds, and stakes are what a naive oracle says; every election and every reward is compared with it, too.
//!
//! One seed gives one run. What was covered is printed; run with `--no-capture` to see it.

mod messages;

use super::{super::*, oracle::*};
use crate::{balances, eras::*, session, testing::Random, treasury};
use messages::thousandths;
use primitives::crypto::session::SessionKeys;
use std::collections::{BTreeMap, BTreeSet};

const ERAS: u32 = 1_000;
const VALIDATORS_COUNT: u8 = 32;
const PARTIES: u8 = 24;
/// An era of many blocks, so that absences are judged, comes after so many of few.
const LONG_ERA: u32 = 12;

/// A chain, what should be true of it, and what has happened.
pub struct Model {
    world: World,
    oracle: Oracle,
    random: Random,
    accounts: Vec<AccountId>,
    /// Number of the last keys of each account.
    keys: BTreeMap<AccountId, u32>,
    /// Points that the block's author has earned.
    credit: u32,
    pub transitions: BTreeMap<&'static str, usize>,
    pub errors: BTreeMap<(u8, u8), usize>,
    pub blocks: usize,
    pub calls: usize,
    pub succeeded: usize,
}

impl Model {
    fn new(seed: u64) -> Self {
        let validators = (0..VALIDATORS_COUNT).map(validator);
        let stakes: Vec<_> = validators.clone().take(8).map(|who| (who, STAKE)).collect();
        let params = Params { era_ms: ERA_MS, ..Params::default() };
        let mut world = World::with(stakes, PARTIES + VALIDATORS_COUNT - 8, params);
        world.take_events();
        let parties = (0..PARTIES + VALIDATORS_COUNT - 8).map(party);
        let accounts = validators.take(8).chain(parties).collect();
        Self {
            world,
            oracle: Oracle::new(8),
            random: Random(seed),
            accounts,
            keys: BTreeMap::new(),
            credit: 0,
            transitions: BTreeMap::new(),
            errors: BTreeMap::new(),
            blocks: 0,
            calls: 0,
            succeeded: 0,
        }
    }

    fn note(&mut self, transition: &'static str) {
        super::coverage::is_known(transition);
        *self.transitions.entry(transition).or_default() += 1;
    }

    fn count(&mut self, result: DispatchResult) -> bool {
        self.calls += 1;
        match result {
            Ok(()) => {
                self.succeeded += 1;
                true
            }
            Err(DispatchError::Module(module)) => {
                *self.errors.entry((module.index, module.error[0])).or_default() += 1;
                false
            }
            Err(_) => false,
        }
    }

    /// Those who want to validate: the first accounts; the others nominate, and some do both in turn.
    fn candidates(&self) -> &[AccountId] {
        &self.accounts[..usize::from(VALIDATORS_COUNT)]
    }

    fn anybody(&mut self) -> AccountId {
        self.random.pick(&self.accounts).expect("there are some")
    }

    fn amount(&mut self) -> Balance {
        let units = match self.random.below(12) {
            0 => 0,
            1 => u128::from(self.random.below(2_000_000_000)),
            2 => u128::MAX,
            3..=5 => u128::from(self.random.below(200)) * TOKEN,
            _ => u128::from(self.random.next() >> 10) % (40_000 * TOKEN),
        };
        Balance::new(units)
    }

    fn stake_call(&mut self, who: AccountId, call: Call) -> bool {
        let spendable = balances::spendable(&self.world.state, &who, true).get();
        let result = self.world.call(who, call.clone());
        let done = self.count(result);
        if done {
            let before = self.oracle.stakes.contains_key(&who);
            self.oracle.called(who, spendable, &call);
            let ended = before && !self.oracle.stakes.contains_key(&who);
            self.note(match call {
                Call::bond { .. } => "bonded",
                Call::bond_extra { .. } => "bonded more",
                Call::unbond { .. } => "unbonded",
                Call::rebond { .. } => "bonded again",
                Call::withdraw_unbonded { .. } if ended => "all withdrawn",
                Call::withdraw_unbonded { .. } => "withdrawn",
                Call::validate { .. } => "validates",
                Call::nominate { .. } => "nominates",
                Call::chill => "chilled",
                _ => "payee set",
            });
        }
        done
    }

    fn payee(&mut self) -> RewardDestination {
        match self.random.below(8) {
            0 => RewardDestination::None,
            1 => RewardDestination::Account(self.anybody()),
            2 => RewardDestination::Controller,
            3 | 4 => RewardDestination::Stash,
            _ => RewardDestination::Staked,
        }
    }

    fn prefs(&mut self) -> ValidatorPrefs {
        let ppm = if self.random.percent(5) { 2_000_000_000 } else { self.random.below(300_000) };
        let commission =
            Encode::encode(&(u32::try_from(ppm).expect("it is small").saturating_mul(2)));
        let commission = Perbill::decode(&mut &commission[..]).expect("four bytes");
        ValidatorPrefs { commission, blocked: self.random.percent(10) }
    }

    fn targets(&mut self) -> Vec<MultiAddress> {
        let count = match self.random.below(30) {
            0 => 0,
            1 => 17,
            _ => 1 + self.random.below(6),
        };
        let pool: Vec<_> = self.oracle.validators.keys().copied().collect();
        let mut targets = BTreeSet::new();
        for _ in 0..count {
            let target =
                if self.random.percent(2) { Some(self.anybody()) } else { self.random.pick(&pool) };
            targets.extend(target);
        }
        let mut targets: Vec<MultiAddress> = targets.into_iter().map(Into::into).collect();
        if self.random.percent(3) || count == 17 {
            let again = targets.first().cloned();
            targets.extend(
                std::iter::repeat_n(again, usize::try_from(count).expect("small")).flatten(),
            );
        }
        targets
    }

    /// A random call by somebody.
    fn act(&mut self) {
        let who = self.anybody();
        let validates = self.candidates().contains(&who);
        match self.random.below(100) {
            0..=11 => {
                let (value, payee) = (self.amount(), self.payee());
                self.stake_call(who, Call::bond { value, payee });
            }
            12..=21 => {
                let max_additional = self.amount();
                self.stake_call(who, Call::bond_extra { max_additional });
            }
            22..=36 => {
                let value = self.amount();
                self.stake_call(who, Call::unbond { value });
            }
            37..=41 => {
                let value = self.amount();
                self.stake_call(who, Call::rebond { value });
            }
            42..=48 => {
                self.stake_call(who, Call::withdraw_unbonded { num_slashing_spans: 0 });
            }
            49..=68 if validates || self.random.percent(5) => {
                let prefs = self.prefs();
                self.stake_call(who, Call::validate { prefs });
            }
            49..=75 => {
                let targets = self.targets();
                self.stake_call(who, Call::nominate { targets });
            }
            76..=78 => {
                self.stake_call(who, Call::chill);
            }
            79..=81 => {
                let payee = self.payee();
                self.stake_call(who, Call::set_payee { payee });
            }
            82..=90 => self.set_keys(who),
            91 => {
                let result = self.world.call(who, session::Call::purge_keys);
                if self.count(result) {
                    self.oracle.keys.remove(&who);
                    self.note("keys purged");
                }
            }
            92..=96 => self.ask_for_payout(who),
            _ => self.govern(),
        }
    }

    fn set_keys(&mut self, who: AccountId) {
        let number = self.keys.get(&who).copied().unwrap_or_default() + 1;
        let number = if self.random.percent(20) { number.saturating_sub(2) } else { number };
        let mut call = crate::eras::set_keys(&who, number);
        match self.random.below(12) {
            0 => call = crate::eras::set_keys(&self.accounts[0], 0),
            1 => {
                // Keys of another, with a proof that it holds them.
                let (vote, vrf) = pairs(&self.accounts[0], 0);
                let (keys, proof) = SessionKeys::prove(&GENESIS, &who, &vote, &vrf);
                call = session::Call::set_keys { keys, proof: proof.encode() };
            }
            _ => {}
        }
        let session::Call::set_keys { keys, .. } = call.clone() else { return };
        let result = self.world.call(who, call);
        if self.count(result) {
            self.world.know(&who, number);
            let last = self.keys.entry(who).or_default();
            *last = number.max(*last);
            self.oracle.keys_set(who, keys);
            self.note("keys set");
        }
    }

    /// Everybody is paid already, so that this mostly fails.
    fn ask_for_payout(&mut self, who: AccountId) {
        let back = u32::try_from(self.random.below(4)).expect("it is small");
        let era = if self.random.percent(5) { 0 } else { self.oracle.era.saturating_sub(back) };
        let set = self.world.set();
        let validator_stash =
            if self.random.percent(10) { who } else { self.random.pick(&set).expect("some") };
        let page = u32::try_from(self.random.below(2)).expect("it is small");
        let call = if self.random.percent(50) {
            Call::payout_stakers { validator_stash, era }
        } else {
            Call::payout_stakers_by_page { validator_stash, era, page }
        };
        let result = self.world.call(who, call);
        self.count(result);
    }

    fn govern(&mut self) {
        let call = match self.random.below(3) {
            0 => Call::set_validator_count { new: 0 },
            1 => {
                let era_ms = ERA_MS_MAX + 1;
                Call::set_params { params: Params { era_ms, ..Params::default() } }
            }
            _ => Call::set_validator_count {
                new: 5 + u32::try_from(self.random.below(6)).expect("small"),
            },
        };
        let result = self.world.root(call);
        self.count(result);
    }

    fn open(&mut self, passed_ms: Moment) {
        let (parent, height) = (self.world.block.height, self.world.block.height + 1);
        let set = session::set_at(&self.world.state, parent).expect("it is known");
        let signers = self.signers(&set);
        let round = if self.random.percent(85) {
            0
        } else {
            1 + u32::try_from(self.random.below(3)).expect("small")
        };
        let next = session::validators(&self.world.state);
        for round in 0..round {
            self.oracle.forfeits.extend(next.proposer(height, round).map(|v| v.account));
        }
        self.world.open(passed_ms, round, Some(&signers));
        let session = session::session_at(&self.world.state, parent).expect("it is known");
        self.credit = thousandths(&set, &signers);
        let members = set.validators.iter().map(|v| v.account).collect();
        self.oracle.signed.insert(parent, (session, members, signers.into_iter().collect()));
    }

    /// Ends the block, and sees that the chain does what the oracle says.
    fn close(&mut self) {
        self.world.take_events();
        let order: Vec<Key> = SLASHES.iter(&self.world.state).map(|(key, _)| key).collect();
        let before = self.world.state.clone();
        let (now, set) = (self.world.block.clone(), self.world.set());
        let count = VALIDATOR_COUNT.get(&before).expect("it is set");
        self.world.close();
        self.blocks += 1;
        let events = self.world.take_events();
        if self.credit > 0 && !self.oracle.credit(now.author, self.credit) {
            self.note("points forfeited");
        }
        self.check_slashes(&order, &events);
        let ends = now.time_ms >= self.oracle.start + ERA_MS;
        assert_eq!(self.world.era(), self.oracle.era + u32::from(ends));
        if ends {
            let count = usize::try_from(count).expect("it is small");
            let least = params(&before).validator_bond_min.get();
            let (absent, elected) = self.oracle.elect(now.height, count, least, &set);
            self.check_absent(&absent, &events);
            self.end_era(&before, now.time_ms, elected);
        }
        self.check_rewards(&events);
        self.world.check();
        self.oracle.check(&self.world);
        assert!(SLASHES.iter(&before).count() == order.len());
    }

    fn check_slashes(&mut self, order: &[Key], events: &[RuntimeEvent]) {
        let raised = order.iter().any(|key| self.oracle.taken.contains(key));
        let repeated = self.repeated(order);
        let in_unbonding = self.oracle.taken_in_unbonding;
        let expected = self.oracle.take_ordered(order);
        let mut found = BTreeMap::new();
        for event in events {
            if let RuntimeEvent::Staking(Event::Slashed { staker, amount }) = event {
                *found.entry(*staker).or_default() += amount.get();
            }
        }
        assert_eq!(found, expected, "slashes of {order:?}");
        let guilty: BTreeSet<_> = order.iter().map(|(_, who)| *who).collect();
        for who in found.keys() {
            self.note(if guilty.contains(who) { "validator slashed" } else { "nominator slashed" });
        }
        if raised {
            self.note("slash raised");
        }
        for in_span in repeated {
            self.note(if in_span { "slashed again in a span" } else { "slashed in a new span" });
        }
        for _ in in_unbonding..self.oracle.taken_in_unbonding {
            self.note("slashed while unbonding");
        }
    }

    /// Of the slashes of those who equivocated in other eras, too: whether their span has cost somebody something.
    fn repeated(&self, order: &[Key]) -> Vec<bool> {
        let Oracle { offenders, taken, lost, .. } = &self.oracle;
        let is_offence = |(era, who): &Key| offenders.get(era).is_some_and(|all| all.contains(who));
        let has_other =
            |key: &Key| taken.iter().any(|old| old != key && old.1 == key.1 && is_offence(old));
        let has_cost = |key: &Key| {
            let span = (self.oracle.span_of(*key), key.1);
            lost.keys().any(|(end, validator, _)| (*end, *validator) == span)
        };
        order.iter().filter(|key| is_offence(key) && has_other(key)).map(has_cost).collect()
    }

    fn check_absent(&mut self, expected: &[AccountId], events: &[RuntimeEvent]) {
        let absent = events.iter().filter_map(|event| match event {
            RuntimeEvent::Staking(Event::Absent { stash, .. }) => Some(*stash),
            _ => None,
        });
        assert_eq!(absent.collect::<Vec<_>>(), expected);
        for who in expected {
            self.note("absent");
            if self.oracle.ordered.contains_key(&(self.oracle.era, *who)) {
                self.note("absent all the time");
            }
        }
    }

    fn end_era(
        &mut self,
        before: &framework::MemState,
        now: Moment,
        elected: BTreeMap<AccountId, Behind>,
    ) {
        let era = self.oracle.era;
        let pot = balances::free(before, &treasury::VALIDATORS).get();
        let fees = pot - balances::EXISTENTIAL_DEPOSIT.get() - self.oracle.promised();
        let lasted = u128::from((now - self.oracle.start).min(2 * ERA_MS));
        let year = 365 * 24 * 3_600_000;
        let fresh = balances::total_issuance(before).get() * 50_000 * lasted / (1_000_000 * year);
        // Where nobody has earned points, everything waits for the next era.
        let earned = self.oracle.points.keys().any(|key| key.0 == era);
        let reward = if earned { fees + fresh } else { 0 };
        self.oracle.rewards.insert(era, (reward, reward));
        assert_eq!(ERAS_VALIDATOR_REWARD.get(&self.world.state, &era), Some(Balance::new(reward)));
        let old = session::set_of(&self.world.state, era).expect("it was just replaced");
        self.oracle.era = era + 1;
        self.oracle.start = now;
        self.oracle.forfeits.clear();
        self.oracle.check_elected(&self.world, &elected);
        for v in session::validators(&self.world.state).validators {
            if old.get(&v.account).is_some_and(|old| old.vote_key != v.vote_key) {
                self.note("keys rotated");
            }
        }
        for (who, behind) in elected {
            self.oracle.behind.insert((era + 1, who), behind);
        }
        self.note("era");
        let forgotten = era.saturating_sub(HISTORY_DEPTH);
        self.oracle.behind.retain(|key, _| key.0 >= forgotten);
        self.oracle.points.retain(|key, _| key.0 >= forgotten);
        self.oracle.rewards.retain(|of, _| *of >= forgotten);
        self.oracle.signed.retain(|_, (of, _, _)| *of >= era);
    }

    /// Each page once, each staker what it should get.
    fn check_rewards(&mut self, events: &[RuntimeEvent]) {
        let mut paying: Option<(Key, BTreeMap<AccountId, u128>)> = None;
        for event in events {
            match event {
                RuntimeEvent::Staking(Event::PayoutStarted {
                    era_index,
                    validator_stash,
                    page,
                    ..
                }) => {
                    assert_eq!(*page, 0, "they fit on one");
                    self.all_paid(paying.take());
                    let key = (*era_index, *validator_stash);
                    assert!(self.oracle.paid.insert(key), "{key:?} is paid twice");
                    paying = Some((key, self.oracle.due(&key)));
                }
                RuntimeEvent::Staking(Event::Rewarded { stash, amount, dest }) => {
                    let (key, due) = paying.as_mut().expect("a page was begun");
                    let (key, expected) = (*key, due.remove(stash));
                    assert_eq!(expected, Some(amount.get()), "{stash} for {key:?}");
                    let payee = self.oracle.payees.get(stash).copied();
                    assert_eq!(*dest, payee.unwrap_or(RewardDestination::Stash));
                    let bonded = self.oracle.paid(key.0, stash, amount.get());
                    self.note(if *stash == key.1 {
                        "validator rewarded"
                    } else {
                        "nominator rewarded"
                    });
                    if bonded {
                        self.note("reward bonded");
                    }
                }
                _ => {}
            }
        }
        self.all_paid(paying);
    }

    fn all_paid(&self, page: Option<(Key, BTreeMap<AccountId, u128>)>) {
        assert!(page.is_none_or(|(_, due)| due.is_empty()), "somebody was forgotten");
    }

    /// Who has been jailed long enough, or nothing left, begins anew now and then, so that the chain lives.
    fn keep_alive(&mut self) {
        if self.oracle.validators.len() >= 12 {
            return;
        }
        let pool = self.candidates().to_vec();
        let Some(who) = self.random.pick(&pool) else { return };
        if !self.oracle.keys.contains_key(&who) {
            self.set_keys(who);
        }
        let value = Balance::new(STAKE.get());
        self.stake_call(who, Call::bond { value, payee: RewardDestination::Staked });
        self.stake_call(who, Call::bond_extra { max_additional: value });
        self.stake_call(who, Call::validate { prefs: prefs(1_000) });
    }

    /// One account unbonds a little in each era, so that it once has as many parts as there may be.
    fn unbond_often(&mut self) {
        let who = self.accounts[self.accounts.len() - 1];
        if !self.oracle.stakes.contains_key(&who) {
            let payee = RewardDestination::Stash;
            self.stake_call(who, Call::bond { value: Balance::new(20_000 * TOKEN), payee });
        }
        self.stake_call(who, Call::unbond { value: Balance::new(TOKEN) });
    }

    /// Some who are at risk take all their stake out, and it is theirs at last.
    fn leave(&mut self) {
        if self.random.percent(40) {
            let key =
                (self.oracle.era, self.random.pick(&self.world.set()).expect("there are some"));
            let others: Vec<_> = self.oracle.behind[&key].others.keys().copied().collect();
            let who =
                self.random.pick(&others).filter(|_| self.random.percent(70)).unwrap_or(key.1);
            self.stake_call(who, Call::chill);
            self.stake_call(who, Call::unbond { value: Balance::MAX });
        }
        let idle = self.oracle.stakes.iter().filter(|(_, stake)| stake.active == 0);
        let idle: Vec<_> = idle.map(|(who, _)| *who).collect();
        if let Some(who) = self.random.pick(&idle) {
            self.stake_call(who, Call::withdraw_unbonded { num_slashing_spans: 0 });
        }
    }

    fn block(&mut self, passed_ms: Moment) {
        for _ in 0..self.random.below(4) {
            self.act();
        }
        if self.random.percent(5) {
            let height = self.report(None);
            // Others with it, or the same again.
            while self.random.percent(50) {
                self.report(height);
            }
        }
        if self.random.percent(25) {
            self.widen();
        }
        if self.random.percent(2) && self.world.block.height > 2 {
            self.bad_certificate();
        }
        self.close();
        self.open(passed_ms);
    }

    fn era(&mut self) {
        let era = self.oracle.era;
        let long = era.is_multiple_of(LONG_ERA);
        let blocks = if long { 34 } else { 2 + self.random.below(3) };
        self.keep_alive();
        self.unbond_often();
        self.leave();
        while self.oracle.era == era {
            let passed_ms = ERA_MS / blocks + self.random.below(1_000);
            self.block(passed_ms);
        }
    }
}

fn run(seed: u64, eras: u32) -> Model {
    let mut model = Model::new(seed);
    while model.oracle.era < eras {
        model.era();
    }
    model
}

/// Of a run that covers all that may happen often enough.
const SEED: u64 = 7;

#[test]
fn stakers_survive_a_thousand_eras_of_random_calls_offences_and_absences() {
    let model = run(SEED, ERAS);
    let (table, missing) = model.report_coverage();
    println!("{table}");
    assert_eq!(missing, Vec::<String>::new(), "not covered often enough");
}

#[test]
fn the_same_seed_gives_the_same_chain() {
    let digest =
        |seed| primitives::crypto::hash::blake2_256(&run(seed, 20).world.state.map.encode());
    let different: BTreeSet<_> = [digest(2), digest(2), digest(3)].into();
    assert_eq!(different.len(), 2);
}
