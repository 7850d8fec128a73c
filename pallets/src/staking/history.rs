//! Eras that are forgotten: nobody can be paid or slashed for them any more.

use super::{
    ACTIVE_ERA, ActiveEraInfo, CLAIMED_REWARDS, ERAS_REWARD_POINTS, ERAS_STAKERS_OVERVIEW,
    ERAS_STAKERS_PAGED, ERAS_START_SESSION_INDEX, ERAS_TOTAL_STAKE, ERAS_VALIDATOR_PREFS,
    ERAS_VALIDATOR_REWARD, EraIndex, FORGOTTEN, HISTORY_DEPTH, PAYING, SPAN_SLASHES,
    VALIDATOR_SLASH_IN_ERA,
};
use crate::system::HookWork;
use codec::Codec;
use framework::{KeyParts, READ_PS, WRITE_PS, prelude::*};
use scale_info::StaticTypeInfo;

/// What it takes to forget an entry: to find, read and delete it.
const ENTRY_REF_TIME: u64 = 2 * READ_PS + WRITE_PS;

/// The era to be forgotten, if there is one: all its stakers are paid, and it is too old for evidence.
fn due(state: &dyn StateRead, active: &ActiveEraInfo) -> Option<EraIndex> {
    let era = FORGOTTEN.get(state).unwrap_or_default();
    let old = era.saturating_add(HISTORY_DEPTH) < active.index;
    (old && era < PAYING.get(state).unwrap_or_default().era).then_some(era)
}

pub(super) fn is_due(state: &dyn StateRead, active: &ActiveEraInfo) -> bool {
    due(state, active).is_some()
}

/// Forgets eras, while the block has time for it.
pub(super) fn forget(cx: &mut Ctx) {
    let Some(active) = ACTIVE_ERA.get(cx) else { return };
    while let Some(era) = due(cx, &active) {
        let gone = forget_entries(cx, &ERAS_STAKERS_PAGED, era)
            && forget_entries(cx, &ERAS_STAKERS_OVERVIEW, era)
            && forget_entries(cx, &ERAS_VALIDATOR_PREFS, era)
            && forget_entries(cx, &CLAIMED_REWARDS, era)
            && forget_entries(cx, &VALIDATOR_SLASH_IN_ERA, era)
            && forget_entries(cx, &SPAN_SLASHES, era);
        if !gone {
            return;
        }
        ERAS_VALIDATOR_REWARD.remove(cx, &era);
        ERAS_REWARD_POINTS.remove(cx, &era);
        ERAS_TOTAL_STAKE.remove(cx, &era);
        ERAS_START_SESSION_INDEX.remove(cx, &era);
        FORGOTTEN.set(cx, &era.saturating_add(1));
    }
}

/// Forgets what a map has of an era. Tells whether that is all; if not, the rest waits for the next block.
fn forget_entries<K, V>(cx: &mut Ctx, map: &NestedMap<K, V>, era: EraIndex) -> bool
where
    K: KeyParts<First = EraIndex>,
    V: Codec + StaticTypeInfo,
{
    let fits = HookWork::Forget.left(cx) / ENTRY_REF_TIME;
    let fits = usize::try_from(fits).unwrap_or(usize::MAX);
    let keys: Vec<K> = map.under(cx, &era).take(fits).map(|(key, _)| key).collect();
    for key in &keys {
        map.remove(cx, key);
    }
    keys.len() < fits
}
