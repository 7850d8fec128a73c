//! The open database: blocks and what belongs to them, by height and by hash.

use crate::{
    Config, Error, ImportTarget,
    columns::{
        self, APPENDED, BLOBS, BLOCKS, CERTIFICATES, CHANGES, EVENTS, HISTORY, LAST_LEVEL_DELAY,
        META, META_FIRST, META_FLUSHED, META_FORMAT, META_HEAD, META_IMPORT, META_OLDEST,
        SCAN_SKIPS_MAX, STATE, TRANSACTIONS, body_key, hash_key, header_key, height_key,
        height_of_validators, validators_key,
    },
    history,
    horizon::Horizon,
    snapshot::Snapshot,
};
use codec::{Decode, DecodeAll, Encode};
use primitives::{
    Block, Certificate, Hash, Header, Height, OpaqueTransaction, RawKey, RawValue, ValidatorInfo,
};
use rocksdb::{
    AsColumnFamilyRef, ColumnFamily, DBWithThreadMode, SingleThreaded, WriteBatch, WriteOptions,
    checkpoint::Checkpoint,
};
use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// What this version writes and reads.
const FORMAT: u32 = 2;

/// All columns are made at open, so the handle needs no lock around them.
pub(crate) type Db = DBWithThreadMode<SingleThreaded>;

/// A block's changes as they are stored.
pub(crate) type Changes = Vec<(RawKey, Option<RawValue>)>;

/// A handle to the open database; clones share it.
#[derive(Clone)]
pub struct Database {
    pub(crate) db: Arc<Db>,
    path: PathBuf,
    /// For who reads the state column.
    pub(crate) state_cache_bytes: usize,
    horizon: Arc<Horizon>,
    /// Blocks before the head whose states stay readable; `None` if all do.
    history_blocks: Option<Height>,
    syncs: Arc<AtomicU64>,
}

/// Where in the chain a transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct TransactionLocation {
    /// Height of its block.
    pub height: Height,
    /// Its place in the block's body.
    pub index: u32,
}

/// About what the history takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HistorySize {
    /// Changes of keys.
    pub entries: u64,
    /// Bytes of its files.
    pub bytes: u64,
}

impl Database {
    /// Opens the database in this folder, or makes one.
    pub fn open(path: &Path, config: &Config) -> Result<Self, Error> {
        std::fs::create_dir_all(path)
            .map_err(|source| Error::Folder { path: path.to_path_buf(), source })?;
        let options = columns::database_options();
        let horizon = Arc::new(Horizon::default());
        let db = Db::open_cf_descriptors(&options, path, columns::descriptors(config, &horizon))
            .map_err(|source| open_error(path, source))?;
        // Options that can only be set while the columns are open.
        let skips = ("memtable_op_scan_flush_trigger", SCAN_SKIPS_MAX);
        db.set_options_cf(column(&db, STATE), &[skips])?;
        for name in APPENDED {
            let delay = ("bottommost_file_compaction_delay", LAST_LEVEL_DELAY);
            db.set_options_cf(column(&db, name), &[delay])?;
        }
        let database = Self {
            db: Arc::new(db),
            path: path.to_path_buf(),
            state_cache_bytes: config.state_cache_mb << 20,
            horizon,
            history_blocks: (!config.archive).then_some(config.history_blocks),
            syncs: Arc::default(),
        };
        database.check_format()?;
        database.find_horizon()?;
        Ok(database)
    }

    /// The database's folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many writes were synced to disk since the database was opened.
    pub fn syncs(&self) -> u64 {
        self.syncs.load(Ordering::Relaxed)
    }

    /// Copies the database as it is now into a folder that does not exist yet; files are linked where that is possible.
    /// The copy is opened like any database.
    pub fn copy_to(&self, path: &Path) -> Result<(), Error> {
        Ok(Checkpoint::new(&self.db)?.create_checkpoint(path)?)
    }

    /// Height and hash of the last block committed; `None` before genesis.
    pub fn head(&self) -> Result<Option<(Height, Hash)>, Error> {
        self.meta(META_HEAD)
    }

    /// Lowest height from which on all blocks up to the head are stored. It is not 0 where the chain began with the state
    /// of a later block: of those before, there is genesis alone.
    pub fn first_block(&self) -> Result<Height, Error> {
        Ok(self.meta(META_FIRST)?.unwrap_or_default())
    }

