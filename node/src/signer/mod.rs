//! Where a validator's signatures come from: keys of its own, or a process of its own that has them.
//!
//! ```text
//! node: consensus, chain, sync --Signer--> Keyring
//!                                     '--> client thread --unix socket--> `artel signer run`: custody, guard, Keyring
//! ```
//!
//! Requests say what is to be signed, never bytes: the signer makes those itself. Who may connect is a matter of the
//! socket's file; see node/docs/adr/0011.

mod client;
mod server;
mod wire;

pub use client::Client;
pub use server::{Server, Setup, listen};

use crate::{
    assemble::Keys,
    keyring::{FOLDER, Keyring},
    wire::PeerProof,
};
use anyhow::Result;
use consensus::{Content, Instance, Slot, Unsigned, VoteSigner, store::FileStore};
use primitives::{AccountId, Hash, Height, VoteSignature, crypto::vrf};
use std::{path::Path, sync::Arc};

/// Makes what a validator signs. Clones share what is behind it. Nothing takes longer than half a second.
#[derive(Clone)]
pub enum Signer {
    /// With keys of this process.
    Local {
        /// Hash of the genesis block.
        genesis: Hash,
        /// The keys.
        keys: Arc<Keyring>,
    },
    /// By another process.
    Remote(Client),
}

impl Signer {
    /// The draw of a block's author; `seed` is that of the height's validator set.
    pub fn draw(
        &self,
        key: &[u8; 32],
        seed: &Hash,
        height: Height,
        round: u32,
    ) -> Option<vrf::Proof> {
        match self {
            Self::Local { keys, .. } => keys.draw(key, &runtime::draw_message(seed, height, round)),
            Self::Remote(client) => client.draw(*key, *seed, height, round),
        }
    }

    /// Proof that the validator runs the node with this identity.
    pub fn prove_peer(&self, key: &[u8; 32], peer: &[u8]) -> Option<VoteSignature> {
        match self {
            Self::Local { genesis, keys } => {
                keys.sign(key, &PeerProof::signed_bytes(genesis, peer))
            }
            Self::Remote(client) => client.prove_peer(*key, peer),
        }
    }
}

/// What a validator in the folder `home` signs with, whose it is, and the work that this takes, if it is another process's.
pub fn open(
    keys: Keys,
    home: &Path,
    genesis: Hash,
    store: &FileStore,
) -> Result<(AccountId, Signer, Option<client::Worker>)> {
    match keys {
        Keys::Local(given) => {
            let keys = Keyring::open(given.map(|given| *given), home.join(FOLDER))?;
            let account = keys.account();
            Ok((account, Signer::Local { genesis, keys: Arc::new(keys) }, None))
        }
        Keys::Remote { socket, account } => {
            let mut fresh = [0; 16];
            getrandom::fill(&mut fresh)
                .map_err(|error| anyhow::anyhow!("the system gives no random bytes: {error}"))?;
            let instance = store.instance(Instance(fresh))?;
            let (client, worker) = Client::new(socket, genesis, account, instance);
            Ok((account, Signer::Remote(client), Some(worker)))
        }
    }
}

impl VoteSigner for Signer {
    fn sign(
        &mut self,
        key: &[u8; 32],
        content: &Content,
        known: Option<Slot>,
    ) -> Result<VoteSignature, Unsigned> {
        match self {
            Self::Local { genesis, keys } => {
                keys.sign(key, &content.signed_bytes(genesis)).ok_or(Unsigned::NoKey)
            }
            Self::Remote(client) => client.sign(*key, content, known),
        }
    }
}

#[cfg(test)]
mod tests;
