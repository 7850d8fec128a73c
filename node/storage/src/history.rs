//! What keys of the state were before a block changed them: the column, its keys and how it is read.
//!
//! An entry's key is the escaped raw key and the block's height, its value what the raw key had before that block. So the
//! value of a key after block `h` is in its first entry above `h`; if there is none, nothing changed it since, and the state
//! column has it. Entries above the height of the state column that a reader sees are harmless, as values are absolute.
//!
//! A raw key's zero byte becomes `00 ff`, and `00 01` ends it. That keeps the order of raw keys, and none is a prefix of
//! another: all entries of a key stand together, in the order of heights, before those of the next key.

use crate::pinned::Iter;
use primitives::{Height, RawKey, RawValue};

/// The entry that says up to which height the column has all changes. It comes into the column with the last of these or
/// after them, and before the state column gets any of the new values. No raw key's entry has this key.
pub(crate) const WRITTEN: &[u8] = &[0, 0];

const ZERO: [u8; 2] = [0, 0xff];
const END: [u8; 2] = [0, 1];
const HEIGHT_BYTES: usize = size_of::<Height>();
/// First byte of a value: the key had one, which follows, or had none.
const PRESENT: u8 = 1;
const ABSENT: u8 = 0;
/// Entries that a scan looks at one by one before it searches, which costs as much as some of these.
const STEPS_MAX: usize = 8;

/// Writes the escaped form of a raw key, or of the beginning of some, without its end.
fn escape(raw: &[u8], to: &mut Vec<u8>) {
    let mut parts = raw.split(|byte| *byte == 0);
    to.extend_from_slice(parts.next().unwrap_or_default());
    for part in parts {
        to.extend_from_slice(&ZERO);
        to.extend_from_slice(part);
    }
}

/// Reads back what [`escape`] wrote, without the end.
fn unescape(escaped: &[u8], to: &mut RawKey) {
    let mut rest = escaped;
    while let Some(at) = rest.iter().position(|byte| *byte == 0) {
        to.extend_from_slice(&rest[..=at]);
        rest = &rest[at + ZERO.len()..];
    }
    to.extend_from_slice(rest);
}

/// The key of the entry that says what a raw key was before a block, in the place of what `to` has.
pub(crate) fn entry_key(raw: &[u8], height: Height, to: &mut Vec<u8>) {
    to.clear();
    escape(raw, to);
    to.extend_from_slice(&END);
    to.extend_from_slice(&height.to_be_bytes());
}

/// The value of an entry, in the place of what `to` has.
pub(crate) fn entry_value(previous: Option<&[u8]>, to: &mut Vec<u8>) {
    to.clear();
    to.push(if previous.is_some() { PRESENT } else { ABSENT });
    to.extend_from_slice(previous.unwrap_or_default());
}

/// The escaped raw key of an entry's key with its end, which is what all entries of the raw key begin with, and the height.
/// `None` for [`WRITTEN`].
pub(crate) fn split(entry: &[u8]) -> Option<(&[u8], Height)> {
    let (escaped, height) = entry.split_last_chunk::<HEIGHT_BYTES>()?;
    Some((escaped, Height::from_be_bytes(*height)))
}

fn value(bytes: &[u8]) -> Option<&[u8]> {
    match bytes.split_first().expect("entries of the history have a tag") {
        (&PRESENT, value) => Some(value),
        _ => None,
    }
}

/// The smallest entry's key of all raw keys that are not less than `start`, and the bytes with which the entries of all raw
/// keys begin that start with `prefix`.
pub(crate) fn scan_bounds(start: &[u8], prefix: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let (mut from, mut within) = (Vec::new(), Vec::new());
    escape(start, &mut from);
    // Of the keys that go on where `start` ends, the smallest is `start` itself, whose end is no greater than this.
    from.extend_from_slice(&END);
    escape(prefix, &mut within);
    (from, within)
}

/// What a key was after the block at `height`, as an iterator tells that stands at the key's first entry above it, or behind
/// where that would be. `None` if it did not change since.
pub(crate) fn found(iterator: &Iter<'_>, wanted: &[u8]) -> Option<Option<RawValue>> {
    let (entry, bytes) = iterator.item()?;
    let (escaped, _) = split(wanted).expect("the key of an entry");
    (split(entry)?.0 == escaped).then(|| value(bytes).map(<[u8]>::to_vec))
}

/// The raw keys that changed after a height, in order, with the values that they had then.
pub(crate) struct Changed<'a> {
    iterator: Iter<'a>,
    /// Entries above this one count.
    height: Height,
    /// The raw key at hand; empty and not `is_some` at the end.
    key: RawKey,
    is_some: bool,
    /// Where to go on from.
    wanted: Vec<u8>,
}

impl<'a> Changed<'a> {
    /// Over the entries from where `iterator` stands.
    pub(crate) fn new(iterator: Iter<'a>, height: Height) -> Self {
        let (key, wanted) = (RawKey::new(), Vec::new());
        let mut this = Self { iterator, height, key, is_some: false, wanted };
        this.find();
        this
    }

    /// The key at hand.
    pub(crate) fn key(&self) -> Option<&[u8]> {
        self.is_some.then_some(self.key.as_slice())
    }

    /// The value that the key at hand had.
    pub(crate) fn value(&self) -> Option<&[u8]> {
        value(self.iterator.item()?.1).filter(|_| self.is_some)
    }

    /// Goes on to the next key.
    pub(crate) fn next(&mut self) {
        if self.is_some {
            entry_key(&self.key, Height::MAX, &mut self.wanted);
            self.forward();
            self.find();
        }
    }

    /// Finds the first entry from here on that is above the height.
    fn find(&mut self) {
        self.is_some = false;
        while let Some((entry, _)) = self.iterator.item() {
            let (escaped, height) = split(entry).expect("entries of raw keys end with a height");
            self.key.clear();
            unescape(&escaped[..escaped.len() - END.len()], &mut self.key);
            if height > self.height {
                self.is_some = true;
                return;
            }
            entry_key(&self.key, self.height.saturating_add(1), &mut self.wanted);
            self.forward();
        }
        self.iterator.status().expect("the database can be read");
    }

    /// Moves to the first entry that is not less than the wanted one.
    fn forward(&mut self) {
        for _ in 0..STEPS_MAX {
            self.iterator.next();
            if self.iterator.key().is_none_or(|key| key >= self.wanted.as_slice()) {
                return;
            }
        }
        self.iterator.seek(&self.wanted);
    }
}

#[cfg(test)]
mod tests;