    /// The block whose state is being imported, if that is not finished.
    pub fn unfinished_import(&self) -> Result<Option<ImportTarget>, Error> {
        self.meta(META_IMPORT)
    }

    /// The header at a height.
    pub fn header(&self, height: Height) -> Result<Option<Header>, Error> {
        Ok(self.named_header(height)?.map(|(_, header)| header))
    }

    /// The hash of the block at a height.
    pub fn hash(&self, height: Height) -> Result<Option<Hash>, Error> {
        Ok(self.named_header(height)?.map(|(hash, _)| hash))
    }

    /// The height of the block with a hash.
    pub fn height(&self, hash: &Hash) -> Result<Option<Height>, Error> {
        let bytes = self.db.get_pinned_cf(self.column(BLOCKS), hash_key(hash))?;
        let Some(bytes) = bytes else { return Ok(None) };
        let bytes = bytes.as_ref().try_into();
        let height = bytes.map_err(|_| Error::Damaged { what: "height of a hash", height: 0 })?;
        Ok(Some(Height::from_be_bytes(height)))
    }

    /// The block at a height.
    pub fn block(&self, height: Height) -> Result<Option<Block>, Error> {
        let Some(header) = self.header(height)? else { return Ok(None) };
        let body: Option<Vec<OpaqueTransaction>> =
            self.decoded(BLOCKS, &body_key(height), "body", height)?;
        let body = body.ok_or(Error::Damaged { what: "body", height })?;
        Ok(Some(Block { header, body }))
    }

    /// The certificate of the block at a height; genesis has none.
    pub fn certificate(&self, height: Height) -> Result<Option<Certificate>, Error> {
        self.decoded(CERTIFICATES, &height_key(height), "certificate", height)
    }

    /// Replaces the certificate of a stored block, as later blocks bring more signatures for it. It
    /// is not synced: the certificate stored before is as good a proof.
    pub fn put_certificate(&self, certificate: &Certificate) -> Result<(), Error> {
        let Certificate { height, block, .. } = *certificate;
        if self.hash(height)? != Some(block) {
            return Err(Error::UnknownBlock { block, height });
        }
        let key = height_key(height);
        Ok(self.db.put_cf(self.column(CERTIFICATES), key, certificate.encode())?)
    }

    /// Who decides the block after the one at a height; `None` where that block is not stored.
    pub fn validators_after(&self, height: Height) -> Result<Option<Vec<ValidatorInfo>>, Error> {
        if self.head()?.is_none_or(|(head, _)| head < height) {
            return Ok(None);
        }
        let mut iterator = self.db.raw_iterator_cf(self.column(BLOCKS));
        iterator.seek_for_prev(validators_key(height));
        let Some(mut value) = iterator.key().and_then(height_of_validators).and(iterator.value())
        else {
            iterator.status()?;
            return Ok(None);
        };
        let validators = Vec::decode_all(&mut value);
        validators.map(Some).map_err(|_| Error::Damaged { what: "validators", height })
    }

    /// The first block above a height that changed who decides.
    pub fn next_change(&self, height: Height) -> Result<Option<Height>, Error> {
        let Some(above) = height.checked_add(1) else { return Ok(None) };
        let mut iterator = self.db.raw_iterator_cf(self.column(BLOCKS));
        iterator.seek(validators_key(above));
        let found = iterator.key().and_then(height_of_validators);
        iterator.status()?;
        Ok(found)
    }

    /// Takes down who decides the blocks after the one at a height, for one that is stored; commits do it for others.
    pub fn put_validators(
        &self,
        height: Height,
        validators: &[ValidatorInfo],
    ) -> Result<(), Error> {
        let mut batch = WriteBatch::default();
        self.add_validators(&mut batch, height, validators);
        self.write_synced(batch)
    }

