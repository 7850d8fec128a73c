//! What nodes ask each other to begin with a later state, and what they answer.

use crate::{Error, light_blocks, light_start, snapshot_sync::LIGHT_BLOCKS_MAX};
use codec::{Compact, Decode, DecodeAll, Encode, Input};
use primitives::{
    Block, Hash, Height,
    chunk::{CHUNK_MESSAGE_BYTES_MAX, PathPrefix, StateChunk},
};
use runtime::{
    BLOCK_BYTES_MAX,
    light::{Checkpoint, LightBlock, LightStart, WireHeader},
};
use storage::{Database, EXPORTS_KEPT, Exports, Piece};

/// Name of the protocol on the network.
pub const PROTOCOL: &str = "/artel/state/1";
/// Most bytes of a request.
pub const REQUEST_BYTES_MAX: usize = 128;
/// Most bytes of an answer: a value that is alone in its chunk may be large.
pub const ANSWER_BYTES_MAX: usize = CHUNK_MESSAGE_BYTES_MAX + 1;
/// Most bytes of an answer that is no chunk.
const SMALL_ANSWER_BYTES_MAX: usize = 8 << 20;
/// Most transactions of a block: none has fewer bytes than the smallest call.
const BODY_TRANSACTIONS_MAX: usize = (BLOCK_BYTES_MAX / 4) as usize;
/// Most states that a node offers.
pub const OFFERS_MAX: usize = 2 * EXPORTS_KEPT;

/// A question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Request {
    /// Which states are there?
    #[codec(index = 0)]
    Offers,
    /// What does the hash of this block prove?
    #[codec(index = 1)]
    Start(Checkpoint),
    /// What leads from one height to another?
    #[codec(index = 2)]
    Light {
        /// The block that is known.
        from: Height,
        /// The block to be known.
        to: Height,
    },
    /// The block with this hash.
    #[codec(index = 3)]
    Block(Hash),
    /// What the state after a block has in a subtree.
    #[codec(index = 4)]
    Piece {
        /// Hash of the block.
        block: Hash,
        /// The subtree.
        prefix: PathPrefix,
    },
}

/// A state that somebody serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct Offer {
    /// Height of the block.
    pub height: Height,
    /// Hash of the block.
    pub hash: Hash,
    /// What its entries count together. Nobody checks it; it tells into how many parts to ask for the state.
    pub bytes: u64,
}

/// An answer. Each belongs to one kind of question, but for [`Self::NotHere`], which answers all.
#[derive(Clone, Debug, PartialEq, Encode)]
pub enum Answer {
    /// This node does not have it.
    #[codec(index = 0)]
    NotHere,
    /// The states that are there.
    #[codec(index = 1)]
    Offers(Vec<Offer>),
    /// What a checkpoint's hash proves.
    #[codec(index = 2)]
    Start(Box<LightStart>),
    /// The blocks that lead on, or some of them.
    #[codec(index = 3)]
    Light(Vec<LightBlock>),
    /// A block.
    #[codec(index = 4)]
    Block(Box<WholeBlock>),
    /// All of a subtree.
    #[codec(index = 5)]
    Chunk(StateChunk),
    /// The subtree is more than a chunk holds: its halves must be asked for.
    #[codec(index = 6)]
    TooLarge,
}

/// A block on its way, in a form whose decoding takes no more memory than a block does.
#[derive(Clone, Debug, PartialEq)]
pub struct WholeBlock(pub Block);

impl Encode for WholeBlock {
    fn encode(&self) -> Vec<u8> {
        let Block { header, body } = &self.0;
        (WireHeader(header.clone()), body).encode()
    }
}

impl Decode for WholeBlock {
    fn decode<I: Input>(input: &mut I) -> Result<Self, codec::Error> {
        let WireHeader(header) = WireHeader::decode(input)?;
        Ok(Self(Block { header, body: bounded(input, BODY_TRANSACTIONS_MAX)? }))
    }
}

