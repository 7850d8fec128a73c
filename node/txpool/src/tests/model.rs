//! The pool against a list that is searched from end to end for each question.

use super::included;
use crate::*;
use primitives::{AccountId, Hash, Height, Nonce};
use proptest::prelude::*;
use std::collections::BTreeMap;

const CONFIG: Config =
    Config { transactions_max: 12, bytes_max: 300_000, futures_max: 5, sender_nonces_max: 6 };

struct Known {
    tx: Transaction<()>,
    arrival: u64,
}

#[derive(Default)]
struct Model {
    height: Height,
    arrivals: u64,
    txs: Vec<Known>,
    /// Next nonces in state; a pool learns of them by heads.
    nonces: BTreeMap<AccountId, Nonce>,
    banned: Vec<(Hash, Height)>,
}

/// (ready, lowest priority up to it, newest first), the lowest leaves first.
type Rank = (bool, u64, std::cmp::Reverse<u64>);

impl Model {
    fn nonce(&self, sender: &AccountId) -> Nonce {
        self.nonces.get(sender).copied().unwrap_or(0)
    }

    fn find(&self, sender: &AccountId, nonce: Nonce) -> Option<&Known> {
        self.txs.iter().find(|known| known.tx.sender == *sender && known.tx.nonce == nonce)
    }

    fn is_ready(&self, tx: &Transaction<()>) -> bool {
        (self.nonce(&tx.sender)..tx.nonce).all(|nonce| self.find(&tx.sender, nonce).is_some())
    }

    fn futures(&self) -> usize {
        self.txs.iter().filter(|known| !self.is_ready(&known.tx)).count()
    }

    fn rank(&self, tx: &Transaction<()>, arrival: u64) -> Rank {
        let before = self.txs.iter().filter(|k| k.tx.sender == tx.sender && k.tx.nonce < tx.nonce);
        let floor = before.map(|known| known.tx.priority).chain([tx.priority]).min();
        (self.is_ready(tx), floor.unwrap_or_default(), std::cmp::Reverse(arrival))
    }

    /// Each sender's last transaction, the lowest first.
    fn tails(&self) -> Vec<(Rank, Hash)> {
        let is_last = |known: &&Known| {
            let later = |k: &Known| k.tx.sender == known.tx.sender && k.tx.nonce > known.tx.nonce;
            !self.txs.iter().any(later)
        };
        let last = self.txs.iter().filter(is_last);
        let mut tails: Vec<_> = last.map(|k| (self.rank(&k.tx, k.arrival), k.tx.hash)).collect();
        tails.sort();
        tails
    }

    fn remove(&mut self, hash: &Hash) {
        self.txs.retain(|known| known.tx.hash != *hash);
    }

    fn insert(&mut self, tx: Transaction<()>) -> bool {
        let ahead = tx.nonce.checked_sub(self.nonce(&tx.sender));
        let known = self.txs.iter().any(|known| known.tx.hash == tx.hash);
        let banned = self.banned.iter().any(|(hash, _)| *hash == tx.hash);
        let alive = tx.death > self.height + 1;
        if known || banned || !alive || ahead.is_none_or(|n| n >= CONFIG.sender_nonces_max) {
            return false;
        }
        let old = self.find(&tx.sender, tx.nonce).map(|known| known.tx.clone());
        if old.as_ref().is_some_and(|old| tx.priority < old.priority + (old.priority / 10).max(1)) {
            return false;
        }
        let rank = self.rank(&tx, self.arrivals + 1);
        let Some(victims) = self.victims(&tx, rank, old.as_ref()) else { return false };
        self.arrivals += 1;
        let leaving = victims.into_iter().chain(old.map(|old| old.hash));
        leaving.for_each(|hash| self.remove(&hash));
        self.txs.push(Known { tx, arrival: self.arrivals });
        true
    }

    /// The shortest run of lowest last transactions, not the sender's own, without which `tx` fits.
    fn victims(
        &self,
        tx: &Transaction<()>,
        rank: Rank,
        old: Option<&Transaction<()>>,
    ) -> Option<Vec<Hash>> {
        let tails = self.tails();
        let lower = tails.iter().filter(|(other, hash)| {
            let own = self.txs.iter().any(|k| k.tx.hash == *hash && k.tx.sender == tx.sender);
            *other < rank && !own
        });
        let lower: Vec<Hash> = lower.map(|(_, hash)| *hash).collect();
        (0..=lower.len()).map(|count| &lower[..count]).find_map(|gone| {
            let gone_or_old =
                |k: &&Known| !gone.contains(&k.tx.hash) && old.is_none_or(|o| o.hash != k.tx.hash);
            let kept: Vec<&Known> = self.txs.iter().filter(gone_or_old).collect();
            let bytes: u64 = kept.iter().map(|k| u64::from(k.tx.bytes)).sum();
            let futures = kept.iter().filter(|k| !self.is_ready(&k.tx)).count();
            let fits = kept.len() < CONFIG.transactions_max
                && bytes + u64::from(tx.bytes) <= CONFIG.bytes_max
                && (rank.0 || futures < CONFIG.futures_max);
            fits.then(|| gone.to_vec())
        })
    }

    fn on_head(&mut self, height: Height, block: &[Included]) {
        self.height = height;
        self.banned.retain(|(_, end)| *end > height);
        for one in block {
            self.nonces.insert(one.sender, one.nonce + 1);
        }
        let nonces = self.nonces.clone();
        let stale = |tx: &Transaction<()>| nonces.get(&tx.sender).is_some_and(|n| tx.nonce < *n);
        self.txs.retain(|known| !stale(&known.tx) && known.tx.death > height + 1);
        self.trim();
    }

