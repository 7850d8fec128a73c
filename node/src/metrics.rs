//! The server for Prometheus and health, on a port of its own.

use crate::health::{self, Health};
use anyhow::{Context, Result};
use axum::{Router, extract::State, http::header, routing::get};
use prometheus_client::{encoding::text::encode, registry::Registry};
use std::{net::SocketAddr, sync::Arc};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Takes the address.
pub async fn bind(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        format!("cannot listen on {address} for metrics: choose another with --prometheus-port")
    })
}

/// Serves until `stop` fires.
pub async fn serve(
    listener: TcpListener,
    registry: Arc<Registry>,
    health: Health,
    stop: CancellationToken,
) -> Result<()> {
    let app = Router::new().route("/metrics", get(render)).with_state(registry);
    let app = app.merge(health::routes(health));
    axum::serve(listener, app).with_graceful_shutdown(stop.cancelled_owned()).await?;
    Ok(())
}

async fn render(
    State(registry): State<Arc<Registry>>,
) -> ([(header::HeaderName, &'static str); 1], String) {
    let mut text = String::new();
    encode(&mut text, &registry).expect("writing to a string cannot fail");
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], text)
}
