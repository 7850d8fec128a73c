//! Blocks that nobody should vote for, each with the name of what is wrong.

use super::fixture::{Fixture, decoded, dev, folder, vrf_pair};
use crate::*;
use codec::Encode;
use primitives::{
    AccountId, Balance, Block, Hash, MultiSignature, OpaqueTransaction, Transaction, crypto::vrf,
};
use runtime::{BlockError, Digested, InvalidTransaction};

/// A block at height 2 with one transfer, and a node that has not seen it.
struct Proposal {
    node: Fixture,
    block: Block,
    _folders: [tempfile::TempDir; 2],
}

fn proposal() -> Proposal {
    let folders = [folder(), folder()];
    let (mut author, mut node) = (Fixture::open(&folders[0]), Fixture::open(&folders[1]));
    let first = author.grow(10_000, &[]);
    node.check(&first.block, None).expect("valid");
    let certificate = first.head.certificate.as_deref().cloned().expect("committed");
    node.chain.commit(&first.head.hash, certificate).expect("checked");
    let transfer = author.transfer(0, 1, 0, 5);
    let block = author.build(11_000, &[&transfer]).block.as_ref().clone();
    Proposal { node, block, _folders: folders }
}

impl Proposal {
    fn fault(&mut self, now_ms: Option<u64>) -> Fault {
        match self.node.check(&self.block, now_ms) {
            Err(CheckError::Fault(fault)) => fault,
            other => panic!("the block was not refused: {other:?}"),
        }
    }

    fn digest(&mut self, change: impl FnOnce(&mut Digested)) {
        let mut digested = runtime::parse_digest(&self.block.header).expect("our own digest");
        change(&mut digested);
        self.block.header.digest = runtime::make_digest(&digested);
    }

    /// Puts another transfer in the place of the first, as a proposer could who commits to it.
    fn replace_transfer(&mut self, bytes: OpaqueTransaction) {
        *self.block.body.last_mut().expect("it has a transfer") = bytes;
        self.block.header.extrinsics_root = runtime::extrinsics_root(&self.block.body);
    }
}

#[test]
fn the_untouched_block_is_valid_and_executed_once() {
    let mut p = proposal();
    let checked = p.node.check(&p.block, Some(10_500)).expect("it may be half a second ahead");
    assert_eq!(checked.time_ms, 11_000);
    let again = p.node.check(&p.block, Some(0)).expect("what is staged is not checked again");
    assert_eq!(again, checked);
}

#[test]
fn a_block_that_does_not_follow_the_head() {
    let mut p = proposal();
    p.block.header.number = 3;
    assert!(matches!(p.fault(None), Fault::Block(BlockError::WrongParent { found: 3, .. })));
    let mut p = proposal();
    p.block.header.parent_hash = Hash::ZERO;
    assert!(matches!(p.fault(None), Fault::Block(BlockError::WrongParent { .. })));
}

#[test]
fn a_block_too_far_ahead_of_the_clock_is_valid_later() {
    let mut p = proposal();
    assert_eq!(p.fault(Some(10_499)), Fault::TooEarly { time_ms: 11_000, now_ms: 10_499 });
    p.node.check(&p.block, Some(10_500)).expect("time has passed");
    let mut p = proposal();
    p.node.check(&p.block, None).expect("a decided block's time is no question");
}

#[test]
fn a_block_that_is_not_after_its_parent() {
    let mut p = proposal();
    let (mut inherents, _) =
        runtime::Inherents::from_body(2, &p.block.body).expect("our own inherents");
    inherents.time_ms = 10_000;
    p.block.body[..2].clone_from_slice(&inherents.to_transactions());
    let expected = BlockError::TimeNotAfter { found: 10_000, before: 10_000 };
    assert_eq!(p.fault(None), Fault::Block(expected));
}

#[test]
fn a_body_that_is_not_the_headers() {
    let mut p = proposal();
    p.block.body.pop();
    assert!(matches!(p.fault(None), Fault::ExtrinsicsRoot { .. }));
    let mut p = proposal();
    p.block.body.clear();
    assert!(matches!(p.fault(None), Fault::Block(BlockError::BadInherents { height: 2 })));
}

