//! Bodies of JSON-RPC, over HTTP and WebSocket.

use super::{
    Door, Outcome,
    mutate::{Source, bytes, deep, mutate, mutate_json, odd_number, odd_value, pick},
    served::{Served, Socket, refusal},
};
use anyhow::{Context, Result, ensure};
use rand::RngExt;
use serde_json::{Value, json};
use std::fmt;

/// Bytes of a body that no node takes.
const TOO_LARGE_BYTES: usize = 17 << 20;
/// Deepest nesting, longest list and longest batch.
const DEPTH_MAX: usize = 200_000;
const LIST_MAX: usize = 100_000;
const BATCH_MAX: usize = 1_500;
/// After so many bodies a WebSocket is left, with all that was subscribed to.
const SOCKET_USES_MAX: usize = 100;

pub struct Rpc {
    served: Served,
    /// All names that the node serves.
    methods: Vec<String>,
    /// Valid requests.
    seeds: Vec<Value>,
    socket: Option<(Socket, usize)>,
}

pub struct Input {
    body: Vec<u8>,
    over_socket: bool,
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { body, over_socket } = self;
        let over = if *over_socket { "WebSocket" } else { "HTTP" };
        write!(f, "over {over}, {} bytes: {}", body.len(), String::from_utf8_lossy(body))
    }
}

impl Rpc {
    pub async fn open() -> Result<Self> {
        let served = Served::start().await?;
        let listed = served.ask("rpc_methods", json!([])).await?;
        let listed = listed.ok().context("rpc_methods is refused")?;
        let methods: Vec<String> = serde_json::from_value(listed["methods"].clone())?;
        let genesis = served.client().chain().genesis.to_string();
        Ok(Self { served, methods, seeds: seeds(&genesis), socket: None })
    }

    fn request(&self, source: &mut Source) -> Value {
        if source.random_range(0..3) > 0 {
            return pick(source, &self.seeds).clone();
        }
        let params: Vec<_> = (0..source.random_range(0..5)).map(|_| odd_value(source)).collect();
        let method: &String = pick(source, &self.methods);
        request(method, json!(params))
    }

    /// A request whose parameters no writer of JSON would write.
    fn wild(&self, source: &mut Source) -> Vec<u8> {
        let method = pick(source, &self.methods);
        let params = match source.random_range(0..3) {
            0 => deep(source, DEPTH_MAX),
            1 => format!("[{}]", odd_number(source)),
            _ => format!("[{}0]", "0,".repeat(source.random_range(1..LIST_MAX))),
        };
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#).into_bytes()
    }

    async fn offer_over_socket(&mut self, body: &[u8]) -> Result<Outcome> {
        let (mut socket, uses) = match self.socket.take() {
            Some(open) => open,
            None => (self.served.socket().await?, 0),
        };
        let text = String::from_utf8_lossy(body).into_owned();
        let is_answered = is_call(&text);
        let answers = socket.exchange(text, is_answered).await?;
        if uses < SOCKET_USES_MAX {
            self.socket = Some((socket, uses + 1));
        }
        judge(&answers)
    }
}

impl Door for Rpc {
    type Input = Input;

