//! What clients are told of the chain.

use crate::{
    RuntimeCall, RuntimeError, RuntimeEvent, UncheckedTransaction, calls, pallets, version,
};
use ::pallets::system::{self, EventRecord};
use framework::{
    ConstantMeta, DispatchError,
    metadata::{self, ExtensionMeta, RuntimeMeta},
};
use primitives::{Balance, Era, Hash, Nonce};
use scale_info::{MetaType, TypeInfo, meta_type};
use std::sync::LazyLock;

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
        extra_types: vec![
            meta_type::<RuntimeCall>(),
            meta_type::<RuntimeEvent>(),
            meta_type::<RuntimeError>(),
            meta_type::<DispatchError>(),
        ],
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
    ]
}

static METADATA_V14: LazyLock<Vec<u8>> = LazyLock::new(|| metadata::v14(describe()));

/// Metadata version 14, from its `meta` on, as `state_getMetadata` gives it.
pub fn metadata_v14() -> &'static [u8] {
    &METADATA_V14
}
