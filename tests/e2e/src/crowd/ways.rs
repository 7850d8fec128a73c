//! What each crowd does.

use super::{
    Crowd, Plan, Served, Stage, request,
    sockets::{BINARY, CONTINUATION, FINAL, PING, Socket, TEXT, frame, frame_head, react},
};
use anyhow::{Context, Result, ensure};
use primitives::crypto::hash::twox_128;
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt, net::TcpStream, task::JoinSet};

/// How the newer clients follow the chain.
pub const FOLLOW: &str = "chainHead_v1_follow";
/// Follows of one connection, of which any node allows so many.
const FOLLOWS: usize = 2;
/// Large answers that one slow reader asks for.
const LARGE_ANSWERS: usize = 64;
/// Subscriptions of one slow reader.
const SLOW_SUBSCRIPTIONS: usize = 100;
/// Bytes of a message that no node takes, and of one that is the largest that any takes.
const TOO_LARGE_BYTES: usize = 17 << 20;
const LARGEST_BYTES: usize = 15 << 20;
/// Brackets, and requests of a batch, that are too many.
const TOO_DEEP: usize = 200_000;
const TOO_MANY: usize = 5_000;

/// Sends a crowd; gives how many subscriptions, connections or messages it was.
pub async fn run(served: &Served, crowd: Crowd, plan: Plan, stage: Stage) -> Result<usize> {
    match crowd {
        Crowd::Idle => idle(served, plan, stage).await,
        Crowd::Unpinned => unpinned(served, plan, stage).await,
        Crowd::Slow => slow(served, plan, stage).await,
        Crowd::Vanishing => vanishing(served, plan, stage).await,
        Crowd::Malformed => malformed(served, plan, stage).await,
        Crowd::Halves => halves(served, plan, stage).await,
    }
}

