//! Runs without crashes: validators decide, at the right pace.

use super::network::{GENESIS, Network, account, key};
use crate::{Message, SignedVote, Vote, VoteKind};
use ed25519_dalek::Signer;
use primitives::{Hash, crypto::keys::verify_ed25519};

#[test]
fn a_single_validator_decides() {
    let mut network = Network::new(&[5], 1);
    assert!(network.run_until(20));
    network.check();
    assert_eq!(network.max_round, 0);
}

#[test]
fn blocks_come_at_the_interval_when_work_waits_and_at_the_heartbeat_when_not() {
    for (busy, expected_ms) in [(true, 250), (false, 3_000)] {
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

/// The runtime checks the certificates in blocks, and knows nothing of this crate.
#[test]
fn what_validators_sign_is_what_the_runtime_checks() {
    let mut network = Network::new(&[10, 11, 12, 13], 1);
    assert!(network.run_until(5));
    for certificate in network.certificates(0) {
        let message = certificate.signed_bytes(&GENESIS);
        for (who, signature) in &certificate.signatures {
            let node = usize::from(who.0[0]) - 1;
            assert_eq!(*who, account(node));
            let vote_key = key(node).verifying_key().to_bytes();
            assert!(verify_ed25519(&vote_key, &message, signature), "{certificate:?}");
        }
        assert!(certificate.signatures.len() >= 3, "{certificate:?}");
    }
    assert!(network.certificates(0).count() >= 5);
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
        down_ms: 40,
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
    // Node 3 is the adversary: conflicting prevotes for the height that node 0 is at, or starts
    // next.
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
