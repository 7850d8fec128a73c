use super::WAIT;
use crate::{
    config::REQUEST_BYTES_IN_FLIGHT_MAX,
    flow::{Flow, Socket},
};
use futures::FutureExt;
use std::{io::ErrorKind, time::Duration};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

/// A socket over a pipe that takes this many bytes, and the peer.
fn pipe(stalled_max: Duration) -> (Socket<DuplexStream>, DuplexStream, Flow) {
    let (ours, peer) = duplex(8);
    let flow = Flow::default();
    (Socket::new(ours, flow.clone(), stalled_max), peer, flow)
}

#[tokio::test]
async fn who_does_not_read_is_not_read_from_until_it_reads() {
    let (mut socket, mut peer, flow) = pipe(WAIT);
    peer.write_all(b"ask").await.expect("the pipe is empty");
    socket.write_all(&[1; 8]).await.expect("the pipe is empty");
    assert!(socket.write_all(&[2; 8]).now_or_never().is_none(), "the pipe is full");
    assert!(socket.read_u8().now_or_never().is_none(), "the peer does not read");
    assert!(flow.flows().now_or_never().is_none());

    let waiter = tokio::spawn({
        let flow = flow.clone();
        async move { flow.flows().await }
    });
    peer.read_exact(&mut [0; 8]).await.expect("it is written");
    socket.write_all(&[2; 8]).await.expect("the pipe is empty");
    waiter.await.expect("who waits is told");
    assert_eq!(socket.read_u8().await.expect("it reads again"), b'a');
}

#[tokio::test]
async fn large_requests_that_are_not_answered_pause_reading() {
    let (mut socket, mut peer, flow) = pipe(WAIT);
    peer.write_all(b"ask").await.expect("the pipe is empty");
    let first = flow.hold(REQUEST_BYTES_IN_FLIGHT_MAX);
    assert_eq!(socket.read_u8().await.expect("so much is allowed"), b'a');
    let second = flow.hold(1);
    let reading = tokio::spawn(async move { socket.read_u8().await });
    tokio::task::yield_now().await;
    assert!(!reading.is_finished());
    drop(second);
    let read = tokio::time::timeout(WAIT, reading).await.expect("it reads again");
    assert_eq!(read.expect("it does not panic").expect("the pipe works"), b's');
    drop(first);
}

#[tokio::test]
async fn who_never_reads_is_given_up() {
    let (mut socket, _peer, _) = pipe(Duration::from_millis(20));
    let error = socket.write_all(&[1; 9]).await.expect_err("nobody reads");
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    let error = socket.read_u8().await.expect_err("nothing is left of the connection");
    assert_eq!(error.kind(), ErrorKind::TimedOut);
}
