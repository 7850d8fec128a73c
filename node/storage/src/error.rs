//! What can go wrong in the database; every such fault ends the process that has it.

use primitives::{Hash, Height};
use std::path::PathBuf;

/// A fault of the database or of how it was used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process holds the database.
    #[error("the database at {} is in use: another process may run on it; stop that, or choose another --base-path", path.display())]
    Locked {
        /// The database's folder.
        path: PathBuf,
    },
    /// What a crash left cannot be removed.
    #[error("the file {} is left from a crash and cannot be removed: {source}; remove it by hand", path.display())]
    Leftover {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The folder cannot be made.
    #[error("the folder {} cannot be made: {source}; choose another --base-path", path.display())]
    Folder {
        /// The database's folder.
        path: PathBuf,
        /// The system's message.
        source: std::io::Error,
    },
    /// RocksDB could not open the folder.
    #[error("the database at {} cannot be opened: {source}", path.display())]
    Open {
        /// The database's folder.
        path: PathBuf,
        /// RocksDB's message.
        source: rocksdb::Error,
    },
    /// The folder was written by a version that stores things differently.
    #[error("the database at {} has format {found}, this node reads format {expected}; use the version that wrote it, or start from an empty folder", path.display())]
    Format {
        /// The database's folder.
        path: PathBuf,
        /// Format found.
        found: u32,
        /// Format that this version reads and writes.
        expected: u32,
    },
    /// A read or write failed.
    #[error("the database failed: {0}; check the disk for space and errors")]
    Database(#[from] rocksdb::Error),
    /// The thread that writes state is gone.
    #[error("the thread that writes state to the database ended early")]
    FlusherEnded,
    /// A stored value does not decode or is not there.
    #[error(
        "the database is damaged: no valid {what} at height {height}; restore it from a copy or sync again"
    )]
    Damaged {
        /// What was looked up.
        what: &'static str,
        /// Its height.
        height: Height,
    },
    /// A value of the `meta` column does not decode or is not there.
    #[error(
        "the database is damaged: no valid entry {0} in its meta column; restore it from a copy or sync again"
    )]
    DamagedMeta(&'static str),
    /// The state found is not the one that the head's header commits to.
    #[error(
        "the state at height {height} has root {found}, its header says {expected}; the database is damaged: restore it from a copy or sync again"
    )]
    StateRoot {
        /// Height of the head.
        height: Height,
        /// Root in the header.
        expected: Hash,
        /// Root of the state found.
        found: Hash,
    },
    /// Part of a state was fetched into the database, and the rest was not yet.
    #[error(
        "the database holds a part of the state after block {block} at height {height}; let it be fetched to its end, or empty the folder"
    )]
    UnfinishedImport {
        /// Hash of the block.
        block: Hash,
        /// Its height.
        height: Height,
    },
    /// What was to be imported does not belong to the state that is imported.
    #[error("block {block} at height {height} cannot be imported: {why}")]
    NotImportable {
        /// Hash of the block.
        block: Hash,
        /// Its height.
        height: Height,
        /// What does not fit.
        why: &'static str,
    },
    /// The files of a state that is served to others cannot be read or written.
    #[error("{}: the state for other nodes cannot be kept there: {source}; check the disk for space and errors", path.display())]
    Export {
        /// The folder or file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The database has no genesis block yet.
    #[error("the database has no genesis block")]
    NoGenesis,
    /// The database has a chain already.
    #[error("the database already has a chain with head {0}")]
    NotEmpty(Hash),
    /// Too many blocks are executed and not committed.
    #[error("{0} blocks are staged already; commit or unstage one")]
    TooManyStaged(usize),
    /// The block to commit is not what was executed on the head.
    #[error("block {block} at height {height} cannot be committed: {why}")]
    NotCommittable {
        /// Hash of the block.
        block: Hash,
        /// Its height.
        height: Height,
        /// What does not fit.
        why: &'static str,
    },
    /// Proofs exist for the latest blocks only.
    #[error("no proofs for block {0}: it is not among the latest blocks")]
    NotProvable(Hash),
    /// A certificate for a block that is not stored.
    #[error("certificate for block {block} at height {height}, which is not in the database")]
    UnknownBlock {
        /// Hash that the certificate names.
        block: Hash,
        /// Height that the certificate names.
        height: Height,
    },
}
