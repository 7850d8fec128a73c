//! Prints what it takes to make a state ready for others, and to fetch, verify and import it.
//!
//! ```text
//! cargo run --package artel-storage --example copy_state -- 1000000
//! ```

use artel_storage::{
    CommitInput, Config, Database, Error, Exports, ImportTarget, Importer, Piece, Store,
};
use codec::Encode;
use primitives::{
    Block, Certificate, Digest, Hash, Header, Height, Writes,
    chunk::{PathPrefix, StateChunk},
    crypto::hash::blake2_512,
};
use std::time::{Duration, Instant};

const ENTRY_BYTES: usize = 80;

/// As random as a storage key's hash and what follows it.
fn bytes(number: u64) -> Vec<u8> {
    blake2_512(&number.to_le_bytes()).iter().cycle().take(ENTRY_BYTES).copied().collect()
}

fn block(number: Height, parent_hash: Hash, state_root: Hash) -> Block {
    let digest = Digest::default();
    let header = Header { parent_hash, number, state_root, extrinsics_root: Hash::ZERO, digest };
    Block { header, body: Vec::new() }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let accounts: u64 = std::env::args().nth(1).unwrap_or_else(|| "1000000".into()).parse()?;
    let (dir, copies, new) = (tempfile::tempdir()?, tempfile::tempdir()?, tempfile::tempdir()?);
    let state: Writes = (0..accounts).map(|n| (bytes(n), Some(bytes(n)))).collect();
    let database = Database::open(dir.path(), &Config::default())?;
    let mut store = Store::create(database, state, |root| block(0, Hash::ZERO, root))?;
    let genesis = block(0, Hash::ZERO, store.head().root);
    let root = store.stage(Writes::new(), b"events".to_vec())?;
    let head = block(1, store.head().hash, root);
    let hash = head.hash();
    let certificate = Certificate { height: 1, round: 0, block: hash, signatures: Vec::new() };
    let input = || CommitInput {
        block: &head,
        hash,
        certificate: &certificate,
        transaction_hashes: &[],
        validators: None,
    };
    store.commit(input())?;

    let exports = Exports::open(copies.path())?;
    let start = Instant::now();
    let export = exports.make(store.head().clone(), &|| false)?.ok_or("nobody stopped it")?;
    let megabytes = export.bytes() >> 20;
    println!("made ready: {:.2?} for {} entries, {megabytes} MiB", start.elapsed(), export.count());
    drop(store);

    let database = Database::open(new.path(), &Config::default())?;
    let mut importer = Importer::open(database, ImportTarget { height: 1, block: hash, root })?;
    let (mut served, mut verified, mut stored) = <(Duration, Duration, Duration)>::default();
    let mut chunks = 0;
    let mut wanted = vec![PathPrefix::ROOT];
    while let Some(prefix) = wanted.pop() {
        let start = Instant::now();
        let piece = export.piece(&prefix)?.ok_or("it is served")?;
        let Piece::Chunk(chunk) = piece else {
            wanted.extend(prefix.halves().ok_or("two entries have two paths")?);
            continue;
        };
        let bytes = chunk.encode();
        served += start.elapsed();
        let start = Instant::now();
        let chunk = StateChunk::from_bytes(&bytes)?.verify(&root, &prefix)?;
        verified += start.elapsed();
        let start = Instant::now();
        importer.put(&chunk)?;
        stored += start.elapsed();
        chunks += 1;
    }
    println!("{chunks} chunks: served {served:.2?}, verified {verified:.2?}, stored {stored:.2?}");
    let start = Instant::now();
    let store = importer.finish(&genesis, input(), |_| Vec::new())?;
    println!("tree built, root compared, chain begun: {:.2?}", start.elapsed());
    if store.head().root != root {
        return Err(Error::StateRoot { height: 1, expected: root, found: store.head().root }.into());
    }
    Ok(())
}
