use crate::*;
use proptest::prelude::*;
use std::{collections::BTreeMap, fs, path::Path};
use tempfile::TempDir;

/// Bytes that differ from chunk to chunk, as the fixtures were made of.
fn pattern(size: usize) -> Vec<u8> {
    (0..size).map(|i| (i % 251) as u8 ^ (i >> 20) as u8).collect()
}

fn store() -> (TempDir, Store) {
    store_with(Config::default())
}

fn store_with(config: Config) -> (TempDir, Store) {
    let folder = TempDir::new().expect("a temporary folder");
    let store = Store::open(folder.path(), config).expect("a new store opens");
    (folder, store)
}

fn owner(name: &str) -> Owner {
    Owner::new(name).expect("a good name")
}

fn block_file(folder: &Path, cid: &Cid) -> std::path::PathBuf {
    let name = cid.to_string();
    folder.join("blocks").join(&name[name.len() - 2..]).join(name)
}

/// Made with js-ipfs-unixfs-importer: CIDv1, raw leaves, 1 MiB chunks, 1024 links, blake2b-256.
#[test]
fn names_are_those_of_ipfs_software() {
    #[derive(serde::Deserialize)]
    struct Case {
        size: usize,
        cid: Cid,
    }
    let cases: Vec<Case> =
        serde_json::from_str(include_str!("../fixtures/unixfs.json")).expect("a list of cases");
    let (_folder, store) = store();
    for Case { size, cid } in cases {
        let bytes = pattern(size);
        assert_eq!(store.put(&bytes[..]).expect("it fits"), cid, "{size} bytes");
        assert!(store.get(&cid, size as u64).expect("it is here") == bytes, "{size} bytes");
    }
}

/// Published in the tests of a Filecoin implementation as what Go's UnixFS gives.
#[test]
fn names_of_single_blocks_match_published_ones() {
    for (bytes, name) in [
        ("[0     9)", "bafk2bzacebclln63l2eah6jlkgitda44alv3oog2mn3ge2e5vwisxygyvkv2c"),
        ("[0     10)", "bafk2bzacearlp5egyo7f5yeoqg2apmnhl2camb3rr435pjf4vmewbyytwbaak"),
    ] {
        assert_eq!(Cid::of_raw(bytes.as_bytes()).to_string(), name);
    }
}

/// The whole block as js-ipfs-unixfs-importer writes it for 1 MiB + 1 byte.
#[test]
fn a_root_is_spelled_as_ipfs_software_does() {
    let expected = "122e0a260155a0e402208a5a7a9dc3cf203ed374b0a1eea930601ad2acbfe2b4bc62cf83de4ee536528b\
                    120018808040122c0a260155a0e40220b7f06ecb25b6586a0ccc572fdbb09881585b13b0f9da66e0377b\
                    8547d0fdd526120018010a0c080218818040208080402001";
    let bytes = pattern(CHUNK_BYTES + 1);
    let mut splitter = Splitter::default();
    bytes.chunks(CHUNK_BYTES).for_each(|chunk| {
        splitter.push(chunk);
    });
    let (_, root) = splitter.finish().expect("two chunks");
    let shown: String =
        root.expect("two chunks have a root").iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(shown, expected);
}

#[test]
fn foreign_names_are_refused() {
    for text in [
        "",
        "bafk2bzace",
        "QmaUV8DCKX6MVg4sgifinKhQuFGNGJVZSTQ8msrMfCKu75",
        "bafkreie74tgmnxqwojhtumgh5dzfj46gi4mynlfr7dmm7duwzyvnpw7h7m",
        "bafk\u{1b}[2J\n",
    ] {
        let error = text.parse::<Cid>().expect_err("no name of ours");
        assert!(error.to_string().contains("blake2b-256"), "{error}");
        assert!(!error.to_string().contains(char::is_control), "{error:?}");
    }
    let good = Cid::of_raw(b"x").to_bytes();
    assert_eq!(Cid::from_bytes(&good), Ok(Cid::of_raw(b"x")));
    assert!(Cid::from_bytes(&good[..37]).is_err());
    assert!(Cid::from_bytes(&[&good[..], &[0]].concat()).is_err());
}

