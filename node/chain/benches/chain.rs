//! What a block of transfers costs from bytes to the synced commit, by another node than its author: accounts are chosen
//! uniformly, each sends once a block.

use artel_chain::{BuildRequest, Chain, CheckRequest, Config, PooledTx};
use codec::Encode;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use pallets::{balances, session, staking};
use primitives::{
    AccountId, Balance, Block, Certificate, Era, Hash, MultiAddress, MultiSignature,
    OpaqueTransaction, Transaction, TransactionExtra,
    crypto::{
        keys::SR25519_CONTEXT,
        pair::{Ed25519Pair, Sr25519Pair},
        vrf,
    },
    signing_payload,
};
use rayon::prelude::*;
use runtime::{Genesis, RuntimeCall};
use std::sync::Arc;
use tempfile::TempDir;

const TRANSFERS: usize = 10_000;
const ACCOUNTS: usize = 100_000;
const RICH: u128 = 1_000_000_000_000_000;

fn pair(number: usize) -> Sr25519Pair {
    let mut seed = [1; 32];
    seed[..8].copy_from_slice(&number.to_le_bytes());
    Sr25519Pair::from_seed(&seed)
}

fn account(number: usize) -> AccountId {
    match number < TRANSFERS {
        true => AccountId(pair(number).public()),
        false => AccountId(primitives::crypto::hash::blake2_256(&number.to_le_bytes()).0),
    }
}

fn vote_pair() -> Ed25519Pair {
    Ed25519Pair::from_seed(&[77; 32])
}

fn genesis(accounts: &[AccountId]) -> Genesis {
    let balances = accounts.iter().map(|account| (*account, Balance::new(RICH))).collect();
    Genesis {
        Balances: balances::Genesis { balances },
        Staking: staking::Genesis {
            validators: vec![staking::GenesisValidator {
                account: accounts[0],
                vote_key: Hash(vote_pair().public()),
                vrf_key: Hash(pair(0).public()),
                stake: Balance::new(100_000_000_000_000),
                commission_ppm: 0,
            }],
            ..staking::Genesis::default()
        },
        Session: session::Genesis { randomness: Hash::ZERO },
        ..Genesis::default()
    }
}

struct Bench {
    chain: Chain,
    accounts: Vec<AccountId>,
    _folder: TempDir,
}

impl Bench {
    fn new() -> Self {
        let accounts: Vec<AccountId> = (0..ACCOUNTS).into_par_iter().map(account).collect();
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let config = Config { path: folder.path().into(), ..Config::default() };
        let chain = Chain::open(&config, &genesis(&accounts)).expect("the chain opens");
        Self { chain, accounts, _folder: folder }
    }

    fn transfers(&self) -> Vec<OpaqueTransaction> {
        let (genesis, accounts) = (self.chain.genesis(), &self.accounts);
        let context = runtime::version().signing_context(genesis, genesis);
        let sign = |from: usize| {
            let dest = MultiAddress::Id(accounts[from * 7_919 % ACCOUNTS]);
            let value = Balance::new(1_000);
            let call = RuntimeCall::Balances(balances::Call::transfer_keep_alive { dest, value });
            let extra = TransactionExtra::new(Era::Immortal, 0, Balance::ZERO);
            let payload = signing_payload(&call.encode(), &extra, &context);
            let signature = MultiSignature::Sr25519(pair(from).sign(SR25519_CONTEXT, &payload));
            let address = MultiAddress::Id(accounts[from]);
            OpaqueTransaction(Transaction::Signed { address, signature, extra, call }.encode())
        };
        (0..TRANSFERS).into_par_iter().map(sign).collect()
    }

    fn verified(&self, transfers: &[OpaqueTransaction]) -> Vec<Arc<PooledTx>> {
        let received = transfers.iter().cloned().map(Into::into).collect();
        let verdicts = self.chain.verifier().verify(self.chain.head(), received, &[1; 32]);
        verdicts.into_iter().map(|verdict| verdict.expect("signed")).collect()
    }

    fn build(&mut self, transactions: Vec<Arc<PooledTx>>) -> Arc<Block> {
        let request = BuildRequest {
            author: self.accounts[0],
            origin_round: 0,
            now_ms: 1_000,
            certificate: None,
            widened: Vec::new(),
            evidence: Vec::new(),
            transactions,
            sign_vrf: &|message| vrf::sign(&pair(0), runtime::VRF_LABEL, message).0,
            is_late: &mut || false,
        };
        let built = self.chain.build(request).expect("a block can be built");
        assert_eq!(built.included, TRANSFERS, "{:?}", built.rejected.first());
        built.block
    }

    fn check(&mut self, block: Block) {
        self.chain.check(CheckRequest { block, now_ms: None, seed: [2; 32] }).expect("valid");
    }

    fn commit(&mut self, hash: Hash) {
        let mut certificate = Certificate { height: 1, round: 0, block: hash, signatures: vec![] };
        let vote = vote_pair().sign(&certificate.signed_bytes(&self.chain.genesis()));
        certificate.signatures.push((self.accounts[0], vote));
        self.chain.commit(&hash, certificate).expect("the block was checked");
    }
}

fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("chain");
    group.sample_size(10).throughput(Throughput::Elements(TRANSFERS as u64));
    let mut author = Bench::new();
    let transfers = author.transfers();

    let pooled = author.verified(&transfers);
    let block = author.build(pooled.clone());
    group.bench_function(format!("build/transfers={TRANSFERS}"), |bencher| {
        bencher.iter_batched(|| pooled.clone(), |txs| author.build(txs), BatchSize::LargeInput);
    });

    let known = |is_known: bool| {
        let node = Bench::new();
        if is_known {
            node.chain.verifier().remember(&node.verified(&transfers));
        }
        (node, Block::clone(&block))
    };
    for (name, is_known) in [("verified", true), ("unknown", false)] {
        let id = format!("apply_block/transfers={TRANSFERS},signatures={name}");
        group.bench_function(id, |bencher| {
            let apply = |(mut node, block): (Bench, Block)| {
                let hash = block.hash();
                node.check(block);
                node.commit(hash);
                node
            };
            bencher.iter_batched(|| known(is_known), apply, BatchSize::PerIteration);
        });
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
