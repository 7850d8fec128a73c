use super::network::{GENESIS, account, key, validator_set};
use crate::{
    Evidence, EvidenceError, Proposal, SignedProposal, SignedVote, Step, Validators, Vote, VoteKind,
};
use ed25519_dalek::Signer;
use primitives::Hash;

const BLOCK: Hash = Hash([5; 32]);

fn validators(powers: &[u64]) -> Validators {
    Validators::new(validator_set(powers, 7)).expect("a sound set")
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
