//! Calls one by one, eras, elections, rewards and slashes; `model` plays a thousand eras.

mod absence;
mod coverage;
mod model;
mod oracle;

use super::*;
use crate::{balances, eras::*, treasury};
use framework::Pallet as _;
use primitives::crypto::session::SessionKeys;
use std::collections::BTreeMap;

fn bond(value: Balance) -> Call {
    Call::bond { value, payee: RewardDestination::Stash }
}

fn tokens(count: u128) -> Balance {
    Balance::new(count * TOKEN)
}

#[test]
fn stake_is_bonded_unbonded_bonded_again_and_withdrawn() {
    let mut world = World::new(4, 1);
    let who = party(0);
    world.fails(who, Call::bond_extra { max_additional: tokens(1) }, Error::NotStash);
    world.fails(who, Call::unbond { value: tokens(1) }, Error::NotController);
    world.fails(who, bond(Balance::new(999_999_999)), Error::InsufficientBond);
    world.ok(who, bond(tokens(100)));
    world.fails(who, bond(tokens(100)), Error::AlreadyBonded);
    world.ok(who, Call::bond_extra { max_additional: tokens(50) });
    assert_eq!(world.ledger(who), StakingLedger::new(who, tokens(150)));
    assert_eq!(world.free(who), ENDOWMENT.saturating_sub(tokens(150)));
    world.fails(who, Call::rebond { value: tokens(1) }, Error::NoUnlockChunk);
    world.ok(who, Call::unbond { value: tokens(60) });
    world.eras(1);
    world.ok(who, Call::unbond { value: tokens(10) });
    let chunks = [(tokens(60), BONDING_ERAS), (tokens(10), BONDING_ERAS + 1)];
    let chunks = chunks.map(|(value, era)| UnlockChunk { value, era });
    assert_eq!(world.ledger(who).unlocking, chunks);
    assert_eq!(world.ledger(who).active, tokens(80));
    // The latest comes back first.
    world.ok(who, Call::rebond { value: tokens(30) });
    let chunk = UnlockChunk { value: tokens(40), era: BONDING_ERAS };
    assert_eq!(world.ledger(who).unlocking, [chunk]);
    world.eras(BONDING_ERAS - 2);
    world.ok(who, Call::withdraw_unbonded { num_slashing_spans: 0 });
    assert_eq!(world.ledger(who).total, tokens(150), "an era is missing");
    world.eras(1);
    world.ok(who, Call::withdraw_unbonded { num_slashing_spans: 0 });
    assert_eq!(world.ledger(who), StakingLedger::new(who, tokens(110)));
    // Who leaves less than the existential deposit leaves nothing.
    let all_but_dust = tokens(110).saturating_sub(Balance::new(5));
    world.ok(who, Call::unbond { value: all_but_dust });
    assert_eq!(world.ledger(who).active, Balance::ZERO);
    world.eras(BONDING_ERAS);
    world.ok(who, Call::withdraw_unbonded { num_slashing_spans: 0 });
    assert_eq!((ledger(&world.state, &who), world.free(who)), (None, ENDOWMENT));
    world.next(1);
    world.ok(who, bond(Balance::MAX));
    assert_eq!(world.free(who), balances::EXISTENTIAL_DEPOSIT, "all that can be spent");
}

#[test]
fn stake_unlocks_at_32_times_at_most() {
    let mut world = World::new(1, 1);
    let who = party(0);
    world.ok(who, bond(tokens(1_000)));
    for _ in 0..UNLOCKING_MAX {
        world.ok(who, Call::unbond { value: tokens(1) });
        world.eras(1);
    }
    world.fails(who, Call::unbond { value: tokens(1) }, Error::NoMoreChunks);
    world.ok(who, Call::rebond { value: tokens(1) });
    world.ok(who, Call::unbond { value: tokens(1) });
    // The last part still takes more of its era.
    world.ok(who, Call::unbond { value: tokens(1) });
    world.eras(BONDING_ERAS - 32);
    // What has waited long enough makes place.
    world.ok(who, Call::unbond { value: tokens(1) });
    assert_eq!(world.ledger(who).unlocking.len(), UNLOCKING_MAX);
    assert_eq!(world.ledger(who).total, tokens(999));
}

