//! What is counted, and the layer between connections and methods that counts it.

use crate::{
    access::{Access, Pace},
    broadcasts::Broadcasts,
    config::{BATCHES_IN_FLIGHT_MAX, IN_FLIGHT_MAX, LARGE_IN_FLIGHT_MAX},
    context::Context,
    error::Error,
    flow::{Flow, Held},
    follows::Follows,
};
use jsonrpsee::{
    ResponsePayload,
    core::middleware::{Batch, BatchEntry, Notification},
    server::{BatchResponseBuilder, MethodResponse, middleware::rpc::RpcServiceT},
    types::{ErrorObjectOwned, Id, Request, error::ErrorCode},
};
use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};
use rustix::time::{ClockId, clock_gettime};
use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bounds of the histogram of time: from half a millisecond, each twice the one before.
const SECONDS_FIRST: f64 = 0.000_5;
const SECONDS_BUCKETS: u16 = 14;

/// These end what may be over by itself, which is no news.
const ENDS_QUIETLY: [&str; 2] = ["chainHead_v1_unfollow", "archive_v1_stopStorage"];
/// This ends what the client must know to be under way.
const ENDS_STRICTLY: &str = "transactionWatch_v1_unwatch";

/// Longest id that is repeated where there is no room for an answer.
const ID_BYTES_MAX: usize = 256;
/// Any method that is not served, so that callers cannot make up series.
const UNKNOWN: &str = "unknown";

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfMethod {
    method: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfOutcome {
    method: &'static str,
    outcome: Outcome,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
enum Outcome {
    Ok,
    Error,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfRefusal {
    reason: Refusal,
}

/// Why a request or a connection was refused before anything was done for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(crate) enum Refusal {
    /// The method is not for this caller.
    Unsafe,
    /// The connection asks for too much work.
    Rate,
    /// Too many requests of the connection wait for their answers.
    InFlight,
    /// The address has too many connections.
    Connections,
}

/// What is counted.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    refusals: Family<OfRefusal, Counter>,
    requests: Family<OfOutcome, Counter>,
    seconds: Family<OfMethod, Histogram, fn() -> Histogram>,
    sessions: Gauge,
    subscriptions: Gauge,
    follows: Gauge,
    pins: Gauge,
    operations: Gauge,
}

impl Metrics {
    pub fn new(registry: &mut Registry) -> Self {
        let histogram: fn() -> Histogram =
            || Histogram::new(exponential_buckets(SECONDS_FIRST, 2.0, SECONDS_BUCKETS));
        let metrics = Self {
            refusals: Family::default(),
            requests: Family::default(),
            seconds: Family::new_with_constructor(histogram),
            sessions: Gauge::default(),
            subscriptions: Gauge::default(),
            follows: Gauge::default(),
            pins: Gauge::default(),
            operations: Gauge::default(),
        };
        let registry = registry.sub_registry_with_prefix("artel_rpc");
        registry.register("requests", "Requests answered", metrics.requests.clone());
        registry.register("refusals", "Requests and connections refused", metrics.refusals.clone());
        registry.register("request_seconds", "Time to an answer", metrics.seconds.clone());
        registry.register(
            "sessions",
            "Open WebSocket connections and HTTP requests",
            metrics.sessions.clone(),
        );
        registry.register("subscriptions", "Open subscriptions", metrics.subscriptions.clone());
        registry.register("follows", "Open chainHead_v1_follow", metrics.follows.clone());
        registry.register("pins", "Blocks pinned by follows", metrics.pins.clone());
        registry.register("operations", "Operations of follows", metrics.operations.clone());
        metrics
    }

    /// Counts a refusal.
    pub fn refused(&self, reason: Refusal) {
        self.refusals.get_or_create(&OfRefusal { reason }).inc();
    }

    /// Counts a subscription until the guard goes.
    pub fn subscription(&self) -> Open {
        Open::new(&self.subscriptions)
    }

    /// Counts a follow until the guard goes.
    pub fn follow(&self) -> Open {
        Open::new(&self.follows)
    }

    /// Counts a pinned block until the guard goes.
    pub fn pin(&self) -> Open {
        Open::new(&self.pins)
    }

    /// Counts an operation until the guard goes.
    pub fn operation(&self) -> Open {
        Open::new(&self.operations)
    }

    /// How many blocks are pinned, and by how many follows.
    pub fn pins_and_follows(&self) -> (usize, usize) {
        let count = |gauge: &Gauge| usize::try_from(gauge.get()).unwrap_or_default();
        (count(&self.pins), count(&self.follows))
    }

    fn note(&self, method: &'static str, started: Instant, response: &MethodResponse) {
        let outcome = if response.is_success() { Outcome::Ok } else { Outcome::Error };
        self.requests.get_or_create(&OfOutcome { method, outcome }).inc();
        self.seconds.get_or_create(&OfMethod { method }).observe(started.elapsed().as_secs_f64());
    }
}

/// Something that is counted as long as this lives.
#[derive(Debug)]
pub(crate) struct Open(Gauge);

impl Open {
    fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// What bounds one connection, and what it holds; travels with each of its requests and ends with it.
#[derive(Debug)]
pub(crate) struct Session {
    /// Whether the peer reads.
    pub flow: Flow,
    /// Permits for requests that are not answered yet.
    pub in_flight: Arc<Semaphore>,
    /// Permits for those whose answers may be large.
    pub large: Arc<Semaphore>,
    /// Permits for batches.
    pub batches: Arc<Semaphore>,
    /// Transactions that are to be brought into the chain.
    pub broadcasts: Arc<Broadcasts>,
    /// What follows the chain.
    pub follows: Arc<Follows>,
    /// Work that it may still ask for.
    pace: Pace,
}

impl Session {
    /// A new connection's.
    pub fn new(flow: Flow, pace: Pace) -> Self {
        let permits = |count| Arc::new(Semaphore::new(count));
        Self {
            flow,
            in_flight: permits(IN_FLIGHT_MAX),
            large: permits(LARGE_IN_FLIGHT_MAX),
            batches: permits(BATCHES_IN_FLIGHT_MAX),
            broadcasts: Arc::default(),
            follows: Arc::default(),
            pace,
        }
    }

    /// Does what may wait for a disk or takes long, as much at a time as its caller may have, and charges for it.
    pub async fn work<R: Send + 'static>(
        &self,
        context: &Arc<Context>,
        work: impl FnOnce(&Context) -> Result<R, Error> + Send + 'static,
    ) -> Result<R, Error> {
        let permit = self.flow.account().work.clone().acquire_owned().await;
        let permit = permit.map_err(|_| Error::Stopping)?;
        let pace = self.pace.clone();
        let charged = move |context: &Context| {
            let _permit = permit;
            let before = core_time();
            let done = work(context);
            context.access.charge(core_time().saturating_sub(before), &pace);
            done
        };
        context.blocking(charged).await
    }

    /// The same for what nobody asked for just now: a page or an update, for which a caller waits that is ahead of its rate.
    pub async fn work_in_turn<R: Send + 'static>(
        &self,
        context: &Arc<Context>,
        work: impl FnOnce(&Context) -> Result<R, Error> + Send + 'static,
    ) -> Result<R, Error> {
        context.access.wait(&self.pace).await;
        self.work(context, work).await
    }

    /// Waits for one of the permits, and until the peer reads.
    pub async fn turn(&self, permits: &Arc<Semaphore>) -> OwnedSemaphorePermit {
        let permit = permits.clone().acquire_owned().await.expect("nobody closes the semaphore");
        self.flow.flows().await;
        permit
    }
}

