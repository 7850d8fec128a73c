//! The pool's rules, one by one, and all together against a model.

mod model;

use crate::*;
use primitives::{AccountId, Hash, Height, Nonce};

const ALICE: AccountId = AccountId([1; 32]);
const BOB: AccountId = AccountId([2; 32]);
const CHARLIE: AccountId = AccountId([3; 32]);
const ALL: Limits = Limits { count: usize::MAX, bytes: u64::MAX, weight: u64::MAX };

/// Its hash tells sender, nonce and priority.
fn tx(sender: AccountId, nonce: Nonce, priority: u64) -> Transaction<()> {
    let mut hash = [sender.0[0]; 32];
    hash[..4].copy_from_slice(&nonce.to_be_bytes());
    hash[4..12].copy_from_slice(&priority.to_be_bytes());
    Transaction {
        hash: Hash(hash),
        sender,
        nonce,
        priority,
        bytes: 100,
        weight: 1,
        death: Height::MAX,
        content: (),
    }
}

fn included(tx: &Transaction<()>) -> Included {
    Included { hash: tx.hash, sender: tx.sender, nonce: tx.nonce }
}

/// A pool of accounts with nonce 0, and the latest news of each transaction.
struct Fixture {
    pool: Pool<()>,
    changes: Vec<Change>,
}

impl Fixture {
    fn new(config: Config) -> Self {
        config.validate().expect("the test's limits are possible");
        Self { pool: Pool::new(config, 0), changes: Vec::new() }
    }

    fn insert(&mut self, tx: Transaction<()>) -> Result<(), Refusal> {
        self.pool.insert(tx, 0, &mut self.changes)
    }

    fn accept(&mut self, txs: impl IntoIterator<Item = Transaction<()>>) {
        for tx in txs {
            self.insert(tx).expect("the pool takes it");
        }
    }

    fn on_head(&mut self, height: Height, txs: &[Transaction<()>]) {
        let included: Vec<Included> = txs.iter().map(included).collect();
        self.pool.on_head(height, &included, &mut self.changes);
    }

    fn status(&self, tx: &Transaction<()>) -> Option<Status> {
        self.changes.iter().rev().find(|change| change.hash == tx.hash).map(|change| change.status)
    }

    fn taken(&self, limits: Limits) -> Vec<(AccountId, Nonce)> {
        self.pool.take(limits).into_iter().map(|tx| (tx.sender, tx.nonce)).collect()
    }
}

#[test]
fn nonces_order_a_sender_and_priorities_order_senders() {
    let mut f = Fixture::new(Config::default());
    f.accept([tx(ALICE, 1, 90), tx(ALICE, 0, 10), tx(BOB, 0, 20), tx(CHARLIE, 0, 10)]);
    assert_eq!(f.taken(ALL), [(BOB, 0), (ALICE, 0), (ALICE, 1), (CHARLIE, 0)]);
    assert_eq!(f.taken(Limits { count: 2, ..ALL }), [(BOB, 0), (ALICE, 0)]);
    assert_eq!(f.taken(ALL).len(), 4, "taking removes nothing");
}

#[test]
fn what_does_not_fit_makes_room_for_what_does() {
    let mut f = Fixture::new(Config::default());
    let large = Transaction { bytes: 900, weight: 9, ..tx(ALICE, 0, 50) };
    f.accept([large, tx(ALICE, 1, 99), tx(BOB, 0, 1)]);
    assert_eq!(f.taken(Limits { bytes: 899, ..ALL }), [(BOB, 0)]);
    assert_eq!(f.taken(Limits { weight: 8, ..ALL }), [(BOB, 0)]);
    assert_eq!(f.taken(Limits { bytes: 1000, ..ALL }), [(ALICE, 0), (ALICE, 1)]);
}

#[test]
fn a_future_one_waits_until_the_gap_closes() {
    let mut f = Fixture::new(Config::default());
    f.accept([tx(ALICE, 2, 5), tx(ALICE, 0, 5)]);
    assert_eq!(f.status(&tx(ALICE, 2, 5)), Some(Status::Future));
    assert_eq!((f.pool.ready(), f.pool.futures()), (1, 1));
    assert_eq!(f.pool.nonce_after(&ALICE), Some(1));
    assert_eq!(f.taken(ALL), [(ALICE, 0)]);
    f.changes.clear();
    f.accept([tx(ALICE, 1, 5)]);
    let news: Vec<_> = [tx(ALICE, 1, 5), tx(ALICE, 2, 5)]
        .map(|tx| Change { hash: tx.hash, status: Status::Ready })
        .to_vec();
    assert_eq!(f.changes, news);
    assert_eq!(f.pool.nonce_after(&ALICE), Some(3));
    assert_eq!(f.pool.nonce_after(&BOB), None);
}

