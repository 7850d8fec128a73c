use super::*;
use crate::config::CONNECTIONS_SPARE;
use jsonrpsee::core::client::{SubscriptionClientT, TransportReceiverT, TransportSenderT};
use std::collections::BTreeSet;

/// Everything that is served, in order.
pub(super) const METHODS: &[&str] = &[
    "account_nextIndex",
    "artel_agent",
    "artel_blob",
    "artel_estimate",
    "artel_explain",
    "artel_lightBlocks",
    "artel_lightStart",
    "artel_market",
    "artel_payouts",
    "artel_peers",
    "artel_task",
    "artel_taskEvents",
    "artel_tasks",
    "artel_trace",
    "artel_unwatchTaskEvents",
    "artel_uploadBlob",
    "artel_uploadBlock",
    "artel_validators",
    "author_pendingExtrinsics",
    "author_submitAndWatchExtrinsic",
    "author_submitExtrinsic",
    "author_unwatchExtrinsic",
    "chainHead_v1_body",
    "chainHead_v1_call",
    "chainHead_v1_continue",
    "chainHead_v1_follow",
    "chainHead_v1_header",
    "chainHead_v1_stopOperation",
    "chainHead_v1_storage",
    "chainHead_v1_unfollow",
    "chainHead_v1_unpin",
    "chainSpec_v1_chainName",
    "chainSpec_v1_genesisHash",
    "chainSpec_v1_properties",
    "chain_getBlock",
    "chain_getBlockHash",
    "chain_getFinalisedHead",
    "chain_getFinalizedHead",
    "chain_getHead",
    "chain_getHeader",
    "chain_getRuntimeVersion",
    "chain_subscribeAllHeads",
    "chain_subscribeFinalisedHeads",
    "chain_subscribeFinalizedHeads",
    "chain_subscribeNewHead",
    "chain_subscribeNewHeads",
    "chain_subscribeRuntimeVersion",
    "chain_unsubscribeAllHeads",
    "chain_unsubscribeFinalisedHeads",
    "chain_unsubscribeFinalizedHeads",
    "chain_unsubscribeNewHead",
    "chain_unsubscribeNewHeads",
    "chain_unsubscribeRuntimeVersion",
    "payment_queryFeeDetails",
    "payment_queryInfo",
    "rpc.discover",
    "rpc_methods",
    "state_call",
    "state_callAt",
    "state_getKeysPaged",
    "state_getKeysPagedAt",
    "state_getMetadata",
    "state_getReadProof",
    "state_getRuntimeVersion",
    "state_getStorage",
    "state_getStorageAt",
    "state_getStorageHash",
    "state_getStorageHashAt",
    "state_getStorageSize",
    "state_getStorageSizeAt",
    "state_queryStorage",
    "state_queryStorageAt",
    "state_subscribeRuntimeVersion",
    "state_subscribeStorage",
    "state_unsubscribeRuntimeVersion",
    "state_unsubscribeStorage",
    "subscribe_newHead",
    "system_accountNextIndex",
    "system_addReservedPeer",
    "system_chain",
    "system_chainType",
    "system_dryRun",
    "system_dryRunAt",
    "system_health",
    "system_localListenAddresses",
    "system_localPeerId",
    "system_name",
    "system_nodeRoles",
    "system_peers",
    "system_properties",
    "system_removeReservedPeer",
    "system_reservedPeers",
    "system_syncState",
    "system_version",
    "transactionWatch_v1_submitAndWatch",
    "transactionWatch_v1_unwatch",
    "transaction_v1_broadcast",
    "transaction_v1_stop",
    "unsubscribe_newHead",
];

#[tokio::test]
async fn the_list_of_methods_is_what_is_served() {
    let node = Node::start().await;
    let client = node.client().await;
    let listed: Value = node.ask("rpc_methods", json!([])).await;
    assert_eq!(listed, json!({ "methods": METHODS }));

    // A wrong parameter tells that a method is there, and keeps it from asking the pool; one method takes none.
    for method in METHODS.iter().filter(|method| **method != "author_pendingExtrinsics") {
        let answer = client.request::<Value, _>(method, rpc_params![json!({})]).await;
        if let Err(ClientError::Call(error)) = answer {
            assert_ne!(error.code(), -32601, "{method} is listed");
        }
    }
}

#[tokio::test]
async fn a_subscription_over_http_says_what_it_needs() {
    let node = Node::start().await;
    for method in METHODS.iter().filter(|method| method.contains("ubscribe")) {
        let answer = node.try_ask::<Value>(method, json!([])).await;
        let (code, message, _) = answer.expect_err("nobody can be notified");
        assert_eq!(code, -32600, "{method}: {message}");
        assert!(message.contains(method) && message.contains("WebSocket"), "{message}");
    }
}

