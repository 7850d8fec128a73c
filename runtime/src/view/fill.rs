//! State and events as views.

use super::{
    AgentView, Bytes, DeadlineView, InputView, MarketView, OutcomeView, PAYOUTS_MAX, PayoutView,
    PolicyView, ReasonView, ResultView, ShareView, SlotView, SpecView, StampView, TASKS_PAGE_MAX,
    TASKS_SCANNED_MAX, TaskEventView, TaskFilter, TaskPage, TaskState, TaskView,
};
use crate::{RuntimeEvent, explain};
use codec::DecodeAll;
use framework::StateRead;
use pallets::{
    agents::{self, Deadline, Payee, clock},
    escrow,
    payouts::{self, Intent, IntentState, Owed, PayoutKind},
    system::{self, EventRecord},
    tasks,
    tasks::{Assurance, Cid, Input, Outcome, Output, SlotState, TaskId, TaskSpec},
    validations::{self, TaskResult},
};
use primitives::{AccountId, Balance, Hash, Height, Moment};

/// A content id as people and IPFS software write it.
pub fn cid(cid: &Cid) -> String {
    match ::cid::Cid::try_from(&cid.0[..]) {
        Ok(standard) => standard.to_string(),
        // The market takes valid ids only; this keeps the view total.
        Err(_) => Bytes(cid.0.to_vec()).to_string(),
    }
}

/// A task, if the chain knows it.
pub fn task(state: &dyn StateRead, id: &TaskId) -> Option<TaskView> {
    tasks::task(state, id).map(|record| task_view(state, id, &record))
}

/// Tasks that fit a filter, in the order of their ids, after `start`; at most [`TASKS_PAGE_MAX`].
pub fn tasks(
    state: &dyn StateRead,
    filter: &TaskFilter,
    start: Option<&TaskId>,
    count: u32,
) -> TaskPage {
    let count = usize::try_from(count.min(TASKS_PAGE_MAX)).unwrap_or(usize::MAX);
    let mut page = TaskPage::default();
    let mut last = start.copied();
    for _ in 0..TASKS_SCANNED_MAX {
        let Some((id, record)) = tasks::next_task(state, last.as_ref()) else {
            return page;
        };
        if page.tasks.len() == count {
            break;
        }
        if fits(state, filter, &id, &record) {
            page.tasks.push(task_view(state, &id, &record));
        }
        last = Some(id);
    }
    TaskPage { next: last, ..page }
}

/// An agent, if the account is one.
pub fn agent(state: &dyn StateRead, account: &AccountId) -> Option<AgentView> {
    let agent = agents::agent(state, account)?;
    let free_slots = agent.free_slots();
    let profile = agent.profile;
    let payout = match profile.payout {
        Payee::Account(account) => {
            vec![ShareView { account, parts: primitives::PARTS_PER_MILLION }]
        }
        Payee::Split(shares) => shares
            .into_iter()
            .map(|share| ShareView { account: share.account, parts: share.parts })
            .collect(),
    };
    Some(AgentView {
        account: *account,
        owner: agent.owner,
        payout,
        peer_key: Hash(profile.peer_key),
        exchange_key: Hash(profile.exchange_key),
        vrf_key: Hash(profile.vrf_key),
        engines: profile.engines,
        memory_class: profile.capabilities.memory_class,
        tags: texts(&profile.capabilities.tags),
        stake: agent.stake,
        locked: agent.locked,
        hold_max: profile.hold_max,
        slots: profile.slots,
        free_slots,
        price: profile.price,
        reputation: agent.reputation.at(clock::now(state)).value,
        no_shows: agent.no_shows,
        jailed_until_ms: agent.jailed_until,
        last_seen_ms: agent.last_seen,
        version: agent.version,
    })
}

/// The payouts of a task.
pub fn payouts_of_task(state: &dyn StateRead, task: &TaskId) -> Vec<PayoutView> {
    payout_views(state, payouts::of_task(state, task))
}

/// What an account is still owed; at most [`PAYOUTS_MAX`] payouts.
pub fn payouts_of_account(state: &dyn StateRead, account: &AccountId) -> Vec<PayoutView> {
    payout_views(state, payouts::of_payee(state, account, PAYOUTS_MAX))
}

