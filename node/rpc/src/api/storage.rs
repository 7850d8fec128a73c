//! Reading and following storage.

use crate::{
    args::Args,
    config::{KEYS_PAGE_MAX, KEYS_QUERIED_MAX},
    context::{Context, State},
    error::Error,
    follow::Follower,
    module::Module,
    session::Session,
    subscriber::{Caller, Closed},
};
use chain::Head;
use primitives::{Hash, RawValue, StateRead, crypto::hash::blake2_256};
use runtime::view::Bytes;
use serde::Serialize;
use std::sync::Arc;

/// Most bytes of all keys of one subscription.
const SUBSCRIBED_BYTES_MAX: usize = 1 << 20;
/// Bytes that a subscription keeps for a key beside the key itself.
const KEPT_BYTES: usize = size_of::<Bytes>() + size_of::<Option<Hash>>();
/// Most bytes of all values of one subscription: in hex as much as any client takes.
const SUBSCRIBED_VALUES_BYTES_MAX: usize = 8 << 20;
/// Most bytes of all values of one query: in hex as much as an answer has, if the operator does not say otherwise.
pub(super) const QUERIED_BYTES_MAX: usize = 16 << 20;

/// Values of keys after a block.
#[derive(Clone, Serialize)]
pub(super) struct Changes {
    pub block: Hash,
    pub changes: Vec<(Bytes, Option<Bytes>)>,
}

pub(crate) fn register(module: &mut Module) {
    module.at_hand(
        &["state_getStorage", "state_getStorageAt"],
        |cx, args| Some(known(cx, args)?.map(Bytes)),
        |cx, args| Ok(value(cx, args)?.map(Bytes)),
    );
    module.at_hand(
        &["state_getStorageHash", "state_getStorageHashAt"],
        |cx, args| Some(known(cx, args)?.map(|value| blake2_256(&value))),
        |cx, args| Ok(value(cx, args)?.map(|value| blake2_256(&value))),
    );
    module.at_hand(
        &["state_getStorageSize", "state_getStorageSizeAt"],
        |cx, args| Some(known(cx, args)?.map(|value| value.len())),
        |cx, args| Ok(value(cx, args)?.map(|value| value.len())),
    );
    module.blocking(&["state_getKeysPaged", "state_getKeysPagedAt"], keys_paged);
    module.blocking(&["state_queryStorageAt"], query);
    module.subscription(
        &["state_subscribeStorage"],
        "state_storage",
        &["state_unsubscribeStorage"],
        follow,
    );
}

fn value(cx: &Context, mut args: Args) -> Result<Option<RawValue>, Error> {
    let key: Bytes = args.next("key")?;
    let state = cx.state(args.optional("at")?)?;
    cx.value(&state, &key.0)
}

/// What [`value`] gives, if that is at hand.
fn known(cx: &Context, mut args: Args) -> Option<Option<RawValue>> {
    let key: Bytes = args.next("key").ok()?;
    cx.known_value(args.optional("at").ok()?, &key.0)
}

fn keys_paged(cx: &Context, mut args: Args) -> Result<Vec<Bytes>, Error> {
    let prefix: Bytes = args.optional("prefix")?.unwrap_or_default();
    let count: u32 = args.next("count")?;
    let start: Option<Bytes> = args.optional("startKey")?;
    if count > KEYS_PAGE_MAX {
        let size = |count| usize::try_from(count).unwrap_or(usize::MAX);
        return Err(Error::CountTooLarge { value: size(count), max: size(KEYS_PAGE_MAX) });
    }
    let snapshot = cx.snapshot(args.optional("at")?)?;
    let keys = snapshot.keys(&prefix.0, start.as_ref().map(|start| start.0.as_slice()));
    Ok((0..count).zip(keys).map(|(_, key)| Bytes(key)).collect())
}

