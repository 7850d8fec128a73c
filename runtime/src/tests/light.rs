//! Headers and certificates of a chain whose validators change, and each way to lie about them.

use crate::{Digested, Inherents, extrinsics_root, light::*, make_digest};
use codec::{Decode, DecodeAll, Encode};
use primitives::{
    AccountId, Certificate, CertificateError, Hash, Header, Height, Moment, OpaqueTransaction,
    ValidatorInfo, ValidatorSet, crypto::pair::Ed25519Pair,
};
use proptest::prelude::*;

const GENESIS: Hash = Hash([42; 32]);
const DAY_MS: Moment = 24 * 60 * 60 * 1_000;
/// Time of block 0, which nobody sees.
const START_MS: Moment = 1_000 * DAY_MS;
/// Blocks after which others decide.
const CHANGES: [Height; 3] = [5, 9, 10];

fn pair(number: u8) -> Ed25519Pair {
    Ed25519Pair::from_seed(&[number; 32])
}

fn member(number: u8) -> ValidatorInfo {
    let vote_key = pair(number).public();
    ValidatorInfo { account: AccountId([number; 32]), vote_key, vrf_key: [0; 32], power: 10 }
}

/// Four who have nothing in common with those before.
fn members(generation: u8) -> Vec<ValidatorInfo> {
    (1..=4).map(|place| member(4 * generation + place)).collect()
}

fn hash_of(validators: &[ValidatorInfo]) -> Hash {
    ValidatorSet { validators: validators.to_vec(), seed: Hash::ZERO }.members_hash()
}

/// Which generation decides the block after this one.
fn generation_after(height: Height) -> u8 {
    let changes = CHANGES.iter().filter(|change| **change <= height).count();
    u8::try_from(changes).expect("few")
}

fn time_ms(height: Height) -> Moment {
    START_MS + Moment::from(height) * 1_000
}

/// The time, and as many transactions as the height says.
fn body(height: Height) -> Vec<OpaqueTransaction> {
    let inherents = Inherents { time_ms: time_ms(height), ..Inherents::default() };
    let mut body = inherents.to_transactions();
    body.extend((0..height).map(|n| OpaqueTransaction(n.encode())));
    body
}

fn header(height: Height) -> Header {
    let parent_hash = if height == 1 { GENESIS } else { header(height - 1).hash() };
    let digest = make_digest(&Digested {
        author: AccountId([1; 32]),
        origin_round: 0,
        vrf_output: [0; 32],
        vrf_proof: [0; 64],
        next_validators: hash_of(&members(generation_after(height))),
        new_rules: false,
    });
    let extrinsics_root = extrinsics_root(&body(height));
    Header { parent_hash, number: height, state_root: Hash([7; 32]), extrinsics_root, digest }
}

fn certificate(height: Height, block: Hash, signers: &[u8]) -> Certificate {
    let mut certificate = Certificate { height, round: 1, block, signatures: Vec::new() };
    let message = certificate.signed_bytes(&GENESIS);
    let sign = |number: &u8| (AccountId([*number; 32]), pair(*number).sign(&message));
    certificate.signatures = signers.iter().map(sign).collect();
    certificate
}

/// Three of the four who decide a height.
fn signers(height: Height) -> Vec<u8> {
    let generation = generation_after(height - 1);
    (1..=3).map(|place| 4 * generation + place).collect()
}

fn time(height: Height) -> TimeProof {
    TimeProof::of(&body(height)).expect("it has a time")
}

fn start(height: Height) -> LightStart {
    let validators = members(generation_after(height));
    LightStart { header: header(height), time: time(height), validators }
}

fn block(height: Height) -> LightBlock {
    let header = header(height);
    let certificate = certificate(height, header.hash(), &signers(height));
    let changes = CHANGES.contains(&height);
    let validators = changes.then(|| members(generation_after(height)));
    LightBlock {
        parent: self::header(height - 1),
        header,
        certificate,
        time: time(height),
        validators,
    }
}

