//! The pool: what enters, what leaves, what goes into a block.

use crate::{
    Change, Config, Included, Refusal, Status, Transaction,
    banned::Banned,
    config::{REPLACEMENT_DIVISOR, TAKE_MISSES_MAX},
    sender::{Entry, KeepRank, Sender, TakeRank},
};
use ahash::HashMap;
use primitives::{AccountId, Hash, Height, Nonce};
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
    sync::Arc,
};

/// What one block has room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most transactions.
    pub count: usize,
    /// Most bytes.
    pub bytes: u64,
    /// Most weight, in picoseconds.
    pub weight: u64,
}

/// The transactions that wait for a block; see the crate's documentation.
#[derive(Debug)]
pub struct Pool<T> {
    config: Config,
    /// Height of the head that the transactions were checked against.
    height: Height,
    arrivals_count: u64,
    bytes: u64,
    futures: usize,
    senders: HashMap<AccountId, Sender<T>>,
    hashes: HashMap<Hash, Arc<Entry<T>>>,
    /// In the order of arrival.
    arrivals: BTreeMap<u64, Arc<Entry<T>>>,
    /// The first ready transaction of each sender that has one.
    heads: BTreeMap<TakeRank, Arc<Entry<T>>>,
    /// The last transaction of each sender.
    tails: BTreeMap<KeepRank, AccountId>,
    /// The mortal ones, by death and arrival.
    deaths: BTreeSet<(Height, u64)>,
    banned: Banned,
    /// Arrival of the transaction that was given out for revalidation last.
    revalidated: u64,
}

impl<T> Pool<T> {
    /// An empty pool over the head at this height.
    pub fn new(config: Config, height: Height) -> Self {
        Self {
            config,
            height,
            arrivals_count: 0,
            bytes: 0,
            futures: 0,
            senders: HashMap::default(),
            hashes: HashMap::default(),
            arrivals: BTreeMap::new(),
            heads: BTreeMap::new(),
            tails: BTreeMap::new(),
            deaths: BTreeSet::new(),
            banned: Banned::default(),
            revalidated: 0,
        }
    }

    /// How many transactions there are, futures included.
    pub fn len(&self) -> usize {
        self.hashes.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }

    /// How many could go into blocks now: whether a proposer has something to do.
    pub fn ready(&self) -> usize {
        self.len() - self.futures
    }

    /// How many wait for a nonce before theirs.
    pub fn futures(&self) -> usize {
        self.futures
    }

    /// Bytes of all transactions.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The transaction with this hash.
    pub fn get(&self, hash: &Hash) -> Option<&Transaction<T>> {
        self.hashes.get(hash).map(|entry| &entry.tx)
    }

    /// Whether a transaction needs no check, as the pool would refuse it: ask before verifying its signature.
    pub fn check_new(&self, hash: &Hash) -> Result<(), Refusal> {
        if self.banned.contains(hash) {
            return Err(Refusal::Banned);
        }
        if self.hashes.contains_key(hash) {
            return Err(Refusal::AlreadyImported(*hash));
        }
        Ok(())
    }

    /// The nonce that a sender's next transaction should have, or `None` if the account's own counts because nothing of
    /// it is in the pool.
    pub fn nonce_after(&self, sender: &AccountId) -> Option<Nonce> {
        self.senders.get(sender).map(|sender| sender.ready_end)
    }

    /// All transactions that could go into blocks now, by arrival.
    pub fn pending(&self) -> impl Iterator<Item = &Transaction<T>> {
        self.arrivals.values().map(|entry| &entry.tx).filter(|tx| {
            self.senders.get(&tx.sender).is_some_and(|sender| tx.nonce < sender.ready_end)
        })
    }

    /// A sender's transactions, by nonce.
    pub fn of_sender(&self, sender: &AccountId) -> impl Iterator<Item = &Transaction<T>> {
        self.senders.get(sender).into_iter().flat_map(|sender| sender.txs.values().map(|e| &e.tx))
    }