#[test]
fn roles_exclude_each_other_and_have_minima() {
    let mut world = World::new(2, 3);
    let (who, poor) = (party(0), party(1));
    world.fails(who, Call::validate { prefs: prefs(0) }, Error::NotController);
    world.fails(who, nominate(&[validator(0)]), Error::NotController);
    world.fails(who, Call::chill, Error::NotController);
    let payee = RewardDestination::Staked;
    world.fails(who, Call::set_payee { payee }, Error::NotController);
    world.ok(poor, bond(tokens(9)));
    world.fails(poor, nominate(&[validator(0)]), Error::InsufficientBond);
    world.fails(poor, Call::validate { prefs: prefs(0) }, Error::InsufficientBond);
    world.ok(who, bond(tokens(100)));
    let above = ValidatorPrefs {
        commission: Perbill::decode(&mut &[255u8; 4][..]).expect("four bytes"),
        blocked: false,
    };
    world.fails(who, Call::validate { prefs: above }, Error::CommissionTooLow);
    world.ok(who, nominate(&[validator(0), validator(1)]));
    world.ok(who, Call::validate { prefs: prefs(10) });
    assert!(NOMINATORS.get(&world.state, &who).is_none());
    world.fails(who, Call::unbond { value: tokens(1) }, Error::InsufficientBond);
    world.ok(who, nominate(&[validator(0)]));
    assert!(VALIDATORS.get(&world.state, &who).is_none());
    world.fails(who, Call::unbond { value: tokens(91) }, Error::InsufficientBond);
    world.ok(who, Call::unbond { value: tokens(90) });
    world.fails(who, Call::validate { prefs: prefs(0) }, Error::InsufficientBond);
    world.ok(who, Call::chill);
    world.ok(who, Call::unbond { value: tokens(1) });
    world.ok(who, Call::set_payee { payee });
    world.next(1);
    let params = Params { commission_ppm_min: 50_000, ..params(&world.state) };
    assert_eq!(world.root(Call::set_params { params }), Ok(()));
    world.fails(validator(0), Call::validate { prefs: prefs(49_999) }, Error::CommissionTooLow);
    world.ok(validator(0), Call::validate { prefs: prefs(50_000) });
}

#[test]
fn nominations_name_one_to_sixteen_validators_that_want_them() {
    let mut world = World::new(2, 2);
    let (who, late) = (party(0), party(1));
    world.ok(who, bond(tokens(100)));
    world.ok(late, bond(tokens(100)));
    world.fails(who, nominate(&[]), Error::EmptyTargets);
    world.fails(who, nominate(&[validator(0); 17]), Error::TooManyTargets);
    world.fails(who, nominate(&[validator(0), validator(0)]), Error::DuplicateIndex);
    world.fails(who, nominate(&[validator(0), party(1)]), Error::BadTarget);
    let raw = Call::nominate { targets: vec![MultiAddress::Raw(vec![1])] };
    world.fails(who, raw, DispatchError::CannotLookup);
    world.ok(who, nominate(&[validator(0), validator(1)]));
    let blocked = ValidatorPrefs { blocked: true, ..prefs(0) };
    world.ok(validator(1), Call::validate { prefs: blocked });
    world.fails(late, nominate(&[validator(1)]), Error::BadTarget);
    // Who was there may stay.
    world.ok(who, nominate(&[validator(1)]));
    world.next(1);
}

#[test]
fn there_are_only_so_many_stakers() {
    let mut world = World::new(1, 2);
    for who in [party(0), party(1)] {
        world.ok(who, bond(tokens(100)));
    }
    world.ok(party(0), nominate(&[validator(0)]));
    let set = |world: &mut World, item: &Value<u32>, count: u32| {
        world.state.map.insert(item.key(), count.encode());
    };
    set(&mut world, &COUNTER_FOR_NOMINATORS, NOMINATORS_MAX);
    world.fails(party(1), nominate(&[validator(0)]), Error::TooManyNominators);
    world.ok(party(0), nominate(&[validator(0)]));
    set(&mut world, &COUNTER_FOR_NOMINATORS, 1);
    set(&mut world, &COUNTER_FOR_VALIDATORS, u32::try_from(CANDIDATES_MAX).expect("it is small"));
    world.fails(party(1), Call::validate { prefs: prefs(0) }, Error::TooManyValidators);
    world.ok(validator(0), Call::validate { prefs: prefs(1) });
    set(&mut world, &COUNTER_FOR_VALIDATORS, 1);
    world.next(1);
}

