//! The tree against a naive one and against `nomt-core`, and proofs against each of their
//! mutations.

use super::{bucket::LIST_LEAVES_MAX, *};
use codec::Encode;

use bitvec::{order::Msb0, view::BitView};
use nomt_core::{
    hasher::{NodeHasher, node_kind_by_msb},
    proof::{PathProof, PathProofTerminal},
    trie::{InternalData, LeafData, NodeKind},
    trie_pos::TriePosition,
    update::build_trie,
};
use primitives::{
    crypto::hash::blake2_256,
    proof::{ProofError, inner_node, leaf_node},
};
use proptest::prelude::*;
use std::collections::BTreeMap;

type State = BTreeMap<Path, ValueHash>;

/// The oracle's hasher, made equal to ours.
struct Blake2;

impl NodeHasher for Blake2 {
    fn hash_leaf(leaf: &LeafData) -> [u8; 32] {
        leaf_node(&leaf.key_path, &leaf.value_hash)
    }

    fn hash_internal(inner: &InternalData) -> [u8; 32] {
        inner_node(&inner.left, &inner.right)
    }

    fn node_kind(node: &[u8; 32]) -> NodeKind {
        node_kind_by_msb(node)
    }
}

fn oracle_root(state: &State) -> Hash {
    Hash(build_trie::<Blake2>(0, state.iter().map(|(path, value)| (*path, *value)), |_| {}))
}

/// The definition, without any of the tree's structure.
fn naive_root(leaves: &[(Path, ValueHash)], depth: usize) -> Node {
    match leaves {
        [] => [0; 32],
        [(path, value_hash)] => leaf_node(path, value_hash),
        _ => {
            let (left, right): (Vec<_>, Vec<_>) =
                leaves.iter().partition(|(path, _)| path[depth / 8] & (0x80 >> (depth % 8)) == 0);
            inner_node(&naive_root(&left, depth + 1), &naive_root(&right, depth + 1))
        }
    }
}

fn definition(state: &State) -> Hash {
    let leaves: Vec<_> = state.iter().map(|(path, value)| (*path, *value)).collect();
    Hash(naive_root(&leaves, 0))
}

fn digest(number: u64) -> [u8; 32] {
    blake2_256(&number.to_le_bytes()).0
}

/// A path that shares `bits` bits with all others of the same `bits`.
fn ground_path(bits: usize, number: u64) -> Path {
    let mut path = digest(number);
    for depth in 0..bits {
        path[depth / 8] &= !(0x80 >> (depth % 8));
    }
    path
}

fn apply(state: &mut State, changes: &[(Path, Option<ValueHash>)]) {
    for (path, value) in changes {
        match value {
            Some(value) => state.insert(*path, *value),
            None => state.remove(path),
        };
    }
}

/// Applies batches one after the other and compares with both oracles and with a rebuild each time.
fn check_batches(batches: Vec<Vec<(Path, Option<ValueHash>)>>) {
    let (mut tree, mut state) = (Tree::default(), State::new());
    for batch in batches {
        let batch: BTreeMap<_, _> = batch.into_iter().collect();
        let batch: Vec<_> = batch.into_iter().collect();
        let before = tree.root();
        let undo = tree.update(batch.clone());
        let after = tree.root();
        let redo = tree.undo(&undo);
        assert_eq!(tree.root(), before, "an undone update leaves the root as it was");
        tree.undo(&redo);
        assert_eq!(tree.root(), after, "an update done again gives the same root");

        apply(&mut state, &batch);
        assert_eq!(tree.len(), state.len());
        assert_eq!(after, definition(&state), "the naive tree");
        assert_eq!(after, oracle_root(&state), "the independent oracle");
        let rebuilt = Tree::from_leaves(state.iter().map(|(path, value)| (*path, *value)));
        assert_eq!(rebuilt.root(), after, "a rebuild from flat state");
    }
}

/// Few distinct paths, so that batches overwrite and delete; `bits` of them are ground to be equal.
fn arb_change(bits: usize) -> impl Strategy<Value = (Path, Option<ValueHash>)> {
    let value = proptest::option::weighted(0.7, any::<u64>().prop_map(digest));
    (0..600_u64, value).prop_map(move |(number, value)| (ground_path(bits, number), value))
}

fn arb_batches() -> impl Strategy<Value = Vec<Vec<(Path, Option<ValueHash>)>>> {
    let change = prop_oneof![
        4 => arb_change(0),
        1 => arb_change(7),
        1 => arb_change(40),
        1 => arb_change(250),
    ];
    proptest::collection::vec(proptest::collection::vec(change, 0..300), 1..8)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_batches_give_the_root_of_both_oracles(batches in arb_batches()) {
        check_batches(batches);
    }

    #[test]
    fn proofs_hold_and_no_mutation_of_them_does(
        keys in proptest::collection::btree_set(0..2_000_u64, 40..400),
        member in any::<prop::sample::Index>(),
    ) {
        let keys: Vec<u64> = keys.into_iter().collect();
        let tree = tree_of(&keys);
        check_proof(&tree, keys[member.index(keys.len())], true);
        let absent = (0..).find(|key| keys.binary_search(key).is_err());
        check_proof(&tree, absent.expect("there are more numbers than keys"), false);
    }
}

