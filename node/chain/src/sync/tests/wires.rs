//! Bytes on the wire, and answers from a database.

use crate::{
    sync::wire::{
        REQUEST_BLOCKS_MAX, Request, SIGNATURES_MAX, STATUS_BYTES_MAX, Status, WireError, answer,
        decode_response,
    },
    tests::fixture::{Fixture, folder},
};
use codec::{Decode, Encode};
use primitives::{AccountId, Block, Certificate, Hash};
use proptest::prelude::*;

#[test]
fn a_node_answers_with_what_it_has_from_the_first_height_on() {
    let dir = folder();
    let mut f = Fixture::open(&dir);
    for height in 1..=5 {
        f.grow(height * 1_000, &[]);
    }
    let ask = |from, count| {
        let bytes = answer(f.chain.database(), Request { from, count }).expect("it reads");
        decode_response(&bytes).expect("a response")
    };
    for (from, count, expected) in [(1, 2, 2), (4, 100, 2), (6, 1, 0), (0, 3, 0), (u32::MAX, 9, 0)]
    {
        let entries = ask(from, count);
        assert_eq!(entries.len(), expected, "{count} blocks from {from}");
        for ((bytes, certificate), height) in entries.into_iter().zip(from..) {
            let block = Block::decode(&mut &bytes[..]).expect("a block");
            assert_eq!((block.header.number, certificate.block), (height, block.hash()));
        }
    }
}

#[test]
fn requests_and_responses_out_of_bounds_are_refused() {
    for count in [0, REQUEST_BLOCKS_MAX + 1] {
        let bytes = Request { from: 1, count }.encode();
        assert_eq!(Request::from_bytes(&bytes), Err(WireError::BadCount(count)));
    }
    let request = Request { from: 3, count: REQUEST_BLOCKS_MAX };
    assert_eq!(Request::from_bytes(&request.encode()), Ok(request));
    assert!(Request::from_bytes(&[0; 9]).is_err());
    let status = Status { height: 7, hash: Hash([1; 32]) };
    assert_eq!(status.encoded_size(), STATUS_BYTES_MAX);
    assert_eq!(Status::from_bytes(&status.encode()), Ok(status));

    let signatures = vec![(AccountId([1; 32]), [0; 64]); SIGNATURES_MAX + 1];
    let fat = Certificate { height: 1, round: 0, block: Hash::ZERO, signatures };
    let response = vec![(Vec::<u8>::new(), fat)].encode();
    assert_eq!(decode_response(&response), Err(WireError::TooManySignatures(SIGNATURES_MAX + 1)));
    let mut trailing = Vec::<(Vec<u8>, Certificate)>::new().encode();
    trailing.push(0);
    assert!(matches!(decode_response(&trailing), Err(WireError::Malformed(_))));
}

proptest! {
    #[test]
    fn random_bytes_are_refused_without_a_panic(bytes: Vec<u8>) {
        if let Ok(entries) = decode_response(&bytes) {
            prop_assert_eq!(entries.encode(), bytes);
        }
    }
}
