//! Sending transactions.

use super::watch::watch;
use crate::{
    PoolRequest, args::Args, config::PENDING_BYTES_MAX, context::Context, error::Error,
    module::Module,
};
use codec::{DecodeAll, Encode};
use primitives::{Hash, OpaqueTransaction};
use runtime::view::Bytes;
use std::sync::Arc;

pub(crate) fn register(module: &mut Module) {
    module.asynchronous(&["author_submitExtrinsic"], submit);
    module.large(&["author_pendingExtrinsics"], |cx, _| pending(cx));
    module.subscription(
        &["author_submitAndWatchExtrinsic"],
        "author_extrinsicUpdate",
        &["author_unwatchExtrinsic"],
        watch,
    );
}

/// The transaction that a request brings, with its length in front.
pub(super) fn transaction(args: &mut Args) -> Result<OpaqueTransaction, Error> {
    let bytes: Bytes = args.next("extrinsic")?;
    OpaqueTransaction::decode_all(&mut &bytes.0[..])
        .map_err(|error| Error::BadExtrinsic(error.to_string()))
}

async fn submit(cx: Arc<Context>, mut args: Args) -> Result<Hash, Error> {
    let bytes = transaction(&mut args)?;
    Ok(cx.ask_pool(|answer| PoolRequest::Submit { bytes, answer }).await??)
}

/// What waits in the pool, from its front, as far as [`PENDING_BYTES_MAX`] goes.
async fn pending(cx: Arc<Context>) -> Result<Vec<Bytes>, Error> {
    let all = cx.ask_pool(|answer| PoolRequest::Pending { answer }).await?;
    let mut bytes = 0;
    let fits = |encoded: &Vec<u8>| {
        bytes += encoded.len();
        bytes <= PENDING_BYTES_MAX
    };
    Ok(all.iter().map(Encode::encode).take_while(fits).map(Bytes).collect())
}
