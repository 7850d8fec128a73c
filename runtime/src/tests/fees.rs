use super::chain::{Chain, account, pay, pay_to};
use crate::{
    ApplyError, CUSTOM_NOT_FREE, InvalidTransaction, RuntimeCall, RuntimeDispatchInfo,
    RuntimeEvent, call, decode_transaction, validate,
};
use ::pallets::{agents, balances, system, transaction_payment, treasury, utility};
use codec::{DecodeAll, Encode};
use framework::TokenError;
use primitives::{AccountId, Balance, Era, MultiAddress, TransactionExtra};

/// What the sender of these events paid.
fn paid(events: &[RuntimeEvent]) -> Balance {
    let fee = events.iter().find_map(|event| match event {
        RuntimeEvent::TransactionPayment(transaction_payment::Event::TransactionFeePaid {
            actual_fee,
            ..
        }) => Some(*actual_fee),
        _ => None,
    });
    fee.expect("every transaction pays")
}

fn minus(a: Balance, b: Balance) -> Balance {
    a.checked_sub(b).expect("the difference is positive")
}

#[test]
fn the_sender_pays_what_clients_were_told() {
    let mut chain = Chain::dev();
    let before = chain.free("Alice");
    let tx = chain.sign("Alice", pay("Bob", 1_000));
    let args = (&tx, u32::try_from(tx.encode().len()).expect("it is short")).encode();
    let at = chain.position();
    let info = call(&chain.state, &at, "TransactionPaymentApi_query_info", &args);
    let info = RuntimeDispatchInfo::decode_all(&mut &info.expect("it is served")[..]);
    let told = info.expect("it decodes").partial_fee;
    let decoded = decode_transaction(&tx, tx.hash()).expect("it is well formed");
    let validity = validate(&chain.state, 1, &decoded).expect("it is valid");
    let events = chain.include(tx);
    assert_eq!((paid(&events), validity.fee), (told, told));
    assert_eq!(chain.free("Alice"), minus(before, told.saturating_add(Balance::new(1_000))));
    assert!(told < balances::EXISTENTIAL_DEPOSIT, "a transfer costs {told}");
}

#[test]
fn a_call_that_fails_pays_and_does_nothing_else() {
    let mut chain = Chain::dev();
    let (alice, bob) = (chain.free("Alice"), chain.free("Bob"));
    let events = chain.include(chain.sign("Alice", pay("Bob", u128::MAX)));
    assert_eq!((chain.free("Bob"), chain.nonce("Alice")), (bob, 1));
    assert_eq!(chain.free("Alice"), minus(alice, paid(&events)));
    let Some(RuntimeEvent::System(system::Event::ExtrinsicFailed { dispatch_error, .. })) =
        events.last()
    else {
        panic!("{events:?} does not end with the failure")
    };
    assert_eq!(*dispatch_error, TokenError::FundsUnavailable.into());
    assert_eq!(events.len(), 4, "withdrawn, what was not written given back, paid, failed");
}

#[test]
fn a_batch_that_fails_leaves_nothing_but_its_fee() {
    let mut chain = Chain::dev();
    let (alice, bob) = (chain.free("Alice"), chain.free("Bob"));
    let calls = vec![pay("Bob", 5), pay("Bob", u128::MAX)];
    let batch = RuntimeCall::Utility(utility::Call::batch_all { calls: calls.clone() });
    let events = chain.include(chain.sign("Alice", batch));
    assert_eq!(chain.free("Bob"), bob);
    assert_eq!(chain.free("Alice"), minus(alice, paid(&events)));
    let batch = RuntimeCall::Utility(utility::Call::batch { calls });
    chain.include(chain.sign("Alice", batch));
    assert_eq!(chain.free("Bob"), bob.saturating_add(Balance::new(5)));
}

#[test]
fn what_was_declared_and_not_used_is_not_paid() {
    let mut chain = Chain::dev();
    // The second transfer finds both accounts read and written by the first.
    let calls = vec![pay("Bob", 5), pay("Bob", 6)];
    let batch = RuntimeCall::Utility(utility::Call::batch_all { calls });
    let tx = chain.sign("Alice", batch);
    let decoded = decode_transaction(&tx, tx.hash()).expect("it is well formed");
    let most = validate(&chain.state, 1, &decoded).expect("it is valid").fee;
    let before = chain.free("Alice");
    let events = chain.include(tx);
    let expected = transaction_payment::WEIGHT_FEE_PER_PS
        * u128::from(framework::READ_PS + framework::WRITE_PS);
    assert_eq!(minus(most, paid(&events)), Balance::new(expected));
    let spent = paid(&events).saturating_add(Balance::new(11));
    assert_eq!(chain.free("Alice"), minus(before, spent));
}

#[test]
fn fees_and_tips_arrive_in_the_pots_and_at_the_author() {
    let mut chain = Chain::dev();
    chain.block(&[]);
    let pots = |chain: &Chain| {
        [treasury::VALIDATORS, treasury::TREASURY].map(|pot| balances::free(&chain.state, &pot))
    };
    let (before, author, payer) = (pots(&chain), chain.free("Alice"), chain.free("Bob"));
    let tip = Balance::new(12_345);
    let extra = TransactionExtra::new(Era::Immortal, 0, tip);
    let events = chain.include(chain.sign_with("Bob", pay("Charlie", 1), extra));
    let after = pots(&chain);
    let gained = minus(after[0], before[0]).saturating_add(minus(after[1], before[1]));
    assert_eq!(gained.saturating_add(tip), paid(&events));
    assert_eq!(minus(chain.free("Alice"), author), tip);
    let spent = paid(&events).saturating_add(Balance::new(1));
    assert_eq!(chain.free("Bob"), minus(payer, spent));
}

