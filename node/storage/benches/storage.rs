//! What a full block costs the store, and what a read costs at the head and long before it, at a million keys.

use artel_storage::{CommitInput, Config, Database, Store};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use primitives::{
    Block, Certificate, Digest, Hash, Header, Height, StateRead, Writes, crypto::hash::blake2_512,
};
use std::{
    hint::black_box,
    time::{Duration, Instant},
};

const KEYS: u64 = 1_000_000;
const UPDATES: u64 = 20_000;
const ENTRY_BYTES: usize = 80;
/// How long before the head.
const OLD_BLOCKS: Height = 30;

/// 80 bytes as random as a storage key's hash and what follows it.
fn bytes(tag: u8, number: u64) -> Vec<u8> {
    let mut input = [tag; 9];
    input[..8].copy_from_slice(&number.to_le_bytes());
    let hash = blake2_512(&input);
    hash.iter().cycle().take(ENTRY_BYTES).copied().collect()
}

fn pick(seed: u64) -> u64 {
    u64::from_le_bytes(*blake2_512(&seed.to_le_bytes()).first_chunk().expect("64 bytes")) % KEYS
}

fn header(number: Height, parent_hash: Hash, state_root: Hash) -> Header {
    let digest = Digest::default();
    Header { parent_hash, number, state_root, extrinsics_root: Hash::ZERO, digest }
}

fn create(folder: &std::path::Path) -> Store {
    let database = Database::open(folder, &Config::default()).expect("a new folder");
    let state: Writes = (0..KEYS).map(|n| (bytes(0, n), Some(bytes(1, n)))).collect();
    let genesis = |root| Block { header: header(0, Hash::ZERO, root), body: Vec::new() };
    Store::create(database, state, genesis).expect("a first genesis")
}

fn block_writes(height: Height) -> Writes {
    let first = u64::from(height) * UPDATES;
    (first..first + UPDATES).map(|n| (bytes(0, pick(n)), Some(bytes(2, n)))).collect()
}

/// Stages and commits one block, and says how long both took.
fn commit(store: &mut Store) -> (Duration, Duration) {
    let (height, parent) = (store.head().height + 1, store.head().hash);
    let writes = block_writes(height);
    let start = Instant::now();
    let root = store.stage(writes, b"events".to_vec()).expect("room for a block");
    let staged = start.elapsed();
    let block = Block { header: header(height, parent, root), body: Vec::new() };
    let hash = block.hash();
    let certificate = Certificate { height, round: 0, block: hash, signatures: Vec::new() };
    let input = CommitInput {
        block: &block,
        hash,
        certificate: &certificate,
        transaction_hashes: &[],
        validators: None,
    };
    let start = Instant::now();
    store.commit(input).expect("the staged block");
    (staged, start.elapsed())
}

fn benches(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("room for a folder");
    let mut store = create(folder.path());
    let mut group = criterion.benchmark_group("storage");
    group.sample_size(20).throughput(Throughput::Elements(UPDATES));
    let name = |what| format!("{what}/keys={KEYS},updates={UPDATES}");
    group.bench_function(name("stage"), |bencher| {
        bencher.iter_custom(|count| (0..count).map(|_| commit(&mut store).0).sum());
    });
    group.bench_function(name("commit"), |bencher| {
        bencher.iter_custom(|count| {
            let both = |(staged, committed): (Duration, Duration)| staged + committed;
            (0..count).map(|_| both(commit(&mut store))).sum()
        });
    });
    group.throughput(Throughput::Elements(1));
    for _ in 0..OLD_BLOCKS {
        commit(&mut store);
    }
    let head = store.head().clone();
    let old = store.database().state_at(&head, head.height - OLD_BLOCKS);
    let old = old.expect("readable").expect("it is retained");
    let mut seed = 0;
    for (back, snapshot) in [(0, &head), (OLD_BLOCKS, &old)] {
        group.bench_function(format!("get/keys={KEYS},back={back}"), |bencher| {
            bencher.iter_custom(|count| {
                let keys: Vec<Vec<u8>> = (0..count).map(|n| bytes(0, pick(seed + n))).collect();
                seed += count;
                let start = Instant::now();
                keys.iter().for_each(|key| drop(black_box(snapshot.get(key))));
                start.elapsed()
            });
        });
    }
    drop((head, old, store));
    group.sample_size(10);
    group.bench_function(format!("open/keys={KEYS}"), |bencher| {
        bencher.iter_custom(|count| {
            let opened = |_| {
                let start = Instant::now();
                let database = Database::open(folder.path(), &Config::default());
                let store = Store::open(database.expect("it is closed")).expect("it is whole");
                let elapsed = start.elapsed();
                drop(store);
                elapsed
            };
            (0..count).map(opened).sum()
        });
    });
    group.finish();
}

criterion_group!(storage, benches);
criterion_main!(storage);
