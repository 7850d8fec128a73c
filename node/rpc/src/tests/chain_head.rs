use super::*;
use codec::Encode;
use jsonrpsee::core::client::{
    Subscription, SubscriptionClientT, SubscriptionKind, TransportReceiverT, TransportSenderT,
};
use primitives::{
    StateRead,
    crypto::hash::{blake2_256, twox_128},
};
use storage::{EVENTS_KEY, HISTORY_BLOCKS_MIN};
use testkit::{bob, charlie, transfer};

const FOLLOW: &str = "chainHead_v1_follow";
const UNFOLLOW: &str = "chainHead_v1_unfollow";

/// A follow as its client has it.
struct Followed<'a> {
    client: &'a Client,
    events: Subscription<Value>,
    id: String,
}

impl<'a> Followed<'a> {
    async fn try_new(client: &'a Client, with_runtime: bool) -> Result<Self, ClientError> {
        let events = client.subscribe(FOLLOW, rpc_params![with_runtime], UNFOLLOW).await?;
        let SubscriptionKind::Subscription(id) = events.kind() else {
            panic!("a subscription has an id")
        };
        let id = serde_json::to_value(id).expect("it is JSON");
        let id = id.as_str().expect("ids are text").to_owned();
        Ok(Self { client, events, id })
    }

    /// A follow, past what it is told first; and the last final block.
    async fn new(client: &'a Client, with_runtime: bool) -> (Self, Hash) {
        let mut followed = Self::try_new(client, with_runtime).await.expect("there is room");
        assert_eq!(followed.next().await["event"], "initialized");
        let best = followed.next().await;
        assert_eq!(best["event"], "bestBlockChanged");
        (followed, hash(&best["bestBlockHash"]))
    }

    async fn next(&mut self) -> Value {
        let next = tokio::time::timeout(WAIT, self.events.next()).await;
        let next = next.expect("it comes in time").expect("the subscription goes on");
        next.expect("it is JSON")
    }

    /// A new block, as told by three events.
    async fn next_block(&mut self) -> Hash {
        let told = self.next().await;
        assert_eq!(told["event"], "newBlock", "{told}");
        let block = &told["blockHash"];
        assert_eq!(
            self.next().await,
            json!({ "event": "bestBlockChanged", "bestBlockHash": block })
        );
        let finalized = json!({
            "event": "finalized", "finalizedBlockHashes": [block], "prunedBlockHashes": [],
        });
        assert_eq!(self.next().await, finalized);
        hash(block)
    }

    /// The answer to a method, called with the follow's id first.
    async fn ask(&self, method: &str, more: Value) -> Result<Value, ClientError> {
        ask_as(self.client, &self.id, method, more).await
    }

    /// Begins an operation; its id.
    async fn begin(&self, method: &str, more: Value) -> String {
        let started = self.ask(method, more).await.expect("it is no error");
        assert_eq!(started["result"], "started", "{started}");
        started["operationId"].as_str().expect("ids are text").to_owned()
    }

    /// The only event of an operation.
    async fn run(&mut self, method: &str, more: Value) -> Value {
        let id = self.begin(method, more).await;
        let event = self.next().await;
        assert_eq!(event["operationId"], json!(id));
        event
    }

    /// What a storage operation finds, and how many times it waited.
    async fn read(&mut self, at: Hash, items: Value) -> (Vec<Value>, usize) {
        let id = self.begin("chainHead_v1_storage", json!([at, items, null])).await;
        let (mut found, mut waits) = (Vec::new(), 0);
        loop {
            let event = self.next().await;
            assert_eq!(event["operationId"], json!(id), "{event}");
            match event["event"].as_str().expect("events have names") {
                "operationStorageItems" => {
                    let items = event["items"].as_array().expect("items are a list");
                    assert!((1..=8).contains(&items.len()), "pages are short");
                    found.extend(items.iter().cloned());
                }
                "operationWaitingForContinue" => {
                    waits += 1;
                    let answer = self.ask("chainHead_v1_continue", json!([id])).await;
                    assert_eq!(answer.expect("it waits"), Value::Null);
                }
                "operationStorageDone" => return (found, waits),
                other => panic!("{other} ends it: {event}"),
            }
        }
    }

