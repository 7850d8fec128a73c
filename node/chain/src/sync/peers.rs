//! What is known of each peer, and whom to ask next.

use super::{
    io::RequestId,
    wire::{Request, Status},
};
use primitives::{Height, Moment};
use std::{cmp::Reverse, collections::BTreeMap};

/// Most peers that are kept track of; more are not asked.
pub const PEERS_MAX: usize = 256;
/// A request that takes longer, in milliseconds, has failed: another peer is asked.
pub const REQUEST_TIMEOUT_MS: Moment = 10_000;
/// Pause after a peer's first failure, in milliseconds; it doubles with each.
const BACKOFF_MS: Moment = 500;
/// Longest pause, in milliseconds.
const BACKOFF_MS_MAX: Moment = 30_000;
/// Failures in a row, after which what a peer that has delivered blocks says of its height does not count for how far this
/// node is.
const FAILURES_TRUSTED_MAX: u32 = 3;
/// Bytes that a response counts for beside its own, so that a fast answer with one small block tells little.
const PACE_BYTES: u64 = 1 << 16;

/// A question that is under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct InFlight {
    pub(super) id: RequestId,
    pub(super) request: Request,
    pub(super) since: Moment,
    pub(super) kind: Kind,
}

impl InFlight {
    pub(super) fn covers(&self, height: Height) -> bool {
        self.kind != Kind::Probe && (self.request.from..=self.request.last()).contains(&height)
    }

    pub(super) fn deadline(&self) -> Moment {
        self.since.saturating_add(REQUEST_TIMEOUT_MS)
    }
}

/// Why a peer was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It says that it has the first block.
    Claimed,
    /// It may have it meanwhile.
    Hoped,
    /// It says that it has another block than this node.
    Probe,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Peer {
    /// Height up to which it says, or has shown, that it has blocks.
    pub(super) claimed: Height,
    pub(super) in_flight: Option<InFlight>,
    /// In a row.
    failures: u32,
    retry_at: Moment,
    /// Milliseconds for 64 KiB, smoothed: lower is faster. 0 until it has answered.
    pace: u64,
    /// It did what no honest peer does.
    is_liar: bool,
    /// How many were known before it.
    order: u64,
}

impl Peer {
    fn new(claimed: Height, order: u64) -> Self {
        Self { claimed, in_flight: None, failures: 0, retry_at: 0, pace: 0, is_liar: false, order }
    }

    fn is_idle(&self, now: Moment) -> bool {
        !self.is_liar && self.in_flight.is_none() && self.retry_at <= now
    }

    /// Whether what it says of its height counts for how far this node is. A word that nothing ever followed counts until
    /// it was tried once.
    fn is_trusted(&self) -> bool {
        let most = if self.pace == 0 { 1 } else { FAILURES_TRUSTED_MAX };
        !self.is_liar && self.failures < most
    }

    /// It did not do what it should; it may be honest all the same.
    pub(super) fn fail(&mut self, now: Moment) {
        let pause = BACKOFF_MS.saturating_mul(1 << self.failures.min(10)).min(BACKOFF_MS_MAX);
        self.failures = self.failures.saturating_add(1);
        self.retry_at = now.saturating_add(pause);
    }

    /// It had nothing new, which it never said that it had.
    pub(super) fn rest(&mut self, now: Moment) {
        self.retry_at = now.saturating_add(BACKOFF_MS);
    }

    /// It answered with blocks.
    pub(super) fn succeed(&mut self, took_ms: Moment, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX).saturating_add(PACE_BYTES);
        let pace = (took_ms.max(1).saturating_mul(PACE_BYTES << 4) / bytes).max(1);
        self.pace = if self.pace == 0 { pace } else { (3 * self.pace + pace) / 4 };
        self.failures = 0;
        self.retry_at = 0;
    }
}

#[derive(Debug)]
pub(super) struct Peers<P> {
    known: BTreeMap<P, Peer>,
    /// How many have ever been known.
    count: u64,
}

