//! What attackers do below streams: sockets, and connections that never become one.

use super::ways::{Attacker, Door, Way};
use anyhow::Result;
use libp2p::{
    Multiaddr, Transport,
    core::{
        Endpoint,
        transport::{DialOpts, PortUse},
    },
    identity::Keypair,
    multiaddr::Protocol as Part,
    quic,
};
use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpSocket, TcpStream, UdpSocket},
    time::{sleep, timeout},
};

/// Connections that a slow attacker holds half open.
const HALVES: usize = 64;
/// How long it holds them.
const HOLD: Duration = Duration::from_secs(5);
/// Bytes of the smallest datagram that begins a connection of QUIC.
const DATAGRAM_BYTES: usize = 1_200;
/// Bytes of the largest datagram that a socket sends.
const LARGE_DATAGRAM_BYTES: usize = 60_000;
/// Datagrams in a row, before others have their turn.
const BURST: usize = 32;
/// Longest wait for the first packet of a connection that is begun here.
const FIRST_MAX: Duration = Duration::from_secs(5);

/// What each connection begins with that is encrypted with Noise, its own key left out.
const NOISE: &[u8] = b"\x13/multistream/1.0.0\n\x07/noise\n\x00\x20";

/// One attempt.
pub async fn attack(attacker: &mut Attacker, door: Door, way: Way) -> Result<()> {
    match door {
        Door::Quic => quic(attacker, way).await,
        _ => tcp(attacker, way).await,
    }
}

async fn tcp(attacker: &mut Attacker, way: Way) -> Result<()> {
    let target = socket_of(&attacker.target.address);
    if way == Way::Slow {
        let mut held = Vec::new();
        for _ in 0..HALVES {
            let mut stream = connect(attacker.from, target).await?;
            // Half of them begin, half say nothing.
            if held.len() % 2 == 0 {
                stream.write_all(&NOISE[..30]).await?;
            }
            attacker.tally.sent(30);
            held.push(stream);
        }
        sleep(HOLD).await;
        return Ok(());
    }
    let bytes = match way {
        Way::Malformed => attacker.random(1 << 10),
        Way::Oversized => [NOISE, &[0xff; 256 << 10]].concat(),
        Way::Replayed => [NOISE, &[9; 32]].concat(),
        Way::Flooding | Way::Slow => Vec::new(),
    };
    let mut stream = connect(attacker.from, target).await?;
    stream.write_all(&bytes).await?;
    attacker.tally.sent(bytes.len());
    Ok(())
}

/// A connection of TCP from an address of this machine.
pub async fn connect(from: Ipv4Addr, target: SocketAddr) -> Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    // Ports of connections that just ended may be taken again.
    socket.set_reuseaddr(true)?;
    socket.bind((from, 0).into())?;
    Ok(timeout(HOLD, socket.connect(target)).await??)
}

async fn quic(attacker: &mut Attacker, way: Way) -> Result<()> {
    let target = socket_of(&attacker.target.quic);
    let first = match way {
        Way::Replayed | Way::Slow => initial().await?,
        _ => Vec::new(),
    };
    let mut socket = UdpSocket::bind((attacker.from, 0)).await?;
    for _ in 0..BURST {
        let mut bytes = match way {
            Way::Malformed => attacker.random(DATAGRAM_BYTES),
            Way::Oversized => attacker.random(LARGE_DATAGRAM_BYTES),
            Way::Replayed => first.clone(),
            // A version that nobody speaks, and which must be answered.
            Way::Flooding => [&[0xc0, 7, 7, 7, 7][..], &attacker.random(DATAGRAM_BYTES)].concat(),
            // A beginning of its own, after which nothing comes.
            Way::Slow => {
                socket = UdpSocket::bind((attacker.from, 0)).await?;
                initial().await?
            }
        };
        if let (Way::Malformed | Way::Oversized, Some(byte)) = (way, bytes.first_mut()) {
            *byte |= 0xc0;
        }
        socket.send_to(&bytes, target).await?;
        attacker.tally.sent(bytes.len());
    }
    sleep(Duration::from_millis(1)).await;
    Ok(())
}

/// The first datagram of a connection of QUIC.
async fn initial() -> Result<Vec<u8>> {
    let listener = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let port = listener.local_addr()?.port();
    let address = Multiaddr::empty()
        .with(Part::Ip4(Ipv4Addr::LOCALHOST))
        .with(Part::Udp(port))
        .with(Part::QuicV1);
    let keypair = Keypair::generate_ed25519();
    let mut transport = quic::tokio::Transport::new(quic::Config::new(&keypair));
    let options = DialOpts { role: Endpoint::Dialer, port_use: PortUse::New };
    let dial = transport.dial(address, options)?;
    let mut bytes = vec![0; LARGE_DATAGRAM_BYTES];
    tokio::select! {
        _ = dial => anyhow::bail!("nobody answers there"),
        length = timeout(FIRST_MAX, listener.recv(&mut bytes)) => bytes.truncate(length??),
    }
    Ok(bytes)
}

/// Address and port.
pub fn socket_of(address: &Multiaddr) -> SocketAddr {
    let (mut ip, mut number) = (Ipv4Addr::LOCALHOST, 0);
    for part in address {
        match part {
            Part::Ip4(found) => ip = found,
            Part::Tcp(port) | Part::Udp(port) => number = port,
            _ => {}
        }
    }
    (ip, number).into()
}
