//! Single steps of one validator, by hand.

use super::network::{GENESIS, account, key, start_at, validator_set};
use crate::{
    Body, Bytes, Config, Consensus, Decided, Fault, Identity, Input, Message, Output, SignedVote,
    Step, Time, Timer, TimerKind, Verdict, Vote, VoteKind, WithoutRecord, store::Recovered,
    vote_bytes,
};
use ed25519_dalek::Signer;
use primitives::{Certificate, Hash};
use std::sync::Arc;

const BLOCK: Hash = Hash([5; 32]);
const OTHER: Hash = Hash([6; 32]);

/// One of equal validators, started at height 1 with no one else there.
fn start(node: usize, powers: &[u64]) -> (Consensus, Vec<Output>) {
    let identity = Identity::local(GENESIS, account(node), key(node));
    let (config, recovered) = (Config::default(), Recovered::default());
    let mut consensus =
        Consensus::new(config, identity, recovered, WithoutRecord::Override).expect("new");
    let mut out = Vec::new();
    consensus.step(Time(0), start_at(1, powers), &mut out);
    (consensus, out)
}

/// A node of four that does not propose first, and the propose timer of round 0.
fn waiting() -> (Consensus, Timer) {
    (0..4)
        .find_map(|node| {
            let (consensus, out) = start(node, &[1; 4]);
            let builds = out.iter().any(|output| matches!(output, Output::Build { .. }));
            let timer = out.iter().find_map(|output| match output {
                Output::Schedule(timer, _) if timer.kind == TimerKind::Propose(0) => Some(*timer),
                _ => None,
            })?;
            (!builds).then_some((consensus, timer))
        })
        .expect("three of four do not propose")
}

fn prevotes(out: &[Output]) -> usize {
    let is = |output: &&Output| match output {
        Output::Broadcast(Message::Vote(signed)) => signed.vote.kind == VoteKind::Prevote,
        _ => false,
    };
    out.iter().filter(is).count()
}

#[test]
fn a_timer_counts_once_and_not_after_it_was_cancelled() {
    let (mut consensus, timer) = waiting();
    let mut out = Vec::new();
    consensus.step(Time(3_000), Input::Elapsed(timer), &mut out);
    assert_eq!(prevotes(&out), 1, "nil for the missing proposal");
    out.clear();
    consensus.step(Time(3_001), Input::Elapsed(timer), &mut out);
    assert_eq!(out, [], "it has gone off already");

    let (mut consensus, timer) = waiting();
    let validators = validator_set(&[1; 4], 2);
    let start = Input::Start {
        height: 2,
        validators,
        parent: Hash([1; 32]),
        certificate: None,
        has_signed: false,
    };
    consensus.step(Time(10), start, &mut out);
    out.clear();
    consensus.step(Time(3_000), Input::Elapsed(timer), &mut out);
    assert_eq!(out, [], "it belongs to a height that is over");
}

#[test]
fn what_is_published_is_on_disk_before() {
    let (mut consensus, timer) = waiting();
    let mut out = Vec::new();
    consensus.step(Time(3_000), Input::Elapsed(timer), &mut out);
    let place = |is: fn(&Output) -> bool| out.iter().position(is).expect("is there");
    let log = place(|output| matches!(output, Output::AppendWal(_)));
    let guard = place(|output| matches!(output, Output::WriteGuard(_)));
    let vote = place(|output| matches!(output, Output::Broadcast(_)));
    assert!(log < guard && guard < vote);
}

#[test]
fn an_unnamed_block_is_not_looked_at() {
    let (mut consensus, _) = waiting();
    let mut out = Vec::new();
    for number in 0..20 {
        let bytes = Arc::new(vec![number; 100]);
        let body = Body { height: 1, round: 0, block: Hash([number; 32]), bytes };
        consensus.step(Time(1), Input::Received(Message::Body(body)), &mut out);
    }
    assert_eq!(out, []);
}

#[test]
fn without_guard_record_nothing_is_signed_until_the_chain_has_moved_on() {
    let identity = Identity::local(GENESIS, account(0), key(0));
    let without = WithoutRecord::Wait { started_ms: 1_000 };
    let mut consensus =
        Consensus::new(Config::default(), identity, Recovered::default(), without).expect("new");
    let mut out = Vec::new();
    let validators = validator_set(&[1], 5);
    let start = Input::Start {
        height: 5,
        validators,
        parent: GENESIS,
        certificate: None,
        has_signed: true,
    };
    consensus.step(Time(0), start, &mut out);
    let builds = |out: &[Output]| out.iter().any(|o| matches!(o, Output::Build { .. }));
    assert!(!builds(&out), "the only validator does not even propose");
    assert!(!out.iter().any(|output| matches!(output, Output::WriteGuard(_))));
}

