//! The agent's transactions: one nonce after the other, and results never twice.

use crate::{
    core::{Output, SendEnd, Tx},
    journal::{Delivery, Entry, Journal},
    keys::Keys,
    shell::Error,
};
use client::{
    Client, Receipt, RuntimeCall, SignedTx, StateRead, TxOptions, Watched,
    pallets::{
        agents, system,
        tasks::{self, CLAIM_LABEL, SlotState, TaskState, claim_message},
        validations,
    },
};
use primitives::{
    AccountId, Hash, Height, OpaqueTransaction,
    crypto::pair::{Pair, Sr25519Pair},
};
use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

/// Signs and sends for one account.
pub(crate) struct Sender {
    pub pair: Pair,
    pub keys: Keys,
    pub journal: Journal,
    entries: Mutex<BTreeMap<Hash, Entry>>,
    /// Held from reading the next nonce until the pool has the transaction with it.
    turn: tokio::sync::Mutex<()>,
}

/// What a stored transaction is still good for.
enum Stored {
    /// It may be included: it, and no other, is sent.
    Alive,
    /// It can never be included, and the task still waits for a result.
    Dead,
    /// The task does not wait for a result of this agent any more.
    Needless,
}

/// Why nothing was sent.
enum Stop {
    /// There is nothing to send any more.
    Needless,
    Client(client::Error),
    Local(Error),
}

impl From<client::Error> for Stop {
    fn from(error: client::Error) -> Self {
        Self::Client(error)
    }
}

impl Sender {
    pub fn new(
        pair: Sr25519Pair,
        keys: Keys,
        journal: Journal,
        entries: BTreeMap<Hash, Entry>,
    ) -> Self {
        Self {
            pair: Pair::Sr25519(pair),
            keys,
            journal,
            entries: Mutex::new(entries),
            turn: tokio::sync::Mutex::new(()),
        }
    }

    /// Puts a result on disk.
    pub fn keep(&self, entry: Entry) -> Result<(), Error> {
        self.journal.keep(&entry)?;
        self.entries().insert(entry.task, entry);
        Ok(())
    }

    /// Takes a result from disk.
    pub fn forget(&self, task: &Hash) -> Result<(), Error> {
        self.entries().remove(task);
        self.journal.forget(task)
    }

    /// Does what a transaction's output says, to its end. A fault of this machine is an error.
    pub async fn send(&self, client: &Client, output: Output) -> Result<(Tx, SendEnd), Error> {
        let (what, call) = match output {
            Output::Deliver { task } => (Tx::Deliver { task }, None),
            Output::Enrol { profile, stake } => (Tx::Enrol, Some(enrolment(profile, stake))),
            Output::Heartbeat { slots } => {
                let call = agents::Call::heartbeat { slots, version: version() };
                (Tx::Heartbeat, Some(RuntimeCall::Agents(call)))
            }
            Output::Claim { task, attempt } => (Tx::Claim { task, attempt }, None),
            Output::Release { task, reason } => {
                let call = tasks::Call::release_task { task, reason };
                (Tx::Release { task }, Some(RuntimeCall::Tasks(call)))
            }
            Output::Run { .. } | Output::Keep(_) | Output::Forget { .. } => {
                unreachable!("the shell sends transactions only")
            }
        };
        let watched = match (what, call) {
            (Tx::Deliver { task }, _) => self.deliver(client, task).await,
            (Tx::Claim { task, attempt }, _) => self.claim(client, task, attempt).await,
            (_, Some(call)) => self.submit(client, &call).await,
            (_, None) => unreachable!("only deliveries and claims are made here"),
        };
        let receipt = match watched {
            Ok(watched) => watched.finalised().await.and_then(Receipt::ok),
            Err(Stop::Needless) => return Ok((what, SendEnd::Done)),
            Err(Stop::Local(error)) => return Err(error),
            Err(Stop::Client(error)) => Err(error),
        };
        let end = match receipt {
            Ok(_) => SendEnd::Done,
            Err(error) => match error.failure() {
                Some(failure) => SendEnd::Failed(failure.clone()),
                None => SendEnd::Lost(error.to_string()),
            },
        };
        Ok((what, end))
    }

