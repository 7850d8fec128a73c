//! What stakers should have, by the rules told in the simplest way: whole tables, no cursors, no pages.

use super::super::*;
use crate::{balances, eras::*, session};
use primitives::crypto::session::SessionKeys;
use std::collections::{BTreeMap, BTreeSet};

/// Parts per billion.
const WHOLE: u128 = 1_000_000_000;
const ED: u128 = balances::EXISTENTIAL_DEPOSIT.get();

/// What an account has bonded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stake {
    pub active: u128,
    /// By the era in which it may be withdrawn.
    pub unlocking: Vec<(EraIndex, u128)>,
}

impl Stake {
    pub fn total(&self) -> u128 {
        self.active + self.unlocking.iter().map(|(_, value)| value).sum::<u128>()
    }
}

/// What stands behind a validator in an era.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Behind {
    pub own: u128,
    pub others: BTreeMap<AccountId, u128>,
    pub commission: u128,
}

impl Behind {
    pub fn total(&self) -> u128 {
        self.own + self.others.values().sum::<u128>()
    }
}

/// A validator and an era.
pub type Key = (EraIndex, AccountId);

#[derive(Default)]
pub struct Oracle {
    pub stakes: BTreeMap<AccountId, Stake>,
    pub payees: BTreeMap<AccountId, RewardDestination>,
    pub validators: BTreeMap<AccountId, ValidatorPrefs>,
    pub nominators: BTreeMap<AccountId, Vec<AccountId>>,
    /// Keys with the session from which they count.
    pub keys: BTreeMap<AccountId, Vec<(EraIndex, SessionKeys)>>,
    pub jailed: BTreeMap<AccountId, EraIndex>,
    pub era: EraIndex,
    pub start: Moment,
    pub behind: BTreeMap<Key, Behind>,
    pub points: BTreeMap<Key, u32>,
    pub forfeits: BTreeSet<AccountId>,
    /// Rewards of eras, and what is left of them.
    pub rewards: BTreeMap<EraIndex, (u128, u128)>,
    pub paid: BTreeSet<Key>,
    /// Shares that are ordered, and those of them that were taken once.
    pub ordered: BTreeMap<Key, u128>,
    pub taken: BTreeSet<Key>,
    /// Eras in which equivocators were found who were free, and what spans have cost stakers.
    pub found: BTreeMap<AccountId, Vec<EraIndex>>,
    pub lost: BTreeMap<(EraIndex, AccountId, AccountId), u128>,
    pub offenders: BTreeMap<EraIndex, BTreeSet<AccountId>>,
    /// Era, those who should sign, and those who have, by height.
    pub signed: BTreeMap<Height, (EraIndex, BTreeSet<AccountId>, BTreeSet<AccountId>)>,
    /// Slashes that reached stake on its way out.
    pub taken_in_unbonding: usize,
}

impl Oracle {
    pub fn new(validators: u8) -> Self {
        let mut this = Self { start: 1_000, ..Self::default() };
        for who in (0..validators).map(validator) {
            let (vote, vrf) = pairs(&who, 0);
            let keys = SessionKeys { vote: vote.public(), vrf: vrf.public() };
            this.stakes.insert(who, Stake { active: STAKE.get(), unlocking: Vec::new() });
            this.payees.insert(who, RewardDestination::Staked);
            this.validators.insert(who, prefs(0));
            this.keys.insert(who, vec![(0, keys)]);
            let behind = Behind { own: STAKE.get(), ..Behind::default() };
            this.behind.insert((0, who), behind);
        }
        this
    }

    pub fn active(&self, who: &AccountId) -> u128 {
        self.stakes.get(who).map_or(0, |stake| stake.active)
    }

    fn stake(&mut self, who: &AccountId) -> &mut Stake {
        self.stakes.get_mut(who).expect("the call succeeded")
    }

