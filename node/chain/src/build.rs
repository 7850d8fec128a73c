//! Building a block.

use crate::{Chain, Error, PooledTx, Refusal, candidate::Candidate, execute::WatchedState};
use primitives::{AccountId, Block, Certificate, Evidence, Hash, Header, Moment, crypto::vrf};
use runtime::{BlockError, BlockOutput, Digested, Execution, Inherents, InvalidTransaction};
use std::sync::Arc;

/// Most transactions that are passed over because they do not fit any more.
const MISSES_MAX: usize = 64;

/// What a proposer wants built on the head.
pub struct BuildRequest<'a> {
    /// The proposer.
    pub author: AccountId,
    /// Round in which the block is proposed first.
    pub origin_round: u32,
    /// The proposer's clock, in milliseconds since 1970. A clock that lags behind the head counts as the head's time and
    /// one millisecond.
    pub now_ms: Moment,
    /// Proof that the head is final with more votes than the one it was committed with, if there is one.
    pub certificate: Option<Certificate>,
    /// Certificates of the last blocks with votes that came late. What adds nobody is left out.
    pub widened: Vec<Certificate>,
    /// Validators that signed two things where they may sign one. What proves nothing, or nothing new, is left out.
    pub evidence: Vec<Evidence>,
    /// What waits, in order.
    pub transactions: Vec<Arc<PooledTx>>,
    /// Makes output and proof of the proposer's VRF key for a message.
    pub sign_vrf: &'a dyn Fn(&[u8]) -> vrf::Proof,
    /// Whether the time for execution is over; asked before each transaction.
    pub is_late: &'a mut dyn FnMut() -> bool,
}

/// A block that was built and can be committed.
#[derive(Clone, Debug)]
pub struct Built {
    /// The block.
    pub block: Arc<Block>,
    /// Its hash.
    pub hash: Hash,
    /// How many of the request's transactions are in it.
    pub included: usize,
    /// Those that can no longer be included, so that the pool lets them go. What waits for a nonce, or for room, is not
    /// among them.
    pub rejected: Vec<Rejected>,
}

/// A transaction that could not be included.
#[derive(Clone, Debug, PartialEq)]
pub struct Rejected {
    /// Its hash.
    pub hash: Hash,
    /// Why.
    pub refusal: Refusal,
}

impl Chain {
    /// Builds a block on the head and stages it. The certificate of the head becomes part of it.
    pub fn build(&mut self, mut request: BuildRequest<'_>) -> Result<Built, Error> {
        let head = self.head.clone();
        let mut inherents = Inherents {
            time_ms: request.now_ms.max(head.time_ms.saturating_add(1)),
            parent_certificate: wider(request.certificate.take(), head.certificate.as_deref()),
            ..Inherents::default()
        };
        let evidence = std::mem::take(&mut request.evidence);
        inherents.add_news(
            &head.snapshot,
            head.next_height(),
            &self.genesis,
            &request.widened,
            evidence,
        );
        let mut digested = self.draw(&request);
        let mut header = Header {
            parent_hash: head.hash,
            number: self.head.next_height(),
            state_root: Hash::ZERO,
            extrinsics_root: Hash::ZERO,
            digest: runtime::make_digest(&digested),
        };
        let state = WatchedState::new(&head.snapshot);
        let env = runtime::block_env(&state, &head.header, &header, &inherents, self.genesis);
        let env = env.map_err(|error| match error {
            BlockError::UnknownRules { .. } => Error::UnknownRules(error),
            error => Error::Build(error),
        })?;
        let mut execution = Execution::begin(&state, &env, &inherents).map_err(Error::Build)?;
        let (transactions, rejected) = fill(&state, &mut execution, &mut request);
        let BlockOutput { writes, events, next_validators, .. } = execution.finish();

        let mut body = inherents.to_transactions();
        let inherents_hashes = body.iter().map(|inherent| inherent.hash()).collect();
        body.extend(transactions.iter().map(|tx| tx.bytes.clone()));
        self.candidates.clear_stage(&mut self.store);
        header.state_root = self.store.stage(writes, events)?;
        header.extrinsics_root = runtime::extrinsics_root(&body);
        digested.next_validators = next_validators;
        header.digest = runtime::make_digest(&digested);
        let block = Arc::new(Block { header, body });
        let hash = block.hash();
        let included = transactions.len();
        self.candidates.add_staged(Candidate {
            block: block.clone(),
            hash,
            time_ms: inherents.time_ms,
            inherents: inherents_hashes,
            transactions,
        });
        Ok(Built { block, hash, included, rejected })
    }

    /// The digest's contents before execution.
    fn draw(&self, request: &BuildRequest<'_>) -> Digested {
        let state = &self.head.snapshot;
        let message = runtime::vrf_message(state, self.head.next_height(), request.origin_round);
        let vrf::Proof { output, proof } = (request.sign_vrf)(&message);
        Digested {
            author: request.author,
            origin_round: request.origin_round,
            vrf_output: output,
            vrf_proof: proof,
            next_validators: Hash::ZERO,
            new_rules: runtime::brings_rules(state, self.head.next_height()),
        }
    }
}

/// The certificate with more votes, of two for one block.
fn wider(new: Option<Certificate>, known: Option<&Certificate>) -> Option<Certificate> {
    let votes = |certificate: &Certificate| certificate.signatures.len();
    let is_wider = |new: &Certificate| {
        known.is_some_and(|known| {
            (new.height, new.round, new.block) == (known.height, known.round, known.block)
                && votes(new) > votes(known)
        })
    };
    new.filter(is_wider).or_else(|| known.cloned())
}

/// Applies what fits, in order, until the time is over.
fn fill(
    state: &WatchedState<'_>,
    execution: &mut Execution<'_>,
    request: &mut BuildRequest<'_>,
) -> (Vec<Arc<PooledTx>>, Vec<Rejected>) {
    let offered = std::mem::take(&mut request.transactions);
    let mut included = Vec::with_capacity(offered.len());
    let mut rejected = Vec::new();
    let mut misses = 0;
    for tx in offered {
        if misses >= MISSES_MAX || (request.is_late)() {
            break;
        }
        match state.apply(execution, &tx.checked) {
            Ok(()) => included.push(tx),
            Err(Refusal::BlockFull) => misses += 1,
            // It follows one that did not fit.
            Err(Refusal::Invalid(InvalidTransaction::Future)) => {}
            Err(refusal) => rejected.push(Rejected { hash: tx.hash(), refusal }),
        }
    }
    (included, rejected)
}
