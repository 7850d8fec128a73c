//! A behaviour of which each peer's connections are heard only so often: what comes beyond is not even looked at.

use crate::{Rate, rate::Bucket};
use libp2p::{
    Multiaddr, PeerId,
    core::{Endpoint, transport::PortUse},
    swarm::{
        ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent,
        THandlerOutEvent, ToSwarm,
    },
};
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::{Deref, DerefMut},
    task::{Context, Poll},
    time::Instant,
};

/// A behaviour with a pace.
pub(crate) struct Paced<B> {
    inner: B,
    rate: Rate,
    /// How many times as much as others some peers may do.
    factors: BTreeMap<PeerId, u64>,
    buckets: BTreeMap<PeerId, Bucket>,
    /// Peers with events beyond the pace, since they were last asked for.
    too_fast: BTreeSet<PeerId>,
}

impl<B> Paced<B> {
    pub fn new(inner: B, rate: Rate) -> Self {
        let (factors, buckets) = (BTreeMap::new(), BTreeMap::new());
        Self { inner, rate, factors, buckets, too_fast: BTreeSet::new() }
    }

    /// Lets a connected peer do so many times as much as others.
    pub fn set_factor(&mut self, peer: PeerId, factor: u64) {
        self.factors.insert(peer, factor);
    }

    /// Peers with events beyond the pace, each named once since the last call.
    pub fn take_too_fast(&mut self) -> BTreeSet<PeerId> {
        std::mem::take(&mut self.too_fast)
    }
}

impl<B> Deref for Paced<B> {
    type Target = B;

    fn deref(&self) -> &B {
        &self.inner
    }
}

impl<B> DerefMut for Paced<B> {
    fn deref_mut(&mut self) -> &mut B {
        &mut self.inner
    }
}

impl<B: NetworkBehaviour> NetworkBehaviour for Paced<B> {
    type ConnectionHandler = B::ConnectionHandler;
    type ToSwarm = B::ToSwarm;

    fn handle_pending_inbound_connection(
        &mut self,
        id: ConnectionId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        self.inner.handle_pending_inbound_connection(id, local, remote)
    }

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.inner.handle_established_inbound_connection(id, peer, local, remote)
    }

    fn handle_pending_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: Option<PeerId>,
        addresses: &[Multiaddr],
        role: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        self.inner.handle_pending_outbound_connection(id, peer, addresses, role)
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        remote: &Multiaddr,
        role: Endpoint,
        port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.inner.handle_established_outbound_connection(id, peer, remote, role, port)
    }

    fn on_swarm_event(&mut self, event: FromSwarm) {
        if let FromSwarm::ConnectionClosed(closed) = &event
            && closed.remaining_established == 0
        {
            self.factors.remove(&closed.peer_id);
            self.buckets.remove(&closed.peer_id);
            self.too_fast.remove(&closed.peer_id);
        }
        self.inner.on_swarm_event(event);
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        id: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        let rate = self.rate.times(self.factors.get(&peer).copied().unwrap_or(1));
        if self.buckets.entry(peer).or_default().take(rate, 1, Instant::now()) {
            self.inner.on_connection_handler_event(peer, id, event);
        } else {
            self.too_fast.insert(peer);
        }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        self.inner.poll(cx)
    }
}
