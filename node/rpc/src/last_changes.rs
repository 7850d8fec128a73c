//! Which blocks wrote to which items of the state lately, so that a client can be told that nothing changed in an item
//! without reading it.

use crate::error::Error;
use primitives::{Height, RawKey};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};
use storage::{Database, EVENTS_KEY, Snapshot};

/// Bytes of a key that name its item; what follows are a map's keys.
pub(crate) const ITEM_BYTES: usize = 32;
/// Blocks back from the latest one that can be asked about. An item has at most one height for each.
const KEPT_BLOCKS: Height = 4_096;

/// Told of each head; one that was passed over is read from the database.
#[derive(Debug, Default)]
pub(crate) struct LastChanges(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    known: Option<Known>,
    /// The blocks that wrote to an item, in order. The rules in force know all items, so they are few.
    heights: BTreeMap<RawKey, VecDeque<Height>>,
}

/// The blocks whose changes are known: those above `since`, up to `last`.
#[derive(Clone, Copy, Debug)]
struct Known {
    since: Height,
    last: Height,
}

/// When something was written last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LastChange {
    /// In the block at this height.
    At(Height),
    /// In the block at this height or before.
    UpTo(Height),
    /// It cannot be told.
    Unknown,
}

impl LastChanges {
    /// Takes down what the head and the blocks before it wrote. May wait for the disk.
    pub fn note(&self, database: &Database, head: &Snapshot) -> Result<(), Error> {
        let mut state = self.state();
        let Some(known) = state.known else {
            state.begin(head.height);
            return Ok(());
        };
        for height in known.last.saturating_add(1)..=head.height {
            let own = if height == head.height { head.written() } else { &[] };
            if !own.is_empty() {
                state.note(height, own.iter().map(|(key, _)| key.as_slice()));
                continue;
            }
            match database.changes(height)? {
                Some(changes) => state.note(height, changes.iter().map(|(key, _)| key.as_slice())),
                // It is too old; nobody asked for long.
                None => state.begin(height),
            }
        }
        Ok(())
    }

    /// The last block up to a height that wrote to any item whose key begins with `prefix`, of at most [`ITEM_BYTES`].
    pub fn of(&self, prefix: &[u8], at: Height) -> LastChange {
        self.state().last(prefix, at)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic inside leaves a block half noted at worst, which is noted again.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Forgets all and begins after a height.
    fn begin(&mut self, height: Height) {
        let known = Some(Known { since: height, last: height });
        *self = Self { known, ..Self::default() };
    }

    /// Takes down the keys that the next block wrote, in order.
    fn note<'a>(&mut self, height: Height, keys: impl Iterator<Item = &'a [u8]>) {
        let mut before = None;
        // Events are kept apart from other changes, and every block has some.
        for key in keys.chain([EVENTS_KEY.as_slice()]) {
            let item = &key[..key.len().min(ITEM_BYTES)];
            if before == Some(item) {
                continue;
            }
            before = Some(item);
            self.note_item(height, item);
        }
        if let Some(known) = &mut self.known {
            known.last = height;
        }
    }

    fn note_item(&mut self, height: Height, item: &[u8]) {
        let Some(heights) = self.heights.get_mut(item) else {
            self.heights.insert(item.to_vec(), VecDeque::from([height]));
            return;
        };
        if heights.back() != Some(&height) {
            heights.push_back(height);
        }
        // The latest one before those that can be asked about stays.
        let first = height.saturating_sub(KEPT_BLOCKS);
        while heights.get(1).is_some_and(|second| *second <= first) {
            heights.pop_front();
        }
    }

    fn last(&self, prefix: &[u8], at: Height) -> LastChange {
        let Some(Known { since, last }) = self.known else { return LastChange::Unknown };
        if at < since || at < last.saturating_sub(KEPT_BLOCKS) || at > last {
            return LastChange::Unknown;
        }
        let items = self.heights.range(prefix.to_vec()..);
        let items = items.take_while(|(item, _)| item.starts_with(prefix));
        let latest = items.filter_map(|(_, heights)| {
            let later = heights.partition_point(|height| *height <= at);
            later.checked_sub(1).and_then(|place| heights.get(place)).copied()
        });
        latest.max().map_or(LastChange::UpTo(since), LastChange::At)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noted(state: &mut State, height: Height, keys: &[&str]) {
        state.note(height, keys.iter().map(|key| key.as_bytes()));
    }

    #[test]
    fn the_last_block_that_wrote_to_an_item_is_told_at_each_height() {
        let mut state = State::default();
        assert_eq!(state.last(b"a", 5), LastChange::Unknown);
        state.begin(4);
        let long = format!("{}1", "m".repeat(ITEM_BYTES));
        noted(&mut state, 5, &["a", "b"]);
        noted(&mut state, 6, &["b", &long, &format!("{}2", "m".repeat(ITEM_BYTES))]);
        noted(&mut state, 7, &["a"]);
        for (prefix, at, expected) in [
            ("a", 5, LastChange::At(5)),
            ("a", 6, LastChange::At(5)),
            ("a", 7, LastChange::At(7)),
            ("b", 7, LastChange::At(6)),
            ("c", 7, LastChange::UpTo(4)),
            ("m", 5, LastChange::UpTo(4)),
            ("m", 7, LastChange::At(6)),
            ("", 6, LastChange::At(6)),
            ("a", 4, LastChange::UpTo(4)),
            ("a", 3, LastChange::Unknown),
            ("a", 8, LastChange::Unknown),
        ] {
            assert_eq!(state.last(prefix.as_bytes(), at), expected, "{prefix} at {at}");
        }
    }

    #[test]
    fn heights_of_an_item_are_bounded_and_still_answer() {
        let mut state = State::default();
        state.begin(0);
        for height in 1..=3 * KEPT_BLOCKS {
            let keys: &[&str] = if height == 2 { &["a", "b"] } else { &["a"] };
            noted(&mut state, height, keys);
        }
        let kept = usize::try_from(KEPT_BLOCKS).expect("it is small");
        assert!(state.heights.values().all(|heights| heights.len() <= kept + 1));
        let oldest = 2 * KEPT_BLOCKS;
        assert_eq!(state.last(b"a", oldest), LastChange::At(oldest));
        assert_eq!(state.last(b"b", oldest), LastChange::At(2));
        assert_eq!(state.last(b"a", oldest - 1), LastChange::Unknown);
    }
}
