//! The load through this project's store.

use crate::{Cost, Load};
use primitives::{Block, Certificate, Digest, Hash, Header, Height};
use std::time::Instant;
use storage::{CommitInput, Config, Database, Store};

pub fn run(load: &Load) -> anyhow::Result<Vec<Cost>> {
    let folder = tempfile::tempdir()?;
    let database = Database::open(folder.path(), &Config::default())?;
    let state = load.first_state().map(|(key, value)| (key, Some(value))).collect();
    let genesis = |root| Block { header: header(0, Hash::ZERO, root), body: Vec::new() };
    let mut store = Store::create(database, state, genesis)?;
    (0..load.blocks).map(|block| commit(&mut store, load, block)).collect()
}

fn commit(store: &mut Store, load: &Load, block: u64) -> anyhow::Result<Cost> {
    let writes = load.block(block).into_iter().map(|(key, value)| (key, Some(value))).collect();
    let (height, parent) = (store.head().height + 1, store.head().hash);

    let start = Instant::now();
    let root = store.stage(writes, Vec::new())?;
    let root_time = start.elapsed();

    let block = Block { header: header(height, parent, root), body: Vec::new() };
    let hash = block.hash();
    let certificate = Certificate { height, round: 0, block: hash, signatures: Vec::new() };
    let start = Instant::now();
    store.commit(CommitInput {
        block: &block,
        hash,
        certificate: &certificate,
        transaction_hashes: &[], validators: None,
    })?;
    Ok(Cost { root: root_time, write: start.elapsed() })
}

fn header(number: Height, parent_hash: Hash, state_root: Hash) -> Header {
    let digest = Digest::default();
    Header { parent_hash, number, state_root, extrinsics_root: Hash::ZERO, digest }
}
