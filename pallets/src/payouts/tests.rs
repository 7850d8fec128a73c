use super::*;
use crate::{
    agents::{self, Share},
    market::*,
    tasks::TaskState,
    treasury,
};
use framework::TokenError;

const ED: Balance = balances::EXISTENTIAL_DEPOSIT;

/// A world whose agent Bob has its pay sent to `payee`.
fn world(payee: Payee) -> World {
    let mut world = World::new(&[]);
    world.register(BOB, 1_000 * TOKEN);
    let mut profile = profile(&BOB);
    profile.payout = payee;
    world.ok(BOB, agents::Call::update { profile });
    world
}

fn small(reward: Balance) -> Policy {
    Policy { reward, ..policy() }
}

/// A task with this reward, delivered and accepted; the block of the payment is over.
fn earn(world: &mut World, reward: Balance) -> TaskId {
    let id = world.delivered(ALICE, BOB, small(reward));
    world.ok(ALICE, accept(&id));
    world.next(1);
    id
}

fn only(world: &World, id: &TaskId) -> (PayoutId, Intent) {
    let [payout] = &of_task(&world.state, id)[..] else { panic!("not one payout") };
    payout.clone()
}

#[test]
fn a_reward_of_the_minimum_is_paid_at_once_and_less_accrues() {
    let mut world = world(Payee::Account(EVE));
    let minimum = params(&world.state).minimum;
    let id = earn(&mut world, minimum);
    assert_eq!(world.free(EVE), ENDOWMENT.saturating_add(minimum));
    let (_, intent) = only(&world, &id);
    assert!(matches!(intent.state, IntentState::Paid(_)));

    let less = minimum.saturating_sub(Balance::new(1));
    let id = earn(&mut world, less);
    let (payout_id, intent) = only(&world, &id);
    assert_eq!((intent.state, owed(&world.state, &EVE).amount), (IntentState::Accrued, less));
    assert_eq!(of_payee(&world.state, &EVE, 9), [(payout_id, intent)]);
    // The next one makes it enough: both are paid by one transfer.
    world.take_events();
    earn(&mut world, ED);
    let all = [ENDOWMENT, minimum, less, ED].into_iter().sum();
    assert_eq!(world.free(EVE), all);
    let transfers = world.take_events().into_iter().filter(|event| {
        matches!(event, RuntimeEvent::Payouts(super::Event::Transferred { payouts: 2, .. }))
    });
    assert_eq!(transfers.count(), 1);
}

#[test]
fn what_accrued_is_paid_when_the_era_ends() {
    let mut world = world(Payee::Account(EVE));
    let id = earn(&mut world, ED);
    world.pass(60_000);
    assert_eq!(world.task(&id).state, TaskState::Validated);
    let at = owed(&world.state, &EVE).next_try.expect("the era's end");
    world.pass(at - 1 - agents::clock::now(&world.state));
    assert_eq!(world.free(EVE), ENDOWMENT);
    world.next(1);
    world.next(1);
    assert_eq!(world.free(EVE), ENDOWMENT.saturating_add(ED));
    assert_eq!(world.task(&id).state, TaskState::Settled);
    assert_eq!(owed(&world.state, &EVE), Owed::default());
}

#[test]
fn anybody_can_have_small_payouts_paid_now() {
    let mut world = world(Payee::Account(EVE));
    let id = earn(&mut world, ED);
    let (payout, _) = only(&world, &id);
    let claim = |ids: &[PayoutId]| Call::claim_payouts { ids: ids.to_vec() };
    world.fails(DAVE, claim(&[]), Error::BadIds);
    world.fails(DAVE, claim(&[payout, payout]), Error::BadIds);
    world.fails(DAVE, claim(&[payout, Hash::ZERO]), Error::UnknownPayout);
    world.ok(DAVE, claim(&[payout]));
    assert_eq!(world.free(EVE), ENDOWMENT.saturating_add(ED));
    world.fails(DAVE, claim(&[payout]), Error::AlreadyClosed);
    world.next(1);
}

