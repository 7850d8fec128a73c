//! States that are made ready for others, and chains that begin with one.

use super::*;
use primitives::{
    ValidatorInfo,
    chunk::{CHUNK_BYTES_MAX, PathPrefix, StateChunk, VerifiedChunk, bytes_of},
};

/// More blocks than wait for a flush, so that states lie in files, in history and in overlays.
const BLOCKS: u64 = 20;

fn never() -> bool {
    false
}

/// A chain whose state has a few hundred keys and some megabytes.
fn grown(dir: &TempDir) -> Chain {
    let mut chain = Chain::create(dir.path());
    for seed in 1..=BLOCKS {
        let mut writes = writes(seed);
        let large = |n: u64| {
            let length = usize::try_from(number(n) % 60_000).expect("small");
            ([b"large".as_slice(), &n.to_le_bytes()].concat(), Some(vec![seed as u8; length]))
        };
        writes.extend((0..number(seed) % 20).map(|n| large(number(100 * seed + n) % 120)));
        chain.commit_writes(writes);
    }
    chain
}

fn export(exports: &Exports, state: &Snapshot) -> std::sync::Arc<Export> {
    exports.make(state.clone(), &never).expect("room").expect("nobody stopped it")
}

/// All of a state, with the subtrees that were too large on the way.
fn fetch(export: &Export) -> (Vec<VerifiedChunk>, usize) {
    let (mut chunks, mut split) = (Vec::new(), 0);
    let mut wanted = vec![PathPrefix::ROOT];
    while let Some(prefix) = wanted.pop() {
        match export.piece(&prefix).expect("readable").expect("it is served") {
            Piece::Chunk(chunk) => {
                let chunk = StateChunk::from_bytes(&chunk.encode()).expect("it decodes");
                chunks.push(chunk.verify(&export.root, &prefix).expect("it is right"));
            }
            Piece::TooLarge => {
                split += 1;
                wanted.extend(prefix.halves().expect("two entries have two paths"));
            }
        }
    }
    (chunks, split)
}

fn state_of(chunks: &[VerifiedChunk]) -> State {
    chunks.iter().flat_map(|chunk| chunk.entries().iter().cloned()).collect()
}

#[test]
fn every_subtree_of_a_state_is_served_with_exactly_what_it_has() {
    let (dir, copies) = (folder(), folder());
    let chain = grown(&dir);
    let exports = Exports::open(copies.path()).expect("room");
    let database = chain.store.database();
    let head = chain.store.head();
    // Where the history tells, in the overlays, and at the head.
    for back in [15, 2, 0] {
        let state = database.state_at(head, head.height - back).expect("readable").expect("there");
        let export = export(&exports, &state);
        let expected = chain.state(state.height);
        assert_eq!((export.hash, export.root), (state.hash, state.root));
        assert_eq!(export.count(), expected.len() as u64);
        let (chunks, split) = fetch(&export);
        assert_eq!(state_of(&chunks), expected);
        assert!(split > 0, "more than one chunk");
        assert_eq!(export.bytes(), chunks.iter().map(|chunk| chunk.bytes() as u64).sum::<u64>());

        for n in 0..200 {
            let depth = usize::try_from(number(n) % if n % 8 == 0 { 257 } else { 12 });
            let prefix = PathPrefix::new(&blake2_256(&key(n)).0, depth.expect("small"));
            let within = |(key, _): &(&RawKey, &RawValue)| prefix.contains(&blake2_256(key).0);
            let inside: State =
                expected.iter().filter(within).map(|(k, v)| (k.clone(), v.clone())).collect();
            let entries: Vec<_> = inside.clone().into_iter().collect();
            match export.piece(&prefix).expect("readable").expect("it is served") {
                Piece::Chunk(chunk) => {
                    let chunk = chunk.verify(&state.root, &prefix).expect("it is right");
                    assert_eq!(state_of(&[chunk]), inside);
                }
                Piece::TooLarge => assert!(bytes_of(&entries) > CHUNK_BYTES_MAX),
            }
        }
    }
}

