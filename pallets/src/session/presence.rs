//! Who was there: certificates, what their authors earn by them, and who missed too many.
//!
//! The author of block N + 1 shows the certificate of N. It earns points by the power that has signed, and so
//! do the authors of N + 2 to N + 4 by votes that they add: nobody gains by hiding a rival's vote. Votes that
//! are not there then are absences, which are counted by session.

use super::{Error, NAME, RANDOMNESS, SessionIndex, session_at, set_at, validators};
use framework::prelude::*;
use primitives::{Certificate, ValidatorSet, crypto::keys};

/// How many blocks after a block's child more of its votes may be shown.
pub const WIDEN_BLOCKS_MAX: Height = 3;
/// Points for a certificate by the whole power.
pub const CERTIFICATE_POINTS: u32 = 1_000;
/// Most rounds of one block whose proposers forfeit points: rounds grow longer, so that more of them
/// are hours in which nobody could gain.
const SKIPPED_ROUNDS_MAX: u32 = 64;

pub(super) static RECENT: Value<Vec<Noted>> = Value::new_default(
    NAME,
    "RecentCertificates",
    "Who signed recent blocks, as far as certificates have shown; the oldest first.",
);
pub(super) static ABSENCES: Value<Absences> = Value::new_default(
    NAME,
    "Absences",
    "How many blocks of the session each validator has not signed, in the set's order.",
);
pub(super) static FORFEITS: Value<Vec<AccountId>> = Value::new_default(
    NAME,
    "Forfeits",
    "Proposers who let a round pass without a block: their next block earns no points.",
);
pub(super) static CREDIT: Value<u32> = Value::new_default(
    NAME,
    "Credit",
    "Points that the author has earned in the block that runs; empty between blocks.",
);

/// Who signed a block.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct Noted {
    /// Height of the block.
    pub height: Height,
    /// Round in which it was decided.
    pub round: u32,
    /// The block's hash.
    pub block: Hash,
    /// Session whose validators decided it.
    pub session: SessionIndex,
    /// A bit for each of them, in the set's order, the lowest bit first: who has signed.
    pub signed: Vec<u8>,
}

impl Noted {
    fn has(&self, place: usize) -> bool {
        self.signed.get(place / 8).is_some_and(|byte| byte >> (place % 8) & 1 == 1)
    }

    fn add(&mut self, place: usize) {
        self.signed[place / 8] |= 1 << (place % 8);
    }
}

/// Blocks that were not signed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct Absences {
    /// How many blocks of the session were counted.
    pub blocks: u32,
    /// How many of them each validator has not signed, in the set's order.
    pub missed: Vec<u32>,
}

/// Begins a block: proposers that it had to pass over forfeit points, and its randomness is set.
pub(super) fn begin_block(cx: &mut Ctx) {
    if cx.block.origin_round > 0 {
        let (set, height) = (validators(cx), cx.block.height);
        let rounds = 0..cx.block.origin_round.min(SKIPPED_ROUNDS_MAX);
        let skipped = rounds.filter_map(|round| Some(set.proposer(height, round)?.account));
        let mut forfeits = FORFEITS.get(cx).unwrap_or_default();
        forfeits.extend(skipped);
        forfeits.sort_unstable();
        forfeits.dedup();
        FORFEITS.set(cx, &forfeits);
    }
    let randomness = cx.block.randomness;
    RANDOMNESS.set(cx, &randomness);
}

/// Notes a certificate that was checked, and counts who was absent from the block that no longer can be
/// widened.
pub(super) fn note(cx: &mut Ctx, set: &ValidatorSet, certificate: &Certificate) -> DispatchResult {
    let mut recent = RECENT.get(cx).unwrap_or_default();
    let known = recent.last().is_some_and(|noted| noted.height == certificate.height);
    ensure(!known, Error::NothingNew)?;
    let Certificate { height, round, block, signatures } = certificate;
    let session = session_at(cx, *height).expect("the set of this height is known");
    let signed = vec![0; set.validators.len().div_ceil(8)];
    let (height, round, block) = (*height, *round, *block);
    let mut noted = Noted { height, round, block, session, signed };
    let power = signatures.iter().map(|(account, _)| {
        let place = place_of(set, account).expect("the certificate was checked");
        noted.add(place);
        set.validators[place].power
    });
    let power = power.fold(0u64, u64::saturating_add);
    earn(cx, power, set);
    recent.push(noted);
    let kept = cx.block.height.saturating_sub(WIDEN_BLOCKS_MAX + 1);
    let over = recent.iter().take_while(|noted| noted.height < kept).count();
    for noted in recent.drain(..over) {
        count_absences(cx, &noted);
    }
    RECENT.set(cx, &recent);
    Ok(())
}

/// Counts who has not signed. Blocks before this session's are left out: their validators were judged.
fn count_absences(cx: &mut Ctx, noted: &Noted) {
    if noted.session != super::current_index(cx) {
        return;
    }
    let mut absences = ABSENCES.get(cx).unwrap_or_default();
    absences.blocks = absences.blocks.saturating_add(1);
    for (place, missed) in absences.missed.iter_mut().enumerate() {
        if !noted.has(place) {
            *missed = missed.saturating_add(1);
        }
    }
    ABSENCES.set(cx, &absences);
}

/// Votes of a certificate that add somebody, and what was noted before.
struct News {
    at: usize,
    recent: Vec<Noted>,
    set: ValidatorSet,
}

