//! Chunks of a naive tree, and each way to spoil one.

use super::*;
use crate::crypto::hash::blake2_256;
use proptest::prelude::*;

/// Entries in the order of their paths.
fn state(keys: &BTreeSet<u16>) -> Vec<StateEntry> {
    let entry = |key: &u16| (key.to_le_bytes().to_vec(), vec![7; usize::from(*key % 50)]);
    let mut entries: Vec<StateEntry> = keys.iter().map(entry).collect();
    entries.sort_by_key(|(key, _)| blake2_256(key));
    entries
}

fn within(state: &[StateEntry], prefix: &PathPrefix) -> Vec<StateEntry> {
    state.iter().filter(|(key, _)| prefix.contains(&blake2_256(key).0)).cloned().collect()
}

/// The definition of the tree.
fn node(state: &[StateEntry], prefix: &PathPrefix) -> [u8; 32] {
    let inside = within(state, prefix);
    match (&inside[..], prefix.halves()) {
        ([], _) => EMPTY_NODE,
        ([(key, value)], _) => leaf_node(&blake2_256(key).0, &blake2_256(value).0),
        (_, Some([left, right])) => inner_node(&node(&inside, &left), &node(&inside, &right)),
        (_, None) => unreachable!("two keys have two paths"),
    }
}

fn chunk(state: &[StateEntry], prefix: &PathPrefix) -> StateChunk {
    let mut chunk = StateChunk { entries: within(state, prefix), ..StateChunk::default() };
    for depth in 0..=prefix.depth() {
        let way = PathPrefix::new(prefix.path(), depth);
        match &within(state, &way)[..] {
            [] => break,
            [(key, value)] => {
                let path = blake2_256(key);
                chunk.other = (!prefix.contains(&path.0)).then(|| (path, blake2_256(value)));
                break;
            }
            _ if depth == prefix.depth() => break,
            _ => {}
        }
        let [left, right] = way.halves().expect("it is above the prefix");
        let other = if left.covers(prefix) { right } else { left };
        chunk.siblings.push(Hash(node(state, &other)));
    }
    chunk
}

fn root(state: &[StateEntry]) -> Hash {
    Hash(node(state, &PathPrefix::ROOT))
}

fn arb_keys() -> impl Strategy<Value = BTreeSet<u16>> {
    prop::collection::btree_set(any::<u16>(), 0..60)
}

/// Prefixes as deep as the tree, and some far deeper.
fn arb_prefix() -> impl Strategy<Value = PathPrefix> {
    let depth = prop_oneof![9 => 0..9_usize, 1 => 9..=256_usize];
    (any::<u16>(), depth)
        .prop_map(|(key, depth)| PathPrefix::new(&blake2_256(&key.to_le_bytes()).0, depth))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_chunk_verifies_and_no_other_entries_do(
        keys in arb_keys(),
        prefix in arb_prefix(),
        extra: u16,
        at: prop::sample::Index,
        bit in 0..8_u8,
    ) {
        let state = state(&keys);
        let (root, chunk) = (root(&state), chunk(&state, &prefix));
        let bytes = chunk.encode();
        prop_assert_eq!(StateChunk::from_bytes(&bytes), Ok(chunk.clone()));
        let verified = chunk.clone().verify(&root, &prefix).expect("it is right");
        prop_assert_eq!(verified.entries(), within(&state, &prefix));
        prop_assert_eq!(verified.bytes(), bytes_of(&chunk.entries));
        prop_assert!(chunk.encoded_size() <= verified.bytes() + 80 + 32 * chunk.siblings.len());

        let refused = |spoil: &dyn Fn(&mut StateChunk)| {
            let mut other = chunk.clone();
            spoil(&mut other);
            other == chunk || other.verify(&root, &prefix).is_err()
        };
        let entries = chunk.entries.len();
        if entries > 0 {
            let at = at.index(entries);
            prop_assert!(refused(&|chunk| drop(chunk.entries.remove(at))), "missing");
            prop_assert!(refused(&|c| c.entries.insert(at, c.entries[at].clone())), "doubled");
            prop_assert!(refused(&|c| c.entries[at].1.push(0)), "longer value");
            prop_assert!(refused(&|c| c.entries[at].0.push(0)), "longer key");
            prop_assert!(refused(&|c| c.entries[at].0[0] ^= 1 << bit), "other key");
            prop_assert!(refused(&|c| c.entries.rotate_left(at)), "out of order");
            prop_assert!(refused(&|c| c.entries.clear()), "none");
        }
        let new = super::tests::state(&BTreeSet::from([extra]));
        if !state.contains(&new[0]) {
            let place = chunk.entries.partition_point(|(key, _)| {
                blake2_256(key) < blake2_256(&new[0].0)
            });
            prop_assert!(refused(&|c| c.entries.insert(place, new[0].clone())), "extra");
        }
        if !chunk.siblings.is_empty() {
            let at = at.index(chunk.siblings.len());
            prop_assert!(refused(&|c| c.siblings[at].0[5] ^= 1 << bit), "other sibling");
            let shorter = refused(&|c| {
                c.siblings.remove(at);
            });
            prop_assert!(shorter, "missing sibling");
            prop_assert!(refused(&|c| c.siblings.insert(at, Hash::ZERO)), "extra sibling");
        }
        if chunk.other.is_some() {
            prop_assert!(refused(&|c| c.other = None), "the other leaf is not shown");
        }
        // A half of the subtree is not the whole of it.
        for half in prefix.halves().into_iter().flatten() {
            let half = super::tests::chunk(&state, &half);
            if half.entries.len() < entries {
                prop_assert!(half.verify(&root, &prefix).is_err());
            }
        }
    }

    #[test]
    fn what_is_missing_and_what_is_known_are_the_whole_tree(
        known in prop::collection::btree_set(arb_prefix(), 0..20),
        path: [u8; 32],
    ) {
        let beside = |prefix: &&PathPrefix| {
            !known.iter().any(|other| other != *prefix && other.covers(prefix))
        };
        let known: BTreeSet<PathPrefix> = known.iter().filter(beside).copied().collect();
        let missing = PathPrefix::missing(&known);
        prop_assert!(missing.is_sorted());
        for path in known.iter().chain(&missing).map(|prefix| *prefix.path()).chain([path]) {
            let holding = known.iter().chain(&missing).filter(|prefix| prefix.contains(&path));
            prop_assert_eq!(holding.count(), 1);
        }
        let whole: BTreeSet<PathPrefix> = known.iter().chain(&missing).copied().collect();
        prop_assert_eq!(PathPrefix::missing(&whole), []);
    }

    #[test]
    fn random_bytes_are_no_chunk_or_encode_the_same(bytes: Vec<u8>) {
        if let Ok(chunk) = StateChunk::from_bytes(&bytes) {
            prop_assert_eq!(chunk.encode(), bytes);
        }
    }
}

