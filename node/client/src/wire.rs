//! Substrate's JSON, as far as it is read here.

use crate::Error;
use codec::DecodeAll;
use primitives::{Digest, DigestItem, Hash, Header, Height};
use runtime::{REHEARSAL_SPEC_VERSION, Rules};
use serde::{Deserialize, Deserializer};

/// The runtime's version.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct VersionJson {
    pub spec_name: String,
    pub spec_version: u32,
    pub transaction_version: u32,
}

impl VersionJson {
    /// Whether this program knows the rules of a chain, which may rehearse a change of them.
    pub fn check(&self, url: &str, rehearses: bool) -> Result<(), Error> {
        let built = runtime::version();
        let is_known = self.spec_name == built.spec_name
            && Rules::of_version(self.spec_version).is_some()
            && (rehearses || self.spec_version != REHEARSAL_SPEC_VERSION)
            && self.transaction_version == built.transaction_version;
        if is_known {
            return Ok(());
        }
        let named = |name: &str, spec: u32, transactions: u32| {
            format!("{name} {spec} (transactions {transactions})")
        };
        Err(Error::OtherRuntime {
            url: url.to_owned(),
            found: named(&self.spec_name, self.spec_version, self.transaction_version),
            built: named(&built.spec_name, built.spec_version, built.transaction_version),
        })
    }
}

/// A header, as far as it is needed here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HeaderJson {
    pub parent_hash: Hash,
    #[serde(deserialize_with = "height")]
    pub number: Height,
}

/// A header with all that its hash covers.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FullHeaderJson {
    parent_hash: Hash,
    #[serde(deserialize_with = "height")]
    number: Height,
    state_root: Hash,
    extrinsics_root: Hash,
    digest: DigestJson,
}

#[derive(Deserialize)]
struct DigestJson {
    logs: Vec<runtime::view::Bytes>,
}

impl FullHeaderJson {
    /// The header, or what is wrong with its digest.
    pub fn header(self) -> Result<Header, String> {
        let logs = self.digest.logs.iter().map(|log| DigestItem::decode_all(&mut &log.0[..]));
        let logs = logs.collect::<Result<_, _>>().map_err(|error| format!("digest: {error}"))?;
        Ok(Header {
            parent_hash: self.parent_hash,
            number: self.number,
            state_root: self.state_root,
            extrinsics_root: self.extrinsics_root,
            digest: Digest { logs },
        })
    }
}

/// Proofs of keys.
#[derive(Deserialize)]
pub(crate) struct ReadProofJson {
    pub proof: Vec<runtime::view::Bytes>,
}

/// A block with its transactions.
#[derive(Deserialize)]
pub(crate) struct SignedBlockJson {
    pub block: BlockJson,
}

#[derive(Deserialize)]
pub(crate) struct BlockJson {
    pub header: HeaderJson,
    pub extrinsics: Vec<runtime::view::Bytes>,
}

/// Keys and values at a block.
#[derive(Deserialize)]
pub(crate) struct ChangesJson {
    pub changes: Vec<(runtime::view::Bytes, Option<runtime::view::Bytes>)>,
}

/// Where a watched transaction stands.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub(crate) enum TxStatusJson {
    Future,
    Ready,
    Broadcast(Vec<String>),
    InBlock(Hash),
    Retracted(Hash),
    FinalityTimeout(Hash),
    Finalized(Hash),
    Usurped(Hash),
    Dropped,
    Invalid,
}

/// A number as JSON-RPC of Substrate writes it: hex in a string, or plain.
fn height<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Height, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(Height),
        Text(String),
    }
    match Either::deserialize(deserializer)? {
        Either::Number(number) => Ok(number),
        Either::Text(text) => {
            let digits = text.strip_prefix("0x").unwrap_or(&text);
            Height::from_str_radix(digits, 16)
                .map_err(|_| serde::de::Error::custom(format_args!("'{text}' is no height")))
        }
    }
}
