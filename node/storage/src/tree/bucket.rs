//! The leaves below one place of the tree's top: a sorted list, or a nested trie once there are
//! many.

use super::{
    hash::{Node, Path, ValueHash, join, turns_right_at},
    plan::Plan,
};
use primitives::{
    Hash,
    proof::{Proof, ProofEnd},
};

/// Most leaves in a list. Whoever grinds keys to share a prefix fills one bucket; above this it
/// becomes a trie with cached hashes, so that an update costs a logarithm of its leaves and not
/// their number.
pub(crate) const LIST_LEAVES_MAX: usize = 32;
/// A trie becomes a list again at this many leaves; lower than the limit above, so that a bucket at
/// the limit does not change its form with every block.
const COLLAPSE_LEAVES: usize = LIST_LEAVES_MAX / 2;

/// One key of the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Leaf {
    pub(crate) path: Path,
    /// Kept beside the node because the proof of an absent key shows the leaf in its place in full.
    pub(crate) value_hash: ValueHash,
    pub(crate) node: Node,
}

/// A key's leaf after an update; `None` if the key has no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) path: Path,
    pub(crate) leaf: Option<Leaf>,
}

/// The leaves whose paths share a prefix.
#[derive(Debug)]
pub(crate) enum Bucket {
    /// At most [`LIST_LEAVES_MAX`] leaves, sorted by path.
    List(Vec<Leaf>),
    Trie(Box<Trie>),
}

/// A bucket in two halves, by the next bit of the path.
#[derive(Debug)]
pub(crate) struct Trie {
    leaves: usize,
    nodes: [Node; 2],
    halves: [Bucket; 2],
}

impl Bucket {
    pub(crate) const fn empty() -> Self {
        Self::List(Vec::new())
    }

    /// A bucket of these leaves, which are sorted and share `depth` bits.
    pub(crate) fn new(leaves: &[Leaf], depth: usize) -> Self {
        if leaves.len() <= LIST_LEAVES_MAX {
            return Self::List(leaves.to_vec());
        }
        let middle = leaves.partition_point(|leaf| !turns_right_at(&leaf.path, depth));
        let halves = [&leaves[..middle], &leaves[middle..]].map(|half| Self::new(half, depth + 1));
        let nodes = [&halves[0], &halves[1]].map(|half| half.root(depth + 1));
        Self::Trie(Box::new(Trie { leaves: leaves.len(), nodes, halves }))
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::List(leaves) => leaves.len(),
            Self::Trie(trie) => trie.leaves,
        }
    }

    /// The top node of the bucket.
    pub(crate) fn root(&self, depth: usize) -> Node {
        match self {
            Self::List(leaves) => list_root(leaves, depth),
            Self::Trie(trie) => join(&trie.nodes[0], &trie.nodes[1]),
        }
    }

    /// Applies changes, which are sorted by path and belong to this bucket, and adds what undoes
    /// them to `undo`, in the same order. Nodes inside of a list are not cached, so nothing is
    /// hashed for one.
    pub(crate) fn apply(&mut self, depth: usize, changes: &[Change], undo: &mut Vec<Change>) {
        match self {
            Self::List(leaves) => {
                changes.iter().for_each(|change| undo.push(apply_to_list(leaves, change)));
                if leaves.len() > LIST_LEAVES_MAX {
                    *self = Self::new(leaves, depth);
                }
            }
            Self::Trie(trie) => {
                trie.apply(depth, changes, undo);
                if trie.leaves <= COLLAPSE_LEAVES {
                    let mut leaves = Vec::with_capacity(trie.leaves);
                    self.collect(&mut leaves);
                    *self = Self::List(leaves);
                }
            }
        }
    }

    /// The two buckets that this one becomes when the top grows by a level.
    pub(crate) fn into_halves(self, depth: usize) -> [Self; 2] {
        match self {
            Self::List(mut leaves) => {
                let middle = leaves.partition_point(|leaf| !turns_right_at(&leaf.path, depth));
                let right = leaves.split_off(middle);
                leaves.shrink_to_fit();
                [Self::List(leaves), Self::List(right)]
            }
            Self::Trie(trie) => trie.halves,
        }
    }

    /// The only leaf of the bucket.
    pub(crate) fn only_leaf(&self) -> Option<&Leaf> {
        match self {
            Self::List(leaves) => match leaves.as_slice() {
                [leaf] => Some(leaf),
                _ => None,
            },
            // A trie has more leaves than a list collapses to.
            Self::Trie(_) => None,
        }
    }

    /// Goes on with a proof that has come down to this bucket.
    pub(crate) fn prove(&self, path: &Path, depth: usize, mut siblings: Vec<Hash>) -> Proof {
        match self {
            Self::List(leaves) => prove_in_list(leaves, path, depth, siblings),
            Self::Trie(trie) => {
                let side = usize::from(turns_right_at(path, depth));
                siblings.push(Hash(trie.nodes[1 - side]));
                trie.halves[side].prove(path, depth + 1, siblings)
            }
        }
    }

    /// The longest list: with the depth it bounds what an update of one leaf hashes.
    #[cfg(test)]
    pub(crate) fn longest_list(&self) -> usize {
        match self {
            Self::List(leaves) => leaves.len(),
            Self::Trie(trie) => {
                let [left, right] = &trie.halves;
                left.longest_list().max(right.longest_list())
            }
        }
    }

    fn collect(&self, into: &mut Vec<Leaf>) {
        match self {
            Self::List(leaves) => into.extend_from_slice(leaves),
            Self::Trie(trie) => trie.halves.iter().for_each(|half| half.collect(into)),
        }
    }
}

