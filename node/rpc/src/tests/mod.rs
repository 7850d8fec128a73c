//! A real chain behind a real socket. What the pool says is scripted by each test.

mod access;
mod archive;
mod author;
mod bad_input;
mod blocks;
mod chain_head;
mod explain;
mod flow;
mod light;
mod market;
mod openrpc;
mod proofs;
mod queries;
mod server;
mod state;
mod transactions;

use crate::*;
use ::chain::{BuildRequest, Chain, Head};
use futures::future::{BoxFuture, FutureExt, ready};
use jsonrpsee::{
    client_transport::ws::{Url, WsTransportClientBuilder},
    core::{
        client::{Client, ClientBuilder, ClientT, Error as ClientError},
        params::ArrayParams,
    },
    rpc_params,
};
use pallets::staking;
use primitives::{
    Balance, Certificate, Hash, OpaqueTransaction,
    crypto::{
        pair::{Ed25519Pair, Sr25519Pair},
        vrf,
    },
};
use prometheus_client::{encoding::text::encode, registry::Registry};
use runtime::ChainSpec;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tempfile::TempDir;
use testkit::{Signer, alice};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::watch,
};

/// Longest wait for anything that must come.
const WAIT: Duration = Duration::from_secs(30);
/// Time between the blocks of a test, on the chain.
const BLOCK_MS: u64 = 1_000;

struct Node {
    chain: Chain,
    heads: watch::Sender<Head>,
    /// What the server asks the pool.
    pool: crossbeam_channel::Receiver<PoolRequest>,
    /// Proofs that the server asks for.
    proofs: crossbeam_channel::Receiver<ProofRequest>,
    address: SocketAddr,
    handle: ServerHandle,
    registry: Registry,
    blobs: Arc<::blobs::Store>,
    folder: TempDir,
}

fn vote_pair() -> Ed25519Pair {
    Ed25519Pair::from_seed(&[77; 32])
}

fn vrf_pair() -> Sr25519Pair {
    Sr25519Pair::from_seed(&[78; 32])
}

fn spec() -> ChainSpec {
    let mut spec = ChainSpec::dev();
    spec.genesis.Staking.validators = vec![staking::GenesisValidator {
        account: alice().account(),
        vote_key: Hash(vote_pair().public()),
        vrf_key: Hash(vrf_pair().public()),
        stake: Balance::new(100_000_000_000_000),
        commission_ppm: 0,
    }];
    spec
}

fn open_chain(folder: &TempDir, storage: ::storage::Config) -> Result<Chain, ::chain::Error> {
    let storage = ::storage::Config { cache_mb: 16, state_cache_mb: 16, ..storage };
    let config = ::chain::Config { path: folder.path().join("db"), storage, ..Default::default() };
    Chain::open(&config, &spec().genesis)
}

impl Node {
    async fn start() -> Self {
        Self::start_with(Config::default()).await
    }

    async fn start_with(config: Config) -> Self {
        Self::start_beside_pool(config, 2).await
    }

    /// Starts where the pool's channel has room for so many requests.
    async fn start_beside_pool(config: Config, requests_max: usize) -> Self {
        Self::start_as(config, Default::default(), requests_max).await
    }

    /// Starts a node that keeps the states after all blocks.
    async fn start_archive() -> Self {
        let storage = ::storage::Config { archive: true, ..Default::default() };
        Self::start_as(Config::default(), storage, 2).await
    }

    /// Starts where the states of so many blocks before the head can be read.
    async fn start_keeping(history_blocks: u32) -> Self {
        let storage = ::storage::Config { history_blocks, ..Default::default() };
        Self::start_as(Config::default(), storage, 2).await
    }