/// What a block of this height may add to by a certificate like this.
fn open(state: &dyn StateRead, height: Height, certificate: &Certificate) -> Result<News, Error> {
    let age = height.checked_sub(certificate.height).ok_or(Error::WrongBlock)?;
    if !(2..=WIDEN_BLOCKS_MAX + 1).contains(&age) {
        return Err(Error::WrongBlock);
    }
    let recent = RECENT.get(state).unwrap_or_default();
    let same = |noted: &Noted| {
        (noted.height, noted.round, noted.block)
            == (certificate.height, certificate.round, certificate.block)
    };
    let at = recent.iter().position(same).ok_or(Error::WrongBlock)?;
    let set = set_at(state, certificate.height).ok_or(Error::WrongBlock)?;
    Ok(News { at, recent, set })
}

/// Place of a vote's validator, if the vote is valid and new.
fn check_vote(
    news: &News,
    message: &[u8],
    (account, signature): &(AccountId, [u8; 64]),
) -> Result<usize, Error> {
    let place = place_of(&news.set, account).ok_or(Error::UnknownValidator)?;
    if news.recent[news.at].has(place) {
        return Err(Error::NothingNew);
    }
    if keys::verify_ed25519(&news.set.validators[place].vote_key, message, signature) {
        Ok(place)
    } else {
        Err(Error::BadVote)
    }
}

/// Adds votes to a recent certificate.
pub(super) fn widen(cx: &mut Ctx, certificate: &Certificate) -> DispatchResult {
    let mut news = open(cx, cx.block.height, certificate)?;
    let votes = &certificate.signatures;
    ensure(!votes.is_empty(), Error::NothingNew)?;
    ensure(votes.is_sorted_by(|a, b| a.0 < b.0), Error::UnsortedVotes)?;
    let message = certificate.signed_bytes(&cx.block.genesis);
    let mut power = 0u64;
    for vote in votes {
        let place = check_vote(&news, &message, vote)?;
        news.recent[news.at].add(place);
        power = power.saturating_add(news.set.validators[place].power);
    }
    RECENT.set(cx, &news.recent);
    earn(cx, power, &news.set);
    Ok(())
}

/// The votes of a certificate by which an author may widen what is known in the block of this height; `state` is
/// that of the block before. `None` if there are none.
pub fn widening(
    state: &dyn StateRead,
    height: Height,
    genesis: &Hash,
    certificate: &Certificate,
) -> Option<Certificate> {
    let news = open(state, height, certificate).ok()?;
    let message = certificate.signed_bytes(genesis);
    let mut signatures = certificate.signatures.clone();
    signatures.sort_unstable();
    signatures.retain(|vote| check_vote(&news, &message, vote).is_ok());
    signatures.dedup_by_key(|(account, _)| *account);
    let widened = Certificate { signatures, ..certificate.clone() };
    (!widened.signatures.is_empty()).then_some(widened)
}

/// Gives the author points for showing votes of so much power.
fn earn(cx: &mut Ctx, power: u64, set: &ValidatorSet) {
    let whole = u128::from(set.total_power()).max(1);
    let points = u128::from(power) * u128::from(CERTIFICATE_POINTS) / whole;
    let points = u32::try_from(points).unwrap_or(CERTIFICATE_POINTS);
    let credit = CREDIT.get(cx).unwrap_or_default();
    CREDIT.set(cx, &credit.saturating_add(points));
}

/// Takes the points that the block's author has earned: none if it let a round pass before.
pub fn take_credit(cx: &mut Ctx) -> u32 {
    let Some(points) = CREDIT.get(cx) else { return 0 };
    CREDIT.remove(cx);
    let mut forfeits = FORFEITS.get(cx).unwrap_or_default();
    match forfeits.binary_search(&cx.block.author) {
        Err(_) => points,
        Ok(place) => {
            forfeits.remove(place);
            FORFEITS.set(cx, &forfeits);
            0
        }
    }
}

/// What was counted of the session.
pub fn absences(state: &dyn StateRead) -> Absences {
    ABSENCES.get(state).unwrap_or_default()
}

/// Whether certificates show that a validator has signed any of the last blocks or, if it is one now, of this session's.
pub fn has_signed(state: &dyn StateRead, who: &AccountId) -> bool {
    let Absences { blocks, missed } = absences(state);
    let place = place_of(&validators(state), who);
    let in_session =
        place.and_then(|place| missed.get(place)).is_some_and(|missed| *missed < blocks);
    let has = |noted: &Noted| {
        let set = set_at(state, noted.height);
        set.and_then(|set| place_of(&set, who)).is_some_and(|place| noted.has(place))
    };
    in_session || RECENT.get(state).unwrap_or_default().iter().any(has)
}

/// Begins to count anew.
pub(super) fn reset(cx: &mut Ctx, validators: usize) {
    ABSENCES.set(cx, &Absences { blocks: 0, missed: vec![0; validators] });
    FORFEITS.remove(cx);
}

fn place_of(set: &ValidatorSet, account: &AccountId) -> Option<usize> {
    set.validators.binary_search_by(|v| v.account.cmp(account)).ok()
}

pub(super) fn check(state: &dyn StateRead, validators: usize) -> Result<(), String> {
    let recent = RECENT.get(state).unwrap_or_default();
    let most = usize::try_from(WIDEN_BLOCKS_MAX).unwrap_or(usize::MAX) + 1;
    if recent.len() > most || !recent.is_sorted_by(|a, b| a.height < b.height) {
        return Err(format!("recent certificates are {recent:?}"));
    }
    let Absences { blocks, missed } = absences(state);
    if missed.len() != validators || missed.iter().any(|missed| *missed > blocks) {
        return Err(format!("{validators} validators missed {missed:?} of {blocks} blocks"));
    }
    if CREDIT.get(state).is_some() {
        return Err("points of a block are left".to_owned());
    }
    let forfeits = FORFEITS.get(state).unwrap_or_default();
    if forfeits.is_sorted_by(|a, b| a < b) {
        Ok(())
    } else {
        Err(format!("proposers forfeit out of order: {forfeits:?}"))
    }
}
