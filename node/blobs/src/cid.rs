//! Names of blobs.

use multihash::Multihash;
use primitives::{Hash, crypto::hash::blake2_256, shown};
use std::{fmt, str::FromStr};

/// Length of a CID's binary form.
pub const CID_BYTES: usize = 38;
/// Multicodec of a block that is nothing but its bytes.
const RAW: u64 = 0x55;
/// Multicodec of a block with links to others.
const DAG_PB: u64 = 0x70;
/// Multihash code of blake2b with 32 bytes of output.
const BLAKE2B_256: u64 = 0xb220;
/// Longest text that an error repeats.
const SHOWN_CHARS_MAX: usize = 80;

/// The name of a block, and of the blob whose root it is: a CIDv1 with a blake2b-256 hash.
///
/// As text it is base32 in lower case (`bafk2bzace..` or `bafykbzace..`); parsing takes every multibase.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cid {
    /// A block that is plain bytes: a small blob or a part of a large one.
    Raw(Hash),
    /// The root of a blob of several blocks.
    Root(Hash),
}

/// The text or bytes name no blob of this network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is no blob's name here: a CIDv1 is needed, raw or dag-pb, with a blake2b-256 hash \
     (bafk2bzace... or bafykbzace...)"
)]
pub struct ParseCidError(String);

impl Cid {
    /// The name of a plain block.
    pub fn of_raw(bytes: &[u8]) -> Self {
        Self::Raw(blake2_256(bytes))
    }

    /// The name of a root block.
    pub fn of_root(bytes: &[u8]) -> Self {
        Self::Root(blake2_256(bytes))
    }

    /// The hash of the block.
    pub fn hash(&self) -> Hash {
        match self {
            Self::Raw(hash) | Self::Root(hash) => *hash,
        }
    }

    /// Whether this is the block's name.
    pub fn names(&self, block: &[u8]) -> bool {
        self.hash() == blake2_256(block)
    }

    /// The binary form, as the chain and other blocks hold it.
    pub fn to_bytes(&self) -> [u8; CID_BYTES] {
        let bytes = self.standard().to_bytes();
        bytes.try_into().expect("version, codec, code and length take 6 bytes, the hash 32")
    }

    /// Read the binary form.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ParseCidError> {
        let named = || ParseCidError(format!("{} bytes of binary", bytes.len()));
        let cid = ::cid::Cid::try_from(bytes).map_err(|_| named())?;
        let ours = Self::from_standard(&cid).ok_or_else(named)?;
        if ours.to_bytes() == bytes { Ok(ours) } else { Err(named()) }
    }

    fn standard(&self) -> ::cid::Cid {
        let (codec, hash) = match self {
            Self::Raw(hash) => (RAW, hash),
            Self::Root(hash) => (DAG_PB, hash),
        };
        let hash = Multihash::wrap(BLAKE2B_256, &hash.0).expect("32 bytes fit a multihash");
        ::cid::Cid::new_v1(codec, hash)
    }

    fn from_standard(cid: &::cid::Cid) -> Option<Self> {
        let hash = Hash(cid.hash().digest().try_into().ok()?);
        match (cid.version(), cid.codec(), cid.hash().code()) {
            (::cid::Version::V1, RAW, BLAKE2B_256) => Some(Self::Raw(hash)),
            (::cid::Version::V1, DAG_PB, BLAKE2B_256) => Some(Self::Root(hash)),
            _ => None,
        }
    }
}

impl fmt::Display for Cid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.standard(), f)
    }
}

impl fmt::Debug for Cid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Cid {
    type Err = ParseCidError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        ::cid::Cid::from_str(text)
            .ok()
            .and_then(|cid| Self::from_standard(&cid))
            .ok_or_else(|| ParseCidError(shown(text, SHOWN_CHARS_MAX)))
    }
}

impl serde::Serialize for Cid {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Cid {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