    /// The next transactions to be checked against the new head, by arrival and round and round, so that a few for each
    /// block reach all. What turns out to be invalid goes to [`Self::remove`].
    pub fn revalidation(&mut self, count: usize) -> Vec<&Transaction<T>> {
        let after = (Bound::Excluded(self.revalidated), Bound::Unbounded);
        let wrapped = (Bound::Unbounded, Bound::Included(self.revalidated));
        let due = self.arrivals.range(after).chain(self.arrivals.range(wrapped)).take(count);
        let due: Vec<(u64, &Transaction<T>)> =
            due.map(|(arrival, entry)| (*arrival, &entry.tx)).collect();
        if let Some((arrival, _)) = due.last() {
            self.revalidated = *arrival;
        }
        due.into_iter().map(|(_, tx)| tx).collect()
    }

    /// Takes a transaction in, which was checked against the pool's head; `account_nonce` is the next nonce of its sender
    /// there. What leaves for it is told in `out`, as is where it stands.
    pub fn insert(
        &mut self,
        tx: Transaction<T>,
        account_nonce: Nonce,
        out: &mut Vec<Change>,
    ) -> Result<(), Refusal> {
        self.check_new(&tx.hash)?;
        if tx.death <= self.height.saturating_add(1) {
            return Err(Refusal::Expired { death: tx.death });
        }
        let newcomer = Sender::new(account_nonce);
        let sender = self.senders.get(&tx.sender).unwrap_or(&newcomer);
        check_nonce(tx.nonce, sender.nonce, self.config.sender_nonces_max)?;
        let replaced = sender.txs.get(&tx.nonce).cloned();
        if let Some(old) = &replaced {
            check_replacement(old.tx.priority, tx.priority)?;
        }
        let arrival = self.arrivals_count + 1;
        let rank = sender.keep_rank(&tx, arrival);
        let victims = self.find_room(&tx, rank, replaced.as_deref())?;

        self.arrivals_count = arrival;
        for victim in victims {
            self.drop_tail(&victim, out);
        }
        self.add(tx, arrival, newcomer, out);
        Ok(())
    }

    /// The transactions for the block after the head, in order: as many as fit, without waiting for more. They stay in
    /// the pool until a head includes them.
    pub fn take(&self, limits: Limits) -> Vec<&Transaction<T>> {
        let mut taken = Vec::new();
        let mut left = limits;
        let mut misses = 0;
        let mut heads = self.heads.iter().peekable();
        let mut successors: BTreeMap<TakeRank, &Arc<Entry<T>>> = BTreeMap::new();
        while left.count > 0 && misses < TAKE_MISSES_MAX {
            let successor_first = match (heads.peek(), successors.first_key_value()) {
                (Some((head, _)), Some((successor, _))) => successor < head,
                (head, _) => head.is_none(),
            };
            let next = if successor_first {
                successors.pop_first().map(|(_, entry)| entry)
            } else {
                heads.next().map(|(_, entry)| entry)
            };
            let Some(Entry { tx, .. }) = next.map(Arc::as_ref) else { break };
            let bytes = left.bytes.checked_sub(u64::from(tx.bytes));
            let weight = left.weight.checked_sub(tx.weight);
            let (Some(bytes), Some(weight)) = (bytes, weight) else {
                misses += 1;
                continue;
            };
            left = Limits { count: left.count - 1, bytes, weight };
            taken.push(tx);
            if let Some(successor) = self.ready_after(tx) {
                successors.insert(successor.take_rank(), successor);
            }
        }
        taken
    }

    /// A block became final: what it included leaves, what it outdated leaves, what expires before the next leaves.
    /// `included` is in the block's order.
    pub fn on_head(&mut self, height: Height, included: &[Included], out: &mut Vec<Change>) {
        self.height = height;
        self.banned.on_head(height);
        for one in included {
            self.advance(&one.sender, one.nonce.saturating_add(1), Some(one), out);
        }
        while let Some((death, arrival)) = self.deaths.first().copied() {
            if death > height.saturating_add(1) {
                break;
            }
            let expired = &self.arrivals[&arrival].tx;
            let hash = expired.hash;
            self.let_go(&hash, out);
        }
        // Only now: what expires must not count against those that stay.
        self.trim_futures(out);
    }

    /// An account's nonce is known to be this high: its transactions below leave.
    pub fn set_nonce(&mut self, sender: &AccountId, nonce: Nonce, out: &mut Vec<Change>) {
        self.advance(sender, nonce, None, out);
    }