/// A node that starts at a height with what a store held, and is given a block. Its outputs.
fn restarted(powers: &[u64], height: u32, recovered: Recovered, block: Hash) -> Vec<Output> {
    let identity = Identity::local(GENESIS, account(0), key(0));
    let without = WithoutRecord::Override;
    let mut consensus =
        Consensus::new(Config::default(), identity, recovered, without).expect("sound");
    let mut out = Vec::new();
    consensus.step(Time(0), start_at(height, powers), &mut out);
    let built = Input::Built { height, round: 0, block, body: body("a block") };
    consensus.step(Time(5), built, &mut out);
    out
}

/// What the only validator's store holds after a height: the record of the guard, and the log.
fn left_by(height: u32) -> Recovered {
    let mut recovered = Recovered::default();
    for output in restarted(&[1], height, Recovered::default(), BLOCK) {
        match output {
            Output::WriteGuard(record) => recovered.guard = Some(record),
            Output::AppendWal(bytes) => {
                recovered.records.extend(crate::wal::read(&bytes).expect("whole").records);
            }
            _ => {}
        }
    }
    assert!(recovered.guard.is_some() && !recovered.records.is_empty());
    recovered
}

fn fault(out: &[Output]) -> Option<&Fault> {
    match out {
        [.., Output::Halt(fault)] => Some(fault),
        _ => None,
    }
}

fn commits(out: &[Output]) -> bool {
    out.iter().any(|output| matches!(output, Output::Commit { .. }))
}

#[test]
fn the_only_validator_halts_if_its_log_is_lost_and_the_guard_is_not() {
    let whole = left_by(7);
    let out = restarted(&[1], 7, whole.clone(), BLOCK);
    assert!(commits(&out) && fault(&out).is_none(), "{out:?}");

    let without_log = Recovered { records: Vec::new(), ..whole };
    let out = restarted(&[1], 7, without_log.clone(), OTHER);
    let Some(Fault::LogLost { height: 7, last }) = fault(&out) else { panic!("{out:?}") };
    assert_eq!((last.height, last.round), (7, 0));
    assert!(!commits(&out));
    assert!(fault(&restarted(&[1; 4], 7, without_log.clone(), OTHER)).is_none(), "others go on");
    // The next height is above all that was signed.
    assert!(commits(&restarted(&[1], 8, without_log, OTHER)));
}

#[test]
fn the_only_validator_halts_if_the_chain_has_lost_blocks() {
    let whole = left_by(7);
    let (log, guard) = (whole.records.clone(), whole.guard.clone());
    for recovered in
        [whole, Recovered { records: Vec::new(), guard }, Recovered { records: log, guard: None }]
    {
        let out = restarted(&[1], 6, recovered.clone(), OTHER);
        assert_eq!(out, [Output::Halt(Fault::BlocksLost { height: 6, reached: 7 })]);
        let text = Fault::BlocksLost { height: 6, reached: 7 }.to_string();
        assert!(text.contains("block 5") && text.contains("height 7"), "{text}");
        assert!(fault(&restarted(&[1; 4], 6, recovered, OTHER)).is_none(), "others have them");
    }
}

fn body(text: &str) -> Bytes {
    Arc::new(text.as_bytes().to_vec())
}

fn step(consensus: &mut Consensus, now_ms: u64, input: Input) -> Vec<Output> {
    let mut out = Vec::new();
    consensus.step(Time(now_ms), input, &mut out);
    out
}

/// The only validator, which has decided height 1 at 20 ms, and its outputs since it was given the
/// block.
fn decided() -> (Consensus, Vec<Output>) {
    let (mut consensus, _) = start(0, &[1]);
    let built = Input::Built { height: 1, round: 0, block: BLOCK, body: body("a block") };
    let out = step(&mut consensus, 20, built);
    (consensus, out)
}

fn committed(work: bool, due_in_ms: Option<u64>) -> Input {
    let validators = validator_set(&[1], 2);
    Input::Committed { height: 1, stamp_ms: 1, validators, work, due_in_ms }
}

