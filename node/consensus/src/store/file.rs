//! The store in two files. This is the crate's only file that touches the disk.
//!
//! `consensus.wal` is a header and the log. `last-signed` is two frames of [`FRAME_BYTES`], each
//! with a checksum and a number: a write replaces the older frame, so that a torn one leaves the
//! newer intact, with one sync and no rename.

use super::{Recovered, Store};
use crate::{
    custody::Instance,
    guard::GUARD_RECORD_BYTES_MAX,
    wal::{self, WalError},
};
use codec::{Decode, Encode};
use primitives::Hash;
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

/// Largest log: beyond, something is wrong with the node.
pub const WAL_BYTES_MAX: u64 = 1 << 30;
const WAL_NAME: &str = "consensus.wal";
const GUARD_NAME: &str = "last-signed";
const INSTANCE_NAME: &str = "instance";
const MAGIC: [u8; 8] = *b"ARTELWAL";
const VERSION: u32 = 2;
/// Magic, version, genesis hash and checksum.
const HEADER_BYTES: u64 = 8 + 4 + 32 + 4;
/// What becomes of a validator that starts without its log.
const GUARDED: &str = "the last-signed guard still prevents double signing, and a chain's only \
                       validator that cannot go on says so";
/// What to do with a log that is of no use.
const MOVE_AWAY: &str = "move it away and start again: the last-signed guard still prevents double \
                         signing, and a chain's only validator that cannot go on says so";
/// A frame of the guard's file. Disks write pages of this size or whole fractions of it, so one
/// write never touches both frames.
const FRAME_BYTES: usize = 4_096;

const _: () = assert!(GUARD_RECORD_BYTES_MAX + 64 < FRAME_BYTES);

/// The files can't be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk refused.
    #[error("{} can't be {action}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// Not a log of this version and chain.
    #[error(
        "{} is no write-ahead log of version {VERSION} for the chain with genesis {genesis}: use the \
         data folder of this chain; if another version or a broken disk wrote it, {MOVE_AWAY}",
        path.display()
    )]
    ForeignLog {
        /// The file.
        path: PathBuf,
        /// The chain that this node runs.
        genesis: Hash,
    },
    /// The log is larger than `WAL_BYTES_MAX`.
    #[error(
        "{} has {bytes} bytes, above the limit of {WAL_BYTES_MAX}: {MOVE_AWAY}",
        path.display()
    )]
    LogTooLong {
        /// The file.
        path: PathBuf,
        /// Its length.
        bytes: u64,
    },
    /// Damage in the middle of the log.
    #[error("{}: {source}; without it, {GUARDED}", path.display())]
    Log {
        /// The file.
        path: PathBuf,
        /// Where.
        source: WalError,
    },
    /// Not the name of a log.
    #[error("{} is damaged: remove it, and this node gets a new name at its signer", path.display())]
    Instance {
        /// The file.
        path: PathBuf,
    },
    /// No frame of the guard's file is whole.
    #[error(
        "{} is damaged, so that what this validator signed last is unknown: move it away, and the \
         validator signs again once others have moved the chain on; a chain's only validator has to \
         be told to sign without it",
        path.display()
    )]
    Guard {
        /// The file.
        path: PathBuf,
    },
}

/// The store in the files of one folder, which no other process may use.
#[derive(Debug)]
pub struct FileStore {
    folder: PathBuf,
    wal: File,
    guard: RecordFile,
}

/// A record in a file of its own, in two frames: a write replaces the older.
#[derive(Debug)]
pub struct RecordFile {
    folder: PathBuf,
    name: &'static str,
    /// The file and the number of its newest frame, once there is one.
    open: Option<(File, u64)>,
}

impl RecordFile {
    /// Open the file in an existing folder and read its record, if it has one.
    pub fn open(folder: &Path, name: &'static str) -> Result<(Self, Option<Vec<u8>>), StoreError> {
        let path = folder.join(name);
        let this = Self { folder: folder.into(), name, open: None };
        if !path.try_exists().map_err(io_error(&path, "found"))? {
            return Ok((this, None));
        }
        let mut file = open(&path)?;
        let mut content = Vec::new();
        let most = u64::try_from(2 * FRAME_BYTES).expect("a frame is small");
        (&mut file).take(most).read_to_end(&mut content).map_err(io_error(&path, "read"))?;
        let newest = content.chunks(FRAME_BYTES).filter_map(read_frame).max_by_key(|f| f.number);
        let Frame { number, record } = newest.ok_or(StoreError::Guard { path })?;
        Ok((Self { open: Some((file, number)), ..this }, Some(record)))
    }

    /// Where it is.
    pub fn path(&self) -> PathBuf {
        self.folder.join(self.name)
    }

    /// Replace the record as a whole or not at all, and sync it.
    pub fn write(&mut self, record: &[u8]) -> Result<(), StoreError> {
        let path = self.path();
        let Some((file, number)) = &mut self.open else {
            let mut content = frame(0, record);
            content.resize(2 * FRAME_BYTES, 0);
            create(&self.folder, self.name, &content)?;
            self.open = Some((open(&path)?, 0));
            return Ok(());
        };
        *number += 1;
        let place = if number.is_multiple_of(2) { 0 } else { FRAME_BYTES };
        let start = u64::try_from(place).expect("a frame is small");
        let mut write = || {
            file.seek(SeekFrom::Start(start))?;
            file.write_all(&frame(*number, record))?;
            file.sync_data()
        };
        write().map_err(io_error(&path, "written"))
    }
}

/// A frame's content, without checksum and padding.
#[derive(Encode, Decode)]
struct Frame {
    number: u64,
    record: Vec<u8>,
}

