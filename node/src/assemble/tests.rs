use super::*;
use crate::{cli::node::session_keys, config::on_loopback};
use client::{
    Client,
    pallets::tasks::{Cid, Policy},
};
use primitives::{
    Balance,
    crypto::pair::{Pair, Scheme},
};
use std::path::Path;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Longest wait for anything that must come.
const WAIT: Duration = Duration::from_secs(60);

fn plan(folder: &Path, rpc_port: u16) -> Plan {
    let mut config = Config::default();
    (config.rpc.port, config.metrics.port) = (rpc_port, 0);
    config.network = on_loopback(0);
    Plan {
        config,
        spec: ChainSpec::dev(),
        base_path: folder.to_owned(),
        role: validator("//Alice"),
    }
}

fn validator(uri: &str) -> Role {
    let keys = session_keys(uri).expect("it is a secret URI").into();
    Role::Validator { keys, sign_without_guard: false }
}

/// Starts as soon as nobody has the folder any more.
async fn start_again(folder: &Path) -> Node {
    let started = async {
        loop {
            match assemble(plan(folder, 0)).await {
                Ok(node) => return node,
                Err(error) => {
                    let text = format!("{error:#}");
                    assert!(text.contains("another process") || text.contains("lock"), "{text}");
                    tokio::task::yield_now().await;
                }
            }
        }
    };
    timeout(WAIT, started).await.expect("the folder is free again")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_fails_leaves_nothing_behind() {
    let folder = TempDir::new().expect("a temporary folder");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
    let port = taken.local_addr().expect("it is bound").port();
    let error = assemble(plan(folder.path(), port)).await.err().expect("the port is taken");
    assert!(format!("{error:#}").contains("--rpc-port"), "{error:#}");
    let node = assemble(plan(folder.path(), 0)).await.expect("nothing is in its way");
    node.stop().await.expect("it stops in order");
}

/// The other three validators are away.
#[tokio::test(flavor = "multi_thread")]
async fn the_test_network_makes_blocks_with_its_first_validator_alone() {
    let folder = TempDir::new().expect("a temporary folder");
    let spec = ChainSpec::testnet();
    let genesis = chain::genesis_hash(&spec.genesis).expect("the spec is valid");
    let plan = Plan { spec, role: validator("//Testnet//Validator//1"), ..plan(folder.path(), 0) };
    let node = assemble(plan).await.expect("it starts");
    assert_eq!(node.genesis, genesis);
    let mut heads = node.heads.clone();
    let second = heads.wait_for(|head| head.height >= 2);
    timeout(WAIT, second).await.expect("blocks come").expect("the node runs");
    node.stop().await.expect("it stops in order");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_dropped_ends() {
    let folder = TempDir::new().expect("a temporary folder");
    let node = assemble(plan(folder.path(), 0)).await.expect("it starts");
    drop(node);
    start_again(folder.path()).await.stop().await.expect("it stops in order");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_blobs_of_an_open_task_are_pinned_after_a_restart_too() {
    let folder = TempDir::new().expect("a temporary folder");
    let node = assemble(plan(folder.path(), 0)).await.expect("it starts");
    let client = Client::connect(&format!("ws://{}", node.rpc_address)).await.expect("it serves");
    let program = client.upload(b"a program").await.expect("there is room");
    let pair = Pair::from_uri(Scheme::Sr25519, "//Alice").expect("it is a secret URI");
    let spec = client::pallets::tasks::TaskSpec {
        engine: 1,
        program: Cid(program.to_bytes()),
        input: client::pallets::tasks::Input::Inline(Vec::new()),
        args: Vec::new(),
        fuel_limit: 1_000_000,
        memory_pages_max: 16,
        output_bytes_max: 1_024,
    };
    let policy = Policy::economy(Balance::new(1_000_000_000_000));
    client.post_task(&pair, spec, policy).await.expect("Alice can pay");
    wait_for(&node, "artel_blobs_pins 1\n").await;
    drop(client);
    node.stop().await.expect("it stops in order");

    let node = assemble(plan(folder.path(), 0)).await.expect("it starts again");
    wait_for(&node, "artel_blobs_pins 1\n").await;
    node.stop().await.expect("it stops in order");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_proves_values_that_a_node_tells() {
    let folder = TempDir::new().expect("a temporary folder");
    let node = assemble(plan(folder.path(), 0)).await.expect("it starts");
    let client = Client::connect(&format!("ws://{}", node.rpc_address)).await.expect("it serves");
    let mut heads = node.heads.clone();
    let second = heads.wait_for(|head| head.height >= 2);
    timeout(WAIT, second).await.expect("blocks come").expect("the node runs");
    let at = client.finalised_hash().await.expect("there is one");
    let keys = [b":code".to_vec(), runtime::events_key().to_vec(), b"nothing".to_vec()];
    let proven = client.prove(at, &keys).await.expect("the proofs hold");
    assert!(proven[0].is_some() && proven[1].is_some() && proven[2].is_none());
    assert_eq!(proven[0], client.storage(&keys[0], Some(at)).await.expect("it can be read"));
    let unknown = client.prove(Hash([1; 32]), &keys).await;
    assert!(matches!(unknown, Err(client::Error::NoBlock(_))), "{unknown:?}");
    node.stop().await.expect("it stops in order");
}

/// Waits until the node's metrics have a line.
async fn wait_for(node: &Node, line: &str) {
    let address = node.metrics_address.expect("metrics are served");
    let found = async {
        loop {
            let mut socket = TcpStream::connect(address).await.expect("metrics are served");
            let request = "GET /metrics HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n";
            socket.write_all(request.as_bytes()).await.expect("it takes requests");
            let mut text = String::new();
            socket.read_to_string(&mut text).await.expect("it answers");
            if text.contains(line) {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    timeout(WAIT, found).await.expect("the line comes");
}
