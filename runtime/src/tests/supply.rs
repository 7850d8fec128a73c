use super::chain::{Chain, account};
use crate::RuntimeCall;
use ::pallets::{balances, sudo, system, utility};
use primitives::{Balance, Era, MultiAddress, TransactionExtra};
use proptest::prelude::*;

const NAMES: [&str; 5] = ["Alice", "Bob", "Eve", "Poor", "Nobody"];

fn name() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(&NAMES[..])
}

/// Amounts around everything that matters: nothing, dust, the existential deposit, riches.
fn amount() -> impl Strategy<Value = Balance> {
    prop_oneof![
        Just(0u128),
        999_999_990u128..1_000_000_010,
        0u128..3_000_000_000_000,
        Just(1_000_000_000_000_000_000),
        Just(u128::MAX),
    ]
    .prop_map(Balance::new)
}

fn call() -> impl Strategy<Value = RuntimeCall> {
    let leaf = prop_oneof![
        (name(), amount(), 0u8..3, any::<bool>()).prop_map(|(to, value, kind, keep_alive)| {
            let dest = MultiAddress::Id(account(to));
            RuntimeCall::Balances(match kind {
                0 => balances::Call::transfer_allow_death { dest, value },
                1 => balances::Call::transfer_keep_alive { dest, value },
                _ => balances::Call::transfer_all { dest, keep_alive },
            })
        }),
        any::<u8>().prop_map(|n| {
            RuntimeCall::System(system::Call::remark_with_event { remark: vec![n] })
        }),
    ];
    leaf.prop_recursive(2, 12, 4, |inner| {
        prop_oneof![
            (0u8..3, proptest::collection::vec(inner.clone(), 0..4)).prop_map(|(kind, calls)| {
                RuntimeCall::Utility(match kind {
                    0 => utility::Call::batch { calls },
                    1 => utility::Call::batch_all { calls },
                    _ => utility::Call::force_batch { calls },
                })
            }),
            (name(), inner).prop_map(|(who, call)| {
                let who = MultiAddress::Id(account(who));
                RuntimeCall::Sudo(sudo::Call::sudo_as { who, call: Box::new(call) })
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever users send, every block keeps every invariant (the harness checks), issuance included, and
    /// declared weights cover what is metered.
    #[test]
    fn random_calls_conserve_the_supply(
        calls in proptest::collection::vec((name(), call(), 0u128..2_000_000_000), 1..24),
    ) {
        let mut chain = Chain::dev();
        for chunk in calls.chunks(3) {
            let transactions: Vec<_> = chunk
                .iter()
                .map(|(who, call, tip)| {
                    let extra = TransactionExtra::new(Era::mortal(16, chain.head.number), chain.nonce(who), Balance::new(*tip));
                    chain.sign_with(who, call.clone(), extra)
                })
                .collect();
            let issued = balances::total_issuance(&chain.state);
            chain.block(&transactions);
            prop_assert!(balances::total_issuance(&chain.state) <= issued, "nothing mints here");
        }
    }
}
