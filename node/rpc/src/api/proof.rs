//! Proofs of what the state holds, for those who trust a block's hash and nobody's word.

use super::storage::keys;
use crate::{
    ProofRequest, args::Args, config::PROVEN_KEYS_MAX, context::Context, error::Error,
    module::Module,
};
use codec::Encode;
use crossbeam_channel::TrySendError;
use primitives::Hash;
use runtime::view::Bytes;
use serde::Serialize;
use std::sync::Arc;
use tokio::sync::oneshot;

/// Proofs of keys, in the order of the request.
#[derive(Clone, Serialize)]
struct ReadProof {
    at: Hash,
    /// Each in SCALE.
    proof: Vec<Bytes>,
}

pub(crate) fn register(module: &mut Module) {
    module.large(&["state_getReadProof"], read_proof);
}

async fn read_proof(cx: Arc<Context>, mut args: Args) -> Result<ReadProof, Error> {
    let keys = keys(&mut args)?;
    if keys.len() > PROVEN_KEYS_MAX {
        return Err(Error::CountTooLarge { value: keys.len(), max: PROVEN_KEYS_MAX });
    }
    let at = args.optional("at")?.unwrap_or_else(|| cx.head().hash);
    let known = cx.blocking(move |cx| Ok(cx.database().height(&at)?)).await?;
    known.ok_or(Error::UnknownBlock(at))?;
    let (answer, answered) = oneshot::channel();
    let keys = keys.into_iter().map(|key| key.0).collect();
    let request = ProofRequest { block: at, keys, answer };
    cx.backend.proofs.try_send(request).map_err(|error| match error {
        TrySendError::Full(_) => Error::ProverBusy,
        TrySendError::Disconnected(_) => Error::Stopping,
    })?;
    let proofs = answered.await.map_err(|_| Error::Stopping)?.ok_or(Error::NotProvable(at))?;
    Ok(ReadProof { at, proof: proofs.iter().map(|proof| Bytes(proof.encode())).collect() })
}
