#![doc = include_str!("../README.md")]
#![deny(missing_docs)]

mod access;
mod api;
mod args;
mod backend;
mod body;
mod config;
mod context;
mod error;
mod flow;
mod follow;
mod metrics;
mod module;
mod server;

pub use backend::{
    Backend, ChainInfo, NodeInfo, PoolRequest, ProofRequest, SubmitError, TxStatus, UPDATES_MAX,
};
pub use config::{
    BATCH_MAX, BLOCKING_MAX, BURST_S, CONNECTIONS_MAX, Config, ConfigError, IN_FLIGHT_MAX,
    KEYS_PAGE_MAX, KEYS_QUERIED_MAX, MethodPolicy, ORIGINS_MAX, PENDING_BYTES_MAX, PROVEN_KEYS_MAX,
    RATE, REQUEST_BYTES, RESPONSE_BYTES, SUBSCRIPTIONS, UPLOAD_BYTES_MAX,
};
pub use jsonrpsee::server::ServerHandle;
pub use server::{Server, StartError};

#[cfg(test)]
mod tests;
