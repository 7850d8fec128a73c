//! The end of an era, step by step: who was absent, who may be elected, how much stake trusts whom, who is elected,
//! which nominators stand behind them, and then the next era begins.
//!
//! A nominator's stake is divided equally among those of its targets that can be elected; the validators with the most
//! stake win, ties by account. Then each nominator's stake is divided anew, among those of its targets that have won.
//! In both divisions what is left of the units goes to the first targets, by account.
//!
//! Nominators are looked at one by one, by the ledger of that moment. In between none of them can leave or unbond, so that
//! whose stake has won a seat also stands behind it, and is bound from then on: stake that is unbonded later can be
//! slashed for the whole era.

use super::{
    ACTIVE_ERA, ActiveEraInfo, CANDIDATES_MAX, CURRENT_ERA, ELECTION, ERAS_STAKERS_OVERVIEW,
    ERAS_STAKERS_PAGED, ERAS_START_SESSION_INDEX, ERAS_TOTAL_STAKE, ERAS_VALIDATOR_PREFS, EraIndex,
    Event, ExposurePage, IndividualExposure, NOMINATORS, PAGE_MAX, PagedExposureMetadata, Perbill,
    VALIDATOR_COUNT, VALIDATORS, ValidatorPrefs, ledger, params, rewards, roles, slashing,
};
use crate::{session, system::HookWork};
use framework::{READ_PS, WRITE_PS, prelude::*};
use primitives::{ValidatorInfo, crypto::session::SessionKeys};
use std::collections::BTreeMap;

/// Least blocks of an era for its absences to be judged.
const JUDGED_BLOCKS_MIN: u32 = 20;
/// Who misses more of an era's blocks is no candidate any more until it asks to be, in parts per million.
const ABSENT_CHILL_PPM: u64 = 500_000;
/// Who misses more of an era's blocks loses [`ABSENT_SLASH_PPM`] of its stake, too.
const ABSENT_SLASH_FROM_PPM: u64 = 900_000;
/// What it loses.
const ABSENT_SLASH_PPM: u32 = 1_000;

/// How far an election has come.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct Election {
    /// What is done next.
    pub stage: Stage,
    /// Candidates by account and, once they are chosen, those elected.
    pub seats: Vec<Seat>,
}

/// What is done next in an election.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum Stage {
    /// The validator at this place is judged by its absences.
    Judge(u32),
    /// The validator after this one becomes a candidate.
    Candidates(Option<AccountId>),
    /// The nominator after this one gives its stake to candidates.
    Scores(Option<AccountId>),
    /// The nominator after this one stands behind those elected.
    Exposures(Option<AccountId>),
    /// The seat at this place is written down.
    Seats(u32),
}

/// A candidate.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct Seat {
    /// Whose it is.
    pub account: AccountId,
    /// The keys that it would work with.
    pub keys: SessionKeys,
    /// What it asks for.
    pub prefs: ValidatorPrefs,
    /// Its own stake.
    pub own: Balance,
    /// All stake behind it.
    pub total: Balance,
    /// How many nominators stand behind it.
    pub nominators: u32,
}

/// Pages of nominators that are being filled, by seat.
#[derive(Default)]
struct Pages(BTreeMap<usize, (u32, ExposurePage)>);

impl Pages {
    /// What writing them down will take.
    fn ref_time(&self) -> u64 {
        u64::try_from(self.0.len()).unwrap_or(u64::MAX).saturating_mul(READ_PS + WRITE_PS)
    }

    /// Lists a nominator behind a seat.
    fn add(
        &mut self,
        cx: &mut Ctx,
        era: EraIndex,
        place: usize,
        seat: &mut Seat,
        entry: IndividualExposure,
    ) {
        let page = seat.nominators / PAGE_MAX;
        let stored = || ERAS_STAKERS_PAGED.get(cx, &(era, seat.account, page)).unwrap_or_default();
        let (_, exposure) = self.0.entry(place).or_insert_with(|| (page, stored()));
        exposure.page_total = exposure.page_total.saturating_add(entry.value);
        exposure.others.push(entry);
        seat.nominators = seat.nominators.saturating_add(1);
        seat.total = seat.total.saturating_add(entry.value);
        if seat.nominators.is_multiple_of(PAGE_MAX) {
            let (page, exposure) = self.0.remove(&place).expect("it was just filled");
            ERAS_STAKERS_PAGED.set(cx, &(era, seat.account, page), &exposure);
        }
    }

    fn store(&mut self, cx: &mut Ctx, era: EraIndex, seats: &[Seat]) {
        for (place, (page, exposure)) in std::mem::take(&mut self.0) {
            ERAS_STAKERS_PAGED.set(cx, &(era, seats[place].account, page), &exposure);
        }
    }
}