#[test]
fn a_payee_chooses_its_minimum() {
    let mut world = world(Payee::Account(EVE));
    let set = |minimum| Call::set_minimum { minimum };
    world.fails(EVE, set(Some(Balance::new(1))), Error::BadMinimum);
    world.fails(EVE, set(Some(Balance::MAX)), Error::BadMinimum);
    world.ok(EVE, set(Some(ED)));
    earn(&mut world, ED);
    assert_eq!(world.worth(EVE), ENDOWMENT.saturating_add(ED));
    world.ok(EVE, set(None));
    earn(&mut world, ED);
    assert_eq!(world.worth(EVE), ENDOWMENT.saturating_add(ED));
}

#[test]
fn a_payee_below_the_existential_deposit_is_paid_once_it_is_funded() {
    let mut world = world(Payee::Account(POOR));
    let half = Balance::new(ED.get() / 2);
    let id = earn(&mut world, half);
    let era = params(&world.state).era_ms;
    world.pass(era);
    world.next(1);
    let failed = owed(&world.state, &POOR);
    assert_eq!((failed.amount, failed.attempts), (half, 1));
    assert_eq!(world.free(POOR), Balance::ZERO);
    // The waits double.
    let now = agents::clock::now(&world.state);
    assert!(failed.next_try.is_some_and(|at| at <= now + 5_000));
    world.pass(5_000);
    world.next(1);
    assert_eq!(owed(&world.state, &POOR).attempts, 2);
    let (payout, _) = only(&world, &id);
    world.fails(EVE, Call::claim_payouts { ids: vec![payout] }, TokenError::BelowMinimum);
    let dest = POOR.into();
    let fund = balances::Call::transfer_keep_alive { dest, value: ED };
    world.dispatch(Origin::Signed(EVE), RuntimeCall::Balances(fund)).expect("Eve is rich");
    world.pass(10_000);
    world.next(1);
    assert_eq!(world.free(POOR), ED.saturating_add(half));
    assert_eq!(world.task(&id).state, TaskState::Settled);
}

#[test]
fn two_payouts_below_the_existential_deposit_make_an_account_together() {
    let mut world = world(Payee::Account(POOR));
    let half = Balance::new(ED.get() / 2);
    earn(&mut world, half);
    earn(&mut world, half);
    let era = params(&world.state).era_ms;
    world.pass(era);
    world.next(1);
    assert_eq!(world.free(POOR), ED);
}

/// Earns half an existential deposit for a payee without account, and lets every try fail.
fn unclaimed() -> (World, TaskId, PayoutId) {
    let mut world = world(Payee::Account(POOR));
    let id = earn(&mut world, Balance::new(ED.get() / 2));
    let (payout, _) = only(&world, &id);
    let tries = 5_000u64 << RETRIES_MAX;
    let era = params(&world.state).era_ms;
    world.pass(era + tries);
    for _ in 0..30 {
        world.pass(1_000);
    }
    let (_, intent) = only(&world, &id);
    assert!(matches!(intent.state, IntentState::Unclaimed(_)), "it is {intent:?}");
    (world, id, payout)
}

#[test]
fn after_the_last_retry_a_payout_is_unclaimed_and_its_task_settled() {
    let (mut world, id, payout) = unclaimed();
    assert_eq!(world.task(&id).state, TaskState::Settled);
    let owed = owed(&world.state, &POOR);
    assert_eq!((owed.attempts, owed.next_try), (0, None));
    let dest = POOR.into();
    let fund = balances::Call::transfer_keep_alive { dest, value: ED };
    world.dispatch(Origin::Signed(EVE), RuntimeCall::Balances(fund)).expect("Eve is rich");
    world.ok(DAVE, Call::claim_payouts { ids: vec![payout] });
    assert_eq!(world.free(POOR), Balance::new(ED.get() / 2 * 3));
    world.next(1);
}

#[test]
fn the_agent_redirects_what_is_unclaimed() {
    let (mut world, id, payout) = unclaimed();
    let redirect = |payee| Call::redirect_payouts { ids: vec![payout], payee };
    world.fails(EVE, redirect(EVE), Error::NotTheAgent);
    world.ok(BOB, redirect(DAVE));
    world.fails(BOB, redirect(DAVE), Error::NotUnclaimed);
    world.next(1);
    let era = params(&world.state).era_ms;
    world.pass(era);
    world.next(1);
    assert_eq!(world.free(DAVE), ENDOWMENT.saturating_add(Balance::new(ED.get() / 2)));
    assert_eq!(world.task(&id).state, TaskState::Settled);
    assert_eq!(owed(&world.state, &POOR), Owed::default());
}