/// The market.
pub fn market(state: &dyn StateRead) -> MarketView {
    let clock = clock::clock(state);
    MarketView {
        height: system::number(state),
        market_ms: clock.now,
        paused: clock.paused,
        claim_seed: tasks::epoch(state).seed,
    }
}

/// What an event means to a task; none if it is about something else. `index` is its place among all events of the block.
pub fn task_event(
    event: &RuntimeEvent,
    block: Hash,
    height: Height,
    time_ms: Moment,
    index: u32,
) -> Option<TaskEventView> {
    let (task, account, amount) = subject(event)?;
    let explained = explain::event(event);
    let (event, text) = (explained.name, explained.text);
    Some(TaskEventView { block, height, time_ms, index, task, event, account, amount, text })
}

/// What the events of a block mean to tasks, in their order. `events` is the value of `System.Events`, empty if there is none.
///
/// # Errors
///
/// The bytes are no event records.
pub fn task_events(
    events: &[u8],
    block: Hash,
    height: Height,
    time_ms: Moment,
) -> Result<Vec<TaskEventView>, codec::Error> {
    if events.is_empty() {
        return Ok(Vec::new());
    }
    let records = Vec::<EventRecord<RuntimeEvent, Hash>>::decode_all(&mut &events[..])?;
    let about_tasks = (0..)
        .zip(&records)
        .filter_map(|(index, record)| task_event(&record.event, block, height, time_ms, index));
    Ok(about_tasks.collect())
}

/// The task that an event is about, who acts or is paid in it, and how much.
fn subject(event: &RuntimeEvent) -> Option<(TaskId, Option<AccountId>, Option<Balance>)> {
    use agents::Event as OfAgents;
    use escrow::Event as OfEscrow;
    use payouts::Event as OfPayouts;
    use tasks::Event as OfTasks;
    use validations::Event as OfResults;
    match event {
        RuntimeEvent::Tasks(event) => match event {
            OfTasks::Created { task, requester, reward, .. } => {
                Some((*task, Some(*requester), Some(*reward)))
            }
            OfTasks::Funded { task, by } => Some((*task, Some(*by), None)),
            OfTasks::Claimed { task, agent, .. }
            | OfTasks::Assigned { task, agent, .. }
            | OfTasks::Released { task, agent, .. }
            | OfTasks::NoShow { task, agent, .. } => Some((*task, Some(*agent), None)),
            OfTasks::Reopened { task, .. }
            | OfTasks::CancelRequested { task, .. }
            | OfTasks::Closed { task, .. }
            | OfTasks::Pruned { task, .. } => Some((*task, None, None)),
            OfTasks::EpochStarted { .. } | OfTasks::ParamsSet {} => None,
        },
        RuntimeEvent::Escrow(event) => match event {
            OfEscrow::Deposited { task, who, amount }
            | OfEscrow::Refunded { task, who, amount } => Some((*task, Some(*who), Some(*amount))),
            OfEscrow::Paid { task, to, amount } => Some((*task, Some(*to), Some(*amount))),
            OfEscrow::ListingFeeBurned { task, amount } => Some((*task, None, Some(*amount))),
            OfEscrow::FeePaid { task, validators, audits, treasury, burned } => {
                let parts = [*validators, *audits, *treasury, *burned];
                let all = parts.into_iter().fold(Balance::ZERO, Balance::saturating_add);
                Some((*task, None, Some(all)))
            }
            OfEscrow::ParamsSet {} => None,
        },
        RuntimeEvent::Validations(event) => match event {
            OfResults::ResultSubmitted { task, agent, .. }
            | OfResults::Validated { task, agent, .. } => Some((*task, Some(*agent), None)),
            OfResults::ResultAccepted { task, .. } => Some((*task, None, None)),
            OfResults::PaidEarly { task, agent, reward, .. } => {
                Some((*task, Some(*agent), Some(*reward)))
            }
            OfResults::ParamsSet {} => None,
        },
        RuntimeEvent::Payouts(event) => match event {
            OfPayouts::Accrued { task, payee, amount, .. }
            | OfPayouts::Paid { task, payee, amount, .. } => {
                Some((*task, Some(*payee), Some(*amount)))
            }
            OfPayouts::Transferred { .. }
            | OfPayouts::Failed { .. }
            | OfPayouts::Unclaimed { .. }
            | OfPayouts::Redirected { .. }
            | OfPayouts::Forfeited { .. }
            | OfPayouts::MinimumSet { .. }
            | OfPayouts::ParamsSet {} => None,
        },
        RuntimeEvent::Agents(OfAgents::Slashed { agent, task, amount, .. }) => {
            Some((*task, Some(*agent), Some(*amount)))
        }
        _ => None,
    }
}

