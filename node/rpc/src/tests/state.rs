use super::*;
use codec::{Decode, Encode};
use jsonrpsee::core::client::SubscriptionClientT;
use primitives::{RawKey, StateRead, crypto::hash::blake2_256};
use storage::{EVENTS_KEY, HISTORY_BLOCKS_MIN};
use testkit::{bob, transfer};

const STATE: i64 = 4003;

#[tokio::test]
async fn values_are_read_by_key_with_their_hash_and_size() {
    let mut node = Node::start().await;
    let head = node.grow(&[]);
    let value = head.snapshot.get(runtime_code()).expect("each state has the marker");
    let key = hex(runtime_code());
    for suffix in ["", "At"] {
        let get = |method: &str| format!("state_getStorage{method}{suffix}");
        assert_eq!(node.ask::<Value>(&get(""), json!([key])).await, json!(hex(&value)));
        assert_eq!(node.ask::<Hash>(&get("Hash"), json!([key, null])).await, blake2_256(&value));
        assert_eq!(node.ask::<usize>(&get("Size"), json!([key, head.hash])).await, value.len());
        assert_eq!(node.ask::<Value>(&get(""), json!(["0xdead"])).await, Value::Null);
    }
    let keys = json!([[key, "0xdead"], head.hash]);
    let expected =
        json!([{ "block": head.hash, "changes": [[key, hex(&value)], ["0xdead", null]] }]);
    assert_eq!(node.ask::<Value>("state_queryStorageAt", keys).await, expected);
}

fn runtime_code() -> &'static [u8] {
    b":code"
}

#[tokio::test]
async fn keys_come_in_pages_in_order() {
    let node = Node::start().await;
    let all: Vec<Vec<u8>> = node.chain.head().snapshot.keys(&[], None).collect();
    let mut found: Vec<String> = Vec::new();
    loop {
        let after = found.last().cloned();
        let page: Vec<String> = node.ask("state_getKeysPaged", json!(["0x", 7, after])).await;
        if page.is_empty() {
            break;
        }
        found.extend(page);
    }
    assert_eq!(found, all.iter().map(hex).collect::<Vec<_>>());

    let prefix = &all[all.len() / 2][..16];
    let of_prefix: Vec<String> =
        node.ask("state_getKeysPagedAt", json!([hex(prefix), 1_000])).await;
    let expected = all.iter().filter(|key| key.starts_with(prefix)).map(hex);
    assert_eq!(of_prefix, expected.collect::<Vec<_>>());

    let too_many = node.try_ask::<Value>("state_getKeysPaged", json!(["0x", 1_001])).await;
    let (code, message, _) = too_many.expect_err("a page has a bound");
    assert_eq!(code, 4002);
    assert_eq!(message, "count exceeds maximum value. value: 1001, max: 1000");
}

#[tokio::test]
async fn old_state_is_discarded_but_its_events_stay() {
    let mut node = Node::start_keeping(HISTORY_BLOCKS_MIN).await;
    let first = node.grow(&[]);
    for _ in 0..HISTORY_BLOCKS_MIN {
        node.grow(&[]);
    }
    let read = json!([hex(runtime_code()), first.hash]);
    let value: String = node.ask("state_getStorage", read.clone()).await;
    assert_eq!(Some(value), node.chain.head().snapshot.get(runtime_code()).map(hex));
    node.grow(&[]);
    let error = node.try_ask::<Value>("state_getStorage", read).await;
    let (code, message, _) = error.expect_err("its state is below the window");
    assert_eq!(code, STATE);
    let expected = format!(
        "Client error: Api called for an unknown Block: State already discarded for {}",
        first.hash
    );
    assert_eq!(message, expected);

    let events: String = node.ask("state_getStorage", json!([hex(EVENTS_KEY), first.hash])).await;
    let stored = node.chain.database().events(1).expect("it reads").expect("it is kept");
    assert_eq!(events, hex(stored));
    let versions: Value = node.ask("state_getRuntimeVersion", json!([first.hash])).await;
    assert_eq!(versions["specName"], "artel");
    let metadata = json!(["Metadata_metadata", "", first.hash]);
    assert!(node.ask::<String>("state_call", metadata).await.len() > 1_000);
    let nonce = json!(["AccountNonceApi_account_nonce", hex(alice().account()), first.hash]);
    assert_eq!(node.try_ask::<Value>("state_call", nonce).await.expect_err("is gone").1, expected);
}

