//! A node, and subxt connected to it.

use anyhow::{Context, Result, bail};
use e2e::process::DevNode;
use std::sync::Arc;
use subxt::{
    OnlineClient, OnlineClientAtBlock, SubstrateConfig,
    backend::{ChainHeadBackend, LegacyBackend},
    client::OnlineClientAtBlockImpl,
    config::{DefaultExtrinsicParamsBuilder, ParamsFor, RpcConfigFor, substrate::H256},
    error::{DispatchError, TransactionEventsError},
    extrinsics::ExtrinsicEvents,
    rpcs::{self, LegacyRpcMethods, RpcClient, UserError},
    tx::{Payload, Signer, TransactionProgress},
};
use tempfile::TempDir;

pub type Chain = SubstrateConfig;
/// The chain at one block.
pub type At = OnlineClientAtBlock<Chain>;
/// What one transaction did.
pub type Events = ExtrinsicEvents<Chain>;
/// What becomes of a transaction that was sent.
pub type Progress = TransactionProgress<Chain, OnlineClientAtBlockImpl<Chain>>;
type Params = ParamsFor<Chain>;

/// A node of its own, and a connection to it.
pub struct Session {
    pub api: OnlineClient<Chain>,
    /// The methods themselves, on the same connection.
    pub rpc: LegacyRpcMethods<RpcConfigFor<Chain>>,
    // In this order: the node ends before its folder goes.
    _node: DevNode,
    _folder: TempDir,
}

/// A transaction in a finalised block.
pub struct Included {
    /// The chain at that block.
    pub at: At,
    /// The transaction with its length, as it was sent.
    pub bytes: Vec<u8>,
    pub events: Events,
    pub result: Result<(), DispatchError>,
}

/// Signing with nothing but what subxt chooses by itself.
pub fn plain() -> Params {
    params().build()
}

/// What a signer may choose.
pub fn params() -> DefaultExtrinsicParamsBuilder<Chain> {
    DefaultExtrinsicParamsBuilder::new()
}

/// The methods that subxt works with.
pub enum Methods {
    /// Those that it prefers of what the node lists.
    Preferred,
    /// The older ones alone.
    Legacy,
    /// The newer ones alone.
    ChainHead,
    /// Those that it prefers of what a node lists that keeps all history.
    OfAnArchive,
}

impl Session {
    pub async fn start(methods: Methods) -> Result<Self> {
        let folder = TempDir::new()?;
        let flags: &[_] = match methods {
            Methods::OfAnArchive => &["--no-agent", "--archive"],
            Methods::Preferred | Methods::Legacy | Methods::ChainHead => &["--no-agent"],
        };
        let node = DevNode::start(folder.path(), flags)?;
        let client = RpcClient::from_insecure_url(&node.url).await?;
        let api = match methods {
            Methods::Preferred | Methods::OfAnArchive => {
                OnlineClient::from_rpc_client(client.clone()).await?
            }
            Methods::ChainHead => {
                let builder = ChainHeadBackend::builder();
                let backend = builder.build_with_background_driver(client.clone());
                OnlineClient::from_backend(Arc::new(backend)).await?
            }
            Methods::Legacy => {
                let backend = LegacyBackend::builder().build(client.clone());
                OnlineClient::from_backend(Arc::new(backend)).await?
            }
        };
        Ok(Self { api, rpc: LegacyRpcMethods::new(client), _node: node, _folder: folder })
    }

    /// The chain at its last finalised block.
    pub async fn now(&self) -> Result<At> {
        Ok(self.api.at_current_block().await?)
    }

    /// Signs a call, sends it and waits until it is final.
    pub async fn send(
        &self,
        call: &impl Payload,
        signer: &impl Signer<Chain>,
        params: Params,
    ) -> Result<Included> {
        let tx = self.now().await?.tx().create_signed(call, signer, params).await?;
        let block = tx.submit_and_watch().await?.wait_for_finalized().await?;
        let result = match block.wait_for_success().await {
            Ok(_) => Ok(()),
            Err(TransactionEventsError::ExtrinsicFailed(error)) => Err(error),
            Err(error) => return Err(error.into()),
        };
        let events = block.fetch_events().await?;
        Ok(Included { at: block.at().await?, bytes: tx.into_encoded(), events, result })
    }

    /// As [`Self::send`]; the call must succeed.
    pub async fn make(
        &self,
        call: &impl Payload,
        signer: &impl Signer<Chain>,
        params: Params,
    ) -> Result<Included> {
        let included = self.send(call, signer, params).await?;
        included.result.as_ref().map_err(|error| anyhow::anyhow!("it failed: {error}"))?;
        Ok(included)
    }

    /// What the node says of a transaction that its pool must not take: code and reason.
    pub async fn refusal(&self, tx: &[u8]) -> Result<(i32, String)> {
        match self.rpc.author_submit_extrinsic(tx).await {
            Ok(hash) => bail!("the pool took {hash:?}"),
            Err(rpcs::Error::User(UserError { code, data, message })) => {
                let data = data.with_context(|| format!("{message} has no reason"))?;
                Ok((code, data.get().trim_matches('"').to_owned()))
            }
            Err(error) => Err(error.into()),
        }
    }
}

impl Included {
    /// The transaction as the block has it: bytes of an extension, by its name.
    pub async fn extension(&self, name: &str) -> Result<Vec<u8>> {
        let extrinsics = self.at.extrinsics().fetch().await?;
        for extrinsic in extrinsics.iter() {
            let extrinsic = extrinsic?;
            if extrinsic.hash() == self.events.extrinsic_hash() {
                let extensions = extrinsic.transaction_extensions().context("it is signed")?;
                let found = extensions.iter().find(|extension| extension.name() == name);
                return Ok(found.context("the extension is there")?.bytes().to_vec());
            }
        }
        bail!("the block does not have the transaction")
    }

    /// Hash of the block before.
    pub async fn parent(&self) -> Result<H256> {
        Ok(self.at.block_header().await?.parent_hash)
    }
}
