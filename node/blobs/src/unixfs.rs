//! How a blob is laid out in blocks: UnixFS in dag-pb, in the one spelling that IPFS software writes.
//!
//! The root of a blob of several chunks is, in Protocol Buffers:
//!
//! ```text
//! PBNode { Links = 2: repeated PBLink, Data = 1: UnixFS }         links come first
//! PBLink { Hash = 1: CID, Name = 2: "", Tsize = 3: leaf's size }
//! UnixFS { Type = 1: File (2), filesize = 3, blocksizes = 4: repeated }
//! ```
//!
//! All sizes follow from the blob's size, so reading one means to take out hashes and size, write the root anew
//! and compare: what differs in any bit is refused.

use crate::cid::{CID_BYTES, Cid};
use primitives::Hash;
use unsigned_varint::{decode, encode};

/// Bytes of a chunk; only the last one of a blob is shorter.
pub const CHUNK_BYTES: usize = 1 << 20;
/// Most chunks of a blob, so that one root block suffices.
pub const LINKS_MAX: usize = 1024;
/// Most bytes of a blob: 1 GiB.
pub const BLOB_BYTES_MAX: u64 = (LINKS_MAX * CHUNK_BYTES) as u64;
/// Most bytes of a root block: per link at most 64, and the frame.
pub const ROOT_BYTES_MAX: usize = LINKS_MAX * 64 + 32;

/// Field 2 of a PBNode.
const TAG_LINK: u8 = 0x12;
/// Field 1 of a PBNode.
const TAG_DATA: u8 = 0x0a;
/// Field 1 of a PBLink.
const TAG_HASH: u8 = 0x0a;
/// Field 2 of a PBLink, followed by the length of the empty name.
const EMPTY_NAME: [u8; 2] = [0x12, 0];
/// Field 3 of a PBLink.
const TAG_TSIZE: u8 = 0x18;
/// Field 1 of UnixFS data, followed by the type of a file.
const TYPE_FILE: [u8; 2] = [0x08, 2];
/// Field 3 of UnixFS data.
const TAG_FILE_SIZE: u8 = 0x18;
/// Field 4 of UnixFS data.
const TAG_BLOCK_SIZE: u8 = 0x20;

/// The bytes are no root that this network writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the root block is not in this network's layout: UnixFS, chunks of {CHUNK_BYTES} bytes, raw leaves, \
     2 to {LINKS_MAX} links"
)]
pub struct BadRoot;

/// The root of a blob of at least two chunks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    leaves: Vec<Hash>,
    size: u64,
}

impl Root {
    /// A root over the chunks' hashes; `None` unless so many chunks make a blob of `size` bytes.
    pub fn new(leaves: Vec<Hash>, size: u64) -> Option<Self> {
        let fits = (2..=LINKS_MAX).contains(&leaves.len())
            && size.div_ceil(CHUNK_BYTES as u64) == leaves.len() as u64;
        fits.then_some(Self { leaves, size })
    }

    /// Bytes of the blob.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The chunks, in order.
    pub fn leaves(&self) -> impl ExactSizeIterator<Item = Cid> {
        self.leaves.iter().map(|hash| Cid::Raw(*hash))
    }

    /// Bytes of a chunk.
    pub fn leaf_size(&self, index: usize) -> u64 {
        let start = (index as u64).saturating_mul(CHUNK_BYTES as u64);
        self.size.saturating_sub(start).min(CHUNK_BYTES as u64)
    }

