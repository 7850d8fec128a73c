//! Sentences about peers that mean no good; the long form is the command `hostile`.

use artel_e2e::hostile::{self, Door, Plan, Way, eclipse};
use std::time::Duration;

#[test]
fn a_chain_goes_on_and_memory_is_bounded_beside_peers_that_are_hostile_at_every_door() {
    let plan = Plan {
        attackers: 5,
        lasts: Duration::from_millis(300),
        doors: Door::ALL.to_vec(),
        ways: Way::ALL.to_vec(),
        is_mixed: true,
        seed: 1,
    };
    let mut seen = Vec::new();
    let rest = hostile::run(&plan, |report| {
        println!("{report:?}");
        seen.push(report.messages > 0 && report.violations.is_empty());
    });
    let rest = rest.expect("the chain goes on");
    assert!(rest.holds(), "{rest:?}");
    assert_eq!(seen, vec![true; Door::ALL.len()]);
}

#[test]
fn who_owns_one_range_of_addresses_gets_no_more_than_its_share_of_a_node() {
    let report = eclipse::run().expect("honest peers are found");
    println!("{report:?}");
    assert!(report.holds(), "{report:?}");
}
