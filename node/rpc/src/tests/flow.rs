use super::WAIT;
use crate::{
    config::{REQUEST_BYTES_IN_FLIGHT_MAX, UNWRITTEN_BYTES_MAX},
    flow::{Account, Budget, Flow},
    socket::Socket,
};
use futures::FutureExt;
use std::{
    io::{self, ErrorKind},
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    sync::oneshot,
    task::yield_now,
    time::timeout,
};

/// A socket over a pipe that takes this many bytes, and the peer.
fn pipe(flow: &Flow, stalled_max: Duration) -> (Socket<DuplexStream>, DuplexStream) {
    let (ours, peer) = duplex(8);
    (Socket::new(ours, flow.clone(), stalled_max, ()), peer)
}

/// Waits until something holds.
async fn until(holds: impl Fn() -> bool) {
    let held = async {
        while !holds() {
            yield_now().await;
        }
    };
    timeout(WAIT, held).await.expect("it comes to hold");
}

#[tokio::test]
async fn who_does_not_read_is_not_read_from_until_it_reads() {
    let flow = Flow::default();
    let (mut socket, mut peer) = pipe(&flow, WAIT);
    peer.write_all(b"ask").await.expect("the pipe is empty");
    socket.write_all(&[1; 16]).await.expect("it is taken");
    until(|| flow.flows().now_or_never().is_none()).await;
    assert!(socket.read_u8().now_or_never().is_none(), "the peer does not read");

    let waiter = tokio::spawn({
        let flow = flow.clone();
        async move { flow.flows().await }
    });
    peer.read_exact(&mut [0; 16]).await.expect("it is written");
    waiter.await.expect("who waits is told");
    assert_eq!(socket.read_u8().await.expect("it reads again"), b'a');
}

#[tokio::test]
async fn large_requests_that_are_not_answered_pause_reading() {
    let flow = Flow::default();
    let (mut socket, mut peer) = pipe(&flow, WAIT);
    peer.write_all(b"ask").await.expect("the pipe is empty");
    let first = flow.hold(REQUEST_BYTES_IN_FLIGHT_MAX).expect("there is room");
    assert_eq!(socket.read_u8().await.expect("so much is allowed"), b'a');
    let second = flow.hold(1).expect("there is room");
    let reading = tokio::spawn(async move { socket.read_u8().await });
    yield_now().await;
    assert!(!reading.is_finished());
    drop(second);
    let read = timeout(WAIT, reading).await.expect("it reads again");
    assert_eq!(read.expect("it does not panic").expect("the pipe works"), b's');
    drop(first);
}

#[tokio::test]
async fn who_never_reads_is_given_up() {
    let flow = Flow::default();
    let (mut socket, _peer) = pipe(&flow, Duration::from_millis(20));
    socket.write_all(&[1; 9]).await.expect("it is taken");
    until(|| flow.flows().now_or_never().is_none()).await;
    let error = socket.read_u8().await.expect_err("nothing is left of the connection");
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    let error = timeout(WAIT, async {
        loop {
            if let Err(error) = socket.write_all(&[1]).await {
                return error;
            }
            yield_now().await;
        }
    });
    let error = error.await.expect("nobody reads any more");
    assert_eq!(error.kind(), ErrorKind::BrokenPipe);
}

#[tokio::test]
async fn what_was_written_arrives_though_the_socket_is_gone_and_then_its_place_is_free() {
    let (kept, gone) = oneshot::channel::<()>();
    let (ours, mut peer) = duplex(8);
    let mut socket = Socket::new(ours, Flow::default(), WAIT, kept);
    socket.write_all(&[1; 100]).await.expect("it is taken");
    drop(socket);
    let mut read = Vec::new();
    peer.read_to_end(&mut read).await.expect("the pipe works");
    assert_eq!(read, [1; 100]);
    timeout(WAIT, gone).await.expect("it goes").expect_err("nothing is sent");
}

#[tokio::test]
async fn answers_count_until_they_are_written_and_large_ones_wait_for_them() {
    let budget = Arc::new(Budget::new(64 << 20, usize::MAX));
    let flow = Flow::new(budget.clone(), Arc::default());
    let (mut socket, mut peer) = pipe(&flow, WAIT);
    let bytes = UNWRITTEN_BYTES_MAX + 8;
    flow.hold(bytes).expect("there is room").sending().sent();
    assert!(flow.flows().now_or_never().is_none(), "too much waits for the peer");
    assert_eq!(budget.held(), bytes);

    socket.write_all(&[1; 8]).await.expect("it is taken");
    peer.read_exact(&mut [0; 8]).await.expect("it is written");
    until(|| budget.held() == bytes - 8).await;
    assert!(flow.flows().now_or_never().is_some(), "it has read enough");
    drop((socket, flow));
    until(|| budget.held() == 0).await;
}

