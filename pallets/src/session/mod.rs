//! # Session
//!
//! Who decides blocks and with which keys, the chain's randomness, and the proof that the block before is final.
//!
//! A session is an era of the staking pallet, which elects its validators and hands them to [`rotate`]. Keys count
//! two sessions after they were set: when the chain's randomness could not be known. Sets of validators, and keys
//! that were used, are kept as long as evidence may name them: [`EVIDENCE_SESSIONS_MAX`] sessions.
//!
//! Invariants: `Validators` names the accounts of `ValidatorSet`, which is sorted and not empty; the
//! total power fits consensus. A key is bound to one account at most. The randomness of a block is a hash of the
//! randomness before it and of its author's VRF output, so nobody but the author could know it, and the author had
//! no choice; whoever lets a round pass to see another draw forfeits the points of its next block.

mod presence;
mod registry;

pub use presence::{
    Absences, CERTIFICATE_POINTS, Noted, WIDEN_BLOCKS_MAX, absences, has_signed, take_credit,
    widening,
};
pub use primitives::{POWER_TOTAL_MAX, VALIDATORS_MAX};
pub use registry::{KeyRecord, KeyTypeId, keys_at, vote_key_owner};

use framework::prelude::*;
use primitives::{
    Certificate, CertificateError, ValidatorInfo, ValidatorSet, check_certificate,
    crypto::{hash::blake2_256, session::SessionKeys},
};

/// Name of the pallet.
pub const NAME: &str = "Session";
/// Index of the pallet.
pub const INDEX: u8 = 9;
/// How many sessions back evidence may reach: 13 days where they last six hours.
pub const EVIDENCE_SESSIONS_MAX: SessionIndex = 52;
/// How many sessions after they were set keys count.
pub const KEYS_AFTER_SESSIONS: SessionIndex = 2;
/// What an account holds for its keys: a tenth of a token.
pub const KEY_DEPOSIT: Balance = Balance::new(100_000_000_000);
/// Microseconds for one vote of a certificate, on the reference machine: checked alone, as batches with
/// wrong votes come down to that.
const VOTE_VERIFY_US: u32 = 40;
/// Microseconds to check two keys and their proofs, on the reference machine.
const KEYS_CHECK_US: u32 = 200;

/// Number of a session, from 0.
pub type SessionIndex = u32;

static VALIDATORS: Value<Vec<AccountId>> =
    Value::new_default(NAME, "Validators", "Accounts of those who decide blocks.");
static VALIDATOR_SET: Value<Vec<ValidatorInfo>> =
    Value::new_default(NAME, "ValidatorSet", "Keys and power of those who decide blocks.");
static RANDOMNESS: Value<Hash> = Value::new_default(NAME, "Randomness", "Randomness of the block.");
static CURRENT_INDEX: Value<SessionIndex> =
    Value::new_default(NAME, "CurrentIndex", "Number of the session.");
static QUEUED_KEYS: Value<Vec<(AccountId, SessionKeys)>> =
    Value::new_default(NAME, "QueuedKeys", "Keys of those who decide blocks.");
static STARTS: Value<Vec<SessionStart>> = Value::new_default(
    NAME,
    "SessionStarts",
    "Sessions whose validators are known, the oldest first, and from which height on they decide.",
);
static SETS: Map<SessionIndex, Vec<ValidatorInfo>, Twox64Concat> =
    Map::new(NAME, "EarlierSets", "Those who decided blocks of earlier sessions.");

/// From when the validators of a session decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct SessionStart {
    /// The session.
    pub session: SessionIndex,
    /// The first height that its validators decide.
    pub height: Height,
}

/// What validators and authors do.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
#[allow(non_camel_case_types)]
pub enum Call {
    /// Set the keys with which your node works. They count two sessions later; a deposit is held for them.
    #[codec(index = 0)]
    set_keys {
        /// The public keys.
        keys: SessionKeys,
        /// A signature by each of them over ("artel/session-keys/1", genesis, account, keys), the vote key's first.
        proof: Vec<u8>,
    },
    /// Give up your keys: you are not elected without. The deposit is yours again.
    #[codec(index = 1)]
    purge_keys,
    /// Show that the block before is final. The author of the block does it, in the second inherent.
    #[codec(index = 100)]
    note_certificate {
        /// Precommits of more than two thirds of the power.
        certificate: Certificate,
    },
    /// Show more votes for a block two to four before this one. The author of the block does it, after the
    /// parent's certificate, the oldest block first.
    #[codec(index = 101)]
    widen_certificate {
        /// Height, round and block as noted before; only votes that were not.
        certificate: Certificate,
    },
}

