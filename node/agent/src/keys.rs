//! The agent's own keys, beside the account's: made once and kept in its folder.

use crate::{journal, shell::Error};
use client::pallets::agents::{Payee, Profile, peer_message};
use curve25519_dalek::MontgomeryPoint;
use primitives::{
    AccountId, Hash,
    crypto::{
        hash::blake2_256,
        pair::{Ed25519Pair, Sr25519Pair},
        vrf,
    },
};
use std::path::Path;

/// Bytes of the secret from which all keys come.
const SEED_BYTES: usize = 32;

/// Keys that only this agent's folder holds.
pub(crate) struct Keys {
    vrf: Sr25519Pair,
    peer: Ed25519Pair,
    exchange: [u8; 32],
}

impl Keys {
    /// The keys of a folder; new ones if it has none.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        let path = folder.join("keys");
        let seed = match journal::read(&path)? {
            Some(bytes) => bytes.try_into().map_err(|_| Error::Damaged(path))?,
            None => {
                let mut seed = [0; SEED_BYTES];
                getrandom::fill(&mut seed).map_err(Error::Randomness)?;
                journal::write(&path, &seed)?;
                seed
            }
        };
        Ok(Self::from_seed(&seed))
    }

    pub(crate) fn from_seed(seed: &[u8; SEED_BYTES]) -> Self {
        let derive = |purpose: &str| blake2_256(&[purpose.as_bytes(), seed].concat()).0;
        Self {
            vrf: Sr25519Pair::from_seed(&derive("artel/agent/vrf")),
            peer: Ed25519Pair::from_seed(&derive("artel/agent/peer")),
            exchange: derive("artel/agent/exchange"),
        }
    }

    /// Output and proof of a claim.
    pub fn prove(&self, label: &[u8], message: &[u8]) -> vrf::Proof {
        vrf::sign(&self.vrf, label, message).0
    }

    /// What the registry is to know, on the chain with this genesis.
    pub fn profile(&self, config: &crate::Config, account: AccountId, genesis: &Hash) -> Profile {
        Profile {
            payout: Payee::Account(account),
            peer_key: self.peer.public(),
            peer_proof: self.peer.sign(&peer_message(genesis, &account)),
            exchange_key: MontgomeryPoint::mul_base_clamped(self.exchange).to_bytes(),
            vrf_key: self.vrf.public(),
            engines: config.engines.clone(),
            capabilities: config.capabilities(),
            hold_max: config.hold_max,
            slots: config.slots_max,
            price: config.price_per_mfuel,
        }
    }
}
