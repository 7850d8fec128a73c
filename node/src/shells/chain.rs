//! The chain thread: owns the chain, builds and checks blocks, and makes the decided ones final.

use super::{
    clock::Clock,
    evidence::EvidencePool,
    metrics::ChainMetrics,
    pool::Control,
    recent::{Recent, Whole},
    verify::seed,
};
use crate::signer::Signer;
use anyhow::{Context, Result};
use chain::{BuildRequest, Built, Chain, CheckError, CheckRequest, Committed, Fault, Head};
use codec::{Decode, Encode};
use consensus::{Input, Proposed, Verdict};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, never, select_biased};
use pallets::session::WIDEN_BLOCKS_MAX;
use primitives::{AccountId, Block, Certificate, Evidence, Hash, Height};
use rpc::ProofRequest;
use runtime::unknown_rules_ahead;
use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;
use txpool::Limits;

/// Most commands that wait for the chain.
pub const COMMANDS_MAX: usize = 32;
/// Most requests for proofs that wait; more are refused.
pub const PROOFS_MAX: usize = 8;
/// Proofs take at most one part in so many of the thread's time: those of older blocks take the later ones out of the tree,
/// and consensus waits meanwhile.
const PROOFS_SHARE: u32 = 5;
/// Longest sleep, so that a stop is noticed soon.
const SLEEP_MAX: Duration = Duration::from_millis(100);
/// Most blocks ahead of the clock that wait until they can be judged; the oldest makes room.
const EARLY_MAX: usize = 8;
/// Longest wait for that: by then their round is over.
const EARLY_WAIT_MAX: Duration = Duration::from_secs(10);
/// Execution ends at this share of the time that a round gives the proposer, so that the block
/// reaches the others in time: one part in so many.
const EXECUTION_SHARE: u32 = 3;

/// What the chain thread is asked to do; answers go to consensus.
pub enum Command {
    /// Build a block on the head.
    Build {
        /// Height of the block.
        height: Height,
        /// Round in which it will be proposed.
        round: u32,
        /// Proof that the parent is final, with all votes that are known.
        certificate: Option<Certificate>,
        /// When the round gives up.
        deadline: Instant,
    },
    /// A validator signed two things where it may sign one: a block of ours should say so.
    Report(Evidence),
    /// Check a block.
    Check {
        /// Height of the block.
        height: Height,
        /// What its proposal says.
        proposed: Option<Proposed>,
        /// Its hash, as the proposal says.
        block: Hash,
        /// Its bytes.
        body: consensus::Bytes,
    },
    /// Make a block final.
    Commit {
        /// Why it is.
        certificate: Certificate,
        /// Its bytes, should it have to be executed again.
        body: consensus::Bytes,
    },
    /// Execute a proposed block ahead, where there is no consensus.
    Prepare {
        /// The block; its header and body belong together.
        block: Arc<Block>,
    },
    /// Make a block final that others have decided. Its certificate is verified.
    Import {
        /// Why it is final.
        certificate: Certificate,
        /// The block.
        block: Block,
        /// Whether others follow at once, so that the disk need not have this one before.
        has_more: bool,
        /// What became of it.
        answer: oneshot::Sender<Result<Head, Refused>>,
    },
}

/// Why a block with a good certificate can't be imported: it does not follow the head, or it breaks a rule, which no
/// certified block does unless more than a third of the validators do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("block {height} cannot be imported: {reason}")]
pub struct Refused {
    /// Its height.
    pub height: Height,
    /// Why.
    pub reason: String,
}

/// What a validator proposes with.
pub struct Author {
    /// Its account.
    pub account: AccountId,
    /// Draws randomness.
    pub signer: Signer,
}

/// What the thread works with.
pub struct Shell {
    /// The core.
    pub chain: Chain,
    /// What blocks are made with, if they are made here.
    pub author: Option<Author>,
    /// Most transactions of a block that is built here.
    pub transactions_max: usize,
    /// What to do.
    pub commands: Receiver<Command>,
    /// What to prove while there is nothing else to do.
    pub proofs: Receiver<ProofRequest>,
    /// Where answers go, if there is consensus here.
    pub consensus: Option<Sender<Input>>,
    /// The pool thread.
    pub pool: Sender<Control>,
    /// Who wants to know of each final block.
    pub heads: watch::Sender<Head>,
    /// Where blocks that are built here are kept for peers.
    pub recent: Recent,
    /// What blocks are stamped by.
    pub clock: Clock,
    /// What is counted.
    pub metrics: ChainMetrics,
    /// Evidence that no block has yet, as far as this node knows.
    pub evidence: EvidencePool,
    /// Checks of blocks ahead of the clock, and when they can be done.
    pub early: VecDeque<(Instant, Command)>,
}

