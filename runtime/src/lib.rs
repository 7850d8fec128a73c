#![doc = include_str!("../README.md")]
#![deny(missing_docs, clippy::float_arithmetic)]

mod apply;
mod block;
mod calls;
mod check;
mod describe;
mod execution;
pub mod explain;
mod genesis;
mod invalid;
pub mod light;
mod readable;
mod rules;
mod spec;
mod trace;
mod transaction;
mod version;
pub mod view;

pub use ::pallets::{
    offences::EVIDENCE_MAX,
    session::validators as validator_set,
    system::{
        BLOCK_BYTES_MAX, BLOCK_HASHES_MAX, BLOCK_REF_TIME_MAX, NORMAL_REF_TIME_MAX, events_key,
    },
    transaction_payment::{FeeDetails, InclusionFee},
};
pub use apply::apply_tx;
pub use block::{
    BlockError, Digested, Inherents, VRF_LABEL, WIDENED_MAX, block_env, draw_message,
    extrinsics_root, make_digest, parse_digest, vrf_message,
};
pub use calls::{
    AgentInfo, CallError, Estimate, Explanation, RuntimeDispatchInfo, TaskInfo, TransactionSource,
    ValidTransaction, call,
};
pub use check::check;
pub use describe::{METADATA_VERSIONS, Runtime, TOKEN, describe};
pub use execution::{ApplyError, BlockOutput, Execution};
pub use genesis::{CODE_KEY, genesis_state};
pub use invalid::{
    CUSTOM_BAD_ENCODING, CUSTOM_NOT_FREE, InvalidTransaction, TransactionValidityError,
    UnknownTransaction,
};
pub use rules::{REHEARSAL_SPEC_VERSION, Rules, brings_rules, unknown_rules_ahead};
pub use spec::{ChainSpec, ChainType, Properties, SPEC_BYTES_MAX};
pub use trace::{Trace, TraceError, dry_run, dry_run_signed, trace_block};
pub use transaction::{
    CALL_DEPTH_MAX, CheckedTx, DecodedTx, Position, UncheckedTransaction, Validity,
    decode_transaction, validate,
};
pub use version::{
    RuntimeVersion, SPEC_NAME, SPEC_VERSION, TRANSACTION_VERSION, version, version_at,
};

framework::runtime! {
    System = 0 => ::pallets::system::Pallet,
    Timestamp = 3 => ::pallets::timestamp::Pallet,
    Balances = 5 => ::pallets::balances::Pallet,
    Staking = 7 => ::pallets::staking::Pallet,
    Offences = 8 => ::pallets::offences::Pallet,
    Session = 9 => ::pallets::session::Pallet,
    Treasury = 19 => ::pallets::treasury::Pallet,
    Utility = 26 => ::pallets::utility::Pallet<RuntimeCall>,
    TransactionPayment = 32 => ::pallets::transaction_payment::Pallet,
    Agents = 100 => ::pallets::agents::Pallet,
    Tasks = 101 => ::pallets::tasks::Pallet,
    Escrow = 102 => ::pallets::escrow::Pallet,
    Validations = 103 => ::pallets::validations::Pallet,
    Payouts = 104 => ::pallets::payouts::Pallet,
    Sudo = 255 => ::pallets::sudo::Pallet<RuntimeCall>,
}

/// Metadata of the newest rules from its `meta` on, of one of [`METADATA_VERSIONS`].
pub fn metadata(version: u32) -> Option<&'static [u8]> {
    Rules::NEWEST.metadata(version)
}

/// Digest of the newest rules' metadata, as RFC-78 defines it.
pub fn metadata_digest() -> primitives::Hash {
    Rules::NEWEST.metadata_digest().expect("the newest rules are described")
}

#[cfg(test)]
mod tests;