    /// What stands for everything under a key.
    async fn token(&mut self, at: Hash, key: &[u8]) -> Option<String> {
        let items = json!([{ "key": hex(key), "type": "closestDescendantMerkleValue" }]);
        let (found, _) = self.read(at, items).await;
        assert!(found.len() <= 1);
        let found = found.first()?;
        assert_eq!(found["key"], hex(key));
        Some(found["closestDescendantMerkleValue"].as_str().expect("it is hex").to_owned())
    }
}

async fn ask_as(
    client: &Client,
    subscription: &str,
    method: &str,
    more: Value,
) -> Result<Value, ClientError> {
    let mut params = rpc_params![subscription];
    for value in more.as_array().expect("they are a list") {
        params.insert(value).expect("it is JSON");
    }
    client.request(method, params).await
}

fn hash(value: &Value) -> Hash {
    serde_json::from_value(value.clone()).expect("it is a hash")
}

fn item(pallet: &str, name: &str) -> Vec<u8> {
    [twox_128(pallet), twox_128(name)].concat()
}

fn account_key(account: &[u8]) -> Vec<u8> {
    use primitives::crypto::hash::blake2_128;
    [&item("System", "Account")[..], &blake2_128(account), account].concat()
}

#[tokio::test]
async fn every_block_is_told_in_order_and_pinned() {
    let mut node = Node::start().await;
    let before: Vec<Hash> = (0..20).map(|_| node.grow(&[]).hash).collect();
    let client = node.client().await;
    let mut follow = Followed::try_new(&client, true).await.expect("there is room");
    let first = follow.next().await;
    assert_eq!(first["event"], "initialized");
    assert_eq!(first["finalizedBlockHashes"], json!(before[4..]), "the latest ones");
    let runtime = &first["finalizedBlockRuntime"];
    assert_eq!(runtime["type"], "valid");
    assert_eq!(runtime["spec"]["specName"], "artel");
    assert!(runtime["spec"]["apis"]["0xdf6acb689907609b"].is_u64(), "{runtime}");
    let best = json!({ "event": "bestBlockChanged", "bestBlockHash": before[19] });
    assert_eq!(follow.next().await, best);

    let mut parent = before[19];
    for head in [node.grow(&[]), node.grow(&[]), node.grow(&[])] {
        let told = follow.next().await;
        let expected = json!({
            "event": "newBlock", "blockHash": head.hash, "parentBlockHash": parent, "newRuntime": null,
        });
        assert_eq!(told, expected);
        assert_eq!(follow.next().await["event"], "bestBlockChanged");
        assert_eq!(follow.next().await["event"], "finalized");
        let header = follow.ask("chainHead_v1_header", json!([head.hash])).await;
        assert_eq!(header.expect("it is pinned"), json!(hex(head.header.encode())));
        parent = head.hash;
    }

    let mut plain = Followed::try_new(&client, false).await.expect("there is room");
    assert_eq!(plain.next().await.get("finalizedBlockRuntime"), None);
    plain.next().await;
    node.grow(&[]);
    assert_eq!(plain.next().await.get("newRuntime"), None);
}

#[tokio::test]
async fn a_connection_follows_twice_and_again_when_one_ends() {
    let node = Node::start().await;
    let client = node.client().await;
    let first = Followed::try_new(&client, true).await.expect("there is room");
    let _second = Followed::try_new(&client, false).await.expect("there is room");
    assert_eq!(code(Followed::try_new(&client, true).await.map(drop)), -32800);
    let other = node.client().await;
    assert!(Followed::try_new(&other, true).await.is_ok(), "each connection has its own");

    for _ in 0..2 {
        let ended = client.request::<Value, _>(UNFOLLOW, rpc_params![&first.id]).await;
        assert_eq!(ended.expect("it is no error"), Value::Null);
    }
    node.gauge("follows", 1).await;
    Followed::new(&client, true).await;
    let wrong = client.subscribe::<Value, _>(FOLLOW, rpc_params!["yes"], UNFOLLOW).await;
    assert_eq!(code(wrong.map(drop)), -32602);
}

