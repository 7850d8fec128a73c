//! # Offences
//!
//! Validators that signed two things where they may sign one: evidence is checked against the validators of its
//! height, all who stood behind the offender lose stake, and the offender may not validate.
//!
//! The share that is lost is that of FRAME's `EquivocationOffence`, min((3k / n)^2, 1), with power in place of
//! numbers: k is the power of all who equivocated in the session, n that of all, as here power is what a fork takes.
//! One of many pays little, at least a hundredth; a third of the power, which could fork the chain, pays all. It is
//! that of the whole session: whoever comes to the offenders raises the share of all of them. So one offence a
//! session tells all, and further evidence against the same validator in it is refused: it would change nothing.
//!
//! Invariant: offenders are kept exactly for the sessions of which evidence is taken.

use crate::{
    session::{self, SessionIndex},
    staking::{self, Perbill},
};
use framework::prelude::*;
use primitives::{Evidence, EvidenceError, Offence, Step, ValidatorSet};

/// Name of the pallet.
pub const NAME: &str = "Offences";
/// Index of the pallet.
pub const INDEX: u8 = 8;
/// Most evidence that one block takes.
pub const EVIDENCE_MAX: usize = 16;
/// Least share that an equivocator loses, in parts per billion: a hundredth.
const SHARE_MIN: u32 = 10_000_000;
/// Microseconds to check two signatures, on the reference machine.
const CHECK_US: u32 = 80;
/// Most offenders of a session, in the type of weights.
const OFFENDERS_MAX: u32 = 512;
const _: () = assert!(session::VALIDATORS_MAX == 512, "OFFENDERS_MAX is as many");

static OFFENDERS: Map<SessionIndex, Vec<AccountId>, Twox64Concat> = Map::new_default(
    NAME,
    "Offenders",
    "Validators that equivocated, by session, as long as evidence of it is taken.",
);
static FORGOTTEN: Value<SessionIndex> =
    Value::new_default(NAME, "ForgottenSessions", "The first session that is not forgotten.");

/// What the block's author does.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
#[allow(non_camel_case_types)]
pub enum Call {
    /// Show that a validator signed two things where it may sign one. The author of the block does it, after the
    /// certificates.
    #[codec(index = 100)]
    report {
        /// Both messages with their signatures.
        evidence: Evidence,
    },
}

/// What users are told.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
#[allow(missing_docs)] // Fields say what they are.
pub enum Event {
    /// A validator signed two things where it may sign one. All who stood behind it lose the fraction, and so do, of
    /// theirs, the session's other offenders.
    #[codec(index = 100)]
    Equivocation {
        validator: AccountId,
        session: SessionIndex,
        height: Height,
        round: u32,
        step: Step,
        fraction: Perbill,
        reporter: AccountId,
    },
}

impl PalletEvent for Event {
    const PALLET: u8 = INDEX;
}

/// Why calls fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum Error {
    /// The two messages do not conflict.
    #[codec(index = 100)]
    NoConflict,
    /// The accused was no validator of that height.
    #[codec(index = 101)]
    UnknownValidator,
    /// A signature is not by the accused, or is for another chain.
    #[codec(index = 102)]
    BadSignature,
    /// The height is to come, or too long ago.
    #[codec(index = 103)]
    OutOfTime,
    /// The validator was reported for that session.
    #[codec(index = 104)]
    AlreadyReported,
}

impl PalletError for Error {
    const PALLET: u8 = INDEX;
}

impl From<EvidenceError> for Error {
    fn from(error: EvidenceError) -> Self {
        match error {
            EvidenceError::NoConflict => Self::NoConflict,
            EvidenceError::Unknown(_) => Self::UnknownValidator,
            EvidenceError::BadSignature(_) => Self::BadSignature,
        }
    }
}

impl Dispatch for Call {
    /// An order to slash for each offender of the session; only what was metered is charged.
    fn weight(&self) -> Weight {
        Weight::rw(16, 8).compute_us(CHECK_US).plus(Weight::rw(2, 2).times(OFFENDERS_MAX))
    }

    fn class(&self) -> DispatchClass {
        DispatchClass::Mandatory
    }

    fn pays(&self) -> Pays {
        Pays::No
    }

