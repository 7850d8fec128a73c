//! Transactions in the bytes of Substrate's extrinsic version 4.

use crate::{Balance, Era, Hash, MultiAddress, Nonce, crypto::hash::blake2_256};
use codec::{Decode, DecodeWithMemTracking, Encode, Error, Input, Output};
use scale_info::{Path, StaticTypeInfo, Type, TypeInfo, TypeParameter, build::Fields, meta_type};

/// A longer payload is hashed before it is signed.
pub const SIGNING_PAYLOAD_PLAIN_MAX: usize = 256;
/// Version byte of a transaction that nobody signed: an inherent.
const VERSION_BARE: u8 = 0x04;
/// Version byte of a signed transaction.
const VERSION_SIGNED: u8 = 0x84;

/// A signature by one of the three kinds of key.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum MultiSignature {
    /// By an ed25519 key.
    Ed25519([u8; 64]),
    /// By an sr25519 key, in the context `substrate`.
    Sr25519([u8; 64]),
    /// By a secp256k1 key over blake2b-256 of the payload: r, s and the recovery id.
    Ecdsa([u8; 65]),
}

/// Whether a signature covers the digest of the metadata: a wallet then signs only what the chain reads as it showed it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo,
)]
pub enum MetadataMode {
    /// It does not.
    #[default]
    Disabled,
    /// It does.
    Enabled,
}

/// The extension of that name, as Substrate describes it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo,
)]
pub struct CheckMetadataHash {
    /// Whether it is checked.
    pub mode: MetadataMode,
}

/// What the signer adds to the call, in wire order: the extensions that have bytes.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct TransactionExtra {
    /// In which blocks the transaction is valid.
    pub era: Era,
    /// How many transactions of the signer come before.
    #[codec(compact)]
    pub nonce: Nonce,
    /// Paid to the author on top of the fee, for priority.
    #[codec(compact)]
    pub tip: Balance,
    /// Whether the signature covers the digest of the metadata.
    pub metadata: CheckMetadataHash,
}

impl TransactionExtra {
    /// For a signature that does not cover the digest of the metadata.
    pub fn new(era: Era, nonce: Nonce, tip: Balance) -> Self {
        Self { era, nonce, tip, metadata: CheckMetadataHash::default() }
    }
}

/// What the signature covers though the transaction does not carry it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SigningContext {
    /// Version of the runtime's logic.
    pub spec_version: u32,
    /// Version of the transaction's format.
    pub transaction_version: u32,
    /// Hash of the chain's first block.
    pub genesis: Hash,
    /// Hash of the block in which the transaction's era began; genesis if immortal.
    pub birth: Hash,
    /// Digest of the metadata; some exactly if [`TransactionExtra::metadata`] says so.
    pub metadata_digest: Option<Hash>,
}

/// Most bytes that extensions and context add to a call.
const ADDED_BYTES_MAX: usize = 130;

/// The bytes that a signer signs: call, extensions and context, hashed if longer than
/// [`SIGNING_PAYLOAD_PLAIN_MAX`].
pub fn signing_payload(call: &[u8], extra: &TransactionExtra, context: &SigningContext) -> Vec<u8> {
    let mut payload = Vec::with_capacity(call.len() + ADDED_BYTES_MAX);
    payload.extend_from_slice(call);
    extra.encode_to(&mut payload);
    context.spec_version.encode_to(&mut payload);
    context.transaction_version.encode_to(&mut payload);
    context.genesis.encode_to(&mut payload);
    context.birth.encode_to(&mut payload);
    context.metadata_digest.encode_to(&mut payload);
    if payload.len() > SIGNING_PAYLOAD_PLAIN_MAX {
        return blake2_256(&payload).0.to_vec();
    }
    payload
}

/// A transaction, its length prefix not included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transaction<C> {
    /// By an account.
    Signed {
        /// Who signs and pays.
        address: MultiAddress,
        /// Over [`signing_payload`].
        signature: MultiSignature,
        /// Era, nonce, tip and what the signature covers.
        extra: TransactionExtra,
        /// What to do.
        call: C,
    },
    /// By the author of the block.
    Bare(C),
}

impl<C> Transaction<C> {
    /// What to do.
    pub fn call(&self) -> &C {
        match self {
            Self::Signed { call, .. } | Self::Bare(call) => call,
        }
    }
}

impl<C: Encode> Encode for Transaction<C> {
    fn encode_to<T: Output + ?Sized>(&self, dest: &mut T) {
        match self {
            Self::Signed { address, signature, extra, call } => {
                dest.push_byte(VERSION_SIGNED);
                (address, signature, extra, call).encode_to(dest);
            }
            Self::Bare(call) => {
                dest.push_byte(VERSION_BARE);
                call.encode_to(dest);
            }
        }
    }
}

impl<C: Decode> Decode for Transaction<C> {
    fn decode<I: Input>(input: &mut I) -> Result<Self, Error> {
        match input.read_byte()? {
            VERSION_SIGNED => {
                let (address, signature, extra, call) = Decode::decode(input)?;
                Ok(Self::Signed { address, signature, extra, call })
            }
            VERSION_BARE => Ok(Self::Bare(C::decode(input)?)),
            _ => Err("only extrinsic version 4 is known: its first byte is 0x84 or 0x04".into()),
        }
    }
}

/// As Substrate describes it: an opaque vector whose parameters name the parts, in this order.
impl<C: StaticTypeInfo> TypeInfo for Transaction<C> {
    type Identity = Self;

    fn type_info() -> Type {
        let path = ["sp_runtime", "generic", "unchecked_extrinsic", "UncheckedExtrinsic"];
        Type::builder()
            .path(Path::from_segments(path).expect("the path's segments are identifiers"))
            .type_params([
                TypeParameter::new("Address", Some(meta_type::<MultiAddress>())),
                TypeParameter::new("Call", Some(meta_type::<C>())),
                TypeParameter::new("Signature", Some(meta_type::<MultiSignature>())),
                TypeParameter::new("Extra", Some(meta_type::<TransactionExtra>())),
            ])
            .composite(Fields::unnamed().field(|f| f.ty::<Vec<u8>>()))
    }
}