#[tokio::test]
async fn blocks_are_unpinned_all_or_none_and_each_follow_has_its_own() {
    let mut node = Node::start().await;
    let client = node.client().await;
    let (mut follow, genesis) = Followed::new(&client, true).await;
    let (mut other, _) = Followed::new(&client, true).await;
    let [a, b, c] = [node.grow(&[]).hash, node.grow(&[]).hash, node.grow(&[]).hash];
    for block in [a, b, c] {
        assert_eq!(follow.next_block().await, block);
        assert_eq!(other.next_block().await, block);
    }
    const UNPIN: &str = "chainHead_v1_unpin";
    node.gauge("pins", 8).await;
    assert_eq!(code(follow.ask(UNPIN, json!([[a, b, a]])).await), -32804);
    assert_eq!(code(follow.ask(UNPIN, json!([[a, Hash([9; 32])]])).await), -32801);
    assert_eq!(code(follow.ask(UNPIN, json!([7])).await), -32602);
    node.gauge("pins", 8).await;
    assert_eq!(follow.ask(UNPIN, json!([a])).await.expect("it is pinned"), Value::Null);
    assert_eq!(follow.ask(UNPIN, json!([[b, genesis]])).await.expect("they are"), Value::Null);
    node.gauge("pins", 5).await;

    for (method, more) in [
        (UNPIN, json!([a])),
        ("chainHead_v1_header", json!([a])),
        ("chainHead_v1_body", json!([b])),
        ("chainHead_v1_call", json!([b, "Core_version", "0x"])),
        ("chainHead_v1_storage", json!([a, [], null])),
    ] {
        assert_eq!(code(follow.ask(method, more).await), -32801, "{method}");
    }
    assert!(follow.ask("chainHead_v1_header", json!([c])).await.is_ok());
    assert!(other.ask("chainHead_v1_header", json!([a])).await.is_ok());
}

#[tokio::test]
async fn who_does_not_follow_is_answered_without_an_error() {
    let node = Node::start().await;
    let client = node.client().await;
    let at = node.chain.genesis();
    let limit = json!({ "result": "limitReached" });
    for (method, more, expected) in [
        ("chainHead_v1_header", json!([at]), Value::Null),
        ("chainHead_v1_unpin", json!([at]), Value::Null),
        ("chainHead_v1_continue", json!(["0"]), Value::Null),
        ("chainHead_v1_stopOperation", json!(["0"]), Value::Null),
        (UNFOLLOW, json!([]), Value::Null),
        ("chainHead_v1_body", json!([at]), limit.clone()),
        ("chainHead_v1_call", json!([at, "Core_version", "0x"]), limit.clone()),
        ("chainHead_v1_storage", json!([at, []]), limit.clone()),
    ] {
        let answer = ask_as(&client, "nobody", method, more).await;
        assert_eq!(answer.expect("it is no error"), expected, "{method}");
    }
    for (method, more) in [
        ("chainHead_v1_header", json!([])),
        ("chainHead_v1_body", json!(["0x00"])),
        ("chainHead_v1_call", json!([at, 5, "0x"])),
        ("chainHead_v1_storage", json!([at, [{ "key": "0x", "type": "made up" }]])),
        ("chainHead_v1_continue", json!([0])),
        ("chainHead_v1_stopOperation", json!([])),
    ] {
        assert_eq!(code(ask_as(&client, "nobody", method, more).await), -32602, "{method}");
    }
}