    /// A transaction can no longer be included, for example as its sender cannot pay any more. Those behind it wait.
    pub fn remove(&mut self, hash: &Hash, out: &mut Vec<Change>) {
        self.let_go(hash, out);
        self.trim_futures(out);
    }

    /// Removes without a look at the limit of those that now wait.
    fn let_go(&mut self, hash: &Hash, out: &mut Vec<Change>) {
        let Some(entry) = self.hashes.get(hash).cloned() else { return };
        self.forget(&entry);
        let sender = entry.tx.sender;
        self.senders.get_mut(&sender).and_then(|sender| sender.txs.remove(&entry.tx.nonce));
        out.push(Change { hash: *hash, status: Status::Invalid });
        self.reindex(&sender, out);
    }

    /// A transaction failed when a block was built: it leaves and is refused for [`crate::BANNED_BLOCKS`] blocks.
    pub fn ban(&mut self, hash: &Hash, out: &mut Vec<Change>) {
        self.banned.add(*hash, self.height);
        self.remove(hash, out);
    }

    /// Senders whose last transactions must leave so that `tx` fits; an error if those that stand lower are not enough.
    /// Nothing leaves before it is known that all needed can.
    fn find_room(
        &self,
        tx: &Transaction<T>,
        rank: KeepRank,
        replaced: Option<&Entry<T>>,
    ) -> Result<Vec<AccountId>, Refusal> {
        let bytes =
            self.bytes + u64::from(tx.bytes) - replaced.map_or(0, |e| u64::from(e.tx.bytes));
        let new = usize::from(replaced.is_none());
        let mut bytes_over = bytes.saturating_sub(self.config.bytes_max);
        let mut count_over = (self.len() + new).saturating_sub(self.config.transactions_max);
        let mut futures_over = match rank.ready {
            true => 0,
            false => (self.futures + new).saturating_sub(self.config.futures_max),
        };
        let mut victims = Vec::new();
        for (lowest, sender) in &self.tails {
            if bytes_over == 0 && count_over == 0 && futures_over == 0 {
                break;
            }
            if *lowest >= rank {
                return Err(Refusal::ImmediatelyDropped);
            }
            if *sender == tx.sender {
                continue;
            }
            let tail = self.senders[sender].txs.last_key_value();
            let (_, tail) = tail.expect("a sender without transactions is forgotten");
            bytes_over = bytes_over.saturating_sub(u64::from(tail.tx.bytes));
            count_over = count_over.saturating_sub(1);
            futures_over = futures_over.saturating_sub(usize::from(!lowest.ready));
            victims.push(*sender);
        }
        match (bytes_over, count_over, futures_over) {
            (0, 0, 0) => Ok(victims),
            _ => Err(Refusal::ImmediatelyDropped),
        }
    }

    fn add(&mut self, tx: Transaction<T>, arrival: u64, new: Sender<T>, out: &mut Vec<Change>) {
        let (account, nonce, hash) = (tx.sender, tx.nonce, tx.hash);
        self.bytes += u64::from(tx.bytes);
        if tx.death != Height::MAX {
            self.deaths.insert((tx.death, arrival));
        }
        let entry = Arc::new(Entry { tx, arrival });
        self.hashes.insert(hash, entry.clone());
        self.arrivals.insert(arrival, entry.clone());
        let sender = self.senders.entry(account).or_insert(new);
        let usurped = sender.txs.insert(nonce, entry);
        if let Some(old) = &usurped {
            out.push(Change { hash: old.tx.hash, status: Status::Usurped(hash) });
            self.forget(old);
        }
        // A new one that closes the gap before others is told of by `reindex`, in their order.
        let sender = &self.senders[&account];
        if nonce < sender.ready_end {
            out.push(Change { hash, status: Status::Ready });
        } else if nonce > sender.ready_end {
            out.push(Change { hash, status: Status::Future });
        }
        self.reindex(&account, out);
    }

    /// The sender's next transaction, if it could follow `tx` in the same block.
    fn ready_after(&self, tx: &Transaction<T>) -> Option<&Arc<Entry<T>>> {
        let sender = self.senders.get(&tx.sender)?;
        let next = tx.nonce.checked_add(1).filter(|next| *next < sender.ready_end)?;
        sender.txs.get(&next)
    }