/// What comes of a check.
enum Judged {
    /// A verdict.
    Is(Verdict),
    /// None, for so long: nobody votes for or against the block until then.
    Early(Duration),
}

impl Shell {
    /// Runs until `stop` fires. An error stops the node.
    pub fn run(mut self, stop: &CancellationToken) -> Result<()> {
        warn_of_rules(None, self.chain.head());
        let (commands, mut proofs) = (self.commands.clone(), self.proofs.clone());
        let mut rests_until = Instant::now();
        while !stop.is_cancelled() {
            let early = self.check_early(stop)?;
            let rest = rests_until.saturating_duration_since(Instant::now());
            let (proofs_now, sleep) = match rest {
                Duration::ZERO => (proofs.clone(), SLEEP_MAX),
                rest => (never(), rest.min(SLEEP_MAX)),
            };
            let sleep = sleep.min(early);
            select_biased! {
                recv(commands) -> command => match command {
                    Ok(command) => self.on_command(command, stop)?,
                    Err(_) => return Ok(()),
                },
                recv(proofs_now) -> request => match request {
                    Ok(request) => {
                        let start = Instant::now();
                        self.prove(request)?;
                        rests_until = Instant::now() + start.elapsed() * (PROOFS_SHARE - 1);
                    }
                    // The servers stop before the chain does.
                    Err(_) => proofs = never(),
                },
                default(sleep) => {}
            }
        }
        Ok(())
    }

    fn on_command(&mut self, command: Command, stop: &CancellationToken) -> Result<()> {
        match command {
            Command::Build { height, round, certificate, deadline } => {
                self.build(height, round, certificate, deadline, stop)
            }
            Command::Report(evidence) => self.evidence.note(evidence),
            Command::Check { height, proposed, block, body } => {
                self.check(height, proposed, block, body)
            }
            Command::Commit { certificate, body } => self.commit(certificate, &body),
            Command::Prepare { block } => self.prepare(&block),
            Command::Import { certificate, block, has_more, answer } => {
                let result = self.import(certificate, block, has_more)?;
                // Who asked may have gone.
                let _ = answer.send(result);
                Ok(())
            }
        }
    }

    fn prove(&mut self, request: ProofRequest) -> Result<()> {
        let ProofRequest { block, keys, answer } = request;
        let proofs = match self.chain.prove(&block, &keys) {
            Ok(proofs) => Some(proofs),
            Err(chain::Error::Storage(storage::Error::NotProvable(_))) => None,
            Err(error) => return Err(error.into()),
        };
        // Who asked may have gone.
        let _ = answer.send(proofs);
        Ok(())
    }

    fn build(
        &mut self,
        height: Height,
        round: u32,
        certificate: Option<Certificate>,
        deadline: Instant,
        stop: &CancellationToken,
    ) -> Result<()> {
        let Some(Author { account, signer }) = &self.author else { return Ok(()) };
        let head = self.chain.head();
        if head.height.checked_add(1) != Some(height) {
            tracing::warn!(height, head = head.height, "a block was asked for that is not next");
            return Ok(());
        }
        let start = Instant::now();
        let validators = runtime::validator_set(&head.snapshot);
        let Some(member) = validators.get(account) else { return Ok(()) };
        let Some(draw) = signer.draw(&member.vrf_key, &validators.seed, height, round) else {
            tracing::debug!(height, round, "no block is built, as no randomness can be drawn");
            return Ok(());
        };
        let late = start + deadline.saturating_duration_since(start) / EXECUTION_SHARE;
        let transactions = self.take(stop);
        let offered = transactions.len();
        let mut widened = Vec::new();
        for before in 1..=WIDEN_BLOCKS_MAX {
            let height = height.saturating_sub(before + 1);
            widened.extend(self.chain.database().certificate(height)?);
        }
        let built = self.chain.build(BuildRequest {
            author: *account,
            origin_round: round,
            now_ms: self.clock.now_ms(),
            certificate,
            widened,
            evidence: self.evidence.pending().to_vec(),
            transactions,
            // Of this very height, round and seed.
            sign_vrf: &|_| draw,
            is_late: &mut || Instant::now() >= late,
        })?;
        let Built { block, hash, included, rejected } = built;
        if !rejected.is_empty() {
            let count = rejected.len();
            let first = &rejected[0];
            tracing::debug!(height, count, tx = %first.hash, why = ?first.refusal, "not includable");
            let hashes = rejected.into_iter().map(|rejected| rejected.hash).collect();
            self.tell_pool(Control::Ban(hashes));
        }
        self.metrics.built.observe(start.elapsed().as_secs_f64());
        tracing::debug!(height, round, block = %hash, offered, included, "built");
        let body = Arc::new(block.encode());
        self.recent.put(Whole { hash, block, bytes: body.clone() });
        self.answer(Input::Built { height, round, block: hash, body });
        Ok(())
    }