    /// A call by an account has succeeded that could spend so much before.
    pub fn called(&mut self, who: AccountId, spendable: u128, call: &Call) {
        match call {
            Call::bond { value, payee } => {
                let active = value.get().min(spendable);
                self.stakes.insert(who, Stake { active, unlocking: Vec::new() });
                self.payees.insert(who, *payee);
            }
            Call::bond_extra { max_additional } => {
                self.stake(&who).active += max_additional.get().min(spendable);
            }
            Call::unbond { value } => {
                let (now, due) = (self.era, self.era + BONDING_ERAS);
                let stake = self.stake(&who);
                let joins = stake.unlocking.last().is_some_and(|(era, _)| *era == due);
                if stake.unlocking.len() == UNLOCKING_MAX && !joins {
                    stake.unlocking.retain(|(era, _)| *era > now);
                }
                let mut value = value.get().min(stake.active);
                if stake.active - value < ED {
                    value = stake.active;
                }
                stake.active -= value;
                match stake.unlocking.last_mut() {
                    Some((era, sum)) if *era == due => *sum += value,
                    _ if value > 0 => stake.unlocking.push((due, value)),
                    _ => {}
                }
                self.forget_if_empty(&who);
            }
            Call::rebond { value } => {
                let stake = self.stake(&who);
                let mut left = value.get();
                while left > 0 {
                    let Some((era, sum)) = stake.unlocking.pop() else { break };
                    let part = sum.min(left);
                    left -= part;
                    stake.active += part;
                    if sum > part {
                        stake.unlocking.push((era, sum - part));
                    }
                }
            }
            Call::withdraw_unbonded { .. } => {
                let now = self.era;
                self.stake(&who).unlocking.retain(|(era, _)| *era > now);
                self.forget_if_empty(&who);
            }
            Call::validate { prefs } => {
                self.nominators.remove(&who);
                self.validators.insert(who, *prefs);
            }
            Call::nominate { targets } => {
                self.validators.remove(&who);
                let account = |target: &MultiAddress| target.account().expect("the call succeeded");
                self.nominators.insert(who, targets.iter().map(account).collect());
            }
            Call::chill => self.chill(&who),
            Call::set_payee { payee } => {
                self.payees.insert(who, *payee);
            }
            other => panic!("{other:?} changes no stake"),
        }
    }

    fn chill(&mut self, who: &AccountId) {
        self.validators.remove(who);
        self.nominators.remove(who);
    }

    fn forget_if_empty(&mut self, who: &AccountId) {
        if self.stakes.get(who).is_some_and(|stake| stake.total() == 0) {
            self.chill(who);
            self.stakes.remove(who);
            self.payees.remove(who);
        }
    }

    pub fn keys_set(&mut self, who: AccountId, keys: SessionKeys) {
        let era = self.era;
        let known = self.keys.entry(who).or_default();
        if known.last().is_some_and(|(_, last)| *last == keys) {
            return;
        }
        // What does not count for the next session either was never used.
        known.retain(|(from, _)| *from <= era + 1);
        known.push((era + 2, keys));
    }

    fn keys_at(&self, who: &AccountId, session: EraIndex) -> Option<SessionKeys> {
        let keys = self.keys.get(who)?.iter().rev();
        keys.into_iter().find(|(from, _)| *from <= session).map(|(_, keys)| *keys)
    }

    /// Evidence against a validator of a session was taken.
    pub fn reported(&mut self, session: EraIndex, who: AccountId, set: &primitives::ValidatorSet) {
        let offenders = self.offenders.entry(session).or_default();
        offenders.insert(who);
        let power = |who: &AccountId| set.get(who).map_or(0, |v| u128::from(v.power));
        let guilty: u128 = offenders.iter().map(power).sum();
        let all: u128 = set.validators.iter().map(|v| u128::from(v.power)).sum();
        let part = (guilty * 3 * WHOLE / all).min(WHOLE);
        let share = (part * part / WHOLE).max(WHOLE / 100);
        for offender in offenders.clone() {
            self.order((session, offender), share);
        }
        let found = self.found.entry(who).or_default();
        if found.last().is_none_or(|end| session > *end) {
            self.validators.remove(&who);
            if self.jailed.get(&who).is_none_or(|until| *until <= self.era) {
                found.push(self.era);
            }
            self.jailed.insert(who, self.era + JAIL_ERAS);
        }
    }

    fn order(&mut self, key: Key, share: u128) {
        let ordered = self.ordered.entry(key).or_default();
        *ordered = share.max(*ordered);
    }

    /// The last of the eras of which a staker pays only for the worst.
    pub fn span_of(&self, (era, validator): Key) -> EraIndex {
        let mut found = self.found.get(&validator).into_iter().flatten();
        found.find(|end| **end >= era).copied().unwrap_or(era)
    }

