//! Choices about the server, and its bounds.

use crate::flow::Budget;
use jsonrpsee::server::{BatchRequestConfig, PingConfig, RandomStringIdProvider, ServerConfig};
use primitives::{Height, TRANSACTION_BYTES_MAX};
use serde::{Deserialize, Serialize};
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    ops::RangeInclusive,
    time::Duration,
};

/// Most connections that can be configured.
pub const CONNECTIONS_MAX: u32 = 65_536;
/// Least and most bytes of one request that can be configured; clients send up to 15 MiB.
pub const REQUEST_BYTES: RangeInclusive<u32> = 15 << 20..=64 << 20;
/// Least and most bytes of one answer that can be configured; clients expect 16 MiB to pass.
pub const RESPONSE_BYTES: RangeInclusive<u32> = 16 << 20..=256 << 20;
/// Least and most subscriptions of one connection that can be configured; clients hold up to 1024.
pub const SUBSCRIPTIONS: RangeInclusive<u32> = 1_024..=65_536;
/// Most requests of one batch that can be configured.
pub const BATCH_MAX: u32 = 10_000;
/// Least and most work that one caller may ask for each second, in microseconds of one core.
pub const RATE: RangeInclusive<u32> = 10_000..=1_000_000_000;
/// Least and most seconds of work that an idle caller saves up.
pub const BURST_S: RangeInclusive<u32> = 1..=3_600;
/// Most origins that can be named.
pub const ORIGINS_MAX: usize = 64;
/// Most keys of one `state_getKeysPaged`.
pub const KEYS_PAGE_MAX: u32 = 1_000;
/// Most keys of one query or subscription of storage, and most numbers of one `chain_getBlockHash`.
pub const KEYS_QUERIED_MAX: usize = 4_096;
/// Most keys of one `state_getReadProof`.
pub const PROVEN_KEYS_MAX: usize = 256;
/// Requests of one connection that are worked on; more are refused.
pub const IN_FLIGHT_MAX: usize = 1_024;
/// Requests of all connections that read the database or the state at a time; more wait.
pub const BLOCKING_MAX: usize = 16;
/// Bytes of a value that the threads which serve sockets answer with themselves, if it is in memory.
pub(crate) const SMALL_BYTES_MAX: usize = 16 << 10;
/// Requests of one connection with answers that may be large, that are worked on; more wait, also until
/// [`UNWRITTEN_BYTES_MAX`] allows for more. Batches count by themselves.
pub const LARGE_IN_FLIGHT_MAX: usize = 4;
/// Batches of one connection that are worked on; more wait.
pub const BATCHES_IN_FLIGHT_MAX: usize = 1;
/// Bytes of requests of one connection that are not answered; while there are more, no more is read.
pub const REQUEST_BYTES_IN_FLIGHT_MAX: usize = 32 << 20;
/// Bytes of answers of one connection that are not written yet; while there are more, no large one is worked on.
pub(crate) const UNWRITTEN_BYTES_MAX: usize = 1 << 20;
/// All connections together hold at most so many answers, or requests, of the largest size; each holds no more than its share.
pub(crate) const LARGEST_HELD_MAX: usize = 8;
/// Connections beyond those that are served: they are told so, and are cut off if they do not ask in time.
pub(crate) const CONNECTIONS_SPARE: usize = 64;
/// Answers and notifications that wait for one reader; more make their senders wait. Each may be as large as an answer can
/// be, so they are few.
pub(crate) const BUFFERED_MAX: u32 = 4;
/// Transactions that one connection has brought into the chain at a time by `transaction_v1_broadcast`. Clients that send
/// more wait for an answer that never comes, so there are enough for an account that sends a hundred at once.
pub const BROADCASTS_MAX: usize = 128;
/// Bytes of these transactions: sixteen of the largest.
pub const BROADCAST_BYTES_MAX: usize = 16 * TRANSACTION_BYTES_MAX;
/// Follows of one connection by `chainHead_v1_follow`; more are refused.
pub const FOLLOWS_PER_CONNECTION_MAX: usize = 2;
/// Blocks that one follow has pinned; one that needs more is stopped.
pub const PINS_PER_FOLLOW_MAX: usize = if cfg!(test) { 40 } else { 512 };
/// Blocks that all follows have pinned; beyond, those that have more than a fair share are stopped.
pub const PINS_MAX: usize = if cfg!(test) { 100 } else { 65_536 };
/// Operations of one follow that are under way; more are refused. Clients count on 16, and a few may be over that they do not
/// know to be.
pub const OPERATIONS_PER_FOLLOW_MAX: usize = 32;
/// Blocks that a follow may lag behind; one that falls further behind is stopped.
pub(crate) const FOLLOW_LAG_BLOCKS_MAX: Height = 128;
/// Final blocks that a follow is told of when it begins.
pub(crate) const FINALIZED_TOLD_MAX: Height = 16;
/// Keys that are read of one request of storage.
pub(crate) const QUERIES_READ_MAX: usize = 16 * QUERIES_MAX;
/// Keys of one request of storage; more are discarded, and the client is told so.
pub(crate) const QUERIES_MAX: usize = 1_024;
/// Keys of storage that are read at a time; the last item may take more.
pub(crate) const PAGE_READS_MAX: usize = if cfg!(test) { 8 } else { 1_000 };
/// Bytes of items that are told at a time; the last item may go beyond.
pub(crate) const PAGE_BYTES_MAX: usize = 1 << 20;
/// Keys that are read to find out whether any of them changed.
pub(crate) const TOKEN_KEYS_MAX: usize = 4_096;
/// Bytes of keys and values that are read to find out whether any of them changed.
pub(crate) const TOKEN_BYTES_MAX: usize = 4 << 20;
/// Most bytes of transactions that `author_pendingExtrinsics` lists.
pub const PENDING_BYTES_MAX: usize = 4 << 20;
/// Most bytes of one uploaded blob; larger ones come block by block.
pub const UPLOAD_BYTES_MAX: usize = 8 << 20;

