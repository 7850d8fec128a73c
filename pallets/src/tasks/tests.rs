//! Each row of the protocol's table that one replica can take, by name.

use super::*;
use crate::{agents, balances, market::*, payouts, system, treasury, validations};
use framework::TokenError;

mod hostile;

const STAKE: u128 = 100 * TOKEN;

fn world() -> World {
    let mut world = World::new(&[]);
    for agent in [BOB, CHARLIE, DAVE] {
        world.register(agent, STAKE);
    }
    world
}

fn tokens(units: u128) -> Balance {
    Balance::new(units)
}

fn reason(world: &World, id: &TaskId) -> (TaskState, Option<CloseReason>) {
    let task = world.task(id);
    (task.state, task.close_reason)
}

fn listing_fee(world: &World) -> Balance {
    crate::escrow::params(&world.state).listing_fee
}

fn less(a: Balance, b: Balance) -> Balance {
    a.checked_sub(b).expect("b is less")
}

#[test]
fn create_funded_holds_the_whole_cost() {
    let mut world = world();
    let before = world.free(ALICE);
    let id = world.create(ALICE, policy(), true);
    let cost = cost(&world.state, &job(), &policy()).expect("it fits");
    // Three slots of one token with the fee of 5 %, and an audit of twice 10^6 fuel.
    assert_eq!(cost.work, tokens(3 * TOKEN + 3 * TOKEN / 20 + 20_000));
    let all = cost.work.checked_add(cost.storage).expect("it fits");
    assert_eq!(world.free(ALICE), less(before, all));
    assert_eq!(balances::held(&world.state, balances::HoldReason::TaskEscrow, &ALICE), all);
    assert_eq!(world.task(&id).state, TaskState::Pending);
    world.next(1);
}

#[test]
fn create_unfunded_holds_the_deposit_and_anybody_funds_it() {
    let mut world = world();
    let id = world.create(ALICE, policy(), false);
    let cost = cost(&world.state, &job(), &policy()).expect("it fits");
    let held =
        |world: &World, who| balances::held(&world.state, balances::HoldReason::TaskEscrow, &who);
    assert_eq!(held(&world, ALICE), cost.storage);
    assert_eq!(world.task(&id).state, TaskState::AwaitingEscrow);
    let spec_hash = world.task(&id).spec_hash;
    world.fails(EVE, Call::fund_task { task: id, spec_hash: Hash::ZERO }, Error::WrongSpec);
    let claim = world.claim(&BOB, &id);
    world.fails(BOB, claim, Error::NotPending);
    world.ok(EVE, Call::fund_task { task: id, spec_hash });
    assert_eq!(held(&world, EVE), cost.work);
    assert_eq!(world.task(&id).state, TaskState::Pending);
    world.fails(EVE, Call::fund_task { task: id, spec_hash }, Error::NotAwaitingEscrow);
    world.assign(BOB, &id);
    world.ok(BOB, submit(&id));
    world.pass(60_000);
    world.next(1);
    // Refunds are first in, first out: the deposit is Alice's again, the rest of the escrow Eve's.
    assert_eq!(reason(&world, &id), (TaskState::Settled, Some(CloseReason::Done)));
    assert_eq!(world.worth(ALICE), ENDOWMENT);
    assert_eq!(world.worth(EVE), less(ENDOWMENT, tokens(TOKEN + TOKEN / 20)));
}

#[test]
fn a_sponsor_pays_and_the_requester_decides() {
    let mut world = world();
    let create =
        Call::create_task { spec: job(), policy: policy(), requester: Some(EVE), funded: true };
    world.ok(ALICE, create);
    let id = world.last_task(ALICE);
    assert_eq!(world.task(&id).sponsor, Some(ALICE));
    world.fails(ALICE, cancel(&id), Error::NotTheRequester);
    world.ok(EVE, cancel(&id));
    assert_eq!(world.worth(EVE), ENDOWMENT);
    assert_eq!(world.worth(ALICE), less(ENDOWMENT, listing_fee(&world)));
}

