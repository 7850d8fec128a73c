//! Reading any block there ever was; served where all states are kept.

use super::{
    items::{Item, Query, Reader, Rest, Token},
    state::call_at,
};
use crate::{
    args::Args,
    config::QUERIES_MAX,
    context::Context,
    error::Error,
    module::Module,
    session::Session,
    subscriber::{Caller, Closed, Subscriber},
};
use codec::Encode;
use primitives::{Hash, Height};
use runtime::view::Bytes;
use serde::Serialize;
use std::sync::Arc;

pub(crate) fn register(module: &mut Module) {
    module.method(&["archive_v1_genesisHash"], |cx, _| Ok(cx.genesis));
    module.method(&["archive_v1_finalizedHeight"], |cx, _| Ok(cx.head().height));
    module.blocking(&["archive_v1_hashByHeight"], hash_by_height);
    module.blocking(&["archive_v1_header"], header);
    module.blocking(&["archive_v1_body"], body);
    module.blocking(&["archive_v1_call"], call);
    module.subscription(
        &["archive_v1_storage"],
        "archive_v1_storageEvent",
        &["archive_v1_stopStorage"],
        storage,
    );
}

/// How a runtime call went.
#[derive(Clone, Debug, Serialize)]
struct Called {
    success: bool,
    #[serde(flatten)]
    outcome: Outcome,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
enum Outcome {
    Value(Bytes),
    Error(String),
}

#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "camelCase")]
enum Event {
    Storage(Item),
    StorageDone,
    StorageError { error: String },
}

/// All blocks are final, so there is one at a height or none.
fn hash_by_height(cx: &Context, mut args: Args) -> Result<Vec<Hash>, Error> {
    let height: u64 = args.next("height")?;
    match Height::try_from(height) {
        Ok(height) if height <= cx.head().height => {
            Ok(cx.database().hash(height)?.into_iter().collect())
        }
        _ => Ok(Vec::new()),
    }
}

fn header(cx: &Context, mut args: Args) -> Result<Option<Bytes>, Error> {
    let Some(height) = cx.known_height(&args.next("hash")?)? else { return Ok(None) };
    Ok(cx.database().header(height)?.map(|header| Bytes(header.encode())))
}

fn body(cx: &Context, mut args: Args) -> Result<Option<Vec<Bytes>>, Error> {
    let Some(height) = cx.known_height(&args.next("hash")?)? else { return Ok(None) };
    let block = cx.database().block(height)?;
    Ok(block.map(|block| block.body.iter().map(|bytes| Bytes(bytes.encode())).collect()))
}

fn call(cx: &Context, mut args: Args) -> Result<Option<Called>, Error> {
    let hash: Hash = args.next("hash")?;
    let method: String = args.next("function")?;
    let arguments: Bytes = args.next("callParameters")?;
    Ok(match call_at(cx, Some(hash), &method, &arguments.0) {
        Ok(value) => Some(Called { success: true, outcome: Outcome::Value(value) }),
        Err(Error::UnknownBlock(_)) => None,
        Err(error @ Error::Storage(_)) => return Err(error),
        Err(error) => Some(Called { success: false, outcome: Outcome::Error(error.to_string()) }),
    })
}

/// Tells what is asked item by item; who does not read waits for the rest.
async fn storage(cx: Arc<Context>, mut args: Args, caller: Caller) -> Result<(), Closed> {
    let (hash, queries) = match queries(&mut args) {
        Ok(asked) => asked,
        Err(error) => return caller.reject(error).await,
    };
    let session = caller.session.clone();
    let bytes = queries.iter().map(Query::bytes).sum();
    let Some(_kept) = session.flow.keep(bytes) else {
        return caller.reject(Error::Full(bytes)).await;
    };
    let subscriber = caller.accept().await?;
    let last = match tell(&cx, &session, &subscriber, hash, queries).await? {
        Ok(()) => Event::StorageDone,
        Err(error) => Event::StorageError { error: error.to_string() },
    };
    subscriber.tell(&last).await
}

fn queries(args: &mut Args) -> Result<(Hash, Vec<Query>), Error> {
    let hash = args.next("hash")?;
    let queries = args.list("items", QUERIES_MAX);
    let mut queries: Vec<Query> = queries.map_err(|error| match error {
        Error::CountTooLarge { max, .. } => {
            Error::Params(format!("too many items are asked for: ask for at most {max} at a time"))
        }
        error => error,
    })?;
    // There are no other tries, so there is nothing in them.
    if args.optional::<Bytes>("childTrie")?.is_some() {
        queries.clear();
    }
    Ok((hash, queries))
}

async fn tell(
    cx: &Arc<Context>,
    session: &Session,
    subscriber: &Subscriber,
    hash: Hash,
    queries: Vec<Query>,
) -> Result<Result<(), Error>, Closed> {
    let mut reader = Reader::new(queries, Token::Content);
    loop {
        let _turn = session.turn(&session.large).await;
        let (items, rest, read) = match reader.next(cx, session, hash).await {
            Ok(page) => page,
            Err(error) => return Ok(Err(error)),
        };
        reader = read;
        for item in items {
            subscriber.tell(&Event::Storage(item)).await?;
        }
        if rest == Rest::Nothing {
            return Ok(Ok(()));
        }
    }
}
