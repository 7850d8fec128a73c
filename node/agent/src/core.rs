//! What the agent does next: a pure function of what it has seen.

use crate::{Config, journal::Entry};
use client::{
    Failure,
    pallets::{
        agents::{Agent, Profile},
        tasks::{self, Input as TaskInput, ReleaseReason, SlotState, Task, TaskSpec, TaskState},
        validations,
    },
};
use primitives::{AccountId, Balance, Hash, Moment};
use std::collections::{BTreeMap, BTreeSet};

/// Most open tasks that are remembered while all slots are taken: those that pay best.
pub(crate) const OFFERS_MAX: usize = 4_096;
/// Most failed claims that are remembered, so that they are not tried again.
const REFUSED_MAX: usize = 4_096;
/// Market time between two tries to fetch program and input, in ms.
const FETCH_AGAIN_MS: Moment = 2_000;
/// Units of fuel that a price is for.
const MFUEL: u128 = 1_000_000;

/// What the agent learns.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)] // One is passed at a time; none is stored.
pub(crate) enum Input {
    /// A block is final, and the market's clock shows this.
    Block { market_ms: Moment },
    /// What the registry says of this agent.
    Me(Option<Agent>),
    /// A task as it is now; none if it is gone.
    Task { id: Hash, known: Option<Box<Known>> },
    /// A worker is done.
    Ran { task: Hash, attempt: u8, end: RunEnd },
    /// A transaction is final, or will never be.
    Sent { what: Tx, end: SendEnd },
}

/// What the chain says of a task.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub task: Task,
    pub spec: TaskSpec,
    /// Whether this agent is among the candidates.
    pub candidate: bool,
}

/// How a worker ended.
#[derive(Clone, Debug)]
pub(crate) enum RunEnd {
    /// With a result, whose output is uploaded.
    Finished(Entry),
    /// Program or input could not be fetched, or the output not uploaded.
    Unavailable(String),
    /// This machine cannot do it.
    CannotExecute(String),
}

/// How a transaction ended.
#[derive(Clone, Debug)]
pub(crate) enum SendEnd {
    /// It did what it should.
    Done,
    /// It was included and failed.
    Failed(Failure),
    /// It was not included, as far as is known; it may be tried again.
    Lost(String),
}

/// A transaction of the agent, by purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Tx {
    Enrol,
    Heartbeat,
    Claim { task: Hash, attempt: u8 },
    Deliver { task: Hash },
    Release { task: Hash },
}

/// What the shell is to do, in this order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Output {
    /// Register with this stake, or, without one, update the profile.
    Enrol { profile: Profile, stake: Option<Balance> },
    /// Say that the agent is there.
    Heartbeat { slots: u32 },
    /// Offer to do a task.
    Claim { task: Hash, attempt: u8 },
    /// Fetch, execute, upload.
    Run { task: Hash, attempt: u8, spec: TaskSpec },
    /// Put a result on disk, synced, before anything that follows.
    Keep(Entry),
    /// Send a result that is on disk.
    Deliver { task: Hash },
    /// Give a task back.
    Release { task: Hash, reason: ReleaseReason },
    /// A result that was delivered, or is not wanted any more, may leave the disk.
    Forget { task: Hash },
}

/// Work on one task.
#[derive(Clone, Debug, PartialEq)]
struct Work {
    attempt: u8,
    stage: Stage,
}

#[derive(Clone, Debug, PartialEq)]
enum Stage {
    /// The claim is on its way; so much stake is reserved for it.
    Claiming { hold: Balance },
    /// The claim was lost on its way; it is sent again with the next block.
    Unclaimed { hold: Balance },
    /// The claim is in; the draw is to come.
    Candidate,
    /// A worker is at it.
    Running(Job),
    /// A fetch failed; it is tried again from this market time on.
    Waiting { job: Job, again_at: Moment },
    /// The result is on disk and its transaction on its way.
    Delivering,
    /// The result is on disk; its transaction is sent with the next block.
    Undelivered,
    /// The task is given back.
    Releasing { reason: ReleaseReason },
    /// The same, to be sent again with the next block.
    Unreleased { reason: ReleaseReason },
}

#[derive(Clone, Debug, PartialEq)]
struct Job {
    spec: TaskSpec,
    /// Market time at which a task whose blobs cannot be had is given back: half of the agent's time is over.
    give_up_at: Moment,
}

/// The agent's mind.
pub(crate) struct Core {
    config: Config,
    account: AccountId,
    /// What the registry should say.
    profile: Profile,
    me: Option<Agent>,
    market_ms: Moment,
    /// Results on disk by task, with the attempt that each is for.
    kept: BTreeMap<Hash, u8>,
    work: BTreeMap<Hash, Work>,
    offers: BTreeMap<Hash, Task>,
    /// Whether there were more offers than are remembered.
    missed: bool,
    refused: BTreeSet<(Hash, u8)>,
    /// A registration is on its way, or was refused for good.
    enrolling: bool,
    /// A heartbeat is on its way.
    beating: bool,
    /// Market time of the last heartbeat; the registry may not show it yet.
    beaten_at: Moment,
}

