//! Validators that miss blocks.

use super::*;

/// Who was absent since events were taken: what they missed, of how many blocks.
fn absent(world: &mut World) -> Vec<(AccountId, u32, u32)> {
    let absences = world.take_events().into_iter().filter_map(|event| match event {
        RuntimeEvent::Staking(Event::Absent { stash, missed, blocks }) => {
            Some((stash, missed, blocks))
        }
        _ => None,
    });
    absences.collect()
}

#[test]
fn who_misses_most_blocks_of_an_era_is_no_candidate_any_more() {
    let mut world = World::without_inflation(4, 0);
    let all = [0, 1, 2, 3].map(validator);
    // 3 signs 4 of 30 blocks and more, 2 signs two thirds of them.
    for number in 0..40u32 {
        world.close();
        let late = number % 3 == 0;
        let signers: Vec<_> = all
            .into_iter()
            .filter(|who| (*who != all[3] || late) && (*who != all[2] || !late))
            .collect();
        world.open(1, 0, Some(&signers));
    }
    world.next(ERA_MS);
    world.next(1);
    assert_eq!(world.set(), all[..3]);
    let first = absent(&mut world).into_iter().next();
    let (stash, missed, blocks) = first.expect("somebody was absent");
    assert!(stash == all[3] && missed * 2 > blocks, "{missed} of {blocks}");
    assert_eq!(world.ledger(all[3]).total, STAKE, "it was there now and then");
    world.ok(all[3], Call::validate { prefs: prefs(0) });
    world.eras(1);
    assert_eq!(world.set(), all);
}

#[test]
fn who_was_absent_and_nominates_others_by_now_goes_on_with_it() {
    let mut world = World::without_inflation(4, 0);
    world.ok(validator(3), nominate(&[validator(0)]));
    world.signed_by(&[0, 1, 2].map(validator), 30);
    world.take_events();
    world.next(ERA_MS);
    world.next(1);
    assert!(absent(&mut world).iter().any(|(stash, ..)| *stash == validator(3)));
    let nominations = NOMINATORS.get(&world.state, &validator(3)).expect("it nominates");
    assert_eq!(nominations.targets, [validator(0)]);
}

#[test]
fn who_is_never_there_loses_a_little() {
    let mut world = World::without_inflation(4, 1);
    world.nominator(party(0), tokens(1_000), &[validator(3)]);
    world.eras(1);
    world.signed_by(&[0, 1, 2].map(validator), 30);
    let (own, treasury) = (world.ledger(validator(3)).total, in_treasury(&world));
    world.close();
    world.open(ERA_MS, 0, None);
    world.next(1);
    world.next(1);
    let lost = own.get() - world.ledger(validator(3)).total.get();
    let exposed = exposure(&world.state, 1, &validator(3)).expect("it was elected");
    assert_eq!(lost, exposed.own.get() / 1_000);
    assert_eq!(world.ledger(party(0)).total, tokens(999));
    assert_eq!(in_treasury(&world).get() - treasury.get(), lost + TOKEN);
}
