//! The agent's loop: finalised blocks and finished work in, transactions and workers out.

use crate::{
    Config, ConfigError,
    core::{Core, Input, Known, Output, RunEnd, SendEnd, Tx},
    journal::Journal,
    keys::Keys,
    sender::Sender,
    worker::Workshop,
};
use client::{
    Client, Head, Heads, StateRead,
    pallets::{agents, tasks},
    view,
};
use futures::{StreamExt, stream};
use primitives::{AccountId, Hash, crypto::pair::Sr25519Pair};
use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{sync::Semaphore, task::JoinSet};
use tokio_util::sync::CancellationToken;

/// Tasks that one query looks at when the agent looks around: few enough to be read before the state is gone.
const TASKS_PER_QUERY: usize = 128;
/// Tasks that are read at a time.
const READS_AT_ONCE: usize = 16;
/// Most states, each newer than the last, of which a read is tried.
const READ_TRIES: usize = 8;
/// Shortest and longest wait before the next connection after one was lost.
const RECONNECT_WAITS: [Duration; 2] = [Duration::from_millis(250), Duration::from_secs(15)];

/// Why an agent does not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting is out of its bounds.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The chain cannot be reached at the start.
    #[error(transparent)]
    Client(#[from] client::Error),
    /// The engine does not start on this machine.
    #[error(transparent)]
    Engine(#[from] executor::CannotExecute),
    /// A file can't be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// A file's content is not what was written.
    #[error("{0} is damaged: remove it, then new keys are made and registered")]
    Damaged(PathBuf),
    /// The system gives no randomness.
    #[error("the system gives no random bytes: {0}")]
    Randomness(getrandom::Error),
    /// A part of the agent has panicked.
    #[error("a part of the agent failed: {0}")]
    Panicked(String),
}

/// An agent that is ready to run.
pub struct Agent {
    client: Client,
    account: AccountId,
    core: Core,
    sender: Arc<Sender>,
    workshop: Workshop,
    /// Transactions and workers under way; each ends with what the core is to learn.
    jobs: JoinSet<Result<Input, Error>>,
}

impl Agent {
    /// Prepare an agent for an account: checks the settings, opens the folder with its keys and unfinished results.
    pub async fn start(
        config: Config,
        client: Client,
        key: Sr25519Pair,
        folder: &Path,
    ) -> Result<Self, Error> {
        config.validate()?;
        std::fs::create_dir_all(folder).map_err(crate::journal::at(folder))?;
        let keys = Keys::open(folder)?;
        let (journal, entries) = Journal::open(folder)?;
        let account = AccountId(key.public());
        let profile = keys.profile(&config, account, &client.chain().genesis);
        let workshop = Workshop {
            executor: Arc::new(executor::Executor::new()?),
            slots: Arc::new(Semaphore::new(config.slots_max as usize)),
            input_bytes_max: config.input_bytes_max,
        };
        let core = Core::new(config, account, profile, &entries);
        let sender = Arc::new(Sender::new(key, keys, journal, entries));
        Ok(Self { client, account, core, sender, workshop, jobs: JoinSet::new() })
    }

    /// Work until told to stop, or until this machine fails. A lost connection is made anew, for as long as it takes.
    pub async fn run(mut self, stop: CancellationToken) -> Result<(), Error> {
        tracing::info!(account = %self.account, "the agent is at work");
        let mut wait = RECONNECT_WAITS[0];
        loop {
            let ended = tokio::select! {
                () = stop.cancelled() => return Ok(()),
                ended = self.session() => ended,
            };
            let lost = match ended {
                Error::Client(error) => error,
                error => return Err(error),
            };
            // A node that stops ends its connections before it stops its own agent: that is nothing to warn of.
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = tokio::time::sleep(wait) => {}
            }
            tracing::warn!(error = %lost, "the connection to the node is lost");
            loop {
                match self.client.reconnect().await {
                    Ok(client) => {
                        self.client = client;
                        wait = RECONNECT_WAITS[0];
                        break;
                    }
                    Err(error) => {
                        wait = (wait * 2).min(RECONNECT_WAITS[1]);
                        tracing::debug!(%error, "the node does not answer");
                    }
                }
                tokio::select! {
                    () = stop.cancelled() => return Ok(()),
                    () = tokio::time::sleep(wait) => {}
                }
            }
        }
    }

    /// Works until something fails.
    async fn session(&mut self) -> Error {
        match self.work().await {
            Ok(never) => match never {},
            Err(error) => error,
        }
    }

    async fn work(&mut self) -> Result<std::convert::Infallible, Error> {
        let mut heads = self.look_around().await?;
        loop {
            tokio::select! {
                head = heads.next() => {
                    let head = head?;
                    self.on_block(head).await?;
                }
                Some(done) = self.jobs.join_next() => {
                    let input = done.map_err(|error| Error::Panicked(error.to_string()))??;
                    self.step(input)?;
                }
            }
            if self.core.wants_more() {
                self.scan().await?;
            }
        }
    }

    /// Learns what the chain is like now, and what comes after.
    async fn look_around(&mut self) -> Result<Heads, Error> {
        let head = self.client.finalised().await?;
        let heads = self.client.heads(Some(head.height.saturating_add(1))).await?;
        self.on_state().await?;
        self.on_tasks(self.core.tasks()).await?;
        self.scan().await?;
        Ok(heads)
    }

    /// Goes through all tasks, for those that are this agent's and for as many offers as the core remembers. What changes
    /// meanwhile comes with its block.
    async fn scan(&mut self) -> Result<(), Error> {
        let mut after = None;
        loop {
            let page = read(&self.client, open_tasks(self.account, after)).await?;
            let mut ids = page.mine;
            if self.core.is_full() && !page.offers.is_empty() {
                self.core.note_missed();
            } else {
                ids.extend(page.offers);
            }
            self.on_tasks(ids).await?;
            if page.last.is_none() {
                return Ok(());
            }
            after = page.last;
        }
    }

    async fn on_block(&mut self, head: Head) -> Result<(), Error> {
        self.on_state().await?;
        let events = self.client.events(head.hash).await?.events;
        let touched = events.iter().filter_map(|(_, event)| {
            view::task_event(event, head.hash, head.height, 0, 0).map(|event| event.task)
        });
        let touched: BTreeSet<Hash> = touched.collect();
        self.on_tasks(touched).await
    }

    /// What the newest block says of the market and of this agent.
    async fn on_state(&mut self) -> Result<(), Error> {
        let account = self.account;
        let query = move |state: &dyn StateRead| {
            (agents::agent(state, &account), agents::clock::now(state))
        };
        let (me, market_ms) = read(&self.client, query).await?;
        self.step(Input::Me(me))?;
        self.step(Input::Block { market_ms })
    }

    /// Reads tasks, several at a time, each as it is now: a task that has gone meanwhile is told as such.
    async fn on_tasks(&mut self, ids: BTreeSet<Hash>) -> Result<(), Error> {
        let account = self.account;
        let client = self.client.clone();
        let reads = ids.into_iter().map(move |id| {
            let client = client.clone();
            async move {
                let query = move |state: &dyn StateRead| known(state, &id, &account);
                Ok::<_, client::Error>((id, read(&client, query).await?))
            }
        });
        let mut reads = stream::iter(reads).buffer_unordered(READS_AT_ONCE);
        while let Some(read) = reads.next().await {
            let (id, known) = read?;
            self.step(Input::Task { id, known: known.map(Box::new) })?;
        }
        Ok(())
    }

    /// Lets the core decide, and does what it says, in order.
    fn step(&mut self, input: Input) -> Result<(), Error> {
        log(&input);
        let mut out = Vec::new();
        self.core.step(input, &mut out);
        for output in out {
            match output {
                Output::Keep(entry) => self.sender.keep(entry)?,
                Output::Forget { task } => self.sender.forget(&task)?,
                Output::Run { task, attempt, spec } => {
                    tracing::info!(%task, attempt, "computing");
                    let (workshop, client) = (self.workshop.clone(), self.client.clone());
                    self.jobs.spawn(async move {
                        let end = workshop.run(&client, task, attempt, spec).await;
                        Ok(Input::Ran { task, attempt, end })
                    });
                }
                transaction => {
                    tracing::debug!(?transaction, "sending");
                    let (sender, client) = (self.sender.clone(), self.client.clone());
                    self.jobs.spawn(async move {
                        let (what, end) = sender.send(&client, transaction).await?;
                        Ok(Input::Sent { what, end })
                    });
                }
            }
        }
        Ok(())
    }
}

