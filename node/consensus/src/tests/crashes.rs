//! Crashes before every single output that matters, with and without what should have been kept.

use super::network::{Crash, Losses, Network};
use std::collections::BTreeSet;

/// Enough outputs to cover three heights.
const OUTPUTS_OF_ONE: u64 = 30;
const OUTPUTS_OF_FOUR: u64 = 45;

fn run(powers: &[u64], seed: u64, crash: Crash, height: usize) -> (bool, Network) {
    let mut network = Network::new(powers, seed);
    network.crashes = vec![crash];
    let done = network.run_until(height);
    network.check();
    (done, network)
}

#[test]
fn a_single_validator_survives_a_crash_before_any_output() {
    for before_output in 0..OUTPUTS_OF_ONE {
        for torn_bytes in [0, 1, 7, 100, 1_000_000] {
            let crash = Crash {
                node: 0,
                before_output,
                torn_bytes,
                down_ms: 40,
                losses: Losses::default(),
            };
            let (done, network) = run(&[7], 1, crash, 6);
            assert!(done, "stuck after {crash:?}");
            assert!(network.double_signs.is_empty(), "{crash:?}: {:?}", network.double_signs);
        }
    }
}

#[test]
fn one_of_four_survives_a_crash_before_any_output() {
    for before_output in 0..OUTPUTS_OF_FOUR {
        for torn_bytes in [0, 150, 1_000_000] {
            let node = usize::try_from(before_output % 4).expect("small");
            let crash =
                Crash { node, before_output, torn_bytes, down_ms: 40, losses: Losses::default() };
            let (done, network) = run(&[10, 11, 12, 13], before_output, crash, 5);
            assert!(done, "stuck after {crash:?}");
            assert!(network.double_signs.is_empty(), "{crash:?}: {:?}", network.double_signs);
            assert!(network.evidence.is_empty(), "an honest node is accused after {crash:?}");
        }
    }
}

#[test]
fn two_of_four_survive_crashes_while_messages_get_lost() {
    for seed in 0..30 {
        let mut network = Network::new(&[10, 11, 12, 13], seed);
        network.loss_percent = 10;
        let crash = |node: usize, before_output| Crash {
            node,
            before_output,
            torn_bytes: 60,
            down_ms: 40,
            losses: Losses::default(),
        };
        network.crashes =
            vec![crash(0, 3 + seed % 17), crash(1, 5 + seed % 11), crash(0, 25), crash(1, 31)];
        assert!(network.run_until(6), "seed {seed} is stuck");
        network.check();
        assert!(network.double_signs.is_empty(), "seed {seed}: {:?}", network.double_signs);
    }
}

#[test]
fn the_guard_alone_prevents_double_signing() {
    for before_output in 0..OUTPUTS_OF_FOUR {
        let losses = Losses { wal: true, guard: false };
        let crash = Crash { node: 0, before_output, torn_bytes: 0, down_ms: 40, losses };
        let (done, network) = run(&[10, 11, 12, 13], before_output, crash, 5);
        assert!(done, "stuck after {crash:?}");
        assert!(network.double_signs.is_empty(), "{crash:?}: {:?}", network.double_signs);
    }
}

#[test]
fn the_log_alone_prevents_double_signing() {
    for before_output in 0..OUTPUTS_OF_FOUR {
        let losses = Losses { wal: false, guard: true };
        let crash = Crash { node: 0, before_output, torn_bytes: 0, down_ms: 40, losses };
        let (done, network) = run(&[10, 11, 12, 13], before_output, crash, 5);
        assert!(done, "stuck after {crash:?}");
        assert!(network.double_signs.is_empty(), "{crash:?}: {:?}", network.double_signs);
    }
}

/// That the oracle sees anything at all.
#[test]
fn without_log_and_guard_a_crash_leads_to_double_signing() {
    let mut double_signs = BTreeSet::new();
    for before_output in 0..OUTPUTS_OF_FOUR {
        let losses = Losses { wal: true, guard: true };
        let crash = Crash { node: 0, before_output, torn_bytes: 0, down_ms: 40, losses };
        let (_, network) = run(&[10, 11, 12, 13], before_output, crash, 5);
        double_signs.extend(network.double_signs);
    }
    assert!(!double_signs.is_empty());
    assert!(double_signs.iter().all(|(node, ..)| *node == 0));
}

#[test]
fn a_chain_halts_while_a_third_is_away_and_goes_on_when_it_is_back() {
    let mut network = Network::new(&[10, 10, 10, 10], 4);
    let away = |node| Crash {
        node,
        before_output: 20,
        torn_bytes: 0,
        down_ms: 30_000,
        losses: Losses::default(),
    };
    network.crashes = vec![away(2), away(3)];
    assert!(network.run_until(8));
    network.check();
    let pause = network.commit_times.windows(2).map(|pair| pair[1] - pair[0]).max();
    assert!(pause.expect("several blocks") > 25_000, "two of four decide nothing");
    assert!(network.double_signs.is_empty());
}
