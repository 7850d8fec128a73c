//! When to look for others: eagerly at first, and seldom once there are enough. Pure: time is an argument.

use crate::{Role, names::ROLES};
use std::time::{Duration, Instant};

/// The first pause between errands of a kind; each one is twice as long.
const PAUSE_FIRST: Duration = Duration::from_millis(250);
/// The longest pause between looks while there are too few peers.
const LOOK_MAX: Duration = Duration::from_secs(30);
/// The longest pause between looks otherwise.
const LOOK_SELDOM_MAX: Duration = Duration::from_secs(300);
/// The longest pause between walks.
const WALK_MAX: Duration = Duration::from_secs(120);
/// The longest pause between saying what this node does.
const PROVIDE_MAX: Duration = Duration::from_secs(600);
/// Of so many looks one is for roles other than validators.
const OTHERS_EVERY: u32 = 4;

/// What there is to do in the DHT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Errand {
    /// Say what this node does.
    Provide,
    /// Find nodes of a role.
    Look(Role),
    /// Find nodes anywhere.
    Walk,
}

#[derive(Clone, Copy, Debug)]
struct Pace {
    next: Instant,
    pause: Duration,
}

impl Pace {
    fn new(now: Instant) -> Self {
        Self { next: now, pause: PAUSE_FIRST }
    }

    fn is_due(&mut self, now: Instant, pause_max: Duration) -> bool {
        let is_due = self.next <= now;
        if is_due {
            self.next = now + self.pause.min(pause_max);
            self.pause = (self.pause * 2).min(pause_max);
        }
        is_due
    }
}

/// When to look for others.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Discovery {
    provide: Pace,
    look: Pace,
    walk: Pace,
    looks: u32,
}

impl Discovery {
    pub fn new(now: Instant) -> Self {
        Self { provide: Pace::new(now), look: Pace::new(now), walk: Pace::new(now), looks: 0 }
    }

    /// Begins anew: the first peer is there, or all were lost.
    pub fn restart(&mut self, now: Instant) {
        *self = Self { looks: self.looks, ..Self::new(now) };
    }

    /// Says anew what this node does: it can be reached elsewhere than before.
    pub fn tell_again(&mut self, now: Instant) {
        self.provide = Pace::new(now);
    }

    /// What is due.
    pub fn due(&mut self, has_enough: bool, now: Instant) -> Vec<Errand> {
        let mut errands = Vec::new();
        if self.provide.is_due(now, PROVIDE_MAX) {
            errands.push(Errand::Provide);
        }
        let look_max = if has_enough { LOOK_SELDOM_MAX } else { LOOK_MAX };
        if self.look.is_due(now, look_max) {
            errands.push(Errand::Look(Role::Validator));
            if self.looks.is_multiple_of(OTHERS_EVERY) {
                let others = ROLES.into_iter().filter(|role| *role != Role::Validator);
                errands.extend(others.map(Errand::Look));
            }
            self.looks = self.looks.wrapping_add(1);
        }
        if self.walk.is_due(now, WALK_MAX) {
            errands.push(Errand::Walk);
        }
        errands
    }
}
