//! What the network does now and then: connect, make room, look for others, keep known peers.

use crate::{
    Direction, Overview, PeerFault, Role, TOPICS,
    addresses::{is_relayed, place},
    discovery::Errand,
    limits::VALIDATORS_DIALLED_MAX,
    peers::Trust,
    service::Network,
};
use libp2p::{
    PeerId,
    multiaddr::Protocol as Part,
    swarm::{ConnectionId, DialError, dial_opts::DialOpts},
};
use std::{
    cmp::Reverse,
    hash::BuildHasher,
    time::{Duration, Instant},
};
use tracing::debug;

const CONNECT_EVERY: Duration = Duration::from_millis(250);
const TIDY_EVERY: Duration = Duration::from_secs(1);
const SAVE_EVERY: Duration = Duration::from_secs(60);
/// A peer that has not said for so long who it is gets disconnected.
const UNIDENTIFIED_MAX: Duration = Duration::from_secs(5);
/// How long two connections to one peer are left alone.
const TWICE_MAX: Duration = Duration::from_secs(10);
/// How long connections beyond those that are wanted are left alone.
const SPARE_MAX: Duration = Duration::from_secs(15);
/// How long whoever got in may stay when others want in too: long enough to look around in the DHT.
const STAY_MIN: Duration = Duration::from_secs(5);
/// How long a peer that was too many is not dialled.
const REST: Duration = Duration::from_secs(60);
/// Dials that begin at a time.
const DIALS_AT_ONCE: usize = 16;
/// Queries of the DHT that this node has under way.
const QUERIES_MAX: usize = 16;
/// With fewer peers than this, nodes that the settings name are dialled before others.
const PEERS_FEW: usize = 4;
/// How long to wait for word that this node can be reached, before it asks relays.
const RELAYS_AFTER: Duration = Duration::from_secs(20);
/// Relays that pass on connections to a node that can't be reached.
const RELAYS_WANTED: usize = 2;

/// When what is done now and then is due.
pub(crate) struct Times {
    connect: Instant,
    tidy: Instant,
    save: Instant,
    minute: Instant,
}

impl Times {
    pub fn new(now: Instant) -> Self {
        Self { connect: now, tidy: now, save: now + SAVE_EVERY, minute: now }
    }
}

/// Whether it is time, and when next.
fn is_due(next: &mut Instant, every: Duration, now: Instant) -> bool {
    let is_due = *next <= now;
    if is_due {
        *next = now + every;
    }
    is_due
}

impl Network {
    pub(crate) fn on_tick(&mut self, now: Instant) {
        self.note_too_fast();
        self.expire_requests(now);
        if is_due(&mut self.upkeep.connect, CONNECT_EVERY, now) {
            self.connect(now);
            self.look(now);
        }
        if is_due(&mut self.upkeep.tidy, TIDY_EVERY, now) {
            self.tidy(now);
            self.ask_relays(now);
        }
        if is_due(&mut self.upkeep.minute, Duration::from_secs(60), now) {
            self.swarm.behaviour_mut().gate.peers.tidy(now);
            for session in self.sessions.values_mut() {
                session.identifications = 0;
            }
        }
        if is_due(&mut self.upkeep.save, SAVE_EVERY, now) {
            self.save();
        }
        self.show(now);
    }

    fn note_too_fast(&mut self) {
        for topic in TOPICS {
            for peer in self.swarm.behaviour_mut().lane(topic).take_too_fast() {
                self.greedy(peer);
            }
        }
    }

    /// Counts a fault at most once a second, as one burst has many messages.
    pub(crate) fn greedy(&mut self, peer: PeerId) {
        let now = Instant::now();
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        let is_new = session
            .greedy_at
            .is_none_or(|at| now.saturating_duration_since(at) >= Duration::from_secs(1));
        if is_new {
            session.greedy_at = Some(now);
            self.fault(peer, PeerFault::Greedy);
        }
    }

