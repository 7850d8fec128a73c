//! Requesters and agents that try to make others pay, and calls that meet unusual records.

use super::*;

#[test]
fn a_report_is_slashed_only_where_a_result_stands() {
    let report = |id| Call::release_task { task: id, reason: ReleaseReason::InputUnavailable };
    // The only attempt.
    let mut world = world();
    let id = world.create(ALICE, Policy { extra_attempts: 0, ..policy() }, true);
    world.assign(BOB, &id);
    world.ok(BOB, report(id));
    assert_eq!(reason(&world, &id), (TaskState::Failed, Some(CloseReason::Released)));
    // A cancellation after the report.
    let id = world.create(ALICE, policy(), true);
    world.assign(BOB, &id);
    world.ok(BOB, report(id));
    world.ok(ALICE, cancel(&id));
    // A no-show of another agent after it.
    let id = world.create(ALICE, Policy { extra_attempts: 1, ..policy() }, true);
    world.assign(BOB, &id);
    world.ok(BOB, report(id));
    world.assign(CHARLIE, &id);
    world.pass(30_000);
    assert_eq!(reason(&world, &id), (TaskState::Failed, Some(CloseReason::NoShow)));
    // Nobody else wants it.
    let id = world.create(ALICE, policy(), true);
    world.assign(BOB, &id);
    world.ok(BOB, report(id));
    world.pass(600_000);
    assert_eq!(reason(&world, &id), (TaskState::Expired, Some(CloseReason::NoCandidate)));
    let agent = world.agent(BOB);
    assert_eq!((agent.stake, agent.locked), (tokens(STAKE), Balance::ZERO));
    world.next(1);
}

#[test]
fn a_report_without_a_fine_binds_nobody() {
    let mut world = world();
    let free = Params { release_ppm: 0, ..Params::default() };
    world.root(Call::set_params { params: free }).expect("root may");
    let id = world.create(ALICE, policy(), true);
    world.assign(BOB, &id);
    world.ok(BOB, Call::release_task { task: id, reason: ReleaseReason::InputUnavailable });
    world.ok(BOB, agents::Call::leave {});
    world.assign(CHARLIE, &id);
    world.ok(CHARLIE, submit(&id));
    world.pass(60_000);
    world.next(1);
    assert_eq!(reason(&world, &id), (TaskState::Settled, Some(CloseReason::Done)));
}

/// A transaction that makes calls in another account's name does not count that account's nonce.
#[test]
fn a_task_is_never_overwritten() {
    let mut world = world();
    let id = world.create(ALICE, policy(), true);
    let again = Call::create_task { spec: job(), policy: policy(), requester: None, funded: true };
    let block = world.block.clone();
    let try_again = |world: &World| {
        let mut cx = Ctx::new(&world.state, &block, Hash([1; 32]));
        again.clone().dispatch(&mut cx, Origin::Signed(ALICE))
    };
    let taken =
        DispatchError::Module(framework::ModuleError { index: INDEX, error: [21, 0, 0, 0] });
    assert_eq!(try_again(&world), Err(taken));
    let mut cx = Ctx::new(&world.state, &block, Hash([1; 32]));
    TASKS.remove(&mut cx, &id);
    RECORDS.set(&mut cx, &id, &Hash::ZERO);
    let output = cx.finish(Ok(()));
    world.state.apply(&output.writes);
    assert_eq!(try_again(&world), Err(taken));
}

#[test]
fn a_schedule_that_names_no_task_or_another_step_is_cleared() {
    let mut world = world();
    let id = world.create(ALICE, policy(), true);
    let block = world.block.clone();
    let mut cx = Ctx::new(&world.state, &block, Hash::ZERO);
    let now = agents::clock::now(&cx);
    for stale in [Hash([1; 32]), id] {
        UNCLAIMED.insert(&mut cx, now, &stale);
        PRUNES.insert(&mut cx, now, &stale);
    }
    let output = cx.finish(Ok(()));
    world.state.apply(&output.writes);
    world.close();
    world.open(1);
    world.next(1);
    assert_eq!(world.task(&id).state, TaskState::Pending);
}

#[test]
fn a_creation_that_fails_takes_a_place_too() {
    let world = world();
    let mut cx = Ctx::new(&world.state, &world.block, Hash::ZERO);
    let create = |cx: &mut Ctx, spec| {
        let call = Call::create_task { spec, policy: policy(), requester: None, funded: true };
        cx.atomic(|cx| call.dispatch(cx, Origin::Signed(ALICE)))
    };
    let bad = TaskSpec { fuel_limit: 0, ..job() };
    assert_eq!(create(&mut cx, bad), Err(Error::BadSpec.into()));
    assert_eq!(create(&mut cx, job()), Ok(()));
    assert!(exists(&cx, &task_id(&GENESIS, &ALICE, 0, 1)));
}

#[test]
fn no_shows_cost_twice_as_much_each_time_and_the_third_jails() {
    let mut world = world();
    // So that every hold is ten tokens of a stake that lasts.
    world.ok(BOB, agents::Call::set_stake { stake: tokens(1_000 * TOKEN) });
    let mut left = 1_000 * TOKEN;
    for (number, fine) in
        [TOKEN / 2, TOKEN, 2 * TOKEN, 4 * TOKEN, 5 * TOKEN, 5 * TOKEN].into_iter().enumerate()
    {
        world.ok(BOB, agents::Call::update { profile: profile(&BOB) });
        let id = world.create(ALICE, policy(), true);
        world.assign(BOB, &id);
        world.pass(30_000);
        left -= fine;
        let agent = world.agent(BOB);
        assert_eq!((agent.stake, usize::from(agent.no_shows)), (tokens(left), number + 1));
        let now = agents::clock::now(&world.state);
        let jailed = number >= 2;
        assert_eq!(agent.jailed_until > now, jailed, "after {} no-shows", number + 1);
        // It may not claim the same task again, jailed or not.
        world.ok(BOB, agents::Call::update { profile: profile(&BOB) });
        let claim = world.claim(&BOB, &id);
        world.fails(BOB, claim, Error::Barred);
        world.ok(ALICE, cancel(&id));
        if jailed {
            let other = world.create(ALICE, policy(), true);
            let claim = world.claim(&BOB, &other);
            world.fails(BOB, claim, agents::Error::Jailed);
            world.ok(ALICE, cancel(&other));
            world.fails(BOB, agents::Call::leave {}, agents::Error::Jailed);
            world.pass(agent.jailed_until - now);
        }
    }
    world.ok(BOB, agents::Call::leave {});
}
