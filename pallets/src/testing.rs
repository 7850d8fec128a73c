//! What pallet tests share: a block, and a state that takes what a closure does.

use framework::{BlockEnv, Ctx, DispatchResult, MemState, TxOutput};
use primitives::{AccountId, Balance, Hash};

pub(crate) const ALICE: AccountId = AccountId([1; 32]);
pub(crate) const BOB: AccountId = AccountId([2; 32]);
pub(crate) const CAROL: AccountId = AccountId([3; 32]);

/// A block of this height.
pub(crate) fn block(height: u32) -> BlockEnv {
    BlockEnv {
        height,
        time_ms: u64::from(height) * 1000,
        author: CAROL,
        origin_round: 0,
        randomness: Hash([7; 32]),
        parent: Hash([8; 32]),
        genesis: Hash([9; 32]),
    }
}

/// Does something in block 1 as a hook would, without undoing it on failure, and folds the totals.
pub(crate) fn act(state: &mut MemState, f: impl FnOnce(&mut Ctx) -> DispatchResult) -> TxOutput {
    act_in(state, &block(1), f)
}

/// The same in any block.
pub(crate) fn act_in(
    state: &mut MemState,
    block: &BlockEnv,
    f: impl FnOnce(&mut Ctx) -> DispatchResult,
) -> TxOutput {
    let mut cx = Ctx::new(&*state, block, Hash::ZERO);
    let result = f(&mut cx);
    let deltas = cx.deltas();
    crate::balances::fold_issuance(&mut cx, &deltas);
    let output = cx.finish(result);
    state.apply(&output.writes);
    output
}

/// So many existential deposits.
pub(crate) fn deposits(count: u128) -> Balance {
    crate::balances::EXISTENTIAL_DEPOSIT.checked_mul(count).expect("a small amount")
}
