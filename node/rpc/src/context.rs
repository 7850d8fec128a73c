//! What every method works with.

use crate::{
    Backend, PoolRequest, ProofRequest,
    access::Access,
    config::{BLOCKING_MAX, SMALL_BYTES_MAX},
    error::Error,
    last_changes::LastChanges,
    metrics::Metrics,
};
use chain::Head;
use crossbeam_channel::{Sender, TrySendError};
use primitives::{Hash, Height, RawValue, StateRead};
use runtime::{Position, Rules};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use storage::{Database, EVENTS_KEY, OVERLAY_BLOCKS_MAX, Snapshot};
use tokio::sync::{Semaphore, oneshot};

pub(crate) struct Context {
    pub backend: Backend,
    pub genesis: Hash,
    pub metrics: Metrics,
    /// What callers may call.
    pub access: Access,
    /// What the latest blocks wrote to.
    pub last_changes: LastChanges,
    /// States after the latest blocks, the newest last; at most [`OVERLAY_BLOCKS_MAX`]. They are read faster than older ones.
    recent: Mutex<VecDeque<Snapshot>>,
    blocking: Arc<Semaphore>,
}

/// The state that a request asks for.
pub(crate) enum State {
    /// It can be read.
    Live(Snapshot),
    /// The block is known, its state is pruned but for its events.
    Discarded { hash: Hash, height: Height },
}

impl Context {
    pub fn new(backend: Backend, metrics: Metrics, access: Access) -> Result<Self, Error> {
        let genesis = backend.database.hash(0)?.ok_or(Error::Failed)?;
        let blocking = Arc::new(Semaphore::new(BLOCKING_MAX));
        let context = Self {
            backend,
            genesis,
            metrics,
            access,
            last_changes: LastChanges::default(),
            recent: Mutex::default(),
            blocking,
        };
        let head = context.head();
        context.last_changes.note(context.database(), &head.snapshot)?;
        Ok(context)
    }

    /// The head; whoever is told of it can read its state for a while.
    pub fn head(&self) -> Head {
        let head = self.backend.heads.borrow().clone();
        self.note(head.snapshot.clone());
        head
    }

    /// Blocks by height. It also tells whether the node is an archive, and how far states go back.
    pub fn database(&self) -> &Database {
        &self.backend.database
    }

    /// Keeps the state of a new head at hand for a while.
    pub fn note(&self, snapshot: Snapshot) {
        let mut recent = self.recent();
        if recent.back().is_none_or(|last| last.height < snapshot.height) {
            recent.push_back(snapshot);
        }
        if recent.len() > OVERLAY_BLOCKS_MAX {
            recent.pop_front();
        }
    }

    /// The state after the head or one of the latest blocks, at hand without a look into the database.
    fn recent_state(&self, head: &Head, at: Option<Hash>) -> Option<Snapshot> {
        match at.filter(|hash| *hash != head.hash) {
            Some(hash) => self.recent().iter().find(|state| state.hash == hash).cloned(),
            None => Some(head.snapshot.clone()),
        }
    }

    /// The height of a block that everybody may know of; of the head if none is named.
    fn height(&self, head: &Head, at: Option<Hash>) -> Result<Height, Error> {
        let Some(hash) = at.filter(|hash| *hash != head.hash) else { return Ok(head.height) };
        self.height_up_to(head, &hash)?.ok_or(Error::UnknownBlock(hash))
    }

    /// One that is stored above the head will be the head in a moment.
    fn height_up_to(&self, head: &Head, hash: &Hash) -> Result<Option<Height>, Error> {
        Ok(self.database().height(hash)?.filter(|height| *height <= head.height))
    }

    /// The height of a block that everybody may know of, if there is one of this hash.
    pub fn known_height(&self, hash: &Hash) -> Result<Option<Height>, Error> {
        self.height_up_to(&self.head(), hash)
    }

    /// A value in the state after a block, if it is small and known without a look into the database.
    pub fn known_value(&self, at: Option<Hash>, key: &[u8]) -> Option<Option<RawValue>> {
        let value = self.recent_state(&self.head(), at)?.known(key)?;
        let is_small = value.as_ref().is_none_or(|value| value.len() <= SMALL_BYTES_MAX);
        is_small.then_some(value)
    }

