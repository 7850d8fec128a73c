//! The machine among peers who serve a real state, and others who lie, on virtual time.

mod world;

use super::*;
use crate::{
    Chain, Error,
    tests::fixture::{self, Fixture, folder},
};
use codec::Encode;
use pallets::balances;
use primitives::{Balance, Era, MultiAddress, chunk::StateChunk};
use proptest::prelude::*;
use std::collections::{BTreeSet, VecDeque};
use world::*;

#[test]
fn a_node_begins_with_a_later_state_and_goes_on_with_the_others() {
    let mut source = source();
    let new = folder();
    let mut world = World::new(&source, &[Kind::Honest, Kind::Honest, Kind::Honest], &new);
    let end = world.run(usize::MAX);
    assert!(world.now_ms < 2_000, "peers work at the same time: {} ms", world.now_ms);
    world.check(end);

    let height = source.fixture.chain.head().height;
    let mut other = Fixture::open_with(&new, &source.genesis);
    let (ours, theirs) = (other.chain.database(), &source.server.database);
    assert_eq!(ours.first_block().expect("reads"), height);
    assert_eq!(ours.block(0).expect("reads"), theirs.block(0).expect("reads"));
    assert_eq!(ours.block(height - 1).expect("it says so"), None);
    let validators = theirs.validators_after(height).expect("reads");
    assert_eq!(ours.validators_after(height).expect("reads"), validators);
    let (old, certificate) = (theirs.block(1).expect("reads"), theirs.certificate(1));
    let (old, certificate) = (old.expect("stored"), certificate.expect("reads").expect("stored"));
    let known = other.chain.import(old, certificate, [1; 32]).expect("it is no fork");
    assert!(known.is_none(), "nobody can tell whether it is the chain's");
    for n in 1..=20 {
        // An era that begins with a block which this node does not have.
        let era = Era::mortal(64, 3 + n);
        let call = balances::Call::transfer_keep_alive {
            dest: MultiAddress::Id(fixture::dev(2).account),
            value: Balance::new(1),
        };
        let nonce = source.fixture.nonce(0);
        let signed =
            source.fixture.sign(&fixture::dev(0), runtime::RuntimeCall::Balances(call), nonce, era);
        let built = source.fixture.build((BLOCKS + u64::from(n)) * 1_000, &[&signed]);
        assert_eq!(built.included, 1);
        other.check(&built.block, None).expect("the same state gives the same verdict");
        let certificate = source.fixture.certificate(&built.hash);
        other.chain.commit(&built.hash, certificate.clone()).expect("checked");
        source.fixture.chain.commit(&built.hash, certificate).expect("built");
        if n == 10 {
            drop(other);
            other = Fixture::open_with(&new, &source.genesis);
        }
    }
    other.check_state();
}

#[test]
fn a_crash_after_any_chunk_loses_nothing_and_half_a_state_is_no_chain() {
    let source = source();
    let new = folder();
    let mut world = World::new(&source, &[Kind::Honest, Kind::Honest], &new);
    let mut crashes = 0;
    let end = loop {
        match world.run(0) {
            End::Stopped => crashes += 1,
            end => break end,
        }
        let config = crate::Config { path: new.path().into(), ..crate::Config::default() };
        let refused = Chain::open(&config, &source.genesis).err();
        let unfinished = |error: &Error| {
            matches!(error, Error::Storage(storage::Error::UnfinishedImport { .. }))
        };
        assert!(refused.as_ref().is_some_and(unfinished), "{refused:?}");
    };
    assert!(crashes >= 8, "{crashes} crashes");
    assert_eq!(crashes, world.stored.len(), "each chunk was fetched once");
    world.check(end);
}

#[test]
fn what_was_begun_is_gone_on_with_although_there_is_a_later_state() {
    let source = source();
    let block = source.server.database.block(EARLIER as u32).expect("reads").expect("stored");
    let (height, root) = (block.header.number, block.header.state_root);
    let begun = ImportTarget { height, block: block.hash(), root };
    let new = folder();
    let mut world = World::new(&source, &[Kind::Honest, Kind::Honest], &new);
    world.begun = Some(begun);
    let end = world.run(usize::MAX);
    assert!(matches!(end, End::Finished(found, _) if *found == block));

    // What nobody serves any more is given up.
    let new = folder();
    let mut world = World::new(&source, &[Kind::Honest], &new);
    world.begun = Some(ImportTarget { block: Hash([1; 32]), ..begun });
    let end = world.run(usize::MAX);
    world.check(end);
}

