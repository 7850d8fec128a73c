//! Telling a client of every block.

use super::events::{Event, Runtime};
use crate::{
    args::Args,
    config::{FINALIZED_TOLD_MAX, FOLLOW_LAG_BLOCKS_MAX},
    context::Context,
    error::Error,
    follow::Follower,
    follows::{Follow, Opened, TooManyPins},
    subscriber::{Caller, Closed, Subscriber},
};
use chain::Head;
use primitives::{Hash, Height};
use runtime::Rules;
use std::{convert::Infallible, sync::Arc};

/// Why a follow ends.
enum End {
    /// The client is gone, or wants no more.
    Closed,
    /// The next block cannot be told or not be pinned, or one that is pinned cannot be read any more.
    Stop,
}

impl From<Closed> for End {
    fn from(_: Closed) -> Self {
        Self::Closed
    }
}

impl From<TooManyPins> for End {
    fn from(_: TooManyPins) -> Self {
        Self::Stop
    }
}

/// A block as it is told.
struct Told {
    height: Height,
    hash: Hash,
    parent: Hash,
    /// The rules after it, for who wants to know.
    rules: Option<Rules>,
}

/// Tells of the latest blocks and of each that follows.
pub(super) async fn follow(cx: Arc<Context>, mut args: Args, caller: Caller) -> Result<(), Closed> {
    let opened = match open(&cx, &mut args, &caller) {
        Ok(opened) => opened,
        Err(error) => return caller.reject(error).await,
    };
    let subscriber = caller.accept().await?;
    opened.begin(subscriber.clone()).await;
    match run(&cx, &opened, &subscriber).await {
        Err(End::Closed) => Err(Closed),
        Err(End::Stop) => opened.stop(&Event::Stop).await,
    }
}

fn open(cx: &Context, args: &mut Args, caller: &Caller) -> Result<Opened, Error> {
    let with_runtime = args.next("withRuntime")?;
    caller.session.follows.open(&cx.metrics, caller.id(), with_runtime)
}

async fn run(
    cx: &Arc<Context>,
    follow: &Follow,
    subscriber: &Subscriber,
) -> Result<Infallible, End> {
    let (mut follower, head) = Follower::new(cx);
    let first = tell_latest(cx, follow, head).await?;
    let mut rules = first.rules;
    loop {
        let (height, head) = follower.next(subscriber).await?;
        let oldest = cx.database().oldest_state();
        let is_pruned = follow.lowest_pin().is_some_and(|lowest| lowest < oldest);
        if is_pruned || head.height - height > FOLLOW_LAG_BLOCKS_MAX {
            return Err(End::Stop);
        }
        let block = look_up(cx, follow, head, height).await?;
        follow.pin(block.height, block.hash)?;
        let new_runtime = (block.rules != rules).then(|| runtime(&block)).flatten();
        let new_block = Event::NewBlock {
            block_hash: block.hash,
            parent_block_hash: block.parent,
            new_runtime: follow.with_runtime.then_some(new_runtime),
        };
        rules = block.rules;
        follow.tell(&new_block).await?;
        follow.tell(&Event::BestBlockChanged { best_block_hash: block.hash }).await?;
        let finalized_block_hashes = [block.hash];
        follow.tell(&Event::Finalized { finalized_block_hashes, pruned_block_hashes: [] }).await?;
    }
}

/// Tells of the blocks that are final when the follow begins; gives the last of them.
async fn tell_latest(cx: &Arc<Context>, follow: &Follow, head: Head) -> Result<Told, End> {
    let last = head.height;
    let before = cx.blocking(move |cx| {
        let oldest = cx.database().oldest_state();
        let first = last.saturating_sub(FINALIZED_TOLD_MAX - 1).max(oldest);
        let hashes = (first..last).map(|height| Ok((height, cx.database().hash(height)?)));
        hashes.collect::<Result<Vec<_>, Error>>()
    });
    let before = before.await.map_err(|_| End::Stop)?;
    let head = look_up(cx, follow, head, last).await?;
    let mut hashes = Vec::with_capacity(before.len() + 1);
    for (height, hash) in before.into_iter().filter_map(|(height, hash)| Some((height, hash?))) {
        follow.pin(height, hash)?;
        hashes.push(hash);
    }
    follow.pin(head.height, head.hash)?;
    hashes.push(head.hash);
    let initialized = Event::Initialized {
        finalized_block_hashes: hashes,
        finalized_block_runtime: runtime(&head),
    };
    follow.tell(&initialized).await?;
    follow.tell(&Event::BestBlockChanged { best_block_hash: head.hash }).await?;
    Ok(head)
}

/// The block at a height, which is the head's or below.
async fn look_up(
    cx: &Arc<Context>,
    follow: &Follow,
    head: Head,
    height: Height,
) -> Result<Told, End> {
    let with_runtime = follow.with_runtime;
    let block = cx.blocking(move |cx| {
        let (hash, parent) = if height == head.height {
            (head.hash, head.header.parent_hash)
        } else {
            let header = cx.database().header(height)?.ok_or(Error::Failed)?;
            (header.hash(), header.parent_hash)
        };
        let rules = with_runtime.then(|| Rules::after(&head.snapshot, height));
        Ok(Told { height, hash, parent, rules })
    });
    block.await.map_err(|_| End::Stop)
}

fn runtime(block: &Told) -> Option<Runtime> {
    block.rules.map(|rules| Runtime::from(&rules.version()))
}
