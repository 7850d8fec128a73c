//! What to ask next, and when to look again.

use super::{
    core::Sync,
    io::{Output, Progress},
    peers::{InFlight, Kind},
    wire::{REQUEST_BLOCKS_MAX, RESPONSE_BYTES_MAX, Request},
};
use primitives::{Height, Moment};

/// Most heights above the head that are asked for or held; some are fewer, as requests are for many.
pub const WINDOW_BLOCKS_MAX: u32 = 2_048;
/// Most bytes of blocks that are held or may come; the next block of all may come in addition, from several peers.
pub const WINDOW_BYTES_MAX: usize = 8 * RESPONSE_BYTES_MAX;
/// Most requests under way.
pub const REQUESTS_MAX: usize = 32;
/// Bytes that a request aims at, by the size of the blocks before.
pub const RESPONSE_BYTES_WANTED: usize = RESPONSE_BYTES_MAX / 2;
/// Once the next block is so late, in milliseconds, another peer is asked for it too.
pub const HEDGE_MS: Moment = 1_000;
/// Peers that may be asked for the next block at a time although there is no room for more.
const HEDGES_MAX: usize = 3;
/// Fewest blocks that are worth a request of their own while there are more to ask for.
const SHARE_BLOCKS_MIN: u32 = 16;
/// How far behind a node may be whose blocks come another way.
const FOLLOW_BLOCKS_MAX: u32 = 2;
/// For how long it counts that somebody trustworthy said that there is a block, in milliseconds.
pub(super) const HINT_MS: Moment = 10_000;

impl<P: Copy + Ord> Sync<P> {
    /// How far this node is.
    pub fn progress(&self) -> Progress {
        match self.peers.best_claim() {
            None => Progress::Alone,
            Some(best) => match best.saturating_sub(self.head) {
                0 => Progress::Synced,
                blocks => Progress::Behind { blocks },
            },
        }
    }

    /// The block that all others wait for.
    pub(super) fn next_height(&self) -> Height {
        self.frontier.height.saturating_add(1)
    }

    /// When to give [`super::Input::Tick`] if nothing else comes before.
    pub fn wake_at(&self, now: Moment) -> Option<Moment> {
        let deadlines = self.peers.in_flight().map(InFlight::deadline);
        let next = self.next_height();
        let blocking = self.peers.in_flight().filter(|in_flight| in_flight.covers(next));
        let hedges = blocking.map(|in_flight| in_flight.since.saturating_add(HEDGE_MS));
        let ahead = self.last_wanted() > self.frontier.height;
        let waits = self.ahead_since.map(|since| since.saturating_add(self.follow_ms));
        let retries = self.peers.next_retry(now).filter(|_| ahead);
        let all = deadlines.chain(hedges).chain(waits).chain(retries);
        all.filter(|at| *at > now).min()
    }

    /// Asks idle peers for what is missing, the lowest first.
    pub(super) fn ask(&mut self, now: Moment, out: &mut Vec<Output<P>>) {
        let last = self.last_wanted();
        if last <= self.head {
            self.ahead_since = None;
            return;
        }
        let behind = last - self.head;
        let since = *self.ahead_since.get_or_insert(now);
        let is_early = now < since.saturating_add(self.follow_ms);
        if behind <= FOLLOW_BLOCKS_MAX && is_early {
            return;
        }
        let mut from = self.next_height();
        while let Some(gap) = self.next_gap(from, last, now) {
            if !self.has_room(gap.from) || !self.ask_for(gap, now, out) {
                break;
            }
            from = gap.from;
        }
    }

    /// The highest block that is worth asking for now.
    fn last_wanted(&self) -> Height {
        let claimed = self.peers.highest_claim().unwrap_or_default();
        let hinted = self.hint.map_or(0, |(height, _)| height);
        // The window moves in steps, so that each is worth a request.
        let edge = self.head.saturating_add(WINDOW_BLOCKS_MAX);
        claimed.max(hinted).min(edge - edge % REQUEST_BLOCKS_MAX)
    }