#[test]
fn create_refuses_what_breaks_a_limit() {
    let mut world = world();
    let try_create = |world: &mut World, spec: TaskSpec, policy: Policy, error: Error| {
        let call = Call::create_task { spec, policy, requester: None, funded: true };
        world.fails(ALICE, call, error);
    };
    let with = |change: fn(&mut TaskSpec)| {
        let mut spec = job();
        change(&mut spec);
        spec
    };
    for bad in [
        with(|s| s.input = Input::Inline(vec![0; INPUT_INLINE_BYTES_MAX + 1])),
        with(|s| s.args = vec![vec![0; ARGS_BYTES_MAX]]),
        with(|s| s.fuel_limit = 0),
        with(|s| s.fuel_limit = FUEL_LIMIT_MAX + 1),
        with(|s| s.memory_pages_max = 0),
        with(|s| s.memory_pages_max = MEMORY_PAGES_MAX + 1),
        with(|s| s.output_bytes_max = OUTPUT_BYTES_MAX + 1),
        with(|s| s.program = Cid([0; CID_BYTES])),
    ] {
        try_create(&mut world, bad, policy(), Error::BadSpec);
    }
    try_create(&mut world, with(|s| s.fuel_limit = FUEL_LIMIT_MAX), policy(), Error::TooLong);
    let terms = |change: fn(&mut Policy)| {
        let mut policy = policy();
        change(&mut policy);
        policy
    };
    for bad in [
        terms(|p| p.extra_attempts = SLOTS_MAX),
        terms(|p| p.value_at_risk = p.reward.saturating_mul(VALUE_AT_RISK_REWARDS_MAX + 1)),
        terms(|p| p.claim_ms = DEADLINE_MS_MIN - 1),
        terms(|p| p.claim_ms = SPAN_MS_MAX + 1),
        terms(|p| p.retain_ms = 30 * 24 * 3_600_000 + 1),
        terms(|p| p.requires.tags = vec![b"b".to_vec(), b"a".to_vec()]),
    ] {
        try_create(&mut world, job(), bad, Error::BadPolicy);
    }
    try_create(&mut world, job(), terms(|p| p.replicas = 2), Error::NotYetPossible);
    try_create(&mut world, job(), terms(|p| p.reward = Balance::ZERO), Error::RewardTooLow);
    try_create(&mut world, job(), terms(|p| p.reward = Balance::MAX), Error::TooExpensive);
    let rich = terms(|p| p.reward = ENDOWMENT);
    let call = Call::create_task { spec: job(), policy: rich, requester: None, funded: true };
    world.fails(ALICE, call, TokenError::FundsUnavailable);
    assert_eq!(world.worth(ALICE), ENDOWMENT);
}

#[test]
fn awaiting_escrow_to_expired_returns_the_deposit_less_the_listing_fee() {
    let mut world = world();
    let id = world.create(ALICE, policy(), false);
    let until = world.task(&id).deadline.at;
    let now = agents::clock::now(&world.state);
    world.pass(until - now - 1);
    assert_eq!(world.task(&id).state, TaskState::AwaitingEscrow);
    world.next(1);
    assert_eq!(reason(&world, &id), (TaskState::Expired, Some(CloseReason::NotFunded)));
    assert_eq!(world.worth(ALICE), less(ENDOWMENT, listing_fee(&world)));
    let spec_hash = world.task(&id).spec_hash;
    world.fails(EVE, Call::fund_task { task: id, spec_hash }, Error::NotAwaitingEscrow);
}

#[test]
fn pending_to_expired_without_candidates_refunds_less_the_listing_fee() {
    let mut world = world();
    let id = world.create(ALICE, policy(), true);
    world.pass(600_000);
    assert_eq!(reason(&world, &id), (TaskState::Expired, Some(CloseReason::NoCandidate)));
    assert_eq!(world.worth(ALICE), less(ENDOWMENT, listing_fee(&world)));
    let claim = world.claim(&BOB, &id);
    world.fails(BOB, claim, Error::NotPending);
}

