//! Many signatures at once, over all cores of the current rayon pool.
//!
//! Curve signatures are checked together by one random linear combination of their equations, which
//! costs less than half as much a piece as one by one. A combination that fails is halved until
//! single checks name the bad ones; so a signature is called invalid only by the single rule of
//! [`super::keys`]. The other direction, that a batch accepts nothing which the single rule
//! refuses, rests on the randomness: it must be secret until the signatures are fixed, and then a
//! bad one passes with a chance of about 2^-128. Hence the caller hands in a fresh seed.

use super::{
    hash::blake2_256,
    keys::{self, SR25519_CONTEXT},
    random::Stream,
};
use crate::{AccountId, MultiSignature};
use codec::Encode;
use ed25519_zebra::{Signature as Ed25519Signature, VerificationKeyBytes, batch as zebra};
use rayon::prelude::*;
use schnorrkel::{PublicKey, Signature as Sr25519Signature, signing_context};

/// Most signatures in one combination: larger ones gain nothing and leave cores idle.
pub const BATCH_ITEMS_MAX: usize = 1024;
/// Fewest signatures that a core is given, so that combining pays off.
const SHARE_ITEMS_MIN: usize = 32;
/// Fewest signatures for which a combination is cheaper than single checks.
const COMBINED_ITEMS_MIN: usize = 8;
/// How often, on average, a signature may take part in a combination. One bad signature costs three
/// times at most; who sends many gets single checks soon, so that garbage costs less than three
/// times as much as those.
const COMBINED_TIMES_MAX: usize = 4;

/// A signature to check.
#[derive(Clone, Copy, Debug)]
pub struct Item<'a> {
    /// Who should have signed: the account, or the bytes of an sr25519 or ed25519 key.
    pub account: AccountId,
    /// What was signed; of a transaction, its signing payload.
    pub message: &'a [u8],
    /// The signature, of any kind.
    pub signature: &'a MultiSignature,
}

