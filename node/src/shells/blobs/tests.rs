use super::*;
use prometheus_client::{encoding::text::encode, registry::Registry};
use tempfile::TempDir;

const ALICE: AccountId = AccountId([1; 32]);
const BOB: AccountId = AccountId([2; 32]);

/// A keeper over a store of a few bytes, that starts at height 0.
struct Run {
    keeper: Keeper,
    store: Arc<Store>,
    registry: Registry,
    _folder: TempDir,
}

impl Run {
    fn new() -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let config = blobs::Config {
            bytes_max: 80,
            blob_bytes_max: 80,
            owner_bytes_max: 30,
            ..Default::default()
        };
        let store = Arc::new(Store::open(folder.path(), config).expect("it opens"));
        let mut registry = Registry::default();
        let keeper = Keeper::new(store.clone(), BlobMetrics::new(&mut registry), 0);
        Self { keeper, store, registry, _folder: folder }
    }

    fn put(&self, bytes: &[u8]) -> Cid {
        self.store.put(bytes).expect("it fits")
    }

    fn needs(&mut self, task: u8, requester: AccountId, cids: &[Cid]) {
        let cids: BTreeSet<Cid> = cids.iter().copied().collect();
        let needs = (!cids.is_empty()).then_some(Needs { requester, cids });
        self.keeper.set(Hash([task; 32]), needs);
    }

    fn pinned(&self) -> Vec<(Owner, Cid)> {
        self.store.pins().into_iter().map(|(owner, cid, _)| (owner, cid)).collect()
    }
}

#[test]
fn a_blob_stays_while_any_task_needs_it_and_goes_a_grace_later() {
    let mut run = Run::new();
    let program = run.put(b"program");
    run.needs(1, ALICE, &[program]);
    run.needs(2, ALICE, &[program]);
    assert_eq!(run.pinned(), [(owner(&ALICE), program)]);
    run.needs(1, ALICE, &[]);
    for height in [GRACE_BLOCKS, 2 * GRACE_BLOCKS, 3 * GRACE_BLOCKS] {
        run.keeper.tend(height);
        assert!(run.store.has(&program));
    }
    run.needs(2, ALICE, &[]);
    assert_eq!(run.pinned(), []);
    run.keeper.tend(4 * GRACE_BLOCKS - 1);
    assert!(run.store.has(&program), "it is not time yet");
    run.keeper.tend(4 * GRACE_BLOCKS);
    assert!(!run.store.has(&program));
    let mut text = String::new();
    encode(&mut text, &run.registry).expect("a string takes all");
    for line in ["artel_blobs_bytes 0", "artel_blobs_pins 0", "artel_blobs_collected_bytes_total 7"]
    {
        assert!(text.contains(line), "{line} is in {text}");
    }
}

#[test]
fn an_upload_survives_a_whole_grace_and_one_that_a_task_names_meanwhile_is_kept() {
    let mut run = Run::new();
    run.keeper.tend(GRACE_BLOCKS - 1);
    let (named, loose) = (run.put(b"named"), run.put(b"loose"));
    run.keeper.tend(GRACE_BLOCKS);
    run.keeper.tend(2 * GRACE_BLOCKS - 1);
    assert!(run.store.has(&named) && run.store.has(&loose));
    run.needs(1, ALICE, &[named]);
    run.keeper.tend(2 * GRACE_BLOCKS);
    assert!(run.store.has(&named) && !run.store.has(&loose));
}

#[test]
fn a_blob_that_comes_after_its_task_is_pinned_before_it_could_be_collected() {
    let mut run = Run::new();
    let late = Cid::of_raw(b"late");
    run.needs(1, ALICE, &[late]);
    assert_eq!(run.pinned(), []);
    run.put(b"late");
    for height in [GRACE_BLOCKS, 2 * GRACE_BLOCKS, 3 * GRACE_BLOCKS] {
        run.keeper.tend(height);
    }
    assert_eq!(run.pinned(), [(owner(&ALICE), late)]);
    assert!(run.store.has(&late));
}

#[test]
fn a_store_that_is_nearly_full_is_cleared_sooner() {
    let mut run = Run::new();
    let junk = run.put(&[0; 75]);
    run.store.put(&[1; 10][..]).expect_err("it is full");
    run.keeper.tend(GRACE_BLOCKS_NEARLY_FULL);
    assert!(run.store.has(&junk), "it may still be named");
    run.keeper.tend(2 * GRACE_BLOCKS_NEARLY_FULL);
    assert!(!run.store.has(&junk));
    run.put(&[1; 10]);
}

#[test]
fn one_requester_cannot_take_the_room_of_others() {
    let mut run = Run::new();
    let (first, second) = (run.put(&[1; 25]), run.put(&[2; 25]));
    run.needs(1, ALICE, &[first]);
    run.needs(2, ALICE, &[second]);
    run.needs(3, BOB, &[second]);
    assert_eq!(run.pinned(), [(owner(&ALICE), first), (owner(&BOB), second)]);
    run.needs(1, ALICE, &[]);
    run.needs(3, BOB, &[]);
    run.keeper.tend(GRACE_BLOCKS);
    assert_eq!(run.pinned(), [(owner(&ALICE), second)], "there is room for it now");
}

#[test]
fn pins_that_an_earlier_run_left_behind_go() {
    let mut run = Run::new();
    let (needed, left) = (run.put(b"needed"), run.put(b"left"));
    let operator = Owner::new("operator").expect("a good name");
    for owner in [owner(&ALICE), operator.clone()] {
        run.store.pin(&owner, &left).expect("it is here");
    }
    run.needs(1, ALICE, &[needed]);
    run.keeper.unpin_leftovers();
    assert_eq!(run.pinned(), [(operator, left), (owner(&ALICE), needed)]);
}