#[test]
fn governance_sets_what_is_within_bounds() {
    let mut world = World::new(1, 1);
    let count = |new| Call::set_validator_count { new };
    assert_eq!(world.call(party(0), count(3)), Err(DispatchError::BadOrigin));
    for wrong in [0, 513] {
        assert_eq!(world.root(count(wrong)), Err(Error::BoundNotMet.into()));
    }
    assert_eq!(world.root(count(512)), Ok(()));
    let set = |change: fn(&mut Params)| {
        let mut params = Params::default();
        change(&mut params);
        Call::set_params { params }
    };
    assert_eq!(world.call(party(0), set(|_| ())), Err(DispatchError::BadOrigin));
    let wrong: [fn(&mut Params); 4] = [
        |p| p.era_ms = ERA_MS_MIN - 1,
        |p| p.era_ms = ERA_MS_MAX + 1,
        |p| p.inflation_ppm = 200_001,
        |p| p.commission_ppm_min = 1_000_001,
    ];
    for change in wrong {
        assert_eq!(world.root(set(change)), Err(Error::BoundNotMet.into()));
    }
    assert_eq!(world.root(set(|p| p.era_ms = ERA_MS_MIN)), Ok(()));
    world.next(1);
    assert_eq!(Pallet::next_due(&world.state), Some(1_000 + ERA_MS_MIN));
}

#[test]
fn an_era_ends_with_the_first_block_that_is_late_enough() {
    let mut world = World::new(4, 0);
    assert_eq!(Pallet::next_due(&world.state), None, "genesis has no time");
    world.next(ERA_MS - 1);
    assert_eq!(Pallet::next_due(&world.state), Some(1_000 + ERA_MS));
    world.next(1);
    assert_eq!(world.era(), 0);
    world.close();
    assert_eq!(world.era(), 1);
    assert_eq!(session::current_index(&world.state), 1);
    assert_eq!(session::session_at(&world.state, 3), Some(0), "its own validators decided it");
    assert_eq!(session::session_at(&world.state, 4), Some(1));
}

#[test]
fn those_with_the_most_stake_are_elected_ties_by_account() {
    let mut world = World::new(8, 3);
    // Votes for four who have 12,000 then, and for two who have 11,000.
    world.nominator(party(0), tokens(8_000), &[7, 6, 5, 4].map(validator));
    world.nominator(party(1), tokens(2_001), &[3, 2].map(validator));
    assert_eq!(world.root(Call::set_validator_count { new: 5 }), Ok(()));
    world.eras(1);
    // 2 has the odd unit, so that 3 is not elected, and 2 has the whole vote at the end.
    assert_eq!(world.set(), [2, 4, 5, 6, 7].map(validator));
    let behind = |world: &World, number| {
        exposure(&world.state, 1, &validator(number)).expect("it was elected").total
    };
    assert_eq!(behind(&world, 2), tokens(12_001));
    assert_eq!(behind(&world, 4), tokens(12_000));
    let power = session::validators(&world.state).validators[0].power;
    assert_eq!(u128::from(power), tokens(12_001).get());
    // Equal stake: by account.
    world.ok(party(0), Call::chill);
    world.ok(party(1), Call::chill);
    world.eras(1);
    assert_eq!(world.set(), [0, 1, 2, 3, 4].map(validator));
}

#[test]
fn units_that_cannot_be_divided_go_to_the_first() {
    let mut world = World::new(3, 1);
    let stake = Balance::new(12 * TOKEN + 2);
    world.nominator(party(0), stake, &[2, 1, 0].map(validator));
    world.eras(1);
    let behind = [0, 1, 2].map(|number| {
        let exposed = exposure(&world.state, 1, &validator(number)).expect("it was elected");
        exposed.total.get() - STAKE.get()
    });
    assert_eq!(behind, [4 * TOKEN + 1, 4 * TOKEN + 1, 4 * TOKEN]);
}

#[test]
fn power_fits_consensus_however_much_is_staked() {
    let whole = Balance::new(u128::MAX / 4);
    let seat = |number: u8, total| Seat {
        account: validator(number),
        keys: SessionKeys { vote: [number; 32], vrf: [number; 32] },
        prefs: prefs(0),
        own: total,
        total,
        nominators: 0,
    };
    let set = election::with_power(&[seat(0, whole), seat(1, whole), seat(2, Balance::new(1))]);
    let total: u64 = set.iter().map(|v| v.power).sum();
    assert!(total <= session::POWER_TOTAL_MAX && total > session::POWER_TOTAL_MAX / 3);
    assert_eq!(set[2].power, 1);
    let small = election::with_power(&[seat(0, Balance::new(7)), seat(1, Balance::ZERO)]);
    assert_eq!([small[0].power, small[1].power], [7, 1]);
}

