//! # System
//!
//! Accounts, the block's number and hashes, the record of events, and remarks.
//!
//! Invariant: an account without nonce, money and reasons to stay is not stored. One whose money is
//! gone but that has sent transactions keeps its nonce: without it, its immortal transactions could
//! be sent again.

mod limits;
mod types;
mod upgrade;

pub use limits::*;
pub use types::*;
pub use upgrade::{
    note_rules, rehearsals, scheduled_upgrade, spec_version, spec_version_after, switch,
    upgrade_due,
};

use framework::{Blake2_128Concat, DispatchInfo, Entry, prelude::*};
use primitives::{
    Digest,
    crypto::{hash::blake2_256, ss58},
};

/// Name of the pallet.
pub const NAME: &str = "System";
/// Index of the pallet.
pub const INDEX: u8 = 0;
/// How many blocks back a transaction's era may begin: their hashes stay in state.
pub const BLOCK_HASHES_MAX: Height = 4096;

static ACCOUNT: Map<AccountId, AccountInfo, Blake2_128Concat> =
    Map::new_default(NAME, "Account", "Every account.");
static NUMBER: Value<Height> = Value::new_default(NAME, "Number", "The block's number.");
static PARENT_HASH: Value<Hash> =
    Value::new_default(NAME, "ParentHash", "Hash of the block before.");
static BLOCK_HASH: Map<Height, Hash, Twox64Concat> =
    Map::new_default(NAME, "BlockHash", "Hashes of recent blocks, by number.");
static DIGEST: Value<Digest> = Value::new_default(
    NAME,
    "Digest",
    "Log of the block that runs; empty between blocks, as the header has it.",
);
static EVENTS: Value<Vec<Opaque>> =
    Value::new_default(NAME, "Events", "What happened in the block.");
static EVENT_COUNT: Value<u32> =
    Value::new_default(NAME, "EventCount", "How many events the block has.");
static EXTRINSIC_COUNT: Value<u32> = Value::new(
    NAME,
    "ExtrinsicCount",
    "Transactions of the block that runs; empty between blocks.",
);
static EXECUTION_PHASE: Value<Phase> =
    Value::new(NAME, "ExecutionPhase", "Phase of the block that runs; empty between blocks.");
static LAST_RUNTIME_UPGRADE: Value<LastRuntimeUpgradeInfo> =
    Value::new(NAME, "LastRuntimeUpgrade", "The rules in force and since which version.");
static SCHEDULED_UPGRADE: Value<ScheduledUpgrade> =
    Value::new(NAME, "ScheduledUpgrade", "The next change of the rules, if there is one.");
static UPGRADES: Value<Vec<(Height, u32)>> = Value::new_default(
    NAME,
    "Upgrades",
    "All versions of the rules, each with the block after which it holds; the first is genesis's.",
);
static REHEARSALS: Value<bool> = Value::new_default(
    NAME,
    "Rehearsals",
    "Whether the chain may change to rules that are there to rehearse a change: never where others rely on it.",
);

/// Stands for the runtime's event record, whose type the pallet cannot know: the runtime describes
/// the item and writes its value. See [`events_key`].
type Opaque = u8;

/// What users can do.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
#[allow(non_camel_case_types)]
pub enum Call {
    /// Put some bytes on the chain. Nothing else happens.
    #[codec(index = 0)]
    remark {
        /// The bytes.
        remark: Vec<u8>,
    },
    /// Put some bytes on the chain, and their hash into the event record.
    #[codec(index = 7)]
    remark_with_event {
        /// The bytes.
        remark: Vec<u8>,
    },
    /// Change the chain's rules at a block to come (governance). It replaces a change that is scheduled. Nodes whose
    /// software does not know the new rules stop before that block.
    #[codec(index = 100)]
    schedule_upgrade {
        /// The version of the new rules, the one after that of those in force.
        spec_version: u32,
        /// The last block by the rules before.
        height: Height,
    },
    /// Take back a change of the rules that is scheduled (governance).
    #[codec(index = 101)]
    cancel_upgrade,
}

