//! Timers, each with the height and a generation: one that was cancelled or replaced can go off,
//! but does nothing.

use primitives::Height;

/// What a timer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TimerKind {
    /// No proposal came in this round.
    Propose(u32),
    /// No more prevotes came in this round.
    Prevote(u32),
    /// No more precommits came in this round.
    Precommit(u32),
    /// Nothing moved in this round.
    Rebroadcast(u32),
    /// The shortest interval between heights is over.
    Interval,
    /// The longest interval between heights is over.
    Heartbeat,
    /// The chain's state has work that is due.
    Due,
}

impl TimerKind {
    fn is_pacing(self) -> bool {
        matches!(self, Self::Interval | Self::Heartbeat | Self::Due)
    }
}

/// A timer to start, stop or report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timer {
    /// The height that it belongs to.
    pub height: Height,
    /// What it is for.
    pub kind: TimerKind,
    generation: u64,
}

/// The timers that count.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    generation: u64,
    live: Vec<Timer>,
}

impl Timers {
    /// Start a timer; an earlier one of this kind no longer counts.
    pub(crate) fn start(&mut self, height: Height, kind: TimerKind) -> Timer {
        self.live.retain(|timer| timer.kind != kind);
        self.generation += 1;
        let timer = Timer { height, kind, generation: self.generation };
        self.live.push(timer);
        timer
    }

    /// Stop the timer of this kind, if there is one.
    pub(crate) fn stop(&mut self, kind: TimerKind) -> Option<Timer> {
        self.take(|timer| timer.kind == kind)
    }

    /// Stop all timers of a round.
    pub(crate) fn stop_round(&mut self) -> Vec<Timer> {
        let (pacing, round) = self.live.iter().partition(|timer| timer.kind.is_pacing());
        self.live = pacing;
        round
    }

    /// Stop all timers between heights.
    pub(crate) fn stop_pacing(&mut self) -> Vec<Timer> {
        let (pacing, round) = self.live.iter().partition(|timer| timer.kind.is_pacing());
        self.live = round;
        pacing
    }

    /// Whether this timer counts; it then counts no longer.
    pub(crate) fn elapse(&mut self, timer: Timer) -> bool {
        self.take(|live| *live == timer).is_some()
    }

    fn take(&mut self, is: impl Fn(&Timer) -> bool) -> Option<Timer> {
        let place = self.live.iter().position(is)?;
        Some(self.live.swap_remove(place))
    }
}