#[test]
fn a_candidate_needs_keys_that_count() {
    let mut world = World::new(1, 1);
    let who = party(0);
    world.ok(who, bond(tokens(500)));
    world.ok(who, Call::validate { prefs: prefs(0) });
    world.eras(1);
    assert_eq!(world.set(), [validator(0)]);
    world.know(&who, 0);
    world.ok(who, set_keys(&who, 0));
    world.eras(1);
    assert_eq!(world.set(), [validator(0)], "keys count two eras later");
    world.eras(1);
    assert_eq!(world.set(), [validator(0), who]);
    world.ok(who, session::Call::purge_keys);
    world.eras(1);
    assert_eq!(world.set(), [validator(0)]);
}

#[test]
fn where_nobody_can_be_elected_those_who_decide_go_on() {
    let mut world = World::new(2, 0);
    for number in 0..2 {
        world.ok(validator(number), Call::chill);
        world.ok(validator(number), Call::unbond { value: STAKE });
    }
    world.eras(1);
    assert_eq!(world.set(), [0, 1].map(validator));
    let failed = RuntimeEvent::Staking(Event::StakingElectionFailed);
    assert!(world.take_events().contains(&failed));
    let powers = session::validators(&world.state).validators;
    assert!(powers.iter().all(|v| v.power == 1), "they have nothing at stake");
    world.ok(validator(1), Call::rebond { value: STAKE });
    world.ok(validator(1), Call::validate { prefs: prefs(0) });
    world.eras(1);
    assert_eq!(world.set(), [validator(1)]);
}

#[test]
fn the_stake_of_those_who_go_on_and_nominate_themselves_counts_once() {
    let mut world = World::new(1, 0);
    world.ok(validator(0), nominate(&[validator(0)]));
    world.eras(1);
    let key = (CURRENT_ERA.get(&world.state).unwrap_or_default(), validator(0));
    let exposed = ERAS_STAKERS_OVERVIEW.get(&world.state, &key).expect("it goes on");
    assert_eq!((exposed.own, exposed.total, exposed.nominator_count), (STAKE, STAKE, 0));
}

/// Rewards that were paid since events were taken.
fn rewarded(world: &mut World) -> BTreeMap<AccountId, u128> {
    let mut sums = BTreeMap::new();
    for event in world.take_events() {
        if let RuntimeEvent::Staking(Event::Rewarded { stash, amount, .. }) = event {
            *sums.entry(stash).or_default() += amount.get();
        }
    }
    sums
}

#[test]
fn rewards_are_commission_first_and_then_by_stake() {
    let mut world = World::new(1, 3);
    world.ok(validator(0), Call::validate { prefs: prefs(100_000) });
    world.ok(validator(0), Call::set_payee { payee: RewardDestination::Stash });
    let (half, tenth) = (tokens(5_000), tokens(1_000));
    world.nominator(party(0), half, &[validator(0)]);
    world.nominator(party(1), tenth, &[validator(0)]);
    world.eras(1);
    world.take_events();
    world.next(1);
    let fees = Balance::new(1_234_567_890);
    let block = world.block.clone();
    let mut cx = Ctx::new(&world.state, &block, Hash::ZERO);
    // As the fee path does it, out of a payer's money.
    balances::transfer(&mut cx, &party(2), &treasury::VALIDATORS, fees, true).expect("it is rich");
    let writes = cx.finish(Ok(())).writes;
    world.state.apply(&writes);
    let issued = balances::total_issuance(&world.state);
    let start = active_era(&world.state).and_then(|era| era.start).expect("it has begun");
    world.eras(1);
    let lasted = world.block.time_ms - ERA_MS / 4 - start;
    let part = 50_000 * u128::from(lasted);
    let fresh = issued.portion_floor(part, 1_000_000 * 365 * 24 * 3_600_000);
    let whole = fresh.get() + fees.get();
    let paid = rewarded(&mut world);
    let commission = whole / 10;
    let rest = whole - commission;
    let all = STAKE.get() + half.get() + tenth.get();
    let share = |stake: Balance| rest * stake.get() / all;
    let expected = BTreeMap::from([
        (validator(0), commission + share(STAKE)),
        (party(0), share(half)),
        (party(1), share(tenth)),
    ]);
    // The first era's reward, by the validator's own stake alone, was left out by `take_events`.
    assert_eq!(paid, expected);
    assert!(rewards::in_pot(&world.state).get() < 3, "what rounding leaves");
    assert_eq!(balances::total_issuance(&world.state), issued.saturating_add(fresh));
}

