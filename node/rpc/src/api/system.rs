//! What chain and node say of themselves, and nonces.

use crate::{PoolRequest, args::Args, context::Context, error::Error, module::Module};
use codec::{DecodeAll, Encode};
use primitives::{AccountId, Height, Nonce};
use runtime::{ChainType, Properties, view::PeerView};
use serde::Serialize;
use serde_json::{Value, json};
use std::sync::Arc;

#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Health {
    peers: usize,
    is_syncing: bool,
    should_have_peers: bool,
}

#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct SyncState {
    starting_block: Height,
    current_block: Height,
    highest_block: Height,
}

/// Substrate's three; wallets know no others.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PropertiesJson {
    ss58_format: u16,
    token_decimals: u8,
    token_symbol: String,
}

pub(crate) fn register(module: &mut Module) {
    module.method(&["system_chain"], |cx, _| Ok(cx.backend.chain.name.clone()));
    module.method(&["system_name"], |cx, _| Ok(cx.backend.node.name.clone()));
    module.method(&["system_version"], |cx, _| Ok(cx.backend.node.version.clone()));
    module.method(&["system_chainType"], |cx, _| Ok(cx.backend.chain.chain_type.clone()));
    module.method(&["system_properties"], |cx, _| Ok(properties(&cx.backend.chain.properties)));
    module.method(&["system_health"], |cx, _| Ok(health(cx)));
    module.method(&["system_syncState"], |cx, _| Ok(sync_state(cx)));
    module.method(&["system_nodeRoles"], |cx, _| {
        Ok([if cx.backend.node.is_validator { "Authority" } else { "Full" }])
    });
    module.method(&["system_peers"], |cx, _| Ok(peers(cx)));
    module.method(&["system_reservedPeers"], |cx, _| Ok(reserved(cx)));
    module.method(&["system_localListenAddresses"], |cx, _| Ok(cx.backend.peers.view().addresses));
    module.method(&["system_localPeerId"], |cx, _| Ok(cx.backend.peers.view().local));
    module.method(&["artel_peers"], |cx, _| Ok(cx.backend.peers.view().peers));
    module.asynchronous(&["system_addReservedPeer"], |cx, mut args: Args| async move {
        let address = args.next("peer")?;
        cx.backend.peers.reserve(address).await.map_err(Error::Params)
    });
    module.asynchronous(&["system_removeReservedPeer"], |cx, mut args: Args| async move {
        let peer = args.next("peerId")?;
        cx.backend.peers.release(peer).await.map_err(Error::Params)
    });
    module.asynchronous(&["system_accountNextIndex", "account_nextIndex"], next_index);
}

/// The list of everything that may be called, itself included.
pub(crate) fn register_list(module: &mut Module) {
    const NAME: &str = "rpc_methods";
    let mut names: Vec<&str> = module.0.method_names().chain([NAME]).collect();
    names.sort_unstable();
    module.asynchronous(&[NAME], move |cx, _| {
        let served: Vec<&str> =
            names.iter().copied().filter(|name| cx.access.serves(name)).collect();
        async move { Ok(json!({ "methods": served })) }
    });
}

pub(super) fn properties(properties: &Properties) -> PropertiesJson {
    PropertiesJson {
        ss58_format: properties.ss58_format,
        token_decimals: properties.token_decimals,
        token_symbol: properties.token_symbol.clone(),
    }
}

fn health(cx: &Context) -> Health {
    let alone = cx.backend.chain.chain_type == ChainType::Development;
    let view = cx.backend.peers.view();
    Health { peers: view.peers.len(), is_syncing: view.is_syncing, should_have_peers: !alone }
}

fn sync_state(cx: &Context) -> SyncState {
    let (height, view) = (cx.head().height, cx.backend.peers.view());
    SyncState {
        starting_block: view.starting_height,
        current_block: height,
        highest_block: view.highest_height.max(height),
    }
}

/// Substrate's list of peers.
fn peers(cx: &Context) -> Vec<Value> {
    let peer = |peer: PeerView| {
        let role = if peer.role.as_deref() == Some("validator") { "AUTHORITY" } else { "FULL" };
        json!({
            "peerId": peer.id,
            "roles": role,
            "bestHash": peer.hash.unwrap_or_default(),
            "bestNumber": peer.height.unwrap_or_default(),
        })
    };
    cx.backend.peers.view().peers.into_iter().map(peer).collect()
}

fn reserved(cx: &Context) -> Vec<String> {
    let peers = cx.backend.peers.view().peers.into_iter();
    peers.filter(|peer| peer.is_reserved).map(|peer| peer.id).collect()
}

/// The nonce of an account's next transaction, those in the pool counted.
async fn next_index(cx: Arc<Context>, mut args: Args) -> Result<Nonce, Error> {
    let account: AccountId = args.next("account")?;
    let pooled = cx.ask_pool(|answer| PoolRequest::NextNonce { account, answer }).await?;
    let in_state = cx
        .blocking(move |cx| {
            let snapshot = cx.snapshot(None)?;
            let nonce = cx.call(&snapshot, "AccountNonceApi_account_nonce", &account.encode())?;
            Nonce::decode_all(&mut &nonce[..]).map_err(|_| Error::Failed)
        })
        .await?;
    Ok(pooled.unwrap_or_default().max(in_state))
}
