//! Validators whose signatures are made elsewhere, or not at all.

use super::network::{GENESIS, account, key, start_at, validator_set};
use crate::{
    Config, Consensus, Content, Identity, Input, Message, Output, Signature, SignedVote, Slot,
    Time, Timer, Unsigned, Vote, VoteKind, VoteSigner, WithoutRecord, store::Recovered,
};
use ed25519_dalek::Signer;
use primitives::Hash;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

const BLOCK: Hash = Hash([5; 32]);

/// Signs with several keys while it is there.
struct Distant {
    there: Arc<AtomicBool>,
    keys: Vec<usize>,
}

impl VoteSigner for Distant {
    fn sign(
        &mut self,
        named: &[u8; 32],
        content: &Content,
        _known: Option<Slot>,
    ) -> Result<Signature, Unsigned> {
        if !self.there.load(Ordering::Relaxed) {
            return Err(Unsigned::NoAnswer);
        }
        let mut keys = self.keys.iter().map(|number| key(*number));
        let key = keys.find(|key| key.verifying_key().as_bytes() == named);
        let key = key.ok_or(Unsigned::NoKey)?;
        Ok(key.sign(&content.signed_bytes(&GENESIS)).to_bytes())
    }
}

fn new(keys: Vec<usize>, recovered: Recovered) -> (Consensus, Arc<AtomicBool>) {
    let there = Arc::new(AtomicBool::new(true));
    let signer = Box::new(Distant { there: there.clone(), keys });
    let identity = Identity { genesis: GENESIS, account: account(0), signer, shares_keys: true };
    let new = Consensus::new(Config::default(), identity, recovered, WithoutRecord::Override);
    (new.expect("sound"), there)
}

fn step(consensus: &mut Consensus, now_ms: u64, input: Input) -> Vec<Output> {
    let mut out = Vec::new();
    consensus.step(Time(now_ms), input, &mut out);
    out
}

fn begin(consensus: &mut Consensus, powers: &[u64]) -> Vec<Output> {
    step(consensus, 0, start_at(1, powers))
}

fn built(round: u32) -> Input {
    let body = Arc::new(b"a block".to_vec());
    Input::Built { height: 1, round, block: BLOCK, body }
}

fn timers(out: &[Output]) -> Vec<Timer> {
    let timer = |output: &Output| match output {
        Output::Schedule(timer, _) => Some(*timer),
        _ => None,
    };
    out.iter().filter_map(timer).collect()
}

fn says(out: &[Output]) -> bool {
    let said = |output: &Output| {
        matches!(output, Output::Broadcast(Message::Vote(_) | Message::Proposal(_)))
    };
    out.iter().any(said)
}

#[test]
fn a_validator_abstains_while_its_signer_is_away_and_votes_when_it_is_back() {
    let (mut consensus, there) = new(vec![0], Recovered::default());
    there.store(false, Ordering::Relaxed);
    let mut waiting = timers(&begin(&mut consensus, &[1]));
    let out = step(&mut consensus, 5, built(0));
    assert!(!says(&out), "{out:?}");
    waiting.extend(timers(&out));
    // Nobody else decides: without its vote nothing moves, however long it takes.
    let mut now_ms = 5;
    for _ in 0..20 {
        for timer in std::mem::take(&mut waiting) {
            now_ms += 10_000;
            let out = step(&mut consensus, now_ms, Input::Elapsed(timer));
            assert!(!says(&out) && !out.iter().any(|o| matches!(o, Output::Halt(_))), "{out:?}");
            waiting.extend(timers(&out));
        }
    }
    assert_eq!(consensus.round(), Some(0));
    there.store(true, Ordering::Relaxed);
    let decided = (0..100).any(|_| {
        let mut decided = false;
        for timer in std::mem::take(&mut waiting) {
            now_ms += 10_000;
            let mut out = step(&mut consensus, now_ms, Input::Elapsed(timer));
            for output in std::mem::take(&mut out) {
                match output {
                    Output::Build { round, .. } => {
                        out.extend(step(&mut consensus, now_ms, built(round)))
                    }
                    output => out.push(output),
                }
            }
            decided |= out.iter().any(|output| matches!(output, Output::Commit { .. }));
            waiting.extend(timers(&out));
        }
        decided
    });
    assert!(decided, "it goes on in the round in which it was left alone");
}

