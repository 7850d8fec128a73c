use super::*;
use codec::Encode;
use jsonrpsee::core::client::{Subscription, SubscriptionClientT, SubscriptionKind};
use runtime::InvalidTransaction;
use testkit::{bob, transfer};
use tokio::sync::{mpsc, oneshot};
use txpool::Refusal;

const BROADCAST: &str = "transaction_v1_broadcast";
const STOP: &str = "transaction_v1_stop";
const WATCH: &str = "transactionWatch_v1_submitAndWatch";
const UNWATCH: &str = "transactionWatch_v1_unwatch";

/// What the pool got, and how it answers.
type Offered =
    (OpaqueTransaction, mpsc::Sender<TxStatus>, oneshot::Sender<Result<Hash, SubmitError>>);

fn signed(node: &Node) -> OpaqueTransaction {
    node.signer().sign(&transfer(&bob(), 1))
}

async fn offered(node: &Node) -> Offered {
    match node.pool_request().await {
        PoolRequest::Watch { bytes, updates, answer } => (bytes, updates, answer),
        other => panic!("a transaction is offered, not {other:?}"),
    }
}

/// Takes the next transaction into the pool; gives the pool's end of its watch.
async fn take(node: &Node) -> mpsc::Sender<TxStatus> {
    let (bytes, updates, answer) = offered(node).await;
    answer.send(Ok(bytes.hash())).expect("the server waits");
    updates
}

async fn refuse(node: &Node, error: SubmitError) {
    offered(node).await.2.send(Err(error)).expect("the server waits");
}

async fn begin(client: &Client, tx: &OpaqueTransaction) -> Option<String> {
    let begun = client.request(BROADCAST, rpc_params![hex(tx.encode())]).await;
    begun.expect("a broadcast is no error")
}

/// Watches a transaction of which the pool says this first; also the pool's end of the watch.
async fn watch(
    node: &Node,
    client: &Client,
    tx: &OpaqueTransaction,
    says: Result<(), SubmitError>,
) -> (Subscription<Value>, mpsc::Sender<TxStatus>) {
    let params = rpc_params![hex(tx.encode())];
    let subscribe = client.subscribe::<Value, _>(WATCH, params, UNWATCH);
    let pool = async {
        let (bytes, updates, answer) = offered(node).await;
        answer.send(says.map(|()| bytes.hash())).expect("the server waits");
        updates
    };
    let (watched, updates) = tokio::join!(subscribe, pool);
    (watched.expect("it is watched, however it ends"), updates)
}

async fn next(subscription: &mut Subscription<Value>) -> Value {
    let next = tokio::time::timeout(WAIT, subscription.next()).await.expect("it comes in time");
    next.expect("the subscription goes on").expect("it is JSON")
}

/// Waits until the server has no more interest in a transaction.
async fn given_up(updates: &mpsc::Sender<TxStatus>) {
    tokio::time::timeout(WAIT, updates.closed()).await.expect("nobody follows it");
}

#[tokio::test]
async fn a_broadcast_transaction_is_offered_until_the_client_says_stop() {
    let mut node = Node::start().await;
    let client = node.client().await;
    let tx = signed(&node);
    let id = begin(&client, &tx).await.expect("there is room");
    refuse(&node, SubmitError::Invalid(InvalidTransaction::Payment)).await;
    node.grow(&[]);
    let updates = take(&node).await;
    updates.send(TxStatus::Ready).await.expect("the server listens");
    updates.send(TxStatus::Dropped).await.expect("the server listens");
    // Each wait is twice as long as the one before.
    node.grow(&[]);
    node.grow(&[]);
    let updates = take(&node).await;
    let stopped = client.request::<Value, _>(STOP, rpc_params![&id]).await;
    assert_eq!(stopped.expect("it is under way"), Value::Null);
    given_up(&updates).await;
    assert_eq!(code(client.request::<Value, _>(STOP, rpc_params![&id]).await), -32602);
    assert_eq!(code(client.request::<Value, _>(STOP, rpc_params!["made up"]).await), -32602);
}