#[test]
fn rewards_go_where_they_are_wanted() {
    let mut world = World::new(1, 6);
    let poor = AccountId([0xaa; 32]);
    let payees = [
        RewardDestination::Staked,
        RewardDestination::Stash,
        RewardDestination::Controller,
        RewardDestination::Account(party(5)),
        RewardDestination::None,
    ];
    for (number, payee) in (0..).zip(payees) {
        world.ok(party(number), Call::bond { value: tokens(1_000), payee });
        world.ok(party(number), nominate(&[validator(0)]));
    }
    let before: Vec<_> = (0..6).map(|number| world.free(party(number))).collect();
    world.eras(2);
    let gain = |world: &World, number: u8| {
        world.free(party(number)).get() - before[usize::from(number)].get()
    };
    assert_eq!(gain(&world, 0), 0);
    let bonded = world.ledger(party(0)).active.get() - tokens(1_000).get();
    assert!(bonded > 0);
    assert_eq!([gain(&world, 1), gain(&world, 2), gain(&world, 5)], [bonded; 3]);
    assert_eq!([gain(&world, 3), gain(&world, 4)], [0, 0]);
    assert!(rewards::in_pot(&world.state).get() >= bonded, "nobody's is shared by all");
    // An account that is not there cannot take less than the existential deposit: the stash has it.
    let params = Params { inflation_ppm: 0, ..params(&world.state) };
    assert_eq!(world.root(Call::set_params { params }), Ok(()));
    world.ok(party(4), Call::set_payee { payee: RewardDestination::Stash });
    world.ok(party(3), Call::set_payee { payee: RewardDestination::Account(poor) });
    world.eras(1);
    let middle = world.free(party(3));
    world.eras(1);
    assert!(world.free(party(3)) >= middle);
    assert!(world.free(poor).is_zero() || world.free(poor) >= balances::EXISTENTIAL_DEPOSIT);
}

#[test]
fn who_asks_is_paid_at_once_and_nobody_twice() {
    let mut world = World::new(2, 2);
    world.nominator(party(0), tokens(1_000), &[validator(0), validator(1)]);
    world.eras(1);
    let payout = |era, validator_stash| Call::payout_stakers { validator_stash, era };
    world.fails(party(1), payout(1, validator(0)), Error::InvalidEraToReward);
    world.fails(party(1), payout(9, validator(0)), Error::InvalidEraToReward);
    world.fails(party(1), payout(0, party(0)), Error::NotStash);
    world.fails(party(1), payout(0, validator(0)), Error::AlreadyClaimed);
    // Rewards that the hook has not come to.
    while world.era() == 1 {
        world.close();
        if world.era() == 1 {
            world.open(ERA_MS / 4, 0, None);
        }
    }
    let state = world.state.clone();
    let hooks = rewarded(&mut world);
    world.open(1, 0, None);
    assert!(!hooks.is_empty());
    // The same without the hook.
    world.state = state;
    for who in [validator(0), validator(1)] {
        let points = ERAS_REWARD_POINTS.get(&world.state, &1).expect("blocks were made");
        if points.individual.contains_key(&who) {
            world.fails(party(1), payout(1, who), Error::AlreadyClaimed);
            let paged = Call::payout_stakers_by_page { validator_stash: who, era: 1, page: 1 };
            world.fails(party(1), paged, Error::InvalidPage);
        }
    }
}

#[test]
fn many_stakers_take_many_blocks_and_a_page_that_is_asked_for_is_not_paid_again() {
    let mut world = crowd(200);
    let validator_stash = validator(0);
    // Up to the end of the era, with the stakers behind it unpaid.
    while world.era() < 2 {
        world.close();
        world.check();
        world.open(if world.era() < 2 { ERA_MS / 4 } else { 1 }, 0, None);
    }
    assert!(Pallet::next_due(&world.state).is_some());
    let exposed = exposure(&world.state, 1, &validator_stash).expect("it was elected");
    assert_eq!((exposed.nominator_count, exposed.page_count), (200, 4));
    let due =
        |world: &World| rewards::is_due(&world.state, &active_era(&world.state).expect("one"));
    let mut blocks = 0;
    while due(&world) {
        let page = 3;
        let call = Call::payout_stakers_by_page { validator_stash, era: 1, page };
        let asked = world.call(party(0), call.clone());
        if asked.is_ok() {
            world.fails(party(0), call, Error::AlreadyClaimed);
        }
        world.next(1);
        blocks += 1;
    }
    let started = world.take_events().into_iter().filter_map(|event| match event {
        RuntimeEvent::Staking(Event::PayoutStarted { era_index: 1, page, .. }) => Some(page),
        _ => None,
    });
    let mut pages: Vec<_> = started.collect();
    pages.sort_unstable();
    assert_eq!(pages, [0, 1, 2, 3], "each once, in {blocks} blocks");
}