fn checkpoint(height: Height) -> Checkpoint {
    Checkpoint { height, hash: header(height).hash() }
}

/// Follows from block 2, a minute after block 20.
fn begin() -> Light {
    Light::begin(GENESIS, &checkpoint(2), start(2), now()).expect("it is that block")
}

fn now() -> Moment {
    time_ms(20) + 1
}

#[test]
fn one_block_for_each_change_and_the_last_one_are_enough() {
    let mut light = begin();
    for height in [3, 5, 9, 10, 20] {
        light.follow(block(height), now()).expect("it is final");
        let head = light.head();
        assert_eq!((head.height, head.hash), (height, header(height).hash()));
        assert_eq!((head.time_ms, head.state_root), (time_ms(height), Hash([7; 32])));
        assert_eq!(head.validators, members(generation_after(height)));
    }
    let head = LightHead::decode_all(&mut &light.head().encode()[..]).expect("its own bytes");
    assert_eq!(Light::resume(GENESIS, head), light);
}

#[test]
fn who_has_not_followed_a_change_believes_nobody_after_it() {
    for height in [6, 7, 10, 20] {
        let refused = begin().follow(block(height), now());
        assert_eq!(refused, Err(LightError::OtherValidators(height)));
    }
    // Not even if those who are known sign.
    let mut forged = block(8);
    forged.certificate = certificate(8, forged.header.hash(), &[1, 2, 3, 4]);
    assert_eq!(begin().follow(forged, now()), Err(LightError::OtherValidators(8)));
}

#[test]
fn a_start_is_believed_only_if_it_is_the_checkpoints() {
    let refused = |checkpoint, start| Light::begin(GENESIS, &checkpoint, start, now()).err();
    let genesis = Checkpoint { height: 0, hash: GENESIS };
    assert_eq!(refused(genesis, start(1)), Some(LightError::Genesis));
    let other = refused(checkpoint(4), start(3));
    assert!(matches!(other, Some(LightError::OtherBlock { height: 3, .. })));
    let validators = LightStart { validators: members(3), ..start(3) };
    assert_eq!(refused(checkpoint(3), validators), Some(LightError::WrongValidators(3)));
    let time = LightStart { time: self::time(4), ..start(3) };
    assert_eq!(refused(checkpoint(3), time), Some(LightError::WrongTime(3)));
}

#[test]
fn what_is_older_than_the_trusting_period_proves_nothing() {
    let at = |now_ms| Light::begin(GENESIS, &checkpoint(2), start(2), now_ms);
    let end = time_ms(2) + TRUSTING_PERIOD_MS;
    let mut light = at(end - 1).expect("it is young enough");
    assert_eq!(at(end), Err(LightError::Expired { height: 2 }));
    assert_eq!(light.follow(block(3), end), Err(LightError::Expired { height: 2 }));
    light.follow(block(3), end - 1).expect("in time");
    light.follow(block(4), end).expect("a younger block is known by now");

    let early = time_ms(2) - LIGHT_CLOCK_AHEAD_MAX_MS;
    at(early).expect("clocks differ a little");
    assert!(matches!(at(early - 1), Err(LightError::Ahead { .. })));
    let mut light = at(early).expect("clocks differ a little");
    assert!(matches!(light.follow(block(3), early), Err(LightError::Ahead { .. })));
    assert_eq!(light.head().height, 2, "nothing has changed");
}

