//! The blobs thread: keeps the blobs that the market's tasks name, and clears away the others.
//!
//! A task's program and input are pinned until it ends, its outputs until it is pruned, so that its requester can
//! fetch them. Each requester pins under a name, and so a quota, of its own. What the state says counts: pins are
//! made anew from it at the start, and an event only says which task to look at.

use super::metrics::BlobMetrics;
use anyhow::{Context, Result};
use blobs::{Cid, Owner, Store};
use chain::Head;
use codec::{Compact, Decode};
use framework::StateRead;
use pallets::{
    system::EventRecord,
    tasks::{self, Event as OfTasks, Input, Outcome, Output, TaskId},
    validations::{self, Event as OfResults},
};
use primitives::{AccountId, Hash, Height};
use runtime::RuntimeEvent;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use storage::Database;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Blocks between two collections. An upload stays for at least so many blocks, within which a task or result must name
/// it: a client's transaction that is not included within 64 blocks never is.
pub const GRACE_BLOCKS: Height = 600;
/// The same while the store is nearly full: still twice the life of a transaction.
pub const GRACE_BLOCKS_NEARLY_FULL: Height = 128;
/// The store is nearly full from this share of its bound on, in eighths.
const NEARLY_FULL_EIGHTHS: u64 = 7;
/// What the names of owners begin with whose pins are made here.
const OWNER_PREFIX: &str = "requester-";

/// What the thread works with.
pub struct Shell {
    /// The store.
    pub store: Arc<Store>,
    /// The last final block.
    pub heads: watch::Receiver<Head>,
    /// Events by height.
    pub database: Database,
    /// What is counted.
    pub metrics: BlobMetrics,
}

impl Shell {
    /// Runs until `stop` fires. An error stops the node.
    pub fn run(mut self, stop: &CancellationToken) -> Result<()> {
        let head = self.heads.borrow_and_update().clone();
        let mut keeper = Keeper::new(self.store, self.metrics, head.height);
        keeper.start(&head.snapshot);
        let mut seen = head.height;
        drop(head);
        while let Some(head) = futures::executor::block_on(next(&mut self.heads, stop)) {
            let mut touched = BTreeSet::new();
            for height in seen.saturating_add(1)..=head.height {
                let events = self.database.events(height)?;
                let events =
                    events.with_context(|| format!("block {height} has no stored events"))?;
                touched.extend(touched_by(&events)?);
            }
            for task in touched {
                keeper.look_at(&head.snapshot, task);
            }
            seen = head.height;
            keeper.tend(head.height);
        }
        Ok(())
    }
}

/// The next head; none when the node stops.
async fn next(heads: &mut watch::Receiver<Head>, stop: &CancellationToken) -> Option<Head> {
    tokio::select! {
        () = stop.cancelled() => None,
        changed = heads.changed() => changed.ok().map(|()| heads.borrow_and_update().clone()),
    }
}

/// The tasks for which a block's events may change what is to be kept.
fn touched_by(events: &[u8]) -> Result<BTreeSet<TaskId>> {
    let mut touched = BTreeSet::new();
    if events.is_empty() {
        return Ok(touched);
    }
    // One at a time: few of the many that a block can have are about tasks.
    let mut rest = events;
    let count = Compact::<u32>::decode(&mut rest).context("stored events have no count")?;
    for _ in 0..count.0 {
        let record = EventRecord::<RuntimeEvent, Hash>::decode(&mut rest)
            .context("stored events do not decode")?;
        if let RuntimeEvent::Tasks(
            OfTasks::Created { task, .. }
            | OfTasks::Closed { task, .. }
            | OfTasks::Pruned { task, .. },
        )
        | RuntimeEvent::Validations(OfResults::ResultSubmitted { task, .. }) = record.event
        {
            touched.insert(task);
        }
    }
    Ok(touched)
}

/// Whose task it is and the blobs that it needs in this state; none if it needs none.
fn needs(state: &dyn StateRead, id: &TaskId) -> Option<Needs> {
    let task = tasks::task(state, id)?;
    let mut cids = BTreeSet::new();
    if !task.state.is_final() {
        let spec = tasks::spec(state, id)?;
        cids.insert(spec.program);
        if let Input::Blob { cid, .. } = spec.input {
            cids.insert(cid);
        }
    }
    for (_, result) in validations::results(state, id) {
        if let Outcome::Ok { output: Output::Blob(cid), .. } = result.outcome {
            cids.insert(cid);
        }
    }
    // The chain takes content ids that no store of ours can have; there is nothing to keep of those.
    let cids: BTreeSet<Cid> = cids.iter().filter_map(|cid| Cid::from_bytes(&cid.0).ok()).collect();
    (!cids.is_empty()).then_some(Needs { requester: task.requester, cids })
}

