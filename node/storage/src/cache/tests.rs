use super::*;
use std::collections::BTreeMap;

fn get(cache: &Cache, height: Height, key: &[u8]) -> Option<Option<RawValue>> {
    cache.get(height, cache.hasher.hash_one(key), key)
}

fn add(cache: &Cache, height: Height, key: &[u8], value: Option<&[u8]>) {
    cache.add(height, cache.hasher.hash_one(key), key, value);
}

/// Raises the height with all changes that lead to it.
fn advance(cache: &Cache, height: Height, changes: &[(&[u8], Option<&[u8]>)]) {
    cache.raise(height);
    for (key, value) in changes {
        cache.replace(key, *value, &mut Vec::new());
    }
}

#[test]
fn a_view_finds_nothing_that_is_too_new_for_it() {
    let cache = Cache::new(1 << 20);
    add(&cache, 0, b"a", Some(b"1"));
    add(&cache, 0, b"b", Some(b"1"));
    add(&cache, 0, b"c", None);
    assert_eq!(get(&cache, 0, b"a"), Some(Some(b"1".to_vec())));
    assert_eq!(get(&cache, 0, b"c"), Some(None));
    assert_eq!(get(&cache, 0, b"d"), None);

    advance(&cache, 1, &[(b"a", Some(b"2")), (b"b", None)]);
    assert_eq!(get(&cache, 1, b"a"), Some(Some(b"2".to_vec())));
    assert_eq!(get(&cache, 1, b"b"), Some(None));
    assert_eq!(get(&cache, 1, b"c"), Some(None), "what did not change is still known");
    assert_eq!(get(&cache, 2, b"a"), Some(Some(b"2".to_vec())), "later views have overlays");
    assert_eq!(get(&cache, 0, b"a"), None, "the value is too new for the view");

    add(&cache, 0, b"d", Some(b"too old"));
    assert_eq!(get(&cache, 1, b"d"), None, "an old view cannot add");
    add(&cache, 2, b"d", Some(b"as below the overlays"));
    assert!(get(&cache, 1, b"d").is_some(), "a later view can");
}

#[test]
fn memory_is_bounded_and_what_is_used_stays() {
    let bytes_max = 1 << 20;
    let cache = Cache::new(bytes_max);
    add(&cache, 0, b"in use", Some(b"1"));
    for n in 0..100_000_u64 {
        add(&cache, 0, &n.to_le_bytes(), Some(&[7; 100]));
        assert!(get(&cache, 0, b"in use").is_some(), "lost after {n} others");
    }
    let cost = |table: &HashTable<Entry>| table.iter().map(Entry::cost).sum::<usize>();
    let taken: usize = cache.shards.iter().map(lock).map(|s| cost(&s.young) + cost(&s.old)).sum();
    assert!(taken <= bytes_max, "{taken} bytes are taken");
    assert!(taken > bytes_max / 3, "only {taken} bytes are taken");
    for shard in cache.shards.iter().map(lock) {
        assert_eq!(shard.young_bytes, cost(&shard.young), "the account of bytes is right");
    }
}

#[test]
fn warming_fills_what_is_free_and_displaces_nothing() {
    let cache = Cache::new(1 << 20);
    add(&cache, 0, b"in use", Some(b"1"));
    (0..100_000_u64).for_each(|n| cache.warm(&n.to_le_bytes(), &[7; 100]));
    assert!(get(&cache, 0, b"in use").is_some());
    assert_eq!(get(&cache, 0, &0_u64.to_le_bytes()), Some(Some(vec![7; 100])));
    assert_eq!(get(&cache, 0, &99_999_u64.to_le_bytes()), None, "there was no room left");
}

#[test]
fn overwriting_keeps_one_entry_a_key() {
    let cache = Cache::new(1 << 20);
    let mut model = BTreeMap::new();
    for n in 0..2_000_u32 {
        let (key, value) = ((n % 7).to_le_bytes(), n.to_le_bytes());
        let value = (!n.is_multiple_of(5)).then_some(value.as_slice());
        advance(&cache, n, &[(&key, value)]);
        model.insert(key, value.map(<[u8]>::to_vec));
        for (key, value) in &model {
            assert_eq!(get(&cache, n, key).as_ref(), Some(value));
        }
    }
    let entries: usize = cache.shards.iter().map(lock).map(|s| s.young.len() + s.old.len()).sum();
    assert_eq!(entries, model.len());
}

#[test]
fn what_is_replaced_is_told_if_it_is_known() {
    let cache = Cache::new(1 << 20);
    let mut previous = b"of another".to_vec();
    assert_eq!(cache.replace(b"a", Some(b"1"), &mut previous), None);
    assert_eq!(cache.replace(b"a", Some(b"22"), &mut previous), Some(true));
    assert_eq!(previous, b"1");
    assert_eq!(cache.replace(b"a", None, &mut previous), Some(true));
    assert_eq!(previous, b"22");
    assert_eq!(cache.replace(b"a", Some(b""), &mut previous), Some(false));
    assert_eq!(previous, b"");
    // Many others make its generation the old one, where it is still known.
    let young = cache.shards.iter().map(|shard| lock(shard).young_bytes_max).sum::<usize>();
    let mut n = 0_u64;
    let is_young = |hash| {
        lock(&cache.shards[(hash >> 32) as usize % SHARDS])
            .young
            .find(hash, |e| e.key() == b"a")
            .is_some()
    };
    while is_young(cache.hasher.hash_one(b"a".as_slice())) {
        assert!(n < young as u64, "it never grows old");
        cache.replace(&n.to_le_bytes(), Some(&[7; 100]), &mut previous);
        n += 1;
    }
    assert_eq!(cache.replace(b"a", Some(b"3"), &mut previous), Some(true));
    assert_eq!(get(&cache, 0, b"a"), Some(Some(b"3".to_vec())));
}
