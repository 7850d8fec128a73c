//! The state in pieces, each with a proof that it is whole, and their verifier.
//!
//! A chunk holds all entries of the state whose paths begin with some bits: one subtree of the tree
//! that [`crate::proof`] describes. Its proof is the way from the root to that subtree, so a chunk
//! verifies on its own against the state root, and an entry that is missing, added, changed or
//! doubled leads to another root. The halves of a subtree that is too large for one chunk are two
//! subtrees; whoever has asked for all of them, whatever their sizes, has the state.

use crate::{
    Hash, RawKey, RawValue,
    crypto::hash::{blake2_256_all, blake2_256_each},
    proof::{EMPTY_NODE, PROOF_SIBLINGS_MAX, inner_node, leaf_node, node_above, turns_right},
};
use codec::{Compact, Decode, DecodeAll, Encode, Error, Input, Output};
use std::collections::BTreeSet;

/// Most bytes of a chunk's entries, as [`entry_bytes`] counts them. Only an entry that is alone in its
/// chunk may have more.
pub const CHUNK_BYTES_MAX: usize = 1 << 20;
/// Most bytes of an encoded chunk: a value alone in its chunk may have this size, as the event record
/// of a full block does.
pub const CHUNK_MESSAGE_BYTES_MAX: usize = 32 << 20;
/// What an entry counts beside its key and its value: at least what their encoded lengths take.
const ENTRY_OVERHEAD_BYTES: usize = 8;
/// Bits of a path.
const PATH_BITS: usize = 256;

/// A key and its value.
pub type StateEntry = (RawKey, RawValue);

/// What an entry counts towards [`CHUNK_BYTES_MAX`].
pub const fn entry_bytes(key: &[u8], value: &[u8]) -> usize {
    key.len() + value.len() + ENTRY_OVERHEAD_BYTES
}

/// The first bits that some paths have in common: the name of a subtree.
///
/// Prefixes are ordered as the subtrees lie in the tree, one that holds others before them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode)]
pub struct PathPrefix {
    /// The bits; all others are zero.
    path: [u8; 32],
    /// Number of bits, at most 256.
    depth: u16,
}

impl PathPrefix {
    /// That of the whole tree.
    pub const ROOT: Self = Self { path: [0; 32], depth: 0 };

    /// The first `depth` bits of a path.
    ///
    /// # Panics
    ///
    /// If `depth` is above 256.
    pub fn new(path: &[u8; 32], depth: usize) -> Self {
        assert!(depth <= PATH_BITS, "a path has no more bits than 256");
        let mut bits = *path;
        for (at, byte) in bits.iter_mut().enumerate() {
            let kept = depth.saturating_sub(at * 8).min(8);
            *byte &= !(0xff_u16 >> kept).to_be_bytes()[1];
        }
        Self { path: bits, depth: u16::try_from(depth).expect("at most 256") }
    }

    /// Number of bits.
    pub fn depth(&self) -> usize {
        usize::from(self.depth)
    }

    /// The bits, with zeros behind them: the first path of the subtree.
    pub const fn path(&self) -> &[u8; 32] {
        &self.path
    }

    /// Whether a path begins with these bits.
    pub fn contains(&self, path: &[u8; 32]) -> bool {
        Self::new(path, self.depth()).path == self.path
    }

    /// Whether the other subtree is this one or lies in it.
    pub fn covers(&self, other: &Self) -> bool {
        self.depth <= other.depth && self.contains(&other.path)
    }

    /// The left and the right half; `None` for a whole path, which has none.
    pub fn halves(&self) -> Option<[Self; 2]> {
        let (place, depth) = (self.depth(), self.depth + 1);
        let mut right = self.path;
        *right.get_mut(place / 8)? |= 0x80 >> (place % 8);
        Some([Self { path: self.path, depth }, Self { path: right, depth }])
    }

    /// The subtree whose half this one is; `None` for the whole tree.
    pub fn parent(&self) -> Option<Self> {
        Some(Self::new(&self.path, self.depth().checked_sub(1)?))
    }

    /// The subtrees, as large as they can be, that together with the known ones are the whole tree,
    /// in order.
    pub fn missing(known: &BTreeSet<Self>) -> Vec<Self> {
        let mut missing = Vec::new();
        let mut rest = vec![Self::ROOT];
        while let Some(part) = rest.pop() {
            let inside = known.range(part..).next().filter(|first| part.covers(first));
            match (inside, part.halves()) {
                (None, _) => missing.push(part),
                (Some(first), _) if *first == part => {}
                (Some(_), Some([left, right])) => rest.extend([right, left]),
                (Some(_), None) => {}
            }
        }
        missing
    }
}

