//! Runs without crashes: validators decide, at the right pace.

use super::network::{GENESIS, Network, account, key, validator_set};
use crate::{
    Body, Config, Consensus, Identity, Input, Message, Output, SignedVote, Time, TimerKind, Vote,
    VoteKind, WithoutRecord, store::Recovered,
};
use ed25519_dalek::Signer;
use primitives::Hash;
use std::sync::Arc;

#[test]
fn a_single_validator_decides() {
    let mut network = Network::new(&[5], 1);
    assert!(network.run_until(20));
    network.check();
    assert_eq!(network.max_round, 0);
}

#[test]
fn blocks_come_at_the_interval_when_work_waits_and_at_the_heartbeat_when_not() {
    for (busy, expected_ms) in [(true, 500), (false, 3_000)] {
        let mut network = Network::new(&[5], 1);
        network.busy = busy;
        assert!(network.run_until(6));
        for pair in network.commit_times.windows(2) {
            assert_eq!(pair[1] - pair[0], expected_ms);
        }
    }
}

#[test]
fn four_validators_decide() {
    for seed in 1..=5 {
        let mut network = Network::new(&[10, 11, 12, 13], seed);
        assert!(network.run_until(10));
        network.check();
        assert!(network.double_signs.is_empty() && network.evidence.is_empty());
    }
}

#[test]
fn four_validators_decide_though_messages_get_lost() {
    let mut rounds = 0;
    for seed in 1..=10 {
        let mut network = Network::new(&[10, 11, 12, 13], seed);
        network.loss_percent = 15;
        network.delay_ms = (5, 120);
        assert!(network.run_until(8), "seed {seed} is stuck");
        network.check();
        assert!(network.double_signs.is_empty() && network.evidence.is_empty());
        rounds = rounds.max(network.max_round);
    }
    assert!(rounds > 0, "such losses must cost a round somewhere");
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = |seed| {
        let mut network = Network::new(&[10, 11, 12, 13], seed);
        network.loss_percent = 15;
        assert!(network.run_until(6));
        (network.now, network.commit_times, network.max_round)
    };
    assert_eq!(run(3), run(3));
    assert_ne!(run(3), run(4));
}

#[test]
fn a_node_that_starts_late_catches_up() {
    let mut network = Network::new(&[10, 11, 12, 13], 5);
    // Node 3 crashes with its first output and comes back each time, so that the others go ahead.
    let crash = |before_output| super::network::Crash {
        node: 3,
        before_output,
        torn_bytes: 0,
        losses: Default::default(),
    };
    network.crashes = (0..12).map(crash).collect();
    assert!(network.run_until(12));
    network.check();
    assert!(network.double_signs.is_empty());
}

#[test]
fn a_validator_that_votes_twice_is_reported_once() {
    let mut network = Network::new(&[10, 11, 12, 13], 2);
    assert!(network.run_until(1));
    // Node 3 is the adversary: conflicting prevotes for the height that node 0 is at, or starts next.
    let height = u32::try_from(network.height(0) + 1).expect("few heights");
    let vote = |block: Option<Hash>| {
        let vote = Vote { kind: VoteKind::Prevote, height, round: 0, block, validator: account(3) };
        let mut signed = SignedVote { vote, signature: [0; 64] };
        signed.signature = key(3).sign(&signed.signed_bytes(&GENESIS)).to_bytes();
        Message::Vote(signed)
    };
    for block in [None, Some(Hash([1; 32])), Some(Hash([2; 32]))] {
        network.send(0, vote(block));
    }
    assert!(network.run_until(4));
    network.check();
    let accused: Vec<_> = network
        .evidence
        .iter()
        .map(|evidence| evidence.offence().expect("conflicts"))
        .filter(|offence| offence.height == height)
        .collect();
    assert_eq!(accused.len(), 1, "{accused:?}");
    assert_eq!(accused[0].validator, account(3));
}

