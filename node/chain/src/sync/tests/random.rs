//! Any mixture of peers with an honest one among them.

use super::world::{Manner, TestChain, World};
use proptest::prelude::*;

fn manner() -> impl Strategy<Value = Manner> {
    use Manner::*;
    prop::sample::select(vec![
        Honest,
        Lossy,
        Silent,
        Empty,
        Short,
        Boaster,
        Forger,
        BodySwapper,
        Inventor,
        Babbler,
        Flooder,
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn with_one_honest_peer_a_node_gets_the_chain_and_punishes_no_honest_one(
        mut manners in proptest::collection::vec(manner(), 0..7),
        place in 0usize..7,
        length in 1u32..250,
        changes in proptest::collection::vec(1u32..250, 0..4),
        delay_ms in 1u64..300,
    ) {
        manners.insert(place.min(manners.len()), Manner::Honest);
        let mut world = World::new(TestChain::new(length, &changes, 1), &manners, delay_ms);
        world.greet();
        world.run();
        prop_assert_eq!(world.head, length);
        prop_assert_eq!(world.alarm.as_ref(), None);
        for (peer, fault) in &world.punished {
            prop_assert!(!manners[*peer].is_harmless(), "{:?}: {}", manners[*peer], fault);
        }
        // Each liar costs at most some pauses, and imports take 2 ms a block.
        prop_assert!(world.now < 120_000, "it took {} ms", world.now);
    }
}