    async fn submit(&self, client: &Client, call: &RuntimeCall) -> Result<Watched, Stop> {
        let _turn = self.turn.lock().await;
        let tx = client.sign(&self.pair, call, TxOptions::default()).await?;
        Ok(client.watch(&tx).await?)
    }

    async fn claim(&self, client: &Client, task: Hash, attempt: u8) -> Result<Watched, Stop> {
        let epoch = client.query(None, tasks::epoch).await?;
        let message = claim_message(&client.chain().genesis, &task, attempt, &epoch.seed);
        let proof = self.keys.prove(CLAIM_LABEL, &message);
        let call = tasks::Call::claim_task { task, output: proof.output, proof: proof.proof };
        self.submit(client, &RuntimeCall::Tasks(call)).await
    }

    /// Sends the stored transaction of a result, or signs, stores and sends a new one where there is none that could still be
    /// included.
    async fn deliver(&self, client: &Client, task: Hash) -> Result<Watched, Stop> {
        let _turn = self.turn.lock().await;
        let Some(mut entry) = self.entries().get(&task).cloned() else {
            return Err(Stop::Needless);
        };
        let account = self.pair.account();
        if let Some(delivery) = &entry.delivery {
            match stored(client, &account, task, delivery).await? {
                Stored::Alive => return Ok(client.watch(&signed(account, delivery)).await?),
                Stored::Dead => {}
                Stored::Needless => return Err(Stop::Needless),
            }
        }
        let call = validations::Call::submit_result {
            task,
            outcome: entry.outcome.clone(),
            fuel_used: entry.fuel_used,
        };
        let call = RuntimeCall::Validations(call);
        let tx = client.sign(&self.pair, &call, TxOptions::default()).await?;
        let SignedTx { bytes, nonce, dies_at, spec_version, .. } = tx.clone();
        entry.delivery = Some(Delivery { bytes: bytes.0, nonce, dies_at, spec_version });
        self.keep(entry).map_err(Stop::Local)?;
        Ok(client.watch(&tx).await?)
    }

    fn entries(&self) -> std::sync::MutexGuard<'_, BTreeMap<Hash, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a stored transaction is still good for, all judged by one finalised block.
async fn stored(
    client: &Client,
    account: &AccountId,
    task: Hash,
    delivery: &Delivery,
) -> Result<Stored, client::Error> {
    let head = client.finalised().await?;
    let (account, delivery) = (*account, delivery.clone());
    let judge = move |state: &dyn StateRead| judge(state, head.height, &account, &task, &delivery);
    client.query(Some(head.hash), judge).await
}

fn judge(
    state: &dyn StateRead,
    height: Height,
    account: &AccountId,
    task: &Hash,
    delivery: &Delivery,
) -> Stored {
    let record = tasks::task(state, task);
    let waits = record.is_some_and(|record| {
        record.state == TaskState::Assigned
            && record.slot().is_some_and(|(_, slot)| {
                slot.agent == *account && slot.state == SlotState::Assigned
            })
    });
    let is_void = system::spec_version(state) != Some(delivery.spec_version)
        || system::account(state, account).nonce > delivery.nonce
        || height.saturating_add(1) >= delivery.dies_at;
    match (waits, is_void) {
        (false, _) => Stored::Needless,
        (true, true) => Stored::Dead,
        (true, false) => Stored::Alive,
    }
}

fn signed(signer: AccountId, delivery: &Delivery) -> SignedTx {
    let Delivery { bytes, nonce, dies_at, spec_version } = delivery.clone();
    let bytes = OpaqueTransaction(bytes);
    let hash = bytes.hash();
    SignedTx { bytes, hash, signer, nonce, dies_at, spec_version }
}

fn enrolment(profile: agents::Profile, stake: Option<primitives::Balance>) -> RuntimeCall {
    RuntimeCall::Agents(match stake {
        Some(stake) => agents::Call::register { profile, stake },
        None => agents::Call::update { profile },
    })
}

/// The software's version in one number: major, minor and patch, a byte each.
fn version() -> u32 {
    let part = |text: &str| text.parse::<u32>().unwrap_or(0) & 0xff;
    part(env!("CARGO_PKG_VERSION_MAJOR")) << 16
        | part(env!("CARGO_PKG_VERSION_MINOR")) << 8
        | part(env!("CARGO_PKG_VERSION_PATCH"))
}
