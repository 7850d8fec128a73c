//! What this node has for those who follow the chain by headers and certificates: see [`runtime::light`].

use crate::Error;
use codec::Encode;
use primitives::Height;
use runtime::light::{Checkpoint, LightBlock, LightStart, TimeProof};
use storage::Database;

/// Most blocks of one answer. Each may name all validators twice, so about 100 kB.
pub const LIGHT_BLOCKS_MAX: usize = 32;
/// Bytes of an answer after which no further block is added.
const LIGHT_BYTES_MAX: usize = 2 << 20;

/// Bytes of bodies that are read for an answer, after which no further block is added.
const LIGHT_READ_BYTES_MAX: usize = 16 << 20;

/// What a checkpoint's hash proves; `None` if this node does not have the block.
pub fn light_start(
    database: &Database,
    checkpoint: &Checkpoint,
) -> Result<Option<LightStart>, Error> {
    let height = checkpoint.height;
    if database.hash(height)? != Some(checkpoint.hash) {
        return Ok(None);
    }
    let (block, validators) = (database.block(height)?, database.validators_after(height)?);
    let (Some(block), Some(validators)) = (block, validators) else { return Ok(None) };
    let time = TimeProof::of(&block.body);
    Ok(time.map(|time| LightStart { header: block.header, time, validators }))
}

/// The blocks that lead who knows block `from` to block `to`, or to the head if that is below: one for each change of the
/// validators, and the last one. They end early where the answer is full or this node lacks a block.
pub fn light_blocks(
    database: &Database,
    from: Height,
    to: Height,
) -> Result<Vec<LightBlock>, Error> {
    let head = database.head()?.map_or(0, |(height, _)| height);
    let to = to.min(head);
    let (mut blocks, mut bytes, mut read, mut at) = (Vec::new(), 0, 0, from);
    let has_room = |count, bytes, read| {
        count < LIGHT_BLOCKS_MAX && bytes < LIGHT_BYTES_MAX && read < LIGHT_READ_BYTES_MAX
    };
    while at < to && has_room(blocks.len(), bytes, read) {
        let change = database.next_change(at)?.filter(|change| *change <= to);
        at = change.unwrap_or(to);
        let Some((block, body_bytes)) = light_block(database, at, change.is_some())? else {
            break;
        };
        bytes += block.encoded_size();
        read += body_bytes;
        blocks.push(block);
    }
    Ok(blocks)
}

/// A block and the bytes of its body, of which its time is proven.
fn light_block(
    database: &Database,
    height: Height,
    is_change: bool,
) -> Result<Option<(LightBlock, usize)>, Error> {
    let Some(before) = height.checked_sub(1) else { return Ok(None) };
    let (parent, block) = (database.header(before)?, database.block(height)?);
    let (Some(parent), Some(block)) = (parent, block) else { return Ok(None) };
    let (certificate, time) = (database.certificate(height)?, TimeProof::of(&block.body));
    let (Some(certificate), Some(time)) = (certificate, time) else { return Ok(None) };
    let validators = if is_change { database.validators_after(height)? } else { None };
    let body_bytes = block.body.iter().map(|transaction| transaction.0.len()).sum();
    let header = block.header;
    Ok(Some((LightBlock { parent, header, certificate, time, validators }, body_bytes)))
}
