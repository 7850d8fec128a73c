//! The thread that carries committed changes into the state column.
//!
//! Commits do not wait for it: the changes are synced with their blocks, and readers find them in
//! overlays until the column holds them. A flush is written in small batches, so that a commit
//! never queues behind a large one; the last batch also raises the flushed height. A crash in
//! between leaves some values of blocks above that height in the column; a start then replays these
//! blocks, whose values are absolute, over the same keys.

use crate::{
    Error,
    base::Base,
    columns::{META, META_FLUSHED, STATE},
    database::{Db, column, put_state},
    overlay::Overlay,
};
use codec::Encode;
use primitives::Height;
use rocksdb::WriteBatch;
use std::{
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, TryRecvError, sync_channel},
    },
    thread::JoinHandle,
};

/// Entries in one batch of a flush: a few milliseconds of the write queue.
const BATCH_ENTRIES: usize = 2_048;

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
    pub(crate) fn start(db: Arc<Db>) -> Self {
        let (jobs, inbox) = sync_channel::<Job>(1);
        let (outbox, done) = sync_channel(1);
        let work = move || {
            for job in inbox {
                let flushed = flush(&db, &job);
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

fn flush(db: &Arc<Db>, job: &Job) -> Result<Flushed, Error> {
    // Each overlay is in key order, which the memtable likes; a later one overwrites what an earlier one wrote.
    let entries = job.overlays.iter().flat_map(|overlay| overlay.entries());
    let changes = entries.map(|(key, value)| (key.as_slice(), value.as_deref()));
    let state = column(db, STATE);
    let mut batch = WriteBatch::default();
    for change in changes.clone() {
        put_state(&mut batch, &state, [change]);
        if batch.len() >= BATCH_ENTRIES {
            let next = WriteBatch::with_capacity_bytes(batch.size_in_bytes());
            db.write(std::mem::replace(&mut batch, next))?;
        }
    }
    batch.put_cf(column(db, META), META_FLUSHED, job.height.encode());
    db.write(batch)?;
    let base = job.base.next(db.clone(), job.height, changes);
    Ok(Flushed { base: Arc::new(base), height: job.height })
}
