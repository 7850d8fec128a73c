//! Whether a node works: for whoever restarts it, and for whoever sends it traffic.

use crate::shells::sync::Progress;
use axum::{Router, extract::State, http::StatusCode, routing::get};
use network::Overview;
use tokio::sync::watch;

/// What health depends on.
#[derive(Clone)]
pub struct Health {
    /// How far this node is.
    pub progress: watch::Receiver<Progress>,
    /// Other nodes.
    pub peers: watch::Receiver<Overview>,
}

/// `/health` is well as long as the node runs; `/ready` once it is as far as its peers.
pub fn routes(health: Health) -> Router {
    Router::new()
        .route("/health", get(|| async { "the node runs\n" }))
        .route("/ready", get(ready))
        .with_state(health)
}

async fn ready(State(health): State<Health>) -> (StatusCode, String) {
    let Progress { highest, is_syncing, is_settled, .. } = health.progress.borrow().clone();
    let peers = health.peers.borrow().peers.len();
    let line = match (is_settled, is_syncing) {
        (false, _) => "not ready: no peer has told how far it is",
        (true, true) => "not ready: blocks are missing",
        (true, false) => "ready",
    };
    let code = match is_settled && !is_syncing {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    (code, format!("{line}; {peers} peers, the highest block is {highest}\n"))
}
