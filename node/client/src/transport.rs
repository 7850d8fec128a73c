//! Requests and subscriptions over WebSocket or HTTP.

use crate::Error;
use jsonrpsee::{
    client_transport::ws::{Url, WsTransportClientBuilder},
    core::{
        client::{
            Client as WsClient, ClientBuilder, ClientT, Error as RpcError, Subscription,
            SubscriptionClientT, async_client::PingConfig,
        },
        params::ArrayParams,
    },
    http_client::{HttpClient, HttpClientBuilder},
};
use serde::de::DeserializeOwned;
use std::time::Duration;

/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest wait for an answer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
/// Requests in flight at once.
const REQUESTS_MAX: usize = 256;
/// Notifications that wait for a slow reader; then the subscription ends.
const NOTIFICATIONS_MAX: usize = 1024;
/// Most bytes of a request: what a node accepts.
const REQUEST_BYTES_MAX: u32 = 15 << 20;
/// Most bytes of an answer: the event record of a full block fits.
const RESPONSE_BYTES_MAX: u32 = 32 << 20;

pub(crate) enum Transport {
    Ws(WsClient),
    Http(HttpClient),
}

impl Transport {
    pub async fn connect(url: &str) -> Result<Self, Error> {
        let refused = |reason: String| Error::Connect { url: url.to_owned(), reason };
        let address = Url::parse(url).map_err(|error| refused(error.to_string()))?;
        match address.scheme() {
            "ws" => {
                let (sender, receiver) = WsTransportClientBuilder::default()
                    .connection_timeout(CONNECT_TIMEOUT)
                    .max_request_size(REQUEST_BYTES_MAX)
                    .max_response_size(RESPONSE_BYTES_MAX)
                    .build(address)
                    .await
                    .map_err(|error| refused(error.to_string()))?;
                let client = ClientBuilder::default()
                    .request_timeout(REQUEST_TIMEOUT)
                    .max_concurrent_requests(REQUESTS_MAX)
                    .max_buffer_capacity_per_subscription(NOTIFICATIONS_MAX)
                    .set_tcp_no_delay(true)
                    .enable_ws_ping(PingConfig::new())
                    .build_with_tokio(sender, receiver);
                Ok(Self::Ws(client))
            }
            "http" => HttpClientBuilder::default()
                .request_timeout(REQUEST_TIMEOUT)
                .max_request_size(REQUEST_BYTES_MAX)
                .max_response_size(RESPONSE_BYTES_MAX)
                .build(url)
                .map(Self::Http)
                .map_err(|error| refused(error.to_string())),
            other => Err(refused(format!("'{other}' is not spoken here: write ws:// or http://"))),
        }
    }

    pub async fn request<R: DeserializeOwned>(
        &self,
        method: &str,
        params: ArrayParams,
    ) -> Result<R, Error> {
        let answer = match self {
            Self::Ws(client) => client.request(method, params).await,
            Self::Http(client) => client.request(method, params).await,
        };
        answer.map_err(|error| explain(method, error))
    }

    pub async fn subscribe<N: DeserializeOwned>(
        &self,
        method: &'static str,
        params: ArrayParams,
        unsubscribe: &'static str,
    ) -> Result<Subscription<N>, Error> {
        match self {
            Self::Ws(client) => client
                .subscribe(method, params, unsubscribe)
                .await
                .map_err(|error| explain(method, error)),
            Self::Http(_) => Err(Error::NeedsWebSocket(method)),
        }
    }
}

/// The next notification; `Err` when the subscription is over.
pub(crate) async fn next<N: DeserializeOwned>(
    subscription: &mut Subscription<N>,
    method: &str,
) -> Result<N, Error> {
    match subscription.next().await {
        Some(Ok(notification)) => Ok(notification),
        Some(Err(error)) => {
            Err(Error::Answer { method: method.to_owned(), reason: error.to_string() })
        }
        None => {
            let reason = "the node ended the subscription, or this reader was too slow".to_owned();
            Err(Error::Connection { method: method.to_owned(), reason })
        }
    }
}

fn explain(method: &str, error: RpcError) -> Error {
    let method = method.to_owned();
    match error {
        RpcError::Call(object) => {
            // Substrate puts the sentence for people into the data.
            let detail =
                object.data().and_then(|data| serde_json::from_str::<String>(data.get()).ok());
            let message = match detail {
                Some(detail) => format!("{}: {detail}", object.message()),
                None => object.message().to_owned(),
            };
            Error::Node { method, code: object.code(), message }
        }
        RpcError::ParseError(error) => Error::Answer { method, reason: error.to_string() },
        other => Error::Connection { method, reason: other.to_string() },
    }
}