/// Whose task it is, and its blobs.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Needs {
    requester: AccountId,
    cids: BTreeSet<Cid>,
}

/// A blob that a requester's tasks need.
#[derive(Debug, Default)]
struct Kept {
    /// By how many tasks.
    tasks: usize,
    /// Whether it is pinned; it is not while it is not here, or above the quota.
    pinned: bool,
}

/// Knows which blobs are needed, and keeps the store's pins so.
struct Keeper {
    store: Arc<Store>,
    metrics: BlobMetrics,
    tasks: BTreeMap<TaskId, Needs>,
    kept: BTreeMap<(AccountId, Cid), Kept>,
    collected_at: Height,
}

impl Keeper {
    fn new(store: Arc<Store>, metrics: BlobMetrics, height: Height) -> Self {
        metrics.set(&store);
        let (tasks, kept) = (BTreeMap::new(), BTreeMap::new());
        Self { store, metrics, tasks, kept, collected_at: height }
    }

    /// Pins what all tasks need, and unpins what an earlier run left behind.
    fn start(&mut self, state: &dyn StateRead) {
        for (id, _) in tasks::tasks(state) {
            self.look_at(state, id);
        }
        self.unpin_leftovers();
        self.metrics.set(&self.store);
    }

    fn unpin_leftovers(&self) {
        let needed: BTreeSet<(Owner, Cid)> =
            self.kept.keys().map(|(requester, cid)| (owner(requester), *cid)).collect();
        for (owner, cid, _) in self.store.pins() {
            let pin = (owner, cid);
            if pin.0.as_str().starts_with(OWNER_PREFIX) && !needed.contains(&pin) {
                self.unpin(&pin.0, &cid);
            }
        }
    }

    /// Reads what a task needs now.
    fn look_at(&mut self, state: &dyn StateRead, id: TaskId) {
        self.set(id, needs(state, &id));
    }

    fn set(&mut self, id: TaskId, needs: Option<Needs>) {
        let before = match &needs {
            Some(needs) => self.tasks.insert(id, needs.clone()),
            None => self.tasks.remove(&id),
        };
        // What is needed still is not unpinned in between.
        if let Some(Needs { requester, cids }) = needs {
            for cid in cids {
                self.need(requester, cid);
            }
        }
        if let Some(Needs { requester, cids }) = before {
            for cid in cids {
                self.release(requester, cid);
            }
        }
    }

    fn need(&mut self, requester: AccountId, cid: Cid) {
        let kept = self.kept.entry((requester, cid)).or_default();
        kept.tasks += 1;
        if !kept.pinned {
            kept.pinned = pin(&self.store, &requester, &cid);
        }
    }

    fn release(&mut self, requester: AccountId, cid: Cid) {
        let Some(kept) = self.kept.get_mut(&(requester, cid)) else { return };
        kept.tasks -= 1;
        if kept.tasks == 0 {
            self.kept.remove(&(requester, cid));
            self.unpin(&owner(&requester), &cid);
        }
    }

    fn unpin(&self, owner: &Owner, cid: &Cid) {
        if let Err(error) = self.store.unpin(owner, cid) {
            tracing::error!(%owner, %cid, %error, "a blob cannot be unpinned");
        }
    }

    /// Collects if it is time.
    fn tend(&mut self, height: Height) {
        let nearly_full =
            self.store.bytes() >= self.store.config().bytes_max / 8 * NEARLY_FULL_EIGHTHS;
        let wait = if nearly_full { GRACE_BLOCKS_NEARLY_FULL } else { GRACE_BLOCKS };
        if height.saturating_sub(self.collected_at) >= wait {
            self.collected_at = height;
            self.pin_missing();
            match self.store.collect() {
                Ok(collected) => self.metrics.count(&collected),
                Err(error) => tracing::error!(%error, "the blob store cannot be cleared"),
            }
        }
        self.metrics.set(&self.store);
    }

    /// A blob may have come after its task, or have found room; one that was damaged may have been uploaded again.
    fn pin_missing(&mut self) {
        for ((requester, cid), kept) in &mut self.kept {
            kept.pinned = pin(&self.store, requester, cid);
        }
    }
}

/// Pins a blob, and says whether it is pinned now.
fn pin(store: &Store, requester: &AccountId, cid: &Cid) -> bool {
    match store.pin(&owner(requester), cid) {
        Ok(()) => true,
        // It may still be uploaded.
        Err(blobs::Error::Absent(_)) => false,
        Err(error) => {
            tracing::warn!(%requester, %cid, %error, "a task's blob cannot be pinned");
            false
        }
    }
}

fn owner(requester: &AccountId) -> Owner {
    let name = format!("{OWNER_PREFIX}{}", hex::encode(requester.0));
    Owner::new(name).expect("letters, digits and a hyphen, short enough")
}

#[cfg(test)]
mod tests;
