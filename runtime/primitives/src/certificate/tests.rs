use super::*;
use crate::crypto::pair::Ed25519Pair;
use codec::Encode;

const GENESIS: Hash = Hash([9; 32]);
const BLOCK: Hash = Hash([5; 32]);

fn pair(n: u8) -> Ed25519Pair {
    Ed25519Pair::from_seed(&[n; 32])
}

fn account(n: u8) -> AccountId {
    AccountId([n; 32])
}

fn validators(powers: &[u64]) -> ValidatorSet {
    let info = |(n, power): (u8, &u64)| ValidatorInfo {
        account: account(n),
        vote_key: pair(n).public(),
        vrf_key: [0; 32],
        power: *power,
    };
    ValidatorSet { validators: (0..).zip(powers).map(info).collect(), seed: Hash::ZERO }
}

/// A certificate of height 7 by these validators.
fn certificate(signers: &[u8]) -> Certificate {
    let mut certificate = Certificate { height: 7, round: 2, block: BLOCK, signatures: Vec::new() };
    let message = certificate.signed_bytes(&GENESIS);
    certificate.signatures =
        signers.iter().map(|n| (account(*n), pair(*n).sign(&message))).collect();
    certificate
}

fn check(certificate: &Certificate, powers: &[u64]) -> Result<(), CertificateError> {
    check_certificate(certificate, &BLOCK, &validators(powers), &GENESIS)
}

#[test]
fn more_than_two_thirds_of_the_power_make_a_block_final() {
    assert_eq!(check(&certificate(&[0]), &[1]), Ok(()));
    assert_eq!(check(&certificate(&[0, 1, 2]), &[1; 4]), Ok(()));
    assert_eq!(check(&certificate(&[0, 2, 3]), &[1, 5, 1, 20]), Ok(()));
    assert_eq!(check(&certificate(&[0, 1, 2]), &[u64::MAX; 4]), Ok(()));
    let all: Vec<u8> = (0..100).collect();
    assert_eq!(check(&certificate(&all), &[1; 100]), Ok(()));
}

#[test]
fn two_thirds_are_not_enough() {
    let short = |signed, total| Err(CertificateError::Short { signed, total });
    assert_eq!(check(&certificate(&[0, 1]), &[1; 3]), short(2, 3));
    assert_eq!(check(&certificate(&[]), &[1]), short(0, 1));
    assert_eq!(check(&certificate(&[]), &[]), short(0, 0));
}

#[test]
fn a_forged_signature_is_found_alone_and_in_a_batch() {
    for (count, liar) in [(4, 1), (100, 67)] {
        let signers: Vec<u8> = (0..count).collect();
        for byte in [0, 31, 32, 63] {
            let mut forged = certificate(&signers);
            forged.signatures[usize::from(liar)].1[byte] ^= 1;
            let expected = Err(CertificateError::BadSignature(account(liar)));
            assert_eq!(check(&forged, &vec![1; usize::from(count)]), expected);
        }
    }
}

#[test]
fn another_block_height_round_step_or_chain_is_not_covered() {
    let good = certificate(&[0, 1, 2]);
    let changes: [fn(&mut Certificate); 2] = [|c| c.height = 8, |c| c.round = 3];
    for change in changes {
        let mut changed = good.clone();
        change(&mut changed);
        assert_eq!(check(&changed, &[1; 4]), Err(CertificateError::BadSignature(account(0))));
    }
    let mut mixed = good.clone();
    let prevote = (b"artel/consensus1", GENESIS, 1u8, 7u32, 2u32, Some(BLOCK)).encode();
    mixed.signatures[2].1 = pair(2).sign(&prevote);
    assert_eq!(check(&mixed, &[1; 4]), Err(CertificateError::BadSignature(account(2))));
    let set = validators(&[1; 4]);
    let other_chain = check_certificate(&good, &BLOCK, &set, &Hash([1; 32]));
    assert_eq!(other_chain, Err(CertificateError::BadSignature(account(0))));
    let expected = Hash([6; 32]);
    let other_block = check_certificate(&good, &expected, &set, &GENESIS);
    let wrong = CertificateError::WrongBlock { height: 7, found: BLOCK, expected };
    assert_eq!(other_block, Err(wrong));
}

#[test]
fn nobody_counts_twice_or_without_being_a_validator() {
    let mut double = certificate(&[0, 1, 2]);
    double.signatures[2] = double.signatures[1];
    assert_eq!(check(&double, &[1; 4]), Err(CertificateError::Duplicate(account(1))));
    let unsorted = certificate(&[1, 0, 2]);
    assert_eq!(check(&unsorted, &[1; 4]), Err(CertificateError::Duplicate(account(0))));
    let stranger = certificate(&[0, 1, 2, 4]);
    assert_eq!(check(&stranger, &[1; 4]), Err(CertificateError::Unknown(account(4))));
}

#[test]
fn of_many_certificates_the_first_wrong_one_is_named_whatever_is_wrong_with_later_ones() {
    let set = validators(&[1; 4]);
    let check = |certificates: &[Certificate]| {
        check_certificates(certificates.iter().map(|c| (c, &BLOCK)), &set, &GENESIS)
    };
    let good = certificate(&[0, 1, 3]);
    assert_eq!(check(&[]), Ok(()));
    assert_eq!(check(&vec![good.clone(); 50]), Ok(()));
    let mut forged = good.clone();
    forged.signatures[1].1[40] ^= 1;
    let short = certificate(&[0, 1]);
    let is_forged = CertificateError::BadSignature(account(1));
    let is_short = CertificateError::Short { signed: 2, total: 4 };
    let both = [good.clone(), forged.clone(), good.clone(), short.clone()];
    assert_eq!(check(&both), Err((1, is_forged)));
    let both = [good.clone(), good, short, forged];
    assert_eq!(check(&both), Err((2, is_short)));
}
