//! What a follow tells, in the words of the specification.

use crate::api::items::Item;
use primitives::Hash;
use runtime::{RuntimeVersion, view::Bytes};
use serde::Serialize;
use std::collections::BTreeMap;

#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(super) enum Event {
    Initialized {
        finalized_block_hashes: Vec<Hash>,
        #[serde(skip_serializing_if = "Option::is_none")]
        finalized_block_runtime: Option<Runtime>,
    },
    NewBlock {
        block_hash: Hash,
        parent_block_hash: Hash,
        /// Missing for who follows without; null if the rules are those of the block before.
        #[serde(skip_serializing_if = "Option::is_none")]
        new_runtime: Option<Option<Runtime>>,
    },
    BestBlockChanged {
        best_block_hash: Hash,
    },
    Finalized {
        finalized_block_hashes: [Hash; 1],
        /// There are no forks.
        pruned_block_hashes: [Hash; 0],
    },
    OperationBodyDone {
        operation_id: String,
        value: Vec<Bytes>,
    },
    OperationCallDone {
        operation_id: String,
        output: Bytes,
    },
    OperationStorageItems {
        operation_id: String,
        items: Vec<Item>,
    },
    OperationWaitingForContinue {
        operation_id: String,
    },
    OperationStorageDone {
        operation_id: String,
    },
    OperationInaccessible {
        operation_id: String,
    },
    OperationError {
        operation_id: String,
        error: String,
    },
    Stop,
}

/// Which rules are in force.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub(super) enum Runtime {
    Valid { spec: Spec },
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Spec {
    spec_name: String,
    impl_name: String,
    spec_version: u32,
    impl_version: u32,
    transaction_version: u32,
    /// By the ids of the groups of runtime calls; elsewhere this is a list.
    apis: BTreeMap<String, u32>,
}

impl From<&RuntimeVersion> for Runtime {
    fn from(version: &RuntimeVersion) -> Self {
        let apis =
            version.apis.iter().map(|(id, version)| (Bytes(id.to_vec()).to_string(), *version));
        let spec = Spec {
            spec_name: version.spec_name.clone(),
            impl_name: version.impl_name.clone(),
            spec_version: version.spec_version,
            impl_version: version.impl_version,
            transaction_version: version.transaction_version,
            apis: apis.collect(),
        };
        Self::Valid { spec }
    }
}
