//! Who may call what, and how fast.

use super::*;
use jsonrpsee::core::params::BatchRequestBuilder;
use prometheus_client::encoding::text::encode;
use std::net::Ipv4Addr;

const UNSAFE: [&str; 3] = ["artel_trace", "system_dryRun", "system_dryRunAt"];

fn metrics(node: &Node) -> String {
    let mut text = String::new();
    encode(&mut text, &node.registry).expect("a string takes all");
    text
}

#[tokio::test]
async fn unsafe_methods_are_served_on_loopback_or_by_choice() {
    let everywhere = Ipv4Addr::UNSPECIFIED.into();
    for (config, serves) in [
        (Config::default(), true),
        (Config { methods: MethodPolicy::Safe, ..Config::default() }, false),
        (Config { host: everywhere, ..Config::default() }, false),
        (Config { host: everywhere, methods: MethodPolicy::Unsafe, ..Config::default() }, true),
    ] {
        let node = Node::start_with(config).await;
        let listed: Value = node.ask("rpc_methods", json!([])).await;
        let listed: Vec<String> =
            serde_json::from_value(listed["methods"].clone()).expect("it lists names");
        let document: Value = node.ask("rpc.discover", json!([])).await;
        assert_eq!(document["methods"].to_string().contains("artel_trace"), serves);
        for method in UNSAFE {
            assert_eq!(listed.iter().any(|name| name == method), serves, "{method}");
            let (code, message, _) =
                node.try_ask::<Value>(method, json!([])).await.expect_err("it has no parameters");
            assert_eq!(code, if serves { -32602 } else { -32601 }, "{method}: {message}");
            assert_eq!(message.contains("--rpc-methods unsafe"), !serves, "{message}");
        }
        let refused = r#"artel_rpc_refusals_total{reason="Unsafe"} 3"#;
        assert_eq!(metrics(&node).contains(refused), !serves);
        assert_eq!(node.ask::<String>("system_name", json!([])).await, "Artel Node");
    }
}

/// The least rate, and room for two traces at once.
fn slow() -> Config {
    Config { rate: *RATE.start(), burst_s: 101, ..Config::default() }
}

#[tokio::test]
async fn who_asks_for_too_much_work_is_told_to_wait_and_others_are_served() {
    let mut node = Node::start_with(slow()).await;
    node.grow(&[]);
    let client = node.client().await;
    let trace = || client.request::<Value, _>("artel_trace", rpc_params![1]);
    for _ in 0..2 {
        trace().await.expect("there is work left");
    }
    let Err(ClientError::Call(error)) = trace().await else { panic!("the work is used up") };
    assert_eq!(error.code(), -32999);
    assert!(error.message().contains("artel_trace again in"), "{error:?}");
    client.request::<Value, _>("system_name", none()).await.expect("small requests still fit");
    node.client().await.request::<Value, _>("artel_trace", rpc_params![1]).await.expect("others");
    assert!(metrics(&node).contains(r#"artel_rpc_refusals_total{reason="Rate"} 1"#));
}

#[tokio::test]
async fn each_request_of_a_batch_counts() {
    let mut node = Node::start_with(slow()).await;
    node.grow(&[]);
    let client = node.client().await;
    let mut batch = BatchRequestBuilder::new();
    for _ in 0..4 {
        batch.insert("artel_trace", rpc_params![1]).expect("it is JSON");
    }
    let answers = client.batch_request::<Value>(batch).await.expect("the batch is answered");
    let codes: Vec<_> = answers.into_iter().map(|answer| answer.err().map(|e| e.code())).collect();
    assert_eq!(codes, [None, None, Some(-32999), Some(-32999)]);
}

#[tokio::test]
async fn browsers_get_leave_before_they_call() {
    let node = Node::start().await;
    let ask = "OPTIONS / HTTP/1.1\r\nHost: node\r\nOrigin: https://example.org\r\n\
        Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: content-type\r\n\
        Access-Control-Request-Private-Network: true\r\nConnection: close\r\n\r\n";
    let mut socket = TcpStream::connect(node.address).await.expect("it listens");
    socket.write_all(ask.as_bytes()).await.expect("it takes requests");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.expect("it answers");
    for line in [
        "HTTP/1.1 200",
        "access-control-allow-origin: *",
        "access-control-allow-methods: POST",
        "access-control-allow-headers: content-type",
        "access-control-allow-private-network: true",
        "access-control-max-age: 3600",
    ] {
        assert!(answer.to_lowercase().contains(&line.to_lowercase()), "{line} is in {answer}");
    }
}
