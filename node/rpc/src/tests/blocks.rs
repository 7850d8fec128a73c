use super::*;
use codec::Encode;
use jsonrpsee::core::client::{Subscription, SubscriptionClientT, SubscriptionKind};
use testkit::{bob, transfer};

async fn next(subscription: &mut Subscription<Value>) -> Value {
    let next = tokio::time::timeout(WAIT, subscription.next()).await.expect("it comes in time");
    next.expect("the subscription goes on").expect("it is JSON")
}

#[tokio::test]
async fn blocks_are_found_by_number_and_by_hash_under_all_names() {
    let mut node = Node::start().await;
    let tx = node.signer().sign(&transfer(&bob(), 5));
    let head = node.grow(std::slice::from_ref(&tx));
    let genesis = node.chain.genesis();

    for method in ["chain_getBlockHash", "chain_getHead"] {
        assert_eq!(node.ask::<Hash>(method, json!([])).await, head.hash);
        assert_eq!(node.ask::<Hash>(method, json!([null])).await, head.hash);
        assert_eq!(node.ask::<Hash>(method, json!([0])).await, genesis);
        assert_eq!(node.ask::<Hash>(method, json!(["0x1"])).await, head.hash);
        let several: Vec<Option<Hash>> = node.ask(method, json!([[1, "0x00", 2, u64::MAX]])).await;
        assert_eq!(several, [Some(head.hash), Some(genesis), None, None]);
    }
    for method in ["chain_getFinalizedHead", "chain_getFinalisedHead"] {
        assert_eq!(node.ask::<Hash>(method, json!([])).await, head.hash);
    }

    let header: Value = node.ask("chain_getHeader", json!([head.hash])).await;
    assert_eq!(header["number"], "0x1");
    assert_eq!(header["parentHash"], json!(genesis));
    assert_eq!(header["stateRoot"], json!(head.header.state_root));
    let logs: Vec<String> = head.header.digest.logs.iter().map(|log| hex(log.encode())).collect();
    assert_eq!(header["digest"]["logs"], json!(logs));

    let block: Value = node.ask("chain_getBlock", json!([])).await;
    assert_eq!(block["block"]["header"], header);
    let extrinsics = block["block"]["extrinsics"].as_array().expect("it has a body");
    assert_eq!(extrinsics.last(), Some(&json!(hex(tx.encode()))));
    let certificate = head.certificate.as_deref().expect("block 1 has one");
    assert_eq!(block["justifications"], json!([[b"artl", certificate.encode()]]));

    let first: Value = node.ask("chain_getBlock", json!([genesis])).await;
    assert_eq!(first["justifications"], Value::Null);
    for method in ["chain_getBlock", "chain_getHeader"] {
        assert_eq!(node.ask::<Value>(method, json!([Hash([1; 32])])).await, Value::Null);
    }
}

#[tokio::test]
async fn a_slow_subscriber_of_new_heads_misses_no_block() {
    let mut node = Node::start().await;
    let client = node.client().await;
    let names = [
        ("chain_subscribeNewHeads", "chain_unsubscribeNewHeads"),
        ("chain_subscribeNewHead", "chain_unsubscribeNewHead"),
        ("subscribe_newHead", "unsubscribe_newHead"),
        ("chain_subscribeAllHeads", "chain_unsubscribeAllHeads"),
    ];
    let mut subscriptions = Vec::new();
    for (subscribe, unsubscribe) in names {
        let subscribed = client.subscribe::<Value, _>(subscribe, none(), unsubscribe).await;
        subscriptions.push(subscribed.expect("heads can be followed"));
    }
    for _ in 0..40 {
        node.grow(&[]);
    }
    for subscription in &mut subscriptions {
        let SubscriptionKind::Subscription(id) = subscription.kind() else {
            panic!("a subscription has an id")
        };
        assert!(matches!(id, jsonrpsee::types::SubscriptionId::Str(_)), "{id:?} is text");
        for number in 0..=40 {
            assert_eq!(next(subscription).await["number"], json!(format!("{number:#x}")));
        }
    }
}

#[tokio::test]
async fn a_subscriber_of_finalized_heads_gets_the_latest_one() {
    let mut node = Node::start().await;
    let client = node.client().await;
    let subscribed = client
        .subscribe::<Value, _>(
            "chain_subscribeFinalizedHeads",
            none(),
            "chain_unsubscribeFinalizedHeads",
        )
        .await;
    let mut subscription = subscribed.expect("heads can be followed");
    assert_eq!(next(&mut subscription).await["number"], "0x0");
    for _ in 0..20 {
        node.grow(&[]);
    }
    let mut last = 0;
    while last < 20 {
        let head = next(&mut subscription).await;
        let digits = head["number"].as_str().expect("it is hex").trim_start_matches("0x");
        let number = u32::from_str_radix(digits, 16).expect("it is hex");
        assert!(number > last, "heads go forward");
        last = number;
    }
}
