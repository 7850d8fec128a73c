//! Peers that do what no honest peer does, and the chain's own faults.

use super::world::{GENESIS, Manner, TestChain, World, certify, make_block};
use crate::sync::{
    Alarm, Input, Output, PeerFault, Progress, Sync,
    wire::{Entry, Status, WireError},
};
use Manner::{Babbler, Boaster, BodySwapper, Empty, Flooder, Forger, Honest, Inventor, Short};
use codec::Encode;
use primitives::CertificateError;

/// What a peer of this manner is punished for, while an honest one brings the chain.
fn fault_of(manner: Manner) -> PeerFault {
    let mut world = World::new(TestChain::new(64, &[20], 1), &[manner, Honest], 10);
    world.greet();
    world.run();
    assert_eq!(world.head, 64, "{manner:?} keeps the node from the chain");
    assert_eq!(world.punished.len(), 1, "{:?}", world.punished);
    let (peer, fault) = world.punished.remove(0);
    assert_eq!(peer, 0, "the honest peer is punished");
    fault
}

#[test]
fn each_wrong_answer_is_held_against_who_gave_it() {
    assert!(matches!(fault_of(Babbler), PeerFault::Malformed(WireError::Malformed(_))));
    assert!(matches!(fault_of(Flooder), PeerFault::TooMany { found: 65, asked: 64 }));
    assert!(matches!(
        fault_of(Forger),
        PeerFault::WrongCertificate { height: 64, source: CertificateError::BadSignature(_) }
    ));
    assert!(matches!(
        fault_of(Inventor),
        PeerFault::WrongCertificate { height: 1, source: CertificateError::BadSignature(_) }
    ));
    assert!(matches!(fault_of(BodySwapper), PeerFault::WrongBody(1)));
}

#[test]
fn blocks_that_do_not_follow_each_other_and_foreign_heights_are_no_answer() {
    let chain = TestChain::new(10, &[], 1);
    let (other, _) = make_block(2, GENESIS, 0, 0, 5);
    type Change = fn(&mut Vec<Entry>, Entry);
    let changes: [(Change, PeerFault); 3] = [
        (|entries, other| entries[1] = other, PeerFault::BrokenLink(2)),
        (|entries, _| entries.swap(0, 1), PeerFault::BadHeader(1)),
        (|entries, _| entries[1].1.height = 9, PeerFault::WrongHeight { height: 2, found: 9 }),
    ];
    for (change, expected) in changes {
        let mut sync = Sync::new(GENESIS, chain.tip(0), 0);
        let mut out = Vec::new();
        sync.step(0, Input::Status { peer: 0, status: chain.status() }, &mut out);
        let Some(Output::Request { id, request, .. }) = out.first().cloned() else {
            panic!("{out:?}")
        };
        let mut entries = chain.entries(request);
        change(&mut entries, (other.encode(), certify(&other, 0)));
        out.clear();
        sync.step(1, Input::Response { peer: 0, id, bytes: entries.encode() }, &mut out);
        assert_eq!(out[0], Output::Punish { peer: 0, fault: expected });
    }
}

#[test]
fn claims_that_prove_empty_hold_nothing_up_and_are_forgotten() {
    let manners = [Boaster, Empty, Short, Honest];
    let mut world = World::new(TestChain::new(90, &[], 1), &manners, 10);
    world.greet();
    assert_eq!(world.progress.last(), Some(&Progress::Behind { blocks: 1_000_000_090 }));
    world.run();
    assert_eq!((world.head, &world.punished[..]), (90, &[][..]));
    while world.progress.last() != Some(&Progress::Synced) {
        assert!(world.advance() && world.now < 60_000, "{:?}", world.progress.last());
    }
}

#[test]
fn a_second_final_block_at_a_known_height_is_an_alarm() {
    let ours = TestChain::new(6, &[], 1);
    let mut world = World::new(ours.clone(), &[Honest], 10);
    world.greet();
    world.run();
    // The same validators certified another block 6, which a peer mentions and then shows.
    let theirs = ours.clone().without_last().grown(6, &[], 2);
    world.chain = theirs.clone();
    world.feed(Input::Status { peer: 0, status: theirs.status() });
    while world.alarm.is_none() {
        assert!(world.advance(), "nothing happens");
    }
    let Some(Alarm::Fork { height: 6, ours: known, theirs: proof }) = world.alarm else {
        panic!("{:?}", world.alarm)
    };
    assert_eq!((known, proof.block), (ours.hash(6), theirs.hash(6)));
}

#[test]
fn a_final_block_that_does_not_follow_is_an_alarm_too() {
    let ours = TestChain::new(6, &[], 1);
    let mut world = World::new(ours.clone(), &[Honest], 10);
    world.greet();
    world.run();
    world.chain = ours.without_last().grown(7, &[], 2);
    let status = world.chain.status();
    world.feed(Input::Status { peer: 0, status });
    while world.alarm.is_none() {
        assert!(world.advance(), "nothing happens");
    }
    assert!(matches!(world.alarm, Some(Alarm::Fork { height: 6, .. })), "{:?}", world.alarm);
}

#[test]
fn who_says_it_has_another_block_and_cannot_prove_it_is_punished() {
    let chain = TestChain::new(6, &[], 1);
    let mut world = World::new(chain.clone(), &[Honest, Inventor], 10);
    world.feed(Input::Status { peer: 0, status: chain.status() });
    world.run();
    let status = Status { height: 4, hash: GENESIS };
    world.feed(Input::Status { peer: 1, status });
    while world.punished.is_empty() {
        assert!(world.advance(), "nothing happens");
    }
    assert!(matches!(world.punished[..], [(1, PeerFault::WrongCertificate { height: 4, .. })]));
    assert_eq!(world.alarm, None);
}

#[test]
fn a_final_block_that_the_chain_refuses_stops_the_node() {
    let chain = TestChain::new(3, &[], 1);
    let mut world = World::new(chain.clone(), &[Honest], 10);
    let why = "the state root is another".to_owned();
    world.feed(Input::Refused { height: 1, why: why.clone() });
    assert_eq!(world.alarm, Some(Alarm::Refused { height: 1, why }));
    world.greet();
    assert!(world.asked.is_empty(), "a stopped machine asks nobody");
}
