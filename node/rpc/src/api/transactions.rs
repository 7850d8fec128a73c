//! Sending transactions, as the newer interface has it: a client says what it wants in the chain, and follows the chain to
//! see it there, or watches the transaction alone.

use super::watch::{self, Update, search, submit};
use crate::{
    SubmitError, TxStatus, UPDATES_MAX,
    args::Args,
    context::Context,
    error::Error,
    follow::Follower,
    module::{Answer, Module},
    session::Session,
    subscriber::{Caller, Closed, Subscriber},
};
use codec::DecodeAll;
use primitives::{Hash, OpaqueTransaction, shown};
use runtime::{CUSTOM_BAD_ENCODING, InvalidTransaction, view::Bytes};
use serde::Serialize;
use std::sync::Arc;
use tokio::sync::mpsc;
use txpool::Refusal;

/// Most blocks between two attempts to bring a transaction into the pool; the wait doubles up to here.
const BLOCKS_BETWEEN_ATTEMPTS_MAX: u32 = 64;

pub(crate) fn register(module: &mut Module) {
    module.holding(&["transaction_v1_broadcast"], broadcast);
    module.holding(&["transaction_v1_stop"], stop);
    module.subscription(
        &["transactionWatch_v1_submitAndWatch"],
        "transactionWatch_v1_watchEvent",
        &["transactionWatch_v1_unwatch"],
        watch,
    );
}

/// The transaction that a request brings, `None` if the bytes are none; and how many bytes there are.
fn transaction(args: &mut Args) -> Result<(Option<OpaqueTransaction>, usize), Error> {
    let bytes: Bytes = args.next("transaction")?;
    Ok((OpaqueTransaction::decode_all(&mut &bytes.0[..]).ok(), bytes.0.len()))
}

/// Brings a transaction into the chain until the client says stop or goes. Nothing is said of one that is invalid, and it
/// counts like any other.
async fn broadcast(
    cx: Arc<Context>,
    session: Arc<Session>,
    mut args: Args,
) -> Result<Answer<Option<String>>, Error> {
    let (transaction, bytes) = transaction(&mut args)?;
    let Some(kept) = session.flow.keep(bytes) else { return Ok(None.into()) };
    let Some((id, ended)) = session.broadcasts.begin(bytes) else { return Ok(None.into()) };
    if let Some(bytes) = transaction {
        tokio::spawn(async move {
            let _kept = kept;
            tokio::select! {
                _ = ended => {}
                () = persist(&cx, &bytes) => {}
            }
        });
    }
    Ok(Some(id).into())
}

async fn stop(_: Arc<Context>, session: Arc<Session>, mut args: Args) -> Result<Answer<()>, Error> {
    let id: String = args.next("operationId")?;
    if !session.broadcasts.stop(&id) {
        return Err(Error::NotBroadcast(shown(&id, 40)));
    }
    Ok(().into())
}

/// Offers a transaction to the pool, which tells other nodes, until a block has it or none ever can.
async fn persist(cx: &Arc<Context>, bytes: &OpaqueTransaction) {
    let mut heads = cx.backend.heads.clone();
    let mut wait_blocks = 1;
    loop {
        let height = cx.head().height.saturating_add(wait_blocks);
        if offer(cx, bytes).await.is_some()
            || heads.wait_for(|head| head.height >= height).await.is_err()
        {
            return;
        }
        wait_blocks = (2 * wait_blocks).min(BLOCKS_BETWEEN_ATTEMPTS_MAX);
    }
}

/// Offers a transaction once, and waits while the pool has it. `None` if it is worth another attempt.
async fn offer(cx: &Context, bytes: &OpaqueTransaction) -> Option<()> {
    let (updates, mut told) = mpsc::channel(UPDATES_MAX);
    match submit(cx, bytes.clone(), updates).await {
        Ok(_) => {}
        Err(Error::Stopping) => return Some(()),
        Err(Error::Submit(error)) => return is_forever(&error).then_some(()),
        Err(_) => return None,
    }
    loop {
        match told.recv().await? {
            TxStatus::Ready | TxStatus::Future => {}
            TxStatus::InBlock { .. } => return Some(()),
            TxStatus::Usurped(_) | TxStatus::Dropped | TxStatus::Invalid => return None,
        }
    }
}

/// Whether a transaction that was refused can never be in the chain.
fn is_forever(error: &SubmitError) -> bool {
    match error {
        SubmitError::Invalid(invalid) => matches!(
            invalid,
            InvalidTransaction::Stale
                | InvalidTransaction::BadProof
                | InvalidTransaction::BadSigner
                | InvalidTransaction::AncientBirthBlock
                | InvalidTransaction::Custom(CUSTOM_BAD_ENCODING)
        ),
        SubmitError::Refused(refusal) => {
            matches!(refusal, Refusal::Stale { .. } | Refusal::Expired { .. })
        }
    }
}

