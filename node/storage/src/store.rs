//! The one owner of the chain's state: stages executed blocks, commits them, makes snapshots and
//! proofs.

use crate::{
    Database, Error, ImportTarget,
    base::Base,
    columns::{CERTIFICATES, CHANGES, META, META_FLUSHED, STATE, height_key},
    database::{Changes, put_state},
    flush::{Flushed, Flusher, Job},
    overlay::Overlay,
    snapshot::{EVENTS_KEY, Snapshot, StateView},
    tree::{Path, Tree, Undo, ValueHash},
};
use codec::Encode;
use primitives::{
    Block, Certificate, Hash, Height, OpaqueTransaction, ValidatorInfo, Writes,
    crypto::hash::{blake2_256, blake2_256_all},
    proof::Proof,
};
use rayon::prelude::*;
use rocksdb::WriteBatch;
use std::{collections::VecDeque, sync::Arc, time::Instant};
use tracing::info;

/// Most blocks whose changes are in memory and not yet in the state column; also the blocks for
/// which there are snapshots and proofs.
pub const OVERLAY_BLOCKS_MAX: usize = 16;
/// Blocks after which their changes begin to go to the state column.
const FLUSH_BLOCKS: usize = 4;
/// Most blocks that are executed on top of the head and not committed.
pub const STAGED_BLOCKS_MAX: usize = 4;
/// Bytes of a batch for each transaction beside its own: hash, place and lengths.
const STORED_OVERHEAD: usize = 64;
/// Keys that one thread hashes at a time.
const HASH_KEYS: usize = 1_024;
/// Keys that are read from the state column at a time while the tree is rebuilt.
const REBUILD_KEYS: usize = 65_536;

/// The state and its tree. It belongs to one thread; others read [`Snapshot`]s and [`Database`].
pub struct Store {
    database: Database,
    /// The tree after the last staged block, or else after the head.
    tree: Tree,
    /// The state column at the flushed height.
    base: Arc<Base>,
    /// Committed blocks above the flushed height, the newest first.
    overlays: VecDeque<(Height, Arc<Overlay>)>,
    /// Snapshots of the latest blocks, the newest first; never empty.
    recent: VecDeque<Snapshot>,
    /// What takes the latest committed blocks out of the tree, the newest first.
    undos: VecDeque<Undo>,
    /// Executed blocks on top of the head and of each other, the oldest first.
    staged: VecDeque<Staged>,
    flusher: Flusher,
}

/// An executed block that is not committed.
struct Staged {
    overlay: Arc<Overlay>,
    undo: Undo,
    root: Hash,
}

/// A staged block that was taken back: its changes and their way into the tree.
#[derive(Debug)]
pub struct Unstaged {
    overlay: Arc<Overlay>,
    redo: Undo,
    root: Hash,
    /// Root of the state that it was executed on.
    on: Hash,
}

/// A decided block, with what is known about it already so that it is not computed twice.
pub struct CommitInput<'a> {
    /// The block; its state root is that of the oldest staged one.
    pub block: &'a Block,
    /// Hash of the block.
    pub hash: Hash,
    /// Proof that it was decided.
    pub certificate: &'a Certificate,
    /// Hashes of the body's transactions, in order.
    pub transaction_hashes: &'a [Hash],
    /// Who decides the blocks after this one, if the block changes that.
    pub validators: Option<&'a [ValidatorInfo]>,
}

impl Store {
    /// Opens the chain of a database: replays the changes that the state column lacks, rebuilds the
    /// tree from the state and compares its root with the head's header.
    pub fn open(database: Database) -> Result<Self, Error> {
        let Some((height, hash)) = database.head()? else {
            return Err(match database.unfinished_import()? {
                Some(ImportTarget { height, block, .. }) => {
                    Error::UnfinishedImport { block, height }
                }
                None => Error::NoGenesis,
            });
        };
        let flushed = database.flushed()?;
        let (db, ahead) = (database.db.clone(), database.history_written()?);
        let base = Arc::new(Base::first(db, flushed, ahead, database.state_cache_bytes));
        let tree = rebuild(&base, &events_at(&database, flushed)?);
        let mut store = Self::assemble(database, tree, base);
        for height in flushed + 1..=height {
            store.replay(height)?;
        }
        let header = store.database.header(height)?;
        let header = header.ok_or(Error::Damaged { what: "header", height })?;
        let (expected, found) = (header.state_root, store.tree.root());
        if found != expected {
            return Err(Error::StateRoot { height, expected, found });
        }
        let events = Arc::new(events_at(&store.database, height)?);
        store.set_head(height, hash, found, events);
        Ok(store)
    }