fn starts_next(out: &[Output]) -> bool {
    out.iter().any(|output| matches!(output, Output::Build { height: 2, .. }))
}

fn timer(out: &[Output], kind: TimerKind) -> (Timer, u64) {
    let scheduled = out.iter().find_map(|output| match output {
        Output::Schedule(timer, after_ms) if timer.kind == kind => Some((*timer, *after_ms)),
        _ => None,
    });
    scheduled.expect("the timer is started")
}

#[test]
fn another_node_with_the_same_key_halts_this_one() {
    let foreign = |round| {
        let block = Some(Hash([9; 32]));
        let vote = Vote { kind: VoteKind::Prevote, height: 1, round, block, validator: account(0) };
        let mut signed = SignedVote { vote, signature: [0; 64] };
        signed.signature = key(0).sign(&signed.signed_bytes(&GENESIS)).to_bytes();
        signed
    };
    for round in [0, 1] {
        let (mut consensus, _) = start(0, &[1; 4]);
        let own = step(&mut consensus, 4_000, Input::Received(Message::Vote(foreign(round))));
        let Some(Fault::Twin { slot }) = fault(&own) else { panic!("{own:?}") };
        assert_eq!((slot.height, slot.round, slot.step), (1, round, Step::Prevote));
        // Anybody can say so without the key.
        let (mut consensus, _) = start(0, &[1; 4]);
        let forged = SignedVote { signature: [1; 64], ..foreign(round) };
        let out = step(&mut consensus, 4_000, Input::Received(Message::Vote(forged)));
        assert_eq!(fault(&out), None);
    }
}

#[test]
fn one_sync_of_the_log_precedes_a_commit_and_one_of_the_guard_follows() {
    let (_, out) = decided();
    let order: Vec<_> = out
        .iter()
        .filter_map(|output| match output {
            Output::AppendWal(_) => Some("log"),
            Output::Commit { .. } => Some("commit"),
            Output::WriteGuard(_) => Some("guard"),
            Output::Broadcast(Message::Vote(_) | Message::Proposal(_)) => Some("send"),
            _ => None,
        })
        .collect();
    assert_eq!(order, ["log", "commit", "guard", "send", "send", "send"]);
}

#[test]
fn the_next_height_starts_at_once_when_work_comes_after_the_interval() {
    let (mut consensus, _) = decided();
    let out = step(&mut consensus, 30, committed(false, None));
    let (interval, after_ms) = timer(&out, TimerKind::Interval);
    assert_eq!(after_ms, 220, "250 ms after the height's start");
    assert_eq!(timer(&out, TimerKind::Heartbeat).1, 2_970);
    assert!(!starts_next(&step(&mut consensus, 250, Input::Elapsed(interval))));
    assert!(starts_next(&step(&mut consensus, 700, Input::WorkWaits)));
}

#[test]
fn work_that_comes_early_waits_for_the_interval() {
    let (mut consensus, _) = decided();
    let out = step(&mut consensus, 30, committed(false, None));
    let (interval, _) = timer(&out, TimerKind::Interval);
    assert!(!starts_next(&step(&mut consensus, 100, Input::WorkWaits)));
    assert!(starts_next(&step(&mut consensus, 250, Input::Elapsed(interval))));
}

#[test]
fn a_slow_height_is_followed_at_once_if_work_waits() {
    let (mut consensus, _) = decided();
    assert!(starts_next(&step(&mut consensus, 251, committed(true, None))));
}

#[test]
fn state_that_is_due_starts_the_next_height() {
    let (mut consensus, _) = decided();
    let out = step(&mut consensus, 30, committed(false, Some(900)));
    let (interval, _) = timer(&out, TimerKind::Interval);
    let (due, after_ms) = timer(&out, TimerKind::Due);
    assert_eq!(after_ms, 900);
    assert!(!starts_next(&step(&mut consensus, 250, Input::Elapsed(interval))));
    assert!(starts_next(&step(&mut consensus, 930, Input::Elapsed(due))));
}

#[test]
fn a_commit_that_was_not_asked_for_does_nothing() {
    let (mut consensus, _) = start(0, &[1]);
    assert_eq!(step(&mut consensus, 10, committed(true, None)), []);
}

