//! The state tree: a binary sparse Merkle trie over 256-bit paths, held in memory.
//!
//! `primitives::proof` says what a node is. The root depends on the state alone: not on the order
//! of updates and not on the form that the tree has in memory, which is this:
//!
//! ```text
//! levels[0]          root                  top: level l is one vector of 2^l nodes
//! levels[1]        .      .
//!   ...          .  .    .  .
//! levels[t]     n n n n n n n n            the 2^t places where the top ends ...
//! buckets       b b b b b b b b            ... and the leaves below each of them: 2 to 4 on average
//! ```
//!
//! The top grows by a level when the buckets' mean would pass [`BUCKET_LEAVES_MEAN_MAX`]; it becomes
//! smaller only when the tree is built anew. An update
//! hashes the new leaves, edits the buckets that they fall into and then goes up level by level
//! over the touched parents only; at each level the hashes are independent, so SIMD makes several
//! at once. Subtrees below a level near the root have no node in common, so rayon works on them in
//! parallel.
//!
//! A subtree with one leaf is that leaf. So a node of the top can be a leaf that has bubbled up
//! from a bucket; going down by the only child that is not empty finds it again.

mod bucket;
mod hash;
mod plan;
#[cfg(test)]
mod tests;

use bucket::{Bucket, Change, LIST_LEAVES_MAX, Leaf, proof_end};
use hash::{EMPTY, Side, join_without_hash, pair, prefix};
use plan::{Plan, Planned};
use primitives::{
    Hash,
    crypto::hash::blake2_256_each,
    proof::{Proof, ProofEnd},
};
use rayon::prelude::*;

pub(crate) use hash::{Kind, join};
pub use hash::{Node, Path, ValueHash};

/// The top grows when there are more leaves than this for each bucket.
pub const BUCKET_LEAVES_MEAN_MAX: usize = 4;
/// Most levels of the top: 2^32 buckets are more than a machine's memory holds.
const TOP_LEVELS_MAX: usize = 32;
/// Changes that are worth a shard of their own; fewer would leave SIMD lanes and threads idle.
const SHARD_CHANGES: usize = 512;
/// Most levels above the shards, so at most 64 of them.
const SHARD_LEVELS_MAX: usize = 6;

/// The state tree.
#[derive(Debug)]
pub struct Tree {
    /// Level `l` holds the 2^l nodes of that depth; the last one belongs to the buckets.
    levels: Vec<Vec<Node>>,
    buckets: Vec<Bucket>,
    leaves: usize,
}

/// What takes an update back: the leaves that its keys had before.
#[derive(Debug)]
pub struct Undo(Vec<Change>);

impl Default for Tree {
    fn default() -> Self {
        Self { levels: vec![vec![EMPTY]], buckets: vec![Bucket::empty()], leaves: 0 }
    }
}

impl Tree {
    /// The tree of these leaves, in any order.
    ///
    /// # Panics
    ///
    /// If a path comes twice.
    pub fn from_leaves(leaves: impl IntoIterator<Item = (Path, ValueHash)>) -> Self {
        let mut tree = Self::default();
        let changes = leaves.into_iter().map(|(path, value)| (path, Some(value))).collect();
        let changes = sorted_changes(changes);
        while changes.len() > tree.buckets.len() * BUCKET_LEAVES_MEAN_MAX {
            tree.grow();
        }
        tree.apply(&changes);
        tree
    }

    /// The state root: [`Hash::ZERO`] for an empty state.
    pub fn root(&self) -> Hash {
        Hash(self.levels[0][0])
    }

    /// Number of keys.
    pub fn len(&self) -> usize {
        self.leaves
    }

    /// Whether the state is empty.
    pub fn is_empty(&self) -> bool {
        self.leaves == 0
    }

    /// Sets the value hash of each path, `None` to remove it, and says how to take that back.
    ///
    /// # Panics
    ///
    /// If a path comes twice.
    pub fn update(&mut self, changes: Vec<(Path, Option<ValueHash>)>) -> Undo {
        Undo(self.apply(&sorted_changes(changes)))
    }

    /// Takes back the latest update that was not taken back yet, and says how to do it again.
    pub fn undo(&mut self, undo: &Undo) -> Undo {
        Undo(self.apply(&undo.0))
    }

