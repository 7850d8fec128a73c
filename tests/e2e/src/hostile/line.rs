//! A connection as libp2p has it, without its manners: any stream can be opened, and anything written to it.

use super::{
    origin,
    words::{Names, as_varint, field},
};
use anyhow::{Context, Result, bail};
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::{
    Multiaddr, PeerId, Transport,
    core::{
        Endpoint,
        muxing::{StreamMuxerBox, StreamMuxerExt, SubstreamBox},
        transport::{DialOpts, PortUse},
    },
    identity::Keypair,
};
use std::{
    future::poll_fn,
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context as Task, Poll},
    time::Duration,
};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::timeout,
};

/// Time for setting up a connection.
const SETUP_MAX: Duration = Duration::from_secs(10);
/// Longest line of a negotiation.
const NAME_BYTES_MAX: usize = 512;
/// What begins each negotiation of a stream's protocol.
const HEADER: &str = "/multistream/1.0.0";
/// How nodes ask who a peer is, and whether it is there.
const IDENTIFY: &str = "/ipfs/id/1.0.0";
const PING: &str = "/ipfs/ping/1.0.0";
/// What is in the name of each protocol of gossip, and the version of it that is spoken here.
const GOSSIP: &str = "/gossip/";
const GOSSIP_VERSION: &str = "/1.1.0";
/// Most bytes that are read at a time of what nobody looks at.
const READ_BYTES: usize = 16 << 10;

/// What was sent, of all attackers.
#[derive(Debug, Default)]
pub struct Tally {
    /// Messages, whatever counts as one.
    pub messages: AtomicU64,
    /// Bytes of them.
    pub bytes: AtomicU64,
    /// Connections that stood.
    pub connections: AtomicU64,
    /// Connections that were not let in.
    pub denied: AtomicU64,
}

