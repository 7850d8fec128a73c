use super::*;
use crate::testing::{ALICE, BOB, CAROL, act, deposits};
use framework::{MemState, Pallet as _, TxOutput};
use primitives::Nonce;
use proptest::prelude::*;

/// One unit less than the existential deposit.
const DUST: Balance = Balance::new(999_999_999);

fn funded() -> MemState {
    let mut state = MemState::default();
    act(&mut state, |cx| mint(cx, &ALICE, deposits(10)));
    act(&mut state, |cx| mint(cx, &BOB, deposits(10)));
    state
}

fn call(state: &mut MemState, who: AccountId, call: Call) -> TxOutput {
    act(state, |cx| cx.atomic(|cx| call.dispatch(cx, Origin::Signed(who))))
}

fn check(state: &MemState) {
    Pallet::check(state).expect("the invariant holds");
}

fn set_nonce(state: &mut MemState, who: &AccountId, nonce: Nonce) {
    act(state, |cx| {
        let mut account = system::load(cx, who);
        account.info.nonce = nonce;
        account.store(cx);
        Ok(())
    });
}

fn minus(a: Balance, b: Balance) -> Balance {
    a.checked_sub(b).expect("the difference is positive")
}

#[test]
fn a_transfer_moves_money_and_says_so() {
    let mut state = funded();
    let value = deposits(3);
    let output = call(&mut state, ALICE, Call::transfer_keep_alive { dest: BOB.into(), value });
    assert_eq!(output.result, Ok(()));
    assert_eq!((free(&state, &ALICE), free(&state, &BOB)), (deposits(7), deposits(13)));
    let event = Event::Transfer { from: ALICE, to: BOB, amount: value };
    assert_eq!(output.events, [(INDEX, event).encode()]);
    assert_eq!((output.used.reads, output.writes.len()), (3, 3)); // Two accounts and the issuance.
    check(&state);
}

#[test]
fn a_transfer_to_a_new_account_needs_the_existential_deposit() {
    let mut state = funded();
    let small = Call::transfer_keep_alive { dest: CAROL.into(), value: DUST };
    assert_eq!(call(&mut state, ALICE, small).result, Err(TokenError::BelowMinimum.into()));
    let enough = Call::transfer_keep_alive { dest: CAROL.into(), value: EXISTENTIAL_DEPOSIT };
    let output = call(&mut state, ALICE, enough);
    let new = (system::INDEX, system::Event::NewAccount { account: CAROL }).encode();
    let endowed = Event::Endowed { account: CAROL, free_balance: EXISTENTIAL_DEPOSIT };
    assert_eq!(output.events[..2], [new, (INDEX, endowed).encode()]);
    assert!(system::account(&state, &CAROL).exists());
    check(&state);
}

#[test]
fn keep_alive_stops_at_the_existential_deposit() {
    let mut state = funded();
    let all_but =
        |rest| Call::transfer_keep_alive { dest: BOB.into(), value: minus(deposits(10), rest) };
    assert_eq!(
        call(&mut state, ALICE, all_but(DUST)).result,
        Err(TokenError::NotExpendable.into())
    );
    assert_eq!(call(&mut state, ALICE, all_but(EXISTENTIAL_DEPOSIT)).result, Ok(()));
    let one = Call::transfer_keep_alive { dest: BOB.into(), value: deposits(2) };
    assert_eq!(call(&mut state, ALICE, one).result, Err(TokenError::FundsUnavailable.into()));
    check(&state);
}

#[test]
fn an_account_that_ends_burns_its_dust_and_keeps_its_nonce() {
    let mut state = funded();
    set_nonce(&mut state, &ALICE, 4);
    let value = minus(deposits(10), DUST);
    let output = call(&mut state, ALICE, Call::transfer_allow_death { dest: BOB.into(), value });
    assert_eq!(output.result, Ok(()));
    assert_eq!(output.deltas.burned, DUST);
    let lost = Event::DustLost { account: ALICE, amount: DUST };
    let killed = system::Event::KilledAccount { account: ALICE };
    assert_eq!(output.events[1..], [(INDEX, lost).encode(), (system::INDEX, killed).encode()]);
    let info = system::account(&state, &ALICE);
    assert_eq!((info.nonce, info.providers, info.data.free), (4, 0, Balance::ZERO));
    check(&state);

    // One that has sent nothing leaves nothing behind.
    let all = Call::transfer_all { dest: ALICE.into(), keep_alive: false };
    assert_eq!(call(&mut state, BOB, all).result, Ok(()));
    assert!(!system::accounts(&state).any(|(who, _)| who == BOB));
    assert_eq!(system::account(&state, &ALICE).nonce, 4);
    check(&state);
}