/// What becomes of a watched transaction.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "camelCase")]
enum Event {
    Validated,
    BestChainBlockIncluded { block: Place },
    Finalized { block: Place },
    Invalid { error: String },
    Dropped { error: String },
    Error { error: String },
}

/// Where a transaction is.
#[derive(Clone, Copy, Debug, Serialize)]
struct Place {
    hash: Hash,
    index: u32,
}

impl From<Error> for Event {
    fn from(error: Error) -> Self {
        let text = error.to_string();
        match error {
            Error::Submit(SubmitError::Invalid(_)) | Error::BadExtrinsic(_) => {
                Self::Invalid { error: text }
            }
            Error::Submit(SubmitError::Refused(refusal)) => {
                let error = format!("{text}: {}", refusal.detail());
                match refusal {
                    Refusal::Stale { .. } | Refusal::Expired { .. } => Self::Invalid { error },
                    _ => Self::Dropped { error },
                }
            }
            Error::PoolBusy => Self::Dropped { error: text },
            _ => Self::Error { error: text },
        }
    }
}

/// Submits a transaction and tells what becomes of it; one that is refused is told so.
async fn watch(cx: Arc<Context>, mut args: Args, caller: Caller) -> Result<(), Closed> {
    let transaction = match transaction(&mut args) {
        Ok((transaction, _)) => transaction,
        Err(error) => return caller.reject(error).await,
    };
    // From before it is in, so that its block is not missed.
    let (mut follower, _) = Follower::new(&cx);
    let (updates, told) = mpsc::channel(UPDATES_MAX);
    let submitted = match transaction {
        Some(bytes) => submit(&cx, bytes, updates).await,
        None => Err(Error::BadExtrinsic("the bytes are no transaction of this chain".to_owned())),
    };
    // Only now, so that whoever has an answer finds the transaction among those that wait, and its nonce taken.
    let subscriber = caller.accept().await?;
    let (hash, last) = match submitted {
        Ok(hash) => {
            subscriber.tell(&Event::Validated).await?;
            (hash, last_word(&subscriber, told).await?)
        }
        // Somebody sent it before, so it is as good as sent by this client.
        Err(Error::Submit(SubmitError::Refused(Refusal::AlreadyImported(hash)))) => {
            subscriber.tell(&Event::Validated).await?;
            (hash, None)
        }
        Err(error) => return subscriber.tell(&Event::from(error)).await,
    };
    let last = match last {
        Some(last) => last,
        None => search(&cx, &subscriber, &mut follower, hash).await?,
    };
    match last {
        Update::InBlock(block) => included(&cx, &subscriber, &mut follower, hash, block).await,
        other => subscriber.tell(&ended(&other)).await,
    }
}

/// What the pool says last; `None` if it ends without a word.
async fn last_word(
    subscriber: &Subscriber,
    mut updates: mpsc::Receiver<TxStatus>,
) -> Result<Option<Update>, Closed> {
    while let Some(status) = watch::next(subscriber, &mut updates).await? {
        if status.is_final() {
            return Ok(Some(status.into()));
        }
    }
    Ok(None)
}

/// The last word on a transaction that is in no block.
fn ended(update: &Update) -> Event {
    match update {
        Update::Usurped(by) => Event::Invalid {
            error: format!("another transaction with its nonce took its place: {by}"),
        },
        Update::Invalid => {
            Event::Invalid { error: "it became invalid while it waited for a block".to_owned() }
        }
        _ => Event::Dropped {
            error: "the pool had no more room for it, or no block took it: send it again"
                .to_owned(),
        },
    }
}

/// Tells of the block, which is final, as soon as everybody may know of it.
async fn included(
    cx: &Arc<Context>,
    subscriber: &Subscriber,
    follower: &mut Follower,
    hash: Hash,
    block: Hash,
) -> Result<(), Closed> {
    let location = cx.blocking(move |cx| Ok(cx.database().transaction(&hash)?)).await;
    let event = match location {
        Ok(Some(location)) => {
            follower.reach(location.height, subscriber).await?;
            let block = Place { hash: block, index: location.index };
            subscriber.tell(&Event::BestChainBlockIncluded { block }).await?;
            Event::Finalized { block }
        }
        Ok(None) => Event::from(Error::Failed),
        Err(error) => Event::from(error),
    };
    subscriber.tell(&event).await
}