    fn dispatch(self, cx: &mut Ctx, origin: Origin) -> DispatchResult {
        origin.none()?;
        let Self::report { evidence } = self;
        let (height, genesis) = (cx.block.height, cx.block.genesis);
        let proven = check_evidence(cx, height, &genesis, &evidence)?;
        apply(cx, proven);
        Ok(())
    }
}

/// An offence that evidence proves.
pub struct Proven {
    /// The offence.
    pub offence: Offence,
    /// The session of its height.
    pub session: SessionIndex,
    set: ValidatorSet,
}

/// Checks evidence for a block of this height. An author asks with the state of the block before, what to leave out.
///
/// # Errors
///
/// Why a block that has it is not valid.
pub fn check_evidence(
    state: &dyn StateRead,
    height: Height,
    genesis: &Hash,
    evidence: &Evidence,
) -> Result<Proven, Error> {
    let offence = evidence.offence().ok_or(Error::NoConflict)?;
    ensure_time(offence.height <= height)?;
    let session = session::session_at(state, offence.height).ok_or(Error::OutOfTime)?;
    let offenders = OFFENDERS.get(state, &session).unwrap_or_default();
    if offenders.binary_search(&offence.validator).is_ok() {
        return Err(Error::AlreadyReported);
    }
    let set = session::set_of(state, session).ok_or(Error::OutOfTime)?;
    evidence.check(&set, genesis)?;
    Ok(Proven { offence, session, set })
}

fn ensure_time(holds: bool) -> Result<(), Error> {
    if holds { Ok(()) } else { Err(Error::OutOfTime) }
}

fn apply(cx: &mut Ctx, proven: Proven) {
    let Proven { offence: Offence { height, round, step, validator }, session, set } = proven;
    let mut offenders = OFFENDERS.get(cx, &session).unwrap_or_default();
    let place = offenders.binary_search(&validator).expect_err("it was not reported before");
    offenders.insert(place, validator);
    OFFENDERS.set(cx, &session, &offenders);
    let fraction = share_of(&set, &offenders);
    let reporter = cx.block.author;
    cx.emit(Event::Equivocation { validator, session, height, round, step, fraction, reporter });
    // A session is an era.
    staking::jail(cx, session, &validator);
    for offender in &offenders {
        staking::slash(cx, session, offender, fraction, Some(reporter));
    }
}

/// What these offenders of a set lose.
fn share_of(set: &ValidatorSet, offenders: &[AccountId]) -> Perbill {
    let power = |who: &AccountId| set.get(who).map_or(0, |v| u128::from(v.power));
    let (guilty, all) = (offenders.iter().map(power).sum::<u128>(), u128::from(set.total_power()));
    let whole = u128::from(Perbill::ONE.parts());
    let part = (guilty * 3 * whole / all.max(1)).min(whole);
    let share = u32::try_from(part * part / whole).unwrap_or(u32::MAX);
    Perbill::from_parts(share.max(SHARE_MIN))
}

/// The pallet.
pub struct Pallet;

impl framework::Pallet for Pallet {
    const NAME: &'static str = NAME;
    const INDEX: u8 = INDEX;
    const DOC: &'static str = "Validators that signed two things where they may sign one.";
    const STORAGE: StorageItems = &[&OFFENDERS, &FORGOTTEN];
    type Call = Call;
    type Event = Event;
    type Error = Error;
    type Genesis = ();

    fn constants() -> Vec<ConstantMeta> {
        vec![ConstantMeta::new(
            "LeastFraction",
            &Perbill::from_parts(SHARE_MIN),
            "Least share that an equivocator loses.",
        )]
    }

    /// Forgets at most a session in each block; one is added with each era.
    fn on_initialize(cx: &mut Ctx) {
        let oldest = session::current_index(cx).saturating_sub(session::EVIDENCE_SESSIONS_MAX);
        let next = FORGOTTEN.get(cx).unwrap_or_default();
        if next < oldest {
            OFFENDERS.remove(cx, &next);
            FORGOTTEN.set(cx, &next.saturating_add(1));
        }
    }

    fn check(state: &dyn StateRead) -> Result<(), String> {
        let (oldest, newest) =
            (FORGOTTEN.get(state).unwrap_or_default(), session::current_index(state));
        for (session, offenders) in OFFENDERS.iter(state) {
            let sorted = offenders.is_sorted_by(|a, b| a < b) && !offenders.is_empty();
            if !sorted || !(oldest..=newest).contains(&session) {
                return Err(format!("offenders of session {session} are {offenders:?}"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