    /// The block.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(ROOT_BYTES_MAX.min(self.leaves.len() * 64 + 32));
        let mut data = TYPE_FILE.to_vec();
        data.push(TAG_FILE_SIZE);
        put_varint(&mut data, self.size);
        for (index, leaf) in self.leaves().enumerate() {
            let size = self.leaf_size(index);
            let mut link = vec![TAG_HASH];
            put_bytes(&mut link, &leaf.to_bytes());
            link.extend(EMPTY_NAME);
            link.push(TAG_TSIZE);
            put_varint(&mut link, size);
            out.push(TAG_LINK);
            put_bytes(&mut out, &link);
            data.push(TAG_BLOCK_SIZE);
            put_varint(&mut data, size);
        }
        out.push(TAG_DATA);
        put_bytes(&mut out, &data);
        out
    }

    /// Read a block, in the one spelling that [`Self::encode`] writes.
    pub fn decode(block: &[u8]) -> Result<Self, BadRoot> {
        if block.len() > ROOT_BYTES_MAX {
            return Err(BadRoot);
        }
        let (mut leaves, mut size, mut rest) = (Vec::new(), 0u64, block);
        while let Some(after) = rest.strip_prefix(&[TAG_LINK]) {
            let (link, after) = take_bytes(after)?;
            let (leaf, leaf_size) = take_link(link)?;
            leaves.push(leaf);
            size = size.checked_add(leaf_size).ok_or(BadRoot)?;
            rest = after;
        }
        let root = Self::new(leaves, size).ok_or(BadRoot)?;
        if root.encode() == block { Ok(root) } else { Err(BadRoot) }
    }
}

/// Names a blob whose chunks come one by one.
#[derive(Default)]
pub struct Splitter {
    leaves: Vec<Hash>,
    size: u64,
}

impl Splitter {
    /// Take the next chunk and name it. Each but the last has [`CHUNK_BYTES`]; a blob of nothing is one empty chunk.
    ///
    /// # Panics
    /// If a chunk is too long, follows a short one, or is empty though others came before: caller's mistakes.
    pub fn push(&mut self, chunk: &[u8]) -> Cid {
        assert!(chunk.len() <= CHUNK_BYTES, "a chunk has at most {CHUNK_BYTES} bytes");
        assert!(self.size.is_multiple_of(CHUNK_BYTES as u64), "only the last chunk is short");
        assert!(
            !chunk.is_empty() || self.leaves.is_empty(),
            "only a blob of nothing has an empty chunk"
        );
        let leaf = Cid::of_raw(chunk);
        self.leaves.push(leaf.hash());
        self.size += chunk.len() as u64;
        leaf
    }

    /// Bytes so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The blob's name, and its root block unless its only chunk is the whole; `None` if there are more than
    /// [`LINKS_MAX`] chunks.
    pub fn finish(mut self) -> Option<(Cid, Option<Vec<u8>>)> {
        if self.leaves.is_empty() {
            self.push(&[]);
        }
        if let [only] = self.leaves[..] {
            return Some((Cid::Raw(only), None));
        }
        let block = Root::new(self.leaves, self.size)?.encode();
        Some((Cid::of_root(&block), Some(block)))
    }
}

fn put_varint(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(encode::u64(number, &mut encode::u64_buffer()));
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn take_bytes(input: &[u8]) -> Result<(&[u8], &[u8]), BadRoot> {
    let (length, rest) = decode::u64(input).map_err(|_| BadRoot)?;
    let length = usize::try_from(length).map_err(|_| BadRoot)?;
    rest.split_at_checked(length).ok_or(BadRoot)
}

fn take_link(link: &[u8]) -> Result<(Hash, u64), BadRoot> {
    let (cid, rest) = take_bytes(link.strip_prefix(&[TAG_HASH]).ok_or(BadRoot)?)?;
    let Ok(Cid::Raw(leaf)) = Cid::from_bytes(cid) else { return Err(BadRoot) };
    let rest = rest.strip_prefix(&EMPTY_NAME).and_then(|rest| rest.strip_prefix(&[TAG_TSIZE]));
    let (size, rest) = decode::u64(rest.ok_or(BadRoot)?).map_err(|_| BadRoot)?;
    if rest.is_empty() { Ok((leaf, size)) } else { Err(BadRoot) }
}

const _: () =
    assert!(2 + CID_BYTES + 2 + 1 + 4 + 2 + 5 <= 64, "a link and its size fit their bound");
