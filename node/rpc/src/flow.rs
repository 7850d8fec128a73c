//! What is held for a connection: a peer that does not read is not read from, and all peers together hold no more than a
//! budget.
//!
//! jsonrpsee reads all that comes and runs each message in a task of its own, whose answer waits until it can be sent. A peer
//! that sends and never reads would so fill the memory. Here, reading pauses while writing does and while the messages that
//! came and are not answered yet are large; methods with large answers pause with it, and while answers wait to be written.
//! All bytes count from the moment they are read, whatever they are: as what comes in, then with the message that is worked
//! on, then as an answer, until the socket has taken that.

use crate::config::{LARGE_IN_FLIGHT_MAX, REQUEST_BYTES_IN_FLIGHT_MAX, UNWRITTEN_BYTES_MAX};
use std::{
    io, mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};
use tokio::sync::{Notify, Semaphore};

/// Part of what is left of the budget that one caller may hold: who comes last still finds room.
const SHARE: usize = 4;
/// There is room for an answer or a notification of so little always, as an error would be no smaller; how many requests are
/// worked on, and how many subscriptions there are, bounds it.
const ALWAYS_BYTES: usize = 1 << 10;
/// How often who waits for room looks for it: others make it, and there are many of them.
const ROOM_LOOK: Duration = Duration::from_millis(50);
/// Bytes that come in are not counted up to this, as most messages are smaller. Who asks the socket for more at once has
/// made room for a message of that size.
const BUFFER_BYTES: usize = 64 << 10;

/// Bytes that all connections may hold together: of messages that come in or are worked on, of what subscriptions keep, and
/// of answers and notifications that are not written.
#[derive(Debug)]
pub(crate) struct Budget {
    bytes_max: usize,
    /// The largest message that is read.
    message_max: usize,
    held: AtomicUsize,
}

/// What one caller has with all its connections.
#[derive(Debug)]
pub(crate) struct Account {
    held: AtomicUsize,
    /// Permits for work that may wait for a disk or takes long. They are given back when that is done, though the connection
    /// may have ended before.
    pub work: Arc<Semaphore>,
}

impl Default for Account {
    fn default() -> Self {
        let work = Arc::new(Semaphore::new(LARGE_IN_FLIGHT_MAX));
        Self { held: AtomicUsize::new(0), work }
    }
}

impl Default for Budget {
    /// No bound.
    fn default() -> Self {
        Self::new(usize::MAX, usize::MAX)
    }
}

impl Budget {
    /// A budget of so many bytes, where a message has no more than so many.
    pub fn new(bytes_max: usize, message_max: usize) -> Self {
        Self { bytes_max, message_max, held: AtomicUsize::new(0) }
    }

    /// Takes bytes for a caller, who gets no more than its share.
    fn take(&self, account: &Account, bytes: usize) -> bool {
        let own = account.held.load(Ordering::Relaxed);
        let taken = self.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |held| {
            let share = self.bytes_max.saturating_sub(held) / SHARE;
            (bytes <= ALWAYS_BYTES || own + bytes <= share).then_some(held + bytes)
        });
        if taken.is_ok() {
            account.held.fetch_add(bytes, Ordering::Relaxed);
        }
        taken.is_ok()
    }

    fn add(&self, account: &Account, bytes: usize) {
        self.held.fetch_add(bytes, Ordering::Relaxed);
        account.held.fetch_add(bytes, Ordering::Relaxed);
    }

    fn give_back(&self, account: &Account, bytes: usize) {
        self.held.fetch_sub(bytes, Ordering::Relaxed);
        account.held.fetch_sub(bytes, Ordering::Relaxed);
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
    account: Arc<Account>,
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
    /// Bytes that came and are no message's yet.
    arrived: usize,
    /// Bytes that were asked for and are about to come.
    coming: usize,
    /// What is counted of both.
    incoming: usize,
    /// Bytes of messages that are not answered, and of answers that are not among the unwritten yet.
    working: usize,
    /// Bytes of answers and notifications that are on their way to the socket.
    unwritten: usize,
    /// Who waits to read until it may.
    reader: Option<Waker>,
    /// Who read last, to be told when there is no more to read.
    task: Option<Waker>,
}

impl State {
    fn is_open(&self) -> bool {
        self.given_up || !self.stalled && self.working <= REQUEST_BYTES_IN_FLIGHT_MAX
    }

