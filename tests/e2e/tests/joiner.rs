//! Late nodes among honest peers and liars; the long form is the command `joiner`.

use artel_e2e::{
    chains::Plan,
    joiner::{self, BLOCKS_ABOVE, Peers, Report},
};

/// Liars are known from the start, so that all are asked before a short chain is fetched.
const PEERS: Peers = Peers { servers: 2, liars: 5, are_known: true };

/// Prints a report and keeps it.
fn noted(reports: &mut Vec<Report>) -> impl FnMut(&Report) {
    |report| {
        println!("{report:?}");
        reports.push(report.clone());
    }
}

/// It came alone and among liars, of whom one at least was found out.
fn check(reports: &[Report]) {
    assert_eq!(reports.len(), 2);
    let mut liars = reports.iter().flat_map(|report| &report.liars);
    assert!(liars.any(|liar| liar.has_lied && liar.is_banned), "nobody was asked and found to lie");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_node_fetches_all_blocks_and_bans_whoever_is_proved_to_lie() {
    let plan = Plan { accounts: 0, blocks: 400, transfers: 4_000, seed: 1 };
    let mut reports = Vec::new();
    let ran = joiner::blocks(plan, PEERS, |_| {}, noted(&mut reports));
    ran.await.expect("it follows the chain, says so, and lets liars go");
    check(&reports);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_node_begins_with_a_state_in_spite_of_liars_and_of_a_crash_half_way() {
    let plan = Plan { accounts: 20_000, blocks: 2 * BLOCKS_ABOVE, transfers: 0, seed: 1 };
    let mut reports = Vec::new();
    let ran = joiner::state(plan, PEERS, |_| {}, noted(&mut reports));
    ran.await.expect("it begins, follows the chain, says so, and lets liars go");
    check(&reports);
}