fn fits(state: &dyn StateRead, filter: &TaskFilter, id: &TaskId, record: &tasks::Task) -> bool {
    let of_agent = |agent: &AccountId| {
        record.slots.iter().any(|slot| slot.agent == *agent)
            || record.candidates > 0
                && tasks::candidates(state, id).iter().any(|candidate| candidate.agent == *agent)
    };
    filter.state.is_none_or(|wanted| wanted == state_view(record.state))
        && filter.requester.is_none_or(|wanted| wanted == record.requester)
        && filter.agent.as_ref().is_none_or(of_agent)
}

fn task_view(state: &dyn StateRead, id: &TaskId, record: &tasks::Task) -> TaskView {
    let spec = tasks::spec(state, id).expect("each task has a specification");
    let slots: Vec<SlotView> = record
        .slots
        .iter()
        .zip(0u8..)
        .map(|(slot, number)| SlotView {
            agent: slot.agent,
            stake_hold: slot.hold,
            state: slot_state(slot.state).to_owned(),
            attempt: u32::from(slot.attempt),
            commit: slot.commit,
            outcome: validations::result(state, id, number).map(outcome_view),
        })
        .collect();
    let candidates = if record.candidates > 0 { tasks::candidates(state, id) } else { Vec::new() };
    TaskView {
        id: *id,
        requester: record.requester,
        sponsor: record.sponsor,
        state: state_view(record.state),
        attempt: u32::from(record.attempt),
        spec: spec_view(spec),
        policy: policy_view(&record.policy),
        escrow: escrow::escrow(state, id).map_or(Balance::ZERO, |escrow| escrow.left()),
        candidates: candidates.into_iter().map(|candidate| candidate.agent).collect(),
        outcome: slots.last().and_then(|slot| slot.outcome.clone()),
        slots,
        deadline: record.next().map(|(_, deadline)| deadline_view(deadline)),
        cancel: record.cancel.map(deadline_view),
        paid_early: record.early == tasks::EarlyPay::Paid,
        created: stamp_view(record.created),
        changed: stamp_view(record.changed),
        close_reason: record.close_reason.map(|reason| ReasonView {
            code: reason.code(),
            culprit: culprit(reason.code()).to_owned(),
            text: tasks::explain(reason).to_owned(),
        }),
    }
}

fn spec_view(spec: TaskSpec) -> SpecView {
    SpecView {
        engine: spec.engine,
        program: cid(&spec.program),
        input: match spec.input {
            Input::Inline(bytes) => InputView::Inline(Bytes(bytes)),
            Input::Blob { cid: id, plaintext_hash, key_commit, size } => {
                InputView::Blob { cid: cid(&id), plaintext_hash, key_commit, size }
            }
        },
        args: spec.args.into_iter().map(Bytes).collect(),
        fuel_limit: spec.fuel_limit,
        memory_pages_max: spec.memory_pages_max,
        output_bytes_max: spec.output_bytes_max,
    }
}

fn policy_view(policy: &tasks::Policy) -> PolicyView {
    let assurance = match policy.assurance {
        Assurance::Economy => "economy",
        Assurance::Standard => "standard",
        Assurance::Assured => "assured",
    };
    PolicyView {
        reward: policy.reward,
        replicas: u32::from(policy.replicas),
        quorum: u32::from(policy.quorum),
        extra_attempts: u32::from(policy.extra_attempts),
        assurance: assurance.to_owned(),
        value_at_risk: policy.value_at_risk,
        memory_class: policy.requires.memory_class,
        tags: texts(&policy.requires.tags),
        claim_ms: policy.claim_ms,
        retain_ms: policy.retain_ms,
    }
}