    async fn start_as(config: Config, storage: ::storage::Config, requests_max: usize) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let chain = open_chain(&folder, storage).expect("the chain opens");
        Self::start_on(folder, chain, config, requests_max).await
    }

    async fn start_on(folder: TempDir, chain: Chain, config: Config, requests_max: usize) -> Self {
        let spec = spec();
        let (heads, receiver) = watch::channel(chain.head().clone());
        let (requests, pool) = crossbeam_channel::bounded(requests_max);
        let (prover, proofs) = crossbeam_channel::bounded(2);
        let blobs = ::blobs::Store::open(&folder.path().join("blobs"), Default::default());
        let blobs = Arc::new(blobs.expect("the store opens"));
        let backend = Backend {
            heads: receiver,
            database: chain.database().clone(),
            pool: requests,
            proofs: prover,
            blobs: blobs.clone(),
            chain: ChainInfo {
                name: spec.name,
                chain_type: spec.chain_type,
                properties: spec.properties,
            },
            node: NodeInfo {
                name: "Artel Node".to_owned(),
                version: "0.1.0-test".to_owned(),
                is_validator: true,
            },
            peers: Arc::new(Alone),
        };
        let mut registry = Registry::default();
        let config = Config { port: 0, ..config };
        let server = Server::bind(&config).await.expect("loopback has free ports");
        let address = server.address();
        let handle = server.start(backend, &mut registry).expect("the chain has a first block");
        Self { chain, heads, pool, proofs, address, handle, registry, blobs, folder }
    }

    /// Makes a block final and tells the server.
    fn grow(&mut self, transactions: &[OpaqueTransaction]) -> Head {
        let head = self.chain.head().clone();
        let received = transactions.iter().cloned().map(chain::Received::from).collect();
        let verified = self.chain.verifier().verify(&head, received, &[3; 32]);
        let built = self.chain.build(BuildRequest {
            author: alice().account(),
            origin_round: 0,
            now_ms: head.time_ms + BLOCK_MS,
            certificate: None,
            widened: Vec::new(),
            evidence: Vec::new(),
            transactions: verified.into_iter().map(|tx| tx.expect("it is signed well")).collect(),
            sign_vrf: &|message| vrf::sign(&vrf_pair(), runtime::VRF_LABEL, message).0,
            is_late: &mut || false,
        });
        let built = built.expect("a block can be built");
        assert_eq!((built.included, built.rejected.len()), (transactions.len(), 0));
        let mut certificate = Certificate {
            height: head.height + 1,
            round: 0,
            block: built.hash,
            signatures: Vec::new(),
        };
        let vote = vote_pair().sign(&certificate.signed_bytes(&self.chain.genesis()));
        certificate.signatures.push((alice().account(), vote));
        let committed = self.chain.commit(&built.hash, certificate).expect("it was built");
        self.heads.send_replace(committed.head.clone());
        committed.head
    }

    fn signer(&self) -> Signer {
        Signer::new(alice(), self.chain.genesis())
    }

    /// A client over WebSocket.
    async fn client(&self) -> Client {
        let url = Url::parse(&format!("ws://{}", self.address)).expect("the address makes a URL");
        let transport = WsTransportClientBuilder::default().build(url).await;
        let (sender, receiver) = transport.expect("the server takes connections");
        ClientBuilder::default()
            .request_timeout(WAIT)
            .max_buffer_capacity_per_subscription(4_096)
            .build_with_tokio(sender, receiver)
    }

    /// A request's answer over a connection of its own.
    async fn ask<T: DeserializeOwned>(&self, method: &str, params: Value) -> T {
        let answer = self.try_ask(method, params).await;
        answer.unwrap_or_else(|error| panic!("{method} answers: {error:?}"))
    }

    /// A request's answer or error: code, message, data.
    async fn try_ask<T: DeserializeOwned>(
        &self,
        method: &str,
        params: Value,
    ) -> Result<T, (i64, String, String)> {
        let body = json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params });
        let answer: Value = serde_json::from_str(&self.post(&body.to_string()).await.1)
            .expect("the answer is JSON");
        assert_eq!(answer["id"], 7);
        match answer.get("error") {
            None => Ok(serde_json::from_value(answer["result"].clone()).expect("it has its form")),
            Some(error) => Err((
                error["code"].as_i64().expect("errors have codes"),
                error["message"].as_str().expect("errors have messages").to_owned(),
                error["data"].as_str().unwrap_or_default().to_owned(),
            )),
        }
    }

    /// The head and body of the answer to a body, over HTTP.
    async fn post(&self, body: &str) -> (String, String) {
        self.post_bytes(body.as_bytes(), "").await
    }

    async fn post_bytes(&self, body: &[u8], headers: &str) -> (String, String) {
        let head = format!(
            "POST / HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n{headers}Content-Length: {}\r\n\
             Connection: close\r\n\r\n",
            self.address,
            body.len()
        );
        let exchange = async {
            let mut socket = TcpStream::connect(self.address).await?;
            socket.write_all(head.as_bytes()).await?;
            // A server that refuses a body early may close before all of it is sent.
            let _ = socket.write_all(body).await;
            let mut answer = Vec::new();
            socket.read_to_end(&mut answer).await?;
            Ok::<_, std::io::Error>(answer)
        };
        let answer = tokio::time::timeout(WAIT, exchange).await.expect("the server answers");
        let answer = String::from_utf8(answer.expect("the socket works")).expect("it is text");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head ends with an empty line");
        (head.to_owned(), body.to_owned())
    }

    /// Waits until a gauge has a value.
    async fn gauge(&self, name: &str, value: usize) {
        let line = format!("artel_rpc_{name} {value}\n");
        let reached = async {
            loop {
                let mut text = String::new();
                encode(&mut text, &self.registry).expect("a string takes all");
                if text.contains(&line) {
                    return;
                }
                tokio::task::yield_now().await;
            }
        };
        let reached = tokio::time::timeout(WAIT, reached).await;
        reached.unwrap_or_else(|_| panic!("{line} is told"));
    }

    /// What the server asks the pool next.
    async fn pool_request(&self) -> PoolRequest {
        next_request(&self.pool).await
    }
}

async fn next_request<T>(requests: &crossbeam_channel::Receiver<T>) -> T {
    let asked = async {
        loop {
            match requests.try_recv() {
                Ok(request) => return request,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    };
    tokio::time::timeout(WAIT, asked).await.expect("something is asked for")
}

/// The code of a failed call.
fn code<T: std::fmt::Debug>(result: Result<T, ClientError>) -> i32 {
    match result.expect_err("the call fails") {
        ClientError::Call(error) => error.code(),
        other => panic!("the server refuses it: {other}"),
    }
}

fn hex(bytes: impl AsRef<[u8]>) -> String {
    format!("0x{}", ::hex::encode(bytes))
}

/// No parameters.
fn none() -> ArrayParams {
    rpc_params![]
}

/// A node that knows no others.
struct Alone;

impl Peers for Alone {
    fn view(&self) -> NetworkView {
        NetworkView::default()
    }

    fn reserve(&self, address: String) -> BoxFuture<'static, Result<(), String>> {
        let address = primitives::shown(&address, 80);
        ready(Err(format!("'{address}' is no address"))).boxed()
    }

    fn release(&self, peer: String) -> BoxFuture<'static, Result<(), String>> {
        let peer = primitives::shown(&peer, 80);
        ready(Err(format!("'{peer}' is no identity"))).boxed()
    }

    fn fetch(&self, _: ::blobs::Cid) -> BoxFuture<'static, bool> {
        ready(false).boxed()
    }
}
