//! Getting the whole of a block of which the proposal is known.

use super::recent::Whole;
use crate::wire::{BodyRequest, Proposed, TRANSACTIONS_MAX};
use chain::Verifier;
use codec::{Decode, DecodeAll, Encode};
use futures::{StreamExt, stream::FuturesUnordered};
use network::{Handle, PeerFault, PeerId, Protocol};
use primitives::{Block, Hash, OpaqueTransaction};
use std::{sync::Arc, time::Duration};
use tokio::{task::spawn_blocking, time::timeout};

/// Most peers that are asked for one block.
const ASKED_MAX: usize = 4;

/// How long whoever told of a block may take for the transactions of it that are missing, before others are asked for the
/// whole.
const SOURCE_WAIT: Duration = Duration::from_secs(1);
/// How long a peer may take for a block before the next one is asked as well.
const NEXT_AFTER: Duration = Duration::from_millis(500);

/// Why a block could not be put together.
pub enum Unmade {
    /// Transactions did not come.
    Missing,
    /// What came does not make up the block.
    Wrong,
}

/// Puts a block together from its hashes: most transactions wait in the pool, the others come from the peer.
pub async fn assemble(
    network: &Handle,
    verifier: &Verifier,
    proposed: Proposed,
    source: PeerId,
) -> Result<Whole, Unmade> {
    let Proposed { proposal, header, inherents, transactions: hashes, .. } = proposed;
    let block = proposal.proposal.block;
    let known = verifier.get(&hashes);
    let is_missing = |place: &usize| known[*place].is_none();
    let missing: Vec<usize> = (0..known.len()).filter(is_missing).collect();
    let mut pulled = Vec::new();
    if !missing.is_empty() {
        let place = |index: &usize| u32::try_from(inherents.len() + index).ok();
        let places: Vec<u32> = missing.iter().filter_map(place).collect();
        tracing::debug!(%block, count = missing.len(), "transactions of a proposed block are missing");
        let request = BodyRequest::Transactions { block, places };
        let asked = timeout(SOURCE_WAIT, ask_for(network, source, &request)).await;
        pulled = asked.ok().flatten().ok_or(Unmade::Missing)?;
        let fits = pulled.len() == missing.len()
            && pulled.iter().zip(&missing).all(|(tx, place)| tx.hash() == hashes[*place]);
        if !fits {
            return Err(Unmade::Wrong);
        }
    }
    let made = spawn_blocking(move || {
        let mut pulled = pulled.into_iter();
        let mut body = inherents;
        for tx in known {
            body.push(match tx {
                Some(tx) => tx.bytes.clone(),
                None => pulled.next()?,
            });
        }
        whole(Block { header, body }, block)
    });
    made.await.ok().flatten().ok_or(Unmade::Wrong)
}

/// Asks peers, one after the other, for a whole block. Those who take their time don't hold it up: the first that has it
/// gives it.
pub async fn pull(network: &Handle, block: Hash, peers: Vec<PeerId>) -> Option<Whole> {
    let mut peers = peers.into_iter().take(ASKED_MAX);
    let mut asked = FuturesUnordered::new();
    loop {
        match peers.next() {
            Some(peer) => asked.push(pull_from(network, block, peer)),
            None if asked.is_empty() => return None,
            None => {}
        }
        let wait = if peers.len() > 0 { NEXT_AFTER } else { Duration::MAX };
        if let Ok(Some(Some(whole))) = timeout(wait, asked.next()).await {
            return Some(whole);
        }
    }
}

async fn pull_from(network: &Handle, block: Hash, peer: PeerId) -> Option<Whole> {
    let request = BodyRequest::Block(block).encode();
    let bytes = network.ask(peer, Protocol::Bodies, request).await.ok()?;
    let decoded = spawn_blocking(move || whole(Block::decode(&mut &bytes[..]).ok()?, block));
    let whole = decoded.await.ok().flatten();
    if whole.is_none() {
        network.report(peer, PeerFault::Invalid);
    }
    whole
}

/// A block, if header and body are those that the hash stands for.
pub fn whole(block: Block, hash: Hash) -> Option<Whole> {
    let fits = block.hash() == hash
        && runtime::extrinsics_root(&block.body) == block.header.extrinsics_root;
    fits.then(|| {
        let bytes = Arc::new(block.encode());
        Whole { hash, block: Arc::new(block), bytes }
    })
}

/// What a peer is told that asks about a block.
pub fn answer(request: &BodyRequest, whole: &Whole) -> Option<Vec<u8>> {
    match request {
        BodyRequest::Block(_) => Some(whole.bytes.to_vec()),
        BodyRequest::Transactions { places, .. } => {
            let body = &whole.block.body;
            let place = |place: &u32| usize::try_from(*place).ok().and_then(|p| body.get(p));
            let transactions: Option<Vec<&OpaqueTransaction>> = places.iter().map(place).collect();
            Some(transactions?.encode())
        }
    }
}

async fn ask_for(
    network: &Handle,
    peer: PeerId,
    request: &BodyRequest,
) -> Option<Vec<OpaqueTransaction>> {
    let bytes = network.ask(peer, Protocol::Bodies, request.encode()).await.ok()?;
    match Vec::<OpaqueTransaction>::decode_all(&mut &bytes[..]) {
        Ok(transactions) if transactions.len() <= TRANSACTIONS_MAX => Some(transactions),
        _ => {
            network.report(peer, PeerFault::Malformed);
            None
        }
    }
}