#[tokio::test]
async fn bodies_and_runtime_calls_are_told_by_events() {
    let mut node = Node::start().await;
    let client = node.client().await;
    let (mut follow, _) = Followed::new(&client, true).await;
    let tx = node.signer().sign(&transfer(&bob(), 5));
    node.grow(std::slice::from_ref(&tx));
    let at = follow.next_block().await;

    let told = follow.run("chainHead_v1_body", json!([at])).await;
    assert_eq!(told["event"], "operationBodyDone");
    let body = told["value"].as_array().expect("a body is a list");
    assert_eq!(body.last(), Some(&json!(hex(tx.encode()))));

    let nonce = ["AccountNonceApi_account_nonce", &hex(alice().account().encode())];
    let told = follow.run("chainHead_v1_call", json!([at, nonce[0], nonce[1]])).await;
    assert_eq!(
        (&told["event"], &told["output"]),
        (&json!("operationCallDone"), &json!("0x01000000"))
    );
    // Some clients write no arguments like this.
    let told = follow.run("chainHead_v1_call", json!([at, "Core_version", ""])).await;
    assert_eq!(told["event"], "operationCallDone");
    let told = follow.run("chainHead_v1_call", json!([at, "No_such", "0x"])).await;
    assert_eq!(told["event"], "operationError");
    let error = told["error"].as_str().expect("errors have texts");
    assert!(error.contains("Exported method No_such is not found"), "{error}");

    let (plain, at) = Followed::new(&client, false).await;
    let refused = plain.ask("chainHead_v1_call", json!([at, "Core_version", "0x"])).await;
    assert_eq!(code(refused), -32802);
    node.gauge("operations", 0).await;
}

#[tokio::test]
async fn storage_is_read_by_key_at_the_pinned_block() {
    let mut node = Node::start().await;
    let client = node.client().await;
    let (mut follow, before) = Followed::new(&client, true).await;
    let tx = node.signer().sign(&transfer(&bob(), 5));
    let head = node.grow(&[tx]);
    let at = follow.next_block().await;
    let account = account_key(&alice().account().encode());
    let value = head.snapshot.get(&account).expect("she has an account");
    let events = head.snapshot.get(&EVENTS_KEY).expect("each block has events");
    let items = json!([
        { "key": hex(&account), "type": "value" },
        { "key": hex(&account), "type": "hash" },
        { "key": hex(EVENTS_KEY), "type": "value" },
        { "key": "0x1234", "type": "value" },
    ]);
    let (found, waits) = follow.read(at, items.clone()).await;
    let expected = json!([
        { "key": hex(&account), "value": hex(&value) },
        { "key": hex(&account), "hash": blake2_256(&value) },
        { "key": hex(EVENTS_KEY), "value": hex(events) },
    ]);
    assert_eq!((json!(found), waits), (expected, 0));
    let (earlier, _) = follow.read(before, items.clone()).await;
    assert_ne!(earlier[0]["value"], found[0]["value"]);

    let started = follow.ask("chainHead_v1_storage", json!([at, items, "0x01"])).await;
    assert_eq!(started.expect("it is no error")["discardedItems"], 0);
    assert_eq!(follow.next().await["event"], "operationStorageDone", "there are no other tries");
    let many: Vec<Value> =
        (0..1_030).map(|_| json!({ "key": "0x1234", "type": "value" })).collect();
    let started = follow.ask("chainHead_v1_storage", json!([at, many])).await;
    assert_eq!(started.expect("it is no error")["discardedItems"], 6);
}

#[tokio::test]
async fn what_is_under_a_key_comes_page_by_page() {
    let mut node = Node::start().await;
    let client = node.client().await;
    let (mut follow, _) = Followed::new(&client, true).await;
    let head = node.grow(&[]);
    let at = follow.next_block().await;
    let keys: Vec<Vec<u8>> = head.snapshot.keys(&[], None).collect();
    assert!(keys.len() > 24, "there are several pages");
    let value = |key: &Vec<u8>| head.snapshot.get(key).expect("its key was listed");

    let (found, waits) =
        follow.read(at, json!([{ "key": "0x", "type": "descendantsValues" }])).await;
    let expected = keys.iter().map(|key| json!({ "key": hex(key), "value": hex(value(key)) }));
    assert_eq!(found, expected.collect::<Vec<_>>());
    assert_eq!(waits, (keys.len() - 1) / 8);

    // Where queries meet, none is lost and none is waited for that is not of many.
    let items = json!([
        { "key": hex(item("System", "Account")), "type": "descendantsHashes" },
        { "key": hex(&keys[0]), "type": "hash" },
        { "key": "0x", "type": "descendantsHashes" },
    ]);
    let (found, _) = follow.read(at, items).await;
    let accounts = keys.iter().filter(|key| key.starts_with(&item("System", "Account")));
    let expected = accounts.chain([&keys[0]]).chain(&keys);
    let expected = expected.map(|key| json!({ "key": hex(key), "hash": blake2_256(&value(key)) }));
    assert_eq!(found, expected.collect::<Vec<_>>());
}

