//! A connection's socket: a peer that does not read is not read from.
//!
//! jsonrpsee reads all that comes and runs each message in a task of its own, whose answer waits until it can be sent. A peer
//! that sends and never reads would so fill the memory. Here, reading pauses while writing does and while the requests that
//! came and are not answered yet are large; methods with large answers pause with it.

use crate::config::REQUEST_BYTES_IN_FLIGHT_MAX;
use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::Notify,
    time::{Sleep, sleep},
};

/// Whether a connection is read from; shared by its socket and its requests.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flow(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// Told when the peer reads again.
    flows: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// The peer does not take what is written.
    stalled: bool,
    /// It has not for too long.
    given_up: bool,
    /// Bytes of requests that are not answered.
    request_bytes: usize,
    /// Who waits to read.
    reader: Option<Waker>,
}

impl State {
    fn is_open(&self) -> bool {
        self.given_up || !self.stalled && self.request_bytes <= REQUEST_BYTES_IN_FLIGHT_MAX
    }

    /// Lets the reader go on if it may.
    fn wake(&mut self) {
        if self.is_open()
            && let Some(reader) = self.reader.take()
        {
            reader.wake();
        }
    }
}

impl Flow {
    /// Waits until the peer reads.
    pub async fn flows(&self) {
        loop {
            let told = self.0.flows.notified();
            tokio::pin!(told);
            // From here on nothing is missed.
            told.as_mut().enable();
            if !self.state().stalled {
                return;
            }
            told.await;
        }
    }

    /// Counts the bytes of a request until the guard goes.
    pub fn hold(&self, bytes: usize) -> Held {
        self.state().request_bytes += bytes;
        Held { flow: self.clone(), bytes }
    }

    fn poll_open(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.state();
        if state.given_up {
            return Poll::Ready(Err(too_long()));
        }
        if state.is_open() {
            return Poll::Ready(Ok(()));
        }
        state.reader = Some(cx.waker().clone());
        Poll::Pending
    }

    fn set_stalled(&self, stalled: bool) {
        let mut state = self.state();
        if state.stalled != stalled {
            state.stalled = stalled;
            state.wake();
            self.0.flows.notify_waiters();
        }
    }

    /// Ends reading too, so that nothing is left of the connection.
    fn give_up(&self) {
        self.state().given_up = true;
        self.set_stalled(false);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic inside leaves the counts whole.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn too_long() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the peer has not read for too long")
}

/// Bytes of a request that is not answered.
#[derive(Debug)]
pub(crate) struct Held {
    flow: Flow,
    bytes: usize,
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut state = self.flow.state();
        state.request_bytes -= self.bytes;
        state.wake();
    }
}

/// A socket that tells its flow, and gives up on a peer that reads nothing for long.
#[derive(Debug)]
pub(crate) struct Socket<S> {
    inner: S,
    flow: Flow,
    stalled_max: Duration,
    /// When the write that is under way has taken too long.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl<S> Socket<S> {
    pub fn new(inner: S, flow: Flow, stalled_max: Duration) -> Self {
        Self { inner, flow, stalled_max, deadline: None }
    }

    /// Takes down how a write went.
    fn note<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        self.flow.set_stalled(written.is_pending());
        if written.is_ready() {
            self.deadline = None;
            return written;
        }
        let stalled_max = self.stalled_max;
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(sleep(stalled_max)));
        ready!(deadline.as_mut().poll(cx));
        self.flow.give_up();
        Poll::Ready(Err(too_long()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Socket<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.flow.poll_open(cx))?;
        Pin::new(&mut this.inner).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Socket<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.inner).poll_write(cx, bytes);
        this.note(cx, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.inner).poll_write_vectored(cx, parts);
        this.note(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}
