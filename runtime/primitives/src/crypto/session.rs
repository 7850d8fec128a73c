//! Session keys: the two keys with which a validator's node works, so that the account's own key
//! can stay offline.
//!
//! A key counts only if it is the canonical encoding of a point in the prime-order subgroup that is
//! not the identity: others have signatures that anyone can compute, or several texts for one key.
//! With the keys comes a proof of possession, bound to the validator's account and to the chain, so that
//! nobody can register a key of somebody else.

use super::keys;
use crate::{AccountId, Hash};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use curve25519_dalek::edwards::CompressedEdwardsY;
use scale_info::TypeInfo;

const DOMAIN: &[u8] = b"artel/session-keys/1";

/// A validator's public keys.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub struct SessionKeys {
    /// ed25519: signs proposals, votes and what else consensus says.
    pub vote: [u8; 32],
    /// sr25519: draws randomness; see [`super::vrf`].
    pub vrf: [u8; 32],
}

/// A signature by each of the two keys over chain, account and both keys.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub struct PossessionProof {
    /// By the vote key.
    pub vote: [u8; 64],
    /// By the VRF key.
    pub vrf: [u8; 64],
}

/// Why session keys are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The vote key is no canonical point of prime order.
    #[error("the vote key is not a sound ed25519 key: make a new one")]
    BadVoteKey,
    /// The VRF key is no canonical point of prime order.
    #[error("the VRF key is not a sound sr25519 key: make a new one")]
    BadVrfKey,
    /// The proof is not by these keys for this account on this chain.
    #[error("the proof of possession is not by these keys for this account and chain")]
    BadProof,
}

impl SessionKeys {
    /// Check that both keys are sound and that whoever registers them for `account` on the chain with
    /// this genesis holds them.
    pub fn check(
        &self,
        genesis: &Hash,
        account: &AccountId,
        proof: &PossessionProof,
    ) -> Result<(), Error> {
        self.check_keys()?;
        let message = self.message(genesis, account);
        let vote = keys::verify_ed25519(&self.vote, &message, &proof.vote);
        let vrf = keys::verify_sr25519(&self.vrf, DOMAIN, &message, &proof.vrf);
        if vote && vrf { Ok(()) } else { Err(Error::BadProof) }
    }

    /// Check that both keys are sound: for genesis, where no proof is asked for.
    pub fn check_keys(&self) -> Result<(), Error> {
        if !is_sound_ed25519(&self.vote) {
            return Err(Error::BadVoteKey);
        }
        if !is_sound_sr25519(&self.vrf) {
            return Err(Error::BadVrfKey);
        }
        Ok(())
    }

    /// Prove to [`Self::check`] that the holder of both pairs acts for `account` on the chain with this
    /// genesis; gives the public keys, too.
    #[cfg(feature = "sign")]
    pub fn prove(
        genesis: &Hash,
        account: &AccountId,
        vote: &super::pair::Ed25519Pair,
        vrf: &super::pair::Sr25519Pair,
    ) -> (Self, PossessionProof) {
        let keys = Self { vote: vote.public(), vrf: vrf.public() };
        let message = keys.message(genesis, account);
        let proof = PossessionProof { vote: vote.sign(&message), vrf: vrf.sign(DOMAIN, &message) };
        (keys, proof)
    }

    fn message(&self, genesis: &Hash, account: &AccountId) -> Vec<u8> {
        (DOMAIN, genesis, account, self).encode()
    }
}

/// Whether the bytes are the canonical encoding of an Edwards point of prime order.
pub fn is_sound_ed25519(public: &[u8; 32]) -> bool {
    CompressedEdwardsY(*public).decompress().is_some_and(|point| {
        point.compress().0 == *public && !point.is_small_order() && point.is_torsion_free()
    })
}

/// Whether the bytes encode a Ristretto point other than the identity. Ristretto has prime order
/// and one encoding for each point, so nothing else can be wrong.
pub fn is_sound_sr25519(public: &[u8; 32]) -> bool {
    *public != [0; 32] && schnorrkel::PublicKey::from_bytes(public).is_ok()
}
