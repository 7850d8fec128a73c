use super::*;
use crate::{
    agents, balances,
    market::*,
    payouts,
    tasks::{Cid, EarlyPay, Error as TaskError, Output, SlotState},
};
use primitives::crypto::hash::blake2_256;

fn world() -> World {
    let mut world = World::new(&[]);
    world.register(BOB, 1_000 * TOKEN);
    world
}

fn tokens(units: u128) -> Balance {
    Balance::new(units)
}

#[test]
fn slot_revealed_by_submit_result_opens_the_window() {
    let mut world = world();
    let id = world.create(ALICE, policy(), true);
    world.fails(BOB, submit(&id), TaskError::NotAssigned);
    world.assign(BOB, &id);
    world.fails(CHARLIE, submit(&id), TaskError::NotAssigned);
    world.ok(BOB, submit(&id));
    world.fails(BOB, submit(&id), TaskError::NotAssigned);
    let task = world.task(&id);
    assert_eq!((task.state, task.slots[0].state), (TaskState::Validating, SlotState::Revealed));
    let stored = result(&world.state, &id, 0).expect("it was delivered");
    assert_eq!(task.slots[0].outcome, Some(stored.hash()));
    assert_eq!(results(&world.state, &id), [(0, stored)]);
    let agent = world.agent(BOB);
    assert_eq!((agent.busy, agent.locked), (0, tokens(10 * TOKEN)));
}

#[test]
fn an_outcome_must_keep_to_its_tasks_limits() {
    let mut world = world();
    let id = world.create(ALICE, policy(), true);
    world.assign(BOB, &id);
    let try_submit = |world: &mut World, outcome: Outcome, fuel_used: u64, fits: bool| {
        let call = Call::submit_result { task: id, outcome, fuel_used };
        let result = world.call(BOB, call);
        assert_eq!(result, if fits { Ok(()) } else { Err(Error::BadOutcome.into()) });
    };
    let inline = |bytes: Vec<u8>, size: u64| {
        let hash = blake2_256(&bytes);
        Outcome::Ok { output: Output::Inline(bytes), hash, size }
    };
    try_submit(&mut world, inline(vec![0; OUTPUT_INLINE_BYTES_MAX + 1], 1_025), 1, false);
    try_submit(&mut world, inline(vec![0; 8], 9), 1, false);
    let output = Output::Inline(b"a".to_vec());
    try_submit(&mut world, Outcome::Ok { output, hash: Hash::ZERO, size: 1 }, 1, false);
    let blob = |cid, size| Outcome::Ok { output: Output::Blob(cid), hash: Hash::ZERO, size };
    let cid = Cid::new(Cid::DAG_PB, [1; 32]);
    try_submit(&mut world, blob(cid, 4_097), 1, false);
    try_submit(&mut world, blob(Cid([0; 38]), 4_096), 1, false);
    try_submit(&mut world, blob(cid, 4_096), 1_000_001, false);
    try_submit(&mut world, blob(cid, 4_096), 1_000_000, true);
}

#[test]
fn a_trap_and_out_of_fuel_are_results_and_are_paid() {
    for outcome in [Outcome::Trap { code: 3 }, Outcome::OutOfFuel] {
        let mut world = world();
        let id = world.create(ALICE, policy(), true);
        world.assign(BOB, &id);
        world.ok(BOB, Call::submit_result { task: id, outcome, fuel_used: 1_000_000 });
        world.pass(60_000);
        world.next(1);
        assert_eq!(world.task(&id).state, TaskState::Settled);
        assert_eq!(world.worth(BOB), ENDOWMENT.saturating_add(tokens(TOKEN)));
    }
}

#[test]
fn validating_early_pay_pays_in_the_block_that_accepts_and_stake_stays_at_risk() {
    let mut world = world();
    let id = world.delivered(ALICE, BOB, policy());
    world.fails(BOB, accept(&id), TaskError::NotTheRequester);
    world.ok(ALICE, accept(&id));
    world.fails(ALICE, accept(&id), Error::AlreadyAccepted);
    let before = world.worth(BOB);
    world.next(500);
    assert_eq!(world.worth(BOB), before.saturating_add(tokens(TOKEN)));
    let task = world.task(&id);
    assert_eq!((task.state, task.early), (TaskState::Validating, EarlyPay::Paid));
    assert_eq!(world.agent(BOB).locked, tokens(10 * TOKEN));
    world.fails(ALICE, accept(&id), Error::AlreadyAccepted);
    world.pass(60_000);
    // The window's end releases the stake and pays nothing again.
    let task = world.task(&id);
    assert_eq!((task.state, task.close_reason), (TaskState::Settled, Some(CloseReason::Done)));
    assert_eq!(world.agent(BOB).locked, Balance::ZERO);
    assert_eq!(world.worth(BOB), before.saturating_add(tokens(TOKEN)));
    let fee = TOKEN / 20;
    assert_eq!(world.worth(ALICE), ENDOWMENT.saturating_sub(tokens(TOKEN + fee)));
    world.fails(ALICE, accept(&id), Error::NotValidating);
}

