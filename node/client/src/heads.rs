//! Blocks as they become final, and what happened in them.

use crate::{
    Client, Error,
    transport::next,
    wire::{HeaderJson, SignedBlockJson},
};
use codec::{Decode, DecodeAll};
use jsonrpsee::{core::client::Subscription, rpc_params};
use pallets::system::{EventRecord, Phase};
use primitives::{Hash, Height, OpaqueTransaction};
use runtime::{RuntimeEvent, view::PeerView};

/// A finalised block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its hash.
    pub hash: Hash,
    /// Its number.
    pub height: Height,
    /// Hash of the block before.
    pub parent: Hash,
}

/// Every finalised block from some height on, none left out.
pub struct Heads {
    client: Client,
    subscription: Subscription<HeaderJson>,
    /// The height that comes next, and the last that was announced.
    next: Height,
    announced: Height,
}

/// What happened in a block.
#[derive(Clone, Debug)]
pub struct BlockEvents {
    /// Each with its phase, in the order in which they happened.
    pub events: Vec<(Phase, RuntimeEvent)>,
}

impl Client {
    /// The nodes that the node is connected to.
    pub async fn peers(&self) -> Result<Vec<PeerView>, Error> {
        self.rpc().request("artel_peers", rpc_params![]).await
    }

    /// Hash of the last finalised block.
    pub async fn finalised_hash(&self) -> Result<Hash, Error> {
        self.rpc().request("chain_getFinalizedHead", rpc_params![]).await
    }

    /// The last finalised block.
    pub async fn finalised(&self) -> Result<Head, Error> {
        let hash = self.finalised_hash().await?;
        self.head(hash).await
    }

    /// A block of the chain, by hash.
    pub async fn head(&self, hash: Hash) -> Result<Head, Error> {
        let header: Option<HeaderJson> =
            self.rpc().request("chain_getHeader", rpc_params![hash]).await?;
        let header = header.ok_or_else(|| Error::NoBlock(hash.to_string()))?;
        Ok(Head { hash, height: header.number, parent: header.parent_hash })
    }

    /// Hash of the block at a height.
    pub async fn block_hash(&self, height: Height) -> Result<Hash, Error> {
        let hash: Option<Hash> =
            self.rpc().request("chain_getBlockHash", rpc_params![height]).await?;
        hash.ok_or_else(|| Error::NoBlock(height.to_string()))
    }

    /// The transactions of a block, without their length prefixes, and its height.
    pub async fn body(&self, hash: Hash) -> Result<(Height, Vec<OpaqueTransaction>), Error> {
        let block: Option<SignedBlockJson> =
            self.rpc().request("chain_getBlock", rpc_params![hash]).await?;
        let block = block.ok_or_else(|| Error::NoBlock(hash.to_string()))?.block;
        let decoded =
            block.extrinsics.iter().map(|bytes| OpaqueTransaction::decode_all(&mut &bytes.0[..]));
        let body = decoded.collect::<Result<Vec<_>, _>>().map_err(|error| Error::Answer {
            method: "chain_getBlock".to_owned(),
            reason: format!("a transaction of {hash}: {error}"),
        })?;
        Ok((block.header.number, body))
    }

    /// What happened in a block. Genesis has no events, and of old blocks a node may not keep them: then it is an error.
    pub async fn events(&self, hash: Hash) -> Result<BlockEvents, Error> {
        let raw = self.storage(&runtime::events_key(), Some(hash)).await?;
        let raw = raw.ok_or(Error::NoEvents(hash))?;
        let records = Vec::<EventRecord<RuntimeEvent, Hash>>::decode(&mut &raw[..])
            .map_err(|_| Error::StateMismatch(hash))?;
        let events = records.into_iter().map(|record| (record.phase, record.event)).collect();
        Ok(BlockEvents { events })
    }

    /// Follow finalised blocks from height `from` on, or from the next one.
    pub async fn heads(&self, from: Option<Height>) -> Result<Heads, Error> {
        let subscription = self
            .rpc()
            .subscribe(
                "chain_subscribeFinalizedHeads",
                rpc_params![],
                "chain_unsubscribeFinalizedHeads",
            )
            .await?;
        let announced = self.finalised().await?.height;
        let next = from.unwrap_or(announced.saturating_add(1));
        Ok(Heads { client: self.clone(), subscription, next, announced })
    }
}

impl Heads {
    /// The next block, as soon as it is final. May be dropped and called again.
    pub async fn next(&mut self) -> Result<Head, Error> {
        // A node may leave out blocks that became final together: they are asked for.
        while self.next > self.announced {
            let header = next(&mut self.subscription, "chain_subscribeFinalizedHeads").await?;
            self.announced = self.announced.max(header.number);
        }
        let hash = self.client.block_hash(self.next).await?;
        let head = self.client.head(hash).await?;
        self.next = self.next.saturating_add(1);
        Ok(head)
    }
}

impl BlockEvents {
    /// What a transaction of the block did, by its index in the block.
    pub fn of(&self, index: u32) -> impl Iterator<Item = &RuntimeEvent> {
        self.events
            .iter()
            .filter(move |(phase, _)| *phase == Phase::ApplyExtrinsic(index))
            .map(|(_, event)| event)
    }
}
