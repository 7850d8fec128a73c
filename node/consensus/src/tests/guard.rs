use super::network::{GENESIS, account};
use crate::{
    Content, Proposal, Refusal, Signature, SignedVote, Unsigned, Vote, VoteKind, WithoutRecord,
    guard::{Guard, GuardError, Signed},
};
use primitives::{Hash, Height};

const A: Option<Hash> = Some(Hash([1; 32]));
const B: Option<Hash> = Some(Hash([2; 32]));

fn vote(kind: VoteKind, height: Height, round: u32, block: Option<Hash>) -> Vote {
    Vote { kind, height, round, block, validator: account(0) }
}

fn prevote(height: Height, round: u32, block: Option<Hash>) -> Vote {
    vote(VoteKind::Prevote, height, round, block)
}

fn new_guard(stored: Option<&[u8]>) -> Guard {
    Guard::new(GENESIS, account(0), stored, WithoutRecord::Override).expect("sound")
}

fn sign(guard: &mut Guard, vote: Vote) -> Result<Signature, Refusal> {
    guard.sign(&Content::Vote(vote), |_| Ok(signature(1)))
}

fn signature(byte: u8) -> Signature {
    [byte; 64]
}

#[test]
fn the_same_slot_gives_the_same_bytes_and_nothing_else() {
    let mut guard = new_guard(None);
    let first = sign(&mut guard, prevote(5, 1, A)).expect("free");
    let again = guard.sign(&Content::Vote(prevote(5, 1, A)), |_| panic!("must not sign anew"));
    assert_eq!(again, Ok(first));
    assert_eq!(sign(&mut guard, prevote(5, 1, B)), Err(Refusal::Conflict));
    assert_eq!(sign(&mut guard, prevote(5, 1, None)), Err(Refusal::Conflict));
}

#[test]
fn earlier_slots_are_refused_and_later_ones_signed() {
    let mut guard = new_guard(None);
    sign(&mut guard, vote(VoteKind::Precommit, 5, 1, A)).expect("free");
    for passed in [prevote(5, 1, A), prevote(5, 0, A), prevote(4, 9, A)] {
        assert_eq!(sign(&mut guard, passed), Err(Refusal::Passed));
    }
    let proposal = Proposal {
        height: 5,
        round: 1,
        block: Hash([1; 32]),
        pol_round: None,
        proposer: account(0),
    };
    assert_eq!(
        guard.sign(&Content::Proposal(proposal), |_| Ok(signature(2))),
        Err(Refusal::Passed)
    );
    sign(&mut guard, prevote(5, 2, B)).expect("a later round");
    sign(&mut guard, prevote(6, 0, B)).expect("a later height");
}

#[test]
fn a_proposal_and_both_votes_of_a_round_are_kept() {
    let mut guard = new_guard(None);
    let proposal = Proposal {
        height: 5,
        round: 0,
        block: Hash([1; 32]),
        pol_round: None,
        proposer: account(0),
    };
    guard.sign(&Content::Proposal(proposal.clone()), |_| Ok(signature(1))).expect("free");
    sign(&mut guard, prevote(5, 0, A)).expect("free");
    sign(&mut guard, vote(VoteKind::Precommit, 5, 0, A)).expect("free");
    let record = guard.take_changed().expect("it has changed");
    assert_eq!(guard.take_changed(), None, "it has not changed since");

    let mut guard = new_guard(Some(&record));
    let again = guard.sign(&Content::Proposal(proposal), |_| panic!("must not sign anew"));
    assert_eq!(again, Ok(signature(1)));
    assert_eq!(sign(&mut guard, prevote(5, 0, None)), Err(Refusal::Conflict));
    assert_eq!(sign(&mut guard, prevote(4, 0, None)), Err(Refusal::Passed));
}

#[test]
fn a_signature_that_does_not_come_leaves_the_slot_free() {
    let mut guard = new_guard(None);
    sign(&mut guard, prevote(5, 1, A)).expect("free");
    let last = guard.last();
    guard.take_changed();
    let precommit = Content::Vote(vote(VoteKind::Precommit, 5, 1, A));
    let absent = guard.sign(&precommit, |known| {
        assert_eq!(known, last, "the signer hears what is remembered");
        Err(Unsigned::NoAnswer)
    });
    assert_eq!(absent, Err(Refusal::Unsigned(Unsigned::NoAnswer)));
    assert_eq!((guard.last(), guard.take_changed()), (last, None));
    guard.sign(&precommit, |_| Ok(signature(2))).expect("it comes later");
}

