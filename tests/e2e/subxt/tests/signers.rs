//! Keys of the three kinds.

use crate::session::Chain;
use primitives::{
    MultiSignature,
    crypto::pair::{Pair, Scheme},
};
use subxt::{
    tx::Signer,
    utils::{AccountId32, MultiSignature as Signature},
};
use subxt_signer::{ecdsa, sr25519};

/// An sr25519 key of subxt's own, whose account has money: that of //Charlie, who has no other part in a development chain.
pub fn rich() -> sr25519::Keypair {
    sr25519::dev::charlie()
}

/// The account of [`rich`].
pub fn rich_account() -> AccountId32 {
    Signer::<Chain>::account_id(&rich())
}

/// An ecdsa key of subxt's own; its account is empty.
pub fn ecdsa() -> ecdsa::Keypair {
    ecdsa::dev::alice()
}

/// An ed25519 key, which subxt leaves to its users; its account is empty.
pub struct Ed25519(Pair);

impl Ed25519 {
    pub fn alice() -> Self {
        Self(Pair::from_uri(Scheme::Ed25519, "//Alice").expect("a well-known key"))
    }
}

impl Signer<Chain> for Ed25519 {
    fn account_id(&self) -> AccountId32 {
        AccountId32(self.0.account().0)
    }

    fn sign(&self, payload: &[u8]) -> Signature {
        match self.0.sign(payload) {
            MultiSignature::Ed25519(signature) => Signature::Ed25519(signature),
            other => panic!("an ed25519 key made {other:?}"),
        }
    }
}

/// An account that nobody has used.
pub fn fresh(number: u8) -> AccountId32 {
    AccountId32([number; 32])
}
