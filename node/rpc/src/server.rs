//! The server: one port for HTTP and WebSocket.

use crate::{
    Backend, Config, ConfigError, api,
    context::Context,
    metrics::{Layer, Metrics},
    module::Module,
};
use http::{HeaderValue, Method, header};
use jsonrpsee::{
    MethodCallback, RpcModule,
    server::{
        Server as JsonRpcServer, ServerBuilder, ServerHandle, middleware::rpc::RpcServiceBuilder,
    },
};
use prometheus_client::registry::Registry;
use std::{
    collections::BTreeSet,
    io,
    net::SocketAddr,
    sync::{Arc, Weak},
};
use tower_http::cors::{AllowOrigin, CorsLayer};

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting is not possible.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The address is taken, or not this machine's.
    #[error("cannot listen on {address} for RPC: {source}; choose another with --rpc-port")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's word.
        source: io::Error,
    },
    /// The chain has no first block.
    #[error("the chain cannot be served: {0}")]
    Chain(String),
}

/// The JSON-RPC server.
#[derive(Debug)]
pub struct Server;

impl Server {
    /// Starts to serve; gives the address that it got, and the handle that stops it. Handles can be dropped: the server
    /// ends when `stop` is called, or with the runtime.
    ///
    /// # Errors
    ///
    /// A setting is not possible, or the address cannot be listened on.
    pub async fn start(
        config: &Config,
        backend: Backend,
        registry: &mut Registry,
    ) -> Result<(SocketAddr, ServerHandle), StartError> {
        config.validate()?;
        let metrics = Metrics::new(registry);
        let context = Context::new(backend, metrics.clone());
        let context = Arc::new(context.map_err(|error| StartError::Chain(error.to_string()))?);
        let module = module(context.clone());
        let methods = module.method_names().collect();
        let subscriptions = subscriptions(&module);
        let layer = Layer {
            metrics,
            methods: Arc::new(methods),
            subscriptions: Arc::new(subscriptions),
            response_bytes_max: usize::try_from(config.response_bytes_max).unwrap_or(usize::MAX),
        };
        let address = config.address();
        let server: JsonRpcServer<_, _> = ServerBuilder::with_config(config.server())
            .set_http_middleware(tower::ServiceBuilder::new().layer(cors(&config.cors)))
            .set_rpc_middleware(
                RpcServiceBuilder::new().layer_fn(move |inner| layer.service(inner)),
            )
            .build(address)
            .await
            .map_err(|source| StartError::Listen { address, source })?;
        let listen_error = |source| StartError::Listen { address, source };
        let bound = server.local_addr().map_err(listen_error)?;
        let handle = server.start(module);
        tokio::spawn(remember(Arc::downgrade(&context), handle.clone()));
        tracing::info!(address = %bound, "serving json-rpc");
        Ok((bound, handle))
    }
}

/// Everything that is served.
fn module(context: Arc<Context>) -> RpcModule<Context> {
    let mut module = Module(RpcModule::from_arc(context));
    api::register(&mut module);
    module.0
}

/// The names that begin or end subscriptions.
fn subscriptions(module: &RpcModule<Context>) -> BTreeSet<&'static str> {
    let is_one = |name: &&'static str| {
        matches!(
            module.method(name),
            Some(MethodCallback::Subscription(_) | MethodCallback::Unsubscription(_))
        )
    };
    module.method_names().filter(is_one).collect()
}

/// Keeps the states of the latest blocks within reach, until the server ends.
async fn remember(context: Weak<Context>, handle: ServerHandle) {
    let Some(mut heads) = context.upgrade().map(|context| context.backend.heads.clone()) else {
        return;
    };
    let stopped = handle.stopped();
    tokio::pin!(stopped);
    loop {
        tokio::select! {
            () = &mut stopped => return,
            changed = heads.changed() => if changed.is_err() { return },
        }
        let Some(context) = context.upgrade() else { return };
        let snapshot = heads.borrow_and_update().snapshot.clone();
        context.note(snapshot);
    }
}

fn cors(origins: &[String]) -> CorsLayer {
    let origin = if origins.iter().any(|origin| origin == "*") {
        AllowOrigin::any()
    } else {
        let valid = origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok());
        AllowOrigin::list(valid)
    };
    CorsLayer::new()
        .allow_origin(origin)
        .allow_methods([Method::POST])
        .allow_headers([header::CONTENT_TYPE])
}
