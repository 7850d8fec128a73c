//! A chain that begins with the state after some block, fetched from others in chunks.
//!
//! ```text
//! Importer::open --> put(chunk) ... in any order, each synced with the note that it is there
//!                --> finish(genesis, block, certificate) --> Store, as if it had executed all blocks
//! ```
//!
//! A crash loses no chunk that was put: [`Importer::open`] goes on where it was. What is imported does not count as a chain
//! until the end, which is one synced batch.

use crate::{
    CommitInput, Database, Error, Snapshot, Store,
    columns::{
        CERTIFICATES, EVENTS, META, META_FIRST, META_FLUSHED, META_IMPORT, META_IMPORTED,
        META_OLDEST, STATE, height_key,
    },
    snapshot::EVENTS_KEY,
    store::clear_state,
};
use codec::{Decode, DecodeAll, Encode};
use primitives::{
    Block, Hash, Height, ValidatorInfo,
    chunk::{PathPrefix, VerifiedChunk},
};
use rocksdb::WriteBatch;
use std::collections::BTreeSet;

/// The block whose state is imported. Who imports it trusts all of this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ImportTarget {
    /// Height of the block.
    pub height: Height,
    /// Hash of the block.
    pub block: Hash,
    /// Root of the state after it.
    pub root: Hash,
}

/// The owner of a database while a state is imported into it.
#[derive(Debug)]
pub struct Importer {
    database: Database,
    target: ImportTarget,
    /// The subtrees that are there; none of them covers another.
    imported: BTreeSet<PathPrefix>,
}

impl Importer {
    /// Begins to import a state into a database that has no chain, or goes on with it. What there is of another state goes.
    pub fn open(database: Database, target: ImportTarget) -> Result<Self, Error> {
        if let Some((_, hash)) = database.head()? {
            return Err(Error::NotEmpty(hash));
        }
        let begun = database.unfinished_import()?;
        let imported = imported(&database)?;
        let mut importer = Self { database, target, imported };
        if begun != Some(target) {
            importer.begin_anew(begun)?;
        }
        Ok(importer)
    }

    /// What is imported.
    pub fn target(&self) -> &ImportTarget {
        &self.target
    }

    /// The subtrees that are there.
    pub fn imported(&self) -> &BTreeSet<PathPrefix> {
        &self.imported
    }

    /// The subtrees that are not there yet, as large as they can be.
    pub fn missing(&self) -> Vec<PathPrefix> {
        PathPrefix::missing(&self.imported)
    }

    /// Writes a chunk and syncs it. One that is there already changes nothing.
    pub fn put(&mut self, chunk: &VerifiedChunk) -> Result<(), Error> {
        if *chunk.root() != self.target.root {
            return Err(self.not_importable("the chunk is of another state"));
        }
        let prefix = *chunk.prefix();
        let above = (0..=prefix.depth()).map(|depth| PathPrefix::new(prefix.path(), depth));
        if above.into_iter().any(|above| self.imported.contains(&above)) {
            return Ok(());
        }
        let (state, meta) = (self.database.column(STATE), self.database.column(META));
        let mut batch = WriteBatch::default();
        // In key order, as neighbours enter a memtable faster than strangers.
        let mut entries: Vec<_> = chunk.entries().iter().collect();
        entries.sort_unstable();
        for (key, value) in entries {
            if *key == EVENTS_KEY {
                let events = self.database.column(EVENTS);
                batch.put_cf(events, height_key(self.target.height), value);
            } else {
                batch.put_cf(state, key, value);
            }
        }
        // Parts of it that came before are not named any more.
        let parts: Vec<PathPrefix> =
            self.imported.range(prefix..).take_while(|part| prefix.covers(part)).copied().collect();
        for part in &parts {
            batch.delete_cf(meta, imported_key(part));
        }
        batch.put_cf(meta, imported_key(&prefix), []);
        self.database.write_synced(batch)?;
        parts.iter().for_each(|part| {
            self.imported.remove(part);
        });
        self.imported.insert(prefix);
        Ok(())
    }

