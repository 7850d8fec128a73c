//! The server: one port for HTTP and WebSocket.

use crate::{
    Backend, Config, ConfigError,
    access::{Access, Peer, Peers},
    api,
    config::{CONNECTIONS_SPARE, SILENCE_MAX},
    context::Context,
    flow::{Budget, Flow},
    layer::Layer,
    metrics::{Metrics, Refusal},
    module::Module,
    session::Session,
    socket::Socket,
};
use http::{HeaderValue, Method, header};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use jsonrpsee::{
    MethodCallback, Methods, RpcModule,
    server::{
        ServerBuilder, ServerHandle, StopHandle, TowerServiceBuilder,
        middleware::rpc::RpcServiceBuilder, stop_channel,
    },
};
use prometheus_client::registry::Registry;
use std::{
    collections::BTreeSet,
    io,
    net::SocketAddr,
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tower::layer::util::Identity;
use tower_http::{
    cors::{AllowOrigin, CorsLayer},
    timeout::RequestBodyTimeoutLayer,
};

/// Wait before the next connection is taken after one could not be.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);
/// Longest that a connection may take to send the head of a request.
const HEAD_WAIT_MAX: Duration = Duration::from_secs(30);
/// Answer to a connection that is one too many.
const TOO_MANY_CONNECTIONS: &[u8] =
    b"HTTP/1.1 429 Too Many Requests\r\nContent-Type: text/plain\r\n\
    Content-Length: 81\r\nConnection: close\r\n\r\n\
    Your address has too many connections to this node: close one, or use one for all";
/// How long browsers may remember what they were told of other origins.
const PREFLIGHT_AGE: Duration = Duration::from_secs(3_600);

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

/// The JSON-RPC server, which listens and does not answer yet.
#[derive(Debug)]
pub struct Server {
    config: Config,
    listener: TcpListener,
    address: SocketAddr,
}

impl Server {
    /// Takes the address, so that whoever needs a server finds out early that there can be none. Connections wait.
    ///
    /// # Errors
    ///
    /// A setting is not possible, or the address cannot be listened on.
    pub async fn bind(config: &Config) -> Result<Self, StartError> {
        config.validate()?;
        let address = config.address();
        let error = |source| StartError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(error)?;
        let address = listener.local_addr().map_err(error)?;
        Ok(Self { config: config.clone(), listener, address })
    }

    /// The address that it got.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Starts to serve; gives the handle that stops it. Handles can be dropped: the server ends when `stop` is called, or
    /// with the runtime.
    ///
    /// # Errors
    ///
    /// The chain has no first block.
    pub fn start(
        self,
        backend: Backend,
        registry: &mut Registry,
    ) -> Result<ServerHandle, StartError> {
        let Self { config, listener, address } = self;
        let metrics = Metrics::new(registry);
        let access = Access::new(&config);
        let context = Context::new(backend, metrics.clone(), access.clone());
        let context = Arc::new(context.map_err(|error| StartError::Chain(error.to_string()))?);
        let module = module(context.clone());
        let methods = module.method_names().collect();
        let subscriptions = subscriptions(&module);
        let layer = Layer {
            metrics,
            access,
            methods: Arc::new(methods),
            subscriptions: Arc::new(subscriptions),
            response_bytes_max: usize::try_from(config.response_bytes_max).unwrap_or(usize::MAX),
        };
        let (stop, handle) = stop_channel();
        let places = usize::try_from(config.connections_max).unwrap_or(usize::MAX);
        let connections = Connections {
            methods: module.into(),
            layer,
            budget: Arc::new(config.budget()),
            places: Arc::new(Semaphore::new(places.saturating_add(CONNECTIONS_SPARE))),
            cors: cors(&config.cors),
            settings: ServerBuilder::with_config(config.server()).to_service_builder(),
            peers: Peers::default(),
            per_ip_max: config.connections_per_ip_max,
            stop,
        };
        tokio::spawn(connections.accept(listener));
        tokio::spawn(remember(Arc::downgrade(&context), handle.clone()));
        tracing::info!(%address, "serving json-rpc");
        Ok(handle)
    }
}

/// What each connection is served with.
struct Connections {
    methods: Methods,
    layer: Layer,
    /// What all may hold together.
    budget: Arc<Budget>,
    /// Sockets that may be open.
    places: Arc<Semaphore>,
    cors: CorsLayer,
    settings: TowerServiceBuilder<Identity, Identity>,
    peers: Peers,
    per_ip_max: u32,
    /// Comes last: when it is dropped, everything else is.
    stop: StopHandle,
}

impl Connections {
    /// Takes connections until the server is stopped.
    async fn accept(self, listener: TcpListener) {
        let stopped = self.stop.clone().shutdown();
        tokio::pin!(stopped);
        loop {
            let accepted = tokio::select! {
                () = &mut stopped => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((socket, address)) => match self.peers.enter(address.ip(), self.per_ip_max) {
                    Some(peer) => self.serve(socket, peer),
                    None => self.refuse(&socket),
                },
                Err(error) => {
                    // Mostly too many open files: some may be closed soon.
                    tracing::warn!(%error, "a connection could not be taken");
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                }
            }
        }
    }

    /// Tells a peer with too many connections why it gets no other one, if it can be told at once.
    fn refuse(&self, socket: &TcpStream) {
        self.layer.metrics.refused(Refusal::Connections);
        // It may have gone.
        let _ = socket.try_write(TOO_MANY_CONNECTIONS);
    }

    /// HTTP/1.1 only, which WebSockets begin with: with HTTP/2 one socket could hold many answers back.
    fn serve(&self, socket: TcpStream, peer: Peer) {
        let Ok(place) = self.places.clone().try_acquire_owned() else {
            tracing::debug!("there are too many connections for another");
            return;
        };
        if let Err(error) = socket.set_nodelay(true) {
            tracing::debug!(%error, "a connection ended as it began");
            return;
        }
        let flow = Flow::new(self.budget.clone(), peer.account.clone());
        let session = Arc::new(Session::new(flow.clone(), peer.pace.clone()));
        let kept = (place, peer, self.stop.clone());
        let socket = Socket::new(socket, flow, SILENCE_MAX, kept);
        let layer = self.layer.clone();
        let http = tower::ServiceBuilder::new()
            .layer(self.cors.clone())
            .layer(RequestBodyTimeoutLayer::new(SILENCE_MAX));
        let rpc =
            RpcServiceBuilder::new().layer_fn(move |inner| layer.service(inner, session.clone()));
        let service = self
            .settings
            .clone()
            .set_http_middleware(http)
            .set_rpc_middleware(rpc)
            .build(self.methods.clone(), self.stop.clone());
        let serving = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_WAIT_MAX)
            .serve_connection(TokioIo::new(socket), TowerToHyperService::new(service))
            .with_upgrades();
        let stopped = self.stop.clone().shutdown();
        tokio::spawn(async move {
            tokio::pin!(serving, stopped);
            let served = tokio::select! {
                served = &mut serving => served,
                () = &mut stopped => {
                    serving.as_mut().graceful_shutdown();
                    serving.await
                }
            };
            if let Err(error) = served {
                tracing::debug!(%error, "a connection failed");
            }
        });
    }
}

/// Everything that is served.
fn module(context: Arc<Context>) -> RpcModule<Context> {
    let mut module = Module(RpcModule::from_arc(context.clone()));
    let database = context.database();
    api::register(&mut module, database.is_archive() && database.oldest_state() == 0);
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
        context.note(snapshot.clone());
        // A fault is logged, and whoever needs what is missing now meets it again.
        let noted =
            context.blocking(move |cx| cx.last_changes.note(cx.database(), &snapshot)).await;
        drop(noted);
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
        // Pages of the web may call a node on the user's own machine, as far as the origins say.
        .allow_private_network(true)
        .max_age(PREFLIGHT_AGE)
}
