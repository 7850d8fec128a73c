//! The OpenRPC document against what is served.

use super::*;
use ::blobs::Cid;
use base64::{Engine, engine::general_purpose::STANDARD};
use codec::Encode;
use jsonrpsee::core::client::{Subscription, SubscriptionClientT};
use pallets::tasks::{self, Policy};
use primitives::Balance;
use runtime::{RuntimeCall, view::TaskEventView};
use std::collections::{BTreeMap, BTreeSet};
use storage::EVENTS_KEY;
use testkit::task_spec;

/// What ends a subscription answers for itself, to any parameter.
const UNWATCH: &str = "artel_unwatchTaskEvents";
/// Of no type that any parameter has.
const NONSENSE: &str = r#"{"nonsense": [[]]}"#;

/// Whether a value fits a schema of the document; fields that the schema does not name do not fit.
fn fits(document: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    let Value::Object(schema) = schema else { return Ok(()) };
    let wrong = |why: &str| Err(format!("{why}: {value} is not {schema:?}"));
    if let Some(path) = schema.get("$ref").and_then(Value::as_str) {
        let target = document.pointer(path.trim_start_matches('#'));
        return fits(document, target.expect("references have a target"), value);
    }
    for (key, count) in [("anyOf", 1), ("oneOf", 1), ("allOf", usize::MAX)] {
        if let Some(Value::Array(schemas)) = schema.get(key) {
            let fitting = schemas.iter().filter(|schema| fits(document, schema, value).is_ok());
            if fitting.count() < count.min(schemas.len()) {
                return wrong(key);
            }
        }
    }
    let is = |name: &str| match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    };
    let types: Vec<&str> = match schema.get("type") {
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    if !types.is_empty() && !types.into_iter().any(is) {
        return wrong("type");
    }
    if schema.get("const").is_some_and(|only| only != value) {
        return wrong("const");
    }
    if matches!(schema.get("enum"), Some(Value::Array(all)) if !all.contains(value)) {
        return wrong("enum");
    }
    if let (Some(items), Some(values)) = (schema.get("items"), value.as_array()) {
        values.iter().try_for_each(|value| fits(document, items, value))?;
    }
    if let (Some(Value::Object(properties)), Some(fields)) =
        (schema.get("properties"), value.as_object())
    {
        let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
        if required.filter_map(Value::as_str).any(|name| !fields.contains_key(name)) {
            return wrong("required");
        }
        for (name, field) in fields {
            let Some(property) = properties.get(name) else { return wrong(name) };
            fits(document, property, field)?;
        }
    }
    Ok(())
}

/// A chain with a task, and parameters for every method, of which the last ones may be left out.
async fn prepared() -> (Node, BTreeMap<&'static str, Vec<Value>>, Vec<TaskEventView>) {
    let mut node = Node::start().await;
    let client = node.client().await;
    let mut events: Subscription<TaskEventView> = client
        .subscribe("artel_taskEvents", none(), UNWATCH)
        .await
        .expect("events can be followed");
    let call = RuntimeCall::Tasks(tasks::Call::create_task {
        spec: task_spec(),
        policy: Policy::economy(Balance::new(1_000_000_000_000)),
        requester: None,
        funded: true,
    });
    let tx = node.signer().sign(&call);
    node.grow(std::slice::from_ref(&tx));
    let event = tokio::time::timeout(WAIT, events.next()).await.expect("it comes in time");
    let event = event.expect("it goes on").expect("it has its form");
    let head = node.grow(&[]);
    let (task, alice) = (json!(event.task), json!(alice().account()));
    let at = json!(head.hash);
    let cid = node.blobs.put(&b"some bytes"[..]).expect("there is room").to_string();
    let leaf = json!(Cid::of_raw(b"a leaf").to_string());
    let what = json!({ "call": { "call": hex(call.encode()), "signer": alice } });
    let params = BTreeMap::from([
        ("artel_task", vec![task.clone(), at.clone()]),
        ("artel_tasks", vec![json!({ "requester": alice }), Value::Null, json!(5)]),
        ("artel_taskEvents", vec![task.clone()]),
        ("artel_agent", vec![alice.clone(), at.clone()]),
        ("artel_payouts", vec![json!({ "task": task })]),
        ("artel_peers", Vec::new()),
        ("artel_market", vec![at.clone()]),
        ("artel_lightStart", vec![at.clone()]),
        ("artel_lightBlocks", vec![json!(1), json!(2)]),
        ("artel_validators", vec![at.clone()]),
        ("artel_uploadBlob", vec![json!(STANDARD.encode(b"others"))]),
        ("artel_uploadBlock", vec![leaf, json!(STANDARD.encode(b"a leaf"))]),
        ("artel_blob", vec![json!(cid), json!(2), json!(3)]),
        ("artel_explain", vec![json!({ "transaction": tx.hash() })]),
        ("artel_estimate", vec![what, at]),
        ("artel_trace", vec![json!(1), json!(1)]),
    ]);
    (node, params, vec![event])
}

