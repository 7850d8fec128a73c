use super::*;
use crate::testing::{act, act_in, block};
use framework::{MemState, Pallet as _};
use primitives::crypto::pair::{Ed25519Pair, Sr25519Pair};

fn vote_pair(n: u8) -> Ed25519Pair {
    Ed25519Pair::from_seed(&[n; 32])
}

fn validator(n: u8, power: u64) -> GenesisValidator {
    GenesisValidator {
        account: AccountId([n; 32]),
        vote_key: Hash(vote_pair(n).public()),
        vrf_key: Hash(Sr25519Pair::from_seed(&[n; 32]).public()),
        power,
    }
}

/// Four validators of power 1, given in the wrong order.
fn state() -> MemState {
    let mut state = MemState::default();
    let validators = [4, 2, 3, 1].map(|n| validator(n, 1)).to_vec();
    act(&mut state, |cx| {
        Pallet::genesis(cx, Genesis { validators, randomness: Hash([5; 32]) })
            .expect("it is valid");
        Ok(())
    });
    state
}

/// A certificate for the parent of block 9 by these validators.
fn certificate(signers: &[u8]) -> Certificate {
    let env = block(9);
    let mut certificate =
        Certificate { height: 8, round: 2, block: env.parent, signatures: Vec::new() };
    let message = certificate.signed_bytes(&env.genesis);
    let vote = |n: &u8| (AccountId([*n; 32]), vote_pair(*n).sign(&message));
    certificate.signatures = signers.iter().map(vote).collect();
    certificate
}

fn note(certificate: Certificate) -> DispatchResult {
    let call = Call::note_certificate { certificate };
    act_in(&mut state(), &block(9), |cx| call.dispatch(cx, Origin::None)).result
}

#[test]
fn genesis_sorts_the_validators_and_gives_the_seed() {
    let state = state();
    Pallet::check(&state).expect("the invariant holds");
    let set = validators(&state);
    assert_eq!(set.seed, Hash([5; 32]));
    assert_eq!(set.validators.iter().map(|v| v.account.0[0]).collect::<Vec<_>>(), [1, 2, 3, 4]);
}

#[test]
fn genesis_refuses_sets_that_cannot_decide() {
    let twice = vec![validator(1, 1), validator(1, 1)];
    let bad_vote = GenesisValidator { vote_key: Hash::ZERO, ..validator(1, 1) };
    for (validators, expected) in [
        (Vec::new(), "0 validators"),
        (twice, "twice"),
        (vec![validator(1, u64::MAX / 3), validator(2, 1)], "scale it down"),
        (vec![validator(1, 0)], "no power"),
        (vec![bad_vote], "vote key"),
        (vec![validator(1, 1); VALIDATORS_MAX + 1], "at most"),
    ] {
        let reason = genesis_set(validators).expect_err("the set is wrong");
        assert!(reason.contains(expected), "{reason}");
    }
}

#[test]
fn a_certificate_of_more_than_two_thirds_is_noted() {
    assert_eq!(note(certificate(&[1, 2, 4])), Ok(()));
    assert_eq!(note(certificate(&[1, 2, 3, 4])), Ok(()));
    assert_eq!(note(certificate(&[1, 2])), Err(Error::NoQuorum.into()));
    assert_eq!(note(certificate(&[])), Err(Error::NoQuorum.into()));
}

#[test]
fn a_certificate_that_proves_something_else_is_refused() {
    assert_eq!(note(certificate(&[1, 1, 2])), Err(Error::UnsortedVotes.into()));
    assert_eq!(note(certificate(&[2, 1, 3])), Err(Error::UnsortedVotes.into()));
    assert_eq!(note(certificate(&[1, 2, 9])), Err(Error::UnknownValidator.into()));
    let good = certificate(&[1, 2, 3]);
    let other = Certificate { block: Hash::ZERO, ..good.clone() };
    assert_eq!(note(other), Err(Error::WrongBlock.into()));
    assert_eq!(note(Certificate { height: 7, ..good.clone() }), Err(Error::WrongBlock.into()));
    assert_eq!(note(Certificate { round: 3, ..good.clone() }), Err(Error::BadVote.into()));
    let signed = Call::note_certificate { certificate: good };
    let result = act_in(&mut state(), &block(9), |cx| {
        signed.dispatch(cx, Origin::Signed(AccountId([1; 32])))
    });
    assert_eq!(result.result, Err(DispatchError::BadOrigin));
}

#[test]
fn a_block_brings_its_randomness() {
    let mut state = state();
    act_in(&mut state, &block(1), |cx| {
        Pallet::on_initialize(cx);
        Ok(())
    });
    assert_eq!(validators(&state).seed, block(1).randomness);
    let (a, b) = (next_randomness(&Hash::ZERO, &[1; 32]), next_randomness(&Hash::ZERO, &[2; 32]));
    assert!(a != b && a != next_randomness(&Hash([1; 32]), &[1; 32]));
}