#[test]
fn every_lie_about_a_block_is_refused() {
    let refused = |change: &dyn Fn(&mut LightBlock)| {
        let mut light = begin();
        let mut block = block(5);
        change(&mut block);
        let error = light.follow(block, now()).expect_err("it is a lie");
        assert_eq!(light, begin(), "nothing has changed");
        error
    };
    let sign = |block: &mut LightBlock, signers: &[u8]| {
        block.certificate = certificate(5, block.header.hash(), signers);
    };
    use LightError::{Certificate as BadCertificate, Header as BadHeader, *};
    assert_eq!(refused(&|b| b.parent = header(3)), WrongParent(5));
    assert_eq!(refused(&|b| b.parent.state_root = Hash::ZERO), WrongParent(5));
    let short = CertificateError::Short { signed: 20, total: 40 };
    assert_eq!(refused(&|b| sign(b, &[1, 2])), BadCertificate(short));
    let unknown = CertificateError::Unknown(AccountId([5; 32]));
    assert_eq!(refused(&|b| sign(b, &[1, 2, 3, 5])), BadCertificate(unknown));
    let wrong = CertificateError::BadSignature(AccountId([2; 32]));
    assert_eq!(refused(&|b| b.certificate.signatures[1].1[9] ^= 1), BadCertificate(wrong));
    let twice = CertificateError::Duplicate(AccountId([2; 32]));
    assert_eq!(refused(&|b| sign(b, &[1, 2, 2])), BadCertificate(twice));
    assert!(matches!(refused(&|b| b.header.state_root = Hash::ZERO), BadCertificate(_)));
    assert!(matches!(refused(&|b| b.certificate.round = 2), BadCertificate(_)));
    assert!(matches!(refused(&|b| b.certificate.height = 6), BadCertificate(_)));
    assert_eq!(refused(&|b| b.validators = None), WrongValidators(5));
    assert_eq!(refused(&|b| b.validators = Some(members(2))), WrongValidators(5));
    assert_eq!(refused(&|b| b.time = time(6)), WrongTime(5));
    assert_eq!(refused(&|b| b.time.siblings.clear()), WrongTime(5));
    assert_eq!(refused(&|b| *b = block(2)), NotAfter { found: 2, known: 2 });
    assert!(matches!(refused(&|b| b.header.digest.logs.clear()), BadHeader(_)));
    // The next block is a child of the known one and of no other.
    let other_parent = |b: &mut LightBlock| {
        *b = block(3);
        b.parent.state_root = Hash::ZERO;
        b.header.parent_hash = b.parent.hash();
        b.certificate = certificate(3, b.header.hash(), &[1, 2, 3]);
    };
    assert_eq!(refused(&other_parent), WrongParent(3));
    // Validators of another chain may be the same.
    let mut light = Light::begin(Hash([9; 32]), &checkpoint(2), start(2), now()).expect("right");
    assert!(matches!(light.follow(block(5), now()), Err(BadCertificate(_))));
}

#[test]
fn the_time_is_proven_in_bodies_of_any_size() {
    for count in 1..40 {
        let mut header = header(1);
        let body = body(count);
        header.extrinsics_root = extrinsics_root(&body);
        let checkpoint = Checkpoint { height: 1, hash: header.hash() };
        let time = TimeProof::of(&body).expect("it has a time");
        let start = LightStart { header, time, validators: members(0) };
        let light = Light::begin(GENESIS, &checkpoint, start, now()).expect("it is right");
        assert_eq!(light.head().time_ms, time_ms(count));
    }
    assert_eq!(TimeProof::of(&[]), None);
}

proptest! {
    #[test]
    fn bytes_are_what_they_decode_to_or_nothing(
        height in 2..12_u32,
        at: prop::sample::Index,
        byte: u8,
    ) {
        let (start, block) = (start(height), block(height));
        prop_assert_eq!(LightStart::decode_all(&mut &start.encode()[..]), Ok(start.clone()));
        prop_assert_eq!(LightBlock::decode_all(&mut &block.encode()[..]), Ok(block.clone()));
        let mut bytes = block.encode();
        let place = at.index(bytes.len());
        bytes[place] = byte;
        if let Ok(other) = LightBlock::decode(&mut &bytes[..]) {
            prop_assert!(bytes.starts_with(&other.encode()));
        }
        prop_assert!(LightBlock::decode(&mut &bytes[..place]).is_err());
    }
}