#[tokio::test]
async fn what_is_not_served_is_an_unknown_method() {
    let node = Node::start().await;
    let listed: BTreeSet<_> = METHODS.iter().copied().collect();
    for method in ["archive_v1_body", "state_getPairs", "author_insertKey", ""] {
        assert!(!listed.contains(method));
        let answer = node.try_ask::<Value>(method, json!([])).await;
        assert_eq!(answer.expect_err("it is not served").0, -32601, "{method}");
    }
}

#[tokio::test]
async fn chain_and_node_say_what_they_are() {
    let mut node = Node::start().await;
    node.grow(&[]);
    for (method, expected) in [
        ("system_chain", json!("Artel Development")),
        ("system_name", json!("Artel Node")),
        ("system_version", json!("0.1.0-test")),
        ("system_chainType", json!("Development")),
        (
            "system_properties",
            json!({ "ss58Format": 42, "tokenDecimals": 12, "tokenSymbol": "ARTL" }),
        ),
        ("system_health", json!({ "peers": 0, "isSyncing": false, "shouldHavePeers": false })),
        ("system_peers", json!([])),
        ("system_nodeRoles", json!(["Authority"])),
        ("system_localListenAddresses", json!([])),
        ("chainSpec_v1_chainName", json!("Artel Development")),
        ("chainSpec_v1_genesisHash", json!(node.chain.genesis())),
        (
            "chainSpec_v1_properties",
            json!({ "ss58Format": 42, "tokenDecimals": 12, "tokenSymbol": "ARTL" }),
        ),
        ("system_syncState", json!({ "startingBlock": 0, "currentBlock": 1, "highestBlock": 1 })),
    ] {
        for params in [Value::Null, json!([])] {
            assert_eq!(node.ask::<Value>(method, params).await, expected, "{method}");
        }
    }
}

#[tokio::test]
async fn batches_and_odd_ids_are_answered() {
    let node = Node::start().await;
    let batch = r#"[{"jsonrpc":"2.0","id":0,"method":"system_name"},
        {"jsonrpc":"2.0","id":"a","method":"no_such","params":[]}]"#;
    let answers: Value = serde_json::from_str(&node.post(batch).await.1).expect("it is JSON");
    assert_eq!((&answers[0]["id"], &answers[0]["result"]), (&json!(0), &json!("Artel Node")));
    assert_eq!((&answers[1]["id"], &answers[1]["error"]["code"]), (&json!("a"), &json!(-32601)));
    let node = Node::start_with(Config { batch_max: 1, ..Config::default() }).await;
    let refused: Value = serde_json::from_str(&node.post(batch).await.1).expect("it is JSON");
    assert_eq!(refused["error"]["code"], -32010);
}

#[tokio::test]
async fn web_pages_may_call_from_the_origins_that_are_named() {
    let origin = "https://example.org";
    let body = br#"{"jsonrpc":"2.0","id":1,"method":"system_name"}"#;
    let header = format!("Origin: {origin}\r\n");
    for (cors, expected) in [
        (vec!["*".to_owned()], Some("*")),
        (vec![origin.to_owned()], Some(origin)),
        (vec!["https://other.example".to_owned()], None),
    ] {
        let node = Node::start_with(Config { cors, ..Config::default() }).await;
        let (head, _) = node.post_bytes(body, &header).await;
        let allowed =
            head.lines().find_map(|line| line.strip_prefix("access-control-allow-origin: "));
        assert_eq!(allowed, expected, "{head}");
    }
}

