//! What a node says to those who follow headers, on a chain whose validators change often.

use super::fixture::folder;
use crate::{LIGHT_BLOCKS_MAX, light_blocks, light_start};
use primitives::{
    AccountId, Block, Certificate, Digest, Hash, Header, Height, ValidatorInfo, ValidatorSet,
    Writes, crypto::pair::Ed25519Pair,
};
use runtime::{
    Digested, Inherents,
    light::{Checkpoint, Light, LightError},
};
use storage::{CommitInput, Database, Store};
use tempfile::TempDir;

/// Blocks of the chain.
const BLOCKS: Height = 150;

fn pair(number: u32) -> Ed25519Pair {
    Ed25519Pair::from_seed(&[u8::try_from(number).expect("few"); 32])
}

/// The only validator after a block: another one after every second and third.
fn validators_after(height: Height) -> Vec<ValidatorInfo> {
    let vote_key = pair(height / 3 + height / 2).public();
    vec![ValidatorInfo { account: AccountId([1; 32]), vote_key, vrf_key: [0; 32], power: 1 }]
}

fn changes(height: Height) -> bool {
    validators_after(height) != validators_after(height - 1)
}

fn block(height: Height, parent_hash: Hash, state_root: Hash) -> Block {
    let time_ms = 1_000 * u64::from(height);
    let body = Inherents { time_ms, ..Inherents::default() }.to_transactions();
    let set = ValidatorSet { validators: validators_after(height), seed: Hash::ZERO };
    let digest = runtime::make_digest(&Digested {
        author: AccountId([1; 32]),
        origin_round: 0,
        vrf_output: [0; 32],
        vrf_proof: [0; 64],
        next_validators: set.members_hash(),
        new_rules: false,
    });
    let extrinsics_root = runtime::extrinsics_root(&body);
    Block {
        header: Header { parent_hash, number: height, state_root, extrinsics_root, digest },
        body,
    }
}

fn stored(dir: &TempDir) -> Database {
    let config = storage::Config { cache_mb: 8, state_cache_mb: 8, ..storage::Config::default() };
    let database = Database::open(dir.path(), &config).expect("a new folder");
    let first = |root| {
        let header = Header { digest: Digest::default(), ..block(0, Hash::ZERO, root).header };
        Block { header, body: Vec::new() }
    };
    let mut store = Store::create(database, Writes::new(), first).expect("a first genesis");
    let genesis = store.head().hash;
    store.database().put_validators(0, &validators_after(0)).expect("writable");
    for height in 1..=BLOCKS {
        let root = store.stage(Writes::new(), Vec::new()).expect("room");
        let block = block(height, store.head().hash, root);
        let hash = block.hash();
        let mut certificate = Certificate { height, round: 0, block: hash, signatures: Vec::new() };
        let number = (height - 1) / 3 + (height - 1) / 2;
        let signature = pair(number).sign(&certificate.signed_bytes(&genesis));
        certificate.signatures.push((AccountId([1; 32]), signature));
        let validators = changes(height).then(|| validators_after(height));
        let input = CommitInput {
            block: &block,
            hash,
            certificate: &certificate,
            transaction_hashes: &[hash],
            validators: validators.as_deref(),
        };
        store.commit(input).expect("it fits");
    }
    store.database().clone()
}

#[test]
fn every_block_is_proven_from_every_earlier_one_in_pages_of_changes() {
    let dir = folder();
    let database = stored(&dir);
    let genesis = database.hash(0).expect("readable").expect("stored");
    let now_ms = 1_000 * u64::from(BLOCKS);
    let begin = |height| {
        let hash = database.hash(height).expect("readable").expect("stored");
        let checkpoint = Checkpoint { height, hash };
        let start = light_start(&database, &checkpoint).expect("readable").expect("stored");
        Light::begin(genesis, &checkpoint, start, now_ms).expect("it is that block")
    };
    for (from, to) in [(1, 2), (1, BLOCKS), (7, 8), (7, 9), (7, 20), (60, BLOCKS + 9)] {
        let mut light = begin(from);
        let last = to.min(BLOCKS);
        while light.head().height < last {
            let blocks = light_blocks(&database, light.head().height, to).expect("readable");
            assert!((1..=LIGHT_BLOCKS_MAX).contains(&blocks.len()));
            for block in blocks {
                let height = block.header.number;
                assert!(height == last || changes(height), "no more than must be");
                light.follow(block, now_ms).expect("it is final");
            }
        }
        assert_eq!(Some(light.head().hash), database.hash(last).expect("readable"));
        assert_eq!(light.head().validators, validators_after(last));
    }
    assert_eq!(light_blocks(&database, 9, 9).expect("readable"), []);
    let unknown = Checkpoint { height: 9, hash: Hash([1; 32]) };
    assert_eq!(light_start(&database, &unknown).expect("readable"), None);
    // Without the changes in between nothing is believed.
    let jump = light_blocks(&database, 148, BLOCKS).expect("readable").pop().expect("one");
    let refused = begin(1).follow(jump, now_ms);
    assert_eq!(refused, Err(LightError::OtherValidators(BLOCKS)));
}