#[test]
fn each_liar_is_named_and_holds_nothing_up() {
    let source = source();
    for liar in LIARS {
        let new = folder();
        let mut world = World::new(&source, &[liar, Kind::Honest], &new);
        let end = world.run(usize::MAX);
        let faults: Vec<&Fault> = world.punished.iter().map(|(_, fault)| fault).collect();
        let is_named = match liar {
            Kind::Garbled => matches!(faults[..], [Fault::Malformed(_)]),
            Kind::Spoiler => matches!(faults[..], [Fault::Chunk(_)]),
            Kind::Splitter => matches!(faults[..], [Fault::FalselyTooLarge]),
            Kind::False => matches!(faults[..], [Fault::FalseOffer { .. }]),
            Kind::Forger => matches!(faults[..], [Fault::Light(_)]),
            // What is not there is no lie; who is silent may be slow.
            _ => faults.is_empty(),
        };
        assert!(is_named, "{liar:?}: {faults:?}");
        world.check(end);
    }
}

#[test]
fn after_a_while_without_network_all_peers_are_asked_again() {
    let source = source();
    let back_ms = 2 * ANSWER_TIMEOUT_MS + 5_000;
    let mut silent = 0;
    for since_ms in (20..300).step_by(40) {
        let new = folder();
        let mut world = World::new(&source, &[Kind::Honest; 3], &new);
        world.cut_off_ms = since_ms..back_ms;
        let end = world.run(usize::MAX);
        assert!(world.now_ms < back_ms + 2 * OFFERS_EVERY_MS, "{since_ms}: {} ms", world.now_ms);
        // The last state may be doubted by then, and the one before is as good.
        assert!(matches!(end, End::Finished(..)), "{since_ms}");
        let faults = &world.punished;
        assert!(faults.iter().all(|(_, fault)| matches!(fault, Fault::Silent)), "{faults:?}");
        silent += faults.len();
    }
    assert!(silent > 0, "nobody was left alone");
}

/// How long a joiner takes among these peers and an honest one.
fn ms_among(liars: &[Kind]) -> u64 {
    let source = source();
    let new = folder();
    let peers = [liars, &[Kind::Honest]].concat();
    let mut world = World::new(&source, &peers, &new);
    let end = world.run(usize::MAX);
    world.check(end);
    world.now_ms
}

#[test]
fn many_who_agree_on_a_state_that_there_is_not_cost_one_timeout() {
    let took_ms = ms_among(&[Kind::Pretender; 12]);
    assert!(took_ms < 2 * ANSWER_TIMEOUT_MS, "{took_ms} ms");
}

#[test]
fn who_thinks_up_states_holds_the_search_up_once() {
    let took_ms = ms_among(&[Kind::Inventor; 3]);
    assert!(took_ms < 4 * ANSWER_TIMEOUT_MS, "{took_ms} ms");
}

#[test]
fn there_is_room_for_who_serves_a_state() {
    let source = source();
    let mut sync = SnapshotSync::new(source.fixture.chain.genesis(), source.checkpoint(), None);
    let now = Now { ms: 0, unix_ms: 10_000 };
    let mut out = Vec::new();
    for peer in 0..PEERS_MAX {
        sync.step(now, Input::PeerFound(peer), &mut out);
    }
    let questions = std::mem::take(&mut out);
    assert_eq!(questions.len(), PEERS_MAX);
    let serves = Input::PeerFound(PEERS_MAX);
    sync.step(now, serves.clone(), &mut out);
    assert_eq!(out, [], "all others may serve one");
    let Output::Request { id, .. } = questions[7] else { panic!("each is asked") };
    let bytes = Answer::NotHere.encode();
    sync.step(now, Input::Answered { id, bytes }, &mut out);
    sync.step(now, serves, &mut out);
    let asked = |output: &Output<usize>| matches!(output, Output::Request { peer, .. } if *peer == PEERS_MAX);
    assert!(out.iter().any(asked), "it takes the place of one that has none");
    assert_eq!(sync.status(), Status::Seeking { height: 2, peers: PEERS_MAX });
}

#[test]
fn who_goes_while_others_stay_is_not_missed() {
    let source = source();
    let mut sync = SnapshotSync::new(source.fixture.chain.genesis(), source.checkpoint(), None);
    let now = |ms| Now { ms, unix_ms: 10_000 };
    let mut out = Vec::new();
    let mut step = |sync: &mut SnapshotSync<usize>, ms, input| {
        out.clear();
        sync.step(now(ms), input, &mut out);
        std::mem::take(&mut out)
    };
    let mut asked: VecDeque<(RequestId, usize, Request)> = VecDeque::new();
    let mut pieces = BTreeSet::new();
    let mut inputs = VecDeque::from([Input::PeerFound(1), Input::PeerFound(2)]);
    let mut gone = false;
    let mut target = None;
    for ms in 0..10_000 {
        let Some(input) = inputs.pop_front() else {
            let Some((id, peer, request)) = asked.pop_front() else { break };
            if peer == 2 && gone {
                continue;
            }
            if matches!(request, Request::Piece { .. }) && !gone {
                gone = true;
                inputs.push_back(Input::PeerGone(2));
            }
            let bytes = source.answer(Kind::Honest, &request, 0).expect("it answers");
            inputs.push_back(Input::Answered { id, bytes });
            continue;
        };
        for output in step(&mut sync, ms, input) {
            match output {
                Output::Request { id, peer, request } => {
                    assert!(!(gone && peer == 2), "it is gone");
                    asked.push_back((id, peer, request));
                }
                Output::Open(opened) => {
                    target = Some(opened.block);
                    let missing = vec![PathPrefix::ROOT];
                    inputs.push_back(Input::Opened { block: opened.block, missing });
                }
                Output::Put(chunk) => {
                    assert!(pieces.insert(*chunk.prefix()), "once is enough");
                    inputs.push_back(Input::Stored { block: target.expect("it was opened") });
                }
                Output::Finish { .. } => {}
                Output::Punish { .. } | Output::Stuck(_) => panic!("nobody lied"),
            }
        }
    }
    assert!(gone);
    assert_eq!(sync.status(), Status::Finished);
    assert_eq!(PathPrefix::missing(&pieces), []);
}