/// What users are told.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum Event {
    /// A session has begun: its validators decide from the next block on.
    #[codec(index = 0)]
    NewSession {
        /// Its number.
        session_index: SessionIndex,
    },
}

impl PalletEvent for Event {
    const PALLET: u8 = INDEX;
}

/// Why calls fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum Error {
    /// The keys are not sound, or the proof is not by both of them for this account and chain.
    #[codec(index = 0)]
    InvalidProof,
    /// A key is somebody else's, or was replaced by you and may still be named by evidence.
    #[codec(index = 2)]
    DuplicatedKey,
    /// You have set no keys.
    #[codec(index = 3)]
    NoKeys,
    /// The certificate is not for the block before, or not for a recent block as it was decided.
    #[codec(index = 100)]
    WrongBlock,
    /// The certificate's votes are not in ascending order of accounts, each once.
    #[codec(index = 101)]
    UnsortedVotes,
    /// A vote is by an account that is not a validator.
    #[codec(index = 102)]
    UnknownValidator,
    /// A vote's signature is wrong.
    #[codec(index = 103)]
    BadVote,
    /// The votes are not more than two thirds of the power.
    #[codec(index = 104)]
    NoQuorum,
    /// A vote was noted before, or there is none.
    #[codec(index = 105)]
    NothingNew,
}

impl PalletError for Error {
    const PALLET: u8 = INDEX;
}

impl From<CertificateError> for Error {
    fn from(error: CertificateError) -> Self {
        match error {
            CertificateError::WrongBlock { .. } => Self::WrongBlock,
            CertificateError::Duplicate(_) => Self::UnsortedVotes,
            CertificateError::Unknown(_) => Self::UnknownValidator,
            CertificateError::BadSignature(_) => Self::BadVote,
            CertificateError::Short { .. } => Self::NoQuorum,
        }
    }
}

impl Dispatch for Call {
    fn weight(&self) -> Weight {
        let votes = |certificate: &Certificate| {
            u32::try_from(certificate.signatures.len())
                .unwrap_or(u32::MAX)
                .saturating_mul(VOTE_VERIFY_US)
        };
        match self {
            Self::set_keys { .. } => Weight::rw(7, 10).compute_us(KEYS_CHECK_US),
            Self::purge_keys => Weight::rw(5, 8),
            Self::note_certificate { certificate } => {
                Weight::rw(8, 3).compute_us(votes(certificate))
            }
            Self::widen_certificate { certificate } => {
                Weight::rw(5, 2).compute_us(votes(certificate))
            }
        }
    }

    fn class(&self) -> DispatchClass {
        match self {
            Self::set_keys { .. } | Self::purge_keys => DispatchClass::Normal,
            Self::note_certificate { .. } | Self::widen_certificate { .. } => {
                DispatchClass::Mandatory
            }
        }
    }

    fn pays(&self) -> Pays {
        match self {
            Self::set_keys { .. } | Self::purge_keys => Pays::Yes,
            Self::note_certificate { .. } | Self::widen_certificate { .. } => Pays::No,
        }
    }

    fn dispatch(self, cx: &mut Ctx, origin: Origin) -> DispatchResult {
        match self {
            Self::set_keys { keys, proof } => {
                registry::set_keys(cx, origin.signed()?, keys, &proof)
            }
            Self::purge_keys => registry::purge_keys(cx, origin.signed()?),
            Self::note_certificate { certificate } => {
                origin.none()?;
                let before = cx.block.height.checked_sub(1);
                let same =
                    before == Some(certificate.height) && certificate.block == cx.block.parent;
                ensure(same, Error::WrongBlock)?;
                let set = set_at(cx, certificate.height).ok_or(Error::WrongBlock)?;
                let BlockEnv { parent, genesis, .. } = &cx.block;
                check_certificate(&certificate, parent, &set, genesis).map_err(Error::from)?;
                presence::note(cx, &set, &certificate)
            }
            Self::widen_certificate { certificate } => {
                origin.none()?;
                presence::widen(cx, &certificate)
            }
        }
    }
}