impl Core {
    /// An agent that knows only what its disk holds.
    pub fn new(
        config: Config,
        account: AccountId,
        profile: Profile,
        entries: &BTreeMap<Hash, Entry>,
    ) -> Self {
        Self {
            config,
            account,
            profile,
            me: None,
            market_ms: 0,
            kept: entries.iter().map(|(task, entry)| (*task, entry.attempt)).collect(),
            work: BTreeMap::new(),
            offers: BTreeMap::new(),
            missed: false,
            refused: BTreeSet::new(),
            enrolling: false,
            beating: false,
            beaten_at: 0,
        }
    }

    /// The tasks about which the chain must be asked anew after the connection was lost.
    pub fn tasks(&self) -> BTreeSet<Hash> {
        self.work.keys().chain(self.kept.keys()).chain(self.offers.keys()).copied().collect()
    }

    /// Whether another offer would take the place of one that is remembered.
    pub fn is_full(&self) -> bool {
        self.offers.len() >= OFFERS_MAX
    }

    /// Note that there are offers which this was not told of.
    pub fn note_missed(&mut self) {
        self.missed = true;
    }

    /// Whether it is time to look at all tasks again: offers were left out, and there is room for half of the most. Says so
    /// once.
    pub fn wants_more(&mut self) -> bool {
        self.offers.len() <= OFFERS_MAX / 2 && std::mem::take(&mut self.missed)
    }

    /// Learn something; what is to be done is appended to `out`.
    pub fn step(&mut self, input: Input, out: &mut Vec<Output>) {
        match input {
            Input::Block { market_ms } => {
                self.market_ms = market_ms;
                self.beat(out);
                self.retry(out);
            }
            Input::Me(me) => {
                self.me = me;
                self.enrol(out);
            }
            Input::Task { id, known } => self.on_task(id, known, out),
            Input::Ran { task, attempt, end } => self.on_ran(task, attempt, end, out),
            Input::Sent { what, end } => self.on_sent(what, end, out),
        }
        self.claim(out);
    }

    /// Registers, or corrects what the registry says: after a change of settings or the loss of keys.
    fn enrol(&mut self, out: &mut Vec<Output>) {
        // Slots are told by heartbeats as well.
        let is_mine =
            |me: &Agent| me.profile == Profile { slots: me.profile.slots, ..self.profile.clone() };
        if self.me.as_ref().is_some_and(is_mine) {
            self.enrolling = false;
            return;
        }
        if self.enrolling {
            return;
        }
        let stake = match &self.me {
            Some(_) => None,
            None if self.config.stake.is_none() => return,
            None => self.config.stake,
        };
        self.enrolling = true;
        out.push(Output::Enrol { profile: self.profile.clone(), stake });
    }

    fn beat(&mut self, out: &mut Vec<Output>) {
        let Some(me) = &self.me else { return };
        let silent_ms = self.market_ms.saturating_sub(me.last_seen.max(self.beaten_at));
        if silent_ms >= self.config.heartbeat_ms && !self.beating {
            self.beating = true;
            out.push(Output::Heartbeat { slots: self.config.slots_max });
        }
    }

    /// What failed for no fault of the task is tried again.
    fn retry(&mut self, out: &mut Vec<Output>) {
        for (&task, work) in &mut self.work {
            match &work.stage {
                Stage::Waiting { job, again_at } if self.market_ms >= *again_at => {
                    out.push(Output::Run { task, attempt: work.attempt, spec: job.spec.clone() });
                    work.stage = Stage::Running(job.clone());
                }
                Stage::Unclaimed { hold } => {
                    let hold = *hold;
                    out.push(Output::Claim { task, attempt: work.attempt });
                    work.stage = Stage::Claiming { hold };
                }
                Stage::Undelivered => {
                    out.push(Output::Deliver { task });
                    work.stage = Stage::Delivering;
                }
                Stage::Unreleased { reason } => {
                    let reason = *reason;
                    out.push(Output::Release { task, reason });
                    work.stage = Stage::Releasing { reason };
                }
                Stage::Claiming { .. }
                | Stage::Candidate
                | Stage::Running(_)
                | Stage::Waiting { .. }
                | Stage::Delivering
                | Stage::Releasing { .. } => {}
            }
        }
    }

