use super::*;
use crate::testing::{act, deposits};
use framework::{MemState, Pallet as _};

#[test]
fn every_pot_exists_from_genesis_on() {
    let mut state = MemState::default();
    Pallet::check(&state).expect_err("no pot exists");
    act(&mut state, |cx| balances::mint(cx, &TREASURY, deposits(5)));
    act(&mut state, |cx| {
        Pallet::genesis(cx, ()).expect("pots can be made");
        Ok(())
    });
    Pallet::check(&state).expect("the invariant holds");
    assert_eq!(balances::free(&state, &TREASURY), deposits(5));
    assert_eq!(balances::free(&state, &AUDIT), deposits(1));
}
