//! A connection's socket, which tells its flow. Answers that are ready together leave together.
//!
//! jsonrpsee flushes after each message, and each would be a call of the system. Here a message goes into a pipe, from which a
//! task takes all that there is once the other tasks had their turn.

use crate::flow::Flow;
use futures::FutureExt;
use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{
        AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, ReadHalf,
        WriteHalf, duplex, split,
    },
    task::yield_now,
    time::timeout,
};

/// Bytes that wait to be written; more make their senders wait.
const PIPE_BYTES_MAX: usize = 64 << 10;

/// What a connection reads from and writes to.
#[derive(Debug)]
pub(crate) struct Socket<S> {
    inner: ReadHalf<S>,
    /// Only written to.
    outgoing: DuplexStream,
    flow: Flow,
}

impl<S: AsyncRead + AsyncWrite + Send + 'static> Socket<S> {
    /// A socket of a peer that may read nothing for so long. `kept` goes when all is written.
    pub fn new(inner: S, flow: Flow, stalled_max: Duration, kept: impl Send + 'static) -> Self {
        let (reader, writer) = split(inner);
        let (outgoing, outlet) = duplex(PIPE_BYTES_MAX);
        let flowing = flow.clone();
        tokio::spawn(async move {
            let _kept = kept;
            // How a connection ends is nobody's concern; who waits for its peer is told.
            let _ = write(writer, outlet, &flowing, stalled_max).await;
            flowing.give_up();
        });
        Self { inner: reader, outgoing, flow }
    }
}

/// Writes all that comes, until nothing follows or the peer takes nothing for too long.
async fn write<S: AsyncWrite>(
    mut socket: WriteHalf<S>,
    mut outlet: DuplexStream,
    flow: &Flow,
    stalled_max: Duration,
) -> io::Result<()> {
    let mut batch = Vec::with_capacity(PIPE_BYTES_MAX);
    while outlet.read_buf(&mut batch).await? > 0 {
        yield_now().await;
        // What came meanwhile; an end is met again.
        outlet.read_buf(&mut batch).now_or_never().transpose()?;
        let mut rest = batch.as_slice();
        while !rest.is_empty() {
            let written = match socket.write(rest).now_or_never() {
                Some(written) => written?,
                None => {
                    flow.set_stalled(true);
                    let written = timeout(stalled_max, socket.write(rest)).await??;
                    flow.set_stalled(false);
                    written
                }
            };
            flow.wrote(written);
            rest = &rest[written..];
        }
        batch.clear();
    }
    socket.shutdown().await
}

impl<S: AsyncRead> AsyncRead for Socket<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.flow.poll_open(cx))?;
        ready!(this.flow.poll_expect(cx, buffer.remaining()))?;
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.inner).poll_read(cx, buffer))?;
        this.flow.arrived(buffer.filled().len() - before);
        Poll::Ready(Ok(()))
    }
}

impl<S> AsyncWrite for Socket<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().outgoing).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().outgoing).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.outgoing.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().outgoing).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().outgoing).poll_shutdown(cx)
    }
}
