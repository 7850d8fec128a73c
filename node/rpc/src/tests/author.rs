use super::*;
use codec::Encode;
use futures::FutureExt;
use jsonrpsee::core::client::{Subscription, SubscriptionClientT};
use runtime::InvalidTransaction;
use std::time::Instant;
use testkit::{bob, transfer};
use txpool::Refusal;

const SUBMIT: &str = "author_submitExtrinsic";
const WATCH: &str = "author_submitAndWatchExtrinsic";

fn signed(node: &Node) -> OpaqueTransaction {
    node.signer().sign(&transfer(&bob(), 1))
}

/// Answers the next submission that the pool gets.
async fn answer(node: &Node, result: Result<Hash, SubmitError>) {
    match node.pool_request().await {
        PoolRequest::Submit { answer, .. } | PoolRequest::Watch { answer, .. } => {
            answer.send(result).expect("the server waits for the answer");
        }
        other => panic!("a transaction was submitted, not {other:?}"),
    }
}

#[tokio::test]
async fn a_transaction_reaches_the_pool_and_its_hash_comes_back() {
    let node = Node::start().await;
    let tx = signed(&node);
    let request = node.ask::<Hash>(SUBMIT, json!([hex(tx.encode())]));
    let pool = async {
        let PoolRequest::Submit { bytes, answer } = node.pool_request().await else {
            panic!("a transaction was submitted")
        };
        answer.send(Ok(bytes.hash())).expect("the server waits");
        bytes
    };
    let (hash, bytes) = tokio::join!(request, pool);
    assert_eq!((hash, bytes), (tx.hash(), tx));
}

#[tokio::test]
async fn refusals_have_the_codes_and_texts_that_clients_know() {
    let node = Node::start().await;
    let tx = hex(signed(&node).encode());
    let invalid = SubmitError::Invalid;
    let hash = Hash([2; 32]);
    let cases = [
        (
            invalid(InvalidTransaction::BadProof),
            1010,
            "Invalid Transaction",
            "Transaction has a bad signature",
        ),
        (
            invalid(InvalidTransaction::Stale),
            1010,
            "Invalid Transaction",
            "Transaction is outdated",
        ),
        (invalid(InvalidTransaction::Custom(7)), 1010, "Invalid Transaction", "Custom error: 7"),
        (
            invalid(InvalidTransaction::Custom(runtime::CUSTOM_BAD_ENCODING)),
            1001,
            "Extrinsic has invalid format: the bytes are no transaction of this chain",
            "",
        ),
        (
            SubmitError::Refused(Refusal::AlreadyImported(hash)),
            1013,
            "Transaction Already Imported",
            "0x0202020202020202020202020202020202020202020202020202020202020202",
        ),
        (
            SubmitError::Refused(Refusal::Banned),
            1012,
            "Transaction is temporarily banned",
            "it was",
        ),
        (
            SubmitError::Refused(Refusal::PriorityTooLow { old: 5, new: 3 }),
            1014,
            "Priority is too low: (5 vs 3)",
            "The transaction has too low priority",
        ),
        (SubmitError::Refused(Refusal::ImmediatelyDropped), 1016, "Immediately Dropped", "The"),
    ];
    for (error, code, message, data) in cases {
        for method in [SUBMIT, WATCH] {
            let client = node.client().await;
            let request = async {
                if method == SUBMIT {
                    client.request::<Value, _>(SUBMIT, rpc_params![&tx]).await.map(drop)
                } else {
                    let watch = client.subscribe::<Value, _>(
                        WATCH,
                        rpc_params![&tx],
                        "author_unwatchExtrinsic",
                    );
                    watch.await.map(drop)
                }
            };
            let pool = answer(&node, Err(error.clone()));
            let (result, ()) = tokio::join!(request, pool);
            let Err(ClientError::Call(found)) = result else { panic!("{error} is an error") };
            assert_eq!((found.code(), found.message()), (code, message));
            let found = found.data().map_or("null", |data| data.get());
            assert!(found.trim_matches('"').starts_with(data) || data.is_empty(), "{found}");
        }
    }
}