impl Decode for PathPrefix {
    fn decode<I: Input>(input: &mut I) -> Result<Self, Error> {
        let (path, depth) = <([u8; 32], u16)>::decode(input)?;
        if usize::from(depth) > PATH_BITS {
            return Err("a prefix has more bits than a path".into());
        }
        let prefix = Self::new(&path, usize::from(depth));
        if prefix.path == path {
            Ok(prefix)
        } else {
            Err("a prefix has bits behind its end".into())
        }
    }
}

/// All entries of a subtree, and the way to it.
///
/// The way ends where the subtree begins, or above that if there is at most one leaf from there on:
/// such a subtree has no inner nodes to go along.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateChunk {
    /// The other child at each step, the root's first; no more than the prefix has bits.
    pub siblings: Vec<Hash>,
    /// If there are no entries because the way ends at the only leaf of a larger subtree, which lies
    /// beside the one asked for: the leaf's path and the hash of its value.
    pub other: Option<(Hash, Hash)>,
    /// Keys and values in the order of the keys' paths.
    pub entries: Vec<StateEntry>,
}

/// Why a chunk was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChunkError {
    /// The bytes are not exactly one chunk, or more than one may have.
    #[error("the chunk's bytes do not decode: {0}")]
    Malformed(Error),
    /// The way goes on below the subtree that was asked for.
    #[error("the chunk has {found} siblings, its subtree lies at depth {depth}")]
    TooDeep {
        /// Siblings found.
        found: usize,
        /// Bits of the prefix.
        depth: usize,
    },
    /// The way ends above the subtree, although more than one leaf is there.
    #[error(
        "the chunk has {found} siblings and several entries, its subtree lies at depth {depth}"
    )]
    TooShort {
        /// Siblings found.
        found: usize,
        /// Bits of the prefix.
        depth: usize,
    },
    /// More entries than a chunk may have.
    #[error("the chunk's entries have {0} bytes, more than {CHUNK_BYTES_MAX}")]
    TooLarge(usize),
    /// An entry belongs elsewhere.
    #[error("entry {0} of the chunk lies outside of the subtree that was asked for")]
    Outside(usize),
    /// Entries are doubled or not in the order of their paths.
    #[error("entry {0} of the chunk is not above the one before it")]
    Unsorted(usize),
    /// The leaf shown in the stead of entries could not stand there, or there are entries too.
    #[error("the leaf shown for an empty subtree does not stand in its way")]
    ForeignLeaf,
    /// The way does not lead to the root: something is missing, added or changed.
    #[error("the chunk leads to root {found}, not to {expected}")]
    OtherRoot {
        /// The root asked about.
        expected: Hash,
        /// The root that the chunk leads to.
        found: Hash,
    },
}

/// Entries that are all that a state has in one of its subtrees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedChunk {
    root: Hash,
    prefix: PathPrefix,
    entries: Vec<StateEntry>,
}

impl VerifiedChunk {
    /// Root of the state.
    pub const fn root(&self) -> &Hash {
        &self.root
    }

    /// The subtree.
    pub const fn prefix(&self) -> &PathPrefix {
        &self.prefix
    }

    /// Its entries, in the order of their paths.
    pub fn entries(&self) -> &[StateEntry] {
        &self.entries
    }

    /// What the entries count, as [`entry_bytes`] says.
    pub fn bytes(&self) -> usize {
        bytes_of(&self.entries)
    }
}

impl StateChunk {
    /// Reads exactly one chunk; bytes left over are an error.
    pub fn from_bytes(mut bytes: &[u8]) -> Result<Self, ChunkError> {
        if bytes.len() > CHUNK_MESSAGE_BYTES_MAX {
            return Err(ChunkError::TooLarge(bytes.len()));
        }
        Self::decode_all(&mut bytes).map_err(ChunkError::Malformed)
    }

