//! Offences that were reported.

use primitives::Offence;
use std::collections::BTreeSet;

/// Most offences remembered so that none is reported twice; the oldest heights are forgotten first.
const REMEMBERED_MAX: usize = 256;

/// Lets each offence through once.
#[derive(Default)]
pub(crate) struct Reported(BTreeSet<Offence>);

impl Reported {
    /// Whether this is news.
    pub(crate) fn insert(&mut self, offence: Offence) -> bool {
        let news = self.0.insert(offence);
        if self.0.len() > REMEMBERED_MAX {
            self.0.pop_first();
        }
        news
    }
}