    /// Makes the chain of an empty database from its first state. `genesis` makes the block for the
    /// root of that state.
    pub fn create(
        database: Database,
        writes: Writes,
        genesis: impl FnOnce(Hash) -> Block,
    ) -> Result<Self, Error> {
        if let Some((_, hash)) = database.head()? {
            return Err(Error::NotEmpty(hash));
        }
        if let Some(ImportTarget { height, block, .. }) = database.unfinished_import()? {
            return Err(Error::UnfinishedImport { block, height });
        }
        let state = database.column(STATE);
        clear_state(&database)?;
        let writes: Changes = writes.into_iter().collect();
        for entries in writes.chunks(REBUILD_KEYS) {
            let mut batch = WriteBatch::default();
            let entries = entries.iter().map(|(key, value)| (key.as_slice(), value.as_deref()));
            put_state(&mut batch, state, entries);
            database.db.write(batch)?;
        }
        let tree = Tree::from_leaves(
            tree_changes(&writes).into_iter().filter_map(|(path, value)| Some((path, value?))),
        );
        let block = genesis(tree.root());
        let hash = block.hash();
        let mut batch = WriteBatch::default();
        database.add_block(&mut batch, &block, &hash, &[], &[]);
        batch.put_cf(database.column(META), META_FLUSHED, block.header.number.encode());
        database.write_synced(batch)?;

        let height = block.header.number;
        let db = database.db.clone();
        let base = Arc::new(Base::first(db, height, height, database.state_cache_bytes));
        for (key, value) in &writes {
            value.iter().for_each(|value| base.warm(key, value));
        }
        let mut store = Self::assemble(database, tree, base);
        store.set_head(height, hash, store.tree.root(), Arc::default());
        Ok(store)
    }

    /// The store of a state column that has all of the state after a block, without anything above it.
    pub(crate) fn of_column(
        database: Database,
        height: Height,
        hash: Hash,
        expected: Hash,
        events: Vec<u8>,
    ) -> Result<Self, Error> {
        let db = database.db.clone();
        let base = Arc::new(Base::first(db, height, height, database.state_cache_bytes));
        let tree = rebuild(&base, &events);
        let found = tree.root();
        if found != expected {
            return Err(Error::StateRoot { height, expected, found });
        }
        let mut store = Self::assemble(database, tree, base);
        store.set_head(height, hash, found, Arc::new(events));
        Ok(store)
    }

    /// The database below.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// The state after the last committed block.
    pub fn head(&self) -> &Snapshot {
        self.recent.front().expect("a store has a head from its start")
    }

    /// The states after the latest committed blocks, the newest first; at most
    /// [`OVERLAY_BLOCKS_MAX`].
    pub fn recent(&self) -> impl Iterator<Item = &Snapshot> {
        self.recent.iter()
    }

    /// The state after the last staged block, or else after the head: what the next block is
    /// executed on.
    pub fn view(&self) -> StateView {
        match self.staged.back() {
            None => self.head().view().clone(),
            Some(last) => self.view_with(last.overlay.events.clone()),
        }
    }

    /// Number of staged blocks.
    pub fn staged(&self) -> usize {
        self.staged.len()
    }

    /// Root of the state that [`Self::view`] reads.
    pub fn staged_root(&self) -> Hash {
        self.tree.root()
    }

    /// Puts the changes of a block that was executed on [`Self::view`] on top of it, and returns
    /// the root that its header must have. `events` is the value of `System.Events`, which `writes`
    /// does not have; empty if the key has no value.
    pub fn stage(&mut self, writes: Writes, events: Vec<u8>) -> Result<Hash, Error> {
        if self.staged.len() >= STAGED_BLOCKS_MAX {
            return Err(Error::TooManyStaged(self.staged.len()));
        }
        let staged = self.enter(writes, events);
        let root = staged.root;
        self.staged.push_back(staged);
        Ok(root)
    }