    fn trim(&mut self) {
        while self.futures() > CONFIG.futures_max {
            let lowest = self.tails()[0].1;
            self.remove(&lowest);
        }
    }

    fn take(&self, limits: Limits) -> Vec<Hash> {
        let mut left = limits;
        let mut taken: Vec<&Transaction<()>> = Vec::new();
        let mut passed: Vec<AccountId> = Vec::new();
        while left.count > 0 {
            let next = |k: &&Known| {
                let before = |tx: &Transaction<()>| {
                    (self.nonce(&tx.sender)..tx.nonce)
                        .all(|n| taken.iter().any(|t| t.sender == tx.sender && t.nonce == n))
                };
                !taken.contains(&&k.tx) && !passed.contains(&k.tx.sender) && before(&k.tx)
            };
            let best =
                self.txs.iter().filter(next).min_by_key(|k| (u64::MAX - k.tx.priority, k.arrival));
            let Some(Known { tx, .. }) = best else { break };
            if u64::from(tx.bytes) > left.bytes || tx.weight > left.weight {
                passed.push(tx.sender);
                continue;
            }
            left.count -= 1;
            left.bytes -= u64::from(tx.bytes);
            left.weight -= tx.weight;
            taken.push(tx);
        }
        taken.into_iter().map(|tx| tx.hash).collect()
    }
}

#[derive(Clone, Debug)]
enum Step {
    Insert(Transaction<()>),
    /// A block with the first of what a pool offers, and perhaps one that it never saw.
    Head {
        taken: usize,
        foreign: Option<(u8, u64)>,
        skipped: Height,
    },
    Remove {
        index: usize,
        ban: bool,
    },
}

fn account(number: u8) -> AccountId {
    AccountId([number; 32])
}

fn transaction() -> impl Strategy<Value = Transaction<()>> {
    let bytes = prop_oneof![9 => 100..200u32, 1 => 50_000..260_000u32];
    let death = prop_oneof![Just(Height::MAX), 1..40u32];
    (0..5u8, 0..10u32, 0..30u64, bytes, 0..20u64, death).prop_map(
        |(sender, nonce, priority, bytes, weight, death)| Transaction {
            death,
            bytes,
            weight,
            ..super::tx(account(sender), nonce, priority)
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    let foreign = proptest::option::weighted(0.3, (0..5u8, 100..110u64));
    prop_oneof![
        12 => transaction().prop_map(Step::Insert),
        2 => (0..4usize, foreign, 1..4u32)
            .prop_map(|(taken, foreign, skipped)| Step::Head { taken, foreign, skipped }),
        1 => (0..20usize, any::<bool>()).prop_map(|(index, ban)| Step::Remove { index, ban }),
    ]
}

fn apply(pool: &mut Pool<()>, model: &mut Model, step: Step, out: &mut Vec<Change>) {
    match step {
        Step::Insert(tx) => {
            let nonce = model.nonce(&tx.sender);
            let accepted = pool.insert(tx.clone(), nonce, out);
            assert_eq!(accepted.is_ok(), model.insert(tx), "{accepted:?}");
        }
        Step::Head { taken, foreign, skipped } => {
            let limits = Limits { count: taken, ..super::ALL };
            let mut block: Vec<_> = pool.take(limits).into_iter().map(included).collect();
            if let Some((sender, priority)) = foreign {
                let sender = account(sender);
                let own = block.iter().filter(|one| one.sender == sender).count();
                let nonce = model.nonce(&sender) + Nonce::try_from(own).expect("blocks are small");
                block.push(included(&super::tx(sender, nonce, priority)));
            }
            let height = model.height + skipped;
            pool.on_head(height, &block, out);
            model.on_head(height, &block);
        }
        Step::Remove { index, ban } => {
            let Some(known) = model.txs.get(index) else { return };
            let hash = known.tx.hash;
            if ban {
                pool.ban(&hash, out);
                model.banned.push((hash, model.height + BANNED_BLOCKS));
            } else {
                pool.remove(&hash, out);
            }
            model.remove(&hash);
            model.trim();
        }
    }
}

fn compare(pool: &Pool<()>, model: &Model, news: &BTreeMap<Hash, Status>) {
    assert_eq!(pool.len(), model.txs.len());
    assert_eq!(pool.futures(), model.futures());
    assert_eq!(pool.bytes(), model.txs.iter().map(|k| u64::from(k.tx.bytes)).sum::<u64>());
    for known in &model.txs {
        assert_eq!(pool.get(&known.tx.hash), Some(&known.tx));
        let status = if model.is_ready(&known.tx) { Status::Ready } else { Status::Future };
        assert_eq!(
            news.get(&known.tx.hash),
            Some(&status),
            "what watchers know of {known:?}",
            known = known.tx
        );
    }
    let pending: Vec<_> = pool.pending().map(|tx| tx.hash).collect();
    let ready = model.txs.iter().filter(|known| model.is_ready(&known.tx));
    assert_eq!(pending, ready.map(|known| known.tx.hash).collect::<Vec<_>>());
    for limits in [super::ALL, Limits { count: 3, bytes: 60_000, weight: 40 }] {
        let taken: Vec<_> = pool.take(limits).into_iter().map(|tx| tx.hash).collect();
        assert_eq!(taken, model.take(limits));
    }
}

proptest! {
    #[test]
    fn the_pool_is_the_list_that_is_searched_from_end_to_end(
        steps in proptest::collection::vec(step(), 0..120),
    ) {
        let mut pool = Pool::new(CONFIG, 0);
        let mut model = Model::default();
        let mut news = BTreeMap::new();
        for step in steps {
            let mut out = Vec::new();
            apply(&mut pool, &mut model, step, &mut out);
            news.extend(out.into_iter().map(|change| (change.hash, change.status)));
            compare(&pool, &model, &news);
        }
    }
}
