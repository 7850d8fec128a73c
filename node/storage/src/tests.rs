//! Stores on real folders, against a model of plain maps.

mod copies;
mod crash;
mod history;

use crate::{columns, flush, *};
use codec::Encode;
use primitives::{
    AccountId, Block, Certificate, Digest, Hash, Header, Height, OpaqueTransaction, RawKey,
    RawValue, StateRead, Writes, crypto::hash::blake2_256,
};
use std::{collections::BTreeMap, path::Path};
use tempfile::TempDir;

type State = BTreeMap<RawKey, RawValue>;

/// A way to commit.
type Commit = for<'a> fn(&'a mut Store, CommitInput<'_>) -> Result<&'a Snapshot, Error>;

/// A store and, for each height, the state that it must hold.
struct Chain {
    store: Store,
    states: Vec<State>,
}

/// A number that depends on `seed` alone and looks random.
fn number(seed: u64) -> u64 {
    let hash = blake2_256(&seed.to_le_bytes());
    u64::from_le_bytes(*hash.0.first_chunk().expect("a hash has 32 bytes"))
}

/// A key of a few, so that blocks overwrite each other's; some are prefixes of others.
fn key(seed: u64) -> RawKey {
    let hash = blake2_256(&(number(seed) % 300).to_le_bytes());
    let prefix: &[u8] = [b"a".as_slice(), b"ab", b"\xff\xff"][usize::from(hash.0[0]) % 3];
    [prefix, &hash.0[..usize::from(hash.0[1]) % 8]].concat()
}

fn writes(seed: u64) -> Writes {
    writes_of(seed, 40)
}

/// Few make small flushes, many large ones.
fn writes_of(seed: u64, count: u64) -> Writes {
    let entry = |n| {
        let seed = seed * 1_000 + n;
        let value =
            (!number(seed + 500).is_multiple_of(4)).then(|| number(seed).to_le_bytes().to_vec());
        (key(seed), value)
    };
    (0..count).map(entry).collect()
}

fn genesis_writes() -> Writes {
    (0..200).map(|n| (key(n), Some(vec![7; 80]))).collect()
}

fn events(height: Height) -> Vec<u8> {
    format!("events of {height}").into_bytes()
}

fn block(height: Height, parent_hash: Hash, state_root: Hash) -> Block {
    let extrinsics_root = blake2_256(&height.to_le_bytes());
    let digest = Digest::default();
    let header = Header { parent_hash, number: height, state_root, extrinsics_root, digest };
    let body = (0..3).map(|n| OpaqueTransaction(vec![n; height as usize % 50])).collect();
    Block { header, body }
}

fn certificate(block: &Block, signatures: u8) -> Certificate {
    let signatures = (0..signatures).map(|n| (AccountId([n; 32]), [n; 64])).collect();
    Certificate { height: block.header.number, round: 0, block: block.hash(), signatures }
}

fn apply(state: &mut State, writes: &Writes) {
    for (key, value) in writes {
        match value {
            Some(value) => state.insert(key.clone(), value.clone()),
            None => state.remove(key),
        };
    }
}

fn open(path: &Path) -> Result<Store, Error> {
    open_with(path, &Config::default())
}

fn open_with(path: &Path, config: &Config) -> Result<Store, Error> {
    Store::open(Database::open(path, config)?)
}

fn genesis(root: Hash) -> Block {
    let mut block = block(0, Hash::ZERO, root);
    block.body.clear();
    block
}

impl Chain {
    fn create(path: &Path) -> Self {
        Self::create_with(path, &Config::default())
    }

    fn create_with(path: &Path, config: &Config) -> Self {
        let database = Database::open(path, config).expect("a new folder");
        let store = Store::create(database, genesis_writes(), genesis).expect("a first genesis");
        let mut state = State::new();
        apply(&mut state, &genesis_writes());
        Self { store, states: vec![state] }
    }

    /// Commits a block; `seed` decides what it changes.
    fn commit(&mut self, seed: u64) -> Block {
        self.commit_writes(writes(seed))
    }

    fn commit_writes(&mut self, writes: Writes) -> Block {
        self.commit_writes_with(writes, Store::commit)
    }

