//! Session keys.

use super::bytes;
use crate::{
    AccountId, Hash,
    crypto::{
        keys,
        pair::{Ed25519Pair, Sr25519Pair},
        session::{Error, PossessionProof, SessionKeys, is_sound_ed25519, is_sound_sr25519},
    },
};
use codec::{Decode, Encode};
use curve25519_dalek::{constants::EIGHT_TORSION, edwards::CompressedEdwardsY};

const ALICE: AccountId = AccountId([1; 32]);
const BOB: AccountId = AccountId([2; 32]);
const GENESIS: Hash = Hash([9; 32]);

fn pairs(seed: u8) -> (Ed25519Pair, Sr25519Pair) {
    (Ed25519Pair::from_seed(&[seed; 32]), Sr25519Pair::from_seed(&[seed; 32]))
}

#[test]
fn who_holds_the_keys_can_prove_it_for_one_account() {
    let (vote, vrf) = pairs(3);
    let (keys, proof) = SessionKeys::prove(&GENESIS, &ALICE, &vote, &vrf);
    assert_eq!(keys, SessionKeys { vote: vote.public(), vrf: vrf.public() });
    assert_eq!(keys.check(&GENESIS, &ALICE, &proof), Ok(()));
    assert_eq!(keys.check(&GENESIS, &BOB, &proof), Err(Error::BadProof));
    assert_eq!(keys.check(&Hash::ZERO, &ALICE, &proof), Err(Error::BadProof));
}

#[test]
fn each_key_needs_its_own_proof() {
    let (vote, vrf) = pairs(3);
    let (other_vote, other_vrf) = pairs(4);
    let (keys, proof) = SessionKeys::prove(&GENESIS, &ALICE, &vote, &vrf);
    let (other_keys, other_proof) = SessionKeys::prove(&GENESIS, &ALICE, &other_vote, &other_vrf);
    assert_eq!(other_keys.check(&GENESIS, &ALICE, &other_proof), Ok(()));
    for (keys, proof) in [
        (keys, other_proof),
        (keys, PossessionProof { vote: other_proof.vote, ..proof }),
        (keys, PossessionProof { vrf: other_proof.vrf, ..proof }),
        (SessionKeys { vote: other_keys.vote, ..keys }, proof),
        (SessionKeys { vrf: other_keys.vrf, ..keys }, proof),
    ] {
        assert_eq!(keys.check(&GENESIS, &ALICE, &proof), Err(Error::BadProof));
    }
}

#[test]
fn points_of_small_order_are_no_vote_keys() {
    let (_, vrf) = pairs(3);
    for point in EIGHT_TORSION {
        let keys = SessionKeys { vote: point.compress().0, vrf: vrf.public() };
        assert_eq!(keys.check_keys(), Err(Error::BadVoteKey));
        // Though anyone can sign for them.
        assert!(keys::verify_ed25519(&keys.vote, b"any message", &{
            let mut signature = [0; 64];
            signature[0] = 1;
            signature
        }));
    }
}

#[test]
fn torsioned_and_non_canonical_points_are_no_vote_keys() {
    let (vote, _) = pairs(3);
    assert!(is_sound_ed25519(&vote.public()));
    let point = CompressedEdwardsY(vote.public()).decompress().expect("it is a public key");
    for torsion in &EIGHT_TORSION[1..] {
        assert!(!is_sound_ed25519(&(point + torsion).compress().0));
    }
    // Every encoding of y >= p is non-canonical, whether it is a point or not.
    for low in 0xed..=0xff_u8 {
        for high in [0x7f, 0xff] {
            let mut encoding = [0xff; 32];
            (encoding[0], encoding[31]) = (low, high);
            assert!(!is_sound_ed25519(&encoding));
        }
    }
    assert!(!is_sound_ed25519(&bytes(
        "0100000000000000000000000000000000000000000000000000000000000080"
    )));
}

#[test]
fn the_identity_and_non_points_are_no_vrf_keys() {
    let (vote, vrf) = pairs(3);
    assert!(is_sound_sr25519(&vrf.public()));
    for vrf in [[0; 32], [255; 32], bytes(&("01".to_string() + &"00".repeat(31)))] {
        let keys = SessionKeys { vote: vote.public(), vrf };
        assert_eq!(keys.check_keys(), Err(Error::BadVrfKey));
    }
}

#[test]
fn keys_and_proof_are_plain_bytes() {
    let (vote, vrf) = pairs(3);
    let (keys, proof) = SessionKeys::prove(&GENESIS, &ALICE, &vote, &vrf);
    assert_eq!(keys.encode(), [keys.vote, keys.vrf].concat());
    assert_eq!(proof.encode(), [proof.vote, proof.vrf].concat());
    assert_eq!(SessionKeys::decode(&mut &keys.encode()[..]), Ok(keys));
    assert!(PossessionProof::decode(&mut &proof.encode()[..127]).is_err());
}
