use super::*;
use codec::Encode;
use framework::DispatchError;
use pallets::tasks;
use primitives::Balance;
use runtime::{
    RuntimeCall,
    view::{EndView, EstimateView, EventView, TraceView, TransactionView},
};
use storage::EVENTS_KEY;
use testkit::{bob, task_spec, transfer};

#[tokio::test]
async fn a_trace_shows_why_a_transaction_failed() {
    let mut node = Node::start().await;
    node.grow(&[]);
    let mut signer = node.signer();
    let txs = [
        signer.sign(&transfer(&bob(), 1_000_000_000_000)),
        signer.sign(&transfer(&bob(), u128::MAX)),
    ];
    let head = node.grow(&txs);
    let all: TraceView = node.ask("artel_trace", json!([head.hash])).await;
    assert_eq!((all.block, all.height, all.count), (head.hash, 2, 4));
    assert_eq!((all.parent, all.time_ms), (head.header.parent_hash, head.time_ms));
    let names: Vec<_> = all.transactions.iter().map(|tx| tx.call.name.as_str()).collect();
    let transfer = "Balances.transfer_keep_alive";
    assert_eq!(names, ["Timestamp.set", "Session.note_certificate", transfer, transfer]);
    assert!(all.transactions[..2].iter().all(|tx| tx.run.touched.is_none() && tx.signer.is_none()));

    let failed: TraceView = node.ask("artel_trace", json!([2, 3])).await;
    let [failed] = &failed.transactions[..] else { panic!("one was asked for") };
    assert_eq!(failed, &all.transactions[3]);
    assert_eq!((failed.hash, failed.index, failed.nonce), (txs[1].hash(), 3, Some(1)));
    assert_eq!(failed.signer, Some(alice().account()));
    assert_eq!(failed.call.args["value"], json!(u128::MAX.to_string()));
    let EndView::Failed(why) = &failed.run.end else { panic!("it failed") };
    assert_eq!(why.name, "Token.FundsUnavailable");
    assert!(!failed.run.fee.is_zero(), "failing is not free");
    let touched = failed.run.touched.as_ref().expect("it was run");
    assert!(touched.reads.count >= touched.writes.count && touched.writes.count > 0);
    assert_eq!(touched.reads.keys.len() as u32, touched.reads.count);
    let last = failed.run.events.last().expect("it told something");
    assert_eq!(last.name, "System.ExtrinsicFailed");

    let explained: Value =
        node.ask("artel_explain", json!([{ "transaction": txs[1].hash() }])).await;
    let explained: TransactionView =
        serde_json::from_value(explained["transaction"].clone()).expect("it has its form");
    let mut told = failed.clone();
    told.run.touched = None;
    assert_eq!(explained, told);

    for (params, word) in [
        (json!([0]), "genesis"),
        (json!([9]), "no block 9"),
        (json!([2, 4]), "4 transactions"),
        (json!(["head"]), "hash or by its number"),
    ] {
        let (code, message, _) =
            node.try_ask::<Value>("artel_trace", params).await.expect_err(word);
        assert_eq!(code, -32602, "{message}");
        assert!(message.contains(word), "{message}");
    }
}

#[tokio::test]
async fn errors_and_events_are_explained_in_words() {
    let mut node = Node::start().await;
    let error = DispatchError::from(tasks::Error::UnknownTask);
    let DispatchError::Module(module) = error else { panic!("it is a pallet's") };
    let module = json!({ "index": module.index, "error": hex(module.error) });
    for what in [json!({ "error": hex(error.encode()) }), json!({ "module": module })] {
        let found: Value = node.ask("artel_explain", json!([what])).await;
        assert_eq!(found["error"]["name"], "Tasks.UnknownTask");
        let text = found["error"]["text"].as_str().expect("it has words");
        assert!(text.starts_with("No task has this id"), "{text}");
    }
    let tx = node.signer().sign(&transfer(&bob(), 1_000_000_000_000));
    node.grow(&[tx]);
    let events: String = node.ask("state_getStorage", json!([hex(EVENTS_KEY)])).await;
    let found: Value = node.ask("artel_explain", json!([{ "events": events }])).await;
    let found: Vec<EventView> =
        serde_json::from_value(found["events"].clone()).expect("they have their form");
    assert!(found.iter().any(|event| event.name == "Balances.Transfer"), "{found:?}");
    let unknown = json!([{ "transaction": Hash([3; 32]) }]);
    assert_eq!(node.ask::<Value>("artel_explain", unknown).await, Value::Null);
    for wrong in [
        json!([{ "error": "0xff" }]),
        json!([{ "events": "0x04ff" }]),
        json!([{ "module": { "index": 1, "error": "0x0000000000" } }]),
        json!([{ "colour": "0x" }]),
        json!(["0x00"]),
        json!([]),
    ] {
        let (code, message, _) =
            node.try_ask::<Value>("artel_explain", wrong).await.expect_err("it is wrong");
        assert_eq!(code, -32602);
        assert!(message.contains("`what`"), "{message}");
    }
}

#[tokio::test]
async fn an_estimate_is_what_the_block_takes_and_holds() {
    let mut node = Node::start().await;
    node.grow(&[]);
    let policy = tasks::Policy::economy(Balance::new(1_000_000_000_000));
    let call = RuntimeCall::Tasks(tasks::Call::create_task {
        spec: task_spec(),
        policy,
        requester: None,
        funded: true,
    });
    let what = json!({ "call": { "call": hex(call.encode()), "signer": alice().account() } });
    let estimate: EstimateView = node.ask("artel_estimate", json!([what])).await;
    assert_eq!(estimate.height, 1);
    let of = |head: &Head| {
        let info = pallets::system::account(&head.snapshot, &alice().account());
        (info.data.free.get(), info.data.reserved.get())
    };
    let before = of(node.chain.head());
    let tx = node.signer().sign(&call);
    let what = json!([{ "extrinsic": hex(tx.encode()) }]);
    let of_signed: EstimateView = node.ask("artel_estimate", what).await;
    let after = of(&node.grow(&[tx]));
    let held = estimate.held.expect("Alice was named").get();
    assert_eq!(after.1 - before.1, held);
    let run = of_signed.run.expect("it was run");
    assert_eq!(before.0 - after.0, run.fee.get() + held);
    assert!(estimate.fee >= of_signed.fee, "an immortal era is a byte shorter");
    assert_eq!(estimate.task.map(|task| task.held), estimate.held);
    for (what, word) in [
        (json!({ "call": { "call": "0x010203" } }), "no transaction"),
        (json!({ "extrinsic": "0x0400ff" }), "decode"),
        (json!({}), "what"),
    ] {
        let (code, message, _) =
            node.try_ask::<Value>("artel_estimate", json!([what])).await.expect_err(word);
        assert_eq!(code, -32602, "{message}");
        assert!(message.contains(word), "{message}");
    }
}