    /// Dials peers that are wanted: reserved and favoured ones, validators, and then whoever is in ranges of addresses
    /// where this node has the fewest peers.
    fn connect(&mut self, now: Instant) {
        let limits = &self.swarm.behaviour().gate.limits;
        let mut wanted = self.outbound_wanted();
        let validators = self.sessions.values().filter(|s| s.role() == Some(Role::Validator));
        let mut validators_wanted = match self.role {
            Role::Validator => (VALIDATORS_DIALLED_MAX as usize).saturating_sub(validators.count()),
            Role::Agent | Role::Gateway => 0,
        };
        let is_lonely = self.sessions.len() < PEERS_FEW;
        let mut candidates: Vec<_> = self
            .book
            .due(now)
            .filter(|(peer, known)| {
                let is_wanted = wanted > 0
                    || validators_wanted > 0 && known.role == Some(Role::Validator)
                    || limits.trust(peer) != Trust::None;
                is_wanted && !self.sessions.contains_key(peer) && **peer != self.local
            })
            .map(|(peer, known)| {
                let trust = limits.trust(peer);
                let place = known.addresses.iter().find_map(place);
                let crowd = place.map_or(0, |place| limits.in_range(place));
                let has_room = place.is_none_or(|place| limits.has_room_at(place));
                let is_named = known.trial == crate::book::Trial::Named;
                let is_validator = known.role == Some(Role::Validator);
                let order = (
                    Reverse(trust == Trust::Reserved),
                    Reverse(trust == Trust::Favoured),
                    // Nodes to begin with have much to do; they are asked last, unless nobody else is there.
                    if is_lonely { !is_named } else { is_named },
                    Reverse(is_validator),
                    crowd,
                    Reverse(known.trial),
                    self.chance.hash_one(peer),
                );
                (order, *peer, trust, is_validator, has_room)
            })
            .collect();
        candidates.sort_by_key(|candidate| candidate.0);
        let mut dials = Vec::new();
        for (_, peer, trust, is_validator, has_room) in candidates {
            if dials.len() >= DIALS_AT_ONCE {
                break;
            }
            if trust == Trust::None {
                if self.config.reserved_only || !has_room {
                    continue;
                }
                if is_validator && validators_wanted > 0 {
                    validators_wanted -= 1;
                } else if wanted > 0 {
                    wanted -= 1;
                } else {
                    continue;
                }
            }
            dials.push(peer);
        }
        for peer in dials {
            self.dial(peer);
        }
    }

    /// Dials a peer at the addresses that are known, and those that the DHT is told of while it looks.
    pub(crate) fn dial(&mut self, peer: PeerId) {
        let addresses = self.book.get(&peer).map_or_else(Vec::new, |known| known.addresses.clone());
        let options = DialOpts::peer_id(peer)
            .addresses(addresses)
            .extend_addresses_through_behaviour()
            .build();
        let id = options.connection_id();
        self.swarm.behaviour_mut().gate.limits.want(id);
        if let Err(error) = self.swarm.dial(options) {
            debug!(%peer, %error, "not dialled");
            if let DialError::Denied { cause } = &error {
                self.note_denial(cause);
            }
            self.swarm.behaviour_mut().gate.limits.fail(id);
            self.book.fail(&peer, Instant::now());
        }
    }

    /// Connections to others that are missing.
    pub(crate) fn outbound_wanted(&self) -> usize {
        let limits = &self.swarm.behaviour().gate.limits;
        let is_own = |(peer, session): &(&PeerId, &crate::session::Session)| {
            session.direction() == Direction::Outbound && limits.trust(peer) == Trust::None
        };
        let made = self.sessions.iter().filter(is_own).count();
        (self.config.outbound_peers as usize).saturating_sub(made + limits.dials())
    }