    /// Takes back the last staged block, if there is one; [`Self::restage`] puts it on top again.
    pub fn unstage(&mut self) -> Option<Unstaged> {
        let Staged { overlay, undo, root } = self.staged.pop_back()?;
        let redo = self.tree.undo(&undo);
        Some(Unstaged { overlay, redo, root, on: self.tree.root() })
    }

    /// Stages a block again that was taken back, without hashing its changes again.
    ///
    /// # Panics
    ///
    /// If the state below is not the one that the block was executed on.
    pub fn restage(&mut self, block: Unstaged) -> Result<Hash, Error> {
        if self.staged.len() >= STAGED_BLOCKS_MAX {
            return Err(Error::TooManyStaged(self.staged.len()));
        }
        let Unstaged { overlay, redo, root, on } = block;
        assert_eq!(self.tree.root(), on, "a block goes back to where it was taken from");
        let undo = self.tree.undo(&redo);
        self.staged.push_back(Staged { overlay, undo, root });
        Ok(root)
    }

    /// Commits the oldest staged block: when this returns, the block, its certificate, its changes
    /// and its events are on the disk.
    pub fn commit(&mut self, input: CommitInput<'_>) -> Result<&Snapshot, Error> {
        self.commit_with(input, true)
    }

    /// Commits the oldest staged block without waiting for the disk, unless a flush is to begin: a crash of the process
    /// loses nothing, one of the machine the last blocks that were committed so. For blocks that others have too.
    pub fn commit_lazily(&mut self, input: CommitInput<'_>) -> Result<&Snapshot, Error> {
        self.commit_with(input, false)
    }

    fn commit_with(&mut self, input: CommitInput<'_>, is_synced: bool) -> Result<&Snapshot, Error> {
        self.check_committable(&input)?;
        self.make_room()?;
        // Nothing that a flush carries over may reach the disk before its blocks do.
        let is_flushing = self.overlays.len() + 1 >= FLUSH_BLOCKS && !self.flusher.is_running();
        let staged = self.staged.pop_front().expect("checked to be there");
        let height = input.block.header.number;

        let Staged { overlay, undo, root } = staged;
        let CommitInput { block, hash, certificate, transaction_hashes, validators } = input;
        let (key, changes) = (height_key(height), overlay.entries().encode());
        let bytes = changes.len() + overlay.events.len() + stored_bytes(&block.body);
        let mut batch = WriteBatch::with_capacity_bytes(bytes);
        batch.put_cf(self.database.column(CERTIFICATES), key, certificate.encode());
        batch.put_cf(self.database.column(CHANGES), key, changes);
        self.database.add_block(&mut batch, block, &hash, transaction_hashes, &overlay.events);
        if let Some(validators) = validators {
            self.database.add_validators(&mut batch, height, validators);
        }
        let oldest = self.database.add_oldest(&mut batch, height);
        if is_synced || is_flushing {
            self.database.write_synced(batch)?;
            self.database.prune(oldest);
        } else {
            self.database.write_unsynced(batch)?;
        }

        let events = overlay.events.clone();
        self.push_committed(height, overlay, undo);
        self.set_head(height, hash, root, events);
        if is_flushing {
            self.begin_flush()?;
        }
        Ok(self.head())
    }

    /// Proofs of raw keys in the state after one of the latest blocks, and the root that they lead
    /// to.
    pub fn prove<K: AsRef<[u8]>>(&mut self, block: &Hash, keys: &[K]) -> Result<Vec<Proof>, Error> {
        let back = self.recent.iter().position(|snapshot| snapshot.hash == *block);
        let back = back.filter(|back| *back <= self.undos.len());
        let back = back.ok_or(Error::NotProvable(*block))?;
        let later = self.staged.iter().rev().map(|staged| &staged.undo);
        let later = later.chain(self.undos.iter().take(back));
        let redos: Vec<Undo> = later.map(|undo| self.tree.undo(undo)).collect();
        let proofs = keys.iter().map(|key| self.tree.prove(&blake2_256(key.as_ref()).0)).collect();
        for redo in redos.iter().rev() {
            self.tree.undo(redo);
        }
        Ok(proofs)
    }

