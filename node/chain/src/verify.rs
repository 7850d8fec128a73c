//! Signatures, each verified once.

use crate::Head;
use ahash::HashMap;
use primitives::{
    Block, Hash, Header, Height, OpaqueTransaction,
    crypto::batch::{Item, find_invalid},
};
use rayon::prelude::*;
use runtime::{CheckedTx, DecodedTx, InvalidTransaction, Position};
use std::{
    collections::hash_map::Entry,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Most verified transactions that are remembered: more than a pool holds, so that what waits there is known.
pub const VERIFIED_MAX: usize = 262_144;
/// Fewest transactions that a thread decodes at a time.
const DECODE_SHARE_MIN: usize = 64;

/// A transaction as it came, with its hash.
#[derive(Clone, Debug)]
pub struct Received {
    bytes: OpaqueTransaction,
    hash: Hash,
}

impl From<OpaqueTransaction> for Received {
    fn from(bytes: OpaqueTransaction) -> Self {
        Self { hash: bytes.hash(), bytes }
    }
}

impl Received {
    /// Hash of the full bytes.
    pub fn hash(&self) -> Hash {
        self.hash
    }
}

/// A transaction with a valid signature.
#[derive(Debug)]
pub struct PooledTx {
    /// Its bytes, as they go into a block.
    pub bytes: OpaqueTransaction,
    /// What they say.
    pub checked: CheckedTx,
    /// The block in which its era begins, whose hash the signature covers.
    pub birth: Height,
    /// The first height at which its era is over.
    pub death: Height,
}

impl PooledTx {
    /// Hash of the full bytes.
    pub fn hash(&self) -> Hash {
        self.checked.tx.hash
    }

    /// Whether the signature covers what it must in the block that is to stand there. A block cannot hold what covers its own
    /// hash.
    fn covers(&self, at: &Position) -> bool {
        self.birth < at.height
            && at.height < self.death
            && self.checked.check_rules(at.rules).is_ok()
    }
}

/// Decodes and verifies transactions and remembers those that are good. Clones share the memory: one serves the pool's
/// admission, another the chain.
#[derive(Clone)]
pub struct Verifier {
    genesis: Hash,
    known: Arc<Mutex<Generations>>,
}

impl Verifier {
    /// For the chain with this genesis; `max` verified transactions are remembered at most.
    pub fn new(genesis: Hash, max: usize) -> Self {
        let known = Generations { young_max: max / 2, ..Generations::default() };
        Self { genesis, known: Arc::new(Mutex::new(known)) }
    }

    /// The verdicts for transactions that would go into the block after `head`, in their order. Work is spread over the
    /// current rayon pool.
    ///
    /// What is remembered holds for one process: genesis, which signatures cover too, is the same throughout, and the hash
    /// of an era's first block never changes, as blocks are final. So height and rules decide alone.
    ///
    /// `seed` must come from the operating system, new for each call: see [`find_invalid`].
    pub fn verify(
        &self,
        head: &Head,
        transactions: Vec<Received>,
        seed: &[u8; 32],
    ) -> Vec<Result<Arc<PooledTx>, InvalidTransaction>> {
        let (height, rules) = (head.next_height(), head.rules);
        let at = Position { height, parent: head.hash, genesis: self.genesis, rules };
        self.verify_placed(head, transactions.into_iter().map(|tx| (tx, &at)).collect(), seed)
    }

    /// Verifies and remembers the transactions of final blocks that are about to be imported in this order, all as one batch,
    /// so that their imports need not. Those whose era began after `head` are left to the imports, as are those that are
    /// wrong.
    ///
    /// `seed` is as for [`Self::verify`].
    pub fn verify_ahead<'a>(
        &self,
        head: &Head,
        blocks: impl IntoIterator<Item = &'a Block>,
        seed: &[u8; 32],
    ) {
        let blocks: Vec<(&Block, Position)> = blocks
            .into_iter()
            .map(|block| {
                let Header { number: height, parent_hash: parent, .. } = block.header;
                (block, Position { height, parent, genesis: self.genesis, rules: head.rules })
            })
            .collect();
        let signed = blocks.par_iter().flat_map_iter(|(block, at)| {
            block.body.iter().filter(|tx| is_signed(tx)).map(move |tx| (tx.clone().into(), at))
        });
        let verdicts = self.verify_placed(head, signed.collect(), seed);
        self.remember(verdicts.iter().flatten());
    }

    fn verify_placed(
        &self,
        head: &Head,
        transactions: Vec<(Received, &Position)>,
        seed: &[u8; 32],
    ) -> Vec<Result<Arc<PooledTx>, InvalidTransaction>> {
        let shares = transactions.par_iter().with_min_len(DECODE_SHARE_MIN);
        let known = self.find(&transactions);
        let decode = |((tx, at), known): (&(Received, &Position), &Option<_>)| {
            known.is_none().then(|| decode(head, at, tx))
        };
        let decoded: Vec<Option<Decoded>> = shares.zip(&known).map(decode).collect();

        let new = decoded.iter().flatten().filter_map(|decoded| decoded.as_ref().ok());
        let items: Vec<Item<'_>> = new.map(|(tx, payload)| item(tx, payload)).collect();
        let mut invalid = find_invalid(&items, seed).into_iter().peekable();
        let mut item_index = 0;
        let mut verdict = |bytes: OpaqueTransaction, decoded: Decoded, at: &Position| {
            let (tx, _) = decoded?;
            let is_bad = invalid.next_if_eq(&item_index).is_some();
            item_index += 1;
            match is_bad {
                true => Err(InvalidTransaction::BadProof),
                false => Ok(Arc::new(pooled(bytes, tx, at))),
            }
        };
        let verdicts = transactions.into_iter().zip(known).zip(decoded);
        let verdicts = verdicts.map(|(((tx, at), known), decoded)| match (known, decoded) {
            (Some(known), _) => Ok(known),
            (None, Some(decoded)) => verdict(tx.bytes, decoded, at),
            (None, None) => unreachable!("what is not known was decoded"),
        });
        verdicts.collect()
    }

    /// Remembers transactions that the pool took in, so that their signatures are not verified again
    /// in a block. What the pool refuses is not remembered: it would cost nothing to fill memory.
    pub fn remember<'a>(&self, transactions: impl IntoIterator<Item = &'a Arc<PooledTx>>) {
        self.lock().insert(transactions.into_iter());
    }

    /// Transactions by their hashes, as far as they are remembered: of a block that came as hashes alone.
    pub fn get(&self, hashes: &[Hash]) -> Vec<Option<Arc<PooledTx>>> {
        let known = self.lock();
        hashes.iter().map(|hash| known.get(hash).cloned()).collect()
    }

    /// Forgets transactions that a block included.
    pub(crate) fn forget<'a>(&self, hashes: impl IntoIterator<Item = &'a Hash>) {
        let mut known = self.lock();
        hashes.into_iter().for_each(|hash| known.remove(hash));
    }

    fn find(&self, transactions: &[(Received, &Position)]) -> Vec<Option<Arc<PooledTx>>> {
        let known = self.lock();
        let alive = |(tx, at): &(Received, &Position)| {
            known.get(&tx.hash).filter(|tx| tx.covers(at)).cloned()
        };
        transactions.iter().map(alive).collect()
    }

    /// Nothing that is done under the lock leaves the memory in pieces, so a panic elsewhere does not void it.
    fn lock(&self) -> MutexGuard<'_, Generations> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A decoded transaction and what its signature must cover.
