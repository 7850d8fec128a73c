use super::*;
use codec::Encode;
use jsonrpsee::core::client::SubscriptionClientT;
use primitives::{StateRead, crypto::hash::blake2_256};
use testkit::{bob, transfer};

const METHODS: [&str; 8] = [
    "archive_v1_body",
    "archive_v1_call",
    "archive_v1_finalizedHeight",
    "archive_v1_genesisHash",
    "archive_v1_hashByHeight",
    "archive_v1_header",
    "archive_v1_stopStorage",
    "archive_v1_storage",
];

/// What a request of storage is told, up to its last event.
async fn read(client: &Client, params: ArrayParams) -> (Vec<Value>, Value) {
    let subscribed =
        client.subscribe::<Value, _>("archive_v1_storage", params, "archive_v1_stopStorage").await;
    let mut subscription = subscribed.expect("storage can be read");
    let mut found = Vec::new();
    loop {
        let next = tokio::time::timeout(WAIT, subscription.next()).await.expect("it comes in time");
        let event = next.expect("the last event is told").expect("it is JSON");
        if event["event"] != "storage" {
            return (found, event);
        }
        found.push(event);
    }
}

#[tokio::test]
async fn the_archive_is_served_where_all_states_are_kept() {
    for (node, served) in [(Node::start_archive().await, true), (Node::start().await, false)] {
        let listed: Value = node.ask("rpc_methods", json!([])).await;
        let listed = listed["methods"].as_array().expect("it is a list").clone();
        for method in METHODS {
            assert_eq!(listed.contains(&json!(method)), served, "{method}");
        }
    }
}

#[tokio::test]
async fn blocks_are_found_by_height_and_read_by_hash() {
    let mut node = Node::start_archive().await;
    let tx = node.signer().sign(&transfer(&bob(), 5));
    let head = node.grow(std::slice::from_ref(&tx));
    let genesis = node.chain.genesis();
    assert_eq!(node.ask::<Hash>("archive_v1_genesisHash", json!([])).await, genesis);
    assert_eq!(node.ask::<u32>("archive_v1_finalizedHeight", json!([])).await, 1);
    for (height, expected) in
        [(0, vec![genesis]), (1, vec![head.hash]), (2, vec![]), (u64::MAX, vec![])]
    {
        let found: Vec<Hash> = node.ask("archive_v1_hashByHeight", json!([height])).await;
        assert_eq!(found, expected);
    }
    let header: String = node.ask("archive_v1_header", json!([head.hash])).await;
    assert_eq!(header, hex(head.header.encode()));
    let body: Vec<String> = node.ask("archive_v1_body", json!([head.hash])).await;
    assert_eq!(body.last(), Some(&hex(tx.encode())));

    let account = hex(alice().account().encode());
    for (at, nonce) in [(genesis, "0x00000000"), (head.hash, "0x01000000")] {
        let params = json!([at, "AccountNonceApi_account_nonce", account]);
        let answer: Value = node.ask("archive_v1_call", params).await;
        assert_eq!(answer, json!({ "success": true, "value": nonce }));
    }
    let failed: Value = node.ask("archive_v1_call", json!([genesis, "No_such", ""])).await;
    assert_eq!(failed["success"], false);
    assert!(failed["error"].as_str().is_some_and(|text| text.contains("No_such")), "{failed}");

    let nobody = Hash([7; 32]);
    for (method, params) in [
        ("archive_v1_header", json!([nobody])),
        ("archive_v1_body", json!([nobody])),
        ("archive_v1_call", json!([nobody, "Core_version", "0x"])),
    ] {
        assert_eq!(node.ask::<Value>(method, params).await, Value::Null, "{method}");
    }
    for (method, params) in [
        ("archive_v1_hashByHeight", json!([-1])),
        ("archive_v1_header", json!(["0x"])),
        ("archive_v1_call", json!([genesis])),
    ] {
        let refused = node.try_ask::<Value>(method, params).await.expect_err("it is wrong");
        assert_eq!(refused.0, -32602, "{method}");
    }
}

#[tokio::test]
async fn storage_of_any_block_is_told_item_by_item_from_where_the_client_wants() {
    let mut node = Node::start_archive().await;
    let client = node.client().await;
    for _ in 0..20 {
        node.grow(&[]);
    }
    let old = node.chain.head().clone();
    let tx = node.signer().sign(&transfer(&bob(), 5));
    node.grow(&[tx]);
    let keys: Vec<Vec<u8>> = old.snapshot.keys(&[], None).collect();
    assert!(keys.len() > 24, "there are several pages");
    let value = |key: &Vec<u8>| old.snapshot.get(key).expect("its key was listed");
    let done = json!({ "event": "storageDone" });

    let items = json!([
        { "key": "0x", "type": "descendantsValues", "paginationStartKey": hex(&keys[9]) },
        { "key": hex(&keys[1]), "type": "hash" },
        { "key": "0x123456", "type": "value" },
    ]);
    let (found, last) = read(&client, rpc_params![old.hash, items, Value::Null]).await;
    let values = keys[10..]
        .iter()
        .map(|key| json!({ "event": "storage", "key": hex(key), "value": hex(value(key)) }));
    let hash = blake2_256(&value(&keys[1]));
    let hash = json!({ "event": "storage", "key": hex(&keys[1]), "hash": hash });
    assert_eq!(found, values.chain([hash]).collect::<Vec<_>>());
    assert_eq!(last, done);

    let token = json!([{ "key": "0x", "type": "closestDescendantMerkleValue" }]);
    let (first, _) = read(&client, rpc_params![old.hash, &token]).await;
    let (same, _) = read(&client, rpc_params![old.hash, &token]).await;
    let (later, _) = read(&client, rpc_params![node.chain.head().hash, &token]).await;
    assert_eq!(first, same);
    assert_ne!(first[0]["closestDescendantMerkleValue"], later[0]["closestDescendantMerkleValue"]);

    let (found, last) = read(&client, rpc_params![old.hash, token, "0x01"]).await;
    assert_eq!((found.len(), last), (0, done), "there are no other tries");
    let (found, last) = read(&client, rpc_params![Hash([7; 32]), json!([])]).await;
    assert_eq!((found.len(), &last["event"]), (0, &json!("storageError")));
    assert!(last["error"].as_str().is_some_and(|text| !text.is_empty()), "{last}");

    let many: Vec<Value> = (0..1_025).map(|_| json!({ "key": "0x", "type": "value" })).collect();
    for params in [rpc_params![old.hash, many], rpc_params![old.hash, 5]] {
        let refused =
            client.subscribe::<Value, _>("archive_v1_storage", params, "archive_v1_stopStorage");
        assert_eq!(code(refused.await.map(drop)), -32602);
    }
    let stopped = client.request::<Value, _>("archive_v1_stopStorage", rpc_params!["over"]).await;
    assert_eq!(stopped.expect("it is no error"), Value::Null);
}
