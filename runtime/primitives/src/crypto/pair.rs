//! Secret keys that sign; feature `sign`.
//!
//! All three kinds sign deterministically: the nonce is a hash of secret and message. For sr25519,
//! whose usual nonce mixes in system randomness, the transcript (context, message, public key) and
//! the key's nonce seed take its place, as in ed25519: one message has one nonce, different
//! messages have unrelated ones, and a broken random number generator cannot leak the key.
//! Verifiers see no difference.

use super::{keys, random::Stream, uri};
use crate::{AccountId, MultiSignature, crypto::hash::blake2_256, shown};
use ed25519_dalek::Signer;
use schnorrkel::{
    ExpansionMode, Keypair, MiniSecretKey,
    context::{SigningTranscript, attach_rng},
    signing_context,
};
use secp256k1::{Message, SecretKey, ecdsa::RecoverableSignature};
use std::{fmt, str::FromStr};

/// The kinds of key that an account may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Schnorr signatures over Ristretto: what wallets use unless told otherwise.
    Sr25519,
    /// EdDSA over Curve25519: what most hardware has.
    Ed25519,
    /// ECDSA over secp256k1: what Bitcoin's and Ethereum's keys are.
    Ecdsa,
}

/// The text names no scheme. Holds the text, cut short.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no kind of key: write sr25519, ed25519 or ecdsa")]
pub struct ParseSchemeError(String);

impl FromStr for Scheme {
    type Err = ParseSchemeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "sr25519" => Ok(Self::Sr25519),
            "ed25519" => Ok(Self::Ed25519),
            "ecdsa" => Ok(Self::Ecdsa),
            _ => Err(ParseSchemeError(shown(text, 80))),
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sr25519 => "sr25519",
            Self::Ed25519 => "ed25519",
            Self::Ecdsa => "ecdsa",
        })
    }
}

/// A key pair of any kind: what an account signs transactions with.
///
/// ```
/// # use artel_primitives as primitives;
/// use primitives::crypto::{keys, pair::{Pair, Scheme}};
/// let alice = Pair::from_uri(Scheme::Sr25519, "//Alice").expect("a well-known URI");
/// assert_eq!(alice.account().to_string(), "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY");
/// assert!(keys::verify(&alice.account(), b"hello", &alice.sign(b"hello")));
/// ```
#[derive(Clone, Debug)]
pub enum Pair {
    /// An sr25519 pair.
    Sr25519(Sr25519Pair),
    /// An ed25519 pair.
    Ed25519(Ed25519Pair),
    /// An ecdsa pair.
    Ecdsa(EcdsaPair),
}

impl Pair {
    /// The pair that a secret URI names; see [`uri`].
    pub fn from_uri(scheme: Scheme, text: &str) -> Result<Self, uri::Error> {
        Ok(match scheme {
            Scheme::Sr25519 => Self::Sr25519(Sr25519Pair::from_uri(text)?),
            Scheme::Ed25519 => Self::Ed25519(Ed25519Pair::from_uri(text)?),
            Scheme::Ecdsa => Self::Ecdsa(EcdsaPair::from_uri(text)?),
        })
    }

    /// Which kind of key this is.
    pub fn scheme(&self) -> Scheme {
        match self {
            Self::Sr25519(_) => Scheme::Sr25519,
            Self::Ed25519(_) => Scheme::Ed25519,
            Self::Ecdsa(_) => Scheme::Ecdsa,
        }
    }

    /// The account that the pair controls.
    pub fn account(&self) -> AccountId {
        match self {
            Self::Sr25519(pair) => AccountId(pair.public()),
            Self::Ed25519(pair) => AccountId(pair.public()),
            Self::Ecdsa(pair) => keys::ecdsa_account(&pair.public()),
        }
    }

    /// Sign a message so that [`keys::verify`] accepts it for [`Self::account`]. The message of a
    /// transaction is its signing payload.
    pub fn sign(&self, message: &[u8]) -> MultiSignature {
        match self {
            Self::Sr25519(pair) => {
                MultiSignature::Sr25519(pair.sign(keys::SR25519_CONTEXT, message))
            }
            Self::Ed25519(pair) => MultiSignature::Ed25519(pair.sign(message)),
            Self::Ecdsa(pair) => MultiSignature::Ecdsa(pair.sign(message)),
        }
    }
}

/// An sr25519 key pair.
#[derive(Clone)]
pub struct Sr25519Pair(Keypair);

