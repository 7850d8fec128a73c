//! A plan of hashes that depend on each other, run level by level so that many are hashed at once.

use super::{
    bucket::Leaf,
    hash::{EMPTY, Kind, Node, Side, join_without_hash, pair, turns_right_at},
};
use primitives::{Hash, crypto::hash::blake2_256_each};

/// A node whose kind is known and whose hash may still have to be made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Planned {
    slot: u32,
    /// Hashes that must be made, one after the other, before this node is known.
    rank: u16,
    kind: Kind,
}

struct Step {
    left: u32,
    right: u32,
    out: u32,
}

/// Nodes to be made. A node's kind follows from the shape of the tree alone, so the shape is
/// planned first and the hashes of equal rank are then independent of each other.
#[derive(Default)]
pub(crate) struct Plan {
    nodes: Vec<Node>,
    ranks: Vec<Vec<Step>>,
    preimages: Vec<[u8; 64]>,
}

impl Plan {
    /// A node that is known already.
    pub(crate) fn known(&mut self, node: &Node) -> Planned {
        Planned { slot: self.push(*node), rank: 0, kind: Kind::of(node) }
    }

    /// The node above two others.
    pub(crate) fn join(&mut self, left: Planned, right: Planned) -> Planned {
        match join_without_hash(left.kind, right.kind) {
            Some(Side::Left) => left,
            Some(Side::Right) => right,
            None => {
                let rank = left.rank.max(right.rank);
                let out = self.push(EMPTY);
                if self.ranks.len() == usize::from(rank) {
                    self.ranks.push(Vec::new());
                }
                let step = Step { left: left.slot, right: right.slot, out };
                self.ranks[usize::from(rank)].push(step);
                Planned { slot: out, rank: rank + 1, kind: Kind::Inner }
            }
        }
    }

    /// The top of the subtree that holds these leaves, which are sorted and share `depth` bits.
    pub(crate) fn subtree(&mut self, leaves: &[Leaf], depth: usize) -> Planned {
        match leaves {
            [] => self.known(&EMPTY),
            [leaf] => self.known(&leaf.node),
            _ => {
                let middle = leaves.partition_point(|leaf| !turns_right_at(&leaf.path, depth));
                let left = self.subtree(&leaves[..middle], depth + 1);
                let right = self.subtree(&leaves[middle..], depth + 1);
                self.join(left, right)
            }
        }
    }

    /// Makes all planned nodes.
    pub(crate) fn run(&mut self) {
        for steps in &self.ranks {
            self.preimages.clear();
            self.preimages.extend(steps.iter().map(|step| {
                pair(&self.nodes[step.left as usize], &self.nodes[step.right as usize])
            }));
            let mut steps = steps.iter();
            blake2_256_each(&self.preimages, |Hash(mut node)| {
                node[0] &= 0x7f;
                let step = steps.next().expect("one hash comes for each preimage");
                self.nodes[step.out as usize] = node;
            });
        }
    }

    /// A node of the plan, after [`Self::run`].
    pub(crate) fn node(&self, planned: Planned) -> Node {
        self.nodes[planned.slot as usize]
    }

    fn push(&mut self, node: Node) -> u32 {
        self.nodes.push(node);
        u32::try_from(self.nodes.len() - 1).expect("a plan covers one block or one shard of a load")
    }
}