/// Ends the era whose time is over, while the block has time for it.
pub(super) fn run(cx: &mut Ctx) {
    let Some(active) = ACTIVE_ERA.get(cx) else { return };
    let mut election = match ELECTION.get(cx) {
        Some(election) => election,
        None if is_over(cx, &active) => begin(cx, &active),
        None => return,
    };
    let (era, mut pages) = (active.index.saturating_add(1), Pages::default());
    while HookWork::Elect.left(cx) > pages.ref_time() {
        match step(cx, &mut election, era, &mut pages) {
            Some(next) => election.stage = next,
            None => return finish(cx, &active, election.seats),
        }
    }
    pages.store(cx, era, &election.seats);
    ELECTION.set(cx, &election);
}

fn is_over(cx: &Ctx, active: &ActiveEraInfo) -> bool {
    let ends = ends_at(cx, active);
    ends.is_some_and(|ends| cx.block.time_ms >= ends)
}

/// Time at which an era is over; unknown before the first block.
pub(super) fn ends_at(state: &dyn StateRead, active: &ActiveEraInfo) -> Option<Moment> {
    Some(active.start?.saturating_add(params(state).era_ms))
}

/// Whether an election has begun and is not over.
pub(super) fn goes_on(state: &dyn StateRead) -> bool {
    CURRENT_ERA.get(state) > ACTIVE_ERA.get(state).map(|active| active.index)
}

fn begin(cx: &mut Ctx, active: &ActiveEraInfo) -> Election {
    // What is unbonded from now on waits as if the next era ran: it may stand behind a validator in it.
    CURRENT_ERA.set(cx, &active.index.saturating_add(1));
    Election { stage: Stage::Judge(0), seats: Vec::new() }
}

/// Does a step; gives the next, or nothing where that was the last.
fn step(cx: &mut Ctx, election: &mut Election, era: EraIndex, pages: &mut Pages) -> Option<Stage> {
    let seats = &mut election.seats;
    Some(match election.stage {
        Stage::Judge(place) => {
            if judge(cx, place, era.saturating_sub(1)) {
                Stage::Judge(place.saturating_add(1))
            } else {
                Stage::Candidates(None)
            }
        }
        Stage::Candidates(after) => match VALIDATORS.next_after(cx, after.as_ref()) {
            Some((account, prefs)) => {
                let least = params(cx).validator_bond_min;
                let own = ledger::active(cx, &account);
                let keys = session::keys_at(cx, &account, era);
                if let Some(keys) = keys.filter(|_| own >= least && !own.is_zero()) {
                    seats.push(Seat { account, keys, prefs, own, total: own, nominators: 0 });
                }
                Stage::Candidates(Some(account))
            }
            None => {
                if seats.is_empty() {
                    cx.emit(Event::StakingElectionFailed);
                    *seats = incumbents(cx, era);
                }
                seats.sort_unstable_by_key(|seat| seat.account);
                Stage::Scores(None)
            }
        },
        Stage::Scores(after) => match NOMINATORS.next_after(cx, after.as_ref()) {
            Some((who, nominations)) => {
                let stake = nominated(cx, &who, seats);
                for (place, part) in divide(stake, &nominations.targets, seats) {
                    seats[place].total = seats[place].total.saturating_add(part);
                }
                Stage::Scores(Some(who))
            }
            None => {
                let count = VALIDATOR_COUNT.get(cx).unwrap_or_default();
                choose(seats, usize::try_from(count).unwrap_or(CANDIDATES_MAX));
                Stage::Exposures(None)
            }
        },
        Stage::Exposures(after) => match NOMINATORS.next_after(cx, after.as_ref()) {
            Some((who, nominations)) => {
                let stake = nominated(cx, &who, seats);
                for (place, value) in divide(stake, &nominations.targets, seats) {
                    let entry = IndividualExposure { who, value };
                    pages.add(cx, era, place, &mut seats[place], entry);
                }
                Stage::Exposures(Some(who))
            }
            None => {
                pages.store(cx, era, seats);
                Stage::Seats(0)
            }
        },
        Stage::Seats(place) => {
            let seat = usize::try_from(place).ok().and_then(|place| seats.get(place))?;
            write_seat(cx, era, seat);
            Stage::Seats(place.saturating_add(1))
        }
    })
}

/// Judges a validator by the blocks that it has not signed. Tells whether there is one at this place.
fn judge(cx: &mut Ctx, place: u32, era: EraIndex) -> bool {
    let absences = session::absences(cx);
    let (blocks, place) = (absences.blocks, usize::try_from(place).unwrap_or(usize::MAX));
    let Some(missed) = absences.missed.get(place).copied() else { return false };
    let more_than = |ppm: u64| u64::from(missed) * 1_000_000 > u64::from(blocks) * ppm;
    if blocks < JUDGED_BLOCKS_MIN || !more_than(ABSENT_CHILL_PPM) {
        return true;
    }
    let Some(stash) = session::member(cx, place) else { return false };
    cx.emit(Event::Absent { stash, missed, blocks });
    roles::chill_validator(cx, &stash);
    if more_than(ABSENT_SLASH_FROM_PPM) {
        slashing::slash(cx, era, &stash, Perbill::from_ppm(ABSENT_SLASH_PPM), None);
    }
    true
}

