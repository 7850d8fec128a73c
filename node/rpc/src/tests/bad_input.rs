//! Random and mutated requests: always an answer, never a panic, and the server goes on.

use super::*;
use proptest::{prelude::*, test_runner::TestRunner};
use std::collections::BTreeSet;

/// Requests of each kind; `PROPTEST_CASES` asks for more.
const CASES_MIN: u32 = 512;

/// Methods that ask the pool or the chain: nobody answers for them here.
const OF_OTHERS: &[&str] = &[
    "account_nextIndex",
    "author_pendingExtrinsics",
    "author_submitAndWatchExtrinsic",
    "author_submitExtrinsic",
    "state_getReadProof",
    "system_accountNextIndex",
];

/// Runs a property against one server, and sees afterwards that it still serves.
fn against_a_server<S: Strategy>(strategy: S, request: impl Fn(S::Value) -> Vec<u8>)
where
    S::Value: std::fmt::Debug,
{
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("threads can be made");
    let node = runtime.block_on(async {
        let mut node = Node::start().await;
        node.grow(&[]);
        node
    });
    let default = ProptestConfig::default();
    let cases = default.cases.max(CASES_MIN);
    let mut runner = TestRunner::new(ProptestConfig { cases, ..default });
    runner
        .run(&strategy, |value| {
            let body = request(value);
            let (head, answer) = runtime.block_on(node.post_bytes(&body, ""));
            check_answer(&body, &head, &answer)
        })
        .expect("each request is answered");
    let name: String = runtime.block_on(node.ask("system_name", json!([])));
    assert_eq!(name, "Artel Node");
}

fn check_answer(body: &[u8], head: &str, answer: &str) -> Result<(), TestCaseError> {
    let status = head.split(' ').nth(1).unwrap_or_default();
    prop_assert!(["200", "400", "413"].contains(&status), "{head}");
    // Notifications have no answer.
    if status != "200" || answer.is_empty() {
        return Ok(());
    }
    let answer: Value = serde_json::from_str(answer)
        .map_err(|error| TestCaseError::fail(format!("{error}: {answer}")))?;
    let answers = answer.as_array().cloned().unwrap_or_else(|| vec![answer]);
    for answer in answers {
        if let Some(error) = answer.get("error") {
            let code = error["code"].as_i64().unwrap_or_default();
            let message = error["message"].as_str().unwrap_or_default();
            prop_assert!(code != 0 && !message.is_empty(), "{answer}");
            prop_assert!(message.len() < 1_000, "errors are short: {answer}");
            let shown = String::from_utf8_lossy(&body[..body.len().min(500)]);
            prop_assert!(code != -32603, "{shown}: {answer}");
        }
    }
    Ok(())
}

fn served() -> BTreeSet<&'static str> {
    let mut names: BTreeSet<_> = super::server::METHODS.iter().copied().collect();
    names.retain(|name| !OF_OTHERS.contains(name));
    names
}

fn method() -> impl Strategy<Value = String> {
    let names: Vec<&str> = served().into_iter().collect();
    proptest::sample::select(names).prop_map(str::to_owned)
}

/// Hex as clients send it, and as they should not.
fn hex_text() -> impl Strategy<Value = String> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..80).prop_map(hex),
        any::<[u8; 32]>().prop_map(hex),
        "0x[0-9a-f]{0,65}",
        "(0x|0X|)[0-9a-zA-Z]{0,70}",
        Just(String::new()),
        Just("0x".repeat(100_000)),
        Just("f".repeat(1 << 20)),
    ]
}

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (0u64..2_000).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,60}".prop_map(Value::from),
        hex_text().prop_map(Value::from),
        proptest::sample::select(vec![
            "Core_version",
            "Metadata_metadata_at_version",
            "AccountNonceApi_account_nonce",
            "TaggedTransactionQueue_validate_transaction",
            "TransactionPaymentApi_query_info",
            "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY",
            "bafk2bzaceaze3tycpxkkgcutfrcb6ns2exugwfz556slrzmjjasti4nydnzm6",
        ])
        .prop_map(Value::from),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(4, 64, 8, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            proptest::collection::btree_map("(task|account|state|[a-z]{1,8})", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn params() -> impl Strategy<Value = Value> {
    prop_oneof![
        9 => proptest::collection::vec(value(), 0..6).prop_map(Value::from),
        1 => value(),
    ]
}

fn request() -> impl Strategy<Value = Value> {
    (method(), params()).prop_map(
        |(method, params)| json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }),
    )
}

#[test]
fn random_parameters_of_every_method_are_answered() {
    against_a_server(request(), |request| request.to_string().into_bytes());
}

#[test]
fn mutated_requests_are_answered() {
    let mutations =
        proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3), 1..6);
    against_a_server((request(), mutations), |(request, mutations)| {
        let mut bytes = request.to_string().into_bytes();
        for (index, byte, kind) in mutations {
            let at = index.index(bytes.len().max(1));
            match kind {
                0 if at < bytes.len() => bytes[at] = byte,
                1 => bytes.insert(at.min(bytes.len()), byte),
                _ => bytes.truncate(at),
            }
        }
        bytes
    });
}

#[test]
fn random_bytes_are_answered() {
    let bytes = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..400),
        "[\\[\\]{}\",:0-9a-z ]{0,400}".prop_map(String::into_bytes),
    ];
    against_a_server(bytes, |bytes| bytes);
}

#[test]
fn deep_and_huge_parameters_are_answered() {
    let deep = (1usize..200_000).prop_map(|depth| "[".repeat(depth) + &"]".repeat(depth));
    let wide = (1usize..200_000).prop_map(|count| format!("[{}0]", "0,".repeat(count)));
    let keys =
        (1usize..20_000).prop_map(|count| format!("[[{}\"0x\"]]", "\"0x00\",".repeat(count)));
    let large = Just(format!("[\"{}\"]", "0".repeat(17 << 20)));
    let params = prop_oneof![20 => deep, 20 => wide, 20 => keys, 1 => large];
    against_a_server((method(), params), |(method, params)| {
        let head = r#"{"jsonrpc":"2.0","id":1,"method":""#;
        format!(r#"{head}{method}","params":{params}}}"#).into_bytes()
    });
}