    fn commit_writes_with(&mut self, writes: Writes, commit: Commit) -> Block {
        let (height, parent) = (self.store.head().height + 1, self.store.head().hash);
        let root = self.store.stage(writes.clone(), events(height)).expect("room for a block");
        let block = block(height, parent, root);
        self.commit_block_with(&block, commit).expect("the block that was staged");
        let mut state = self.states.last().expect("genesis is there").clone();
        apply(&mut state, &writes);
        self.states.push(state);
        block
    }

    fn commit_block(&mut self, block: &Block) -> Result<(), Error> {
        self.commit_block_with(block, Store::commit)
    }

    fn commit_block_with(&mut self, block: &Block, commit: Commit) -> Result<(), Error> {
        let hashes: Vec<Hash> = block.body.iter().map(OpaqueTransaction::hash).collect();
        let certificate = certificate(block, 3);
        let input = CommitInput {
            block,
            hash: block.hash(),
            certificate: &certificate,
            transaction_hashes: &hashes,
            validators: None,
        };
        commit(&mut self.store, input).map(|_| ())
    }

    /// What a height's state must be.
    fn state(&self, height: Height) -> State {
        let mut state = self.states[height as usize].clone();
        if height > 0 {
            state.insert(EVENTS_KEY.to_vec(), events(height));
        }
        state
    }

    /// Compares a snapshot with the model: every key read, scanned and stepped through.
    fn check(&self, snapshot: &Snapshot) {
        let state = self.state(snapshot.height);
        for key in (0..300).map(key) {
            let expected = state.get(&key).cloned();
            assert!(snapshot.known(&key).is_none_or(|known| known == expected));
            assert_eq!(snapshot.get(&key), expected);
            if snapshot.height == self.store.head().height {
                assert_eq!(snapshot.known(&key), Some(expected), "it was just read");
            }
        }
        assert_eq!(snapshot.known(&EVENTS_KEY), None, "its value may be large");
        assert_eq!(snapshot.get(&EVENTS_KEY), state.get(EVENTS_KEY.as_slice()).cloned());
        for prefix in [b"".as_slice(), b"a", b"ab", b"\xff\xff", b"b"] {
            let expected: Vec<&RawKey> =
                state.keys().filter(|key| key.starts_with(prefix)).collect();
            let scanned: Vec<RawKey> = snapshot.keys(prefix, None).collect();
            assert_eq!(scanned.iter().collect::<Vec<_>>(), expected);
            for key in state.keys() {
                let next = expected.iter().find(|next| **next > key).map(|next| (*next).clone());
                assert_eq!(snapshot.next_key(prefix, key), next);
                assert_eq!(snapshot.keys(prefix, Some(key)).next(), next);
            }
        }
    }
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("room for a folder")
}

#[test]
fn blocks_and_what_belongs_to_them_are_found_again() {
    let dir = folder();
    let mut chain = Chain::create(dir.path());
    let blocks: Vec<Block> = (1..=3).map(|seed| chain.commit(seed)).collect();
    let database = chain.store.database().clone();
    drop(chain);
    for block in &blocks {
        let (height, hash) = (block.header.number, block.hash());
        assert_eq!(database.block(height).expect("readable").as_ref(), Some(block));
        assert_eq!(database.hash(height).expect("readable"), Some(hash));
        assert_eq!(database.height(&hash).expect("readable"), Some(height));
        assert_eq!(database.certificate(height).expect("readable"), Some(certificate(block, 3)));
        assert_eq!(database.events(height).expect("readable"), Some(events(height)));
        let changes: Writes =
            database.changes(height).expect("readable").into_iter().flatten().collect();
        assert_eq!(changes, writes(u64::from(height)));
        for (index, transaction) in (0..).zip(&block.body) {
            let location = database.transaction(&transaction.hash()).expect("readable");
            assert_eq!(location, Some(TransactionLocation { height, index }));
        }
    }
    assert_eq!(database.head().expect("readable"), Some((3, blocks[2].hash())));
    assert_eq!(database.certificate(0).expect("readable"), None);
    assert_eq!(database.block(4).expect("readable"), None);
    assert_eq!(database.height(&Hash::ZERO).expect("readable"), None);
    assert_eq!(database.transaction(&Hash::ZERO).expect("readable"), None);
}

