//! Who may decide a block, and the proof that they did.

use crate::{AccountId, Hash, Height, crypto::hash::blake2_256};
use codec::{Decode, DecodeWithMemTracking, Encode};
use scale_info::TypeInfo;

/// Separates what consensus signs from everything else that a key might sign.
pub(crate) const CONSENSUS_DOMAIN: &[u8; 16] = b"artel/consensus1";
/// The third thing that a validator signs in a round, after a proposal and a prevote.
const STEP_PRECOMMIT: u8 = 2;

/// A validator as consensus sees it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct ValidatorInfo {
    /// The account that staked.
    pub account: AccountId,
    /// ed25519 key that signs proposals and votes.
    pub vote_key: [u8; 32],
    /// sr25519 key whose VRF gives randomness.
    pub vrf_key: [u8; 32],
    /// Voting power; the sum over a set is at most `u64::MAX / 3`.
    pub power: u64,
}

/// The validators of one height, sorted by account, and the seed that orders their proposals.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct ValidatorSet {
    /// Sorted by account, each once.
    pub validators: Vec<ValidatorInfo>,
    /// Randomness of the height before.
    pub seed: Hash,
}

impl ValidatorSet {
    /// Commitment to the members, as headers carry it for the next height; the seed is not part of
    /// it, as it is known only once the block is.
    pub fn members_hash(&self) -> Hash {
        blake2_256(&self.validators.encode())
    }

    /// The member with this account.
    pub fn get(&self, account: &AccountId) -> Option<&ValidatorInfo> {
        let place = self.validators.binary_search_by(|v| v.account.cmp(account)).ok()?;
        self.validators.get(place)
    }
}

/// Proof that a block is final: precommits of more than two thirds of the power of its height.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct Certificate {
    /// Height of the block.
    pub height: Height,
    /// Round in which it was decided.
    pub round: u32,
    /// The block's hash.
    pub block: Hash,
    /// ed25519 signatures by vote keys, sorted by account, each account once.
    pub signatures: Vec<(AccountId, [u8; 64])>,
}

impl Certificate {
    /// The bytes that every signature covers: the precommit for the block, as consensus signs it.
    pub fn signed_bytes(&self, genesis: &Hash) -> Vec<u8> {
        let Self { height, round, block, .. } = self;
        (CONSENSUS_DOMAIN, genesis, STEP_PRECOMMIT, height, round, Some(block)).encode()
    }
}