#[test]
fn transfer_all_leaves_what_it_must() {
    let mut state = funded();
    let all = |keep_alive| Call::transfer_all { dest: BOB.into(), keep_alive };
    assert_eq!(call(&mut state, ALICE, all(true)).result, Ok(()));
    assert_eq!(free(&state, &ALICE), EXISTENTIAL_DEPOSIT);
    act(&mut state, |cx| mint(cx, &ALICE, deposits(2)));
    act(&mut state, |cx| hold(cx, HoldReason::Stake, &ALICE, deposits(1)));
    assert_eq!(call(&mut state, ALICE, all(false)).result, Ok(()));
    assert_eq!(free(&state, &ALICE), EXISTENTIAL_DEPOSIT);
    check(&state);
}

#[test]
fn an_account_with_held_money_cannot_end() {
    let mut state = funded();
    act(&mut state, |cx| hold(cx, HoldReason::Stake, &ALICE, deposits(5)));
    let rest = Call::transfer_allow_death { dest: BOB.into(), value: deposits(5) };
    assert_eq!(call(&mut state, ALICE, rest).result, Err(TokenError::OnlyProvider.into()));
    check(&state);
}

#[test]
fn a_transfer_to_oneself_needs_the_money_and_changes_nothing() {
    let mut state = funded();
    let to_self = |value| Call::transfer_allow_death { dest: ALICE.into(), value };
    let before = state.clone();
    assert_eq!(call(&mut state, ALICE, to_self(deposits(10))).result, Ok(()));
    assert_eq!(state, before);
    let too_much = call(&mut state, ALICE, to_self(deposits(11)));
    assert_eq!(too_much.result, Err(TokenError::FundsUnavailable.into()));
}

#[test]
fn only_whole_addresses_and_signers_transfer() {
    let mut state = funded();
    let dest = MultiAddress::Raw(vec![1]);
    let output = call(&mut state, ALICE, Call::transfer_allow_death { dest, value: deposits(1) });
    assert_eq!(output.result, Err(DispatchError::CannotLookup));
    let call = Call::transfer_all { dest: BOB.into(), keep_alive: true };
    let output = act(&mut state, |cx| call.dispatch(cx, Origin::Root));
    assert_eq!(output.result, Err(DispatchError::BadOrigin));
}

#[test]
fn a_hold_leaves_the_existential_deposit_free() {
    let mut state = funded();
    let most = deposits(9);
    let more = act(&mut state, |cx| hold(cx, HoldReason::Stake, &ALICE, deposits(10)));
    assert_eq!(more.result, Err(TokenError::NotExpendable.into()));
    let nothing = act(&mut state, |cx| hold(cx, HoldReason::Stake, &CAROL, deposits(1)));
    assert_eq!(nothing.result, Err(TokenError::FundsUnavailable.into()));
    let output = act(&mut state, |cx| hold(cx, HoldReason::Stake, &ALICE, most));
    let event = Event::Held { reason: HoldReason::Stake, who: ALICE, amount: most };
    assert_eq!(output.events, [(INDEX, event).encode()]);
    let data = system::account(&state, &ALICE).data;
    assert_eq!((data.free, data.reserved), (EXISTENTIAL_DEPOSIT, most));
    assert_eq!(held(&state, HoldReason::Stake, &ALICE), most);
    assert_eq!(held(&state, HoldReason::Bond, &ALICE), Balance::ZERO);
    check(&state);
}