    /// Checks that these are exactly the entries that the state with this root has in a subtree.
    pub fn verify(self, root: &Hash, prefix: &PathPrefix) -> Result<VerifiedChunk, ChunkError> {
        let (found, depth) = (self.siblings.len(), prefix.depth());
        if found > depth {
            return Err(ChunkError::TooDeep { found, depth });
        }
        if found < depth && self.entries.len() > 1 {
            return Err(ChunkError::TooShort { found, depth });
        }
        let bytes = bytes_of(&self.entries);
        if bytes > CHUNK_BYTES_MAX && self.entries.len() > 1 {
            return Err(ChunkError::TooLarge(bytes));
        }
        let leaves = leaves_of(&self.entries);
        if let Some(at) = leaves.iter().position(|(path, _)| !prefix.contains(path)) {
            return Err(ChunkError::Outside(at));
        }
        if let Some(at) = leaves.windows(2).position(|pair| pair[0].0 >= pair[1].0) {
            return Err(ChunkError::Unsorted(at + 1));
        }
        let node = match &self.other {
            None => subtree_node(&leaves, found),
            Some((path, value_hash)) => {
                let beside = PathPrefix::new(prefix.path(), found).contains(&path.0)
                    && !prefix.contains(&path.0);
                if !leaves.is_empty() || !beside {
                    return Err(ChunkError::ForeignLeaf);
                }
                leaf_node(&path.0, &value_hash.0)
            }
        };
        let found = node_above(node, prefix.path(), &self.siblings);
        if found != root.0 {
            return Err(ChunkError::OtherRoot { expected: *root, found: Hash(found) });
        }
        Ok(VerifiedChunk { root: *root, prefix: *prefix, entries: self.entries })
    }
}

/// What entries count together, as [`entry_bytes`] says.
pub fn bytes_of(entries: &[StateEntry]) -> usize {
    entries.iter().map(|(key, value)| entry_bytes(key, value)).sum()
}

/// Paths and leaves of entries, in their order.
pub fn leaves_of(entries: &[StateEntry]) -> Vec<([u8; 32], [u8; 32])> {
    let keys: Vec<&[u8]> = entries.iter().map(|(key, _)| key.as_slice()).collect();
    let values: Vec<&[u8]> = entries.iter().map(|(_, value)| value.as_slice()).collect();
    let paths = blake2_256_all(&keys);
    let preimages: Vec<[u8; 64]> = paths
        .iter()
        .zip(blake2_256_all(&values))
        .map(|(path, value_hash)| {
            let mut preimage = [0; 64];
            preimage[..32].copy_from_slice(&path.0);
            preimage[32..].copy_from_slice(&value_hash.0);
            preimage
        })
        .collect();
    let mut leaves = Vec::with_capacity(entries.len());
    let mut paths = paths.into_iter();
    blake2_256_each(&preimages, |Hash(mut node)| {
        node[0] |= 0x80;
        leaves.push((paths.next().expect("one hash comes for each preimage").0, node));
    });
    leaves
}

/// The node of a subtree at some depth from all its leaves: their paths, which are in order, and
/// nodes.
pub fn subtree_node(leaves: &[([u8; 32], [u8; 32])], depth: usize) -> [u8; 32] {
    match leaves {
        [] => EMPTY_NODE,
        [(_, node)] => *node,
        _ => {
            let middle = leaves.partition_point(|(path, _)| !turns_right(path, depth));
            let (left, right) = leaves.split_at(middle);
            inner_node(&subtree_node(left, depth + 1), &subtree_node(right, depth + 1))
        }
    }
}

impl Encode for StateChunk {
    fn size_hint(&self) -> usize {
        self.siblings.size_hint() + bytes_of(&self.entries) + 80
    }

    fn encode_to<T: Output + ?Sized>(&self, dest: &mut T) {
        self.siblings.encode_to(dest);
        self.other.encode_to(dest);
        self.entries.encode_to(dest);
    }
}

impl Decode for StateChunk {
    fn decode<I: Input>(input: &mut I) -> Result<Self, Error> {
        let count = decode_count(input, PROOF_SIBLINGS_MAX)?;
        let siblings = (0..count).map(|_| Hash::decode(input)).collect::<Result<_, _>>()?;
        let other = Option::decode(input)?;
        let count = decode_count(input, CHUNK_BYTES_MAX / ENTRY_OVERHEAD_BYTES)?;
        // Entries are counted as they come: short ones take more memory than bytes of the message.
        let (mut entries, mut bytes) = (Vec::new(), 0);
        for _ in 0..count {
            let (key, value) = StateEntry::decode(input)?;
            bytes += entry_bytes(&key, &value);
            if bytes > CHUNK_BYTES_MAX && count > 1 {
                return Err("more bytes of entries than CHUNK_BYTES_MAX".into());
            }
            entries.push((key, value));
        }
        Ok(Self { siblings, other, entries })
    }
}

fn decode_count<I: Input>(input: &mut I, max: usize) -> Result<usize, Error> {
    let count = usize::try_from(Compact::<u32>::decode(input)?.0);
    count.ok().filter(|count| *count <= max).ok_or_else(|| "more items than possible".into())
}

#[cfg(test)]
mod tests;