#[test]
fn ranges_cross_chunks() {
    let (_folder, store) = store();
    let bytes = pattern(2 * CHUNK_BYTES + 100);
    let cid = store.put(&bytes[..]).expect("it fits");
    for (offset, length) in [
        (0, 10),
        (CHUNK_BYTES - 3, 6),
        (CHUNK_BYTES, CHUNK_BYTES),
        (CHUNK_BYTES - 1, CHUNK_BYTES + 2),
        (2 * CHUNK_BYTES + 90, 100),
        (bytes.len(), 5),
        (usize::MAX, 5),
        (0, usize::MAX),
    ] {
        let start = offset.min(bytes.len());
        let end = start.saturating_add(length).min(bytes.len());
        let read = store.read(&cid, offset as u64, length).expect("it is here");
        assert!(read == bytes[start..end], "{length} bytes at {offset}");
    }
}

#[test]
fn sizes_above_the_maximum_are_refused() {
    let (_folder, store) =
        store_with(Config { blob_bytes_max: 3 * CHUNK_BYTES as u64, ..Config::default() });
    assert!(store.put(&pattern(3 * CHUNK_BYTES)[..]).is_ok());
    let error = store.put(&pattern(3 * CHUNK_BYTES + 1)[..]).expect_err("one byte too many");
    assert!(matches!(error, Error::TooLarge { max: 3_145_728, .. }), "{error}");

    let chunk = vec![0; CHUNK_BYTES + 1];
    let error = store.put_block(&Cid::of_raw(&chunk), &chunk).expect_err("too long a chunk");
    assert!(matches!(error, Error::TooLarge { .. }), "{error}");
    let cid = store.put(&b"12345"[..]).expect("it fits");
    assert!(matches!(store.get(&cid, 4), Err(Error::TooLarge { size: 5, max: 4, .. })));
}

#[test]
fn a_full_store_refuses_more() {
    let (_folder, store) =
        store_with(Config { bytes_max: 10, blob_bytes_max: 10, ..Config::default() });
    store.put(&b"12345678"[..]).expect("it fits");
    store.put(&b"12345678"[..]).expect("it is here already");
    let error = store.put(&b"abc"[..]).expect_err("11 bytes are too many");
    assert!(matches!(error, Error::Full { held: 8, more: 3, max: 10 }), "{error}");
    assert_eq!(store.bytes(), 8);
}

#[test]
fn a_root_needs_its_chunks_and_their_lengths() {
    let (_folder, store) = store();
    let bytes = pattern(CHUNK_BYTES + 5);
    let (first, second) = bytes.split_at(CHUNK_BYTES);
    let mut splitter = Splitter::default();
    splitter.push(first);
    splitter.push(second);
    let (cid, root) = splitter.finish().expect("two chunks");
    let root = root.expect("two chunks have a root");

    assert!(matches!(store.put_block(&cid, &root), Err(Error::Absent(_))));
    store.put_block(&Cid::of_raw(second), second).expect("a good block");
    store.put_block(&Cid::of_raw(first), first).expect("a good block");
    store.put_block(&cid, &root).expect("all chunks are here");
    assert!(store.get(&cid, BLOB_BYTES_MAX).expect("it is here") == bytes);

    // The same chunks under a root that claims another size.
    let leaves = vec![Cid::of_raw(first).hash(), Cid::of_raw(second).hash()];
    let liar = Root::new(leaves, CHUNK_BYTES as u64 + 6).expect("a possible size").encode();
    let error =
        store.put_block(&Cid::of_root(&liar), &liar).expect_err("the last chunk has 5 bytes");
    assert!(matches!(error, Error::BadRoot { .. }), "{error}");
}

#[test]
fn damage_on_disk_is_told_and_healed_by_putting_again() {
    let (folder, store) = store();
    let cid = store.put(&b"precious"[..]).expect("it fits");
    fs::write(block_file(folder.path(), &cid), b"presious").expect("the file is there");
    assert!(matches!(store.read(&cid, 0, 8), Err(Error::Damaged { .. })));
    assert!(!store.has(&cid));
    store.put(&b"precious"[..]).expect("it fits");
    assert_eq!(store.read(&cid, 0, 8).expect("it is whole again"), b"precious");
    assert_eq!(store.bytes(), 8);
}

