use super::network::account;
use crate::{
    Body, Decided, Message, PolkaCertificate, Proposal, RoundCertificate, RoundReason, RoundVote,
    SignedProposal, SignedVote, Vote, VoteKind,
    wal::{APPEND_BYTES_MAX, Append, ElapsedStep, Entry, Record, read},
};
use primitives::{Certificate, Hash};
use proptest::prelude::*;
use std::sync::Arc;

const BLOCK: Hash = Hash([4; 32]);

/// One of each kind.
pub(super) fn messages() -> [Message; 6] {
    let vote = |kind, block| SignedVote {
        vote: Vote { kind, height: 9, round: 1, block, validator: account(1) },
        signature: [7; 64],
    };
    let proposal = |pol_round| SignedProposal {
        proposal: Proposal { height: 9, round: 1, block: BLOCK, pol_round, proposer: account(2) },
        signature: [8; 64],
    };
    let signatures = vec![(account(0), [1; 64]), (account(1), [2; 64])];
    let round_vote = RoundVote {
        kind: VoteKind::Precommit,
        block: None,
        validator: account(3),
        signature: [3; 64],
    };
    let bytes = Arc::new(vec![1, 2, 3]);
    [
        Message::Vote(vote(VoteKind::Prevote, None)),
        Message::Proposal(proposal(Some(0))),
        Message::Polka(PolkaCertificate {
            height: 9,
            round: 1,
            block: BLOCK,
            signatures: signatures.clone(),
        }),
        Message::Round(RoundCertificate {
            height: 9,
            round: 1,
            reason: RoundReason::Precommit,
            votes: vec![round_vote],
        }),
        Message::Body(Body { height: 9, round: 1, block: BLOCK, bytes: bytes.clone() }),
        Message::Decided(Decided {
            certificate: Certificate { height: 9, round: 1, block: BLOCK, signatures },
            body: bytes,
        }),
    ]
}

/// One of each kind.
fn records() -> Vec<Record> {
    let entry = |message| match message {
        Message::Vote(signed) => Some(Entry::Vote(signed)),
        Message::Proposal(signed) => Some(Entry::Proposal(signed)),
        Message::Polka(polka) => Some(Entry::Polka(polka)),
        Message::Body(body) => Some(Entry::Body(body)),
        Message::Round(_) | Message::Decided(_) => None,
    };
    let mut entries: Vec<_> = messages().into_iter().filter_map(entry).collect();
    entries.push(Entry::Value { round: 1, proposer: account(2), block: BLOCK, valid: true });
    for step in [ElapsedStep::Propose, ElapsedStep::Prevote, ElapsedStep::Precommit] {
        entries.push(Entry::Elapsed { step, round: 1 });
    }
    entries.into_iter().map(|entry| Record { height: 9, entry }).collect()
}

fn framed(records: &[Record]) -> Vec<u8> {
    let mut append = Append::default();
    records.iter().for_each(|record| append.push(record));
    append.finish()
}

/// Each record in an append of its own, and where the appends end.
fn log(records: &[Record]) -> (Vec<u8>, Vec<usize>) {
    let mut log = Vec::new();
    let mut ends = vec![0];
    for record in records {
        log.extend(framed(std::slice::from_ref(record)));
        ends.push(log.len());
    }
    (log, ends)
}

#[test]
fn every_kind_of_record_survives_the_log() {
    let records = records();
    let (log, _) = log(&records);
    let read = read(&log).expect("whole");
    assert_eq!(read.records, records);
    assert_eq!(read.good_bytes, log.len());
}

#[test]
fn a_log_torn_at_any_byte_keeps_the_records_before() {
    let records = records();
    let (log, ends) = log(&records);
    for cut in 0..=log.len() {
        let whole = ends.iter().filter(|end| **end <= cut).count() - 1;
        let read = read(&log[..cut]).expect("a torn end is no damage");
        assert_eq!(read.records, records[..whole]);
        assert_eq!(read.good_bytes, ends[whole]);
        // A file system may have made the file long before it wrote the content.
        let mut zeros = log[..cut].to_vec();
        zeros.resize(log.len() + 20, 0);
        let whole_with_zeros = crate::wal::read(&zeros).expect("a torn end is no damage");
        assert!(whole_with_zeros.records.len() >= whole);
        assert_eq!(whole_with_zeros.records, records[..whole_with_zeros.records.len()]);
    }
}

#[test]
fn a_flipped_bit_never_gives_a_wrong_record() {
    let records = records();
    let (log, ends) = log(&records);
    for byte in 0..log.len() {
        for bit in 0..8 {
            let mut damaged = log.clone();
            damaged[byte] ^= 1 << bit;
            let hit = ends.iter().filter(|end| **end <= byte).count() - 1;
            let length_is_hit = byte - ends[hit] < 4;
            match read(&damaged) {
                Ok(read) => {
                    assert_eq!(read.records, records[..hit]);
                    assert!(hit + 1 == records.len() || length_is_hit);
                }
                Err(error) => assert_eq!(error.offset, ends[hit]),
            }
        }
    }
}

/// After a power cut each page of the last append may be there or not.
#[test]
fn an_append_of_which_pages_are_missing_is_cut_as_a_whole() {
    const PAGE: usize = 32;
    let (first, last) = (framed(&records()[..3]), framed(&records()));
    for gone in 0..last.len().div_ceil(PAGE) {
        let mut torn = last.clone();
        let page = gone * PAGE..last.len().min((gone + 1) * PAGE);
        torn[page].fill(0);
        let log = read(&[first.clone(), torn].concat()).expect("a power cut is no damage");
        assert_eq!((log.records, log.good_bytes), (records()[..3].to_vec(), first.len()));
    }
    let whole = read(&[first, last].concat()).expect("whole");
    assert_eq!(whole.records, [&records()[..3], &records()].concat());
}

#[test]
fn an_append_has_room_for_the_largest_record_and_no_more() {
    let bytes = Arc::new(vec![0; crate::BODY_BYTES_MAX]);
    let body = Body { height: 9, round: 1, block: BLOCK, bytes };
    let record = Record { height: 9, entry: Entry::Body(body) };
    let mut append = Append::default();
    assert!(append.has_room(&record));
    append.push(&record);
    assert!(!append.has_room(&record) && append.has_room(&records()[0]));
    let frame = append.finish();
    assert!(frame.len() <= 8 + APPEND_BYTES_MAX);
    assert_eq!(read(&frame).expect("whole").records, [record]);
}

#[test]
fn damage_before_records_of_the_same_height_is_an_error_and_leftovers_are_not() {
    let (mut log, ends) = log(&records());
    log[ends[2] + 20] ^= 1;
    assert_eq!(read(&log).expect_err("damaged").offset, ends[2]);

    // A new height's record, torn, over what an older height left behind.
    let old = Record { height: 8, entry: Entry::Elapsed { step: ElapsedStep::Propose, round: 0 } };
    let new = Record { height: 9, ..old.clone() };
    let one = |record: &Record| framed(std::slice::from_ref(record));
    let mut log = one(&new);
    let good = log.len();
    log.extend(one(&new));
    *log.last_mut().expect("not empty") ^= 1;
    log.extend(one(&old));
    let read = read(&log).expect("leftovers are no damage");
    assert_eq!((read.records, read.good_bytes), (vec![new], good));
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(log) = read(&bytes) {
            prop_assert!(log.good_bytes <= bytes.len());
        }
    }
}