    /// The state after a block; after the best one if none is named. It is [`State::Live`] at every height from
    /// [`Database::oldest_state`] on.
    ///
    /// This reads the database if the block is not the head. [`Snapshot`] says what reads of a state cost: little for the
    /// latest blocks, more at older ones. Let it go when the request is answered.
    pub fn state(&self, at: Option<Hash>) -> Result<State, Error> {
        let head = self.head();
        if let Some(snapshot) = self.recent_state(&head, at) {
            return Ok(State::Live(snapshot));
        }
        let height = self.height(&head, at)?;
        Ok(match self.database().state_at(&head.snapshot, height)? {
            Some(snapshot) => State::Live(snapshot),
            None => State::Discarded { hash: at.unwrap_or(head.hash), height },
        })
    }

    /// The state after a block, whole; see [`Self::state`].
    pub fn snapshot(&self, at: Option<Hash>) -> Result<Snapshot, Error> {
        match self.state(at)? {
            State::Live(snapshot) => Ok(snapshot),
            State::Discarded { hash, .. } => Err(Error::Discarded(hash)),
        }
    }

    /// A value in the state after a block.
    pub fn value(&self, state: &State, key: &[u8]) -> Result<Option<RawValue>, Error> {
        match state {
            State::Live(snapshot) => Ok(snapshot.get(key)),
            State::Discarded { height, .. } if key == EVENTS_KEY => {
                let events = self.database().events(*height)?;
                Ok(events.filter(|events| !events.is_empty()))
            }
            State::Discarded { hash, .. } => Err(Error::Discarded(*hash)),
        }
    }

    /// The rules after a block, after the best one if none is named: those that its child is made by. A block whose state is
    /// gone has them too.
    pub fn rules(&self, at: Option<Hash>) -> Result<Rules, Error> {
        let head = self.head();
        let height = self.height(&head, at)?;
        Ok(Rules::after(&head.snapshot, height))
    }

    /// Answers a runtime call in a state.
    pub fn call(&self, snapshot: &Snapshot, method: &str, args: &[u8]) -> Result<Vec<u8>, Error> {
        let at = self.position(snapshot.height, snapshot.hash);
        Ok(runtime::call(snapshot, &at, method, args)?)
    }

    /// Where a transaction would stand after a block.
    pub fn position(&self, height: Height, parent: Hash) -> Position {
        let rules = Rules::after(&self.head().snapshot, height);
        Position { height: height.saturating_add(1), parent, genesis: self.genesis, rules }
    }

    /// Does what may wait for a disk or takes long, away from the threads that serve sockets.
    pub async fn blocking<R: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> Result<R, Error> + Send + 'static,
    ) -> Result<R, Error> {
        let permit = self.blocking.clone().acquire_owned().await.map_err(|_| Error::Stopping)?;
        let this = self.clone();
        let work = move || {
            let _permit = permit;
            work(&this)
        };
        let result = tokio::task::spawn_blocking(work).await.map_err(|error| {
            tracing::error!(%error, "request failed");
            if error.is_panic() { Error::Failed } else { Error::Stopping }
        })?;
        if let Err(Error::Storage(error)) = &result {
            tracing::error!(%error, "database failed");
        }
        result
    }

    /// Asks the pool, and waits for its answer.
    pub async fn ask_pool<R>(
        &self,
        request: impl FnOnce(oneshot::Sender<R>) -> PoolRequest,
    ) -> Result<R, Error> {
        ask(&self.backend.pool, request, Error::PoolBusy).await
    }

    /// Asks who makes proofs, and waits for its answer.
    pub async fn ask_prover<R>(
        &self,
        request: impl FnOnce(oneshot::Sender<R>) -> ProofRequest,
    ) -> Result<R, Error> {
        ask(&self.backend.proofs, request, Error::ProverBusy).await
    }

    fn recent(&self) -> MutexGuard<'_, VecDeque<Snapshot>> {
        // A panic inside leaves the queue whole.
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks another thread, and waits for its answer; `busy` if it has too much to do.
async fn ask<Q, R>(
    requests: &Sender<Q>,
    request: impl FnOnce(oneshot::Sender<R>) -> Q,
    busy: Error,
) -> Result<R, Error> {
    let (answer, answered) = oneshot::channel();
    requests.try_send(request(answer)).map_err(|error| match error {
        TrySendError::Full(_) => busy,
        TrySendError::Disconnected(_) => Error::Stopping,
    })?;
    answered.await.map_err(|_| Error::Stopping)
}
