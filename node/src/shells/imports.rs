//! The way of final blocks of others into the chain: while some are executed, the transactions of those after them are
//! verified, on all cores.

use super::{
    chain::{Command, Refused},
    verify::seed,
};
use anyhow::{Context, Result};
use chain::{Head, Verifier, sync::Final};
use crossbeam_channel::{Sender, TrySendError};
use primitives::Height;
use rayon::ThreadPool;
use std::{collections::VecDeque, future::pending, sync::Arc};
use tokio::{
    sync::oneshot,
    task::{JoinHandle, spawn_blocking},
};

/// Transactions from which on no more are verified at a time: enough for large batches on all cores.
const VERIFIED_AT_ONCE: usize = 2_048;
/// Most blocks whose transactions are verified and that are not with the chain yet.
const VERIFIED_BLOCKS_MAX: usize = 64;
/// Most blocks that are with the chain: it must not wait for the next until somebody has heard of the one before.
const IMPORTS_MAX: usize = 8;

/// Who does the work.
pub struct Workers {
    /// The chain.
    pub chain: Sender<Command>,
    /// Remembers transactions that are verified.
    pub verifier: Verifier,
    /// Those who verify them.
    pub pool: Arc<ThreadPool>,
}

/// Blocks on their way, in order.
pub struct Imports {
    /// Those whose transactions are not verified.
    waiting: VecDeque<Final>,
    /// The next of them, while their transactions are.
    verifying: Option<JoinHandle<Vec<Final>>>,
    /// Those before, which can be executed.
    verified: VecDeque<Final>,
    /// Height of the last block that was given to the chain.
    given: Height,
    /// Those that are with the chain.
    under_way: VecDeque<oneshot::Receiver<Result<Head, Refused>>>,
}

/// What happened to blocks.
pub enum Done {
    /// There are some to be executed.
    Verified(Vec<Final>),
    /// The first that is with the chain was imported, or not; none if the chain has ended.
    Imported(Option<Result<Head, Refused>>),
}

impl Imports {
    /// None, above a height.
    pub fn above(height: Height) -> Self {
        Self {
            waiting: VecDeque::new(),
            verifying: None,
            verified: VecDeque::new(),
            given: height,
            under_way: VecDeque::new(),
        }
    }

    /// Adds blocks that follow those before.
    pub fn add(&mut self, blocks: Vec<Final>) {
        self.waiting.extend(blocks);
    }

    /// Adds a block of which the chain knows already, or whose transactions are in the pool.
    pub fn add_known(&mut self, block: Final) {
        self.verified.push_back(block);
    }

    /// Whether there is no block on its way.
    pub fn is_empty(&self) -> bool {
        self.under_way.is_empty() && !self.has_more()
    }

    /// Whether none is with the chain.
    pub fn is_chain_idle(&self) -> bool {
        self.under_way.is_empty()
    }

    /// Waits until something has happened. Nothing is lost if nobody waits to the end.
    pub async fn next(&mut self) -> Result<Done> {
        let imported = async {
            match self.under_way.front_mut() {
                Some(answer) => answer.await.ok(),
                None => pending().await,
            }
        };
        let verified = async {
            match &mut self.verifying {
                Some(blocks) => blocks.await,
                None => pending().await,
            }
        };
        tokio::select! {
            imported = imported => {
                self.under_way.pop_front();
                Ok(Done::Imported(imported))
            }
            verified = verified => {
                self.verifying = None;
                Ok(Done::Verified(verified.context("the transactions of final blocks cannot be verified")?))
            }
        }
    }

    /// Goes on with those that were verified.
    pub fn on_verified(&mut self, blocks: Vec<Final>) {
        self.verified.extend(blocks);
    }

    /// Begins whatever can be begun. Where `is_deciding`, consensus goes on above each block as soon as it is there.
    pub fn go_on(&mut self, head: &Head, workers: &Workers, is_deciding: bool) {
        self.given = self.given.max(head.height);
        let given = self.given;
        for blocks in [&mut self.verified, &mut self.waiting] {
            while blocks.front().is_some_and(|block| block.block.header.number <= given) {
                blocks.pop_front();
            }
        }
        self.verify(head, workers);
        while self.under_way.len() < IMPORTS_MAX
            && let Some(next) = self.verified.pop_front()
        {
            if let Some(next) = self.import(next, workers, is_deciding) {
                return self.verified.push_front(next);
            }
        }
    }

    /// Verifies the transactions of the next blocks.
    fn verify(&mut self, head: &Head, workers: &Workers) {
        if self.verifying.is_some() || self.verified.len() >= VERIFIED_BLOCKS_MAX {
            return;
        }
        let (mut blocks, mut count) = (Vec::new(), 0);
        while count < VERIFIED_AT_ONCE
            && blocks.len() < VERIFIED_BLOCKS_MAX
            && let Some(next) = self.waiting.pop_front()
        {
            count += next.block.body.len();
            blocks.push(next);
        }
        if blocks.is_empty() {
            return;
        }
        let (head, verifier, pool) = (head.clone(), workers.verifier.clone(), workers.pool.clone());
        self.verifying = Some(spawn_blocking(move || {
            let bodies = blocks.iter().map(|block| &block.block);
            pool.install(|| verifier.verify_ahead(&head, bodies, &seed()));
            blocks
        }));
    }

    /// Gives a block to the chain, or back if it is not the next or there is no room: then there is at the next tick.
    fn import(&mut self, next: Final, workers: &Workers, is_deciding: bool) -> Option<Final> {
        let height = next.block.header.number;
        if self.given.checked_add(1) != Some(height) {
            return Some(next);
        }
        let has_more = !is_deciding && self.has_more();
        let (answer, answered) = oneshot::channel();
        let Final { block, hash, certificate } = next;
        let import = Command::Import { certificate, block, has_more, answer };
        match workers.chain.try_send(import).map_err(TrySendError::into_inner) {
            Ok(()) => {
                self.given = height;
                self.under_way.push_back(answered);
                None
            }
            Err(Command::Import { certificate, block, .. }) => {
                Some(Final { block, hash, certificate })
            }
            Err(_) => unreachable!("what was sent comes back"),
        }
    }

    /// Whether there are blocks that are not with the chain yet.
    fn has_more(&self) -> bool {
        !self.waiting.is_empty() || self.verifying.is_some() || !self.verified.is_empty()
    }
}