#[test]
fn pending_to_cancelled_refunds_less_the_listing_fee_and_frees_candidates() {
    let mut world = world();
    let id = world.create(ALICE, policy(), true);
    let claim = world.claim(&BOB, &id);
    world.ok(BOB, claim);
    let agent = world.agent(BOB);
    assert_eq!((agent.locked, agent.busy), (tokens(10 * TOKEN), 1));
    world.ok(ALICE, cancel(&id));
    assert_eq!(reason(&world, &id), (TaskState::Cancelled, Some(CloseReason::CancelledBeforeDraw)));
    let agent = world.agent(BOB);
    assert_eq!((agent.locked, agent.busy), (Balance::ZERO, 0));
    assert_eq!(world.worth(ALICE), less(ENDOWMENT, listing_fee(&world)));
    world.fails(ALICE, cancel(&id), Error::TooLateToCancel);
    world.next(1);
}

#[test]
fn claim_needs_an_active_capable_agent_with_stake() {
    use agents::Error as AgentError;
    let mut world = world();
    let id = world.create(ALICE, policy(), true);
    let claim = world.claim(&ALICE, &id);
    world.fails(ALICE, claim, AgentError::NotAnAgent);
    let claim = world.claim(&CHARLIE, &id);
    world.fails(BOB, claim.clone(), Error::BadClaimProof);
    let wrong_attempt = claim_over(&BOB, &id, 1, &epoch(&world.state).seed);
    world.fails(BOB, wrong_attempt, Error::BadClaimProof);
    let update = |world: &mut World, change: fn(&mut agents::Profile)| {
        let mut new = profile(&BOB);
        change(&mut new);
        world.ok(BOB, agents::Call::update { profile: new });
        world.claim(&BOB, &id)
    };
    let claim = update(&mut world, |p| p.engines = vec![2]);
    world.fails(BOB, claim, AgentError::Incapable);
    let claim = update(&mut world, |p| p.hold_max = Balance::new(10 * TOKEN - 1));
    world.fails(BOB, claim, AgentError::HoldAboveMax);
    let claim = update(&mut world, |p| p.slots = 0);
    world.fails(BOB, claim, AgentError::NoFreeSlot);
    let claim = update(&mut world, |_| {});
    world.ok(BOB, claim.clone());
    world.fails(BOB, claim, Error::AlreadyClaimed);
    let costly = Policy { reward: tokens(9 * TOKEN + 1), ..policy() };
    let costly = world.create(ALICE, costly, true);
    let claim = world.claim(&BOB, &costly);
    world.fails(BOB, claim, AgentError::NotEnoughStake);
    world.pass(180_000);
    let claim = world.claim(&CHARLIE, &costly);
    world.fails(CHARLIE, claim.clone(), AgentError::Inactive);
    world.ok(CHARLIE, agents::Call::heartbeat { slots: 3, version: 1 });
    world.ok(CHARLIE, claim);
}

#[test]
fn claims_signed_in_the_last_epoch_count_and_older_ones_do_not() {
    let mut world = world();
    let long = Policy { claim_ms: 3_000_000, ..policy() };
    let ids = [(); 3].map(|()| world.create(ALICE, long.clone(), true));
    let old = ids.map(|id| world.claim(&BOB, &id));
    world.pass(170_000);
    for _ in 0..6 {
        world.pass(100_000);
        world.ok(BOB, agents::Call::heartbeat { slots: 9, version: 1 });
    }
    let [first, second, _] = old;
    world.ok(BOB, first);
    for _ in 0..6 {
        world.pass(100_000);
        world.ok(BOB, agents::Call::heartbeat { slots: 9, version: 1 });
    }
    world.fails(BOB, second, Error::BadClaimProof);
}