#[test]
fn what_nobody_claims_in_ninety_days_is_the_treasurys() {
    let (mut world, id, payout) = unclaimed();
    let (_, intent) = only(&world, &id);
    let IntentState::Unclaimed(until) = intent.state else { panic!("it is {intent:?}") };
    // Ninety days of market time, without the blocks.
    let mut cx = Ctx::new(&world.state, &world.block, Hash::ZERO);
    let now = agents::clock::now(&cx);
    agents::clock::shift_for_tests(&mut cx, until - 1 - now);
    pay::forfeit_due(&mut cx);
    assert_eq!(payout_state(&cx, &payout), Some(intent.state));
    agents::clock::shift_for_tests(&mut cx, 1);
    let before = balances::free(&cx, &treasury::TREASURY);
    pay::forfeit_due(&mut cx);
    assert_eq!(payout_state(&cx, &payout), Some(IntentState::Forfeited));
    let after = balances::free(&cx, &treasury::TREASURY);
    assert_eq!(after, before.saturating_add(intent.amount));
    let output = cx.finish(Ok(()));
    world.state.apply(&output.writes);
    check(&world.state).expect("nothing is owed any more");
    world.fails(EVE, Call::claim_payouts { ids: vec![payout] }, Error::AlreadyClosed);
}

fn payout_state(state: &dyn StateRead, id: &PayoutId) -> Option<IntentState> {
    payout(state, id).map(|intent| intent.state)
}

#[test]
fn a_split_pays_each_its_part() {
    let share = |account, parts| Share { account, parts };
    let split = Payee::Split(vec![share(DAVE, 250_000), share(EVE, 750_000)]);
    let mut world = world(split);
    let id = earn(&mut world, Balance::new(TOKEN + 1));
    assert_eq!(world.free(DAVE), ENDOWMENT.saturating_add(Balance::new(TOKEN / 4)));
    let rest = Balance::new(TOKEN / 4 * 3 + 1);
    assert_eq!(world.free(EVE), ENDOWMENT.saturating_add(rest));
    assert_eq!(of_task(&world.state, &id).len(), 2);
    assert_eq!(world.task(&id).payouts_open, 0);
}

#[test]
fn a_payout_is_made_once() {
    let mut world = world(Payee::Account(EVE));
    let id = world.delivered(ALICE, BOB, policy());
    let mut cx = Ctx::new(&world.state, &world.block, Hash::ZERO);
    let mut entry = tasks::Entry::load(&cx, &id).expect("it is there");
    for _ in 0..2 {
        make(&mut cx, &mut entry, false, &Payee::Account(EVE), Balance::new(TOKEN));
        assert_eq!((entry.task.payouts_open, entry.task.slots[0].payouts), (1, 1));
    }
    assert_eq!(owed(&cx, &EVE).amount, Balance::new(TOKEN));
}

