use crate::{METADATA_VERSIONS, Rules, describe, metadata, version};
use codec::{Compact, DecodeAll, Encode};
use frame_metadata::{
    RuntimeMetadata, RuntimeMetadataPrefixed,
    v14::{RuntimeMetadataV14, StorageEntryType},
    v15::RuntimeMetadataV15,
    v16::{ItemDeprecationInfo, RuntimeMetadataV16},
};
use scale_info::{PortableRegistry, TypeDef, form::PortableForm};
use std::collections::BTreeMap;

/// What this chain's transactions carry and sign, in wire order.
const EXTENSIONS: [&str; 9] = [
    "CheckNonZeroSender",
    "CheckSpecVersion",
    "CheckTxVersion",
    "CheckGenesis",
    "CheckMortality",
    "CheckNonce",
    "CheckWeight",
    "ChargeTransactionPayment",
    "CheckMetadataHash",
];

fn decoded(version: u32) -> RuntimeMetadata {
    let bytes = metadata(version).expect("it is served");
    let prefixed = RuntimeMetadataPrefixed::decode_all(&mut &bytes[..]).expect("it decodes");
    assert_eq!(prefixed.1.version(), version);
    prefixed.1
}

fn v14() -> RuntimeMetadataV14 {
    let RuntimeMetadata::V14(metadata) = decoded(14) else { panic!("it is version 14") };
    metadata
}

pub fn v15() -> RuntimeMetadataV15 {
    let RuntimeMetadata::V15(metadata) = decoded(15) else { panic!("it is version 15") };
    metadata
}

fn v16() -> RuntimeMetadataV16 {
    let RuntimeMetadata::V16(metadata) = decoded(16) else { panic!("it is version 16") };
    metadata
}

fn path_of(types: &PortableRegistry, id: u32) -> String {
    types.resolve(id).expect("every type is in the registry").path.segments.join("::")
}

#[test]
fn metadata_names_the_types_that_clients_look_for() {
    let all = [v14().types, v15().types, v16().types];
    let all = all
        .map(|types| types.types.iter().map(|t| t.ty.path.segments.join("::")).collect::<Vec<_>>());
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
        for (paths, version) in all.iter().zip(METADATA_VERSIONS) {
            assert!(paths.iter().any(|p| p == path), "{path} is missing in version {version}");
        }
    }
}

#[test]
fn all_versions_of_metadata_tell_the_same() {
    let (v14, v15, v16) = (v14(), v15(), v16());
    assert!(metadata(13).is_none() && metadata(17).is_none());
    assert_eq!((v15.pallets.len(), v16.pallets.len()), (v14.pallets.len(), v14.pallets.len()));
    for ((a, b), c) in v14.pallets.iter().zip(&v15.pallets).zip(&v16.pallets) {
        assert_eq!((&b.name, b.index), (&a.name, a.index));
        assert_eq!((&c.name, c.index), (&a.name, a.index));
        let parts = (a.calls.is_some(), a.event.is_some(), a.error.is_some());
        assert_eq!((b.calls.is_some(), b.event.is_some(), b.error.is_some()), parts);
        assert_eq!((c.calls.is_some(), c.event.is_some(), c.error.is_some()), parts);
        let constants: Vec<_> = a.constants.iter().map(|it| (&it.name, &it.value)).collect();
        assert!(b.constants.iter().map(|it| (&it.name, &it.value)).eq(constants.iter().copied()));
        assert!(c.constants.iter().map(|it| (&it.name, &it.value)).eq(constants.iter().copied()));
        let entries = a.storage.as_ref().map(|storage| storage.entries.len());
        assert_eq!(b.storage.as_ref().map(|storage| storage.entries.len()), entries);
        assert_eq!(c.storage.as_ref().map(|storage| storage.entries.len()), entries);
        assert!(!b.docs[0].is_empty() && b.docs == c.docs, "{} says what it is for", b.name);
        assert!(c.associated_types.is_empty() && c.view_functions.is_empty());
        assert_eq!(c.deprecation_info, ItemDeprecationInfo::NotDeprecated);
    }
    for (types, outer) in [
        (&v15.types, [&v15.outer_enums.call_enum_ty, &v15.outer_enums.event_enum_ty]),
        (&v16.types, [&v16.outer_enums.call_enum_ty, &v16.outer_enums.event_enum_ty]),
    ] {
        let paths = outer.map(|ty| path_of(types, ty.id));
        assert_eq!(paths, ["artel_runtime::RuntimeCall", "artel_runtime::RuntimeEvent"]);
    }
    let error = path_of(&v16.types, v16.outer_enums.error_enum_ty.id);
    assert_eq!(error, "artel_runtime::RuntimeError");
    assert!(v15.custom.map.is_empty() && v16.custom.map.is_empty());
}

#[test]
fn runtime_calls_are_described_as_they_are_served() {
    let (v15, v16) = (v15(), v16());
    let described = describe(Rules::NEWEST).apis;
    assert_eq!((v15.apis.len(), v16.apis.len()), (described.len(), described.len()));
    for ((ours, a), b) in described.iter().zip(&v15.apis).zip(&v16.apis) {
        assert_eq!((ours.name, ours.name), (a.name.as_str(), b.name.as_str()));
        assert_eq!(Compact(ours.version), b.version);
        for ((ours, a), b) in ours.methods.iter().zip(&a.methods).zip(&b.methods) {
            assert_eq!((ours.name, ours.name), (a.name.as_str(), b.name.as_str()));
            assert_eq!((ours.inputs.len(), ours.inputs.len()), (a.inputs.len(), b.inputs.len()));
            assert!(v15.types.resolve(a.output.id).is_some());
            assert!(v16.types.resolve(b.output.id).is_some());
            assert!(!a.docs[0].is_empty() && a.docs == b.docs);
        }
    }
}

#[test]
fn the_transaction_is_described_as_clients_build_it() {
    let (v14, v15, v16) = (v14().extrinsic, v15().extrinsic, v16().extrinsic);
    assert!(v14.signed_extensions.iter().map(|e| e.identifier.as_str()).eq(EXTENSIONS));
    assert!(v15.signed_extensions.iter().map(|e| e.identifier.as_str()).eq(EXTENSIONS));
    assert!(v16.transaction_extensions.iter().map(|e| e.identifier.as_str()).eq(EXTENSIONS));
    assert_eq!((v14.version, v15.version, v16.versions), (4, 4, vec![4]));
    let all: Vec<_> = (0..9).map(Compact).collect();
    assert_eq!(v16.transaction_extensions_by_version, BTreeMap::from([(0, all)]));
    let types = self::v14().types;
    let extrinsic = types.resolve(v14.ty.id).expect("it is registered");
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
    let metadata = v14();
    let indices: Vec<_> = metadata.pallets.iter().map(|p| (p.name.as_str(), p.index)).collect();
    for forever in [
        ("System", 0),
        ("Timestamp", 3),
        ("Balances", 5),
        ("Staking", 7),
        ("Offences", 8),
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
    let metadata = v14();
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
    assert_eq!(path_of(&metadata.types, value.id), "frame_system::AccountInfo");
    let StorageEntryType::Plain(events) = &entry("Events").ty else { panic!("not a value") };
    let TypeDef::Sequence(list) = &metadata.types.resolve(events.id).expect("registered").type_def
    else {
        panic!("not a list")
    };
    assert_eq!(path_of(&metadata.types, list.type_param.id), "frame_system::EventRecord");
    assert_eq!(entry("Account").default.len(), 80);
    assert_eq!(entry("Events").default, [0]);
}