/// Subscriptions of all kinds.
fn kinds() -> [(&'static str, Value); 6] {
    let key =
        |pallet, item| format!("0x{}", hex::encode([twox_128(pallet), twox_128(item)].concat()));
    [
        ("chain_subscribeNewHeads", json!([])),
        ("chain_subscribeAllHeads", json!([])),
        ("chain_subscribeFinalizedHeads", json!([])),
        ("state_subscribeRuntimeVersion", json!([])),
        ("state_subscribeStorage", json!([[key("Timestamp", "Now"), key("System", "Events")]])),
        ("artel_taskEvents", json!([])),
    ]
}

/// Sends so many subscriptions of all kinds, follows among the first.
async fn subscribe(served: &Served, socket: &mut Socket, count: usize) -> Result<()> {
    let follows = if served.serves(FOLLOW) { FOLLOWS } else { 0 };
    for id in 0..count {
        let kinds = kinds();
        let (method, params) = match id < follows {
            true => (FOLLOW, json!([false])),
            false => kinds[id % kinds.len()].clone(),
        };
        socket.send(&request(id, method, params)).await?;
    }
    Ok(())
}

/// Reads until so many requests are answered, all well.
async fn all_answered(socket: &mut Socket, count: usize) -> Result<()> {
    let mut answered = 0;
    while answered < count {
        let message = socket.receive().await?;
        ensure!(message.get("error").is_none(), "a subscription is refused: {message:.300}");
        answered += usize::from(message.get("id").is_some());
    }
    Ok(())
}

/// Reads all that comes, and forgets it.
async fn drain(mut socket: Socket) -> Result<()> {
    loop {
        socket.receive().await?;
    }
}

/// Lets the readers go; none may have been cut off before.
async fn end(mut readers: JoinSet<Result<()>>) -> Result<()> {
    while let Some(ended) = readers.try_join_next() {
        ended?.context("a reader was cut off")?;
    }
    readers.shutdown().await;
    Ok(())
}

async fn idle(served: &Served, plan: Plan, mut stage: Stage) -> Result<usize> {
    let each = plan.subscriptions / plan.connections;
    let mut readers = JoinSet::new();
    for _ in 0..plan.connections {
        let mut socket = served.socket().await?;
        subscribe(served, &mut socket, each).await?;
        all_answered(&mut socket, each).await?;
        readers.spawn(drain(socket));
    }
    stage.hold().await;
    end(readers).await?;
    Ok(each * plan.connections)
}

async fn unpinned(served: &Served, plan: Plan, mut stage: Stage) -> Result<usize> {
    let mut readers = JoinSet::new();
    for _ in 0..plan.connections {
        let mut socket = served.socket().await?;
        for id in 0..FOLLOWS {
            socket.send(&request(id, FOLLOW, json!([true]))).await?;
        }
        all_answered(&mut socket, FOLLOWS).await?;
        readers.spawn(drain(socket));
    }
    stage.hold().await;
    end(readers).await?;
    Ok(FOLLOWS * plan.connections)
}

async fn slow(served: &Served, plan: Plan, mut stage: Stage) -> Result<usize> {
    let mut sockets = Vec::new();
    for _ in 0..plan.slow {
        let mut socket = served.socket().await?;
        subscribe(served, &mut socket, SLOW_SUBSCRIPTIONS).await?;
        let blob = request(1, "artel_blob", json!([served.blob]));
        for _ in 0..LARGE_ANSWERS {
            socket.send(&blob).await?;
        }
        socket.send(&json!([blob, blob, blob])).await?;
        socket.send(&request(2, "state_getMetadata", json!([]))).await?;
        sockets.push(socket);
    }
    stage.hold().await;
    Ok(sockets.len())
}

async fn vanishing(served: &Served, plan: Plan, mut stage: Stage) -> Result<usize> {
    stage.begin();
    let mut count = 0;
    while count < plan.vanishing || !stage.may_leave() {
        let mut socket = served.socket().await?;
        subscribe(served, &mut socket, kinds().len()).await?;
        socket.send(&request(1, "artel_blob", json!([served.blob]))).await?;
        match count % 3 {
            0 => socket.vanish(),
            1 => {
                socket.receive().await?;
                socket.vanish();
            }
            // Closes in order, but for the WebSocket's own farewell.
            _ => drop(socket),
        }
        count += 1;
    }
    Ok(count)
}

/// Messages that are wrong in all ways, as bytes on a WebSocket.
fn wrong_messages() -> Vec<Vec<u8>> {
    let text = |text: &str| frame(FINAL | TEXT, text.as_bytes());
    let call = request(1, "system_name", json!([]));
    let deep = "[".repeat(TOO_DEEP) + &"]".repeat(TOO_DEEP);
    let mut unmasked = vec![FINAL | TEXT, 2];
    unmasked.extend(b"{}");
    let mut endless = frame(TEXT, b"[");
    for _ in 0..TOO_LARGE_BYTES >> 20 {
        endless.extend(frame(CONTINUATION, &vec![b' '; 1 << 20]));
    }
    vec![
        frame(FINAL | TEXT, &vec![b' '; TOO_LARGE_BYTES]),
        endless,
        frame(FINAL | TEXT, &[0xff, 0xfe, b'{', 0x80]),
        frame(FINAL | BINARY, call.to_string().as_bytes()),
        frame(FINAL | BINARY, &[0; 1_000]),
        text(&deep),
        text(&format!(r#"{{"jsonrpc":"2.0","id":1,"method":"state_getStorage","params":{deep}}}"#)),
        text(&format!(r#"{{"jsonrpc":"2.0","id":{deep},"method":"system_name"}}"#)),
        text(&json!(vec![call; TOO_MANY]).to_string()),
        text(&format!("[{}1]", "1,".repeat(TOO_MANY))),
        text("[]"),
        text("\0\0\0"),
        text(""),
        unmasked,
        frame(FINAL | CONTINUATION, b"no beginning"),
        frame(FINAL | 0x70 | TEXT, b"reserved bits"),
        frame(FINAL | 11, b"reserved kind"),
        frame(FINAL | PING, &[0; 1_000]),
        frame_head(FINAL | TEXT, usize::MAX),
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
    ]
}

/// Requests that are wrong, as bytes on a plain connection.
fn wrong_requests() -> Vec<Vec<u8>> {
    let post = |head: &str, body: &[u8]| {
        let head =
            format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{head}\r\n");
        [head.as_bytes(), body].concat()
    };
    let length = |length: usize| format!("Content-Length: {length}\r\n");
    let mut endless = Vec::new();
    for _ in 0..TOO_LARGE_BYTES >> 20 {
        endless.extend(format!("{:x}\r\n{}\r\n", 1 << 20, " ".repeat(1 << 20)).bytes());
    }
    vec![
        post(&length(TOO_LARGE_BYTES), &vec![b' '; TOO_LARGE_BYTES]),
        post("Transfer-Encoding: chunked\r\n", &endless),
        post(&length(4), &[0xff; 4]),
        post(&format!("X: {}\r\n", "x".repeat(1 << 20)), b""),
        post(&"X: x\r\n".repeat(10_000), b""),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nno frames at all, no frames at all, no frames".to_vec(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a greeting of TLS\r\n\r\n".to_vec(),
        b"DELETE /everything HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
        vec![0; 100_000],
    ]
}

async fn malformed(served: &Served, plan: Plan, mut stage: Stage) -> Result<usize> {
    stage.begin();
    let (messages, requests) = (wrong_messages(), wrong_requests());
    let mut rounds = 0;
    let mut count = 0;
    while rounds < plan.malformed || !stage.may_leave() {
        for (number, bytes) in messages.iter().enumerate() {
            let mut socket = served.socket().await?;
            socket.write(bytes).await;
            // A ping and a request behind it, so that there is something to be said if the message was no fault.
            socket.write(&frame(FINAL | PING, b"")).await;
            socket.react().await.with_context(|| format!("wrong message {number}"))?;
        }
        for (number, bytes) in requests.iter().enumerate() {
            let mut socket = TcpStream::connect(&served.address).await?;
            // A node that refuses early closes before all is sent.
            let _ = socket.write_all(bytes).await;
            react(&mut socket).await.with_context(|| format!("wrong request {number}"))?;
        }
        count += messages.len() + requests.len();
        rounds += 1;
    }
    Ok(count)
}

async fn halves(served: &Served, plan: Plan, mut stage: Stage) -> Result<usize> {
    let (mut sockets, mut streams) = (Vec::new(), Vec::new());
    for number in 0..plan.halves {
        if number % 2 == 0 {
            let mut socket = served.socket().await?;
            socket.write(&frame_head(FINAL | TEXT, LARGEST_BYTES)).await;
            socket.write(b"{\"jsonrpc\"").await;
            sockets.push(socket);
            continue;
        }
        let mut stream = TcpStream::connect(&served.address).await?;
        let post = format!(
            "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {LARGEST_BYTES}\r\n\r\n["
        );
        let half = match number % 6 {
            1 => post.as_str(),
            3 => "POST / HTTP/1.1\r\nHost: ",
            _ => "",
        };
        stream.write_all(half.as_bytes()).await?;
        streams.push(stream);
    }
    stage.hold().await;
    Ok(sockets.len() + streams.len())
}
