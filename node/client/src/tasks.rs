//! Tasks: post, fund, follow, accept, cancel; agents and payouts.

use crate::{Client, Error, Receipt, SignedTx, TxOptions, transport::next};
use blobs::Cid;
use framework::StateRead;
use jsonrpsee::{core::client::Subscription, rpc_params};
use pallets::{
    tasks::{self, Policy, TaskSpec},
    validations,
};
use primitives::{
    AccountId, Hash,
    crypto::{hash::blake2_256, pair::Pair},
};
use runtime::{
    RuntimeCall,
    view::{
        AgentView, MarketView, OutcomeView, PayoutView, ResultView, TaskEventView, TaskFilter,
        TaskPage, TaskView,
    },
};

/// A task that was posted.
#[derive(Clone, Debug)]
pub struct Posted {
    /// The task.
    pub task: Hash,
    /// The transaction that created it.
    pub receipt: Receipt,
}

/// What happens to a task, or to all of them, in finalised blocks.
pub struct TaskEvents {
    subscription: Subscription<TaskEventView>,
}

impl TaskEvents {
    /// The next event. May be dropped and called again.
    pub async fn next(&mut self) -> Result<TaskEventView, Error> {
        next(&mut self.subscription, "artel_taskEvents").await
    }
}

impl Client {
    /// Post a task and put its whole cost into escrow; ends when the task is final on the chain.
    pub async fn post_task(
        &self,
        signer: &Pair,
        spec: TaskSpec,
        policy: Policy,
    ) -> Result<Posted, Error> {
        let tx = self.sign_task(signer, spec, policy).await?;
        let task = self.task_of(&tx);
        let receipt = self.submit_and_watch(&tx).await?.ok()?;
        Ok(Posted { task, receipt })
    }

    /// The transaction that posts a task and puts its whole cost into escrow.
    pub async fn sign_task(
        &self,
        signer: &Pair,
        spec: TaskSpec,
        policy: Policy,
    ) -> Result<SignedTx, Error> {
        let call = tasks::Call::create_task { spec, policy, requester: None, funded: true };
        self.sign(signer, &RuntimeCall::Tasks(call), TxOptions::default()).await
    }

    /// The id of the task that a transaction of one `create_task` creates: known before it is sent.
    pub fn task_of(&self, tx: &SignedTx) -> Hash {
        tasks::task_id(&self.chain().genesis, &tx.signer, tx.nonce, 0)
    }

    /// Fund somebody's task, meaning the specification with this hash.
    pub async fn fund_task(
        &self,
        signer: &Pair,
        task: Hash,
        spec_hash: Hash,
    ) -> Result<Receipt, Error> {
        self.call(signer, &RuntimeCall::Tasks(tasks::Call::fund_task { task, spec_hash })).await
    }

    /// Take a task back.
    pub async fn cancel_task(&self, signer: &Pair, task: Hash) -> Result<Receipt, Error> {
        self.call(signer, &RuntimeCall::Tasks(tasks::Call::cancel_task { task })).await
    }

    /// Accept a task's result, so that its agent is paid at once.
    pub async fn accept_result(&self, signer: &Pair, task: Hash) -> Result<Receipt, Error> {
        let call = validations::Call::accept_result { task };
        self.call(signer, &RuntimeCall::Validations(call)).await
    }

    /// A task as of the best block.
    pub async fn task(&self, id: Hash) -> Result<Option<TaskView>, Error> {
        self.rpc().request("artel_task", rpc_params![id]).await
    }

    /// A page of tasks that fit a filter, after the id `start`.
    pub async fn tasks(
        &self,
        filter: &TaskFilter,
        start: Option<Hash>,
        count: u32,
    ) -> Result<TaskPage, Error> {
        self.rpc().request("artel_tasks", rpc_params![filter, start, count]).await
    }

    /// Follow one task, or all of them, from the next finalised block on.
    pub async fn watch_task(&self, id: Option<Hash>) -> Result<TaskEvents, Error> {
        let subscription = self
            .rpc()
            .subscribe("artel_taskEvents", rpc_params![id], "artel_unwatchTaskEvents")
            .await?;
        Ok(TaskEvents { subscription })
    }

    /// The output of a task whose program ended well, verified against the hash on the chain.
    ///
    /// # Errors
    /// If there is no such task, no result yet, or the result is a trap or out of fuel; the error says which.
    pub async fn output(&self, id: Hash) -> Result<Vec<u8>, Error> {
        let task = self.task(id).await?.ok_or(Error::NoTask(id))?;
        let no_result = |why: String| Error::NoResult { task: id, why };
        let (inline, cid, hash, size) = match task.outcome {
            Some(OutcomeView { result: ResultView::Ok { inline, cid, hash, size }, .. }) => {
                (inline, cid, hash, size)
            }
            Some(OutcomeView { result: ResultView::Trap { code }, .. }) => {
                return Err(no_result(format!("its program failed with trap {code}")));
            }
            Some(OutcomeView { result: ResultView::OutOfFuel, .. }) => {
                return Err(no_result("its program used up its fuel".to_owned()));
            }
            None => return Err(no_result(format!("it is {:?}", task.state))),
        };
        let output = match (inline, cid) {
            (Some(bytes), _) => bytes.0,
            (None, Some(cid)) => {
                let cid: Cid = cid.parse().map_err(|error| no_result(format!("{error}")))?;
                self.download(&cid, size).await?
            }
            (None, None) => return Err(no_result("the node names no output".to_owned())),
        };
        if blake2_256(&output) != hash {
            return Err(no_result("its output is not what its agent signed".to_owned()));
        }
        Ok(output)
    }

    /// What the registry knows of an agent.
    pub async fn agent(&self, account: &AccountId) -> Result<Option<AgentView>, Error> {
        self.rpc().request("artel_agent", rpc_params![account]).await
    }

    /// The payouts of a task.
    pub async fn payouts_of_task(&self, task: Hash) -> Result<Vec<PayoutView>, Error> {
        let which = serde_json::json!({ "task": task });
        self.rpc().request("artel_payouts", rpc_params![which]).await
    }

    /// What an account is still owed.
    pub async fn payouts_of_account(&self, account: &AccountId) -> Result<Vec<PayoutView>, Error> {
        let which = serde_json::json!({ "account": account });
        self.rpc().request("artel_payouts", rpc_params![which]).await
    }

    /// The market's clock and seed.
    pub async fn market(&self) -> Result<MarketView, Error> {
        self.rpc().request("artel_market", rpc_params![]).await
    }

    /// What a task would hold in escrow, by the fees in force.
    pub async fn task_cost(
        &self,
        spec: &TaskSpec,
        policy: &Policy,
    ) -> Result<pallets::escrow::Cost, Error> {
        let query = |state: &dyn StateRead| tasks::cost(state, spec, policy);
        self.query(None, query).await?.map_err(|error| Error::Answer {
            method: "task_cost".to_owned(),
            reason: runtime::explain::error(&error).text,
        })
    }
}
