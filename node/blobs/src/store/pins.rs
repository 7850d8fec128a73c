//! Who wants which blobs kept.

use super::Error;
use crate::Cid;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
};

/// Most bytes of an owner's name.
pub const OWNER_BYTES_MAX: usize = 80;

/// Who pins: a task, a role, a user. The name is also a folder's, so its characters are few.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owner(String);

impl Owner {
    /// An owner of 1 to [`OWNER_BYTES_MAX`] letters, digits, hyphens and underscores.
    pub fn new(name: impl Into<String>) -> Result<Self, Error> {
        let name = name.into();
        let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if (1..=OWNER_BYTES_MAX).contains(&name.len()) && name.bytes().all(known) {
            Ok(Self(name))
        } else {
            Err(Error::BadOwner(name.chars().take(OWNER_BYTES_MAX).collect()))
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Owner {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

/// Pins by owner, with each blob's bytes.
#[derive(Default)]
pub(super) struct Pins {
    by_owner: BTreeMap<Owner, BTreeMap<Cid, u64>>,
    count: usize,
}

impl Pins {
    pub fn len(&self) -> usize {
        self.count
    }

    pub fn contains(&self, owner: &Owner, cid: &Cid) -> bool {
        self.by_owner.get(owner).is_some_and(|blobs| blobs.contains_key(cid))
    }

    /// Bytes of an owner's blobs, each counted whole though blobs may share chunks.
    pub fn bytes(&self, owner: &Owner) -> u64 {
        self.by_owner.get(owner).map_or(0, |blobs| blobs.values().sum())
    }

    pub fn insert(&mut self, owner: Owner, cid: Cid, size: u64) {
        let before = self.by_owner.entry(owner).or_default().insert(cid, size);
        self.count += usize::from(before.is_none());
    }

    pub fn remove(&mut self, owner: &Owner, cid: &Cid) {
        if let Some(blobs) = self.by_owner.get_mut(owner) {
            self.count -= usize::from(blobs.remove(cid).is_some());
            if blobs.is_empty() {
                self.by_owner.remove(owner);
            }
        }
    }

    /// Who pins a blob.
    pub fn owners(&self, cid: &Cid) -> Vec<Owner> {
        let pinning = self.by_owner.iter().filter(|(_, blobs)| blobs.contains_key(cid));
        pinning.map(|(owner, _)| owner.clone()).collect()
    }

    pub fn of(&self, owner: &Owner) -> Vec<Cid> {
        self.by_owner.get(owner).map_or_else(Vec::new, |blobs| blobs.keys().copied().collect())
    }

    pub fn blobs(&self) -> BTreeSet<Cid> {
        self.by_owner.values().flat_map(|blobs| blobs.keys().copied()).collect()
    }

    pub fn all(&self) -> Vec<(Owner, Cid, u64)> {
        self.by_owner
            .iter()
            .flat_map(|(owner, blobs)| {
                blobs.iter().map(move |(cid, size)| (owner.clone(), *cid, *size))
            })
            .collect()
    }
}
