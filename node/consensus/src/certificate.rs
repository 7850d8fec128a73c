//! Verification of signatures by vote keys: one by one as they come, in batches for certificates.

use crate::{message::Signature, types::Validators};
use codec::Encode;
use primitives::{
    AccountId, CertificateError, Hash, MultiSignature,
    crypto::{
        batch::{Item, find_invalid_by_hash},
        hash::blake2_256,
        keys::verify_ed25519,
    },
};
use std::collections::BTreeSet;

/// Most signatures remembered as valid; beyond, the memory starts anew.
const REMEMBERED_MAX: usize = 16_384;

/// An error that tells the power, unless there was enough of it.
pub(crate) fn require(
    enough: bool,
    signed: u64,
    validators: &Validators,
) -> Result<(), CertificateError> {
    let (signed, total) = (signed.into(), validators.total_power().into());
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
        if let Some(first) = find_invalid_by_hash(&items).first() {
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
