//! The consensus thread: owns the core, the write-ahead log and the guard.

use super::{chain, gossip::Told};
use anyhow::{Context, Result, bail};
use consensus::{
    Consensus, Fault, Input, Message, Output, Time, Timer,
    store::{FileStore, Store},
};
use crossbeam_channel::{Receiver, Sender, never, select_biased};
use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    time::{Duration, Instant},
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Most inputs that wait: answers of the chain and hints of the pool.
pub const INBOX_MAX: usize = 1_024;
/// Longest sleep, so that a stop is noticed soon.
const SLEEP_MAX: Duration = Duration::from_millis(100);

/// What the thread works with.
pub struct Shell {
    /// The core.
    pub core: Consensus,
    /// Where what must survive a crash is kept.
    pub store: FileStore,
    /// The start, then answers and hints.
    pub inbox: Receiver<Input>,
    /// What other validators say.
    pub heard: Receiver<Message>,
    /// What is said to them.
    pub told: mpsc::Sender<Told>,
    /// The chain thread.
    pub chain: Sender<chain::Command>,
}

impl Shell {
    /// Runs until `stop` fires. An error stops the node: nothing that was not synced was sent.
    pub fn run(mut self, stop: &CancellationToken) -> Result<()> {
        let mut timers = Timers::default();
        let mut outputs = Vec::new();
        let (inbox, mut heard) = (self.inbox.clone(), self.heard.clone());
        while !stop.is_cancelled() {
            let input = match timers.next() {
                Next::Elapsed(timer) => Input::Elapsed(timer),
                // Answers first: they end what the validators wait for.
                Next::Wait(wait) => select_biased! {
                    recv(inbox) -> input => match input {
                        Ok(input) => input,
                        Err(_) => return Ok(()),
                    },
                    recv(heard) -> message => match message {
                        Ok(message) => Input::Received(message),
                        Err(_) => {
                            heard = never();
                            continue;
                        }
                    },
                    default(wait) => continue,
                },
            };
            self.core.step(timers.now(), input, &mut outputs);
            for output in outputs.drain(..) {
                self.perform(output, &mut timers)?;
            }
        }
        Ok(())
    }

    fn perform(&mut self, output: Output, timers: &mut Timers) -> Result<()> {
        match output {
            Output::AppendWal(bytes) => {
                self.store.append_wal(&bytes).context("cannot write the write-ahead log")
            }
            Output::WriteGuard(record) => {
                self.store.write_guard(&record).context("cannot write the last-signed guard")
            }
            Output::ResetWal => self.store.reset_wal().context("cannot reset the log"),
            Output::Schedule(timer, after_ms) => {
                timers.schedule(timer, after_ms);
                Ok(())
            }
            // A timer that was cancelled goes off without effect: the core tells them apart.
            Output::Cancel(_) => Ok(()),
            Output::Build { height, round, within_ms, certificate, .. } => {
                let deadline = Instant::now() + Duration::from_millis(within_ms);
                self.ask(chain::Command::Build { height, round, certificate, deadline })
            }
            Output::Check { height, proposed, block, body } => {
                self.ask(chain::Command::Check { height, proposed, block, body })
            }
            Output::Commit { certificate, body } => {
                self.ask(chain::Command::Commit { certificate, body })
            }
            Output::Evidence(evidence) => self.ask(chain::Command::Report(evidence)),
            Output::Broadcast(message) => self.tell(Told::Broadcast(message)),
            Output::Want { block, .. } => self.tell(Told::Want { block }),
            Output::Behind { height } => self.tell(Told::Behind { height }),
            Output::Halt(fault @ (Fault::LogLost { .. } | Fault::BlocksLost { .. })) => bail!(
                "{fault} (the record is {}, the log {}; without a record, a validator signs at once \
                 if it is started with --sign-without-guard)",
                self.store.guard_path().display(),
                self.store.wal_path().display()
            ),
            Output::Halt(fault) => bail!(fault),
        }
    }

    /// What is lost here is said again when nothing moves.
    fn tell(&self, told: Told) -> Result<()> {
        if self.told.try_send(told).is_err() {
            tracing::warn!("the network is too busy for what consensus says");
        }
        Ok(())
    }

    fn ask(&self, command: chain::Command) -> Result<()> {
        self.chain.send(command).context("the chain thread has ended")
    }
}

enum Next {
    Elapsed(Timer),
    Wait(Duration),
}

/// Timers by when they go off.
struct Timers {
    start: Instant,
    queue: BinaryHeap<Reverse<(Instant, Timer)>>,
}

impl Default for Timers {
    fn default() -> Self {
        Self { start: Instant::now(), queue: BinaryHeap::new() }
    }
}

impl Timers {
    fn now(&self) -> Time {
        Time(u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    fn schedule(&mut self, timer: Timer, after_ms: u64) {
        self.queue.push(Reverse((Instant::now() + Duration::from_millis(after_ms), timer)));
    }

    fn next(&mut self) -> Next {
        let now = Instant::now();
        match self.queue.peek() {
            Some(Reverse((when, timer))) if *when <= now => {
                let timer = *timer;
                self.queue.pop();
                Next::Elapsed(timer)
            }
            Some(Reverse((when, _))) => Next::Wait((*when - now).min(SLEEP_MAX)),
            None => Next::Wait(SLEEP_MAX),
        }
    }
}
