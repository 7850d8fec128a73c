//! What the `artel_*` methods of JSON-RPC say, as types: the server fills them, clients read them.
//!
//! Field names are camelCase in JSON. Amounts are decimal strings, bytes are 0x-hex, blobs' names are CIDs in base32,
//! moments are milliseconds. "Market time" runs as the market's own clock does: it stands still while the chain does.

mod fill;
mod run;
mod run_fill;

pub use fill::{
    agent, cid, market, payouts_of_account, payouts_of_task, task, task_event, task_events, tasks,
};
pub use run::*;
pub use run_fill::{
    Place, call, error, estimate, event, events, refusal, run_of_events, run_of_trace, runs,
    spec_of, transaction,
};

use primitives::{AccountId, Balance, Hash, Height, Moment, ValidatorInfo};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::{borrow::Cow, fmt};

/// Most tasks that one page holds.
pub const TASKS_PAGE_MAX: u32 = 100;
/// Most tasks that are looked at for one page; a filter that fits few ends a page early.
pub const TASKS_SCANNED_MAX: usize = 1_000;
/// Most payouts that one answer lists.
pub const PAYOUTS_MAX: usize = 1_000;

/// Bytes that stand in JSON as 0x-hex.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{}", hex::encode(&self.0))
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Bytes {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <Cow<'de, str>>::deserialize(deserializer)?;
        hex::decode(text.as_ref()).map(Self).map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Bytes {
    fn schema_name() -> Cow<'static, str> {
        "Bytes".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^(0x([0-9a-fA-F]{2})*)?$",
            "description": "Bytes in hex.",
        })
    }
}

/// Where a task stands.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum TaskState {
    /// Posted, and waiting for its money.
    AwaitingEscrow,
    /// Funded, and waiting for agents.
    Pending,
    /// Agents compute it.
    Assigned,
    /// Agents reveal what they committed to.
    Revealing,
    /// There is a result, which may be challenged.
    Validating,
    /// Validators compute it anew.
    Disputed,
    /// The result stands; payouts are under way.
    Validated,
    /// All is paid.
    Settled,
    /// Nobody took it in time, or nobody funded it.
    Expired,
    /// The requester took it back.
    Cancelled,
    /// Nobody brought a result.
    Failed,
}

impl TaskState {
    /// Whether the task has come to its end.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Settled | Self::Expired | Self::Cancelled | Self::Failed)
    }
}

/// A task: the answer of `artel_task`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskView {
    /// The task's name.
    pub id: Hash,
    /// Who posted it.
    pub requester: AccountId,
    /// Who pays for it, if not the requester.
    pub sponsor: Option<AccountId>,
    /// Where it stands.
    pub state: TaskState,
    /// How often it went back to the start: the attempt's number, from 0.
    pub attempt: u32,
    /// What is to be computed.
    pub spec: SpecView,
    /// On which terms.
    pub policy: PolicyView,
    /// What its escrow holds now.
    pub escrow: Balance,
    /// Who claimed it and waits for the draw.
    pub candidates: Vec<AccountId>,
    /// Who computes it, or did.
    pub slots: Vec<SlotView>,
    /// Until when the present state may last; absent where payouts end it.
    pub deadline: Option<DeadlineView>,
    /// When the requester's cancellation takes effect, if no result comes before.
    pub cancel: Option<DeadlineView>,
    /// Whether the agent was paid before the result stands, as the requester accepted it.
    pub paid_early: bool,
    /// When it was created.
    pub created: StampView,
    /// When it reached its present state.
    pub changed: StampView,
    /// The last result, once there is one.
    pub outcome: Option<OutcomeView>,
    /// Why it ended.
    pub close_reason: Option<ReasonView>,
}

/// What is to be computed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SpecView {
    /// Number of the engine; 1 is `wasm-1`.
    pub engine: u16,
    /// CID of the program.
    pub program: String,
    /// What the program reads on stdin.
    pub input: InputView,
    /// The program's arguments, from argument 1 on.
    pub args: Vec<Bytes>,
    /// Most fuel.
    pub fuel_limit: u64,
    /// Most pages of 64 KiB of memory.
    pub memory_pages_max: u32,
    /// Most bytes of output.
    pub output_bytes_max: u64,
}

