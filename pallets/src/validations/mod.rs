//! # Validations
//!
//! Results: who delivered what, whether it stands, and what follows from that. It drives the steps
//! of a task that pay: acceptance, the end of the window, cancellations at work, and pruning.
//!
//! A result stands when its window is over and nobody challenged it. The requester may accept it
//! earlier: then it is paid at once, and the agent's stake stays at risk until the window ends.
//!
//! Invariant: a result is stored exactly for each slot whose outcome its task names.

mod results;

pub use results::TaskResult;

use crate::tasks::{self, Outcome, Step, TaskId};
use framework::prelude::*;
use serde::{Deserialize, Serialize};

/// Name of the pallet.
pub const NAME: &str = "Validations";
/// Index of the pallet.
pub const INDEX: u8 = 103;
/// Most bytes of an output that stands in the result itself.
pub const OUTPUT_INLINE_BYTES_MAX: usize = 1024;
/// Most steps that one poke takes: a task has fewer that can be due at once.
const POKE_STEPS_MAX: usize = 8;

static RESULTS: Map<(TaskId, u8), TaskResult, Identity> =
    Map::new(NAME, "Results", "Outcomes by task and slot, until the task is pruned.");
static PARAMS: Value<Params> =
    Value::new_default(NAME, "Params", "Parameters of validation, changed by governance.");

/// Parameters of validation; spans are in milliseconds of market time.
#[derive(
    Clone,
    Debug,
    PartialEq,
    Eq,
    Encode,
    Decode,
    DecodeWithMemTracking,
    TypeInfo,
    Serialize,
    Deserialize,
)]
#[serde(default, deny_unknown_fields)]
pub struct Params {
    /// How long a result can be challenged.
    pub window_ms: Moment,
}

impl Default for Params {
    fn default() -> Self {
        Self { window_ms: 60_000 }
    }
}

impl Params {
    /// The bounds that code sets to governance: eight blocks at the clock's largest step, a year.
    pub fn check(&self) -> Result<(), String> {
        if (48_000..=tasks::SPAN_MS_MAX).contains(&self.window_ms) {
            return Ok(());
        }
        Err(format!("window_ms = {}: from 48000 to {}", self.window_ms, tasks::SPAN_MS_MAX))
    }
}

/// What users can do.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
#[allow(non_camel_case_types)] // Clients show these names; Substrate's are snake_case.
pub enum Call {
    /// Deliver the result of a task that you were drawn for.
    #[codec(index = 0)]
    submit_result {
        /// The task.
        task: TaskId,
        /// What came out.
        outcome: Outcome,
        /// Fuel that it took.
        fuel_used: u64,
    },
    /// Accept a result: the agent is paid now. It can still be found wrong until the window ends.
    #[codec(index = 1)]
    accept_result {
        /// The task.
        task: TaskId,
    },
    /// Take the steps of a task whose time has come, if the hooks have not. Anybody may.
    #[codec(index = 2)]
    poke {
        /// The task.
        task: TaskId,
    },
    /// Change the parameters of validation (governance).
    #[codec(index = 3)]
    set_params {
        /// The new parameters, whole.
        params: Params,
    },
}

/// What users are told.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
#[allow(missing_docs)] // Fields say what they are.
pub enum Event {
    /// A result is in; it can be challenged until `until`, in market time.
    #[codec(index = 0)]
    ResultSubmitted { task: TaskId, slot: u8, agent: AccountId, outcome: Hash, until: Moment },
    /// The requester accepted a result.
    #[codec(index = 1)]
    ResultAccepted { task: TaskId, slot: u8 },
    /// An accepted result was paid, before its window ended.
    #[codec(index = 2)]
    PaidEarly { task: TaskId, slot: u8, agent: AccountId, reward: Balance },
    /// A result stands.
    #[codec(index = 3)]
    Validated { task: TaskId, slot: u8, agent: AccountId, verdict: Hash },
    /// The parameters changed.
    #[codec(index = 4)]
    ParamsSet {},
}

/// Why calls fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum Error {
    /// The outcome breaks a limit of its task: fuel, or size, place or hash of the output.
    #[codec(index = 0)]
    BadOutcome,
    /// There is no result that can be accepted.
    #[codec(index = 1)]
    NotValidating,
    /// The result was accepted before.
    #[codec(index = 2)]
    AlreadyAccepted,
    /// No step of the task is due.
    #[codec(index = 3)]
    NothingDue,
    /// A parameter is outside the bounds that code sets.
    #[codec(index = 4)]
    BadParams,
}

impl PalletEvent for Event {
    const PALLET: u8 = INDEX;
}

impl PalletError for Error {
    const PALLET: u8 = INDEX;
}

