//! Hashes, addresses, keys and signatures: each exactly as Substrate's clients compute it.

pub mod hash;