#[test]
fn pending_to_assigned_draws_one_and_frees_the_others() {
    let mut world = world();
    let id = world.create(ALICE, policy(), true);
    for agent in [BOB, CHARLIE, DAVE] {
        let claim = world.claim(&agent, &id);
        world.ok(agent, claim);
        assert_eq!(world.agent(agent).locked, tokens(10 * TOKEN));
    }
    world.next(499);
    assert_eq!(world.task(&id).state, TaskState::Pending);
    world.next(1);
    let task = world.task(&id);
    let (0, slot) = task.slot().expect("one was drawn") else { panic!("not the first slot") };
    assert!(slot.random, "three candidates are enough");
    for agent in [BOB, CHARLIE, DAVE] {
        let (locked, busy) = (world.agent(agent).locked, world.agent(agent).busy);
        let drawn = agent == slot.agent;
        assert_eq!((locked, busy), if drawn { (slot.hold, 1) } else { (Balance::ZERO, 0) });
    }
    let claim = world.claim(&EVE, &id);
    world.fails(EVE, claim, Error::NotPending);
}

#[test]
fn every_candidate_is_drawn_now_and_then() {
    let mut world = world();
    let mut drawn = std::collections::BTreeSet::new();
    for _ in 0..20 {
        let id = world.create(ALICE, policy(), true);
        for agent in [BOB, CHARLIE, DAVE] {
            let claim = world.claim(&agent, &id);
            world.ok(agent, claim);
        }
        world.next(500);
        let agent = world.task(&id).slots[0].agent;
        drawn.insert(agent);
        world.ok(agent, Call::release_task { task: id, reason: ReleaseReason::Overloaded });
        world.ok(ALICE, cancel(&id));
    }
    assert_eq!(drawn.len(), 3);
}

#[test]
fn assigned_to_cancelled_takes_ten_seconds_and_a_tenth_of_the_reward() {
    let mut world = world();
    let id = world.create(ALICE, policy(), true);
    world.assign(BOB, &id);
    world.fails(EVE, cancel(&id), Error::NotTheRequester);
    world.ok(ALICE, cancel(&id));
    world.fails(ALICE, cancel(&id), Error::AlreadyCancelling);
    world.pass(9_999);
    assert_eq!(world.task(&id).state, TaskState::Assigned);
    world.next(1);
    // Ten seconds are over, four blocks are not: two were enough for the time.
    let before = world.block.height;
    while world.task(&id).state == TaskState::Assigned {
        world.next(1);
        assert!(world.block.height < before + 4, "the cancellation hangs");
    }
    assert_eq!(reason(&world, &id), (TaskState::Cancelled, Some(CloseReason::CancelledAtWork)));
    world.next(1);
    assert_eq!(world.worth(BOB), ENDOWMENT.saturating_add(tokens(TOKEN / 10)));
    assert_eq!(world.worth(ALICE), less(ENDOWMENT, tokens(TOKEN / 10)));
    assert_eq!(world.agent(BOB).locked, Balance::ZERO);
}

#[test]
fn a_result_that_lands_stops_a_cancellation() {
    let mut world = world();
    let id = world.create(ALICE, policy(), true);
    world.assign(BOB, &id);
    world.ok(ALICE, cancel(&id));
    world.pass(9_000);
    world.ok(BOB, submit(&id));
    world.pass(10_000);
    assert_eq!(world.task(&id).state, TaskState::Validating);
    world.fails(ALICE, cancel(&id), Error::TooLateToCancel);
}