#[test]
fn thousands_of_payouts_are_few_transfers_within_the_budget() {
    let mut world = world(Payee::Account(EVE));
    // A minimum that nothing reaches keeps them together until the era ends.
    world.ok(EVE, Call::set_minimum { minimum: Some(Balance::new(1_000 * TOKEN)) });
    world.delivered(ALICE, BOB, policy());
    let mut state = world.state.clone();
    let mut cx = Ctx::new(&state, &world.block, Hash::ZERO);
    let count = 2_000;
    let one = Balance::new(1_000_000);
    let all = one.saturating_mul(u128::try_from(count).expect("it is small"));
    let escrow = balances::HoldReason::TaskEscrow;
    balances::transfer_held(&mut cx, escrow, &ALICE, &POT, all, Some(HoldReason::Accrued))
        .expect("the task's escrow has a token");
    for number in 0..count {
        let number = u32::try_from(number).expect("it is small");
        let payout = primitives::crypto::hash::blake2_256(&number.encode());
        let (task, kind) = (payout, PayoutKind::Reward { part: 0 });
        let state = IntentState::Accrued;
        let intent = Intent { task, slot: 0, kind, agent: BOB, payee: EVE, amount: one, state };
        INTENTS.set(&mut cx, &payout, &intent);
        intents::accrue(&mut cx, &EVE, &payout, one);
    }
    let output = cx.finish(Ok(()));
    state.apply(&output.writes);
    let era = params(&state).era_ms;
    let (mut blocks, mut transfers) = (0, 0);
    while owed(&state, &EVE) != Owed::default() {
        let mut cx = Ctx::new(&state, &world.block, Hash::ZERO);
        agents::clock::shift_for_tests(&mut cx, era);
        pay::pay_due(&mut cx);
        let output = cx.finish(Ok(()));
        assert!(output.used.ref_time() <= system::FINALIZE_REF_TIME_MAX, "{:?}", output.used);
        state.apply(&output.writes);
        check(&state).expect("the sums are right");
        let is_transfer = |bytes: &&Vec<u8>| {
            let event = RuntimeEvent::decode(&mut &bytes[..]).expect("it was just encoded");
            matches!(event, RuntimeEvent::Payouts(super::Event::Transferred { .. }))
        };
        transfers += output.events.iter().filter(is_transfer).count();
        blocks += 1;
        assert!(blocks < 5, "{:?} are left", owed(&state, &EVE));
    }
    assert!(blocks > 1 && transfers < 10, "{blocks} blocks, {transfers} transfers");
    let data = system::account(&state, &EVE).data;
    assert_eq!(data.free.saturating_add(data.reserved), ENDOWMENT.saturating_add(all));
}

#[test]
fn parameters_are_governed_and_bounded() {
    let mut world = World::new(&[]);
    let call = |params: Params| Call::set_params { params };
    world.fails(ALICE, call(Params::default()), DispatchError::BadOrigin);
    let bad = Params { minimum: Balance::new(1), ..Params::default() };
    assert_eq!(world.root(call(bad)), Err(Error::BadParams.into()));
    let bad = Params { retry_ms: 0, ..Params::default() };
    assert_eq!(world.root(call(bad)), Err(Error::BadParams.into()));
}

#[test]
fn claiming_one_by_one_costs_the_same_each_time() {
    let mut world = world(Payee::Account(EVE));
    let ids: Vec<_> = (0..4).map(|_| earn(&mut world, ED)).collect();
    let payouts: Vec<_> = ids.iter().map(|id| only(&world, id).0).collect();
    let block = world.block.clone();
    let mut cx = Ctx::new(&world.state, &block, Hash::ZERO);
    let mut reads = Vec::new();
    for (number, payout) in payouts.iter().enumerate() {
        let before = cx.used();
        pay::claim(&mut cx, &[*payout]).expect("it is owed");
        reads.push(cx.used().since(before).reads);
        let left = payouts.len() - 1 - number;
        assert_eq!(owed(&cx, &EVE).next_try.is_some(), left > 0);
    }
    assert!(reads.is_sorted_by(|a, b| a >= b), "{reads:?}");
}

#[test]
fn a_task_is_settled_in_a_day_though_a_payout_waits() {
    let mut world = world(Payee::Account(EVE));
    let short = Policy { retain_ms: tasks::DEADLINE_MS_MIN, ..small(ED) };
    let id = world.delivered(ALICE, BOB, short);
    world.pass(60_000);
    assert_eq!(world.task(&id).state, TaskState::Validated);
    let (payout, _) = only(&world, &id);
    // Its payee's era takes a year.
    let mut cx = Ctx::new(&world.state, &world.block, Hash::ZERO);
    let old = owed(&cx, &EVE);
    let late = old.next_try.map(|at| at + 31_536_000_000);
    intents::store(&mut cx, &EVE, Owed { next_try: late, ..old }, old.next_try);
    agents::clock::shift_for_tests(&mut cx, 24 * 3_600_000);
    let output = cx.finish(Ok(()));
    world.state.apply(&output.writes);
    (0..5).for_each(|_| world.next(1));
    let task = world.task(&id);
    assert_eq!((task.state, task.payouts_open), (TaskState::Settled, 1));
    assert_eq!(balances::held(&world.state, HoldReason::TaskEscrow, &ALICE), Balance::ZERO);
    // The money waits for the payee even when the task is forgotten.
    world.pass(tasks::DEADLINE_MS_MIN);
    (0..5).for_each(|_| world.next(1));
    assert!(!tasks::exists(&world.state, &id));
    world.ok(DAVE, Call::claim_payouts { ids: vec![payout] });
    assert_eq!(world.free(EVE), ENDOWMENT.saturating_add(ED));
    world.next(1);
}

