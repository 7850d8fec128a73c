//! Catching up with honest peers, and following them.

use super::world::{GENESIS, Manner, TestChain, World};
use crate::sync::{
    HEDGE_MS, IMPORT_BLOCKS_MAX, Input, Output, Progress, Sync, WINDOW_BLOCKS_MAX, wire::Status,
};
use Manner::{Honest, Lossy, Silent};

#[test]
fn a_late_joiner_fetches_the_chain_from_all_peers_at_once() {
    let mut world = World::new(TestChain::new(1_000, &[], 1), &[Honest; 4], 50);
    world.greet();
    assert_eq!(world.progress, [Progress::Behind { blocks: 1_000 }]);
    world.run();
    assert_eq!((world.head, &world.punished[..]), (1_000, &[][..]));
    assert_eq!(world.progress.last(), Some(&Progress::Synced));
    let first: Vec<usize> = world.asked.iter().filter(|a| a.0 == 0).map(|a| a.1).collect();
    assert_eq!(first.len(), 4, "each is asked at once: {first:?}");
    assert!(world.now < 3_000, "imports alone take 2,000 ms: {}", world.now);
}

#[test]
fn a_change_of_validators_waits_for_the_import_that_tells_them() {
    let mut world = World::new(TestChain::new(40, &[3, 4, 17, 40], 1), &[Honest; 2], 50);
    world.greet();
    world.run();
    assert_eq!((world.head, &world.punished[..]), (40, &[][..]));
}

#[test]
fn a_new_block_is_asked_for_at_once_and_from_who_has_it() {
    let short = TestChain::new(5, &[], 1);
    let mut world = World::new(short.clone(), &[Honest; 3], 50);
    world.greet();
    world.run();
    let (now, before) = (world.now, world.asked.len());
    world.chain = short.grown(6, &[], 1);
    let status = world.chain.status();
    world.feed(Input::Status { peer: 2, status });
    let asked = &world.asked[before..];
    assert_eq!((asked.len(), asked[0].0, asked[0].1, asked[0].2.from), (1, now, 2, 6));
    world.run();
    assert_eq!((world.head, world.now), (6, now + 150 + 2), "one round trip and the import");
}

#[test]
fn what_comes_another_way_is_not_asked_for_unless_it_is_late() {
    let chain = TestChain::new(3, &[], 1);
    let mut sync = Sync::new(GENESIS, chain.tip(2), 400);
    let mut out = Vec::new();
    sync.step(1_000, Input::Status { peer: 0, status: chain.status() }, &mut out);
    assert_eq!(out, [Output::Progress(Progress::Behind { blocks: 1 })]);
    assert_eq!(sync.wake_at(1_000), Some(1_400));
    out.clear();
    sync.step(1_300, Input::Imported(chain.tip(3)), &mut out);
    assert_eq!(out, [Output::Progress(Progress::Synced)]);

    let chain = chain.grown(4, &[], 1);
    out.clear();
    sync.step(2_000, Input::Status { peer: 0, status: chain.status() }, &mut out);
    sync.step(2_400, Input::Tick, &mut out);
    assert!(matches!(out[..], [_, Output::Request { peer: 0, request, .. }] if request.from == 4));
}

#[test]
fn who_does_not_answer_holds_nothing_up_for_long() {
    let mut world = World::new(TestChain::new(30, &[], 1), &[Silent, Honest], 50);
    world.greet();
    world.run();
    assert_eq!((world.head, &world.punished[..]), (30, &[][..]));
    assert!(world.now < HEDGE_MS + 1_000, "{}", world.now);
}

#[test]
fn newcomers_who_never_answer_hold_nothing_up_however_many_they_are() {
    let silent = 400;
    let manners = [&vec![Silent; silent][..], &[Honest]].concat();
    let mut world = World::new(TestChain::new(3_000, &[], 1), &manners, 50);
    let status = world.chain.status();
    world.feed(Input::Status { peer: silent, status });
    let mut came: usize = 0;
    while world.head < world.chain.height() {
        if world.now >= 250 * came as u64 {
            if let Some(peer) = came.checked_sub(60) {
                world.feed(Input::Gone { peer });
            }
            world.feed(Input::Status { peer: came, status });
            came += 1;
        }
        assert!(world.advance() && came < silent, "at {} after {} ms", world.head, world.now);
    }
    assert_eq!(world.punished, []);
}

#[test]
fn a_single_peer_on_a_bad_line_is_enough() {
    let mut world = World::new(TestChain::new(700, &[350], 1), &[Lossy], 50);
    world.greet();
    world.run();
    assert_eq!((world.head, &world.punished[..]), (700, &[][..]));
}

#[test]
fn what_is_asked_for_stays_within_the_window_while_imports_wait() {
    let chain = TestChain::new(3_000, &[], 1);
    let mut sync = Sync::new(GENESIS, chain.tip(0), 0);
    let mut out = Vec::new();
    for peer in 0..4 {
        sync.step(0, Input::Status { peer, status: chain.status() }, &mut out);
    }
    let mut imports = 0;
    let mut highest = 0;
    while let Some(output) = (!out.is_empty()).then(|| out.remove(0)) {
        match output {
            Output::Request { peer, id, request } => {
                highest = highest.max(request.last());
                let bytes = codec::Encode::encode(&chain.entries(request));
                sync.step(1, Input::Response { peer, id, bytes }, &mut out);
            }
            Output::Import(blocks) => imports += blocks.len(),
            Output::Progress(_) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((imports, highest), (IMPORT_BLOCKS_MAX, WINDOW_BLOCKS_MAX));
}

#[test]
fn a_word_from_a_validator_leads_to_a_question_though_no_peer_says_so() {
    let chain = TestChain::new(3, &[], 1);
    let mut sync = Sync::new(GENESIS, chain.tip(2), 0);
    let mut out = Vec::new();
    let status = Status { height: 2, hash: chain.hash(2) };
    sync.step(0, Input::Status { peer: 7, status }, &mut out);
    assert_eq!(out, [Output::Progress(Progress::Synced)]);
    sync.step(10, Input::Exists { height: 3 }, &mut out);
    let Some(Output::Request { peer: 7, id, request }) = out.pop() else { panic!("{out:?}") };
    assert_eq!((request.from, request.count), (3, 1));
    out.clear();
    // It has not got it yet either: that is no failure, and it is asked again soon.
    let nothing = codec::Encode::encode(&Vec::<crate::sync::wire::Entry>::new());
    sync.step(20, Input::Response { peer: 7, id, bytes: nothing }, &mut out);
    assert_eq!(out, []);
    let again = sync.wake_at(20).expect("it will be asked again");
    sync.step(again, Input::Tick, &mut out);
    assert!(matches!(out[..], [Output::Request { peer: 7, .. }]), "{out:?}");
}
