//! A node whose doors are tried, and plain ways to talk to it: bodies go out as they are.

use super::{Outcome, check_text};
use crate::process::DevNode;
use anyhow::{Context, Result, bail, ensure};
use client::Client;
use jsonrpsee::{
    client_transport::ws::{Url, WsTransportClientBuilder},
    core::client::{ReceivedMessage, TransportReceiverT, TransportSenderT},
};
use primitives::Height;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc,
};

/// Messages that wait on either way of a WebSocket.
const MESSAGES_MAX: usize = 64;
/// Most bytes of a message: more than a node takes.
const MESSAGE_BYTES_MAX: u32 = 64 << 20;
/// Who pays whom in the end; no input is theirs.
const PAYER: &str = "//Charlie";
const PAYEE: &str = "//Alice";

/// A development chain in a process of its own.
pub struct Served {
    node: DevNode,
    client: Client,
    height: Height,
    // After the node, which writes to it until it is gone.
    _folder: TempDir,
}

impl Served {
    /// Starts it.
    pub async fn start() -> Result<Self> {
        let folder = TempDir::new()?;
        let node = DevNode::start(folder.path(), &["--no-agent"])?;
        let client = node.client().await?;
        let height = client.finalised().await?.height;
        Ok(Self { node, client, height, _folder: folder })
    }

    pub fn client(&self) -> &Client {
        &self.client
    }

    pub fn process(&self) -> u32 {
        self.node.id()
    }

    /// Fails if the node has said that itself is at fault.
    pub fn check(&self) -> Result<()> {
        let faults = self.node.faults();
        ensure!(faults.is_empty(), "the node's log says: {}", faults.join("\n"));
        Ok(())
    }

    /// The node must still make blocks, take a valid transfer, and stop in order.
    pub async fn finish(self) -> Result<()> {
        self.check()?;
        let transfer = testkit::transfer(&testkit::pair(PAYEE), 1_000_000_000_000);
        let receipt = self.client.call(&testkit::pair(PAYER), &transfer).await?;
        ensure!(receipt.height > self.height, "the chain stands at {}", receipt.height);
        self.node.stop()
    }

    /// The result of a method over HTTP, or why it was refused.
    pub async fn ask(&self, method: &str, params: Value) -> Result<Result<Value, Outcome>> {
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let (status, answer) = self.post(request.to_string().as_bytes()).await?;
        ensure!(status == 200, "{method} was answered with status {status}: {answer:.300}");
        let mut answer: Value = serde_json::from_str(&answer)?;
        match refusal(&answer)? {
            Some(text) => Ok(Err(Outcome::refused(text)?)),
            None => Ok(Ok(answer["result"].take())),
        }
    }

    /// Status and body of the answer to a body, over an HTTP connection of its own.
    pub async fn post(&self, body: &[u8]) -> Result<(u16, String)> {
        let address = self.node.url.trim_start_matches("ws://");
        let head = format!(
            "POST / HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        let mut socket = TcpStream::connect(address).await.context("nobody listens any more")?;
        socket.write_all(head.as_bytes()).await?;
        // A server that refuses a body early may close before all of it is sent.
        let _ = socket.write_all(body).await;
        let mut answer = Vec::new();
        let end = socket.read_to_end(&mut answer).await;
        let answer = String::from_utf8(answer).context("the answer is no text")?;
        let Some((head, body)) = answer.split_once("\r\n\r\n") else {
            end.context("the connection broke")?;
            bail!("the answer is no HTTP: {answer:.300}");
        };
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        Ok((status.with_context(|| format!("there is no status: {head}"))?, body.to_owned()))
    }

    /// Opens a WebSocket.
    pub async fn socket(&self) -> Result<Socket> {
        let transport = WsTransportClientBuilder::default()
            .max_request_size(MESSAGE_BYTES_MAX)
            .max_response_size(MESSAGE_BYTES_MAX);
        let (mut sender, mut receiver) = transport.build(Url::parse(&self.node.url)?).await?;
        let (outgoing, mut to_send) = mpsc::channel::<String>(MESSAGES_MAX);
        let (received, incoming) = mpsc::channel(MESSAGES_MAX);
        // Each ends with the connection, or when nobody is at its other end.
        tokio::spawn(async move {
            while let Some(message) = to_send.recv().await {
                if sender.send(message).await.is_err() {
                    return;
                }
            }
            let _ = sender.close().await;
        });
        tokio::spawn(async move {
            while let Ok(message) = receiver.receive().await {
                let text = match message {
                    ReceivedMessage::Text(text) => text,
                    ReceivedMessage::Bytes(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
                    ReceivedMessage::Pong => continue,
                };
                if received.send(text).await.is_err() {
                    return;
                }
            }
        });
        Ok(Socket { outgoing, incoming, asked: 0 })
    }
}

/// A WebSocket that any text can be sent over.
pub struct Socket {
    outgoing: mpsc::Sender<String>,
    incoming: mpsc::Receiver<String>,
    asked: u64,
}

impl Socket {
    /// Sends a text, and then a question that is always answered. Gives all answers until that one
    /// has come, and until at least one other has if `is_answered`; notifications are left out. An
    /// answer that a node takes its time for may come with a later exchange.
    pub async fn exchange(&mut self, text: String, is_answered: bool) -> Result<Vec<Value>> {
        const CLOSED: &str = "the node closed the connection";
        self.asked += 1;
        let id = format!("last-{}", self.asked);
        let last = json!({ "jsonrpc": "2.0", "id": id, "method": "system_name", "params": [] });
        self.outgoing.send(text).await.context(CLOSED)?;
        self.outgoing.send(last.to_string()).await.context(CLOSED)?;
        let (mut answers, mut is_over) = (Vec::new(), false);
        while !is_over || (is_answered && answers.is_empty()) {
            let message = self.incoming.recv().await.context(CLOSED)?;
            let message: Value = serde_json::from_str(&message).context("the answer is no JSON")?;
            if message["id"] == json!(id) {
                ensure!(message["result"].is_string(), "system_name is answered with {message}");
                is_over = true;
            } else if message.get("method").is_none() {
                answers.push(message);
            }
        }
        Ok(answers)
    }
}

/// The text of an error, or of the first in a batch; none if all went well.
pub fn refusal(answer: &Value) -> Result<Option<String>> {
    let answers = answer.as_array().map_or(std::slice::from_ref(answer), Vec::as_slice);
    let mut first = None;
    for answer in answers {
        ensure!(answer["jsonrpc"] == "2.0", "this is no answer: {answer:.300}");
        let Some(error) = answer.get("error") else {
            ensure!(answer.get("result").is_some(), "neither result nor error: {answer:.300}");
            continue;
        };
        ensure!(error["code"].as_i64().is_some_and(|code| code != 0), "no code: {error}");
        let mut text = error["message"].as_str().unwrap_or_default().to_owned();
        if let Some(data) = error["data"].as_str() {
            text = format!("{text}: {data}");
        }
        check_text(&text)?;
        first.get_or_insert(text);
    }
    Ok(first)
}