#[test]
fn validating_to_validated_to_settled_when_the_window_just_ends() {
    let mut world = world();
    let id = world.delivered(ALICE, BOB, policy());
    let left = world.task(&id).deadline.at - agents::clock::now(&world.state);
    assert_eq!(left, 60_000);
    world.pass(left - 1);
    assert_eq!(world.task(&id).state, TaskState::Validating);
    world.take_events();
    world.next(1);
    // The window ends before the block's calls, and the payout goes out after them.
    assert_eq!(world.task(&id).state, TaskState::Validated);
    assert_eq!(payouts::of_task(&world.state, &id).len(), 1);
    world.next(1);
    assert_eq!(world.task(&id).state, TaskState::Settled);
    let validated = |event: &RuntimeEvent| {
        matches!(event, RuntimeEvent::Validations(super::Event::Validated { .. }))
    };
    assert_eq!(world.take_events().iter().filter(|event| validated(event)).count(), 1);
    let held = balances::held(&world.state, balances::HoldReason::TaskEscrow, &ALICE);
    assert_eq!(held, Balance::ZERO);
}

#[test]
fn poke_takes_what_is_due_and_nothing_else() {
    let mut world = world();
    let id = world.delivered(ALICE, BOB, policy());
    world.fails(EVE, poke_it(&Hash::ZERO), TaskError::UnknownTask);
    world.fails(EVE, poke_it(&id), Error::NothingDue);
    world.ok(ALICE, accept(&id));
    // The hook at the block's end would pay; a poke pays before it.
    world.ok(EVE, poke_it(&id));
    assert_eq!(world.task(&id).early, EarlyPay::Paid);
    world.fails(EVE, poke_it(&id), Error::NothingDue);
    world.next(1);
}

#[test]
fn poke_takes_several_steps_of_a_task_that_hooks_left_behind() {
    let mut world = world();
    let short = Policy { retain_ms: tasks::DEADLINE_MS_MIN, ..policy() };
    let id = world.create(ALICE, short, true);
    let mut late = world.block.clone();
    late.height += 100;
    let mut cx = Ctx::new(&world.state, &late, Hash::ZERO);
    agents::clock::shift_for_tests(&mut cx, 600_000);
    Call::poke { task: id }.dispatch(&mut cx, Origin::Signed(EVE)).expect("it is due");
    assert_eq!(tasks::task(&cx, &id).expect("it is there").state, TaskState::Expired);
    agents::clock::shift_for_tests(&mut cx, 600_000);
    let mut later = late.clone();
    later.height += 100;
    let output = cx.finish(Ok(()));
    world.state.apply(&output.writes);
    let mut cx = Ctx::new(&world.state, &later, Hash::ZERO);
    Call::poke { task: id }.dispatch(&mut cx, Origin::Signed(EVE)).expect("it is due");
    assert!(!tasks::exists(&cx, &id));
}

#[test]
fn a_payee_on_the_requesters_side_earns_no_reputation() {
    let mut world = World::new(&[]);
    for agent in [BOB, CHARLIE, DAVE] {
        world.register(agent, 1_000 * TOKEN);
    }
    let id = world.create(BOB, policy(), true);
    for agent in [BOB, CHARLIE, DAVE] {
        let claim = world.claim(&agent, &id);
        world.ok(agent, claim);
    }
    world.next(500);
    let winner = world.task(&id).slots[0].agent;
    world.ok(winner, submit(&id));
    world.pass(60_000);
    let expected = if winner == BOB { Balance::ZERO } else { tokens(TOKEN) };
    assert_eq!(world.agent(winner).reputation.value, expected);
}

#[test]
fn parameters_are_governed_and_bounded() {
    let mut world = World::new(&[]);
    let call = |window_ms| Call::set_params { params: Params { window_ms } };
    world.fails(ALICE, call(60_000), DispatchError::BadOrigin);
    world.root(call(50_000)).expect("root may");
    assert_eq!(params(&world.state).window_ms, 50_000);
    assert_eq!(world.root(call(47_999)), Err(Error::BadParams.into()));
}

/// Blocks come when a transaction waits or a step is due; here half a second after the last at least.
#[test]
fn on_an_idle_chain_a_task_is_paid_within_three_seconds_of_its_creation() {
    let mut world = world();
    world.next(500);
    let id = world.create(ALICE, policy(), true);
    let created_ms = world.block.time_ms;
    world.next(500);
    let claim = world.claim(&BOB, &id);
    world.ok(BOB, claim);
    let due_ms = next_due(&world.state).expect("the draw is due");
    world.next(due_ms - world.block.time_ms);
    assert_eq!(world.task(&id).state, TaskState::Assigned);
    world.next(500);
    world.ok(BOB, submit(&id));
    world.next(500);
    world.ok(ALICE, accept(&id));
    let paid_ms = world.block.time_ms;
    let before = world.worth(BOB);
    world.close();
    assert_eq!(world.worth(BOB), before.saturating_add(tokens(TOKEN)));
    assert!(paid_ms - created_ms < 3_000, "it took {} ms", paid_ms - created_ms);
}
