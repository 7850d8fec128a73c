use super::*;
use crate::{
    eras::{
        ERA_MS, GENESIS, RuntimeEvent, STAKE, TOKEN, World, in_treasury, nominate, party, prefs,
        validator,
    },
    staking::{Call as Staking, REPORTER_PPM, ledger},
};
use framework::Pallet as _;
use primitives::{SignedVote, ValidatorInfo};

fn total(world: &World, who: AccountId) -> u128 {
    ledger(&world.state, &who).map_or(0, |ledger| ledger.total.get())
}

#[test]
fn an_equivocator_is_slashed_once_however_often_it_is_reported() {
    let mut world = World::new(8, 2);
    world.nominator(party(0), Balance::new(8_000 * TOKEN), &[validator(2), validator(3)]);
    world.eras(1);
    let (height, guilty) = (world.block.height, validator(2));
    let before = (total(&world, guilty), total(&world, party(0)), in_treasury(&world).get());
    let evidence = world.evidence(guilty, height);
    assert_eq!(world.report(evidence.clone()), Ok(()));
    let reporter = world.block.author;
    let free = world.free(reporter).get();
    // The same again, the other way round, of another kind, in another round of the same era.
    let swapped = Evidence::Votes(
        world.vote(guilty, height, None),
        world.vote(guilty, height, Some(Hash::ZERO)),
    );
    for again in [evidence.clone(), swapped, world.proposals(guilty, height)] {
        assert_eq!(world.report(again), Err(Error::AlreadyReported.into()));
    }
    world.next(1);
    for again in [evidence, world.evidence(guilty, height + 1)] {
        assert_eq!(world.report(again), Err(Error::AlreadyReported.into()));
    }
    world.next(1);
    // Of the power of eight, of whom two have a little more, it has 14,000 / 88,000.
    let powers = session::set_at(&world.state, height).expect("it is known");
    let part = 3 * 14_000 * 1_000_000_000 / 88_000u128;
    assert_eq!(powers.get(&guilty).expect("it is one").power, 14_000 * 1_000_000_000_000);
    let fraction = part * part / 1_000_000_000;
    let lost_own = 10_000 * TOKEN * fraction / 1_000_000_000;
    let lost_by_nominator = 4_000 * TOKEN * fraction / 1_000_000_000;
    assert_eq!(before.0 - total(&world, guilty), lost_own);
    assert_eq!(before.1 - total(&world, party(0)), lost_by_nominator);
    let all = lost_own + lost_by_nominator;
    let part = lost_own * u128::from(REPORTER_PPM) / 1_000_000;
    let reward = if reporter == guilty { 0 } else { part };
    assert_eq!(world.free(reporter).get() - free, reward);
    assert_eq!(in_treasury(&world).get() - before.2, all - reward);
    // It is no candidate any more, and may not be one.
    world.eras(1);
    assert!(!world.set().contains(&guilty));
    world.fails(guilty, Staking::validate { prefs: prefs(0) }, crate::staking::Error::Jailed);
    world.eras(crate::staking::JAIL_ERAS);
    world.ok(guilty, Staking::validate { prefs: prefs(0) });
    world.eras(1);
    assert!(world.set().contains(&guilty));
}

#[test]
fn who_equivocates_with_others_loses_what_they_do_together() {
    let mut world = World::without_inflation(8, 0);
    world.eras(1);
    let height = world.block.height;
    let start = total(&world, validator(0));
    let lost = |world: &World, number| start - total(world, validator(number));
    // (3 / 8)^2, (6 / 8)^2, all.
    for (number, fraction) in [(0, 140_625), (1, 562_500), (2, 1_000_000)] {
        let evidence = world.evidence(validator(number), height);
        assert_eq!(world.report(evidence), Ok(()));
        world.next(1);
        for guilty in 0..=number {
            let exposed = crate::staking::exposure(&world.state, 1, &validator(guilty));
            let own = exposed.expect("it was elected").own.get();
            assert_eq!(lost(&world, guilty), own * fraction / 1_000_000, "{number} {guilty}");
        }
    }
    assert_eq!(lost(&world, 3), 0);
    assert_eq!(ledger(&world.state, &validator(0)), None, "all is gone");
}