/// Reads the newest state. On a slow link that may be gone before all is read; then a newer one is.
async fn read<T>(
    client: &Client,
    query: impl Fn(&dyn StateRead) -> T + Send + Sync,
) -> Result<T, client::Error> {
    for _ in 1..READ_TRIES {
        match client.query(None, &query).await {
            Err(error) if error.is_discarded() => {
                tracing::debug!(%error, "the state was gone before it was read");
            }
            result => return result,
        }
    }
    client.query(None, &query).await
}

/// Open tasks, in the order of their ids.
#[derive(Default)]
struct Page {
    /// Those that this agent has or had a part in.
    mine: BTreeSet<Hash>,
    /// The others that wait for agents.
    offers: BTreeSet<Hash>,
    /// Where to go on; the end if nowhere.
    last: Option<Hash>,
}

/// The open tasks after `after`.
fn open_tasks(account: AccountId, after: Option<Hash>) -> impl Fn(&dyn StateRead) -> Page {
    move |state| {
        let (mut page, mut last) = (Page::default(), after);
        for _ in 0..TASKS_PER_QUERY {
            let Some((id, task)) = tasks::next_task(state, last.as_ref()) else { return page };
            if task.slots.iter().any(|slot| slot.agent == account) && !task.state.is_final() {
                page.mine.insert(id);
            } else if task.state == tasks::TaskState::Pending {
                page.offers.insert(id);
            }
            last = Some(id);
        }
        Page { last, ..page }
    }
}

