//! The last-signed guard: whatever else is lost, a validator never signs two things where it may
//! sign one.
//!
//! It holds the exact messages signed in the last round, on disk before any of them is published. A
//! request for the same slot with the same content gets the same bytes again; other content, or an
//! earlier slot, is refused. It does not read the write-ahead log and works without it.

use crate::{
    message::{Signature, SignedProposal, SignedVote},
    signer::{Content, Unsigned},
    types::Step,
};
use codec::{Decode, DecodeAll, Encode};
use primitives::{AccountId, Hash, Height, Moment};

/// Largest encoded record: three messages of one round and some framing.
pub const GUARD_RECORD_BYTES_MAX: usize = 1_024;
/// Most messages that a validator signs in one round: a proposal and two votes.
const SIGNED_MAX: usize = 3;
/// How far above the first block that proves life a validator without a record starts to sign:
/// anything that it may have signed before it lost the record is then below.
const SAFE_DISTANCE: Height = 2;

/// A place where a validator signs at most one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct Slot {
    /// Height.
    pub height: Height,
    /// Round.
    pub round: u32,
    /// What is signed.
    pub step: Step,
}

/// A message that was signed, as it is sent.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Signed {
    /// A vote.
    Vote(SignedVote),
    /// A proposal.
    Proposal(SignedProposal),
}

impl Signed {
    fn content(&self) -> Content {
        match self {
            Self::Vote(signed) => Content::Vote(signed.vote.clone()),
            Self::Proposal(signed) => Content::Proposal(signed.proposal.clone()),
        }
    }

    pub(crate) fn signature(&self) -> Signature {
        match self {
            Self::Vote(signed) => signed.signature,
            Self::Proposal(signed) => signed.signature,
        }
    }

    pub(crate) fn slot(&self) -> Slot {
        self.content().slot()
    }

    pub(crate) fn validator(&self) -> AccountId {
        match self {
            Self::Vote(signed) => signed.vote.validator,
            Self::Proposal(signed) => signed.proposal.proposer,
        }
    }
}

/// What the guard keeps on disk.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct GuardRecord {
    genesis: Hash,
    validator: AccountId,
    signed: Vec<Signed>,
}

/// A guard record that can't protect this validator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GuardError {
    /// The bytes are no record.
    #[error("the last-signed record can't be decoded: {0}")]
    Malformed(#[from] codec::Error),
    /// Of another chain or validator.
    #[error(
        "the last-signed record is of validator {validator} on chain {genesis}: this \
         data folder belongs to another validator or chain"
    )]
    Foreign {
        /// Whose record it is.
        validator: AccountId,
        /// Its chain.
        genesis: Hash,
    },
    /// More than one round's messages, or of several rounds.
    #[error("the last-signed record holds messages that no validator signs together")]
    Inconsistent,
}

/// What to do where the record does not have what this validator signed last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WithoutRecord {
    /// If the chain shows that there were such, it waits for a certified block with a time after this moment, then signs
    /// from two heights above on.
    Wait {
        /// Start of this process on the chain's clock, in milliseconds.
        started_ms: Moment,
    },
    /// The operator swears that the key has signed nothing on this chain, or accepts to be slashed.
    Override,
}

/// A signature that the guard does not give.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Something else was signed there.
    #[error("something else is signed at this height, round and step")]
    Conflict,
    /// A later slot was signed.
    #[error("something is signed at a later height, round or step")]
    Passed,
    /// The record or the log is lost, or another node signs too, and the chain has not moved far enough since.
    #[error("what was signed before is unknown, and the chain is not yet past it")]
    Waiting,
    /// Nothing speaks against it, but there is no signature.
    #[error(transparent)]
    Unsigned(#[from] Unsigned),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Armed {
    /// Signs at this height and above.
    From(Height),
    /// Signs nothing until a block stamped after this moment.
    AfterBlockOf(Moment),
}

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Guard {
    record: GuardRecord,
    armed: Armed,
    without: WithoutRecord,
    dirty: bool,
}

impl Guard {
    pub(crate) fn new(
        genesis: Hash,
        validator: AccountId,
        stored: Option<&[u8]>,
        without: WithoutRecord,
    ) -> Result<Self, GuardError> {
        let record = match stored {
            Some(mut bytes) => GuardRecord::decode_all(&mut bytes)?,
            None => GuardRecord { genesis, validator, signed: Vec::new() },
        };
        if (record.genesis, record.validator) != (genesis, validator) {
            let GuardRecord { genesis, validator, .. } = record;
            return Err(GuardError::Foreign { validator, genesis });
        }
        let slots: Vec<_> = record.signed.iter().map(Signed::slot).collect();
        let one_round = |pair: &[Slot]| {
            (pair[0].height, pair[0].round) == (pair[1].height, pair[1].round) && pair[0] < pair[1]
        };
        if slots.len() > SIGNED_MAX || !slots.windows(2).all(one_round) {
            return Err(GuardError::Inconsistent);
        }
        Ok(Self { record, armed: Armed::From(0), without, dirty: false })
    }

