//! Headers, digests and blocks, in Substrate's bytes.

use crate::{
    Hash, Height,
    crypto::hash::{blake2_256, blake2_256_of},
};
use codec::{Compact, Decode, DecodeWithMemTracking, Encode, Error, Input, Output};
use scale_info::TypeInfo;

/// Most bytes that one transaction may have, its length prefix not counted.
pub const TRANSACTION_BYTES_MAX: usize = 256 * 1024;

/// What a block commits to. Its hash is the block's hash.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Header {
    /// Hash of the header before; [`Hash::ZERO`] in genesis.
    pub parent_hash: Hash,
    /// Distance from genesis.
    #[codec(compact)]
    pub number: Height,
    /// Root of the state tree after this block.
    pub state_root: Hash,
    /// Root of the transactions' tree.
    pub extrinsics_root: Hash,
    /// What consensus adds: author, randomness, next validators.
    pub digest: Digest,
}

impl Header {
    /// blake2b-256 of the header's SCALE bytes.
    pub fn hash(&self) -> Hash {
        blake2_256(&self.encode())
    }
}

/// The log of a header.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct Digest {
    /// Items in the order in which consensus writes them.
    pub logs: Vec<DigestItem>,
}

/// One item of a digest; engines are four ASCII letters.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum DigestItem {
    /// Free bytes.
    #[codec(index = 0)]
    Other(Vec<u8>),
    /// A message from the runtime to consensus.
    #[codec(index = 4)]
    Consensus([u8; 4], Vec<u8>),
    /// A seal over the header.
    #[codec(index = 5)]
    Seal([u8; 4], Vec<u8>),
    /// What the author knew before execution.
    #[codec(index = 6)]
    PreRuntime([u8; 4], Vec<u8>),
    /// The runtime's code or parameters changed in this block.
    #[codec(index = 8)]
    RuntimeEnvironmentUpdated,
}

/// A transaction's bytes without their length prefix, not looked into.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct OpaqueTransaction(pub Vec<u8>);

impl OpaqueTransaction {
    /// The transaction's hash: blake2b-256 of the bytes with their length prefix.
    pub fn hash(&self) -> Hash {
        let length = u32::try_from(self.0.len()).expect("a transaction is far shorter than 4 GiB");
        Compact(length).using_encoded(|prefix| blake2_256_of(&[prefix, &self.0]))
    }
}

impl std::fmt::Debug for OpaqueTransaction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "0x{}", hex::encode(&self.0))
    }
}

impl Encode for OpaqueTransaction {
    fn size_hint(&self) -> usize {
        self.0.size_hint()
    }

    fn encode_to<T: Output + ?Sized>(&self, dest: &mut T) {
        self.0.encode_to(dest);
    }
}

impl Decode for OpaqueTransaction {
    fn decode<I: Input>(input: &mut I) -> Result<Self, Error> {
        let length = usize::try_from(Compact::<u32>::decode(input)?.0)
            .map_err(|_| Error::from("the transaction's length does not fit"))?;
        if length > TRANSACTION_BYTES_MAX {
            return Err("the transaction is longer than TRANSACTION_BYTES_MAX".into());
        }
        let mut bytes = vec![0; length];
        input.read(&mut bytes)?;
        Ok(Self(bytes))
    }
}

impl DecodeWithMemTracking for OpaqueTransaction {}

/// A header and the transactions that it commits to.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Block {
    /// What the block commits to.
    pub header: Header,
    /// Inherents first, then transactions, in the order of execution.
    pub body: Vec<OpaqueTransaction>,
}

impl Block {
    /// The header's hash.
    pub fn hash(&self) -> Hash {
        self.header.hash()
    }
}
