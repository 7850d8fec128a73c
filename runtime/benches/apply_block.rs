//! Execution of a block of transfers over a state in memory, signatures not included.

use artel_runtime::{
    ChainSpec, CheckedTx, Execution, Inherents, Position, Rules, RuntimeCall, decode_transaction,
};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use framework::{BlockEnv, MemState};
use primitives::{
    AccountId, Balance, Era, Hash, MultiAddress, MultiSignature, OpaqueTransaction, Transaction,
    TransactionExtra,
};
use std::hint::black_box;

/// Where the transfers stand.
const AT: Position =
    Position { height: 1, parent: Hash::ZERO, genesis: Hash::ZERO, rules: Rules::NEWEST };
const TRANSFERS: u32 = 10_000;
const MONEY: Balance = Balance::new(1_000_000_000_000);

fn account(n: u32) -> AccountId {
    let mut id = [7; 32];
    id[..4].copy_from_slice(&n.to_le_bytes());
    AccountId(id)
}

/// As many accounts as there are parties, none named twice.
fn state() -> MemState {
    let mut spec = ChainSpec::dev();
    spec.genesis.Balances.balances.extend((0..2 * TRANSFERS).map(|n| (account(n), MONEY)));
    let mut state = MemState::default();
    state.apply(&artel_runtime::genesis_state(&spec.genesis).expect("the spec is valid"));
    state
}

/// Transfers from the first half to the second; of 100, `conflicts` have the same recipient.
fn transfers(conflicts: u32) -> Vec<CheckedTx> {
    let transfer = |n: u32| {
        let to = if n % 100 < conflicts { account(TRANSFERS) } else { account(TRANSFERS + n) };
        let call = RuntimeCall::Balances(pallets::balances::Call::transfer_keep_alive {
            dest: MultiAddress::Id(to),
            value: Balance::new(1_000),
        });
        let tx = Transaction::Signed {
            address: MultiAddress::Id(account(n)),
            signature: MultiSignature::Sr25519([0; 64]),
            extra: TransactionExtra::new(Era::Immortal, 0, Balance::ZERO),
            call,
        };
        let bytes = OpaqueTransaction(codec::Encode::encode(&tx));
        decode_transaction(&bytes, bytes.hash()).expect("it is well formed").verified(&AT)
    };
    (0..TRANSFERS).map(transfer).collect()
}

fn apply_block(c: &mut Criterion) {
    let state = state();
    let env = BlockEnv {
        height: 1,
        time_ms: 1_000,
        author: account(0),
        origin_round: 0,
        randomness: Hash::ZERO,
        parent: Hash::ZERO,
        genesis: Hash::ZERO,
    };
    let inherents = Inherents { time_ms: 1_000, ..Inherents::default() };
    for conflicts in [0, 50, 100] {
        let transactions = transfers(conflicts);
        let name = format!("runtime/apply_block/transfers={TRANSFERS},conflicts={conflicts}%");
        c.bench_function(&name, |b| {
            b.iter_batched(
                || Execution::begin(&state, &env, &inherents).expect("inherents are sound"),
                |mut execution| {
                    for tx in &transactions {
                        execution.apply(tx).expect("it fits");
                    }
                    black_box(execution.finish())
                },
                BatchSize::LargeInput,
            );
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = apply_block
}
criterion_main!(benches);
