//! The market's clock: how long the chain has been at work, in milliseconds.
//!
//! It grows by the time between two blocks, at most [`TICK_MS_MAX`] a block, and stands still while
//! the market is paused. So a chain that was halted for hours expires nothing.

use super::{Event, NAME};
use framework::prelude::*;

/// Most that the clock grows from one block to the next, in milliseconds.
pub const TICK_MS_MAX: Moment = 6_000;
/// Blocks that a deadline waits for at least, so that everybody had the chance to act.
pub const DEADLINE_BLOCKS: Height = 4;
/// The same for deadlines to reveal and to challenge.
pub const CHALLENGE_BLOCKS: Height = 8;

pub(super) static CLOCK: Value<Clock> =
    Value::new_default(NAME, "Clock", "The market's clock: every deadline is counted by it.");

/// The market's clock.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo,
)]
pub struct Clock {
    /// Market time, in milliseconds since the chain began.
    pub now: Moment,
    /// Time of the block that moved the clock last, in milliseconds since 1970.
    pub block_ms: Moment,
    /// Whether the clock stands still.
    pub paused: bool,
}

/// A moment of market time that is not met before a certain height either.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct Deadline {
    /// Market time, in milliseconds.
    pub at: Moment,
    /// First height at which the deadline may be over.
    pub height: Height,
}

impl Deadline {
    /// The deadline `span_ms` from now, at least `blocks` away.
    pub fn after(cx: &Ctx, span_ms: Moment, blocks: Height) -> Self {
        Self { at: now(cx).saturating_add(span_ms), height: cx.block.height.saturating_add(blocks) }
    }

    /// Whether the deadline is over: who has not acted is too late, and hooks may act.
    pub fn is_over(&self, cx: &Ctx) -> bool {
        now(cx) >= self.at && cx.block.height >= self.height
    }
}

/// Market time, in milliseconds.
pub fn now(state: &dyn StateRead) -> Moment {
    clock(state).now
}

/// The whole clock.
pub fn clock(state: &dyn StateRead) -> Clock {
    CLOCK.get(state).unwrap_or_default()
}

/// Block time at which the market's clock will show `at`; `None` while it stands still.
pub fn block_time(state: &dyn StateRead, at: Moment) -> Option<Moment> {
    let clock = clock(state);
    let wait = at.saturating_sub(clock.now);
    (!clock.paused).then(|| clock.block_ms.saturating_add(wait))
}

/// Moves the clock at the start of a block.
pub(super) fn tick(cx: &mut Ctx) {
    let mut clock = clock(cx);
    if !clock.paused {
        let passed = cx.block.time_ms.saturating_sub(clock.block_ms);
        clock.now = clock.now.saturating_add(passed.min(TICK_MS_MAX));
    }
    clock.block_ms = cx.block.time_ms;
    CLOCK.set(cx, &clock);
}

/// Stops the clock or lets it go on.
pub(super) fn set_paused(cx: &mut Ctx, paused: bool) {
    let clock = Clock { paused, ..clock(cx) };
    CLOCK.set(cx, &clock);
    cx.emit(Event::Paused { paused });
}

/// Lets market time pass without a block.
#[cfg(test)]
pub(crate) fn shift_for_tests(cx: &mut Ctx, span_ms: Moment) {
    let clock = clock(cx);
    CLOCK.set(cx, &Clock { now: clock.now + span_ms, ..clock });
}