/// Who decides the block after the one whose state this is, and the seed of its order.
pub fn validators(state: &dyn StateRead) -> ValidatorSet {
    let validators = VALIDATOR_SET.get(state).unwrap_or_default();
    ValidatorSet { validators, seed: randomness(state) }
}

/// The validator at a place of the set.
pub fn member(state: &dyn StateRead, place: usize) -> Option<AccountId> {
    VALIDATORS.get(state).unwrap_or_default().get(place).copied()
}

/// Number of the session.
pub fn current_index(state: &dyn StateRead) -> SessionIndex {
    CURRENT_INDEX.get(state).unwrap_or_default()
}

/// The session whose validators decide a height: none if it was forgotten, or for genesis. A height that is not
/// decided yet belongs to the current session.
pub fn session_at(state: &dyn StateRead, height: Height) -> Option<SessionIndex> {
    let starts = STARTS.get(state).unwrap_or_default();
    let place = starts.partition_point(|start| start.height <= height);
    Some(starts.get(place.checked_sub(1)?)?.session)
}

/// Those who decided the blocks of a session, without a seed: none if it was forgotten.
pub fn set_of(state: &dyn StateRead, session: SessionIndex) -> Option<ValidatorSet> {
    let validators = if session == current_index(state) {
        VALIDATOR_SET.get(state)
    } else {
        SETS.get(state, &session)
    };
    Some(ValidatorSet { validators: validators?, seed: Hash::ZERO })
}

/// Those who decide a height, without the seed of their order: none if they were forgotten.
pub fn set_at(state: &dyn StateRead, height: Height) -> Option<ValidatorSet> {
    set_of(state, session_at(state, height)?)
}

/// Begins the next session with these validators, from the next block on. They are sorted by account, have power,
/// and their power fits consensus.
pub fn rotate(cx: &mut Ctx, set: Vec<ValidatorInfo>) {
    let (old, before) = (current_index(cx), VALIDATOR_SET.get(cx).unwrap_or_default());
    SETS.set(cx, &old, &before);
    let session = old.saturating_add(1);
    let mut starts = STARTS.get(cx).unwrap_or_default();
    starts.push(SessionStart { session, height: cx.block.height.saturating_add(1) });
    let kept = session.saturating_sub(EVIDENCE_SESSIONS_MAX);
    let forgotten = starts.partition_point(|start| start.session < kept);
    for start in starts.drain(..forgotten) {
        SETS.remove(cx, &start.session);
    }
    STARTS.set(cx, &starts);
    begin(cx, session, &set);
    cx.emit(Event::NewSession { session_index: session });
}

fn begin(cx: &mut Ctx, session: SessionIndex, set: &Vec<ValidatorInfo>) {
    CURRENT_INDEX.set(cx, &session);
    VALIDATORS.set(cx, &set.iter().map(|v| v.account).collect());
    let keys = |v: &ValidatorInfo| (v.account, SessionKeys { vote: v.vote_key, vrf: v.vrf_key });
    QUEUED_KEYS.set(cx, &set.iter().map(keys).collect());
    VALIDATOR_SET.set(cx, set);
    presence::reset(cx, set.len());
}

/// Begins the first session: each validator's keys are registered and count at once.
///
/// # Errors
///
/// What is wrong, in words for a spec's author.
pub fn begin_first(cx: &mut Ctx, mut set: Vec<ValidatorInfo>) -> Result<(), String> {
    let count = set.len();
    if count == 0 || count > VALIDATORS_MAX {
        return Err(format!("{count} validators: name at least one and at most {VALIDATORS_MAX}"));
    }
    set.sort_unstable_by_key(|v| v.account);
    if let Some(pair) = set.windows(2).find(|pair| pair[0].account == pair[1].account) {
        return Err(format!("{} is a validator twice", pair[0].account));
    }
    for v in &set {
        registry::begin_with(cx, &v.account, SessionKeys { vote: v.vote_key, vrf: v.vrf_key })?;
    }
    STARTS.set(cx, &vec![SessionStart { session: 0, height: 1 }]);
    begin(cx, 0, &set);
    Ok(())
}

