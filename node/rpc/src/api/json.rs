//! Substrate's JSON shapes of headers, blocks and numbers.

use codec::Encode;
use primitives::{Block, Certificate, Hash, Header, Height, shown};
use runtime::view::Bytes;
use serde::{Deserialize, Serialize};

/// Name under which a block carries why it is final.
const JUSTIFICATION_ENGINE: [u8; 4] = *b"artl";

/// A header.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HeaderJson {
    parent_hash: Hash,
    /// Hex without padding.
    number: String,
    state_root: Hash,
    extrinsics_root: Hash,
    digest: DigestJson,
}

#[derive(Clone, Debug, Serialize)]
struct DigestJson {
    /// Each in SCALE.
    logs: Vec<Bytes>,
}

impl From<&Header> for HeaderJson {
    fn from(header: &Header) -> Self {
        Self {
            parent_hash: header.parent_hash,
            number: format!("{:#x}", header.number),
            state_root: header.state_root,
            extrinsics_root: header.extrinsics_root,
            digest: DigestJson {
                logs: header.digest.logs.iter().map(|item| Bytes(item.encode())).collect(),
            },
        }
    }
}

/// A block and why it is final.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct SignedBlockJson {
    block: BlockJson,
    /// Engine and SCALE bytes of the certificate, both as lists of numbers; genesis has none.
    justifications: Option<Vec<([u8; 4], Vec<u8>)>>,
}

#[derive(Clone, Debug, Serialize)]
struct BlockJson {
    header: HeaderJson,
    extrinsics: Vec<Bytes>,
}

impl SignedBlockJson {
    pub fn new(block: &Block, certificate: Option<&Certificate>) -> Self {
        Self {
            block: BlockJson {
                header: (&block.header).into(),
                extrinsics: block.body.iter().map(|bytes| Bytes(bytes.encode())).collect(),
            },
            justifications: certificate
                .map(|certificate| vec![(JUSTIFICATION_ENGINE, certificate.encode())]),
        }
    }
}

/// A block's number, as clients write it.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "a block's number is a number from 0 on, or the same in 0x-hex")]
pub(crate) enum NumberOrHex {
    Number(u64),
    Hex(String),
}

impl NumberOrHex {
    /// The height; `None` if no block can have it. An error if it is no number.
    pub fn height(&self) -> Result<Option<Height>, String> {
        let number = match self {
            Self::Number(number) => *number,
            Self::Hex(text) => {
                let digits = text.strip_prefix("0x").unwrap_or_default();
                let valid = !digits.is_empty() && digits.bytes().all(|c| c.is_ascii_hexdigit());
                if !valid {
                    let shown = shown(text, 40);
                    return Err(format!("'{shown}' is no block's number: write 42 or \"0x2a\""));
                }
                // Too many digits for any number are too many for any block.
                u64::from_str_radix(digits, 16).unwrap_or(u64::MAX)
            }
        };
        Ok(Height::try_from(number).ok())
    }
}