#[test]
fn an_old_or_wrong_checkpoint_leads_nowhere() {
    let source = source();
    let run = |now_ms, checkpoint: Checkpoint| {
        let mut sync = SnapshotSync::new(source.fixture.chain.genesis(), checkpoint, None);
        let mut inputs = VecDeque::from([Input::PeerFound(0)]);
        let mut ends = Vec::new();
        for _ in 0..20 {
            let mut out = Vec::new();
            let now = Now { ms: 0, unix_ms: now_ms };
            sync.step(now, inputs.pop_front().unwrap_or(Input::Tick), &mut out);
            for output in out {
                match output {
                    Output::Request { id, request, .. } => {
                        let bytes = source.answer(Kind::Honest, &request, 0).expect("it answers");
                        inputs.push_back(Input::Answered { id, bytes });
                    }
                    other => ends.push(other),
                }
            }
        }
        (ends, sync.status())
    };
    let old = runtime::light::TRUSTING_PERIOD_MS + 2_000;
    let expired = LightError::Expired { height: 2 };
    assert_eq!(run(old, source.checkpoint()), (vec![Output::Stuck(expired)], Status::Stuck));
    // A hash that no block has is not found, which is nobody's fault.
    let unknown = Checkpoint { hash: Hash([3; 32]), ..source.checkpoint() };
    let (ends, status) = run(10_000, unknown);
    assert_eq!((ends, status), (Vec::new(), Status::Seeking { height: 2, peers: 1 }));
}

#[test]
fn hostile_bytes_are_no_questions_and_no_answers() {
    let source = source();
    let answer = |bytes: &[u8]| source.server.answer(bytes).expect("no fault of ours");
    assert_eq!(answer(&[]), None);
    assert_eq!(answer(&[9]), None);
    assert_eq!(answer(&[0, 0]), None);
    assert_eq!(answer(&[0; REQUEST_BYTES_MAX + 1]), None);
    let not_here = Some(Answer::NotHere.encode());
    let hash = Hash([1; 32]);
    for request in [
        Request::Start(Checkpoint { height: 1, hash }),
        Request::Light { from: 5, to: 5 },
        Request::Light { from: u32::MAX, to: u32::MAX },
        Request::Block(hash),
        Request::Piece { block: hash, prefix: PathPrefix::ROOT },
    ] {
        assert!(request.encode().len() <= REQUEST_BYTES_MAX);
        assert_eq!(answer(&request.encode()), not_here, "{request:?}");
    }
    let piece = Request::Piece { block: hash, prefix: PathPrefix::ROOT };
    let chunk = Answer::Chunk(StateChunk::default()).encode();
    assert!(Answer::from_bytes(&piece, &chunk).is_ok());
    assert!(Answer::from_bytes(&Request::Offers, &chunk).is_err(), "another question's answer");
    assert!(Answer::from_bytes(&piece, &[&chunk[..], &[0]].concat()).is_err());
    let offer = Offer { height: 1, hash, bytes: 1 };
    let many = Answer::Offers(vec![offer; OFFERS_MAX + 1]).encode();
    assert!(Answer::from_bytes(&Request::Offers, &many).is_err());
}

#[test]
fn any_peers_with_one_honest_among_them_lead_to_the_state() {
    let source = source();
    let kinds =
        || prop::sample::select([&LIARS[..], &[Kind::Honest, Kind::Empty, Kind::High]].concat());
    let peers = prop::collection::vec(kinds(), 0..6);
    let config =
        ProptestConfig { cases: 6, failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = prop::test_runner::TestRunner::new(config);
    let run = |(mut peers, place, crash): (Vec<Kind>, prop::sample::Index, usize)| {
        peers.insert(place.index(peers.len() + 1), Kind::Honest);
        let new = folder();
        let mut world = World::new(&source, &peers, &new);
        let mut end = world.run(crash);
        if matches!(end, End::Stopped) {
            end = world.run(usize::MAX);
        }
        world.check(end);
        Ok(())
    };
    let input = (peers, any::<prop::sample::Index>(), 0..12_usize);
    runner.run(&input, run).expect("it ends well");
}