#[test]
fn it_learns_from_the_log_only_what_is_newer() {
    let mut guard = new_guard(None);
    sign(&mut guard, prevote(5, 1, A)).expect("free");
    let older = SignedVote { vote: prevote(5, 0, B), signature: signature(3) };
    guard.observe(Signed::Vote(older));
    assert_eq!(sign(&mut guard, prevote(5, 0, B)), Err(Refusal::Passed));
    let newer = SignedVote { vote: prevote(5, 2, B), signature: signature(4) };
    guard.observe(Signed::Vote(newer.clone()));
    assert_eq!(sign(&mut guard, prevote(5, 2, B)), Ok(newer.signature));
    assert_eq!(sign(&mut guard, prevote(5, 2, A)), Err(Refusal::Conflict));
}

/// A guard that starts above blocks of which it knows no signature, or has this record.
fn started(stored: Option<&[u8]>, height: Height, signed_parent: bool) -> Guard {
    let without = WithoutRecord::Wait { started_ms: 1_000 };
    let mut guard = Guard::new(GENESIS, account(0), stored, without).expect("sound");
    guard.start(height, signed_parent, signed_parent);
    guard
}

#[test]
fn what_the_chain_shows_and_the_record_does_not_is_waited_for() {
    let mut old = new_guard(None);
    sign(&mut old, vote(VoteKind::Precommit, 8, 1, A)).expect("free");
    for stored in [None, Some(old.to_bytes())] {
        let mut guard = started(stored.as_deref(), 10, true);
        guard.on_certified(10, 1_000);
        assert!(!guard.may_sign(100), "that block may be older than this start");
        guard.on_certified(11, 1_001);
        assert!(!guard.may_sign(12));
        assert_eq!(sign(&mut guard, prevote(12, 0, A)), Err(Refusal::Waiting));
        assert!(guard.may_sign(13));
        guard.on_certified(12, 2_000);
        assert!(guard.may_sign(13), "the first block counts");
        sign(&mut guard, prevote(13, 0, A)).expect("two heights above");
        assert!(guard.take_changed().is_some());
    }
}

#[test]
fn who_has_not_signed_yet_and_who_knows_what_it_has_signs_at_once() {
    let mut new = started(None, 10, false);
    sign(&mut new, prevote(10, 0, A)).expect("the chain shows no signature of it");
    let mut old = new_guard(None);
    sign(&mut old, vote(VoteKind::Precommit, 9, 1, A)).expect("free");
    let mut known = started(Some(&old.to_bytes()), 10, true);
    sign(&mut known, prevote(10, 0, A)).expect("its last is the parent's");
    let mut told = new_guard(None);
    told.start(10, true, true);
    sign(&mut told, prevote(10, 0, A)).expect("the operator knows better");
}

#[test]
fn who_may_be_locked_signs_nothing_more_in_that_height() {
    let mut guard = new_guard(None);
    sign(&mut guard, vote(VoteKind::Precommit, 5, 1, A)).expect("free");
    let record = guard.to_bytes();
    let mut guard = started(Some(&record), 5, false);
    guard.on_no_log(4);
    assert!(guard.may_sign(5), "no log of another height is missed");
    guard.on_no_log(5);
    assert_eq!(sign(&mut guard, prevote(5, 2, B)), Err(Refusal::Waiting));
    sign(&mut guard, prevote(6, 0, B)).expect("nothing is locked there");
    let mut told = new_guard(Some(&record));
    told.on_no_log(5);
    sign(&mut told, prevote(5, 2, B)).expect("the operator knows better");
}

#[test]
fn who_is_not_alone_with_its_key_waits_for_the_other_to_be_gone() {
    let mut guard = started(None, 11, true);
    guard.on_certified(11, 1_001);
    for height in 12..20 {
        guard.on_twin(height);
        assert!(!guard.may_sign(height + 1));
    }
    assert!(guard.may_sign(21));
}

#[test]
fn foreign_and_broken_records_are_refused() {
    let mut guard = new_guard(None);
    sign(&mut guard, prevote(5, 1, A)).expect("free");
    let record = guard.take_changed().expect("it has changed");
    let open = |genesis, who, record: &[u8]| {
        Guard::new(genesis, who, Some(record), WithoutRecord::Override).expect_err("must fail")
    };
    let foreign = open(Hash([8; 32]), account(0), &record);
    assert!(matches!(foreign, GuardError::Foreign { .. }));
    assert!(matches!(open(GENESIS, account(1), &record), GuardError::Foreign { .. }));
    assert!(matches!(open(GENESIS, account(0), &record[1..]), GuardError::Malformed(_)));
    assert!(matches!(open(GENESIS, account(0), &[]), GuardError::Malformed(_)));
}
