//! Secret URIs: the text form of secret keys that Substrate's tools share; feature `sign`.
//!
//! ```text
//! URI      = [SECRET] JUNCTION* ["///" PASSWORD]
//! SECRET   = 12, 15, 18, 21 or 24 English BIP-39 words | "0x" 64 hex digits
//! JUNCTION = "//" NAME (hard) | "/" NAME (soft, sr25519 only)
//! ```
//!
//! Without SECRET the words are [`DEV_PHRASE`], which everybody knows: `//Alice` is for tests only.
//! The seed comes from the words' entropy, not from their text as in BIP-39, so other chains'
//! wallets make other keys of the same words.
//!
//! No error here repeats any part of the URI, as errors end up in logs.

use super::{hash::blake2_256, pair::Scheme};
use bip39::{Language, Mnemonic};
use codec::Encode;

/// The words behind URIs that name none.
pub const DEV_PHRASE: &str =
    "bottom drive obey lake curtain smoke basket hold race lonely fit walk";
/// Most bytes in a secret URI.
pub const URI_BYTES_MAX: usize = 1024;

/// Why a text names no secret key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Nothing at all: more likely a missing setting than a wish for the development key.
    #[error("the secret is empty: give words, 0x and 64 hex digits, or a path such as //Alice")]
    Empty,
    /// Longer than [`URI_BYTES_MAX`]. Holds how many bytes there are.
    #[error("a secret URI has at most {URI_BYTES_MAX} bytes, this one has {0}")]
    TooLong(usize),
    /// A slash without a name. Holds which junction it is, counted from 1.
    #[error("junction {0} of the path is empty: write //name or /name, and ///password last")]
    EmptyJunction(usize),
    /// Not 64 hex digits.
    #[error("after 0x the secret needs 64 hex digits")]
    BadSeed,
    /// A password beside a seed, which would have no effect.
    #[error("a password works with words only: a hex seed is used as it is")]
    PasswordWithSeed,
    /// The words are no mnemonic. Holds how many there are.
    #[error("{0} words make no phrase: 12, 15, 18, 21 or 24 are needed")]
    BadWordCount(usize),
    /// A word is not in the list. Holds which, counted from 1.
    #[error("word {0} of the phrase is not in the English BIP-39 list")]
    UnknownWord(usize),
    /// The words' checksum is wrong.
    #[error("the phrase's checksum is wrong: a word is mistyped, missing or out of order")]
    BadPhrase,
    /// A soft junction with a kind of key that has none.
    #[error("{scheme} keys have no soft derivation: junction {number} must start with //")]
    SoftJunction {
        /// The kind of key.
        scheme: Scheme,
        /// Which junction, counted from 1.
        number: usize,
    },
    /// The seed is zero or not below the order of secp256k1.
    #[error("the seed is not a secp256k1 secret key: take another")]
    NotASecp256k1Key,
    /// The entropy for new words has the wrong length. Holds its bytes.
    #[error("a phrase takes 16, 20, 24, 28 or 32 bytes of entropy, not {0}")]
    BadEntropy(usize),
}

/// New words from entropy of 16, 20, 24, 28 or 32 bytes. The entropy is the secret: the caller
/// takes it from the operating system.
pub fn phrase_from_entropy(entropy: &[u8]) -> Result<String, Error> {
    Mnemonic::from_entropy_in(Language::English, entropy)
        .map(|words| words.to_string())
        .map_err(|_| Error::BadEntropy(entropy.len()))
}

/// A secret URI, taken apart.
pub struct SecretUri<'a> {
    secret: &'a str,
    junctions: Vec<Junction>,
    password: Option<&'a str>,
}

impl<'a> SecretUri<'a> {
    /// Take a URI apart. The secret itself is looked at by [`Self::seed`].
    pub fn parse(text: &'a str) -> Result<Self, Error> {
        if text.is_empty() {
            return Err(Error::Empty);
        }
        if text.len() > URI_BYTES_MAX {
            return Err(Error::TooLong(text.len()));
        }
        let (text, password) = match text.split_once("///") {
            Some((text, password)) => (text, Some(password)),
            None => (text, None),
        };
        let (secret, mut path) = text.split_at(text.find('/').unwrap_or(text.len()));
        let mut junctions = Vec::new();
        while let Some(rest) = path.strip_prefix('/') {
            let (rest, hard) = match rest.strip_prefix('/') {
                Some(rest) => (rest, true),
                None => (rest, false),
            };
            let (name, next) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            if name.is_empty() {
                return Err(Error::EmptyJunction(junctions.len() + 1));
            }
            junctions.push(Junction::new(name, hard));
            path = next;
        }
        Ok(Self { secret, junctions, password })
    }

    /// The steps of the path, from the root on.
    pub fn junctions(&self) -> &[Junction] {
        &self.junctions
    }

    /// The root's seed, before any junction.
    pub fn seed(&self) -> Result<[u8; 32], Error> {
        if let Some(digits) = self.secret.strip_prefix("0x") {
            if self.password.is_some() {
                return Err(Error::PasswordWithSeed);
            }
            let mut seed = [0; 32];
            return match digits.len() {
                64 => hex::decode_to_slice(digits, &mut seed)
                    .map(|()| seed)
                    .map_err(|_| Error::BadSeed),
                _ => Err(Error::BadSeed),
            };
        }
        let phrase = if self.secret.is_empty() { DEV_PHRASE } else { self.secret };
        let words = Mnemonic::parse_in(Language::English, phrase).map_err(|error| match error {
            bip39::Error::BadWordCount(count) => Error::BadWordCount(count),
            bip39::Error::UnknownWord(index) => Error::UnknownWord(index + 1),
            _ => Error::BadPhrase,
        })?;
        let password = self.password.unwrap_or_default();
        let mini = substrate_bip39::mini_secret_from_entropy(&words.to_entropy(), password)
            .expect("a valid phrase has entropy of a valid length");
        Ok(mini.to_bytes())
    }

    /// The seed at the end of the path for keys that only have hard derivation: blake2b-256 of the
    /// SCALE tuple (domain, seed, chain code) at each step.
    pub(super) fn hard_seed(&self, scheme: Scheme, domain: &str) -> Result<[u8; 32], Error> {
        let mut seed = self.seed()?;
        for (index, junction) in self.junctions.iter().enumerate() {
            if !junction.is_hard() {
                return Err(Error::SoftJunction { scheme, number: index + 1 });
            }
            seed = blake2_256(&(domain, seed, junction.chain_code()).encode()).0;
        }
        Ok(seed)
    }
}

/// One step of a derivation path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Junction {
    chain_code: [u8; 32],
    hard: bool,
}

impl Junction {
    /// A decimal number stands for itself as u64, anything else is a string; SCALE-encoded, padded
    /// with zeros, or hashed if that is longer than 32 bytes.
    fn new(name: &str, hard: bool) -> Self {
        let encoded = match name.parse::<u64>() {
            Ok(number) => number.encode(),
            Err(_) => name.encode(),
        };
        let mut chain_code = [0; 32];
        match chain_code.get_mut(..encoded.len()) {
            Some(start) => start.copy_from_slice(&encoded),
            None => chain_code = blake2_256(&encoded).0,
        }
        Self { chain_code, hard }
    }

    /// The 32 bytes that go into the derivation.
    pub fn chain_code(&self) -> &[u8; 32] {
        &self.chain_code
    }

    /// Whether only the holder of the secret key can take this step.
    pub fn is_hard(&self) -> bool {
        self.hard
    }
}
