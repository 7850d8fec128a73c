//! How methods and subscriptions are registered: under all their names, with the bounds that all share.

use crate::{
    args::Args,
    context::Context,
    error::Error,
    flow::Flow,
    metrics::{Refusal, Session},
};
use jsonrpsee::{
    Extensions, PendingSubscriptionSink, ResponsePayload, RpcModule, SubscriptionSink,
    types::{ErrorObjectOwned, Params},
};
use serde::Serialize;
use std::{pin::Pin, sync::Arc};

/// A name is taken: a bug of whoever lists the methods.
const TAKEN: &str = "each name is registered once";

/// All that is served.
pub(crate) struct Module(pub RpcModule<Context>);

/// The other side of a subscription is gone.
#[derive(Debug)]
pub(crate) struct Closed;

/// An answer, and what it promises.
pub(crate) struct Answer<R> {
    value: R,
    /// Begins once the answer is on its way.
    then: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl<R> Answer<R> {
    /// An answer that is followed by work, whose notifications must not leave before it.
    pub fn followed_by(value: R, work: impl Future<Output = ()> + Send + 'static) -> Self {
        Self { value, then: Some(Box::pin(work)) }
    }
}

impl<R> From<R> for Answer<R> {
    fn from(value: R) -> Self {
        Self { value, then: None }
    }
}

impl Module {
    /// A method that answers from memory.
    pub fn method<R: Serialize + Clone + Send + 'static>(
        &mut self,
        names: &[&'static str],
        run: fn(&Context, Args) -> Result<R, Error>,
    ) {
        self.asynchronous(names, move |context, args| async move { run(&context, args) });
    }

    /// A method that reads the database or the state, so that its answer may be large.
    pub fn blocking<R: Serialize + Clone + Send + 'static>(
        &mut self,
        names: &[&'static str],
        run: fn(&Context, Args) -> Result<R, Error>,
    ) {
        self.large(names, move |context, args| async move {
            context.blocking(move |context| run(context, args)).await
        });
    }

    /// A method like [`Self::blocking`] whose answer is mostly small and in memory: then `known` gives it at once.
    pub fn at_hand<R: Serialize + Clone + Send + 'static>(
        &mut self,
        names: &[&'static str],
        known: fn(&Context, Args) -> Option<R>,
        run: fn(&Context, Args) -> Result<R, Error>,
    ) {
        let callback = move |params: Params<'static>,
                             context: Arc<Context>,
                             extensions: Extensions| async move {
            let at_hand = Args::new(&params).ok().and_then(|args| known(&context, args));
            if let Some(answer) = at_hand {
                return ResponsePayload::success(answer);
            }
            let counted = context.clone();
            let refuse = move || counted.metrics.refused(Refusal::InFlight);
            let run = |args| async move {
                context.blocking(move |context| run(context, args)).await.map(Answer::from)
            };
            respond(&params, &session(&extensions), true, refuse, run).await
        };
        self.0.register_async_method(names[0], callback).expect(TAKEN);
        self.alias(names);
    }

