//! What transactions cost and do, and why they fail, in words.

use crate::{Client, Error};
use jsonrpsee::rpc_params;
use primitives::Hash;
use runtime::view::{EstimateRequest, EstimateView, ExplainRequest, ExplanationView, TraceView};

impl Client {
    /// Errors, events and transactions in words. `None` if no block has the transaction.
    pub async fn explain(&self, what: &ExplainRequest) -> Result<Option<ExplanationView>, Error> {
        self.rpc().request("artel_explain", rpc_params![what]).await
    }

    /// What a transaction, a call or a task would cost, hold and do after the best block.
    ///
    /// ```no_run
    /// # use artel_client as client;
    /// # use client::pallets::tasks::{self, Policy, TaskSpec};
    /// # async fn example(client: client::Client, spec: TaskSpec, policy: Policy) -> Result<(), client::Error> {
    /// use client::{RuntimeCall, view::{Bytes, EstimateRequest}};
    /// use codec::Encode;
    ///
    /// let call = tasks::Call::create_task { spec, policy, requester: None, funded: true };
    /// let call = Bytes(RuntimeCall::Tasks(call).encode());
    /// let estimate = client.estimate(&EstimateRequest::Call { call, signer: None }).await?;
    /// let task = estimate.task.expect("the call creates a task");
    /// println!("fee at most {}, on hold {}", estimate.fee, task.held);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn estimate(&self, what: &EstimateRequest) -> Result<EstimateView, Error> {
        self.rpc().request("artel_estimate", rpc_params![what]).await
    }

    /// What the transactions of a block did and touched, or the one with this index. Nodes answer on loopback, or where
    /// their operators chose to.
    pub async fn trace(&self, block: Hash, index: Option<u32>) -> Result<TraceView, Error> {
        self.rpc().request("artel_trace", rpc_params![block, index]).await
    }
}