    /// What waits in the pool and fits into a block.
    fn take(&self, stop: &CancellationToken) -> Vec<Arc<chain::PooledTx>> {
        let (answer, taken) = bounded(1);
        let limits = Limits {
            count: self.transactions_max,
            bytes: runtime::BLOCK_BYTES_MAX.into(),
            weight: runtime::NORMAL_REF_TIME_MAX,
        };
        self.tell_pool(Control::Take { limits, answer });
        // A pool that ended meanwhile may have left the request in its inbox, which says nothing about its end.
        loop {
            match taken.recv_timeout(SLEEP_MAX) {
                Ok(transactions) => return transactions,
                Err(RecvTimeoutError::Timeout) if !stop.is_cancelled() => {}
                Err(_) => return Vec::new(),
            }
        }
    }

    fn check(
        &mut self,
        height: Height,
        proposed: Option<Proposed>,
        block: Hash,
        body: consensus::Bytes,
    ) -> Result<()> {
        match self.judge(proposed, block, &body)? {
            Judged::Is(verdict) => self.answer(Input::Checked { height, block, verdict }),
            Judged::Early(wait) if wait > EARLY_WAIT_MAX => {
                tracing::warn!(height, %block, ?wait, "a block is far ahead of this node's clock");
            }
            Judged::Early(wait) => {
                if self.early.len() >= EARLY_MAX {
                    self.early.pop_front();
                }
                let again = Command::Check { height, proposed, block, body };
                self.early.push_back((Instant::now() + wait, again));
            }
        }
        Ok(())
    }

    /// Checks a block whose time has come. Gives the time until the next one's.
    fn check_early(&mut self, stop: &CancellationToken) -> Result<Duration> {
        let next = self.chain.head().next_height();
        let waits =
            |command: &Command| matches!(command, Command::Check { height, .. } if *height >= next);
        self.early.retain(|(_, command)| waits(command));
        let now = Instant::now();
        if let Some(place) = self.early.iter().position(|(at, _)| *at <= now)
            && let Some((_, command)) = self.early.remove(place)
        {
            self.on_command(command, stop)?;
        }
        let next = self.early.iter().map(|(at, _)| at.saturating_duration_since(now)).min();
        Ok(next.unwrap_or(SLEEP_MAX))
    }

    fn judge(&mut self, proposed: Option<Proposed>, expected: Hash, body: &[u8]) -> Result<Judged> {
        let forged = Judged::Is(Verdict::Forged);
        let Ok(block) = Block::decode(&mut &body[..]) else { return Ok(forged) };
        if block.hash() != expected {
            return Ok(forged);
        }
        let is_new = proposed.is_some_and(|proposed| proposed.pol_round.is_none());
        let request =
            CheckRequest { block, now_ms: is_new.then(|| self.clock.now_ms()), seed: seed() };
        match self.chain.check(request) {
            Ok(checked) => {
                let fits = proposed
                    .is_none_or(|proposed| proposed.fits(&checked.author, checked.origin_round));
                Ok(Judged::Is(if fits { Verdict::Valid } else { Verdict::Invalid }))
            }
            Err(CheckError::Fault(Fault::TooEarly { time_ms, now_ms })) => {
                Ok(Judged::Early(Duration::from_millis(chain::early_ms(time_ms, now_ms))))
            }
            Err(CheckError::Fault(Fault::ExtrinsicsRoot { .. })) => Ok(forged),
            Err(CheckError::Fault(fault)) => {
                tracing::warn!(block = %expected, %fault, "a block breaks a rule");
                Ok(Judged::Is(Verdict::Invalid))
            }
            Err(CheckError::Local(error)) => Err(error.into()),
        }
    }

