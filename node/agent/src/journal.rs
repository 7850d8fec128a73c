//! Results that must not be lost: one small file each, whole or not there.
//!
//! A file is CRC-32 (4 bytes, little-endian) of the rest, and the rest. It is written beside, synced and renamed; then the folder
//! is synced.

use crate::shell::Error;
use client::pallets::tasks::Outcome;
use codec::{DecodeAll, Encode};
use primitives::{Hash, Height, Nonce};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};
use tempfile::NamedTempFile;

/// Most bytes of a file here: an inline output and a signed transaction fit many times.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// What the names of files begin with that are not whole yet.
const NEW_PREFIX: &str = ".new.";

/// A finished result.
#[derive(Clone, Debug, PartialEq, Eq, codec::Encode, codec::Decode)]
pub(crate) struct Entry {
    /// The task.
    pub task: Hash,
    /// The attempt for which it was computed.
    pub attempt: u8,
    /// What came out.
    pub outcome: Outcome,
    /// Fuel that it took.
    pub fuel_used: u64,
    /// The transaction that delivers it, once it is signed.
    pub delivery: Option<Delivery>,
}

/// A signed transaction.
#[derive(Clone, Debug, PartialEq, Eq, codec::Encode, codec::Decode)]
pub(crate) struct Delivery {
    /// Its bytes, without length prefix.
    pub bytes: Vec<u8>,
    /// Its nonce.
    pub nonce: Nonce,
    /// The first height at which it can no longer be included.
    pub dies_at: Height,
    /// The rules that it was signed for; it is void after a change of them.
    pub spec_version: u32,
}

/// The folder of entries.
pub(crate) struct Journal {
    folder: PathBuf,
}

impl Journal {
    /// Opens the folder and reads its entries. What a crash left half-written is gone; what is damaged is set aside under another
    /// name, so that the work is done again.
    pub fn open(folder: &Path) -> Result<(Self, BTreeMap<Hash, Entry>), Error> {
        let folder = folder.join("results");
        fs::create_dir_all(&folder).map_err(at(&folder))?;
        let mut entries = BTreeMap::new();
        for file in fs::read_dir(&folder).map_err(at(&folder))? {
            let path = file.map_err(at(&folder))?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with(NEW_PREFIX) {
                fs::remove_file(&path).map_err(at(&path))?;
                continue;
            }
            if path.extension().is_some() {
                continue;
            }
            let entry = read(&path).and_then(|bytes| {
                let bytes = bytes.ok_or_else(|| Error::Damaged(path.clone()))?;
                Entry::decode_all(&mut &bytes[..]).map_err(|_| Error::Damaged(path.clone()))
            });
            match entry {
                Ok(entry) => {
                    entries.insert(entry.task, entry);
                }
                Err(Error::Damaged(path)) => {
                    let aside = path.with_extension("damaged");
                    tracing::warn!(file = %aside.display(), "a stored result is damaged");
                    fs::rename(&path, &aside).map_err(at(&path))?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok((Self { folder }, entries))
    }

    /// Keeps an entry, in place of an older one of its task. It is on disk when this returns.
    pub fn keep(&self, entry: &Entry) -> Result<(), Error> {
        write(&self.path(&entry.task), &entry.encode())
    }

    /// Forgets a task's entry.
    pub fn forget(&self, task: &Hash) -> Result<(), Error> {
        let path = self.path(task);
        match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed.map_err(at(&path)),
        }
    }

    fn path(&self, task: &Hash) -> PathBuf {
        self.folder.join(task.to_string())
    }
}

/// The content of a checked file; none if there is no such file.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(at(path))?,
    };
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX).read_to_end(&mut bytes).map_err(at(path))?;
    match bytes.split_first_chunk::<4>() {
        Some((sum, rest)) if crc32fast::hash(rest) == u32::from_le_bytes(*sum) => {
            Ok(Some(rest.to_vec()))
        }
        _ => Err(Error::Damaged(path.to_owned())),
    }
}

/// Writes a checked file for its owner's eyes alone; it is on disk, whole, when this returns.
pub(crate) fn write(path: &Path, content: &[u8]) -> Result<(), Error> {
    let folder = path.parent().expect("files here are in a folder");
    let write = || {
        let mut file = NamedTempFile::with_prefix_in(NEW_PREFIX, folder)?;
        file.write_all(&crc32fast::hash(content).to_le_bytes())?;
        file.write_all(content)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        File::open(folder)?.sync_all()
    };
    write().map_err(at(path))
}

pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> Error + use<> {
    let path = path.to_owned();
    move |source| Error::Io { path, source }
}