#[tokio::test]
async fn operations_have_a_bound_and_can_be_stopped() {
    let node = Node::start().await;
    let client = node.client().await;
    let (mut follow, at) = Followed::new(&client, true).await;
    let read = json!([at, [{ "key": "0x", "type": "descendantsHashes" }], null]);
    let mut waiting = Vec::new();
    for _ in 0..OPERATIONS_PER_FOLLOW_MAX {
        let id = follow.begin("chainHead_v1_storage", read.clone()).await;
        assert_eq!(follow.next().await["event"], "operationStorageItems");
        let wait = json!({ "event": "operationWaitingForContinue", "operationId": id });
        assert_eq!(follow.next().await, wait);
        waiting.push(id);
    }
    node.gauge("operations", OPERATIONS_PER_FOLLOW_MAX).await;
    for (method, more) in
        [("chainHead_v1_storage", read.clone()), ("chainHead_v1_body", json!([at]))]
    {
        let answer = follow.ask(method, more).await.expect("it is no error");
        assert_eq!(answer, json!({ "result": "limitReached" }));
    }
    // A block that is unpinned is read to the end.
    follow.ask("chainHead_v1_unpin", json!([at])).await.expect("it is pinned");
    follow.ask("chainHead_v1_continue", json!([waiting[1]])).await.expect("it waits");
    let more = follow.next().await;
    assert_eq!(
        (&more["event"], &more["operationId"]),
        (&json!("operationStorageItems"), &json!(waiting[1]))
    );

    for id in &waiting {
        let answer = follow.ask("chainHead_v1_stopOperation", json!([id])).await;
        assert_eq!(answer.expect("it is no error"), Value::Null);
        let late = follow.ask("chainHead_v1_continue", json!([id])).await;
        assert_eq!(late.expect("it is over"), Value::Null);
    }
    node.gauge("operations", 0).await;
}

#[tokio::test]
async fn who_unpins_nothing_is_stopped_and_everything_of_it_is_gone() {
    let mut node = Node::start().await;
    let client = node.client().await;
    let (mut follow, genesis) = Followed::new(&client, true).await;
    let (mut thrifty, mut last) = Followed::new(&client, true).await;
    for _ in 1..PINS_PER_FOLLOW_MAX {
        let block = node.grow(&[]).hash;
        assert_eq!(follow.next_block().await, block);
        assert_eq!(thrifty.next_block().await, block);
        thrifty.ask("chainHead_v1_unpin", json!([last])).await.expect("it is pinned");
        last = block;
    }
    assert!(
        follow.ask("chainHead_v1_header", json!([genesis])).await.expect("it goes on").is_string()
    );
    node.grow(&[]);
    assert_eq!(follow.next().await, json!({ "event": "stop" }));
    let gone = follow.ask("chainHead_v1_header", json!([genesis])).await;
    assert_eq!(gone.expect("it is no error"), Value::Null);
    thrifty.next_block().await;
    node.gauge("follows", 1).await;
    node.gauge("pins", 2).await;
    Followed::new(&client, true).await;
}

#[tokio::test]
async fn a_follow_ends_before_what_it_has_pinned_is_pruned() {
    let mut node = Node::start_keeping(HISTORY_BLOCKS_MIN).await;
    let client = node.client().await;
    let (mut follow, genesis) = Followed::new(&client, true).await;
    let read = json!([genesis, [{ "key": "0x3a636f6465", "type": "hash" }], null]);
    for _ in 0..HISTORY_BLOCKS_MIN {
        node.grow(&[]);
        follow.next_block().await;
    }
    let (found, _) = follow.read(genesis, read[1].clone()).await;
    assert_eq!(found.len(), 1, "the code's marker is there at every block");
    node.grow(&[]);
    assert_eq!(follow.next().await, json!({ "event": "stop" }));
    let gone = follow.ask("chainHead_v1_storage", read).await.expect("it is no error");
    assert_eq!(gone, json!({ "result": "limitReached" }));
}

