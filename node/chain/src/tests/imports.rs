//! Final blocks of others.

use super::fixture::{Fixture, folder};
use crate::*;

#[test]
fn a_final_block_is_imported_once_and_another_in_its_place_is_a_fork() {
    let (dir, other) = (folder(), folder());
    let (mut author, mut node) = (Fixture::open(&dir), Fixture::open(&other));
    let transfer = author.transfer(0, 1, 0, 5);
    let rival = author.build(9_000, &[]);
    let rival_proof = author.certificate(&rival.hash);
    let mut blocks = Vec::new();
    for (now_ms, transactions) in [(10_000, vec![&transfer]), (11_000, vec![])] {
        let committed = author.grow(now_ms, &transactions);
        let certificate = committed.head.certificate.as_deref().cloned().expect("it is final");
        blocks.push((committed.block.as_ref().clone(), certificate));
    }
    let mut import = |(block, certificate): &(primitives::Block, primitives::Certificate)| {
        node.chain.import(block.clone(), certificate.clone(), [7; 32])
    };
    let gap = import(&blocks[1]);
    assert!(matches!(gap, Err(CheckError::Fault(Fault::Block(_)))), "{gap:?}");
    let first = import(&blocks[0]).expect("it is valid").expect("it is new");
    assert_eq!((first.head.height, first.included[0].hash), (1, transfer.hash()));
    import(&blocks[1]).expect("it is valid").expect("it is new");
    assert!(import(&blocks[0]).expect("it is known").is_none());
    let fork = import(&(rival.block.as_ref().clone(), rival_proof)).expect_err("it is another");
    let Error::Fork { height: 1, ours, theirs } = (match fork {
        CheckError::Local(error) => error,
        fault => panic!("{fault}"),
    }) else {
        panic!("it is no fork")
    };
    assert_eq!((ours, theirs), (blocks[0].0.hash(), rival.hash));
    assert_eq!(node.chain.head().snapshot.root, author.chain.head().snapshot.root);
}

#[test]
fn a_chain_of_lazy_imports_is_there_after_the_process_has_ended() {
    let (dir, other) = (folder(), folder());
    let (mut author, mut node) = (Fixture::open(&dir), Fixture::open(&other));
    for number in 0..9 {
        let transfer = author.transfer(0, 1, number, 5);
        let Committed { head, block, .. } =
            author.grow(10_000 * u64::from(number + 1), &[&transfer]);
        let certificate = head.certificate.as_deref().cloned().expect("it is final");
        let syncs = node.chain.database().syncs();
        let imported = node.chain.import_lazily((*block).clone(), certificate, [7; 32]);
        let imported = imported.expect("it is valid").expect("it is new");
        assert_eq!(
            (imported.head.hash, imported.head.snapshot.root),
            (head.hash, head.snapshot.root)
        );
        // The fourth begins a flush, for which it must be on the disk.
        assert!(
            number != 0 || node.chain.database().syncs() == syncs,
            "a lazy import waits for the disk"
        );
    }
    drop(node);
    assert_eq!(Fixture::open(&other).chain.head().hash, author.chain.head().hash);
}
