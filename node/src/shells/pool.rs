//! The pool thread: owns the pool. What comes in gathers while the batch before is verified on other threads.

use super::{
    metrics::PoolMetrics,
    verify::{self, Batch, Valid, Verdicts, validate},
};
use chain::{Head, PooledTx, Received, Verifier};
use consensus::Input;
use crossbeam_channel::{Receiver, Sender, TrySendError, never, select};
use network::Verdict;
use primitives::{Hash, OpaqueTransaction};
use rpc::{PoolRequest, SubmitError, TxStatus};
use runtime::InvalidTransaction;
use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use txpool::{Change, Included, Limits, Pool, Status, Transaction};

/// Most requests that wait for the pool.
pub const REQUESTS_MAX: usize = 8_192;
/// Most transactions that are verified together: enough that all cores have batches of full size.
const BATCH_MAX: usize = 4_096;
/// Most waiting transactions that each block checks anew against its state.
const REVALIDATED_PER_BLOCK_MAX: usize = 256;
/// Most transactions that are watched at a time; more are accepted but not followed.
const WATCHED_MAX: usize = 16_384;
/// Longest sleep, so that a stop is noticed soon.
const SLEEP_MAX: Duration = Duration::from_millis(100);

/// What the chain thread asks and tells; it goes before everybody else's requests.
pub enum Control {
    /// The transactions for the next block, in order.
    Take {
        /// What fits.
        limits: Limits,
        /// Where they go.
        answer: Sender<Vec<Arc<PooledTx>>>,
    },
    /// A block is final.
    Head {
        /// It and its state.
        head: Head,
        /// What it included, in order.
        included: Vec<chain::Included>,
    },
    /// These turned out invalid when a block was built.
    Ban(Vec<Hash>),
}

/// What the thread works with.
pub struct Shell {
    /// The core.
    pub pool: Pool<Arc<PooledTx>>,
    /// The state that transactions are checked against.
    pub head: Head,
    /// The head that clients see.
    pub heads: watch::Receiver<Head>,
    /// Remembers what the pool took in, for the chain.
    pub verifier: Verifier,
    /// From the chain thread.
    pub control: Receiver<Control>,
    /// From everybody else.
    pub requests: Receiver<PoolRequest>,
    /// From peers.
    pub arrivals: Receiver<Arrived>,
    /// To peers: what clients handed in.
    pub taken: mpsc::Sender<Vec<Arc<PooledTx>>>,
    /// To the verifying thread, and back.
    pub batches: Sender<Batch>,
    /// The verdicts on the batches, in their order.
    pub verdicts: Receiver<Verdicts>,
    /// To consensus, if there is one here: that there is work.
    pub consensus: Option<Sender<Input>>,
    /// What is counted.
    pub metrics: PoolMetrics,
}

/// Transactions that a peer passed on.
pub struct Arrived {
    /// The transactions.
    pub transactions: Vec<OpaqueTransaction>,
    /// Whether others should have them.
    pub answer: oneshot::Sender<Verdict>,
}

/// Who submitted a transaction.
enum Submitter {
    /// A client, which wants to know how that went.
    Client {
        answer: oneshot::Sender<Result<Hash, SubmitError>>,
        updates: Option<mpsc::Sender<TxStatus>>,
    },
    /// A peer, with others.
    Peer(Arc<Tally>),
}

/// What the transactions of one message are worth together. It is told when the last of them is judged.
struct Tally {
    answer: Option<oneshot::Sender<Verdict>>,
    is_good: AtomicBool,
    is_bad: AtomicBool,
}

impl Tally {
    fn new(answer: oneshot::Sender<Verdict>) -> Arc<Self> {
        let (is_good, is_bad) = (AtomicBool::new(false), AtomicBool::new(false));
        Arc::new(Self { answer: Some(answer), is_good, is_bad })
    }

