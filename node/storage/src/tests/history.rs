//! States of all heights, against the model's.

use super::*;
use proptest::{prelude::*, sample::Index, test_runner::Config as Cases};
use std::collections::BTreeSet;

impl Chain {
    /// The state after the block at a height, as the head tells.
    fn at_from(&self, later: &Snapshot, height: Height) -> Option<Snapshot> {
        self.store.database().state_at(later, height).expect("readable")
    }

    /// The same for the head.
    pub(super) fn at(&self, height: Height) -> Option<Snapshot> {
        self.at_from(self.store.head(), height)
    }

    /// Compares what a snapshot reads with the model: every key, and a scan in two pages.
    pub(super) fn check_reads(&self, snapshot: &Snapshot) {
        let (height, state) = (snapshot.height, self.state(snapshot.height));
        for key in all_keys() {
            assert_eq!(snapshot.get(&key), state.get(&key).cloned(), "{key:?} at {height}");
        }
        assert_eq!(snapshot.get(&EVENTS_KEY), state.get(EVENTS_KEY.as_slice()).cloned());
        let expected: Vec<RawKey> = state.into_keys().collect();
        let mut found: Vec<RawKey> = snapshot.keys(b"", None).take(expected.len() / 2).collect();
        let rest: Vec<RawKey> = snapshot.keys(b"", found.last().map(Vec::as_slice)).collect();
        found.extend(rest);
        assert_eq!(found, expected, "at {height}");
    }

    /// Exactly the states from `oldest` on can be read, and are right.
    fn check_from(&self, oldest: Height) {
        let head = self.store.head().height;
        assert_eq!(self.store.database().oldest_state(), oldest);
        for height in 0..=head {
            match self.at(height) {
                Some(snapshot) => {
                    assert!(height >= oldest);
                    assert_eq!(snapshot.height, height);
                    let header = self.store.database().header(height).expect("readable");
                    let header = header.expect("committed");
                    assert_eq!((snapshot.hash, snapshot.root), (header.hash(), header.state_root));
                    self.check_reads(&snapshot);
                }
                None => assert!(height < oldest, "{height} is gone, {oldest} is the oldest"),
            }
        }
        assert!(self.at(head + 1).is_none());
    }

    fn reopen(self, path: &Path, config: &Config) -> Self {
        let Self { store, states } = self;
        drop(store);
        let store = open_with(path, config).expect("what was committed");
        Self { store, states }
    }

    /// Merges all of the history.
    fn compact(&self) {
        let database = self.store.database();
        let history = database.column(columns::HISTORY);
        database.db.flush_cf(history).expect("room");
        database.db.compact_range_cf(history, None::<&[u8]>, None::<&[u8]>);
    }

    /// Heights that the history has entries of.
    fn heights(&self) -> BTreeSet<Height> {
        let database = self.store.database();
        let mut iterator = database.db.raw_iterator_cf(database.column(columns::HISTORY));
        iterator.seek_to_first();
        let mut heights = BTreeSet::new();
        while let Some(entry) = iterator.key() {
            heights.extend(crate::history::split(entry).map(|(_, height)| height));
            iterator.next();
        }
        iterator.status().expect("readable");
        heights
    }

    /// Waits for the flush that is running, and flushes what is left.
    fn flush(&mut self) {
        self.store.flush_all().expect("room");
    }
}

fn all_keys() -> BTreeSet<RawKey> {
    (0..300).map(key).collect()
}

fn keeping(history_blocks: Height) -> Config {
    Config { history_blocks, cache_mb: 8, state_cache_mb: 8, archive: false }
}

fn archive() -> Config {
    Config { archive: true, ..keeping(HISTORY_BLOCKS_MIN) }
}

#[test]
fn the_state_after_every_block_can_be_read_across_flushes_and_restarts() {
    let dir = folder();
    let mut chain = Chain::create(dir.path());
    for seed in 1..=30 {
        chain.commit_writes(writes_of(seed, if seed % 8 < 4 { 60 } else { 6 }));
    }
    chain.check_from(0);
    chain = chain.reopen(dir.path(), &Config::default());
    chain.check_from(0);
    (31..=50).for_each(|seed| drop(chain.commit(seed)));
    chain.check_from(0);
    for height in [0, 17, 33, 49] {
        chain.check(&chain.at(height).expect("it is retained"));
    }
}

