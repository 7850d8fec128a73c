//! What the clients of `chainHead_v1_follow` hold: blocks that are pinned for them, and operations that are under way.

use crate::{
    config::{
        FOLLOWS_PER_CONNECTION_MAX, OPERATIONS_PER_FOLLOW_MAX, PINS_MAX, PINS_PER_FOLLOW_MAX,
    },
    error::Error,
    metrics::{Metrics, Open},
    subscriber::{Closed, Subscriber},
};
use primitives::{Hash, Height};
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Deref,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::oneshot;

/// The follows of one connection, by the ids of their subscriptions.
#[derive(Debug, Default)]
pub(crate) struct Follows(Mutex<BTreeMap<String, Arc<Follow>>>);

/// One follow.
#[derive(Debug)]
pub(crate) struct Follow {
    /// Whether the client is told of changes of the rules, and may call them.
    pub with_runtime: bool,
    metrics: Metrics,
    state: Mutex<State>,
    /// Where events go. It is gone when the last event is.
    subscriber: tokio::sync::Mutex<Option<Subscriber>>,
    _open: Open,
}

#[derive(Debug, Default)]
struct State {
    is_over: bool,
    pins: BTreeMap<Hash, Pin>,
    /// How many operations were begun.
    begun: u64,
    operations: BTreeMap<u64, Underway>,
}

#[derive(Debug)]
struct Pin {
    height: Height,
    _open: Open,
}

#[derive(Debug)]
struct Underway {
    /// Tells an operation that waits for the client to go on.
    go_on: Option<oneshot::Sender<()>>,
    /// When it goes, the operation ends.
    _running: oneshot::Sender<()>,
}

/// The follow has as many pins as it may.
#[derive(Debug)]
pub(crate) struct TooManyPins;

impl Follows {
    /// Begins a follow of which requests know from now on.
    pub fn open(
        self: &Arc<Self>,
        metrics: &Metrics,
        id: String,
        with_runtime: bool,
    ) -> Result<Opened, Error> {
        let mut follows = self.follows();
        if follows.len() >= FOLLOWS_PER_CONNECTION_MAX {
            return Err(Error::TooManyFollows);
        }
        let follow = Arc::new(Follow {
            with_runtime,
            metrics: metrics.clone(),
            state: Mutex::default(),
            subscriber: tokio::sync::Mutex::default(),
            _open: metrics.follow(),
        });
        follows.insert(id.clone(), follow.clone());
        Ok(Opened { follows: self.clone(), id, follow })
    }

    /// The follow with an id, if it goes on.
    pub fn get(&self, id: &str) -> Option<Arc<Follow>> {
        self.follows().get(id).cloned()
    }

