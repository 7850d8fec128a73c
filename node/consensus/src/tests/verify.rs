use super::network::{GENESIS, account, key, validator_set};
use crate::{
    Message, PolkaCertificate, Proposal, RoundCertificate, RoundReason, RoundVote, SignedProposal,
    SignedVote, Validators, VerifyError, Vote, VoteKind, is_in_turn,
};
use ed25519_dalek::Signer;
use primitives::{CertificateError, Hash};

const BLOCK: Hash = Hash([5; 32]);
const HEIGHT: u32 = 7;
const ROUND: u32 = 2;

fn validators() -> Validators {
    Validators::new(validator_set(&[1; 4], HEIGHT)).expect("a sound set")
}

fn vote(node: usize, kind: VoteKind, block: Option<Hash>) -> SignedVote {
    let vote = Vote { kind, height: HEIGHT, round: ROUND, block, validator: account(node) };
    let mut signed = SignedVote { vote, signature: [0; 64] };
    signed.signature = key(node).sign(&signed.signed_bytes(&GENESIS)).to_bytes();
    signed
}

fn polka(signers: &[usize]) -> Message {
    let sign =
        |node: &usize| (account(*node), vote(*node, VoteKind::Prevote, Some(BLOCK)).signature);
    let signatures = signers.iter().map(sign).collect();
    let (height, round, block) = (HEIGHT, ROUND, BLOCK);
    Message::Polka(PolkaCertificate { height, round, block, signatures })
}

fn round(reason: RoundReason, votes: &[(usize, VoteKind, Option<Hash>)]) -> Message {
    let sign = |(node, kind, block): &(usize, VoteKind, Option<Hash>)| RoundVote {
        kind: *kind,
        block: *block,
        validator: account(*node),
        signature: vote(*node, *kind, *block).signature,
    };
    let votes = votes.iter().map(sign).collect();
    Message::Round(RoundCertificate { height: HEIGHT, round: ROUND, reason, votes })
}

fn verify(message: &Message) -> Result<(), VerifyError> {
    message.verify(&validators(), &GENESIS)
}

#[test]
fn what_validators_sign_goes_on_and_nothing_else() {
    let good = vote(1, VoteKind::Prevote, Some(BLOCK));
    assert_eq!(verify(&Message::Vote(good.clone())), Ok(()));
    let wrong = |node| Err(CertificateError::BadSignature(account(node)).into());
    let mut forged = good.clone();
    forged.vote.block = None;
    assert_eq!(verify(&Message::Vote(forged)), wrong(1));
    let mut another = good.clone();
    another.vote.validator = account(2);
    assert_eq!(verify(&Message::Vote(another)), wrong(2));
    let stranger = vote(4, VoteKind::Prevote, Some(BLOCK));
    let unknown = Err(CertificateError::Unknown(account(4)).into());
    assert_eq!(verify(&Message::Vote(stranger)), unknown);
    let elsewhere = Message::Vote(good).verify(&validators(), &Hash([8; 32]));
    assert_eq!(elsewhere, wrong(1));
}

#[test]
fn a_proposal_is_in_turn_for_one_validator() {
    let validators = validators();
    let in_turn: Vec<usize> = (0..4)
        .filter(|node| {
            let proposal = Proposal {
                height: HEIGHT,
                round: ROUND,
                block: BLOCK,
                pol_round: None,
                proposer: account(*node),
            };
            let mut signed = SignedProposal { proposal, signature: [0; 64] };
            signed.signature = key(*node).sign(&signed.signed_bytes(&GENESIS)).to_bytes();
            let is_in_turn = is_in_turn(&signed.proposal, &validators);
            assert_eq!(verify(&Message::Proposal(signed)), Ok(()));
            is_in_turn
        })
        .collect();
    assert_eq!(in_turn.len(), 1);
    assert_eq!(account(in_turn[0]), validators.proposer(HEIGHT, Some(ROUND)));
}

#[test]
fn certificates_need_the_power_for_what_they_say() {
    let short = |signed| Err(CertificateError::Short { signed, total: 4 }.into());
    assert_eq!(verify(&polka(&[0, 1, 2])), Ok(()));
    assert_eq!(verify(&polka(&[0, 1])), short(2));
    let twice = Err(CertificateError::Duplicate(account(1)).into());
    assert_eq!(verify(&polka(&[0, 1, 1])), twice);

    use VoteKind::{Precommit, Prevote};
    let some = Some(BLOCK);
    let skip = round(RoundReason::Skip, &[(0, Prevote, some), (3, Precommit, None)]);
    assert_eq!(verify(&skip), Ok(()));
    assert_eq!(verify(&round(RoundReason::Skip, &[(0, Prevote, some)])), short(1));
    let precommits = [(0, Precommit, some), (1, Precommit, None), (3, Precommit, None)];
    assert_eq!(verify(&round(RoundReason::Precommit, &precommits)), Ok(()));
    assert_eq!(verify(&round(RoundReason::Precommit, &precommits[..2])), short(2));
    let stray = [precommits[0], precommits[1], (3, Prevote, None)];
    let stray = verify(&round(RoundReason::Precommit, &stray));
    assert_eq!(stray, Err(VerifyError::StrayPrevote(account(3))));
}

#[test]
fn a_block_alone_is_never_passed_on() {
    for message in super::wal::messages() {
        if let Message::Body(_) | Message::Decided(_) = message {
            assert_eq!(verify(&message), Err(VerifyError::Unsigned));
        }
    }
}
