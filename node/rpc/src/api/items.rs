//! Reading storage page by page, as `chainHead_v1_storage` and `archive_v1_storage` do.

use crate::{
    config::{PAGE_BYTES_MAX, PAGE_READS_MAX, TOKEN_BYTES_MAX, TOKEN_KEYS_MAX},
    context::Context,
    error::Error,
    last_changes::{ITEM_BYTES, LastChange},
    session::Session,
};
use codec::Encode;
use primitives::{
    Hash, RawKey, RawValue, StateRead,
    crypto::hash::{blake2_256, blake2_256_of},
};
use runtime::view::Bytes;
use serde::{Deserialize, Serialize};
use std::{ops::ControlFlow, sync::Arc, vec::IntoIter};
use storage::Snapshot;

/// What is asked of one key.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Query {
    key: Bytes,
    #[serde(rename = "type")]
    kind: Kind,
    /// Where the keys below go on; only for who pages by itself.
    #[serde(default)]
    pub pagination_start_key: Option<Bytes>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Kind {
    Value,
    Hash,
    ClosestDescendantMerkleValue,
    DescendantsValues,
    DescendantsHashes,
}

impl Query {
    /// Bytes that it takes while it waits.
    pub fn bytes(&self) -> usize {
        let start = self.pagination_start_key.as_ref().map_or(0, |key| key.0.len());
        size_of::<Self>() + self.key.0.len() + start
    }

    /// Whether it may have many answers.
    pub fn is_of_many(&self) -> bool {
        matches!(self.kind, Kind::DescendantsValues | Kind::DescendantsHashes)
    }
}

/// What is found.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Item {
    key: Bytes,
    #[serde(flatten)]
    found: Found,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
enum Found {
    Value(Bytes),
    Hash(Hash),
    ClosestDescendantMerkleValue(Hash),
}

/// What tells that something under a key changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// The last block that wrote to the item: costs nothing, and holds for one node as long as it runs.
    LastChange,
    /// A hash of all that is there: the same on all nodes, and bounded.
    Content,
}

/// What follows a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    /// Nothing.
    Nothing,
    /// Other queries.
    Queries,
    /// More keys of a query that has many.
    Keys,
}

/// Queries on their way to being answered.
#[derive(Debug)]
pub(super) struct Reader {
    /// The query that is under way, and the key that it has come to.
    current: Option<(Query, Option<RawKey>)>,
    queries: IntoIter<Query>,
    token: Token,
}

/// What is found at a time.
#[derive(Debug, Default)]
struct Page {
    items: Vec<Item>,
    /// Keys that were read, found or not.
    reads: usize,
    bytes: usize,
}

impl Page {
    fn is_full(&self) -> bool {
        self.reads >= PAGE_READS_MAX || self.bytes >= PAGE_BYTES_MAX
    }

    fn put(&mut self, key: &[u8], found: Found) {
        self.bytes += key.len() + if let Found::Value(value) = &found { value.0.len() } else { 32 };
        self.items.push(Item { key: Bytes(key.to_vec()), found });
    }
}

impl Reader {
    pub fn new(queries: Vec<Query>, token: Token) -> Self {
        Self { current: None, queries: queries.into_iter(), token }
    }

    /// The next page in the state after a block, which is not held between pages.
    pub async fn next(
        mut self,
        cx: &Arc<Context>,
        session: &Session,
        at: Hash,
    ) -> Result<(Vec<Item>, Rest, Self), Error> {
        let read = move |cx: &Context| {
            let (items, rest) = self.page(cx, &cx.snapshot(Some(at))?)?;
            Ok((items, rest, self))
        };
        session.work_in_turn(cx, read).await
    }

