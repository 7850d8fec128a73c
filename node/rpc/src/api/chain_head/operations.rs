//! Reading pinned blocks: what takes long is answered by events.

use super::events::Event;
use crate::{
    api::{
        items::{Query, Reader, Rest, Token},
        state::call_at,
    },
    context::Context,
    error::Error,
    flow::Kept,
    follows::Operation,
    session::Session,
    subscriber::{Closed, write},
};
use codec::Encode;
use primitives::{Hash, Height};
use runtime::view::Bytes;
use std::sync::Arc;

/// The transactions of a block.
pub(super) async fn body(
    cx: Arc<Context>,
    session: Arc<Session>,
    operation: Operation,
    height: Height,
) -> Result<(), Closed> {
    let _turn = session.turn(&session.large).await;
    let operation_id = operation.name();
    // Written there too, as it may be large.
    let event = session.work(&cx, move |cx| {
        write(&match cx.database().block(height)? {
            Some(block) => {
                let value = block.body.iter().map(|bytes| Bytes(bytes.encode())).collect();
                Event::OperationBodyDone { operation_id, value }
            }
            None => Event::OperationInaccessible { operation_id },
        })
    });
    match event.await {
        Ok(event) => operation.tell(&event).await,
        Err(error) => operation.tell(&failed(operation.name(), &error)).await,
    }
}

/// A runtime call after a block.
pub(super) async fn call(
    cx: Arc<Context>,
    session: Arc<Session>,
    operation: Operation,
    at: Hash,
    (method, arguments): (String, Bytes),
) -> Result<(), Closed> {
    let _turn = session.turn(&session.large).await;
    let output = session.work(&cx, move |cx| call_at(cx, Some(at), &method, &arguments.0)).await;
    let operation_id = operation.name();
    let event = match output {
        Ok(output) => Event::OperationCallDone { operation_id, output },
        Err(error) => failed(operation_id, &error),
    };
    operation.tell(&event).await
}

/// Storage after a block. The client is waited for between pages of keys that it does not know.
pub(super) async fn storage(
    cx: Arc<Context>,
    session: Arc<Session>,
    operation: Operation,
    at: Hash,
    (queries, _kept): (Vec<Query>, Kept),
) -> Result<(), Closed> {
    let operation_id = operation.name();
    let mut reader = Reader::new(queries, Token::LastChange);
    loop {
        let turn = session.turn(&session.large).await;
        let (items, rest, read) = match reader.next(&cx, &session, at).await {
            Ok(page) => page,
            Err(error) => return operation.tell(&failed(operation_id, &error)).await,
        };
        reader = read;
        let is_empty = items.is_empty();
        if !is_empty {
            let operation_id = operation_id.clone();
            operation.tell(&Event::OperationStorageItems { operation_id, items }).await?;
        }
        drop(turn);
        match rest {
            Rest::Nothing => {
                return operation.tell(&Event::OperationStorageDone { operation_id }).await;
            }
            Rest::Queries => {}
            // Who has got nothing has nothing to wait for.
            Rest::Keys if is_empty => {}
            Rest::Keys => {
                let operation_id = operation_id.clone();
                operation.wait(&Event::OperationWaitingForContinue { operation_id }).await?;
            }
        }
    }
}

/// Whether it may go well another time is for the client to know.
fn failed(operation_id: String, error: &Error) -> Event {
    match error {
        Error::UnknownBlock(_) | Error::Discarded(_) | Error::Storage(_) | Error::Stopping => {
            Event::OperationInaccessible { operation_id }
        }
        error => Event::OperationError { operation_id, error: error.to_string() },
    }
}
