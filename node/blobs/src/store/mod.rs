//! Blocks in a folder, and who wants them kept.
//!
//! ```text
//! <folder>/lock                     held by the process that has the store open
//! <folder>/blocks/<last 2>/<cid>    one file a block
//! <folder>/pins/<owner>/<cid>       one empty file a pin
//! <folder>/tmp/                     files being written; emptied on opening
//! ```

mod files;
mod pins;

pub use pins::{OWNER_BYTES_MAX, Owner};

use crate::{
    Cid, ParseCidError,
    unixfs::{BLOB_BYTES_MAX, BadRoot, CHUNK_BYTES, ROOT_BYTES_MAX, Root, Splitter},
};
use files::Files;
use pins::Pins;
use std::{
    collections::BTreeMap,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Most bytes that one [`Store::read`] returns.
pub const READ_BYTES_MAX: usize = 4 << 20;

/// Limits of a store.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Most bytes of all blocks together.
    pub bytes_max: u64,
    /// Most bytes of one blob; at most [`BLOB_BYTES_MAX`].
    pub blob_bytes_max: u64,
    /// Most bytes of all blobs that one owner pins, each counted whole.
    pub owner_bytes_max: u64,
    /// Most pins of all owners together.
    pub pins_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            bytes_max: 16 << 30,
            blob_bytes_max: BLOB_BYTES_MAX,
            owner_bytes_max: 4 << 30,
            pins_max: 100_000,
        }
    }
}

/// The limits contradict one another. Holds how.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(String);

impl Config {
    /// Whether the limits fit together; the error names the one that does not.
    pub fn validate(&self) -> Result<(), ConfigError> {
        if self.blob_bytes_max > BLOB_BYTES_MAX {
            return Err(ConfigError(format!(
                "blobs.blob_bytes_max is {}, at most {BLOB_BYTES_MAX} is possible",
                self.blob_bytes_max
            )));
        }
        if self.blob_bytes_max > self.bytes_max {
            return Err(ConfigError(format!(
                "blobs.blob_bytes_max is {}, which does not fit blobs.bytes_max = {}",
                self.blob_bytes_max, self.bytes_max
            )));
        }
        Ok(())
    }
}

/// Why the store did not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The name is none of this network's.
    #[error(transparent)]
    BadCid(#[from] ParseCidError),
    /// A root block that is not laid out as it must.
    #[error("{cid}: {reason}")]
    BadRoot {
        /// The root's name.
        cid: Cid,
        /// What is wrong.
        reason: BadRoot,
    },
    /// An owner's name is too long or has other characters.
    #[error(
        "'{0}' can't own pins: 1 to {OWNER_BYTES_MAX} of a-z, A-Z, 0-9, '-' and '_' are needed"
    )]
    BadOwner(String),
    /// The block is not here.
    #[error("blob or block {0} is not in the store: fetch or upload it first")]
    Absent(Cid),
    /// The bytes are not those that the name promises.
    #[error("the {length} bytes given are not the block {cid}")]
    Mismatch {
        /// The name.
        cid: Cid,
        /// How many bytes came with it.
        length: usize,
    },
    /// A file of the store has changed behind its back.
    #[error("{path} is damaged: upload or fetch the blob again")]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// Larger than allowed.
    #[error("{what} has {size} bytes or more, at most {max} are allowed")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its bytes, as far as they were counted.
        size: u64,
        /// The bound.
        max: u64,
    },
    /// The store's bound is reached.
    #[error(
        "the store holds {held} bytes, {more} more exceed its {max}: unpin blobs or raise blobs.bytes_max"
    )]
    Full {
        /// Bytes of all blocks.
        held: u64,
        /// Bytes that did not fit.
        more: u64,
        /// The bound.
        max: u64,
    },
    /// An owner's quota is reached.
    #[error(
        "{owner} pins {held} bytes, {more} more exceed its {max}: unpin blobs or raise blobs.owner_bytes_max"
    )]
    QuotaReached {
        /// Who pins.
        owner: Owner,
        /// Bytes that the owner pins.
        held: u64,
        /// The blob's bytes.
        more: u64,
        /// The bound.
        max: u64,
    },
    /// Too many pins.
    #[error("the store has {0} pins, which is its bound: unpin blobs or raise blobs.pins_max")]
    TooManyPins(usize),
    /// Another process has the folder open.
    #[error("{0} is in use by another process: stop it or choose another folder")]
    InUse(PathBuf),
    /// A file can't be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// The bytes to store could not be read.
    #[error("the blob could not be read: {0}")]
    Source(io::Error),
}

