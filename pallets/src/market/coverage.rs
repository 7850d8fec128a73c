//! What a run of the model has covered: each transition and each error, counted.

use super::{model::Model, *};
use crate::testing::{PalletErrors, errors_of};
use std::fmt::Write;

/// How often each transition must have been taken, and each error met, in a full run.
pub const TRANSITIONS_MIN: usize = 100;
/// Transitions of the protocol's table that one replica can take.
const TRANSITIONS: &[&str] = &[
    "- -> Pending",
    "- -> AwaitingEscrow",
    "AwaitingEscrow -> Pending",
    "AwaitingEscrow -> Expired",
    "Pending: candidate",
    "Pending -> Assigned",
    "Pending -> Expired",
    "-> Cancelled before the draw",
    "Assigned: cancellation asked for",
    "Assigned -> Cancelled",
    "slot Released",
    "slot NoShow",
    "Assigned -> Pending",
    "Assigned -> Failed, no-show",
    "Assigned -> Failed, released",
    "Assigned -> Failed, input unavailable",
    "Assigned -> Validating",
    "Validating: accepted",
    "Validating: paid early",
    "Validating -> Validated",
    "Validated -> Settled",
    "Validated -> Settled before all is paid",
    "final -> pruned",
    "payout accrued",
    "payout paid",
    "payout failed, to be tried again",
    "payout unclaimed",
    "payout redirected",
    "payout forfeited",
    "agent registered",
    "agent updated",
    "agent's stake set",
    "agent's heartbeat",
    "agent left",
    "agent slashed",
    "agent jailed",
];

impl Model {
    fn note(&mut self, transition: &'static str) {
        debug_assert!(TRANSITIONS.contains(&transition), "{transition}");
        *self.transitions.entry(transition).or_default() += 1;
    }

    pub fn note_events(&mut self) {
        for event in self.world.take_events() {
            match event {
                RuntimeEvent::Tasks(event) => self.note_task(event),
                RuntimeEvent::Validations(event) => self.note_validation(&event),
                RuntimeEvent::Payouts(event) => self.note_payout(event),
                RuntimeEvent::Agents(event) => self.note_agent(&event),
                _ => {}
            }
        }
    }

    fn note_task(&mut self, event: tasks::Event) {
        use tasks::Event;
        match event {
            Event::Created { task, funded, .. } => {
                self.live.push(task);
                self.note(if funded { "- -> Pending" } else { "- -> AwaitingEscrow" });
            }
            Event::Funded { .. } => self.note("AwaitingEscrow -> Pending"),
            Event::Claimed { .. } => self.note("Pending: candidate"),
            Event::Assigned { .. } => self.note("Pending -> Assigned"),
            Event::Released { .. } => self.note("slot Released"),
            Event::NoShow { .. } => self.note("slot NoShow"),
            Event::Reopened { .. } => self.note("Assigned -> Pending"),
            Event::CancelRequested { .. } => self.note("Assigned: cancellation asked for"),
            Event::Pruned { task, .. } => {
                self.live.retain(|id| *id != task);
                self.note("final -> pruned");
            }
            Event::Closed { task, reason, .. } => self.note(match reason {
                CloseReason::Done if self.is_owed(&task) => {
                    "Validated -> Settled before all is paid"
                }
                CloseReason::Done => "Validated -> Settled",
                CloseReason::NotFunded => "AwaitingEscrow -> Expired",
                CloseReason::CancelledBeforeDraw => "-> Cancelled before the draw",
                CloseReason::CancelledAtWork => "Assigned -> Cancelled",
                CloseReason::InputUnavailable => "Assigned -> Failed, input unavailable",
                CloseReason::NoShow => "Assigned -> Failed, no-show",
                CloseReason::Released => "Assigned -> Failed, released",
                CloseReason::NoCandidate => "Pending -> Expired",
                CloseReason::Inconclusive => panic!("there are no disputes"),
            }),
            Event::EpochStarted { .. } | Event::ParamsSet {} => {}
        }
    }

    fn is_owed(&self, id: &TaskId) -> bool {
        tasks::task(&self.world.state, id).is_some_and(|task| task.payouts_open > 0)
    }

    fn note_validation(&mut self, event: &validations::Event) {
        use validations::Event;
        match event {
            Event::ResultSubmitted { .. } => self.note("Assigned -> Validating"),
            Event::ResultAccepted { .. } => self.note("Validating: accepted"),
            Event::PaidEarly { .. } => self.note("Validating: paid early"),
            Event::Validated { .. } => self.note("Validating -> Validated"),
            Event::ParamsSet {} => {}
        }
    }

    fn note_payout(&mut self, event: payouts::Event) {
        use payouts::Event;
        match event {
            Event::Accrued { payout, .. } => {
                self.payouts.push_back(payout);
                if self.payouts.len() > 100 {
                    self.payouts.pop_front();
                }
                self.note("payout accrued");
            }
            Event::Paid { .. } => self.note("payout paid"),
            Event::Failed { .. } => self.note("payout failed, to be tried again"),
            Event::Unclaimed { payout, .. } => {
                let intent = payouts::payout(&self.world.state, &payout);
                self.unclaimed.extend(intent.map(|intent| (payout, intent.agent)));
                self.note("payout unclaimed");
            }
            Event::Redirected { payout, .. } => {
                self.unclaimed.retain(|(id, _)| *id != payout);
                self.note("payout redirected");
            }
            Event::Forfeited { payout, .. } => {
                self.unclaimed.retain(|(id, _)| *id != payout);
                self.note("payout forfeited");
            }
            Event::Transferred { .. } | Event::MinimumSet { .. } | Event::ParamsSet {} => {}
        }
    }

    fn note_agent(&mut self, event: &agents::Event) {
        use agents::Event;
        match event {
            Event::Registered { .. } => self.note("agent registered"),
            Event::Updated { .. } => self.note("agent updated"),
            Event::StakeSet { .. } => self.note("agent's stake set"),
            Event::Heartbeat { .. } => self.note("agent's heartbeat"),
            Event::Left { .. } => self.note("agent left"),
            Event::Slashed { .. } => self.note("agent slashed"),
            Event::Jailed { .. } => self.note("agent jailed"),
            Event::Paused { .. } | Event::ParamsSet {} => {}
        }
    }

    /// What was covered, and what was not often enough.
    pub fn report(&self, transitions_min: usize) -> (String, Vec<String>) {
        let mut table = format!("{} calls, {} succeeded\n", self.calls, self.succeeded);
        let mut missing = Vec::new();
        for name in TRANSITIONS {
            let count = self.transitions.get(name).copied().unwrap_or_default();
            writeln!(table, "{count:>8}  {name}").expect("a string takes all");
            if count < transitions_min {
                missing.push(format!("{name}: {count}"));
            }
        }
        for (index, pallet, errors) in error_names() {
            for (variant, name) in errors {
                let count = self.errors.get(&(index, variant)).copied().unwrap_or_default();
                writeln!(table, "{count:>8}  {pallet}::{name}").expect("a string takes all");
                if count == 0 {
                    missing.push(format!("{pallet}::{name}"));
                }
            }
        }
        for (error, count) in &self.other_errors {
            writeln!(table, "{count:>8}  {error}").expect("a string takes all");
        }
        (table, missing)
    }
}

/// Every error of the market's pallets.
fn error_names() -> [PalletErrors; 5] {
    [
        errors_of::<agents::Pallet>(),
        errors_of::<tasks::Pallet>(),
        errors_of::<escrow::Pallet>(),
        errors_of::<validations::Pallet>(),
        errors_of::<payouts::Pallet>(),
    ]
}
