use super::*;
use proptest::prelude::*;

fn key_of(raw: &[u8], height: Height) -> Vec<u8> {
    let mut key = Vec::new();
    entry_key(raw, height, &mut key);
    key
}

/// Keys with many zeros and many prefixes of each other.
fn raw_key() -> impl Strategy<Value = RawKey> {
    proptest::collection::vec(prop_oneof![Just(0), Just(1), Just(0xff), any::<u8>()], 0..6)
}

proptest! {
    #[test]
    fn entries_are_in_the_order_of_raw_keys_and_then_of_heights(
        a in (raw_key(), any::<Height>()),
        b in (raw_key(), any::<Height>()),
    ) {
        let entries = (key_of(&a.0, a.1), key_of(&b.0, b.1));
        prop_assert_eq!(entries.0.cmp(&entries.1), a.cmp(&b));
    }

    #[test]
    fn an_entry_tells_its_raw_key_and_height(raw in raw_key(), height in any::<Height>()) {
        let entry = key_of(&raw, height);
        let (escaped, found) = split(&entry).expect("it has a height");
        let mut key = RawKey::new();
        unescape(&escaped[..escaped.len() - END.len()], &mut key);
        prop_assert_eq!((key, found), (raw, height));
    }

    #[test]
    fn bounds_of_a_scan_are_those_of_raw_keys(
        raw in raw_key(),
        start in raw_key(),
        prefix in raw_key(),
        height in any::<Height>(),
    ) {
        let (from, within) = scan_bounds(&start, &prefix);
        let entry = key_of(&raw, height);
        prop_assert_eq!(entry >= from, raw >= start);
        prop_assert_eq!(entry.starts_with(&within), raw.starts_with(&prefix));
        prop_assert!(from.as_slice() > WRITTEN);
    }
}

#[test]
fn an_empty_value_is_not_an_absent_one() {
    let mut bytes = Vec::new();
    for previous in [None, Some(b"".as_slice()), Some(b"\x00\x01")] {
        entry_value(previous, &mut bytes);
        assert_eq!(value(&bytes), previous);
    }
}

#[test]
fn the_entry_of_what_is_written_is_no_raw_keys() {
    assert_eq!(split(WRITTEN), None);
    assert!(key_of(b"", 0).as_slice() > WRITTEN);
}