#[tokio::test]
async fn a_connection_that_vanishes_leaves_nothing() {
    let mut node = Node::start().await;
    let client = node.client().await;
    let (mut follow, _) = Followed::new(&client, true).await;
    let other = Followed::new(&client, false).await;
    node.grow(&[]);
    let at = follow.next_block().await;
    let read = json!([at, [{ "key": "0x", "type": "descendantsHashes" }], null]);
    follow.begin("chainHead_v1_storage", read).await;
    node.gauge("follows", 2).await;
    node.gauge("pins", 4).await;
    node.gauge("operations", 1).await;
    drop((follow, other));
    drop(client);
    for name in ["follows", "pins", "operations", "subscriptions", "sessions"] {
        node.gauge(name, 0).await;
    }
}

#[tokio::test]
async fn a_token_stands_for_what_is_under_a_key_at_each_block() {
    let mut node = Node::start().await;
    let client = node.client().await;
    let (mut follow, _) = Followed::new(&client, true).await;
    let mut signer = node.signer();
    let mut blocks = Vec::new();
    for to in [None, Some(bob()), None, Some(charlie()), None] {
        let tx = to.map(|to| signer.sign(&transfer(&to, 5)));
        node.grow(tx.as_slice());
        blocks.push(follow.next_block().await);
    }
    // The whole item, a part of it, and one account.
    let accounts = item("System", "Account");
    let charlie = account_key(&charlie().account().encode());
    let cases: [(&[u8], &[usize]); 3] =
        [(&accounts, &[1, 3]), (&accounts[..20], &[1, 3]), (&charlie[..40], &[3])];
    for (key, changed_by) in cases {
        let mut tokens = Vec::new();
        for block in &blocks {
            tokens.push(follow.token(*block, key).await.expect("there are accounts"));
        }
        for place in 1..blocks.len() {
            let changed = tokens[place] != tokens[place - 1];
            assert_eq!(changed, changed_by.contains(&place), "block {place} under {}", hex(key));
        }
        let again = follow.token(blocks[2], key).await;
        assert_eq!(again.as_ref(), Some(&tokens[2]), "later blocks change nothing about it");
    }
    assert_eq!(follow.token(blocks[4], b"nothing is here").await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_leaves_before_the_first_event_of_its_operation() {
    let mut node = Node::start().await;
    let head = node.grow(&[]);
    let url = Url::parse(&format!("ws://{}", node.address)).expect("the address makes a URL");
    let (mut sender, mut receiver) =
        WsTransportClientBuilder::default().build(url).await.expect("the server takes connections");
    let mut exchange = async |message: Option<Value>| -> Value {
        if let Some(message) = message {
            sender.send(message.to_string()).await.expect("small requests fit");
        }
        loop {
            let received = tokio::time::timeout(WAIT, receiver.receive()).await;
            let received = received.expect("it comes in time").expect("the connection lasts");
            if let jsonrpsee::core::client::ReceivedMessage::Text(text) = received {
                return serde_json::from_str(&text).expect("it is JSON");
            }
        }
    };
    let request = |id: u32, method: &str, params: Value| json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
    let follow = exchange(Some(request(0, FOLLOW, json!([true])))).await["result"].clone();
    for _ in 0..2 {
        exchange(None).await;
    }
    for id in 1..50 {
        let body = request(id, "chainHead_v1_body", json!([follow, head.hash]));
        let answer = exchange(Some(body)).await;
        assert_eq!((&answer["id"], &answer["result"]["result"]), (&json!(id), &json!("started")));
        assert_eq!(exchange(None).await["params"]["result"]["event"], "operationBodyDone");
    }
}