    /// Value of `System.Events` after the block at a height; empty if it had none.
    pub fn events(&self, height: Height) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.db.get_cf(self.column(EVENTS), height_key(height))?)
    }

    /// The block and place of the transaction with a hash. Transactions with the same bytes share a
    /// hash; the latest one is found.
    pub fn transaction(&self, hash: &Hash) -> Result<Option<TransactionLocation>, Error> {
        self.decoded(TRANSACTIONS, &hash.0, "transaction location", 0)
    }

    /// The state after the block at a height, for who has a later one: the head's, or any since the one that is asked for.
    /// `None` if it is pruned or above `later`.
    ///
    /// This takes some microseconds; [`Snapshot`] says what reads cost.
    pub fn state_at(&self, later: &Snapshot, height: Height) -> Result<Option<Snapshot>, Error> {
        if height >= later.height {
            return Ok((height == later.height).then(|| later.clone()));
        }
        let view = later.view_at(&self.db, height, || self.horizon.hold(height));
        let Some(view) = view else { return Ok(None) };
        let (hash, header) =
            self.named_header(height)?.ok_or(Error::Damaged { what: "header", height })?;
        Ok(Some(Snapshot::new(view, height, hash, header.state_root)))
    }

    /// Lowest height whose state can be read; it rises with the head unless [`Self::is_archive`].
    pub fn oldest_state(&self) -> Height {
        self.horizon.oldest()
    }

    /// Whether all states stay readable from now on. Those below [`Self::oldest_state`] may be gone already.
    pub fn is_archive(&self) -> bool {
        self.history_blocks.is_none()
    }

    /// About what the history takes on the disk.
    pub fn history_size(&self) -> Result<HistorySize, Error> {
        let property = |name| {
            let value = self.db.property_int_value_cf(self.column(HISTORY), name);
            value.map(Option::unwrap_or_default)
        };
        let entries = property(rocksdb::properties::ESTIMATE_NUM_KEYS)?;
        Ok(HistorySize { entries, bytes: property(rocksdb::properties::LIVE_SST_FILES_SIZE)? })
    }

    /// What the block at a height changed in the state, in key order. Genesis has none, and they go some time after the state
    /// before the block is pruned.
    pub fn changes(&self, height: Height) -> Result<Option<Changes>, Error> {
        self.decoded(CHANGES, &height_key(height), "changes", height)
    }

    /// The bytes kept under a name.
    pub fn blob(&self, name: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.db.get_cf(self.column(BLOBS), name)?)
    }

    /// Keeps bytes under a name and syncs them.
    pub fn put_blob(&self, name: &[u8], bytes: &[u8]) -> Result<(), Error> {
        let mut batch = WriteBatch::default();
        batch.put_cf(self.column(BLOBS), name, bytes);
        self.write_synced(batch)
    }

    /// Removes the bytes kept under a name.
    pub fn remove_blob(&self, name: &[u8]) -> Result<(), Error> {
        Ok(self.db.delete_cf(self.column(BLOBS), name)?)
    }

    /// Height up to which the state column holds all blocks.
    pub(crate) fn flushed(&self) -> Result<Height, Error> {
        self.meta(META_FLUSHED)?.ok_or(Error::DamagedMeta(META_FLUSHED))
    }

    /// Height up to which the history has all changes.
    pub(crate) fn history_written(&self) -> Result<Height, Error> {
        let bytes = self.db.get_cf(self.column(HISTORY), history::WRITTEN)?;
        let Some(bytes) = bytes else { return Ok(0) };
        Height::decode_all(&mut &bytes[..])
            .map_err(|_| Error::Damaged { what: "height of the history", height: 0 })
    }

    /// Adds to the batch of a commit what it makes of the oldest state, which must be on the disk before any of the history
    /// goes. Give the result to [`Self::prune`] then.
    pub(crate) fn add_oldest(&self, batch: &mut WriteBatch, head: Height) -> Height {
        let oldest = self.oldest_state();
        let window = self.history_blocks.map_or(oldest, |blocks| head.saturating_sub(blocks));
        if window <= oldest {
            return oldest;
        }
        batch.put_cf(self.column(META), META_OLDEST, window.encode());
        window
    }

    /// Gives states below a height away: nobody gets one from here on, and compactions drop their history.
    pub(crate) fn prune(&self, oldest: Height) {
        self.horizon.raise(oldest);
    }

    pub(crate) fn column(&self, name: &str) -> &ColumnFamily {
        column(&self.db, name)
    }

    /// Writes a batch and waits until the disk has it.
    pub(crate) fn write_synced(&self, batch: WriteBatch) -> Result<(), Error> {
        let mut options = WriteOptions::default();
        options.set_sync(true);
        self.db.write_opt(batch, &options)?;
        self.syncs.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Writes a batch that the next one which is synced brings to the disk.
    pub(crate) fn write_unsynced(&self, batch: WriteBatch) -> Result<(), Error> {
        Ok(self.db.write(batch)?)
    }

    /// Adds a block and what is found by it to a batch, and makes it the head.
    pub(crate) fn add_block(
        &self,
        batch: &mut WriteBatch,
        block: &Block,
        hash: &Hash,
        transaction_hashes: &[Hash],
        events: &[u8],
    ) {
        let height = block.header.number;
        let blocks = self.column(BLOCKS);
        batch.put_cf(blocks, header_key(height), (hash, &block.header).encode());
        batch.put_cf(blocks, body_key(height), block.body.encode());
        batch.put_cf(blocks, hash_key(hash), height_key(height));
        batch.put_cf(self.column(EVENTS), height_key(height), events);
        let transactions = self.column(TRANSACTIONS);
        // In key order, as neighbours enter a memtable faster than strangers. Of equal ones the latest stays last.
        let mut places: Vec<(&Hash, u32)> = transaction_hashes.iter().zip(0..).collect();
        places.sort_unstable();
        for (transaction, index) in places {
            let location = TransactionLocation { height, index };
            batch.put_cf(transactions, transaction.0, location.encode());
        }
        batch.put_cf(self.column(META), META_HEAD, (height, hash).encode());
    }

    /// Adds to a batch who decides the blocks after the one at a height.
    pub(crate) fn add_validators(
        &self,
        batch: &mut WriteBatch,
        height: Height,
        validators: &[ValidatorInfo],
    ) {
        batch.put_cf(self.column(BLOCKS), validators_key(height), validators.encode());
    }

    fn named_header(&self, height: Height) -> Result<Option<(Hash, Header)>, Error> {
        self.decoded(BLOCKS, &header_key(height), "header", height)
    }

    fn decoded<T: Decode>(
        &self,
        column: &str,
        key: &[u8],
        what: &'static str,
        height: Height,
    ) -> Result<Option<T>, Error> {
        let Some(bytes) = self.db.get_pinned_cf(self.column(column), key)? else { return Ok(None) };
        let value = T::decode_all(&mut bytes.as_ref());
        value.map(Some).map_err(|_| Error::Damaged { what, height })
    }

    fn meta<T: Decode>(&self, name: &'static str) -> Result<Option<T>, Error> {
        let Some(bytes) = self.db.get_pinned_cf(self.column(META), name)? else { return Ok(None) };
        T::decode_all(&mut bytes.as_ref()).map(Some).map_err(|_| Error::DamagedMeta(name))
    }

    /// Finds the oldest state; it may be pruned now, if the window is smaller than it was.
    fn find_horizon(&self) -> Result<(), Error> {
        self.prune(self.meta(META_OLDEST)?.unwrap_or_default());
        let Some((head, _)) = self.head()? else { return Ok(()) };
        let mut batch = WriteBatch::default();
        let oldest = self.add_oldest(&mut batch, head);
        if !batch.is_empty() {
            self.write_synced(batch)?;
        }
        self.prune(oldest);
        Ok(())
    }

    fn check_format(&self) -> Result<(), Error> {
        match self.meta(META_FORMAT)? {
            None => {
                let mut batch = WriteBatch::default();
                batch.put_cf(self.column(META), META_FORMAT, FORMAT.encode());
                self.write_synced(batch)
            }
            Some(FORMAT) => Ok(()),
            Some(found) => Err(Error::Format { path: self.path.clone(), found, expected: FORMAT }),
        }
    }
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database").field("path", &self.path).finish_non_exhaustive()
    }
}

/// A column that every open database has.
pub(crate) fn column<'a>(db: &'a Db, name: &str) -> &'a ColumnFamily {
    db.cf_handle(name).expect("all columns are made when the database is opened")
}

/// Adds state entries to a batch.
pub(crate) fn put_state<'a>(
    batch: &mut WriteBatch,
    state: &impl AsColumnFamilyRef,
    entries: impl IntoIterator<Item = (&'a [u8], Option<&'a [u8]>)>,
) {
    for (key, value) in entries {
        match value {
            Some(value) => batch.put_cf(state, key, value),
            None => batch.delete_cf(state, key),
        }
    }
}

fn open_error(path: &Path, source: rocksdb::Error) -> Error {
    let path = path.to_path_buf();
    // RocksDB has no code of its own for this.
    let locked = source.kind() == rocksdb::ErrorKind::IOError && source.as_ref().contains("/LOCK");
    if locked { Error::Locked { path } } else { Error::Open { path, source } }
}
