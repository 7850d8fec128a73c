//! Who may be connected. Pure: it knows connections by their ids.
//!
//! Places are counted over both directions, so that whoever owns one range of addresses owns few of this node's peers.

use crate::{
    Direction,
    addresses::{house, is_public, range},
    peers::Trust,
};
use libp2p::{PeerId, swarm::ConnectionId};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

/// Connections from others that are being set up; more are refused.
pub const PENDING_INBOUND_MAX: usize = 64;
/// Dials under way that this node wants; more wait.
pub const PENDING_OUTBOUND_MAX: usize = 64;
/// Other dials under way: the DHT's, and those that peers ask for to see whether they can be reached. They take nothing
/// away from this node's own, or peers could keep it from dialling anybody.
pub const PENDING_FOREIGN_MAX: usize = 32;
/// Connections beyond those that this node wants to make, for looking things up; they are closed soon.
pub const OUTBOUND_SPARE: u32 = 16;
/// Nodes that say that they are validators, which a validator connects to beyond the peers that it wants.
pub const VALIDATORS_DIALLED_MAX: u32 = 128;
/// Connections to one peer: two come about when both dial, or when a relay is not needed any more.
pub const PER_PEER_MAX: usize = 2;
/// Favoured peers that are remembered; more are not favoured.
pub const FAVOURED_MAX: usize = 1_024;
/// Reserved peers.
pub const RESERVED_MAX: usize = 1_024;
/// One of so many inbound connections may be relayed, as these have no address to count.
const RELAYED_SHARE: usize = 4;
/// One of so many inbound connections is never taken by favoured peers.
const OTHERS_SHARE: usize = 4;

/// Why somebody may not be connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Denial {
    #[error("too many connections are being set up")]
    Pending,
    #[error("there are too many connections")]
    Full,
    #[error("there are too many connections from this address")]
    Address,
    #[error("there are too many connections from this range of addresses")]
    Range,
    #[error("there are too many relayed connections")]
    Relayed,
    #[error("the peer is connected already")]
    Peer,
    #[error("only reserved peers are let in")]
    NotReserved,
    #[error("the peer is banned")]
    Banned,
    #[error("the address connects too often")]
    TooOften,
}

/// The numbers of the settings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Numbers {
    pub inbound_max: usize,
    pub outbound_max: usize,
    pub per_address_max: usize,
    pub per_range_max: usize,
    /// Whether private addresses are like others: then they are not counted, as all of a test's nodes share them.
    pub private: bool,
    pub reserved_only: bool,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    peer: PeerId,
    place: Option<IpAddr>,
    direction: Direction,
}

/// Who is connected, and who may be.
#[derive(Debug)]
pub(crate) struct Limits {
    numbers: Numbers,
    pending_inbound: BTreeMap<ConnectionId, Option<IpAddr>>,
    /// Dials under way, and whether this node wants them.
    pending_outbound: BTreeMap<ConnectionId, bool>,
    /// Dials that this node wants and that have not begun.
    wanted: BTreeSet<ConnectionId>,
    slots: BTreeMap<ConnectionId, Slot>,
    reserved: BTreeSet<PeerId>,
    favoured: BTreeSet<PeerId>,
    /// Whether somebody found all inbound places taken, and none has become free since.
    has_turned_away: bool,
}

impl Limits {
    pub fn new(numbers: Numbers) -> Self {
        Self {
            numbers,
            pending_inbound: BTreeMap::new(),
            pending_outbound: BTreeMap::new(),
            wanted: BTreeSet::new(),
            slots: BTreeMap::new(),
            reserved: BTreeSet::new(),
            favoured: BTreeSet::new(),
            has_turned_away: false,
        }
    }

    /// Somebody knocks; who it is comes out later.
    pub fn begin_inbound(&mut self, id: ConnectionId, place: Option<IpAddr>) -> Result<(), Denial> {
        let counted = place.filter(|place| self.counts(*place));
        let alike = |same: fn(IpAddr) -> IpAddr| {
            let others = self.pending_inbound.values().flatten();
            counted.map_or(0, |place| others.filter(|other| same(**other) == same(place)).count())
        };
        if self.pending_inbound.len() >= PENDING_INBOUND_MAX
            || alike(house) >= self.numbers.per_address_max
            || alike(range) >= self.numbers.per_range_max
        {
            return Err(Denial::Pending);
        }
        self.pending_inbound.insert(id, place);
        Ok(())
    }

    /// This node wants to dial.
    pub fn want(&mut self, id: ConnectionId) {
        self.wanted.insert(id);
    }

    /// This node dials.
    pub fn begin_outbound(&mut self, id: ConnectionId, peer: Option<PeerId>) -> Result<(), Denial> {
        let trust = peer.map_or(Trust::None, |peer| self.trust(&peer));
        let is_wanted = self.wanted.remove(&id);
        if self.numbers.reserved_only && trust != Trust::Reserved {
            return Err(Denial::NotReserved);
        }
        let max = if is_wanted { PENDING_OUTBOUND_MAX } else { PENDING_FOREIGN_MAX };
        let alike = self.pending_outbound.values().filter(|wanted| **wanted == is_wanted).count();
        if alike >= max && trust == Trust::None {
            return Err(Denial::Pending);
        }
        self.pending_outbound.insert(id, is_wanted);
        Ok(())
    }

