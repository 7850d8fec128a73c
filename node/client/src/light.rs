//! The chain as it is, whatever the node says: headers, certificates and proofs from one trusted block on.

use crate::{
    Client, Error, StateRead,
    remote::{Known, Missing, READS_MAX, Stop},
};
use codec::DecodeAll;
use jsonrpsee::rpc_params;
use primitives::{Hash, Height, Moment, RawKey, RawValue};
use runtime::{
    light::{Checkpoint, Light, LightBlock, LightHead, LightStart},
    view::Bytes,
};
use std::time::{SystemTime, UNIX_EPOCH};

/// Follows a chain through a node that need not be trusted; see the crate's documentation.
#[derive(Clone, Debug)]
pub struct LightClient {
    client: Client,
    light: Light,
}

impl Client {
    /// Follow the chain with this genesis from a block that you vouch for. Both hashes must come from a source of your own,
    /// not from the node.
    ///
    /// # Errors
    /// If the block is older than [`crate::TRUSTING_PERIOD_MS`], or what the node says of it is not proven.
    pub async fn follow(
        &self,
        genesis: Hash,
        checkpoint: Checkpoint,
    ) -> Result<LightClient, Error> {
        let method = "artel_lightStart";
        let start: Option<Bytes> = self.rpc().request(method, rpc_params![checkpoint.hash]).await?;
        let start = start.ok_or_else(|| Error::NoBlock(checkpoint.hash.to_string()))?;
        let start: LightStart = decoded(method, &start)?;
        let light = Light::begin(genesis, &checkpoint, start, now_ms())?;
        Ok(LightClient { client: self.clone(), light })
    }

    /// Follow the chain from a block that was known to be final before: a head that was kept.
    ///
    /// # Errors
    /// If it is older than [`crate::TRUSTING_PERIOD_MS`].
    pub fn follow_on(&self, genesis: Hash, head: LightHead) -> Result<LightClient, Error> {
        let light = Light::resume(genesis, head);
        light.check_now(now_ms())?;
        Ok(LightClient { client: self.clone(), light })
    }
}

impl LightClient {
    /// The last block that is known to be final.
    pub fn head(&self) -> &LightHead {
        self.light.head()
    }

    /// Go on to the latest block that the node proves.
    ///
    /// # Errors
    /// If what it says is not proven; what was proven before the fault stays. Ask another node then.
    pub async fn update(&mut self) -> Result<&LightHead, Error> {
        let method = "artel_lightBlocks";
        loop {
            let from: Height = self.light.head().height;
            let blocks: Vec<Bytes> = self.client.rpc().request(method, rpc_params![from]).await?;
            let mut is_last = true;
            for block in &blocks {
                let block: LightBlock = decoded(method, block)?;
                let deciding = self.light.head().validators_hash();
                self.light.follow(block, now_ms())?;
                // After a change of the validators there may be more, else it is the node's head. So nobody can lead on in
                // steps of a block without end.
                is_last = self.light.head().validators_hash() == deciding;
            }
            if is_last {
                return Ok(self.light.head());
            }
        }
    }

    /// The values under raw keys after [`Self::head`], proven. Nodes prove the states of the latest 16 blocks.
    ///
    /// # Errors
    /// If the node has no proofs for that block any more, or what it says does not hold.
    pub async fn prove(&self, keys: &[RawKey]) -> Result<Vec<Option<RawValue>>, Error> {
        let head = self.light.head();
        self.client.prove_under(&head.state_root, head.hash, keys).await
    }

    /// Run a query over the state after [`Self::head`], in which each value is proven. It may read values by their keys, as
    /// [`Client::query`] does, but not walk over keys.
    ///
    /// # Errors
    /// As those of [`Self::prove`].
    pub async fn query<T>(&self, query: impl Fn(&dyn StateRead) -> T) -> Result<T, Error> {
        let mut known = Known::default();
        for _ in 0..READS_MAX {
            match known.run(&query) {
                Ok(answer) => return Ok(answer),
                Err(Stop::Missing(Missing::Value(key))) => {
                    let mut values = self.prove(std::slice::from_ref(&key)).await?;
                    known.values.insert(key, values.pop().flatten());
                }
                Err(Stop::Missing(Missing::Keys { .. })) => return Err(Error::Unprovable),
                Err(Stop::Panicked) => return Err(Error::StateMismatch(self.light.head().hash)),
            }
        }
        Err(Error::TooManyReads { max: READS_MAX })
    }
}

fn decoded<T: DecodeAll>(method: &str, bytes: &Bytes) -> Result<T, Error> {
    T::decode_all(&mut &bytes.0[..])
        .map_err(|error| Error::Answer { method: method.to_owned(), reason: error.to_string() })
}

fn now_ms() -> Moment {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Moment::try_from(elapsed.as_millis()).unwrap_or(Moment::MAX)
}

#[cfg(test)]
mod tests;