#[test]
fn what_nobody_pins_goes_with_the_second_collection() {
    let (_folder, store) = store();
    let kept = store.put(&pattern(CHUNK_BYTES + 1)[..]).expect("it fits");
    let loose = store.put(&b"loose"[..]).expect("it fits");
    store.pin(&owner("task-1"), &kept).expect("it is whole");
    store.pin(&owner("task-2"), &kept).expect("it is whole");

    assert_eq!(store.collect().expect("it collects"), Collected::default());
    assert_eq!(store.collect().expect("it collects"), Collected { blocks: 1, bytes: 5 });
    assert!(matches!(store.read(&loose, 0, 5), Err(Error::Absent(_))));

    assert!(store.unpin(&owner("task-1"), &kept).expect("it unpins"));
    assert!(!store.unpin(&owner("task-1"), &kept).expect("it is a no-op"));
    assert_eq!(store.collect().expect("it collects"), Collected::default());
    assert_eq!(store.unpin_all(&owner("task-2")).expect("it unpins"), 1);
    assert_eq!(store.collect().expect("it collects").blocks, 3);
    assert_eq!(store.bytes(), 0);
}

#[test]
fn putting_again_keeps_a_blob_for_another_round() {
    let (_folder, store) = store();
    let cid = store.put(&b"again"[..]).expect("it fits");
    store.collect().expect("it collects");
    store.put(&b"again"[..]).expect("it fits");
    assert_eq!(store.collect().expect("it collects").blocks, 0);
    assert!(store.has(&cid));
}

#[test]
fn a_pinned_blob_that_is_damaged_is_given_up_by_collections_and_on_opening() {
    let folder = TempDir::new().expect("a temporary folder");
    let open = || Store::open(folder.path(), Config::default()).expect("it opens");
    let store = open();
    let damaged = store.put(&pattern(CHUNK_BYTES + 1)[..]).expect("it fits");
    let whole = store.put(&pattern(CHUNK_BYTES + 2)[..]).expect("it fits");
    for cid in [&damaged, &whole] {
        store.pin(&owner("task"), cid).expect("it is whole");
    }
    store.pin(&owner("other"), &damaged).expect("it is whole");
    fs::write(block_file(folder.path(), &damaged), b"damaged").expect("the file is there");

    store.collect().expect("it collects");
    assert_eq!(store.pins(), [(owner("task"), whole, CHUNK_BYTES as u64 + 2)]);
    assert_eq!(store.pin_count(), 1);
    store.collect().expect("it collects");
    assert_eq!(store.get(&whole, BLOB_BYTES_MAX).expect("it is kept").len(), CHUNK_BYTES + 2);

    let again = store.put(&pattern(CHUNK_BYTES + 1)[..]).expect("it fits");
    store.pin(&owner("other"), &again).expect("it is whole again");
    drop(store);
    fs::write(block_file(folder.path(), &again), b"damaged").expect("the file is there");
    assert_eq!(open().pins(), [(owner("task"), whole, CHUNK_BYTES as u64 + 2)]);
}

#[test]
fn owners_have_quotas() {
    let config = Config { owner_bytes_max: 10, pins_max: 3, ..Config::default() };
    let (_folder, store) = store_with(config);
    let cids: Vec<Cid> =
        ["12345678", "ab", "c"].iter().map(|b| store.put(b.as_bytes()).expect("it fits")).collect();
    let alice = owner("alice");
    store.pin(&alice, &cids[0]).expect("8 bytes");
    store.pin(&alice, &cids[1]).expect("10 bytes");
    let error = store.pin(&alice, &cids[2]).expect_err("11 bytes");
    assert!(matches!(error, Error::QuotaReached { held: 10, more: 1, max: 10, .. }), "{error}");
    store.pin(&alice, &cids[0]).expect("pinned already");
    store.pin(&owner("bob"), &cids[2]).expect("another's quota");
    assert!(matches!(store.pin(&owner("bob"), &cids[1]), Err(Error::TooManyPins(3))));
    let absent = Cid::of_raw(b"elsewhere");
    assert!(
        matches!(store.pin(&owner("carol"), &absent), Err(Error::Absent(cid)) if cid == absent)
    );
}