#[test]
fn ground_prefixes_in_bulk_give_the_root_of_both_oracles() {
    let mut batches = Vec::new();
    for (bits, base) in [(30, 0), (30, 3_000), (180, 6_000)] {
        batches
            .push((base..base + 3_000).map(|n| (ground_path(bits, n), Some(digest(n)))).collect());
    }
    // All but a few go again, so that nested tries collapse.
    batches.push(
        (0..8_990).map(|n| (ground_path([30, 30, 180][n as usize / 3_000], n), None)).collect(),
    );
    check_batches(batches);
}

#[test]
fn large_updates_over_all_shards_give_the_root_of_both_oracles() {
    let fill = (0..60_000).map(|n| (digest(n), Some(digest(n + 1)))).collect();
    let edit = (30_000..80_000).map(|n| (digest(n), (n % 3 != 0).then(|| digest(n)))).collect();
    let clear = (0..80_000).map(|n| (digest(n), None)).collect();
    check_batches(vec![fill, edit, clear]);
}

#[test]
fn an_update_below_a_shared_prefix_touches_few_nodes() {
    let ground = |range: std::ops::Range<u64>| range.map(|n| (ground_path(24, n), digest(n)));
    let mut tree = Tree::from_leaves(ground(0..20_000));
    let longest = |tree: &Tree| tree.buckets.iter().map(Bucket::longest_list).max();
    assert!(matches!(tree.buckets[0], Bucket::Trie(_)), "20,000 leaves are not in a list");
    assert!(longest(&tree) <= Some(LIST_LEAVES_MAX));
    tree.update(ground(20_000..40_000).map(|(path, value)| (path, Some(value))).collect());
    assert!(longest(&tree) <= Some(LIST_LEAVES_MAX));
    tree.update(ground(0..39_990).map(|(path, _)| (path, None)).collect());
    assert!(matches!(tree.buckets[0], Bucket::List(_)), "ten leaves are in a list");
}

/// Raw keys cannot be ground here, so the oracle's verifier judges by path.
fn check_proof_by_oracle(tree: &Tree, path: &Path, value_hash: Option<ValueHash>) {
    let Proof { end, siblings } = tree.prove(path);
    let depth = u16::try_from(siblings.len()).expect("a path has 256 bits");
    let terminal = match (end, value_hash) {
        (ProofEnd::Member, Some(value_hash)) => {
            PathProofTerminal::Leaf(LeafData { key_path: *path, value_hash })
        }
        (ProofEnd::Other { path, value_hash }, None) => {
            PathProofTerminal::Leaf(LeafData { key_path: path.0, value_hash: value_hash.0 })
        }
        (ProofEnd::Empty, None) if depth == 0 => PathProofTerminal::Terminator(TriePosition::new()),
        (ProofEnd::Empty, None) => {
            PathProofTerminal::Terminator(TriePosition::from_path_and_depth(*path, depth))
        }
        (end, value_hash) => panic!("{end:?} proves another thing than {value_hash:?}"),
    };
    let siblings = siblings.into_iter().map(|sibling| sibling.0).collect();
    let proof = PathProof { terminal, siblings };
    let verified = proof.verify::<Blake2>(path.view_bits::<Msb0>(), tree.root().0);
    let verified = verified.expect("the proof leads to the root");
    let holds = match value_hash {
        Some(value_hash) => verified.confirm_value(&LeafData { key_path: *path, value_hash }),
        None => verified.confirm_nonexistence(path),
    };
    assert!(holds.expect("the proof speaks about the path"));
}

#[test]
fn the_oracle_verifies_proofs_below_ground_prefixes() {
    let mut tree = Tree::default();
    for bits in [0, 9, 30, 100, 220] {
        let leaf = |n| (ground_path(bits, n), Some(digest(n)));
        tree.update((0..1_000).map(|n| leaf(n * 1_000 + bits as u64)).collect());
    }
    for bits in [0, 9, 30, 100, 220] {
        for n in (0..1_000).step_by(7) {
            let number = n * 1_000 + bits as u64;
            check_proof_by_oracle(&tree, &ground_path(bits, number), Some(digest(number)));
            check_proof_by_oracle(&tree, &ground_path(bits, number + 500), None);
            check_proof_by_oracle(&tree, &ground_path(bits / 2, number + 500), None);
        }
    }
}

fn tree_of(keys: &[u64]) -> Tree {
    let leaf = |key: &u64| (blake2_256(&key.to_le_bytes()).0, value_hash(*key).0);
    Tree::from_leaves(keys.iter().map(leaf))
}

fn value_hash(key: u64) -> Hash {
    blake2_256(format!("value of {key}").as_bytes())
}

