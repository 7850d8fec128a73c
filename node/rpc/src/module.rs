//! How methods and subscriptions are registered: under all their names, with the bounds that all share.

use crate::{
    access::Pace,
    args::Args,
    context::Context,
    error::Error,
    flow::{Flow, Held},
    metrics::Refusal,
    session::Session,
    subscriber::{Caller, Closed, write},
};
use jsonrpsee::{
    Extensions, PendingSubscriptionSink, ResponsePayload, RpcModule,
    types::{ErrorObjectOwned, Params},
};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use std::{pin::Pin, sync::Arc};

/// A name is taken: a bug of whoever lists the methods.
const TAKEN: &str = "each name is registered once";

/// All that is served.
pub(crate) struct Module(pub RpcModule<Context>);

/// An answer, and what it promises.
pub(crate) struct Answer<R> {
    value: R,
    /// Begins once the answer is on its way.
    then: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

/// An answer as JSON, which is written where the value was made, so that only one of them is kept.
#[derive(Clone)]
struct Written(Arc<(Box<RawValue>, Option<Held>)>);

impl<R: Serialize> Answer<R> {
    /// An answer that is followed by work, whose notifications must not leave before it.
    pub fn followed_by(value: R, work: impl Future<Output = ()> + Send + 'static) -> Self {
        Self { value, then: Some(Box::pin(work)) }
    }

    fn write(self) -> Result<Answer<Written>, Error> {
        Ok(Answer { value: Written::small(&self.value)?, then: self.then })
    }
}

impl<R> From<R> for Answer<R> {
    fn from(value: R) -> Self {
        Self { value, then: None }
    }
}

impl Written {
    /// An answer that is counted among what its connection holds when it is ready to leave.
    fn small(value: &impl Serialize) -> Result<Self, Error> {
        Ok(Self(Arc::new((write(value)?, None))))
    }

    /// An answer that its connection holds from now on.
    fn large(value: &impl Serialize, flow: &Flow) -> Result<Self, Error> {
        let json = write(value)?;
        let bytes = json.get().len();
        let held = flow.hold(bytes).ok_or(Error::Full(bytes))?;
        Ok(Self(Arc::new((json, Some(held)))))
    }
}

impl Serialize for Written {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.0.serialize(serializer)
    }
}

impl Module {
    /// A method that answers from memory.
    pub fn method<R: Serialize + Send + 'static>(
        &mut self,
        names: &[&'static str],
        run: fn(&Context, Args) -> Result<R, Error>,
    ) {
        self.asynchronous(names, move |context, args| async move { run(&context, args) });
    }

    /// A method that reads the database or the state, so that its answer may be large.
    pub fn blocking<R: Serialize + 'static>(
        &mut self,
        names: &[&'static str],
        run: fn(&Context, Args) -> Result<R, Error>,
    ) {
        self.register(names, true, move |context, session, args| {
            write_away(context, session, move |context| run(context, args))
        });
    }

