//! Requests: one protocol each.
//!
//! ```text
//! frame   = length (u32, big endian) bytes
//! request = frame, answer = frame, or nothing: the peer refuses
//! ```

use crate::{PeerFault, Protocol, READING_BYTES_MAX, RequestError, names::Names};
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::{
    PeerId, StreamProtocol,
    request_response::{
        Behaviour, Codec, Config, InboundRequestId, OutboundFailure, OutboundRequestId,
        ProtocolSupport,
    },
};
use std::{
    collections::BTreeMap,
    io::{self, ErrorKind},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// Bytes that are set aside for a frame before any of it has come.
const ROOM_BYTES: usize = 16 << 10;
const LENGTH_BYTES: usize = 4;
/// Streams live longer than requests, so that whoever asks finds out by itself that there is no answer in time, and does
/// not see the other side give up.
const SLACK: Duration = Duration::from_secs(1);

/// The request-response behaviour of one protocol.
pub(crate) type Exchange = Behaviour<Frames>;

/// Makes the behaviour of one protocol.
pub(crate) fn exchange(names: &Names, protocol: Protocol) -> Exchange {
    let bounds = protocol.bounds();
    let frames = Frames::new(bounds.request_bytes_max, bounds.answer_bytes_max);
    // Both directions share the streams of a connection: this node's requests find some however many the peer sends.
    let config = Config::default()
        .with_request_timeout(bounds.timeout + SLACK)
        .with_max_concurrent_streams(4 * bounds.per_peer_max);
    Behaviour::with_codec(frames, [(names.request(protocol), ProtocolSupport::Full)], config)
}

/// A request as it was read.
#[derive(Debug)]
pub(crate) enum Read {
    /// One that keeps to the rules.
    Request {
        bytes: Vec<u8>,
        /// Room for it among all that is being read; this node's own need none.
        _room: Option<OwnedSemaphorePermit>,
    },
    /// One that is cut off or too large.
    Malformed,
    /// One that there is no room for.
    NoRoom,
}

/// Reads and writes frames, of bounded size.
#[derive(Clone)]
pub(crate) struct Frames {
    request_bytes_max: usize,
    answer_bytes_max: usize,
    reading: Arc<Semaphore>,
}

impl Frames {
    pub fn new(request_bytes_max: usize, answer_bytes_max: usize) -> Self {
        let reading = Arc::new(Semaphore::new(READING_BYTES_MAX));
        Self { request_bytes_max, answer_bytes_max, reading }
    }
}

impl Codec for Frames {
    type Protocol = StreamProtocol;
    type Request = Read;
    type Response = Option<Vec<u8>>;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Read>
    where
        T: AsyncRead + Unpin + Send,
    {
        let size = match read_length(io, self.request_bytes_max).await {
            Ok(Some(size)) => size,
            Ok(None) => return Ok(Read::Malformed),
            Err(error) if is_malformed(&error) => return Ok(Read::Malformed),
            Err(error) => return Err(error),
        };
        // What is set aside at first counts in any case.
        let counted = u32::try_from(size.max(ROOM_BYTES)).unwrap_or(u32::MAX);
        let Ok(room) = Arc::clone(&self.reading).try_acquire_many_owned(counted) else {
            return Ok(Read::NoRoom);
        };
        match read_bytes(io, size).await {
            Ok(bytes) => Ok(Read::Request { bytes, _room: Some(room) }),
            Err(error) if is_malformed(&error) => Ok(Read::Malformed),
            Err(error) => Err(error),
        }
    }

    async fn read_response<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
    ) -> io::Result<Option<Vec<u8>>>
    where
        T: AsyncRead + Unpin + Send,
    {
        match read_length(io, self.answer_bytes_max).await? {
            Some(size) => Ok(Some(read_bytes(io, size).await?)),
            None => Ok(None),
        }
    }

    async fn write_request<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        request: Read,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        match request {
            Read::Request { bytes, .. } => write_frame(io, &bytes).await,
            Read::Malformed | Read::NoRoom => Err(ErrorKind::InvalidInput.into()),
        }
    }

    async fn write_response<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        answer: Option<Vec<u8>>,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        match answer {
            Some(bytes) => write_frame(io, &bytes).await,
            None => Ok(()),
        }
    }
}

/// Whether the peer broke the rules, and it is not the connection that broke.
fn is_malformed(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof)
}

