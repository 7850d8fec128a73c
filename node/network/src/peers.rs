//! Who behaves. Faults of a peer add up, fade with time, and end in a ban, which is longer each time. Pure: time is an
//! argument.

use crate::{PeerFault, addresses::house};
use libp2p::PeerId;
use std::{
    collections::BTreeMap,
    net::IpAddr,
    time::{Duration, Instant},
};

/// A score below which a peer is banned.
pub const SCORE_MIN: i32 = -100;
/// How long it takes until half of a peer's faults are forgotten.
pub const FAULTS_HALF_LIFE: Duration = Duration::from_secs(300);
/// How long the first ban lasts; each one after it lasts four times as long as the one before.
pub const BAN_FIRST: Duration = Duration::from_secs(120);
/// How long a ban lasts at most. Bans that ended so long ago do not count any more.
pub const BAN_MAX: Duration = Duration::from_secs(24 * 3_600);
/// From this ban on, nobody comes from the address either: of one peer, or of any at that address, as whoever is banned
/// can come back as somebody else.
const ADDRESS_BAN_FROM: u32 = 2;
/// How long an address is banned at most: others may have it too, or have it next.
const ADDRESS_BAN_MAX: Duration = Duration::from_secs(3_600);
/// Most peers of whom faults are remembered; those with the least are forgotten first.
pub const PEERS_REMEMBERED_MAX: usize = 4_096;
/// Most addresses of banned peers; those with the fewest bans, the oldest of them, are forgotten first.
const ADDRESSES_BANNED_MAX: usize = 4_096;

impl PeerFault {
    /// What it takes off the score.
    pub(crate) const fn weight(self) -> i32 {
        match self {
            Self::Unhelpful => 4,
            Self::Greedy => 10,
            Self::Malformed => 25,
            Self::Invalid => 50,
            Self::Fraud => 100,
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Unhelpful => "unhelpful",
            Self::Greedy => "greedy",
            Self::Malformed => "malformed",
            Self::Invalid => "invalid",
            Self::Fraud => "fraud",
        }
    }
}

/// How much a peer is trusted from the outset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    /// Like anybody.
    None,
    /// Proved to be a validator: that it is slow or asks for much does not get it banned.
    Favoured,
    /// The operator's: never banned.
    Reserved,
}

/// A ban that has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ban {
    pub lasts: Duration,
    /// Whether the peer's address is banned as well.
    pub with_address: bool,
}

#[derive(Clone, Copy, Debug)]
struct Standing {
    /// Thousandths of the weight of all faults, as of `updated`.
    faults_milli: i64,
    updated: Instant,
    bans: u32,
    banned_until: Option<Instant>,
}

/// The standing of an address.
#[derive(Clone, Copy, Debug)]
struct Address {
    /// Bans of peers there.
    bans: u32,
    /// Until when nobody comes from there; it has passed if the address is not banned.
    banned_until: Instant,
}

/// The standing of peers.
#[derive(Debug, Default)]
pub(crate) struct Peers {
    standings: BTreeMap<PeerId, Standing>,
    addresses: BTreeMap<IpAddr, Address>,
}

impl Peers {
    /// Counts a fault; a ban may begin with it.
    pub fn fault(
        &mut self,
        peer: PeerId,
        place: Option<IpAddr>,
        fault: PeerFault,
        trust: Trust,
        now: Instant,
    ) -> Option<Ban> {
        // What was on its way when it was banned is part of what it was banned for.
        if self.is_banned(&peer, now) {
            return None;
        }
        let standing = self.standing(peer, now);
        standing.faults_milli += i64::from(fault.weight()) * 1_000;
        let may_ban = match trust {
            Trust::None => true,
            Trust::Favoured => {
                matches!(fault, PeerFault::Malformed | PeerFault::Invalid | PeerFault::Fraud)
            }
            Trust::Reserved => false,
        };
        if standing.faults_milli < -i64::from(SCORE_MIN) * 1_000 {
            return None;
        }
        if !may_ban {
            // At the edge, so that the next grave fault counts.
            standing.faults_milli = -i64::from(SCORE_MIN) * 1_000 - 1;
            return None;
        }
        standing.faults_milli = 0;
        Some(self.ban(peer, place, now))
    }

