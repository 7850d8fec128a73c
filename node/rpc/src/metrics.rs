//! What is counted.

use jsonrpsee::server::MethodResponse;
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
use std::time::Instant;

/// Bounds of the histogram of time: from half a millisecond, each twice the one before.
const SECONDS_FIRST: f64 = 0.000_5;
const SECONDS_BUCKETS: u16 = 14;

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

    /// Counts a connection until the guard goes.
    pub fn session(&self) -> Open {
        Open::new(&self.sessions)
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

    /// Counts an answer.
    pub fn note(&self, method: &'static str, started: Instant, response: &MethodResponse) {
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