    fn follows(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Follow>>> {
        // A panic inside leaves the map whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A follow that goes on as long as this lives. Then its pins are gone, its operations end, and no request finds it.
#[derive(Debug)]
pub(crate) struct Opened {
    follows: Arc<Follows>,
    id: String,
    follow: Arc<Follow>,
}

impl Opened {
    /// Says where events go.
    pub async fn begin(&self, subscriber: Subscriber) {
        *self.follow.subscriber.lock().await = Some(subscriber);
    }

    /// Ends the follow, and tells the client with an event that nothing follows.
    pub async fn stop(self, event: &impl Serialize) -> Result<(), Closed> {
        let follow = self.follow.clone();
        drop(self);
        match follow.subscriber.lock().await.take() {
            Some(subscriber) => subscriber.tell(event).await,
            None => Err(Closed),
        }
    }
}

impl Deref for Opened {
    type Target = Follow;

    fn deref(&self) -> &Follow {
        &self.follow
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.follows.follows().remove(&self.id);
        let mut state = self.follow.state();
        *state = State { is_over: true, ..State::default() };
    }
}

impl Follow {
    /// Sends an event, after those that were sent before.
    pub async fn tell(&self, event: &impl Serialize) -> Result<(), Closed> {
        match &*self.subscriber.lock().await {
            Some(subscriber) => subscriber.tell(event).await,
            None => Err(Closed),
        }
    }

    /// Pins a block. Beyond [`PINS_MAX`] pins in all, only who has less than a fair share may have more.
    pub fn pin(&self, height: Height, hash: Hash) -> Result<(), TooManyPins> {
        let mut state = self.state();
        let (pins, follows) = self.metrics.pins_and_follows();
        let has_share = state.pins.len() < PINS_MAX / follows.max(1);
        if state.pins.len() >= PINS_PER_FOLLOW_MAX || pins >= PINS_MAX && !has_share {
            return Err(TooManyPins);
        }
        state.pins.insert(hash, Pin { height, _open: self.metrics.pin() });
        Ok(())
    }

    /// The height of a pinned block.
    pub fn pinned(&self, hash: &Hash) -> Result<Height, Error> {
        self.state().pins.get(hash).map(|pin| pin.height).ok_or(Error::NotPinned(*hash))
    }

    /// The lowest height that is pinned.
    pub fn lowest_pin(&self) -> Option<Height> {
        self.state().pins.values().map(|pin| pin.height).min()
    }

    /// Unpins all of these, or none.
    pub fn unpin(&self, hashes: &[Hash]) -> Result<(), Error> {
        let mut state = self.state();
        let mut seen = BTreeSet::new();
        if let Some(twice) = hashes.iter().find(|hash| !seen.insert(**hash)) {
            return Err(Error::DuplicateHash(*twice));
        }
        if let Some(unknown) = hashes.iter().find(|hash| !state.pins.contains_key(hash)) {
            return Err(Error::NotPinned(*unknown));
        }
        for hash in hashes {
            state.pins.remove(hash);
        }
        Ok(())
    }

    /// Begins an operation; also what resolves when it is to end early. `None` if too many are under way.
    pub fn begin(self: &Arc<Self>) -> Option<(Operation, oneshot::Receiver<()>)> {
        let mut state = self.state();
        if state.is_over || state.operations.len() >= OPERATIONS_PER_FOLLOW_MAX {
            return None;
        }
        let (running, ended) = oneshot::channel();
        let id = state.begun;
        state.begun += 1;
        state.operations.insert(id, Underway { go_on: None, _running: running });
        let open = self.metrics.operation();
        Some((Operation { follow: self.clone(), id, _open: open }, ended))
    }

    /// Lets an operation go on that waits for its client; nothing happens if there is none of this name.
    pub fn go_on(&self, operation: &str) -> Result<(), Error> {
        let mut state = self.state();
        let found = operation.parse().ok().and_then(|id: u64| state.operations.get_mut(&id));
        let Some(underway) = found else { return Ok(()) };
        let go_on = underway.go_on.take().ok_or(Error::NotWaiting)?;
        // If it ends just now, it needs no word.
        let _ = go_on.send(());
        Ok(())
    }

    /// Ends an operation early, if there is one of this name.
    pub fn stop_operation(&self, operation: &str) {
        if let Ok(id) = operation.parse::<u64>() {
            self.state().operations.remove(&id);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic inside leaves the maps whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An operation; its place is free when this goes.
#[derive(Debug)]
pub(crate) struct Operation {
    follow: Arc<Follow>,
    id: u64,
    _open: Open,
}

impl Operation {
    /// Its name among those of its follow.
    pub fn name(&self) -> String {
        self.id.to_string()
    }

    /// Sends one of its events.
    pub async fn tell(&self, event: &impl Serialize) -> Result<(), Closed> {
        self.follow.tell(event).await
    }

    /// Tells the client with an event that it is waited for, and waits.
    pub async fn wait(&self, event: &impl Serialize) -> Result<(), Closed> {
        let (go_on, told) = oneshot::channel();
        match self.follow.state().operations.get_mut(&self.id) {
            Some(underway) => underway.go_on = Some(go_on),
            None => return Err(Closed),
        }
        self.tell(event).await?;
        told.await.map_err(|_| Closed)
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        self.follow.state().operations.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use jsonrpsee::types::ErrorObjectOwned;
    use prometheus_client::registry::Registry;

    fn hash(number: usize) -> Hash {
        Hash([u8::try_from(number).expect("it is small"); 32])
    }

    fn open(metrics: &Metrics) -> Opened {
        let follows = Arc::<Follows>::default();
        follows.open(metrics, "a".to_owned(), true).expect("there is room")
    }

    /// Pins blocks until no more can be; how many there were.
    fn pin_all(follow: &Opened) -> usize {
        (0..2 * PINS_PER_FOLLOW_MAX).take_while(|pin| follow.pin(1, hash(*pin)).is_ok()).count()
    }

    #[test]
    fn when_all_pins_are_taken_who_has_few_still_gets_a_fair_share() {
        let metrics = Metrics::new(&mut Registry::default());
        let greedy = [(); 3].map(|()| open(&metrics));
        let pinned: usize = greedy.iter().map(pin_all).sum();
        assert_eq!(pinned, 2 * PINS_PER_FOLLOW_MAX + PINS_MAX / 3, "the third gets its share");
        let late = open(&metrics);
        assert_eq!(pin_all(&late), PINS_MAX / 4);
        greedy[0].unpin(&[hash(1)]).expect("it is pinned");
        assert!(greedy[0].pin(1, hash(1)).is_err(), "it has more than its share");
        drop((greedy, late));
        assert_eq!(metrics.pins_and_follows(), (0, 0));
    }

    #[tokio::test]
    async fn an_operation_goes_on_only_when_it_waits_and_ends_with_its_follow() {
        let metrics = Metrics::new(&mut Registry::default());
        let opened = open(&metrics);
        let (operation, mut ended) = opened.follow.begin().expect("there is room");
        let early = opened.go_on(&operation.name()).expect_err("it does not wait");
        assert_eq!(ErrorObjectOwned::from(early).code(), -32803);
        assert!(opened.go_on("made up").is_ok());
        assert!((&mut ended).now_or_never().is_none(), "it goes on");
        let follow = opened.follow.clone();
        drop(opened);
        assert!(ended.await.is_err(), "nobody says more than that");
        assert!(follow.begin().is_none(), "the follow is over");
    }
}
