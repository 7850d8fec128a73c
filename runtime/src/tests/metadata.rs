use super::chain::{Chain, account, pay};
use crate::{
    CallError, InvalidTransaction, Position, RuntimeVersion, TransactionValidityError,
    UnknownTransaction, ValidTransaction, call, metadata_v14, version,
};
use codec::{Decode, DecodeAll, Encode};
use frame_metadata::{
    RuntimeMetadata, RuntimeMetadataPrefixed,
    v14::{RuntimeMetadataV14, StorageEntryType},
};
use framework::MemState;
use primitives::{Hash, Nonce, OpaqueTransaction, Transaction};
use scale_info::{TypeDef, form::PortableForm};

fn metadata() -> RuntimeMetadataV14 {
    let prefixed = RuntimeMetadataPrefixed::decode_all(&mut metadata_v14()).expect("it decodes");
    match prefixed.1 {
        RuntimeMetadata::V14(metadata) => metadata,
        other => panic!("metadata has version {}", other.version()),
    }
}

fn path_of(metadata: &RuntimeMetadataV14, id: u32) -> String {
    let ty = metadata.types.resolve(id).expect("every type is in the registry");
    ty.path.segments.join("::")
}

#[test]
fn metadata_names_the_types_that_clients_look_for() {
    let metadata = metadata();
    let paths: Vec<_> =
        metadata.types.types.iter().map(|t| t.ty.path.segments.join("::")).collect();
    for path in [
        "sp_core::crypto::AccountId32",
        "sp_runtime::multiaddress::MultiAddress",
        "sp_runtime::MultiSignature",
        "sp_runtime::generic::era::Era",
        "sp_runtime::generic::unchecked_extrinsic::UncheckedExtrinsic",
        "frame_system::EventRecord",
        "frame_system::AccountInfo",
        "pallet_balances::types::AccountData",
        "pallet_balances::pallet::Call",
        "pallet_balances::pallet::Event",
        "sp_weights::weight_v2::Weight",
        "primitive_types::H256",
        "sp_runtime::DispatchError",
        "sp_version::RuntimeVersion",
        "artel_runtime::RuntimeCall",
        "artel_runtime::RuntimeEvent",
        "artel_runtime::RuntimeError",
    ] {
        assert!(paths.iter().any(|p| p == path), "{path} is missing");
    }
}

#[test]
fn the_transaction_is_described_as_clients_build_it() {
    let metadata = metadata();
    let extensions: Vec<_> =
        metadata.extrinsic.signed_extensions.iter().map(|e| e.identifier.as_str()).collect();
    assert_eq!(
        extensions,
        [
            "CheckNonZeroSender",
            "CheckSpecVersion",
            "CheckTxVersion",
            "CheckGenesis",
            "CheckMortality",
            "CheckNonce",
            "CheckWeight",
            "ChargeTransactionPayment",
        ]
    );
    assert_eq!(metadata.extrinsic.version, 4);
    let extrinsic = metadata.types.resolve(metadata.extrinsic.ty.id).expect("it is registered");
    let parameters: Vec<_> = extrinsic.type_params.iter().map(|p| p.name.as_str()).collect();
    assert_eq!(parameters, ["Address", "Call", "Signature", "Extra"]);
}

fn variants(metadata: &RuntimeMetadataV14, path: &str) -> Vec<(u8, String)> {
    let found = metadata.types.types.iter().find(|t| t.ty.path.segments.join("::") == path);
    let TypeDef::<PortableForm>::Variant(variant) = &found.expect("it is registered").ty.type_def
    else {
        panic!("{path} is no enum")
    };
    variant.variants.iter().map(|v| (v.index, v.name.clone())).collect()
}

#[test]
fn indices_are_forever() {
    let metadata = metadata();
    let indices: Vec<_> = metadata.pallets.iter().map(|p| (p.name.as_str(), p.index)).collect();
    for forever in [
        ("System", 0),
        ("Timestamp", 3),
        ("Balances", 5),
        ("Session", 9),
        ("Treasury", 19),
        ("Utility", 26),
        ("TransactionPayment", 32),
        ("Agents", 100),
        ("Tasks", 101),
        ("Escrow", 102),
        ("Validations", 103),
        ("Payouts", 104),
        ("Sudo", 255),
    ] {
        assert!(indices.contains(&forever), "{forever:?} is not among {indices:?}");
    }
    // Pallets without calls have no variant.
    let calls = variants(&metadata, "artel_runtime::RuntimeCall");
    assert!(calls.contains(&(5, "Balances".to_owned())));
    assert!(!calls.iter().any(|(index, _)| *index == 19));
    let transfers = variants(&metadata, "pallet_balances::pallet::Call");
    let names = [(0, "transfer_allow_death"), (3, "transfer_keep_alive"), (4, "transfer_all")];
    assert_eq!(transfers, names.map(|(index, name)| (index, name.to_owned())));
}