    /// Raises an account's nonce and lets go of what is below it, by `included` if that is known.
    fn advance(
        &mut self,
        account: &AccountId,
        nonce: Nonce,
        included: Option<&Included>,
        out: &mut Vec<Change>,
    ) {
        let Some(sender) = self.senders.get_mut(account).filter(|sender| sender.nonce < nonce)
        else {
            return;
        };
        sender.nonce = nonce;
        let kept = sender.txs.split_off(&nonce);
        for entry in std::mem::replace(&mut sender.txs, kept).into_values() {
            self.forget(&entry);
            let hash = entry.tx.hash;
            match included.filter(|included| included.nonce == entry.tx.nonce) {
                Some(included) if included.hash == hash => {}
                Some(included) => {
                    out.push(Change { hash, status: Status::Usurped(included.hash) });
                }
                None => out.push(Change { hash, status: Status::Invalid }),
            }
        }
        self.reindex(account, out);
    }

    /// Lets a sender's last transaction go for want of room.
    fn drop_tail(&mut self, account: &AccountId, out: &mut Vec<Change>) {
        let last = self.senders.get_mut(account).and_then(|sender| sender.txs.pop_last());
        let (_, entry) = last.expect("a sender without transactions is forgotten");
        self.forget(&entry);
        out.push(Change { hash: entry.tx.hash, status: Status::Dropped });
        self.reindex(account, out);
    }

    /// Lets futures go until they are within their limit: a removal can leave many behind its gap.
    fn trim_futures(&mut self, out: &mut Vec<Change>) {
        while self.futures > self.config.futures_max {
            let lowest = self.tails.first_key_value().map(|(_, account)| *account);
            self.drop_tail(&lowest.expect("a sender with futures has a tail"), out);
        }
    }

    /// Takes an entry that left its sender out of all other places.
    fn forget(&mut self, entry: &Entry<T>) {
        self.hashes.remove(&entry.tx.hash);
        self.arrivals.remove(&entry.arrival);
        if entry.tx.death != Height::MAX {
            self.deaths.remove(&(entry.tx.death, entry.arrival));
        }
        self.bytes -= u64::from(entry.tx.bytes);
    }

    /// Brings a sender's ranks up to date after its transactions or its nonce changed, and tells which of its other
    /// transactions became ready or have to wait.
    fn reindex(&mut self, account: &AccountId, out: &mut Vec<Change>) {
        let sender = self.senders.get_mut(account).expect("only known senders are changed");
        let (old_end, new_end) = (sender.ready_end, sender.find_ready_end());
        sender.ready_end = new_end;
        let (range, status) = match old_end <= new_end {
            true => (old_end..new_end, Status::Ready),
            false => (new_end..old_end, Status::Future),
        };
        let moved = sender.txs.range(range);
        out.extend(moved.map(|(_, entry)| Change { hash: entry.tx.hash, status }));

        let futures = sender.count_futures();
        self.futures = self.futures + futures - std::mem::replace(&mut sender.futures, futures);
        let head = sender.head().map(|entry| entry.take_rank());
        if head != sender.head {
            if let Some(old) = sender.head {
                self.heads.remove(&old);
            }
            if let (Some(new), Some(entry)) = (head, sender.head()) {
                self.heads.insert(new, entry.clone());
            }
            sender.head = head;
        }
        let tail = sender.tail_rank();
        if tail != sender.tail {
            if let Some(old) = sender.tail {
                self.tails.remove(&old);
            }
            if let Some(new) = tail {
                self.tails.insert(new, *account);
            }
            sender.tail = tail;
        }
        if sender.txs.is_empty() {
            self.senders.remove(account);
        }
    }
}

fn check_nonce(nonce: Nonce, account_nonce: Nonce, window: Nonce) -> Result<(), Refusal> {
    let Some(ahead) = nonce.checked_sub(account_nonce) else {
        return Err(Refusal::Stale { nonce, account_nonce });
    };
    if ahead >= window {
        let nonce_max = account_nonce.saturating_add(window - 1);
        return Err(Refusal::TooFarInFuture { nonce, nonce_max });
    }
    Ok(())
}

fn check_replacement(old: u64, new: u64) -> Result<(), Refusal> {
    let needed = old.saturating_add((old / REPLACEMENT_DIVISOR).max(1));
    if new < needed {
        return Err(Refusal::PriorityTooLow { old, new });
    }
    Ok(())
}
