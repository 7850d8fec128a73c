//! The first state.

use crate::{Genesis, Rules, SPEC_NAME};
use framework::{BlockEnv, Ctx, MemState};
use pallets::{balances, system};
use primitives::{AccountId, Hash, Writes};

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
        origin_round: 0,
        randomness: Hash::ZERO,
        parent: Hash::ZERO,
        genesis: Hash::ZERO,
    };
    let empty = MemState::default();
    let mut cx = Ctx::for_hook(&empty, &block, "genesis");
    crate::genesis(&mut cx, spec.clone())?;
    let deltas = cx.deltas();
    balances::fold_issuance(&mut cx, &deltas);
    let rules = Rules::NEWEST;
    system::note_rules(&mut cx, SPEC_NAME, rules.spec_version());
    cx.put(CODE_KEY.to_vec(), Some(rules.code_marker()));
    Ok(cx.finish(Ok(())).writes)
}
