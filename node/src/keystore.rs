//! Keys in encrypted files, in the JSON that polkadot-js and the wallets built on it export and import.
//!
//! ```text
//! encoded  = base64(salt[32] N p r (u32 each) nonce[24] tag[16] box)
//! box      = xsalsa20(header[16] secret divider[5] public) under the first half of scrypt(password, salt, N, p, r)
//! secret   = sr25519: 64 bytes, ed25519: seed and public key, ecdsa: 32 bytes
//! ```
//!
//! A file with encoding type `none` is not encrypted; wallets write it for an empty password. It can be opened, and is
//! never written here.

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use crypto_secretbox::{AeadInPlace, KeyInit, Nonce, Tag, XSalsa20Poly1305};
use primitives::{
    AccountId,
    crypto::{
        pair::{EcdsaPair, Ed25519Pair, Pair, Scheme, Sr25519Pair},
        ss58,
    },
};
use serde::{Deserialize, Serialize};
use std::{
    fs,
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

/// Most bytes of a key file.
pub const FILE_BYTES_MAX: u64 = 64 * 1024;
/// Cost of trying a password, as polkadot-js sets it: N = 2^15.
const LOG_N: u8 = 15;
/// Least and most cost that is accepted of a file: less protects nothing, more is a trap (1 GiB at 2^20).
const LOG_N_RANGE: std::ops::RangeInclusive<u8> = 13..=20;
/// scrypt's block size; no wallet writes another.
const SCRYPT_R: u32 = 8;
/// scrypt's parallelism.
const SCRYPT_P: u32 = 1;
/// Most parallelism that is accepted of a file.
const SCRYPT_P_MAX: u32 = 8;
const SALT_BYTES: usize = 32;
const NONCE_BYTES: usize = 24;
const TAG_BYTES: usize = 16;
/// What stands before the secret.
const HEADER: [u8; 16] = [48, 83, 2, 1, 1, 48, 5, 6, 3, 43, 101, 112, 4, 34, 4, 32];
/// What stands between secret and public key.
const DIVIDER: [u8; 5] = [161, 35, 3, 33, 0];

/// A key file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyFile {
    /// The sealed key in base64.
    pub encoded: String,
    /// How it is sealed.
    pub encoding: Encoding,
    /// The account, in SS58.
    pub address: String,
    /// What wallets note beside it.
    #[serde(default)]
    pub meta: serde_json::Map<String, serde_json::Value>,
}

/// How a key is sealed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Encoding {
    /// `pkcs8` and the kind of key.
    pub content: Vec<String>,
    /// `scrypt` and `xsalsa20-poly1305`, or `none`.
    #[serde(rename = "type")]
    pub kind: Vec<String>,
    /// `3`.
    pub version: String,
}

/// Why a key file can't be opened or written. Nothing secret is in it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file can't be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// A file is there already.
    #[error("{0} exists already: choose another name, or remove it if its key is not needed")]
    Exists(PathBuf),
    /// Not the JSON of a key file.
    #[error("{path} is no key file: {reason}")]
    NotAKeyFile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Sealed in a way that is not known. Holds which.
    #[error(
        "the key file is sealed as {0}: only version 3 of pkcs8 with scrypt and xsalsa20-poly1305 is known"
    )]
    UnknownEncoding(String),
    /// Not what the encoding promises.
    #[error("the key file is damaged: {0}")]
    Damaged(&'static str),
    /// The password opens nothing.
    #[error("the password is wrong, or the key file is damaged")]
    WrongPassword,
    /// Nothing would be protected.
    #[error("the password is empty: choose one, as anybody could open the file")]
    EmptyPassword,
    /// What is inside is not what is written outside.
    #[error(
        "the file says {written} but holds the key of {held}: it was tampered with or mixed up"
    )]
    OtherAccount {
        /// The address on the file.
        written: String,
        /// The account of the key in it.
        held: AccountId,
    },
    /// The system gives no randomness.
    #[error("the system gives no random bytes: {0}")]
    Randomness(getrandom::Error),
}

