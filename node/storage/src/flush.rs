//! The thread that carries committed changes into the columns of the state and of its history.
//!
//! Commits do not wait for it: the changes are synced with their blocks, and readers find them in
//! overlays until the columns hold them. A small flush is written in batches, so that a commit never
//! queues behind a large one; a large one becomes a file of each column at once, which costs about half
//! of the way through the log and a memtable. First comes the history, with the height up to which it is
//! complete, then the state, then the flushed height.
//!
//! A crash in between leaves some values of blocks above the flushed height in the state column; a start then replays
//! these blocks, whose values are absolute, over the same keys. The column no longer tells what these keys were before,
//! but the history does: no value of a flush reaches the disk before the height of its history, as files are on the disk
//! once they are added, and of the log a crash leaves a beginning. So the first flush after that writes no history up to
//! this height. What a flush left to the log alone is synced by the commit that lets the next one begin.

use crate::{
    Database, Error,
    base::Base,
    columns::{self, CHANGES, HISTORY, META, META_FLUSHED, STATE, height_key},
    database::Db,
    history,
    overlay::Overlay,
};
use codec::Encode;
use itertools::kmerge_by;
use primitives::Height;
use rocksdb::{ColumnFamily, IngestExternalFileOptions, SstFileWriter, WriteBatch};
use std::{
    io::ErrorKind,
    path::Path,
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, TryRecvError, sync_channel},
    },
    thread::JoinHandle,
};

/// Entries in one batch of a flush: a few milliseconds of the write queue.
const BATCH_ENTRIES: usize = 2_048;
/// Fewest changed keys that become a file of their own; the columns must not fall into crumbs. Tests have few keys, and see
/// both ways.
const FILE_ENTRIES_MIN: usize = if cfg!(test) { 100 } else { 16_384 };
/// Name of a file until its column takes it over.
pub(crate) const FILE: &str = "flush.sst";

/// What a block made of a key; `None` was deleted.
#[derive(Clone, Copy)]
struct Change<'a> {
    key: &'a [u8],
    height: Height,
    value: Option<&'a [u8]>,
}

/// Blocks to carry over, the oldest first, and the height of the last of them.
pub(crate) struct Job {
    /// What they go on.
    pub(crate) base: Arc<Base>,
    pub(crate) overlays: Vec<Arc<Overlay>>,
    pub(crate) height: Height,
}

/// A flush that is done: the columns right after it.
pub(crate) struct Flushed {
    pub(crate) base: Arc<Base>,
    pub(crate) height: Height,
}

/// The owner's end of the thread; at most one flush runs at a time.
pub(crate) struct Flusher {
    /// Taken when the flusher is dropped, which ends the thread.
    jobs: Option<SyncSender<Job>>,
    done: Receiver<Result<Flushed, Error>>,
    running: bool,
    thread: Option<JoinHandle<()>>,
}

impl Flusher {
    pub(crate) fn start(database: Database) -> Self {
        let (jobs, inbox) = sync_channel::<Job>(1);
        let (outbox, done) = sync_channel(1);
        let work = move || {
            for job in inbox {
                let flushed = flush(&database, &job);
                if outbox.send(flushed).is_err() {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("storage-flush".into()).spawn(work);
        let thread = thread.expect("the machine has room for one more thread");
        Self { jobs: Some(jobs), done, running: false, thread: Some(thread) }
    }

    pub(crate) fn is_running(&self) -> bool {
        self.running
    }

    /// Begins a flush; there must be none running.
    pub(crate) fn begin(&mut self, job: Job) -> Result<(), Error> {
        assert!(!self.running, "one flush runs at a time");
        let jobs = self.jobs.as_ref().ok_or(Error::FlusherEnded)?;
        jobs.send(job).map_err(|_| Error::FlusherEnded)?;
        self.running = true;
        Ok(())
    }

    /// The running flush if it is done; with `wait` it is waited for.
    pub(crate) fn poll(&mut self, wait: bool) -> Result<Option<Flushed>, Error> {
        if !self.running {
            return Ok(None);
        }
        let done = if wait {
            self.done.recv().map_err(|_| Error::FlusherEnded)?
        } else {
            match self.done.try_recv() {
                Ok(done) => done,
                Err(TryRecvError::Empty) => return Ok(None),
                Err(TryRecvError::Disconnected) => return Err(Error::FlusherEnded),
            }
        };
        self.running = false;
        done.map(Some)
    }
}

impl Drop for Flusher {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was reported where it happened.
            let _ = thread.join();
        }
    }
}

fn flush(database: &Database, job: &Job) -> Result<Flushed, Error> {
    let changes = Changes::merge(job);
    write_history(database, job, &changes)?;
    write_state(database, &changes)?;
    let db = &database.db;
    db.put_cf(database.column(META), META_FLUSHED, job.height.encode())?;
    drop_changes(database)?;
    let base = job.base.next(db.clone(), job.height);
    Ok(Flushed { base: Arc::new(base), height: job.height })
}

/// The first half of a flush, for tests of what a crash after it leaves.
#[cfg(test)]
pub(crate) fn flush_history(database: &Database, job: &Job) -> Result<(), Error> {
    write_history(database, job, &Changes::merge(job))
}

/// All changes in the order of keys, those of a key from the oldest to the newest.
struct Changes<'a> {
    all: Vec<Change<'a>>,
    /// Where those of each key end.
    ends: Vec<usize>,
}