    fn note(&self, result: &Result<Hash, SubmitError>) {
        match result {
            Ok(_) => self.is_good.store(true, Ordering::Relaxed),
            // What no state makes valid. The others may have been valid where they came from: even a signature covers the
            // rules and the block that its era begins with, which here may have changed since or not come yet.
            Err(SubmitError::Invalid(
                InvalidTransaction::Call
                | InvalidTransaction::BadSigner
                | InvalidTransaction::MandatoryValidation
                | InvalidTransaction::Custom(runtime::CUSTOM_BAD_ENCODING),
            )) => self.is_bad.store(true, Ordering::Relaxed),
            Err(_) => {}
        }
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        let verdict = match (*self.is_bad.get_mut(), *self.is_good.get_mut()) {
            (true, _) => Verdict::Reject,
            (false, true) => Verdict::Accept,
            (false, false) => Verdict::Ignore,
        };
        if let Some(answer) = self.answer.take() {
            // If the network has stopped, nobody minds.
            let _ = answer.send(verdict);
        }
    }
}

/// What is on its way into the pool.
#[derive(Default)]
struct Arrivals {
    gathered: Vec<(Submitter, Received)>,
    /// Who submitted the batches that are being verified, and the head that each is checked against; the oldest first.
    verifying: VecDeque<(Vec<Submitter>, Hash)>,
}

impl Shell {
    /// Runs until `stop` fires.
    pub fn run(mut self, stop: &CancellationToken) -> anyhow::Result<()> {
        let mut arrivals = Arrivals::default();
        let mut watchers = Watchers::default();
        let mut changes = Vec::new();
        let (verdicts, requests, nobody) = (self.verdicts.clone(), self.requests.clone(), never());
        let (from_peers, no_peers) = (self.arrivals.clone(), never());
        while !stop.is_cancelled() {
            while let Ok(control) = self.control.try_recv() {
                self.on_control(control, &mut watchers, &mut changes);
            }
            let has_room = arrivals.gathered.len() < BATCH_MAX;
            let requests = if has_room { &requests } else { &nobody };
            // Clients of this node go before peers.
            let from_peers = if has_room && requests.is_empty() { &from_peers } else { &no_peers };
            select! {
                recv(self.control) -> control => match control {
                    Ok(control) => self.on_control(control, &mut watchers, &mut changes),
                    Err(_) => return Ok(()),
                },
                recv(verdicts) -> verdicts => match verdicts {
                    Ok(verdicts) => {
                        let batch = arrivals.verifying.pop_front();
                        let (submitters, head) = batch.expect("verdicts follow a batch");
                        // First the next batch, so that the cores have work meanwhile.
                        self.verify(&mut arrivals);
                        self.admit(submitters, verdicts, head, &mut watchers, &mut changes);
                    }
                    Err(_) => return Ok(()),
                },
                recv(requests) -> request => match request {
                    Ok(request) => {
                        self.on_request(request, &mut arrivals.gathered);
                        while arrivals.gathered.len() < BATCH_MAX && self.control.is_empty() {
                            let Ok(request) = requests.try_recv() else { break };
                            self.on_request(request, &mut arrivals.gathered);
                        }
                    }
                    Err(_) => return Ok(()),
                },
                recv(from_peers) -> arrived => match arrived {
                    Ok(Arrived { transactions, answer }) => {
                        let tally = Tally::new(answer);
                        for bytes in transactions {
                            let submitter = Submitter::Peer(tally.clone());
                            self.gather(bytes, submitter, &mut arrivals.gathered);
                        }
                    }
                    Err(_) => return Ok(()),
                },
                default(SLEEP_MAX) => {}
            }
            self.verify(&mut arrivals);
            for change in changes.drain(..) {
                watchers.tell(change);
            }
            self.metrics.set(&self.pool);
        }
        Ok(())
    }

    /// Hands over what has gathered, if enough to begin with is not under way already: while one batch is checked, only
    /// a full one may wait behind it, so that small ones are checked together.
    fn verify(&self, arrivals: &mut Arrivals) {
        let enough = match arrivals.verifying.len() {
            0 => 1,
            1..verify::BATCHES_MAX => BATCH_MAX,
            _ => return,
        };
        if arrivals.gathered.len() < enough {
            return;
        }
        // Clients hear of a block a moment before this thread does, and sign for it: checked against the one before, an
        // era that begins with it, for one, would not have begun. The control with the head is on its way and ends this.
        if self.heads.borrow().height > self.head.height {
            return;
        }
        let (submitters, transactions): (Vec<_>, Vec<_>) = arrivals.gathered.drain(..).unzip();
        self.metrics.verified.inc_by(u64::try_from(transactions.len()).unwrap_or(u64::MAX));
        arrivals.verifying.push_back((submitters, self.head.hash));
        // If the thread has ended, this one sees so when it waits for verdicts.
        let _ = self.batches.send(Batch { head: self.head.clone(), transactions });
    }