    /// The block's author has shown votes of these shares of the power, in thousandths.
    pub fn credit(&mut self, author: AccountId, points: u32) -> bool {
        if self.forfeits.remove(&author) {
            return false;
        }
        *self.points.entry((self.era, author)).or_default() += points;
        true
    }

    /// Takes what was ordered. Gives what each staker lost.
    pub fn take_ordered(&mut self, order: &[Key]) -> BTreeMap<AccountId, u128> {
        let mut lost = BTreeMap::new();
        for key in order {
            let (share, span) = (self.ordered[key], self.span_of(*key));
            self.taken.insert(*key);
            let behind = self.behind[key].clone();
            let own = (key.1, behind.own);
            for (who, value) in std::iter::once(own).chain(behind.others) {
                let before = self.lost.get(&(span, key.1, who)).copied().unwrap_or(0);
                let taken = self.take(&who, (value * share / WHOLE).saturating_sub(before), key.0);
                if taken > 0 {
                    *lost.entry(who).or_default() += taken;
                    self.lost.insert((span, key.1, who), before + taken);
                }
            }
        }
        lost
    }

    fn take(&mut self, who: &AccountId, amount: u128, era: EraIndex) -> u128 {
        let Some(stake) = self.stakes.get_mut(who) else { return 0 };
        let mut left = amount;
        let part = stake.active.min(left);
        stake.active -= part;
        left -= part;
        for (due, value) in stake.unlocking.iter_mut().rev() {
            if *due >= era + BONDING_ERAS {
                let part = (*value).min(left);
                self.taken_in_unbonding += usize::from(part > 0);
                *value -= part;
                left -= part;
            }
        }
        stake.unlocking.retain(|(_, value)| *value > 0);
        self.forget_if_empty(who);
        amount - left
    }

    /// Ends an era in a block of this height: judges absences and elects. Gives those who were absent, and the
    /// validators of the next era with all that stands behind them.
    pub fn elect(
        &mut self,
        height: Height,
        count: usize,
        least: u128,
        now: &[AccountId],
    ) -> (Vec<AccountId>, BTreeMap<AccountId, Behind>) {
        let era = self.era;
        let counted: Vec<_> = self
            .signed
            .iter()
            .filter(|(at, (of, _, _))| **at + 5 <= height && *of == era)
            .map(|(_, (_, set, signers))| set - signers)
            .collect();
        let mut absent = Vec::new();
        for who in now {
            let missed = counted.iter().filter(|missing| missing.contains(who)).count();
            if counted.len() >= 20 && missed * 2 > counted.len() {
                absent.push(*who);
                if self.validators.contains_key(who) {
                    self.chill(who);
                }
                if missed * 10 > counted.len() * 9 {
                    self.order((era, *who), WHOLE / 1_000);
                }
            }
        }
        let next = era + 1;
        let can = |who: &AccountId| self.active(who) >= least && self.keys_at(who, next).is_some();
        let mut candidates: Vec<AccountId> =
            self.validators.keys().filter(|who| can(who)).copied().collect();
        if candidates.is_empty() {
            candidates = now.to_vec();
        }
        let scores = self.behind_each(&candidates);
        candidates.sort_by_key(|who| (std::cmp::Reverse(scores[who].total()), *who));
        candidates.truncate(count);
        (absent, self.behind_each(&candidates))
    }

    /// What stands behind each of these if all stake is divided among them.
    fn behind_each(&self, accounts: &[AccountId]) -> BTreeMap<AccountId, Behind> {
        let mut all: BTreeMap<AccountId, Behind> = BTreeMap::new();
        for who in accounts {
            let commission = self.validators.get(who).map_or(0, |p| p.commission.parts().into());
            let own = self.active(who);
            all.insert(*who, Behind { own, others: BTreeMap::new(), commission });
        }
        // The stake of who is among them counts once.
        for (nominator, targets) in
            self.nominators.iter().filter(|(who, _)| !accounts.contains(who))
        {
            let mut named: Vec<_> = targets.iter().filter(|who| all.contains_key(who)).collect();
            named.sort();
            let Ok(count) = u128::try_from(named.len()) else { continue };
            for (number, who) in (0u128..).zip(named) {
                let stake = self.active(nominator);
                let part = stake / count + u128::from(number < stake % count);
                if part > 0 {
                    all.get_mut(who).expect("it is among them").others.insert(*nominator, part);
                }
            }
        }
        all
    }

