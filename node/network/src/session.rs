//! A peer that is connected.

use crate::{Direction, PeerInfo, Role, addresses::is_relayed};
use libp2p::{Multiaddr, PeerId, swarm::ConnectionId};
use std::time::{Duration, Instant};

/// A connection to a peer.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub id: ConnectionId,
    pub address: Multiaddr,
    pub direction: Direction,
    pub since: Instant,
}

/// Who a peer says that it is.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub agent: String,
    pub role: Option<Role>,
    pub can_relay: bool,
}

/// A peer that is connected.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    /// Its connections, the oldest first; there is one at least.
    pub links: Vec<Link>,
    /// Who it says that it is, once it has: only then is it told of.
    pub identity: Option<Identity>,
    pub ping: Option<Duration>,
    /// Pings in a row that failed.
    pub ping_failures: u32,
    /// Since when it is connected.
    pub since: Instant,
    /// When it was last found to ask for too much.
    pub greedy_at: Option<Instant>,
    /// How often it said who it is; it starts anew every minute.
    pub identifications: u32,
}

impl Session {
    pub fn new(link: Link) -> Self {
        Self {
            since: link.since,
            links: vec![link],
            identity: None,
            ping: None,
            ping_failures: 0,
            greedy_at: None,
            identifications: 0,
        }
    }

    /// How the peer was connected first.
    pub fn direction(&self) -> Direction {
        self.links.first().map_or(Direction::Inbound, |link| link.direction)
    }

    /// The connection that says where the peer is: a direct one if there is one.
    pub fn main_link(&self) -> Option<&Link> {
        let direct = self.links.iter().find(|link| !is_relayed(&link.address));
        direct.or(self.links.first())
    }

    pub fn role(&self) -> Option<Role> {
        self.identity.as_ref().and_then(|identity| identity.role)
    }

    /// Of two connections that are there for a while, the one that both sides find superfluous: the relayed one, or else
    /// the one that was dialled by whoever has the larger identity.
    pub fn superfluous(
        &self,
        local: &PeerId,
        peer: &PeerId,
        before: Instant,
    ) -> Option<ConnectionId> {
        if self.links.len() < 2 || self.links.iter().any(|link| link.since > before) {
            return None;
        }
        let relayed = self.links.iter().find(|link| is_relayed(&link.address));
        let of_larger = if local.to_bytes() > peer.to_bytes() {
            Direction::Outbound
        } else {
            Direction::Inbound
        };
        let wrong_way = || self.links.iter().find(|link| link.direction == of_larger);
        relayed.or_else(wrong_way).or(self.links.last()).map(|link| link.id)
    }

    /// What others are told of it, once it has said who it is.
    pub fn info(&self, id: PeerId, score: i32, is_reserved: bool) -> Option<PeerInfo> {
        let identity = self.identity.as_ref()?;
        let link = self.main_link()?;
        Some(PeerInfo {
            id,
            address: link.address.clone(),
            direction: link.direction,
            agent: identity.agent.clone(),
            role: identity.role,
            ping: self.ping,
            score,
            is_reserved,
        })
    }
}
