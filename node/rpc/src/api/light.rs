//! What programs need that follow the chain without trusting this node: see `runtime::light`.

use crate::{args::Args, context::Context, error::Error, module::Module};
use codec::Encode;
use primitives::{Hash, Height};
use runtime::{
    light::Checkpoint,
    view::{Bytes, ValidatorView, ValidatorsView},
};

pub(crate) fn register(module: &mut Module) {
    module.blocking(&["artel_lightStart"], start);
    module.blocking(&["artel_lightBlocks"], blocks);
    module.blocking(&["artel_validators"], validators);
}

/// What the hash of a block proves; null if the block is not known, or from before this node's chain begins.
fn start(cx: &Context, mut args: Args) -> Result<Option<Bytes>, Error> {
    let hash: Hash = args.next("block")?;
    let Some(height) = cx.known_height(&hash)? else { return Ok(None) };
    let start = chain::light_start(cx.database(), &Checkpoint { height, hash });
    Ok(start.map_err(failed)?.map(|start| Bytes(start.encode())))
}

/// The blocks that lead from one that is known to a later one, or to the head.
fn blocks(cx: &Context, mut args: Args) -> Result<Vec<Bytes>, Error> {
    let from: Height = args.next("from")?;
    let head = cx.head().height;
    let to = args.optional("to")?.map_or(head, |to: Height| to.min(head));
    let blocks = chain::light_blocks(cx.database(), from, to).map_err(failed)?;
    Ok(blocks.iter().map(|block| Bytes(block.encode())).collect())
}

/// Who decides the block after one; null if that is not known, as it is from before this node's chain begins.
fn validators(cx: &Context, mut args: Args) -> Result<Option<ValidatorsView>, Error> {
    let head = cx.head();
    let at = args.optional("at")?.unwrap_or(head.hash);
    let height = if at == head.hash { Some(head.height) } else { cx.known_height(&at)? };
    let height = height.ok_or(Error::UnknownBlock(at))?;
    let Some(validators) = cx.database().validators_after(height)? else { return Ok(None) };
    let validators = validators.into_iter().map(ValidatorView::from).collect();
    Ok(Some(ValidatorsView { height, validators }))
}

fn failed(error: chain::Error) -> Error {
    match error {
        chain::Error::Storage(error) => Error::Storage(error),
        error => {
            tracing::error!(%error, "a block cannot be proven");
            Error::Failed
        }
    }
}