#[tokio::test]
async fn a_broadcast_transaction_that_is_in_a_block_or_never_can_be_is_offered_no_more() {
    let mut node = Node::start().await;
    let client = node.client().await;
    let tx = signed(&node);
    begin(&client, &tx).await.expect("there is room");
    let updates = take(&node).await;
    let block = node.grow(std::slice::from_ref(&tx)).hash;
    updates.send(TxStatus::InBlock { block }).await.expect("the server listens");
    given_up(&updates).await;

    begin(&client, &tx).await.expect("there is room");
    refuse(&node, SubmitError::Invalid(InvalidTransaction::Stale)).await;
    for _ in 0..4 {
        node.grow(&[]);
    }
    // Whatever the server would still offer came before this.
    let other = node.signer().sign(&transfer(&bob(), 2));
    begin(&client, &other).await.expect("there is room");
    assert_eq!(offered(&node).await.0, other);
}

#[tokio::test]
async fn a_connection_has_a_bounded_number_of_broadcasts_and_they_end_with_it() {
    let node = Node::start_beside_pool(Config::default(), 2 * BROADCASTS_MAX).await;
    let client = node.client().await;
    // Bytes that are no transaction count too, and nothing is said of them.
    let garbage = client.request::<Option<String>, _>(BROADCAST, rpc_params!["0x0000"]).await;
    assert!(garbage.expect("it is hex").is_some());
    let mut begun = Vec::new();
    let mut followed = Vec::new();
    for _ in 1..BROADCASTS_MAX {
        begun.push(begin(&client, &signed(&node)).await.expect("there is room"));
        followed.push(take(&node).await);
    }
    assert_eq!(begin(&client, &signed(&node)).await, None);
    let other = node.client().await;
    assert!(begin(&other, &signed(&node)).await.is_some(), "each connection has its own");
    let of_other = take(&node).await;

    let stopped = client.request::<Value, _>(STOP, rpc_params![&begun[0]]).await;
    assert_eq!(stopped.expect("it is under way"), Value::Null);
    assert!(begin(&client, &signed(&node)).await.is_some());
    followed.push(take(&node).await);
    assert_eq!(code(client.request::<Value, _>(BROADCAST, rpc_params!["zz"]).await), -32602);

    drop(client);
    for updates in &followed {
        given_up(updates).await;
    }
    assert!(!of_other.is_closed());
}

#[tokio::test]
async fn the_broadcasts_of_a_connection_have_a_bounded_number_of_bytes() {
    let node = Node::start().await;
    let client = node.client().await;
    let half = hex(vec![0; BROADCAST_BYTES_MAX / 2]);
    let begin = async |bytes: &str| {
        let begun = client.request::<Option<String>, _>(BROADCAST, rpc_params![bytes]).await;
        begun.expect("it is hex")
    };
    let first = begin(&half).await.expect("there is room");
    assert!(begin(&half).await.is_some());
    assert_eq!(begin("0x00").await, None);
    client.request::<Value, _>(STOP, rpc_params![first]).await.expect("it is under way");
    assert!(begin(&half).await.is_some());
}

#[tokio::test]
async fn a_watched_transaction_is_told_its_place_and_is_final_at_once() {
    let mut node = Node::start().await;
    let client = node.client().await;
    let mut signer = node.signer();
    let txs = [1, 2].map(|value| signer.sign(&transfer(&bob(), value)));
    let (mut subscription, updates) = watch(&node, &client, &txs[1], Ok(())).await;
    assert_eq!(next(&mut subscription).await, json!({ "event": "validated" }));
    updates.send(TxStatus::Future).await.expect("the server listens");
    let head = node.grow(&txs);
    updates.send(TxStatus::InBlock { block: head.hash }).await.expect("the server listens");

    let block: Value = node.ask("chain_getBlock", json!([head.hash])).await;
    let body = block["block"]["extrinsics"].as_array().expect("it has a body");
    let index = body.iter().position(|found| *found == json!(hex(txs[1].encode())));
    let place = json!({ "hash": head.hash, "index": index.expect("it is in the block") });
    let expected = json!({ "event": "bestChainBlockIncluded", "block": place });
    assert_eq!(next(&mut subscription).await, expected);
    let expected = json!({ "event": "finalized", "block": place });
    assert_eq!(next(&mut subscription).await, expected);
}

