use super::*;
use ::blobs::{CHUNK_BYTES, Cid, READ_BYTES_MAX, Splitter};
use base64::{Engine, engine::general_purpose::STANDARD};
use jsonrpsee::core::client::SubscriptionClientT;
use pallets::tasks::{self, Policy};
use primitives::Balance;
use runtime::{
    RuntimeCall,
    view::{BlobPart, BlobView, MarketView, TaskEventView, TaskPage, TaskState, TaskView},
};
use testkit::{bob, task_spec};

fn create(reward: u128) -> RuntimeCall {
    RuntimeCall::Tasks(tasks::Call::create_task {
        spec: task_spec(),
        policy: Policy::economy(Balance::new(reward)),
        requester: None,
        funded: true,
    })
}

#[tokio::test]
async fn a_task_is_seen_in_state_in_lists_and_in_events() {
    let mut node = Node::start().await;
    let client = node.client().await;
    let subscribe = |params: ArrayParams| {
        client.subscribe::<TaskEventView, _>("artel_taskEvents", params, "artel_unwatchTaskEvents")
    };
    let mut all = subscribe(none()).await.expect("events can be followed");
    let mut others = subscribe(rpc_params![Hash([1; 32])]).await.expect("so can one task's");

    let tx = node.signer().sign(&create(1_000_000_000_000));
    let head = node.grow(&[tx]);
    let event = tokio::time::timeout(WAIT, all.next()).await.expect("it comes in time");
    let event = event.expect("it goes on").expect("it has its form");
    assert_eq!((event.block, event.height, event.time_ms), (head.hash, 1, head.time_ms));

    let task: TaskView = node.ask("artel_task", json!([event.task])).await;
    assert_eq!(task.id, event.task);
    assert_eq!(task.requester, alice().account());
    assert_eq!(task.state, TaskState::Pending);
    let page: TaskPage = node.ask("artel_tasks", json!([])).await;
    assert_eq!((page.tasks.as_slice(), page.next), (&[task.clone()][..], None));
    let filter = json!([{ "requester": bob().account() }, null, 5]);
    assert_eq!(node.ask::<TaskPage>("artel_tasks", filter).await.tasks, []);
    let before = json!([event.task, node.chain.genesis()]);
    assert_eq!(node.ask::<Value>("artel_task", before).await, Value::Null);
    let payouts = json!([{ "task": event.task }]);
    assert_eq!(node.ask::<Value>("artel_payouts", payouts).await, json!([]));
    let payouts = json!([{ "account": alice().account() }]);
    assert_eq!(node.ask::<Value>("artel_payouts", payouts).await, json!([]));
    assert_eq!(node.ask::<Value>("artel_agent", json!([bob().account()])).await, Value::Null);
    let market: MarketView = node.ask("artel_market", json!([])).await;
    assert_eq!(market.height, 1);

    // The other subscriber got nothing: the next message that it gets is about its end.
    node.handle.stop().expect("it runs");
    let rest = tokio::time::timeout(WAIT, others.next()).await.expect("the server stops");
    assert!(rest.is_none(), "{rest:?}");
}

#[tokio::test]
async fn wrong_questions_about_tasks_are_told_why() {
    let node = Node::start().await;
    for (method, params, word) in [
        ("artel_task", json!(["0x12"]), "id"),
        ("artel_task", json!([]), "id"),
        ("artel_tasks", json!([{ "colour": "red" }]), "colour"),
        ("artel_tasks", json!([null, null, 101]), "101"),
        ("artel_tasks", json!([null, null, 0]), "0"),
        ("artel_agent", json!(["5Grw"]), "account"),
        ("artel_payouts", json!([{ "task": 1 }]), "of"),
        ("artel_payouts", json!([{}]), "of"),
        ("artel_blob", json!(["bafy"]), "bafy"),
        ("artel_uploadBlob", json!(["!!"]), "base64"),
    ] {
        let (code, message, _) =
            node.try_ask::<Value>(method, params).await.expect_err("it is wrong");
        assert_eq!(code, -32602, "{method}: {message}");
        assert!(message.contains(word), "{method}: {message}");
    }
}

#[tokio::test]
async fn a_blob_goes_up_and_comes_down_in_parts() {
    let node = Node::start().await;
    let bytes: Vec<u8> = (0..5 << 20).map(|i: u32| (i / 7).to_le_bytes()[0]).collect();
    let stored: BlobView = node.ask("artel_uploadBlob", json!([STANDARD.encode(&bytes)])).await;
    assert_eq!(stored.size, bytes.len() as u64);
    let mut found = Vec::new();
    while found.len() < bytes.len() {
        let part: BlobPart = node.ask("artel_blob", json!([stored.cid, found.len()])).await;
        assert_eq!((part.size, part.offset), (stored.size, found.len() as u64));
        found.extend(STANDARD.decode(part.data).expect("it is base64"));
    }
    assert!(found == bytes);
    for name in [json!(stored.cid), json!(stored.bytes)] {
        let part: BlobPart = node.ask("artel_blob", json!([name, 3, 2])).await;
        assert_eq!(part.data, STANDARD.encode(&bytes[3..5]));
    }
    let longer = json!([stored.cid, 0, READ_BYTES_MAX + 1]);
    assert_eq!(node.try_ask::<Value>("artel_blob", longer).await.expect_err("too long").0, -32602);
    let absent = json!([Cid::of_raw(b"nobody put this").to_string()]);
    assert_eq!(node.ask::<Value>("artel_blob", absent).await, Value::Null);
}

#[tokio::test]
async fn a_large_blob_goes_up_block_by_block() {
    let node = Node::start().await;
    let chunks = [vec![1; CHUNK_BYTES], vec![2; 10]];
    let mut splitter = Splitter::default();
    for chunk in &chunks {
        let leaf = splitter.push(chunk).to_string();
        let answer: Value =
            node.ask("artel_uploadBlock", json!([leaf, STANDARD.encode(chunk)])).await;
        assert_eq!(answer, Value::Null);
        let other = json!([leaf, STANDARD.encode(b"something else")]);
        let refused = node.try_ask::<Value>("artel_uploadBlock", other).await;
        assert_eq!(refused.expect_err("the name is another's").0, -32602);
    }
    let (cid, root) = splitter.finish().expect("it is small enough");
    let root = root.expect("two chunks have a root");
    let _: Value =
        node.ask("artel_uploadBlock", json!([cid.to_string(), STANDARD.encode(root)])).await;
    let part: BlobPart = node.ask("artel_blob", json!([cid.to_string(), CHUNK_BYTES])).await;
    assert_eq!(part.data, STANDARD.encode(&chunks[1]));
}

#[tokio::test]
async fn a_blob_that_is_too_large_for_one_request_is_refused_with_the_way_out() {
    let node = Node::start().await;
    let text = STANDARD.encode(vec![0; UPLOAD_BYTES_MAX + 4]);
    let refused = node.try_ask::<Value>("artel_uploadBlob", json!([text])).await;
    let (code, message, _) = refused.expect_err("there is a bound");
    assert_eq!(code, -32602);
    assert!(message.contains("block by block"), "{message}");
}