#[test]
fn every_snapshot_keeps_the_state_of_its_block_while_later_ones_are_committed_and_flushed() {
    let dir = folder();
    let mut chain = Chain::create(dir.path());
    let mut kept = vec![chain.store.head().clone()];
    for seed in 1..=40 {
        chain.commit(seed);
        kept.push(chain.store.head().clone());
    }
    assert!(chain.store.database().flushed().expect("readable") >= 40 - OVERLAY_BLOCKS_MAX as u32);
    kept.iter().step_by(5).for_each(|snapshot| chain.check(snapshot));
    let recent: Vec<Height> = chain.store.recent().map(|snapshot| snapshot.height).collect();
    assert_eq!(recent, (25..=40).rev().collect::<Vec<_>>());
    drop(chain.store);
    // A snapshot outlives the store that made it.
    assert_eq!(kept[40].get(&EVENTS_KEY), Some(events(40)));
}

#[test]
fn a_restart_finds_the_head_and_its_state() {
    let dir = folder();
    let mut chain = Chain::create(dir.path());
    for seed in 1..=12 {
        let block = chain.commit(seed);
        drop(chain.store);
        chain.store = open(dir.path()).expect("what was committed");
        let head = chain.store.head();
        assert_eq!((head.height, head.hash), (block.header.number, block.hash()));
        assert_eq!(head.root, block.header.state_root);
    }
    let head = chain.store.head().clone();
    chain.check(&head);
}

#[test]
fn staged_blocks_are_seen_by_the_next_and_leave_nothing_when_taken_back() {
    let dir = folder();
    let mut chain = Chain::create(dir.path());
    let root = chain.store.head().root;
    let first = chain.store.stage(writes(1), events(1)).expect("room");
    let second = chain.store.stage(writes(2), events(2)).expect("room");
    assert_eq!(chain.store.view().get(&EVENTS_KEY), Some(events(2)));
    let (key, value) = writes(2).pop_last().expect("a block writes");
    assert_eq!(chain.store.view().get(&key), value);
    assert_eq!(chain.store.head().get(&EVENTS_KEY), None);

    // Another proposal for the second height, then the second again.
    let aside = chain.store.unstage().expect("two are staged");
    assert_ne!(chain.store.stage(writes(3), events(2)).expect("room"), second);
    assert!(chain.store.unstage().is_some());
    assert_eq!(chain.store.restage(aside).expect("room"), second);
    assert_eq!(chain.store.view().get(&EVENTS_KEY), Some(events(2)));
    assert!(chain.store.unstage().is_some() && chain.store.unstage().is_some());
    assert!(chain.store.unstage().is_none());
    assert_eq!(chain.store.head().root, root);
    assert_eq!(chain.store.stage(writes(1), events(1)).expect("room"), first);
}

#[test]
fn a_block_on_top_of_a_staged_one_is_committed_with_the_root_it_was_staged_with() {
    let dir = folder();
    let mut chain = Chain::create(dir.path());
    let parent = chain.store.head().hash;
    let blocks: Vec<Block> = (1..=3)
        .scan(parent, |parent, height| {
            let root = chain.store.stage(writes(u64::from(height)), events(height));
            let block = block(height, *parent, root.expect("room"));
            *parent = block.hash();
            Some(block)
        })
        .collect();
    for block in &blocks {
        chain.commit_block(block).expect("staged in this order");
        assert_eq!(chain.store.head().root, block.header.state_root);
    }
    drop(chain.store);
    assert_eq!(open(dir.path()).expect("committed").head().hash, blocks[2].hash());
}

