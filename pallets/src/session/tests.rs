use super::*;
use crate::{
    balances,
    eras::{self, World, block_hash, pairs, party, validator},
    testing::{act, act_in, block, deposits},
};
use framework::{MemState, Pallet as _};
use primitives::crypto::pair::{Ed25519Pair, Sr25519Pair};

fn vote_pair(n: u8) -> Ed25519Pair {
    Ed25519Pair::from_seed(&[n; 32])
}

fn info(n: u8, power: u64) -> ValidatorInfo {
    ValidatorInfo {
        account: AccountId([n; 32]),
        vote_key: vote_pair(n).public(),
        vrf_key: Sr25519Pair::from_seed(&[n; 32]).public(),
        power,
    }
}

/// Gives the validators the deposit for their keys and begins with them.
fn begun(set: Vec<ValidatorInfo>) -> (MemState, Result<(), String>) {
    let mut state = MemState::default();
    let mut result = Ok(());
    act(&mut state, |cx| {
        for v in &set {
            balances::mint(cx, &v.account, deposits(1_000))?;
        }
        Pallet::genesis(cx, Genesis { randomness: Hash([5; 32]) }).expect("it is valid");
        result = begin_first(cx, set);
        Ok(())
    });
    (state, result)
}

/// Four validators of power 1, given in the wrong order.
fn state() -> MemState {
    let (state, result) = begun([4, 2, 3, 1].map(|n| info(n, 1)).to_vec());
    result.expect("the set can decide");
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
fn the_first_validators_are_some_each_once_with_sound_keys_of_their_own() {
    let bad_vote = ValidatorInfo { vote_key: [0; 32], ..info(1, 1) };
    let bad_vrf = ValidatorInfo { vrf_key: [0; 32], ..info(1, 1) };
    let stolen = ValidatorInfo { account: AccountId([9; 32]), ..info(1, 1) };
    for (set, expected) in [
        (Vec::new(), "0 validators"),
        (vec![info(1, 1), info(1, 1)], "twice"),
        (vec![bad_vote], "vote key"),
        (vec![bad_vrf], "VRF key"),
        (vec![info(1, 1), stolen], "another validator"),
        (vec![info(1, 1); VALIDATORS_MAX + 1], "at most"),
    ] {
        let reason = begun(set).1.expect_err("the set is wrong");
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

/// Keys with this number of an account; whoever holds them proves it.
fn set(who: &AccountId, number: u32) -> Call {
    eras::set_keys(who, number)
}

fn keys_of(who: &AccountId, number: u32) -> SessionKeys {
    let (vote, vrf) = pairs(who, number);
    SessionKeys { vote: vote.public(), vrf: vrf.public() }
}

#[test]
fn keys_need_proofs_of_both_for_this_account_and_chain() {
    let mut world = World::new(1, 2);
    let (who, other) = (party(0), party(1));
    let Call::set_keys { keys, proof } = set(&who, 1) else { panic!("it sets keys") };
    let with = |keys, proof| Call::set_keys { keys, proof };
    world.fails(other, with(keys, proof.clone()), Error::InvalidProof);
    world.fails(who, with(keys, Vec::new()), Error::InvalidProof);
    world.fails(who, with(keys, [&proof[..], &[0]].concat()), Error::InvalidProof);
    let mut half = proof.clone();
    half[70] ^= 1;
    world.fails(who, with(keys, half), Error::InvalidProof);
    let foreign = SessionKeys::prove(&Hash::ZERO, &who, &pairs(&who, 1).0, &pairs(&who, 1).1).1;
    world.fails(who, with(keys, foreign.encode()), Error::InvalidProof);
    // A point of small order, for which anybody can sign.
    let weak = SessionKeys {
        vote: [1].into_iter().chain([0; 31]).collect::<Vec<_>>().try_into().expect("32 bytes"),
        ..keys
    };
    world.fails(who, with(weak, proof.clone()), Error::InvalidProof);
    world.fails(who, Call::purge_keys, Error::NoKeys);
    world.ok(who, with(keys, proof));
    assert_eq!(balances::held(&world.state, balances::HoldReason::SessionKeys, &who), KEY_DEPOSIT);
    world.ok(who, Call::purge_keys);
    assert_eq!(world.free(who), eras::ENDOWMENT);
    world.next(1);
    let poor = AccountId([0xee; 32]);
    assert!(world.call(poor, set(&poor, 0)).is_err(), "it has no deposit");
}

#[test]
fn keys_count_two_sessions_after_they_were_set() {
    let mut world = World::new(1, 1);
    let who = party(0);
    let at = |world: &World, session| keys_at(&world.state, &who, session);
    world.ok(who, set(&who, 1));
    assert_eq!((at(&world, 1), at(&world, 2)), (None, Some(keys_of(&who, 1))));
    world.eras(1);
    // Keys of the next session are replaced only for the one after.
    world.ok(who, set(&who, 2));
    assert_eq!(at(&world, 2), Some(keys_of(&who, 1)));
    assert_eq!(at(&world, 3), Some(keys_of(&who, 2)));
    // Who sets keys anew before they count waits anew, and the others were never used.
    world.eras(1);
    world.ok(who, set(&who, 3));
    world.ok(who, set(&who, 4));
    assert_eq!(at(&world, 3), Some(keys_of(&who, 2)));
    assert_eq!(at(&world, 4), Some(keys_of(&who, 4)));
    world.ok(who, set(&who, 4));
    world.next(1);
    let owner = |world: &World, number| {
        let key = (*b"vote", keys_of(&who, number).vote.to_vec());
        registry::KEY_OWNER.get(&world.state, &key)
    };
    assert_eq!(owner(&world, 3), None);
    assert_eq!([1, 2, 4].map(|number| owner(&world, number)), [Some(who); 3]);
}

#[test]
fn keys_that_were_taken_over_from_do_not_come_back_while_evidence_may_name_them() {
    let mut world = World::new(1, 1);
    let who = party(0);
    world.ok(who, set(&who, 1));
    world.eras(2);
    world.ok(who, set(&who, 2));
    // They count until then, and so they can be taken back.
    world.ok(who, set(&who, 1));
    world.ok(who, set(&who, 2));
    world.eras(1);
    world.fails(who, set(&who, 1), Error::DuplicatedKey);
    world.ok(who, set(&who, 3));
    let key = (*b"vote", keys_of(&who, 1).vote.to_vec());
    assert_eq!(registry::KEY_OWNER.get(&world.state, &key), Some(who));
}

#[test]
fn keys_that_were_used_stay_bound_until_no_evidence_can_name_them() {
    let mut world = World::new(2, 1);
    let (who, thief) = (validator(1), party(0));
    let (vote, vrf) = pairs(&who, 0);
    let (keys, proof) = SessionKeys::prove(&eras::GENESIS, &thief, &vote, &vrf);
    let steal = Call::set_keys { keys, proof: proof.encode() };
    world.fails(thief, steal.clone(), Error::DuplicatedKey);
    world.ok(who, Call::purge_keys);
    world.fails(thief, steal.clone(), Error::DuplicatedKey);
    world.fails(who, set(&who, 0), Error::DuplicatedKey);
    world.eras(EVIDENCE_SESSIONS_MAX + 1);
    world.fails(thief, steal.clone(), Error::DuplicatedKey);
    world.eras(1);
    world.ok(thief, steal);
}

#[test]
fn earlier_sets_are_known_as_long_as_evidence_is_taken() {
    let mut world = World::new(2, 0);
    let first = set_at(&world.state, 1).expect("the first set is known");
    assert_eq!(session_at(&world.state, 0), None, "nobody decided genesis");
    world.eras(EVIDENCE_SESSIONS_MAX);
    assert_eq!(set_at(&world.state, 1), Some(first));
    world.eras(1);
    assert_eq!(set_at(&world.state, 1), None);
    assert_eq!(current_index(&world.state), EVIDENCE_SESSIONS_MAX + 1);
}

/// Certificate of a block of a chain of four by these validators.
fn late(world: &World, height: Height, signers: &[u8]) -> Certificate {
    let set = set_at(&world.state, height).expect("it is known");
    let signers: Vec<_> = signers.iter().map(|number| validator(*number)).collect();
    world.certificate(&set, height, &signers)
}

#[test]
fn votes_may_be_added_for_three_blocks_each_once() {
    let mut world = World::new(4, 0);
    let three = [0, 1, 2].map(validator);
    world.close();
    world.open(1, 0, Some(&three));
    let widen = |certificate| Call::widen_certificate { certificate };
    let wide = late(&world, 1, &[3]);
    // In the child of the block, its own certificate shows all that is to be shown.
    assert_eq!(world.inherent(widen(wide.clone())), Err(Error::WrongBlock.into()));
    world.next(1);
    let known = late(&world, 1, &[2, 3]);
    assert_eq!(world.inherent(widen(known.clone())), Err(Error::NothingNew.into()));
    assert_eq!(
        widening(&world.state, 3, &eras::GENESIS, &known),
        Some(wide.clone()),
        "only what is new"
    );
    assert_eq!(world.inherent(widen(late(&world, 1, &[]))), Err(Error::NothingNew.into()));
    let unsorted = Certificate {
        signatures: known.signatures.iter().rev().copied().collect(),
        ..known.clone()
    };
    assert_eq!(world.inherent(widen(unsorted)), Err(Error::UnsortedVotes.into()));
    let other_round = Certificate { round: 1, ..wide.clone() };
    assert_eq!(world.inherent(widen(other_round)), Err(Error::WrongBlock.into()));
    let other_block = Certificate { block: block_hash(7), ..wide.clone() };
    assert_eq!(world.inherent(widen(other_block)), Err(Error::WrongBlock.into()));
    let mut forged = wide.clone();
    forged.signatures[0].1[0] ^= 1;
    assert_eq!(world.inherent(widen(forged.clone())), Err(Error::BadVote.into()));
    assert_eq!(widening(&world.state, 3, &eras::GENESIS, &forged), None);
    let stranger = Certificate { signatures: vec![(party(0), [0; 64])], ..wide.clone() };
    assert_eq!(world.inherent(widen(stranger)), Err(Error::UnknownValidator.into()));
    assert_eq!(world.call(party(0), widen(wide.clone())), Err(DispatchError::BadOrigin));
    // Block 5 is the last that may.
    world.close();
    world.open(1, 0, Some(&three));
    world.next(1);
    assert_eq!(world.block.height, 5);
    assert_eq!(world.inherent(widen(wide.clone())), Ok(()));
    assert_eq!(world.inherent(widen(wide)), Err(Error::NothingNew.into()));
    world.next(1);
    world.next(1);
    world.next(1);
    assert_eq!(world.inherent(widen(late(&world, 3, &[3]))), Err(Error::WrongBlock.into()));
    // Nobody was absent from block 1 in the end, and one from block 3.
    assert_eq!(absences(&world.state), Absences { blocks: 3, missed: vec![0, 0, 0, 1] });
}

#[test]
fn who_is_not_shown_was_absent() {
    let mut world = World::new(4, 0);
    let three = [0, 1, 2].map(validator);
    world.signed_by(&three, 10);
    // Blocks 1 to 6 can be widened no more in block 11.
    assert_eq!(absences(&world.state), Absences { blocks: 6, missed: vec![0, 0, 0, 6] });
    world.eras(1);
    let missed = absences(&world.state);
    assert_eq!((missed.missed.len(), missed.missed[3]), (4, 0), "each session begins anew");
}

#[test]
fn authors_earn_by_the_power_that_they_show() {
    let points =
        |world: &World, who| world.points().individual.get(&who).copied().unwrap_or_default();
    let mut world = World::new(4, 0);
    world.close();
    world.open(1, 0, Some(&[0, 1, 2].map(validator)));
    let first = world.block.author;
    world.close();
    assert_eq!(points(&world, first), 750);
    world.open(1, 0, None);
    let (second, before) = (world.block.author, points(&world, world.block.author));
    let certificate = late(&world, 1, &[3]);
    assert_eq!(world.inherent(Call::widen_certificate { certificate }), Ok(()));
    world.close();
    assert_eq!(points(&world, second) - before, 1_250);
}

#[test]
fn who_lets_a_round_pass_forfeits_the_points_of_its_next_block() {
    let mut world = World::new(2, 0);
    let total = |world: &World| world.points().total;
    // A block in round 2: up to two proposers were passed over, maybe its author among them.
    world.close();
    let set = validators(&world.state);
    let skipped = [0, 1].map(|round| set.proposer(2, round).expect("there is one").account);
    world.open(1, 2, None);
    let mut owing: std::collections::BTreeSet<_> = skipped.into();
    for _ in 0..40 {
        let before = total(&world);
        let pays = owing.remove(&world.block.author);
        world.close();
        assert_eq!(total(&world) - before, if pays { 0 } else { CERTIFICATE_POINTS });
        world.open(1, 0, None);
    }
    assert!(owing.is_empty(), "everybody had a turn");
}
