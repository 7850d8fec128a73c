//! The tree's nodes.

/// blake2b-256 of a raw storage key: the way from the root to the key's leaf.
pub type Path = [u8; 32];
/// blake2b-256 of a value.
pub type ValueHash = [u8; 32];
/// A node of the tree: the first bit tells a leaf (1) from an inner node (0); zero is empty.
pub type Node = [u8; 32];

pub(crate) use primitives::proof::{
    EMPTY_NODE as EMPTY, inner_node, turns_right as turns_right_at,
};

/// What a node stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Empty,
    Leaf,
    Inner,
}

impl Kind {
    pub(crate) fn of(node: &Node) -> Self {
        if node[0] & 0x80 != 0 {
            Self::Leaf
        } else if *node == EMPTY {
            Self::Empty
        } else {
            Self::Inner
        }
    }
}

/// The node above two others, where no hash is needed for it: a subtree with one leaf is that leaf.
pub(crate) fn join_without_hash(left: Kind, right: Kind) -> Option<Side> {
    match (left, right) {
        (Kind::Empty | Kind::Leaf, Kind::Empty) => Some(Side::Left),
        (Kind::Empty, Kind::Leaf) => Some(Side::Right),
        _ => None,
    }
}

/// Which child a node is equal to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Left,
    Right,
}

/// The node above two others.
pub(crate) fn join(left: &Node, right: &Node) -> Node {
    match join_without_hash(Kind::of(left), Kind::of(right)) {
        Some(Side::Left) => *left,
        Some(Side::Right) => *right,
        None => inner_node(left, right),
    }
}

/// The first `bits` bits of a path as a number; `bits` is at most 63.
pub(crate) fn prefix(path: &Path, bits: usize) -> usize {
    let head = u64::from_be_bytes(path[..8].try_into().expect("a path has 32 bytes"));
    // Two shifts, as a shift by 64 is not defined.
    ((head >> 1) >> (63 - bits)) as usize
}

/// The bytes whose hash is the node above, or the leaf of, these two.
pub(crate) fn pair(left: &[u8; 32], right: &[u8; 32]) -> [u8; 64] {
    let mut bytes = [0; 64];
    bytes[..32].copy_from_slice(left);
    bytes[32..].copy_from_slice(right);
    bytes
}