#[test]
fn offences_of_many_eras_cost_what_the_gravest_does_until_the_offender_is_back() {
    let mut world = World::without_inflation(8, 1);
    let (guilty, nominator) = (validator(2), party(0));
    world.nominator(nominator, Balance::new(4_000 * TOKEN), &[guilty]);
    world.eras(1);
    let alone = world.block.height;
    world.eras(1);
    let together = world.block.height;
    world.eras(1);
    let last = world.block.height;
    let lost = |world: &mut World, who, height| {
        let before = (total(world, guilty), total(world, nominator));
        assert_eq!(world.report(world.evidence(who, height)), Ok(()));
        world.next(1);
        (before.0 - total(world, guilty), before.1 - total(world, nominator))
    };
    // Of the power of eight, of whom it has a little more: (3 * 14 / 84)^2.
    assert_eq!(lost(&mut world, guilty, last), (2_500 * TOKEN, 1_000 * TOKEN));
    assert_eq!(lost(&mut world, guilty, alone), (0, 0), "the same stake was behind it");
    assert_eq!(lost(&mut world, guilty, together), (0, 0));
    // (3 * 24 / 84)^2 is 734,693,877 parts per billion.
    let share = |value: u128| value * TOKEN / 1_000_000_000 * 734_693_877;
    let more = (share(10_000) - 2_500 * TOKEN, share(4_000) - 1_000 * TOKEN);
    assert_eq!(lost(&mut world, validator(3), together), more, "the rest of a graver one");
    assert_eq!(lost(&mut world, validator(3), last), (0, 0));
    // Who is back, and does it again, pays again.
    world.eras(crate::staking::JAIL_ERAS);
    world.ok(guilty, Staking::validate { prefs: prefs(0) });
    world.eras(1);
    let height = world.block.height;
    let (own, other) = lost(&mut world, guilty, height);
    assert!(own > 0 && other > 0, "{own} {other}");
}

#[test]
fn absence_between_offences_makes_them_cost_no_more() {
    let mut world = World::without_inflation(8, 0);
    let guilty = validator(2);
    world.eras(1);
    let first = world.block.height;
    let others: Vec<_> = world.set().into_iter().filter(|who| *who != guilty).collect();
    world.signed_by(&others, 30);
    world.close();
    world.open(ERA_MS, 0, None);
    world.next(1);
    world.next(1);
    assert_eq!(STAKE.get() - total(&world, guilty), STAKE.get() / 1_000);
    world.ok(guilty, Staking::validate { prefs: prefs(0) });
    world.eras(1);
    assert!(world.set().contains(&guilty));
    for (height, lost) in [(first, STAKE.get() * 140_625 / 1_000_000), (world.block.height, 0)] {
        let before = total(&world, guilty);
        assert_eq!(world.report(world.evidence(guilty, height)), Ok(()));
        world.next(1);
        assert_eq!(before - total(&world, guilty), lost);
    }
}

#[test]
fn one_of_many_loses_a_hundredth() {
    let info = |number: u8| ValidatorInfo {
        account: validator(number),
        vote_key: [0; 32],
        vrf_key: [0; 32],
        power: 1,
    };
    let set = ValidatorSet { validators: (0..100).map(info).collect(), seed: Hash::ZERO };
    let share = |count: u8| share_of(&set, &(0..count).map(validator).collect::<Vec<_>>()).parts();
    assert_eq!([share(1), share(3), share(10)], [10_000_000, 10_000_000, 90_000_000]);
    assert_eq!([share(33), share(34), share(100)], [980_100_000, 1_000_000_000, 1_000_000_000]);
}

