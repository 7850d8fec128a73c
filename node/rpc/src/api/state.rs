//! The rules: versions, metadata, runtime calls.

use crate::{
    args::Args,
    context::{Context, State},
    error::Error,
    module::Module,
    subscriber::{Caller, Closed},
};
use primitives::{Hash, RawKey, RawValue, StateRead};
use runtime::{RuntimeVersion, view::Bytes};
use std::sync::Arc;

/// Version of metadata that `state_getMetadata` gives: the one that all clients read.
const METADATA_VERSION: u32 = 14;

pub(crate) fn register(module: &mut Module) {
    module.blocking(&["state_getRuntimeVersion", "chain_getRuntimeVersion"], version);
    module.blocking(&["state_getMetadata"], metadata);
    module.blocking(&["state_call", "state_callAt"], call);
    module.subscription(
        &["state_subscribeRuntimeVersion", "chain_subscribeRuntimeVersion"],
        "state_runtimeVersion",
        &["state_unsubscribeRuntimeVersion", "chain_unsubscribeRuntimeVersion"],
        |cx, _, caller| versions(cx, caller),
    );
}

fn version(cx: &Context, mut args: Args) -> Result<RuntimeVersion, Error> {
    Ok(cx.rules(args.optional("at")?)?.version())
}

fn metadata(cx: &Context, mut args: Args) -> Result<Bytes, Error> {
    let metadata = cx.rules(args.optional("at")?)?.metadata(METADATA_VERSION);
    Ok(Bytes(metadata.ok_or(Error::Failed)?.to_vec()))
}

fn call(cx: &Context, mut args: Args) -> Result<Bytes, Error> {
    let method: String = args.next("name")?;
    let bytes: Bytes = args.next("arguments")?;
    call_at(cx, args.optional("at")?, &method, &bytes.0)
}

/// A runtime call in the state after a block; after the best one if none is named.
pub(super) fn call_at(
    cx: &Context,
    at: Option<Hash>,
    method: &str,
    bytes: &[u8],
) -> Result<Bytes, Error> {
    match cx.state(at)? {
        State::Live(snapshot) => Ok(Bytes(cx.call(&snapshot, method, bytes)?)),
        // Clients ask old blocks for their metadata to read them.
        State::Discarded { hash, height } if reads_no_state(method) => {
            let at = cx.position(height, hash);
            Ok(Bytes(runtime::call(&NoState, &at, method, bytes)?))
        }
        State::Discarded { hash, .. } => Err(Error::Discarded(hash)),
    }
}

fn reads_no_state(method: &str) -> bool {
    method.starts_with("Core_") || method.starts_with("Metadata_")
}

/// The state for calls that read none.
struct NoState;

impl StateRead for NoState {
    fn get(&self, _key: &[u8]) -> Option<RawValue> {
        None
    }

    fn next_key(&self, _prefix: &[u8], _after: &[u8]) -> Option<RawKey> {
        None
    }
}

/// The version in force, and each one that comes after it.
async fn versions(cx: Arc<Context>, caller: Caller) -> Result<(), Closed> {
    let subscriber = caller.accept().await?;
    let mut heads = cx.backend.heads.clone();
    let mut told = None;
    loop {
        let rules = heads.borrow_and_update().rules;
        if told != Some(rules) {
            subscriber.tell(&rules.version()).await?;
            told = Some(rules);
        }
        tokio::select! {
            () = subscriber.closed() => return Ok(()),
            changed = heads.changed() => if changed.is_err() { return Ok(()) },
        }
    }
}