/// What this thread has taken of a core.
fn core_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// What each connection's layer is made from.
#[derive(Clone, Debug)]
pub(crate) struct Layer {
    pub metrics: Metrics,
    /// What may be called, and how fast.
    pub access: Access,
    /// All that is served.
    pub methods: Arc<BTreeSet<&'static str>>,
    /// Those that begin or end subscriptions.
    pub subscriptions: Arc<BTreeSet<&'static str>>,
    pub response_bytes_max: usize,
}

impl Layer {
    /// Begins to serve a WebSocket connection or an HTTP request.
    pub fn service<S>(&self, inner: S, session: Arc<Session>) -> Service<S> {
        let open = Arc::new(Open::new(&self.metrics.sessions));
        Service { inner, layer: self.clone(), session, _open: open }
    }

    /// Fails if the method is not for this caller, or comes too fast.
    fn admit(
        &self,
        method: &'static str,
        bytes: usize,
        session: &Session,
    ) -> Result<(), ErrorObjectOwned> {
        self.access.admit(method, bytes, &session.pace).map_err(|error| {
            let is_unsafe = matches!(error, Error::Unsafe(_));
            self.metrics.refused(if is_unsafe { Refusal::Unsafe } else { Refusal::Rate });
            error.into()
        })
    }

    fn known(&self, method: &str) -> &'static str {
        self.methods.get(method).copied().unwrap_or(UNKNOWN)
    }

    /// The library answers whether there was a subscription to end; the newer interface answers null, or with an error.
    fn end(&self, method: &'static str, id: Id<'_>, response: MethodResponse) -> MethodResponse {
        let ends_strictly = method == ENDS_STRICTLY;
        if !ends_strictly && !ENDS_QUIETLY.contains(&method) {
            return response;
        }
        let extensions = response.extensions().clone();
        let found = response.as_json().get().contains(r#""result":true"#);
        let answer = if found || !ends_strictly {
            MethodResponse::response(id, ResponsePayload::success(()), self.response_bytes_max)
        } else {
            let error = Error::NotSubscribed(method);
            MethodResponse::error(id, ErrorObjectOwned::from(error))
        };
        answer.with_extensions(extensions)
    }

    /// Over HTTP the library answers a subscription with its internal error: this says what is wrong.
    fn explain(
        &self,
        method: &'static str,
        id: Id<'_>,
        response: MethodResponse,
    ) -> MethodResponse {
        if response.is_success() {
            return self.end(method, id, response);
        }
        let is_librarys = response.as_error_code() == Some(ErrorCode::InternalError.code())
            && response.as_json().get().contains(ErrorCode::InternalError.message());
        if !is_librarys || !self.subscriptions.contains(method) {
            return response;
        }
        let error = Error::NeedsWebSocket(method);
        let extensions = response.extensions().clone();
        MethodResponse::error(id, ErrorObjectOwned::from(error)).with_extensions(extensions)
    }
}