#[test]
fn each_height_is_signed_with_the_key_that_its_validators_know() {
    let (mut consensus, _) = new(vec![0, 9], Recovered::default());
    begin(&mut consensus, &[1]);
    let out = step(&mut consensus, 5, built(0));
    assert!(out.iter().any(|output| matches!(output, Output::Commit { .. })), "{out:?}");
    let mut validators = validator_set(&[1], 2);
    validators.validators[0].vote_key = key(9).verifying_key().to_bytes();
    let committed =
        Input::Committed { height: 1, stamp_ms: 1, validators, work: true, due_in_ms: None };
    step(&mut consensus, 600, committed);
    let body = Arc::new(b"a block".to_vec());
    let second = Input::Built { height: 2, round: 0, block: BLOCK, body };
    let out = step(&mut consensus, 700, second);
    let commit = out.iter().find_map(|output| match output {
        Output::Commit { certificate, .. } => Some(certificate.clone()),
        _ => None,
    });
    let certificate = commit.expect("it is decided");
    let signed = key(9).sign(&certificate.signed_bytes(&GENESIS)).to_bytes();
    assert_eq!(certificate.signatures, [(account(0), signed)]);
}

#[test]
fn what_another_node_of_the_validator_got_signed_binds_nobody_here() {
    let (mut consensus, there) = new(vec![0], Recovered::default());
    there.store(false, Ordering::Relaxed);
    let out = begin(&mut consensus, &[1; 4]);
    // The other node saw the block in time, this one did not.
    let vote = Vote {
        kind: VoteKind::Prevote,
        height: 1,
        round: 0,
        block: Some(BLOCK),
        validator: account(0),
    };
    let mut signed = SignedVote { vote, signature: [0; 64] };
    signed.signature = key(0).sign(&signed.signed_bytes(&GENESIS)).to_bytes();
    let mut all = step(&mut consensus, 1, Input::Received(Message::Vote(signed)));
    for timer in timers(&out) {
        all.extend(step(&mut consensus, 10_000, Input::Elapsed(timer)));
    }
    // What is logged is flushed with the next thing that is said: here, by others' nil votes.
    for node in 1..4 {
        for kind in [VoteKind::Prevote, VoteKind::Precommit] {
            let vote = Vote { kind, height: 1, round: 0, block: None, validator: account(node) };
            let mut signed = SignedVote { vote, signature: [0; 64] };
            signed.signature = key(node).sign(&signed.signed_bytes(&GENESIS)).to_bytes();
            all.extend(step(&mut consensus, 10_001, Input::Received(Message::Vote(signed))));
        }
    }
    for timer in timers(&all) {
        all.extend(step(&mut consensus, 20_000, Input::Elapsed(timer)));
    }
    assert!(!says(&all), "{all:?}");
    assert_eq!(consensus.round(), Some(1), "the others' votes ended the round");
    let mut records = Vec::new();
    for output in &all {
        if let Output::AppendWal(bytes) = output {
            records.extend(crate::wal::read(bytes).expect("whole").records);
        }
    }
    assert!(!records.is_empty());
    let (mut consensus, there) = new(vec![0], Recovered { records, guard: None });
    there.store(false, Ordering::Relaxed);
    let out = begin(&mut consensus, &[1; 4]);
    assert!(!out.iter().any(|output| matches!(output, Output::Halt(_))), "{out:?}");
    assert_eq!(consensus.round(), Some(1), "it stands where it stood");
}
