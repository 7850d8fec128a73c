//! The view that one transaction or hook has of the chain, and what it leaves behind.

use crate::{DispatchError, DispatchResult, PalletEvent, Weight, mem::first_after};
use codec::Encode;
use primitives::{
    AccountId, Balance, Hash, Height, Moment, RawKey, RawValue, StateRead, Writes,
    crypto::hash::blake2_256,
};
use std::cell::Cell;

/// What a transition may know of its block. It is read from the header and the first inherent
/// before anything runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockEnv {
    /// Number of the block.
    pub height: Height,
    /// The block's time, in milliseconds since 1970.
    pub time_ms: Moment,
    /// Whose validator built the block.
    pub author: AccountId,
    /// Round in which the block was proposed first: those who should have proposed in the rounds before did not
    /// get a block decided.
    pub origin_round: u32,
    /// The block's own randomness, known to nobody before its author made it.
    pub randomness: Hash,
    /// Hash of the block before.
    pub parent: Hash,
    /// Hash of the chain's first block; zero while that is being made.
    pub genesis: Hash,
}

/// Changes of shared totals. They are sums, so that transactions that only pay and burn do not
/// conflict; the runtime folds them into the state once per block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deltas {
    /// Money made.
    pub minted: Balance,
    /// Money destroyed.
    pub burned: Balance,
    /// Fees taken from accounts and not yet given to a pot.
    pub fees: Balance,
    /// Tips taken from accounts and not yet given to the author.
    pub tips: Balance,
}

impl Deltas {
    /// Both together; a block's sums stay far below what fits, as each part was once issued.
    pub fn plus(self, other: Self) -> Self {
        let sum = |a: Balance, b: Balance| {
            a.checked_add(b).expect("amounts that exist sum to at most the issuance")
        };
        Self {
            minted: sum(self.minted, other.minted),
            burned: sum(self.burned, other.burned),
            fees: sum(self.fees, other.fees),
            tips: sum(self.tips, other.tips),
        }
    }
}

/// Everything that one transaction or hook may see and touch.
pub struct Ctx<'a> {
    /// The block that runs.
    pub block: &'a BlockEnv,
    /// Hash of the transaction, or of the hook's name and height.
    pub tx_hash: Hash,
    base: &'a dyn StateRead,
    writes: Writes,
    undo: Vec<(RawKey, Option<Option<RawValue>>)>,
    /// How many `atomic` calls are open; outside of all of them nothing is ever undone.
    depth: u32,
    events: Vec<Vec<u8>>,
    deltas: Deltas,
    reads: Cell<u32>,
    ids: u32,
}

/// What one transaction or hook did: the unit that executors, sequential or parallel, merge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TxOutput {
    /// Changed keys.
    pub writes: Writes,
    /// Encoded events: pallet index, event index, fields.
    pub events: Vec<Vec<u8>>,
    /// Changed totals.
    pub deltas: Deltas,
    /// How the call ended.
    pub result: DispatchResult,
    /// What was metered.
    pub used: Weight,
}

impl<'a> Ctx<'a> {
    /// For a transaction.
    pub fn new(base: &'a dyn StateRead, block: &'a BlockEnv, tx_hash: Hash) -> Self {
        Self {
            block,
            tx_hash,
            base,
            writes: Writes::new(),
            undo: Vec::new(),
            depth: 0,
            events: Vec::new(),
            deltas: Deltas::default(),
            reads: Cell::new(0),
            ids: 0,
        }
    }

    /// For a hook: fresh ids differ from block to block and from hook to hook.
    pub fn for_hook(base: &'a dyn StateRead, block: &'a BlockEnv, hook: &str) -> Self {
        let hash = blake2_256(&("artel/hook/1", block.genesis, hook, block.height).encode());
        Self::new(base, block, hash)
    }

    /// Sets or, with `None`, deletes a raw key. Pallets write through their storage items.
    pub fn put(&mut self, key: RawKey, value: Option<RawValue>) {
        if self.depth == 0 {
            self.writes.insert(key, value);
            return;
        }
        let old = self.writes.insert(key.clone(), value);
        self.undo.push((key, old));
    }

