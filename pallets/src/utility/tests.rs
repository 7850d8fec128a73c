use super::*;
use crate::{
    balances,
    testing::{ALICE, BOB, act, deposits},
};
use framework::{MemState, TxOutput};

type Transfer = balances::Call;

fn pay(count: u128) -> Transfer {
    Transfer::transfer_keep_alive { dest: BOB.into(), value: deposits(count) }
}

/// Pays 2, then fails, then pays 1.
fn calls() -> Vec<Transfer> {
    vec![pay(2), pay(100), pay(1)]
}

/// What a batch does to an account of ten deposits: the output and what arrived.
fn run(call: Call<Transfer>, origin: Origin) -> (TxOutput, Balance) {
    let mut state = MemState::default();
    act(&mut state, |cx| balances::mint(cx, &ALICE, deposits(10)));
    let output = act(&mut state, |cx| cx.atomic(|cx| call.dispatch(cx, origin)));
    let arrived = balances::free(&state, &BOB);
    (output, arrived)
}

fn last(output: &TxOutput) -> Vec<u8> {
    output.events.last().cloned().unwrap_or_default()
}

#[test]
fn batch_stops_at_the_first_failure_and_keeps_what_was_done() {
    let (output, arrived) = run(Call::batch { calls: calls() }, Origin::Signed(ALICE));
    assert_eq!((output.result, arrived), (Ok(()), deposits(2)));
    let error = TokenError::FundsUnavailable.into();
    assert_eq!(last(&output), (INDEX, Event::BatchInterrupted { index: 1, error }).encode());
    let (output, arrived) = run(Call::batch { calls: vec![pay(1), pay(2)] }, Origin::Signed(ALICE));
    assert_eq!((last(&output), arrived), ((INDEX, Event::BatchCompleted).encode(), deposits(3)));
}

#[test]
fn batch_all_does_all_or_nothing() {
    let (output, arrived) = run(Call::batch_all { calls: calls() }, Origin::Signed(ALICE));
    assert_eq!(output.result, Err(TokenError::FundsUnavailable.into()));
    assert_eq!((arrived, output.events.len()), (Balance::ZERO, 0));
    let (output, arrived) =
        run(Call::batch_all { calls: vec![pay(1), pay(2)] }, Origin::Signed(ALICE));
    assert_eq!((output.result, arrived), (Ok(()), deposits(3)));
}

#[test]
fn force_batch_goes_on() {
    let (output, arrived) = run(Call::force_batch { calls: calls() }, Origin::Signed(ALICE));
    assert_eq!((output.result, arrived), (Ok(()), deposits(3)));
    assert_eq!(last(&output), (INDEX, Event::BatchCompletedWithErrors).encode());
}

#[test]
fn a_batch_is_bounded_and_is_no_inherent() {
    let count = usize::try_from(BATCH_CALLS_MAX).expect("it is small");
    let (output, _) = run(Call::batch { calls: vec![pay(0); count + 1] }, Origin::Signed(ALICE));
    assert_eq!(output.result, Err(Error::TooManyCalls.into()));
    let (output, _) = run(Call::batch { calls: vec![] }, Origin::None);
    assert_eq!(output.result, Err(DispatchError::BadOrigin));
}

#[test]
fn a_batch_weighs_what_its_calls_weigh() {
    let batch = Call::batch { calls: vec![pay(1); 3] };
    assert!(batch.weight().covers(&pay(1).weight().times(3)));
}