#[tokio::test]
async fn what_is_no_transaction_does_not_reach_the_pool() {
    let node = Node::start().await;
    for (params, expected) in [
        (json!(["0x"]), 1001),
        (json!(["0x04"]), 1001),
        (json!(["0x0400ff"]), 1001),
        (json!(["zz"]), -32602),
        (json!([5]), -32602),
        (json!([]), -32602),
        (json!({ "extrinsic": "0x" }), -32602),
    ] {
        let found = node.try_ask::<Value>(SUBMIT, params.clone()).await.expect_err("is refused");
        assert_eq!(found.0, expected, "{params}: {found:?}");
    }
    assert!(node.pool.is_empty());
}

#[tokio::test]
async fn a_full_pool_channel_is_an_error_at_once() {
    let node = Node::start().await;
    let client = node.client().await;
    let tx = hex(signed(&node).encode());
    // The channel has room for two; nobody reads it.
    let waiting = [0, 1].map(|_| client.request::<Value, _>(SUBMIT, rpc_params![&tx]));
    let refused = async {
        while node.pool.len() < 2 {
            tokio::task::yield_now().await;
        }
        node.try_ask::<Value>(SUBMIT, json!([tx])).await.expect_err("there is no room")
    };
    let waiting = futures::future::join_all(waiting);
    tokio::select! {
        _ = waiting => panic!("nobody answers these"),
        (code, message, data) = refused => {
            assert_eq!((code, message.as_str()), (1016, "Immediately Dropped"));
            assert!(data.contains("again"), "{data}");
        }
    }
}

/// Starts to watch a transaction; gives the subscription and the pool's end of it.
async fn watch(
    node: &Node,
    client: &Client,
    tx: &OpaqueTransaction,
) -> (Subscription<Value>, tokio::sync::mpsc::Sender<TxStatus>) {
    let params = rpc_params![hex(tx.encode())];
    let subscribe = client.subscribe::<Value, _>(WATCH, params, "author_unwatchExtrinsic");
    let pool = async {
        let PoolRequest::Watch { bytes, updates, answer } = node.pool_request().await else {
            panic!("a transaction is watched")
        };
        answer.send(Ok(bytes.hash())).expect("the server waits");
        updates
    };
    let (subscription, updates) = tokio::join!(subscribe, pool);
    (subscription.expect("it was accepted"), updates)
}

async fn next(subscription: &mut Subscription<Value>) -> Value {
    let next = tokio::time::timeout(WAIT, subscription.next()).await.expect("it comes in time");
    next.expect("the subscription goes on").expect("it is JSON")
}

#[tokio::test]
async fn a_watched_transaction_is_final_a_while_after_it_is_in_a_block() {
    let mut node = Node::start().await;
    let client = node.client().await;
    let tx = signed(&node);
    let (mut subscription, updates) = watch(&node, &client, &tx).await;
    for status in [TxStatus::Future, TxStatus::Ready] {
        updates.send(status).await.expect("the server listens");
    }
    let block = node.grow(std::slice::from_ref(&tx)).hash;
    updates.send(TxStatus::InBlock { block }).await.expect("the server listens");
    assert_eq!(next(&mut subscription).await, json!("future"));
    assert_eq!(next(&mut subscription).await, json!("ready"));
    assert_eq!(next(&mut subscription).await, json!({ "inBlock": block }));
    let started = Instant::now();
    assert_eq!(next(&mut subscription).await, json!({ "finalized": block }));
    assert!(started.elapsed() >= Duration::from_millis(100), "clients need the gap");
}

#[tokio::test]
async fn a_block_is_told_once_its_state_can_be_read() {
    let mut node = Node::start().await;
    let client = node.client().await;
    let tx = signed(&node);
    let (mut subscription, updates) = watch(&node, &client, &tx).await;
    // The pool hears of the block before the server does.
    let (nobody, _) = tokio::sync::watch::channel(node.chain.head().clone());
    let heads = std::mem::replace(&mut node.heads, nobody);
    let head = node.grow(&[tx]);
    updates.send(TxStatus::InBlock { block: head.hash }).await.expect("the server listens");
    client.request::<String, _>("system_name", none()).await.expect("it is served");
    assert!(subscription.next().now_or_never().is_none(), "the head is still the block before");
    heads.send_replace(head.clone());
    assert_eq!(next(&mut subscription).await, json!({ "inBlock": head.hash }));
    let keys = json!(["0x", 1, null, head.hash]);
    assert_eq!(node.ask::<Vec<String>>("state_getKeysPaged", keys).await.len(), 1);
}

