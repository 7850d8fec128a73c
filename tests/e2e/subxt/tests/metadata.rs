//! Metadata of every version, read by subxt as a library.

use crate::{
    codegen::Codegen,
    dynamic::Dynamic,
    interface::Interface,
    session::{Chain, params},
    signers::{fresh, rich, rich_account},
};
use codec::{DecodeAll, Encode};
use frame_metadata::RuntimeMetadataPrefixed;
use framework::MemState;
use pallets::{balances, tasks, utility};
use primitives::{
    AccountId, Balance, Era, Hash, OpaqueTransaction, TransactionExtra, crypto::keys,
};
use runtime::{
    METADATA_VERSIONS, Position, Rules, RuntimeCall, SPEC_VERSION, TRANSACTION_VERSION,
    decode_transaction, metadata,
};
use std::sync::Arc;
use subxt::{
    Metadata, OfflineClient, OfflineClientAtBlock, SubstrateConfig,
    config::substrate::SpecVersionForRange, tx::Payload, utils::H256,
};

/// What the interface is compiled from. Named here so that a new one is compiled.
const CODEGEN: &[u8] = include_bytes!("../../../../runtime/metadata/1.v16");
const GENESIS: [u8; 32] = [9; 32];

#[test]
fn codegen_is_compiled_from_the_newest_metadata() {
    // As subxt takes the latest from a node, too.
    let latest = METADATA_VERSIONS.into_iter().max().expect("there are some");
    let served = metadata(latest).expect("it is served");
    assert!(served == CODEGEN, "it is of another version: name the newest here and in codegen.rs");
}

#[test]
fn each_version_decodes_and_calls_encode_through_it_as_in_the_runtime() {
    assert_eq!(METADATA_VERSIONS, [14, 15, 16]);
    for version in METADATA_VERSIONS {
        let bytes = metadata(version).expect("it is served");
        let prefixed = RuntimeMetadataPrefixed::decode_all(&mut &bytes[..]).expect("it decodes");
        assert_eq!(prefixed.1.version(), version);
        let at = offline(bytes);
        check_calls::<Dynamic>(&at);
        check_calls::<Codegen>(&at);
        check_transaction(&at);
    }
}

/// subxt without a node, knowing nothing but metadata.
fn offline(metadata: &[u8]) -> OfflineClientAtBlock<Chain> {
    let metadata = Metadata::decode_from(metadata).expect("subxt decodes it");
    let version = SpecVersionForRange {
        block_range: 0..u64::MAX,
        spec_version: SPEC_VERSION,
        transaction_version: TRANSACTION_VERSION,
    };
    let config = SubstrateConfig::builder()
        .set_genesis_hash(H256(GENESIS))
        .set_metadata_for_spec_versions([(SPEC_VERSION, Arc::new(metadata))])
        .set_spec_version_for_block_ranges([version])
        .build();
    OfflineClient::new_with_config(config).at_block(1u64).expect("the block is in the range")
}

fn transfer(to: u8, value: u128) -> RuntimeCall {
    let dest = AccountId(fresh(to).0).into();
    RuntimeCall::Balances(balances::Call::transfer_keep_alive { dest, value: Balance::new(value) })
}

fn check_calls<I: Interface>(at: &OfflineClientAtBlock<Chain>) {
    let transfers = [(fresh(1), 5), (fresh(2), 6)];
    let encoded = encode(at, &I::transfer(fresh(1), 5));
    assert_eq!(encoded, transfer(1, 5).encode());
    let encoded = encode(at, &I::batch_all(&transfers));
    let batch = utility::Call::batch_all { calls: vec![transfer(1, 5), transfer(2, 6)] };
    assert_eq!(encoded, RuntimeCall::Utility(batch).encode());
    let encoded = encode(at, &I::cancel_task([3; 32]));
    let cancel = tasks::Call::cancel_task { task: Hash([3; 32]) };
    assert_eq!(encoded, RuntimeCall::Tasks(cancel).encode());
}

fn encode(at: &OfflineClientAtBlock<Chain>, call: &impl Payload) -> Vec<u8> {
    at.tx().call_data(call).expect("the metadata has the call")
}

/// A transaction that is signed without a node is one of the chain's.
fn check_transaction(at: &OfflineClientAtBlock<Chain>) {
    let params = params().nonce(7).tip(8).immortal().build();
    let call = Dynamic::transfer(fresh(1), 5);
    let mut signable = at.tx().create_signable_offline(&call, params).expect("it can be signed");
    let bytes = signable.sign(&rich()).expect("it is signed").into_encoded();
    let bytes = OpaqueTransaction::decode_all(&mut &bytes[..]).expect("its length comes first");
    let tx = decode_transaction(&bytes, bytes.hash()).expect("it is a transaction");
    let extra = TransactionExtra::new(Era::Immortal, 7, Balance::new(8));
    assert_eq!((tx.signer.0, &tx.extra, &tx.call), (rich_account().0, &extra, &transfer(1, 5)));
    let genesis = Hash(GENESIS);
    let position = Position { height: 1, parent: genesis, genesis, rules: Rules::NEWEST };
    let payload = tx.signing_payload(&MemState::default(), &position).expect("it is immortal");
    assert!(keys::verify(&tx.signer, &payload, &tx.signature), "the signature covers it");
}
