//! What a valid signature is: one rule for each of the three kinds, the same on every node.
//!
//! - **sr25519**: schnorrkel with signing context `substrate`. Bit 7 of the last byte marks the
//!   kind and must be set; `s` must be below the group order; key and `R` must be canonical
//!   Ristretto encodings.
//! - **ed25519**: ZIP-215 and nothing else, because single and batch verification agree under it on
//!   every input: `[8][s]B = [8]R + [8][k]A`, `s` below the group order, non-canonical points
//!   accepted.
//! - **ecdsa**: secp256k1 over blake2b-256 of the message, the key recovered from r, s and v. v is
//!   0 or 1, or 27 or 28 for the same; s may be in either half of its range, as in Substrate. A
//!   third party can thus turn an ecdsa signature into another valid one, and with it a
//!   transaction's hash: what keeps a transaction from happening twice is its nonce, never its
//!   hash.
//!
//! An account whose 32 bytes are a point of small order, such as 32 zero bytes, belongs to
//! everybody: all these rules accept signatures for it that anyone can compute. Never send money
//! there.

use crate::{AccountId, MultiSignature, crypto::hash::blake2_256};
use ed25519_zebra::{Signature, VerificationKey};
use schnorrkel::signing_context;
use secp256k1::{
    Message,
    ecdsa::{RecoverableSignature, RecoveryId},
};

/// The schnorrkel context under which Substrate's clients sign.
pub const SR25519_CONTEXT: &[u8] = b"substrate";

/// Whether `signature` over `message` is valid and by `account`.
///
/// Use [`super::batch`] for more than a few signatures: the verdicts are the same.
pub fn verify(account: &AccountId, message: &[u8], signature: &MultiSignature) -> bool {
    match signature {
        MultiSignature::Sr25519(signature) => {
            verify_sr25519(&account.0, SR25519_CONTEXT, message, signature)
        }
        MultiSignature::Ed25519(signature) => verify_ed25519(&account.0, message, signature),
        MultiSignature::Ecdsa(signature) => recover_ecdsa(message, signature)
            .is_some_and(|public| ecdsa_account(&public) == *account),
    }
}

/// Whether an sr25519 signature under a signing context is valid. The context separates the uses of
/// a key: [`SR25519_CONTEXT`] is for transactions.
pub fn verify_sr25519(
    public: &[u8; 32],
    context: &[u8],
    message: &[u8],
    signature: &[u8; 64],
) -> bool {
    let Ok(public) = schnorrkel::PublicKey::from_bytes(public) else { return false };
    let Ok(signature) = schnorrkel::Signature::from_bytes(signature) else { return false };
    public.verify(signing_context(context).bytes(message), &signature).is_ok()
}

/// Whether an ed25519 signature is valid by ZIP-215.
pub fn verify_ed25519(public: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    VerificationKey::try_from(*public)
        .and_then(|key| key.verify(&Signature::from_bytes(signature), message))
        .is_ok()
}

/// The compressed secp256k1 key that made this signature over `message`, if there is one.
///
/// Every message and almost every signature give some key, so the answer means nothing until it is
/// compared with the key or account expected.
pub fn recover_ecdsa(message: &[u8], signature: &[u8; 65]) -> Option<[u8; 33]> {
    let [r_and_s @ .., v] = signature;
    let recovery = match v {
        0 | 27 => RecoveryId::Zero,
        1 | 28 => RecoveryId::One,
        _ => return None,
    };
    let digest = Message::from_digest(blake2_256(message).0);
    let signature = RecoverableSignature::from_compact(r_and_s, recovery).ok()?;
    signature.recover(digest).ok().map(|public| public.serialize())
}

/// The account of a compressed secp256k1 key: its blake2b-256.
pub fn ecdsa_account(public: &[u8; 33]) -> AccountId {
    AccountId(blake2_256(public).0)
}