#[test]
fn owners_names_stay_inside_their_folder() {
    for name in ["", "..", ".", "a/b", "a b", "ä", &"x".repeat(OWNER_BYTES_MAX + 1)] {
        assert!(matches!(Owner::new(name), Err(Error::BadOwner(_))), "{name}");
    }
    assert!(Owner::new("x".repeat(OWNER_BYTES_MAX)).is_ok());
}

#[test]
fn a_store_survives_reopening() {
    let folder = TempDir::new().expect("a temporary folder");
    let open = || Store::open(folder.path(), Config::default());
    let bytes = pattern(CHUNK_BYTES + 7);
    let (kept, lost) = {
        let store = open().expect("it opens");
        assert!(matches!(open(), Err(Error::InUse(_))));
        let kept = store.put(&bytes[..]).expect("it fits");
        let lost = store.put(&b"lost"[..]).expect("it fits");
        store.pin(&owner("t"), &kept).expect("it is whole");
        store.pin(&owner("t"), &lost).expect("it is whole");
        (kept, lost)
    };
    fs::remove_file(block_file(folder.path(), &lost)).expect("the file is there");
    fs::write(folder.path().join("tmp/half"), b"half").expect("a leftover");

    let store = open().expect("it opens again");
    assert_eq!(store.pins(), [(owner("t"), kept, bytes.len() as u64)]);
    assert!(!store.has(&lost));
    assert!(store.get(&kept, BLOB_BYTES_MAX).expect("it is here") == bytes);
    assert!(!folder.path().join("tmp/half").exists());
}

#[test]
fn limits_that_contradict_are_named() {
    assert_eq!(Config::default().validate(), Ok(()));
    let config = Config { blob_bytes_max: BLOB_BYTES_MAX + 1, ..Config::default() };
    assert!(config.validate().expect_err("too large").to_string().contains("blob_bytes_max"));
    let config = Config { bytes_max: 1, ..Config::default() };
    assert!(config.validate().expect_err("too small").to_string().contains("bytes_max"));
}

fn any_root() -> impl Strategy<Value = Root> {
    (prop::collection::vec(any::<[u8; 32]>(), 2..40), 1..=CHUNK_BYTES as u64).prop_map(
        |(leaves, last)| {
            let size = (leaves.len() as u64 - 1) * CHUNK_BYTES as u64 + last;
            let leaves = leaves.into_iter().map(primitives::Hash).collect();
            Root::new(leaves, size).expect("so many chunks make such a size")
        },
    )
}