#[test]
fn slot_released_costs_a_hundredth_bars_the_agent_and_reopens_the_task() {
    let mut world = world();
    let id = world.create(ALICE, policy(), true);
    world.assign(BOB, &id);
    let release = Call::release_task { task: id, reason: ReleaseReason::CannotExecute };
    world.fails(CHARLIE, release.clone(), Error::NotAssigned);
    let pot = world.free(treasury::TREASURY);
    world.ok(BOB, release.clone());
    world.fails(BOB, release, Error::NotAssigned);
    // A hundredth of ten tokens, half of it burned.
    assert_eq!(world.agent(BOB).stake, tokens(STAKE - TOKEN / 10));
    assert_eq!(world.free(treasury::TREASURY), pot.saturating_add(tokens(TOKEN / 20)));
    let task = world.task(&id);
    assert_eq!((task.state, task.attempt), (TaskState::Pending, 1));
    let claim = world.claim(&BOB, &id);
    world.fails(BOB, claim, Error::Barred);
    world.assign(CHARLIE, &id);
    assert_eq!(world.task(&id).slots.len(), 2);
}

#[test]
fn assigned_to_failed_when_the_last_attempt_is_released() {
    let mut world = world();
    let id = world.create(ALICE, Policy { extra_attempts: 0, ..policy() }, true);
    world.assign(BOB, &id);
    world.ok(BOB, Call::release_task { task: id, reason: ReleaseReason::Overloaded });
    assert_eq!(reason(&world, &id), (TaskState::Failed, Some(CloseReason::Released)));
    assert_eq!(world.worth(ALICE), ENDOWMENT);
}

#[test]
fn input_dispute_three_owners_agree_and_keep_their_stake() {
    let mut world = world();
    let id = world.create(ALICE, policy(), true);
    for (number, agent) in [BOB, CHARLIE, DAVE].into_iter().enumerate() {
        world.assign(agent, &id);
        let reason = ReleaseReason::InputUnavailable;
        world.ok(agent, Call::release_task { task: id, reason });
        if number < 2 {
            assert_eq!(world.agent(agent).locked, tokens(TOKEN / 10));
        }
        world.next(1);
    }
    assert_eq!(reason(&world, &id), (TaskState::Failed, Some(CloseReason::InputUnavailable)));
    for agent in [BOB, CHARLIE, DAVE] {
        assert_eq!(world.agent(agent).stake, tokens(STAKE));
        assert_eq!(world.agent(agent).locked, Balance::ZERO);
    }
    // Three accounts may be one person: their word costs the requester nothing.
    assert_eq!(world.worth(ALICE), ENDOWMENT);
}

#[test]
fn input_dispute_of_one_owner_costs_it_a_hundredth_once_the_task_is_done() {
    let mut world = world();
    let id = world.create(ALICE, policy(), true);
    world.assign(BOB, &id);
    world.ok(BOB, Call::release_task { task: id, reason: ReleaseReason::InputUnavailable });
    world.assign(CHARLIE, &id);
    world.ok(CHARLIE, submit(&id));
    assert_eq!(world.agent(BOB).stake, tokens(STAKE));
    world.pass(60_000);
    world.next(1);
    assert_eq!(world.task(&id).state, TaskState::Settled);
    assert_eq!(world.agent(BOB).stake, tokens(STAKE - TOKEN / 10));
}

#[test]
fn slot_no_show_costs_a_twentieth_and_the_task_goes_on() {
    let mut world = world();
    let id = world.create(ALICE, policy(), true);
    world.assign(BOB, &id);
    let left = world.task(&id).deadline.at - agents::clock::now(&world.state);
    world.pass(left - 1);
    assert_eq!(world.task(&id).state, TaskState::Assigned);
    world.next(1);
    world.fails(BOB, submit(&id), Error::NotAssigned);
    let task = world.task(&id);
    assert_eq!((task.state, task.attempt), (TaskState::Pending, 1));
    assert_eq!(task.slots[0].state, SlotState::NoShow);
    let agent = world.agent(BOB);
    assert_eq!((agent.stake, agent.no_shows), (tokens(STAKE - TOKEN / 2), 1));
    assert_eq!((agent.locked, agent.busy), (Balance::ZERO, 0));
    let claim = world.claim(&BOB, &id);
    world.fails(BOB, claim, Error::Barred);
    // A result ends the row.
    world.delivered(ALICE, BOB, policy());
    assert_eq!(world.agent(BOB).no_shows, 0);
}