/// The length of the frame that comes, if one does.
async fn read_length<T: AsyncRead + Unpin>(io: &mut T, max: usize) -> io::Result<Option<usize>> {
    let mut length = [0; LENGTH_BYTES];
    if io.read(&mut length[..1]).await? == 0 {
        return Ok(None);
    }
    io.read_exact(&mut length[1..]).await?;
    let size = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if size > max { Err(ErrorKind::InvalidData.into()) } else { Ok(Some(size)) }
}

/// The bytes of a frame. Room is made as they come, so that a length alone costs nothing.
async fn read_bytes<T: AsyncRead + Unpin>(io: &mut T, size: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(size.min(ROOM_BYTES));
    let limit = u64::try_from(size).unwrap_or(u64::MAX);
    io.take(limit).read_to_end(&mut bytes).await?;
    if bytes.len() == size { Ok(bytes) } else { Err(ErrorKind::UnexpectedEof.into()) }
}

async fn write_frame<T: AsyncWrite + Unpin>(io: &mut T, bytes: &[u8]) -> io::Result<()> {
    let length = u32::try_from(bytes.len()).map_err(|_| ErrorKind::InvalidInput)?;
    io.write_all(&length.to_be_bytes()).await?;
    io.write_all(bytes).await?;
    io.flush().await
}

/// Where the answer to a request of this node goes.
pub(crate) type Asker = oneshot::Sender<Result<Vec<u8>, RequestError>>;

struct Asked {
    peer: PeerId,
    asker: Asker,
    deadline: Instant,
}

/// Requests of one protocol that are under way.
#[derive(Default)]
pub(crate) struct UnderWay {
    asked: BTreeMap<OutboundRequestId, Asked>,
    served: BTreeMap<InboundRequestId, PeerId>,
}

impl UnderWay {
    /// Whether a peer can be asked one more.
    pub fn can_ask(&self, protocol: Protocol, peer: &PeerId) -> bool {
        let bounds = protocol.bounds();
        self.asked.len() < bounds.in_all_max
            && self.asked.values().filter(|asked| asked.peer == *peer).count() < bounds.per_peer_max
    }

    pub fn ask(&mut self, id: OutboundRequestId, peer: PeerId, asker: Asker, deadline: Instant) {
        self.asked.insert(id, Asked { peer, asker, deadline });
    }

    /// Tells whoever asked. `false` if it has been told already that there is no answer in time.
    pub fn answer(&mut self, id: OutboundRequestId, answer: Result<Vec<u8>, RequestError>) -> bool {
        let Some(asked) = self.asked.remove(&id) else { return false };
        // It may not want to know any more.
        let _ = asked.asker.send(answer);
        true
    }

    /// Tells all whose time is over, and names the peers that did not answer.
    pub fn expire(&mut self, now: Instant) -> Vec<PeerId> {
        let late = self.asked.extract_if(.., |_, asked| asked.deadline <= now);
        let tell = |(_, Asked { peer, asker, .. })| {
            // It may not want to know any more.
            let _ = asker.send(Err(RequestError::TimedOut));
            peer
        };
        late.map(tell).collect()
    }

    /// Begins to serve a request of a peer, if it and all have not too many under way. It is until the answer is sent,
    /// however slowly the peer reads.
    pub fn begin(&mut self, protocol: Protocol, id: InboundRequestId, peer: PeerId) -> bool {
        let bounds = protocol.bounds();
        let of_peer = self.served.values().filter(|other| **other == peer).count();
        let has_room = of_peer < bounds.per_peer_max && self.served.len() < bounds.in_all_max;
        if has_room {
            self.served.insert(id, peer);
        }
        has_room
    }

    /// Ends serving one. `false` if it was not served.
    pub fn end(&mut self, id: InboundRequestId) -> bool {
        self.served.remove(&id).is_some()
    }
}

/// What a failure means for whoever asked.
pub(crate) fn error_of(failure: &OutboundFailure) -> RequestError {
    match failure {
        OutboundFailure::DialFailure | OutboundFailure::ConnectionClosed => {
            RequestError::Unreachable
        }
        OutboundFailure::Timeout => RequestError::TimedOut,
        OutboundFailure::UnsupportedProtocols => RequestError::Refused,
        OutboundFailure::Io(error) if error.kind() == ErrorKind::InvalidData => {
            RequestError::Refused
        }
        OutboundFailure::Io(_) => RequestError::Unreachable,
    }
}

/// What a failure says about the peer.
pub(crate) fn fault_of(failure: &OutboundFailure) -> Option<PeerFault> {
    match failure {
        OutboundFailure::Timeout => Some(PeerFault::Unhelpful),
        OutboundFailure::Io(error) if error.kind() == ErrorKind::InvalidData => {
            Some(PeerFault::Malformed)
        }
        _ => None,
    }
}
