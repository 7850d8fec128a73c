//! The write-ahead log's records: everything that moved consensus at a height, in order, so that a
//! node which comes back stands where it stood.
//!
//! A record is `length: u32 LE ++ crc32: u32 LE ++ SCALE of [`Record`]`; the checksum covers length
//! and content. The log is only ever appended to, so what a crash tears off is its end: a bad
//! record at the end is dropped with all behind it. A bad record that is followed by a good one of
//! the same height is damage, not a crash, and an error.

use crate::message::{BODY_BYTES_MAX, Body, PolkaCertificate, SignedProposal, SignedVote};
use codec::{Decode, DecodeAll, Encode};
use primitives::{AccountId, Hash, Height};

/// Largest content of a record: a block and some framing.
pub const RECORD_BYTES_MAX: usize = BODY_BYTES_MAX + 1_024;
/// Bytes before a record's content.
const FRAME_BYTES: usize = 8;

/// A timeout that moved a round on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum ElapsedStep {
    /// Of the wait for a proposal.
    Propose,
    /// Of the wait for prevotes.
    Prevote,
    /// Of the wait for precommits.
    Precommit,
}

/// What moved consensus.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Entry {
    /// A vote, ours or a peer's.
    Vote(SignedVote),
    /// A proposal, ours or a peer's.
    Proposal(SignedProposal),
    /// A block was built or checked.
    Value {
        /// Round for which it was proposed.
        round: u32,
        /// Who proposed it.
        proposer: AccountId,
        /// Its hash.
        block: Hash,
        /// Whether it is valid.
        valid: bool,
    },
    /// A timeout.
    Elapsed {
        /// What was waited for.
        step: ElapsedStep,
        /// Round of the wait.
        round: u32,
    },
    /// A polka that a peer sent.
    Polka(PolkaCertificate),
    /// A block's content: peers may be gone when it must be committed.
    Body(Body),
}

/// An entry and its height.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Record {
    /// Height at which consensus was.
    pub height: Height,
    /// What moved it.
    pub entry: Entry,
}

/// A damaged log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the write-ahead log is damaged {offset} bytes after its header, and good records follow: \
     move the file away and start again; the last-signed guard still prevents double signing"
)]
pub struct WalError {
    /// Where the damaged record begins, in bytes after the log's header.
    pub offset: usize,
}

impl Record {
    /// Append the record, framed, to `log`.
    pub fn write(&self, log: &mut Vec<u8>) {
        let content = self.encode();
        let length = u32::try_from(content.len()).expect("records are far below 4 GiB");
        log.extend_from_slice(&length.to_le_bytes());
        log.extend_from_slice(&checksum(length, &content).to_le_bytes());
        log.extend_from_slice(&content);
    }
}

/// What a log holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// The good records, in order.
    pub records: Vec<Record>,
    /// Bytes of the good records; behind them is a torn end, to be cut off.
    pub good_bytes: usize,
}

/// Read the records after a log's header.
pub fn read(log: &[u8]) -> Result<Log, WalError> {
    let mut records = Vec::new();
    let mut good_bytes = 0;
    while let Some((record, length)) = read_record(&log[good_bytes..]) {
        records.push(record);
        good_bytes += length;
    }
    let height = records.last().map_or(0, |record| record.height);
    match record_after_bad(&log[good_bytes..]) {
        // A lower height is what a shortened file may have left behind.
        Some(next) if next.height >= height => Err(WalError { offset: good_bytes }),
        _ => Ok(Log { records, good_bytes }),
    }
}

/// The first record and its length with the frame; `None` if it is not whole.
fn read_record(log: &[u8]) -> Option<(Record, usize)> {
    let (length, rest) = log.split_first_chunk::<4>()?;
    let (sum, rest) = rest.split_first_chunk::<4>()?;
    let length = u32::from_le_bytes(*length);
    let bytes = usize::try_from(length).ok().filter(|bytes| *bytes <= RECORD_BYTES_MAX)?;
    let content = rest.get(..bytes)?;
    if checksum(length, content) != u32::from_le_bytes(*sum) {
        return None;
    }
    let record = Record::decode_all(&mut &content[..]).ok()?;
    Some((record, FRAME_BYTES + bytes))
}

/// The record behind a bad one, by the bad one's length. If the length itself is bad, nothing is
/// found, and the rest counts as torn: a search at every byte could be led astray by the content of
/// a block.
fn record_after_bad(log: &[u8]) -> Option<Record> {
    let length = u32::from_le_bytes(*log.first_chunk()?);
    let bytes = usize::try_from(length).ok()?;
    let rest = log.get(FRAME_BYTES.checked_add(bytes)?..)?;
    read_record(rest).map(|(record, _)| record)
}

fn checksum(length: u32, content: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&length.to_le_bytes());
    hasher.update(content);
    hasher.finalize()
}