#[tokio::test]
async fn other_ends_of_a_watched_transaction_are_told() {
    let node = Node::start().await;
    let client = node.client().await;
    let by = Hash([4; 32]);
    for (status, expected) in [
        (TxStatus::Dropped, json!("dropped")),
        (TxStatus::Invalid, json!("invalid")),
        (TxStatus::Usurped(by), json!({ "usurped": by })),
    ] {
        let (mut subscription, updates) = watch(&node, &client, &signed(&node)).await;
        updates.send(status).await.expect("the server listens");
        assert_eq!(next(&mut subscription).await, expected);
    }
}

#[tokio::test]
async fn a_transaction_that_the_pool_does_not_watch_is_found_in_its_block() {
    let mut node = Node::start().await;
    let client = node.client().await;
    let tx = signed(&node);
    let (mut subscription, updates) = watch(&node, &client, &tx).await;
    drop(updates);
    node.grow(&[]);
    let block = node.grow(&[tx]).hash;
    node.grow(&[]);
    assert_eq!(next(&mut subscription).await, json!({ "inBlock": block }));
    assert_eq!(next(&mut subscription).await, json!({ "finalized": block }));
}

#[tokio::test]
async fn nonces_count_what_waits_in_the_pool() {
    let mut node = Node::start().await;
    let tx = signed(&node);
    node.grow(&[tx]);
    let address = alice().account().to_string();
    for (method, pooled, expected) in [
        ("system_accountNextIndex", None, 1),
        ("account_nextIndex", Some(5), 5),
        ("account_nextIndex", Some(0), 1),
    ] {
        let request = node.ask::<u32>(method, json!([address]));
        let pool = async {
            let PoolRequest::NextNonce { account, answer } = node.pool_request().await else {
                panic!("a nonce is asked for")
            };
            assert_eq!(account, alice().account());
            answer.send(pooled).expect("the server waits");
        };
        assert_eq!(tokio::join!(request, pool).0, expected);
    }
    let bad = node.try_ask::<u32>("system_accountNextIndex", json!(["nobody"])).await;
    assert_eq!(bad.expect_err("that is no address").0, -32602);
}

#[tokio::test]
async fn what_waits_is_listed_as_far_as_an_answer_goes() {
    let node = Node::start().await;
    let small = signed(&node);
    let large = OpaqueTransaction(vec![1; primitives::TRANSACTION_BYTES_MAX]);
    let mut waiting = vec![small.clone()];
    waiting.extend((0..PENDING_BYTES_MAX / large.0.len() + 1).map(|_| large.clone()));
    let count = waiting.len();
    let request = node.ask::<Vec<String>>("author_pendingExtrinsics", json!([]));
    let pool = async {
        let PoolRequest::Pending { answer } = node.pool_request().await else {
            panic!("the list is asked for")
        };
        answer.send(waiting).expect("the server waits");
    };
    let (listed, ()) = tokio::join!(request, pool);
    assert_eq!(listed[0], hex(small.encode()));
    assert!(listed.len() > 1 && listed.len() < count, "{} of {count}", listed.len());
}

#[tokio::test]
async fn a_fee_is_told_before_it_is_paid() {
    let node = Node::start().await;
    let info: Value = node.ask("payment_queryInfo", json!([hex(signed(&node).encode())])).await;
    assert_eq!(info["class"], "normal");
    assert!(info["weight"]["ref_time"].as_u64().is_some_and(|time| time > 0), "{info}");
    let fee: u128 = info["partialFee"].as_str().expect("it is text").parse().expect("in decimal");
    assert!(fee > 0);
}