#[test]
fn evidence_that_proves_nothing_harms_nobody() {
    let mut world = World::new(4, 1);
    world.eras(1);
    let (height, honest) = (world.block.height, validator(0));
    let vote = |world: &World, block| world.vote(honest, height, block);
    let some = Some(Hash([1; 32]));
    let with = |change: fn(&mut SignedVote)| {
        let mut second = vote(&world, None);
        change(&mut second);
        Evidence::Votes(vote(&world, some), second)
    };
    let foreign = {
        let mut second = vote(&world, None);
        // Signed for another chain, with the right key.
        let (pair, _) = crate::eras::pairs(&honest, 0);
        second.signature = pair.sign(&second.signed_bytes(&Hash::ZERO));
        Evidence::Votes(vote(&world, some), second)
    };
    let stolen = {
        let mut pair =
            [world.vote(validator(1), height, some), world.vote(validator(1), height, None)];
        pair.iter_mut().for_each(|signed| signed.vote.validator = honest);
        let [a, b] = pair;
        Evidence::Votes(a, b)
    };
    let stranger = {
        let mut pair = [vote(&world, some), vote(&world, None)];
        pair.iter_mut().for_each(|signed| signed.vote.validator = party(0));
        let [a, b] = pair;
        Evidence::Votes(a, b)
    };
    let to_come = {
        let mut pair = [vote(&world, some), vote(&world, None)];
        pair.iter_mut().for_each(|signed| signed.vote.height = height + 1);
        let [a, b] = pair;
        Evidence::Votes(a, b)
    };
    let cases = [
        (Evidence::Votes(vote(&world, some), vote(&world, some)), Error::NoConflict),
        (with(|second| second.vote.round = 1), Error::NoConflict),
        (with(|second| second.vote.height -= 1), Error::NoConflict),
        (with(|second| second.vote.kind = primitives::VoteKind::Precommit), Error::NoConflict),
        (with(|second| second.vote.validator = validator(1)), Error::NoConflict),
        (with(|second| second.signature[5] ^= 1), Error::BadSignature),
        (foreign, Error::BadSignature),
        (stolen, Error::BadSignature),
        (stranger, Error::UnknownValidator),
        (to_come, Error::OutOfTime),
    ];
    let before = world.state.map.clone();
    for (evidence, error) in cases {
        assert_eq!(world.report(evidence.clone()), Err(error.into()), "{evidence:?}");
        let checked = check_evidence(&world.state, height, &GENESIS, &evidence);
        assert_eq!(checked.err(), Some(error), "an author leaves it out");
    }
    let evidence = world.evidence(honest, height);
    assert_eq!(world.call(party(0), Call::report { evidence }), Err(DispatchError::BadOrigin));
    assert!(world.state.map == before);
}

#[test]
fn evidence_counts_for_52_eras_also_against_stake_that_was_unbonded() {
    let mut world = World::new(4, 1);
    let (nominator, guilty) = (party(0), validator(1));
    world.nominator(nominator, Balance::new(4_000 * TOKEN), &[guilty]);
    world.eras(1);
    let height = world.block.height;
    let (evidence, other) = (world.evidence(guilty, height), world.evidence(validator(2), height));
    for who in [nominator, guilty] {
        world.ok(who, Staking::chill);
        let value = ledger(&world.state, &who).expect("it has bonded").active;
        world.ok(who, Staking::unbond { value });
    }
    let key_of = |world: &World| session::set_at(&world.state, height);
    world.eras(session::EVIDENCE_SESSIONS_MAX - 1);
    world.ok(nominator, Staking::withdraw_unbonded { num_slashing_spans: 0 });
    let before = (total(&world, nominator), total(&world, guilty));
    assert!(before.0 == 4_000 * TOKEN && before.1 >= STAKE.get(), "{before:?}");
    world.eras(1);
    assert!(key_of(&world).is_some());
    assert_eq!(world.report(evidence), Ok(()));
    world.next(1);
    let lost = (before.0 - total(&world, nominator), before.1 - total(&world, guilty));
    assert!(lost.0 > 4_000 * TOKEN / 3 && lost.1 > STAKE.get() / 3, "{lost:?}");
    // Who has bonded since, or unbonded before, has nothing to do with it.
    world.eras(1);
    assert_eq!(world.report(other), Err(Error::OutOfTime.into()));
    Pallet::check(&world.state).expect("offenders are forgotten with their session");
}

#[test]
fn stake_that_was_not_behind_the_offender_is_left_alone() {
    let mut world = World::new(4, 2);
    let guilty = validator(1);
    // Unbonded before the era of the offence, and bonded after.
    world.nominator(party(0), Balance::new(4_000 * TOKEN), &[guilty]);
    world.ok(party(0), Staking::unbond { value: Balance::new(3_000 * TOKEN) });
    world.eras(1);
    let height = world.block.height;
    world.nominator(party(1), Balance::new(1_000 * TOKEN), &[guilty]);
    assert_eq!(world.report(world.evidence(guilty, height)), Ok(()));
    world.next(ERA_MS / 8);
    assert_eq!(total(&world, party(1)), 1_000 * TOKEN);
    let ledger = ledger(&world.state, &party(0)).expect("it has bonded");
    assert_eq!(ledger.unlocking[0].value, Balance::new(3_000 * TOKEN));
    assert!(ledger.active < Balance::new(1_000 * TOKEN));
    let reported = world.take_events().into_iter().any(|event| {
        matches!(event, RuntimeEvent::Offences(Event::Equivocation { validator, .. }) if validator == guilty)
    });
    assert!(reported);
    world.fails(party(1), nominate(&[guilty]), crate::staking::Error::BadTarget);
}