fn query(cx: &Context, mut args: Args) -> Result<[Changes; 1], Error> {
    let keys = keys(&mut args)?;
    let at: Option<Hash> = args.optional("at")?;
    let state = cx.state(at)?;
    let block = match &state {
        State::Live(snapshot) => snapshot.hash,
        State::Discarded { hash, .. } => *hash,
    };
    let mut changes = Vec::with_capacity(keys.len());
    let mut bytes = 0;
    for key in keys {
        let value = cx.value(&state, &key.0)?;
        bytes += value.as_ref().map_or(0, Vec::len);
        if bytes > QUERIED_BYTES_MAX {
            let text =
                format!("the values have more than {QUERIED_BYTES_MAX} bytes: ask for fewer keys");
            return Err(Error::Params(text));
        }
        changes.push((key, value.map(Bytes)));
    }
    Ok([Changes { block, changes }])
}

pub(super) fn keys(args: &mut Args) -> Result<Vec<Bytes>, Error> {
    args.list("keys", KEYS_QUERIED_MAX)
}

/// All keys with their values, then those that changed. A subscriber that is slow gets the latest values only; one whose
/// values have become too large is cut off.
async fn follow(cx: Arc<Context>, mut args: Args, caller: Caller) -> Result<(), Closed> {
    let keys = match keys(&mut args).and_then(check_bytes) {
        Ok(keys) => keys,
        Err(error) => return caller.reject(error).await,
    };
    let session = caller.session.clone();
    let bytes = keys.iter().map(|key| KEPT_BYTES + key.0.len()).sum();
    let Some(_kept) = session.flow.keep(bytes) else {
        return caller.reject(Error::Full(bytes)).await;
    };
    let mut turn = session.turn(&session.large).await;
    let (mut follower, head) = Follower::new(&cx);
    let seen = vec![None; keys.len()];
    let (changes, mut watched) =
        match (Watched { keys, seen }).update(&cx, &session, head, true).await {
            Ok(first) => first,
            Err(error) => return caller.reject(error).await,
        };
    let subscriber = caller.accept().await?;
    subscriber.tell(&changes).await?;
    loop {
        drop(turn);
        follower.latest(&subscriber).await?;
        turn = session.turn(&session.large).await;
        // Another one, if the turn came late.
        let head = follower.head();
        let (changes, updated) = match watched.update(&cx, &session, head, false).await {
            Ok(updated) => updated,
            // That it misses something it must know.
            Err(_) => return subscriber.give_up(),
        };
        if !changes.changes.is_empty() {
            subscriber.tell(&changes).await?;
        }
        watched = updated;
    }
}

fn check_bytes(keys: Vec<Bytes>) -> Result<Vec<Bytes>, Error> {
    let bytes: usize = keys.iter().map(|key| key.0.len()).sum();
    if bytes > SUBSCRIBED_BYTES_MAX {
        let text = format!("the keys have {bytes} bytes: {SUBSCRIBED_BYTES_MAX} is the most");
        return Err(Error::Params(text));
    }
    Ok(keys)
}

/// What a subscriber watches.
struct Watched {
    keys: Vec<Bytes>,
    /// Hashes of the values that it knows.
    seen: Vec<Option<Hash>>,
}

impl Watched {
    /// The values that changed with a head, or all.
    async fn update(
        mut self,
        cx: &Arc<Context>,
        session: &Session,
        head: Head,
        all: bool,
    ) -> Result<(Changes, Self), Error> {
        let work = move |_: &Context| {
            let (mut changes, mut bytes) = (Vec::new(), 0);
            for (key, seen) in self.keys.iter().zip(&mut self.seen) {
                let value = head.snapshot.get(&key.0);
                bytes += value.as_ref().map_or(0, Vec::len);
                if bytes > SUBSCRIBED_VALUES_BYTES_MAX {
                    let text = format!(
                        "the values have more than {SUBSCRIBED_VALUES_BYTES_MAX} bytes: subscribe to fewer keys"
                    );
                    return Err(Error::Params(text));
                }
                let hash = value.as_deref().map(blake2_256);
                if all || hash != *seen {
                    *seen = hash;
                    changes.push((key.clone(), value.map(Bytes)));
                }
            }
            Ok((Changes { block: head.hash, changes }, self))
        };
        session.work_in_turn(cx, work).await
    }
}