/// A chain with one validator and so many nominators behind it, who have their stake from genesis money.
fn crowd(count: u32) -> World {
    let mut world = World::new(1, 1);
    let rich = party(0);
    for number in 0..count {
        let who = AccountId(primitives::crypto::hash::blake2_256(&("crowd", number).encode()).0);
        let block = world.block.clone();
        let mut cx = Ctx::new(&world.state, &block, Hash::ZERO);
        balances::transfer(&mut cx, &rich, &who, tokens(101), true).expect("it is rich");
        let writes = cx.finish(Ok(())).writes;
        world.state.apply(&writes);
        world.nominator(who, tokens(100), &[validator(0)]);
    }
    world
}

#[test]
fn a_large_election_takes_some_blocks_and_gives_what_a_small_one_would() {
    let mut world = crowd(3_000);
    while !election::goes_on(&world.state) {
        world.close();
        assert_eq!(world.era(), 0);
        world.open(ERA_MS / 4, 0, None);
    }
    // The era goes on; whoever unbonds now waits as long as the next era may be named by evidence.
    world.ok(party(0), bond(tokens(100)));
    world.ok(party(0), Call::unbond { value: tokens(100) });
    assert_eq!(world.ledger(party(0)).unlocking[0].era, BONDING_ERAS + 1);
    // Whose stake has chosen validators stands behind them, too.
    let early = NOMINATORS.iter(&world.state).next().expect("there are some").0;
    world.fails(early, Call::validate { prefs: prefs(0) }, Error::ElectionOngoing);
    let leave = [Call::chill, Call::unbond { value: tokens(1) }, nominate(&[validator(0)])];
    for call in &leave {
        world.fails(early, call.clone(), Error::ElectionOngoing);
    }
    let mut blocks = 0;
    while world.era() == 0 {
        assert!(Pallet::next_due(&world.state) <= Some(world.block.time_ms), "it goes on at once");
        world.next(1);
        blocks += 1;
    }
    assert!((1..20).contains(&blocks), "{blocks}");
    let exposed = exposure(&world.state, 1, &validator(0)).expect("it was elected");
    assert_eq!(exposed.page_count, exposed.nominator_count.div_ceil(PAGE_MAX));
    assert_eq!(exposed.nominator_count, 3_000);
    for call in leave.into_iter().rev() {
        world.ok(early, call);
    }
}

#[test]
fn eras_are_forgotten_after_84() {
    let mut world = World::new(2, 1);
    world.nominator(party(0), tokens(1_000), &[validator(0)]);
    world.eras(HISTORY_DEPTH + 4);
    let kept = |era| exposure(&world.state, era, &validator(0)).is_some();
    let first = world.era() - HISTORY_DEPTH;
    assert!(kept(first) && !kept(first - 1));
    assert!(ERAS_STAKERS_PAGED.under(&world.state, &(first - 1)).next().is_none());
    assert!(ERAS_REWARD_POINTS.get(&world.state, &(first - 1)).is_none());
    let payout = Call::payout_stakers { validator_stash: validator(0), era: first - 1 };
    world.fails(party(0), payout, Error::InvalidEraToReward);
}

#[test]
fn who_is_reported_during_an_election_is_jailed_as_of_the_era_that_it_may_still_decide() {
    let mut world = World::new(4, 0);
    world.eras(1);
    // An election that has counted the candidates already.
    world.state.map.insert(CURRENT_ERA.key(), 2u32.encode());
    let (guilty, height) = (validator(1), world.block.height);
    assert_eq!(world.report(world.evidence(guilty, height)), Ok(()));
    let jail = Jail { since: 2, until: 2 + JAIL_ERAS };
    assert_eq!(JAILED.get(&world.state, &guilty), Some(jail));
}