#[test]
fn only_the_oldest_staged_block_can_be_committed() {
    let dir = folder();
    let mut chain = Chain::create(dir.path());
    let parent = chain.store.head().hash;
    let why = |result: Result<(), Error>| match result {
        Err(Error::NotCommittable { why, .. }) => why,
        other => panic!("{other:?} instead of a refusal"),
    };
    let no_root = block(1, parent, Hash::ZERO);
    assert!(why(chain.commit_block(&no_root)).contains("state root"));
    let root = chain.store.stage(writes(1), events(1)).expect("room");
    assert!(why(chain.commit_block(&no_root)).contains("state root"));
    assert!(why(chain.commit_block(&block(2, parent, root))).contains("child of the head"));
    assert!(why(chain.commit_block(&block(1, Hash::ZERO, root))).contains("child of the head"));

    let good = block(1, parent, root);
    let other = certificate(&no_root, 3);
    let hash = good.hash();
    let input = CommitInput {
        block: &good,
        hash,
        certificate: &other,
        transaction_hashes: &[hash; 3],
        validators: None,
    };
    assert!(why(chain.store.commit(input).map(|_| ())).contains("certificate"));
    let right = certificate(&good, 3);
    let input = CommitInput {
        block: &good,
        hash,
        certificate: &right,
        transaction_hashes: &[hash; 2],
        validators: None,
    };
    assert!(why(chain.store.commit(input).map(|_| ())).contains("one hash for each"));
    chain.commit_block(&good).expect("the staged block");
}

#[test]
fn staged_blocks_are_bounded() {
    let dir = folder();
    let mut chain = Chain::create(dir.path());
    for seed in 0..STAGED_BLOCKS_MAX as u64 {
        chain.store.stage(writes(seed), Vec::new()).expect("room");
    }
    let full = chain.store.stage(writes(9), Vec::new());
    assert!(matches!(full, Err(Error::TooManyStaged(STAGED_BLOCKS_MAX))));
}

#[test]
fn each_commit_is_one_sync() {
    let dir = folder();
    let mut chain = Chain::create(dir.path());
    for seed in 1..=20 {
        let before = chain.store.database().syncs();
        chain.commit(seed);
        assert_eq!(chain.store.database().syncs(), before + 1);
    }
}

#[test]
fn lazy_commits_are_synced_once_a_flush() {
    let dir = folder();
    let mut chain = Chain::create(dir.path());
    let before = chain.store.database().syncs();
    for seed in 1..=40 {
        chain.commit_writes_with(writes(seed), Store::commit_lazily);
        chain.store.finish_flush().expect("it ends");
    }
    assert_eq!(chain.store.database().syncs() - before, 10);
    let head = chain.store.head().clone();
    chain.check(&head);
}

#[test]
fn proofs_lead_to_the_root_of_the_block_that_was_asked_for() {
    let dir = folder();
    let mut chain = Chain::create(dir.path());
    (1..=20).for_each(|seed| drop(chain.commit(seed)));
    chain.store.stage(writes(21), events(21)).expect("room");
    let snapshots: Vec<Snapshot> = chain.store.recent().cloned().collect();
    for snapshot in &snapshots {
        let mut keys: Vec<RawKey> = (0..50).map(key).collect();
        keys.push(EVENTS_KEY.to_vec());
        let proofs = chain.store.prove(&snapshot.hash, &keys).expect("a recent block");
        for (key, proof) in keys.iter().zip(proofs) {
            let value = snapshot.get(key).map(|value| blake2_256(&value));
            proof.verify(&snapshot.root, key, value.as_ref()).expect("the store's own proof");
        }
    }
    let old = chain.store.database().hash(3).expect("readable").expect("committed");
    assert!(
        matches!(chain.store.prove(&old, &[b"key"]), Err(Error::NotProvable(hash)) if hash == old)
    );
    // Nothing of the tree was left changed.
    let head = chain.store.head().hash;
    let staged = block(21, head, chain.store.staged_root());
    chain.commit_block(&staged).expect("the block staged before the proofs");
    drop((chain, snapshots));
    open(dir.path()).expect("the root is that of the state");
}

#[test]
fn a_stored_certificate_can_be_widened_and_no_other_put_in_its_place() {
    let dir = folder();
    let mut chain = Chain::create(dir.path());
    let block = chain.commit(1);
    let database = chain.store.database();
    let wide = certificate(&block, 4);
    database.put_certificate(&wide).expect("for the stored block");
    assert_eq!(database.certificate(1).expect("readable"), Some(wide.clone()));
    let foreign = Certificate { block: Hash::ZERO, ..wide };
    assert!(matches!(database.put_certificate(&foreign), Err(Error::UnknownBlock { .. })));
}

