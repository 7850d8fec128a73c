//! Logs that a crash cut off or tore: whatever was synced is found again.

use super::*;
use std::{
    fs::{self, File, OpenOptions},
    io::{Seek, SeekFrom, Write},
    path::PathBuf,
};

/// How often the log is damaged and the database opened again.
const CRASHES: u64 = 200;
/// Bytes before a record in RocksDB's log. Where rubbish stands for these, and their last is the type of a recycled
/// log's record, RocksDB 11.8 reads them again without end; so what is torn here is a record behind its header.
const HEADER_BYTES: u64 = 7;
/// Most bytes of rubbish that a torn sector leaves.
const RUBBISH_BYTES_MAX: u64 = 9_000;

/// What the disk must hold after a commit, if it waited for the disk.
struct Synced {
    block: Block,
    log: PathBuf,
    bytes: u64,
    is_certain: bool,
}

/// RocksDB's newest log and its length.
fn newest_log(path: &Path) -> (PathBuf, u64) {
    let logs = fs::read_dir(path).expect("readable").map(|entry| entry.expect("readable").path());
    let logs = logs.filter(|path| path.extension().is_some_and(|extension| extension == "log"));
    let log = logs.max().expect("an open database has a log");
    let bytes = fs::metadata(&log).expect("readable").len();
    (log, bytes)
}

/// Cuts the log at `at`, in or before a record that begins at `begin`; in one case of two, rubbish follows a cut in the
/// record, as when sectors reach the disk out of order.
fn damage(log: &Path, begin: u64, at: u64, seed: u64) {
    let mut file: File = OpenOptions::new().write(true).open(log).expect("writable");
    file.set_len(at).expect("a shorter log");
    if at > begin + HEADER_BYTES && number(seed).is_multiple_of(2) {
        let rubbish = (0..number(seed + 1) % RUBBISH_BYTES_MAX).map(|n| number(n + seed) as u8);
        file.seek(SeekFrom::Start(at)).expect("seekable");
        file.write_all(&rubbish.collect::<Vec<u8>>()).expect("room");
    }
}

/// The same folder lives through all crashes, so that logs, table files and replays of every age
/// meet.
#[test]
fn a_log_cut_anywhere_after_its_last_sync_loses_no_committed_block() {
    let dir = folder();
    let mut chain = Chain::create(dir.path());
    let mut seed = 1;
    for crash in 1..=CRASHES {
        let (log, bytes) = newest_log(dir.path());
        let head = chain.store.head().height;
        let head = chain.store.database().block(head).expect("readable").expect("committed");
        let mut synced = vec![Synced { block: head, log, bytes, is_certain: true }];
        let is_lazy = crash.is_multiple_of(3);
        let commit = if is_lazy { Store::commit_lazily } else { Store::commit };
        for _ in 0..=number(crash) % 12 {
            // Some crashes meet small flushes, which are in the log, and some large ones.
            let count = if crash.is_multiple_of(2) { 40 } else { 8 };
            let syncs = chain.store.database().syncs();
            let block = chain.commit_writes_with(writes_of(seed, count), commit);
            seed += 1;
            let (log, bytes) = newest_log(dir.path());
            let is_certain = chain.store.database().syncs() > syncs;
            synced.push(Synced { block, log, bytes, is_certain });
        }
        let database = chain.store.database().clone();
        drop(chain.store);
        let flushed = database.flushed().expect("readable");
        drop(database);
        let (newest, end) = newest_log(dir.path());

        // The crash comes after the commit of `last` and before the end of the one after it. Only the newest log has an
        // end that may not be on the disk, as RocksDB syncs a log when it begins another. A file of the state is on the
        // disk at once, and its blocks were committed before.
        let is_certain =
            |synced: &Synced| synced.block.header.number < flushed || synced.log != newest;
        let earliest = synced.partition_point(is_certain).min(synced.len() - 1);
        // Whatever was synced stays, and a flush that began since is on the disk already.
        let latest_sync = synced.iter().rposition(|synced| synced.is_certain);
        let earliest = if is_lazy { latest_sync.expect("the first is") } else { earliest };
        let at = earliest + number(crash + 1_000) as usize % (synced.len() - earliest);
        let last = &synced[at];
        let begin = if last.log == newest { last.bytes } else { 0 };
        let next = synced.get(at + 1).map_or(end.max(begin + 1), |next| next.bytes);
        let cut = begin + number(crash + 2_000) % (next - begin);
        damage(&newest, begin, cut, crash);

        chain.store = open(dir.path()).expect("the database opens after any crash");
        let head = chain.store.head().clone();
        let found = synced.iter().find(|synced| synced.block.hash() == head.hash);
        let found = found.unwrap_or_else(|| panic!("crash {crash}: an unknown head {head:?}"));
        assert!(head.height >= last.block.header.number, "crash {crash} lost a committed block");
        assert_eq!(head.root, found.block.header.state_root);
        let stored = chain.store.database().certificate(head.height).expect("readable");
        assert_eq!(stored.map(|stored| stored.block), (head.height > 0).then_some(head.hash));
        chain.states.truncate(head.height as usize + 1);
        // The history was written before what it tells of, and no replay changed it.
        for back in [1, 1 + number(crash + 3_000) % 12] {
            let height = head.height.saturating_sub(back as Height);
            chain.check_reads(&chain.at(height).expect("it is retained"));
        }
    }
    let head = chain.store.head().clone();
    chain.check(&head);
    for height in (0..=head.height).step_by(17) {
        chain.check_reads(&chain.at(height).expect("it is retained"));
    }
}