/// What a program reads on stdin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum InputView {
    /// In the task itself.
    Inline(Bytes),
    /// A blob.
    Blob {
        /// Its CID.
        cid: String,
        /// blake2b-256 of what the program reads.
        plaintext_hash: Hash,
        /// Commitment to the key under which it is sealed, if it is.
        key_commit: Option<Hash>,
        /// Bytes of the blob.
        size: u64,
    },
}

/// On which terms a task is computed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyView {
    /// Reward of each slot.
    pub reward: Balance,
    /// How many agents compute it.
    pub replicas: u32,
    /// How many equal results are needed.
    pub quorum: u32,
    /// How many attempts there are beyond the first.
    pub extra_attempts: u32,
    /// `economy`, `standard` or `assured`.
    pub assurance: String,
    /// What a wrong result would be worth to others.
    pub value_at_risk: Balance,
    /// Memory for the task is at least 2^class pages.
    pub memory_class: u8,
    /// Labels that an agent must carry.
    pub tags: Vec<String>,
    /// How long claims are taken, in ms.
    pub claim_ms: Moment,
    /// How long blobs and record are kept after the end, in ms.
    pub retain_ms: Moment,
}

/// One agent's place in a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SlotView {
    /// Who computes.
    pub agent: AccountId,
    /// The stake that is at risk.
    pub stake_hold: Balance,
    /// `assigned`, `committed`, `revealed`, `accepted`, `rejected`, `noShow`, `noReveal`, `released` or `cancelled`.
    pub state: String,
    /// For which attempt it was drawn, from 0.
    pub attempt: u32,
    /// The agent's commitment.
    pub commit: Option<Hash>,
    /// The agent's result.
    pub outcome: Option<OutcomeView>,
}

/// The end of a state: both must be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeadlineView {
    /// Market time.
    pub market_ms: Moment,
    /// Earliest block.
    pub height: Height,
}

/// When something happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StampView {
    /// Height of the block.
    pub height: Height,
    /// Time of the block, in ms since 1970.
    pub time_ms: Moment,
}

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OutcomeView {
    /// What came out.
    pub result: ResultView,
    /// Fuel that it took.
    pub fuel_used: u64,
}

/// What came out of a program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum ResultView {
    /// It ended well, with an output.
    Ok {
        /// The output itself, if it is short.
        inline: Option<Bytes>,
        /// CID of the output otherwise.
        cid: Option<String>,
        /// blake2b-256 of the output.
        hash: Hash,
        /// Bytes of the output.
        size: u64,
    },
    /// It failed, always in the same way.
    Trap {
        /// The engine's code of the failure.
        code: u32,
    },
    /// It used up its fuel.
    OutOfFuel,
}

/// Why a task ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReasonView {
    /// Its number; thousands tell the culprit.
    pub code: u16,
    /// `nobody`, `requester`, `agent`, `gateway`, `validator` or `network`.
    pub culprit: String,
    /// The same in a sentence.
    pub text: String,
}

/// Which tasks `artel_tasks` lists: those that fit all that is given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct TaskFilter {
    /// In this state.
    pub state: Option<TaskState>,
    /// Posted by this account.
    pub requester: Option<AccountId>,
    /// Claimed by, or assigned to, this agent.
    pub agent: Option<AccountId>,
}

/// Tasks in the order of their ids: the answer of `artel_tasks`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskPage {
    /// At most [`TASKS_PAGE_MAX`].
    pub tasks: Vec<TaskView>,
    /// Start the next page after this id; absent on the last page.
    pub next: Option<Hash>,
}

/// Something that happened to a task: what `artel_taskEvents` notifies of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskEventView {
    /// The finalised block in which it happened.
    pub block: Hash,
    /// The block's number.
    pub height: Height,
    /// The block's time.
    pub time_ms: Moment,
    /// Index of the event in the block: (height, index) is an event's name.
    pub index: u32,
    /// Which task.
    pub task: Hash,
    /// The event's name with its pallet, such as `Tasks.Claimed`.
    pub event: String,
    /// Who acted or was paid.
    pub account: Option<AccountId>,
    /// How much.
    pub amount: Option<Balance>,
    /// The same in a sentence.
    pub text: String,
}