/// The leaf beside an empty subtree can be passed off as what lies there, unless its path is shown.
#[test]
fn an_entry_cannot_be_hidden_as_a_sibling() {
    let state = state(&BTreeSet::from([1]));
    let (key, value) = &state[0];
    let path = blake2_256(key);
    let prefix = PathPrefix::new(&path.0, 1);
    let leaf = Hash(leaf_node(&path.0, &blake2_256(value).0));
    let hidden = [
        StateChunk { siblings: vec![leaf], ..StateChunk::default() },
        StateChunk::default(),
        StateChunk { other: Some((path, blake2_256(value))), ..StateChunk::default() },
    ];
    for chunk in hidden {
        assert!(chunk.verify(&root(&state), &prefix).is_err());
    }
}

#[test]
fn more_than_a_chunk_is_refused_unless_it_is_one_entry() {
    let large = |key: u8| (vec![key], vec![0; CHUNK_BYTES_MAX]);
    let one = vec![large(1)];
    let chunk = StateChunk { entries: one.clone(), ..StateChunk::default() };
    let chunk = StateChunk::from_bytes(&chunk.encode()).expect("one entry may be large");
    chunk.verify(&root(&one), &PathPrefix::ROOT).expect("it is the state");

    let mut two = vec![large(1), large(2)];
    two.sort_by_key(|(key, _)| blake2_256(key));
    let chunk = StateChunk { entries: two.clone(), ..StateChunk::default() };
    let malformed = StateChunk::from_bytes(&chunk.encode());
    assert!(matches!(malformed, Err(ChunkError::Malformed(_))), "{malformed:?}");
    let refused = chunk.verify(&root(&two), &PathPrefix::ROOT);
    assert!(matches!(refused, Err(ChunkError::TooLarge(_))), "{refused:?}");

    // Empty entries would take far more memory than bytes of a message.
    let count = CHUNK_BYTES_MAX / 2;
    let mut bytes = StateChunk::default().encode();
    bytes.pop();
    Compact(u32::try_from(count).expect("it is small")).encode_to(&mut bytes);
    bytes.resize(bytes.len() + 2 * count, 0);
    assert!(matches!(StateChunk::from_bytes(&bytes), Err(ChunkError::Malformed(_))));
}

#[test]
fn prefixes_decode_in_one_form_only() {
    let prefix = PathPrefix::new(&[0xff; 32], 9);
    assert_eq!(PathPrefix::decode(&mut &prefix.encode()[..]), Ok(prefix));
    assert_eq!(
        prefix.parent().and_then(|parent| parent.halves()).map(|[_, right]| right),
        Some(prefix)
    );
    for wrong in [([0xff_u8; 32], 9_u16), ([0; 32], 257)] {
        assert!(PathPrefix::decode(&mut &wrong.encode()[..]).is_err());
    }
}