    fn on_control(&mut self, control: Control, watchers: &mut Watchers, changes: &mut Vec<Change>) {
        match control {
            Control::Take { limits, answer } => {
                let taken = self.pool.take(limits).into_iter().map(|tx| tx.content.clone());
                // The chain gave up waiting; the next block takes them.
                let _ = answer.try_send(taken.collect());
            }
            Control::Head { head, included } => {
                let included: Vec<_> = included.into_iter().map(pool_included).collect();
                for tx in &included {
                    watchers.tell_included(&tx.hash, head.hash);
                }
                self.pool.on_head(head.height, &included, changes);
                // All signatures are void after a change of rules.
                let all = head.rules != self.head.rules;
                self.head = head;
                self.revalidate(if all { usize::MAX } else { REVALIDATED_PER_BLOCK_MAX }, changes);
                if self.pool.ready() > 0 {
                    self.hint_work();
                }
            }
            Control::Ban(hashes) => {
                for hash in hashes {
                    self.pool.ban(&hash, changes);
                }
            }
        }
    }

    /// Checks some of what waits against the new state, a few for each block.
    fn revalidate(&mut self, count: usize, changes: &mut Vec<Change>) {
        let due = self.pool.revalidation(count);
        let is_invalid =
            |tx: &&Transaction<Arc<PooledTx>>| validate(&self.head, &tx.content).is_err();
        let invalid: Vec<Hash> = due.into_iter().filter(is_invalid).map(|tx| tx.hash).collect();
        for hash in invalid {
            self.pool.remove(&hash, changes);
        }
    }

    fn on_request(&mut self, request: PoolRequest, gathered: &mut Vec<(Submitter, Received)>) {
        // Whoever asked may be gone by now; then nobody misses the answer.
        match request {
            PoolRequest::Submit { bytes, answer } => {
                self.gather(bytes, Submitter::Client { answer, updates: None }, gathered);
            }
            PoolRequest::Watch { bytes, updates, answer } => {
                let updates = Some(updates);
                self.gather(bytes, Submitter::Client { answer, updates }, gathered);
            }
            PoolRequest::Pending { answer } => {
                let mut bytes = 0;
                let fits = |tx: &&Transaction<Arc<PooledTx>>| {
                    bytes += tx.content.bytes.0.len();
                    bytes <= rpc::PENDING_BYTES_MAX
                };
                let pending = self.pool.pending().take_while(fits);
                let _ = answer.send(pending.map(|tx| tx.content.bytes.clone()).collect());
            }
            PoolRequest::NextNonce { account, answer } => {
                let _ = answer.send(self.pool.nonce_after(&account));
            }
        }
    }

    /// Puts a transaction among those that will be verified, unless the pool would refuse it anyway.
    fn gather(
        &self,
        bytes: OpaqueTransaction,
        submitter: Submitter,
        gathered: &mut Vec<(Submitter, Received)>,
    ) {
        let tx = Received::from(bytes);
        match self.pool.check_new(&tx.hash()) {
            Ok(()) => gathered.push((submitter, tx)),
            Err(refusal) => {
                if let Submitter::Client { answer, .. } = submitter {
                    let _ = answer.send(Err(SubmitError::Refused(refusal)));
                }
            }
        }
    }

