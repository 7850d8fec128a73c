//! The check of the proof that a block is final: all that a light client needs beside a validator set
//! that it trusts.

use crate::{
    AccountId, Certificate, Hash, Height, MultiSignature, ValidatorInfo, ValidatorSet,
    crypto::batch::{Item, find_invalid_by_hash},
};

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
        signed: u128,
        /// Power of all.
        total: u128,
    },
}

/// Checks that a certificate makes a block final, with nothing but the validator set of its height.
///
/// # Errors
///
/// What does not hold; signatures come last, so that a certificate that names strangers costs little.
pub fn check_certificate(
    certificate: &Certificate,
    block: &Hash,
    validators: &ValidatorSet,
    genesis: &Hash,
) -> Result<(), CertificateError> {
    check_certificates([(certificate, block)], validators, genesis).map_err(|(_, error)| error)
}

/// Checks certificates of several blocks, each with its block's hash, against one validator set, as one
/// batch. That a height is the block's is for the caller to check.
///
/// # Errors
///
/// Place and fault of the first that is wrong: all before it are good.
pub fn check_certificates<'a>(
    certificates: impl IntoIterator<Item = (&'a Certificate, &'a Hash)>,
    validators: &ValidatorSet,
    genesis: &Hash,
) -> Result<(), (usize, CertificateError)> {
    let total = validators.validators.iter().map(|validator| u128::from(validator.power)).sum();
    let mut messages = Vec::new();
    let mut votes = Vec::new();
    let mut fault = None;
    for (place, (certificate, block)) in certificates.into_iter().enumerate() {
        match signers(certificate, block, validators, total) {
            Ok(signers) => {
                messages.push(certificate.signed_bytes(genesis));
                let signed = signers.into_iter().zip(&certificate.signatures);
                votes.extend(signed.map(|(signer, (_, signature))| {
                    (place, signer, MultiSignature::Ed25519(*signature))
                }));
            }
            Err(error) => {
                fault = Some((place, error));
                break;
            }
        }
    }
    let items: Vec<Item<'_>> = votes
        .iter()
        .map(|(place, signer, signature)| Item {
            account: AccountId(signer.vote_key),
            message: &messages[*place],
            signature,
        })
        .collect();
    if let Some(first) = find_invalid_by_hash(&items).first() {
        let (place, signer, _) = &votes[*first];
        return Err((*place, CertificateError::BadSignature(signer.account)));
    }
    fault.map_or(Ok(()), Err)
}

/// Those who should have signed, in the order of the signatures, if they are enough.
fn signers<'a>(
    certificate: &Certificate,
    block: &Hash,
    validators: &'a ValidatorSet,
    total: u128,
) -> Result<Vec<&'a ValidatorInfo>, CertificateError> {
    let Certificate { height, block: found, ref signatures, .. } = *certificate;
    if found != *block {
        return Err(CertificateError::WrongBlock { height, found, expected: *block });
    }
    if let Some(pair) = signatures.windows(2).find(|pair| pair[0].0 >= pair[1].0) {
        return Err(CertificateError::Duplicate(pair[1].0));
    }
    let find =
        |account: &AccountId| validators.get(account).ok_or(CertificateError::Unknown(*account));
    let signers: Vec<_> =
        signatures.iter().map(|(account, _)| find(account)).collect::<Result<_, _>>()?;
    let signed = signers.iter().map(|signer| u128::from(signer.power)).sum();
    // Each power is below 2^64 and there are far fewer than 2^62 of them.
    if signed * 3 > total * 2 {
        Ok(signers)
    } else {
        Err(CertificateError::Short { signed, total })
    }
}

#[cfg(test)]
mod tests;
