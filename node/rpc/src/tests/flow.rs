use super::WAIT;
use crate::{
    access::Peer,
    config::{REQUEST_BYTES_IN_FLIGHT_MAX, UNWRITTEN_BYTES_MAX},
    flow::{Budget, Flow, Socket},
};
use futures::FutureExt;
use std::{io::ErrorKind, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    sync::Semaphore,
};

/// A socket over a pipe that takes this many bytes, and the peer.
fn pipe(stalled_max: Duration) -> (Socket<DuplexStream>, DuplexStream, Flow) {
    let (ours, peer) = duplex(8);
    let flow = Flow::default();
    let place = Arc::new(Semaphore::new(1)).try_acquire_owned().expect("it is free");
    (Socket::new(ours, flow.clone(), (place, Peer::default()), stalled_max), peer, flow)
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
    let first = flow.hold(REQUEST_BYTES_IN_FLIGHT_MAX).expect("there is room");
    assert_eq!(socket.read_u8().await.expect("so much is allowed"), b'a');
    let second = flow.hold(1).expect("there is room");
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

#[tokio::test]
async fn answers_count_until_they_are_written_and_large_ones_wait_for_them() {
    let budget = Arc::new(Budget::new(64 << 20));
    let flow = Flow::new(budget.clone());
    let (mut socket, mut peer, _) = pipe(WAIT);
    socket.flow = flow.clone();
    let bytes = UNWRITTEN_BYTES_MAX + 8;
    flow.hold(bytes).expect("there is room").until_written();
    assert!(flow.flows().now_or_never().is_none(), "too much waits for the peer");
    assert_eq!(budget.held(), bytes);

    socket.write_all(&[1; 8]).await.expect("the pipe is empty");
    assert!(flow.flows().now_or_never().is_some(), "it has read enough");
    assert_eq!(budget.held(), bytes - 8);
    peer.read_exact(&mut [0; 8]).await.expect("it is written");
    drop((socket, flow));
    assert_eq!(budget.held(), 0, "nothing is left of the connection");
}

#[test]
fn who_comes_last_finds_room_beside_those_who_take_all_they_can() {
    let budget = Arc::new(Budget::new(512 << 20));
    let bytes = 1 << 20;
    let mut greedy = Vec::new();
    for _ in 0..256 {
        let flow = Flow::new(budget.clone());
        while let Some(held) = flow.hold(bytes) {
            greedy.push(held);
        }
    }
    assert!(budget.held() <= 512 << 20);
    assert!(Flow::new(budget.clone()).hold(bytes / 2).is_some(), "{} are taken", budget.held());
    drop(greedy);
    assert_eq!(budget.held(), 0);
}

#[tokio::test]
async fn a_message_that_there_is_no_room_for_is_not_waited_for() {
    let (mut socket, mut peer, _) = pipe(WAIT);
    socket.flow = Flow::new(Arc::new(Budget::new(1 << 20)));
    peer.write_all(b"half").await.expect("the pipe is empty");
    let mut message = vec![0; 256 << 10];
    assert_eq!(socket.read(&mut message).await.expect("a share is a quarter"), 4);
    message.push(0);
    socket.read(&mut message).await.expect_err("it would be more");
    peer.write_all(b"next").await.expect("the pipe is empty");
    assert_eq!(socket.read(&mut [0; 8]).await.expect("what is small is read"), 4);
}
