//! Crashes before every single output that matters, with and without what should have been kept.

use super::network::{Crash, Losses, Network};
use std::collections::BTreeSet;

/// Enough outputs to cover a few heights.
const OUTPUTS_OF_ONE: u64 = 30;
const OUTPUTS_OF_FOUR: u64 = 36;
const FOUR: [u64; 4] = [10, 11, 12, 13];

/// Run until everybody is three heights above the crash or more.
fn run(powers: &[u64], crash: Crash, is_sworn: bool) -> Network {
    let mut network = Network::new(powers, crash.before_output);
    network.is_sworn = is_sworn;
    network.crashes = vec![crash];
    assert!(network.run_until(if powers.len() == 1 { 7 } else { 4 }), "stuck after {crash:?}");
    network.check();
    assert!(network.crashed, "{crash:?} never came");
    network
}

/// Crash before each output; where that is an append to the log, with several lengths that still
/// get to the disk.
fn check_all(powers: &[u64], outputs: u64, losses: Losses) {
    for before_output in 0..outputs {
        let mut appends = true;
        for torn_bytes in [0, 7, 150, 1_000_000] {
            if !appends {
                break;
            }
            let node = usize::try_from(before_output).expect("few outputs") % powers.len();
            let crash = Crash { node, before_output, torn_bytes, down_ms: 40, losses };
            let network = run(powers, crash, false);
            assert!(network.double_signs.is_empty(), "{crash:?}: {:?}", network.double_signs);
            assert!(network.evidence.is_empty(), "an honest node is accused after {crash:?}");
            appends = network.crash_tore_log;
        }
    }
}

#[test]
fn a_single_validator_survives_a_crash_before_any_output() {
    check_all(&[7], OUTPUTS_OF_ONE, Losses::default());
}

#[test]
fn one_of_four_survives_a_crash_before_any_output() {
    check_all(&FOUR, OUTPUTS_OF_FOUR, Losses::default());
}

#[test]
fn two_of_four_survive_crashes_while_messages_get_lost() {
    for seed in 0..30 {
        let mut network = Network::new(&FOUR, seed);
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
    check_all(&FOUR, OUTPUTS_OF_FOUR, Losses { wal: true, guard: false });
}

#[test]
fn the_log_alone_prevents_double_signing() {
    check_all(&FOUR, OUTPUTS_OF_FOUR, Losses { wal: false, guard: true });
}

/// That the oracle sees anything at all.
#[test]
fn without_log_and_guard_a_crash_leads_to_double_signing_by_those_told_to_sign() {
    let losses = Losses { wal: true, guard: true };
    let double_signs: BTreeSet<_> = (0..OUTPUTS_OF_FOUR)
        .map(|before_output| Crash { node: 0, before_output, torn_bytes: 0, down_ms: 40, losses })
        .flat_map(|crash| run(&FOUR, crash, true).double_signs)
        .collect();
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