    /// Ends the import: builds the tree, compares its root, and makes the block the head. `genesis` is the chain's first
    /// block; `validators` reads from the state who decides the blocks after the new head. The caller vouches for the first
    /// and for the certificate.
    ///
    /// When this returns the chain is on the disk. After an error the import can be opened again.
    pub fn finish(
        self,
        genesis: &Block,
        input: CommitInput<'_>,
        validators: impl FnOnce(&Snapshot) -> Vec<ValidatorInfo>,
    ) -> Result<Store, Error> {
        let CommitInput { block, certificate, transaction_hashes, .. } = input;
        let ImportTarget { height, block: hash, root } = self.target;
        if !self.missing().is_empty() {
            return Err(Error::UnfinishedImport { block: hash, height });
        }
        let header = &block.header;
        if header.number != height || header.state_root != root || input.hash != hash {
            return Err(self.not_importable("it is not the block whose state was imported"));
        }
        if height == 0 || genesis.header.number != 0 {
            return Err(
                self.not_importable("genesis has no state to import and stands below others")
            );
        }
        if certificate.height != height || certificate.block != hash {
            return Err(self.not_importable("the certificate is for another block"));
        }
        if transaction_hashes.len() != block.body.len() {
            return Err(self.not_importable("there is not one hash for each transaction"));
        }
        let Self { database, .. } = self;
        let events = database.events(height)?.unwrap_or_default();
        let store = Store::of_column(database, height, hash, root, events.clone())?;

        let database = store.database();
        let mut batch = WriteBatch::default();
        database.add_block(&mut batch, genesis, &genesis.hash(), &[], &[]);
        database.add_block(&mut batch, block, &hash, transaction_hashes, &events);
        batch.put_cf(database.column(CERTIFICATES), height_key(height), certificate.encode());
        database.add_validators(&mut batch, height, &validators(store.head()));
        let meta = database.column(META);
        for name in [META_FLUSHED, META_OLDEST, META_FIRST] {
            batch.put_cf(meta, name, height.encode());
        }
        forget_imported(database, &mut batch)?;
        database.write_synced(batch)?;
        database.prune(height);
        Ok(store)
    }

    /// Removes what there is and takes down what comes.
    fn begin_anew(&mut self, begun: Option<ImportTarget>) -> Result<(), Error> {
        self.imported.clear();
        let mut batch = WriteBatch::default();
        forget_imported(&self.database, &mut batch)?;
        if let Some(begun) = begun {
            batch.delete_cf(self.database.column(EVENTS), height_key(begun.height));
        }
        self.database.db.write(batch)?;
        // Without the note above, what a crash leaves of this is removed by whoever comes next.
        clear_state(&self.database)?;
        let mut batch = WriteBatch::default();
        batch.put_cf(self.database.column(META), META_IMPORT, self.target.encode());
        self.database.write_synced(batch)
    }

    fn not_importable(&self, why: &'static str) -> Error {
        Error::NotImportable { block: self.target.block, height: self.target.height, why }
    }
}

fn imported_key(prefix: &PathPrefix) -> Vec<u8> {
    [META_IMPORTED, &prefix.encode()].concat()
}

fn imported(database: &Database) -> Result<BTreeSet<PathPrefix>, Error> {
    let mut iterator = database.db.raw_iterator_cf(database.column(META));
    iterator.seek(META_IMPORTED);
    let mut imported = BTreeSet::new();
    while let Some(mut name) = iterator.key().and_then(|key| key.strip_prefix(META_IMPORTED)) {
        let prefix = PathPrefix::decode_all(&mut name);
        imported.insert(prefix.map_err(|_| Error::DamagedMeta(META_IMPORT))?);
        iterator.next();
    }
    iterator.status()?;
    Ok(imported)
}

fn forget_imported(database: &Database, batch: &mut WriteBatch) -> Result<(), Error> {
    let meta = database.column(META);
    for prefix in imported(database)? {
        batch.delete_cf(meta, imported_key(&prefix));
    }
    batch.delete_cf(meta, META_IMPORT);
    Ok(())
}