#[test]
fn states_are_served_after_a_restart_and_the_oldest_make_room() {
    let (dir, copies) = (folder(), folder());
    let mut chain = grown(&dir);
    let exports = Exports::open(copies.path()).expect("room");
    let first = export(&exports, chain.store.head());
    let held = chain.store.head().clone();
    chain.commit(100);
    let second = export(&exports, chain.store.head());
    assert_eq!(export(&exports, &held).hash, first.hash, "it is there already");

    // What a stop and a crash leave is no state.
    chain.commit(101);
    let stopped = exports.make(chain.store.head().clone(), &|| true).expect("room");
    assert!(stopped.is_none());
    assert_eq!(std::fs::read_dir(copies.path()).expect("readable").count(), 4);
    let torn = copies.path().join(format!("77-{}.index", Hash::ZERO));
    std::fs::write(&torn, [1; 30]).expect("writable");
    std::fs::write(torn.with_extension("state"), []).expect("writable");
    let exports = Exports::open(copies.path()).expect("room");
    assert!(!torn.exists());
    let hashes = |exports: &Exports| exports.list().iter().map(|e| e.hash).collect::<Vec<_>>();
    assert_eq!(hashes(&exports), [first.hash, second.hash]);
    let again = exports.find(&first.hash).expect("it is kept");
    assert_eq!(state_of(&fetch(&again).0), chain.state(first.height));

    let third = export(&exports, chain.store.head());
    assert_eq!(hashes(&exports), [second.hash, third.hash]);
    assert!(exports.find(&first.hash).is_none());
    let small = PathPrefix::new(&[0; 32], 9);
    assert_eq!(again.piece(&small).expect("no fault"), None, "its file is gone");
    assert_eq!(state_of(&fetch(&second).0), chain.state(second.height));
}

#[test]
fn an_empty_state_and_one_of_a_single_key_are_served() {
    for writes in [Writes::new(), Writes::from([(b"key".to_vec(), Some(b"value".to_vec()))])] {
        let (dir, copies) = (folder(), folder());
        let database = Database::open(dir.path(), &Config::default()).expect("a new folder");
        let store = Store::create(database, writes.clone(), genesis).expect("a first genesis");
        let exports = Exports::open(copies.path()).expect("room");
        let (chunks, split) = fetch(&export(&exports, store.head()));
        assert_eq!((chunks.len(), split), (1, 0));
        assert_eq!(chunks[0].entries().len(), writes.len());
    }
}

fn validator(number: u8) -> ValidatorInfo {
    let (account, key) = (AccountId([number; 32]), [number; 32]);
    ValidatorInfo { account, vote_key: key, vrf_key: key, power: 1 }
}

/// A chain, all chunks of a state of it, and what the import of that state needs.
struct Source {
    chain: Chain,
    block: Block,
    target: ImportTarget,
    chunks: Vec<VerifiedChunk>,
    export: std::sync::Arc<Export>,
}

fn source(dir: &TempDir, copies: &TempDir) -> Source {
    let chain = grown(dir);
    let exports = Exports::open(copies.path()).expect("room");
    let head = chain.store.head();
    let block = chain.store.database().block(head.height).expect("readable").expect("stored");
    let target = ImportTarget { height: head.height, block: head.hash, root: head.root };
    let export = export(&exports, head);
    let (chunks, _) = fetch(&export);
    assert!(chunks.len() > 3);
    Source { chain, block, target, chunks, export }
}

fn importer(dir: &TempDir, target: ImportTarget) -> Importer {
    let database = Database::open(dir.path(), &Config::default()).expect("it is closed");
    Importer::open(database, target).expect("there is no chain")
}

