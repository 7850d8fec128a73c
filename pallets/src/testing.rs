//! What pallet tests share: a block, and a state that takes what a closure does.

use framework::{BlockEnv, Ctx, DispatchResult, MemState, Pallet, TxOutput};
use primitives::{AccountId, Balance, Hash, RawKey, RawValue, StateRead};
use scale_info::{TypeDef, TypeInfo};

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

/// A state that can be looked up but not scanned. Calls have no other: a scan passes over all that
/// was deleted before it in the block, which nobody has declared.
pub(crate) struct LookUpOnly<'a>(pub(crate) &'a MemState);

impl StateRead for LookUpOnly<'_> {
    fn get(&self, key: &[u8]) -> Option<RawValue> {
        self.0.get(key)
    }

    fn next_key(&self, prefix: &[u8], _after: &[u8]) -> Option<RawKey> {
        panic!("a call scans {prefix:02x?}")
    }
}

/// splitmix64: small, and the same everywhere.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub(crate) fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }

    pub(crate) fn pick<T: Copy>(&mut self, items: &[T]) -> Option<T> {
        let count = u64::try_from(items.len()).expect("it is small");
        let index = self.below(count.max(1));
        items.get(usize::try_from(index).expect("it is small")).copied()
    }
}

/// Index and name of a pallet, with those of its errors.
pub(crate) type PalletErrors = (u8, &'static str, Vec<(u8, &'static str)>);

/// Every error of a pallet, from the types that clients see.
pub(crate) fn errors_of<P: Pallet>() -> PalletErrors
where
    P::Error: TypeInfo,
{
    let TypeDef::Variant(variants) = P::Error::type_info().type_def else {
        panic!("errors are enums")
    };
    let names = variants.variants.iter().map(|v| (v.index, v.name)).collect();
    (P::INDEX, P::NAME, names)
}
