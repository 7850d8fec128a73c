//! What nodes say to each other about final blocks, and how a request for them is answered.

use codec::{Compact, Decode, DecodeAll, Encode};
use primitives::{Certificate, Hash, Height};
use storage::Database;

/// Most blocks that one request may name.
pub const REQUEST_BLOCKS_MAX: u32 = 256;
/// Largest encoded response. It has room for any block, with its certificate.
pub const RESPONSE_BYTES_MAX: usize = 8 << 20;
/// Largest encoded request: height and count.
pub const REQUEST_BYTES_MAX: usize = 8;
/// Largest encoded status: height and hash.
pub const STATUS_BYTES_MAX: usize = 36;
/// Most signatures of one certificate: as many as a height may have validators.
pub const SIGNATURES_MAX: usize = 512;
/// Bytes of a response that its count of blocks may take.
const COUNT_BYTES_MAX: usize = 5;

// The rest is header, certificates and length prefixes: a transaction has about a hundred bytes or more.
const _: () = assert!(runtime::BLOCK_BYTES_MAX as usize + (2 << 20) < RESPONSE_BYTES_MAX);

/// The newest final block of a peer. Sent when two nodes meet, and with each new block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Status {
    /// Its height.
    pub height: Height,
    /// Its hash.
    pub hash: Hash,
}

/// A request for blocks in a row. Those that the peer does not have are left out, as is what does not
/// fit into a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Request {
    /// Height of the first block.
    pub from: Height,
    /// How many blocks, in 1..=[`REQUEST_BLOCKS_MAX`].
    pub count: u32,
}

/// An encoded block and the proof that it is final.
pub type Entry = (Vec<u8>, Certificate);

/// Bytes that no honest peer sends.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// Above the limit of their kind.
    #[error("{bytes} bytes are above the limit of {most}")]
    TooLong {
        /// How many came.
        bytes: usize,
        /// How many may come.
        most: usize,
    },
    /// Not SCALE of what was expected.
    #[error("the bytes can't be decoded: {0}")]
    Malformed(#[from] codec::Error),
    /// No block, or more than [`REQUEST_BLOCKS_MAX`].
    #[error("{0} blocks are none or above the limit of {REQUEST_BLOCKS_MAX}")]
    BadCount(u32),
    /// More signatures than a set has validators.
    #[error("{0} signatures are more than the {SIGNATURES_MAX} validators that a height may have")]
    TooManySignatures(usize),
}

impl Status {
    /// Decodes what a peer sent.
    ///
    /// # Errors
    ///
    /// If it is not exactly a status.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, WireError> {
        check_length(bytes, STATUS_BYTES_MAX)?;
        Ok(Self::decode_all(&mut &bytes[..])?)
    }
}

impl Request {
    /// Decodes what a peer sent.
    ///
    /// # Errors
    ///
    /// If it is not exactly a request, or its count is out of bounds.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, WireError> {
        check_length(bytes, REQUEST_BYTES_MAX)?;
        let request = Self::decode_all(&mut &bytes[..])?;
        if (1..=REQUEST_BLOCKS_MAX).contains(&request.count) {
            Ok(request)
        } else {
            Err(WireError::BadCount(request.count))
        }
    }

    /// Height of the last block.
    pub fn last(&self) -> Height {
        self.from.saturating_add(self.count.saturating_sub(1))
    }
}

/// Decodes a response. Blocks stay encoded: who sends a certificate that proves nothing shall not make
/// this node decode what came with it.
///
/// # Errors
///
/// If it is not exactly a response, or above a limit.
pub fn decode_response(bytes: &[u8]) -> Result<Vec<Entry>, WireError> {
    check_length(bytes, RESPONSE_BYTES_MAX)?;
    let mut rest = bytes;
    let Compact(count) = Compact::<u32>::decode(&mut rest)?;
    if count > REQUEST_BLOCKS_MAX {
        return Err(WireError::BadCount(count));
    }
    let mut entries = Vec::new();
    for _ in 0..count {
        let entry = Entry::decode(&mut rest)?;
        let signatures = entry.1.signatures.len();
        if signatures > SIGNATURES_MAX {
            return Err(WireError::TooManySignatures(signatures));
        }
        entries.push(entry);
    }
    if rest.is_empty() { Ok(entries) } else { Err(codec::Error::from("bytes are left").into()) }
}

/// The response to a request: the blocks from its first on, until one is missing or the limit of bytes
/// is reached.
///
/// # Errors
///
/// If the database fails.
pub fn answer(database: &Database, request: Request) -> Result<Vec<u8>, storage::Error> {
    let mut entries = Vec::new();
    let mut count = 0u32;
    for height in request.from..=request.last() {
        let (block, certificate) = (database.block(height)?, database.certificate(height)?);
        let (Some(block), Some(certificate)) = (block, certificate) else { break };
        let entry = (block.encode(), certificate).encode();
        if COUNT_BYTES_MAX + entries.len() + entry.len() > RESPONSE_BYTES_MAX {
            break;
        }
        entries.extend_from_slice(&entry);
        count += 1;
    }
    let mut bytes = Compact(count).encode();
    bytes.append(&mut entries);
    Ok(bytes)
}

fn check_length(bytes: &[u8], most: usize) -> Result<(), WireError> {
    let bytes = bytes.len();
    if bytes > most { Err(WireError::TooLong { bytes, most }) } else { Ok(()) }
}