    /// A method that waits for others, with a small answer.
    pub fn asynchronous<R, F>(
        &mut self,
        names: &[&'static str],
        run: impl Fn(Arc<Context>, Args) -> F + Clone + Send + Sync + 'static,
    ) where
        R: Serialize + Clone + Send + 'static,
        F: Future<Output = Result<R, Error>> + Send,
    {
        self.register(names, false, move |context, _, args| {
            let answer = run(context, args);
            async move { answer.await.map(Answer::from) }
        });
    }

    /// A method whose answer may be large.
    pub fn large<R, F>(
        &mut self,
        names: &[&'static str],
        run: impl Fn(Arc<Context>, Args) -> F + Clone + Send + Sync + 'static,
    ) where
        R: Serialize + Clone + Send + 'static,
        F: Future<Output = Result<R, Error>> + Send,
    {
        self.register(names, true, move |context, _, args| {
            let answer = run(context, args);
            async move { answer.await.map(Answer::from) }
        });
    }

    /// A method with a small answer about what its connection holds.
    pub fn holding<R, F>(
        &mut self,
        names: &[&'static str],
        run: impl Fn(Arc<Context>, Session, Args) -> F + Clone + Send + Sync + 'static,
    ) where
        R: Serialize + Clone + Send + 'static,
        F: Future<Output = Result<Answer<R>, Error>> + Send,
    {
        self.register(names, false, run);
    }

    fn register<R, F>(
        &mut self,
        names: &[&'static str],
        large: bool,
        run: impl Fn(Arc<Context>, Session, Args) -> F + Clone + Send + Sync + 'static,
    ) where
        R: Serialize + Clone + Send + 'static,
        F: Future<Output = Result<Answer<R>, Error>> + Send,
    {
        let name = names[0];
        let callback =
            move |params: Params<'static>, context: Arc<Context>, extensions: Extensions| {
                let run = run.clone();
                let session = session(&extensions);
                let counted = context.clone();
                let refuse = move || counted.metrics.refused(Refusal::InFlight);
                async move {
                    let run = |args| run(context, session.clone(), args);
                    respond(&params, &session, large, refuse, run).await
                }
            };
        self.0.register_async_method(name, callback).expect(TAKEN);
        self.alias(names);
    }

    /// A subscription; it ends when `run` does.
    pub fn subscription<F>(
        &mut self,
        subscribe: &[&'static str],
        notification: &'static str,
        unsubscribe: &[&'static str],
        run: impl Fn(Arc<Context>, Args, PendingSubscriptionSink) -> F + Copy + Send + Sync + 'static,
    ) where
        F: Future<Output = Result<(), Closed>> + Send + 'static,
    {
        self.holding_subscription(
            subscribe,
            notification,
            unsubscribe,
            move |context, _, args, pending| run(context, args, pending),
        );
    }

    /// A subscription that is among what its connection holds.
    pub fn holding_subscription<F>(
        &mut self,
        subscribe: &[&'static str],
        notification: &'static str,
        unsubscribe: &[&'static str],
        run: impl Fn(Arc<Context>, Session, Args, PendingSubscriptionSink) -> F
        + Copy
        + Send
        + Sync
        + 'static,
    ) where
        F: Future<Output = Result<(), Closed>> + Send + 'static,
    {
        let callback = move |params: Params<'static>,
                             pending: PendingSubscriptionSink,
                             context: Arc<Context>,
                             extensions: Extensions| async move {
            let _open = context.metrics.subscription();
            match Args::new(&params) {
                // How a subscription ends is nobody's concern.
                Ok(args) => drop(run(context, session(&extensions), args, pending).await),
                Err(error) => pending.reject(error).await,
            }
        };
        self.0
            .register_subscription(subscribe[0], notification, unsubscribe[0], callback)
            .expect(TAKEN);
        self.alias(subscribe);
        self.alias(unsubscribe);
    }

    fn alias(&mut self, names: &[&'static str]) {
        for alias in &names[1..] {
            self.0.register_alias(alias, names[0]).expect(TAKEN);
        }
    }
}

/// What the request's connection holds.
fn session(extensions: &Extensions) -> Session {
    let session = extensions.get::<Session>().cloned();
    session.unwrap_or_else(|| Session::new(Flow::default()))
}

/// Runs a method with its bounds and turns what it says into an answer.
async fn respond<R, F>(
    params: &Params<'_>,
    session: &Session,
    large: bool,
    refuse: impl FnOnce(),
    run: impl FnOnce(Args) -> F,
) -> ResponsePayload<'static, R>
where
    R: Serialize + Clone + 'static,
    F: Future<Output = Result<Answer<R>, Error>>,
{
    let Ok(permit) = session.in_flight.clone().try_acquire_owned() else {
        refuse();
        return ResponsePayload::error(ErrorObjectOwned::from(Error::Busy));
    };
    let turn = match large {
        true => Some(session.turn(&session.large).await),
        false => None,
    };
    let result = match Args::new(params) {
        Ok(args) => run(args).await,
        Err(error) => Err(error),
    };
    let (payload, then) = match result {
        Ok(Answer { value, then }) => (ResponsePayload::success(value), then),
        Err(error) => (ResponsePayload::error(ErrorObjectOwned::from(error)), None),
    };
    // The request counts until its answer has left: who does not read has no more room.
    let (payload, sent) = payload.notify_on_completion();
    let batches = session.batches.clone();
    tokio::spawn(async move {
        let sent = sent.await;
        drop((permit, turn));
        let Some(then) = then else { return };
        if sent.is_err() {
            // Nobody waits for the answer any more, or it is one of a batch's, which leave when the batch is through.
            drop(batches.acquire().await);
        }
        then.await;
    });
    payload
}

/// Accepts a subscription.
pub(crate) async fn accept(pending: PendingSubscriptionSink) -> Result<SubscriptionSink, Closed> {
    pending.accept().await.map_err(|_| Closed)
}

/// Refuses a subscription.
pub(crate) async fn reject(pending: PendingSubscriptionSink, error: Error) -> Result<(), Closed> {
    pending.reject(error).await;
    Err(Closed)
}

/// Notifies a subscriber; waits for one that is slow.
pub(crate) async fn notify(sink: &SubscriptionSink, value: &impl Serialize) -> Result<(), Closed> {
    let message = serde_json::value::to_raw_value(value).map_err(|error| {
        tracing::error!(%error, "notification failed");
        Closed
    })?;
    sink.send(message).await.map_err(|_| Closed)
}
