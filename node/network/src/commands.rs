//! What the network does when it is told to.

use crate::{
    Command, Direction, PeerFault, Protocol, Receipt, RequestError, Role, TOPICS, Topic,
    VERDICT_MAX, Verdict,
    addresses::is_usable,
    book::Trial,
    config::identity_of,
    metrics::{MessageOutcome, RequestOutcome},
    requests::{Asker, Read},
    service::Network,
};
use libp2p::{Multiaddr, PeerId, gossipsub::MessageAcceptance};
use std::time::Instant;
use tracing::debug;

impl Network {
    pub(crate) fn on_command(&mut self, command: Command) {
        match command {
            Command::Publish { topic, bytes } => self.publish(topic, bytes),
            Command::Judge { receipt, topic, verdict } => self.judge(&receipt, topic, verdict),
            Command::Ask { peer, protocol, bytes, answer } => {
                self.ask(peer, protocol, bytes, answer);
            }
            Command::Report { peer, fault } => self.fault(peer, fault),
            Command::Favour { peer, favoured } => self.favour(peer, favoured),
            Command::Reserve { address, answer } => {
                // It may not want to know any more.
                let _ = answer.send(self.reserve(address));
            }
            Command::Release { peer } => {
                self.release(&peer);
            }
        }
    }

    fn publish(&mut self, topic: Topic, bytes: Vec<u8>) {
        let count = bytes.len();
        let hash = self.names.topic(topic).hash();
        let lane = self.swarm.behaviour_mut().lane(topic);
        let outcome = if count > topic.bytes_max() {
            debug!(topic = topic.name(), count, "a message is too large to be published");
            MessageOutcome::TooLarge
        } else if let Err(error) = lane.publish(hash, bytes) {
            debug!(topic = topic.name(), %error, "a message could not be published");
            MessageOutcome::Unpublished
        } else {
            self.metrics.bytes(topic, Direction::Outbound, count);
            MessageOutcome::Published
        };
        self.metrics.message(topic, outcome);
    }

    fn judge(&mut self, receipt: &Receipt, topic: Topic, verdict: Verdict) {
        let (acceptance, outcome) = match verdict {
            Verdict::Accept => (MessageAcceptance::Accept, MessageOutcome::Accepted),
            Verdict::Ignore => (MessageAcceptance::Ignore, MessageOutcome::Ignored),
            Verdict::Reject => (MessageAcceptance::Reject, MessageOutcome::Rejected),
        };
        if receipt.received.elapsed() > VERDICT_MAX {
            self.metrics.message(topic, MessageOutcome::Late);
        } else {
            let lane = self.swarm.behaviour_mut().lane(topic);
            lane.report_message_validation_result(&receipt.id, &receipt.peer, acceptance);
            self.metrics.message(topic, outcome);
        }
        if verdict == Verdict::Reject {
            self.fault(receipt.peer, PeerFault::Invalid);
        }
    }

    fn ask(&mut self, peer: PeerId, protocol: Protocol, bytes: Vec<u8>, asker: Asker) {
        let (index, now) = (protocol as usize, Instant::now());
        let refusal = if bytes.len() > protocol.request_bytes_max() {
            Some((RequestError::Refused, RequestOutcome::Malformed))
        } else if !self.under_way[index].can_ask(protocol, &peer)
            || !self.is_in_own_pace(protocol, &peer, now)
        {
            Some((RequestError::Busy, RequestOutcome::Busy))
        } else if peer == self.local {
            Some((RequestError::Unreachable, RequestOutcome::Unreachable))
        } else {
            None
        };
        if let Some((error, outcome)) = refusal {
            self.metrics.request(protocol, Direction::Outbound, outcome);
            // It may not want to know any more.
            let _ = asker.send(Err(error));
            return;
        }
        let addresses = self.book.get(&peer).map_or_else(Vec::new, |known| known.addresses.clone());
        let request = Read::Request { bytes, _room: None };
        let exchange = self.swarm.behaviour_mut().exchange(protocol);
        let id = exchange.send_request_with_addresses(&peer, request, addresses);
        let deadline = now + protocol.bounds().timeout;
        self.under_way[index].ask(id, peer, asker, deadline);
    }

    /// Counts a request of this node, if its peer will not find it too fast.
    fn is_in_own_pace(&mut self, protocol: Protocol, peer: &PeerId, now: Instant) -> bool {
        let (bounds, index) = (protocol.bounds(), protocol as usize);
        // What a peer may grant this node beyond, as it favours it, is not known here.
        self.received[index].of(peer, now).has_any(bounds.answered_bytes.own(), now)
            && self.asked[index].of(peer, now).take(bounds.requests.own(), 1, now)
    }

    /// Counts the bytes of an answer.
    pub(crate) fn note_received(&mut self, protocol: Protocol, peer: &PeerId, bytes: usize) {
        let (now, rate) = (Instant::now(), protocol.bounds().answered_bytes.own());
        let units = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.received[protocol as usize].of(peer, now).charge(rate, units, now);
    }

    fn favour(&mut self, peer: PeerId, favoured: bool) {
        self.swarm.behaviour_mut().gate.limits.favour(peer, favoured);
        self.set_pace(peer);
        if let Some(session) = self.sessions.get(&peer)
            && session.identity.is_some()
        {
            self.set_explicit(peer, favoured);
        }
        self.make_room();
        self.is_changed = true;
    }

    /// Tells a peer everything at once, outside of meshes. Both sides must do so, as neither takes the other into its
    /// mesh then: hence between validators, who prove to each other what they are.
    pub(crate) fn set_explicit(&mut self, peer: PeerId, explicit: bool) {
        if self.role != Role::Validator {
            return;
        }
        for topic in TOPICS {
            let lane = self.swarm.behaviour_mut().lane(topic);
            if explicit {
                lane.add_explicit_peer(&peer);
            } else {
                lane.remove_explicit_peer(&peer);
            }
        }
    }

    fn release(&mut self, peer: &PeerId) {
        self.swarm.behaviour_mut().gate.limits.release_reserved(peer);
        self.set_pace(*peer);
        let is_bootnode = |address: &Multiaddr| identity_of(address).as_ref() == Some(peer);
        if !self.config.bootnodes.iter().any(is_bootnode) {
            self.book.unname(peer);
        }
        self.is_changed = true;
    }

    fn reserve(&mut self, mut address: Multiaddr) -> Result<PeerId, String> {
        let peer = identity_of(&address)
            .ok_or_else(|| format!("{address} must end in /p2p/ and the node's identity"))?;
        if peer == self.local {
            return Err(format!("{address} is this node itself"));
        }
        address.pop();
        if !is_usable(&address, self.config.dials_private()) {
            return Err(format!(
                "{address} can't be dialled: write /ip4/../tcp/.. or /ip4/../udp/../quic-v1, ip6 and dns \
                 likewise; private addresses need network.private_addresses"
            ));
        }
        if !self.swarm.behaviour_mut().gate.limits.reserve(peer) {
            return Err("there are too many reserved peers: release some".to_owned());
        }
        self.set_pace(peer);
        self.book.note(peer, vec![address], Trial::Named);
        self.book.rest(&peer, Instant::now());
        self.is_changed = true;
        Ok(peer)
    }
}