#[test]
fn what_is_released_moved_or_burned_was_held_for_the_reason() {
    let mut state = funded();
    act(&mut state, |cx| hold(cx, HoldReason::TaskEscrow, &ALICE, deposits(6)));
    let unavailable = Err(TokenError::FundsUnavailable.into());
    let too_much = deposits(7);
    let wrong: [fn(&mut Ctx, Balance) -> DispatchResult; 4] = [
        |cx, amount| release(cx, HoldReason::TaskEscrow, &ALICE, amount),
        |cx, amount| burn_held(cx, HoldReason::TaskEscrow, &ALICE, amount),
        |cx, amount| transfer_held(cx, HoldReason::TaskEscrow, &ALICE, &BOB, amount, None),
        |cx, _| release(cx, HoldReason::Stake, &ALICE, deposits(1)),
    ];
    let before = state.clone();
    for f in wrong {
        let output = act(&mut state, |cx| f(cx, too_much));
        assert_eq!(output.result, unavailable);
        assert_eq!(state, before, "what fails changes nothing, in hooks too");
    }
    let burned = act(&mut state, |cx| burn_held(cx, HoldReason::TaskEscrow, &ALICE, deposits(1)));
    assert_eq!(burned.deltas.burned, deposits(1));
    act(&mut state, |cx| release(cx, HoldReason::TaskEscrow, &ALICE, deposits(2)));
    act(&mut state, |cx| {
        transfer_held(cx, HoldReason::TaskEscrow, &ALICE, &BOB, deposits(3), None)
    });
    assert_eq!(held(&state, HoldReason::TaskEscrow, &ALICE), Balance::ZERO);
    assert_eq!((free(&state, &ALICE), free(&state, &BOB)), (deposits(6), deposits(13)));
    assert_eq!(system::account(&state, &ALICE).consumers, 0);
    assert_eq!(total_issuance(&state), deposits(19));
    check(&state);
}

#[test]
fn held_money_can_arrive_held() {
    let mut state = funded();
    use HoldReason::{Accrued, PayoutIntents, TaskEscrow};
    act(&mut state, |cx| hold(cx, TaskEscrow, &ALICE, deposits(6)));
    let to_nobody =
        act(&mut state, |cx| transfer_held(cx, TaskEscrow, &ALICE, &CAROL, DUST, Some(Accrued)));
    assert_eq!(to_nobody.result, Err(TokenError::CannotCreateHold.into()));
    let too_small = act(&mut state, |cx| transfer_held(cx, TaskEscrow, &ALICE, &CAROL, DUST, None));
    assert_eq!(too_small.result, Err(TokenError::BelowMinimum.into()));
    for reason in [TaskEscrow, PayoutIntents] {
        let amount = deposits(1);
        act(&mut state, |cx| transfer_held(cx, TaskEscrow, &ALICE, &BOB, amount, Some(reason)));
        assert_eq!(held(&state, reason, &BOB), amount);
    }
    act(&mut state, |cx| transfer_held(cx, TaskEscrow, &ALICE, &ALICE, deposits(1), Some(Accrued)));
    act(&mut state, |cx| transfer_held(cx, TaskEscrow, &ALICE, &ALICE, deposits(1), None));
    assert_eq!(held(&state, TaskEscrow, &ALICE), deposits(2));
    assert_eq!(held(&state, Accrued, &ALICE), deposits(1));
    assert_eq!(free(&state, &ALICE), deposits(5));
    check(&state);
}

#[test]
fn accounts_have_substrates_bytes() {
    let mut state = funded();
    set_nonce(&mut state, &ALICE, 3);
    let raw = &state.map.iter().find(|(key, _)| key.ends_with(&ALICE.0)).expect("it exists").1;
    let expected = "03000000".to_owned() // nonce
        + "00000000" + "01000000" + "00000000" // consumers, providers, sufficients
        + "00e40b54020000000000000000000000" // free
        + &"00".repeat(32) // reserved, frozen
        + "00000000000000000000000000000080"; // flags
    assert_eq!(hex::encode(raw), expected);
    let call = Call::transfer_keep_alive { dest: BOB.into(), value: Balance::new(1) };
    assert_eq!(hex::encode(call.encode()), "0300".to_owned() + &"02".repeat(32) + "04");
    assert_eq!(HoldReason::ALL.encode(), [0, 1, 2, 3, 4, 5, 6, 7, 8]);
}

#[test]
fn genesis_refuses_what_cannot_be() {
    for (balances, expected) in [
        (vec![(ALICE, DUST)], "existential deposit"),
        (vec![(ALICE, Balance::MAX)], "at most"),
        (vec![(ALICE, deposits(1)), (ALICE, deposits(1))], "twice"),
    ] {
        let state = MemState::default();
        let block = crate::testing::block(0);
        let mut cx = Ctx::new(&state, &block, Hash::ZERO);
        let reason = Pallet::genesis(&mut cx, Genesis { balances }).expect_err("it is wrong");
        assert!(reason.contains(expected), "{reason}");
    }
}

#[derive(Clone, Debug)]
enum Action {
    Transfer(bool),
    All(bool),
    Mint,
    Burn,
    Hold,
    Release,
    BurnHeld,
    MoveHeld(Option<HoldReason>),
}