/// One of four validators, started at height 1 with no one else there.
fn lone(node: usize) -> (Consensus, Vec<Output>) {
    let identity = Identity { genesis: GENESIS, account: account(node), key: key(node) };
    let (config, recovered) = (Config::default(), Recovered::default());
    let mut consensus =
        Consensus::new(config, identity, recovered, WithoutRecord::NewChain).expect("new");
    let mut out = Vec::new();
    let validators = validator_set(&[1, 1, 1, 1], 1);
    let start = Input::Start { height: 1, validators, parent: GENESIS, certificate: None };
    consensus.step(Time(0), start, &mut out);
    (consensus, out)
}

/// A node of four that does not propose first, and the propose timer of round 0.
fn waiting() -> (Consensus, crate::Timer) {
    (0..4)
        .find_map(|node| {
            let (consensus, out) = lone(node);
            let builds = out.iter().any(|output| matches!(output, Output::Build { .. }));
            let timer = out.iter().find_map(|output| match output {
                Output::Schedule(timer, _) if timer.kind == TimerKind::Propose(0) => Some(*timer),
                _ => None,
            })?;
            (!builds).then_some((consensus, timer))
        })
        .expect("three of four do not propose")
}

fn prevotes(out: &[Output]) -> usize {
    let is = |o: &&Output| matches!(o, Output::Broadcast(Message::Vote(s)) if s.vote.kind == VoteKind::Prevote);
    out.iter().filter(is).count()
}

#[test]
fn a_timer_counts_once_and_not_after_it_was_cancelled() {
    let (mut consensus, timer) = waiting();
    let mut out = Vec::new();
    consensus.step(Time(3_000), Input::Elapsed(timer), &mut out);
    assert_eq!(prevotes(&out), 1, "nil for the missing proposal");
    out.clear();
    consensus.step(Time(3_001), Input::Elapsed(timer), &mut out);
    assert_eq!(out, [], "it has gone off already");

    let (mut consensus, timer) = waiting();
    let validators = validator_set(&[1, 1, 1, 1], 2);
    let start = Input::Start { height: 2, validators, parent: Hash([1; 32]), certificate: None };
    consensus.step(Time(10), start, &mut out);
    out.clear();
    consensus.step(Time(3_000), Input::Elapsed(timer), &mut out);
    assert_eq!(out, [], "it belongs to a height that is over");
}

#[test]
fn what_is_published_is_on_disk_before() {
    let (mut consensus, timer) = waiting();
    let mut out = Vec::new();
    consensus.step(Time(3_000), Input::Elapsed(timer), &mut out);
    let place = |is: fn(&Output) -> bool| out.iter().position(is).expect("is there");
    let log = place(|output| matches!(output, Output::AppendWal(_)));
    let guard = place(|output| matches!(output, Output::WriteGuard(_)));
    let vote = place(|output| matches!(output, Output::Broadcast(_)));
    assert!(log < guard && guard < vote);
}

#[test]
fn an_unnamed_block_is_not_looked_at() {
    let (mut consensus, _) = waiting();
    let mut out = Vec::new();
    for number in 0..20 {
        let bytes = Arc::new(vec![number; 100]);
        let body = Body { height: 1, round: 0, block: Hash([number; 32]), bytes };
        consensus.step(Time(1), Input::Received(Message::Body(body)), &mut out);
    }
    assert_eq!(out, []);
}

#[test]
fn without_guard_record_nothing_is_signed_until_the_chain_has_moved_on() {
    let identity = Identity { genesis: GENESIS, account: account(0), key: key(0) };
    let without = WithoutRecord::ExistingChain { started_ms: 1_000 };
    let mut consensus =
        Consensus::new(Config::default(), identity, Recovered::default(), without).expect("new");
    let mut out = Vec::new();
    let validators = validator_set(&[1], 5);
    let start = Input::Start { height: 5, validators, parent: GENESIS, certificate: None };
    consensus.step(Time(0), start, &mut out);
    let builds = |out: &[Output]| out.iter().any(|o| matches!(o, Output::Build { .. }));
    assert!(!builds(&out), "the only validator does not even propose");
    assert!(!out.iter().any(|output| matches!(output, Output::WriteGuard(_))));
}
