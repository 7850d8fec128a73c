//! Checking a block that another validator built, or that was decided without this node.

use crate::{
    Chain, CheckError, Fault, PooledTx, Received, Refusal, candidate::Candidate,
    execute::WatchedState,
};
use framework::BlockEnv;
use primitives::{AccountId, Block, Hash, Moment};
use rayon::prelude::*;
use runtime::{BlockOutput, Execution, Inherents};
use std::sync::Arc;

/// How far a block's time may be ahead of the clock of those who vote for it, in milliseconds.
pub const CLOCK_AHEAD_MAX_MS: Moment = 500;

/// A block to check.
#[derive(Clone, Debug)]
pub struct CheckRequest {
    /// The block.
    pub block: Block,
    /// This node's clock if the block is a new proposal; `None` if others have voted for it before, as then its time is no
    /// longer a question.
    pub now_ms: Option<Moment>,
    /// Randomness of the operating system, new for each request.
    pub seed: [u8; 32],
}

/// A block that may be voted for and committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// Hash of the block.
    pub hash: Hash,
    /// Who built it. That it was this validator's turn is for consensus to check.
    pub author: AccountId,
    /// Round in which it was proposed first.
    pub origin_round: u32,
    /// The block's time.
    pub time_ms: Moment,
}

impl Chain {
    /// Checks a block by executing it on the head, and stages it. A block that is staged already is not executed again.
    pub fn check(&mut self, request: CheckRequest) -> Result<Checked, CheckError> {
        let CheckRequest { block, now_ms, seed } = request;
        let hash = block.hash();
        let digested = runtime::parse_digest(&block.header)?;
        let checked = |time_ms| Checked {
            hash,
            author: digested.author,
            origin_round: digested.origin_round,
            time_ms,
        };
        if let Some(known) = self.candidates.get(&hash) {
            return Ok(checked(known.time_ms));
        }
        let (inherents, count) = Inherents::from_body(block.header.number, &block.body)?;
        let head = self.head.clone();
        let state = WatchedState::new(&head.snapshot);
        let env =
            runtime::block_env(&state, &head.header, &block.header, &inherents, self.genesis)?;
        check_clock(inherents.time_ms, now_ms)?;
        let expected = block.header.extrinsics_root;
        let found = runtime::extrinsics_root(&block.body);
        if found != expected {
            return Err(Fault::ExtrinsicsRoot { expected, found }.into());
        }
        let transactions = self.verify_body(&block, count, &seed)?;
        let output = execute(&state, &env, &inherents, &transactions, count)?;
        let (expected, found) = (digested.next_validators, output.next_validators);
        if found != expected {
            return Err(Fault::NextValidators { expected, found }.into());
        }
        self.candidates.clear_stage(&mut self.store);
        let found = self.store.stage(output.writes, output.events)?;
        let expected = block.header.state_root;
        if found != expected {
            self.store.unstage();
            return Err(Fault::StateRoot { expected, found }.into());
        }
        let time_ms = inherents.time_ms;
        let inherents = block.body.iter().take(count).map(|inherent| inherent.hash()).collect();
        let block = Arc::new(block);
        self.candidates.add_staged(Candidate { block, hash, time_ms, transactions, inherents });
        Ok(checked(time_ms))
    }

    /// The transactions after the inherents, with valid signatures.
    fn verify_body(
        &self,
        block: &Block,
        inherents: usize,
        seed: &[u8; 32],
    ) -> Result<Vec<Arc<PooledTx>>, Fault> {
        let transactions = block.body.get(inherents..).unwrap_or_default();
        let transactions = transactions.par_iter().cloned().map(Received::from).collect();
        let verdicts = self.verifier.verify(&self.head, transactions, seed);
        let verdicts = (inherents..).zip(verdicts);
        let fault = |(index, verdict): (usize, Result<_, _>)| {
            verdict.map_err(|source| Fault::Transaction { index, source })
        };
        verdicts.map(fault).collect()
    }
}

/// How long until a block of this time can be judged, by a clock that shows `now_ms`, in milliseconds.
pub fn early_ms(time_ms: Moment, now_ms: Moment) -> u64 {
    time_ms.saturating_sub(now_ms.saturating_add(CLOCK_AHEAD_MAX_MS))
}

fn check_clock(time_ms: Moment, now_ms: Option<Moment>) -> Result<(), Fault> {
    match now_ms {
        Some(now_ms) if early_ms(time_ms, now_ms) > 0 => Err(Fault::TooEarly { time_ms, now_ms }),
        _ => Ok(()),
    }
}

/// Executes a body whose transactions all must be includable.
fn execute(
    state: &WatchedState<'_>,
    env: &BlockEnv,
    inherents: &Inherents,
    transactions: &[Arc<PooledTx>],
    inherents_count: usize,
) -> Result<BlockOutput, Fault> {
    let mut execution = Execution::begin(state, env, inherents)?;
    for (index, tx) in (inherents_count..).zip(transactions) {
        let applied = state.apply(&mut execution, &tx.checked);
        applied.map_err(|refusal| match refusal {
            Refusal::Invalid(source) => Fault::Transaction { index, source },
            Refusal::BlockFull => Fault::Overfull { index },
            Refusal::Panicked(message) => Fault::Panicked { index, message },
        })?;
    }
    Ok(execution.finish())
}