async fn ask(client: &Client, method: &str, params: &[Value]) -> Result<Value, String> {
    let mut array = ArrayParams::new();
    for param in params {
        array.insert(param).expect("it is JSON");
    }
    let answer = client.request::<Value, _>(method, array).await;
    answer.map_err(|error| match error {
        ClientError::Call(error) => error.message().to_owned(),
        other => panic!("{method} is answered: {other}"),
    })
}

#[tokio::test]
async fn the_openrpc_document_says_what_is_served_and_answers_fit_it() {
    let (node, params, events) = prepared().await;
    let client = node.client().await;
    let document: Value = node.ask("rpc.discover", json!([])).await;
    let methods = document["methods"].as_array().expect("there are methods");
    let named = |method: &Value| method["name"].as_str().expect("a method has a name").to_owned();
    let documented: BTreeSet<String> = methods.iter().map(named).collect();
    let of_ours = super::server::METHODS.iter().filter(|name| name.starts_with("artel_"));
    assert_eq!(documented, of_ours.map(|name| (*name).to_owned()).collect());

    let nonsense: Value = serde_json::from_str(NONSENSE).expect("it is JSON");
    for method in methods.iter().filter(|method| method["name"] != UNWATCH) {
        let name = named(method);
        let valid = &params[name.as_str()];
        let described = method["params"].as_array().expect("parameters are a list");
        assert_eq!(described.len(), valid.len(), "{name}");
        for (index, param) in described.iter().enumerate() {
            let with = [&valid[..index], std::slice::from_ref(&nonsense)].concat();
            let error = ask(&client, &name, &with).await.expect_err("nonsense is refused");
            let param_name = param["name"].as_str().expect("a parameter has a name");
            assert!(error.contains(&format!("`{param_name}`")), "{name}: {error}");
            fits(&document, &param["schema"], &valid[index]).expect("the parameter is valid");
            assert!(fits(&document, &param["schema"], &nonsense).is_err(), "{name} {param_name}");
            let without = ask(&client, &name, &valid[..index]).await;
            assert_eq!(without.is_err(), param["required"] == true, "{name} {param_name}");
        }
        // A further parameter is not looked at: the document has all.
        let with = [&valid[..], std::slice::from_ref(&nonsense)].concat();
        let answer = ask(&client, &name, &with).await.expect("the parameters are valid");
        fits(&document, &method["result"]["schema"], &answer).expect("the answer fits");
        assert!(!answer.is_null() || ["artel_agent", "artel_uploadBlock"].contains(&&*name));
    }
    let subscription = methods.iter().find(|method| method["name"] == "artel_taskEvents");
    let schema = &subscription.expect("it is documented")["x-subscription"]["schema"];
    for event in events {
        let event = serde_json::to_value(event).expect("it has a form");
        fits(&document, schema, &event).expect("the notification fits");
    }
}

#[tokio::test]
async fn answers_of_every_kind_fit_their_schemas() {
    let (node, params, _) = prepared().await;
    let document: Value = node.ask("rpc.discover", json!([])).await;
    let schema = |name: &str| {
        let methods = document["methods"].as_array().expect("there are methods");
        let found = methods.iter().find(|method| method["name"] == name);
        found.expect("it is documented")["result"]["schema"].clone()
    };
    let events: String = node.ask("state_getStorage", json!([hex(EVENTS_KEY)])).await;
    let call = &params["artel_estimate"][0]["call"]["call"];
    for (method, what) in [
        ("artel_trace", json!([2])),
        ("artel_explain", json!([{ "error": "0x02" }])),
        ("artel_explain", json!([{ "events": events }])),
        ("artel_explain", json!([{ "transaction": Hash([1; 32]) }])),
        ("artel_estimate", json!([{ "call": { "call": call } }])),
        ("artel_estimate", json!([{ "call": { "call": call, "signer": Hash([9; 32]) } }])),
        ("artel_task", json!([Hash([1; 32])])),
        ("artel_blob", json!([Cid::of_raw(b"nobody has this").to_string()])),
    ] {
        let answer: Value = node.ask(method, what).await;
        fits(&document, &schema(method), &answer).expect("the answer fits");
    }
    let wrong = json!({ "height": 1, "marketMs": 0, "paused": false, "claimSeed": 7 });
    assert!(fits(&document, &schema("artel_market"), &wrong).is_err(), "the test can fail");
}
