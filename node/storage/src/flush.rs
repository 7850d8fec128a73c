//! The thread that carries committed changes into the state column.
//!
//! Commits do not wait for it: the changes are synced with their blocks, and readers find them in
//! overlays until the column holds them. A small flush is written in batches, so that a commit never
//! queues behind a large one; a large one becomes a file of the column at once, which costs about half
//! of the way through the log and a memtable. The flushed height is raised last. A crash in between leaves
//! some values of blocks above that height in the column; a start then replays these blocks, whose values
//! are absolute, over the same keys.

use crate::{
    Database, Error,
    base::Base,
    columns::{self, META, META_FLUSHED, STATE},
    database::put_state,
    overlay::Overlay,
};
use codec::Encode;
use primitives::Height;
use rocksdb::{IngestExternalFileOptions, SstFileWriter, WriteBatch};
use std::{
    io::ErrorKind,
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, TryRecvError, sync_channel},
    },
    thread::JoinHandle,
};

/// Entries in one batch of a flush: a few milliseconds of the write queue.
const BATCH_ENTRIES: usize = 2_048;
/// Fewest entries that become a file of their own; the column must not fall into crumbs. Tests have few keys, and see
/// both ways.
const FILE_ENTRIES_MIN: usize = if cfg!(test) { 100 } else { 16_384 };
/// Name of the file until the column takes it over.
pub(crate) const FILE: &str = "flush.sst";

/// What became of a key; `None` was deleted.
type StateChange<'a> = (&'a [u8], Option<&'a [u8]>);

/// Blocks to carry over, the oldest first, and the height of the last of them.
struct Job {
    /// The column that they go on.
    base: Arc<Base>,
    overlays: Vec<Arc<Overlay>>,
    height: Height,
}

/// A flush that is done: the state column right after it.
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
    pub(crate) fn begin(
        &mut self,
        base: Arc<Base>,
        overlays: Vec<Arc<Overlay>>,
        height: Height,
    ) -> Result<(), Error> {
        assert!(!self.running, "one flush runs at a time");
        let jobs = self.jobs.as_ref().ok_or(Error::FlusherEnded)?;
        jobs.send(Job { base, overlays, height }).map_err(|_| Error::FlusherEnded)?;
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
    let db = &database.db;
    let changes = merge(&job.overlays);
    if changes.len() < FILE_ENTRIES_MIN {
        let state = database.column(STATE);
        for entries in changes.chunks(BATCH_ENTRIES) {
            let mut batch = WriteBatch::default();
            put_state(&mut batch, state, entries.iter().copied());
            db.write(batch)?;
        }
    } else {
        add_file(database, &changes)?;
    }
    db.put_cf(database.column(META), META_FLUSHED, job.height.encode())?;
    let base = job.base.next(db.clone(), job.height, changes);
    Ok(Flushed { base: Arc::new(base), height: job.height })
}

/// The last change of each key, in key order.
fn merge(overlays: &[Arc<Overlay>]) -> Vec<StateChange<'_>> {
    let newest_first = overlays.iter().rev().flat_map(|overlay| overlay.entries());
    let changes = newest_first.map(|(key, value)| (key.as_slice(), value.as_deref()));
    let mut changes: Vec<StateChange<'_>> = changes.collect();
    // Each overlay is in order already. The sort merges such runs, and of equals the first stays first.
    changes.sort_by_key(|(key, _)| *key);
    changes.dedup_by_key(|(key, _)| *key);
    changes
}

/// Adds the changes to the state column as a file, above all that it has.
fn add_file(database: &Database, changes: &[StateChange<'_>]) -> Result<(), Error> {
    let path = database.path().join(FILE);
    // What a crash left may be a second name of a file that is in use, so it must not be written over.
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(Error::Leftover { path, source: error });
        }
        _ => {}
    }
    let options = columns::state_file_options();
    let mut writer = SstFileWriter::create(&options);
    writer.open(&path)?;
    for (key, value) in changes {
        match value {
            Some(value) => writer.put(key, value)?,
            None => writer.delete(key)?,
        }
    }
    writer.finish()?;
    let mut options = IngestExternalFileOptions::default();
    options.set_move_files(true);
    let state = database.column(STATE);
    Ok(database.db.ingest_external_file_cf_opts(state, &options, vec![path])?)
}
