//! From which height on states can be read, and which older entries of the history nobody needs any more.

use primitives::Height;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The border between the states that can be read and those that are gone. Compactions of the history ask it what they
/// may leave out: RocksDB's snapshots do not keep that, so a state that is being read is counted here.
#[derive(Debug, Default)]
pub(crate) struct Horizon {
    border: Mutex<Border>,
}

#[derive(Debug, Default)]
struct Border {
    /// Lowest height whose state can be read.
    oldest: Height,
    /// How many states of a height are being read.
    held: BTreeMap<Height, usize>,
}

/// Keeps what the state after a block needs of the history, as long as this lives.
#[derive(Debug)]
pub(crate) struct Held {
    horizon: Arc<Horizon>,
    height: Height,
}

impl Horizon {
    /// Lowest height whose state can be read.
    pub(crate) fn oldest(&self) -> Height {
        self.border().oldest
    }

    /// No state below this height is given out from here on.
    pub(crate) fn raise(&self, oldest: Height) {
        let mut border = self.border();
        border.oldest = border.oldest.max(oldest);
    }

    /// Entries of the history at this height and below are needed by nobody, now and later: a state needs those above its
    /// own.
    pub(crate) fn floor(&self) -> Height {
        let border = self.border();
        border.held.keys().next().map_or(border.oldest, |held| border.oldest.min(*held))
    }

    /// Keeps what the state after the block at a height needs; `None` if it is gone.
    pub(crate) fn hold(self: &Arc<Self>, height: Height) -> Option<Held> {
        let mut border = self.border();
        if height < border.oldest {
            return None;
        }
        *border.held.entry(height).or_default() += 1;
        Some(Held { horizon: self.clone(), height })
    }

    fn border(&self) -> MutexGuard<'_, Border> {
        // Each change is one step, so a panic elsewhere leaves it whole.
        self.border.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut border = self.horizon.border();
        if let Some(count) = border.held.get_mut(&self.height) {
            *count -= 1;
            if *count == 0 {
                border.held.remove(&self.height);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_keeps_the_floor_down_until_it_is_let_go() {
        let horizon = Arc::new(Horizon::default());
        let (first, again) = (horizon.hold(3), horizon.hold(3));
        horizon.raise(10);
        assert!(horizon.hold(9).is_none(), "it is gone for others");
        assert_eq!((horizon.oldest(), horizon.floor()), (10, 3));
        drop(first);
        assert_eq!(horizon.floor(), 3);
        drop(again);
        assert_eq!(horizon.floor(), 10);
        let later = horizon.hold(12);
        assert_eq!(horizon.floor(), 10, "states above the oldest come again");
        drop(later);
        horizon.raise(4);
        assert_eq!(horizon.oldest(), 10, "it never falls");
    }
}