#[test]
fn blobs_are_kept_by_name() {
    let dir = folder();
    let database = Database::open(dir.path(), &Config::default()).expect("a new folder");
    database.put_blob(b"name", b"bytes").expect("room");
    assert_eq!(database.blob(b"name").expect("readable"), Some(b"bytes".to_vec()));
    database.remove_blob(b"name").expect("room");
    assert_eq!(database.blob(b"name").expect("readable"), None);
}

#[test]
fn a_second_process_is_told_that_the_folder_is_in_use() {
    let dir = folder();
    let first = Database::open(dir.path(), &Config::default()).expect("a new folder");
    let second = Database::open(dir.path(), &Config::default()).expect_err("it is locked");
    let message = second.to_string();
    assert!(matches!(second, Error::Locked { .. }), "{message}");
    assert!(message.contains(&dir.path().display().to_string()));
    assert!(message.contains("another process"));
    drop(first);
    Database::open(dir.path(), &Config::default()).expect("free again");
}

#[test]
fn another_format_is_refused() {
    let dir = folder();
    let database = Database::open(dir.path(), &Config::default()).expect("a new folder");
    let meta = database.column(columns::META);
    database.db.put_cf(meta, columns::META_FORMAT, 99_u32.encode()).expect("room");
    drop(database);
    let refused = Database::open(dir.path(), &Config::default());
    assert!(matches!(refused, Err(Error::Format { found: 99, .. })));
}

#[test]
fn a_folder_that_is_no_folder_is_named() {
    let dir = folder();
    let file = dir.path().join("file");
    std::fs::write(&file, b"x").expect("room");
    let refused = Database::open(&file, &Config::default()).expect_err("it is a file");
    assert!(refused.to_string().contains(&file.display().to_string()));
    let nested = dir.path().join("chains/dev");
    Database::open(&nested, &Config::default()).expect("folders are made as needed");
}

#[test]
fn a_store_needs_one_genesis() {
    let dir = folder();
    assert!(matches!(open(dir.path()), Err(Error::NoGenesis)));
    drop(Chain::create(dir.path()));
    let database = Database::open(dir.path(), &Config::default()).expect("free");
    let again = Store::create(database, genesis_writes(), genesis);
    assert!(matches!(again, Err(Error::NotEmpty(_))));
}

#[test]
fn a_genesis_that_ended_half_way_leaves_nothing_for_the_next() {
    let dir = folder();
    let database = Database::open(dir.path(), &Config::default()).expect("a new folder");
    database.db.put_cf(database.column(columns::STATE), b"left over", b"x").expect("room");
    drop(database);
    let chain = Chain::create(dir.path());
    assert_eq!(chain.store.head().get(b"left over"), None);
    drop(chain);
    open(dir.path()).expect("the root is that of the state");
}

#[test]
fn a_state_that_is_not_the_heads_is_refused_with_height_and_roots() {
    let dir = folder();
    let mut chain = Chain::create(dir.path());
    let expected = chain.commit(1).header.state_root;
    let database = chain.store.database().clone();
    database.db.put_cf(database.column(columns::STATE), b"forged", b"x").expect("room");
    drop((chain, database));
    let error = open(dir.path()).err().expect("the root differs");
    assert!(matches!(error, Error::StateRoot { height: 1, .. }), "{error}");
    assert!(error.to_string().contains(&expected.to_string()), "{error}");
}

#[test]
fn a_flush_that_ended_half_way_is_done_again_at_the_start() {
    let dir = folder();
    let mut chain = Chain::create(dir.path());
    (1..=3).for_each(|seed| drop(chain.commit(seed)));
    let database = chain.store.database().clone();
    assert_eq!(database.flushed().expect("readable"), 0);
    // As if the machine had stopped after the first of two batches.
    for (key, value) in writes(1).into_iter().chain(writes(2)).chain(writes(3)).take(70) {
        let state = database.column(columns::STATE);
        match value {
            Some(value) => database.db.put_cf(state, key, value).expect("room"),
            None => database.db.delete_cf(state, key).expect("room"),
        }
    }
    let Chain { store, states } = chain;
    drop((store, database));
    let store = open(dir.path()).expect("the root is that of the head");
    let head = store.head().clone();
    Chain { store, states }.check(&head);
}

