//! What is held for a connection: a peer that does not read is not read from, and all peers together hold no more than a
//! budget.
//!
//! jsonrpsee reads all that comes and runs each message in a task of its own, whose answer waits until it can be sent. A peer
//! that sends and never reads would so fill the memory. Here, reading pauses while writing does and while the requests that
//! came and are not answered yet are large; methods with large answers pause with it, and while answers wait to be written.

use crate::config::{REQUEST_BYTES_IN_FLIGHT_MAX, UNWRITTEN_BYTES_MAX};
use std::{
    io, mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
};
use tokio::sync::Notify;

/// Part of what is left of the budget that one connection may hold: who comes last still finds room.
const SHARE: usize = 4;
/// There is room for so little always, as an error would be no smaller; how many requests are worked on bounds it.
const ALWAYS_BYTES: usize = 1 << 10;
/// Who asks the socket for more bytes than this at once has made room for a message of that size.
const BUFFER_BYTES: usize = 64 << 10;

/// Bytes that all connections may hold together: of messages that come in, requests that are worked on, answers and
/// notifications that are not written.
#[derive(Debug)]
pub(crate) struct Budget {
    bytes_max: usize,
    held: AtomicUsize,
}

impl Default for Budget {
    /// No bound.
    fn default() -> Self {
        Self::new(usize::MAX)
    }
}

impl Budget {
    /// A budget of so many bytes.
    pub fn new(bytes_max: usize) -> Self {
        Self { bytes_max, held: AtomicUsize::new(0) }
    }

    /// Takes bytes for a connection that holds `own` already; it gets no more than its share.
    fn take(&self, own: usize, bytes: usize) -> bool {
        let taken = self.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |held| {
            let share = self.bytes_max.saturating_sub(held) / SHARE;
            (bytes <= ALWAYS_BYTES || own + bytes <= share).then_some(held + bytes)
        });
        taken.is_ok()
    }

    fn give_back(&self, bytes: usize) {
        self.held.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Bytes that are held.
    #[cfg(test)]
    pub fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }
}

/// Whether a connection is read from, and what it holds; shared by its socket and its requests.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flow(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    budget: Arc<Budget>,
    state: Mutex<State>,
    /// Told when the peer reads again.
    flows: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// The peer does not take what is written.
    stalled: bool,
    /// Nothing is written any more; it may have taken nothing for too long.
    given_up: bool,
    /// Bytes of the message that is coming in, if it is large.
    incoming: usize,
    /// Bytes of requests that are not answered, and of answers that are not among the unwritten yet.
    working: usize,
    /// Bytes of answers that are on their way to the socket.
    unwritten: usize,
    /// Who waits to read.
    reader: Option<Waker>,
}

impl State {
    fn is_open(&self) -> bool {
        self.given_up || !self.stalled && self.working <= REQUEST_BYTES_IN_FLIGHT_MAX
    }

    fn flows(&self) -> bool {
        self.given_up || !self.stalled && self.unwritten <= UNWRITTEN_BYTES_MAX
    }

    fn held(&self) -> usize {
        self.incoming + self.working + self.unwritten
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

impl Drop for Shared {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        self.budget.give_back(state.held());
    }
}

impl Flow {
    /// A new connection's.
    pub fn new(budget: Arc<Budget>) -> Self {
        Self(Arc::new(Shared { budget, state: Mutex::default(), flows: Notify::new() }))
    }

    /// Waits until the peer reads, and has read most of what it asked for.
    pub async fn flows(&self) {
        loop {
            let told = self.0.flows.notified();
            tokio::pin!(told);
            // From here on nothing is missed.
            told.as_mut().enable();
            if self.state().flows() {
                return;
            }
            told.await;
        }
    }

    /// Counts the bytes of a request or its answer until the guard goes; `None` if there is no room for them.
    pub fn hold(&self, bytes: usize) -> Option<Held> {
        let mut state = self.state();
        if !self.0.budget.take(state.held(), bytes) {
            return None;
        }
        state.working += bytes;
        Some(Held { flow: self.clone(), bytes })
    }

    /// Makes room for a message that comes in and needs so many bytes in all; what is small needs none.
    pub fn expect(&self, bytes: usize) -> io::Result<()> {
        let mut state = self.state();
        if bytes <= BUFFER_BYTES {
            // The one before has been read.
            self.0.budget.give_back(mem::take(&mut state.incoming));
        } else if bytes > state.incoming {
            if !self.0.budget.take(state.held(), bytes - state.incoming) {
                return Err(io::Error::other("there is no room for so large a message"));
            }
            state.incoming = bytes;
        }
        Ok(())
    }

    /// Bytes have left.
    pub fn wrote(&self, bytes: usize) {
        let mut state = self.state();
        let counted = bytes.min(state.unwritten);
        if counted == 0 {
            return;
        }
        let flowed = state.flows();
        state.unwritten -= counted;
        self.0.budget.give_back(counted);
        if !flowed && state.flows() {
            self.0.flows.notify_waiters();
        }
    }

    /// Waits until more may be read.
    pub fn poll_open(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
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

    /// Whether the peer takes what is written.
    pub fn set_stalled(&self, stalled: bool) {
        let mut state = self.state();
        if state.stalled != stalled {
            state.stalled = stalled;
            state.wake();
            self.0.flows.notify_waiters();
        }
    }

    /// Nothing is written any more: ends reading too, so that nothing is left of the connection.
    pub fn give_up(&self) {
        let mut state = self.state();
        state.given_up = true;
        state.wake();
        self.0.flows.notify_waiters();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic inside leaves the counts whole.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn too_long() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the peer has not read for too long")
}

/// Bytes that are held for a connection.
#[derive(Debug)]
pub(crate) struct Held {
    flow: Flow,
    bytes: usize,
}

impl Held {
    /// They go to the socket now, and count until they are written.
    pub fn sending(mut self) -> Sending {
        let bytes = mem::take(&mut self.bytes);
        let mut state = self.flow.state();
        state.working -= bytes;
        state.unwritten += bytes;
        state.wake();
        Sending { flow: self.flow.clone(), bytes }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.bytes > 0 {
            let mut state = self.flow.state();
            state.working -= self.bytes;
            self.flow.0.budget.give_back(self.bytes);
            state.wake();
        }
    }
}

/// Bytes on their way to the socket. They are not counted any more if this goes before they are [`Self::sent`].
#[derive(Debug)]
pub(crate) struct Sending {
    flow: Flow,
    bytes: usize,
}

impl Sending {
    /// They will be written, or the connection is over.
    pub fn sent(mut self) {
        self.bytes = 0;
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.flow.wrote(self.bytes);
    }
}