impl<P: Copy + Ord> Peers<P> {
    pub(super) fn new() -> Self {
        Self { known: BTreeMap::new(), count: 0 }
    }

    /// Notes what a peer says. Whether it is asked at all.
    pub(super) fn note(&mut self, peer: P, status: &Status) -> bool {
        if let Some(known) = self.known.get_mut(&peer) {
            known.claimed = status.height;
            return !known.is_liar;
        }
        let has_room = self.known.len() < PEERS_MAX;
        if has_room {
            self.known.insert(peer, Peer::new(status.height, self.count));
            self.count += 1;
        }
        has_room
    }

    pub(super) fn get_mut(&mut self, peer: &P) -> Option<&mut Peer> {
        self.known.get_mut(peer)
    }

    pub(super) fn remove(&mut self, peer: &P) {
        self.known.remove(peer);
    }

    /// Never ask this one again. Whether that is news.
    pub(super) fn banish(&mut self, peer: &P) -> bool {
        let Some(peer) = self.known.get_mut(peer) else { return true };
        peer.in_flight = None;
        !std::mem::replace(&mut peer.is_liar, true)
    }

    /// The question under way with this peer, which is over now, if it has this id.
    pub(super) fn finish(&mut self, peer: &P, id: RequestId) -> Option<InFlight> {
        self.known.get_mut(peer)?.in_flight.take_if(|in_flight| in_flight.id == id)
    }

    /// Gives up questions that take too long.
    pub(super) fn expire(&mut self, now: Moment) {
        for peer in self.known.values_mut() {
            if peer.in_flight.take_if(|in_flight| in_flight.deadline() <= now).is_some() {
                peer.fail(now);
            }
        }
    }

    pub(super) fn in_flight(&self) -> impl Iterator<Item = &InFlight> {
        self.known.values().filter_map(|peer| peer.in_flight.as_ref())
    }

    /// How many could be asked for this height now.
    pub(super) fn count_idle(&self, now: Moment, height: Height) -> usize {
        self.known.values().filter(|peer| peer.is_idle(now) && peer.claimed >= height).count()
    }

    /// Whom to ask for this height: of those that say they have it, one without failures, the fastest
    /// of these. New ones come first, so that their pace becomes known; but last where all others wait for the block, so
    /// that newcomers who say nothing hold nothing up, however many they are.
    pub(super) fn choose(&self, now: Moment, height: Height, all_wait: bool) -> Option<P> {
        let idle =
            self.known.iter().filter(|(_, peer)| peer.is_idle(now) && peer.claimed >= height);
        idle.min_by_key(|(_, peer)| {
            let is_new = peer.pace == 0;
            (peer.failures, all_wait && is_new, peer.pace, peer.order)
        })
        .map(|(id, _)| *id)
    }

    /// Whom to ask for a height that nobody says to have: who has most.
    pub(super) fn choose_any(&self, now: Moment) -> Option<P> {
        let idle = self.known.iter().filter(|(_, peer)| peer.is_idle(now));
        idle.min_by_key(|(_, p)| (p.failures, Reverse(p.claimed), p.pace)).map(|(id, _)| *id)
    }

    /// Whether this one can be asked now.
    pub(super) fn is_idle(&self, now: Moment, peer: &P) -> bool {
        self.known.get(peer).is_some_and(|peer| peer.is_idle(now))
    }

    /// The highest block that a peer says to have which was not found wanting.
    pub(super) fn best_claim(&self) -> Option<Height> {
        self.known.values().filter(|peer| peer.is_trusted()).map(|peer| peer.claimed).max()
    }

    /// The highest block that any peer says to have.
    pub(super) fn highest_claim(&self) -> Option<Height> {
        self.known.values().filter(|peer| !peer.is_liar).map(|peer| peer.claimed).max()
    }

    /// When a pause ends, of those that last.
    pub(super) fn next_retry(&self, now: Moment) -> Option<Moment> {
        let pausing = self.known.values().filter(|peer| !peer.is_liar && peer.in_flight.is_none());
        pausing.map(|peer| peer.retry_at).filter(|retry_at| *retry_at > now).min()
    }
}
