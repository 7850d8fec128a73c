use crate::*;

/// How many runs, so that it takes well below a minute.
const RUNS: u64 = 40;

#[test]
fn drawn_runs_keep_all_promises() {
    let (table, failed) = run_many(1, RUNS, cores());
    println!("{table}");
    failed.iter().for_each(Outcome::expect_good);
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let (first, again) = (run_drawn(11), run_drawn(11));
    assert_eq!((first.trace, first.events, first.ms), (again.trace, again.events, again.ms));
    assert_ne!(first.trace, run_drawn(12).trace);
}

#[test]
fn finality_over_a_wide_area_is_measured() {
    let latency = wan::measure(10, 4, 1);
    assert_eq!((latency.finality_ms.len() >= 40, latency.max_round), (true, 0));
    // Three one-way trips between the farthest places, at most; and a round trip between the nearest at least.
    assert!(latency.finality_ms.last().is_some_and(|ms| *ms < 3 * 200), "{latency}");
}