    fn on_task(&mut self, id: Hash, known: Option<Box<Known>>, out: &mut Vec<Output>) {
        self.offers.remove(&id);
        let Some(known) = known else { return self.drop_work(id, out) };
        if let Some(attempt) = self.assigned(&known.task) {
            return self.on_assigned(id, attempt, known, out);
        }
        let claiming = |work: &&Work| {
            work.attempt == known.task.attempt
                && matches!(
                    work.stage,
                    Stage::Claiming { .. } | Stage::Unclaimed { .. } | Stage::Candidate
                )
        };
        let pending = known.task.state == TaskState::Pending;
        if pending && known.candidate {
            let work = Work { attempt: known.task.attempt, stage: Stage::Candidate };
            self.work.insert(id, work);
            return;
        }
        // A claim that is on its way may not be in yet.
        if pending && self.work.get(&id).as_ref().is_some_and(claiming) {
            return;
        }
        self.drop_work(id, out);
        if pending && self.suits(&id, &known) {
            self.remember(id, known.task);
        }
    }

    /// Remembers an offer, in place of the one that pays least if there are too many.
    fn remember(&mut self, id: Hash, task: Task) {
        self.offers.insert(id, task);
        if self.offers.len() > OFFERS_MAX {
            self.missed = true;
            let least = self.offers.iter().min_by_key(|(_, task)| offered_price(task));
            if let Some(least) = least.map(|(id, _)| *id) {
                self.offers.remove(&least);
            }
        }
    }

    /// The attempt for which the task is this agent's to compute.
    fn assigned(&self, task: &Task) -> Option<u8> {
        let (_, slot) = task.slot()?;
        let mine = slot.agent == self.account
            && slot.state == SlotState::Assigned
            && task.state == TaskState::Assigned;
        mine.then_some(slot.attempt)
    }

    fn on_assigned(&mut self, id: Hash, attempt: u8, known: Box<Known>, out: &mut Vec<Output>) {
        let at_work = self.work.get(&id).is_some_and(|work| {
            work.attempt == attempt
                && !matches!(
                    work.stage,
                    Stage::Claiming { .. } | Stage::Unclaimed { .. } | Stage::Candidate
                )
        });
        if at_work {
            return;
        }
        let stage = if self.kept.get(&id) == Some(&attempt) {
            out.push(Output::Deliver { task: id });
            Stage::Delivering
        } else {
            out.push(Output::Run { task: id, attempt, spec: known.spec.clone() });
            let Known { task, spec, .. } = *known;
            let give_up_at = task.deadline.at.saturating_sub(task.exec_ms / 2);
            Stage::Running(Job { spec, give_up_at })
        };
        self.work.insert(id, Work { attempt, stage });
    }

    fn on_ran(&mut self, task: Hash, attempt: u8, end: RunEnd, out: &mut Vec<Output>) {
        let Some(work) = self.work.get_mut(&task).filter(|work| work.attempt == attempt) else {
            return;
        };
        let Stage::Running(job) = &work.stage else { return };
        work.stage = match end {
            RunEnd::Finished(entry) => {
                self.kept.insert(task, attempt);
                out.push(Output::Keep(entry));
                out.push(Output::Deliver { task });
                Stage::Delivering
            }
            RunEnd::Unavailable(_) if self.market_ms < job.give_up_at => {
                let again_at = self.market_ms.saturating_add(FETCH_AGAIN_MS);
                Stage::Waiting { job: job.clone(), again_at }
            }
            RunEnd::Unavailable(_) => {
                let reason = ReleaseReason::InputUnavailable;
                out.push(Output::Release { task, reason });
                Stage::Releasing { reason }
            }
            RunEnd::CannotExecute(_) => {
                let reason = ReleaseReason::CannotExecute;
                out.push(Output::Release { task, reason });
                Stage::Releasing { reason }
            }
        };
    }

    fn on_sent(&mut self, what: Tx, end: SendEnd, out: &mut Vec<Output>) {
        match what {
            // When it is in, the registry says so with one of the next blocks.
            Tx::Enrol => self.enrolling = !matches!(end, SendEnd::Lost(_)),
            Tx::Heartbeat => {
                self.beating = false;
                if !matches!(end, SendEnd::Lost(_)) {
                    self.beaten_at = self.market_ms;
                }
            }
            Tx::Claim { task, attempt } => self.on_claimed(task, attempt, &end),
            Tx::Deliver { task } => self.on_delivered(task, end, out),
            Tx::Release { task } => {
                let Some(work) = self.work.get_mut(&task) else { return };
                if let (Stage::Releasing { reason }, SendEnd::Lost(_)) = (&work.stage, &end) {
                    work.stage = Stage::Unreleased { reason: *reason };
                }
            }
        }
    }

