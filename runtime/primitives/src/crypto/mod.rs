//! Hashes, addresses, keys and signatures: each exactly as Substrate's clients compute it.
//!
//! | Module | What |
//! |---|---|
//! | [`hash`] | blake2b and the twox storage prefixes |
//! | [`ss58`] | accounts as text |
//! | [`keys`] | what a valid signature is, one at a time |
//! | [`batch`] | the same verdicts for many signatures over all cores |
//! | [`vrf`] | verifiable randomness from an sr25519 key |
//! | [`session`] | a validator's two keys and the proof that it holds them |
//! | `pair`, `uri` | secret keys and their text form; feature `sign` |
//!
//! Nothing here asks the operating system for randomness. Signing is deterministic; batch
//! verification and mnemonics take randomness as an argument.

pub mod batch;
pub mod hash;
pub mod keys;
#[cfg(feature = "sign")]
pub mod pair;
mod random;
pub mod session;
pub mod ss58;
#[cfg(feature = "sign")]
pub mod uri;
pub mod vrf;

#[cfg(test)]
mod tests;