fn known(state: &dyn StateRead, id: &Hash, account: &AccountId) -> Option<Known> {
    let task = tasks::task(state, id)?;
    let spec = tasks::spec(state, id)?;
    let candidate = task.candidates > 0
        && tasks::candidates(state, id).iter().any(|candidate| candidate.agent == *account);
    Some(Known { task, spec, candidate })
}

/// What an operator wants to see.
fn log(input: &Input) {
    tracing::trace!(?input, "learnt");
    match input {
        Input::Ran { task, end: RunEnd::Finished(entry), .. } => {
            tracing::info!(%task, fuel = entry.fuel_used, "computed");
        }
        Input::Ran { task, end: RunEnd::Unavailable(reason), .. } => {
            tracing::warn!(%task, reason, "the task's blobs cannot be had");
        }
        Input::Ran { task, end: RunEnd::CannotExecute(reason), .. } => {
            tracing::error!(%task, reason, "this machine cannot execute the task");
        }
        Input::Sent { what, end: SendEnd::Failed(failure) } => {
            tracing::warn!(?what, reason = %failure, "a transaction failed");
        }
        Input::Sent { what, end: SendEnd::Lost(reason) } => {
            tracing::warn!(?what, reason, "a transaction was not included");
        }
        Input::Sent { what: Tx::Deliver { task }, end: SendEnd::Done } => {
            tracing::info!(%task, "delivered");
        }
        Input::Sent { .. } | Input::Block { .. } | Input::Me(_) | Input::Task { .. } => {}
    }
}