/// Those who decide blocks now, where nobody else can: a chain without validators could never have any again.
fn incumbents(cx: &Ctx, era: EraIndex) -> Vec<Seat> {
    let seat = |v: ValidatorInfo| {
        let own = ledger::active(cx, &v.account);
        let old = SessionKeys { vote: v.vote_key, vrf: v.vrf_key };
        let keys = session::keys_at(cx, &v.account, era).unwrap_or(old);
        let prefs = VALIDATORS.get(cx, &v.account).unwrap_or_default();
        Seat { account: v.account, keys, prefs, own, total: own, nominators: 0 }
    };
    session::validators(cx).validators.into_iter().map(seat).collect()
}

/// A nominator's stake. It is nothing where it has a seat itself, behind which that stake stands already: those who go on
/// because nobody can be elected may nominate by now.
fn nominated(state: &dyn StateRead, who: &AccountId, seats: &[Seat]) -> Balance {
    match seats.binary_search_by(|seat| seat.account.cmp(who)) {
        Ok(_) => Balance::ZERO,
        Err(_) => ledger::active(state, who),
    }
}

/// Divides a nominator's stake equally among the seats that it names: their places, by account, and its parts.
fn divide(stake: Balance, targets: &[AccountId], seats: &[Seat]) -> Vec<(usize, Balance)> {
    let place = |target| seats.binary_search_by(|seat| seat.account.cmp(target)).ok();
    let mut places: Vec<usize> = targets.iter().filter_map(place).collect();
    places.sort_unstable();
    let count = u128::try_from(places.len()).unwrap_or(u128::MAX).max(1);
    let (part, more) = (stake.get() / count, stake.get() % count);
    let part = |number: u128| Balance::new(part + u128::from(number < more));
    let parts = places.into_iter().zip(0..).map(|(place, number)| (place, part(number)));
    parts.filter(|(_, part)| !part.is_zero()).collect()
}

/// Leaves the seats with the most stake, ties by account, with nobody but their own behind them.
fn choose(seats: &mut Vec<Seat>, count: usize) {
    seats.sort_unstable_by(|a, b| b.total.cmp(&a.total).then(a.account.cmp(&b.account)));
    seats.truncate(count.max(1));
    seats.sort_unstable_by_key(|seat| seat.account);
    for seat in seats {
        seat.total = seat.own;
    }
}

/// Writes down what stands behind a validator in an era.
pub(super) fn write_seat(cx: &mut Ctx, era: EraIndex, seat: &Seat) {
    let key = (era, seat.account);
    let exposed = PagedExposureMetadata {
        total: seat.total,
        own: seat.own,
        nominator_count: seat.nominators,
        page_count: seat.nominators.div_ceil(PAGE_MAX),
    };
    ERAS_STAKERS_OVERVIEW.set(cx, &key, &exposed);
    ERAS_VALIDATOR_PREFS.set(cx, &key, &seat.prefs);
}

/// Begins the next era.
fn finish(cx: &mut Ctx, active: &ActiveEraInfo, seats: Vec<Seat>) {
    rewards::end_era(cx, active);
    let set = with_power(&seats);
    begin_era(cx, active.index.saturating_add(1), Some(cx.block.time_ms), &seats);
    ELECTION.remove(cx);
    cx.emit(Event::StakersElected);
    session::rotate(cx, set);
}

/// Writes down an era as a whole.
pub(super) fn begin_era(cx: &mut Ctx, index: EraIndex, start: Option<Moment>, seats: &[Seat]) {
    let total = seats.iter().fold(Balance::ZERO, |sum, seat| sum.saturating_add(seat.total));
    ERAS_TOTAL_STAKE.set(cx, &index, &total);
    ERAS_START_SESSION_INDEX.set(cx, &index, &index);
    CURRENT_ERA.set(cx, &index);
    ACTIVE_ERA.set(cx, &ActiveEraInfo { index, start });
}

/// The validators of some seats: power is stake, divided by what makes all of it fit, and at least 1.
pub(super) fn with_power(seats: &[Seat]) -> Vec<ValidatorInfo> {
    // Half of what consensus takes leaves room for those who have 1 instead of 0.
    let most = u128::from(session::POWER_TOTAL_MAX / 2);
    let total = seats.iter().fold(Balance::ZERO, |sum, seat| sum.saturating_add(seat.total));
    let unit = total.get() / most + 1;
    let info = |seat: &Seat| ValidatorInfo {
        account: seat.account,
        vote_key: seat.keys.vote,
        vrf_key: seat.keys.vrf,
        power: u64::try_from(seat.total.get() / unit).unwrap_or(u64::MAX).max(1),
    };
    seats.iter().map(info).collect()
}
