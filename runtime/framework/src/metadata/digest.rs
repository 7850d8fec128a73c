//! The digest of metadata that a signature may cover: RFC-78 of the Polkadot fellowship.

use super::{RuntimeMeta, v15};
use frame_metadata::RuntimeMetadata;
use merkleized_metadata::{ExtraInfo, generate_metadata_digest};
use primitives::Hash;

/// What a wallet shows of the chain's money and addresses; the digest covers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// Symbol of the token.
    pub symbol: &'static str,
    /// Decimals of the token.
    pub decimals: u8,
    /// Prefix of addresses.
    pub ss58_prefix: u16,
}

/// The digest over a runtime's calls and transaction format, its name and version, and its token: a wallet that has
/// computed the same from what it shows knows that the chain reads the transaction as it does. It is blake3 over a Merkle
/// tree of the types that transactions are made of, so that a small device needs only those that it shows.
pub fn digest(meta: RuntimeMeta, spec_name: &str, spec_version: u32, token: &Token) -> Hash {
    let extra = ExtraInfo {
        spec_version,
        spec_name: spec_name.to_owned(),
        base58_prefix: token.ss58_prefix,
        decimals: token.decimals,
        token_symbol: token.symbol.to_owned(),
    };
    let metadata = RuntimeMetadata::V15(v15::build(meta));
    let digest = generate_metadata_digest(&metadata, extra);
    Hash(digest.expect("metadata names each type that it uses").hash())
}