#[tokio::test]
async fn a_transaction_that_somebody_sent_before_is_watched_to_its_block() {
    let mut node = Node::start().await;
    let client = node.client().await;
    let tx = signed(&node);
    let known = SubmitError::Refused(Refusal::AlreadyImported(tx.hash()));
    let (mut subscription, _) = watch(&node, &client, &tx, Err(known)).await;
    assert_eq!(next(&mut subscription).await["event"], "validated");
    node.grow(&[]);
    let head = node.grow(&[tx]);
    for event in ["bestChainBlockIncluded", "finalized"] {
        let told = next(&mut subscription).await;
        assert_eq!((&told["event"], &told["block"]["hash"]), (&json!(event), &json!(head.hash)));
    }
}

#[tokio::test]
async fn each_end_of_a_watched_transaction_is_an_event() {
    let node = Node::start().await;
    let client = node.client().await;
    let garbage = client.subscribe(WATCH, rpc_params!["0x0000"], UNWATCH).await;
    let mut garbage: Subscription<Value> = garbage.expect("it is hex");
    assert_eq!(next(&mut garbage).await["event"], "invalid");
    for (error, event) in [
        (SubmitError::Invalid(InvalidTransaction::BadProof), "invalid"),
        (SubmitError::Refused(Refusal::Stale { nonce: 1, account_nonce: 2 }), "invalid"),
        (SubmitError::Refused(Refusal::Expired { death: 3 }), "invalid"),
        (SubmitError::Refused(Refusal::ImmediatelyDropped), "dropped"),
        (SubmitError::Refused(Refusal::PriorityTooLow { old: 2, new: 1 }), "dropped"),
    ] {
        let text = error.to_string();
        let (mut subscription, _) = watch(&node, &client, &signed(&node), Err(error)).await;
        let told = next(&mut subscription).await;
        assert_eq!(told["event"], event, "{told}");
        let reason = told["error"].as_str().expect("it has a reason");
        assert!(reason.contains(&text), "{reason}");
    }
    for (status, event) in [
        (TxStatus::Usurped(Hash([4; 32])), "invalid"),
        (TxStatus::Invalid, "invalid"),
        (TxStatus::Dropped, "dropped"),
    ] {
        let (mut subscription, updates) = watch(&node, &client, &signed(&node), Ok(())).await;
        updates.send(status).await.expect("the server listens");
        assert_eq!(next(&mut subscription).await["event"], "validated");
        assert_eq!(next(&mut subscription).await["event"], event);
    }
    let params = rpc_params!["not hex"];
    let refused = client.subscribe::<Value, _>(WATCH, params, UNWATCH).await.map(drop);
    assert_eq!(code(refused), -32602);
}

#[tokio::test]
async fn unwatching_is_answered_null_once() {
    let node = Node::start().await;
    let client = node.client().await;
    let (subscription, updates) = watch(&node, &client, &signed(&node), Ok(())).await;
    let SubscriptionKind::Subscription(id) = subscription.kind().clone() else {
        panic!("a subscription has an id")
    };
    let unwatched = client.request::<Value, _>(UNWATCH, rpc_params![&id]).await;
    assert_eq!(unwatched.expect("it is watched"), Value::Null);
    given_up(&updates).await;
    assert_eq!(code(client.request::<Value, _>(UNWATCH, rpc_params![&id]).await), -32602);
    assert_eq!(code(client.request::<Value, _>(UNWATCH, rpc_params![5]).await), -32602);
}