/// The indices of the invalid items, ascending; empty if all are valid. The verdicts equal those of
/// [`keys::verify`].
///
/// `seed` must be 32 bytes that the operating system gave after the items were known, new ones for
/// each call: who can foresee it can make a batch accept invalid signatures. A pure core that has no
/// randomness takes [`find_invalid_by_hash`].
pub fn find_invalid(items: &[Item<'_>], seed: &[u8; 32]) -> Vec<usize> {
    let share = items.len().div_ceil(rayon::current_num_threads());
    let share = share.clamp(SHARE_ITEMS_MIN, BATCH_ITEMS_MAX);
    let invalid: Vec<Vec<usize>> = items
        .par_chunks(share)
        .enumerate()
        .map(|(number, chunk)| {
            let stream = u64::try_from(number).expect("there are fewer than 2^64 chunks");
            let mut invalid = find_in_chunk(chunk, Stream::new(*seed, stream));
            invalid.iter_mut().for_each(|index| *index += number * share);
            invalid
        })
        .collect();
    invalid.concat()
}

/// [`find_invalid`] for a pure core, which has no randomness: the seed is the hash of all items, each
/// with key, message and whole signature. Whoever changes one of them gets other coefficients, and a
/// try succeeds with a chance of 2^-128.
pub fn find_invalid_by_hash(items: &[Item<'_>]) -> Vec<usize> {
    let digest =
        |item: &Item<'_>| blake2_256(&(item.account, item.message, item.signature).encode());
    let digests: Vec<_> = items.iter().map(digest).collect();
    find_invalid(items, &blake2_256(&digests.encode()).0)
}

/// The ascending indices, within the chunk, of the invalid items.
fn find_in_chunk(chunk: &[Item<'_>], stream: Stream) -> Vec<usize> {
    let mut search =
        Search { stream, combined_left: COMBINED_TIMES_MAX * chunk.len(), invalid: Vec::new() };
    let mut sr25519 = Vec::new();
    let mut ed25519 = Vec::new();
    for (index, item) in chunk.iter().enumerate() {
        match item.signature {
            MultiSignature::Sr25519(signature) => match Sr25519Check::decode(item, signature) {
                Some(check) => sr25519.push((index, check)),
                None => search.invalid.push(index),
            },
            MultiSignature::Ed25519(signature) => {
                let signature = Ed25519Signature::from_bytes(signature);
                let public = VerificationKeyBytes::from(item.account.0);
                ed25519.push((index, zebra::Item::from((public, signature, item.message))));
            }
            MultiSignature::Ecdsa(_) => {
                if !keys::verify(&item.account, item.message, item.signature) {
                    search.invalid.push(index);
                }
            }
        }
    }
    search.halve(&sr25519, false);
    search.halve(&ed25519, false);
    search.invalid.sort_unstable();
    search.invalid
}

/// A search for the bad among checks of which most are good.
struct Search {
    stream: Stream,
    /// How many more checks may take part in combinations before only single ones are made.
    combined_left: usize,
    invalid: Vec<usize>,
}

impl Search {
    /// Note the indices of all checks that fail; whether there were none. `one_fails` says that the
    /// caller knows of at least one, so that a combination would tell nothing new.
    fn halve<C: Check>(&mut self, checks: &[(usize, C)], one_fails: bool) -> bool {
        if checks.len() < COMBINED_ITEMS_MIN || self.combined_left < checks.len() {
            let before = self.invalid.len();
            let failed = checks.iter().filter(|(_, check)| !check.holds());
            self.invalid.extend(failed.map(|(index, _)| index));
            return self.invalid.len() == before;
        }
        if !one_fails {
            self.combined_left -= checks.len();
            if C::hold_together(checks, &mut self.stream) {
                return true;
            }
        }
        let (left, right) = checks.split_at(checks.len() / 2);
        let left_holds = self.halve(left, false);
        let right_holds = self.halve(right, left_holds);
        left_holds && right_holds
    }
}

/// A signature whose equation can be combined with others.
trait Check: Sized {
    /// The verdict of the single rule.
    fn holds(&self) -> bool;
    /// Whether a random combination of all equations holds; but for a chance of 2^-128, only if
    /// each does.
    fn hold_together(checks: &[(usize, Self)], stream: &mut Stream) -> bool;
}

struct Sr25519Check<'a> {
    public: PublicKey,
    message: &'a [u8],
    signature: Sr25519Signature,
}

impl<'a> Sr25519Check<'a> {
    fn decode(item: &Item<'a>, signature: &[u8; 64]) -> Option<Self> {
        let public = PublicKey::from_bytes(&item.account.0).ok()?;
        let signature = Sr25519Signature::from_bytes(signature).ok()?;
        Some(Self { public, message: item.message, signature })
    }
}

impl Check for Sr25519Check<'_> {
    fn holds(&self) -> bool {
        self.public
            .verify(signing_context(SR25519_CONTEXT).bytes(self.message), &self.signature)
            .is_ok()
    }

    fn hold_together(checks: &[(usize, Self)], stream: &mut Stream) -> bool {
        let context = signing_context(SR25519_CONTEXT);
        let transcripts = checks.iter().map(|(_, check)| context.bytes(check.message));
        let signatures: Vec<_> = checks.iter().map(|(_, check)| check.signature).collect();
        let publics: Vec<_> = checks.iter().map(|(_, check)| check.public).collect();
        schnorrkel::verify_batch_rng(transcripts, &signatures, &publics, false, stream).is_ok()
    }
}

/// Key and signature are decoded by each check.
impl Check for zebra::Item {
    fn holds(&self) -> bool {
        self.clone().verify_single().is_ok()
    }

    fn hold_together(checks: &[(usize, Self)], stream: &mut Stream) -> bool {
        let mut verifier = zebra::Verifier::new();
        for (_, check) in checks {
            verifier.queue(check.clone());
        }
        verifier.verify(&mut stream.0).is_ok()
    }
}
