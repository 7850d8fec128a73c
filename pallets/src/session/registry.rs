//! Session keys: who has which, from when they count, and until when they stay bound to who had them.

use super::{
    CURRENT_INDEX, EVIDENCE_SESSIONS_MAX, Error, KEY_DEPOSIT, KEYS_AFTER_SESSIONS, NAME,
    SessionIndex,
};
use crate::{balances, balances::HoldReason};
use codec::DecodeAll;
use framework::prelude::*;
use primitives::crypto::session::{PossessionProof, SessionKeys};

/// Id of vote keys in [`KEY_OWNER`].
const VOTE_KEY: KeyTypeId = *b"vote";
/// Id of VRF keys in [`KEY_OWNER`].
const VRF_KEY: KeyTypeId = *b"vrf_";
/// Most keys that one block forgets.
const FORGOTTEN_PER_BLOCK_MAX: usize = 32;

/// A kind of key: four letters.
pub type KeyTypeId = [u8; 4];

pub(super) static NEXT_KEYS: Map<AccountId, SessionKeys, Twox64Concat> =
    Map::new(NAME, "NextKeys", "The keys that an account has set last.");
pub(super) static KEY_OWNER: Map<(KeyTypeId, Vec<u8>), AccountId, Twox64Concat> = Map::new(
    NAME,
    "KeyOwner",
    "Whose a key is; also one that was replaced, as long as evidence may name it.",
);
pub(super) static KEYS: Map<AccountId, KeyRecord, Twox64Concat> = Map::new(
    NAME,
    "KeyRecords",
    "From which session on an account's last keys count, and those that count until then.",
);
pub(super) static RETIRED: PairSet<SessionIndex, (KeyTypeId, [u8; 32])> =
    PairSet::new(NAME, "RetiredKeys", "Keys that were replaced, by the session that forgets them.");
pub(super) static FORGOTTEN: Value<SessionIndex> = Value::new_default(
    NAME,
    "ForgottenSessions",
    "The first session whose retired keys are not all forgotten.",
);

/// From when keys count.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct KeyRecord {
    /// The first session for which the last keys count.
    pub from: SessionIndex,
    /// The keys that count before; none if there were none.
    pub before: Option<SessionKeys>,
}

impl KeyRecord {
    /// Whether the last keys count now or in the next session, whose set may be elected by now.
    fn counts(&self, session: SessionIndex) -> bool {
        self.from <= session.saturating_add(1)
    }
}

/// The keys of an account that count in a session; none if it has set none two sessions before.
pub fn keys_at(
    state: &dyn StateRead,
    who: &AccountId,
    session: SessionIndex,
) -> Option<SessionKeys> {
    let record = KEYS.get(state, who)?;
    if record.from <= session { NEXT_KEYS.get(state, who) } else { record.before }
}

/// Whose a vote key is or, as long as evidence may name it, was.
pub fn vote_key_owner(state: &dyn StateRead, key: &[u8; 32]) -> Option<AccountId> {
    KEY_OWNER.get(state, &(VOTE_KEY, key.to_vec()))
}

/// Checks that whoever sets the keys holds them.
fn check_proof(cx: &Ctx, who: &AccountId, keys: &SessionKeys, proof: &[u8]) -> DispatchResult {
    let proof = PossessionProof::decode_all(&mut &proof[..]).map_err(|_| Error::InvalidProof)?;
    keys.check(&cx.block.genesis, who, &proof).map_err(|_| Error::InvalidProof.into())
}

pub(super) fn set_keys(
    cx: &mut Ctx,
    who: AccountId,
    keys: SessionKeys,
    proof: &[u8],
) -> DispatchResult {
    check_proof(cx, &who, &keys, proof)?;
    let last = NEXT_KEYS.get(cx, &who);
    if last == Some(keys) {
        return Ok(());
    }
    let record = KEYS.get(cx, &who);
    let session = CURRENT_INDEX.get(cx).unwrap_or_default();
    // Keys that others have taken over from are retired, and come back no sooner than those of others.
    let before = record.as_ref().filter(|record| !record.counts(session));
    let before = before.and_then(|record| record.before);
    let known: Vec<_> = [last, before].into_iter().flatten().flat_map(parts).collect();
    for (id, key) in parts(keys) {
        // A key of one's own that is retired is on its way to be forgotten.
        let is_free = KEY_OWNER.get(cx, &(id, key.to_vec())).is_none();
        ensure(is_free || known.contains(&(id, key)), Error::DuplicatedKey)?;
    }
    if record.is_none() {
        balances::hold(cx, HoldReason::SessionKeys, &who, KEY_DEPOSIT)?;
    }
    let before = replace(cx, record, last, session, &parts(keys));
    NEXT_KEYS.set(cx, &who, &keys);
    let from = session.saturating_add(KEYS_AFTER_SESSIONS);
    KEYS.set(cx, &who, &KeyRecord { from, before });
    for (id, key) in parts(keys) {
        KEY_OWNER.set(cx, &(id, key.to_vec()), &who);
    }
    Ok(())
}