#[test]
fn assigned_to_failed_after_the_last_no_show_refunds_everything() {
    let mut world = world();
    let id = world.create(ALICE, policy(), true);
    for agent in [BOB, CHARLIE, DAVE] {
        world.assign(agent, &id);
        world.pass(30_000);
    }
    assert_eq!(reason(&world, &id), (TaskState::Failed, Some(CloseReason::NoShow)));
    assert_eq!(world.worth(ALICE), ENDOWMENT);
    assert_eq!(world.agent(BOB).no_shows, 1);
}

#[test]
fn a_cancellation_meets_a_no_show() {
    let mut world = world();
    let id = world.create(ALICE, policy(), true);
    world.assign(BOB, &id);
    world.pass(25_000);
    world.ok(ALICE, cancel(&id));
    world.pass(5_000);
    assert_eq!(reason(&world, &id), (TaskState::Cancelled, Some(CloseReason::CancelledAtWork)));
    assert_eq!(world.worth(ALICE), ENDOWMENT);
    assert_eq!(world.agent(BOB).stake, tokens(STAKE - TOKEN / 2));
}

#[test]
fn final_to_pruned_keeps_the_hash_of_the_record() {
    let mut world = world();
    let short = Policy { retain_ms: DEADLINE_MS_MIN, ..policy() };
    let id = world.delivered(ALICE, BOB, short);
    world.ok(ALICE, accept(&id));
    world.pass(60_000);
    world.next(1);
    assert_eq!(world.task(&id).state, TaskState::Settled);
    let last = world.task(&id);
    world.pass(DEADLINE_MS_MIN);
    assert_eq!(task(&world.state, &id), None);
    let hash = primitives::crypto::hash::blake2_256(&last.encode());
    assert_eq!(record(&world.state, &id), Some(hash));
    assert!(spec_of(&world, &id).is_none());
    world.fails(ALICE, poke_it(&id), Error::UnknownTask);
    assert!(validations::result(&world.state, &id, 0).is_none());
    assert!(payouts::of_task(&world.state, &id).is_empty());
}

fn spec_of(world: &World, id: &TaskId) -> Option<TaskSpec> {
    spec(&world.state, id)
}

#[test]
fn a_halted_chain_of_two_hours_expires_nothing() {
    let mut world = world();
    let waiting = world.create(ALICE, policy(), true);
    let working = world.create(ALICE, policy(), true);
    world.assign(BOB, &working);
    world.next(2 * 3_600_000);
    assert_eq!(world.task(&waiting).state, TaskState::Pending);
    assert_eq!(world.task(&working).state, TaskState::Assigned);
    world.ok(BOB, submit(&working));
    let claim = world.claim(&CHARLIE, &waiting);
    world.ok(CHARLIE, claim);
}

#[test]
fn a_paused_market_expires_nothing_and_waits_for_nothing() {
    let mut world = world();
    let id = world.create(ALICE, policy(), true);
    assert!(next_due(&world.state).is_some());
    world.root(agents::Call::set_paused { paused: true }).expect("root may");
    for _ in 0..200 {
        world.next(6_000);
    }
    assert_eq!(world.task(&id).state, TaskState::Pending);
    assert_eq!(next_due(&world.state), None);
    world.root(agents::Call::set_paused { paused: false }).expect("root may");
    world.pass(600_000);
    assert_eq!(world.task(&id).state, TaskState::Expired);
}

#[test]
fn a_call_takes_the_steps_that_are_due_first() {
    let mut world = world();
    let ids = [(); 2].map(|()| world.create(ALICE, policy(), true));
    for id in &ids {
        world.assign(BOB, id);
    }
    // The hook's budget is not used up, so the overdue step is made by hand: time passes in a call.
    let mut late = world.block.clone();
    late.height += 10;
    let mut cx = Ctx::new(&world.state, &late, Hash::ZERO);
    agents::clock::shift_for_tests(&mut cx, 40_000);
    cancel_by_hand(&mut cx, &ids[0]);
    assert_eq!(task(&cx, &ids[0]).expect("it is there").state, TaskState::Cancelled);
    assert_eq!(agents::agent(&cx, &BOB).expect("it is there").no_shows, 1);
}