    fn assemble(database: Database, tree: Tree, base: Arc<Base>) -> Self {
        let flusher = Flusher::start(database.clone());
        Self {
            database,
            tree,
            base,
            overlays: VecDeque::new(),
            recent: VecDeque::new(),
            undos: VecDeque::new(),
            staged: VecDeque::new(),
            flusher,
        }
    }

    /// Puts a stored block's changes on top of what was replayed before.
    fn replay(&mut self, height: Height) -> Result<(), Error> {
        let changes = self.database.changes(height)?;
        let changes = changes.ok_or(Error::Damaged { what: "changes", height })?;
        let events = events_at(&self.database, height)?;
        let entered = self.enter(changes.into_iter().collect(), events);
        self.push_committed(height, entered.overlay, entered.undo);
        Ok(())
    }

    /// Updates the tree with a block's changes.
    fn enter(&mut self, writes: Writes, events: Vec<u8>) -> Staged {
        assert!(
            !writes.contains_key(EVENTS_KEY.as_slice()),
            "events are handed over beside the writes, as they are stored elsewhere"
        );
        let overlay = Overlay::new(writes, events, self.base.hasher());
        let mut changes = tree_changes(overlay.entries());
        changes.push(events_leaf(&overlay.events));
        let undo = self.tree.update(changes);
        Staged { overlay: Arc::new(overlay), undo, root: self.tree.root() }
    }

    fn check_committable(&self, input: &CommitInput<'_>) -> Result<(), Error> {
        let header = &input.block.header;
        let head = self.head();
        let fault = if header.number != head.height + 1 || header.parent_hash != head.hash {
            "it is not a child of the head"
        } else if input.certificate.height != header.number || input.certificate.block != input.hash
        {
            "the certificate is for another block"
        } else if input.transaction_hashes.len() != input.block.body.len() {
            "there is not one hash for each transaction"
        } else if self.staged.front().is_none_or(|staged| staged.root != header.state_root) {
            "its state root is not that of the oldest staged block"
        } else {
            return Ok(());
        };
        Err(Error::NotCommittable { block: input.hash, height: header.number, why: fault })
    }

    /// Takes over a finished flush; waits for it if the overlays are full.
    fn make_room(&mut self) -> Result<(), Error> {
        let full = self.overlays.len() >= OVERLAY_BLOCKS_MAX;
        if full && !self.flusher.is_running() {
            self.begin_flush()?;
        }
        self.take_flushed(full)
    }

    fn take_flushed(&mut self, wait: bool) -> Result<(), Error> {
        if let Some(Flushed { base, height }) = self.flusher.poll(wait)? {
            self.base = base;
            self.overlays.retain(|(of, _)| *of > height);
        }
        Ok(())
    }

    /// Waits for the flush that is running, if there is one.
    #[cfg(test)]
    pub(crate) fn finish_flush(&mut self) -> Result<(), Error> {
        self.take_flushed(true)
    }

    /// Waits until nothing is above the base; the head lies on it then.
    #[cfg(test)]
    pub(crate) fn flush_all(&mut self) -> Result<(), Error> {
        self.finish_flush()?;
        self.begin_flush()?;
        self.finish_flush()?;
        let Snapshot { height, hash, root, .. } = *self.head();
        let events = Arc::new(events_at(&self.database, height)?);
        self.recent.pop_front();
        self.set_head(height, hash, root, events);
        Ok(())
    }

    fn begin_flush(&mut self) -> Result<(), Error> {
        match self.flush_job() {
            Some(job) => self.flusher.begin(job),
            None => Ok(()),
        }
    }

    /// All that is committed and above the base.
    pub(crate) fn flush_job(&self) -> Option<Job> {
        let (height, _) = self.overlays.front()?;
        let oldest_first = self.overlays.iter().rev().map(|(_, overlay)| overlay.clone());
        let overlays = oldest_first.collect();
        Some(Job { base: self.base.clone(), overlays, height: *height })
    }

    fn push_committed(&mut self, height: Height, overlay: Arc<Overlay>, undo: Undo) {
        self.overlays.push_front((height, overlay));
        self.undos.push_front(undo);
        self.undos.truncate(OVERLAY_BLOCKS_MAX);
    }