/// An agent: the answer of `artel_agent`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentView {
    /// The agent.
    pub account: AccountId,
    /// Who answers for it.
    pub owner: AccountId,
    /// Where pay goes: accounts and their parts per million.
    pub payout: Vec<ShareView>,
    /// ed25519 key of its node.
    pub peer_key: Hash,
    /// X25519 key to which private inputs are sealed.
    pub exchange_key: Hash,
    /// sr25519 key that takes part in draws.
    pub vrf_key: Hash,
    /// Engines that it runs.
    pub engines: Vec<u16>,
    /// Memory for one task is at least 2^class pages.
    pub memory_class: u8,
    /// Labels that it carries.
    pub tags: Vec<String>,
    /// Its stake.
    pub stake: Balance,
    /// The part of its stake that tasks put at risk.
    pub locked: Balance,
    /// Most stake that one task may put at risk.
    pub hold_max: Balance,
    /// Tasks that it works on at once.
    pub slots: u32,
    /// Tasks that it can still take.
    pub free_slots: u32,
    /// Price of 10^6 units of fuel.
    pub price: Balance,
    /// Validated value: its reputation now.
    pub reputation: Balance,
    /// No-shows in a row.
    pub no_shows: u8,
    /// Market time until which it may not claim.
    pub jailed_until_ms: Moment,
    /// Market time of its last sign of life.
    pub last_seen_ms: Moment,
    /// Version of its software.
    pub version: u32,
}

/// One part of a split.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ShareView {
    /// Who gets it.
    pub account: AccountId,
    /// Parts per million.
    pub parts: u32,
}

/// A payout: `artel_payouts` lists them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PayoutView {
    /// The payout's name.
    pub id: Hash,
    /// For which task.
    pub task: Hash,
    /// For which of its slots.
    pub slot: u8,
    /// `reward` or `cancellation`.
    pub kind: String,
    /// The agent that earned it.
    pub agent: AccountId,
    /// Who gets it.
    pub payee: AccountId,
    /// How much.
    pub amount: Balance,
    /// `accrued`, `paid`, `unclaimed` or `forfeited`.
    pub state: String,
    /// Height of its payment.
    pub paid_at: Option<Height>,
    /// Failed tries in a row of all that the payee is owed.
    pub attempts: u32,
    /// Market time of the next try.
    pub next_try_ms: Option<Moment>,
}

/// The market as a whole: the answer of `artel_market`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MarketView {
    /// Number of the block whose state this is.
    pub height: Height,
    /// Market time after it.
    pub market_ms: Moment,
    /// Whether the market's clock stands still.
    pub paused: bool,
    /// The seed over which claims are signed now.
    pub claim_seed: Hash,
}

/// A node that is connected: of the answer of `artel_peers`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PeerView {
    /// Its identity.
    pub id: String,
    /// Where it is.
    pub address: String,
    /// Whether the node that was asked made the connection.
    pub is_outbound: bool,
    /// What it does: validator, agent or gateway, if it says so.
    pub role: Option<String>,
    /// What it runs.
    pub agent: String,
    /// Height of its newest block, if it told.
    pub height: Option<Height>,
    /// Hash of that block.
    pub hash: Option<Hash>,
    /// Round trip in milliseconds, if it was measured.
    pub ping_ms: Option<u64>,
    /// 0 for a good peer, below for one with faults.
    pub score: i32,
    /// Whether it is never dropped for room.
    pub is_reserved: bool,
}

/// Who decides a block: the answer of `artel_validators`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ValidatorsView {
    /// Number of the block after which they decide.
    pub height: Height,
    /// Each of them, by account.
    pub validators: Vec<ValidatorView>,
}

/// One who decides blocks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ValidatorView {
    /// The account that staked.
    pub account: AccountId,
    /// The ed25519 key of its votes.
    pub vote_key: Hash,
    /// The sr25519 key of its draws.
    pub vrf_key: Hash,
    /// Its voting power, as a decimal string.
    pub power: String,
}

impl From<ValidatorInfo> for ValidatorView {
    fn from(validator: ValidatorInfo) -> Self {
        let ValidatorInfo { account, vote_key, vrf_key, power } = validator;
        let (vote_key, vrf_key) = (Hash(vote_key), Hash(vrf_key));
        Self { account, vote_key, vrf_key, power: power.to_string() }
    }
}

/// A blob that was stored: the answer of `artel_uploadBlob`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BlobView {
    /// Its CID.
    pub cid: String,
    /// The same as calls and storage have it.
    pub bytes: Bytes,
    /// How many bytes it has.
    pub size: u64,
}

/// A part of a blob: the answer of `artel_blob`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BlobPart {
    /// Bytes of the whole blob.
    pub size: u64,
    /// Where the part begins.
    pub offset: u64,
    /// The part in base64.
    pub data: String,
}
