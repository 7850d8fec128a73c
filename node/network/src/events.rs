//! What the network does when something happens to its connections.

use crate::{
    Direction, PeerEvent, PeerFault, Role, Topic,
    addresses::{ADDRESSES_PER_PEER_MAX, is_relayed, is_usable, place, without_identity},
    behaviour::BehaviourEvent,
    book::Trial,
    gossip::Dropped,
    limits::Denial,
    metrics::MessageOutcome,
    names::ROLES,
    peers::Trust,
    service::Network,
    session::{Identity, Link, Session},
};
use libp2p::{
    Multiaddr, PeerId,
    core::ConnectedPoint,
    gossipsub::{self, MessageAcceptance},
    identify, kad, mdns, ping, relay,
    swarm::{ConnectionDenied, ConnectionId, DialError, ListenError, SwarmEvent},
};
use std::time::{Duration, Instant};
use tracing::{debug, info, warn};

/// Characters of what a peer says that it runs.
const AGENT_CHARS_MAX: usize = 128;
/// How often a minute a peer may say who it is.
const IDENTIFICATIONS_MAX: u32 = 30;
/// Pings in a row after whose failure a peer is disconnected.
const PING_FAILURES_MAX: u32 = 2;
/// A peer that was connected for less than this is not dialled again so soon.
const SHORT: Duration = Duration::from_secs(60);
/// How long a peer is not dialled after its connection ended soon.
const REST: Duration = Duration::from_secs(15);
/// How long another is not dialled.
const REST_SHORT: Duration = Duration::from_secs(1);
/// Providers without known addresses that are dialled at a time, at addresses that the DHT has heard.
const PROVIDERS_DIALLED_MAX: usize = 16;

