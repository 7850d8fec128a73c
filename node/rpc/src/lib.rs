#![doc = include_str!("../README.md")]
#![deny(missing_docs)]

mod access;
mod api;
mod args;
mod backend;
mod broadcasts;
mod config;
mod context;
mod error;
mod flow;
mod follow;
mod follows;
mod last_changes;
mod layer;
mod metrics;
mod module;
mod server;
mod session;
mod socket;
mod subscriber;

pub use backend::{
    Backend, ChainInfo, NetworkView, NodeInfo, Peers, PoolRequest, ProofRequest, SubmitError,
    TxStatus, UPDATES_MAX,
};
pub use config::{
    BATCH_MAX, BLOCKING_MAX, BROADCAST_BYTES_MAX, BROADCASTS_MAX, BURST_S, CONNECTIONS_MAX, Config,
    ConfigError, FOLLOWS_PER_CONNECTION_MAX, IN_FLIGHT_MAX, KEYS_PAGE_MAX, KEYS_QUERIED_MAX,
    MethodPolicy, OPERATIONS_PER_FOLLOW_MAX, ORIGINS_MAX, PENDING_BYTES_MAX, PINS_MAX,
    PINS_PER_FOLLOW_MAX, PROVEN_KEYS_MAX, RATE, REQUEST_BYTES, RESPONSE_BYTES, SUBSCRIPTIONS,
    UPLOAD_BYTES_MAX,
};
pub use jsonrpsee::server::ServerHandle;
pub use server::{Server, StartError};

#[cfg(test)]
mod tests;
