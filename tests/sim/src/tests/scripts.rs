use crate::*;

#[test]
fn four_validators_and_two_followers_agree_on_blocks_with_transactions() {
    let outcome = sim(1).nodes(4).followers(2).transactions(150).until_height(12);
    outcome.expect_good();
    assert!(outcome.transactions > 10, "{outcome:?}");
    assert!(outcome.synced >= 24, "followers sync: {outcome:?}");
    assert_eq!((outcome.max_round, outcome.evidence), (0, 0));
}

#[test]
fn the_chain_halts_in_a_partition_of_halves_and_goes_on_when_it_heals() {
    let outcome =
        sim(2).nodes(4).crash(2, at_height(5)).partition([0, 1], [2, 3], secs(10)).until_height(20);
    outcome.expect_good();
    assert_eq!((outcome.crashes, outcome.partitions), (1, 1));
    assert!(outcome.ms > secs(10) + 20 * 250, "{outcome:?}");
}

#[test]
fn more_than_a_third_away_halts_the_chain_and_it_recovers() {
    let outcome = sim(3)
        .nodes(4)
        .crash_for(2, at_height(3), secs(30))
        .crash_for(3, at_height(3), secs(30))
        .until_height(9);
    outcome.expect_good();
    assert!(outcome.ms > secs(30), "two of four decide nothing: {outcome:?}");
}

#[test]
fn a_block_ahead_of_the_clocks_of_others_is_judged_when_its_time_has_come() {
    let outcome = sim(9).nodes(4).clock(1, after(0), 1_500, secs(20)).until_height(12);
    outcome.expect_good();
    assert_eq!(outcome.max_round, 0, "it costs the proposer's turn: {outcome:?}");
}

#[test]
fn a_validator_that_has_lost_its_records_signs_nothing_twice() {
    for seed in 1..=8 {
        let outcome = sim(seed).nodes(4).forget(1, at_height(4)).until_height(10);
        outcome.expect_good();
        assert_eq!(outcome.forgotten, 1);
    }
}

#[test]
fn who_signs_twice_is_caught_and_nobody_else_is_accused() {
    let outcome = sim(4).nodes(4).equivocator(1).until_height(30);
    outcome.expect_good();
    assert!(outcome.evidence > 0 && outcome.equivocations > 20, "{outcome:?}");
    assert!(outcome.slashed > 0, "a block has the evidence: {outcome:?}");
}

#[test]
fn withheld_bodies_are_fetched_from_others_or_cost_a_round() {
    let outcome = sim(5).nodes(4).withholder(2).until_height(15);
    outcome.expect_good();
}

#[test]
fn a_validator_that_joins_late_catches_up_and_the_chain_bears_clocks_that_jump_and_spam() {
    let outcome = sim(6)
        .nodes(5)
        .followers(1)
        .late(4, at_height(8))
        .late(5, at_height(9))
        .clock(1, at_height(3), 5_000, secs(4))
        .clock(2, at_height(6), -5_000, secs(4))
        .spam(100)
        .until_height(16);
    outcome.expect_good();
    assert!(outcome.synced >= 16, "{outcome:?}");
}

#[test]
fn who_runs_consensus_without_a_seat_signs_nothing_and_keeps_up() {
    let outcome = sim(7).nodes(4).standbys(2).crash(5, at_height(4)).until_height(8);
    outcome.expect_good();
}

#[test]
fn lost_and_doubled_messages_cost_time_alone() {
    let outcome =
        sim(8).nodes(7).loss(15).doubles(20).delay(20, 300).pulling_decided().until_height(10);
    outcome.expect_good();
}