impl<'a> Changes<'a> {
    /// Reads each key once: there are more of them than a cache of the processor holds.
    fn merge(job: &'a Job) -> Self {
        let heights = (0..=job.height).rev();
        let newest_first = job.overlays.iter().rev().zip(heights);
        let blocks = newest_first.map(|(overlay, height)| {
            let entries = overlay.entries().iter();
            entries.map(move |(key, value)| Change { key, height, value: value.as_deref() })
        });
        let merged = kmerge_by(blocks, |a: &Change<'_>, b: &Change<'_>| {
            (a.key, a.height) < (b.key, b.height)
        });
        let (mut all, mut ends) = (Vec::<Change<'a>>::new(), Vec::new());
        for change in merged {
            if all.last().is_some_and(|last| last.key != change.key) {
                ends.push(all.len());
            }
            all.push(change);
        }
        if !all.is_empty() {
            ends.push(all.len());
        }
        Self { all, ends }
    }

    fn by_key(&self) -> impl Iterator<Item = &[Change<'a>]> {
        let begins = std::iter::once(0).chain(self.ends.iter().copied());
        begins.zip(&self.ends).map(|(begin, end)| &self.all[begin..*end])
    }

    /// Whether a file of its own is worth it.
    fn is_large(&self) -> bool {
        self.ends.len() >= FILE_ENTRIES_MIN
    }
}

/// Writes what each key was before each change, and makes the base's cache know the new values: it knows most of the old
/// ones, so that both take one search.
fn write_history(database: &Database, job: &Job, changes: &Changes<'_>) -> Result<(), Error> {
    let written = database.history_written()?;
    let height = job.height.max(written).encode();
    let is_large = changes.is_large();
    job.base.begin_next(job.height);
    write(database, HISTORY, is_large, |sink| {
        // A file is taken over as a whole, and this is its first entry in the order of keys. Batches are not, so that there it
        // must be the last.
        if is_large {
            sink.put(history::WRITTEN, &height)?;
        }
        let (mut entry, mut value, mut known) = (Vec::new(), Vec::new(), Vec::new());
        for changes in changes.by_key() {
            let last = changes.last().and_then(|last| last.value);
            let is_present = job.base.replace(changes[0].key, last, &mut known);
            let mut previous = is_present.then_some(known.as_slice());
            for change in changes {
                // After a crash the base may have new values, but then they are from blocks up to `written`.
                if change.height > written && change.value != previous {
                    history::entry_key(change.key, change.height, &mut entry);
                    history::entry_value(previous, &mut value);
                    sink.put(&entry, &value)?;
                }
                previous = change.value;
            }
        }
        if !is_large {
            sink.put(history::WRITTEN, &height)?;
        }
        Ok(())
    })
}

/// Writes the last value of each key.
fn write_state(database: &Database, changes: &Changes<'_>) -> Result<(), Error> {
    write(database, STATE, changes.is_large(), |sink| {
        for changes in changes.by_key() {
            let Some(Change { key, value, .. }) = changes.last() else { continue };
            match value {
                Some(value) => sink.put(key, value)?,
                None => sink.delete(key)?,
            }
        }
        Ok(())
    })
}

/// Drops the files of changes whose blocks' states are gone: only replays read them, of blocks above the flushed height.
/// A file that has others as well stays until all are gone.
fn drop_changes(database: &Database) -> Result<(), Error> {
    let (first, last) = (height_key(0), height_key(database.oldest_state()));
    Ok(database.db.delete_file_in_range_cf(database.column(CHANGES), first, last)?)
}

/// Where a column's entries go.
enum Sink<'a> {
    Batches {
        db: &'a Db,
        column: &'a ColumnFamily,
        batch: WriteBatch,
    },
    /// In the order of keys.
    File(SstFileWriter<'a>),
}

impl Sink<'_> {
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), Error> {
        match self {
            Self::Batches { db, column, batch } => {
                batch.put_cf(column, key, value);
                keep_small(db, batch)
            }
            Self::File(writer) => Ok(writer.put(key, value)?),
        }
    }

    fn delete(&mut self, key: &[u8]) -> Result<(), Error> {
        match self {
            Self::Batches { db, column, batch } => {
                batch.delete_cf(column, key);
                keep_small(db, batch)
            }
            Self::File(writer) => Ok(writer.delete(key)?),
        }
    }

    fn finish(self) -> Result<(), Error> {
        match self {
            Self::Batches { db, batch, .. } => Ok(db.write(batch)?),
            Self::File(mut writer) => Ok(writer.finish()?),
        }
    }
}

fn keep_small(db: &Db, batch: &mut WriteBatch) -> Result<(), Error> {
    if batch.len() >= BATCH_ENTRIES {
        db.write(std::mem::take(batch))?;
    }
    Ok(())
}

/// Writes entries to a column: in batches, or as a file that it takes over, above all that it has.
fn write(
    database: &Database,
    name: &str,
    is_large: bool,
    fill: impl FnOnce(&mut Sink<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let (db, column) = (&database.db, database.column(name));
    if !is_large {
        let mut sink = Sink::Batches { db, column, batch: WriteBatch::default() };
        fill(&mut sink)?;
        return sink.finish();
    }
    let path = database.path().join(FILE);
    remove_leftover(&path)?;
    let options = columns::file_options(name);
    let writer = SstFileWriter::create(&options);
    writer.open(&path)?;
    let mut sink = Sink::File(writer);
    fill(&mut sink)?;
    sink.finish()?;
    let mut options = IngestExternalFileOptions::default();
    options.set_move_files(true);
    Ok(db.ingest_external_file_cf_opts(column, &options, vec![path])?)
}

/// What a crash left may be a second name of a file that is in use, so it must not be written over.
fn remove_leftover(path: &Path) -> Result<(), Error> {
    match std::fs::remove_file(path) {
        Err(source) if source.kind() != ErrorKind::NotFound => {
            Err(Error::Leftover { path: path.to_path_buf(), source })
        }
        _ => Ok(()),
    }
}
