//! Blocks from build to commit, on a real database.

mod faults;
pub(crate) mod fixture;
mod genesis;
mod imports;
mod light;
mod news;
mod panics;
mod random;
mod upgrades;
mod verify;

use crate::*;
use fixture::{Fixture, dev, folder};
use primitives::{Balance, Hash, StateRead};

pub(crate) const ARTL: u128 = 1_000_000_000_000;

#[test]
fn a_block_is_built_committed_and_found_after_a_restart() {
    let dir = folder();
    let mut f = Fixture::open(&dir);
    let genesis = f.chain.head().clone();
    assert_eq!((genesis.height, genesis.time_ms), (0, 0));
    assert_eq!(genesis.hash, f.chain.genesis());
    assert_eq!(genesis_hash(&fixture::genesis()).expect("it is valid"), genesis.hash);

    let transfer = f.transfer(0, 1, 0, ARTL);
    let built = f.build(1_000, &[&transfer]);
    assert_eq!((built.included, built.rejected.len()), (1, 0));
    assert_eq!(f.chain.head().hash, genesis.hash, "a built block is not final");
    let certificate = f.certificate(&built.hash);
    let committed = f.chain.commit(&built.hash, certificate.clone()).expect("it was built");
    assert_eq!(committed.included[0].hash, transfer.hash());
    assert_eq!(committed.hashes.len(), 2, "the time comes before the transfer");
    let events = committed.head.snapshot.get(&storage::EVENTS_KEY);
    assert!(events.is_some_and(|events| events.len() > 100), "events are stored");
    let free = f.free(1);
    assert_eq!(free, Balance::new(1_001 * ARTL));

    // Whoever has a head has the database open.
    drop((f, genesis, committed));
    let f = Fixture::open(&dir);
    let head = f.chain.head();
    assert_eq!((head.height, head.hash, head.time_ms), (1, built.hash, 1_000));
    assert_eq!(head.certificate.as_deref(), Some(&certificate));
    assert_eq!(*head.header, built.block.header);
    assert_eq!(f.free(1), free);
    let stored = f.chain.database().block(1).expect("the database works");
    assert_eq!(stored.as_ref(), Some(&*built.block));
    f.check_state();
}

#[test]
fn a_second_node_checks_the_block_and_agrees() {
    let (dir, other) = (folder(), folder());
    let (mut f, mut g) = (Fixture::open(&dir), Fixture::open(&other));
    for height in 1..=4 {
        let first = f.nonce(0);
        let transfers: Vec<_> =
            (1..5).map(|to| f.transfer(0, to, first + u32::from(to) - 1, 7)).collect();
        let built = f.build(height * 1_000, &transfers.iter().collect::<Vec<_>>());
        assert_eq!(built.included, 4);
        let checked = g.check(&built.block, None).expect("the block is valid");
        assert_eq!((checked.hash, checked.author), (built.hash, dev(0).account));
        let certificate = f.certificate(&built.hash);
        let ours = f.chain.commit(&built.hash, certificate.clone()).expect("built");
        let theirs = g.chain.commit(&built.hash, certificate).expect("checked");
        assert_eq!(ours.head.snapshot.root, theirs.head.snapshot.root);
        assert_eq!(ours.head.snapshot.root, built.block.header.state_root);
        assert_eq!(theirs.included, ours.included);
    }
    assert_eq!(f.nonce(0), 16);
}

#[test]
fn blocks_of_several_rounds_wait_side_by_side() {
    let dir = folder();
    let mut f = Fixture::open(&dir);
    let transfer = f.transfer(0, 1, 0, 5);
    let first = f.build(1_000, &[]);
    let second = f.build(2_000, &[&transfer]);
    let third = f.build(3_000, &[]);
    assert_ne!(first.block.header.state_root, second.block.header.state_root);
    let certificate = f.certificate(&second.hash);
    let committed = f.chain.commit(&second.hash, certificate).expect("it waits aside");
    assert_eq!(committed.head.snapshot.root, second.block.header.state_root);
    assert_eq!(f.nonce(0), 1);

    let late = f.certificate(&third.hash);
    let gone = f.chain.commit(&third.hash, late);
    assert!(matches!(gone, Err(Error::UnknownBlock(hash)) if hash == third.hash));
    f.grow(4_000, &[]);
    f.check_state();
}

#[test]
fn the_oldest_candidate_makes_room_and_can_be_checked_again() {
    let dir = folder();
    let mut f = Fixture::open(&dir);
    let count = u64::try_from(CANDIDATES_MAX).expect("small") + 1;
    let built: Vec<Built> = (1..=count).map(|n| f.build(n * 1_000, &[])).collect();
    let first = &built[0];
    let certificate = f.certificate(&first.hash);
    let gone = f.chain.commit(&first.hash, certificate.clone());
    assert!(matches!(gone, Err(Error::UnknownBlock(_))));
    f.check(&first.block, None).expect("it is valid still");
    f.chain.commit(&first.hash, certificate).expect("it was checked again");
    assert_eq!(f.chain.head().hash, first.hash);
}

#[test]
fn a_proposer_leaves_out_what_is_invalid_and_names_it() {
    let dir = folder();
    let mut f = Fixture::open(&dir);
    let good = f.transfer(0, 1, 0, 5);
    let stale = f.transfer(1, 2, 0, 5);
    f.grow(1_000, &[&stale]);
    let future = f.transfer(2, 3, 7, 5);
    let poor = f.transfer(9, 0, 0, 5);
    let built = f.build(2_000, &[&stale, &future, &good, &poor]);
    assert_eq!(built.included, 1);
    let refusals: Vec<_> = built.rejected.iter().map(|r| (r.hash, r.refusal.clone())).collect();
    let invalid = |reason| Refusal::Invalid(reason);
    assert_eq!(
        refusals,
        [
            (stale.hash(), invalid(runtime::InvalidTransaction::Stale)),
            (poor.hash(), invalid(runtime::InvalidTransaction::Payment)),
        ]
    );
}

#[test]
fn a_proposer_stops_when_it_is_late() {
    let dir = folder();
    let mut f = Fixture::open(&dir);
    let transfers: Vec<_> = (0..5).map(|nonce| f.transfer(0, 1, nonce, 5)).collect();
    let mut asked = 0;
    let built = f.build_until(1_000, &transfers.iter().collect::<Vec<_>>(), &mut || {
        asked += 1;
        asked > 3
    });
    assert_eq!((built.included, built.rejected.len()), (3, 0));
}

#[test]
fn a_clock_that_lags_gives_the_heads_time_and_a_millisecond() {
    let dir = folder();
    let mut f = Fixture::open(&dir);
    f.grow(5_000, &[]);
    f.grow(17, &[]);
    assert_eq!(f.chain.head().time_ms, 5_001);
}

#[test]
fn another_chains_specification_is_refused() {
    let dir = folder();
    drop(Fixture::open(&dir));
    let mut genesis = fixture::genesis();
    genesis.Session.randomness = Hash([9; 32]);
    let config = Config { path: dir.path().into(), ..Config::default() };
    let refused = Chain::open(&config, &genesis).err().expect("it has another genesis");
    assert!(matches!(refused, Error::OtherGenesis { .. }), "{refused}");
}