/// Height 1's certificate for a block by nodes 1 to 3 of four.
fn certificate_for(block: Hash) -> Certificate {
    let message = vote_bytes(&GENESIS, Step::Precommit, 1, 0, Some(block));
    let sign = |node: usize| (account(node), key(node).sign(&message).to_bytes());
    let signatures = [1, 2, 3].map(sign).to_vec();
    Certificate { height: 1, round: 0, block, signatures }
}

fn certificate() -> Certificate {
    certificate_for(BLOCK)
}

fn final_block(certificate: &Certificate, text: &str) -> Input {
    let decided = Decided { certificate: certificate.clone(), body: body(text) };
    Input::Received(Message::Decided(decided))
}

fn checks(out: &[Output]) -> Vec<Bytes> {
    let check = |output: &Output| match output {
        Output::Check { proposed: None, body, .. } => Some(body.clone()),
        _ => None,
    };
    out.iter().filter_map(check).collect()
}

#[test]
fn a_final_block_from_a_peer_is_checked_and_committed() {
    let (mut consensus, _) = start(0, &[1; 4]);
    let out = step(&mut consensus, 5, final_block(&certificate(), "forged"));
    assert_eq!(checks(&out), [body("forged")]);
    let checked = |verdict| Input::Checked { height: 1, block: BLOCK, verdict };
    let out = step(&mut consensus, 6, checked(Verdict::Forged));
    assert_eq!(out, [Output::Want { height: 1, block: BLOCK }]);

    let out = step(&mut consensus, 7, final_block(&certificate(), "a block"));
    assert_eq!(checks(&out), [body("a block")]);
    let out = step(&mut consensus, 8, checked(Verdict::Valid));
    let commit = out.iter().find_map(|output| match output {
        Output::Commit { certificate, body } => Some((certificate.clone(), body.clone())),
        _ => None,
    });
    assert_eq!(commit, Some((certificate(), body("a block"))));

    let mut other = certificate();
    other.block = Hash([6; 32]);
    assert_eq!(step(&mut consensus, 9, final_block(&other, "unproved")), []);

    // Whoever lags does not wait for the interval.
    let validators = validator_set(&[1; 4], 2);
    let (height, stamp_ms) = (1, 1);
    let committed = Input::Committed { height, stamp_ms, validators, work: false, due_in_ms: None };
    step(&mut consensus, 9, committed);
    assert_eq!(consensus.height(), Some(2));
}

#[test]
fn a_final_block_without_proof_is_ignored() {
    let (mut consensus, _) = start(0, &[1; 4]);
    let changes: [fn(&mut Certificate); 4] = [
        |certificate| certificate.signatures.truncate(2),
        |certificate| certificate.signatures[1].1[3] ^= 1,
        |certificate| certificate.signatures[1] = certificate.signatures[0],
        |certificate| certificate.block = Hash([6; 32]),
    ];
    for change in changes {
        let mut certificate = certificate();
        change(&mut certificate);
        assert_eq!(step(&mut consensus, 5, final_block(&certificate, "a block")), []);
    }
}

#[test]
fn a_vote_for_a_later_height_tells_that_we_lag_only_if_its_signature_is_good() {
    let (mut consensus, _) = start(0, &[1; 4]);
    let kind = VoteKind::Prevote;
    let vote = Vote { kind, height: 9, round: 0, block: None, validator: account(2) };
    let mut signed = SignedVote { vote, signature: [1; 64] };
    let forged = Input::Received(Message::Vote(signed.clone()));
    assert_eq!(step(&mut consensus, 5, forged), []);
    signed.signature = key(2).sign(&signed.signed_bytes(&GENESIS)).to_bytes();
    let good = Input::Received(Message::Vote(signed));
    assert_eq!(step(&mut consensus, 5, good), [Output::Behind { height: 9 }]);
}

#[test]
fn a_proof_of_another_final_block_stops_the_node() {
    let (mut consensus, _) = start(0, &[1; 4]);
    step(&mut consensus, 5, final_block(&certificate(), "a block"));
    let valid = Input::Checked { height: 1, block: BLOCK, verdict: Verdict::Valid };
    step(&mut consensus, 6, valid);
    let theirs = certificate_for(Hash([6; 32]));
    let out = step(&mut consensus, 7, final_block(&theirs, "another block"));
    let (ours, theirs) = (Box::new(certificate()), Box::new(theirs));
    assert_eq!(out, [Output::Halt(Fault::Fork { ours, theirs })]);
    let again = final_block(&certificate(), "a block");
    assert_eq!(step(&mut consensus, 8, again), [], "it has stopped");
}
