//! Following the chain: whoever is slow falls behind and misses no block.

use crate::module::Closed;
use chain::Head;
use jsonrpsee::SubscriptionSink;
use primitives::Height;
use tokio::{select, sync::watch};

/// A subscriber's place on the chain.
pub(crate) struct Follower {
    heads: watch::Receiver<Head>,
    next: Height,
}

impl Follower {
    /// Stands at the head: the first block that comes is the one after `head`.
    pub fn new(mut heads: watch::Receiver<Head>) -> (Self, Head) {
        let head = heads.borrow_and_update().clone();
        let next = head.height.saturating_add(1);
        (Self { heads, next }, head)
    }

    /// The next block's height, and the head, which may be further.
    pub async fn next(&mut self, sink: &SubscriptionSink) -> Result<(Height, Head), Closed> {
        loop {
            let head = self.heads.borrow_and_update().clone();
            if head.height >= self.next {
                let height = self.next;
                self.next = height.saturating_add(1);
                return Ok((height, head));
            }
            self.changed(sink).await?;
        }
    }

    /// The latest head, once it is another one; passes over those between.
    pub async fn latest(&mut self, sink: &SubscriptionSink) -> Result<Head, Closed> {
        let (_, head) = self.next(sink).await?;
        self.next = head.height.saturating_add(1);
        Ok(head)
    }

    async fn changed(&mut self, sink: &SubscriptionSink) -> Result<(), Closed> {
        select! {
            () = sink.closed() => Err(Closed),
            changed = self.heads.changed() => changed.map_err(|_| Closed),
        }
    }
}