/// What users are told.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum Event {
    /// A transaction succeeded.
    #[codec(index = 0)]
    ExtrinsicSuccess {
        /// What it cost.
        dispatch_info: DispatchInfo,
    },
    /// A transaction failed. Its fee is paid; nothing else of it happened.
    #[codec(index = 1)]
    ExtrinsicFailed {
        /// Why.
        dispatch_error: DispatchError,
        /// What it cost.
        dispatch_info: DispatchInfo,
    },
    /// The chain's rules have changed: this is the last block by those before.
    #[codec(index = 2)]
    CodeUpdated,
    /// An account came to be.
    #[codec(index = 3)]
    NewAccount {
        /// The account.
        account: AccountId,
    },
    /// An account fell below the existential deposit and is gone.
    #[codec(index = 4)]
    KilledAccount {
        /// The account.
        account: AccountId,
    },
    /// Somebody put bytes on the chain.
    #[codec(index = 5)]
    Remarked {
        /// Who.
        sender: AccountId,
        /// blake2b-256 of the bytes.
        hash: Hash,
    },
    /// The chain's rules will change.
    #[codec(index = 100)]
    UpgradeScheduled {
        /// The version of the new rules.
        spec_version: u32,
        /// The last block by the rules before.
        height: Height,
    },
    /// A change of the rules was taken back.
    #[codec(index = 101)]
    UpgradeCancelled,
}

/// Why calls fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum Error {
    /// The version is not the one after that of the rules in force.
    #[codec(index = 1)]
    SpecVersionNeedsToIncrease,
    /// The block is not to come, or this one brings the change that was scheduled before.
    #[codec(index = 100)]
    TooLateForUpgrade,
    /// No change of the rules is scheduled.
    #[codec(index = 101)]
    NoUpgradeScheduled,
}

impl PalletError for Error {
    const PALLET: u8 = INDEX;
}

impl PalletEvent for Event {
    const PALLET: u8 = INDEX;
}

impl Dispatch for Call {
    fn weight(&self) -> Weight {
        match self {
            Self::remark { remark } | Self::remark_with_event { remark } => {
                // blake2b hashes about a kibibyte in a microsecond.
                let kibibytes = u32::try_from(remark.len() / 1024).unwrap_or(u32::MAX);
                Weight::rw(0, 0).compute_us(kibibytes.saturating_add(1))
            }
            Self::schedule_upgrade { .. } => Weight::rw(2, 1),
            Self::cancel_upgrade => Weight::rw(2, 1),
        }
    }

    fn dispatch(self, cx: &mut Ctx, origin: Origin) -> DispatchResult {
        match self {
            Self::remark { .. } => origin.signed().map(|_| ()),
            Self::remark_with_event { remark } => {
                let sender = origin.signed()?;
                cx.emit(Event::Remarked { sender, hash: blake2_256(&remark) });
                Ok(())
            }
            Self::schedule_upgrade { spec_version, height } => {
                origin.root()?;
                upgrade::schedule(cx, ScheduledUpgrade { spec_version, height })
            }
            Self::cancel_upgrade => {
                origin.root()?;
                upgrade::cancel(cx)
            }
        }
    }
}

/// The account; an empty one where none is stored.
pub fn account(state: &dyn StateRead, who: &AccountId) -> AccountInfo {
    ACCOUNT.get(state, who).unwrap_or_default()
}

/// All accounts that are stored, in the order of their raw keys: for checks and queries.
pub fn accounts(state: &dyn StateRead) -> impl Iterator<Item = (AccountId, AccountInfo)> {
    ACCOUNT.iter(state)
}

/// An account between reading and writing it.
pub struct LoadedAccount {
    /// Whose it is.
    pub who: AccountId,
    /// What it is now.
    pub info: AccountInfo,
    entry: Entry<AccountInfo>,
}

/// Reads an account to change it.
pub fn load(state: &dyn StateRead, who: &AccountId) -> LoadedAccount {
    let entry = ACCOUNT.entry(state, who);
    LoadedAccount { who: *who, info: entry.value.unwrap_or_default(), entry }
}

