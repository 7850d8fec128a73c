//! Our paths and those that clients look for.

use scale_info::PortableRegistry;

/// Ours, and the clients'.
const CLIENT_PATHS: &[(&[&str], &[&str])] = &[
    (&["artel_primitives", "hash", "Hash"], &["primitive_types", "H256"]),
    (&["artel_primitives", "transaction", "MultiSignature"], &["sp_runtime", "MultiSignature"]),
    (
        &["artel_primitives", "transaction", "CheckMetadataHash"],
        &["frame_metadata_hash_extension", "CheckMetadataHash"],
    ),
    (
        &["artel_primitives", "transaction", "MetadataMode"],
        &["frame_metadata_hash_extension", "Mode"],
    ),
    (&["artel_primitives", "block", "Digest"], &["sp_runtime", "generic", "digest", "Digest"]),
    (
        &["artel_primitives", "block", "DigestItem"],
        &["sp_runtime", "generic", "digest", "DigestItem"],
    ),
    (&["artel_framework", "error", "DispatchError"], &["sp_runtime", "DispatchError"]),
    (&["artel_framework", "error", "ModuleError"], &["sp_runtime", "ModuleError"]),
    (&["artel_framework", "error", "TokenError"], &["sp_runtime", "TokenError"]),
    (&["artel_framework", "error", "ArithmeticError"], &["sp_arithmetic", "ArithmeticError"]),
    (&["artel_framework", "weight", "WeightV2"], &["sp_weights", "weight_v2", "Weight"]),
    (
        &["artel_framework", "weight", "DispatchInfo"],
        &["frame_support", "dispatch", "DispatchInfo"],
    ),
    (
        &["artel_framework", "weight", "DispatchClass"],
        &["frame_support", "dispatch", "DispatchClass"],
    ),
    (&["artel_framework", "weight", "Pays"], &["frame_support", "dispatch", "Pays"]),
    (
        &["artel_pallets", "system", "limits", "PerDispatchClass"],
        &["frame_support", "dispatch", "PerDispatchClass"],
    ),
    (&["artel_pallets", "system", "limits", "RuntimeDbWeight"], &["sp_weights", "RuntimeDbWeight"]),
    (
        &["artel_pallets", "system", "types", "AccountData"],
        &["pallet_balances", "types", "AccountData"],
    ),
    (
        &["artel_pallets", "system", "types", "ExtraFlags"],
        &["pallet_balances", "types", "ExtraFlags"],
    ),
    (&["artel_pallets", "system", "types", "AccountInfo"], &["frame_system", "AccountInfo"]),
    (&["artel_pallets", "system", "types", "Phase"], &["frame_system", "Phase"]),
    (
        &["artel_pallets", "system", "types", "LastRuntimeUpgradeInfo"],
        &["frame_system", "LastRuntimeUpgradeInfo"],
    ),
    (
        &["artel_pallets", "transaction_payment", "fee", "Multiplier"],
        &["sp_arithmetic", "fixed_point", "FixedU128"],
    ),
    (&["artel_runtime", "version", "RuntimeVersion"], &["sp_version", "RuntimeVersion"]),
];

/// Pallets whose types clients know under FRAME's crate names.
const FRAME_PALLETS: &[(&str, &str)] = &[
    ("system", "frame_system"),
    ("timestamp", "pallet_timestamp"),
    ("balances", "pallet_balances"),
    ("staking", "pallet_staking"),
    ("offences", "pallet_offences"),
    ("session", "pallet_session"),
    ("treasury", "pallet_treasury"),
    ("utility", "pallet_utility"),
    ("transaction_payment", "pallet_transaction_payment"),
    ("sudo", "pallet_sudo"),
];

/// Gives types the paths that clients look for.
pub(super) fn rename(types: &mut PortableRegistry) {
    for entry in &mut types.types {
        let segments = &mut entry.ty.path.segments;
        let renamed = CLIENT_PATHS.iter().find(|(ours, _)| *segments == *ours);
        if let Some((_, theirs)) = renamed {
            *segments = theirs.iter().map(|s| (*s).to_owned()).collect();
            continue;
        }
        let frame = match &segments[..] {
            [krate, pallet, ..] if krate == "artel_pallets" => {
                FRAME_PALLETS.iter().find(|(ours, _)| pallet == ours)
            }
            _ => None,
        };
        if let Some((_, theirs)) = frame {
            *segments = frame_segments(theirs, &segments[2..]);
        }
    }
}

/// FRAME's pallets keep calls, events and errors in a module of their own.
fn frame_segments(krate: &str, rest: &[String]) -> Vec<String> {
    let krate = std::iter::once(krate.to_owned());
    match rest {
        [.., name] if name == "Call" || name == "Event" || name == "Error" => {
            krate.chain(["pallet".to_owned(), name.clone()]).collect()
        }
        _ => krate.chain(rest.iter().cloned()).collect(),
    }
}
