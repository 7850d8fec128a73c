//! Following the chain: whoever is slow falls behind and misses no block.

use crate::{
    context::Context,
    subscriber::{Closed, Subscriber},
};
use chain::Head;
use primitives::Height;
use std::sync::Arc;
use tokio::{select, sync::watch};

/// A subscriber's place on the chain.
pub(crate) struct Follower {
    context: Arc<Context>,
    heads: watch::Receiver<Head>,
    next: Height,
}

impl Follower {
    /// Stands at the head: the first block that comes is the one after `head`.
    pub fn new(context: &Arc<Context>) -> (Self, Head) {
        let heads = context.backend.heads.clone();
        let mut this = Self { context: context.clone(), heads, next: 0 };
        let head = this.head();
        this.next = head.height.saturating_add(1);
        (this, head)
    }

    /// The next block's height, and the head, which may be further.
    pub async fn next(&mut self, subscriber: &Subscriber) -> Result<(Height, Head), Closed> {
        loop {
            let head = self.head();
            if head.height >= self.next {
                let height = self.next;
                self.next = height.saturating_add(1);
                return Ok((height, head));
            }
            self.changed(subscriber).await?;
        }
    }

    /// The latest head, once it is another one; passes over those between.
    pub async fn latest(&mut self, subscriber: &Subscriber) -> Result<Head, Closed> {
        let (_, head) = self.next(subscriber).await?;
        self.next = head.height.saturating_add(1);
        Ok(head)
    }

    /// Waits until the head is at a height or beyond.
    pub async fn reach(&mut self, height: Height, subscriber: &Subscriber) -> Result<(), Closed> {
        while self.head().height < height {
            self.changed(subscriber).await?;
        }
        Ok(())
    }

    /// The head; whoever is told of it can read its state for a while.
    pub fn head(&mut self) -> Head {
        let head = self.heads.borrow_and_update().clone();
        self.context.note(head.snapshot.clone());
        head
    }

    async fn changed(&mut self, subscriber: &Subscriber) -> Result<(), Closed> {
        select! {
            () = subscriber.closed() => Err(Closed),
            changed = self.heads.changed() => changed.map_err(|_| Closed),
        }
    }
}
