//! The layer between connections and methods, which counts, admits and bounds.

use crate::{
    access::Access,
    error::Error,
    flow::Held,
    metrics::{Metrics, Open, Refusal},
    session::Session,
};
use jsonrpsee::{
    ResponsePayload,
    core::middleware::{Batch, BatchEntry, Notification},
    server::{BatchResponseBuilder, MethodResponse, middleware::rpc::RpcServiceT},
    types::{ErrorObjectOwned, Id, Request, error::ErrorCode},
};
use serde_json::value::RawValue;
use std::{borrow::Cow, collections::BTreeSet, sync::Arc, time::Instant};

/// These end what may be over by itself, which is no news.
const ENDS_QUIETLY: [&str; 2] = ["chainHead_v1_unfollow", "archive_v1_stopStorage"];
/// This ends what the client must know to be under way.
const ENDS_STRICTLY: &str = "transactionWatch_v1_unwatch";

/// Longest id that is repeated where there is no room for an answer.
const ID_BYTES_MAX: usize = 256;
/// Any method that is not served, so that callers cannot make up series.
const UNKNOWN: &str = "unknown";

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
        let open = Arc::new(self.metrics.session());
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
        let admitted = layer.admit(method, length(&request.params), &self.session);
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
        let message = self.session.flow.message(length(&request.params));
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
        let message = self.session.flow.message(batch.iter().flatten().map(entry_bytes).sum());
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
        drop(self.session.flow.message(length(&notification.params)));
        self.inner.notification(notification)
    }
}

/// Bytes of a request, as far as they matter.
fn length(params: &Option<Cow<'_, RawValue>>) -> usize {
    params.as_ref().map_or(0, |params| params.get().len())
}

fn entry_bytes(entry: &BatchEntry<'_>) -> usize {
    match entry {
        BatchEntry::Call(request) => length(&request.params),
        BatchEntry::Notification(notification) => length(&notification.params),
    }
}
