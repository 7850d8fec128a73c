//! Proofs of what the state holds, for those who trust a block's hash and nobody's word.

use super::storage::keys;
use crate::{
    ProofRequest, args::Args, config::PROVEN_KEYS_MAX, context::Context, error::Error,
    module::Module,
};
use codec::Encode;
use primitives::Hash;
use runtime::view::Bytes;
use serde::Serialize;
use std::sync::Arc;

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
    let keys = keys.into_iter().map(|key| key.0).collect();
    let proofs = cx.ask_prover(|answer| ProofRequest { block: at, keys, answer }).await?;
    let proofs = proofs.ok_or(Error::NotProvable(at))?;
    Ok(ReadProof { at, proof: proofs.iter().map(|proof| Bytes(proof.encode())).collect() })
}