    /// A proof of what stands at `path`: its leaf, or that it has none.
    pub fn prove(&self, path: &Path) -> Proof {
        let mut siblings = Vec::new();
        for (depth, level) in self.levels.iter().enumerate() {
            let at = prefix(path, depth);
            match Kind::of(&level[at]) {
                Kind::Empty => return Proof { end: ProofEnd::Empty, siblings },
                Kind::Leaf => {
                    return Proof { end: proof_end(self.bubbled_leaf(depth, at), path), siblings };
                }
                Kind::Inner => match self.levels.get(depth + 1) {
                    Some(below) => siblings.push(Hash(below[prefix(path, depth + 1) ^ 1])),
                    None => break,
                },
            }
        }
        let depth = self.levels.len() - 1;
        self.buckets[prefix(path, depth)].prove(path, depth, siblings)
    }

    /// The leaf that the top shows at this place.
    fn bubbled_leaf(&self, depth: usize, mut at: usize) -> &Leaf {
        for level in &self.levels[depth + 1..] {
            at *= 2;
            if level[at] == EMPTY {
                at += 1;
            }
        }
        self.buckets[at].only_leaf().expect("a node that is a leaf has one leaf below it")
    }

    /// Applies changes, sorted by path, and returns those that undo them.
    fn apply(&mut self, changes: &[Change]) -> Vec<Change> {
        let shard_levels = (changes.len() / SHARD_CHANGES)
            .checked_ilog2()
            .map_or(0, |levels| levels as usize)
            .min(SHARD_LEVELS_MAX)
            .min(self.levels.len() - 1);
        let work = split_by_prefix(changes, shard_levels);
        let undo: Vec<Vec<Change>> = self
            .shards(shard_levels)
            .into_par_iter()
            .zip(work)
            .map(|(mut shard, changes)| shard.apply(changes))
            .collect();
        let mut top: Vec<&mut [Node]> =
            self.levels[..=shard_levels].iter_mut().map(Vec::as_mut_slice).collect();
        raise(&mut top, (0..1 << shard_levels).collect());
        let undo = undo.concat();

        let added = changes.iter().filter(|change| change.leaf.is_some()).count();
        let before = undo.iter().filter(|change| change.leaf.is_some()).count();
        self.leaves = self.leaves + added - before;
        while self.leaves > self.buckets.len() * BUCKET_LEAVES_MEAN_MAX {
            self.grow();
        }
        undo
    }

    /// The tree below level `depth` in its 2^`depth` separate parts.
    fn shards(&mut self, depth: usize) -> Vec<Shard<'_>> {
        let last = self.levels.len() - 1;
        let mut shards: Vec<Shard<'_>> = self
            .buckets
            .chunks_mut(1 << (last - depth))
            .map(|buckets| Shard { depth, levels: Vec::with_capacity(last - depth + 1), buckets })
            .collect();
        for (height, level) in self.levels[depth..].iter_mut().enumerate() {
            for (shard, part) in shards.iter_mut().zip(level.chunks_mut(1 << height)) {
                shard.levels.push(part);
            }
        }
        shards
    }

    /// Adds a level to the top and halves the buckets. No node changes its place or value.
    fn grow(&mut self) {
        let depth = self.levels.len() - 1;
        assert!(
            depth < TOP_LEVELS_MAX,
            "the tree has {} leaves, more than it is made for",
            self.leaves
        );
        let halves: Vec<[Bucket; 2]> = std::mem::take(&mut self.buckets)
            .into_par_iter()
            .map(|bucket| bucket.into_halves(depth))
            .collect();
        self.buckets = halves.into_iter().flatten().collect();
        let mut level = vec![EMPTY; self.buckets.len()];
        let parts = self.buckets.par_chunks(SHARD_CHANGES).zip(level.par_chunks_mut(SHARD_CHANGES));
        parts.for_each(|(buckets, nodes)| {
            let mut plan = Plan::default();
            let roots: Vec<Planned> =
                buckets.iter().map(|bucket| plan_root(&mut plan, bucket, depth + 1)).collect();
            plan.run();
            for (node, root) in nodes.iter_mut().zip(roots) {
                *node = plan.node(root);
            }
        });
        self.levels.push(level);
    }
}

/// One of the tree's parts below some level, with no node in common with the others.
struct Shard<'a> {
    depth: usize,
    /// The part's own top node, then the levels below it.
    levels: Vec<&'a mut [Node]>,
    buckets: &'a mut [Bucket],
}