    fn flows(&self) -> bool {
        self.given_up || !self.stalled && self.unwritten <= UNWRITTEN_BYTES_MAX
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

impl Shared {
    fn take(&self, bytes: usize) -> bool {
        self.budget.take(&self.account, bytes)
    }

    fn give_back(&self, bytes: usize) {
        self.budget.give_back(&self.account, bytes);
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        let bytes = state.incoming + state.unwritten;
        self.budget.give_back(&self.account, bytes);
    }
}

impl Flow {
    /// A new connection's.
    pub fn new(budget: Arc<Budget>, account: Arc<Account>) -> Self {
        let (state, flows) = (Mutex::default(), Notify::new());
        Self(Arc::new(Shared { budget, account, state, flows }))
    }

    /// What its caller has.
    pub fn account(&self) -> &Account {
        &self.0.account
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

    /// Counts the bytes of an answer or a notification until the guard goes; `None` if there is no room for them.
    pub fn hold(&self, bytes: usize) -> Option<Held> {
        if !self.0.take(bytes) {
            return None;
        }
        self.state().working += bytes;
        Some(Held { flow: self.clone(), bytes })
    }

    /// The same, once there is room.
    pub async fn room(&self, bytes: usize) -> Held {
        loop {
            if let Some(held) = self.hold(bytes) {
                return held;
            }
            tokio::time::sleep(ROOM_LOOK).await;
        }
    }

    /// Counts what a subscription or an operation keeps until the guard goes; `None` if there is no room for it.
    pub fn keep(&self, bytes: usize) -> Option<Kept> {
        self.0.take(bytes).then(|| Kept { flow: self.clone(), bytes })
    }

    /// Makes room for what comes in next, of which so much is asked for at once. It is waited for as long as this
    /// connection's own messages and answers may make some.
    pub fn poll_expect(&self, cx: &mut Context<'_>, asked: usize) -> Poll<io::Result<()>> {
        let mut state = self.state();
        state.coming = if asked > BUFFER_BYTES { asked } else { 0 };
        // More than one message is none of these, or has a task that counts it by itself.
        let wanted = (state.arrived + state.coming).min(self.0.budget.message_max);
        if wanted <= BUFFER_BYTES || wanted <= state.incoming {
            return Poll::Ready(Ok(()));
        }
        if self.0.take(wanted - state.incoming) {
            state.incoming = wanted;
        } else if state.working > 0 || state.unwritten > 0 {
            state.reader = Some(cx.waker().clone());
            return Poll::Pending;
        } else if wanted > 2 * BUFFER_BYTES {
            let error = io::Error::other("there is no room for so large a message");
            return Poll::Ready(Err(error));
        }
        Poll::Ready(Ok(()))
    }

    /// Bytes have come in.
    pub fn arrived(&self, bytes: usize) {
        let mut state = self.state();
        state.arrived += bytes;
        state.coming = state.coming.saturating_sub(bytes);
    }

    /// A message of about so many bytes has come in and is worked on: it counts until the guard goes.
    pub fn message(&self, bytes: usize) -> Held {
        let mut state = self.state();
        // Much more than that is the beginning of the next one.
        let rest = Some(state.arrived.saturating_sub(bytes)).filter(|rest| *rest > BUFFER_BYTES);
        state.arrived = rest.unwrap_or_default();
        let counted = state.incoming.saturating_sub(state.arrived + state.coming);
        state.incoming -= counted;
        // It is here, whether there is room or not.
        let missing = if bytes > BUFFER_BYTES { bytes.saturating_sub(counted) } else { 0 };
        self.0.budget.add(&self.0.account, missing);
        let bytes = counted + missing;
        state.working += bytes;
        Held { flow: self.clone(), bytes }
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
        self.0.give_back(counted);
        state.wake();
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
        if !state.task.as_ref().is_some_and(|task| task.will_wake(cx.waker())) {
            state.task = Some(cx.waker().clone());
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
        if let Some(task) = state.task.take() {
            task.wake();
        }
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
            self.flow.0.give_back(self.bytes);
            state.wake();
        }
    }
}

/// Bytes that are kept for a connection, and do not keep it from being read.
#[derive(Debug)]
pub(crate) struct Kept {
    flow: Flow,
    bytes: usize,
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.flow.0.give_back(self.bytes);
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