/// Every form of the statement with one bit turned, beside the one that holds.
fn check_proof(tree: &Tree, key: u64, member: bool) {
    let raw = key.to_le_bytes();
    let root = tree.root();
    let proof = tree.prove(&blake2_256(&raw).0);
    let value = member.then(|| value_hash(key));
    proof.verify(&root, &raw, value.as_ref()).expect("the tree's own proof");
    assert_eq!(proof.end == ProofEnd::Member, member);

    let bytes = proof.encode();
    assert_eq!(Proof::from_bytes(&bytes).as_ref(), Ok(&proof));
    let longer = [bytes.as_slice(), &[0]].concat();
    assert!(matches!(Proof::from_bytes(&longer), Err(ProofError::Malformed(_))));
    for bit in 0..bytes.len() * 8 {
        let verdict = Proof::from_bytes(&turned(&bytes, bit))
            .and_then(|proof| proof.verify(&root, &raw, value.as_ref()));
        assert!(verdict.is_err(), "bit {bit} of the proof");
    }
    for bit in 0..256 {
        let other = Hash(turned(&root.0, bit).try_into().expect("32 bytes"));
        assert!(proof.verify(&other, &raw, value.as_ref()).is_err(), "bit {bit} of the root");
    }
    for bit in 0..raw.len() * 8 {
        let other = turned(&raw, bit);
        let verdict = proof.verify(&root, &other, value.as_ref());
        // One proof speaks for every absent key in its place of the tree.
        let same_place = !member
            && prefix(&blake2_256(&other).0, proof.siblings.len())
                == prefix(&blake2_256(&raw).0, proof.siblings.len());
        assert_eq!(verdict.is_ok(), same_place, "bit {bit} of the key");
    }
    match value {
        Some(value) => {
            assert!(proof.verify(&root, &raw, None).is_err());
            for bit in 0..256 {
                let other = Hash(turned(&value.0, bit).try_into().expect("32 bytes"));
                assert!(proof.verify(&root, &raw, Some(&other)).is_err(), "bit {bit} of the value");
            }
        }
        None => assert!(proof.verify(&root, &raw, Some(&value_hash(key))).is_err()),
    }
}

fn turned(bytes: &[u8], bit: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[bit / 8] ^= 0x80 >> (bit % 8);
    bytes
}

#[test]
fn an_empty_state_proves_that_any_key_is_absent() {
    let tree = Tree::default();
    assert_eq!(tree.root(), Hash::ZERO);
    let proof = tree.prove(&digest(1));
    assert_eq!(proof, Proof { end: ProofEnd::Empty, siblings: Vec::new() });
    assert_eq!(proof.verify(&Hash::ZERO, b"any", None), Ok(()));
    assert!(proof.verify(&Hash(digest(1)), b"any", None).is_err());
}

#[test]
fn a_leaf_that_bubbled_up_is_shown_for_every_absent_key_beside_it() {
    // Two leaves that differ in the first bit stand right below the root, however far the top
    // reaches.
    let mut tree = Tree::from_leaves((0..64).map(|n| (digest(n), digest(n))));
    assert!(tree.levels.len() > 4);
    let (left, right) = (ground_path(1, 7), [0xff; 32]);
    let clear = (0..64).map(|n| (digest(n), None)).collect();
    tree.update(clear);
    tree.update(vec![(left, Some(digest(1))), (right, Some(digest(2)))]);
    let proof = tree.prove(&ground_path(1, 8));
    let end = ProofEnd::Other { path: Hash(left), value_hash: Hash(digest(1)) };
    assert_eq!(proof, Proof { end, siblings: vec![Hash(leaf_node(&right, &digest(2)))] });
}

#[test]
fn a_proof_with_a_leaf_from_elsewhere_is_refused() {
    let keys: Vec<u64> = (0..300).collect();
    let tree = tree_of(&keys);
    let absent = 1_000_u64.to_le_bytes();
    // The member's own way, shown to prove that another key is absent.
    let member = blake2_256(&keys[5].to_le_bytes());
    let mut proof = tree.prove(&member.0);
    proof.end = ProofEnd::Other { path: member, value_hash: value_hash(keys[5]) };
    assert_eq!(proof.verify(&tree.root(), &absent, None), Err(ProofError::ForeignLeaf));
    // And to prove that the member itself is absent.
    let raw = keys[5].to_le_bytes();
    assert_eq!(proof.verify(&tree.root(), &raw, None), Err(ProofError::ForeignLeaf));
}

#[test]
fn a_proof_has_at_most_a_sibling_for_each_bit() {
    let many = Proof { end: ProofEnd::Empty, siblings: vec![Hash::ZERO; 257] };
    assert!(matches!(Proof::from_bytes(&many.encode()), Err(ProofError::Malformed(_))));
    assert_eq!(many.verify(&Hash::ZERO, b"key", None), Err(ProofError::TooLong(257)));
}