fn outcome_view(result: TaskResult) -> OutcomeView {
    let view = match result.outcome {
        Outcome::Ok { output, hash, size } => {
            let (inline, id) = match output {
                Output::Inline(bytes) => (Some(Bytes(bytes)), None),
                Output::Blob(id) => (None, Some(cid(&id))),
            };
            ResultView::Ok { inline, cid: id, hash, size }
        }
        Outcome::Trap { code } => ResultView::Trap { code },
        Outcome::OutOfFuel => ResultView::OutOfFuel,
    };
    OutcomeView { result: view, fuel_used: result.fuel_used }
}

fn payout_views(state: &dyn StateRead, payouts: Vec<(Hash, Intent)>) -> Vec<PayoutView> {
    payouts.into_iter().map(|(id, intent)| payout_view(state, id, intent)).collect()
}

fn payout_view(state: &dyn StateRead, id: Hash, intent: Intent) -> PayoutView {
    let (name, paid_at) = match intent.state {
        IntentState::Accrued => ("accrued", None),
        IntentState::Paid(height) => ("paid", Some(height)),
        IntentState::Unclaimed(_) => ("unclaimed", None),
        IntentState::Forfeited => ("forfeited", None),
    };
    let kind = match intent.kind {
        PayoutKind::Reward { .. } => "reward",
        PayoutKind::Cancellation { .. } => "cancellation",
    };
    // Tries are counted for all that a payee waits for.
    let owed = match intent.state {
        IntentState::Accrued => payouts::owed(state, &intent.payee),
        IntentState::Paid(_) | IntentState::Unclaimed(_) | IntentState::Forfeited => {
            Owed::default()
        }
    };
    PayoutView {
        id,
        task: intent.task,
        slot: intent.slot,
        kind: kind.to_owned(),
        agent: intent.agent,
        payee: intent.payee,
        amount: intent.amount,
        state: name.to_owned(),
        paid_at,
        attempts: u32::from(owed.attempts),
        next_try_ms: owed.next_try,
    }
}

fn state_view(state: tasks::TaskState) -> TaskState {
    match state {
        tasks::TaskState::AwaitingEscrow => TaskState::AwaitingEscrow,
        tasks::TaskState::Pending => TaskState::Pending,
        tasks::TaskState::Assigned => TaskState::Assigned,
        tasks::TaskState::Revealing => TaskState::Revealing,
        tasks::TaskState::Validating => TaskState::Validating,
        tasks::TaskState::Disputed => TaskState::Disputed,
        tasks::TaskState::Validated => TaskState::Validated,
        tasks::TaskState::Settled => TaskState::Settled,
        tasks::TaskState::Expired => TaskState::Expired,
        tasks::TaskState::Cancelled => TaskState::Cancelled,
        tasks::TaskState::Failed => TaskState::Failed,
    }
}

fn slot_state(state: SlotState) -> &'static str {
    match state {
        SlotState::Assigned => "assigned",
        SlotState::Committed => "committed",
        SlotState::Revealed => "revealed",
        SlotState::Accepted => "accepted",
        SlotState::Rejected => "rejected",
        SlotState::NoShow => "noShow",
        SlotState::NoReveal => "noReveal",
        SlotState::Released => "released",
        SlotState::Cancelled => "cancelled",
    }
}

/// Whose fault a code tells of.
fn culprit(code: u16) -> &'static str {
    match code {
        0 => "nobody",
        1..=999 => "requester",
        1_000..=1_999 => "agent",
        2_000..=2_999 => "gateway",
        3_000..=3_999 => "validator",
        4_000.. => "network",
    }
}

fn deadline_view(deadline: Deadline) -> DeadlineView {
    DeadlineView { market_ms: deadline.at, height: deadline.height }
}

fn stamp_view(stamp: tasks::Stamp) -> StampView {
    StampView { height: stamp.height, time_ms: stamp.time_ms }
}

fn texts(tags: &[Vec<u8>]) -> Vec<String> {
    tags.iter().map(|tag| String::from_utf8_lossy(tag).into_owned()).collect()
}
