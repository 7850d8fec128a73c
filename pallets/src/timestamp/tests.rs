use super::*;
use crate::testing::{ALICE, act_in, block};
use framework::MemState;

#[test]
fn the_author_sets_the_time_of_the_block() {
    let mut state = MemState::default();
    let env = block(3);
    let mut set =
        |now, origin| act_in(&mut state, &env, |cx| Call::set { now }.dispatch(cx, origin)).result;
    assert_eq!(set(2999, Origin::None), Err(Error::NotTheBlocksTime.into()));
    assert_eq!(set(3000, Origin::Signed(ALICE)), Err(DispatchError::BadOrigin));
    assert_eq!(set(3000, Origin::None), Ok(()));
    assert_eq!(now(&state), 3000);
    assert_eq!(now(&MemState::default()), 0);
}

#[test]
fn the_call_is_an_inherent() {
    let call = Call::set { now: 1 };
    assert_eq!((call.class(), call.pays()), (DispatchClass::Mandatory, Pays::No));
    assert_eq!(call.encode(), [0, 4]);
}