    /// Deposits an event.
    pub fn emit<E: PalletEvent>(&mut self, event: E) {
        let mut bytes = vec![E::PALLET];
        event.encode_to(&mut bytes);
        self.events.push(bytes);
    }

    /// An id that no other call ever gets, made without touching shared state.
    pub fn fresh_id(&mut self) -> Hash {
        self.ids += 1;
        blake2_256(&("artel/id/1", self.tx_hash, self.ids).encode())
    }

    /// Counts money as made: the caller puts it into an account.
    pub fn note_minted(&mut self, amount: Balance) {
        self.add(Deltas { minted: amount, ..Deltas::default() });
    }

    /// Counts money as destroyed: the caller took it from an account.
    pub fn note_burned(&mut self, amount: Balance) {
        self.add(Deltas { burned: amount, ..Deltas::default() });
    }

    /// Counts a fee and a tip as paid: the caller took them from an account.
    pub fn note_paid(&mut self, fee: Balance, tip: Balance) {
        self.add(Deltas { fees: fee, tips: tip, ..Deltas::default() });
    }

    fn add(&mut self, deltas: Deltas) {
        self.deltas = self.deltas.plus(deltas);
    }

    /// Runs `f`; if it fails, its writes, events and totals never happened.
    pub fn atomic<R>(
        &mut self,
        f: impl FnOnce(&mut Self) -> Result<R, DispatchError>,
    ) -> Result<R, DispatchError> {
        let (undo_len, events_len, deltas) = (self.undo.len(), self.events.len(), self.deltas);
        self.depth += 1;
        let result = f(self);
        self.depth -= 1;
        result.inspect_err(|_| {
            for (key, old) in self.undo.drain(undo_len..).rev() {
                match old {
                    Some(value) => self.writes.insert(key, value),
                    None => self.writes.remove(&key),
                };
            }
            self.events.truncate(events_len);
            self.deltas = deltas;
        })
    }

    /// How many ids or indexes this transaction has taken before: tells apart what it makes.
    pub fn fresh_index(&mut self) -> u32 {
        self.ids += 1;
        self.ids - 1
    }

    /// What the totals changed by so far.
    pub fn deltas(&self) -> Deltas {
        self.deltas
    }

    /// What was metered so far.
    pub fn used(&self) -> Weight {
        let writes = u32::try_from(self.writes.len()).unwrap_or(u32::MAX);
        Weight { reads: self.reads.get(), writes, compute_us: 0 }
    }

    /// Ends the view.
    pub fn finish(self, result: DispatchResult) -> TxOutput {
        let used = self.used();
        let Self { writes, events, deltas, .. } = self;
        TxOutput { writes, events, deltas, result, used }
    }
}

impl StateRead for Ctx<'_> {
    fn get(&self, key: &[u8]) -> Option<RawValue> {
        match self.writes.get(key) {
            Some(value) => value.clone(),
            None => {
                self.reads.set(self.reads.get().saturating_add(1));
                self.base.get(key)
            }
        }
    }

    /// Counts a read for each deleted key that it passes over, too.
    fn next_key(&self, prefix: &[u8], after: &[u8]) -> Option<RawKey> {
        let (key, steps) = next_key_over(&self.writes, self.base, prefix, after);
        self.reads.set(self.reads.get().saturating_add(steps));
        key
    }
}

/// The next key of `base` with `writes` on top of it, and how often `base` was asked: once, and once
/// more for each deleted key in between.
pub fn next_key_over(
    writes: &Writes,
    base: &dyn StateRead,
    prefix: &[u8],
    after: &[u8],
) -> (Option<RawKey>, u32) {
    let mut cursor = after.to_vec();
    let mut steps = 0u32;
    loop {
        let below = base.next_key(prefix, &cursor);
        steps = steps.saturating_add(1);
        let above = first_after(writes, prefix, &cursor);
        cursor = match (below, above) {
            (Some(below), Some((above, _))) if below < *above => return (Some(below), steps),
            (Some(below), None) => return (Some(below), steps),
            (_, Some((above, Some(_)))) => return (Some(above.clone()), steps),
            (_, Some((above, None))) => above.clone(),
            (None, None) => return (None, steps),
        };
    }
}
