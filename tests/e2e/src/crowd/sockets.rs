//! WebSockets down to their bytes, so that what is sent can be wrong.

use super::request;
use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    time::timeout,
};

/// Longest wait for an answer or an end.
const WAIT: Duration = Duration::from_secs(60);
/// Most bytes of a node's message, and of the head of its answer.
const MESSAGE_BYTES_MAX: u64 = 64 << 20;
const HEAD_BYTES_MAX: usize = 4 << 10;

/// A frame that is whole and alone.
pub const FINAL: u8 = 0x80;
/// Kinds of frames.
pub const CONTINUATION: u8 = 0;
pub const TEXT: u8 = 1;
pub const BINARY: u8 = 2;
pub const PING: u8 = 9;
const PONG: u8 = 10;
/// Clients mask what they send; a mask of zeros changes nothing.
const MASKED: u8 = 0x80;
const MASK: [u8; 4] = [0; 4];

/// The head of a client's frame; `first` has its kind, and [`FINAL`] if nothing continues it.
pub fn frame_head(first: u8, length: usize) -> Vec<u8> {
    let mut head = vec![first];
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(length @ 0..126), _) => head.push(MASKED | length),
        (_, Ok(length)) => {
            head.push(MASKED | 126);
            head.extend(length.to_be_bytes());
        }
        _ => {
            head.push(MASKED | 127);
            head.extend(u64::try_from(length).unwrap_or(u64::MAX).to_be_bytes());
        }
    }
    head.extend(MASK);
    head
}

/// A whole frame.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    [&frame_head(first, payload.len()), payload].concat()
}

/// An open WebSocket.
pub struct Socket(BufReader<TcpStream>);

impl Socket {
    /// Opens one.
    pub async fn connect(address: &str) -> Result<Self> {
        let mut socket = TcpStream::connect(address).await.context("nobody listens any more")?;
        let upgrade = format!(
            "GET / HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        socket.write_all(upgrade.as_bytes()).await?;
        let mut socket = BufReader::new(socket);
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            ensure!(head.len() < HEAD_BYTES_MAX, "the answer's head does not end");
            let byte = timeout(WAIT, socket.read_u8()).await.context("no WebSocket is opened")?;
            head.push(byte.context("no WebSocket is opened")?);
        }
        ensure!(head.starts_with(b"HTTP/1.1 101"), "no: {}", String::from_utf8_lossy(&head));
        Ok(Self(socket))
    }

    /// Sends bytes as they are. An end of the connection is no error: the node may refuse before all is sent.
    pub async fn write(&mut self, bytes: &[u8]) {
        let _ = timeout(WAIT, self.0.write_all(bytes)).await;
    }

    /// Sends a request.
    pub async fn send(&mut self, request: &Value) -> Result<()> {
        let frame = frame(FINAL | TEXT, request.to_string().as_bytes());
        timeout(WAIT, self.0.write_all(&frame)).await.context("the node does not read")??;
        Ok(())
    }

    /// The next message; pings are answered.
    pub async fn receive(&mut self) -> Result<Value> {
        loop {
            let first = self.0.read_u8().await.context("the node closed the connection")?;
            let length = match self.0.read_u8().await? {
                126 => u64::from(self.0.read_u16().await?),
                127 => self.0.read_u64().await?,
                length => u64::from(length),
            };
            ensure!(length <= MESSAGE_BYTES_MAX, "a message has {length} bytes");
            let mut payload = vec![0; usize::try_from(length)?];
            self.0.read_exact(&mut payload).await?;
            match first & !FINAL {
                TEXT => return serde_json::from_slice(&payload).context("a message is no JSON"),
                PING => self.0.write_all(&frame(FINAL | PONG, &payload)).await?,
                kind => bail!("the node sent a frame of kind {kind}"),
            }
        }
    }

    /// The result of a request.
    pub async fn ask(&mut self, method: &str, params: Value) -> Result<Value> {
        self.send(&request(0, method, params)).await?;
        let answer = timeout(WAIT, self.receive()).await.context("there is no answer")??;
        ensure!(answer.get("error").is_none(), "{method} is answered with {answer:.300}");
        Ok(answer["result"].clone())
    }

    /// Waits until the node says anything or closes the connection.
    pub async fn react(&mut self) -> Result<()> {
        react(&mut self.0).await
    }

    /// Goes without a word: what is on its way is lost.
    pub fn vanish(self) {
        // If it has ended, it has.
        let _ = self.0.get_ref().set_zero_linger();
    }
}

/// Waits until the node says anything or closes the connection.
pub async fn react(socket: &mut (impl AsyncReadExt + Unpin)) -> Result<()> {
    let reaction = timeout(WAIT, socket.read(&mut [0; 1_024])).await;
    // How a connection ends is no matter.
    reaction.map(drop).context("the node neither answers nor closes")
}