/// Letters and digits in the id of a subscription. Clients need strings.
const SUBSCRIPTION_ID_CHARS: usize = 16;
/// How often a connection is asked whether it is alive.
const PING_INTERVAL: Duration = Duration::from_secs(30);
/// After this long without an answer a connection is closed, and what waited for its reader is gone.
pub(crate) const SILENCE_MAX: Duration = Duration::from_secs(60);

/// Choices about the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Address to listen on. Only loopback is safe without a proxy in front.
    pub host: IpAddr,
    /// Port of HTTP and WebSocket; 0 takes a free one.
    pub port: u16,
    /// Origins of the web pages that may call over HTTP; `*` stands for all.
    pub cors: Vec<String>,
    /// Most connections at a time.
    pub connections_max: u32,
    /// Most bytes of one request.
    pub request_bytes_max: u32,
    /// Most bytes of one answer.
    pub response_bytes_max: u32,
    /// Most subscriptions of one connection.
    pub subscriptions_max: u32,
    /// Most requests of one batch.
    pub batch_max: u32,
    /// Which methods are served.
    pub methods: MethodPolicy,
    /// Work that one caller may ask for each second, in microseconds of one core; each method has its price. A caller is an
    /// address, or a connection from this machine.
    pub rate: u32,
    /// Seconds of that work that an idle caller saves up.
    pub burst_s: u32,
    /// Most connections from one address; this machine's are not counted.
    pub connections_per_ip_max: u32,
}

/// Which methods are served. Unsafe ones run whole transactions or blocks that nobody pays for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MethodPolicy {
    /// Unsafe ones where only this machine can connect.
    #[default]
    Auto,
    /// Safe ones only: right behind a proxy that is open to others.
    Safe,
    /// All.
    Unsafe,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            host: Ipv4Addr::LOCALHOST.into(),
            port: 9944,
            cors: vec!["*".to_owned()],
            connections_max: 256,
            request_bytes_max: 16 << 20,
            response_bytes_max: 32 << 20,
            subscriptions_max: 1_024,
            batch_max: 1_024,
            methods: MethodPolicy::Auto,
            rate: 1_000_000,
            burst_s: 10,
            connections_per_ip_max: 64,
        }
    }
}

