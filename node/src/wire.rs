//! What nodes tell each other beside final blocks: bounded when it is decoded, and versioned by the names of the
//! network's protocols.

use codec::{Decode, DecodeAll, Encode};
use consensus::{Message, SignedProposal};
use primitives::{
    AccountId, Block, Certificate, Hash, Header, Height, OpaqueTransaction, ValidatorSet,
    crypto::{hash::blake2_256, keys::verify_ed25519},
};
use std::sync::atomic::{AtomicU64, Ordering};

/// Most transactions that a message or a request names: more than a block can hold.
pub const TRANSACTIONS_MAX: usize = 65_536;
/// Bytes of transactions from which on a message takes no more.
pub const BATCH_BYTES: usize = 256 * 1024;
/// Separates what a validator signs to be known by its peers from everything else that it signs.
const PEER_DOMAIN: &[u8; 16] = b"artel/validator1";

/// A message of a node that is no good: no honest one sends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed")]
pub struct Malformed;

/// Numbers what this node tells, as peers do not pass on the same bytes twice.
pub struct Numbers(AtomicU64);

impl Numbers {
    /// `start` must not have been used before: the time, in milliseconds.
    pub fn new(start: u64) -> Self {
        Self(AtomicU64::new(start << 20))
    }

    /// A number that no message of this node had.
    pub fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

/// A message of consensus as it is told to everybody.
#[derive(Encode, Decode)]
pub struct Said {
    /// Makes a repeated message differ.
    pub number: u64,
    /// What consensus says: anything but blocks.
    pub message: Message,
}

impl Said {
    /// Decodes what a peer sent.
    pub fn from_bytes(bytes: &[u8]) -> Result<Message, Malformed> {
        let (_, rest) = bytes.split_first_chunk::<8>().ok_or(Malformed)?;
        match Message::from_bytes(rest) {
            Ok(Message::Body(_) | Message::Decided(_)) | Err(_) => Err(Malformed),
            Ok(message) => Ok(message),
        }
    }
}

/// A block that is proposed, without the transactions, which others have most of.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Proposed {
    /// Makes a repeated message differ.
    pub number: u64,
    /// Names the block; nobody else can have sent it.
    pub proposal: SignedProposal,
    /// The block's header.
    pub header: Header,
    /// The transactions that nobody else can have.
    pub inherents: Vec<OpaqueTransaction>,
    /// Hashes of the others, in order.
    pub transactions: Vec<Hash>,
}

impl Proposed {
    /// A block for its proposal.
    pub fn new(number: u64, proposal: SignedProposal, block: &Block) -> Self {
        let inherents = block.body.iter().take_while(|tx| !chain::is_signed(tx)).cloned();
        let inherents: Vec<_> = inherents.collect();
        let transactions = block.body.iter().skip(inherents.len()).map(|tx| tx.hash()).collect();
        Self { number, proposal, header: block.header.clone(), inherents, transactions }
    }

    /// Whether it is made from this block.
    pub fn is_of(&self, block: &Block) -> bool {
        *self == Self::new(self.number, self.proposal.clone(), block)
    }

    /// Decodes what a peer sent, and checks that the proposal is of this header.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let this = Self::decode_all(&mut &bytes[..]).map_err(|_| Malformed)?;
        let proposal = &this.proposal.proposal;
        let fits = this.header.number == proposal.height
            && this.header.hash() == proposal.block
            && this.transactions.len() <= TRANSACTIONS_MAX;
        if fits { Ok(this) } else { Err(Malformed) }
    }
}

/// What is asked about a block that is proposed.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum BodyRequest {
    /// The whole block, as its SCALE bytes.
    Block(Hash),
    /// Transactions of its body.
    Transactions {
        /// The block.
        block: Hash,
        /// Places in the body, ascending.
        places: Vec<u32>,
    },
}

impl BodyRequest {
    /// Decodes what a peer sent.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        match Self::decode_all(&mut &bytes[..]) {
            Ok(Self::Transactions { places, .. }) if places.len() > TRANSACTIONS_MAX => {
                Err(Malformed)
            }
            Ok(request) => Ok(request),
            Err(_) => Err(Malformed),
        }
    }
}

/// That a block is final.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Announcement {
    /// Why it is.
    pub certificate: Certificate,
}

impl Announcement {
    /// Decodes what a peer sent.
    pub fn from_bytes(bytes: &[u8]) -> Result<Certificate, Malformed> {
        let Self { certificate } = Self::decode_all(&mut &bytes[..]).map_err(|_| Malformed)?;
        let count = certificate.signatures.len();
        if count <= consensus::VALIDATORS_MAX { Ok(certificate) } else { Err(Malformed) }
    }
}

/// Transactions that wait.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Waiting {
    /// Makes a repeated message differ.
    pub number: u64,
    /// The transactions.
    pub transactions: Vec<OpaqueTransaction>,
}

impl Waiting {
    /// Decodes what a peer sent.
    pub fn from_bytes(bytes: &[u8]) -> Result<Vec<OpaqueTransaction>, Malformed> {
        let this = Self::decode_all(&mut &bytes[..]).map_err(|_| Malformed)?;
        let count = this.transactions.len();
        if (1..=TRANSACTIONS_MAX).contains(&count) { Ok(this.transactions) } else { Err(Malformed) }
    }
}

/// How far a node is, and who it is.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Status {
    /// Height of its last final block.
    pub height: Height,
    /// Hash of that block.
    pub hash: Hash,
    /// That a validator runs it.
    pub validator: Option<PeerProof>,
}

impl Status {
    /// Decodes what a peer sent.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        Self::decode_all(&mut &bytes[..]).map_err(|_| Malformed)
    }
}

/// Proof that a validator runs a node.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct PeerProof {
    /// The validator.
    pub account: AccountId,
    /// By its vote key, over the chain and the node's identity.
    pub signature: [u8; 64],
}

impl PeerProof {
    /// What the vote key signs.
    pub fn signed_bytes(genesis: &Hash, peer: &[u8]) -> Vec<u8> {
        (PEER_DOMAIN, genesis, blake2_256(peer)).encode()
    }

    /// Whether one of these validators runs this node.
    pub fn is_good(&self, genesis: &Hash, peer: &[u8], validators: &ValidatorSet) -> bool {
        let message = Self::signed_bytes(genesis, peer);
        let validator = validators.get(&self.account);
        validator.is_some_and(|v| verify_ed25519(&v.vote_key, &message, &self.signature))
    }
}

#[cfg(test)]
mod tests;