    /// A method like [`Self::blocking`] whose answer is mostly small and in memory: then `known` gives it at once.
    pub fn at_hand<R: Serialize + 'static>(
        &mut self,
        names: &[&'static str],
        known: fn(&Context, Args) -> Option<R>,
        run: fn(&Context, Args) -> Result<R, Error>,
    ) {
        let callback = move |params: Params<'static>,
                             context: Arc<Context>,
                             extensions: Extensions| async move {
            let known = Args::new(&params).ok().and_then(|args| known(&context, args));
            if let Some(Ok(answer)) = known.map(|value| Written::small(&value)) {
                return ResponsePayload::success(answer);
            }
            respond(&params, context, session(&extensions), true, |context, session, args| {
                write_away(context, session, move |context| run(context, args))
            })
            .await
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
        R: Serialize + Send,
        F: Future<Output = Result<R, Error>> + Send,
    {
        self.holding(names, move |context, _, args| {
            let answer = run(context, args);
            async move { answer.await.map(Answer::from) }
        });
    }

    /// A method that waits for others, whose answer may be large.
    pub fn large<R, F>(
        &mut self,
        names: &[&'static str],
        run: impl Fn(Arc<Context>, Args) -> F + Clone + Send + Sync + 'static,
    ) where
        R: Serialize + Send + 'static,
        F: Future<Output = Result<R, Error>> + Send,
    {
        self.register(names, true, move |context, session, args| {
            let answer = run(context.clone(), args);
            async move {
                let value = answer.await?;
                write_away(context, session, move |_| Ok(value)).await
            }
        });
    }

    /// A method with a small answer about what its connection holds.
    pub fn holding<R, F>(
        &mut self,
        names: &[&'static str],
        run: impl Fn(Arc<Context>, Arc<Session>, Args) -> F + Clone + Send + Sync + 'static,
    ) where
        R: Serialize + Send,
        F: Future<Output = Result<Answer<R>, Error>> + Send,
    {
        self.register(names, false, move |context, session, args| {
            let answer = run(context, session, args);
            async move { answer.await?.write() }
        });
    }

    fn register<F>(
        &mut self,
        names: &[&'static str],
        large: bool,
        run: impl Fn(Arc<Context>, Arc<Session>, Args) -> F + Clone + Send + Sync + 'static,
    ) where
        F: Future<Output = Result<Answer<Written>, Error>> + Send,
    {
        let callback =
            move |params: Params<'static>, context: Arc<Context>, extensions: Extensions| {
                let run = run.clone();
                async move { respond(&params, context, session(&extensions), large, run).await }
            };
        self.0.register_async_method(names[0], callback).expect(TAKEN);
        self.alias(names);
    }

    /// A subscription; it ends when `run` does.
    pub fn subscription<F>(
        &mut self,
        subscribe: &[&'static str],
        notification: &'static str,
        unsubscribe: &[&'static str],
        run: impl Fn(Arc<Context>, Args, Caller) -> F + Copy + Send + Sync + 'static,
    ) where
        F: Future<Output = Result<(), Closed>> + Send + 'static,
    {
        let callback = move |params: Params<'static>,
                             pending: PendingSubscriptionSink,
                             context: Arc<Context>,
                             extensions: Extensions| async move {
            let _open = context.metrics.subscription();
            let caller = Caller::new(pending, session(&extensions));
            // How a subscription ends is nobody's concern.
            let _ = match Args::new(&params) {
                Ok(args) => run(context, args, caller).await,
                Err(error) => caller.reject(error).await,
            };
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
fn session(extensions: &Extensions) -> Arc<Session> {
    let session = extensions.get::<Arc<Session>>().cloned();
    session.unwrap_or_else(|| Arc::new(Session::new(Flow::default(), Pace::default())))
}

/// Makes an answer away from the threads that serve sockets, and writes it there.
async fn write_away<R: Serialize>(
    context: Arc<Context>,
    session: Arc<Session>,
    make: impl FnOnce(&Context) -> Result<R, Error> + Send + 'static,
) -> Result<Answer<Written>, Error> {
    let flow = session.flow.clone();
    let work = move |context: &Context| Written::large(&make(context)?, &flow);
    session.work(&context, work).await.map(Answer::from)
}

/// Runs a method with its bounds and turns what it says into an answer.
async fn respond<F>(
    params: &Params<'_>,
    context: Arc<Context>,
    session: Arc<Session>,
    large: bool,
    run: impl FnOnce(Arc<Context>, Arc<Session>, Args) -> F,
) -> ResponsePayload<'static, Written>
where
    F: Future<Output = Result<Answer<Written>, Error>>,
{
    let Ok(permit) = session.in_flight.clone().try_acquire_owned() else {
        context.metrics.refused(Refusal::InFlight);
        return ResponsePayload::error(ErrorObjectOwned::from(Error::Busy));
    };
    let turn = match large {
        true => Some(session.turn(&session.large).await),
        false => None,
    };
    let result = match Args::new(params) {
        Ok(args) => run(context, session.clone(), args).await,
        Err(error) => Err(error),
    };
    let (payload, then) = match result {
        Ok(Answer { value, then }) => (ResponsePayload::success(value), then),
        Err(error) => (ResponsePayload::error(ErrorObjectOwned::from(error)), None),
    };
    // The request counts until its answer has left: who does not read has no more room.
    let (payload, sent) = payload.notify_on_completion();
    tokio::spawn(async move {
        let sent = sent.await;
        drop((permit, turn));
        let Some(then) = then else { return };
        if sent.is_err() {
            // Nobody waits for the answer any more, or it is one of a batch's, which leave when the batch is through.
            drop(session.batches.acquire().await);
        }
        then.await;
    });
    payload
}