/// A choice that is not possible.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A number is out of its bounds.
    #[error("rpc.{name} is {value}: {min} to {max} is possible")]
    OutOfBounds {
        /// The setting.
        name: &'static str,
        /// Its value.
        value: u32,
        /// Least that is possible.
        min: u32,
        /// Most that is possible.
        max: u32,
    },
    /// An origin that no browser sends.
    #[error(
        "rpc.cors has '{0}', which is no origin: write `*`, or something like https://example.org"
    )]
    BadOrigin(String),
    /// Too many origins.
    #[error("rpc.cors names {0} origins: at most {ORIGINS_MAX} are possible; `*` stands for all")]
    TooManyOrigins(usize),
}

impl Config {
    /// Whether a server can work with these settings.
    ///
    /// # Errors
    ///
    /// Names the first setting that is not possible.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let settings = [
            ("connections_max", self.connections_max, 1..=CONNECTIONS_MAX),
            ("request_bytes_max", self.request_bytes_max, REQUEST_BYTES),
            ("response_bytes_max", self.response_bytes_max, RESPONSE_BYTES),
            ("subscriptions_max", self.subscriptions_max, SUBSCRIPTIONS),
            ("batch_max", self.batch_max, 1..=BATCH_MAX),
            ("rate", self.rate, RATE),
            ("burst_s", self.burst_s, BURST_S),
            ("connections_per_ip_max", self.connections_per_ip_max, 1..=CONNECTIONS_MAX),
        ];
        for (name, value, bounds) in settings {
            if !bounds.contains(&value) {
                let (min, max) = bounds.into_inner();
                return Err(ConfigError::OutOfBounds { name, value, min, max });
            }
        }
        if self.cors.len() > ORIGINS_MAX {
            return Err(ConfigError::TooManyOrigins(self.cors.len()));
        }
        let is_origin = |text: &str| {
            text == "*" || text.contains("://") && http::HeaderValue::from_str(text).is_ok()
        };
        match self.cors.iter().find(|text| !is_origin(text)) {
            Some(text) => Err(ConfigError::BadOrigin(text.clone())),
            None => Ok(()),
        }
    }

    /// What all connections may hold together.
    pub(crate) fn budget(&self) -> Budget {
        let size = |bytes: u32| usize::try_from(bytes).unwrap_or(usize::MAX);
        let largest = size(self.request_bytes_max.max(self.response_bytes_max));
        Budget::new(largest.saturating_mul(LARGEST_HELD_MAX), size(self.request_bytes_max))
    }

    /// Whether methods are served that cost much.
    pub(crate) fn serves_unsafe(&self) -> bool {
        match self.methods {
            MethodPolicy::Auto => self.host.is_loopback(),
            MethodPolicy::Safe => false,
            MethodPolicy::Unsafe => true,
        }
    }

    /// Where to listen.
    pub fn address(&self) -> SocketAddr {
        (self.host, self.port).into()
    }

    pub(crate) fn server(&self) -> ServerConfig {
        let ping = PingConfig::new()
            .ping_interval(PING_INTERVAL)
            .inactive_limit(SILENCE_MAX)
            .max_failures(1);
        ServerConfig::builder()
            .max_connections(self.connections_max)
            .max_request_body_size(self.request_bytes_max)
            .max_response_body_size(self.response_bytes_max)
            .max_subscriptions_per_connection(self.subscriptions_max)
            .set_batch_request_config(BatchRequestConfig::Limit(self.batch_max))
            .set_message_buffer_capacity(BUFFERED_MAX)
            .set_id_provider(RandomStringIdProvider::new(SUBSCRIPTION_ID_CHARS))
            .enable_ws_ping(ping)
            .build()
    }
}
