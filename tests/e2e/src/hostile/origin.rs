//! Connections of TCP that come from a chosen address: libp2p leaves the choice to the system, which knows one for all.

use super::sockets::{connect, socket_of};
use anyhow::Result;
use futures::future::BoxFuture;
use libp2p::{
    Multiaddr, PeerId, Transport,
    core::{
        muxing::StreamMuxerBox,
        transport::{Boxed, DialOpts, ListenerId, TransportError, TransportEvent},
        upgrade::Version,
    },
    identity::Keypair,
    noise, yamux,
};
use std::{
    future::Pending,
    io,
    net::Ipv4Addr,
    pin::Pin,
    task::{Context, Poll},
};
use tokio::net::TcpStream;
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt};

/// A transport whose connections are as those of nodes, and come from one address. It listens nowhere.
pub fn transport(from: Ipv4Addr, keypair: &Keypair) -> Result<Boxed<(PeerId, StreamMuxerBox)>> {
    Ok(Origin(from)
        .upgrade(Version::V1Lazy)
        .authenticate(noise::Config::new(keypair)?)
        .multiplex(yamux::Config::default())
        .boxed())
}

/// TCP from one address.
struct Origin(Ipv4Addr);

impl Transport for Origin {
    type Output = Compat<TcpStream>;
    type Error = io::Error;
    type ListenerUpgrade = Pending<Result<Self::Output, io::Error>>;
    type Dial = BoxFuture<'static, Result<Self::Output, io::Error>>;

    fn listen_on(
        &mut self,
        _: ListenerId,
        address: Multiaddr,
    ) -> Result<(), TransportError<io::Error>> {
        Err(TransportError::MultiaddrNotSupported(address))
    }

    fn remove_listener(&mut self, _: ListenerId) -> bool {
        false
    }

    fn dial(
        &mut self,
        address: Multiaddr,
        _: DialOpts,
    ) -> Result<Self::Dial, TransportError<io::Error>> {
        let (from, to) = (self.0, socket_of(&address));
        Ok(Box::pin(async move {
            let stream = connect(from, to).await.map_err(io::Error::other)?;
            stream.set_nodelay(true)?;
            Ok(stream.compat())
        }))
    }

    fn poll(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<TransportEvent<Self::ListenerUpgrade, io::Error>> {
        Poll::Pending
    }
}
