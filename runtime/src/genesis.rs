//! The first state.

use crate::{Genesis, SPEC_NAME, SPEC_VERSION, metadata_v14};
use framework::{BlockEnv, Ctx, MemState};
use pallets::{balances, system};
use primitives::{AccountId, Hash, Writes, crypto::hash::blake2_256};

/// Key of the marker that stands for the rules: clients take its hash for the rules' identity.
pub const CODE_KEY: &[u8] = b":code";

/// The first state of a chain.
///
/// # Errors
///
/// What is wrong with the spec, in words for its author.
pub fn genesis_state(spec: &Genesis) -> Result<Writes, String> {
    let block = BlockEnv {
        height: 0,
        time_ms: 0,
        author: AccountId([0; 32]),
        randomness: Hash::ZERO,
        parent: Hash::ZERO,
        genesis: Hash::ZERO,
    };
    let empty = MemState::default();
    let mut cx = Ctx::for_hook(&empty, &block, "genesis");
    crate::genesis(&mut cx, spec.clone())?;
    let deltas = cx.deltas();
    balances::fold_issuance(&mut cx, &deltas);
    system::note_runtime(&mut cx, SPEC_NAME, SPEC_VERSION);
    cx.put(CODE_KEY.to_vec(), Some(code_marker()));
    Ok(cx.finish(Ok(())).writes)
}

/// What stands under [`CODE_KEY`]: it changes exactly where the rules do.
fn code_marker() -> Vec<u8> {
    let mut marker = b"native".to_vec();
    marker.extend_from_slice(SPEC_NAME.as_bytes());
    marker.extend_from_slice(&SPEC_VERSION.to_le_bytes());
    marker.extend_from_slice(blake2_256(metadata_v14()).as_bytes());
    marker
}
