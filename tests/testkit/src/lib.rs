#![doc = include_str!("../README.md")]

mod tx;

pub use tx::{Signer, task_spec, transfer};

use framework::MemState;
use primitives::{
    AccountId, Balance,
    crypto::pair::{Pair, Scheme, Sr25519Pair},
};
use runtime::{ChainSpec, Genesis};

/// The sr25519 pair of a secret URI.
///
/// # Panics
/// If the text names no key.
pub fn pair(uri: &str) -> Pair {
    Pair::from_uri(Scheme::Sr25519, uri).expect("tests name keys that exist")
}

/// The pair of `//Alice`, who has money on development chains.
pub fn alice() -> Pair {
    pair("//Alice")
}

/// The pair of `//Bob`, who has money on development chains.
pub fn bob() -> Pair {
    pair("//Bob")
}

/// The pair of `//Charlie`, who has money on development chains.
pub fn charlie() -> Pair {
    pair("//Charlie")
}

/// One of as many pairs as a test needs; fast, as no words are involved.
pub fn numbered_pair(number: u64) -> Pair {
    let mut seed = [0xa7; 32];
    seed[..8].copy_from_slice(&number.to_le_bytes());
    Pair::Sr25519(Sr25519Pair::from_seed(&seed))
}

/// The genesis of the development chain with more accounts that have money.
pub fn genesis_with(accounts: impl IntoIterator<Item = (AccountId, Balance)>) -> Genesis {
    let mut genesis = ChainSpec::dev().genesis;
    genesis.Balances.balances.extend(accounts);
    genesis
}

/// The first state of a genesis.
pub fn state_of(genesis: &Genesis) -> MemState {
    let mut state = MemState::default();
    state.apply(&runtime::genesis_state(genesis).expect("tests begin with chains that can begin"));
    state
}

/// The first state of the development chain.
pub fn genesis_state() -> MemState {
    state_of(&ChainSpec::dev().genesis)
}

#[cfg(test)]
mod tests;