impl Tally {
    /// Counts a message.
    pub fn sent(&self, bytes: usize) {
        self.messages.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(u64::try_from(bytes).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

/// Who is attacked.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its address, over TCP.
    pub address: Multiaddr,
    /// Its address, over QUIC.
    pub quic: Multiaddr,
    /// How its protocols are called.
    pub names: Names,
}

/// A connection; it ends when this is dropped.
pub struct Line {
    open: mpsc::Sender<oneshot::Sender<SubstreamBox>>,
    driver: JoinHandle<()>,
}

impl Line {
    /// Connects with a new identity, from an address of this machine.
    pub async fn connect(target: &Target, from: Ipv4Addr) -> Result<Self> {
        let keypair = Keypair::generate_ed25519();
        let muxer = timeout(SETUP_MAX, dial(target, from, &keypair)).await??;
        let (open, requests) = mpsc::channel(1);
        let answer = identification(&target.names, &keypair);
        let driver = tokio::spawn(drive(muxer, requests, Arc::new(answer)));
        Ok(Self { open, driver })
    }

    /// A stream, with nothing said on it yet.
    pub async fn stream(&self) -> Result<SubstreamBox> {
        let (give, given) = oneshot::channel();
        self.open.send(give).await.ok().context("the connection has ended")?;
        given.await.context("the connection has ended")
    }

    /// A stream on which a protocol was asked for; whether it is spoken is not waited for.
    pub async fn speak(&self, protocol: &str) -> Result<SubstreamBox> {
        let mut stream = self.stream().await?;
        stream.write_all(&[said(HEADER), said(protocol)].concat()).await?;
        stream.flush().await?;
        Ok(stream)
    }

    /// Whether the other side, or this one, has ended it.
    pub fn is_closed(&self) -> bool {
        self.driver.is_finished()
    }

    /// Waits until it has ended.
    pub async fn closed(&self) {
        self.open.closed().await;
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// A line of a negotiation.
fn said(name: &str) -> Vec<u8> {
    let mut bytes = as_varint(name.len() + 1);
    bytes.extend(name.as_bytes());
    bytes.push(b'\n');
    bytes
}

async fn dial(target: &Target, from: Ipv4Addr, keypair: &Keypair) -> Result<StreamMuxerBox> {
    let mut transport = origin::transport(from, keypair)?;
    let options = DialOpts { role: Endpoint::Dialer, port_use: PortUse::New };
    let (_, muxer): (PeerId, _) = transport.dial(target.address.clone(), options)?.await?;
    Ok(muxer)
}

/// Moves bytes, opens streams, and answers what must be answered to stay connected.
async fn drive(
    mut muxer: StreamMuxerBox,
    mut requests: mpsc::Receiver<oneshot::Sender<SubstreamBox>>,
    answer: Arc<Vec<u8>>,
) {
    let mut waiting: Option<oneshot::Sender<SubstreamBox>> = None;
    poll_fn(|cx| -> Poll<()> {
        loop {
            match muxer.poll_unpin(cx) {
                Poll::Ready(Ok(_)) => continue,
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Pending => {}
            }
            match muxer.poll_inbound_unpin(cx) {
                Poll::Ready(Ok(stream)) => {
                    let answer = answer.clone();
                    // A stream that breaks is the other side's concern.
                    tokio::spawn(async move { serve(stream, &answer).await.ok() });
                    continue;
                }
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Pending => {}
            }
            if !opened(&mut muxer, &mut requests, &mut waiting, cx) {
                return if requests.is_closed() { Poll::Ready(()) } else { Poll::Pending };
            }
        }
    })
    .await;
}

/// Opens a stream if one is asked for. Whether there may be more to do.
fn opened(
    muxer: &mut StreamMuxerBox,
    requests: &mut mpsc::Receiver<oneshot::Sender<SubstreamBox>>,
    waiting: &mut Option<oneshot::Sender<SubstreamBox>>,
    cx: &mut Task<'_>,
) -> bool {
    if waiting.is_none() {
        match requests.poll_recv(cx) {
            Poll::Ready(Some(request)) => *waiting = Some(request),
            Poll::Ready(None) | Poll::Pending => return false,
        }
    }
    match muxer.poll_outbound_unpin(cx) {
        Poll::Ready(Ok(stream)) => {
            if let Some(request) = waiting.take() {
                // It may not want it any more.
                let _ = request.send(stream);
            }
            true
        }
        Poll::Ready(Err(_)) => {
            requests.close();
            false
        }
        Poll::Pending => false,
    }
}

/// Says who this is, and that it is there, and listens to gossip, as whoever does not is not listened to. Of other protocols
/// it knows none.
async fn serve(mut stream: SubstreamBox, identification: &[u8]) -> Result<()> {
    stream.write_all(&said(HEADER)).await?;
    loop {
        match read_line(&mut stream).await?.trim_end() {
            HEADER => {}
            IDENTIFY => {
                stream.write_all(&said(IDENTIFY)).await?;
                stream.write_all(&as_varint(identification.len())).await?;
                stream.write_all(identification).await?;
                stream.close().await?;
                return Ok(());
            }
            PING => {
                stream.write_all(&said(PING)).await?;
                return echo(stream).await;
            }
            name if name.contains(GOSSIP) && name.ends_with(GOSSIP_VERSION) => {
                stream.write_all(&said(name)).await?;
                stream.flush().await?;
                drain(&mut stream).await;
                return Ok(());
            }
            _ => stream.write_all(&said("na")).await?,
        }
        stream.flush().await?;
    }
}

async fn echo(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> Result<()> {
    let mut bytes = [0; 32];
    loop {
        stream.flush().await?;
        stream.read_exact(&mut bytes).await?;
        stream.write_all(&bytes).await?;
    }
}

async fn read_line(stream: &mut SubstreamBox) -> Result<String> {
    let (mut length, mut shift) = (0, 0);
    loop {
        let mut byte = [0];
        stream.read_exact(&mut byte).await?;
        length |= usize::from(byte[0] & 0x7f) << shift;
        shift += 7;
        if byte[0] & 0x80 == 0 {
            break;
        }
        if shift > 14 {
            bail!("a line has no end");
        }
    }
    let mut line = vec![0; length.min(NAME_BYTES_MAX)];
    stream.read_exact(&mut line).await?;
    Ok(String::from_utf8(line)?)
}

/// Reads until there is no more.
pub async fn drain(stream: &mut (impl AsyncRead + Unpin)) {
    let mut buffer = vec![0; READ_BYTES];
    while let Ok(1..) = stream.read(&mut buffer).await {}
}

/// What a node says of itself.
pub fn identification(names: &Names, keypair: &Keypair) -> Vec<u8> {
    let key = keypair.public().encode_protobuf();
    [
        field(1, &key),
        field(3, names.dht().as_bytes()),
        field(5, names.chain().as_bytes()),
        field(6, b"hostile (agent)"),
    ]
    .concat()
}
