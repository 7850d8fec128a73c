//! That the oracle sees what it should, and that each of log and guard does its part.

use crate::*;

/// Double signs over some runs with many crashes.
fn double_signs(ablation: Ablation) -> u64 {
    let run = |seed: u64| {
        let mut sim = sim(seed).nodes(4).transactions(0).delay(20, 200).without(ablation);
        for (crash, node) in (0..6).zip([0, 1, 2, 3].into_iter().cycle()) {
            sim = sim.crash_for(node, after(700 * crash + 90 * seed), 40);
        }
        sim.until_height(5).double_signs
    };
    (1..=3).map(run).sum()
}

#[test]
fn without_log_and_guard_validators_sign_twice() {
    assert!(double_signs(Ablation::NoLogAndNoGuard) > 0);
}

#[test]
fn with_more_than_a_third_lying_there_are_forks_and_they_are_seen() {
    let run = |seed| sim(seed).nodes(4).equivocator(1).equivocator(2).until_height(12);
    let outcomes: Vec<Outcome> = (1..=6).map(run).collect();
    let forks: u64 = outcomes.iter().map(|outcome| outcome.forks).sum();
    assert!(forks > 0, "{outcomes:?}");
}

#[test]
fn the_guard_alone_prevents_double_signing() {
    assert_eq!(double_signs(Ablation::NoLog), 0);
    assert_eq!(double_signs(Ablation::NoReplay), 0);
}