    /// The last thing signed.
    pub(crate) fn last(&self) -> Option<Slot> {
        self.record.signed.last().map(Signed::slot)
    }

    /// Whether anything may be signed at this height.
    pub(crate) fn may_sign(&self, height: Height) -> bool {
        matches!(self.armed, Armed::From(from) if height >= from)
    }

    /// Begins at a height above blocks that came another way. `has_signed` if the chain shows signatures of this validator,
    /// `signed_parent` if the block below has one.
    pub(crate) fn start(&mut self, height: Height, has_signed: bool, signed_parent: bool) {
        let WithoutRecord::Wait { started_ms } = self.without else { return };
        let is_lost = match self.last() {
            None => has_signed || signed_parent,
            Some(last) => signed_parent && last.height.saturating_add(1) < height,
        };
        if is_lost {
            tracing::warn!(
                height,
                "the chain has signatures of this validator that its last-signed guard does not know: it signs \
                 nothing until it has seen others go on; if it is the chain's only validator, start it with \
                 --sign-without-guard"
            );
            self.armed = Armed::AfterBlockOf(started_ms);
        }
    }

    /// A block is certified and was stamped at this time.
    pub(crate) fn on_certified(&mut self, height: Height, stamp_ms: Moment) {
        if let Armed::AfterBlockOf(started_ms) = self.armed
            && stamp_ms > started_ms
        {
            let from = height.saturating_add(SAFE_DISTANCE);
            tracing::info!(height, from, "signing starts without a last-signed record");
            self.armed = Armed::From(from);
        }
    }

    /// The log of a height is not there. If something was signed at it, the block that this validator was locked on is
    /// forgotten: another vote could fork the chain, so the rest of the height is left to others.
    pub(crate) fn on_no_log(&mut self, height: Height) {
        let is_sworn = self.without == WithoutRecord::Override;
        if !is_sworn && self.last().is_some_and(|last| last.height == height) {
            tracing::warn!(
                height,
                "the write-ahead log of a height at which something was signed is lost: nothing more is signed at it"
            );
            self.armed = Armed::From(height.saturating_add(1));
        }
    }

    /// Another node signed in this validator's name, at a height at which this one may not sign yet: it waits for that one
    /// to be gone.
    pub(crate) fn on_twin(&mut self, height: Height) {
        if let Armed::From(from) = &mut self.armed {
            *from = height.saturating_add(SAFE_DISTANCE).max(*from);
        }
    }

    /// Sign, or give the signature of the slot if it is of the same. `sign` hears what was signed last.
    pub(crate) fn sign(
        &mut self,
        content: &Content,
        sign: impl FnOnce(Option<Slot>) -> Result<Signature, Unsigned>,
    ) -> Result<Signature, Refusal> {
        match self.find(content.slot())? {
            Some(signed) if signed.content() == *content => Ok(signed.signature()),
            Some(_) => Err(Refusal::Conflict),
            None => {
                let signature = sign(self.last())?;
                self.note(content.signed(signature));
                Ok(signature)
            }
        }
    }

    /// Whether exactly this is among what was signed in the last round.
    pub(crate) fn has(&self, signed: &Signed) -> bool {
        self.record.signed.contains(signed)
    }

    /// Whether somebody else must have signed this: another content in a slot that is signed, or anything in a later one.
    /// What is in an earlier one may be forgotten.
    pub(crate) fn is_foreign(&self, signed: &Signed) -> bool {
        let slot = signed.slot();
        match self.record.signed.iter().find(|mine| mine.slot() == slot) {
            Some(mine) => mine.content() != signed.content(),
            None => self.last().is_none_or(|last| slot > last),
        }
    }

    /// Learn from the write-ahead log what was signed, if it is newer than the record: a crash can
    /// come between the two syncs, and the log is synced first.
    pub(crate) fn observe(&mut self, signed: Signed) {
        if self.last().is_none_or(|last| signed.slot() > last) {
            self.note(signed);
        }
    }

    /// The record to put on disk before anything else is published, if it changed.
    pub(crate) fn take_changed(&mut self) -> Option<Vec<u8>> {
        std::mem::take(&mut self.dirty).then(|| self.to_bytes())
    }

    /// The record as it is kept.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        self.record.encode()
    }

    fn find(&self, slot: Slot) -> Result<Option<&Signed>, Refusal> {
        if let Some(signed) = self.record.signed.iter().find(|signed| signed.slot() == slot) {
            return Ok(Some(signed));
        }
        if self.last().is_some_and(|last| slot < last) {
            return Err(Refusal::Passed);
        }
        if self.may_sign(slot.height) { Ok(None) } else { Err(Refusal::Waiting) }
    }

    fn note(&mut self, signed: Signed) {
        let Slot { height, round, .. } = signed.slot();
        self.record.signed.retain(|old| {
            let old = old.slot();
            (old.height, old.round) == (height, round)
        });
        self.record.signed.push(signed);
        self.dirty = true;
    }
}
