//! What a signature costs when it is verified with others, over all cores.

use artel_primitives::{
    AccountId, MultiSignature,
    crypto::{
        batch::{Item, find_invalid},
        pair::{Pair, Scheme},
    },
};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

/// As long as the signing payload of a transfer.
const MESSAGE_BYTES: usize = 120;

fn batch_verify(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("primitives/batch_verify");
    for scheme in [Scheme::Sr25519, Scheme::Ed25519, Scheme::Ecdsa] {
        let signed = signed(scheme, 8192);
        for size in [1, 64, 256, 1024, 8192] {
            let items: Vec<_> = signed[..size]
                .iter()
                .map(|(account, message, signature)| Item { account: *account, message, signature })
                .collect();
            group.throughput(Throughput::Elements(size.try_into().expect("the size is small")));
            let id = BenchmarkId::from_parameter(format!("scheme={scheme},size={size}"));
            group.bench_function(id, |bencher| {
                bencher.iter(|| assert!(find_invalid(&items, &[1; 32]).is_empty()));
            });
        }
    }
    group.finish();
}

/// One signature of each of many accounts: in a batch, equal keys would be cheaper.
fn signed(scheme: Scheme, count: usize) -> Vec<(AccountId, Vec<u8>, MultiSignature)> {
    (1..=count)
        .map(|number| {
            let pair = Pair::from_uri(scheme, &format!("0x{number:064x}"))
                .expect("a small number is a seed of all kinds");
            let message = vec![1; MESSAGE_BYTES];
            let signature = pair.sign(&message);
            (pair.account(), message, signature)
        })
        .collect()
}

criterion_group!(benches, batch_verify);
criterion_main!(benches);
