//! Signatures are verified once, and only for as long as that holds.

use super::fixture::{Fixture, dev, folder};
use crate::*;
use pallets::system;
use primitives::{Block, Era, OpaqueTransaction};
use runtime::{InvalidTransaction, RuntimeCall};
use std::sync::Arc;

fn remark(f: &Fixture, from: u8, era: Era) -> OpaqueTransaction {
    let call = RuntimeCall::System(system::Call::remark { remark: vec![from] });
    f.sign(&dev(from), call, 0, era)
}

fn verify(f: &Fixture, verifier: &Verifier, tx: &OpaqueTransaction) -> Verdict {
    verifier.verify(f.chain.head(), vec![tx.clone().into()], &[8; 32]).remove(0)
}

/// Verifies as the pool does with what it takes in.
fn admit(f: &Fixture, verifier: &Verifier, tx: &OpaqueTransaction) -> Arc<PooledTx> {
    let tx = verify(f, verifier, tx).expect("it is good");
    verifier.remember([&tx]);
    tx
}

type Verdict = Result<Arc<PooledTx>, InvalidTransaction>;

#[test]
fn each_verdict_stands_at_its_transactions_place() {
    let dir = folder();
    let f = Fixture::open(&dir);
    let good: Vec<_> = (0..5).map(|from| remark(&f, from, Era::Immortal)).collect();
    let mut bad = good[2].clone();
    *bad.0.last_mut().expect("bytes") ^= 1;
    let cut = OpaqueTransaction(good[3].0[..40].to_vec());
    let known = f.verified(&[&good[1]]);
    let offered = [good[0].clone(), bad, good[1].clone(), cut, good[4].clone()];
    let offered = offered.map(Received::from).into();
    let verdicts = f.chain.verifier().verify(f.chain.head(), offered, &[8; 32]);
    assert_eq!(verdicts[0].as_ref().map(|tx| tx.hash()), Ok(good[0].hash()));
    assert!(matches!(verdicts[1], Err(InvalidTransaction::BadProof)));
    let again = verdicts[2].as_ref().expect("it was known");
    assert!(Arc::ptr_eq(again, &known[0]), "what is known is not verified again");
    assert!(matches!(verdicts[3], Err(InvalidTransaction::Custom(_))));
    assert_eq!(verdicts[4].as_ref().map(|tx| tx.hash()), Ok(good[4].hash()));
}

#[test]
fn a_mortal_signature_is_not_known_outside_of_its_era() {
    let dir = folder();
    let mut f = Fixture::open(&dir);
    f.grow(1_000, &[]);
    let tx = remark(&f, 1, Era::mortal(4, 1));
    let verifier = f.chain.verifier().clone();
    let first = admit(&f, &verifier, &tx);
    assert_eq!((first.birth, first.death), (1, 5));
    f.grow(2_000, &[]);
    f.grow(3_000, &[]);
    assert!(Arc::ptr_eq(&first, &verify(&f, &verifier, &tx).expect("block 4 is its last")));
    f.grow(4_000, &[]);
    assert!(verify(&f, &verifier, &tx).is_err(), "at height 5 its bytes mean another era");
    f.grow(5_000, &[]);
    assert_eq!(verify(&f, &verifier, &tx).err(), Some(InvalidTransaction::BadProof));
}

#[test]
fn what_a_block_included_is_forgotten_and_the_memory_is_bounded() {
    let dir = folder();
    let mut f = Fixture::open(&dir);
    let txs: Vec<_> = (0..6).map(|from| remark(&f, from, Era::Immortal)).collect();
    let verifier = Verifier::new(f.chain.genesis(), 4);
    let firsts: Vec<_> = txs.iter().map(|tx| admit(&f, &verifier, tx)).collect();
    let is_known = |at: usize| {
        let again = verify(&f, &verifier, &txs[at]).expect("it is good");
        Arc::ptr_eq(&again, &firsts[at])
    };
    assert!(is_known(5) && is_known(2));
    assert!(!is_known(0), "four at most are remembered");

    let own = f.verified(&[&txs[0]]);
    f.grow(1_000, &[&txs[0]]);
    let again = f.verified(&[&txs[0]]);
    assert!(!Arc::ptr_eq(&own[0], &again[0]));
}

#[test]
fn transactions_of_blocks_to_come_are_verified_ahead_as_far_as_their_eras_are_known() {
    let (dir, other) = (folder(), folder());
    let (mut author, node) = (Fixture::open(&dir), Fixture::open(&other));
    let mut bad = remark(&author, 3, Era::Immortal);
    *bad.0.last_mut().expect("bytes") ^= 1;
    let immortal = [remark(&author, 1, Era::Immortal), remark(&author, 2, Era::Immortal)];
    let mut blocks: Vec<Block> = Vec::new();
    for (now_ms, tx) in [(1_000, &immortal[0]), (2_000, &immortal[1])] {
        blocks.push((*author.grow(now_ms, &[tx]).block).clone());
    }
    // Its era begins with block 2, of which the parent of block 3 is proof enough.
    let next = remark(&author, 4, Era::mortal(4, 2));
    blocks.push((*author.grow(3_000, &[&next]).block).clone());
    // That of this one begins between the head and the parent.
    let unknown = remark(&author, 5, Era::mortal(4, 2));
    blocks.push((*author.grow(4_000, &[&unknown]).block).clone());
    blocks[1].body.push(bad.clone());

    let verifier = node.chain.verifier();
    verifier.verify_ahead(node.chain.head(), &blocks, &[8; 32]);
    let known = |tx: &OpaqueTransaction| verifier.get(&[tx.hash()])[0].is_some();
    assert!(known(&immortal[0]) && known(&immortal[1]) && known(&next));
    assert!(!known(&bad) && !known(&unknown), "these are left to the import");
}
