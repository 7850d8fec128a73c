//! Transactions: sign, submit, and watch until they are final.

use crate::{Client, Error, Failure, transport::next, wire::TxStatusJson};
use codec::Encode;
use jsonrpsee::{core::client::Subscription, rpc_params};
use pallets::{balances, system};
use primitives::{
    AccountId, Balance, Era, Hash, Height, MultiAddress, Nonce, OpaqueTransaction, SigningContext,
    Transaction, TransactionExtra, crypto::pair::Pair, signing_payload,
};
use runtime::{RuntimeCall, RuntimeEvent, TRANSACTION_VERSION, view::Bytes};
use std::time::Duration;

/// In how many blocks a transaction must be included unless told otherwise.
const PERIOD_BLOCKS: u32 = 64;
/// Longest wait for a watched transaction; the pool drops it earlier when its era ends.
const WATCH_TIMEOUT: Duration = Duration::from_secs(180);

/// The method that watches.
const WATCH: &str = "author_submitAndWatchExtrinsic";

/// What a signer may choose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TxOptions {
    /// The nonce; by default the next one, waiting transactions counted.
    pub nonce: Option<Nonce>,
    /// For the author, on top of the fee.
    pub tip: Balance,
}

/// A transaction that is ready to be sent; sending it twice does what sending it once does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedTx {
    /// Its bytes.
    pub bytes: OpaqueTransaction,
    /// Its hash.
    pub hash: Hash,
    /// Who signed.
    pub signer: AccountId,
    /// Its number among the signer's.
    pub nonce: Nonce,
    /// The first height at which it can no longer be included.
    pub dies_at: Height,
    /// The rules that it was signed for; it is void after a change of them.
    pub spec_version: u32,
}

/// A transaction in a finalised block.
#[derive(Clone, Debug)]
pub struct Receipt {
    /// The transaction.
    pub hash: Hash,
    /// The block.
    pub block: Hash,
    /// The block's number.
    pub height: Height,
    /// The transaction's place in the block.
    pub index: u32,
    /// What it did, in order; the last says how it ended.
    pub events: Vec<RuntimeEvent>,
    /// How it ended.
    pub result: Result<(), Failure>,
}

impl Receipt {
    /// The receipt of a success; an error otherwise.
    pub fn ok(self) -> Result<Self, Error> {
        match self.result {
            Ok(()) => Ok(self),
            Err(failure) => Err(Error::Failed { hash: self.hash, height: self.height, failure }),
        }
    }
}

impl Client {
    /// Sign a call for this chain.
    pub async fn sign(
        &self,
        signer: &Pair,
        call: &RuntimeCall,
        options: TxOptions,
    ) -> Result<SignedTx, Error> {
        let account = signer.account();
        let nonce = match options.nonce {
            Some(nonce) => nonce,
            None => self.next_nonce(&account).await?,
        };
        let head = self.finalised().await?;
        let era = Era::mortal(PERIOD_BLOCKS, head.height);
        let birth = self.block_hash(era.birth(head.height)).await?;
        // The chain may have changed its rules since this program connected.
        let spec_version = self.spec_version(head.hash).await?;
        let context = SigningContext {
            spec_version,
            transaction_version: TRANSACTION_VERSION,
            genesis: self.chain().genesis,
            birth,
            metadata_digest: None,
        };
        let extra = TransactionExtra::new(era, nonce, options.tip);
        let signature = signer.sign(&signing_payload(&call.encode(), &extra, &context));
        let address = MultiAddress::Id(account);
        let transaction = Transaction::Signed { address, signature, extra, call };
        let bytes = OpaqueTransaction(transaction.encode());
        let hash = bytes.hash();
        let dies_at = era.death(head.height);
        Ok(SignedTx { bytes, hash, signer: account, nonce, dies_at, spec_version })
    }

    /// Hand a transaction to the node's pool.
    pub async fn submit(&self, tx: &SignedTx) -> Result<Hash, Error> {
        let bytes = Bytes(tx.bytes.encode());
        self.rpc().request("author_submitExtrinsic", rpc_params![bytes]).await
    }

