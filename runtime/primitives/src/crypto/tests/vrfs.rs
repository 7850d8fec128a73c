//! Verifiable randomness.

use super::bytes;
use crate::crypto::{
    pair::Sr25519Pair,
    vrf::{Proof, sign, verify},
};

fn alice() -> Sr25519Pair {
    Sr25519Pair::from_uri("//Alice").expect("a well-known URI")
}

#[test]
fn signer_and_verifier_see_the_same_randomness() {
    let pair = alice();
    let (published, randomness) = sign(&pair, b"block", b"message");
    let Proof { output, proof } = published;
    assert_eq!(verify(&pair.public(), b"block", b"message", &output, &proof), Some(randomness));
    assert_eq!(sign(&pair, b"block", b"message"), (published, randomness));
}

/// The bytes are part of the protocol.
#[test]
fn outputs_and_proofs_do_not_change() {
    let (published, randomness) = sign(&alice(), b"block", b"message");
    let output = bytes("cef21e894806b4c8e06b545eb275d0b7473f0ae3ca2713909e992dfdbba7c04e");
    let proof = bytes(
        "676c92afe5800ae2ff60a70d1c18105d32f9104c772673cfd3743dd4f915de0c\
         09d95c2dacba84e966ed0fd24e2e537857c7c9baaa08c0a21d06b9c1b151f404",
    );
    assert_eq!(published, Proof { output, proof });
    let drawn = bytes("7ee1e3b2630673912db7f0bff61b173677cfbf2bc07e135e46bbe21fbeb27aa3");
    assert_eq!(randomness, drawn);
}

#[test]
fn nothing_of_a_proof_can_be_changed() {
    let pair = alice();
    let bob = Sr25519Pair::from_uri("//Bob").expect("a well-known URI");
    let (Proof { output, proof }, _) = sign(&pair, b"block", b"message");
    assert_eq!(verify(&bob.public(), b"block", b"message", &output, &proof), None);
    assert_eq!(verify(&pair.public(), b"claim", b"message", &output, &proof), None);
    assert_eq!(verify(&pair.public(), b"block", b"massage", &output, &proof), None);
    for bit in 0..8 * 32 {
        let mut other = output;
        other[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(verify(&pair.public(), b"block", b"message", &other, &proof), None);
    }
    for bit in 0..8 * 64 {
        let mut other = proof;
        other[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(verify(&pair.public(), b"block", b"message", &output, &other), None);
    }
}

#[test]
fn key_label_and_message_each_change_the_randomness() {
    let soft = Sr25519Pair::from_uri("//Alice/soft").expect("a well-known URI");
    let mut drawn = vec![
        sign(&alice(), b"block", b"message").1,
        sign(&alice(), b"claim", b"message").1,
        sign(&alice(), b"block", b"massage").1,
        // The border between label and message is part of the input.
        sign(&alice(), b"blockm", b"essage").1,
        sign(&soft, b"block", b"message").1,
    ];
    drawn.sort();
    drawn.dedup();
    assert_eq!(drawn.len(), 5);
}

#[test]
fn the_identity_proves_nothing() {
    for output in [[0; 32], sign(&alice(), b"block", b"message").0.output] {
        assert_eq!(verify(&[0; 32], b"block", b"message", &output, &[0; 64]), None);
    }
}
