//! Requests of one, and their frames.

use super::net::{Node, config, start, until, within};
use crate::{
    Config, PROTOCOLS, Protocol, RequestError,
    names::Names,
    requests::{Frames, Read},
};
use futures::{executor::block_on, io::Cursor};
use libp2p::{StreamProtocol, request_response::Codec};
use primitives::Hash;
use proptest::prelude::*;
use std::time::Instant;

const REQUEST_MAX: usize = 32;
const ANSWER_MAX: usize = 64;

fn frames() -> (Frames, StreamProtocol) {
    let name = Names::new(Hash::ZERO).request(Protocol::Status);
    (Frames::new(REQUEST_MAX, ANSWER_MAX), name)
}

proptest! {
    #[test]
    fn any_bytes_are_a_frame_or_malformed(bytes in proptest::collection::vec(any::<u8>(), 0..80), short in any::<bool>()) {
        let (mut frames, name) = frames();
        let mut bytes = bytes;
        if short && bytes.len() >= 4 {
            // Lengths that are possible are rare otherwise.
            bytes[..3].fill(0);
        }
        let length = bytes.first_chunk().map(|length| u32::from_be_bytes(*length) as usize);
        let holds = |max| length.filter(|length| *length <= max && bytes.len() >= 4 + length);
        let read = block_on(frames.read_request(&name, &mut Cursor::new(&bytes))).expect("no broken socket");
        match (read, holds(REQUEST_MAX)) {
            (Read::Request { bytes: read, .. }, Some(length)) => prop_assert_eq!(&read, &bytes[4..4 + length]),
            (Read::Malformed, None) => {}
            (read, expected) => prop_assert!(false, "{:?} {:?}", read, expected),
        }
        let read = block_on(frames.read_response(&name, &mut Cursor::new(&bytes)));
        match (read, holds(ANSWER_MAX)) {
            (Ok(Some(read)), Some(length)) => prop_assert_eq!(&read, &bytes[4..4 + length]),
            (Ok(None), None) => prop_assert!(bytes.is_empty()),
            (Err(_), None) => prop_assert!(!bytes.is_empty()),
            (read, expected) => prop_assert!(false, "{:?} {:?}", read, expected),
        }
    }

    #[test]
    fn what_is_written_is_read(bytes in proptest::collection::vec(any::<u8>(), 0..REQUEST_MAX)) {
        let (mut frames, name) = frames();
        let mut wire = Cursor::new(Vec::new());
        let request = Read::Request { bytes: bytes.clone(), _room: None };
        block_on(frames.write_request(&name, &mut wire, request)).expect("written");
        wire.set_position(0);
        match block_on(frames.read_request(&name, &mut wire)).expect("read") {
            Read::Request { bytes: read, .. } => prop_assert_eq!(&read, &bytes),
            other => prop_assert!(false, "{:?}", other),
        }
    }
}

async fn two() -> (Node, Node) {
    let first = start(1, config());
    let second = start(2, Config { bootnodes: vec![first.address().await], ..config() });
    first.until_peers(1).await;
    second.until_peers(1).await;
    (first, second)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_protocol_is_answered_up_to_its_largest_sizes() {
    let (mut first, second) = two().await;
    for protocol in PROTOCOLS {
        let request = vec![protocol as u8; protocol.request_bytes_max()];
        let asking = second.handle.ask(first.id(), protocol, request.clone());
        let answering = async {
            let asked = first.inbound.requests[protocol as usize].recv().await.expect("a request");
            assert_eq!((asked.peer, &asked.bytes), (second.id(), &request));
            asked.answer.send(vec![1; protocol.answer_bytes_max()]).expect("it waits");
        };
        let (answer, ()) = within("an answer", async { tokio::join!(asking, answering) }).await;
        assert_eq!(answer.expect("an answer").len(), protocol.answer_bytes_max());

        let too_large = vec![0; protocol.request_bytes_max() + 1];
        let refused = second.handle.ask(first.id(), protocol, too_large).await;
        assert_eq!(refused, Err(RequestError::Refused));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_is_refused_times_out_or_finds_too_many_under_way() {
    let (mut first, second) = two().await;
    let id = first.id();
    let ask = || second.handle.ask(id, Protocol::Status, vec![1]);
    let requests = &mut first.inbound.requests[Protocol::Status as usize];
    let refuse = async { drop(requests.recv().await) };
    let (refused, ()) = tokio::join!(ask(), refuse);
    assert_eq!(refused, Err(RequestError::Refused));

    // An answer that is too large is not sent.
    let too_large = async {
        let asked = requests.recv().await.expect("a request");
        let _ = asked.answer.send(vec![0; Protocol::Status.answer_bytes_max() + 1]);
    };
    let (refused, ()) = tokio::join!(ask(), too_large);
    assert_eq!(refused, Err(RequestError::Refused));

    let unknown = second.handle.ask(libp2p::PeerId::random(), Protocol::Status, vec![1]);
    assert_eq!(within("a failure", unknown).await, Err(RequestError::Unreachable));

    // Nobody answers: four are under way, the fifth is not even sent.
    let started = Instant::now();
    let (a, b, c, d, e) =
        within("time-outs", async { tokio::join!(ask(), ask(), ask(), ask(), ask()) }).await;
    assert_eq!([a, b, c, d], std::array::from_fn(|_| Err(RequestError::TimedOut)));
    assert_eq!(e, Err(RequestError::Busy));
    assert!(started.elapsed() >= Protocol::Status.bounds().timeout);
    // Not answering is a small fault.
    let score = || second.peer(id).map(|peer| peer.score).filter(|score| *score < 0);
    assert!((-16..0).contains(&until("a score", score).await));

    second.handle.ask(second.id(), Protocol::Status, vec![1]).await.expect_err("it is itself");
    let handle = second.handle.clone();
    second.stop().await;
    assert_eq!(handle.ask(id, Protocol::Status, vec![1]).await, Err(RequestError::Stopped));
}