fn finish(source: &Source, importer: Importer) -> Result<Store, Error> {
    let genesis = source.chain.store.database().block(0).expect("readable").expect("stored");
    let (hash, certificate) = (source.block.hash(), certificate(&source.block, 3));
    let hashes: Vec<Hash> = source.block.body.iter().map(OpaqueTransaction::hash).collect();
    let input = CommitInput {
        block: &source.block,
        hash,
        certificate: &certificate,
        transaction_hashes: &hashes,
        validators: None,
    };
    importer.finish(&genesis, input, |_| vec![validator(9)])
}

#[test]
fn an_import_goes_on_after_each_interruption_and_becomes_a_chain_like_its_source() {
    let (dir, copies, new) = (folder(), folder(), folder());
    let mut source = source(&dir, &copies);
    let Source { target, ref chunks, .. } = source;
    // In an order of their own, and with a start between any two.
    for (count, n) in (0..chunks.len()).rev().enumerate() {
        let mut importer = importer(&new, target);
        assert_eq!(importer.imported().len(), count);
        assert!(importer.missing().iter().any(|missing| missing.covers(chunks[n].prefix())));
        importer.put(&chunks[n]).expect("it is of this state");
        importer.put(&chunks[n]).expect("twice is once");
        drop(importer);
        let unfinished = open(new.path()).err().expect("it is no chain");
        assert!(
            matches!(unfinished, Error::UnfinishedImport { height, .. } if height == target.height)
        );
        let database = Database::open(new.path(), &Config::default()).expect("it is closed");
        let refused = Store::create(database, genesis_writes(), genesis).err();
        assert!(matches!(refused, Some(Error::UnfinishedImport { .. })), "nothing is overwritten");
    }
    let importer = importer(&new, target);
    assert_eq!(importer.missing(), []);
    let store = finish(&source, importer).expect("all is there");
    assert_eq!((store.head().height, store.head().hash), (target.height, target.block));
    source.chain.check(store.head());
    let database = store.database().clone();
    assert_eq!(database.first_block().expect("readable"), target.height);
    assert_eq!(database.oldest_state(), target.height);
    assert_eq!(database.block(target.height).expect("readable"), Some(source.block.clone()));
    let genesis = source.chain.store.database().hash(0).expect("readable");
    assert_eq!(database.hash(0).expect("readable"), genesis);
    assert_eq!(database.block(target.height - 1).expect("readable"), None);
    assert!(database.state_at(store.head(), target.height - 1).expect("readable").is_none());
    assert_eq!(database.unfinished_import().expect("readable"), None);
    let validators = |height| database.validators_after(height).expect("readable");
    assert_eq!(validators(target.height), Some(vec![validator(9)]));
    assert_eq!(validators(target.height - 1), None, "not even that of genesis is for it");
    drop((store, database));

    // From here on it is a chain like any other, with a restart and flushes on the way.
    let mut store = open(new.path()).expect("it is whole");
    for seed in 200..230 {
        let block = source.chain.commit(seed);
        let root = store.stage(writes(seed), events(block.header.number)).expect("room");
        assert_eq!(root, block.header.state_root);
        let hashes: Vec<Hash> = block.body.iter().map(OpaqueTransaction::hash).collect();
        let (hash, certificate) = (block.hash(), certificate(&block, 3));
        let input = CommitInput {
            block: &block,
            hash,
            certificate: &certificate,
            transaction_hashes: &hashes,
            validators: None,
        };
        store.commit(input).expect("it fits");
        if seed % 10 == 0 {
            drop(store);
            store = open(new.path()).expect("it is whole");
        }
        source.chain.check(store.head());
    }
    for height in [target.height, target.height + 3, target.height + 25] {
        let old = store.database().state_at(store.head(), height).expect("readable");
        source.chain.check(&old.expect("it is retained"));
    }
}