#[tokio::test]
async fn the_state_after_every_block_of_the_window_is_read_as_it_was() {
    let mut node = Node::start().await;
    let mut heads = vec![node.chain.head().clone()];
    let mut signer = node.signer();
    for number in 1..=40 {
        let fresh = testkit::numbered_pair(number);
        let tx = signer.sign(&transfer(&fresh, 1_000_000_000_000));
        heads.push(node.grow(&[tx]));
    }
    let alice = json!(hex(alice().account()));
    for (height, head) in heads.iter().enumerate() {
        // What was pinned then tells what is expected now.
        let keys: Vec<RawKey> = head.snapshot.keys(b"", None).collect();
        let page: Vec<String> =
            node.ask("state_getKeysPaged", json!(["0x", 1_000, null, head.hash])).await;
        assert_eq!(page, keys.iter().map(hex).collect::<Vec<_>>());
        let query = json!([page, head.hash]);
        let found: Value = node.ask("state_queryStorageAt", query).await;
        let values = keys.iter().map(|key| json!([hex(key), head.snapshot.get(key).map(hex)]));
        let expected = json!([{ "block": head.hash, "changes": values.collect::<Vec<_>>() }]);
        assert_eq!(found, expected, "at {height}");

        let call = json!(["AccountNonceApi_account_nonce", alice, head.hash]);
        let nonce: String = node.ask("state_call", call).await;
        assert_eq!(nonce, hex((height as u32).encode()));
        let market: Value = node.ask("artel_market", json!([head.hash])).await;
        assert_eq!(market, json!(runtime::view::market(&head.snapshot)));
    }
}

#[tokio::test]
async fn a_block_that_is_not_there_has_no_state() {
    let node = Node::start().await;
    let unknown = Hash([9; 32]);
    let requests = [
        ("state_getStorage", json!(["0x00", unknown])),
        ("state_getKeysPaged", json!(["0x", 1, null, unknown])),
        ("state_queryStorageAt", json!([["0x00"], unknown])),
        ("state_getRuntimeVersion", json!([unknown])),
        ("state_getMetadata", json!([unknown])),
        ("state_call", json!(["Core_version", "0x", unknown])),
        ("artel_market", json!([unknown])),
    ];
    for (method, params) in requests {
        let (code, message, _) =
            node.try_ask::<Value>(method, params).await.expect_err("the block is unknown");
        assert_eq!(code, STATE, "{method}");
        assert!(message.contains(&unknown.to_string()), "{method}: {message}");
    }
}

#[tokio::test]
async fn runtime_calls_answer_in_scale() {
    let node = Node::start().await;
    for no_arguments in ["", "0x"] {
        let version: String = node.ask("state_call", json!(["Core_version", no_arguments])).await;
        assert_eq!(version, hex(runtime::version().encode()));
    }
    let nonce = json!(["AccountNonceApi_account_nonce", hex(alice().account())]);
    assert_eq!(node.ask::<String>("state_callAt", nonce).await, "0x00000000");

    let metadata: String = node.ask("state_getMetadata", json!([])).await;
    let bytes = ::hex::decode(metadata).expect("it is hex");
    assert_eq!(&bytes[..5], b"meta\x0e");
    let wrapped: String = node.ask("state_call", json!(["Metadata_metadata", ""])).await;
    let wrapped = ::hex::decode(wrapped).expect("it is hex");
    assert_eq!(Vec::<u8>::decode(&mut &wrapped[..]).expect("it has a length in front"), bytes);

    let missing = node.try_ask::<Value>("state_call", json!(["Metadata_nothing", ""])).await;
    let text =
        "Client error: Execution failed: Other: Exported method Metadata_nothing is not found";
    assert_eq!(missing.expect_err("there is no such call"), (STATE, text.into(), String::new()));
    let bad = node.try_ask::<Value>("state_call", json!(["Core_version", "0x01"])).await;
    assert_eq!(bad.expect_err("the arguments are wrong").0, STATE);
}