impl LoadedAccount {
    /// Writes the account, or forgets it if there is nothing to tell of it.
    pub fn store(mut self, cx: &mut Ctx) {
        let empty = self.info == AccountInfo::default();
        self.entry.value = (!empty).then_some(self.info);
        self.entry.store(cx);
    }
}

/// The block whose state this is.
pub fn number(state: &dyn StateRead) -> Height {
    NUMBER.get(state).unwrap_or_default()
}

/// Hash of a recent block that is an ancestor of the one whose state this is.
pub fn block_hash(state: &dyn StateRead, height: Height) -> Option<Hash> {
    BLOCK_HASH.get(state, &height)
}

/// Raw key of the event record. Its value is kept beside the state, not in it.
pub fn events_key() -> [u8; 32] {
    EVENTS.key().try_into().expect("a value's key is its 32-byte prefix")
}

/// Notes how many events the block has; the runtime calls it when nothing can add one.
pub fn note_event_count(cx: &mut Ctx, count: u32) {
    EVENT_COUNT.set(cx, &count);
}

/// The pallet's part of a chain spec.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Genesis {
    /// Whether the chain may rehearse changes of its rules.
    pub rehearsals: bool,
}

/// The pallet.
pub struct Pallet;

impl framework::Pallet for Pallet {
    const NAME: &'static str = NAME;
    const INDEX: u8 = INDEX;
    const DOC: &'static str =
        "Accounts, the block's number and hashes, the record of events, and remarks.";
    const STORAGE: StorageItems = &[
        &ACCOUNT,
        &EXTRINSIC_COUNT,
        &BLOCK_HASH,
        &NUMBER,
        &PARENT_HASH,
        &DIGEST,
        &EVENTS,
        &EVENT_COUNT,
        &LAST_RUNTIME_UPGRADE,
        &EXECUTION_PHASE,
        &SCHEDULED_UPGRADE,
        &UPGRADES,
        &REHEARSALS,
    ];
    type Call = Call;
    type Event = Event;
    type Error = Error;
    type Genesis = Genesis;

    fn constants() -> Vec<ConstantMeta> {
        vec![
            ConstantMeta::new("BlockWeights", &block_weights(), "Time limits of a block."),
            ConstantMeta::new("BlockLength", &block_length(), "Byte limits of a block."),
            ConstantMeta::new(
                "BlockHashCount",
                &BLOCK_HASHES_MAX,
                "How many blocks back a transaction's era may begin.",
            ),
            ConstantMeta::new("DbWeight", &db_weight(), "Costs of operations on state."),
            ConstantMeta::new("SS58Prefix", &ss58::PREFIX_DEFAULT, "Prefix of addresses."),
        ]
    }

    fn genesis(cx: &mut Ctx, genesis: Genesis) -> Result<(), String> {
        if genesis.rehearsals {
            REHEARSALS.set(cx, &true);
        }
        Ok(())
    }

    fn on_initialize(cx: &mut Ctx) {
        let (height, parent) = (cx.block.height, cx.block.parent);
        NUMBER.set(cx, &height);
        PARENT_HASH.set(cx, &parent);
        let Some(before) = height.checked_sub(1) else { return };
        BLOCK_HASH.set(cx, &before, &parent);
        if let Some(old) = before.checked_sub(BLOCK_HASHES_MAX) {
            BLOCK_HASH.remove(cx, &old);
        }
    }

    fn check(state: &dyn StateRead) -> Result<(), String> {
        for (who, info) in accounts(state) {
            if info == AccountInfo::default() {
                return Err(format!("{who} is stored though it is empty"));
            }
        }
        upgrade::check(state)?;
        let (count, height) = (BLOCK_HASH.iter(state).count(), number(state));
        let expected = usize::try_from(height.min(BLOCK_HASHES_MAX)).unwrap_or(usize::MAX);
        if count == expected {
            Ok(())
        } else {
            Err(format!("{count} block hashes at height {height}, not {expected}"))
        }
    }
}

#[cfg(test)]
mod tests;