#[test]
fn a_draw_by_another_key_or_for_another_round() {
    let mut p = proposal();
    p.digest(|digested| digested.origin_round = 1);
    assert!(matches!(p.fault(None), Fault::Block(BlockError::BadRandomness(_))));
    let mut p = proposal();
    let message = runtime::vrf_message(&p.node.chain.head().snapshot, 2, 0);
    let forged = vrf::sign(&dev(0).pair, runtime::VRF_LABEL, &message).0;
    p.digest(|d| (d.vrf_output, d.vrf_proof) = (forged.output, forged.proof));
    assert!(matches!(p.fault(None), Fault::Block(BlockError::BadRandomness(_))));
    let mut p = proposal();
    p.digest(|digested| digested.author = AccountId([9; 32]));
    assert!(matches!(p.fault(None), Fault::Block(BlockError::UnknownAuthor(_))));
    let mut p = proposal();
    p.block.header.digest.logs.pop();
    assert_eq!(p.fault(None), Fault::Block(BlockError::BadDigest));
    assert_ne!(vrf_pair().public(), dev(0).account.0);
}

#[test]
fn other_validators_or_another_state_than_execution_gives() {
    let mut p = proposal();
    p.digest(|digested| digested.next_validators = Hash([1; 32]));
    assert!(matches!(p.fault(None), Fault::NextValidators { .. }));
    let mut p = proposal();
    let root = p.block.header.state_root;
    p.block.header.state_root = Hash([1; 32]);
    assert_eq!(p.fault(None), Fault::StateRoot { expected: Hash([1; 32]), found: root });
    p.block.header.state_root = root;
    p.node.check(&p.block, None).expect("a refused block leaves nothing behind");
}

#[test]
fn a_transaction_that_is_not_valid() {
    let with = |change: &dyn Fn(&Fixture) -> OpaqueTransaction| {
        let mut p = proposal();
        let bytes = change(&p.node);
        p.replace_transfer(bytes);
        p.fault(None)
    };
    let fault = |source| Fault::Transaction { index: 2, source };
    assert_eq!(with(&|node| node.transfer(0, 1, 1, 5)), fault(InvalidTransaction::Future));
    assert_eq!(with(&|node| node.transfer(9, 1, 0, 5)), fault(InvalidTransaction::Payment));
    let garbage = with(&|_| OpaqueTransaction(vec![0x84; 120]));
    assert!(matches!(garbage, Fault::Transaction { index: 2, .. }), "{garbage}");
    let forged = with(&|node| {
        let Transaction::Signed { address, extra, call, .. } = decoded(&node.transfer(0, 1, 0, 5))
        else {
            unreachable!("a transfer is signed")
        };
        let signature = MultiSignature::Sr25519([0x81; 64]);
        OpaqueTransaction(Transaction::Signed { address, signature, extra, call }.encode())
    });
    assert_eq!(forged, fault(InvalidTransaction::BadProof));
    let tipped = with(&|node| {
        let Transaction::Signed { address, signature, mut extra, call } =
            decoded(&node.transfer(0, 1, 0, 5))
        else {
            unreachable!("a transfer is signed")
        };
        extra.tip = Balance::new(1);
        OpaqueTransaction(Transaction::Signed { address, signature, extra, call }.encode())
    });
    assert_eq!(tipped, fault(InvalidTransaction::BadProof));
}

#[test]
fn a_block_that_was_not_executed_is_not_committed() {
    let mut p = proposal();
    let hash = p.block.hash();
    let certificate = p.node.certificate(&hash);
    let refused = p.node.chain.commit(&hash, certificate.clone());
    assert!(matches!(refused, Err(Error::UnknownBlock(unknown)) if unknown == hash));
    p.node.check(&p.block, None).expect("valid");
    let mut other = certificate.clone();
    other.block = Hash([1; 32]);
    let refused = p.node.chain.commit(&hash, other);
    assert!(matches!(refused, Err(Error::Storage(storage::Error::NotCommittable { .. }))));
    p.node.chain.commit(&hash, certificate).expect("with its own certificate");
    assert_eq!(p.node.chain.head().hash, hash);
}
