//! SS58: an account as text. Base58 over prefix ++ 32 bytes ++ checksum, where the checksum is the
//! first two bytes of BLAKE2b-512("SS58PRE" ++ prefix ++ 32 bytes).
//!
//! The prefix names a network: one byte below 64, else two bytes with 14 bits.

use crate::{crypto::hash::blake2_512, shown};

/// The prefix of networks without one of their own; this chain's text form.
pub const PREFIX_DEFAULT: u16 = 42;
/// Greatest prefix that the two-byte form holds.
pub const PREFIX_MAX: u16 = 0x3fff;
/// Most characters in an address: 36 bytes are at most 50 digits of base 58.
pub const TEXT_CHARS_MAX: usize = 50;

const CHECKSUM_DOMAIN: &[u8] = b"SS58PRE";
const CHECKSUM_BYTES: usize = 2;
const ACCOUNT_BYTES: usize = 32;

/// What is wrong with an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The text starts with 0x, but no 32 bytes of hex follow. Holds the text, cut short.
    #[error("'{0}' is not an account: 64 hex digits must follow 0x")]
    BadHex(String),
    /// More characters than any address has. Holds how many bytes the text has.
    #[error("an address has at most {TEXT_CHARS_MAX} characters, this text has {0} bytes")]
    TooLong(usize),
    /// A character that base 58 leaves out (such as 0, O, I and l) or that is not ASCII.
    #[error("'{text}' is not an address: the character at byte {index} is not a base58 digit")]
    BadCharacter {
        /// The text.
        text: String,
        /// Where the character is, in bytes from the start.
        index: usize,
    },
    /// The text does not hold prefix, 32 bytes and checksum.
    #[error("'{text}' is not an account's address: it holds {bytes} bytes, not 35 or 36")]
    BadLength {
        /// The text.
        text: String,
        /// How many bytes it decodes to.
        bytes: usize,
    },
    /// The first byte is above 127, which SS58 reserves. Holds the text.
    #[error("'{0}' is not an account's address: its network prefix is of a reserved form")]
    ReservedPrefix(String),
    /// The checksum does not fit: most likely a typing mistake. Holds the text.
    #[error("'{0}' has a wrong checksum: compare it with where you copied it from")]
    BadChecksum(String),
}

/// The address of `account` on the network with this prefix.
///
/// # Panics
/// If `prefix` is above [`PREFIX_MAX`]: the form cannot express it.
pub fn encode(account: &[u8; 32], prefix: u16) -> String {
    assert!(prefix <= PREFIX_MAX, "SS58 prefix {prefix} is above {PREFIX_MAX}");
    let [high, low] = prefix.to_be_bytes();
    let mut bytes = Vec::with_capacity(2 + ACCOUNT_BYTES + CHECKSUM_BYTES);
    if prefix < 64 {
        bytes.push(low);
    } else {
        // Bits 7..2 of the prefix go into the first byte, bits 1..0 and 13..8 into the second.
        bytes.extend([0b0100_0000 | low >> 2, low << 6 | high]);
    }
    bytes.extend_from_slice(account);
    let checksum = checksum(&bytes);
    bytes.extend(checksum);
    bs58::encode(bytes).into_string()
}

/// The account and the network prefix that an address names.
pub fn decode(text: &str) -> Result<([u8; 32], u16), Error> {
    if text.len() > TEXT_CHARS_MAX {
        return Err(Error::TooLong(text.len()));
    }
    let bytes = bs58::decode(text).into_vec().map_err(|error| {
        let index = match error {
            bs58::decode::Error::InvalidCharacter { index, .. }
            | bs58::decode::Error::NonAsciiCharacter { index } => index,
            _ => 0,
        };
        Error::BadCharacter { text: shown(text, TEXT_CHARS_MAX), index }
    })?;
    let (prefix, prefix_bytes) = match bytes[..] {
        [first @ 0..64, ..] => (u16::from(first), 1),
        [first @ 64..128, second, ..] => {
            (u16::from_be_bytes([second & 0b0011_1111, first << 2 | second >> 6]), 2)
        }
        [128..=255, ..] => return Err(Error::ReservedPrefix(text.into())),
        _ => return Err(Error::BadLength { text: text.into(), bytes: bytes.len() }),
    };
    if bytes.len() != prefix_bytes + ACCOUNT_BYTES + CHECKSUM_BYTES {
        return Err(Error::BadLength { text: text.into(), bytes: bytes.len() });
    }
    let (signed, given) = bytes.split_at(prefix_bytes + ACCOUNT_BYTES);
    if given != checksum(signed) {
        return Err(Error::BadChecksum(text.into()));
    }
    let account = signed[prefix_bytes..].try_into().expect("the length was checked above");
    Ok((account, prefix))
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let digest = blake2_512(&[CHECKSUM_DOMAIN, bytes].concat());
    [digest[0], digest[1]]
}
