//! What may be spent on messages that turn out bad and for which nobody can be blamed.
//!
//! Of heights to come, other validators may decide than those of today: that a signature is not one of theirs proves
//! nothing, and whoever passed it on is not punished. Hence it must not cost much, however many send such things.

use std::time::{Duration, Instant};

/// Bad signatures that are looked at in a period; after them, nothing is that could be as bad.
const SIGNATURES_MAX: usize = 512;
const PERIOD: Duration = Duration::from_secs(1);

/// Counts bad guesses.
#[derive(Debug)]
pub struct Guesses {
    since: Instant,
    left: usize,
}

impl Guesses {
    /// Nothing is spent yet.
    pub fn new(now: Instant) -> Self {
        Self { since: now, left: SIGNATURES_MAX }
    }

    /// Whether one more may be looked at.
    pub fn may(&mut self, now: Instant) -> bool {
        if now.saturating_duration_since(self.since) >= PERIOD {
            *self = Self::new(now);
        }
        self.left > 0
    }

    /// Counts one that was bad, with so many signatures.
    pub fn waste(&mut self, signatures: usize) {
        self.left = self.left.saturating_sub(signatures.max(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_guesses_are_few_a_second() {
        let start = Instant::now();
        let mut guesses = Guesses::new(start);
        let mut looked_at = 0;
        while guesses.may(start) {
            guesses.waste(100);
            looked_at += 100;
        }
        assert!((SIGNATURES_MAX..SIGNATURES_MAX + 100).contains(&looked_at), "{looked_at}");
        assert!(!guesses.may(start + PERIOD / 2));
        assert!(guesses.may(start + PERIOD));
    }
}