#[test]
fn a_large_flush_becomes_a_file_and_never_writes_over_one_that_is_in_use() {
    let dir = folder();
    let mut chain = Chain::create(dir.path());
    let database = chain.store.database().clone();
    let files = || {
        let live = database.db.live_files().expect("readable").into_iter();
        live.filter(|file| file.column_family_name == columns::STATE).collect::<Vec<_>>()
    };
    assert!(files().is_empty(), "genesis is in the memtable");
    // Or the file may be merged into another one before it has two names.
    let state = database.column(columns::STATE);
    database.db.set_options_cf(state, &[("disable_auto_compactions", "true")]).expect("an option");
    let large = |seed| (0..300).map(|n| (key(n), Some(vec![seed; 80]))).collect();
    (1..=8).for_each(|seed| drop(chain.commit_writes(large(seed))));
    drop(chain.store);
    let file = files().pop().expect("the flushes are done, and were large");
    // As if the machine had stopped after the column took the file over and before its first name was gone.
    let file = dir.path().join(file.name.trim_start_matches('/'));
    let leftover = dir.path().join(flush::FILE);
    std::fs::hard_link(&file, &leftover).expect("one more name");
    chain.store = Store::open(database.clone()).expect("the root is that of the head");
    (9..=16).for_each(|seed| drop(chain.commit_writes(large(seed))));
    let Chain { store, states } = chain;
    drop((store, database));
    assert!(!leftover.exists());
    let store = open(dir.path()).expect("the root is that of the head");
    let head = store.head().clone();
    Chain { store, states }.check(&head);
}

#[test]
fn a_queue_in_the_state_does_not_grow_a_tail_of_deleted_entries() {
    const BLOCKS: u32 = 400;
    let entry =
        |block: u32, n: u32| [b"queue".as_slice(), &(block * 100 + n).to_be_bytes()].concat();
    let dir = folder();
    let mut chain = Chain::create(dir.path());
    for height in 1..=BLOCKS {
        let come = (0..100).map(|n| (entry(height, n), Some(vec![1])));
        let go = (0..100).map(|n| (entry(height - 1, n), None));
        let root = chain.store.stage(come.chain(go).collect(), events(height)).expect("room");
        let block = block(height, chain.store.head().hash, root);
        chain.commit_block(&block).expect("the staged block");
        assert_eq!(chain.store.head().next_key(b"queue", b"queue"), Some(entry(height, 0)));
    }
    let Chain { store, .. } = chain;
    let database = store.database().clone();
    drop(store);
    let state = database.column(columns::STATE);
    let deletes = database.db.property_int_value_cf(state, "rocksdb.num-deletes-active-mem-table");
    let deletes = deletes.expect("a property of each column").expect("a number");
    let skips_max: u64 = columns::SCAN_SKIPS_MAX.parse().expect("a number");
    assert!(deletes < 2 * skips_max, "{deletes} of {} entries", BLOCKS * 100);
}

#[test]
#[should_panic(expected = "events are handed over beside the writes")]
fn events_among_the_writes_are_a_bug() {
    let dir = folder();
    let mut chain = Chain::create(dir.path());
    let writes = Writes::from([(EVENTS_KEY.to_vec(), Some(vec![1]))]);
    let _ = chain.store.stage(writes, Vec::new());
}

#[test]
fn a_cache_of_no_size_and_too_small_a_window_are_refused() {
    assert_eq!(Config::default().validate(), Ok(()));
    for (bad, name) in [
        (Config { cache_mb: 0, ..Config::default() }, "cache_mb is 0"),
        (Config { state_cache_mb: 0, ..Config::default() }, "state_cache_mb is 0"),
        (Config { history_blocks: 15, ..Config::default() }, "history_blocks is 15"),
    ] {
        assert!(bad.validate().expect_err("too small").starts_with(name));
    }
}