impl Error {
    /// Whether the blob's bytes are gone: uploading or fetching it again brings them back.
    fn is_loss(&self) -> bool {
        matches!(self, Self::Absent(_) | Self::Damaged { .. } | Self::BadRoot { .. })
    }
}

/// What a collection did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Blocks removed.
    pub blocks: usize,
    /// Their bytes.
    pub bytes: u64,
}

/// Blobs in a folder; shared by reference between threads.
pub struct Store {
    config: Config,
    files: Files,
    index: Mutex<Index>,
}

/// What the folder holds.
struct Index {
    blocks: BTreeMap<Cid, Entry>,
    bytes: u64,
    pins: Pins,
}

struct Entry {
    length: u64,
    /// Put since the last collection.
    fresh: bool,
}

impl Store {
    /// Open or create a store. Blocks that a crash left half-written are gone, all others count as just put.
    pub fn open(folder: &Path, config: Config) -> Result<Self, Error> {
        let files = Files::open(folder)?;
        let mut index = Index { blocks: BTreeMap::new(), bytes: 0, pins: Pins::default() };
        for (cid, length) in files.blocks()? {
            index.bytes += length;
            index.blocks.insert(cid, Entry { length, fresh: true });
        }
        let store = Self { config, files, index: Mutex::new(index) };
        for (owner, cid) in store.files.pins()? {
            // A pin whose blob has gone or is damaged holds nothing: it is dropped, so that its owner notices on
            // the next pin.
            match store.size(&cid) {
                Ok(size) => store.index().pins.insert(owner, cid, size),
                Err(error) if error.is_loss() => {
                    tracing::warn!(%owner, %cid, %error, "a pinned blob is lost");
                    store.files.remove_pin(&owner, &cid)?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(store)
    }

    /// Store a blob and name it. Pin it, or it is collected some time.
    pub fn put(&self, mut source: impl Read) -> Result<Cid, Error> {
        let mut splitter = Splitter::default();
        let mut chunk = Vec::with_capacity(CHUNK_BYTES);
        loop {
            chunk.clear();
            source
                .by_ref()
                .take(CHUNK_BYTES as u64)
                .read_to_end(&mut chunk)
                .map_err(Error::Source)?;
            if chunk.is_empty() {
                break;
            }
            check_size(
                "the blob",
                splitter.size() + chunk.len() as u64,
                self.config.blob_bytes_max,
            )?;
            let leaf = splitter.push(&chunk);
            self.write_block(leaf, &chunk)?;
            if chunk.len() < CHUNK_BYTES {
                break;
            }
        }
        let size = splitter.size();
        let max = self.config.blob_bytes_max;
        let (cid, root) =
            splitter.finish().ok_or(Error::TooLarge { what: "the blob", size, max })?;
        match root {
            Some(block) => self.write_block(cid, &block)?,
            None if size == 0 => self.write_block(cid, &[])?,
            None => {}
        }
        Ok(cid)
    }

    /// Store one block under its name. A root needs its chunks first.
    pub fn put_block(&self, cid: &Cid, block: &[u8]) -> Result<(), Error> {
        let max = match cid {
            Cid::Raw(_) => CHUNK_BYTES,
            Cid::Root(_) => ROOT_BYTES_MAX,
        };
        check_size("the block", block.len() as u64, max as u64)?;
        if !cid.names(block) {
            return Err(Error::Mismatch { cid: *cid, length: block.len() });
        }
        if let Cid::Root(_) = cid {
            let root = decode_root(cid, block)?;
            check_size("the blob", root.size(), self.config.blob_bytes_max)?;
            self.index().check_complete(cid, &root)?;
        }
        self.write_block(*cid, block)
    }

    /// The block of a name.
    pub fn block(&self, cid: &Cid) -> Result<Vec<u8>, Error> {
        let length = self.index().blocks.get(cid).ok_or(Error::Absent(*cid))?.length;
        let block = self.files.read_block(cid, length);
        if let Err(Error::Damaged { .. }) = block {
            self.index().forget(cid);
        }
        block
    }

    /// Whether the block of a name is here.
    pub fn has(&self, cid: &Cid) -> bool {
        self.index().blocks.contains_key(cid)
    }

    /// Bytes of a blob, which is wholly here.
    pub fn size(&self, cid: &Cid) -> Result<u64, Error> {
        match self.root(cid)? {
            Some(root) => {
                self.index().check_complete(cid, &root)?;
                Ok(root.size())
            }
            None => Ok(self.index().blocks.get(cid).ok_or(Error::Absent(*cid))?.length),
        }
    }

    /// Up to `length` bytes of a blob from `offset` on, but at most [`READ_BYTES_MAX`]; fewer at its end, none after it.
    pub fn read(&self, cid: &Cid, offset: u64, length: usize) -> Result<Vec<u8>, Error> {
        let length = length.min(READ_BYTES_MAX);
        let Some(root) = self.root(cid)? else {
            return Ok(part(&self.block(cid)?, offset, length).to_vec());
        };
        let chunk_bytes = CHUNK_BYTES as u64;
        let first = usize::try_from(offset / chunk_bytes).unwrap_or(usize::MAX);
        let mut out = Vec::new();
        for leaf in root.leaves().skip(first) {
            if out.len() == length {
                break;
            }
            let start = if out.is_empty() { offset % chunk_bytes } else { 0 };
            out.extend_from_slice(part(&self.block(&leaf)?, start, length - out.len()));
        }
        Ok(out)
    }

    /// A whole blob of at most `bytes_max` bytes.
    pub fn get(&self, cid: &Cid, bytes_max: u64) -> Result<Vec<u8>, Error> {
        let size = self.size(cid)?;
        check_size("the blob", size, bytes_max)?;
        let mut bytes =
            Vec::with_capacity(usize::try_from(size).expect("a blob in memory fits it"));
        match self.root(cid)? {
            Some(root) => {
                for leaf in root.leaves() {
                    bytes.extend_from_slice(&self.block(&leaf)?);
                }
            }
            None => bytes = self.block(cid)?,
        }
        Ok(bytes)
    }

    /// Keep a blob until this owner unpins it; doing so twice is doing it once.
    pub fn pin(&self, owner: &Owner, cid: &Cid) -> Result<(), Error> {
        let root = self.root(cid)?;
        let mut index = self.index();
        let size = match &root {
            Some(root) => {
                index.check_complete(cid, root)?;
                root.size()
            }
            None => index.blocks.get(cid).ok_or(Error::Absent(*cid))?.length,
        };
        // A collection that is under way may not know of this pin.
        for block in root.iter().flat_map(Root::leaves).chain([*cid]) {
            index.refresh(&block);
        }
        if index.pins.contains(owner, cid) {
            return Ok(());
        }
        if index.pins.len() >= self.config.pins_max {
            return Err(Error::TooManyPins(index.pins.len()));
        }
        let (held, max) = (index.pins.bytes(owner), self.config.owner_bytes_max);
        if held.saturating_add(size) > max {
            return Err(Error::QuotaReached { owner: owner.clone(), held, more: size, max });
        }
        self.files.write_pin(owner, cid)?;
        index.pins.insert(owner.clone(), *cid, size);
        Ok(())
    }

    /// Give up an owner's pin of a blob; returns whether there was one.
    pub fn unpin(&self, owner: &Owner, cid: &Cid) -> Result<bool, Error> {
        let mut index = self.index();
        if !index.pins.contains(owner, cid) {
            return Ok(false);
        }
        self.files.remove_pin(owner, cid)?;
        index.pins.remove(owner, cid);
        Ok(true)
    }

    /// Give up all pins of an owner; returns how many there were.
    pub fn unpin_all(&self, owner: &Owner) -> Result<usize, Error> {
        let mut index = self.index();
        let cids = index.pins.of(owner);
        for cid in &cids {
            self.files.remove_pin(owner, cid)?;
            index.pins.remove(owner, cid);
        }
        Ok(cids.len())
    }

    /// All pins: owner, blob, bytes of the blob.
    pub fn pins(&self) -> Vec<(Owner, Cid, u64)> {
        self.index().pins.all()
    }

    /// How many pins there are.
    pub fn pin_count(&self) -> usize {
        self.index().pins.len()
    }

    /// Bytes of all blocks.
    pub fn bytes(&self) -> u64 {
        self.index().bytes
    }

    /// The store's limits.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Remove the blocks of blobs that nobody pins and that were neither put nor pinned since the last collection.
    /// Others use the store meanwhile. A pinned blob whose root is damaged is given up, with a warning.
    pub fn collect(&self) -> Result<Collected, Error> {
        let mut pinned = self.index().pins.blobs();
        for cid in pinned.clone() {
            match self.root(&cid) {
                Ok(root) => pinned.extend(root.iter().flat_map(Root::leaves)),
                Err(error) if error.is_loss() => self.give_up(&cid, &error)?,
                Err(error) => return Err(error),
            }
        }
        let mut stale = Vec::new();
        for (cid, entry) in &mut self.index().blocks {
            let fresh = std::mem::take(&mut entry.fresh);
            if !fresh && !pinned.contains(cid) {
                stale.push(*cid);
            }
        }
        let mut collected = Collected::default();
        for cid in stale {
            let mut index = self.index();
            // It may have been put or pinned since.
            let Some(entry) = index.blocks.get(&cid).filter(|entry| !entry.fresh) else { continue };
            collected.blocks += 1;
            collected.bytes += entry.length;
            self.files.remove_block(&cid)?;
            index.forget(&cid);
        }
        Ok(collected)
    }

    /// Drop all pins of a blob that cannot be read.
    fn give_up(&self, cid: &Cid, error: &Error) -> Result<(), Error> {
        let mut index = self.index();
        for owner in index.pins.owners(cid) {
            tracing::warn!(%owner, %cid, %error, "a pinned blob is lost");
            self.files.remove_pin(&owner, cid)?;
            index.pins.remove(&owner, cid);
        }
        Ok(())
    }

    fn root(&self, cid: &Cid) -> Result<Option<Root>, Error> {
        match cid {
            Cid::Raw(_) => Ok(None),
            Cid::Root(_) => decode_root(cid, &self.block(cid)?).map(Some),
        }
    }

    /// Write a block that is known to be named so.
    fn write_block(&self, cid: Cid, block: &[u8]) -> Result<(), Error> {
        let length = block.len() as u64;
        if self.index().refresh(&cid) {
            return Ok(());
        }
        // The slow part, writing and syncing, is done without the lock; two writers of one block both succeed.
        let written = self.files.write_temporary(block)?;
        let mut index = self.index();
        if index.refresh(&cid) {
            return Ok(());
        }
        let (held, max) = (index.bytes, self.config.bytes_max);
        if held.saturating_add(length) > max {
            return Err(Error::Full { held, more: length, max });
        }
        self.files.keep_block(written, &cid)?;
        index.bytes += length;
        index.blocks.insert(cid, Entry { length, fresh: true });
        Ok(())
    }

    /// A thread that panicked in here left at most a file that the index does not know: the rest stays right.
    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Index {
    /// Whether the block is here; if so it counts as just put.
    fn refresh(&mut self, cid: &Cid) -> bool {
        match self.blocks.get_mut(cid) {
            Some(entry) => {
                entry.fresh = true;
                true
            }
            None => false,
        }
    }

    /// The block is not what it should be: the next put writes it again.
    fn forget(&mut self, cid: &Cid) {
        if let Some(entry) = self.blocks.remove(cid) {
            self.bytes -= entry.length;
        }
    }

    /// All chunks of a root are here and as long as it says.
    fn check_complete(&self, cid: &Cid, root: &Root) -> Result<(), Error> {
        for (number, leaf) in root.leaves().enumerate() {
            let entry = self.blocks.get(&leaf).ok_or(Error::Absent(leaf))?;
            if entry.length != root.leaf_size(number) {
                return Err(Error::BadRoot { cid: *cid, reason: BadRoot });
            }
        }
        Ok(())
    }
}

fn decode_root(cid: &Cid, block: &[u8]) -> Result<Root, Error> {
    Root::decode(block).map_err(|reason| Error::BadRoot { cid: *cid, reason })
}

fn check_size(what: &'static str, size: u64, max: u64) -> Result<(), Error> {
    if size > max { Err(Error::TooLarge { what, size, max }) } else { Ok(()) }
}

/// Up to `length` bytes from `offset` on.
fn part(bytes: &[u8], offset: u64, length: usize) -> &[u8] {
    let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
    &bytes[start..bytes.len().min(start.saturating_add(length))]
}
