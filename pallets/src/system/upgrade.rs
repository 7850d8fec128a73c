//! Changes of the chain's rules.
//!
//! A change is scheduled for a block, which is the last by the rules before: clients read a block by the rules that its
//! parent's state names. The runtime makes the change at the end of that block, as it alone knows its versions.

use super::{
    Error, Event, LAST_RUNTIME_UPGRADE, LastRuntimeUpgradeInfo, REHEARSALS, SCHEDULED_UPGRADE,
    ScheduledUpgrade, UPGRADES, number,
};
use framework::prelude::*;

/// Version of the rules by which the block after this state is made; `None` in a state that never began.
pub fn spec_version(state: &dyn StateRead) -> Option<u32> {
    LAST_RUNTIME_UPGRADE.get(state).map(|info| info.spec_version)
}

/// Version of the rules that held after a block, which is the one whose state this is or an ancestor of it.
pub fn spec_version_after(state: &dyn StateRead, height: Height) -> Option<u32> {
    let upgrades = UPGRADES.get(state).unwrap_or_default();
    upgrades.iter().rev().find(|(from, _)| *from <= height).map(|(_, version)| *version)
}

/// Version of the rules that the block of this height brings, if it brings any; `state` is its parent's, or its own so far.
pub fn upgrade_due(state: &dyn StateRead, height: Height) -> Option<u32> {
    let scheduled = SCHEDULED_UPGRADE.get(state)?;
    (scheduled.height == height).then_some(scheduled.spec_version)
}

/// The change of the rules that is to come, if any is.
pub fn scheduled_upgrade(state: &dyn StateRead) -> Option<ScheduledUpgrade> {
    SCHEDULED_UPGRADE.get(state)
}

/// Whether the chain may change to rules that are there to rehearse a change.
pub fn rehearsals(state: &dyn StateRead) -> bool {
    REHEARSALS.get(state).unwrap_or_default()
}

/// Makes the change that is due; the runtime calls it at the end of the block.
pub fn switch(cx: &mut Ctx, spec_name: &str, spec_version: u32) {
    SCHEDULED_UPGRADE.remove(cx);
    note_rules(cx, spec_name, spec_version);
    cx.emit(Event::CodeUpdated);
}

/// Notes which rules hold after this block; the runtime calls it in genesis.
pub fn note_rules(cx: &mut Ctx, spec_name: &str, spec_version: u32) {
    let info = LastRuntimeUpgradeInfo { spec_version, spec_name: spec_name.to_owned() };
    LAST_RUNTIME_UPGRADE.set(cx, &info);
    let mut upgrades = UPGRADES.get(cx).unwrap_or_default();
    upgrades.push((cx.block.height, spec_version));
    UPGRADES.set(cx, &upgrades);
}

pub(super) fn schedule(cx: &mut Ctx, upgrade: ScheduledUpgrade) -> DispatchResult {
    let ScheduledUpgrade { spec_version, height } = upgrade;
    let in_force = self::spec_version(cx);
    // A slip of the finger must not name rules that no program will ever know.
    let next = in_force.map(|now| now.saturating_add(1));
    ensure(next.is_none_or(|next| spec_version == next), Error::SpecVersionNeedsToIncrease)?;
    ensure(height > cx.block.height && !is_due(cx), Error::TooLateForUpgrade)?;
    SCHEDULED_UPGRADE.set(cx, &upgrade);
    cx.emit(Event::UpgradeScheduled { spec_version, height });
    Ok(())
}

pub(super) fn cancel(cx: &mut Ctx) -> DispatchResult {
    ensure(SCHEDULED_UPGRADE.get(cx).is_some(), Error::NoUpgradeScheduled)?;
    ensure(!is_due(cx), Error::TooLateForUpgrade)?;
    SCHEDULED_UPGRADE.remove(cx);
    cx.emit(Event::UpgradeCancelled);
    Ok(())
}

/// Whether this very block brings a change: its header says so already.
fn is_due(cx: &Ctx) -> bool {
    upgrade_due(cx, cx.block.height).is_some()
}

pub(super) fn check(state: &dyn StateRead) -> Result<(), String> {
    let height = number(state);
    if let Some(scheduled) = SCHEDULED_UPGRADE.get(state)
        && scheduled.height <= height
    {
        return Err(format!("{scheduled:?} is overdue at height {height}"));
    }
    let upgrades = UPGRADES.get(state).unwrap_or_default();
    let in_order = upgrades.is_sorted_by(|a, b| a.0 < b.0 && a.1 < b.1);
    let last = upgrades.last().map(|(_, version)| *version);
    if in_order && last == spec_version(state) {
        Ok(())
    } else {
        Err(format!("the rules are {:?}, and those noted {upgrades:?}", spec_version(state)))
    }
}