    /// Looks for others in the DHT.
    fn look(&mut self, now: Instant) {
        if self.config.reserved_only || !self.sessions.values().any(|s| s.identity.is_some()) {
            return;
        }
        let has_enough = self.outbound_wanted() == 0;
        let kad = &mut self.swarm.behaviour_mut().kad;
        if kad.iter_queries().count() >= QUERIES_MAX {
            return;
        }
        for errand in self.discovery.due(has_enough, now) {
            match errand {
                Errand::Provide => {
                    if let Err(error) = kad.start_providing(self.names.role_key(self.role)) {
                        debug!(%error, "the role can't be told");
                    }
                }
                Errand::Look(role) => {
                    kad.get_providers(self.names.role_key(role));
                }
                Errand::Walk => {
                    kad.get_closest_peers(PeerId::random());
                }
            }
        }
    }

    /// Closes connections that nobody needs.
    fn tidy(&mut self, now: Instant) {
        let silent: Vec<PeerId> = self
            .sessions
            .iter()
            .filter(|(_, session)| {
                session.identity.is_none()
                    && now.saturating_duration_since(session.since) > UNIDENTIFIED_MAX
            })
            .map(|(peer, _)| *peer)
            .collect();
        for peer in silent {
            debug!(%peer, "disconnected, as it does not say who it is");
            self.book.fail(&peer, now);
            self.disconnect(peer);
        }
        let before = now - TWICE_MAX;
        let superfluous: Vec<ConnectionId> = self
            .sessions
            .iter()
            .filter_map(|(peer, session)| session.superfluous(&self.local, peer, before))
            .collect();
        for id in superfluous {
            self.swarm.close_connection(id);
        }
        self.close_spare(now);
        self.make_room();
        self.let_in(now);
    }

    /// Closes connections beyond those that this node wants, which queries of the DHT leave.
    fn close_spare(&mut self, now: Instant) {
        let limits = &self.swarm.behaviour().gate.limits;
        let is_validator = self.role == Role::Validator;
        let mut own: Vec<_> = self
            .sessions
            .iter()
            .filter(|(peer, session)| {
                session.direction() == Direction::Outbound
                    && limits.trust(peer) == Trust::None
                    && !(is_validator && session.role() == Some(Role::Validator))
            })
            .map(|(peer, session)| {
                let place = session.main_link().and_then(|link| place(&link.address));
                let crowd = place.map_or(0, |place| limits.in_range(place));
                let is_other = session.role() != Some(Role::Validator);
                ((is_other, crowd, session.since), *peer)
            })
            .collect();
        own.sort();
        let wanted = self.config.outbound_peers as usize;
        let spare: Vec<PeerId> = own
            .into_iter()
            .skip(wanted)
            .filter(|((_, _, since), _)| now.saturating_duration_since(*since) > SPARE_MAX)
            .map(|(_, peer)| peer)
            .collect();
        for peer in spare {
            self.book.rest(&peer, now + REST);
            self.disconnect(peer);
        }
    }

    /// Disconnects the worst of the others while favoured peers have filled the inbound side.
    pub(crate) fn make_room(&mut self) {
        if self.swarm.behaviour().gate.limits.is_inbound_crowded() {
            self.disconnect_worst(Instant::now(), Duration::ZERO);
        }
    }

    /// Disconnects the worst of the others if somebody was turned away: a node that is full, as one is that all begin
    /// with, still shows newcomers the way to others.
    fn let_in(&mut self, now: Instant) {
        if self.swarm.behaviour().gate.limits.has_turned_away() {
            self.disconnect_worst(now, STAY_MIN);
        }
    }

