//! The write-ahead log's records: everything that moved consensus at a height, in order, so that a
//! node which comes back stands where it stood.
//!
//! Each append is one frame: `length: u32 LE ++ crc32: u32 LE ++ SCALE of [`Record`]s`, one after the
//! other; the checksum covers length and content. An append is synced before the next begins, so
//! that a crash harms the last frame alone, but anywhere in it: pages reach a disk in any order. A
//! bad frame at the end is dropped as a whole. A bad frame that is followed by a good one of the
//! same height is damage, not a crash, and an error.

use crate::message::{BODY_BYTES_MAX, Body, PolkaCertificate, SignedProposal, SignedVote};
use codec::{Decode, Encode};
use primitives::{AccountId, Hash, Height};

/// Largest content of a record: a block and some framing.
pub const RECORD_BYTES_MAX: usize = BODY_BYTES_MAX + 1_024;
/// Largest content of a frame: any record fits, and more go into the next append.
pub const APPEND_BYTES_MAX: usize = RECORD_BYTES_MAX;
/// Bytes before a frame's content.
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
    /// A vote in our name that another node of this validator got signed.
    TwinVote(SignedVote),
    /// A proposal of that kind.
    TwinProposal(SignedProposal),
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
    "the write-ahead log is damaged {offset} bytes after its header, and what was appended later is \
     whole: that is a disk's fault, not a crash; restore the file from a copy or move it away"
)]
pub struct WalError {
    /// Where the damaged frame begins, in bytes after the log's header.
    pub offset: usize,
}

/// Records that are appended and synced together: a frame in the making.
#[derive(Debug, Default)]
pub struct Append(Vec<u8>);

impl Append {
    /// Whether there is nothing to append.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether there is room for the record; there is if this is empty.
    pub fn has_room(&self, record: &Record) -> bool {
        self.is_empty() || self.0.len() + record.encoded_size() <= FRAME_BYTES + APPEND_BYTES_MAX
    }

    /// Add a record.
    pub fn push(&mut self, record: &Record) {
        if self.is_empty() {
            self.0.resize(FRAME_BYTES, 0);
        }
        record.encode_to(&mut self.0);
    }

    /// The frame, as it is appended to the log. There must be a record in it.
    pub fn finish(self) -> Vec<u8> {
        let Self(mut frame) = self;
        let (header, content) = frame.split_at_mut(FRAME_BYTES);
        let length = u32::try_from(content.len()).expect("appends are far below 4 GiB");
        let (length_bytes, sum) = header.split_at_mut(4);
        length_bytes.copy_from_slice(&length.to_le_bytes());
        sum.copy_from_slice(&checksum(length, content).to_le_bytes());
        frame
    }
}

/// What a log holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// The records of the good frames, in order.
    pub records: Vec<Record>,
    /// Bytes of the good frames; behind them is a torn end, to be cut off.
    pub good_bytes: usize,
}

/// Read the frames after a log's header.
pub fn read(log: &[u8]) -> Result<Log, WalError> {
    let mut records = Vec::new();
    let mut good_bytes = 0;
    while let Some((more, length)) = read_frame(&log[good_bytes..]) {
        records.extend(more);
        good_bytes += length;
    }
    let height = last_height(&records);
    match frame_after_bad(&log[good_bytes..]) {
        // A lower height is what a shortened file may have left behind.
        Some(next) if last_height(&next) >= height => Err(WalError { offset: good_bytes }),
        _ => Ok(Log { records, good_bytes }),
    }
}

fn last_height(records: &[Record]) -> Height {
    records.last().map_or(0, |record| record.height)
}

/// The records of the first frame and its length; `None` if it is not whole.
fn read_frame(log: &[u8]) -> Option<(Vec<Record>, usize)> {
    let (length, rest) = log.split_first_chunk::<4>()?;
    let (sum, rest) = rest.split_first_chunk::<4>()?;
    let length = u32::from_le_bytes(*length);
    let bytes = usize::try_from(length).ok().filter(|bytes| *bytes <= APPEND_BYTES_MAX)?;
    let content = rest.get(..bytes)?;
    if checksum(length, content) != u32::from_le_bytes(*sum) {
        return None;
    }
    let mut rest = content;
    let mut records = Vec::new();
    while !rest.is_empty() {
        records.push(Record::decode(&mut rest).ok()?);
    }
    Some((records, FRAME_BYTES + bytes))
}

/// The frame behind a bad one, by the bad one's length. If the length itself is bad, nothing is
/// found, and the rest counts as torn: a search at every byte could be led astray by the content of
/// a block.
fn frame_after_bad(log: &[u8]) -> Option<Vec<Record>> {
    let length = u32::from_le_bytes(*log.first_chunk()?);
    let bytes = usize::try_from(length).ok()?;
    let rest = log.get(FRAME_BYTES.checked_add(bytes)?..)?;
    read_frame(rest).map(|(records, _)| records)
}

fn checksum(length: u32, content: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&length.to_le_bytes());
    hasher.update(content);
    hasher.finalize()
}
