//! The other side of a subscription.

use crate::{config::SILENCE_MAX, error::Error, flow::Flow, session::Session};
use jsonrpsee::{PendingSubscriptionSink, SubscriptionSink, types::SubscriptionId};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use std::sync::Arc;
use tokio::time::timeout;

/// Who asks for a subscription.
pub(crate) struct Caller {
    pending: PendingSubscriptionSink,
    /// What its connection holds.
    pub session: Arc<Session>,
}

/// Who is told what it subscribed to.
#[derive(Clone, Debug)]
pub(crate) struct Subscriber {
    sink: SubscriptionSink,
    flow: Flow,
}

/// The other side of a subscription is gone.
#[derive(Debug)]
pub(crate) struct Closed;

impl Caller {
    pub fn new(pending: PendingSubscriptionSink, session: Arc<Session>) -> Self {
        Self { pending, session }
    }

    /// The id that the subscription gets.
    pub fn id(&self) -> String {
        match self.pending.subscription_id() {
            SubscriptionId::Str(id) => id.into_owned(),
            SubscriptionId::Num(id) => id.to_string(),
        }
    }

    /// Accepts the subscription.
    pub async fn accept(self) -> Result<Subscriber, Closed> {
        let sink = self.pending.accept().await.map_err(|_| Closed)?;
        Ok(Subscriber { sink, flow: self.session.flow.clone() })
    }

    /// Refuses the subscription.
    pub async fn reject(self, error: Error) -> Result<(), Closed> {
        self.pending.reject(error).await;
        Err(Closed)
    }
}

impl Subscriber {
    /// Tells something; waits for one that is slow, and for room. Where there is none for long, the connection is given up, so
    /// that the other side knows that it missed something.
    pub async fn tell(&self, value: &impl Serialize) -> Result<(), Closed> {
        let message = write(value).map_err(|_| Closed)?;
        let bytes = message.get().len();
        let held = tokio::select! {
            () = self.closed() => return Err(Closed),
            held = timeout(SILENCE_MAX, self.flow.room(bytes)) => held,
        };
        let Ok(held) = held else {
            tracing::debug!(bytes, "a subscriber that there is no room for is cut off");
            return self.give_up();
        };
        let sending = held.sending();
        self.sink.send(message).await.map_err(|_| Closed)?;
        sending.sent();
        Ok(())
    }

    /// Gives its connection up.
    pub fn give_up(&self) -> Result<(), Closed> {
        self.flow.give_up();
        Err(Closed)
    }

    /// Waits until the other side is gone.
    pub async fn closed(&self) {
        self.sink.closed().await;
    }
}

/// A value as JSON.
pub(crate) fn write(value: &impl Serialize) -> Result<Box<RawValue>, Error> {
    to_raw_value(value).map_err(|error| {
        tracing::error!(%error, "a value cannot be written");
        Error::Failed
    })
}