impl Shard<'_> {
    /// Applies this part's changes and returns those that undo them.
    fn apply(&mut self, changes: &[Change]) -> Vec<Change> {
        let mut undo = Vec::with_capacity(changes.len());
        let last = self.depth + self.levels.len() - 1;
        let mut plan = Plan::default();
        let mut touched = Vec::new();
        let mut roots = Vec::new();
        for changes in changes.chunk_by(|a, b| prefix(&a.path, last) == prefix(&b.path, last)) {
            let at = prefix(&changes[0].path, last) % self.buckets.len();
            let bucket = &mut self.buckets[at];
            bucket.apply(last, changes, &mut undo);
            touched.push(at);
            roots.push(plan_root(&mut plan, bucket, last));
        }
        plan.run();
        let nodes = self.levels.last_mut().expect("a shard has at least its own top node");
        for (at, root) in touched.iter().zip(roots) {
            nodes[*at] = plan.node(root);
        }
        raise(&mut self.levels, touched);
        undo
    }
}

/// Plans a bucket's top node; a list's nodes are hashed together with those of other buckets.
fn plan_root(plan: &mut Plan, bucket: &Bucket, depth: usize) -> Planned {
    match bucket {
        Bucket::List(leaves) => {
            debug_assert!(leaves.len() <= LIST_LEAVES_MAX);
            plan.subtree(leaves, depth)
        }
        Bucket::Trie(_) => plan.known(&bucket.root(depth)),
    }
}

/// Makes all nodes above the touched ones of the last level, which are sorted. Each level is twice
/// as long as the one above it.
fn raise(levels: &mut [&mut [Node]], mut touched: Vec<usize>) {
    let mut preimages = Vec::with_capacity(touched.len());
    let mut hashed = Vec::with_capacity(touched.len());
    let mut rest = levels;
    while let Some((below, above)) = rest.split_last_mut() {
        let Some(parents) = above.last_mut() else { break };
        touched.iter_mut().for_each(|at| *at /= 2);
        touched.dedup();
        preimages.clear();
        hashed.clear();
        for &at in &touched {
            let (left, right) = (&below[2 * at], &below[2 * at + 1]);
            match join_without_hash(Kind::of(left), Kind::of(right)) {
                Some(Side::Left) => parents[at] = *left,
                Some(Side::Right) => parents[at] = *right,
                None => {
                    preimages.push(pair(left, right));
                    hashed.push(at);
                }
            }
        }
        let mut places = hashed.iter();
        blake2_256_each(&preimages, |Hash(mut node)| {
            node[0] &= 0x7f;
            parents[*places.next().expect("one hash comes for each preimage")] = node;
        });
        rest = above;
    }
}

/// Cuts sorted changes into one run for each of the 2^`depth` subtrees.
fn split_by_prefix(mut changes: &[Change], depth: usize) -> Vec<&[Change]> {
    let parts = (0..1_usize << depth).map(|part| {
        let end = changes.partition_point(|change| prefix(&change.path, depth) <= part);
        let (these, rest) = changes.split_at(end);
        changes = rest;
        these
    });
    parts.collect()
}

/// Sorts changes by path and hashes their leaves.
fn sorted_changes(mut values: Vec<(Path, Option<ValueHash>)>) -> Vec<Change> {
    values.par_sort_unstable_by(|a, b| a.0.cmp(&b.0));
    assert!(
        values.windows(2).all(|two| two[0].0 < two[1].0),
        "an update names each path once, as paths are hashes of distinct keys"
    );
    let mut changes = Vec::with_capacity(values.len());
    let runs: Vec<Vec<Change>> = values.par_chunks(SHARD_CHANGES).map(hash_leaves).collect();
    runs.into_iter().for_each(|run| changes.extend(run));
    changes
}

fn hash_leaves(values: &[(Path, Option<ValueHash>)]) -> Vec<Change> {
    let preimages: Vec<[u8; 64]> = values
        .iter()
        .filter_map(|(path, value_hash)| value_hash.map(|value_hash| pair(path, &value_hash)))
        .collect();
    let mut nodes = Vec::with_capacity(preimages.len());
    blake2_256_each(&preimages, |Hash(mut node)| {
        node[0] |= 0x80;
        nodes.push(node);
    });
    let mut nodes = nodes.into_iter();
    let change = |&(path, value_hash): &(Path, Option<ValueHash>)| Change {
        path,
        leaf: value_hash.map(|value_hash| Leaf {
            path,
            value_hash,
            node: nodes.next().expect("each new leaf was hashed"),
        }),
    };
    values.iter().map(change).collect()
}