#[test]
fn storage_and_constants_are_those_of_the_contract() {
    let metadata = metadata();
    let pallet = |name: &str| {
        metadata.pallets.iter().find(|p| p.name == name).expect("the pallet is listed")
    };
    let constants =
        |name: &str| -> Vec<_> { pallet(name).constants.iter().map(|c| c.name.clone()).collect() };
    for name in
        ["Version", "SS58Prefix", "BlockHashCount", "BlockWeights", "BlockLength", "DbWeight"]
    {
        assert!(constants("System").iter().any(|c| c == name), "System.{name} is missing");
    }
    assert!(constants("Balances").iter().any(|c| c == "ExistentialDeposit"));
    assert!(constants("Timestamp").iter().any(|c| c == "MinimumPeriod"));
    let shown = pallet("System").constants.iter().find(|c| c.name == "Version").expect("listed");
    assert_eq!(shown.value, version().encode());

    let storage = pallet("System").storage.as_ref().expect("System has storage");
    assert_eq!(storage.prefix, "System");
    let entry = |name: &str| storage.entries.iter().find(|e| e.name == name).expect("listed");
    let StorageEntryType::Map { value, .. } = &entry("Account").ty else { panic!("not a map") };
    assert_eq!(path_of(&metadata, value.id), "frame_system::AccountInfo");
    let StorageEntryType::Plain(events) = &entry("Events").ty else { panic!("not a value") };
    let TypeDef::Sequence(list) = &metadata.types.resolve(events.id).expect("registered").type_def
    else {
        panic!("not a list")
    };
    assert_eq!(path_of(&metadata, list.type_param.id), "frame_system::EventRecord");
    assert_eq!(entry("Account").default.len(), 80);
    assert_eq!(entry("Events").default, [0]);
}

fn ask(state: &MemState, at: &Position, method: &str, args: &[u8]) -> Vec<u8> {
    call(state, at, method, args).expect("it is served")
}

#[test]
fn runtime_calls_answer_in_substrates_bytes() {
    let mut chain = Chain::dev();
    chain.include(chain.sign("Alice", pay("Bob", 5)));
    let at = chain.position();
    let ask = |method: &str, args: &[u8]| ask(&chain.state, &at, method, args);
    let shown = RuntimeVersion::decode_all(&mut &ask("Core_version", &[])[..]);
    assert_eq!(shown, Ok(version()));
    assert_eq!(ask("Metadata_metadata_versions", &[]), vec![14u32].encode());
    assert_eq!(ask("Metadata_metadata", &[]), metadata_v14().encode());
    let at_version = |version: u32| ask("Metadata_metadata_at_version", &version.encode());
    assert_eq!(at_version(14), Some(metadata_v14()).encode());
    assert_eq!(at_version(16), [0]);
    let nonce = ask("AccountNonceApi_account_nonce", &account("Alice").encode());
    assert_eq!(nonce, 1u32.encode());
    let unknown = call(&chain.state, &at, "Core_nothing", &[]).expect_err("it is not served");
    assert_eq!(unknown.to_string(), "Exported method Core_nothing is not found");
    let bad = call(&chain.state, &at, "AccountNonceApi_account_nonce", &[1]);
    assert!(matches!(bad, Err(CallError::BadArguments { .. })));
}

#[test]
fn validate_transaction_tells_pools_and_clients() {
    let mut chain = Chain::dev();
    chain.include(chain.sign("Alice", pay("Bob", 5)));
    let at = chain.position();
    type Verdict = Result<ValidTransaction, TransactionValidityError>;
    let verdict = |tx: &OpaqueTransaction| {
        let args = (2u8, tx, Hash::ZERO).encode();
        let answer = ask(&chain.state, &at, "TaggedTransactionQueue_validate_transaction", &args);
        Verdict::decode_all(&mut &answer[..]).expect("it decodes")
    };
    let good = chain.sign("Alice", pay("Bob", 5));
    let valid = verdict(&good).expect("it is valid");
    assert_eq!(valid.provides, [(account("Alice"), 1 as Nonce).encode()]);
    assert_eq!((valid.requires.len(), valid.longevity, valid.propagate), (0, u64::MAX, true));
    let mut forged = good;
    let last = forged.0.len() - 1;
    forged.0[last] ^= 4;
    let invalid = TransactionValidityError::Invalid(InvalidTransaction::BadProof);
    assert_eq!(verdict(&forged), Err(invalid));
    let bare = OpaqueTransaction(Transaction::Bare(pay("Bob", 5)).encode());
    let unknown = TransactionValidityError::Unknown(UnknownTransaction::NoUnsignedValidator);
    assert_eq!(verdict(&bare), Err(unknown));
}

#[test]
fn the_version_has_the_contracts_json_and_api_ids() {
    let json = serde_json::to_value(version()).expect("it is JSON");
    assert_eq!((&json["specName"], &json["implName"]), (&"artel".into(), &"artel-node".into()));
    assert_eq!((&json["specVersion"], &json["stateVersion"]), (&1.into(), &1.into()));
    let ids: Vec<_> = version().apis.iter().map(|(id, _)| hex::encode(id)).collect();
    let expected = [
        "df6acb689907609b",
        "37e397fc7c91f5e4",
        "d2bc9897eed08f15",
        "bc9d89904f5b923f",
        "37c8bb1350a9a2a8",
    ];
    assert_eq!(ids, expected);
    assert_eq!(json["apis"][0], serde_json::json!(["0xdf6acb689907609b", 5]));
    let back: RuntimeVersion = serde_json::from_value(json).expect("it reads its own JSON");
    assert_eq!(back, version());
}

#[test]
fn refusals_have_substrates_codes_and_words() {
    let cases: [(InvalidTransaction, u8, &str); 5] = [
        (InvalidTransaction::Call, 0, "Transaction call is not expected"),
        (
            InvalidTransaction::Payment,
            1,
            "Inability to pay some fees (e.g. account balance too low)",
        ),
        (InvalidTransaction::Stale, 3, "Transaction is outdated"),
        (InvalidTransaction::BadProof, 4, "Transaction has a bad signature"),
        (InvalidTransaction::BadSigner, 10, "Invalid signing address"),
    ];
    for (invalid, code, text) in cases {
        assert_eq!((invalid.encode(), invalid.to_string()), (vec![code], text.to_owned()));
    }
    let custom = InvalidTransaction::decode(&mut &[7, 9][..]).expect("it decodes");
    assert_eq!(custom.to_string(), "Custom error: 9");
}