    /// The next page: it ends with the item that makes [`PAGE_READS_MAX`] keys or [`PAGE_BYTES_MAX`] bytes full, and may be
    /// empty.
    fn page(&mut self, cx: &Context, state: &Snapshot) -> Result<(Vec<Item>, Rest), Error> {
        let mut page = Page::default();
        while let Some((query, after)) = self.next_query() {
            if query.is_of_many() {
                if let ControlFlow::Break(after) = descend(state, &query, after, &mut page) {
                    self.current = Some((query, Some(after)));
                    return Ok((page.items, Rest::Keys));
                }
            } else {
                self.look_up(cx, state, &query, &mut page)?;
            }
            if page.is_full() && !self.queries.as_slice().is_empty() {
                return Ok((page.items, Rest::Queries));
            }
        }
        Ok((page.items, Rest::Nothing))
    }

    fn next_query(&mut self) -> Option<(Query, Option<RawKey>)> {
        let begin = |mut query: Query| {
            let after = query.pagination_start_key.take().map(|key| key.0);
            (query, after)
        };
        self.current.take().or_else(|| self.queries.next().map(begin))
    }

    fn look_up(
        &self,
        cx: &Context,
        state: &Snapshot,
        query: &Query,
        page: &mut Page,
    ) -> Result<(), Error> {
        let key = &query.key.0;
        page.reads += 1;
        let found = match query.kind {
            Kind::ClosestDescendantMerkleValue => {
                let token = token(cx, state, key, self.token, &mut page.reads)?;
                token.map(Found::ClosestDescendantMerkleValue)
            }
            kind => state.get(key).map(|value| found(kind, value)),
        };
        if let Some(found) = found {
            page.put(key, found);
        }
        Ok(())
    }
}

/// The keys below one; breaks with the last key that the page has room for, if there are more.
fn descend(
    state: &Snapshot,
    query: &Query,
    after: Option<RawKey>,
    page: &mut Page,
) -> ControlFlow<RawKey> {
    let mut last = after;
    for key in state.keys(&query.key.0, last.clone().as_deref()) {
        if page.is_full() {
            // A page that is full of other queries' answers may have none of this one's.
            return ControlFlow::Break(last.unwrap_or_default());
        }
        page.reads += 1;
        if let Some(value) = state.get(&key) {
            page.put(&key, found(query.kind, value));
        }
        last = Some(key);
    }
    ControlFlow::Continue(())
}

fn found(kind: Kind, value: RawValue) -> Found {
    match kind {
        Kind::Hash | Kind::DescendantsHashes => Found::Hash(blake2_256(&value)),
        _ => Found::Value(Bytes(value)),
    }
}

/// What stays the same as long as nothing under a key changes; `None` if there is nothing.
fn token(
    cx: &Context,
    state: &Snapshot,
    key: &[u8],
    kind: Token,
    reads: &mut usize,
) -> Result<Option<Hash>, Error> {
    if state.keys(key, None).next().is_none() {
        return Ok(None);
    }
    if kind == Token::LastChange && key.len() <= ITEM_BYTES {
        // Of the head a request may know before anybody else does.
        cx.last_changes.note(cx.database(), &cx.head().snapshot)?;
        let token = |kind: &str, height| Ok(Some(blake2_256(&(kind, key, height).encode())));
        match cx.last_changes.of(key, state.height) {
            LastChange::At(height) => return token("at", height),
            LastChange::UpTo(height) => return token("up to", height),
            LastChange::Unknown => {}
        }
    }
    content(state, key, reads).map(Some)
}

/// A hash of everything under a key.
fn content(state: &Snapshot, key: &[u8], reads: &mut usize) -> Result<Hash, Error> {
    let mut hash = Hash::ZERO;
    let mut bytes = 0;
    for (count, key) in state.keys(key, None).enumerate() {
        let value = state.get(&key).unwrap_or_default();
        *reads += 1;
        bytes += key.len() + value.len();
        if count >= TOKEN_KEYS_MAX || bytes > TOKEN_BYTES_MAX {
            let text = format!(
                "more than {TOKEN_KEYS_MAX} keys or {TOKEN_BYTES_MAX} bytes are under this key: ask for a longer one"
            );
            return Err(Error::Params(text));
        }
        hash = blake2_256_of(&[&hash.0, &(key, value).encode()]);
    }
    Ok(hash)
}
