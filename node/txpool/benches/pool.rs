//! What the pool costs: inserts, takes and pruning, with one transaction a sender, as under load.

use artel_txpool::{Config, Included, Limits, Pool, Transaction};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use primitives::{AccountId, Height, crypto::hash::blake2_256};
use std::hint::black_box;

const POOL: u32 = 100_000;
const BLOCK: usize = 20_000;

fn transactions(count: u32) -> Vec<Transaction<()>> {
    let make = |number: u32| {
        let hash = blake2_256(&number.to_le_bytes());
        Transaction {
            hash,
            sender: AccountId(blake2_256(&hash.0).0),
            nonce: 0,
            priority: u64::from(hash.0[0]),
            bytes: 145,
            weight: 1,
            death: 64 + u32::from(hash.0[1]),
            content: (),
        }
    };
    (0..count).map(make).collect()
}

fn filled() -> Pool<()> {
    let mut pool = Pool::new(Config::default(), 0);
    let mut out = Vec::new();
    for tx in transactions(POOL) {
        pool.insert(tx, 0, &mut out).expect("the pool has room");
    }
    pool
}

fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("txpool");
    group.sample_size(10);
    group.bench_function(format!("insert/transactions={POOL}"), |bencher| {
        let fill = |txs: Vec<_>| {
            let mut pool = Pool::new(Config::default(), 0);
            let mut out = Vec::new();
            for tx in txs {
                pool.insert(tx, 0, &mut out).expect("the pool has room");
            }
            (pool, out)
        };
        bencher.iter_batched(|| transactions(POOL), fill, BatchSize::LargeInput);
    });
    let limits = Limits { count: BLOCK, bytes: u64::MAX, weight: u64::MAX };
    let pool = filled();
    group.bench_function(format!("take/transactions={BLOCK}"), |bencher| {
        bencher.iter(|| black_box(&pool).take(limits).len());
    });
    let included =
        |tx: &Transaction<()>| Included { hash: tx.hash, sender: tx.sender, nonce: tx.nonce };
    let block: Vec<Included> = pool.take(limits).into_iter().map(included).collect();
    group.bench_function(format!("on_head/included={BLOCK}"), |bencher| {
        let prune = |mut pool: Pool<()>| {
            let height: Height = 1;
            pool.on_head(height, &block, &mut Vec::new());
            pool
        };
        bencher.iter_batched(filled, prune, BatchSize::LargeInput);
    });
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