    /// Hand a transaction to the node's pool; [`Watched::finalised`] waits for the rest.
    pub async fn watch(&self, tx: &SignedTx) -> Result<Watched, Error> {
        let bytes = Bytes(tx.bytes.encode());
        let statuses =
            self.rpc().subscribe(WATCH, rpc_params![bytes], "author_unwatchExtrinsic").await?;
        Ok(Watched { client: self.clone(), hash: tx.hash, statuses })
    }

    /// Hand a transaction to the node's pool and wait until it is final. That it failed is part of the receipt.
    pub async fn submit_and_watch(&self, tx: &SignedTx) -> Result<Receipt, Error> {
        self.watch(tx).await?.finalised().await
    }

    /// Sign a call, wait until it is final, and fail if it failed.
    pub async fn call(&self, signer: &Pair, call: &RuntimeCall) -> Result<Receipt, Error> {
        let tx = self.sign(signer, call, TxOptions::default()).await?;
        self.submit_and_watch(&tx).await?.ok()
    }

    /// Send money and wait until that is final. The sender's account stays alive.
    pub async fn transfer(
        &self,
        signer: &Pair,
        to: AccountId,
        amount: Balance,
    ) -> Result<Receipt, Error> {
        let call = balances::Call::transfer_keep_alive { dest: to.into(), value: amount };
        self.call(signer, &RuntimeCall::Balances(call)).await
    }

    /// What a transaction did in the block that includes it.
    pub async fn receipt(&self, hash: Hash, block: Hash) -> Result<Receipt, Error> {
        let (height, body) = self.body(block).await?;
        let index = body.iter().position(|bytes| bytes.hash() == hash).ok_or_else(|| {
            let status = format!("the node says block {block} has it, which is not so");
            Error::NotIncluded { hash, status }
        })?;
        let index =
            u32::try_from(index).expect("a block has fewer transactions than u32 can count");
        let events: Vec<RuntimeEvent> = self.events(block).await?.of(index).cloned().collect();
        let failed = events.iter().find_map(|event| match event {
            RuntimeEvent::System(system::Event::ExtrinsicFailed { dispatch_error, .. }) => {
                Some(Failure::new(*dispatch_error))
            }
            _ => None,
        });
        Ok(Receipt { hash, block, height, index, events, result: failed.map_or(Ok(()), Err) })
    }
}

/// A transaction that the node's pool has taken.
pub struct Watched {
    client: Client,
    hash: Hash,
    statuses: Subscription<TxStatusJson>,
}

impl Watched {
    /// Wait until the transaction is final. That it failed is part of the receipt.
    pub async fn finalised(mut self) -> Result<Receipt, Error> {
        let block = tokio::time::timeout(WATCH_TIMEOUT, self.block()).await;
        let block = block.unwrap_or_else(|_| {
            Err(Error::TimedOut {
                what: format!("the inclusion of transaction {}", self.hash),
                seconds: WATCH_TIMEOUT.as_secs(),
            })
        })?;
        self.client.receipt(self.hash, block).await
    }

    /// The finalised block that includes the transaction.
    async fn block(&mut self) -> Result<Hash, Error> {
        loop {
            let status = match next(&mut self.statuses, WATCH).await? {
                TxStatusJson::Finalized(block) => return Ok(block),
                TxStatusJson::Future
                | TxStatusJson::Ready
                | TxStatusJson::Broadcast(_)
                | TxStatusJson::InBlock(_)
                | TxStatusJson::Retracted(_) => continue,
                TxStatusJson::FinalityTimeout(block) => {
                    format!("block {block} did not become final")
                }
                TxStatusJson::Usurped(other) => format!("{other} took its nonce with a higher tip"),
                TxStatusJson::Dropped => {
                    "the pool is full; send it again later or with a tip".to_owned()
                }
                TxStatusJson::Invalid => {
                    "it is no longer valid: its nonce or its era has passed".to_owned()
                }
            };
            return Err(Error::NotIncluded { hash: self.hash, status });
        }
    }
}