    /// Takes in what is valid. `checked` is the head that verdicts are about.
    fn admit(
        &mut self,
        submitters: Vec<Submitter>,
        verdicts: Verdicts,
        checked: Hash,
        watchers: &mut Watchers,
        changes: &mut Vec<Change>,
    ) {
        let ready = self.pool.ready();
        let mut taken = Vec::with_capacity(verdicts.len());
        let mut from_clients = Vec::new();
        for (submitter, verdict) in submitters.into_iter().zip(verdicts) {
            let verdict = verdict.and_then(|(tx, validity)| match checked == self.head.hash {
                true => Ok((tx, validity)),
                false => validate(&self.head, &tx).map(|validity| (tx, validity)),
            });
            let (answer, updates) = match submitter {
                Submitter::Client { answer, updates } => (Ok(answer), updates),
                Submitter::Peer(tally) => (Err(tally), None),
            };
            let result = verdict.map_err(SubmitError::Invalid).and_then(|valid| {
                let tx = valid.0.clone();
                let hash = self.insert(valid, updates, watchers, changes)?;
                if answer.is_ok() {
                    from_clients.push(tx.clone());
                }
                taken.push(tx);
                Ok(hash)
            });
            self.metrics.count(&result);
            match answer {
                Ok(answer) => drop(answer.send(result)),
                Err(tally) => tally.note(&result),
            }
        }
        if !from_clients.is_empty() {
            // When the network can't follow, they are in this node's pool all the same.
            let _ = self.taken.try_send(from_clients);
        }
        self.verifier.remember(&taken);
        if self.pool.ready() > ready {
            self.hint_work();
        }
    }

    fn insert(
        &mut self,
        (tx, validity): Valid,
        updates: Option<mpsc::Sender<TxStatus>>,
        watchers: &mut Watchers,
        changes: &mut Vec<Change>,
    ) -> Result<Hash, SubmitError> {
        let decoded = &tx.checked.tx;
        let hash = decoded.hash;
        let transaction = Transaction {
            hash,
            sender: decoded.signer,
            nonce: decoded.extra.nonce,
            priority: validity.priority,
            bytes: decoded.length,
            weight: decoded.priced().ref_time(),
            death: tx.death,
            content: tx,
        };
        self.pool
            .insert(transaction, validity.account_nonce, changes)
            .map_err(SubmitError::Refused)?;
        if let Some(updates) = updates {
            watchers.add(hash, updates);
        }
        Ok(hash)
    }

    /// Tells consensus that transactions wait. A full inbox has hints enough.
    fn hint_work(&self) {
        let Some(consensus) = &self.consensus else { return };
        match consensus.try_send(Input::WorkWaits) {
            Ok(()) | Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {}
        }
    }
}

fn pool_included(included: chain::Included) -> Included {
    let chain::Included { hash, sender, nonce } = included;
    Included { hash, sender, nonce }
}

/// Who follows which transaction.
#[derive(Default)]
struct Watchers {
    by_hash: HashMap<Hash, mpsc::Sender<TxStatus>>,
}

impl Watchers {
    fn add(&mut self, hash: Hash, updates: mpsc::Sender<TxStatus>) {
        if self.by_hash.len() >= WATCHED_MAX {
            self.by_hash.retain(|_, updates| !updates.is_closed());
        }
        if self.by_hash.len() < WATCHED_MAX {
            self.by_hash.insert(hash, updates);
        }
    }

    fn tell(&mut self, change: Change) {
        let Change { hash, status } = change;
        match status {
            Status::Ready => self.send(&hash, TxStatus::Ready),
            Status::Future => self.send(&hash, TxStatus::Future),
            Status::Usurped(by) => self.finish(&hash, TxStatus::Usurped(by)),
            Status::Dropped => self.finish(&hash, TxStatus::Dropped),
            Status::Invalid => self.finish(&hash, TxStatus::Invalid),
        }
    }

    fn tell_included(&mut self, hash: &Hash, block: Hash) {
        self.finish(hash, TxStatus::InBlock { block });
    }

    /// A watcher that does not read its updates loses those that do not fit.
    fn send(&self, hash: &Hash, status: TxStatus) {
        if let Some(updates) = self.by_hash.get(hash) {
            let _ = updates.try_send(status);
        }
    }

    fn finish(&mut self, hash: &Hash, status: TxStatus) {
        if let Some(updates) = self.by_hash.remove(hash) {
            let _ = updates.try_send(status);
        }
    }
}

#[cfg(test)]
mod tests;
