//! Random bytes, and what goes wrong with valid ones on their way.

use rand::{Rng, RngExt};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

/// Where all random choices come from.
pub type Source = ChaCha8Rng;

/// Lengths that are hardly true, as SCALE and as LEB128 write them; some are too long to be written
/// so, some in more bytes than needed.
const LENGTHS: &[&[u8]] = &[
    &[0],
    &[0xfe, 0xff, 0xff, 0xff],
    &[0xfd, 0xff],
    &[0x03, 0xff, 0xff, 0xff, 0xff],
    &[0x13, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    &[0xff; 68],
    &[0x02, 0, 0, 0],
    &[0xff, 0xff, 0xff, 0xff, 0x0f],
    &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
    &[0x80, 0x80, 0x80, 0x80, 0x00],
    &[0x80; 12],
];

/// One of several.
pub fn pick<'a, T>(source: &mut Source, of: &'a [T]) -> &'a T {
    &of[source.random_range(0..of.len())]
}

/// Random bytes, few more often than many.
pub fn bytes(source: &mut Source, length_max: usize) -> Vec<u8> {
    let scale = source.random_range(0..=length_max.ilog2());
    let mut bytes = vec![0; source.random_range(0..=1usize << scale)];
    source.fill_bytes(&mut bytes);
    bytes
}

/// Does some damage to bytes; parts of `others` may get in.
pub fn mutate(source: &mut Source, bytes: &mut Vec<u8>, others: &[Vec<u8>]) {
    for _ in 0..source.random_range(1..=4) {
        damage(source, bytes, others);
    }
}

fn damage(source: &mut Source, bytes: &mut Vec<u8>, others: &[Vec<u8>]) {
    let at = source.random_range(0..=bytes.len());
    let end = source.random_range(at..=bytes.len().min(at + 40));
    match source.random_range(0..10) {
        0 | 1 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << source.random_range(0..8);
            }
        }
        2 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = source.random();
            }
        }
        3 => bytes.truncate(at),
        4 => drop(bytes.drain(at..end)),
        5 => {
            let more = self::bytes(source, 64);
            bytes.splice(at..at, more);
        }
        6 => {
            let again = bytes[at..end].to_vec();
            bytes.splice(at..at, again);
        }
        7 if !others.is_empty() => {
            let other = pick(source, others);
            let from = source.random_range(0..=other.len());
            bytes.splice(at.., other[from..].iter().copied());
        }
        8 => {
            let length = *pick(source, LENGTHS);
            bytes.splice(at..end.min(at + length.len()), length.iter().copied());
        }
        // Lengths stand in front, and being wrong by one is the likeliest mistake.
        _ => {
            if let Some(byte) = bytes.get_mut(at % 16) {
                *byte = if source.random() { byte.wrapping_add(1) } else { byte.wrapping_sub(1) };
            }
        }
    }
}

/// Does some damage to JSON that leaves it JSON.
pub fn mutate_json(source: &mut Source, json: &mut Value) {
    for _ in 0..source.random_range(1..=3) {
        let odd = odd_value(source);
        match (walk(source, json), source.random_range(0..6)) {
            (Value::Object(map), 0 | 1) if !map.is_empty() => {
                let key = map.keys().nth(source.random_range(0..map.len())).cloned();
                let value = key.and_then(|key| map.remove(&key));
                if let (Some(value), true) = (value, source.random()) {
                    map.insert("stranger".to_owned(), value);
                }
            }
            (Value::Object(map), 2) => {
                map.insert("stranger".to_owned(), odd);
            }
            (Value::Array(items), 0) if !items.is_empty() => {
                items.remove(source.random_range(0..items.len()));
            }
            (Value::Array(items), 1) if !items.is_empty() => {
                let item = pick(source, items).clone();
                let times = source.random_range(1..40);
                items.extend(std::iter::repeat_n(item, times));
            }
            (Value::Array(items), 2) => items.push(odd),
            // Texts are names, numbers and hex: they break in more ways than by being exchanged.
            (Value::String(text), 0..=3) => {
                let mut bytes = std::mem::take(text).into_bytes();
                mutate(source, &mut bytes, &[]);
                *text = String::from_utf8_lossy(&bytes).into_owned();
            }
            (Value::Number(number), 0..=3) => {
                let near = number.as_i64().unwrap_or_default();
                *number = near.wrapping_add(source.random_range(-2..=2)).into();
            }
            (place, _) => *place = odd,
        }
    }
}

/// Some place in the tree.
fn walk<'a>(source: &mut Source, json: &'a mut Value) -> &'a mut Value {
    let children = match json {
        Value::Array(items) => items.len(),
        Value::Object(map) => map.len(),
        _ => 0,
    };
    if children == 0 || source.random_range(0..8) == 0 {
        return json;
    }
    let index = source.random_range(0..children);
    match json {
        Value::Array(items) => walk(source, &mut items[index]),
        Value::Object(map) => {
            walk(source, map.values_mut().nth(index).expect("the index is below the length"))
        }
        leaf => leaf,
    }
}

/// A value that few expect.
pub fn odd_value(source: &mut Source) -> Value {
    match source.random_range(0..16) {
        0 => Value::Null,
        1 => json!(source.random::<bool>()),
        2 => json!(source.random::<u64>()),
        3 => json!(source.random::<i64>()),
        4 => json!(*pick(source, &[0.0, -0.0, 0.5, 1e300, -1e-300])),
        5 => json!(u128::MAX.to_string()),
        6 => json!([]),
        7 => json!({}),
        8 => json!(""),
        9 => json!(format!("0x{}", hex::encode(bytes(source, 128)))),
        10 => json!("0x".repeat(source.random_range(0..200))),
        11 => json!(String::from_utf8_lossy(&bytes(source, 64))),
        12 => json!("a".repeat(source.random_range(0..20_000))),
        13 => json!(vec![0; source.random_range(0..2_000)]),
        14 => {
            let depth = source.random_range(1..100);
            (0..depth).fold(Value::Null, |inner, _| json!([inner]))
        }
        _ => json!({ "a": { "b": [source.random::<u32>(), null_or_text(source)] } }),
    }
}

fn null_or_text(source: &mut Source) -> Value {
    if source.random() { Value::Null } else { json!("text \u{0} \u{202e} \u{1f980}") }
}

/// JSON, or what was JSON, that nests as deep as this.
pub fn deep(source: &mut Source, depth_max: usize) -> String {
    let depth = source.random_range(1..=depth_max);
    let (open, close) = *pick(source, &[("[", "]"), (r#"{"a":"#, "}"), ("[[],", "]")]);
    let closed = if source.random() { depth } else { source.random_range(0..=depth) };
    open.repeat(depth) + "1" + &close.repeat(closed)
}

/// Numbers that JSON can write and few programs can hold.
pub fn odd_number(source: &mut Source) -> &'static str {
    const NUMBERS: &[&str] =
        &["1e999", "-1", "1e-999", "18446744073709551616", "-0", "0.1e1", "00", "NaN"];
    NUMBERS[source.random_range(0..NUMBERS.len())]
}
