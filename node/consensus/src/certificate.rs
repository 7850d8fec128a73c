//! Verification of signatures by vote keys: one by one as they come, in batches for certificates.

use crate::{
    message::Signature,
    types::{Step, Validators, vote_bytes},
};
use codec::Encode;
use primitives::{
    AccountId, Certificate, Hash, Height, MultiSignature,
    crypto::{
        batch::{self, Item},
        hash::blake2_256,
        keys::verify_ed25519,
    },
};
use std::collections::BTreeSet;

/// Most signatures remembered as valid; beyond, the memory starts anew.
const REMEMBERED_MAX: usize = 16_384;

/// A certificate that proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// It is about another block than the one at hand.
    #[error("the certificate is for block {found} at height {height}, not for {expected}")]
    WrongBlock {
        /// Height that the certificate names.
        height: Height,
        /// Block that the certificate names.
        found: Hash,
        /// Block that it should prove.
        expected: Hash,
    },
    /// Not strictly ascending by account, so that one might count twice.
    #[error("{0} signs twice or out of order")]
    Duplicate(AccountId),
    /// Not in the validator set of the height.
    #[error("{0} is not a validator of this height")]
    Unknown(AccountId),
    /// A signature that its validator did not make.
    #[error("the signature of {0} is wrong")]
    BadSignature(AccountId),
    /// Not enough power.
    #[error("validators with power {signed} of {total} signed, which is no quorum")]
    Short {
        /// Power of those who signed.
        signed: u64,
        /// Power of all.
        total: u64,
    },
}

/// Check that a certificate makes a block final, with nothing but the validator set of its height:
/// what a light client does.
pub fn check_certificate(
    certificate: &Certificate,
    block: &Hash,
    validators: &Validators,
    genesis: &Hash,
) -> Result<(), CertificateError> {
    let Certificate { height, round, block: found, ref signatures } = *certificate;
    if found != *block {
        return Err(CertificateError::WrongBlock { height, found, expected: *block });
    }
    if let Some(pair) = signatures.windows(2).find(|pair| pair[0].0 >= pair[1].0) {
        return Err(CertificateError::Duplicate(pair[1].0));
    }
    let message = vote_bytes(genesis, Step::Precommit, height, round, Some(found));
    let votes: Vec<_> =
        signatures.iter().map(|(who, sig)| (*who, message.as_slice(), *sig)).collect();
    let signed = check_votes(&mut Verifier::default(), &votes, validators)?;
    require(validators.is_quorum(signed), signed, validators)
}

/// An error that tells the power, unless there was enough of it.
pub(crate) fn require(
    enough: bool,
    signed: u64,
    validators: &Validators,
) -> Result<(), CertificateError> {
    let total = validators.total_power();
    if enough { Ok(()) } else { Err(CertificateError::Short { signed, total }) }
}

/// Check votes of a certificate: each signer known and once, each signature valid. Returns the
/// signers' power.
pub(crate) fn check_votes(
    verifier: &mut Verifier,
    votes: &[(AccountId, &[u8], Signature)],
    validators: &Validators,
) -> Result<u64, CertificateError> {
    let mut seen = BTreeSet::new();
    let mut power = 0_u64;
    let mut checks = Vec::with_capacity(votes.len());
    for (account, message, signature) in votes {
        if !seen.insert(*account) {
            return Err(CertificateError::Duplicate(*account));
        }
        let validator = validators.get(account).ok_or(CertificateError::Unknown(*account))?;
        power = power.checked_add(validator.power).expect("a part of the total, which is bounded");
        checks.push(Check { key: validator.vote_key, message, signature: *signature });
    }
    match verifier.first_invalid(&checks) {
        None => Ok(power),
        Some(place) => Err(CertificateError::BadSignature(votes[place].0)),
    }
}

/// A signature to check.
pub(crate) struct Check<'a> {
    pub(crate) key: [u8; 32],
    pub(crate) message: &'a [u8],
    pub(crate) signature: Signature,
}

impl Check<'_> {
    fn digest(&self) -> Hash {
        blake2_256(&(self.key, self.message, self.signature).encode())
    }
}

/// Verifies, and remembers what was valid: votes come once alone and again in certificates.
#[derive(Default)]
pub(crate) struct Verifier {
    valid: BTreeSet<Hash>,
}

impl Verifier {
    /// Whether one signature is valid.
    pub(crate) fn verify(&mut self, check: &Check<'_>) -> bool {
        let digest = check.digest();
        if self.valid.contains(&digest) {
            return true;
        }
        let valid = verify_ed25519(&check.key, check.message, &check.signature);
        if valid {
            self.remember(digest);
        }
        valid
    }

    /// The first of these that is not valid. Unseen ones are checked as one batch.
    ///
    /// The batch's randomness is the hash of all that is in it: who changes one signature gets
    /// other coefficients, and a wrong batch passes with a chance of 2^-128 for each try.
    fn first_invalid(&mut self, checks: &[Check<'_>]) -> Option<usize> {
        let digests: Vec<_> = checks.iter().map(Check::digest).collect();
        let fresh: Vec<usize> =
            (0..checks.len()).filter(|place| !self.valid.contains(&digests[*place])).collect();
        let signatures: Vec<_> =
            fresh.iter().map(|place| MultiSignature::Ed25519(checks[*place].signature)).collect();
        let items: Vec<_> = fresh
            .iter()
            .zip(&signatures)
            .map(|(place, signature)| Item {
                account: AccountId(checks[*place].key),
                message: checks[*place].message,
                signature,
            })
            .collect();
        let seed = blake2_256(&digests.encode()).0;
        if let Some(first) = batch::find_invalid(&items, &seed).first() {
            return Some(fresh[*first]);
        }
        for place in fresh {
            self.remember(digests[place]);
        }
        None
    }

    fn remember(&mut self, digest: Hash) {
        if self.valid.len() >= REMEMBERED_MAX {
            self.valid.clear();
        }
        self.valid.insert(digest);
    }

    /// Forget all: another height begins.
    pub(crate) fn clear(&mut self) {
        self.valid.clear();
    }
}