    /// The first heights from here on that are neither held nor asked for.
    fn next_gap(&self, from: Height, last: Height, now: Moment) -> Option<Request> {
        let mut from = from;
        while from <= last {
            // Thousands may be held, and this is asked after each import.
            for (height, _) in self.held.range(from..=last) {
                if *height != from {
                    break;
                }
                from = from.checked_add(1)?;
            }
            if from > last {
                break;
            }
            let asked = self.peers.in_flight().filter(|asked| asked.covers(from));
            match asked
                .filter(|asked| !self.is_late(asked, from, now))
                .map(|a| a.request.last())
                .max()
            {
                Some(covered) => from = covered.checked_add(1)?,
                None => break,
            }
        }
        if from > last {
            return None;
        }
        let held = self.held.range(from..).next().map(|(height, _)| *height);
        let asked = self.peers.in_flight().filter(|asked| asked.kind != Kind::Probe);
        let asked = asked.map(|asked| asked.request.from).filter(|first| *first > from).min();
        let end = held.into_iter().chain(asked).min().map_or(last, |covered| last.min(covered - 1));
        Some(Request { from, count: end - from + 1 })
    }

    /// Whether somebody else should be asked too: nothing goes on without this block.
    fn is_late(&self, asked: &InFlight, height: Height, now: Moment) -> bool {
        height == self.next_height() && asked.since.saturating_add(HEDGE_MS) <= now
    }

    /// Whether what may come fits beside what is held. The block that all others wait for always does, also if peers are
    /// late with it.
    fn has_room(&self, from: Height) -> bool {
        let count = self.peers.in_flight().count();
        let next = self.next_height();
        let bytes = self.bytes_held.saturating_add((count + 1).saturating_mul(RESPONSE_BYTES_MAX));
        (count < REQUESTS_MAX && bytes <= WINDOW_BYTES_MAX)
            || (from == next
                && self.peers.in_flight().filter(|asked| asked.covers(next)).count() < HEDGES_MAX)
    }

    /// Asks the best idle peer for the beginning of a gap. Whether there is one.
    fn ask_for(&mut self, gap: Request, now: Moment, out: &mut Vec<Output<P>>) -> bool {
        let from = gap.from;
        let all_wait = from == self.next_height();
        let (peer, most, kind) = match self.peers.choose(now, from, all_wait) {
            Some(peer) => (peer, self.share(gap, now), Kind::Claimed),
            None if self.hint.is_some_and(|(hinted, _)| hinted >= from) => {
                let Some(peer) = self.peers.choose_any(now) else { return false };
                (peer, 1, Kind::Hoped)
            }
            None => return false,
        };
        let claimed = self.peers.get_mut(&peer).map_or(from, |peer| peer.claimed.max(from));
        let count = gap.count.min(most).min(claimed - from + 1);
        self.send(peer, Request { from, count }, kind, now, out);
        true
    }

    /// How many blocks of a gap one peer is asked for: what fits into a response, and not more than its
    /// part if others are idle too.
    fn share(&self, gap: Request, now: Moment) -> u32 {
        let idle = u32::try_from(self.peers.count_idle(now, gap.from)).unwrap_or(u32::MAX);
        let part = gap.count.div_ceil(idle.max(1)).max(SHARE_BLOCKS_MIN);
        let fits = RESPONSE_BYTES_WANTED / self.block_bytes.max(1);
        let fits = u32::try_from(fits).unwrap_or(u32::MAX).clamp(1, REQUEST_BLOCKS_MAX);
        part.min(fits)
    }

    pub(super) fn send(
        &mut self,
        peer: P,
        request: Request,
        kind: Kind,
        now: Moment,
        out: &mut Vec<Output<P>>,
    ) {
        self.requests += 1;
        let id = self.requests;
        if let Some(peer) = self.peers.get_mut(&peer) {
            peer.in_flight = Some(InFlight { id, request, since: now, kind });
        }
        out.push(Output::Request { peer, id, request });
    }
}