#[test]
fn an_import_of_another_state_begins_anew() {
    let (dir, copies, new) = (folder(), folder(), folder());
    let source = source(&dir, &copies);
    let other = ImportTarget { height: 7, block: Hash([7; 32]), root: Hash([8; 32]) };
    let mut first = importer(&new, source.target);
    first.put(&source.chunks[0]).expect("it is of this state");
    drop(first);
    let mut second = importer(&new, other);
    assert_eq!(second.missing(), [PathPrefix::ROOT]);
    let refused = second.put(&source.chunks[0]);
    assert!(matches!(refused, Err(Error::NotImportable { .. })));
    drop(second);

    let mut third = importer(&new, source.target);
    assert_eq!(third.missing(), [PathPrefix::ROOT]);
    source.chunks.iter().for_each(|chunk| third.put(chunk).expect("it is of this state"));
    let store = finish(&source, third).expect("nothing is left of what was before");
    source.chain.check(store.head());
    let database = store.database().clone();
    drop(store);
    let refused = Importer::open(database, source.target).err();
    assert!(matches!(refused, Some(Error::NotEmpty(_))));
}

#[test]
fn an_import_does_not_end_before_it_is_whole_nor_with_another_block() {
    let (dir, copies, new) = (folder(), folder(), folder());
    let mut source = source(&dir, &copies);
    let mut importer = importer(&new, source.target);
    for chunk in &source.chunks[1..] {
        importer.put(chunk).expect("it is of this state");
    }
    let unfinished = finish(&source, importer).err();
    assert!(matches!(unfinished, Some(Error::UnfinishedImport { .. })));

    // A subtree takes the place of its parts.
    let mut importer = self::importer(&new, source.target);
    let whole = source.chunks[0].prefix();
    for half in whole.halves().expect("it is no single path") {
        let Ok(Some(Piece::Chunk(chunk))) = source.export.piece(&half) else {
            panic!("a part of a chunk is one");
        };
        importer.put(&chunk.verify(&source.target.root, &half).expect("right")).expect("right");
    }
    assert_eq!(importer.missing(), []);
    drop(importer);
    let mut importer = self::importer(&new, source.target);
    importer.put(&source.chunks[0]).expect("it is of this state");
    assert_eq!(importer.imported().len(), source.chunks.len());
    let right = source.block.clone();
    source.block.header.number += 1;
    let refused = finish(&source, importer).err();
    assert!(matches!(refused, Some(Error::NotImportable { .. })));
    source.block = right;
    let importer = self::importer(&new, source.target);
    source.chain.check(finish(&source, importer).expect("it is whole").head());
}

#[test]
fn who_decides_is_known_after_each_block() {
    let dir = folder();
    let mut chain = Chain::create(dir.path());
    let genesis = [validator(0)];
    chain.store.database().put_validators(0, &genesis).expect("writable");
    for height in 1..=9_u8 {
        let seed = u64::from(height);
        let parent = chain.store.head().hash;
        let root = chain.store.stage(writes(seed), events(height.into())).expect("room");
        let block = block(height.into(), parent, root);
        let hashes: Vec<Hash> = block.body.iter().map(OpaqueTransaction::hash).collect();
        let certificate = certificate(&block, 3);
        let new = [validator(height)];
        let input = CommitInput {
            block: &block,
            hash: block.hash(),
            certificate: &certificate,
            transaction_hashes: &hashes,
            validators: height.is_multiple_of(4).then_some(&new),
        };
        chain.store.commit(input).expect("it fits");
    }
    let database = chain.store.database();
    let after = |height| database.validators_after(height).expect("readable");
    let named = |height: u8| Some(vec![validator(height)]);
    assert_eq!([0, 3, 4, 7, 8].map(after), [named(0), named(0), named(4), named(4), named(8)]);
    assert_eq!((after(9), after(10)), (named(8), None), "there is no block 10");
    let change = |height| database.next_change(height).expect("readable");
    assert_eq!([0, 3, 4, 8].map(change), [Some(4), Some(4), Some(8), None]);
}