impl Network {
    pub(crate) fn on_swarm_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(event) => self.on_behaviour_event(event),
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                self.on_connected(peer_id, connection_id, &endpoint);
            }
            SwarmEvent::ConnectionClosed { peer_id, connection_id, cause, .. } => {
                debug!(peer = %peer_id, cause = ?cause.map(|cause| cause.to_string()), "connection closed");
                self.on_closed(peer_id, connection_id);
            }
            SwarmEvent::IncomingConnectionError {
                error: ListenError::Denied { cause }, ..
            } => {
                self.note_denial(&cause);
            }
            SwarmEvent::OutgoingConnectionError { peer_id, error, .. } => {
                self.on_dial_failure(peer_id, &error);
            }
            SwarmEvent::NewListenAddr { address, .. } => {
                info!(%address, peer = %self.local, "listening");
                // A public address of this machine itself needs nobody's word; nor do private ones where they are wanted.
                if !is_relayed(&address) && is_usable(&address, self.config.private_addresses) {
                    self.swarm.add_external_address(address);
                }
                self.is_changed = true;
            }
            SwarmEvent::ExpiredListenAddr { .. } => self.is_changed = true,
            SwarmEvent::ListenerClosed { listener_id, reason, .. } => {
                self.relays.remove(&listener_id);
                if self.listeners.remove(&listener_id) && self.listeners.is_empty() {
                    let reason = reason.err().map_or_else(String::new, |error| error.to_string());
                    self.lost_listener = Some(reason);
                }
                self.is_changed = true;
            }
            SwarmEvent::ListenerError { error, .. } => debug!(%error, "listening goes on"),
            SwarmEvent::ExternalAddrConfirmed { address } => {
                info!(%address, "others can reach this node");
                self.discovery.tell_again(Instant::now());
                self.is_changed = true;
            }
            SwarmEvent::ExternalAddrExpired { .. } => self.is_changed = true,
            _ => {}
        }
    }

    fn on_connected(&mut self, peer: PeerId, id: ConnectionId, endpoint: &ConnectedPoint) {
        let (address, direction) = match endpoint {
            ConnectedPoint::Dialer { address, .. } => (address, Direction::Outbound),
            ConnectedPoint::Listener { send_back_addr, .. } => (send_back_addr, Direction::Inbound),
        };
        debug!(%peer, %address, ?direction, "connected");
        let link = Link { id, address: address.clone(), direction, since: Instant::now() };
        match self.sessions.get_mut(&peer) {
            Some(session) => session.links.push(link),
            None => {
                self.sessions.insert(peer, Session::new(link));
            }
        }
        self.set_pace(peer);
        self.make_room();
        self.is_changed = true;
    }

    fn on_closed(&mut self, peer: PeerId, id: ConnectionId) {
        self.is_changed = true;
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        session.links.retain(|link| link.id != id);
        if !session.links.is_empty() {
            return;
        }
        let now = Instant::now();
        let lasted = now.saturating_duration_since(session.since);
        let was_told = session.identity.is_some();
        self.sessions.remove(&peer);
        if was_told {
            self.news.push_back(PeerEvent::Disconnected(peer));
            let trust = self.swarm.behaviour().gate.limits.trust(&peer);
            let is_short = lasted < SHORT && trust == Trust::None;
            self.book.rest(&peer, now + if is_short { REST } else { REST_SHORT });
        } else {
            self.book.fail(&peer, now);
        }
        self.set_explicit(peer, false);
        for inflow in &mut self.inflows {
            inflow.forget(&peer, now);
        }
        if !self.sessions.values().any(|session| session.identity.is_some()) {
            self.discovery.restart(now);
        }
    }

    fn on_dial_failure(&mut self, peer: Option<PeerId>, error: &DialError) {
        self.metrics.dial_failure();
        debug!(peer = ?peer.map(|peer| peer.to_string()), %error, "dial failed");
        if let DialError::Denied { cause } = error {
            self.note_denial(cause);
        }
        if let Some(peer) = peer {
            self.book.fail(&peer, Instant::now());
        }
    }

    pub(crate) fn note_denial(&self, cause: &ConnectionDenied) {
        if let Some(denial) = cause.downcast_ref::<Denial>() {
            debug!(%denial, "connection denied");
            self.metrics.denial(*denial);
        }
    }

    fn on_behaviour_event(&mut self, event: BehaviourEvent) {
        use crate::Protocol::{Blobs, Blocks, Bodies, State, Status};
        match event {
            BehaviourEvent::Identify(identify::Event::Received { peer_id, info, .. }) => {
                self.on_identified(peer_id, info);
            }
            BehaviourEvent::Ping(event) => self.on_ping(&event),
            BehaviourEvent::Kad(event) => self.on_dht_event(event),
            BehaviourEvent::ToldConsensus(event) => self.on_gossip_event(Topic::Consensus, event),
            BehaviourEvent::ToldBodies(event) => self.on_gossip_event(Topic::Bodies, event),
            BehaviourEvent::ToldHeads(event) => self.on_gossip_event(Topic::Heads, event),
            BehaviourEvent::ToldTransactions(event) => {
                self.on_gossip_event(Topic::Transactions, event);
            }
            BehaviourEvent::AskedStatus(event) => self.on_request_event(Status, event),
            BehaviourEvent::AskedBodies(event) => self.on_request_event(Bodies, event),
            BehaviourEvent::AskedBlocks(event) => self.on_request_event(Blocks, event),
            BehaviourEvent::AskedState(event) => self.on_request_event(State, event),
            BehaviourEvent::AskedBlobs(event) => self.on_request_event(Blobs, event),
            BehaviourEvent::Mdns(mdns::Event::Discovered(found)) => {
                for (peer, address) in found {
                    self.hear(peer, vec![address]);
                }
            }
            BehaviourEvent::Dcutr(event) => {
                debug!(peer = %event.remote_peer_id, direct = event.result.is_ok(), "hole punched");
            }
            BehaviourEvent::AutonatClient(event) => {
                debug!(address = %event.tested_addr, reached = event.result.is_ok(), "address tried");
            }
            _ => {}
        }
    }

    fn on_identified(&mut self, peer: PeerId, info: identify::Info) {
        let now = Instant::now();
        if info.protocol_version != self.names.chain() {
            self.refuse_chain(peer, &info.protocol_version);
            return;
        }
        let addresses = self.usable(peer, info.listen_addrs);
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        session.identifications += 1;
        if session.identifications > IDENTIFICATIONS_MAX {
            self.greedy(peer);
            return;
        }
        let is_first = session.identity.is_none();
        let agent: String =
            info.agent_version.chars().filter(|c| !c.is_control()).take(AGENT_CHARS_MAX).collect();
        let role = Role::of_agent(&agent);
        let can_relay = info.protocols.contains(&relay::HOP_PROTOCOL_NAME);
        session.identity = Some(Identity { agent, role, can_relay });
        let dialled = session.links.iter().find(|link| link.direction == Direction::Outbound);
        let dialled = dialled.map(|link| link.address.clone());

        self.book.note(peer, addresses.clone(), Trial::Told);
        if let Some(role) = role {
            self.book.note_role(peer, role);
        }
        let dialled = dialled.map(|address| self.usable(peer, vec![address])).unwrap_or_default();
        for address in dialled.iter().filter(|address| !is_relayed(address)) {
            self.book.succeed(peer, address.clone());
        }
        if info.protocols.contains(&self.names.kad()) {
            let kad = &mut self.swarm.behaviour_mut().kad;
            if !is_first {
                // What it said before would add up.
                kad.remove_peer(&peer);
            }
            for address in dialled.into_iter().chain(addresses) {
                kad.add_address(&peer, address);
            }
        }
        if is_first {
            self.on_first_identified(peer, now);
        }
        self.is_changed = true;
    }

    fn on_first_identified(&mut self, peer: PeerId, now: Instant) {
        if self.sessions.values().filter(|session| session.identity.is_some()).count() == 1 {
            self.discovery.restart(now);
        }
        let gate = &self.swarm.behaviour().gate;
        let trust = gate.limits.trust(&peer);
        let score = gate.peers.score(&peer, now);
        let session = self.sessions.get(&peer);
        let info = session.and_then(|session| session.info(peer, score, trust == Trust::Reserved));
        if let Some(info) = info {
            debug!(%peer, agent = info.agent, "peer identified");
            self.news.push_back(PeerEvent::Connected(info));
        }
        if trust == Trust::Favoured {
            self.set_explicit(peer, true);
        }
    }

    /// Sends a node of another chain away, for some minutes.
    fn refuse_chain(&mut self, peer: PeerId, chain: &str) {
        let chain: String =
            chain.chars().filter(|c| !c.is_control()).take(AGENT_CHARS_MAX).collect();
        let now = Instant::now();
        let named = self.book.get(&peer).is_some_and(|known| known.trial == Trial::Named);
        if named {
            warn!(%peer, chain, "a node that the settings name is of another chain");
        } else {
            debug!(%peer, chain, "a node of another chain");
        }
        // Its address may be that of good nodes too.
        self.swarm.behaviour_mut().gate.peers.ban(peer, None, now);
        self.book.fail(&peer, now);
        self.disconnect(peer);
    }

    /// Addresses that are worth knowing, of those that were told.
    fn usable(&self, peer: PeerId, addresses: Vec<Multiaddr>) -> Vec<Multiaddr> {
        let private = self.config.dials_private();
        addresses
            .into_iter()
            .filter_map(|address| without_identity(address, peer))
            .filter(|address| is_usable(address, private))
            .take(ADDRESSES_PER_PEER_MAX)
            .collect()
    }

    /// Notes what others tell of a peer.
    fn hear(&mut self, peer: PeerId, addresses: Vec<Multiaddr>) {
        let addresses = self.usable(peer, addresses);
        if peer != self.local && !addresses.is_empty() {
            self.book.note(peer, addresses, Trial::Heard);
        }
    }

    fn on_ping(&mut self, event: &ping::Event) {
        let Some(session) = self.sessions.get_mut(&event.peer) else { return };
        match &event.result {
            Ok(time) => {
                session.ping = Some(*time);
                session.ping_failures = 0;
            }
            Err(ping::Failure::Unsupported) => {}
            Err(error) => {
                session.ping_failures += 1;
                if session.ping_failures >= PING_FAILURES_MAX {
                    debug!(peer = %event.peer, %error, "disconnected, as it does not answer pings");
                    self.disconnect(event.peer);
                }
            }
        }
        self.is_changed = true;
    }

    fn on_dht_event(&mut self, event: kad::Event) {
        match event {
            kad::Event::InboundRequest {
                request: kad::InboundRequest::AddProvider { record: Some(mut record) },
            } => {
                let is_role = ROLES.iter().any(|role| self.names.role_key(*role) == record.key);
                record.addresses = self.usable(record.provider, record.addresses);
                if is_role {
                    let store = self.swarm.behaviour_mut().kad.store_mut();
                    // A full store keeps those that it has.
                    let _ = kad::store::RecordStore::add_provider(store, record);
                }
            }
            kad::Event::RoutablePeer { peer, address } => {
                let is_known = self.sessions.get(&peer).is_some_and(|s| s.identity.is_some());
                if is_known && let Some(address) = self.usable(peer, vec![address]).pop() {
                    self.swarm.behaviour_mut().kad.add_address(&peer, address);
                }
            }
            kad::Event::OutboundQueryProgressed { result, .. } => self.on_query_result(result),
            _ => {}
        }
    }

    fn on_query_result(&mut self, result: kad::QueryResult) {
        match result {
            kad::QueryResult::GetProviders(Ok(kad::GetProvidersOk::FoundProviders {
                key,
                providers,
            })) => {
                let role = ROLES.into_iter().find(|role| self.names.role_key(*role) == key);
                if let Some(role) = role {
                    self.on_providers(role, providers);
                }
            }
            kad::QueryResult::GetClosestPeers(
                Ok(kad::GetClosestPeersOk { peers, .. })
                | Err(kad::GetClosestPeersError::Timeout { peers, .. }),
            ) => {
                for peer in peers {
                    self.hear(peer.peer_id, peer.addrs);
                }
            }
            _ => {}
        }
    }

    /// Dials nodes of a role at once, while the DHT knows their addresses.
    fn on_providers(&mut self, role: Role, providers: impl IntoIterator<Item = PeerId>) {
        let now = Instant::now();
        let wants_all = role == Role::Validator && self.role == Role::Validator;
        let mut wanted = self.outbound_wanted();
        let mut dialled = 0;
        for peer in providers {
            if peer == self.local || self.sessions.contains_key(&peer) {
                continue;
            }
            let is_new = self.book.get(&peer).is_none();
            self.book.note_role(peer, role);
            let is_banned = self.swarm.behaviour().gate.peers.is_banned(&peer, now);
            let is_wanted = !self.config.reserved_only && (wants_all || wanted > 0);
            if is_new && !is_banned && is_wanted && dialled < PROVIDERS_DIALLED_MAX {
                wanted = wanted.saturating_sub(1);
                dialled += 1;
                self.dial(peer);
            }
        }
    }

    fn on_gossip_event(&mut self, topic: Topic, event: gossipsub::Event) {
        let gossipsub::Event::Message { propagation_source: peer, message_id: id, message } = event
        else {
            if let gossipsub::Event::SlowPeer { peer_id, failed_messages } = event {
                debug!(peer = %peer_id, topic = topic.name(), ?failed_messages, "peer is slow");
            }
            return;
        };
        self.metrics.message(topic, MessageOutcome::Received);
        self.metrics.bytes(topic, Direction::Inbound, message.data.len());
        let factor = self.factor(&peer);
        let inflow = &mut self.inflows[topic as usize];
        let Err(dropped) = inflow.take(peer, id.clone(), message.data, factor, Instant::now())
        else {
            return;
        };
        self.metrics.message(topic, dropped.into());
        let acceptance = match dropped {
            Dropped::TooLarge => MessageAcceptance::Reject,
            _ => MessageAcceptance::Ignore,
        };
        let lane = self.swarm.behaviour_mut().lane(topic);
        lane.report_message_validation_result(&id, &peer, acceptance);
        match dropped {
            Dropped::TooLarge => self.fault(peer, PeerFault::Malformed),
            Dropped::TooFast => self.greedy(peer),
            _ => {}
        }
    }

    /// Counts a fault of a peer, and bans it if it was one too many.
    pub(crate) fn fault(&mut self, peer: PeerId, fault: PeerFault) {
        let now = Instant::now();
        self.metrics.fault(fault);
        let link = self.sessions.get(&peer).and_then(Session::main_link);
        let place = link.and_then(|link| place(&link.address));
        let gate = &mut self.swarm.behaviour_mut().gate;
        let place = place.filter(|place| gate.limits.counts(*place));
        let trust = gate.limits.trust(&peer);
        if let Some(ban) = gate.peers.fault(peer, place, fault, trust, now) {
            let (lasts_s, with_address, fault) =
                (ban.lasts.as_secs(), ban.with_address, fault.name());
            if trust == Trust::None {
                // Whoever has many addresses can be banned as often as it likes; the metric counts it.
                debug!(%peer, fault, lasts_s, with_address, "peer banned");
            } else {
                warn!(%peer, fault, lasts_s, "a validator's node is banned");
            }
            self.metrics.ban();
            self.book.rest(&peer, now + ban.lasts);
            self.disconnect(peer);
        }
        self.is_changed = true;
    }
}
