//! Changes of storage over a range of blocks.

use super::storage::{Changes, QUERIED_BYTES_MAX, keys};
use crate::{args::Args, context::Context, error::Error, module::Module};
use primitives::{Hash, crypto::hash::blake2_256};
use runtime::view::Bytes;

/// Most values that one query reads: keys times blocks.
const READS_MAX: usize = 8_192;

pub(crate) fn register(module: &mut Module) {
    module.blocking(&["state_queryStorage"], query);
}

/// All keys after the first block, then those that changed, block by block; blocks without changes are left out.
fn query(cx: &Context, mut args: Args) -> Result<Vec<Changes>, Error> {
    let keys = keys(&mut args)?;
    let from: Hash = args.next("from")?;
    let to = args.optional("to")?.unwrap_or_else(|| cx.head().hash);
    let height = |hash| cx.database().height(&hash)?.ok_or(Error::UnknownBlock(hash));
    let (first, last) = (height(from)?, height(to)?);
    let range = |why: String| Error::BlockRange { from, to, why };
    let blocks = last.checked_sub(first).ok_or_else(|| range("it ends before it begins".into()))?;
    let blocks = usize::try_from(blocks).unwrap_or(usize::MAX).saturating_add(1);
    if blocks.saturating_mul(keys.len().max(1)) > READS_MAX {
        let count = keys.len();
        let why = format!(
            "{blocks} blocks and {count} keys are too many: {READS_MAX} reads are possible"
        );
        return Err(range(why));
    }
    let mut seen: Vec<Option<Option<Hash>>> = vec![None; keys.len()];
    let mut found = Vec::new();
    let mut bytes = 0;
    for height in first..=last {
        let block = cx.database().hash(height)?.ok_or(Error::Failed)?;
        let state = cx.state(Some(block))?;
        let mut changes = Vec::new();
        for (key, seen) in keys.iter().zip(&mut seen) {
            let value = cx.value(&state, &key.0)?;
            let hash = Some(value.as_deref().map(blake2_256));
            if *seen != hash {
                *seen = hash;
                bytes += value.as_ref().map_or(0, Vec::len);
                changes.push((key.clone(), value.map(Bytes)));
            }
        }
        if bytes > QUERIED_BYTES_MAX {
            return Err(range(format!("the values have more than {QUERIED_BYTES_MAX} bytes")));
        }
        if !changes.is_empty() {
            found.push(Changes { block, changes });
        }
    }
    Ok(found)
}