impl KeyFile {
    /// Seal a key under a password. `created_ms` is noted for wallets, as is the name.
    pub fn seal(pair: &Pair, password: &str, name: &str, created_ms: u64) -> Result<Self, Error> {
        if password.is_empty() {
            return Err(Error::EmptyPassword);
        }
        let (mut salt, mut nonce) = ([0; SALT_BYTES], [0; NONCE_BYTES]);
        getrandom::fill(&mut salt).map_err(Error::Randomness)?;
        getrandom::fill(&mut nonce).map_err(Error::Randomness)?;

        let mut sealed = plain(pair);
        let tag = cipher(password, &salt, LOG_N, SCRYPT_P)
            .encrypt_in_place_detached(Nonce::from_slice(&nonce), b"", &mut sealed)
            .expect("a key is far shorter than what the cipher can encrypt");
        let mut encoded = salt.to_vec();
        for number in [1 << LOG_N, SCRYPT_P, SCRYPT_R] {
            encoded.extend_from_slice(&number.to_le_bytes());
        }
        encoded.extend_from_slice(&nonce);
        encoded.extend_from_slice(&tag);
        encoded.extend_from_slice(&sealed);

        let mut meta = serde_json::Map::new();
        meta.insert("name".to_owned(), name.into());
        meta.insert("whenCreated".to_owned(), created_ms.into());
        Ok(Self {
            encoded: BASE64.encode(encoded),
            encoding: Encoding {
                content: vec!["pkcs8".to_owned(), pair.scheme().to_string()],
                kind: vec!["scrypt".to_owned(), "xsalsa20-poly1305".to_owned()],
                version: "3".to_owned(),
            },
            address: pair.account().to_string(),
            meta,
        })
    }

    /// Whether a password is needed.
    pub fn is_encrypted(&self) -> bool {
        self.encoding.kind != ["none"]
    }

    /// Take the key out. An unencrypted file takes any password.
    pub fn open(&self, password: &str) -> Result<Pair, Error> {
        let scheme = self.scheme()?;
        let bytes = BASE64.decode(&self.encoded).map_err(|_| Error::Damaged("it is not base64"))?;
        let plain = if self.is_encrypted() { unseal(&bytes, password)? } else { bytes };
        let pair = parse(scheme, &plain)?;
        // Wallets write the address of an ecdsa key as the key itself, so only 32-byte ones are compared.
        match ss58::decode(&self.address) {
            Ok((written, _)) if written != pair.account().0 => {
                Err(Error::OtherAccount { written: self.address.clone(), held: pair.account() })
            }
            _ => Ok(pair),
        }
    }

    /// The kind of key, as the file says.
    pub fn scheme(&self) -> Result<Scheme, Error> {
        let Encoding { content, kind, version } = &self.encoding;
        let unknown = || Error::UnknownEncoding(format!("{version} {content:?} {kind:?}"));
        let known =
            version == "3" && (kind == &["scrypt", "xsalsa20-poly1305"] || kind == &["none"]);
        match content.as_slice() {
            [format, scheme] if known && format == "pkcs8" => scheme.parse().map_err(|_| unknown()),
            _ => Err(unknown()),
        }
    }

    /// Read a key file.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let at = |source| Error::Io { path: path.to_owned(), source };
        let mut text = Vec::new();
        let file = fs::File::open(path).map_err(at)?;
        file.take(FILE_BYTES_MAX).read_to_end(&mut text).map_err(at)?;
        serde_json::from_slice(&text).map_err(|error| Error::NotAKeyFile {
            path: path.to_owned(),
            reason: error.to_string(),
        })
    }

    /// Write the key file, synced, for its owner's eyes alone. An existing file is left as it is.
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        let at = |source| Error::Io { path: path.to_owned(), source };
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = match options.open(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(Error::Exists(path.to_owned()));
            }
            opened => opened.map_err(at)?,
        };
        let text = serde_json::to_vec(self).expect("strings always make JSON");
        file.write_all(&text).and_then(|()| file.sync_all()).map_err(at)
    }
}