fn action() -> impl Strategy<Value = Action> {
    let reason = proptest::sample::select(&HoldReason::ALL[..3]);
    prop_oneof![
        any::<bool>().prop_map(Action::Transfer),
        any::<bool>().prop_map(Action::All),
        Just(Action::Mint),
        Just(Action::Burn),
        Just(Action::Hold),
        Just(Action::Release),
        Just(Action::BurnHeld),
        proptest::option::of(reason).prop_map(Action::MoveHeld),
    ]
}

proptest! {
    /// Whatever is done in whatever order, no money appears or disappears, and what fails does nothing.
    #[test]
    fn money_is_conserved(
        actions in proptest::collection::vec((action(), 0u8..4, 0u8..4, 0u8..3, 0u64..12_000_000_000), 1..60),
    ) {
        let mut state = MemState::default();
        for (action, from, to, reason, amount) in actions {
            let (from, to) = (AccountId([from; 32]), AccountId([to; 32]));
            let amount = Balance::new(u128::from(amount));
            let reason = HoldReason::ALL[usize::from(reason)];
            let before = state.clone();
            let output = act(&mut state, |cx| match action {
                Action::Transfer(keep_alive) => transfer(cx, &from, &to, amount, keep_alive),
                Action::All(keep_alive) => {
                    let all = spendable(cx, &from, keep_alive);
                    transfer(cx, &from, &to, all, keep_alive)
                }
                Action::Mint => mint(cx, &to, amount),
                Action::Burn => burn(cx, &from, amount),
                Action::Hold => hold(cx, reason, &from, amount),
                Action::Release => release(cx, reason, &from, amount),
                Action::BurnHeld => burn_held(cx, reason, &from, amount),
                Action::MoveHeld(to_hold) => transfer_held(cx, reason, &from, &to, amount, to_hold),
            });
            if output.result.is_err() {
                prop_assert!(before.map.iter().all(|entry| state.map.get(entry.0) == Some(entry.1)));
                prop_assert!(output.events.is_empty());
            }
            prop_assert_eq!(Pallet::check(&state), Ok(()));
        }
    }
}

/// The events of FRAME's pallet in their order, with the names of their fields. Those that no
/// event of ours has the name of leave their numbers free.
#[test]
fn events_have_the_numbers_and_fields_of_frames() {
    const FRAME: [(&str, &[&str]); 30] = [
        ("Endowed", &["account", "free_balance"]),
        ("DustLost", &["account", "amount"]),
        ("Transfer", &["from", "to", "amount"]),
        ("BalanceSet", &["who", "free"]),
        ("Reserved", &["who", "amount"]),
        ("Unreserved", &["who", "amount"]),
        ("ReserveRepatriated", &["from", "to", "amount", "destination_status"]),
        ("Deposit", &["who", "amount"]),
        ("Withdraw", &["who", "amount"]),
        ("Slashed", &["who", "amount"]),
        ("Minted", &["who", "amount"]),
        ("MintedCredit", &["amount"]),
        ("Burned", &["who", "amount"]),
        ("BurnedDebt", &["amount"]),
        ("Suspended", &["who", "amount"]),
        ("Restored", &["who", "amount"]),
        ("Upgraded", &["who"]),
        ("Issued", &["amount"]),
        ("Rescinded", &["amount"]),
        ("Locked", &["who", "amount"]),
        ("Unlocked", &["who", "amount"]),
        ("Frozen", &["who", "amount"]),
        ("Thawed", &["who", "amount"]),
        ("TotalIssuanceForced", &["old", "new"]),
        ("Held", &["reason", "who", "amount"]),
        ("BurnedHeld", &["reason", "who", "amount"]),
        ("TransferOnHold", &["reason", "source", "dest", "amount"]),
        ("TransferAndHold", &["reason", "source", "dest", "transferred"]),
        ("Released", &["reason", "who", "amount"]),
        ("Unexpected", &[]),
    ];
    let scale_info::TypeDef::Variant(ours) = <Event as TypeInfo>::type_info().type_def else {
        panic!("events are an enum")
    };
    for variant in &ours.variants {
        let (name, fields) = FRAME[usize::from(variant.index)];
        let found: Vec<_> = variant.fields.iter().filter_map(|field| field.name).collect();
        assert_eq!((variant.name, &found[..]), (name, fields));
    }
}
