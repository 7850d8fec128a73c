//! Who acts: accounts and the ways that a transaction may name one.

use crate::{crypto::ss58, shown};
use codec::{Compact, Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::{
    Path, Type, TypeInfo, TypeParameter,
    build::{Fields, Variants},
    meta_type,
};
use std::{fmt, str::FromStr};

/// An account: 32 bytes, for sr25519 and ed25519 the public key, for ecdsa its blake2b-256 hash.
///
/// As text it is SS58 with prefix 42; parsing takes any prefix, and 0x-prefixed hex.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
)]
pub struct AccountId(pub [u8; 32]);

/// As Substrate describes it: clients show addresses where they find this path.
impl TypeInfo for AccountId {
    type Identity = Self;

    fn type_info() -> Type {
        Type::builder()
            .path(
                Path::from_segments(["sp_core", "crypto", "AccountId32"])
                    .expect("the path's segments are identifiers"),
            )
            .composite(Fields::unnamed().field(|f| f.ty::<[u8; 32]>().type_name("[u8; 32]")))
    }
}

impl AccountId {
    /// The account's bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// An account that no key controls: money of the protocol, named by at most 32 bytes.
    pub const fn pot(name: &[u8]) -> Self {
        let mut bytes = [0; 32];
        let mut i = 0;
        while i < name.len() {
            bytes[i] = name[i];
            i += 1;
        }
        Self(bytes)
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&ss58::encode(&self.0, ss58::PREFIX_DEFAULT))
    }
}

impl fmt::Debug for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl AsRef<[u8]> for AccountId {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl From<[u8; 32]> for AccountId {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl FromStr for AccountId {
    type Err = ss58::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.starts_with("0x") {
            let mut bytes = [0; 32];
            return hex::decode_to_slice(text, &mut bytes)
                .map(|()| Self(bytes))
                .map_err(|_| ss58::Error::BadHex(shown(text, 80)));
        }
        ss58::decode(text).map(|(bytes, _prefix)| Self(bytes))
    }
}

impl serde::Serialize for AccountId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for AccountId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// How a transaction names an account. Only [`MultiAddress::Id`] and [`MultiAddress::Address32`]
/// resolve: the chain keeps no table of short addresses.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking)]
pub enum MultiAddress {
    /// The account itself.
    Id(AccountId),
    /// A place in a table that this chain does not have.
    Index(Compact<()>),
    /// Raw bytes.
    Raw(Vec<u8>),
    /// 32 bytes, read as an account.
    Address32([u8; 32]),
    /// 20 bytes, as other chains have them.
    Address20([u8; 20]),
}

impl MultiAddress {
    /// The account that is meant, if this chain can tell.
    pub fn account(&self) -> Option<AccountId> {
        match self {
            Self::Id(account) => Some(*account),
            Self::Address32(bytes) => Some(AccountId(*bytes)),
            Self::Index(_) | Self::Raw(_) | Self::Address20(_) => None,
        }
    }
}

impl From<AccountId> for MultiAddress {
    fn from(account: AccountId) -> Self {
        Self::Id(account)
    }
}

/// As Substrate describes it: clients look for this path and for the two parameters.
impl TypeInfo for MultiAddress {
    type Identity = Self;

    fn type_info() -> Type {
        let index = TypeParameter::new("AccountIndex", Some(meta_type::<()>()));
        let account = TypeParameter::new("AccountId", Some(meta_type::<AccountId>()));
        Type::builder()
            .path(
                Path::from_segments(["sp_runtime", "multiaddress", "MultiAddress"])
                    .expect("the path's segments are identifiers"),
            )
            .type_params([account, index])
            .variant(
                Variants::new()
                    .variant("Id", |v| {
                        v.index(0).fields(
                            Fields::unnamed().field(|f| f.ty::<AccountId>().type_name("AccountId")),
                        )
                    })
                    .variant("Index", |v| {
                        v.index(1).fields(
                            Fields::unnamed()
                                .field(|f| f.compact::<()>().type_name("AccountIndex")),
                        )
                    })
                    .variant("Raw", |v| {
                        v.index(2).fields(
                            Fields::unnamed().field(|f| f.ty::<Vec<u8>>().type_name("Vec<u8>")),
                        )
                    })
                    .variant("Address32", |v| {
                        v.index(3).fields(
                            Fields::unnamed().field(|f| f.ty::<[u8; 32]>().type_name("[u8; 32]")),
                        )
                    })
                    .variant("Address20", |v| {
                        v.index(4).fields(
                            Fields::unnamed().field(|f| f.ty::<[u8; 20]>().type_name("[u8; 20]")),
                        )
                    }),
            )
    }
}

impl schemars::JsonSchema for AccountId {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "AccountId".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^(0x[0-9a-fA-F]{64}|[1-9A-HJ-NP-Za-km-z]{46,50})$",
            "description": "An account: its address, or its 32 bytes in 0x-hex.",
        })
    }
}
