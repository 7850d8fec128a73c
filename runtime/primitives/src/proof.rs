//! Proofs that a key has a value in the state tree, or has none, and their verifier.
//!
//! The tree is a binary sparse Merkle trie over 256-bit paths. A key's path is the blake2b-256 of
//! the raw storage key. A leaf is H(path ++ blake2b-256(value)) with its first bit set, an inner
//! node is H(left ++ right) with its first bit cleared, an empty subtree is 32 zero bytes. A
//! subtree with one leaf *is* that leaf, so a leaf stands just below the last bit that it shares
//! with another.

use crate::{Hash, crypto::hash::blake2_256};
use codec::{Compact, Decode, DecodeAll, Encode, Error, Input, Output};

/// Most siblings in a proof: one for each bit of a path.
pub const PROOF_SIBLINGS_MAX: usize = 256;
/// The node of a subtree without leaves, and so the root of an empty state.
pub const EMPTY_NODE: [u8; 32] = [0; 32];

/// A leaf: H(path ++ value hash) with the first bit set.
pub fn leaf_node(path: &[u8; 32], value_hash: &[u8; 32]) -> [u8; 32] {
    let mut node = hash_pair(path, value_hash);
    node[0] |= 0x80;
    node
}

/// An inner node: H(left ++ right) with the first bit cleared.
pub fn inner_node(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    let mut node = hash_pair(left, right);
    node[0] &= 0x7f;
    node
}

/// Whether the path turns right below `depth`, that is, its bit number `depth`, the most
/// significant first.
///
/// # Panics
///
/// If `depth` is 256 or more.
pub const fn turns_right(path: &[u8; 32], depth: usize) -> bool {
    path[depth / 8] >> (7 - depth % 8) & 1 == 1
}

/// The root above a node that lies on a path, below these siblings.
pub(crate) fn node_above(node: [u8; 32], path: &[u8; 32], siblings: &[Hash]) -> [u8; 32] {
    siblings.iter().enumerate().rev().fold(node, |node, (depth, sibling)| {
        if turns_right(path, depth) {
            inner_node(&sibling.0, &node)
        } else {
            inner_node(&node, &sibling.0)
        }
    })
}

/// What stands where the path of the proven key ends.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum ProofEnd {
    /// The key's own leaf: the key is a member.
    #[codec(index = 0)]
    Member,
    /// Nothing: the key is not a member.
    #[codec(index = 1)]
    Empty,
    /// The only leaf of its subtree, and it is another key's: the key is not a member.
    #[codec(index = 2)]
    Other {
        /// Path of the other key.
        path: Hash,
        /// Hash of the other key's value.
        value_hash: Hash,
    },
}

/// The way from the root to the place of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// What the way ends at.
    pub end: ProofEnd,
    /// The other child at each step, the root's first; at most [`PROOF_SIBLINGS_MAX`].
    pub siblings: Vec<Hash>,
}

/// Why a proof was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The bytes are not exactly one proof.
    #[error("the proof's bytes do not decode: {0}; ask another node for it")]
    Malformed(Error),
    /// More siblings than a path has bits.
    #[error("the proof has {0} siblings, more than a path has bits")]
    TooLong(usize),
    /// A membership proof was given for an absent key, or the reverse.
    #[error("the proof is of the other kind: it does not speak about {0}")]
    OtherKind(&'static str),
    /// The leaf shown in the key's stead cannot stand in the key's place.
    #[error("the leaf shown for an absent key does not lie on the key's path")]
    ForeignLeaf,
    /// The way does not lead to the root.
    #[error("the proof leads to root {found}, not to {expected}")]
    OtherRoot {
        /// The root asked about.
        expected: Hash,
        /// The root that the proof leads to.
        found: Hash,
    },
}

impl Proof {
    /// Reads exactly one proof; bytes left over are an error.
    pub fn from_bytes(mut bytes: &[u8]) -> Result<Self, ProofError> {
        Self::decode_all(&mut bytes).map_err(ProofError::Malformed)
    }

    /// Checks that under `root` the key's value has this hash, or that the key has no value.
    pub fn verify(
        &self,
        root: &Hash,
        key: &[u8],
        value_hash: Option<&Hash>,
    ) -> Result<(), ProofError> {
        if self.siblings.len() > PROOF_SIBLINGS_MAX {
            return Err(ProofError::TooLong(self.siblings.len()));
        }
        let path = blake2_256(key).0;
        let end = match (&self.end, value_hash) {
            (ProofEnd::Member, Some(value_hash)) => leaf_node(&path, &value_hash.0),
            (ProofEnd::Member, None) => return Err(ProofError::OtherKind("an absent key")),
            (_, Some(_)) => return Err(ProofError::OtherKind("a present key")),
            (ProofEnd::Empty, None) => EMPTY_NODE,
            (ProofEnd::Other { path: other, value_hash }, None) => {
                let same_way = (0..self.siblings.len())
                    .all(|depth| turns_right(&path, depth) == turns_right(&other.0, depth));
                if !same_way || other.0 == path {
                    return Err(ProofError::ForeignLeaf);
                }
                leaf_node(&other.0, &value_hash.0)
            }
        };
        let found = node_above(end, &path, &self.siblings);
        if found == root.0 {
            Ok(())
        } else {
            Err(ProofError::OtherRoot { expected: *root, found: Hash(found) })
        }
    }
}

impl Encode for Proof {
    fn size_hint(&self) -> usize {
        self.end.size_hint() + self.siblings.size_hint()
    }

    fn encode_to<T: Output + ?Sized>(&self, dest: &mut T) {
        self.end.encode_to(dest);
        self.siblings.encode_to(dest);
    }
}

impl Decode for Proof {
    fn decode<I: Input>(input: &mut I) -> Result<Self, Error> {
        let end = ProofEnd::decode(input)?;
        let count = usize::try_from(Compact::<u32>::decode(input)?.0)
            .map_err(|_| Error::from("the number of siblings does not fit"))?;
        if count > PROOF_SIBLINGS_MAX {
            return Err("more siblings than PROOF_SIBLINGS_MAX".into());
        }
        let siblings = (0..count).map(|_| Hash::decode(input)).collect::<Result<_, _>>()?;
        Ok(Self { end, siblings })
    }
}

fn hash_pair(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    let mut preimage = [0; 64];
    preimage[..32].copy_from_slice(left);
    preimage[32..].copy_from_slice(right);
    blake2_256(&preimage).0
}