    /// Disconnects whoever came in, is not trusted and behaves worst, or is of the most crowded range, or came last; if it
    /// is there for a while.
    fn disconnect_worst(&mut self, now: Instant, stay: Duration) {
        let gate = &self.swarm.behaviour().gate;
        let others = self.sessions.iter().filter(|(peer, session)| {
            session.direction() == Direction::Inbound
                && gate.limits.trust(peer) == Trust::None
                && now.saturating_duration_since(session.since) >= stay
        });
        let worst = others
            .min_by_key(|(peer, session)| {
                let place = session.main_link().and_then(|link| place(&link.address));
                let crowd = place.map_or(0, |place| gate.limits.in_range(place));
                (gate.peers.score(peer, now), Reverse(crowd), Reverse(session.since))
            })
            .map(|(peer, _)| *peer);
        if let Some(peer) = worst {
            debug!(%peer, "disconnected to make room");
            self.disconnect(peer);
        }
    }

    pub(crate) fn disconnect(&mut self, peer: PeerId) {
        // It may be gone already.
        let _ = self.swarm.disconnect_peer_id(peer);
    }

    /// Asks relays to pass on connections, if nobody has reached this node for a while.
    fn ask_relays(&mut self, now: Instant) {
        let is_reached = self.swarm.external_addresses().any(|address| !is_relayed(address));
        if is_reached
            || self.config.private_addresses
            || self.config.reserved_only
            || self.relays.len() >= RELAYS_WANTED
            || now.saturating_duration_since(self.started) < RELAYS_AFTER
        {
            return;
        }
        let relay = self.sessions.iter().find_map(|(peer, session)| {
            let link = session.main_link()?;
            let can_relay = session.identity.as_ref()?.can_relay && !is_relayed(&link.address);
            let is_new = !self.relays.values().any(|relay| relay == peer);
            let is_dialled = link.direction == Direction::Outbound;
            (can_relay && is_new && is_dialled).then(|| (*peer, link.address.clone()))
        });
        let Some((peer, address)) = relay else { return };
        let without_identity = crate::addresses::without_identity(address, peer);
        let Some(address) = without_identity else { return };
        let address = address.with(Part::P2p(peer)).with(Part::P2pCircuit);
        match self.swarm.listen_on(address) {
            Ok(listener) => {
                self.relays.insert(listener, peer);
            }
            Err(error) => debug!(%peer, %error, "the relay can't be asked"),
        }
    }

    /// Shows what has changed.
    pub(crate) fn show(&mut self, now: Instant) {
        if !std::mem::take(&mut self.is_changed) {
            return;
        }
        let gate = &self.swarm.behaviour().gate;
        let peers: Vec<_> = self
            .sessions
            .iter()
            .filter_map(|(peer, session)| {
                let is_reserved = gate.limits.trust(peer) == Trust::Reserved;
                session.info(*peer, gate.peers.score(peer, now), is_reserved)
            })
            .collect();
        for direction in [Direction::Inbound, Direction::Outbound] {
            let count = peers.iter().filter(|peer| peer.direction == direction).count();
            self.metrics.set_peers(direction, count);
        }
        self.metrics.set_known(self.book.len());
        let named = |address: &libp2p::Multiaddr| {
            address.clone().with_p2p(self.local).unwrap_or_else(|address| address)
        };
        let overview = Overview {
            listening: self.swarm.listeners().map(named).collect(),
            external: self.swarm.external_addresses().map(named).collect(),
            peers,
        };
        self.overview.send_if_modified(|shown| {
            let is_new = *shown != overview;
            if is_new {
                *shown = overview;
            }
            is_new
        });
    }

    /// How many times as much as others a peer may do.
    pub(crate) fn factor(&self, peer: &PeerId) -> u64 {
        match self.swarm.behaviour().gate.limits.trust(peer) {
            Trust::None => 1,
            Trust::Favoured | Trust::Reserved => crate::FAVOURED_FACTOR,
        }
    }

    /// Lets a connected peer send as much gossip as it may.
    pub(crate) fn set_pace(&mut self, peer: PeerId) {
        if !self.sessions.contains_key(&peer) {
            return;
        }
        let factor = self.factor(&peer);
        for topic in TOPICS {
            self.swarm.behaviour_mut().lane(topic).set_factor(peer, factor);
        }
    }
}
