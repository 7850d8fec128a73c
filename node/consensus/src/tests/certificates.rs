use super::network::{GENESIS, account, key, validator_set};
use crate::{
    CertificateError, Evidence, EvidenceError, Proposal, SignedProposal, SignedVote, Step,
    Validators, Vote, VoteKind, check_certificate, vote_bytes,
};
use ed25519_dalek::Signer;
use primitives::{Certificate, Hash};

const BLOCK: Hash = Hash([5; 32]);

fn validators(powers: &[u64]) -> Validators {
    Validators::new(validator_set(powers, 7)).expect("a sound set")
}

/// A certificate by these nodes, who must be ascending.
fn certificate(signers: &[usize]) -> Certificate {
    let message = vote_bytes(&GENESIS, Step::Precommit, 7, 2, Some(BLOCK));
    let sign = |node: &usize| (account(*node), key(*node).sign(&message).to_bytes());
    let signatures = signers.iter().map(sign).collect();
    Certificate { height: 7, round: 2, block: BLOCK, signatures }
}

fn check(certificate: &Certificate, powers: &[u64]) -> Result<(), CertificateError> {
    check_certificate(certificate, &BLOCK, &validators(powers), &GENESIS)
}

#[test]
fn more_than_two_thirds_of_the_power_make_a_block_final() {
    assert_eq!(check(&certificate(&[0]), &[1]), Ok(()));
    assert_eq!(check(&certificate(&[0, 1, 2]), &[1; 4]), Ok(()));
    assert_eq!(check(&certificate(&[0, 2, 3]), &[1, 5, 1, 20]), Ok(()));
    let all: Vec<usize> = (0..100).collect();
    assert_eq!(check(&certificate(&all), &[1; 100]), Ok(()));
}

#[test]
fn two_thirds_are_not_enough() {
    let short = check(&certificate(&[0, 1]), &[1; 3]);
    assert_eq!(short, Err(CertificateError::Short { signed: 2, total: 3 }));
    let none = check(&certificate(&[]), &[1]);
    assert_eq!(none, Err(CertificateError::Short { signed: 0, total: 1 }));
}

#[test]
fn a_forged_signature_is_found_alone_and_in_a_batch() {
    for (count, liar) in [(4, 1), (100, 67)] {
        let signers: Vec<usize> = (0..count).collect();
        for byte in [0, 31, 32, 63] {
            let mut forged = certificate(&signers);
            forged.signatures[liar].1[byte] ^= 1;
            let expected = Err(CertificateError::BadSignature(account(liar)));
            assert_eq!(check(&forged, &vec![1; count]), expected);
        }
    }
}

#[test]
fn another_block_height_round_or_chain_is_not_covered() {
    let good = certificate(&[0, 1, 2]);
    let changes: [fn(&mut Certificate); 2] = [|c| c.height = 8, |c| c.round = 3];
    for change in changes {
        let mut changed = good.clone();
        change(&mut changed);
        assert_eq!(check(&changed, &[1; 4]), Err(CertificateError::BadSignature(account(0))));
    }
    let other_chain = check_certificate(&good, &BLOCK, &validators(&[1; 4]), &Hash([1; 32]))
        .expect_err("foreign");
    assert_eq!(other_chain, CertificateError::BadSignature(account(0)));
    let expected = Hash([6; 32]);
    let other_block =
        check_certificate(&good, &expected, &validators(&[1; 4]), &GENESIS).expect_err("foreign");
    assert_eq!(other_block, CertificateError::WrongBlock { height: 7, found: BLOCK, expected });
}

#[test]
fn a_prevote_does_not_count_as_a_precommit() {
    let message = vote_bytes(&GENESIS, Step::Prevote, 7, 2, Some(BLOCK));
    let mut mixed = certificate(&[0, 1, 2]);
    mixed.signatures[2].1 = key(2).sign(&message).to_bytes();
    assert_eq!(check(&mixed, &[1; 4]), Err(CertificateError::BadSignature(account(2))));
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

fn vote(block: Option<Hash>, round: u32) -> SignedVote {
    let vote = Vote { kind: VoteKind::Prevote, height: 7, round, block, validator: account(1) };
    let mut signed = SignedVote { vote, signature: [0; 64] };
    signed.signature = key(1).sign(&signed.signed_bytes(&GENESIS)).to_bytes();
    signed
}

fn proposal(block: Hash, pol_round: Option<u32>) -> SignedProposal {
    let proposal = Proposal { height: 7, round: 3, block, pol_round, proposer: account(1) };
    let mut signed = SignedProposal { proposal, signature: [0; 64] };
    signed.signature = key(1).sign(&signed.signed_bytes(&GENESIS)).to_bytes();
    signed
}

#[test]
fn evidence_is_two_different_messages_for_one_slot() {
    let set = validators(&[1; 4]);
    let check = |evidence: Evidence| evidence.check(&set, &GENESIS);
    let offence = check(Evidence::Votes(vote(None, 0), vote(Some(BLOCK), 0))).expect("conflict");
    assert_eq!((offence.validator, offence.step), (account(1), Step::Prevote));
    check(Evidence::Proposals(proposal(BLOCK, None), proposal(Hash::ZERO, None)))
        .expect("conflict");
    check(Evidence::Proposals(proposal(BLOCK, None), proposal(BLOCK, Some(1)))).expect("conflict");

    let same = check(Evidence::Votes(vote(None, 0), vote(None, 0)));
    assert_eq!(same, Err(EvidenceError::NoConflict));
    let other_round = check(Evidence::Votes(vote(None, 0), vote(Some(BLOCK), 1)));
    assert_eq!(other_round, Err(EvidenceError::NoConflict));
    let mut forged = vote(Some(BLOCK), 0);
    forged.signature[5] ^= 1;
    let forged = check(Evidence::Votes(vote(None, 0), forged));
    assert_eq!(forged, Err(EvidenceError::BadSignature(account(1))));
    let one = validators(&[1]);
    let stranger = Evidence::Votes(vote(None, 0), vote(Some(BLOCK), 0)).check(&one, &GENESIS);
    assert_eq!(stranger, Err(EvidenceError::Unknown(account(1))));
}