type Decoded = Result<(DecodedTx, Vec<u8>), InvalidTransaction>;

/// Whether a transaction's first byte says that somebody signed it; inherents are not signed.
pub fn is_signed(tx: &OpaqueTransaction) -> bool {
    tx.0.first().is_some_and(|version| version & 0x80 != 0)
}

fn item<'a>(tx: &'a DecodedTx, payload: &'a [u8]) -> Item<'a> {
    Item { account: tx.signer, message: payload, signature: &tx.signature }
}

fn decode(head: &Head, at: &Position, tx: &Received) -> Decoded {
    let tx = runtime::decode_transaction(&tx.bytes, tx.hash)?;
    let payload = tx.signing_payload(&head.snapshot, at)?;
    Ok((tx, payload))
}

fn pooled(bytes: OpaqueTransaction, tx: DecodedTx, at: &Position) -> PooledTx {
    let era = tx.extra.era;
    let (birth, death) = (era.birth(at.height), era.death(at.height));
    PooledTx { bytes, checked: tx.verified(at), birth, death }
}

/// Two generations: when the young one is full it becomes the old one, and the old one is forgotten.
#[derive(Default)]
struct Generations {
    young_max: usize,
    young: HashMap<Hash, Arc<PooledTx>>,
    old: HashMap<Hash, Arc<PooledTx>>,
}

impl Generations {
    fn get(&self, hash: &Hash) -> Option<&Arc<PooledTx>> {
        self.young.get(hash).or_else(|| self.old.get(hash))
    }

    fn insert<'a>(&mut self, transactions: impl Iterator<Item = &'a Arc<PooledTx>>) {
        for tx in transactions {
            if self.young.len() >= self.young_max {
                self.old = std::mem::take(&mut self.young);
            }
            if let Entry::Vacant(place) = self.young.entry(tx.hash()) {
                place.insert(tx.clone());
            }
        }
    }

    fn remove(&mut self, hash: &Hash) {
        if self.young.remove(hash).is_none() {
            self.old.remove(hash);
        }
    }
}
