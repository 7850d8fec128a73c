use super::*;
use crate::{
    system,
    testing::{ALICE, BOB, act},
};
use framework::{MemState, Pallet as _, TxOutput};

type Remark = system::Call;

fn with_key() -> MemState {
    let mut state = MemState::default();
    act(&mut state, |cx| {
        Pallet::<Remark>::genesis(cx, Genesis { key: Some(ALICE) }).expect("it is valid");
        Ok(())
    });
    state
}

fn call(state: &mut MemState, who: AccountId, call: Call<Remark>) -> TxOutput {
    act(state, |cx| call.dispatch(cx, Origin::Signed(who)))
}

fn remark() -> Box<Remark> {
    Box::new(Remark::remark_with_event { remark: Vec::new() })
}

#[test]
fn the_key_makes_calls_as_root_and_as_others() {
    let mut state = with_key();
    // A remark needs a signer, so the root call fails, and the event says so.
    let output = call(&mut state, ALICE, Call::sudo { call: remark() });
    let event = Event::Sudid { sudo_result: Err(DispatchError::BadOrigin) };
    assert_eq!((output.result, output.events), (Ok(()), vec![(INDEX, event).encode()]));
    let output = call(&mut state, ALICE, Call::sudo_as { who: BOB.into(), call: remark() });
    assert_eq!(output.events.len(), 2);
    assert_eq!(output.events[1], (INDEX, Event::SudoAsDone { sudo_result: Ok(()) }).encode());
}

#[test]
fn nobody_else_does() {
    let mut state = with_key();
    let denied = Err(Error::RequireSudo.into());
    assert_eq!(call(&mut state, BOB, Call::sudo { call: remark() }).result, denied);
    assert_eq!(call(&mut state, BOB, Call::remove_key).result, denied);
    assert_eq!(call(&mut MemState::default(), ALICE, Call::remove_key).result, denied);
    let nowhere = Call::set_key { new: MultiAddress::Raw(Vec::new()) };
    assert_eq!(call(&mut state, ALICE, nowhere).result, Err(DispatchError::CannotLookup));
}

#[test]
fn the_key_can_be_handed_over_and_given_up() {
    let mut state = with_key();
    assert_eq!(call(&mut state, ALICE, Call::set_key { new: BOB.into() }).result, Ok(()));
    assert_eq!(key(&state), Some(BOB));
    assert_eq!(call(&mut state, BOB, Call::remove_key).result, Ok(()));
    assert_eq!(key(&state), None);
}
