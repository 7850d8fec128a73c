//! The node's JSON-RPC server.

mod backend;

pub use backend::{Backend, ChainInfo, NodeInfo, PoolRequest, SubmitError, TxStatus, UPDATES_MAX};
