//! Following the chain block by block, and reading what is pinned.

mod events;
mod follow;
mod operations;

use crate::{
    api::items::Query,
    args::{Args, OneOrMany},
    config::{KEYS_QUERIED_MAX, QUERIES_MAX, QUERIES_READ_MAX},
    context::Context,
    error::Error,
    follows::Operation,
    module::{Answer, Module},
    session::Session,
    subscriber::Closed,
};
use codec::Encode;
use primitives::{Hash, Height};
use runtime::view::Bytes;
use serde::Serialize;
use std::sync::Arc;

pub(crate) fn register(module: &mut Module) {
    module.subscription(
        &["chainHead_v1_follow"],
        "chainHead_v1_followEvent",
        &["chainHead_v1_unfollow"],
        follow::follow,
    );
    module.holding(&["chainHead_v1_header"], header);
    module.holding(&["chainHead_v1_unpin"], unpin);
    module.holding(&["chainHead_v1_body"], body);
    module.holding(&["chainHead_v1_call"], call);
    module.holding(&["chainHead_v1_storage"], storage);
    module.holding(&["chainHead_v1_continue"], go_on);
    module.holding(&["chainHead_v1_stopOperation"], stop_operation);
}

/// How an operation is answered; what it finds is told by events.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "result", rename_all = "camelCase", rename_all_fields = "camelCase")]
enum Started {
    Started {
        operation_id: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        discarded_items: Option<usize>,
    },
    /// Too many are under way, or the client does not follow.
    LimitReached,
}

/// A block of a follow, as requests name it.
struct Target {
    subscription: String,
    hash: Hash,
}

impl Target {
    fn new(args: &mut Args) -> Result<Self, Error> {
        Ok(Self { subscription: args.next("followSubscription")?, hash: args.next("hash")? })
    }

    /// Begins an operation on the block, and answers so.
    fn begin<F>(
        &self,
        session: &Session,
        needs_runtime: bool,
        discarded_items: Option<usize>,
        run: impl FnOnce(Operation, Height) -> F,
    ) -> Result<Answer<Started>, Error>
    where
        F: Future<Output = Result<(), Closed>> + Send + 'static,
    {
        let Some(follow) = session.follows.get(&self.subscription) else {
            return Ok(Started::LimitReached.into());
        };
        let height = follow.pinned(&self.hash)?;
        if needs_runtime && !follow.with_runtime {
            return Err(Error::FollowsWithoutRuntime);
        }
        let Some((operation, ended)) = follow.begin() else {
            return Ok(Started::LimitReached.into());
        };
        let started = Started::Started { operation_id: operation.name(), discarded_items };
        let work = run(operation, height);
        Ok(Answer::followed_by(started, async move {
            tokio::select! {
                _ = ended => {}
                // How an operation ends is nobody's concern.
                _ = work => {}
            }
        }))
    }
}

async fn header(
    cx: Arc<Context>,
    session: Arc<Session>,
    mut args: Args,
) -> Result<Answer<Option<Bytes>>, Error> {
    let target = Target::new(&mut args)?;
    let Some(follow) = session.follows.get(&target.subscription) else { return Ok(None.into()) };
    let height = follow.pinned(&target.hash)?;
    let header = cx.blocking(move |cx| Ok(cx.database().header(height)?)).await?;
    Ok(Some(Bytes(header.ok_or(Error::Failed)?.encode())).into())
}

async fn unpin(
    _: Arc<Context>,
    session: Arc<Session>,
    mut args: Args,
) -> Result<Answer<()>, Error> {
    let subscription: String = args.next("followSubscription")?;
    let hashes = match args.one_or_many("hashOrHashes", KEYS_QUERIED_MAX)? {
        Some(OneOrMany::One(hash)) => vec![hash],
        Some(OneOrMany::Many(hashes)) => hashes,
        None => return Err(Error::wrong("hashOrHashes", "a hash or a list of them is needed")),
    };
    if let Some(follow) = session.follows.get(&subscription) {
        follow.unpin(&hashes)?;
    }
    Ok(().into())
}

async fn body(
    cx: Arc<Context>,
    session: Arc<Session>,
    mut args: Args,
) -> Result<Answer<Started>, Error> {
    let target = Target::new(&mut args)?;
    target.begin(&session, false, None, |operation, height| {
        operations::body(cx, session.clone(), operation, height)
    })
}

async fn call(
    cx: Arc<Context>,
    session: Arc<Session>,
    mut args: Args,
) -> Result<Answer<Started>, Error> {
    let target = Target::new(&mut args)?;
    let call = (args.next("function")?, args.next("callParameters")?);
    target.begin(&session, true, None, |operation, _| {
        operations::call(cx, session.clone(), operation, target.hash, call)
    })
}

async fn storage(
    cx: Arc<Context>,
    session: Arc<Session>,
    mut args: Args,
) -> Result<Answer<Started>, Error> {
    let target = Target::new(&mut args)?;
    let mut queries: Vec<Query> = args.list("items", QUERIES_READ_MAX)?;
    // There are no other tries, so there is nothing in them.
    if args.optional::<Bytes>("childTrie")?.is_some() {
        queries.clear();
    }
    let discarded = queries.len().saturating_sub(QUERIES_MAX);
    queries.truncate(QUERIES_MAX);
    for query in &mut queries {
        // Who follows is waited for between pages instead.
        query.pagination_start_key = None;
    }
    let bytes = queries.iter().map(Query::bytes).sum();
    let kept = session.flow.keep(bytes).ok_or(Error::Full(bytes))?;
    target.begin(&session, false, Some(discarded), |operation, _| {
        operations::storage(cx, session.clone(), operation, target.hash, (queries, kept))
    })
}

async fn go_on(
    _: Arc<Context>,
    session: Arc<Session>,
    mut args: Args,
) -> Result<Answer<()>, Error> {
    let subscription: String = args.next("followSubscription")?;
    let operation: String = args.next("operationId")?;
    if let Some(follow) = session.follows.get(&subscription) {
        follow.go_on(&operation)?;
    }
    Ok(().into())
}

async fn stop_operation(
    _: Arc<Context>,
    session: Arc<Session>,
    mut args: Args,
) -> Result<Answer<()>, Error> {
    let subscription: String = args.next("followSubscription")?;
    let operation: String = args.next("operationId")?;
    if let Some(follow) = session.follows.get(&subscription) {
        follow.stop_operation(&operation);
    }
    Ok(().into())
}