impl Trie {
    fn apply(&mut self, depth: usize, changes: &[Change], undo: &mut Vec<Change>) {
        let middle = changes.partition_point(|change| !turns_right_at(&change.path, depth));
        for (side, part) in [&changes[..middle], &changes[middle..]].into_iter().enumerate() {
            if !part.is_empty() {
                self.halves[side].apply(depth + 1, part, undo);
                self.nodes[side] = self.halves[side].root(depth + 1);
            }
        }
        self.leaves = self.halves[0].len() + self.halves[1].len();
    }
}

/// How an end of a proof shows this leaf to whoever asked for `path`.
pub(crate) fn proof_end(leaf: &Leaf, path: &Path) -> ProofEnd {
    if leaf.path == *path {
        ProofEnd::Member
    } else {
        ProofEnd::Other { path: Hash(leaf.path), value_hash: Hash(leaf.value_hash) }
    }
}

fn list_root(leaves: &[Leaf], depth: usize) -> Node {
    let mut plan = Plan::default();
    let root = plan.subtree(leaves, depth);
    plan.run();
    plan.node(root)
}

/// Applies one change and returns what undoes it.
fn apply_to_list(leaves: &mut Vec<Leaf>, change: &Change) -> Change {
    let place = leaves.binary_search_by(|leaf| leaf.path.cmp(&change.path));
    let old = match (place, change.leaf) {
        (Ok(at), Some(new)) => Some(std::mem::replace(&mut leaves[at], new)),
        (Ok(at), None) => Some(leaves.remove(at)),
        (Err(at), Some(new)) => {
            // Lists are many and short: room to double would be most of the tree's memory.
            leaves.reserve_exact(1);
            leaves.insert(at, new);
            None
        }
        (Err(_), None) => None,
    };
    Change { path: change.path, leaf: old }
}

fn prove_in_list(
    mut leaves: &[Leaf],
    path: &Path,
    mut depth: usize,
    mut siblings: Vec<Hash>,
) -> Proof {
    loop {
        let end = match leaves {
            [] => ProofEnd::Empty,
            [leaf] => proof_end(leaf, path),
            _ => {
                let middle = leaves.partition_point(|leaf| !turns_right_at(&leaf.path, depth));
                let (left, right) = leaves.split_at(middle);
                let right_way = turns_right_at(path, depth);
                let (way, other) = if right_way { (right, left) } else { (left, right) };
                depth += 1;
                siblings.push(Hash(list_root(other, depth)));
                leaves = way;
                continue;
            }
        };
        return Proof { end, siblings };
    }
}