impl Sr25519Pair {
    /// The pair of a 32-byte seed (schnorrkel's mini secret, expanded as Substrate does).
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let mini = MiniSecretKey::from_bytes(seed).expect("a mini secret is any 32 bytes");
        Self(mini.expand_to_keypair(ExpansionMode::Ed25519))
    }

    /// The pair that a secret URI names; see [`uri`].
    pub fn from_uri(text: &str) -> Result<Self, uri::Error> {
        let uri = uri::SecretUri::parse(text)?;
        Ok(uri.junctions().iter().fold(Self::from_seed(&uri.seed()?), Self::derive))
    }

    /// The pair of a 64-byte secret key (scalar times 8, then nonce seed), as wallets store it in
    /// their JSON files; none if the bytes are no such key.
    pub fn from_secret(secret: &[u8; 64]) -> Option<Self> {
        let secret = schnorrkel::SecretKey::from_ed25519_bytes(secret).ok()?;
        Some(Self(secret.to_keypair()))
    }

    /// The 64-byte secret key in the form that [`Self::from_secret`] takes. A pair derived by a URI
    /// has no seed, so this is what is stored of it.
    pub fn to_secret(&self) -> [u8; 64] {
        self.0.secret.to_ed25519_bytes()
    }

    /// The public key.
    pub fn public(&self) -> [u8; 32] {
        self.0.public.to_bytes()
    }

    /// Sign a message under a signing context; transactions use [`keys::SR25519_CONTEXT`].
    pub fn sign(&self, context: &[u8], message: &[u8]) -> [u8; 64] {
        self.0.sign(deterministic(signing_context(context).bytes(message))).to_bytes()
    }

    pub(super) fn keypair(&self) -> &Keypair {
        &self.0
    }

    fn derive(self, junction: &uri::Junction) -> Self {
        use schnorrkel::derive::{ChainCode, Derivation};
        let chain_code = ChainCode(*junction.chain_code());
        if junction.is_hard() {
            let (mini, _) = self.0.hard_derive_mini_secret_key(Some(chain_code), b"");
            return Self(mini.expand_to_keypair(ExpansionMode::Ed25519));
        }
        let stream = Stream::new([0; 32], 0);
        let (child, _) = self.0.derived_key_simple_rng(chain_code, b"", stream);
        Self(child)
    }
}

/// An ed25519 key pair.
#[derive(Clone)]
pub struct Ed25519Pair(ed25519_dalek::SigningKey);

impl Ed25519Pair {
    /// The pair of a 32-byte seed, as RFC 8032 expands it.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    /// The pair that a secret URI names; see [`uri`]. Soft junctions are an error.
    pub fn from_uri(text: &str) -> Result<Self, uri::Error> {
        let seed = uri::SecretUri::parse(text)?.hard_seed(Scheme::Ed25519, "Ed25519HDKD")?;
        Ok(Self::from_seed(&seed))
    }

    /// The seed.
    pub fn to_seed(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// The public key.
    pub fn public(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }

    /// Sign a message.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

/// An ecdsa key pair over secp256k1.
#[derive(Clone)]
pub struct EcdsaPair(SecretKey);

impl EcdsaPair {
    /// The pair of a 32-byte secret key; none if it is zero or not below the group's order, which
    /// no random bytes ever are.
    pub fn from_seed(seed: &[u8; 32]) -> Option<Self> {
        SecretKey::from_secret_bytes(*seed).ok().map(Self)
    }

    /// The pair that a secret URI names; see [`uri`]. Soft junctions are an error.
    pub fn from_uri(text: &str) -> Result<Self, uri::Error> {
        let seed = uri::SecretUri::parse(text)?.hard_seed(Scheme::Ecdsa, "Secp256k1HDKD")?;
        Self::from_seed(&seed).ok_or(uri::Error::NotASecp256k1Key)
    }

    /// The secret key.
    pub fn to_seed(&self) -> [u8; 32] {
        self.0.to_secret_bytes()
    }

    /// The compressed public key; [`keys::ecdsa_account`] gives its account.
    pub fn public(&self) -> [u8; 33] {
        self.0.public_key().serialize()
    }

    /// Sign blake2b-256 of a message; r, s (in the lower half) and v (0 or 1).
    pub fn sign(&self, message: &[u8]) -> [u8; 65] {
        let digest = Message::from_digest(blake2_256(message).0);
        let (recovery, r_and_s) =
            RecoverableSignature::sign_ecdsa_recoverable(digest, &self.0).serialize_compact();
        let mut signature = [0; 65];
        signature[..64].copy_from_slice(&r_and_s);
        signature[64] = recovery.to_u8();
        signature
    }
}

macro_rules! debug_shows_public_key {
    ($($pair:ident),*) => {$(
        impl fmt::Debug for $pair {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($pair), hex::encode(self.public()))
            }
        }
    )*};
}
debug_shows_public_key!(Sr25519Pair, Ed25519Pair, EcdsaPair);

/// Take the nonce from transcript and secret alone instead of asking the system for randomness.
pub(super) fn deterministic(transcript: impl SigningTranscript) -> impl SigningTranscript {
    attach_rng(transcript, Stream::new([0; 32], 0))
}