/// Counts requests and what they hold, and gives each its session.
#[derive(Clone, Debug)]
pub(crate) struct Service<S> {
    inner: S,
    layer: Layer,
    session: Arc<Session>,
    _open: Arc<Open>,
}

impl<S> Service<S>
where
    S: RpcServiceT<MethodResponse = MethodResponse>,
{
    /// Answers a request. What the answer holds is counted until the guard goes; an answer that there is no room for becomes
    /// an error.
    fn answer<'a>(
        &self,
        mut request: Request<'a>,
    ) -> impl Future<Output = (MethodResponse, Option<Held>)> + Send + 'a {
        let started = Instant::now();
        let method = self.layer.known(request.method_name());
        let (layer, flow) = (self.layer.clone(), self.session.flow.clone());
        let id = request.id();
        request.extensions_mut().insert(self.session.clone());
        let admitted = layer.admit(method, bytes(&request), &self.session);
        let response = admitted.map(|()| self.inner.call(request));
        async move {
            let mut response = match response {
                Ok(response) => layer.explain(method, id.clone(), response.await),
                Err(refusal) => MethodResponse::error(id.clone(), refusal),
            };
            let size = response.as_json().get().len();
            let held = flow.hold(size);
            if held.is_none() {
                response = full(&id, size);
            }
            layer.metrics.note(method, started, &response);
            (response, held)
        }
    }
}

/// Where there is no room, there is none for a long id either.
fn full(id: &Id<'_>, bytes: usize) -> MethodResponse {
    let is_long = matches!(id, Id::Str(id) if id.len() > ID_BYTES_MAX);
    let id = if is_long { Id::Null } else { id.clone() };
    MethodResponse::error(id, ErrorObjectOwned::from(Error::Full(bytes)))
}

impl<S> RpcServiceT for Service<S>
where
    S: RpcServiceT<
            MethodResponse = MethodResponse,
            BatchResponse = MethodResponse,
            NotificationResponse = MethodResponse,
        > + Clone
        + Send
        + Sync
        + 'static,
{
    type MethodResponse = MethodResponse;
    type NotificationResponse = MethodResponse;
    type BatchResponse = MethodResponse;

    fn call<'a>(&self, request: Request<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        let message = self.session.flow.message();
        let answer = self.answer(request);
        async move {
            let (response, held) = answer.await;
            drop(message);
            if let Some(held) = held {
                held.sending().sent();
            }
            response
        }
    }

    /// As the innermost service does it, so that each request of the batch is counted.
    fn batch<'a>(&self, batch: Batch<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        let this = self.clone();
        let message = self.session.flow.message();
        async move {
            let _message = message;
            let _turn = this.session.turn(&this.session.batches).await;
            let mut answers = BatchResponseBuilder::new_with_limit(this.layer.response_bytes_max);
            let (mut notified, mut held) = (false, Vec::new());
            for entry in batch {
                let (answer, bytes) = match entry {
                    Ok(BatchEntry::Call(request)) => this.answer(request).await,
                    Ok(BatchEntry::Notification(_)) => {
                        notified = true;
                        continue;
                    }
                    Err(error) => {
                        let (error, id) = error.into_parts();
                        (MethodResponse::error(id, error), None)
                    }
                };
                held.extend(bytes);
                if let Err(too_large) = answers.append(answer) {
                    return too_large;
                }
            }
            held.into_iter().for_each(|held| held.sending().sent());
            if answers.is_empty() && notified {
                MethodResponse::notification()
            } else {
                MethodResponse::from_batch(answers.finish())
            }
        }
    }

    fn notification<'a>(
        &self,
        notification: Notification<'a>,
    ) -> impl Future<Output = MethodResponse> + Send + 'a {
        self.inner.notification(notification)
    }
}

/// Bytes of a request, as far as they matter.
fn bytes(request: &Request<'_>) -> usize {
    request.params.as_ref().map_or(0, |params| params.get().len())
}