    /// Executes a block that may become final, so that the certificate finds it done. Whether it is valid shows then.
    fn prepare(&mut self, block: &Block) -> Result<()> {
        if block.header.parent_hash != self.chain.head().hash {
            return Ok(());
        }
        let request = CheckRequest { block: block.clone(), now_ms: None, seed: seed() };
        match self.chain.check(request) {
            Ok(_) | Err(CheckError::Fault(_)) => Ok(()),
            Err(CheckError::Local(error)) => Err(error.into()),
        }
    }

    fn import(
        &mut self,
        certificate: Certificate,
        block: Block,
        has_more: bool,
    ) -> Result<Result<Head, Refused>> {
        let (start, height) = (Instant::now(), block.header.number);
        let ahead_before = unknown_rules_ahead(&self.chain.head().snapshot);
        let imported = match has_more {
            true => self.chain.import_lazily(block, certificate, seed()),
            false => self.chain.import(block, certificate, seed()),
        };
        match imported {
            Ok(Some(Committed { head, included, .. })) => {
                self.note(start, ahead_before, &head, included.len())?;
                self.heads.send_replace(head.clone());
                self.tell_pool(Control::Head { head: head.clone(), included });
                Ok(Ok(head))
            }
            // Consensus was faster.
            Ok(None) => Ok(Ok(self.chain.head().clone())),
            Err(CheckError::Fault(fault)) => Ok(Err(Refused { height, reason: fault.to_string() })),
            Err(CheckError::Local(error)) => Err(error.into()),
        }
    }

    fn commit(&mut self, certificate: Certificate, body: &[u8]) -> Result<()> {
        let start = Instant::now();
        let (height, hash) = (certificate.height, certificate.block);
        if self.chain.head().height >= height {
            // Peers were faster, and consensus is about to hear of it.
            return Ok(());
        }
        let ahead_before = unknown_rules_ahead(&self.chain.head().snapshot);
        let committed = match self.chain.commit(&hash, certificate.clone()) {
            Err(chain::Error::UnknownBlock(_)) => {
                let block =
                    Block::decode(&mut &body[..]).context("a decided block is malformed")?;
                self.chain
                    .check(CheckRequest { block, now_ms: None, seed: seed() })
                    .with_context(|| format!("block {height} is decided but breaks a rule"))?;
                self.chain.commit(&hash, certificate)?
            }
            result => result?,
        };
        let Committed { head, included, .. } = committed;
        self.note(start, ahead_before, &head, included.len())?;
        let due_in_ms =
            runtime::next_due(&head.snapshot).map(|due| due.saturating_sub(self.clock.now_ms()));
        self.answer(Input::Committed {
            height,
            stamp_ms: head.time_ms,
            validators: runtime::validator_set(&head.snapshot),
            work: false,
            due_in_ms,
        });
        // Whoever hears of the block from the pool must find its state. The pool tells consensus of
        // work that is left, so it must hear of the block after consensus does.
        self.heads.send_replace(head.clone());
        self.tell_pool(Control::Head { head, included });
        Ok(())
    }

    /// Logs and counts a final block, and forgets evidence that it has, or that has become too old.
    fn note(
        &mut self,
        start: Instant,
        ahead_before: Option<(u32, Height)>,
        head: &Head,
        count: usize,
    ) -> Result<()> {
        warn_of_rules(ahead_before, head);
        self.evidence.on_head(head)?;
        self.metrics.committed.observe(start.elapsed().as_secs_f64());
        self.metrics.note(head, count);
        self.metrics.note_history(self.chain.database())?;
        let elapsed_ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(height = head.height, block = %head.hash, count, elapsed_ms, "final");
        Ok(())
    }

    /// Consensus and the pool end before the chain when the node stops; what they are told then
    /// does not matter.
    fn answer(&self, input: Input) {
        if let Some(consensus) = &self.consensus {
            let _ = consensus.send(input);
        }
    }

    fn tell_pool(&self, control: Control) {
        let _ = self.pool.send(control);
    }
}

/// Tells the operator in time of a change of the rules that needs another program, at a start and when it is scheduled.
fn warn_of_rules(ahead_before: Option<(u32, Height)>, head: &Head) {
    let ahead = unknown_rules_ahead(&head.snapshot).filter(|ahead| Some(*ahead) != ahead_before);
    if let Some((spec_version, height)) = ahead {
        tracing::warn!(
            height,
            spec_version,
            "the chain changes its rules at this height, and this program does not know the new ones: install a newer one before"
        );
    }
}
