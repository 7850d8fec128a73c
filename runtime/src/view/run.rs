//! What transactions do, in words: the answers of `artel_explain`, `artel_trace` and `artel_estimate`.

use super::{Bytes, PolicyView, SpecView};
use primitives::{AccountId, Balance, Hash, Height, Moment, Nonce};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Most keys of each kind that a view of a transaction names.
pub const KEYS_TRACED_MAX: usize = 64;
/// Most events that one explanation has.
pub const EVENTS_EXPLAINED_MAX: usize = 1_000;

/// A name for programs and a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedView {
    /// Pallet and variant, such as `Tasks.UnknownTask`.
    pub name: String,
    /// What it means.
    pub text: String,
}

/// A call in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CallView {
    /// Pallet and call, such as `Balances.transfer_keep_alive`.
    pub name: String,
    /// Its arguments by name.
    pub args: Value,
    /// What it does.
    pub text: String,
}

/// An event in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventView {
    /// Pallet and event, such as `Balances.Transfer`.
    pub name: String,
    /// Its fields by name.
    pub fields: Value,
    /// What it tells.
    pub text: String,
}

/// How a transaction ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum EndView {
    /// It did what it says.
    Ok,
    /// It was included, paid its fee and did nothing else.
    Failed(ExplainedView),
    /// It cannot be included.
    Refused(ExplainedView),
}

/// A weight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WeightView {
    /// Time on the reference machine, in picoseconds.
    pub ref_time: u64,
    /// Bytes of proof; always 0.
    pub proof_size: u64,
}

/// Keys of the state that a transaction read or wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeysView {
    /// The first of them in order, at most [`KEYS_TRACED_MAX`].
    pub keys: Vec<Bytes>,
    /// How many they are.
    pub count: u32,
}

/// Which part of the state a transaction touched.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TouchedView {
    /// Keys that it read and had not written itself.
    pub reads: KeysView,
    /// Keys that it wrote.
    pub writes: KeysView,
}

/// What came of running a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunView {
    /// How it ended.
    pub end: EndView,
    /// What it paid, the tip included.
    pub fee: Balance,
    /// What of that is the tip.
    pub tip: Balance,
    /// What was charged for.
    pub weight: WeightView,
    /// What it told, in order.
    pub events: Vec<EventView>,
    /// What it touched; absent where it was not run to find out.
    pub touched: Option<TouchedView>,
}

/// A transaction of a block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TransactionView {
    /// Its hash.
    pub hash: Hash,
    /// The block that includes it.
    pub block: Hash,
    /// The block's number.
    pub height: Height,
    /// Its place in the block.
    pub index: u32,
    /// Who signed; absent for what the author adds.
    pub signer: Option<AccountId>,
    /// Its number among the signer's.
    pub nonce: Option<Nonce>,
    /// Its bytes.
    pub length: u32,
    /// What it asks for.
    pub call: CallView,
    /// What came of it.
    pub run: RunView,
}

/// Transactions of a block that were run again on the state before it: the answer of `artel_trace`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TraceView {
    /// The block.
    pub block: Hash,
    /// Its number.
    pub height: Height,
    /// The block on whose state it runs.
    pub parent: Hash,
    /// The block's time, in ms since 1970.
    pub time_ms: Moment,
    /// How many transactions the block has.
    pub count: u32,
    /// Those that were asked for, in order.
    pub transactions: Vec<TransactionView>,
}

/// What `artel_explain` is to explain: one of these.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ExplainRequest {
    /// SCALE bytes of a `DispatchError`.
    Error(Bytes),
    /// The error of a pallet, as clients show it.
    Module(ModuleErrorView),
    /// Value of `System.Events` of a block.
    Events(Bytes),
    /// Hash of a transaction that is in a block.
    Transaction(Hash),
}

/// The error of a pallet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ModuleErrorView {
    /// Index of the pallet.
    pub index: u8,
    /// The error's bytes: the first is its index in the pallet.
    pub error: Bytes,
}

/// The answer of `artel_explain`: that of the question's name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[allow(clippy::large_enum_variant)] // It is made once and written out.
pub enum ExplanationView {
    /// Why a call fails.
    Error(ExplainedView),
    /// What happened; at most [`EVENTS_EXPLAINED_MAX`].
    Events(Vec<EventView>),
    /// A transaction and what came of it.
    Transaction(TransactionView),
}

/// What `artel_estimate` is to estimate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
#[allow(clippy::large_enum_variant)] // It is read once and used up.
pub enum EstimateRequest {
    /// A transaction with its length in front; its signature may be anything.
    Extrinsic(Bytes),
    /// A call.
    Call {
        /// Its SCALE bytes.
        call: Bytes,
        /// Who would sign; without it the call is not run.
        #[serde(default)]
        signer: Option<AccountId>,
    },
    /// A task that would be created and funded.
    Task {
        /// What to compute.
        spec: SpecView,
        /// On which terms; the default ones if absent.
        #[serde(default)]
        policy: Option<PolicyView>,
        /// The reward, where the default terms hold.
        #[serde(default)]
        reward: Option<Balance>,
        /// Who would create it; without it the call is not run.
        #[serde(default)]
        signer: Option<AccountId>,
    },
}

/// What a transaction would cost and do: the answer of `artel_estimate`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EstimateView {
    /// The block after which it was estimated.
    pub height: Height,
    /// What is taken before the call runs, the tip included: most that it can cost.
    pub fee: Balance,
    /// What it declares, with the base of every transaction.
    pub weight: WeightView,
    /// Its bytes.
    pub length: u32,
    /// What running it now shows; absent if nobody is named who would sign.
    pub run: Option<RunView>,
    /// What more the signer has on hold after the run.
    pub held: Option<Balance>,
    /// The terms of the task, if it creates one.
    pub task: Option<TaskEstimateView>,
}

/// What a task would cost and how long it may take. Spans of market time, which stands still while the chain does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskEstimateView {
    /// What goes on hold: the deposit, and the work if the task is funded at once.
    pub held: Balance,
    /// For the task's place in state; it comes back at the end.
    pub deposit: Balance,
    /// Rewards with fees, and audits; what is not used comes back.
    pub work: Balance,
    /// Fee on each reward.
    pub fee: Balance,
    /// Burned if nobody takes the task.
    pub listing_fee: Balance,
    /// Stake that an agent puts at risk for it.
    pub stake_hold: Balance,
    /// Market time at which it expires if nobody claims it.
    pub claim_until_ms: Moment,
    /// How long an agent has, in ms.
    pub exec_ms: Moment,
    /// How long a result can be challenged, in ms.
    pub window_ms: Moment,
    /// Market time at which it has failed at the latest, if each agent in turn brings no result.
    pub failed_by_ms: Moment,
}