#[test]
fn a_later_state_that_was_kept_tells_of_earlier_ones_too() {
    let dir = folder();
    let mut chain = Chain::create(dir.path());
    let mut kept = Vec::new();
    for seed in 1..=40 {
        chain.commit(seed);
        kept.push(chain.store.head().clone());
    }
    for later in kept.iter().step_by(7) {
        for height in 0..=later.height {
            chain.check_reads(&chain.at_from(later, height).expect("it is retained"));
        }
        assert!(chain.at_from(later, later.height + 1).is_none());
    }
}

#[test]
fn states_below_the_window_are_gone_and_their_history_goes_when_it_is_merged() {
    let dir = folder();
    let mut chain = Chain::create_with(dir.path(), &keeping(20));
    (1..=20).for_each(|seed| drop(chain.commit(seed)));
    chain.check_from(0);
    (21..=60).for_each(|seed| drop(chain.commit(seed)));
    chain.flush();
    chain.compact();
    assert_eq!(chain.heights(), (41..=60).collect());
    chain.check_from(40);
    // Blocks and events stay.
    let database = chain.store.database();
    assert!(database.block(1).expect("readable").is_some());
    assert_eq!(database.events(1).expect("readable"), Some(events(1)));
}

#[test]
fn a_state_that_is_held_is_read_as_it_was_until_it_is_let_go() {
    let dir = folder();
    let mut chain = Chain::create_with(dir.path(), &keeping(16));
    (1..=20).for_each(|seed| drop(chain.commit(seed)));
    chain.flush();
    let held = chain.at(6).expect("it is retained");
    (21..=60).for_each(|seed| drop(chain.commit(seed)));
    chain.flush();
    assert!(chain.at(6).is_none(), "nobody else gets it");
    chain.compact();
    chain.check(&held);
    drop(held);
    chain.compact();
    assert_eq!(chain.heights(), (45..=60).collect());
    chain.check_from(44);
}

#[test]
fn an_archive_prunes_nothing_and_prunes_once_it_has_a_window() {
    let dir = folder();
    let mut chain = Chain::create_with(dir.path(), &archive());
    assert!(chain.store.database().is_archive());
    (1..=50).for_each(|seed| drop(chain.commit(seed)));
    chain.flush();
    chain.compact();
    chain.check_from(0);

    chain = chain.reopen(dir.path(), &keeping(20));
    assert!(!chain.store.database().is_archive());
    chain.check_from(30);
    chain.compact();
    assert_eq!(chain.heights(), (31..=50).collect());
    chain.check_from(30);

    // What is gone does not come back, and all else stays from here on.
    chain = chain.reopen(dir.path(), &archive());
    (51..=80).for_each(|seed| drop(chain.commit(seed)));
    chain.flush();
    chain.compact();
    chain.check_from(30);
}

#[test]
fn a_crash_after_the_history_or_in_the_state_leaves_the_history_right() {
    for (seed, count, of_state) in
        [(1, 8, 0), (2, 8, 3), (3, 8, 30), (4, 60, 0), (5, 60, 50), (6, 60, 1_000)]
    {
        let dir = folder();
        let mut chain = Chain::create(dir.path());
        (0..9).for_each(|n| drop(chain.commit_writes(writes_of(seed * 100 + n, count))));
        chain.flush();
        (10..13).for_each(|n| drop(chain.commit_writes(writes_of(seed * 100 + n, count))));
        let database = chain.store.database().clone();
        let job = chain.store.flush_job().expect("these are not flushed");
        flush::flush_history(&database, &job).expect("room");
        assert_eq!(database.history_written().expect("readable"), 12);
        let newest = job.overlays.iter().flat_map(|overlay| overlay.entries().to_vec());
        for (key, value) in newest.collect::<BTreeMap<_, _>>().into_iter().take(of_state) {
            let state = database.column(columns::STATE);
            match value {
                Some(value) => database.db.put_cf(state, key, value).expect("room"),
                None => database.db.delete_cf(state, key).expect("room"),
            }
        }
        drop((job, database));
        chain = chain.reopen(dir.path(), &Config::default());
        assert_eq!(chain.store.database().flushed().expect("readable"), 9);
        chain.check_from(0);
        (13..30).for_each(|n| drop(chain.commit_writes(writes_of(seed * 100 + n, count))));
        chain.check_from(0);
    }
}

