//! Which rules are in force.

use crate::{Rules, calls};
use codec::{Decode, Encode};
use primitives::{Hash, SigningContext, StateRead};
use scale_info::TypeInfo;
use serde::{Deserialize, Serialize};

/// Name of the rules.
pub const SPEC_NAME: &str = "artel";
/// Version of the newest rules. It grows with any change that a client can see, metadata included.
pub const SPEC_VERSION: u32 = 1;
/// Version of the transaction format: indices of pallets and calls, and the extensions.
pub const TRANSACTION_VERSION: u32 = 2;

/// The rules in force, as clients read them.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, Serialize, Deserialize)]
#[serde(into = "Json", from = "Json")]
pub struct RuntimeVersion {
    /// Name of the rules.
    pub spec_name: String,
    /// Name of the software that knows them.
    pub impl_name: String,
    /// Version of how blocks are made.
    pub authoring_version: u32,
    /// Version of the rules.
    pub spec_version: u32,
    /// Version of the software, where the rules are the same.
    pub impl_version: u32,
    /// Groups of runtime calls, by the hash of their names, with their versions.
    pub apis: Vec<([u8; 8], u32)>,
    /// Version of the transaction format.
    pub transaction_version: u32,
    /// Version of the form of state.
    pub system_version: u8,
}

impl RuntimeVersion {
    /// What signatures cover under these rules. `birth` is the block in which the transaction's era begins, genesis if it is
    /// immortal.
    pub fn signing_context(&self, genesis: Hash, birth: Hash) -> SigningContext {
        SigningContext {
            spec_version: self.spec_version,
            transaction_version: self.transaction_version,
            genesis,
            birth,
            metadata_digest: None,
        }
    }
}

/// The version in JSON.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Json {
    spec_name: String,
    impl_name: String,
    authoring_version: u32,
    spec_version: u32,
    impl_version: u32,
    apis: Vec<(ApiId, u32)>,
    transaction_version: u32,
    system_version: u8,
    /// The same under its older name.
    state_version: u8,
}

/// Eight bytes in hex.
#[derive(Clone, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
struct ApiId([u8; 8]);

impl From<ApiId> for String {
    fn from(id: ApiId) -> Self {
        format!("0x{}", hex::encode(id.0))
    }
}

impl TryFrom<String> for ApiId {
    type Error = hex::FromHexError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let mut id = [0; 8];
        hex::decode_to_slice(text, &mut id).map(|()| Self(id))
    }
}

impl From<RuntimeVersion> for Json {
    fn from(version: RuntimeVersion) -> Self {
        Self {
            spec_name: version.spec_name,
            impl_name: version.impl_name,
            authoring_version: version.authoring_version,
            spec_version: version.spec_version,
            impl_version: version.impl_version,
            apis: version.apis.into_iter().map(|(id, version)| (ApiId(id), version)).collect(),
            transaction_version: version.transaction_version,
            system_version: version.system_version,
            state_version: version.system_version,
        }
    }
}

impl From<Json> for RuntimeVersion {
    fn from(json: Json) -> Self {
        Self {
            spec_name: json.spec_name,
            impl_name: json.impl_name,
            authoring_version: json.authoring_version,
            spec_version: json.spec_version,
            impl_version: json.impl_version,
            apis: json.apis.into_iter().map(|(id, version)| (id.0, version)).collect(),
            transaction_version: json.transaction_version,
            system_version: json.system_version,
        }
    }
}

/// The newest rules, which chains begin with.
pub fn version() -> RuntimeVersion {
    version_of(SPEC_VERSION)
}

/// The rules by which the block after this state is made. Clients sign for them.
pub fn version_at(state: &dyn StateRead) -> RuntimeVersion {
    Rules::at(state).version()
}

/// The newest rules under this number.
pub(crate) fn version_of(spec_version: u32) -> RuntimeVersion {
    RuntimeVersion {
        spec_name: SPEC_NAME.to_owned(),
        impl_name: "artel-node".to_owned(),
        authoring_version: 1,
        spec_version,
        impl_version: 1,
        apis: calls::APIS.iter().map(|api| (api_id(api.name), api.version)).collect(),
        transaction_version: TRANSACTION_VERSION,
        system_version: 1,
    }
}

/// Substrate's id of a group of runtime calls: BLAKE2b of its name with 8 bytes of output.
fn api_id(name: &str) -> [u8; 8] {
    let hash = blake2b_simd::Params::new().hash_length(8).hash(name.as_bytes());
    hash.as_bytes().try_into().expect("the hash has the length asked for")
}