/// Randomness of the block whose state this is.
pub fn randomness(state: &dyn StateRead) -> Hash {
    RANDOMNESS.get(state).unwrap_or_default()
}

/// Randomness of the block whose author's VRF gave `drawn`, after a block with randomness `before`.
pub fn next_randomness(before: &Hash, drawn: &[u8; 32]) -> Hash {
    blake2_256(&("artel/randomness/1", before, drawn).encode())
}

/// The chain's first randomness; its first validators are in staking's part.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Genesis {
    /// Randomness before the first block: any value that nobody chose to gain by.
    #[serde(default)]
    pub randomness: Hash,
}

/// The pallet.
pub struct Pallet;

impl framework::Pallet for Pallet {
    const NAME: &'static str = NAME;
    const INDEX: u8 = INDEX;
    const DOC: &'static str = "Who decides blocks and with which keys, the chain's randomness, and the proof that the block before is final.";
    const STORAGE: StorageItems = &[
        &VALIDATORS,
        &CURRENT_INDEX,
        &QUEUED_KEYS,
        &registry::NEXT_KEYS,
        &registry::KEY_OWNER,
        &VALIDATOR_SET,
        &RANDOMNESS,
        &STARTS,
        &SETS,
        &registry::KEYS,
        &registry::RETIRED,
        &registry::FORGOTTEN,
        &presence::RECENT,
        &presence::ABSENCES,
        &presence::FORFEITS,
        &presence::CREDIT,
    ];
    type Call = Call;
    type Event = Event;
    type Error = Error;
    type Genesis = Genesis;

    fn constants() -> Vec<ConstantMeta> {
        vec![
            ConstantMeta::new("KeyDeposit", &KEY_DEPOSIT, "What an account holds for its keys."),
            ConstantMeta::new(
                "EvidenceSessions",
                &EVIDENCE_SESSIONS_MAX,
                "How many sessions back evidence may reach.",
            ),
        ]
    }

    fn genesis(cx: &mut Ctx, genesis: Genesis) -> Result<(), String> {
        RANDOMNESS.set(cx, &genesis.randomness);
        Ok(())
    }

    fn on_initialize(cx: &mut Ctx) {
        presence::begin_block(cx);
        registry::forget_retired(cx);
    }

    fn check(state: &dyn StateRead) -> Result<(), String> {
        let set = VALIDATOR_SET.get(state).unwrap_or_default();
        let accounts: Vec<_> = set.iter().map(|v| v.account).collect();
        if set.is_empty() || !accounts.is_sorted_by(|a, b| a < b) {
            return Err(format!("the validators are {accounts:?}"));
        }
        let power = set.iter().try_fold(0u64, |sum, v| sum.checked_add(v.power));
        if power.is_none_or(|power| power > POWER_TOTAL_MAX) || set.iter().any(|v| v.power == 0) {
            return Err("the power of the validators does not fit consensus".to_owned());
        }
        if VALIDATORS.get(state).unwrap_or_default() != accounts {
            return Err("Validators and ValidatorSet name different accounts".to_owned());
        }
        check_history(state)?;
        registry::check(state)?;
        presence::check(state, set.len())
    }
}

/// The sets of all sessions that are kept, and no others, are known.
fn check_history(state: &dyn StateRead) -> Result<(), String> {
    let starts = STARTS.get(state).unwrap_or_default();
    let sessions: Vec<_> = starts.iter().map(|start| start.session).collect();
    let current = current_index(state);
    let expected: Vec<_> = (current.saturating_sub(EVIDENCE_SESSIONS_MAX)..=current).collect();
    if sessions != expected || !starts.is_sorted_by(|a, b| a.height < b.height) {
        return Err(format!("sessions begin at {starts:?}, and it is {current}"));
    }
    let mut kept: Vec<_> = SETS.iter(state).map(|(session, _)| session).collect();
    kept.sort_unstable();
    if kept == expected[..expected.len() - 1] {
        Ok(())
    } else {
        Err(format!("sets of the sessions {kept:?} are kept, and it is {current}"))
    }
}

#[cfg(test)]
mod tests;
