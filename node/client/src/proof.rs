//! Values that are proven: the node is not believed, only the hash of a block.

use crate::{
    Client, Error,
    wire::{ChangesJson, FullHeaderJson, ReadProofJson},
};
use jsonrpsee::rpc_params;
use primitives::{
    Hash, RawKey, RawValue,
    crypto::hash::blake2_256,
    proof::{Proof, ProofError},
};
use runtime::view::Bytes;

/// Verify that after a block whose state has this root, the key has this value, or none. `proof` is an entry of what
/// `state_getReadProof` says; its format stands in `node/docs/read-proofs.md`.
///
/// # Errors
/// What does not hold.
pub fn verify_read_proof(
    state_root: &Hash,
    key: &[u8],
    value: Option<&[u8]>,
    proof: &[u8],
) -> Result<(), ProofError> {
    let value_hash = value.map(blake2_256);
    Proof::from_bytes(proof)?.verify(state_root, key, value_hash.as_ref())
}

impl Client {
    /// The values under raw keys after block `at`, proven: who trusts the block's hash need not trust the node. Nodes prove
    /// the states of the latest 16 blocks, and at most 256 keys at a time.
    ///
    /// ```no_run
    /// # use artel_client as client;
    /// # async fn example(client: client::Client) -> Result<(), client::Error> {
    /// let at = client.finalised_hash().await?;
    /// let values = client.prove(at, &[b":code".to_vec()]).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// If the node has no proofs for the block, or what it says does not hold.
    pub async fn prove(&self, at: Hash, keys: &[RawKey]) -> Result<Vec<Option<RawValue>>, Error> {
        let header: Option<FullHeaderJson> =
            self.rpc().request("chain_getHeader", rpc_params![at]).await?;
        let header = header.ok_or_else(|| Error::NoBlock(at.to_string()))?;
        let header = header.header().map_err(|reason| unproven("chain_getHeader", reason))?;
        if header.hash() != at {
            return Err(unproven("chain_getHeader", format!("the header is not that of {at}")));
        }
        self.prove_under(&header.state_root, at, keys).await
    }

    /// The values under raw keys after a block whose state has this root.
    pub(crate) async fn prove_under(
        &self,
        state_root: &Hash,
        at: Hash,
        keys: &[RawKey],
    ) -> Result<Vec<Option<RawValue>>, Error> {
        let named: Vec<Bytes> = keys.iter().cloned().map(Bytes).collect();
        let sets: Vec<ChangesJson> =
            self.rpc().request("state_queryStorageAt", rpc_params![&named, at]).await?;
        let answer: ReadProofJson =
            self.rpc().request("state_getReadProof", rpc_params![&named, at]).await?;
        let values: Vec<_> = sets.into_iter().flat_map(|set| set.changes).collect();
        if values.len() != keys.len() || answer.proof.len() != keys.len() {
            let reason = "there is not one value and one proof for each key".to_owned();
            return Err(unproven("state_getReadProof", reason));
        }
        let proven = keys.iter().zip(values).zip(answer.proof);
        proven
            .map(|((key, (_, value)), proof)| {
                let value = value.map(|Bytes(value)| value);
                verify_read_proof(state_root, key, value.as_deref(), &proof.0)
                    .map_err(|error| unproven("state_getReadProof", error.to_string()))?;
                Ok(value)
            })
            .collect()
    }
}

fn unproven(method: &str, reason: String) -> Error {
    Error::Answer { method: method.to_owned(), reason }
}
