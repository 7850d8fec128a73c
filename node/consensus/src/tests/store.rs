use crate::{
    Instance,
    store::{FileStore, Recovered, Store, StoreError},
    wal::{Append, ElapsedStep, Entry, Record},
};
use primitives::Hash;
use std::{fs, path::Path};

const GENESIS: Hash = Hash([9; 32]);

fn open(folder: &Path) -> (FileStore, Recovered) {
    FileStore::open(folder, &GENESIS).expect("opens")
}

fn record(round: u32) -> Record {
    Record { height: 3, entry: Entry::Elapsed { step: ElapsedStep::Prevote, round } }
}

fn framed(record: &Record) -> Vec<u8> {
    let mut append = Append::default();
    append.push(record);
    append.finish()
}

#[test]
fn what_is_written_is_found_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut store, recovered) = open(folder.path());
    assert_eq!(recovered, Recovered::default());
    for round in 0..3 {
        store.append_wal(&framed(&record(round))).expect("written");
    }
    for number in 0..5 {
        store.write_guard(&[number; 10]).expect("written");
        let (_, recovered) = open(folder.path());
        assert_eq!(recovered.guard, Some(vec![number; 10]));
        assert_eq!(recovered.records, [record(0), record(1), record(2)]);
    }
    store.reset_wal().expect("shortened");
    store.append_wal(&framed(&record(7))).expect("written");
    assert_eq!(open(folder.path()).1.records, [record(7)]);
    assert_eq!(open(folder.path()).1.guard, Some(vec![4; 10]));
}

#[test]
fn a_torn_log_is_cut_and_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("consensus.wal");
    let whole = framed(&record(1));
    for torn in 0..whole.len() {
        let (mut store, _) = open(folder.path());
        store.reset_wal().expect("shortened");
        store.append_wal(&framed(&record(0))).expect("written");
        store.append_wal(&whole[..torn]).expect("written");
        drop(store);
        let (mut store, recovered) = open(folder.path());
        assert_eq!(recovered.records, [record(0)]);
        store.append_wal(&framed(&record(2))).expect("written");
        assert_eq!(open(folder.path()).1.records, [record(0), record(2)]);
    }
    fs::write(&path, b"short").expect("written");
    let error = FileStore::open(folder.path(), &GENESIS).expect_err("no log");
    assert!(matches!(error, StoreError::ForeignLog { .. }));
}

#[test]
fn a_log_of_another_chain_and_a_damaged_one_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut store, _) = open(folder.path());
    for round in 0..3 {
        store.append_wal(&framed(&record(round))).expect("written");
    }
    let foreign = FileStore::open(folder.path(), &Hash([8; 32])).expect_err("another chain");
    assert!(matches!(foreign, StoreError::ForeignLog { .. }));
    let path = folder.path().join("consensus.wal");
    let mut bytes = fs::read(&path).expect("read");
    let middle = bytes.len() - 2 * framed(&record(0)).len() + 10;
    bytes[middle] ^= 1;
    fs::write(&path, &bytes).expect("written");
    let damaged = FileStore::open(folder.path(), &GENESIS).expect_err("damaged");
    assert!(matches!(damaged, StoreError::Log { .. }), "{damaged}");
}

#[test]
fn a_torn_guard_write_leaves_the_record_before() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("last-signed");
    let (mut store, _) = open(folder.path());
    store.write_guard(b"first").expect("written");
    store.write_guard(b"second").expect("written");
    let before = fs::read(&path).expect("read");
    store.write_guard(b"third").expect("written");
    let after = fs::read(&path).expect("read");
    assert_eq!(before.len(), after.len());
    for torn in 0..60 {
        let mut bytes = before.clone();
        bytes[..torn].copy_from_slice(&after[..torn]);
        fs::write(&path, &bytes).expect("written");
        let guard = open(folder.path()).1.guard.expect("one frame is whole");
        let whole = bytes[..60] == after[..60];
        assert_eq!(guard, if whole { b"third".to_vec() } else { b"second".to_vec() });
    }
    fs::write(&path, vec![0; before.len()]).expect("written");
    let error = FileStore::open(folder.path(), &GENESIS).expect_err("no frame is whole");
    assert!(matches!(error, StoreError::Guard { .. }));
}

#[test]
fn a_flipped_bit_in_the_guard_never_gives_a_wrong_record() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("last-signed");
    let (mut store, _) = open(folder.path());
    store.write_guard(b"first").expect("written");
    store.write_guard(b"second").expect("written");
    let before = fs::read(&path).expect("read");
    for byte in (0..24).chain(4_096..4_120) {
        for bit in 0..8 {
            let mut bytes = before.clone();
            bytes[byte] ^= 1 << bit;
            fs::write(&path, &bytes).expect("written");
            let guard = open(folder.path()).1.guard.expect("the other frame is whole");
            assert!(guard == b"first" || guard == b"second");
        }
    }
}

#[test]
fn a_log_keeps_its_name_and_a_lost_one_takes_it_along() {
    let folder = tempfile::tempdir().expect("a folder");
    let (first, second) = (Instance([1; 16]), Instance([2; 16]));
    let name = |fresh| open(folder.path()).0.instance(fresh).expect("it has one");
    assert_eq!(name(first), first);
    assert_eq!(name(second), first);
    fs::remove_file(folder.path().join("consensus.wal")).expect("it is there");
    assert_eq!(name(second), second);
    fs::write(folder.path().join("instance"), b"short").expect("written");
    let error = open(folder.path()).0.instance(first).expect_err("it is damaged");
    assert!(matches!(error, StoreError::Instance { .. }), "{error}");
}