impl Answer {
    /// Reads the answer to a question.
    pub fn from_bytes(request: &Request, bytes: &[u8]) -> Result<Self, codec::Error> {
        let (tag, mut rest) = bytes.split_first().ok_or("an answer is not empty")?;
        let is_piece = matches!(request, Request::Piece { .. });
        if bytes.len() > if is_piece { ANSWER_BYTES_MAX } else { SMALL_ANSWER_BYTES_MAX } {
            return Err("the answer is too long".into());
        }
        let answer = match (tag, request) {
            (0, _) => Self::NotHere,
            (1, Request::Offers) => Self::Offers(bounded(&mut rest, OFFERS_MAX)?),
            (2, Request::Start(_)) => Self::Start(Box::new(LightStart::decode(&mut rest)?)),
            (3, Request::Light { .. }) => Self::Light(bounded(&mut rest, LIGHT_BLOCKS_MAX)?),
            (4, Request::Block(_)) => Self::Block(Box::new(WholeBlock::decode(&mut rest)?)),
            (5, Request::Piece { .. }) => Self::Chunk(StateChunk::decode(&mut rest)?),
            (6, Request::Piece { .. }) => Self::TooLarge,
            _ => return Err("this does not answer the question".into()),
        };
        if rest.is_empty() { Ok(answer) } else { Err("bytes behind the end of an answer".into()) }
    }
}

/// Answers others from what this node has. Any number of threads may do so at once; none of it waits for the chain.
#[derive(Clone, Debug)]
pub struct Server {
    /// Blocks and certificates.
    pub database: Database,
    /// States.
    pub exports: Exports,
}

impl Server {
    /// The answer to a question, as bytes; `None` if that is no question, which is its sender's fault.
    pub fn answer(&self, request: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        if request.len() > REQUEST_BYTES_MAX {
            return Ok(None);
        }
        let Ok(request) = Request::decode_all(&mut &request[..]) else { return Ok(None) };
        let answer = match request {
            Request::Offers => Some(Answer::Offers(self.offers())),
            Request::Start(checkpoint) => {
                light_start(&self.database, &checkpoint)?.map(Box::new).map(Answer::Start)
            }
            Request::Light { from, to } => {
                let blocks = light_blocks(&self.database, from, to)?;
                (!blocks.is_empty()).then_some(Answer::Light(blocks))
            }
            Request::Block(hash) => {
                self.block(&hash)?.map(|block| Answer::Block(Box::new(WholeBlock(block))))
            }
            Request::Piece { block, prefix } => self.piece(&block, &prefix)?,
        };
        Ok(Some(answer.unwrap_or(Answer::NotHere).encode()))
    }

    fn offers(&self) -> Vec<Offer> {
        let offer = |export: &storage::Export| {
            let (height, hash) = (export.height, export.hash);
            Offer { height, hash, bytes: export.bytes() }
        };
        self.exports.list().iter().rev().take(OFFERS_MAX).map(|export| offer(export)).collect()
    }

    fn block(&self, hash: &Hash) -> Result<Option<Block>, Error> {
        match self.database.height(hash)? {
            Some(height) => Ok(self.database.block(height)?),
            None => Ok(None),
        }
    }

    fn piece(&self, block: &Hash, prefix: &PathPrefix) -> Result<Option<Answer>, Error> {
        let Some(export) = self.exports.find(block) else { return Ok(None) };
        Ok(export.piece(prefix)?.map(|piece| match piece {
            Piece::Chunk(chunk) => Answer::Chunk(chunk),
            Piece::TooLarge => Answer::TooLarge,
        }))
    }
}

fn bounded<T: Decode, I: Input>(input: &mut I, max: usize) -> Result<Vec<T>, codec::Error> {
    let count = usize::try_from(Compact::<u32>::decode(input)?.0);
    let count = count.ok().filter(|count| *count <= max).ok_or("more items than possible")?;
    (0..count).map(|_| T::decode(input)).collect()
}
