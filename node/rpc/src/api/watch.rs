//! Following one transaction from the pool into a block.

use super::author::transaction;
use crate::{
    PoolRequest, TxStatus, UPDATES_MAX,
    args::Args,
    context::Context,
    error::Error,
    follow::Follower,
    subscriber::{Caller, Closed, Subscriber},
};
use primitives::{Hash, OpaqueTransaction};
use serde::Serialize;
use std::{sync::Arc, time::Duration};
use tokio::sync::mpsc;

/// Time between `inBlock` and `finalized`. A block is final when it is first seen, but a client that gets both at once
/// may drop the first.
const FINALIZED_AFTER: Duration = Duration::from_millis(250);
/// Blocks in which a transaction is looked for that the pool says nothing about.
const SEARCHED_BLOCKS_MAX: u32 = 512;

/// What became of the transaction, in Substrate's words.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Update {
    Future,
    Ready,
    InBlock(Hash),
    Finalized(Hash),
    Usurped(Hash),
    Dropped,
    Invalid,
}

impl From<TxStatus> for Update {
    fn from(status: TxStatus) -> Self {
        match status {
            TxStatus::Ready => Self::Ready,
            TxStatus::Future => Self::Future,
            TxStatus::InBlock { block } => Self::InBlock(block),
            TxStatus::Usurped(by) => Self::Usurped(by),
            TxStatus::Dropped => Self::Dropped,
            TxStatus::Invalid => Self::Invalid,
        }
    }
}

/// Submits a transaction and tells what becomes of it. One that is refused is an error of the request.
pub(super) async fn watch(cx: Arc<Context>, mut args: Args, caller: Caller) -> Result<(), Closed> {
    let (updates, told) = mpsc::channel(UPDATES_MAX);
    // From before it is in, so that its block is not missed.
    let (mut follower, _) = Follower::new(&cx);
    let submitted = match transaction(&mut args) {
        Ok(bytes) => submit(&cx, bytes, updates).await,
        Err(error) => Err(error),
    };
    let hash = match submitted {
        Ok(hash) => hash,
        Err(error) => return caller.reject(error).await,
    };
    let subscriber = caller.accept().await?;
    let last = match tell(&subscriber, told).await? {
        Some(last) => last,
        None => search(&cx, &subscriber, &mut follower, hash).await?,
    };
    if let Update::InBlock(block) = last {
        // The pool may know of the block before the head is told; the client will ask for its state.
        let height = cx.blocking(move |cx| Ok(cx.database().height(&block)?)).await;
        if let Some(height) = height.map_err(|_| Closed)? {
            follower.reach(height, &subscriber).await?;
        }
    }
    finish(&subscriber, last).await
}

pub(super) async fn submit(
    cx: &Context,
    bytes: OpaqueTransaction,
    updates: mpsc::Sender<TxStatus>,
) -> Result<Hash, Error> {
    Ok(cx.ask_pool(|answer| PoolRequest::Watch { bytes, updates, answer }).await??)
}

/// Tells what the pool tells, up to the last word, which is returned; `None` if the pool ends without one.
async fn tell(
    subscriber: &Subscriber,
    mut updates: mpsc::Receiver<TxStatus>,
) -> Result<Option<Update>, Closed> {
    while let Some(status) = next(subscriber, &mut updates).await? {
        if status.is_final() {
            return Ok(Some(status.into()));
        }
        subscriber.tell(&Update::from(status)).await?;
    }
    Ok(None)
}

/// What the pool tells next; `None` if it ends.
pub(super) async fn next(
    subscriber: &Subscriber,
    updates: &mut mpsc::Receiver<TxStatus>,
) -> Result<Option<TxStatus>, Closed> {
    tokio::select! {
        () = subscriber.closed() => Err(Closed),
        status = updates.recv() => Ok(status),
    }
}

/// Looks for the transaction in the coming blocks; a pool that watches too many tells nothing of the rest.
pub(super) async fn search(
    cx: &Arc<Context>,
    subscriber: &Subscriber,
    follower: &mut Follower,
    hash: Hash,
) -> Result<Update, Closed> {
    for _ in 0..SEARCHED_BLOCKS_MAX {
        // It may be in a block before the follower's first, of which the pool has not heard yet.
        let found = cx.blocking(move |cx| match cx.database().transaction(&hash)? {
            Some(place) if place.height <= cx.head().height => {
                Ok(cx.database().hash(place.height)?)
            }
            _ => Ok(None),
        });
        if let Some(block) = found.await.map_err(|_| Closed)? {
            return Ok(Update::InBlock(block));
        }
        follower.latest(subscriber).await?;
    }
    Ok(Update::Dropped)
}

async fn finish(subscriber: &Subscriber, last: Update) -> Result<(), Closed> {
    subscriber.tell(&last).await?;
    if let Update::InBlock(block) = last {
        tokio::select! {
            () = subscriber.closed() => return Err(Closed),
            () = tokio::time::sleep(FINALIZED_AFTER) => {}
        }
        subscriber.tell(&Update::Finalized(block)).await?;
    }
    Ok(())
}
