//! Paces: so many units a second, and some seconds' worth saved up. Pure: time is an argument.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// How fast something may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Units a second in the long run.
    pub per_second: u64,
    /// Units at once after a pause.
    pub burst: u64,
}

impl Rate {
    /// The same pace for somebody who may do more.
    pub(crate) const fn times(self, factor: u64) -> Self {
        Self { per_second: self.per_second * factor, burst: self.burst * factor }
    }

    /// How long so many units take.
    fn time_of(self, units: u64) -> Duration {
        let nanos = u128::from(units) * 1_000_000_000 / u128::from(self.per_second.max(1));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

/// What somebody has used up. Made new, it is full.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bucket {
    /// When it is full again.
    full_at: Option<Instant>,
}

impl Bucket {
    /// Takes units, if they are there.
    pub fn take(&mut self, rate: Rate, units: u64, now: Instant) -> bool {
        let is_there = self.wait(now) + rate.time_of(units) <= rate.time_of(rate.burst);
        if is_there {
            self.charge(rate, units, now);
        }
        is_there
    }

    /// Whether any unit is there.
    pub fn has_any(&self, rate: Rate, now: Instant) -> bool {
        self.wait(now) < rate.time_of(rate.burst)
    }

    /// Takes units that may not be there yet: nothing else is until they are made up for.
    pub fn charge(&mut self, rate: Rate, units: u64, now: Instant) {
        self.full_at = Some(now + self.wait(now) + rate.time_of(units));
    }

    /// Whether it is as good as new.
    pub fn is_full(&self, now: Instant) -> bool {
        self.wait(now).is_zero()
    }

    fn wait(&self, now: Instant) -> Duration {
        self.full_at.map_or(Duration::ZERO, |full_at| full_at.saturating_duration_since(now))
    }
}

/// Buckets of many, of which no more are remembered than a bound.
#[derive(Debug)]
pub(crate) struct Buckets<K> {
    max: usize,
    buckets: BTreeMap<K, Bucket>,
}

impl<K: Ord + Clone> Buckets<K> {
    pub fn new(max: usize) -> Self {
        Self { max, buckets: BTreeMap::new() }
    }

    /// The bucket of somebody. When there are too many, those that are full are forgotten, and if none is, all.
    pub fn of(&mut self, key: &K, now: Instant) -> &mut Bucket {
        if self.buckets.len() >= self.max && !self.buckets.contains_key(key) {
            self.buckets.retain(|_, bucket| !bucket.is_full(now));
            if self.buckets.len() >= self.max {
                self.buckets.clear();
            }
        }
        self.buckets.entry(key.clone()).or_default()
    }

    /// Forgets somebody.
    pub fn remove(&mut self, key: &K) {
        self.buckets.remove(key);
    }
}