fn number(index: u8) -> AccountId {
    AccountId([100 + index; 32])
}

#[test]
fn the_largest_calls_keep_to_their_declared_weights() {
    // Each payout another payee's, each of a task of its own; the harness compares the weights.
    let mut world = world(Payee::Account(BOB));
    let most = u8::try_from(IDS_MAX).expect("it is small");
    let mut tasks = Vec::new();
    for index in 0..most {
        let profile = agents::Profile { payout: Payee::Account(number(index)), ..profile(&BOB) };
        world.ok(BOB, agents::Call::update { profile });
        tasks.push(earn(&mut world, ED));
    }
    world.pass(60_000);
    let ids: Vec<_> = tasks.iter().map(|task| only(&world, task).0).collect();
    let mut unclaimed = World::new(&[]);
    (unclaimed.state, unclaimed.block) = (world.state.clone(), world.block.clone());
    world.ok(DAVE, Call::claim_payouts { ids: ids.clone() });
    world.next(1);

    // The same as unclaimed payouts, redirected to one more payee, with and without their tasks.
    for with_tasks in [true, false] {
        let (state, block) = (unclaimed.state.clone(), unclaimed.block.clone());
        let mut cx = Ctx::new(&state, &block, Hash::ZERO);
        for id in &ids {
            let mut intent = payout(&cx, id).expect("it is there");
            let (until, old) = (agents::clock::now(&cx) + 1_000, owed(&cx, &intent.payee));
            OPEN.remove(&mut cx, &intent.payee, id);
            UNCLAIMED.insert(&mut cx, &intent.payee, id);
            FORFEITS.insert(&mut cx, until, id);
            let now = Owed { open: 0, next_try: None, ..old };
            intents::store(&mut cx, &intent.payee, now, old.next_try);
            intent.state = IntentState::Unclaimed(until);
            intent.task = if with_tasks { intent.task } else { *id };
            INTENTS.set(&mut cx, id, &intent);
        }
        let output = cx.finish(Ok(()));
        let mut world = World::new(&[]);
        (world.state, world.block) = (state.clone(), block.clone());
        world.state.apply(&output.writes);
        world.ok(BOB, Call::redirect_payouts { ids: ids.clone(), payee: EVE });
    }
}

#[test]
fn a_minimum_costs_a_deposit_while_it_stands() {
    let mut world = world(Payee::Account(EVE));
    let held = |world: &World| balances::held(&world.state, HoldReason::StorageDeposit, &EVE);
    for amount in [ED, ED.saturating_mul(2)] {
        world.ok(EVE, Call::set_minimum { minimum: Some(amount) });
        assert_eq!(held(&world), ED.saturating_mul(10));
    }
    world.next(1);
    world.fails(POOR, Call::set_minimum { minimum: Some(ED) }, TokenError::FundsUnavailable);
    for _ in 0..2 {
        world.ok(EVE, Call::set_minimum { minimum: None });
        assert_eq!((held(&world), world.free(EVE)), (Balance::ZERO, ENDOWMENT));
    }
    world.next(1);
}

#[test]
fn a_payee_that_the_budget_cuts_off_waits_and_has_not_been_tried() {
    let mut world = world(Payee::Account(POOR));
    let half = Balance::new(ED.get() / 2);
    earn(&mut world, half);
    earn(&mut world, half);
    let mut cx = Ctx::new(&world.state, &world.block, Hash::ZERO);
    let before = owed(&cx, &POOR);
    assert!(!pay::try_payee(&mut cx, &POOR, 1, false));
    assert_eq!(owed(&cx, &POOR), before);
    assert!(pay::try_payee(&mut cx, &POOR, 2, false));
    assert_eq!((owed(&cx, &POOR), balances::free(&cx, &POOR)), (Owed::default(), ED));
}