    /// Nothing came of it.
    pub fn fail(&mut self, id: ConnectionId) {
        self.pending_inbound.remove(&id);
        self.pending_outbound.remove(&id);
        self.wanted.remove(&id);
    }

    /// Gives a connection its slot, if there is one.
    pub fn admit(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        place: Option<IpAddr>,
        direction: Direction,
    ) -> Result<(), Denial> {
        self.fail(id);
        let checked = self.check(peer, place, direction);
        self.has_turned_away |= checked == Err(Denial::Full) && direction == Direction::Inbound;
        checked?;
        self.slots.insert(id, Slot { peer, place, direction });
        Ok(())
    }

    fn check(
        &self,
        peer: PeerId,
        place: Option<IpAddr>,
        direction: Direction,
    ) -> Result<(), Denial> {
        let Numbers { inbound_max, outbound_max, per_address_max, per_range_max, .. } =
            self.numbers;
        if self.slots.values().filter(|slot| slot.peer == peer).count() >= PER_PEER_MAX {
            return Err(Denial::Peer);
        }
        match self.trust(&peer) {
            Trust::Reserved => return Ok(()),
            _ if self.numbers.reserved_only => return Err(Denial::NotReserved),
            Trust::Favoured => return Ok(()),
            Trust::None => {}
        }
        let max = match direction {
            Direction::Inbound => inbound_max,
            Direction::Outbound => outbound_max,
        };
        let in_direction = || self.others().filter(|slot| slot.direction == direction);
        if in_direction().count() >= max {
            return Err(Denial::Full);
        }
        let Some(place) = place else {
            let relayed = in_direction().filter(|slot| slot.place.is_none()).count();
            let is_full = relayed >= (max / RELAYED_SHARE).max(1);
            return if is_full { Err(Denial::Relayed) } else { Ok(()) };
        };
        if self.counts(place) {
            if self.alike(place, house) >= per_address_max {
                return Err(Denial::Address);
            }
            if self.alike(place, range) >= per_range_max {
                return Err(Denial::Range);
            }
        }
        Ok(())
    }

    /// Takes a connection's slot back.
    pub fn release(&mut self, id: ConnectionId) {
        let slot = self.slots.remove(&id);
        self.has_turned_away &= slot.is_none_or(|slot| slot.direction != Direction::Inbound);
    }

    /// How many others are connected in a range, so that dials can be spread.
    pub fn in_range(&self, place: IpAddr) -> usize {
        if self.counts(place) { self.alike(place, range) } else { 0 }
    }

    /// Whether another connection to a range could be made at all.
    pub fn has_room_at(&self, place: IpAddr) -> bool {
        !self.counts(place)
            || self.alike(place, house) < self.numbers.per_address_max
                && self.alike(place, range) < self.numbers.per_range_max
    }

    /// Whether there are more inbound connections than wanted, because favoured peers came, and others can make room.
    pub fn is_inbound_crowded(&self) -> bool {
        let inbound = |slot: &&Slot| slot.direction == Direction::Inbound;
        let others = self.others().filter(inbound).count();
        self.slots.values().filter(inbound).count() > self.numbers.inbound_max
            && others > self.numbers.inbound_max / OTHERS_SHARE
    }

    /// Whether somebody found all inbound places taken, and none has become free since.
    pub fn has_turned_away(&self) -> bool {
        self.has_turned_away
    }

    pub fn trust(&self, peer: &PeerId) -> Trust {
        if self.reserved.contains(peer) {
            Trust::Reserved
        } else if self.favoured.contains(peer) {
            Trust::Favoured
        } else {
            Trust::None
        }
    }

    /// `false` if there are too many.
    pub fn reserve(&mut self, peer: PeerId) -> bool {
        let has_room = self.reserved.len() < RESERVED_MAX || self.reserved.contains(&peer);
        if has_room {
            self.reserved.insert(peer);
        }
        has_room
    }

    pub fn release_reserved(&mut self, peer: &PeerId) {
        self.reserved.remove(peer);
    }

    pub fn favour(&mut self, peer: PeerId, favoured: bool) {
        if !favoured {
            self.favoured.remove(&peer);
        } else if self.favoured.len() < FAVOURED_MAX {
            self.favoured.insert(peer);
        }
    }

    /// Dials under way that this node wants.
    pub fn dials(&self) -> usize {
        self.pending_outbound.values().filter(|wanted| **wanted).count()
    }

    fn others(&self) -> impl Iterator<Item = &Slot> {
        self.slots.values().filter(|slot| self.trust(&slot.peer) == Trust::None)
    }

    fn alike(&self, place: IpAddr, same: fn(IpAddr) -> IpAddr) -> usize {
        let places = self.others().filter_map(|slot| slot.place);
        places.filter(|other| same(*other) == same(place)).count()
    }

    /// Whether what comes from an address is held against the address: private ones are shared where they are in use.
    pub fn counts(&self, place: IpAddr) -> bool {
        !self.numbers.private || is_public(place)
    }
}
