//! What clients are told of the chain.

use crate::{
    RuntimeCall, RuntimeError, RuntimeEvent, SPEC_NAME, SPEC_VERSION, UncheckedTransaction, calls,
    pallets, version,
};
use ::pallets::system::{self, EventRecord};
use framework::{
    ConstantMeta,
    metadata::{self, ExtensionMeta, RuntimeMeta, Token},
};
use primitives::{Balance, CheckMetadataHash, Era, Hash, Nonce, crypto::ss58};
use scale_info::{MetaType, TypeInfo, meta_type};
use std::sync::LazyLock;

/// The chain's money, as wallets show it.
pub const TOKEN: Token = Token { symbol: "ARTL", decimals: 12, ss58_prefix: ss58::PREFIX_DEFAULT };
/// Versions of metadata that are served.
pub const METADATA_VERSIONS: [u32; 3] = [14, 15, 16];

/// The runtime's own type, which metadata names.
#[derive(TypeInfo)]
pub struct Runtime;

/// Everything that clients are told; metadata of every version is made from it.
pub fn describe() -> RuntimeMeta {
    let mut pallets = pallets();
    let system = pallets
        .iter_mut()
        .find(|pallet| pallet.name == system::NAME)
        .expect("the runtime has the pallet System");
    system.constants.push(ConstantMeta::new("Version", &version(), "The rules in force."));
    for item in &mut system.storage {
        if item.item.name == "Events" {
            // Only the runtime knows all events.
            item.value = meta_type::<Vec<EventRecord<RuntimeEvent, Hash>>>();
        }
    }
    RuntimeMeta {
        pallets,
        transaction: meta_type::<UncheckedTransaction>(),
        extensions: extensions(),
        apis: calls::describe(),
        runtime: meta_type::<Runtime>(),
        calls: meta_type::<RuntimeCall>(),
        events: meta_type::<RuntimeEvent>(),
        errors: meta_type::<RuntimeError>(),
    }
}

/// What the signer adds to the call, in wire order.
fn extensions() -> Vec<ExtensionMeta> {
    let nothing = meta_type::<()>;
    let extension = |id, ty: MetaType, additional: MetaType| ExtensionMeta { id, ty, additional };
    vec![
        extension("CheckNonZeroSender", nothing(), nothing()),
        extension("CheckSpecVersion", nothing(), meta_type::<u32>()),
        extension("CheckTxVersion", nothing(), meta_type::<u32>()),
        extension("CheckGenesis", nothing(), meta_type::<Hash>()),
        extension("CheckMortality", meta_type::<Era>(), meta_type::<Hash>()),
        extension("CheckNonce", meta_type::<codec::Compact<Nonce>>(), nothing()),
        extension("CheckWeight", nothing(), nothing()),
        extension("ChargeTransactionPayment", meta_type::<codec::Compact<Balance>>(), nothing()),
        extension(
            "CheckMetadataHash",
            meta_type::<CheckMetadataHash>(),
            meta_type::<Option<[u8; 32]>>(),
        ),
    ]
}

static METADATA_V14: LazyLock<Vec<u8>> = LazyLock::new(|| metadata::v14(describe()));
static METADATA_V15: LazyLock<Vec<u8>> = LazyLock::new(|| metadata::v15(describe()));
static METADATA_V16: LazyLock<Vec<u8>> = LazyLock::new(|| metadata::v16(describe()));
static DIGEST: LazyLock<Hash> =
    LazyLock::new(|| metadata::digest(describe(), SPEC_NAME, SPEC_VERSION, &TOKEN));

/// Metadata from its `meta` on, of one of [`METADATA_VERSIONS`].
pub fn metadata(version: u32) -> Option<&'static [u8]> {
    match version {
        14 => Some(&METADATA_V14),
        15 => Some(&METADATA_V15),
        16 => Some(&METADATA_V16),
        _ => None,
    }
}

/// Metadata version 14, from its `meta` on, as `state_getMetadata` gives it.
pub fn metadata_v14() -> &'static [u8] {
    &METADATA_V14
}

/// Digest of the metadata, as RFC-78 defines it: what a signature covers whose transaction says so.
pub fn metadata_digest() -> Hash {
    *DIGEST
}
