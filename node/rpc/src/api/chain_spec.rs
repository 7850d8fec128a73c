//! What the chain's specification says; it never changes while the node runs.

use super::system::properties;
use crate::module::Module;

pub(crate) fn register(module: &mut Module) {
    module.method(&["chainSpec_v1_chainName"], |cx, _| Ok(cx.backend.chain.name.clone()));
    module.method(&["chainSpec_v1_genesisHash"], |cx, _| Ok(cx.genesis));
    module
        .method(&["chainSpec_v1_properties"], |cx, _| Ok(properties(&cx.backend.chain.properties)));
}