impl Dispatch for Call {
    fn weight(&self) -> Weight {
        match self {
            // An agent that is late may have to be slashed first.
            Self::submit_result { .. } => Weight::rw(24, 16).compute_us(10),
            Self::accept_result { .. } => Weight::rw(24, 16),
            // A draw that dismisses all candidates, or a payment with its split.
            Self::poke { .. } => {
                Weight::rw(80, 60).plus(Weight::rw(1, 1).times(u32::from(tasks::CANDIDATES_MAX)))
            }
            Self::set_params { .. } => Weight::rw(1, 1),
        }
    }

    fn dispatch(self, cx: &mut Ctx, origin: Origin) -> DispatchResult {
        match self {
            Self::submit_result { task, outcome, fuel_used } => {
                results::submit(cx, origin.signed()?, task, outcome, fuel_used)
            }
            Self::accept_result { task } => results::accept(cx, origin.signed()?, task),
            Self::poke { task } => {
                origin.signed()?;
                poke(cx, task)
            }
            Self::set_params { params } => {
                origin.root()?;
                ensure(params.check().is_ok(), Error::BadParams)?;
                PARAMS.set(cx, &params);
                cx.emit(Event::ParamsSet {});
                Ok(())
            }
        }
    }
}

/// The parameters in force.
pub fn params(state: &dyn StateRead) -> Params {
    PARAMS.get(state).unwrap_or_default()
}

/// The result of a task's slot.
pub fn result(state: &dyn StateRead, task: &TaskId, slot: u8) -> Option<TaskResult> {
    RESULTS.get(state, &(*task, slot))
}

/// The results of a task, by slot.
pub fn results(state: &dyn StateRead, id: &TaskId) -> Vec<(u8, TaskResult)> {
    let slots = tasks::task(state, id).map_or(0, |task| task.slots.len());
    let slots = u8::try_from(slots).expect("a task has at most SLOTS_MAX slots");
    (0..slots).filter_map(|slot| Some((slot, result(state, id, slot)?))).collect()
}

/// Takes all steps of one task that are due, whatever the block's budgets.
fn poke(cx: &mut Ctx, id: TaskId) -> DispatchResult {
    for taken in 0..POKE_STEPS_MAX {
        let mut entry = match tasks::Entry::load(cx, &id) {
            Ok(entry) => entry,
            // Pruned by the step before.
            Err(_) if taken > 0 => return Ok(()),
            Err(error) => return Err(error),
        };
        if entry.due(cx).is_none() {
            return ensure(taken > 0, Error::NothingDue);
        }
        tasks::take(cx, &mut entry);
        results::take(cx, &mut entry);
        if tasks::exists(cx, &id) {
            entry.save(cx);
        }
    }
    Ok(())
}

/// The pallet's part of a chain spec.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Genesis {
    /// Parameters of validation.
    pub params: Params,
}

/// The pallet.
pub struct Pallet;

impl framework::Pallet for Pallet {
    const NAME: &'static str = NAME;
    const INDEX: u8 = INDEX;
    const DOC: &'static str = "Results of tasks: who delivered what, and whether it stands.";
    const STORAGE: StorageItems = &[&RESULTS, &PARAMS];
    type Call = Call;
    type Event = Event;
    type Error = Error;
    type Genesis = Genesis;

    fn genesis(cx: &mut Ctx, genesis: Genesis) -> Result<(), String> {
        genesis.params.check()?;
        PARAMS.set(cx, &genesis.params);
        Ok(())
    }

    fn on_initialize(cx: &mut Ctx) {
        for step in [Step::Cancel, Step::Validate, Step::Prune] {
            tasks::each_due(cx, step, results::take);
        }
    }

    /// Accepted results are paid in the block that accepts them.
    fn on_finalize(cx: &mut Ctx) {
        tasks::each_due(cx, Step::Pay, results::take);
    }

    fn check(state: &dyn StateRead) -> Result<(), String> {
        let mut expected = 0usize;
        for (id, task) in tasks::tasks(state) {
            for (number, slot) in task.slots.iter().enumerate() {
                let number = u8::try_from(number).map_err(|e| e.to_string())?;
                let stored = result(state, &id, number).map(|result| result.hash());
                if stored != slot.outcome {
                    return Err(format!("slot {number} of {id} names another outcome: {slot:?}"));
                }
                expected += usize::from(slot.outcome.is_some());
            }
        }
        let stored = RESULTS.iter(state).count();
        if stored == expected {
            Ok(())
        } else {
            Err(format!("{stored} results are stored, tasks name {expected}"))
        }
    }
}

#[cfg(test)]
mod tests;
