//! Hashes and SS58.

use super::bytes;
use crate::crypto::{
    hash::{blake2_128, blake2_256, blake2_512, twox_64, twox_128},
    ss58::{self, Error},
};
use proptest::prelude::*;

/// The public key of `//Alice`.
const ALICE: &str = "d43593c715fdd31c61141abd04a99fd6822c8558854ccde39a5684e7a56da27d";

#[test]
fn hashes_are_substrates() {
    assert_eq!(
        blake2_256(b"abc").0,
        bytes("bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319"),
    );
    assert_eq!(
        blake2_512(b"abc"),
        bytes::<64>(
            "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1\
             7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923"
        ),
    );
    // What every wallet asks for: System.Account of Alice, hashed with Blake2_128Concat.
    assert_eq!(
        [&twox_128("System")[..], &twox_128("Account"), &blake2_128(&bytes::<32>(ALICE))].concat(),
        bytes::<48>(
            "26aa394eea5630e07c48ae0c9558cef7b99d880ec681799c0cf30e8886371da9\
             de1e86a9a8c739864cf3cc5ec2bea59f"
        ),
    );
    assert_eq!(twox_64(b""), bytes("99e9d85137db46ef"));
    assert_eq!(twox_64(b"System"), twox_128("System")[..8]);
}

#[test]
fn addresses_are_those_of_the_networks() {
    for (prefix, address) in [
        (0, "15oF4uVJwmo4TdGW7VfQxNLavjCXviqxT9S1MgbjMNHr6Sp5"),
        (2, "HNZata7iMYWmk5RvZRTiAsSDhV8366zq2YGb3tLH5Upf74F"),
        (42, "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY"),
        (64, "cEaNSpz4PxFcZ7nT1VEKrKewH67rfx6MfcM6yKojyyPz7qaqp"),
        (255, "yGHXkYLYqxijLKKfd9Q2CB9shRVu8rPNBS53wvwGTutYg4zTg"),
        (256, "VByeGLMtP8r8BYQpNX1sb2VtAW8GYCbtFAeXJwsA2ur3MNRdq"),
        (10041, "bXmPf7DcVmFuHEmzH3UX8t6AUkfNQW8pnTeXGhFhqbfngjAak"),
    ] {
        assert_eq!(ss58::encode(&bytes(ALICE), prefix), address);
        assert_eq!(ss58::decode(address), Ok((bytes(ALICE), prefix)));
    }
}

#[test]
fn a_bad_address_says_what_is_wrong() {
    let address = |text: &str| ss58::decode(text).expect_err("the address is bad");
    let text = String::from;
    let mistyped = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQX";
    assert_eq!(address(mistyped), Error::BadChecksum(text(mistyped)));
    let zero = "5GrwvaEF5zXb26Fz0rcQpDWS57CtERHpNehXCPcNoHGKutQY";
    assert_eq!(address(zero), Error::BadCharacter { text: text(zero), index: 16 });
    assert_eq!(address("5é"), Error::BadCharacter { text: text("5é"), index: 1 });
    assert_eq!(address(""), Error::BadLength { text: text(""), bytes: 0 });
    // An account index, which this chain does not have.
    assert_eq!(address("25GUyv"), Error::BadLength { text: text("25GUyv"), bytes: 4 });
    assert_eq!(address(&"5".repeat(51)), Error::TooLong(51));
    let reserved = bs58::encode([&[128; 35][..]].concat()).into_string();
    assert_eq!(address(&reserved), Error::ReservedPrefix(reserved.clone()));
}

proptest! {
    #[test]
    fn addresses_round_trip(account: [u8; 32], prefix in 0..=ss58::PREFIX_MAX) {
        let address = ss58::encode(&account, prefix);
        prop_assert!(address.len() <= ss58::TEXT_CHARS_MAX);
        prop_assert_eq!(ss58::decode(&address), Ok((account, prefix)));
    }

    #[test]
    fn decoding_never_panics(text in ".{0,60}") {
        let _ = ss58::decode(&text);
    }
}
