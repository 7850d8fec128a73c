//! When the next height starts: not too soon, at once when there is work, and now and then in any
//! case.

use crate::{config::PacingConfig, types::Time};

/// Reasons for and against starting the next height.
#[derive(Debug)]
pub(crate) struct Pacing {
    config: PacingConfig,
    started: Time,
    /// The interval since the last start is over.
    interval_over: bool,
    /// Something speaks for a block: a transaction, a peer that has begun, state that is due, or
    /// the heartbeat.
    wanted: bool,
}

/// Time left until a reason changes, in milliseconds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Waits {
    pub(crate) interval_ms: u64,
    pub(crate) heartbeat_ms: u64,
}

impl Pacing {
    pub(crate) fn new(config: PacingConfig) -> Self {
        Self { config, started: Time(0), interval_over: false, wanted: false }
    }

    /// A height starts now.
    pub(crate) fn start(&mut self, now: Time) {
        self.started = now;
        self.interval_over = false;
        self.wanted = false;
    }

    /// The height is done; `work` says whether anything waits that was not part of it.
    pub(crate) fn finish(&mut self, now: Time, work: bool) -> Waits {
        self.wanted = work;
        let gone = now.since_ms(self.started);
        self.interval_over = gone >= self.config.interval_ms;
        Waits {
            interval_ms: self.config.interval_ms.saturating_sub(gone),
            heartbeat_ms: self.config.heartbeat_ms.saturating_sub(gone),
        }
    }

    /// The interval is over.
    pub(crate) fn end_interval(&mut self) {
        self.interval_over = true;
    }

    /// Something speaks for a block.
    pub(crate) fn want(&mut self) {
        self.wanted = true;
    }

    /// Whether the next height should start.
    pub(crate) fn is_ready(&self) -> bool {
        self.interval_over && self.wanted
    }
}