fn cancel_by_hand(cx: &mut Ctx, id: &TaskId) {
    Call::cancel_task { task: *id }.dispatch(cx, Origin::Signed(ALICE)).expect("it is hers");
}

#[test]
fn next_due_is_the_block_time_of_the_earliest_step() {
    let mut world = world();
    let id = world.create(ALICE, policy(), true);
    assert_eq!(next_due(&world.state), Some(world.block.time_ms + 600_000));
    let claim = world.claim(&BOB, &id);
    world.ok(BOB, claim);
    assert_eq!(next_due(&world.state), Some(world.block.time_ms + 500));
}

#[test]
fn a_flood_of_one_kind_waits_and_starves_no_other() {
    let mut world = world();
    let poor = Policy { reward: tokens(1_000_000), extra_attempts: 0, ..policy() };
    let count = 3_000;
    let ids: Vec<_> = (0..count).map(|_| world.create(ALICE, poor.clone(), false)).collect();
    world.pass(3_600_000 - 6_000);
    let open = |world: &World| {
        ids.iter().filter(|id| world.task(id).state == TaskState::AwaitingEscrow).count()
    };
    assert_eq!(open(&world), count);
    world.ok(BOB, agents::Call::heartbeat { slots: 9, version: 1 });
    let fresh = world.create(EVE, policy(), true);
    let claim = world.claim(&BOB, &fresh);
    world.ok(BOB, claim);
    world.next(6_000);
    let left = open(&world);
    assert!((1..count).contains(&left), "{left} of {count} are left");
    assert_eq!(world.task(&fresh).state, TaskState::Assigned);
    assert_eq!(overdue(&world.state, world.block.height), left);
    // What takes three blocks without other work must not take five.
    (0..3).for_each(|_| world.next(1));
    assert_eq!((open(&world), overdue(&world.state, world.block.height)), (0, 0));
}

#[test]
fn ids_tell_chain_signer_nonce_and_place_apart() {
    let id = |genesis, who, nonce, index| task_id(&genesis, &who, nonce, index);
    let all = [
        id(GENESIS, ALICE, 0, 0),
        id(Hash::ZERO, ALICE, 0, 0),
        id(GENESIS, BOB, 0, 0),
        id(GENESIS, ALICE, 1, 0),
        id(GENESIS, ALICE, 0, 1),
    ];
    assert_eq!(std::collections::BTreeSet::from(all).len(), all.len());
}

#[test]
fn every_reason_has_a_code_of_its_culprit_and_a_sentence() {
    let codes: std::collections::BTreeSet<_> =
        CloseReason::ALL.iter().map(|reason| reason.code()).collect();
    assert_eq!(codes.len(), CloseReason::ALL.len());
    assert!(CloseReason::ALL.iter().all(|reason| explain(*reason).ends_with('.')));
}

#[test]
fn parameters_are_governed_and_bounded() {
    let mut world = world();
    let good = Params { draw_ms: 1_000, ..Params::default() };
    world.fails(ALICE, Call::set_params { params: good.clone() }, DispatchError::BadOrigin);
    world.root(Call::set_params { params: good }).expect("root may");
    assert_eq!(params(&world.state).draw_ms, 1_000);
    let bad = Params { weight_max: 0, ..Params::default() };
    assert_eq!(world.root(Call::set_params { params: bad }), Err(Error::BadParams.into()));
    let json = serde_json::to_string(&super::Genesis::default()).expect("it is plain data");
    let back: super::Genesis = serde_json::from_str(&json).expect("it was just written");
    assert_eq!(back.params, Params::default());
    assert!(system::account(&world.state, &ALICE).nonce > 0);
}