/// Makes place for other keys, which have the parts `new`. Gives those that count until the others do.
///
/// Keys that count for the next session may be in the set that is being elected for it: they are
/// replaced like those that count now.
fn replace(
    cx: &mut Ctx,
    record: Option<KeyRecord>,
    last: Option<SessionKeys>,
    session: SessionIndex,
    new: &[(KeyTypeId, [u8; 32]); 2],
) -> Option<SessionKeys> {
    let record = record?;
    let counts = record.counts(session);
    let (keep, drop) = if counts { (last, record.before) } else { (record.before, last) };
    let kept: Vec<_> = keep.into_iter().flat_map(parts).chain(new.iter().copied()).collect();
    let dropped = drop.into_iter().flat_map(parts).filter(|part| !kept.contains(part));
    for part in dropped.collect::<Vec<_>>() {
        if counts { retire(cx, session, part) } else { forget(cx, part) }
    }
    keep
}

pub(super) fn purge_keys(cx: &mut Ctx, who: AccountId) -> DispatchResult {
    let record = KEYS.get(cx, &who).ok_or(Error::NoKeys)?;
    let last = NEXT_KEYS.get(cx, &who).expect("an account with a record has keys");
    let session = CURRENT_INDEX.get(cx).unwrap_or_default();
    let counts = record.counts(session);
    let before: Vec<_> = record.before.into_iter().flat_map(parts).collect();
    for part in parts(last).into_iter().filter(|part| !before.contains(part)) {
        if counts { retire(cx, session, part) } else { forget(cx, part) }
    }
    for part in before {
        retire(cx, session, part);
    }
    NEXT_KEYS.remove(cx, &who);
    KEYS.remove(cx, &who);
    balances::release(cx, HoldReason::SessionKeys, &who, KEY_DEPOSIT)
}

/// Keeps a key bound until no evidence can name it: it may serve in this session and in the next.
fn retire(cx: &mut Ctx, session: SessionIndex, part: (KeyTypeId, [u8; 32])) {
    let at = session.saturating_add(EVIDENCE_SESSIONS_MAX).saturating_add(2);
    RETIRED.insert(cx, &at, &part);
}

fn forget(cx: &mut Ctx, (id, key): (KeyTypeId, [u8; 32])) {
    KEY_OWNER.remove(cx, &(id, key.to_vec()));
}

/// Forgets retired keys whose time is over, some in each block.
pub(super) fn forget_retired(cx: &mut Ctx) {
    let session = CURRENT_INDEX.get(cx).unwrap_or_default();
    let from = FORGOTTEN.get(cx).unwrap_or_default();
    if from > session {
        return;
    }
    let parts: Vec<_> = RETIRED.of(cx, &from).take(FORGOTTEN_PER_BLOCK_MAX).collect();
    let all = parts.len() < FORGOTTEN_PER_BLOCK_MAX;
    for part in parts {
        RETIRED.remove(cx, &from, &part);
        forget(cx, part);
    }
    if all {
        FORGOTTEN.set(cx, &from.saturating_add(1));
    }
}

/// Registers keys that count from the start.
pub(super) fn begin_with(cx: &mut Ctx, who: &AccountId, keys: SessionKeys) -> Result<(), String> {
    keys.check_keys().map_err(|e| format!("{who}: {e}"))?;
    for (id, key) in parts(keys) {
        if KEY_OWNER.contains(cx, &(id, key.to_vec())) {
            return Err(format!("{who} has a key of another validator"));
        }
        KEY_OWNER.set(cx, &(id, key.to_vec()), who);
    }
    balances::hold(cx, HoldReason::SessionKeys, who, KEY_DEPOSIT)
        .map_err(|_| format!("{who} cannot pay the deposit of {KEY_DEPOSIT} for its keys"))?;
    NEXT_KEYS.set(cx, who, &keys);
    KEYS.set(cx, who, &KeyRecord { from: 0, before: None });
    Ok(())
}

fn parts(keys: SessionKeys) -> [(KeyTypeId, [u8; 32]); 2] {
    [(VOTE_KEY, keys.vote), (VRF_KEY, keys.vrf)]
}

/// Each key in use or retired is bound, to one account, and nothing else is; each account with keys has
/// paid the deposit.
pub(super) fn check(state: &dyn StateRead) -> Result<(), String> {
    let mut bound = std::collections::BTreeSet::new();
    let mut accounts = 0u32;
    for (who, record) in KEYS.iter(state) {
        let last = NEXT_KEYS.get(state, &who).ok_or(format!("{who} has a record without keys"))?;
        for part in [Some(last), record.before].into_iter().flatten().flat_map(parts) {
            if KEY_OWNER.get(state, &(part.0, part.1.to_vec())) != Some(who) {
                return Err(format!("a key of {who} is not bound to it"));
            }
            bound.insert(part);
        }
        if balances::held(state, HoldReason::SessionKeys, &who) != KEY_DEPOSIT {
            return Err(format!("{who} has keys without the deposit"));
        }
        accounts += 1;
    }
    for (_, part) in RETIRED.iter(state) {
        if !bound.insert(part) {
            return Err(format!("the key {part:02x?} is retired twice, or in use"));
        }
    }
    let held = balances::total_held(state, HoldReason::SessionKeys);
    let owners = KEY_OWNER.iter(state).count();
    if owners != bound.len()
        || NEXT_KEYS.iter(state).count() != usize::try_from(accounts).unwrap_or(usize::MAX)
        || Some(held) != KEY_DEPOSIT.checked_mul(accounts.into())
    {
        return Err(format!(
            "{accounts} accounts have keys and {held} held for them; {} keys are in use or retired, {owners} bound",
            bound.len()
        ));
    }
    Ok(())
}
