//! What clients are told of the chain.

use crate::{Rules, RuntimeCall, RuntimeError, RuntimeEvent, UncheckedTransaction, calls, pallets};
use ::pallets::system::{self, EventRecord};
use framework::{
    ConstantMeta,
    metadata::{ExtensionMeta, RuntimeMeta, Token},
};
use primitives::{Balance, CheckMetadataHash, Era, Hash, Nonce, crypto::ss58};
use scale_info::{MetaType, TypeInfo, meta_type};

/// The chain's money, as wallets show it.
pub const TOKEN: Token = Token { symbol: "ARTL", decimals: 12, ss58_prefix: ss58::PREFIX_DEFAULT };
/// Versions of metadata that are served.
pub const METADATA_VERSIONS: [u32; 3] = [14, 15, 16];

/// The runtime's own type, which metadata names.
#[derive(TypeInfo)]
pub struct Runtime;

/// Everything that clients are told of the rules, the newest or those that rehearse a change; metadata of every version is
/// made from it.
pub fn describe(rules: Rules) -> RuntimeMeta {
    let mut pallets = pallets();
    let system = pallets
        .iter_mut()
        .find(|pallet| pallet.name == system::NAME)
        .expect("the runtime has the pallet System");
    let version = rules.version();
    system.constants.push(ConstantMeta::new("Version", &version, "The rules in force."));
    if rules == Rules::REHEARSAL {
        let doc = "These rules rehearse a change: they are the same under another number.";
        system.constants.push(ConstantMeta::new("Rehearsal", &true, doc));
    }
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