#[tokio::test]
async fn a_subscriber_of_storage_gets_all_keys_and_then_those_that_change() {
    let mut node = Node::start().await;
    let client = node.client().await;
    let mut account_key = primitives::crypto::hash::twox_128("System").to_vec();
    account_key.extend(primitives::crypto::hash::twox_128("Account"));
    let key = node
        .chain
        .head()
        .snapshot
        .keys(&account_key, None)
        .find(|key| key.ends_with(&bob().account().0))
        .expect("Bob has money from the start");
    let keys = json!([hex(runtime_code()), hex(&key), "0xdead"]);
    let subscribed = client
        .subscribe::<Value, _>(
            "state_subscribeStorage",
            rpc_params![keys],
            "state_unsubscribeStorage",
        )
        .await;
    let mut subscription = subscribed.expect("storage can be followed");
    let first = subscription.next().await.expect("it begins").expect("it is JSON");
    assert_eq!(first["block"], json!(node.chain.genesis()));
    let rows = first["changes"].as_array().expect("changes are a list");
    assert_eq!((rows.len(), &rows[2]), (3, &json!(["0xdead", null])));

    node.grow(&[]);
    let tx = node.signer().sign(&transfer(&bob(), 1_000_000_000_000));
    let head = node.grow(&[tx]);
    let value = head.snapshot.get(&key).expect("Bob has money");
    let expected = json!({ "block": head.hash, "changes": [[hex(&key), hex(value)]] });
    assert_eq!(subscription.next().await.expect("it goes on").expect("it is JSON"), expected);
    subscription.unsubscribe().await.expect("it can be ended");
}

/// A change of rules, once to those that rehearse one.
#[tokio::test]
async fn old_blocks_are_told_of_by_the_rules_of_then() {
    let mut node = Node::start().await;
    let client = node.client().await;
    let (method, end) = ("state_subscribeRuntimeVersion", "state_unsubscribeRuntimeVersion");
    let mut versions = client.subscribe::<Value, _>(method, none(), end).await.expect("is served");
    let first = versions.next().await.expect("it begins").expect("it is JSON");
    let upgrade = pallets::system::Call::schedule_upgrade {
        spec_version: runtime::REHEARSAL_SPEC_VERSION,
        height: 3,
    };
    let call = Box::new(runtime::RuntimeCall::System(upgrade));
    let sudo = runtime::RuntimeCall::Sudo(pallets::sudo::Call::sudo { call });
    let schedule = node.signer().sign(&sudo);
    let before = [node.grow(&[schedule]), node.grow(&[])];
    // More blocks than states are kept of.
    let after: Vec<_> = (0..70).map(|_| node.grow(&[])).collect();
    let second = versions.next().await.expect("it goes on").expect("it is JSON");
    let (old, new) = (runtime::SPEC_VERSION, runtime::REHEARSAL_SPEC_VERSION);
    assert_eq!((&first["specVersion"], &second["specVersion"]), (&json!(old), &json!(new)));

    let mut metadata = Vec::new();
    let heads = [(&before[0], old), (&before[1], old), (&after[0], new), (&after[69], new)];
    for (head, expected) in heads {
        let version: Value = node.ask("state_getRuntimeVersion", json!([head.hash])).await;
        assert_eq!(version["specVersion"], json!(expected), "block {}", head.height);
        let core: String = node.ask("state_call", json!(["Core_version", "0x", head.hash])).await;
        let core = ::hex::decode(core).expect("it is hex");
        let core = runtime::RuntimeVersion::decode(&mut &core[..]).expect("it is a version");
        assert_eq!(core.spec_version, expected);
        let found: String = node.ask("state_getMetadata", json!([head.hash])).await;
        let args = json!(["Metadata_metadata_at_version", "0x10000000", head.hash]);
        let newest: String = node.ask("state_call", args).await;
        metadata.push((found, newest));
    }
    assert!(metadata[0] == metadata[1] && metadata[2] == metadata[3]);
    assert!(metadata[1].0 != metadata[2].0 && metadata[1].1 != metadata[2].1);
}

#[tokio::test]
async fn a_subscriber_of_versions_gets_the_one_in_force() {
    let node = Node::start().await;
    let client = node.client().await;
    let subscribed = client
        .subscribe::<Value, _>(
            "state_subscribeRuntimeVersion",
            none(),
            "state_unsubscribeRuntimeVersion",
        )
        .await;
    let version = subscribed.expect("it can be followed").next().await;
    let version = version.expect("it begins").expect("it is JSON");
    assert_eq!(version, node.ask::<Value>("chain_getRuntimeVersion", json!([])).await);
    assert_eq!(version["systemVersion"], version["stateVersion"]);
    let ids = version["apis"].as_array().expect("the groups of calls are a list");
    assert!(ids.contains(&json!(["0xdf6acb689907609b", 5])), "Core is among {ids:?}");
}