    /// Bans a peer for what needs no adding up.
    pub fn ban(&mut self, peer: PeerId, place: Option<IpAddr>, now: Instant) -> Ban {
        let standing = self.standing(peer, now);
        let lasts = ban_length(standing.bans);
        standing.bans += 1;
        standing.banned_until = Some(now + lasts);
        let with_address = place.is_some_and(|place| self.ban_address(place, now));
        Ban { lasts, with_address }
    }

    /// Counts a ban of somebody at an address. Whether the address is banned with it.
    fn ban_address(&mut self, place: IpAddr, now: Instant) -> bool {
        let place = house(place);
        if self.addresses.len() >= ADDRESSES_BANNED_MAX && !self.addresses.contains_key(&place) {
            let least = self.addresses.iter().min_by_key(|(_, a)| (a.bans, a.banned_until));
            if let Some(least) = least.map(|(place, _)| *place) {
                self.addresses.remove(&least);
            }
        }
        let address = self.addresses.entry(place).or_insert(Address { bans: 0, banned_until: now });
        if now >= address.banned_until + BAN_MAX {
            address.bans = 0;
        }
        let lasts = ban_length(address.bans).min(ADDRESS_BAN_MAX);
        address.bans += 1;
        let is_banned = address.bans >= ADDRESS_BAN_FROM;
        address.banned_until = if is_banned { now + lasts } else { now };
        is_banned
    }

    /// Whether a peer is banned.
    pub fn is_banned(&self, peer: &PeerId, now: Instant) -> bool {
        self.standings
            .get(peer)
            .and_then(|standing| standing.banned_until)
            .is_some_and(|until| now < until)
    }

    /// Whether nobody may come from an address.
    pub fn is_address_banned(&self, place: IpAddr, now: Instant) -> bool {
        self.addresses.get(&house(place)).is_some_and(|address| now < address.banned_until)
    }

    /// 0 for a good peer, down to [`SCORE_MIN`].
    pub fn score(&self, peer: &PeerId, now: Instant) -> i32 {
        let milli = self.standings.get(peer).map_or(0, |standing| standing.faded(now));
        i32::try_from(-milli / 1_000).unwrap_or(SCORE_MIN).max(SCORE_MIN)
    }

    /// Forgets what has faded.
    pub fn tidy(&mut self, now: Instant) {
        self.standings.retain(|_, standing| !standing.is_forgotten(now));
        self.addresses.retain(|_, address| now < address.banned_until + BAN_MAX);
    }

    fn standing(&mut self, peer: PeerId, now: Instant) -> &mut Standing {
        if self.standings.len() >= PEERS_REMEMBERED_MAX && !self.standings.contains_key(&peer) {
            self.tidy(now);
            if self.standings.len() >= PEERS_REMEMBERED_MAX {
                let least = self.standings.iter().min_by_key(|(_, s)| (s.bans, s.faded(now)));
                if let Some(least) = least.map(|(peer, _)| *peer) {
                    self.standings.remove(&least);
                }
            }
        }
        let fresh = Standing { faults_milli: 0, updated: now, bans: 0, banned_until: None };
        let standing = self.standings.entry(peer).or_insert(fresh);
        standing.faults_milli = standing.faded(now);
        standing.updated = now;
        if standing.banned_until.is_some_and(|until| now >= until + BAN_MAX) {
            standing.bans = 0;
            standing.banned_until = None;
        }
        standing
    }
}

/// How long the next ban lasts after so many.
fn ban_length(bans: u32) -> Duration {
    (BAN_FIRST * 4u32.pow(bans.min(8))).min(BAN_MAX)
}

impl Standing {
    /// Halved for each half-life, and in a straight line within one.
    fn faded(&self, now: Instant) -> i64 {
        let half_life = FAULTS_HALF_LIFE.as_millis();
        let elapsed = now.saturating_duration_since(self.updated).as_millis();
        let halvings = u32::try_from(elapsed / half_life).unwrap_or(u32::MAX).min(62);
        let rest = i64::try_from(elapsed % half_life).unwrap_or_default();
        let half_life = i64::try_from(half_life).unwrap_or(i64::MAX);
        let faults = self.faults_milli >> halvings;
        faults - faults / 2 * rest / half_life
    }

    fn is_forgotten(&self, now: Instant) -> bool {
        let bans_count = self.banned_until.is_some_and(|until| now < until + BAN_MAX);
        self.faded(now) < 1_000 && !bans_count
    }
}