#[test]
fn who_comes_last_finds_room_beside_those_who_take_all_they_can() {
    let budget = Arc::new(Budget::new(512 << 20, usize::MAX));
    let bytes = 1 << 20;
    let mut greedy = Vec::new();
    for _ in 0..256 {
        let flow = Flow::new(budget.clone(), Arc::default());
        while let Some(held) = flow.hold(bytes) {
            greedy.push(held);
        }
    }
    assert!(budget.held() <= 512 << 20);
    assert!(
        Flow::new(budget.clone(), Arc::default()).hold(bytes / 2).is_some(),
        "{} are taken",
        budget.held()
    );
    drop(greedy);
    assert_eq!(budget.held(), 0);
}

#[tokio::test]
async fn a_message_that_there_is_no_room_for_is_not_waited_for() {
    let flow = Flow::new(Arc::new(Budget::new(1 << 20, usize::MAX)), Arc::default());
    let (mut socket, mut peer) = pipe(&flow, WAIT);
    peer.write_all(b"half").await.expect("the pipe is empty");
    let mut message = vec![0; 256 << 10];
    assert_eq!(socket.read(&mut message).await.expect("a share is a quarter"), 4);
    message.resize((256 << 10) + (2 << 10), 0);
    socket.read(&mut message).await.expect_err("it would be more");
    peer.write_all(b"next").await.expect("the pipe is empty");
    assert_eq!(socket.read(&mut [0; 8]).await.expect("what is small is read"), 4);
}

#[test]
fn what_was_not_sent_after_all_is_not_counted() {
    let budget = Arc::new(Budget::new(64 << 20, usize::MAX));
    let flow = Flow::new(budget.clone(), Arc::default());
    let sending = flow.hold(UNWRITTEN_BYTES_MAX + 1).expect("there is room").sending();
    assert!(flow.flows().now_or_never().is_none(), "too much is on its way");
    drop(sending);
    assert!(flow.flows().now_or_never().is_some());
    assert_eq!(budget.held(), 0);
}

#[test]
fn connections_of_one_caller_share_what_it_may_hold() {
    let (budget, account) =
        (Arc::new(Budget::new(512 << 20, usize::MAX)), Arc::<Account>::default());
    let flows = [(); 64].map(|()| Flow::new(budget.clone(), account.clone()));
    let held: Vec<_> = flows.iter().filter_map(|flow| flow.hold(16 << 20)).collect();
    assert_eq!(held.len(), 6, "a quarter of what they leave is 104 MiB");
    assert!(flows[7].keep(16 << 20).is_none());
    assert!(Flow::new(budget, Arc::default()).hold(64 << 20).is_some(), "others have theirs");
}

/// Makes room as a socket does before it reads.
fn expect(flow: &Flow, asked: usize) -> Poll<io::Result<()>> {
    flow.poll_expect(&mut Context::from_waker(Waker::noop()), asked)
}

#[test]
fn every_byte_that_comes_in_counts_until_its_message_is_answered() {
    let budget = Arc::new(Budget::new(64 << 20, usize::MAX));
    let flow = Flow::new(budget.clone(), Arc::default());
    // In pieces that are small each, as fragments of a message or chunks of a body are.
    for _ in 0..100 {
        assert!(expect(&flow, 1 << 10).is_ready());
        flow.arrived(1 << 10);
    }
    assert_eq!(budget.held(), 99 << 10, "the last is counted with the next");
    let message = flow.message(90 << 10);
    assert!(expect(&flow, 1 << 10).is_ready());
    assert_eq!(budget.held(), 99 << 10);
    drop(message);
    assert_eq!(budget.held(), 0);
}

#[test]
fn messages_that_follow_each_other_count_once_and_wait_for_the_room_of_those_before() {
    let (size, budget) = (1 << 20, Arc::new(Budget::new(12 << 20, 1 << 20)));
    let flow = Flow::new(budget.clone(), Arc::default());
    assert!(expect(&flow, size).is_ready());
    flow.arrived(size);
    // The next one has begun to come before the first is looked at.
    assert!(expect(&flow, size).is_ready());
    flow.arrived(size / 2);
    let first = flow.message(size);
    assert!(expect(&flow, size / 2).is_ready());
    flow.arrived(size / 2);
    let second = flow.message(size);
    assert_eq!(budget.held(), 2 * size);
    assert!(expect(&flow, size).is_pending(), "a quarter of what is left is less");
    drop(first);
    assert!(expect(&flow, size).is_ready());
    drop((second, flow));
    assert_eq!(budget.held(), 0);
}
