//! # Session
//!
//! Who decides blocks, the chain's randomness, and the proof that the block before is final.
//!
//! Invariants: `Validators` names the accounts of `ValidatorSet`, which is sorted and not empty; the
//! total power fits consensus. The randomness of a block is a hash of the randomness before it and of
//! its author's VRF output, so nobody but the author could know it, and the author had no choice.

use framework::prelude::*;
use primitives::{
    Certificate, CertificateError, ValidatorInfo, ValidatorSet, check_certificate,
    crypto::{hash::blake2_256, session::SessionKeys},
};

/// Name of the pallet.
pub const NAME: &str = "Session";
/// Index of the pallet.
pub const INDEX: u8 = 9;
/// Most validators.
pub const VALIDATORS_MAX: usize = 512;
/// Largest sum of power: consensus multiplies it by three.
pub const POWER_TOTAL_MAX: u64 = u64::MAX / 3;
/// Microseconds for one vote of a certificate, on the reference machine: checked alone, as batches with
/// wrong votes come down to that.
const VOTE_VERIFY_US: u32 = 40;

static VALIDATORS: Value<Vec<AccountId>> =
    Value::new_default(NAME, "Validators", "Accounts of those who decide blocks.");
static VALIDATOR_SET: Value<Vec<ValidatorInfo>> =
    Value::new_default(NAME, "ValidatorSet", "Keys and power of those who decide blocks.");
static RANDOMNESS: Value<Hash> = Value::new_default(NAME, "Randomness", "Randomness of the block.");

/// What the block's author does.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
#[allow(non_camel_case_types)]
pub enum Call {
    /// Show that the block before is final. The author of the block does it, in the second inherent.
    #[codec(index = 100)]
    note_certificate {
        /// Precommits of more than two thirds of the power.
        certificate: Certificate,
    },
}

/// Why calls fail.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum Error {
    /// The certificate is not for the block before.
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
        let Self::note_certificate { certificate } = self;
        let votes = u32::try_from(certificate.signatures.len()).unwrap_or(u32::MAX);
        Weight::rw(1, 0).compute_us(votes.saturating_mul(VOTE_VERIFY_US))
    }

    fn class(&self) -> DispatchClass {
        DispatchClass::Mandatory
    }

    fn pays(&self) -> Pays {
        Pays::No
    }

    fn dispatch(self, cx: &mut Ctx, origin: Origin) -> DispatchResult {
        origin.none()?;
        let Self::note_certificate { certificate } = self;
        let before = cx.block.height.checked_sub(1);
        let same = before == Some(certificate.height) && certificate.block == cx.block.parent;
        ensure(same, Error::WrongBlock)?;
        let BlockEnv { parent, genesis, .. } = &cx.block;
        check_certificate(&certificate, parent, &validators(cx), genesis).map_err(Error::from)?;
        Ok(())
    }
}

/// Who decides the block after the one whose state this is, and the seed of its order.
pub fn validators(state: &dyn StateRead) -> ValidatorSet {
    let validators = VALIDATOR_SET.get(state).unwrap_or_default();
    ValidatorSet { validators, seed: randomness(state) }
}

/// Randomness of the block whose state this is.
pub fn randomness(state: &dyn StateRead) -> Hash {
    RANDOMNESS.get(state).unwrap_or_default()
}

/// Randomness of the block whose author's VRF gave `drawn`, after a block with randomness `before`.
pub fn next_randomness(before: &Hash, drawn: &[u8; 32]) -> Hash {
    blake2_256(&("artel/randomness/1", before, drawn).encode())
}

/// A validator as a chain spec names it.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenesisValidator {
    /// The account that is paid.
    pub account: AccountId,
    /// Its ed25519 vote key.
    pub vote_key: Hash,
    /// Its sr25519 VRF key.
    pub vrf_key: Hash,
    /// Its voting power.
    pub power: u64,
}

/// Who decides blocks at the start.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Genesis {
    /// The validators, in any order.
    pub validators: Vec<GenesisValidator>,
    /// Randomness before the first block: any value that nobody chose to gain by.
    #[serde(default)]
    pub randomness: Hash,
}

/// Checks validators of a spec and sorts them as consensus wants them.
fn genesis_set(mut validators: Vec<GenesisValidator>) -> Result<Vec<ValidatorInfo>, String> {
    let count = validators.len();
    if count == 0 || count > VALIDATORS_MAX {
        return Err(format!("{count} validators: name at least one and at most {VALIDATORS_MAX}"));
    }
    validators.sort_unstable_by_key(|v| v.account);
    if let Some(pair) = validators.windows(2).find(|pair| pair[0].account == pair[1].account) {
        return Err(format!("{} is a validator twice", pair[0].account));
    }
    let power = validators.iter().try_fold(0u64, |sum, v| sum.checked_add(v.power));
    if power.is_none_or(|power| power > POWER_TOTAL_MAX) {
        return Err(format!("the sum of power is above {POWER_TOTAL_MAX}: scale it down"));
    }
    for v in &validators {
        if v.power == 0 {
            return Err(format!("{} has no power: give it 1 or more", v.account));
        }
        SessionKeys { vote: v.vote_key.0, vrf: v.vrf_key.0 }
            .check_keys()
            .map_err(|e| format!("{}: {e}", v.account))?;
    }
    let info = |v: GenesisValidator| ValidatorInfo {
        account: v.account,
        vote_key: v.vote_key.0,
        vrf_key: v.vrf_key.0,
        power: v.power,
    };
    Ok(validators.into_iter().map(info).collect())
}

/// The pallet.
pub struct Pallet;

impl framework::Pallet for Pallet {
    const NAME: &'static str = NAME;
    const INDEX: u8 = INDEX;
    const DOC: &'static str =
        "Who decides blocks, the chain's randomness, and the proof that the block before is final.";
    const STORAGE: StorageItems = &[&VALIDATORS, &VALIDATOR_SET, &RANDOMNESS];
    type Call = Call;
    type Event = NoEvent;
    type Error = Error;
    type Genesis = Genesis;

    fn genesis(cx: &mut Ctx, genesis: Genesis) -> Result<(), String> {
        let set = genesis_set(genesis.validators)?;
        VALIDATORS.set(cx, &set.iter().map(|v| v.account).collect());
        VALIDATOR_SET.set(cx, &set);
        RANDOMNESS.set(cx, &genesis.randomness);
        Ok(())
    }

    fn on_initialize(cx: &mut Ctx) {
        let randomness = cx.block.randomness;
        RANDOMNESS.set(cx, &randomness);
    }

    fn check(state: &dyn StateRead) -> Result<(), String> {
        let set = VALIDATOR_SET.get(state).unwrap_or_default();
        let accounts: Vec<_> = set.iter().map(|v| v.account).collect();
        if set.is_empty() || !accounts.is_sorted_by(|a, b| a < b) {
            return Err(format!("the validators are {accounts:?}"));
        }
        if VALIDATORS.get(state).unwrap_or_default() == accounts {
            Ok(())
        } else {
            Err("Validators and ValidatorSet name different accounts".to_owned())
        }
    }
}

#[cfg(test)]
mod tests;