    fn input(&mut self, source: &mut Source) -> Input {
        let body = match source.random_range(0..200) {
            0 => format!(r#"{{"jsonrpc":"2.0","method":"{}"}}"#, "x".repeat(TOO_LARGE_BYTES))
                .into_bytes(),
            1..10 => self.wild(source),
            10..15 => {
                let length = source.random_range(0..BATCH_MAX);
                let small =
                    |source: &mut Source| request("system_name", json!([odd_value(source)]));
                json!((0..length).map(|_| small(source)).collect::<Vec<_>>()).to_string().into()
            }
            15..30 => {
                let mut batch: Vec<_> =
                    (0..source.random_range(0..8)).map(|_| self.request(source)).collect();
                batch.iter_mut().for_each(|request| mutate_json(source, request));
                json!(batch).to_string().into_bytes()
            }
            30..50 => bytes(source, 1_024),
            50..90 => {
                let mut body = self.request(source).to_string().into_bytes();
                mutate(source, &mut body, &[]);
                body
            }
            90..130 => {
                let mut request = self.request(source);
                mutate_json(source, &mut request);
                request.to_string().into_bytes()
            }
            _ => {
                let mut request = self.request(source);
                mutate_json(source, &mut request["params"]);
                request.to_string().into_bytes()
            }
        };
        Input { body, over_socket: source.random() }
    }

    async fn offer(&mut self, input: &Input) -> Result<Outcome> {
        let Input { body, over_socket } = input;
        let outcome = if *over_socket {
            self.offer_over_socket(body).await?
        } else {
            let (status, answer) = self.served.post(body).await?;
            match status {
                // What has no id is a notification, which is not answered; the library says null.
                200 if answer.is_empty() || answer == "null" => {
                    ensure!(!is_call(&String::from_utf8_lossy(body)), "there is no answer");
                    Outcome::Accepted
                }
                200 => judge(&[serde_json::from_str(&answer).context("the answer is no JSON")?])?,
                400 | 413 => Outcome::refused(refusal_of(status, &answer)?)?,
                _ => anyhow::bail!("the status is {status}: {answer:.300}"),
            }
        };
        self.served.check()?;
        Ok(outcome)
    }

    fn process(&self) -> u32 {
        self.served.process()
    }

    async fn finish(self) -> Result<()> {
        drop(self.socket);
        self.served.finish().await
    }
}

/// The first refusal among answers, if there is one.
fn judge(answers: &[Value]) -> Result<Outcome> {
    for answer in answers {
        if let Some(text) = refusal(answer)? {
            return Outcome::refused(text);
        }
    }
    Ok(Outcome::Accepted)
}

/// What an answer with an HTTP error says.
fn refusal_of(status: u16, answer: &str) -> Result<String> {
    let said = serde_json::from_str(answer).ok().and_then(|json| refusal(&json).ok().flatten());
    let text = said.unwrap_or_else(|| answer.to_owned());
    ensure!(!text.is_empty(), "status {status} is all that is said");
    Ok(text)
}

/// Whether a text is one request that must be answered.
fn is_call(text: &str) -> bool {
    let json: Value = serde_json::from_str(text).unwrap_or_default();
    json["jsonrpc"] == "2.0" && json["method"].is_string() && json["id"].is_u64()
}

fn request(method: &str, params: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params })
}

/// Valid requests of all kinds; `genesis` is the hash of the first block.
fn seeds(genesis: &str) -> Vec<Value> {
    let alice = testkit::alice().account().to_string();
    let key = "0x26aa394eea5630e07c48ae0c9558cef7b99d880ec681799c0cf30e8886371da9";
    let blob = "bafk2bzaceaze3tycpxkkgcutfrcb6ns2exugwfz556slrzmjjasti4nydnzm6";
    [
        ("chain_getBlock", json!([genesis])),
        ("chain_getBlockHash", json!([[0, 1, "0x2"]])),
        ("chain_getHeader", json!([])),
        ("chain_subscribeNewHeads", json!([])),
        ("state_getStorage", json!([key, genesis])),
        ("state_getKeysPaged", json!([key, 10, key, genesis])),
        ("state_queryStorageAt", json!([[key, "0x3a636f6465"], genesis])),
        ("state_subscribeStorage", json!([[key]])),
        ("state_call", json!(["Core_version", "0x", genesis])),
        ("state_call", json!(["Metadata_metadata_at_version", "0x0e000000"])),
        ("state_call", json!(["AccountNonceApi_account_nonce", format!("0x{}", "00".repeat(32))])),
        ("state_getRuntimeVersion", json!([genesis])),
        ("payment_queryInfo", json!(["0x280403000b00", genesis])),
        ("system_accountNextIndex", json!([alice])),
        ("system_health", json!([])),
        ("author_pendingExtrinsics", json!([])),
        ("author_submitExtrinsic", json!(["0x280403000b00"])),
        ("author_submitAndWatchExtrinsic", json!(["0x280403000b00"])),
        ("artel_task", json!([genesis])),
        ("artel_tasks", json!([])),
        ("artel_taskEvents", json!([genesis])),
        ("artel_agent", json!([alice])),
        ("artel_payouts", json!([alice])),
        ("artel_market", json!([])),
        ("artel_lightStart", json!([genesis])),
        ("artel_lightBlocks", json!([1, 100])),
        ("artel_validators", json!([genesis])),
        ("artel_uploadBlob", json!(["aGVsbG8="])),
        ("artel_uploadBlock", json!([blob, "aGVsbG8="])),
        ("artel_blob", json!([blob, 0, 100])),
    ]
    .into_iter()
    .map(|(method, params)| request(method, params))
    .collect()
}
