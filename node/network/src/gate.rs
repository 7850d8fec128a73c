//! The gate: the part of the swarm's behaviour that lets connections in, or does not.

use crate::{
    Direction, Rate,
    addresses::{house, is_public, place},
    limits::{Denial, Limits, Numbers},
    peers::{Peers, Trust},
    rate::Buckets,
};
use libp2p::{
    Multiaddr, PeerId,
    core::{Endpoint, transport::PortUse},
    swarm::{
        ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent,
        THandlerOutEvent, ToSwarm, dummy,
    },
};
use std::{
    convert::Infallible,
    net::IpAddr,
    task::{Context, Poll},
    time::Instant,
};

/// Connections that one address may begin.
const KNOCKS: Rate = Rate { per_second: 2, burst: 32 };
/// Most addresses whose knocks are remembered.
const KNOCKERS_MAX: usize = 4_096;

/// Lets connections in, or does not.
#[derive(Debug)]
pub(crate) struct Gate {
    pub limits: Limits,
    pub peers: Peers,
    knocks: Buckets<IpAddr>,
    private: bool,
}

impl Gate {
    pub fn new(numbers: Numbers) -> Self {
        Self {
            limits: Limits::new(numbers),
            peers: Peers::default(),
            knocks: Buckets::new(KNOCKERS_MAX),
            private: numbers.private,
        }
    }

    fn check_ban(&self, peer: &PeerId, now: Instant) -> Result<(), Denial> {
        let is_banned = self.peers.is_banned(peer, now);
        if is_banned && self.limits.trust(peer) != Trust::Reserved {
            return Err(Denial::Banned);
        }
        Ok(())
    }

    fn knock(&mut self, id: ConnectionId, remote: &Multiaddr) -> Result<(), Denial> {
        let now = Instant::now();
        let place = place(remote);
        if let Some(place) = place {
            // A reserved peer at a banned address can still be dialled.
            if self.peers.is_address_banned(place, now) {
                return Err(Denial::Banned);
            }
            let counts = !self.private || is_public(place);
            if counts && !self.knocks.of(&house(place), now).take(KNOCKS, 1, now) {
                return Err(Denial::TooOften);
            }
        }
        self.limits.begin_inbound(id, place)
    }

    fn enter(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        remote: &Multiaddr,
        direction: Direction,
    ) -> Result<(), Denial> {
        self.check_ban(&peer, Instant::now()).inspect_err(|_| self.limits.fail(id))?;
        self.limits.admit(id, peer, place(remote), direction)
    }
}

impl NetworkBehaviour for Gate {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_pending_inbound_connection(
        &mut self,
        id: ConnectionId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        self.knock(id, remote).map_err(ConnectionDenied::new)
    }

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.enter(id, peer, remote, Direction::Inbound).map_err(ConnectionDenied::new)?;
        Ok(dummy::ConnectionHandler)
    }

    fn handle_pending_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: Option<PeerId>,
        _: &[Multiaddr],
        _: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        if let Some(peer) = &peer {
            self.check_ban(peer, Instant::now()).map_err(ConnectionDenied::new)?;
        }
        self.limits.begin_outbound(id, peer).map_err(ConnectionDenied::new)?;
        Ok(Vec::new())
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        remote: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.enter(id, peer, remote, Direction::Outbound).map_err(ConnectionDenied::new)?;
        Ok(dummy::ConnectionHandler)
    }

    fn on_swarm_event(&mut self, event: FromSwarm) {
        match event {
            FromSwarm::ConnectionClosed(closed) => self.limits.release(closed.connection_id),
            FromSwarm::DialFailure(failure) => self.lose(failure.connection_id),
            FromSwarm::ListenFailure(failure) => self.lose(failure.connection_id),
            _ => {}
        }
    }

    fn on_connection_handler_event(
        &mut self,
        _: PeerId,
        _: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Infallible, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}

impl Gate {
    /// A connection that failed before it stood, or that another part of the behaviour denied after this one let it in.
    fn lose(&mut self, id: ConnectionId) {
        self.limits.fail(id);
        self.limits.release(id);
    }
}
