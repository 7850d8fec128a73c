//! What node and signer say to each other: frames of `length: u32 LE ++ SCALE`.

use codec::{Decode, DecodeAll, Encode};
use consensus::{Content, Instance, Slot};
use primitives::{AccountId, Hash, Height};
use std::io::{self, Read, Write};

/// Version of what is said.
pub const VERSION: u32 = 1;
/// Most bytes of a frame's content: no request needs half of it.
pub const FRAME_BYTES_MAX: usize = 1_024;

/// What a node asks for. The first request of a connection is [`Request::Hello`], no other is.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Request {
    /// Who asks, and for whom.
    Hello {
        /// [`VERSION`].
        version: u32,
        /// The chain.
        genesis: Hash,
        /// The validator.
        account: AccountId,
        /// The node.
        instance: Instance,
    },
    /// Sign a vote or a proposal.
    Sign {
        /// The public vote key.
        key: [u8; 32],
        /// The last slot whose signature the node remembers.
        known: Option<Slot>,
        /// What to sign.
        content: Content,
    },
    /// Draw a block's randomness.
    Draw {
        /// The public VRF key.
        key: [u8; 32],
        /// Randomness of the block before.
        seed: Hash,
        /// Height of the block.
        height: Height,
        /// Round in which it is built.
        round: u32,
    },
    /// Prove to peers that the validator runs a node.
    Prove {
        /// The public vote key.
        key: [u8; 32],
        /// The node's identity in the network.
        peer: Vec<u8>,
    },
    /// The node is there.
    Beat,
}

/// What it gets.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Response {
    /// Good.
    Ready,
    /// A signature.
    Signature([u8; 64]),
    /// A draw.
    Drawn {
        /// The output.
        output: [u8; 32],
        /// That it is the key's.
        proof: [u8; 64],
    },
    /// Nothing.
    Refused(Reason),
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, thiserror::Error)]
pub enum Reason {
    /// Another version.
    #[error("the signer speaks version {0}, this node {VERSION}: use the same program for both")]
    Version(u32),
    /// Another chain.
    #[error("the signer is of the chain with genesis {0}")]
    Chain(Hash),
    /// Another validator.
    #[error("the signer is of validator {0}")]
    Validator(AccountId),
    /// The key is not at hand.
    #[error("the signer does not have the session key that the chain names")]
    NoKey,
    /// Another node is served.
    #[error("the signer serves another node of this validator")]
    Busy,
    /// Another node may be locked there.
    #[error("the signer serves this node from height {0} on")]
    Below(Height),
    /// Something else is signed there.
    #[error("the signer's last-signed guard refuses")]
    Guarded,
    /// No request, or not the first.
    #[error("the signer does not understand")]
    Malformed,
}

/// Writes a frame.
pub fn write(stream: &mut impl Write, value: &impl Encode) -> io::Result<()> {
    let content = value.encode();
    let length = u32::try_from(content.len()).ok().filter(|_| content.len() <= FRAME_BYTES_MAX);
    let length = length.ok_or(io::ErrorKind::InvalidInput)?;
    // One write: a frame in two would wait for the other side's acknowledgement.
    stream.write_all(&[&length.to_le_bytes()[..], &content].concat())
}

/// Reads a frame. What is too long or malformed is an error of kind `InvalidData`.
pub fn read<T: Decode>(stream: &mut impl Read) -> io::Result<T> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = usize::try_from(u32::from_le_bytes(length)).ok();
    let length = length.filter(|length| *length <= FRAME_BYTES_MAX);
    let mut content = vec![0; length.ok_or(io::ErrorKind::InvalidData)?];
    stream.read_exact(&mut content)?;
    T::decode_all(&mut &content[..]).map_err(|_| io::ErrorKind::InvalidData.into())
}