#[test]
fn a_replacement_needs_a_tenth_more() {
    let mut f = Fixture::new(Config::default());
    let old = tx(ALICE, 0, 100);
    f.accept([old.clone(), tx(BOB, 0, 0)]);
    let refused = f.insert(tx(ALICE, 0, 109));
    assert_eq!(refused, Err(Refusal::PriorityTooLow { old: 100, new: 109 }));
    assert_eq!(f.status(&old), Some(Status::Ready));
    let new = tx(ALICE, 0, 110);
    f.accept([new.clone(), tx(BOB, 0, 1)]);
    assert_eq!(f.status(&old), Some(Status::Usurped(new.hash)));
    assert_eq!(f.status(&new), Some(Status::Ready));
    assert_eq!(f.pool.len(), 2);
    assert_eq!(f.pool.bytes(), 200);
    assert_eq!(f.insert(new.clone()), Err(Refusal::AlreadyImported(new.hash)));
}

#[test]
fn nonces_outside_the_window_are_refused() {
    let mut f = Fixture::new(Config { sender_nonces_max: 4, ..Config::default() });
    let far = f.pool.insert(tx(ALICE, 14, 1), 10, &mut f.changes);
    assert_eq!(far, Err(Refusal::TooFarInFuture { nonce: 14, nonce_max: 13 }));
    let stale = f.pool.insert(tx(ALICE, 9, 1), 10, &mut f.changes);
    assert_eq!(stale, Err(Refusal::Stale { nonce: 9, account_nonce: 10 }));
    f.pool.insert(tx(ALICE, 13, 1), 10, &mut f.changes).expect("the last one in the window");
    f.pool.insert(tx(BOB, Nonce::MAX, 1), Nonce::MAX, &mut f.changes).expect("the highest nonce");
    assert_eq!(f.taken(ALL), [], "the account's nonce could not be raised after the highest");
}

#[test]
fn a_block_prunes_what_it_includes_and_what_it_outdates() {
    let mut f = Fixture::new(Config::default());
    let ours: Vec<_> = (0..4).map(|nonce| tx(ALICE, nonce, 5)).collect();
    f.accept(ours.clone());
    f.changes.clear();
    let other = tx(ALICE, 2, 77);
    f.on_head(1, &[ours[0].clone(), other.clone(), tx(BOB, 0, 1)]);
    assert_eq!(f.status(&ours[0]), None, "the block tells of its own");
    assert_eq!(f.status(&ours[1]), Some(Status::Invalid));
    assert_eq!(f.status(&ours[2]), Some(Status::Usurped(other.hash)));
    assert_eq!(f.taken(ALL), [(ALICE, 3)]);
    f.on_head(2, &ours[3..]);
    assert!(f.pool.is_empty());
    assert_eq!(f.pool.bytes(), 0);
    assert_eq!(f.pool.nonce_after(&ALICE), None);
}

#[test]
fn a_transaction_dies_with_its_era_and_those_behind_it_wait() {
    let mut f = Fixture::new(Config::default());
    let mortal = Transaction { death: 10, ..tx(ALICE, 0, 5) };
    f.accept([mortal.clone(), tx(ALICE, 1, 5)]);
    f.on_head(8, &[]);
    assert_eq!(f.pool.ready(), 2, "it may go into block 9");
    f.on_head(9, &[]);
    assert_eq!(f.status(&mortal), Some(Status::Invalid));
    assert_eq!(f.status(&tx(ALICE, 1, 5)), Some(Status::Future));
    assert_eq!(f.insert(mortal), Err(Refusal::Expired { death: 10 }));
}

#[test]
fn a_full_pool_lets_the_lowest_go() {
    let mut f = Fixture::new(Config { transactions_max: 3, ..Config::default() });
    f.accept([tx(ALICE, 0, 10), tx(BOB, 0, 20), tx(CHARLIE, 1, 99)]);
    f.accept([tx(ALICE, 1, 11)]);
    assert_eq!(f.status(&tx(CHARLIE, 1, 99)), Some(Status::Dropped), "futures go first");
    assert_eq!(f.insert(tx(CHARLIE, 0, 10)), Err(Refusal::ImmediatelyDropped), "equals stay");
    f.accept([tx(CHARLIE, 0, 15)]);
    assert_eq!(f.status(&tx(ALICE, 1, 11)), Some(Status::Dropped), "a sender's last goes first");
    assert_eq!(f.taken(ALL), [(BOB, 0), (CHARLIE, 0), (ALICE, 0)]);
    assert_eq!(f.insert(tx(BOB, 2, 99)), Err(Refusal::ImmediatelyDropped), "a future is lowest");
}

