//! Late nodes among honest peers and liars; the long form is the command `joiner`.

use artel_e2e::{
    chains::Plan,
    joiner::{self, BLOCKS_ABOVE, Peers, Report},
    liars::Lie,
};

/// Liars are known from the start, so that all are asked before a short chain is fetched.
const PEERS: Peers = Peers { servers: 2, liars: 5, are_known: true };

fn found_out(reports: &[Report]) -> Vec<Lie> {
    let liars = reports.iter().flat_map(|report| &report.liars);
    liars.filter(|liar| liar.has_lied && liar.is_banned).map(|liar| liar.how).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_node_fetches_all_blocks_and_bans_whoever_is_proved_to_lie() {
    let plan = Plan { accounts: 0, blocks: 400, transfers: 4_000, seed: 1 };
    let mut reports = Vec::new();
    let ran = joiner::blocks(
        plan,
        PEERS,
        |_| {},
        |report| {
            println!("{report:?}");
            reports.push(report.clone());
        },
    );
    ran.await.expect("it follows the chain, says so, and lets liars go");
    assert_eq!(reports.len(), 2);
    assert!(!found_out(&reports).is_empty(), "nobody was asked and found to lie");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_node_begins_with_a_state_in_spite_of_liars_and_of_a_crash_half_way() {
    let plan = Plan { accounts: 20_000, blocks: 2 * BLOCKS_ABOVE, transfers: 0, seed: 1 };
    let mut reports = Vec::new();
    let ran = joiner::state(
        plan,
        PEERS,
        |_| {},
        |report| {
            println!("{report:?}");
            reports.push(report.clone());
        },
    );
    ran.await.expect("it begins, follows the chain, says so, and lets liars go");
    assert_eq!(reports.len(), 2);
    assert!(!found_out(&reports).is_empty(), "nobody was asked and found to lie");
}