proptest! {
    #[test]
    fn roots_come_back(root in any_root()) {
        prop_assert_eq!(Root::decode(&root.encode()), Ok(root));
    }

    /// A flipped bit either hits a leaf's hash, which makes another root, or is refused: no block has two readings.
    #[test]
    fn a_mutated_root_is_refused_or_another(root in any_root(), at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let mut block = root.encode();
        let at = at.index(block.len());
        block[at] ^= 1 << bit;
        if let Ok(other) = Root::decode(&block) {
            prop_assert_ne!(&other, &root);
            prop_assert_eq!(other.encode(), block);
        }
    }

    #[test]
    fn a_cut_or_grown_root_is_refused(root in any_root(), cut in any::<prop::sample::Index>(), more in prop::collection::vec(any::<u8>(), 1..9)) {
        let block = root.encode();
        prop_assert!(Root::decode(&block[..cut.index(block.len())]).is_err());
        prop_assert!(Root::decode(&[block, more].concat()).is_err());
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(root) = Root::decode(&bytes) {
            prop_assert_eq!(root.encode(), bytes.clone());
        }
        let _ = Cid::from_bytes(&bytes);
    }

    #[test]
    fn a_mutated_block_is_refused(mut block in prop::collection::vec(any::<u8>(), 1..500), at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let (_folder, store) = store();
        let cid = Cid::of_raw(&block);
        let at = at.index(block.len());
        block[at] ^= 1 << bit;
        let refused = matches!(store.put_block(&cid, &block), Err(Error::Mismatch { .. }));
        prop_assert!(refused && !store.has(&cid));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Sizes around chunk boundaries, read whole and in part.
    #[test]
    fn blobs_come_back(chunks in 0usize..4, near in -2i64..3, offset in any::<u32>(), length in 0usize..3_000_000) {
        let size = usize::try_from((chunks * CHUNK_BYTES) as i64 + near).unwrap_or(0);
        let bytes = pattern(size);
        let (_folder, store) = store();
        let cid = store.put(&bytes[..]).expect("it fits");
        prop_assert_eq!(store.size(&cid).expect("it is here"), size as u64);
        prop_assert_eq!(matches!(cid, Cid::Raw(_)), size <= CHUNK_BYTES);
        prop_assert!(store.get(&cid, BLOB_BYTES_MAX).expect("it is here") == bytes);
        let offset = offset as usize % (size + 1);
        let end = (offset + length).min(size);
        prop_assert!(store.read(&cid, offset as u64, length).expect("it is here") == bytes[offset..end]);
    }
}

#[derive(Clone, Debug)]
enum Step {
    Put(u8),
    Pin(u8, u8),
    Unpin(u8, u8),
    Collect,
    Reopen,
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0u8..6).prop_map(Step::Put),
        (0u8..3, 0u8..6).prop_map(|(owner, blob)| Step::Pin(owner, blob)),
        (0u8..3, 0u8..6).prop_map(|(owner, blob)| Step::Unpin(owner, blob)),
        Just(Step::Collect),
        Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// The store against a map: what is pinned is always there, sums agree, only the unpinned goes.
    #[test]
    fn a_store_agrees_with_a_naive_one(steps in prop::collection::vec(any_step(), 1..40)) {
        let folder = TempDir::new().expect("a temporary folder");
        let mut store = Some(Store::open(folder.path(), Config::default()).expect("it opens"));
        let mut blobs: BTreeMap<u8, bool> = BTreeMap::new(); // blob -> put or pinned since the last collection
        let mut pins: BTreeMap<(u8, u8), ()> = BTreeMap::new();
        let bytes = |blob: u8| vec![blob; 100 + usize::from(blob)];
        for step in steps {
            let open = store.as_ref().expect("a store is open between steps");
            match step {
                Step::Put(blob) => {
                    open.put(&bytes(blob)[..]).expect("it fits");
                    blobs.insert(blob, true);
                }
                Step::Pin(who, blob) => {
                    let pinned = open.pin(&owner(&who.to_string()), &Cid::of_raw(&bytes(blob)));
                    prop_assert_eq!(pinned.is_ok(), blobs.contains_key(&blob));
                    if pinned.is_ok() {
                        pins.insert((who, blob), ());
                        blobs.insert(blob, true);
                    }
                }
                Step::Unpin(who, blob) => {
                    let was = open.unpin(&owner(&who.to_string()), &Cid::of_raw(&bytes(blob))).expect("it unpins");
                    prop_assert_eq!(was, pins.remove(&(who, blob)).is_some());
                }
                Step::Collect => {
                    open.collect().expect("it collects");
                    blobs.retain(|blob, fresh| std::mem::take(fresh) || pins.keys().any(|(_, b)| b == blob));
                }
                Step::Reopen => {
                    drop(store.take());
                    store = Some(Store::open(folder.path(), Config::default()).expect("it opens again"));
                    blobs.values_mut().for_each(|fresh| *fresh = true);
                }
            }
            let open = store.as_ref().expect("a store is open between steps");
            prop_assert_eq!(open.bytes(), blobs.keys().map(|blob| 100 + u64::from(*blob)).sum::<u64>());
            prop_assert_eq!(open.pins().len(), pins.len());
            for blob in blobs.keys() {
                prop_assert_eq!(open.read(&Cid::of_raw(&bytes(*blob)), 0, 1000).expect("it is here"), bytes(*blob));
            }
        }
    }
}