#[test]
fn a_high_last_transaction_does_not_protect_low_ones_before_it() {
    let mut f = Fixture::new(Config { transactions_max: 2, ..Config::default() });
    f.accept([tx(ALICE, 0, 1), tx(ALICE, 1, 1_000), tx(BOB, 0, 2)]);
    assert_eq!(f.taken(ALL), [(BOB, 0), (ALICE, 0)]);
}

#[test]
fn nothing_leaves_for_a_transaction_that_still_does_not_fit() {
    let mut f = Fixture::new(Config { bytes_max: 300_000, ..Config::default() });
    let sized = |sender, priority, bytes| Transaction { bytes, ..tx(sender, 0, priority) };
    f.accept([sized(ALICE, 1, 10_000), sized(BOB, 9, 200_000)]);
    let refused = f.insert(sized(CHARLIE, 5, 250_000));
    assert_eq!(refused, Err(Refusal::ImmediatelyDropped));
    assert_eq!(f.pool.len(), 2);
    f.accept([sized(CHARLIE, 5, 95_000)]);
    assert_eq!(f.status(&sized(ALICE, 1, 0)), Some(Status::Dropped));
    assert_eq!(f.pool.bytes(), 295_000);
}

#[test]
fn futures_have_a_limit_of_their_own() {
    let mut f = Fixture::new(Config { futures_max: 2, ..Config::default() });
    f.accept([tx(ALICE, 1, 10), tx(BOB, 1, 20)]);
    assert_eq!(f.insert(tx(CHARLIE, 1, 5)), Err(Refusal::ImmediatelyDropped));
    f.accept([tx(CHARLIE, 1, 15)]);
    assert_eq!(f.status(&tx(ALICE, 1, 10)), Some(Status::Dropped));
    f.accept([tx(ALICE, 0, 1), tx(ALICE, 1, 30)]);
    f.pool.remove(&tx(ALICE, 0, 1).hash, &mut f.changes);
    assert_eq!(f.pool.futures(), 2, "a removal leaves no more behind its gap than the limit");
    assert_eq!(f.status(&tx(CHARLIE, 1, 15)), Some(Status::Dropped));
}

#[test]
fn a_banned_one_may_come_back_later() {
    let mut f = Fixture::new(Config::default());
    f.accept([tx(ALICE, 0, 5)]);
    f.pool.ban(&tx(ALICE, 0, 5).hash, &mut f.changes);
    assert_eq!(f.status(&tx(ALICE, 0, 5)), Some(Status::Invalid));
    assert_eq!(f.insert(tx(ALICE, 0, 5)), Err(Refusal::Banned));
    f.on_head(BANNED_BLOCKS - 1, &[]);
    assert_eq!(f.pool.check_new(&tx(ALICE, 0, 5).hash), Err(Refusal::Banned));
    f.on_head(BANNED_BLOCKS, &[]);
    f.accept([tx(ALICE, 0, 5)]);
}

#[test]
fn revalidation_reaches_all_in_turn() {
    let mut f = Fixture::new(Config::default());
    f.accept([tx(ALICE, 0, 1), tx(ALICE, 1, 2), tx(BOB, 4, 3)]);
    let mut turn = |count| -> Vec<u64> {
        f.pool.revalidation(count).into_iter().map(|tx| tx.priority).collect()
    };
    assert_eq!(turn(2), [1, 2]);
    assert_eq!(turn(2), [3, 1]);
    assert_eq!(turn(9), [2, 3, 1]);
    assert_eq!(f.pool.pending().map(|tx| tx.priority).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(f.pool.of_sender(&BOB).count(), 1);
}

#[test]
fn refusals_carry_the_codes_that_clients_know() {
    let codes = [
        (Refusal::Stale { nonce: 1, account_nonce: 2 }, 1010),
        (Refusal::Expired { death: 2 }, 1010),
        (Refusal::Banned, 1012),
        (Refusal::AlreadyImported(Hash::ZERO), 1013),
        (Refusal::PriorityTooLow { old: 2, new: 1 }, 1014),
        (Refusal::ImmediatelyDropped, 1016),
        (Refusal::TooFarInFuture { nonce: 9, nonce_max: 3 }, 1021),
    ];
    for (refusal, code) in codes {
        assert_eq!(refusal.code(), code);
        assert!(!refusal.to_string().is_empty() && !refusal.detail().is_empty());
    }
}

#[test]
fn impossible_limits_are_refused() {
    let zero = Config { transactions_max: 0, ..Config::default() };
    assert_eq!(zero.validate(), Err(ConfigError::Zero("transactions_max")));
    let zero = Config { sender_nonces_max: 0, ..Config::default() };
    assert_eq!(zero.validate(), Err(ConfigError::Zero("sender_nonces_max")));
    let few = Config { bytes_max: 9, ..Config::default() };
    assert_eq!(few.validate(), Err(ConfigError::BytesTooFew(9)));
}
