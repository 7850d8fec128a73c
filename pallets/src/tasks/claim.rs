//! Candidates and the draw among them.

use super::{
    CANDIDATES, CANDIDATES_MAX, Candidate, EPOCH, Entry, Error, Event, Slot, SlotState, TaskId,
    TaskState, candidates, current, params,
};
use crate::agents::{
    self, Deadline, Terms,
    clock::{self, DEADLINE_BLOCKS},
};
use framework::prelude::*;
use primitives::crypto::{hash::blake2_256, vrf};

/// Label under which agents sign claims with their VRF key.
pub const CLAIM_LABEL: &[u8] = b"artel/claim/1";
/// A draw counts as random, and its work for reputation, from this many candidates on: 3 r.
const RANDOM_FROM: u8 = 3;

/// Seeds over which claims are signed. The last one still counts, so that no claim is lost between
/// signing and inclusion.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo,
)]
pub struct Epoch {
    /// Seed of this epoch.
    pub seed: Hash,
    /// Seed of the last epoch.
    pub last: Hash,
    /// Market time at which this epoch ends.
    pub until: Moment,
}

/// The epoch that runs.
pub fn epoch(state: &dyn StateRead) -> Epoch {
    EPOCH.get(state).unwrap_or_default()
}

/// What an agent signs with its VRF key, under [`CLAIM_LABEL`], to be a candidate.
pub fn claim_message(genesis: &Hash, task: &TaskId, attempt: u8, seed: &Hash) -> Vec<u8> {
    (CLAIM_LABEL, genesis, task, attempt, seed).encode()
}

/// Starts a new epoch when the last one is over.
pub(super) fn roll_epoch(cx: &mut Ctx) {
    let old = epoch(cx);
    let now = clock::now(cx);
    if now < old.until {
        return;
    }
    let seed = cx.block.randomness;
    let until = now.saturating_add(params(cx).epoch_ms);
    EPOCH.set(cx, &Epoch { seed, last: old.seed, until });
    cx.emit(Event::EpochStarted { seed });
}

pub(super) fn claim(
    cx: &mut Ctx,
    who: AccountId,
    id: TaskId,
    output: &[u8; 32],
    proof: &[u8; 64],
) -> DispatchResult {
    let mut entry = current(cx, &id)?;
    let task = &entry.task;
    ensure(task.state == TaskState::Pending, Error::NotPending)?;
    ensure(!task.barred.contains(&who), Error::Barred)?;
    let mut candidates = if task.candidates == 0 { Vec::new() } else { candidates(cx, &id) };
    ensure(candidates.iter().all(|c| c.agent != who), Error::AlreadyClaimed)?;
    ensure(task.candidates < CANDIDATES_MAX, Error::TooManyCandidates)?;
    let terms =
        Terms { engine: task.engine, requires: &task.policy.requires, hold: task.slot_hold };
    let agent = agents::engage(cx, &who, terms)?;
    let epoch = epoch(cx);
    let verify = |seed: &Hash| {
        let message = claim_message(&cx.block.genesis, &id, task.attempt, seed);
        vrf::verify(&agent.profile.vrf_key, CLAIM_LABEL, &message, output, proof)
    };
    let randomness =
        verify(&epoch.seed).or_else(|| verify(&epoch.last)).ok_or(Error::BadClaimProof)?;

    let params = params(cx);
    let weight = params.weight(agent.stake);
    candidates.push(Candidate { agent: who, owner: agent.owner, randomness, weight });
    CANDIDATES.set(cx, &id, &candidates);
    let attempt = entry.task.attempt;
    entry.task.candidates += 1;
    if entry.task.candidates == 1 {
        // The draw waits for no number of blocks: who is late has other tasks.
        entry.task.deadline = Deadline::after(cx, params.draw_ms, 0);
    }
    entry.save(cx);
    cx.emit(Event::Claimed { task: id, attempt, agent: who });
    Ok(())
}

/// Draws one candidate with the randomness of the block that runs: the candidates closed before it
/// was made, and nobody knew it then.
pub(super) fn draw(cx: &mut Ctx, entry: &mut Entry) {
    let seed = cx.block.randomness;
    let winner = candidates(cx, &entry.id)
        .into_iter()
        .min_by_key(|candidate| (score(&seed, candidate), candidate.agent))
        .expect("a task with a draw has a candidate");
    let random = entry.task.candidates >= RANDOM_FROM;
    dismiss(cx, entry, Some(&winner.agent));
    let attempt = entry.task.attempt;
    let slot = u8::try_from(entry.task.slots.len()).expect("SLOTS_MAX is small");
    entry.task.slots.push(Slot {
        attempt,
        agent: winner.agent,
        owner: winner.owner,
        hold: entry.task.slot_hold,
        random,
        state: SlotState::Assigned,
        commit: None,
        outcome: None,
        payouts: 0,
    });
    let exec_ms = entry.task.exec_ms;
    let deadline = Deadline::after(cx, exec_ms, DEADLINE_BLOCKS);
    entry.enter(cx, TaskState::Assigned, deadline);
    let (task, agent, until) = (entry.id, winner.agent, deadline.at);
    cx.emit(Event::Assigned { task, attempt, slot, agent, until });
}

/// `H(seed, vrf) / weight`: the lowest wins.
fn score(seed: &Hash, candidate: &Candidate) -> u128 {
    let Hash(bytes) = blake2_256(&("artel/draw/1", seed, candidate.randomness).encode());
    let (high, _) = bytes.split_at(16);
    let number = u128::from_be_bytes(high.try_into().expect("split at 16 bytes"));
    number / u128::from(candidate.weight.max(1))
}

/// Lets all candidates go, but for the one who was drawn.
pub(super) fn dismiss(cx: &mut Ctx, entry: &mut Entry, drawn: Option<&AccountId>) {
    if entry.task.candidates == 0 {
        return;
    }
    for candidate in candidates(cx, &entry.id) {
        if Some(&candidate.agent) != drawn {
            agents::disengage(cx, &candidate.agent, entry.task.slot_hold);
        }
    }
    CANDIDATES.remove(cx, &entry.id);
    entry.task.candidates = 0;
}
