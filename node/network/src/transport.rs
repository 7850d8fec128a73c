//! How bytes get to other nodes: TCP with Noise and Yamux, QUIC, names, and relays.

use crate::addresses::is_public;
use libp2p::{
    Multiaddr, PeerId, Transport,
    core::{
        muxing::StreamMuxerBox,
        transport::{Boxed, DialOpts, ListenerId, TransportError, TransportEvent},
        upgrade::Version,
    },
    dns,
    identity::Keypair,
    metrics::BandwidthTransport,
    multiaddr::Protocol,
    noise, quic, relay, tcp, yamux,
};
use prometheus_client::registry::Registry;
use std::{
    net::IpAddr,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use tracing::warn;

/// Streams of one connection. Each may have bytes waiting that nobody has read, so this bounds them too.
const STREAMS_MAX: u32 = 192;
/// Bytes that each of them may have waiting over TCP, as Yamux has it.
const STREAM_BYTES_MAX: usize = 256 << 10;
/// Bytes of one connection that may lie unread in its streams.
pub const UNREAD_BYTES_MAX: usize = STREAMS_MAX as usize * STREAM_BYTES_MAX;
/// Time for setting up a connection.
const SETUP_MAX: Duration = Duration::from_secs(10);

pub(crate) type Connections = Boxed<(PeerId, StreamMuxerBox)>;

/// Makes the transport, and the relay client that shares it. Dials of private addresses fail unless they are wanted, also
/// those of names that turn out to be private.
pub(crate) fn build(
    keypair: &Keypair,
    private: bool,
    registry: &mut Registry,
) -> Result<(Connections, relay::client::Behaviour), noise::Error> {
    let mut multiplexing = yamux::Config::default();
    multiplexing.set_max_num_streams(STREAMS_MAX as usize);
    let mut quic_config = quic::Config::new(keypair);
    quic_config.handshake_timeout = SETUP_MAX;
    quic_config.max_concurrent_stream_limit = STREAMS_MAX;
    let encryption = noise::Config::new(keypair)?;

    let direct = || {
        let tcp = tcp::tokio::Transport::new(tcp::Config::default().nodelay(true))
            .upgrade(Version::V1Lazy)
            .authenticate(encryption.clone())
            .multiplex(multiplexing.clone())
            .timeout(SETUP_MAX)
            .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)));
        let quic = quic::tokio::Transport::new(quic_config.clone())
            .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)));
        let either = tcp.or_transport(quic).map(|either, _| either.into_inner());
        Guarded { inner: either, private }.boxed()
    };
    // Addresses without names work even where the system knows of no servers to ask for names.
    let named = match dns::tokio::Transport::system(direct()) {
        Ok(named) => named.boxed(),
        Err(error) => {
            warn!(%error, "addresses with names can't be dialled");
            direct()
        }
    };

    let (relayed, relay_client) = relay::client::new(keypair.public().to_peer_id());
    let relayed = relayed
        .upgrade(Version::V1Lazy)
        .authenticate(encryption.clone())
        .multiplex(multiplexing.clone())
        .timeout(SETUP_MAX)
        .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)));
    let all = relayed.or_transport(named).map(|either, _| either.into_inner());
    let metered = BandwidthTransport::new(all, registry)
        .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)));
    Ok((metered.boxed(), relay_client))
}

/// A transport that dials private addresses only if they are wanted.
struct Guarded<T> {
    inner: T,
    private: bool,
}

impl<T: Transport + Unpin> Transport for Guarded<T> {
    type Output = T::Output;
    type Error = T::Error;
    type ListenerUpgrade = T::ListenerUpgrade;
    type Dial = T::Dial;

    fn listen_on(
        &mut self,
        id: ListenerId,
        address: Multiaddr,
    ) -> Result<(), TransportError<T::Error>> {
        self.inner.listen_on(id, address)
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.inner.remove_listener(id)
    }

    fn dial(
        &mut self,
        address: Multiaddr,
        options: DialOpts,
    ) -> Result<T::Dial, TransportError<T::Error>> {
        let ip: Option<IpAddr> = match address.iter().next() {
            Some(Protocol::Ip4(ip)) => Some(ip.into()),
            Some(Protocol::Ip6(ip)) => Some(ip.into()),
            _ => None,
        };
        if self.private || ip.is_some_and(is_public) {
            self.inner.dial(address, options)
        } else {
            Err(TransportError::MultiaddrNotSupported(address))
        }
    }

    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<TransportEvent<T::ListenerUpgrade, T::Error>> {
        Pin::new(&mut self.inner).poll(cx)
    }
}
