//! Tasks: prepare, post, fund, follow, accept, cancel; payouts.

use crate::{Client, Error, Receipt, SignedTx, TxOptions, blob::cid_of, transport::next};
use blobs::Cid;
use framework::StateRead;
use jsonrpsee::{core::client::Subscription, rpc_params};
use pallets::{
    tasks::{self, Input, Policy, TaskSpec},
    validations,
};
use primitives::{
    AccountId, Hash,
    crypto::{hash::blake2_256, pair::Pair},
};
use runtime::{
    RuntimeCall,
    view::{
        MarketView, OutcomeView, PayoutView, ResultView, TaskEventView, TaskFilter, TaskPage,
        TaskView,
    },
};

/// Number of the engine `wasm-1`.
const ENGINE_WASM_1: u16 = 1;

/// How much a task's program may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskLimits {
    /// Most fuel; the program ends with a paid `out of fuel` when it is used up.
    pub fuel: u64,
    /// Most memory, in pages of 64 KiB.
    pub memory_pages: u32,
    /// Most bytes of output.
    pub output_bytes: u64,
}

impl Default for TaskLimits {
    /// Some seconds of work, 64 MiB of memory and as much of output.
    fn default() -> Self {
        Self { fuel: 10_000_000_000, memory_pages: 1_024, output_bytes: 64 << 20 }
    }
}

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

/// The specification of a task of the engine `wasm-1` whose program and input need not be uploaded yet, to estimate what it costs;
/// [`Client::prepare_task`] uploads them too.
///
/// # Errors
///
/// Program or input is larger than a blob can be.
pub fn task_spec(
    program: &[u8],
    input: &[u8],
    args: Vec<Vec<u8>>,
    limits: TaskLimits,
) -> Result<TaskSpec, Error> {
    let input = if input.len() <= tasks::INPUT_INLINE_BYTES_MAX {
        Input::Inline(input.to_vec())
    } else {
        Input::Blob {
            cid: tasks::Cid(cid_of(input)?.to_bytes()),
            plaintext_hash: blake2_256(input),
            key_commit: None,
            size: input.len() as u64,
        }
    };
    Ok(TaskSpec {
        engine: ENGINE_WASM_1,
        program: tasks::Cid(cid_of(program)?.to_bytes()),
        input,
        args,
        fuel_limit: limits.fuel,
        memory_pages_max: limits.memory_pages,
        output_bytes_max: limits.output_bytes,
    })
}

impl Client {
    /// Upload a program for the engine `wasm-1` and what it reads, and make the specification of a task that runs it. A short
    /// input stands in the task itself.
    pub async fn prepare_task(
        &self,
        program: &[u8],
        input: &[u8],
        args: Vec<Vec<u8>>,
        limits: TaskLimits,
    ) -> Result<TaskSpec, Error> {
        let spec = task_spec(program, input, args, limits)?;
        self.upload(program).await?;
        if matches!(spec.input, Input::Blob { .. }) {
            self.upload(input).await?;
        }
        Ok(spec)
    }

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

    /// Wait until a task has a result, or has ended without one. How long that may take, its terms tell; drop this to stop.
    pub async fn wait_for_result(&self, id: Hash) -> Result<TaskView, Error> {
        let mut events = self.watch_task(Some(id)).await?;
        loop {
            let task = self.task(id).await?.ok_or(Error::NoTask(id))?;
            if task.outcome.is_some() || task.state.is_final() {
                return Ok(task);
            }
            events.next().await?;
        }
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
