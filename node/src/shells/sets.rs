//! Who decides the height that is decided now, and the one before: what is needed to judge what peers say.

use chain::Head;
use consensus::Validators;
use primitives::{Height, ValidatorSet};
use std::collections::BTreeMap;

/// The validators of two heights.
pub struct Sets {
    next: Height,
    sets: BTreeMap<Height, Validators>,
}

impl Sets {
    /// Those after a head.
    pub fn new(head: &Head) -> Self {
        let mut this = Self { next: 0, sets: BTreeMap::new() };
        this.on_head(head);
        this
    }

    /// A block is final.
    pub fn on_head(&mut self, head: &Head) {
        self.next = head.next_height();
        match Validators::new(runtime::validator_set(&head.snapshot)) {
            Ok(validators) => drop(self.sets.insert(self.next, validators)),
            Err(error) => tracing::error!(height = self.next, %error, "unusable validators"),
        }
        self.sets = self.sets.split_off(&self.next.saturating_sub(1));
    }

    /// The height that is decided now.
    pub fn next(&self) -> Height {
        self.next
    }

    /// Who decides the height that is decided now; nobody, if the chain's state names nobody who could.
    pub fn current(&self) -> Option<&ValidatorSet> {
        self.at(self.next).map(Validators::source)
    }

    /// Who decides a height. Of later heights, today's validators are the best guess; of earlier ones, nothing is known.
    pub fn at(&self, height: Height) -> Option<&Validators> {
        self.sets.get(&height.min(self.next))
    }
}
