//! Committing the block that was decided, here or by others.

use crate::{Chain, CheckError, CheckRequest, Error, Head};
use primitives::{AccountId, Block, Certificate, Hash, Header, Nonce, ValidatorInfo};
use runtime::Rules;
use std::sync::Arc;
use storage::{CommitInput, Snapshot, Store};

/// How a block gets to the disk.
type Commit = for<'a> fn(&'a mut Store, CommitInput<'_>) -> Result<&'a Snapshot, storage::Error>;

/// A block that became final. Its events are the value of `System.Events` in the head's snapshot.
#[derive(Clone, Debug)]
pub struct Committed {
    /// The new head.
    pub head: Head,
    /// The block.
    pub block: Arc<Block>,
    /// Hashes of the whole body, in order.
    pub hashes: Vec<Hash>,
    /// The signed transactions, in order.
    pub included: Vec<Included>,
}

/// A signed transaction of a final block: what the pool needs to know of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Included {
    /// Hash of the full bytes.
    pub hash: Hash,
    /// Who signed it.
    pub sender: AccountId,
    /// Its nonce: the account's is one more now.
    pub nonce: Nonce,
}

impl Chain {
    /// Commits a block that was built or checked on the head. When this returns, it is on disk and is the head. The caller
    /// vouches for the certificate's signatures.
    ///
    /// [`Error::UnknownBlock`] leaves everything as it was: check the block, then commit it.
    pub fn commit(&mut self, hash: &Hash, certificate: Certificate) -> Result<Committed, Error> {
        self.commit_with(hash, certificate, Store::commit)
    }

    fn commit_with(
        &mut self,
        hash: &Hash,
        certificate: Certificate,
        commit: Commit,
    ) -> Result<Committed, Error> {
        let candidate = self.candidates.stage(&mut self.store, hash)?;
        let transactions = candidate.transactions.iter().map(|tx| tx.hash());
        let hashes: Vec<Hash> = candidate.inherents.iter().copied().chain(transactions).collect();
        let validators = changed_validators(&self.head, &self.store, &candidate.block.header);
        let input = CommitInput {
            block: &candidate.block,
            hash: *hash,
            certificate: &certificate,
            transaction_hashes: &hashes,
            validators: validators.as_deref(),
        };
        let snapshot = commit(&mut self.store, input)?.clone();

        let candidate = self.candidates.finish();
        self.head = Head {
            height: snapshot.height,
            hash: *hash,
            header: Arc::new(candidate.block.header.clone()),
            time_ms: candidate.time_ms,
            rules: Rules::at(&snapshot),
            snapshot,
            certificate: Some(Arc::new(certificate)),
        };
        self.verifier.forget(&hashes);
        let included = candidate.transactions.iter().map(|tx| {
            let decoded = &tx.checked.tx;
            Included { hash: decoded.hash, sender: decoded.signer, nonce: decoded.extra.nonce }
        });
        let included = included.collect();
        Ok(Committed { head: self.head.clone(), block: candidate.block, hashes, included })
    }

    /// Checks and commits a final block that came from a peer; without a clock, as it is decided. `None` if the chain
    /// has it already, or began with the state after a later one. The caller vouches for the certificate; `seed` is as in
    /// [`CheckRequest`].
    ///
    /// # Errors
    ///
    /// [`Error::Fork`] if the chain has another block at its height. A [`CheckError::Fault`] says that the block is not
    /// valid, or not the next.
    pub fn import(
        &mut self,
        block: Block,
        certificate: Certificate,
        seed: [u8; 32],
    ) -> Result<Option<Committed>, CheckError> {
        self.import_with(block, certificate, seed, Store::commit)
    }

    /// As [`Self::import`], for a block that others follow at once: it is not waited until the disk has it, as
    /// [`Store::commit_lazily`] says. Where the machine crashes, peers have it still.
    pub fn import_lazily(
        &mut self,
        block: Block,
        certificate: Certificate,
        seed: [u8; 32],
    ) -> Result<Option<Committed>, CheckError> {
        self.import_with(block, certificate, seed, Store::commit_lazily)
    }

    fn import_with(
        &mut self,
        block: Block,
        certificate: Certificate,
        seed: [u8; 32],
        commit: Commit,
    ) -> Result<Option<Committed>, CheckError> {
        let (height, theirs) = (block.header.number, block.hash());
        assert_eq!((certificate.height, certificate.block), (height, theirs), "it is the block's");
        if height <= self.head.height {
            let database = self.database();
            if height > 0 && height < database.first_block().map_err(Error::from)? {
                return Ok(None);
            }
            let ours = database.hash(height).map_err(Error::from)?;
            let ours = ours.ok_or(Error::NoBlock(height))?;
            return if ours == theirs {
                Ok(None)
            } else {
                Err(Error::Fork { height, ours, theirs }.into())
            };
        }
        self.check(CheckRequest { block, now_ms: None, seed })?;
        Ok(Some(self.commit_with(&theirs, certificate, commit)?))
    }
}

/// Who decides the blocks after the staged one, if that differs from who decides it.
fn changed_validators(head: &Head, store: &Store, header: &Header) -> Option<Vec<ValidatorInfo>> {
    let after = |header| Some(runtime::parse_digest(header).ok()?.next_validators);
    let before = after(&head.header);
    // Genesis has no log.
    let before = before.unwrap_or_else(|| runtime::validator_set(&head.snapshot).members_hash());
    (after(header)? != before).then(|| runtime::validator_set(&store.view()).validators)
}