    fn on_claimed(&mut self, task: Hash, attempt: u8, end: &SendEnd) {
        let Some(work) = self.work.get_mut(&task) else { return };
        let Stage::Claiming { hold } = work.stage else { return };
        if work.attempt != attempt {
            return;
        }
        let in_already =
            matches!(end, SendEnd::Failed(failure) if failure.is(tasks::Error::AlreadyClaimed));
        if matches!(end, SendEnd::Done) || in_already {
            work.stage = Stage::Candidate;
            return;
        }
        if matches!(end, SendEnd::Lost(_)) {
            work.stage = Stage::Unclaimed { hold };
            return;
        }
        self.work.remove(&task);
        // Each failed claim costs its fee: this attempt is not claimed again.
        if self.refused.len() == REFUSED_MAX {
            self.refused.pop_first();
        }
        self.refused.insert((task, attempt));
    }

    fn on_delivered(&mut self, task: Hash, end: SendEnd, out: &mut Vec<Output>) {
        let Some(work) = self.work.get_mut(&task) else { return };
        if work.stage != Stage::Delivering {
            return;
        }
        match end {
            // The task's new state comes with its block and ends the work.
            SendEnd::Done => {}
            SendEnd::Lost(_) => work.stage = Stage::Undelivered,
            // The chain wants another kind of result than this engine makes: that is this agent's fault.
            SendEnd::Failed(failure) if failure.is(validations::Error::BadOutcome) => {
                let reason = ReleaseReason::CannotExecute;
                out.push(Output::Release { task, reason });
                work.stage = Stage::Releasing { reason };
            }
            // Too late, or delivered before.
            SendEnd::Failed(_) => {}
        }
    }

    /// The task is no longer this agent's.
    fn drop_work(&mut self, id: Hash, out: &mut Vec<Output>) {
        self.work.remove(&id);
        if self.kept.remove(&id).is_some() {
            out.push(Output::Forget { task: id });
        }
    }

    /// Claims the offers that pay best, as far as slots and stake allow.
    fn claim(&mut self, out: &mut Vec<Output>) {
        while let Some((id, attempt, hold)) = self.best_offer() {
            self.offers.remove(&id);
            self.work.insert(id, Work { attempt, stage: Stage::Claiming { hold } });
            out.push(Output::Claim { task: id, attempt });
        }
    }

    fn best_offer(&self) -> Option<(Hash, u8, Balance)> {
        let me = self.me.as_ref()?;
        let active = !self.beating && !self.enrolling && self.market_ms >= me.jailed_until;
        let at_work = u32::try_from(self.work.len()).unwrap_or(u32::MAX);
        if !active || at_work >= self.config.slots_max || me.free_slots() <= self.claiming_count() {
            return None;
        }
        let free = me.free_stake().saturating_sub(self.claiming_stake());
        self.offers
            .iter()
            .filter(|(_, task)| task.slot_hold <= free && task.slot_hold <= me.profile.hold_max)
            .max_by_key(|(_, task)| offered_price(task))
            .map(|(id, task)| (*id, task.attempt, task.slot_hold))
    }

    /// Claims that the registry does not count yet.
    fn claiming(&self) -> impl Iterator<Item = Balance> {
        self.work.values().filter_map(|work| match work.stage {
            Stage::Claiming { hold } | Stage::Unclaimed { hold } => Some(hold),
            _ => None,
        })
    }

    fn claiming_count(&self) -> u32 {
        u32::try_from(self.claiming().count()).unwrap_or(u32::MAX)
    }

    fn claiming_stake(&self) -> Balance {
        self.claiming().fold(Balance::ZERO, Balance::saturating_add)
    }

    /// Whether the task pays enough and this machine can do it.
    fn suits(&self, id: &Hash, known: &Known) -> bool {
        let (task, spec, config) = (&known.task, &known.spec, &self.config);
        let input_fits = match &spec.input {
            TaskInput::Inline(_) => true,
            // Sealed inputs come with the market for private tasks.
            TaskInput::Blob { key_commit: Some(_), .. } => false,
            TaskInput::Blob { size, .. } => *size <= config.input_bytes_max,
        };
        input_fits
            && !task.barred.contains(&self.account)
            && !self.refused.contains(&(*id, task.attempt))
            && config.engines.contains(&spec.engine)
            && config.capabilities().cover(&task.policy.requires)
            && spec.memory_pages_max <= config.memory_pages_max
            && spec.output_bytes_max <= config.output_bytes_max
            && price_per_mfuel(task.policy.reward, spec.fuel_limit) >= config.price_per_mfuel
    }
}

fn offered_price(task: &Task) -> Balance {
    price_per_mfuel(task.policy.reward, task.fuel_limit)
}

/// What the whole fuel limit is paid at, per 10^6 units.
fn price_per_mfuel(reward: Balance, fuel_limit: u64) -> Balance {
    Balance::new(reward.saturating_mul(MFUEL).get() / u128::from(fuel_limit.max(1)))
}