#[test]
fn who_cannot_pay_is_refused_and_a_fee_never_ends_an_account() {
    let mut chain = Chain::dev();
    let poor = RuntimeCall::Balances(balances::Call::transfer_keep_alive {
        dest: MultiAddress::Id(account("Poor")),
        value: balances::EXISTENTIAL_DEPOSIT,
    });
    chain.include(chain.sign("Alice", poor));
    let tx = chain.sign("Poor", pay("Bob", 1));
    let decoded = decode_transaction(&tx, tx.hash()).expect("it is well formed");
    let height = chain.position().height;
    let refused = validate(&chain.state, height, &decoded).err();
    assert_eq!(refused, Some(InvalidTransaction::Payment));
    let unknown = chain.sign("Nobody", pay("Bob", 1));
    let (_, verdicts) = chain.block(&[tx, unknown]);
    let payment = Err(ApplyError::Invalid(InvalidTransaction::Payment));
    assert_eq!(verdicts, [payment, payment]);
}

/// Otherwise accounts without money could fill blocks.
#[test]
fn a_call_that_is_free_now_and_then_is_refused_at_other_times() {
    let mut chain = Chain::dev();
    let heartbeat = || RuntimeCall::Agents(agents::Call::heartbeat { slots: 1, version: 1 });
    let tx = chain.sign("Nobody", heartbeat());
    let decoded = decode_transaction(&tx, tx.hash()).expect("it is well formed");
    let not_free = InvalidTransaction::Custom(CUSTOM_NOT_FREE);
    assert_eq!(validate(&chain.state, 1, &decoded), Err(not_free));
    let (_, verdicts) = chain.block(&[tx]);
    assert_eq!(verdicts, [Err(ApplyError::Invalid(not_free))]);
    assert_eq!(chain.nonce("Nobody"), 0);
}

/// Otherwise an agent could send any number of them: one that fails is no sign of life.
#[test]
fn a_heartbeat_that_would_fail_is_not_free() {
    let mut chain = Chain::dev();
    chain.enrol("Bob");
    (0..60).for_each(|_| drop(chain.block(&[])));
    let heartbeat = |slots| RuntimeCall::Agents(agents::Call::heartbeat { slots, version: 0 });
    let not_free = InvalidTransaction::Custom(CUSTOM_NOT_FREE);
    let bad = chain.sign("Bob", heartbeat(agents::SLOTS_MAX + 1));
    let decoded = decode_transaction(&bad, bad.hash()).expect("it is well formed");
    let height = chain.position().height;
    assert_eq!(validate(&chain.state, height, &decoded), Err(not_free));
    let (_, verdicts) = chain.block(&[bad]);
    assert_eq!(verdicts, [Err(ApplyError::Invalid(not_free))]);
    let before = chain.free("Bob");
    chain.include(chain.sign("Bob", heartbeat(agents::SLOTS_MAX)));
    assert_eq!(chain.free("Bob"), before);
}

#[test]
fn an_account_that_sends_everything_keeps_its_nonce_and_cannot_be_replayed() {
    let mut chain = Chain::dev();
    let all = balances::Call::transfer_all { dest: account("Bob").into(), keep_alive: false };
    let tx = chain.sign("Eve", RuntimeCall::Balances(all));
    chain.include(tx.clone());
    assert_eq!((chain.free("Eve"), chain.nonce("Eve")), (Balance::ZERO, 1));
    chain.include(chain.sign("Bob", pay("Eve", 5_000_000_000)));
    let (_, verdicts) = chain.block(&[tx]);
    assert_eq!(verdicts, [Err(ApplyError::Invalid(InvalidTransaction::Stale))]);
}

#[test]
fn busy_blocks_cost_more_and_idle_ones_less_again() {
    let mut chain = Chain::dev();
    let price = |chain: &Chain| transaction_payment::multiplier(&chain.state);
    let idle = price(&chain);
    // A batch of 1,000 transfers to as many accounts takes 12 ms of the 750 ms there are.
    let many = |chain: &Chain, nonce| {
        let fresh = |n: u32| {
            let mut id = [9; 32];
            id[..4].copy_from_slice(&n.to_le_bytes());
            pay_to(AccountId(id), 2_000_000_000)
        };
        let first = nonce * 1000;
        let calls = (first..first + 1000).map(fresh).collect();
        let call = RuntimeCall::Utility(utility::Call::batch_all { calls });
        let extra = TransactionExtra::new(Era::Immortal, nonce, Balance::ZERO);
        chain.sign_with("Alice", call, extra)
    };
    let transactions: Vec<_> = (0..17).map(|nonce| many(&chain, nonce)).collect();
    let (_, verdicts) = chain.block(&transactions);
    assert!(verdicts.iter().all(Result::is_ok), "{verdicts:?}");
    let busy = price(&chain);
    assert!(busy > idle);
    chain.block(&[]);
    assert!(price(&chain) < busy);
}
