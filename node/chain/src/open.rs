//! The chain and how it starts.

use crate::{Error, Head, VERIFIED_MAX, Verifier, candidate::Candidates};
use framework::MemState;
use primitives::{
    Block, Certificate, Digest, Hash, Header, OpaqueTransaction, ValidatorInfo, Writes,
    crypto::hash::blake2_256, proof::Proof,
};
use rayon::prelude::*;
use runtime::{Genesis, Inherents, Rules};
use std::{path::PathBuf, sync::Arc};
use storage::{CommitInput, Database, Importer, Snapshot, Store, tree::Tree};

/// Choices about a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The database's folder.
    pub path: PathBuf,
    /// Choices about the database.
    pub storage: storage::Config,
    /// Most verified transactions that are remembered.
    pub verified_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self { path: "db".into(), storage: storage::Config::default(), verified_max: VERIFIED_MAX }
    }
}

/// The owner of the chain's state; see the crate's documentation.
pub struct Chain {
    pub(crate) store: Store,
    pub(crate) verifier: Verifier,
    pub(crate) genesis: Hash,
    pub(crate) head: Head,
    pub(crate) candidates: Candidates,
}

impl Chain {
    /// Opens the chain in the database, or begins one if it is empty. Afterwards the head is the last block that was
    /// committed, and its state has the root that its header says.
    pub fn open(config: &Config, genesis: &Genesis) -> Result<Self, Error> {
        let database = Database::open(&config.path, &config.storage)?;
        let writes = runtime::genesis_state(genesis).map_err(Error::Genesis)?;
        let first_validators = validators_of(&writes);
        let store = match database.head()? {
            None => Store::create(database, writes, genesis_block)?,
            Some(_) => {
                let found = database.hash(0)?.ok_or(Error::NoBlock(0))?;
                if genesis_block(root_of(&writes)).hash() != found {
                    return Err(Error::OtherGenesis { path: config.path.clone(), found });
                }
                Store::open(database)?
            }
        };
        let database = store.database();
        if database.first_block()? == 0 && database.validators_after(0)?.is_none() {
            database.put_validators(0, &first_validators)?;
        }
        Self::of_store(store, config.verified_max)
    }

    /// Begins the chain with the state after a later block that was imported, and opens it. `block` is that block; the
    /// caller vouches for the certificate.
    ///
    /// When this returns the chain is on disk, and [`Self::open`] opens it from then on. Blocks below are not there, but for
    /// genesis.
    pub fn begin_with(
        importer: Importer,
        genesis: &Genesis,
        block: &Block,
        certificate: &Certificate,
        verified_max: usize,
    ) -> Result<Self, Error> {
        let writes = runtime::genesis_state(genesis).map_err(Error::Genesis)?;
        let hash = block.hash();
        let height = block.header.number;
        if runtime::extrinsics_root(&block.body) != block.header.extrinsics_root {
            let why = "its header commits to another body";
            return Err(storage::Error::NotImportable { block: hash, height, why }.into());
        }
        let hashes: Vec<Hash> = block.body.iter().map(OpaqueTransaction::hash).collect();
        let input =
            CommitInput { block, hash, certificate, transaction_hashes: &hashes, validators: None };
        let validators = |state: &Snapshot| runtime::validator_set(state).validators;
        let store = importer.finish(&genesis_block(root_of(&writes)), input, validators)?;
        Self::of_store(store, verified_max)
    }

    fn of_store(store: Store, verified_max: usize) -> Result<Self, Error> {
        let genesis = store.database().hash(0)?.ok_or(Error::NoBlock(0))?;
        let head = stored_head(&store)?;
        let verifier = Verifier::new(genesis, verified_max);
        Ok(Self { store, verifier, genesis, head, candidates: Candidates::default() })
    }

    /// Hash of the chain's first block.
    pub fn genesis(&self) -> Hash {
        self.genesis
    }

    /// The last final block.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// The database, for reads of blocks by others.
    pub fn database(&self) -> &Database {
        self.store.database()
    }

    /// What verifies transactions for the pool, with a memory that checks of blocks share.
    pub fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// The states after the latest blocks, the newest first.
    pub fn recent(&self) -> impl Iterator<Item = &Snapshot> {
        self.store.recent()
    }

    /// Proofs of raw keys in the state after one of the latest blocks.
    pub fn prove<K: AsRef<[u8]>>(&mut self, block: &Hash, keys: &[K]) -> Result<Vec<Proof>, Error> {
        Ok(self.store.prove(block, keys)?)
    }
}

/// Who decides the first block, by the first state.
fn validators_of(writes: &Writes) -> Vec<ValidatorInfo> {
    let mut state = MemState::default();
    state.apply(writes);
    runtime::validator_set(&state).validators
}

/// Hash of the first block of the chain with this genesis.
pub fn genesis_hash(genesis: &Genesis) -> Result<Hash, Error> {
    let writes = runtime::genesis_state(genesis).map_err(Error::Genesis)?;
    Ok(genesis_block(root_of(&writes)).hash())
}

/// The first block, for the root of its state.
fn genesis_block(state_root: Hash) -> Block {
    let header = Header {
        parent_hash: Hash::ZERO,
        number: 0,
        state_root,
        extrinsics_root: runtime::extrinsics_root(&[]),
        digest: Digest::default(),
    };
    Block { header, body: Vec::new() }
}

/// Root of the state that has these entries alone.
fn root_of(writes: &Writes) -> Hash {
    let entries: Vec<_> = writes.iter().collect();
    let leaf = |(key, value): &(&Vec<u8>, &Option<Vec<u8>>)| {
        let value = value.as_ref()?;
        Some((blake2_256(key).0, blake2_256(value).0))
    };
    let leaves: Vec<_> = entries.par_iter().filter_map(leaf).collect();
    Tree::from_leaves(leaves).root()
}

fn stored_head(store: &Store) -> Result<Head, Error> {
    let snapshot = store.head().clone();
    let height = snapshot.height;
    let block = store.database().block(height)?.ok_or(Error::NoBlock(height))?;
    let time_ms = match height {
        0 => 0,
        _ => {
            let inherents = Inherents::from_body(height, &block.body);
            inherents.map_err(|source| Error::Damaged { height, source })?.0.time_ms
        }
    };
    let certificate = store.database().certificate(height)?.map(Arc::new);
    let header = Arc::new(block.header);
    let rules = Rules::at(&snapshot);
    Ok(Head { height, hash: snapshot.hash, header, time_ms, rules, snapshot, certificate })
}