    /// What those behind a validator get for an era.
    pub fn due(&self, key: &Key) -> BTreeMap<AccountId, u128> {
        let of_era = |(of, _): &Key| *of == key.0;
        let total: u32 = self.points.iter().filter(|(of, _)| of_era(of)).map(|(_, p)| *p).sum();
        let (reward, _) = self.rewards[&key.0];
        let whole = reward * u128::from(self.points[key]) / u128::from(total);
        let behind = &self.behind[key];
        let commission = whole * behind.commission / WHOLE;
        let share = |value: u128| {
            // The product leaves 128 bits.
            Balance::new(whole - commission).portion_floor(value, behind.total()).get()
        };
        let own = (key.1, commission + share(behind.own));
        let others = behind.others.iter().map(|(who, value)| (*who, share(*value)));
        let wants = |who: &AccountId| self.payees.get(who) != Some(&RewardDestination::None);
        std::iter::once(own).chain(others).filter(|(who, due)| *due > 0 && wants(who)).collect()
    }

    /// A staker was paid for an era. Tells whether that is bonded.
    pub fn paid(&mut self, era: EraIndex, who: &AccountId, amount: u128) -> bool {
        self.rewards.get_mut(&era).expect("the era has ended").1 -= amount;
        let bonds =
            self.payees.get(who) == Some(&RewardDestination::Staked) && self.active(who) >= ED;
        if bonds {
            self.stake(who).active += amount;
        }
        bonds
    }

    /// Rewards that are promised and not paid; those of eras whose stakers are all paid are over.
    pub fn promised(&self) -> u128 {
        let open = |era: &EraIndex| {
            self.points.keys().any(|key| key.0 == *era && !self.paid.contains(key))
        };
        self.rewards.iter().filter(|(era, _)| open(era)).map(|(_, (_, left))| left).sum()
    }

    /// That the chain has the same.
    pub fn check(&self, world: &World) {
        let state = &world.state;
        let ledgers: BTreeMap<_, _> = LEDGER
            .iter(state)
            .map(|(who, ledger)| {
                let chunk = |chunk: &UnlockChunk| (chunk.era, chunk.value.get());
                let unlocking = ledger.unlocking.iter().map(chunk).collect();
                (who, Stake { active: ledger.active.get(), unlocking })
            })
            .collect();
        for (who, stake) in &self.stakes {
            let height = world.block.height;
            assert_eq!(ledgers.get(who), Some(stake), "{who} after block {height}");
        }
        assert_eq!(ledgers.len(), self.stakes.len());
        assert_eq!(VALIDATORS.iter(state).collect::<BTreeMap<_, _>>(), self.validators);
        let nominators = NOMINATORS.iter(state).map(|(who, n)| (who, n.targets));
        assert_eq!(nominators.collect::<BTreeMap<_, _>>(), self.nominators);
        assert_eq!(PAYEE.iter(state).collect::<BTreeMap<_, _>>(), self.payees);
    }

    /// That these decide blocks now, with what stands behind them.
    pub fn check_elected(&self, world: &World, elected: &BTreeMap<AccountId, Behind>) {
        let set = session::validators(&world.state).validators;
        let total: u128 = elected.values().map(Behind::total).sum();
        let unit = total / u128::from(u64::MAX / 3 / 2) + 1;
        assert!(set.iter().map(|v| &v.account).eq(elected.keys()), "others were elected");
        for v in &set {
            let behind = &elected[&v.account];
            assert_eq!(u128::from(v.power), (behind.total() / unit).max(1));
            if let Some(keys) = self.keys_at(&v.account, self.era) {
                assert_eq!((v.vote_key, v.vrf_key), (keys.vote, keys.vrf));
            }
            let key = (self.era, v.account);
            let exposed = ERAS_STAKERS_OVERVIEW.get(&world.state, &key).expect("it was elected");
            let pages = ERAS_STAKERS_PAGED
                .under(&world.state, &self.era)
                .filter(|((_, of, _), _)| *of == v.account);
            let others = pages.flat_map(|(_, page)| page.others);
            let found = Behind {
                own: exposed.own.get(),
                others: others.map(|other| (other.who, other.value.get())).collect(),
                commission: behind.commission,
            };
            assert_eq!((exposed.total.get(), &found), (behind.total(), behind));
        }
    }
}