    fn set_head(&mut self, height: Height, hash: Hash, root: Hash, events: Arc<Vec<u8>>) {
        let overlays = self.overlays.iter().map(|(_, overlay)| overlay.clone()).collect();
        let view = StateView::new(self.base.clone(), overlays, events, height);
        self.recent.push_front(Snapshot::new(view, height, hash, root));
        self.recent.truncate(OVERLAY_BLOCKS_MAX);
    }

    /// The state after all staged blocks.
    fn view_with(&self, events: Arc<Vec<u8>>) -> StateView {
        let staged = self.staged.iter().rev().map(|staged| staged.overlay.clone());
        let committed = self.overlays.iter().map(|(_, overlay)| overlay.clone());
        let overlays = staged.chain(committed).collect();
        let ahead = Height::try_from(self.staged.len()).expect("at most STAGED_BLOCKS_MAX");
        StateView::new(self.base.clone(), overlays, events, self.head().height + ahead)
    }
}

/// About what a body and its transactions' places take in a batch.
fn stored_bytes(body: &[OpaqueTransaction]) -> usize {
    body.iter().map(|tx| tx.0.len() + STORED_OVERHEAD).sum()
}

/// Removes what an earlier attempt to make a genesis left, as it may have been of another state.
pub(crate) fn clear_state(database: &Database) -> Result<(), Error> {
    let state = database.column(STATE);
    let mut iterator = database.db.raw_iterator_cf(state);
    iterator.seek_to_first();
    let mut batch = WriteBatch::default();
    while let Some(key) = iterator.key() {
        batch.delete_cf(state, key);
        if batch.len() >= REBUILD_KEYS {
            database.db.write(std::mem::take(&mut batch))?;
        }
        iterator.next();
    }
    iterator.status()?;
    Ok(database.db.write(batch)?)
}

/// Paths and value hashes of a block's changes.
fn tree_changes(entries: &[(Vec<u8>, Option<Vec<u8>>)]) -> Vec<(Path, Option<ValueHash>)> {
    let hash_run = |entries: &[(Vec<u8>, Option<Vec<u8>>)]| {
        let keys: Vec<&[u8]> = entries.iter().map(|(key, _)| key.as_slice()).collect();
        let values: Vec<&[u8]> = entries.iter().filter_map(|(_, value)| value.as_deref()).collect();
        let mut values = blake2_256_all(&values).into_iter().map(|hash| hash.0);
        let hashed = blake2_256_all(&keys).into_iter().zip(entries);
        hashed
            .map(|(path, (_, value))| (path.0, value.is_some().then(|| values.next()).flatten()))
            .collect::<Vec<_>>()
    };
    let runs: Vec<_> = entries.par_chunks(HASH_KEYS).map(hash_run).collect();
    runs.concat()
}

fn events_leaf(events: &[u8]) -> (Path, Option<ValueHash>) {
    let value = (!events.is_empty()).then(|| blake2_256(events).0);
    (blake2_256(&EVENTS_KEY).0, value)
}

fn events_at(database: &Database, height: Height) -> Result<Vec<u8>, Error> {
    database.events(height)?.ok_or(Error::Damaged { what: "events", height })
}

/// The tree of the state column: one thread at a time reads, the others hash. What is read warms the cache.
fn rebuild(base: &Base, events: &[u8]) -> Tree {
    let start = Instant::now();
    let mut iterator = base.iterator(&[], &[]);
    let mut count = 0_usize;
    let runs = std::iter::from_fn(move || {
        let mut run: Changes = Vec::new();
        while run.len() < REBUILD_KEYS
            && let Some((key, value)) = iterator.item()
        {
            base.warm(key, value);
            run.push((key.to_vec(), Some(value.to_vec())));
            iterator.next();
        }
        iterator.status().expect("the database can be read");
        if run.is_empty() {
            return None;
        }
        count += run.len();
        info!(count, "reading the state to rebuild its tree");
        Some(run)
    });
    let mut leaves: Vec<(Path, Option<ValueHash>)> =
        runs.par_bridge().flat_map_iter(|run| tree_changes(&run)).collect();
    leaves.push(events_leaf(events));
    let tree =
        Tree::from_leaves(leaves.into_iter().filter_map(|(path, value)| Some((path, value?))));
    let elapsed_ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    info!(count = tree.len(), elapsed_ms, "state tree rebuilt");
    tree
}