#[test]
fn changes_of_pruned_blocks_are_dropped_and_those_a_start_needs_stay() {
    let dir = folder();
    let mut chain = Chain::create_with(dir.path(), &keeping(16));
    (1..=60).for_each(|seed| drop(chain.commit(seed)));
    chain.flush();
    let database = chain.store.database();
    let changes = database.column(columns::CHANGES);
    // As when much is written: files of the past, on levels of their own.
    database.db.flush_cf(changes).expect("room");
    database.db.compact_range_cf(changes, None::<&[u8]>, None::<&[u8]>);
    (61..=90).for_each(|seed| drop(chain.commit(seed)));
    chain.flush();
    let database = chain.store.database();
    assert_eq!(database.changes(1).expect("readable"), None);
    assert!(database.changes(90).expect("readable").is_some());
    chain = chain.reopen(dir.path(), &keeping(16));
    chain.check_from(74);
}

/// What happens to a chain.
#[derive(Clone, Debug)]
enum Step {
    /// Blocks that change so many keys each.
    Commit {
        blocks: u64,
        count: u64,
    },
    Flush,
    Compact,
    Restart {
        window: Option<Height>,
    },
    /// The process ends after a flush's history and before its state.
    Crash,
    Hold(Index),
    LetGo(Index),
}

fn step() -> impl Strategy<Value = Step> {
    let window = proptest::option::of(HISTORY_BLOCKS_MIN..40);
    prop_oneof![
        8 => (1_u64..9, prop_oneof![Just(3_u64), Just(25), Just(150)])
            .prop_map(|(blocks, count)| Step::Commit { blocks, count }),
        1 => Just(Step::Flush),
        2 => Just(Step::Compact),
        1 => window.prop_map(|window| Step::Restart { window }),
        1 => Just(Step::Crash),
        1 => any::<Index>().prop_map(Step::Hold),
        1 => any::<Index>().prop_map(Step::LetGo),
    ]
}

/// A chain, what it must still know, and the states that are held.
struct Model {
    dir: TempDir,
    chain: Chain,
    config: Config,
    oldest: Height,
    held: Vec<Snapshot>,
    seed: u64,
}

impl Model {
    fn restart(mut self, config: Config) -> Self {
        self.held.clear();
        self.chain = self.chain.reopen(self.dir.path(), &config);
        self.config = config;
        self.note_oldest();
        self
    }

    fn note_oldest(&mut self) {
        let head = self.chain.store.head().height;
        if !self.config.archive {
            self.oldest = self.oldest.max(head.saturating_sub(self.config.history_blocks));
        }
    }

    fn apply(mut self, step: Step) -> Self {
        match step {
            Step::Commit { blocks, count } => {
                for _ in 0..blocks {
                    self.seed += 1;
                    self.chain.commit_writes(writes_of(self.seed, count));
                    self.note_oldest();
                }
            }
            Step::Flush => self.chain.flush(),
            Step::Compact => self.chain.compact(),
            Step::Restart { window } => {
                return self.restart(window.map_or_else(archive, keeping));
            }
            Step::Crash => {
                self.chain.store.finish_flush().expect("room");
                if let Some(job) = self.chain.store.flush_job() {
                    flush::flush_history(self.chain.store.database(), &job).expect("room");
                }
                let config = self.config.clone();
                return self.restart(config);
            }
            Step::Hold(index) => {
                let (head, oldest) = (self.chain.store.head().height, self.oldest);
                let height = oldest + index.index((head - oldest) as usize + 1) as Height;
                self.held.push(self.chain.at(height).expect("it is retained"));
            }
            Step::LetGo(index) if !self.held.is_empty() => {
                self.held.swap_remove(index.index(self.held.len()));
            }
            Step::LetGo(_) => {}
        }
        self
    }
}

proptest! {
    #![proptest_config(Cases { cases: 24, ..Cases::default() })]

    #[test]
    fn every_retained_state_is_the_models_whatever_happens(
        steps in proptest::collection::vec(step(), 1..30),
    ) {
        let (dir, config) = (folder(), keeping(20));
        let chain = Chain::create_with(dir.path(), &config);
        let mut model = Model { dir, chain, config, oldest: 0, held: Vec::new(), seed: 0 };
        for step in steps {
            model = model.apply(step);
        }
        model.chain.check_from(model.oldest);
        model.held.iter().for_each(|held| model.chain.check_reads(held));
        model.held.clear();
        model.chain.flush();
        model.chain.compact();
        model.chain.check_from(model.oldest);
        let first = model.chain.heights().first().copied();
        prop_assert!(model.config.archive || first.is_none_or(|height| height > model.oldest));
    }
}
