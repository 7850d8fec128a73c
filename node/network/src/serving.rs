//! What the network does with requests, of others and of this node.

use crate::{
    Direction, PROTOCOLS, PeerFault, Protocol, Request, RequestError,
    metrics::RequestOutcome,
    requests::{Read, error_of, fault_of},
    service::{Network, Served},
};
use futures::FutureExt;
use libp2p::{
    PeerId,
    request_response::{Event, InboundRequestId, Message, ResponseChannel},
};
use std::time::Instant;
use tokio::sync::oneshot;
use tracing::warn;

type Channel = ResponseChannel<Option<Vec<u8>>>;

impl Network {
    pub(crate) fn on_request_event(
        &mut self,
        protocol: Protocol,
        event: Event<Read, Option<Vec<u8>>>,
    ) {
        match event {
            Event::Message { peer, message, .. } => match message {
                Message::Request { request_id, request, channel } => {
                    self.on_request(protocol, peer, request_id, request, channel);
                }
                Message::Response { request_id, response } => {
                    self.note_received(protocol, &peer, response.as_ref().map_or(0, Vec::len));
                    let outcome = match &response {
                        Some(_) => RequestOutcome::Answered,
                        None => RequestOutcome::Refused,
                    };
                    let under_way = &mut self.under_way[protocol as usize];
                    if under_way.answer(request_id, response.ok_or(RequestError::Refused)) {
                        self.metrics.request(protocol, Direction::Outbound, outcome);
                    }
                }
            },
            Event::OutboundFailure { peer, request_id, error, .. } => {
                let fault = fault_of(&error);
                let error = error_of(&error);
                let outcome = match error {
                    RequestError::TimedOut => RequestOutcome::TimedOut,
                    RequestError::Refused if fault.is_some() => RequestOutcome::Malformed,
                    RequestError::Refused => RequestOutcome::Refused,
                    _ => RequestOutcome::Unreachable,
                };
                let under_way = &mut self.under_way[protocol as usize];
                if under_way.answer(request_id, Err(error)) {
                    self.metrics.request(protocol, Direction::Outbound, outcome);
                    if let Some(fault) = fault {
                        self.fault(peer, fault);
                    }
                }
            }
            Event::InboundFailure { request_id, .. } => {
                if self.under_way[protocol as usize].end(request_id) {
                    let outcome = RequestOutcome::Unreachable;
                    self.metrics.request(protocol, Direction::Inbound, outcome);
                }
            }
            Event::ResponseSent { request_id, .. } => {
                self.under_way[protocol as usize].end(request_id);
            }
        }
    }

    fn on_request(
        &mut self,
        protocol: Protocol,
        peer: PeerId,
        id: InboundRequestId,
        request: Read,
        channel: Channel,
    ) {
        let bytes = match request {
            // From here on the reader's queue bounds it.
            Read::Request { bytes, .. } => bytes,
            Read::Malformed => {
                self.refuse(protocol, channel, RequestOutcome::Malformed);
                self.fault(peer, PeerFault::Malformed);
                return;
            }
            Read::NoRoom => return self.refuse(protocol, channel, RequestOutcome::Refused),
        };
        let now = Instant::now();
        let bounds = protocol.bounds();
        let factor = self.factor(&peer);
        let index = protocol as usize;
        let is_in_pace =
            self.asking[index].of(&peer, now).take(bounds.requests.times(factor), 1, now)
                && self.answered[index]
                    .of(&peer, now)
                    .has_any(bounds.answered_bytes.times(factor), now);
        if !is_in_pace {
            self.refuse(protocol, channel, RequestOutcome::TooFast);
            self.greedy(peer);
            return;
        }
        if !self.under_way[index].begin(protocol, id, peer) {
            return self.refuse(protocol, channel, RequestOutcome::Refused);
        }
        let (answer, answered) = oneshot::channel();
        if self.readers[index].try_send(Request { peer, bytes, answer }).is_err() {
            return self.refuse(protocol, channel, RequestOutcome::Refused);
        }
        let served = async move {
            // After some more seconds the stream is gone anyway.
            let answer = tokio::time::timeout(2 * bounds.timeout, answered).await;
            let answer = answer.ok().and_then(Result::ok);
            Served { protocol, peer, channel, answer }
        };
        self.serving.push(served.boxed());
    }

    /// Tells those who asked and got no answer in time.
    pub(crate) fn expire_requests(&mut self, now: Instant) {
        for protocol in PROTOCOLS {
            for peer in self.under_way[protocol as usize].expire(now) {
                let outcome = RequestOutcome::TimedOut;
                self.metrics.request(protocol, Direction::Outbound, outcome);
                self.fault(peer, PeerFault::Unhelpful);
            }
        }
    }

    pub(crate) fn on_served(&mut self, served: Served) {
        let Served { protocol, peer, channel, answer } = served;
        let bounds = protocol.bounds();
        let Some(bytes) = answer else {
            return self.refuse(protocol, channel, RequestOutcome::Refused);
        };
        let count = bytes.len();
        if count > bounds.answer_bytes_max {
            warn!(
                protocol = protocol.name(),
                count, "an answer is larger than its protocol allows"
            );
            return self.refuse(protocol, channel, RequestOutcome::Refused);
        }
        let now = Instant::now();
        let rate = bounds.answered_bytes.times(self.factor(&peer));
        let units = u64::try_from(count).unwrap_or(u64::MAX);
        self.answered[protocol as usize].of(&peer, now).charge(rate, units, now);
        self.metrics.request(protocol, Direction::Inbound, RequestOutcome::Answered);
        // If the peer is gone, the event that says so ends it.
        let _ = self.swarm.behaviour_mut().exchange(protocol).send_response(channel, Some(bytes));
    }

    fn refuse(&mut self, protocol: Protocol, channel: Channel, outcome: RequestOutcome) {
        self.metrics.request(protocol, Direction::Inbound, outcome);
        // The peer may be gone.
        let _ = self.swarm.behaviour_mut().exchange(protocol).send_response(channel, None);
    }
}