impl FileStore {
    /// Open the files in `folder`, making folder and log if they are missing, and read them. A torn
    /// end of the log is cut off.
    pub fn open(folder: &Path, genesis: &Hash) -> Result<(Self, Recovered), StoreError> {
        fs::create_dir_all(folder).map_err(io_error(folder, "created"))?;
        let path = folder.join(WAL_NAME);
        if !path.try_exists().map_err(io_error(&path, "found"))? {
            forget(&folder.join(INSTANCE_NAME))?;
            create(folder, WAL_NAME, &header(genesis))?;
        }
        let (wal, records) = open_wal(&path, genesis)?;
        let (guard, record) = RecordFile::open(folder, GUARD_NAME)?;
        Ok((Self { folder: folder.into(), wal, guard }, Recovered { records, guard: record }))
    }

    /// Where the last-signed record is.
    pub fn guard_path(&self) -> PathBuf {
        self.guard.path()
    }

    /// Where the log is.
    pub fn wal_path(&self) -> PathBuf {
        self.path(WAL_NAME)
    }

    /// The name of this life of the log: `fresh`, which is to be random, if it has none yet. A node whose log was lost
    /// has another name, as it does not know what it was locked on.
    pub fn instance(&self, fresh: Instance) -> Result<Instance, StoreError> {
        let path = self.path(INSTANCE_NAME);
        if !path.try_exists().map_err(io_error(&path, "found"))? {
            create(&self.folder, INSTANCE_NAME, &fresh.0)?;
        }
        let bytes = fs::read(&path).map_err(io_error(&path, "read"))?;
        match bytes.try_into() {
            Ok(bytes) => Ok(Instance(bytes)),
            Err(_) => Err(StoreError::Instance { path }),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

impl Store for FileStore {
    type Error = StoreError;

    fn append_wal(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let result = self.wal.write_all(bytes).and_then(|()| self.wal.sync_data());
        result.map_err(io_error(&self.path(WAL_NAME), "written"))
    }

    fn write_guard(&mut self, record: &[u8]) -> Result<(), StoreError> {
        self.guard.write(record)
    }

    fn reset_wal(&mut self) -> Result<(), StoreError> {
        let result = self
            .wal
            .set_len(HEADER_BYTES)
            .and_then(|()| self.wal.seek(SeekFrom::Start(HEADER_BYTES)));
        result.map(drop).map_err(io_error(&self.path(WAL_NAME), "shortened"))
    }
}

fn open_wal(path: &Path, genesis: &Hash) -> Result<(File, Vec<wal::Record>), StoreError> {
    let mut file = open(path)?;
    let bytes = file.metadata().map_err(io_error(path, "measured"))?.len();
    if bytes > WAL_BYTES_MAX {
        return Err(StoreError::LogTooLong { path: path.into(), bytes });
    }
    let mut content = Vec::new();
    file.read_to_end(&mut content).map_err(io_error(path, "read"))?;
    let Some(log) = content.strip_prefix(header(genesis).as_slice()) else {
        return Err(StoreError::ForeignLog { path: path.into(), genesis: *genesis });
    };
    let read = wal::read(log).map_err(|source| StoreError::Log { path: path.into(), source })?;
    let good = u64::try_from(read.good_bytes).expect("a length fits 64 bits") + HEADER_BYTES;
    let mut cut = || {
        file.set_len(good)?;
        file.sync_all()?;
        file.seek(SeekFrom::Start(good))
    };
    cut().map_err(io_error(path, "cut at its torn end"))?;
    Ok((file, read.records))
}

fn header(genesis: &Hash) -> Vec<u8> {
    let mut header = MAGIC.to_vec();
    header.extend_from_slice(&VERSION.to_le_bytes());
    header.extend_from_slice(&genesis.0);
    let sum = crc32fast::hash(&header);
    header.extend_from_slice(&sum.to_le_bytes());
    header
}

fn frame(number: u64, record: &[u8]) -> Vec<u8> {
    assert!(record.len() <= GUARD_RECORD_BYTES_MAX, "one round's messages fit a record");
    let content = Frame { number, record: record.to_vec() }.encode();
    let mut frame = crc32fast::hash(&content).to_le_bytes().to_vec();
    frame.extend_from_slice(&content);
    frame.resize(FRAME_BYTES, 0);
    frame
}

fn read_frame(bytes: &[u8]) -> Option<Frame> {
    let (sum, mut rest) = bytes.split_first_chunk::<4>()?;
    let content = rest;
    let frame = Frame::decode(&mut rest).ok()?;
    let used = content.get(..content.len() - rest.len())?;
    (crc32fast::hash(used) == u32::from_le_bytes(*sum)).then_some(frame)
}

fn open(path: &Path) -> Result<File, StoreError> {
    OpenOptions::new().read(true).write(true).open(path).map_err(io_error(path, "opened"))
}

/// Remove a file that may not be there, for good.
fn forget(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(io_error(path, "removed")(error))
        }
        _ => Ok(()),
    }
}

/// Make a file that is there as a whole or not at all, also after a crash.
fn create(folder: &Path, name: &str, content: &[u8]) -> Result<(), StoreError> {
    let path = folder.join(name);
    let draft = folder.join(format!("{name}.new"));
    let write = || {
        let mut file = File::create(&draft)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&draft, &path)?;
        File::open(folder)?.sync_all()
    };
    write().map_err(io_error(&path, "created"))
}

fn io_error(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> StoreError {
    move |source| StoreError::Io { path: path.into(), action, source }
}