#[tokio::test]
async fn connections_requests_and_subscriptions_have_bounds() {
    let config = Config { connections_max: 1, ..Config::default() };
    let node = Node::start_with(config).await;
    let client = node.client().await;
    let (head, _) = node.post(r#"{"jsonrpc":"2.0","id":1,"method":"system_name"}"#).await;
    assert!(head.starts_with("HTTP/1.1 429"), "{head}");

    let large = "0".repeat(17 << 20);
    let refused = client.request::<Value, _>("state_getStorage", rpc_params![large]).await;
    assert!(refused.is_err(), "{refused:?}");

    let client_of = |subscriptions| async move {
        let node =
            Node::start_with(Config { subscriptions_max: subscriptions, ..Config::default() })
                .await;
        let client = node.client().await;
        (node, client)
    };
    let (_node, client) = client_of(1_024).await;
    let subscribe = || {
        client.subscribe::<Value, _>("chain_subscribeNewHead", none(), "chain_unsubscribeNewHead")
    };
    let mut open = Vec::new();
    for _ in 0..1_024 {
        open.push(subscribe().await.expect("so many are possible"));
    }
    assert_eq!(code(subscribe().await.map(drop)), -32006);
    open.pop().expect("there are some").unsubscribe().await.expect("one can be ended");
    tokio::time::timeout(WAIT, async {
        while subscribe().await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("its place is free again");
}

#[tokio::test]
async fn sockets_that_ask_nothing_have_a_bound() {
    let node = Node::start_with(Config { connections_max: 1, ..Config::default() }).await;
    let connect = || async { TcpStream::connect(node.address).await.expect("the server listens") };
    let mut idle = Vec::new();
    for _ in 0..=CONNECTIONS_SPARE {
        idle.push(connect().await);
    }
    let one_more = async { connect().await.read(&mut [0]).await };
    let end = tokio::time::timeout(WAIT, one_more).await.expect("it is cut off");
    assert!(!matches!(end, Ok(1)), "nobody asked");
    drop(idle);
    let answered = async {
        loop {
            let mut socket = connect().await;
            // It may be cut off before.
            let _ = socket.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
            if socket.read(&mut [0]).await.is_ok_and(|read| read > 0) {
                return;
            }
        }
    };
    tokio::time::timeout(WAIT, answered).await.expect("the places are free again");
}

#[tokio::test]
async fn http_2_is_not_spoken() {
    let node = Node::start().await;
    let mut socket = TcpStream::connect(node.address).await.expect("the server listens");
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    let preface = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(), &settings].concat();
    socket.write_all(&preface).await.expect("the socket takes it");
    let mut said = Vec::new();
    // It may be reset.
    let _ = tokio::time::timeout(WAIT, socket.read_to_end(&mut said)).await.expect("it ends");
    assert!(said.is_empty() || said.starts_with(b"HTTP/1.1 400"), "{said:?}");
}

#[tokio::test]
async fn requests_sessions_and_subscriptions_are_counted() {
    let node = Node::start().await;
    let client = node.client().await;
    let subscription = client
        .subscribe::<Value, _>("chain_subscribeNewHeads", none(), "chain_unsubscribeNewHeads")
        .await
        .expect("heads can be followed");
    for method in ["system_name", "made_up_one", "made_up_two"] {
        // The outcomes are counted below.
        let _ = client.request::<Value, _>(method, none()).await;
    }
    let text = || {
        let mut text = String::new();
        encode(&mut text, &node.registry).expect("a string takes all");
        text
    };
    let found = text();
    for line in [
        r#"artel_rpc_requests_total{method="system_name",outcome="Ok"} 1"#,
        r#"artel_rpc_requests_total{method="unknown",outcome="Error"} 2"#,
        r#"artel_rpc_request_seconds_count{method="system_name"} 1"#,
        "artel_rpc_subscriptions 1",
        "artel_rpc_sessions 1",
    ] {
        assert!(found.contains(line), "{line} is in {found}");
    }
    drop((subscription, client));
    let closed = async {
        while !text().contains("artel_rpc_sessions 0")
            || !text().contains("artel_rpc_subscriptions 0")
        {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(WAIT, closed).await.expect("who goes is no longer counted");
}

#[tokio::test]
async fn a_stopped_server_lets_go_of_the_chain() {
    let mut node = Node::start().await;
    let client = node.client().await;
    let subscription = client
        .subscribe::<Value, _>("chain_subscribeNewHeads", none(), "chain_unsubscribeNewHeads")
        .await
        .expect("heads can be followed");
    let head = node.grow(&[]).hash;
    node.handle.stop().expect("it runs");
    let stopped = node.handle.clone().stopped();
    tokio::time::timeout(WAIT, stopped).await.expect("it ends");
    assert!(TcpStream::connect(node.address).await.is_err());

    let Node { chain, heads, folder, .. } = node;
    drop((chain, heads, subscription));
    // The database is locked as long as anybody has a handle to it, work that is under way too.
    let opened = async {
        loop {
            if let Ok(chain) = open_chain(&folder, Default::default()) {
                return chain;
            }
            tokio::task::yield_now().await;
        }
    };
    let opened = tokio::time::timeout(WAIT, opened).await.expect("nobody keeps it");
    assert_eq!(opened.head().hash, head);
}

#[tokio::test]
async fn who_does_not_wait_for_answers_is_refused_and_others_are_served() {
    let node = Node::start_beside_pool(Config::default(), 2 * IN_FLIGHT_MAX).await;
    let client = node.client().await;
    let nonce = || client.request::<u32, _>("account_nextIndex", rpc_params![alice().account()]);
    let asked = futures::future::join_all((0..IN_FLIGHT_MAX).map(|_| nonce()));
    let others = async {
        while node.pool.len() < IN_FLIGHT_MAX {
            tokio::task::yield_now().await;
        }
        assert_eq!(code(nonce().await), -32009);
        assert_eq!(node.ask::<String>("system_name", json!([])).await, "Artel Node");
        while let Ok(request) = node.pool.try_recv() {
            let PoolRequest::NextNonce { answer, .. } = request else {
                panic!("nonces are asked for")
            };
            answer.send(Some(3)).expect("the server waits");
        }
    };
    let (asked, ()) = tokio::join!(asked, others);
    assert!(asked.into_iter().all(|nonce| nonce.is_ok_and(|nonce| nonce == 3)));
}

/// Answers to these fill the sockets' buffers at once.
const LARGE_BLOB_BYTES: usize = 4 << 20;
/// Large answers that may be computed for one connection that never reads: those that are worked on, those that wait, the
/// one that is being written, and what fits into the sockets' buffers.
const UNREAD_ANSWERS_MAX: u64 = 16;

#[tokio::test(flavor = "multi_thread")]
async fn who_never_reads_is_not_worked_for_and_others_are_served() {
    let node = Node::start().await;
    let cid = node.blobs.put(&vec![7; LARGE_BLOB_BYTES][..]).expect("there is room").to_string();
    let url = Url::parse(&format!("ws://{}", node.address)).expect("the address makes a URL");
    let build =
        || WsTransportClientBuilder::default().max_response_size(64 << 20).build(url.clone());
    let (mut sender, mut receiver) = build().await.expect("the server takes connections");
    let (mut batcher, _unread) = build().await.expect("the server takes connections");
    let requests = 4 * UNREAD_ANSWERS_MAX;
    let ask = |id| json!({ "jsonrpc": "2.0", "id": id, "method": "artel_blob", "params": [cid] });
    for id in 0..requests {
        sender.send(ask(id).to_string()).await.expect("small requests fit");
        batcher.send(json!([ask(id), ask(id)]).to_string()).await.expect("small requests fit");
    }
    let computed = || {
        let mut text = String::new();
        encode(&mut text, &node.registry).expect("a string takes all");
        let line = r#"artel_rpc_requests_total{method="artel_blob",outcome="Ok"} "#;
        let count = text.lines().find_map(|found| found.strip_prefix(line));
        count.map_or(0, |count| count.parse::<u64>().expect("it is a number"))
    };
    let begun = async {
        while computed() < 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(WAIT, begun).await.expect("some are answered");

    let others = 2 * UNREAD_ANSWERS_MAX;
    for _ in 0..others {
        let part: Value = node.ask("artel_blob", json!([cid])).await;
        assert_eq!(part["size"], LARGE_BLOB_BYTES);
    }
    let unread = computed() - others;
    assert!(unread <= 2 * UNREAD_ANSWERS_MAX, "{unread} answers are computed that nobody reads");

    for _ in 0..requests {
        let answer = tokio::time::timeout(WAIT, receiver.receive()).await;
        answer.expect("all are answered").expect("the connection lasts");
    }
}

#[test]
fn settings_out_of_their_bounds_are_named() {
    let default = Config::default();
    assert_eq!(default.validate(), Ok(()));
    let cases = [
        (Config { connections_max: 0, ..default.clone() }, "rpc.connections_max is 0"),
        (Config { request_bytes_max: 1, ..default.clone() }, "rpc.request_bytes_max is 1"),
        (Config { response_bytes_max: 1, ..default.clone() }, "rpc.response_bytes_max is 1"),
        (Config { subscriptions_max: 9, ..default.clone() }, "rpc.subscriptions_max is 9"),
        (Config { batch_max: 0, ..default.clone() }, "rpc.batch_max is 0"),
        (Config { rate: 1, ..default.clone() }, "rpc.rate is 1"),
        (Config { burst_s: 0, ..default.clone() }, "rpc.burst_s is 0"),
        (
            Config { connections_per_ip_max: 0, ..default.clone() },
            "rpc.connections_per_ip_max is 0",
        ),
        (Config { cors: vec!["example.org".into()], ..default.clone() }, "example.org"),
        (Config { cors: vec!["*".into(); ORIGINS_MAX + 1], ..default.clone() }, "65 origins"),
    ];
    for (config, text) in cases {
        let error = config.validate().expect_err(text).to_string();
        assert!(error.contains(text), "{error}");
    }
    let text = serde_json::to_string(&default).expect("it has a form");
    assert_eq!(serde_json::from_str::<Config>(&text).expect("it was just written"), default);
    let error = serde_json::from_str::<Config>(r#"{"prot": 1}"#).expect_err("there is no `prot`");
    assert!(error.to_string().contains("prot"), "{error}");
}

#[tokio::test]
async fn an_address_that_is_taken_is_an_error_that_says_what_to_do() {
    let node = Node::start().await;
    let config = Config { port: node.address.port(), ..Config::default() };
    let error = Server::bind(&config).await.map(drop).expect_err("the port is taken").to_string();
    assert!(error.contains("--rpc-port") && error.contains(&node.address.to_string()), "{error}");
}
