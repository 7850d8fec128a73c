//! The transactions task: what clients hand in here goes to everybody, and what others hand on goes to the pool.

use super::pool::Arrived;
use crate::wire::{BATCH_BYTES, Numbers, Waiting};
use chain::{PooledTx, Verifier};
use codec::Encode;
use crossbeam_channel::Sender;
use network::{Gossip, Handle, Topic, Verdict};
use primitives::OpaqueTransaction;
use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep_until},
};
use tokio_util::sync::CancellationToken;

/// Most batches of transactions from clients that wait to be told.
pub const TAKEN_MAX: usize = 256;
/// Most messages of peers that the pool works on.
pub const ARRIVED_MAX: usize = 64;
/// Pause between two messages of this node: what comes meanwhile goes together, as peers count messages.
const TELL_EVERY: Duration = Duration::from_millis(10);
/// Most transactions that wait for that.
const GATHERED_MAX: usize = 8_192;
/// How often what still waits is told again: a node that has just begun may have told nobody.
const REPEAT: Duration = Duration::from_secs(5);
/// How often one transaction is told again to peers at most.
const REPEATS_MAX: u8 = 12;
/// Most transactions that are remembered to be told again.
const REMEMBERED_MAX: usize = 16_384;
/// Most transactions that are told again at a time.
const REPEATED_MAX: usize = 1_024;

/// What the task works with.
pub struct Shell {
    /// The network.
    pub network: Handle,
    /// Numbers what is told.
    pub numbers: Arc<Numbers>,
    /// What the pool took from clients.
    pub taken: mpsc::Receiver<Vec<Arc<PooledTx>>>,
    /// What peers hand on.
    pub gossip: mpsc::Receiver<Gossip>,
    /// To the pool.
    pub pool: Sender<Arrived>,
    /// Forgets transactions when they are in a block.
    pub verifier: Verifier,
}

/// A transaction that was told, and when and how often.
struct Told {
    tx: Arc<PooledTx>,
    at: Instant,
    times: u8,
}

impl Shell {
    /// Runs until `stop` fires.
    pub async fn run(mut self, stop: CancellationToken) -> anyhow::Result<()> {
        let mut told: VecDeque<Told> = VecDeque::new();
        let (mut gathered, mut tell_at) = (Vec::new(), Instant::now());
        let mut repeat = interval(REPEAT);
        repeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut verdicts = JoinSet::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                taken = self.taken.recv(), if gathered.len() < GATHERED_MAX => match taken {
                    Some(taken) => gathered.extend(taken),
                    None => return Ok(()),
                },
                () = sleep_until(tell_at.into()), if !gathered.is_empty() => {
                    self.tell(&gathered);
                    let at = Instant::now();
                    tell_at = at + TELL_EVERY;
                    let room = REMEMBERED_MAX.saturating_sub(told.len());
                    let fresh = gathered.drain(..).take(room);
                    told.extend(fresh.map(|tx| Told { tx, at, times: 0 }));
                }
                Some(gossip) = self.gossip.recv() => self.on_gossip(gossip, &mut verdicts),
                Some(_) = verdicts.join_next() => {}
                _ = repeat.tick() => self.repeat(&mut told),
            }
        }
    }

    fn tell(&self, transactions: &[Arc<PooledTx>]) {
        // Whoever comes later hears of what still waits then.
        if self.is_alone() {
            return;
        }
        let mut batch: Vec<OpaqueTransaction> = Vec::new();
        let mut bytes = 0;
        for tx in transactions {
            if bytes >= BATCH_BYTES {
                self.publish(std::mem::take(&mut batch));
                bytes = 0;
            }
            bytes += tx.bytes.0.len();
            batch.push(tx.bytes.clone());
        }
        if !batch.is_empty() {
            self.publish(batch);
        }
    }

    fn is_alone(&self) -> bool {
        self.network.overview().borrow().peers.is_empty()
    }

    fn publish(&self, transactions: Vec<OpaqueTransaction>) {
        let waiting = Waiting { number: self.numbers.next(), transactions };
        if !self.network.publish(Topic::Transactions, waiting.encode()) {
            tracing::debug!("the network is too busy for transactions: they are told again later");
        }
    }

    /// Tells again what is due and still waits.
    fn repeat(&self, told: &mut VecDeque<Told>) {
        let mut due = Vec::new();
        let (now, is_alone) = (Instant::now(), self.is_alone());
        while due.len() < REPEATED_MAX
            && let Some(first) = told.pop_front_if(|told| now - told.at >= REPEAT)
        {
            let waits = self.verifier.get(&[first.tx.hash()]).iter().any(Option::is_some);
            if waits && first.times < REPEATS_MAX {
                due.push(first.tx.clone());
                told.push_back(Told { at: now, times: first.times + u8::from(!is_alone), ..first });
            }
        }
        self.tell(&due);
    }

    /// Hands what a peer passed on to the pool, whose verdict decides whether others get it.
    fn on_gossip(&self, gossip: Gossip, verdicts: &mut JoinSet<()>) {
        let Gossip { bytes, receipt, .. } = gossip;
        let judge = |receipt, verdict| self.network.judge(Topic::Transactions, receipt, verdict);
        let Ok(transactions) = Waiting::from_bytes(&bytes) else {
            return judge(receipt, Verdict::Reject);
        };
        let (answer, answered) = oneshot::channel();
        if self.pool.try_send(Arrived { transactions, answer }).is_err() {
            return judge(receipt, Verdict::Ignore);
        }
        let network = self.network.clone();
        verdicts.spawn(async move {
            let verdict = answered.await.unwrap_or(Verdict::Ignore);
            network.judge(Topic::Transactions, receipt, verdict);
        });
    }
}