fn cipher(password: &str, salt: &[u8], log_n: u8, p: u32) -> XSalsa20Poly1305 {
    let params = scrypt::Params::new(log_n, SCRYPT_R, p).expect("both numbers were bounded");
    // polkadot-js derives 64 bytes and uses 32; scrypt's first bytes do not depend on how many are taken.
    let mut key = crypto_secretbox::Key::default();
    scrypt::scrypt(password.as_bytes(), salt, &params, &mut key).expect("32 bytes can be derived");
    XSalsa20Poly1305::new(&key)
}

fn unseal(bytes: &[u8], password: &str) -> Result<Vec<u8>, Error> {
    const SHORT: Error = Error::Damaged("it is too short");
    let (salt, rest) = bytes.split_at_checked(SALT_BYTES).ok_or(SHORT)?;
    let (numbers, rest) = rest.split_at_checked(12).ok_or(SHORT)?;
    let (nonce, rest) = rest.split_at_checked(NONCE_BYTES).ok_or(SHORT)?;
    let (tag, sealed) = rest.split_at_checked(TAG_BYTES).ok_or(SHORT)?;
    let number = |at: usize| {
        u32::from_le_bytes(numbers[at..at + 4].try_into().expect("the slice has four bytes"))
    };
    let (n, p, r) = (number(0), number(4), number(8));
    let log_n = u8::try_from(n.trailing_zeros()).expect("a u32 has at most 32 zeros");
    if !n.is_power_of_two()
        || !LOG_N_RANGE.contains(&log_n)
        || r != SCRYPT_R
        || !(1..=SCRYPT_P_MAX).contains(&p)
    {
        return Err(Error::Damaged("its scrypt parameters are out of bounds"));
    }
    let mut plain = sealed.to_vec();
    cipher(password, salt, log_n, p)
        .decrypt_in_place_detached(Nonce::from_slice(nonce), b"", &mut plain, Tag::from_slice(tag))
        .map_err(|_| Error::WrongPassword)?;
    Ok(plain)
}

fn plain(pair: &Pair) -> Vec<u8> {
    let (secret, public) = match pair {
        Pair::Sr25519(pair) => (pair.to_secret().to_vec(), pair.public().to_vec()),
        Pair::Ed25519(pair) => ([pair.to_seed(), pair.public()].concat(), pair.public().to_vec()),
        Pair::Ecdsa(pair) => (pair.to_seed().to_vec(), pair.public().to_vec()),
    };
    [&HEADER[..], &secret, &DIVIDER, &public].concat()
}

fn parse(scheme: Scheme, plain: &[u8]) -> Result<Pair, Error> {
    const DAMAGED: Error = Error::Damaged("what is inside is no key");
    let rest = plain.strip_prefix(&HEADER).ok_or(DAMAGED)?;
    let secret_bytes = if scheme == Scheme::Ecdsa { 32 } else { 64 };
    let (secret, _) = rest.split_at_checked(secret_bytes).ok_or(DAMAGED)?;
    let seed = secret[..32].try_into().expect("the slice has 32 bytes");
    let pair = match scheme {
        Scheme::Sr25519 => {
            let secret = secret.try_into().expect("the slice has 64 bytes");
            Pair::Sr25519(Sr25519Pair::from_secret(secret).ok_or(DAMAGED)?)
        }
        Scheme::Ed25519 => Pair::Ed25519(Ed25519Pair::from_seed(seed)),
        Scheme::Ecdsa => Pair::Ecdsa(EcdsaPair::from_seed(seed).ok_or(DAMAGED)?),
    };
    // The public key behind the secret guards against a damaged secret in a file that is not encrypted.
    if self::plain(&pair) == plain { Ok(pair) } else { Err(DAMAGED) }
}

#[cfg(test)]
mod tests;
