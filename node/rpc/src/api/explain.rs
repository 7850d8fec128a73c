//! What transactions do and why they fail: dry runs, estimates, explanations, traces.

use super::author::transaction;
use crate::{args::Args, context::Context, error::Error, module::Module};
use codec::{DecodeAll, Encode};
use framework::{DispatchError, ModuleError};
use primitives::{Hash, Height};
use runtime::{
    BlockError, Inherents, TraceError,
    view::{
        self, Bytes, EstimateRequest, EstimateView, ExplainRequest, ExplanationView,
        ModuleErrorView, Place, RunView, TraceView, TransactionView,
    },
};
use schemars::JsonSchema;
use serde::Deserialize;
use std::fmt;

/// Most transactions of one trace.
const TRACED_MAX: u32 = 64;

/// A block, by hash or by number.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "a block is named by its hash or by its number")]
pub(super) enum BlockName {
    Height(Height),
    Hash(Hash),
}

pub(crate) fn register(module: &mut Module) {
    module.blocking(&["system_dryRun", "system_dryRunAt"], dry_run);
    module.blocking(&["artel_explain"], explain);
    module.blocking(&["artel_estimate"], estimate);
    module.blocking(&["artel_trace"], trace);
}

fn dry_run(cx: &Context, mut args: Args) -> Result<Bytes, Error> {
    let bytes = transaction(&mut args)?;
    let snapshot = cx.snapshot(args.optional("at")?)?;
    let at = cx.position(snapshot.height, snapshot.hash);
    Ok(Bytes(runtime::dry_run_signed(&snapshot, &at, &bytes).encode()))
}

fn estimate(cx: &Context, mut args: Args) -> Result<EstimateView, Error> {
    let request: EstimateRequest = args.next("what")?;
    let snapshot = cx.snapshot(args.optional("at")?)?;
    let at = cx.position(snapshot.height, snapshot.hash);
    view::estimate(&snapshot, &at, request).map_err(|why| Error::wrong("what", &why))
}

fn explain(cx: &Context, mut args: Args) -> Result<Option<ExplanationView>, Error> {
    let wrong = |error: codec::Error| Error::wrong("what", &error.to_string());
    Ok(Some(match args.next("what")? {
        ExplainRequest::Error(bytes) => {
            let error = DispatchError::decode_all(&mut &bytes.0[..]).map_err(wrong)?;
            ExplanationView::Error(view::error(&error))
        }
        ExplainRequest::Module(ModuleErrorView { index, error: bytes }) => {
            let mut error = [0; 4];
            let part = error.get_mut(..bytes.0.len());
            let part = part.ok_or_else(|| Error::wrong("what", "an error has at most 4 bytes"))?;
            part.copy_from_slice(&bytes.0);
            let error = DispatchError::Module(ModuleError { index, error });
            ExplanationView::Error(view::error(&error))
        }
        ExplainRequest::Events(bytes) => {
            ExplanationView::Events(view::events(&bytes.0).map_err(wrong)?)
        }
        ExplainRequest::Transaction(hash) => match stored(cx, &hash)? {
            Some(transaction) => ExplanationView::Transaction(transaction),
            None => return Ok(None),
        },
    }))
}

/// A transaction of a block, with what its events tell.
fn stored(cx: &Context, hash: &Hash) -> Result<Option<TransactionView>, Error> {
    let database = cx.database();
    let Some(place) = database.transaction(hash)? else { return Ok(None) };
    let (height, index) = (place.height, place.index);
    let (Some(block), Some(events)) = (database.block(height)?, database.events(height)?) else {
        return Ok(None);
    };
    let runs = view::runs(&events, |found| found == index);
    let mut runs = runs.map_err(|error| damaged(height, &error))?;
    let bytes = usize::try_from(index).ok().and_then(|index| block.body.get(index));
    let (Some(bytes), Some(run)) = (bytes, runs.remove(&index)) else {
        return Err(damaged(height, &"it lacks a transaction"));
    };
    let place = Place { block: block.hash(), height, index };
    view::transaction(bytes, place, run).map(Some).map_err(|error| damaged(height, &error))
}

/// Runs a block again, whole or one transaction of it.
fn trace(cx: &Context, mut args: Args) -> Result<TraceView, Error> {
    let height = match args.next("block")? {
        BlockName::Height(height) => height,
        BlockName::Hash(hash) => cx.database().height(&hash)?.ok_or(Error::UnknownBlock(hash))?,
    };
    let index: Option<u32> = args.optional("index")?;
    let database = cx.database();
    let before =
        height.checked_sub(1).ok_or_else(|| Error::wrong("block", "genesis runs nothing"))?;
    let absent = |what: String| Error::wrong("block", &format!("this node has no block {what}"));
    let block = database.block(height)?.ok_or_else(|| absent(height.to_string()))?;
    let parent = database.header(before)?;
    let parent = parent.ok_or_else(|| absent(format!("{before}, which {height} goes on from")))?;
    let count = u32::try_from(block.body.len()).unwrap_or(u32::MAX);
    if let Some(index) = index.filter(|index| *index >= count) {
        let text = format!("{index} is too large: block {height} has {count} transactions");
        return Err(Error::wrong("index", &text));
    }
    let state = cx.snapshot(Some(block.header.parent_hash))?;
    let wanted = |found: u32| index.map_or(found < TRACED_MAX, |index| found == index);
    let events = database.events(height)?.ok_or(Error::Failed)?;
    let runs = view::runs(&events, wanted);
    let mut runs = runs.map_err(|error| damaged(height, &error))?;
    let last = index.unwrap_or(TRACED_MAX - 1);
    let mut differs = false;
    let visit = |index: u32, trace: runtime::Trace| {
        if let Some(told) = runs.get_mut(&index) {
            let run = view::run_of_trace(&trace);
            let touched = run.touched.clone();
            differs |= *told != RunView { touched: None, ..run };
            told.touched = touched;
        }
    };
    let traced = runtime::trace_block(&state, &parent, &block, cx.genesis, last, visit);
    traced.map_err(|error| match error {
        TraceError::Block(error @ BlockError::UnknownRules { .. }) => {
            Error::wrong("block", &error.to_string())
        }
        error => {
            tracing::error!(height, %error, "a final block cannot be run again");
            Error::Failed
        }
    })?;
    if differs {
        tracing::error!(height, "a final block does something else when it is run again");
        return Err(Error::Failed);
    }
    let hash = block.hash();
    let transactions = (0..).zip(&block.body).filter_map(|(index, bytes)| {
        let place = Place { block: hash, height, index };
        Some(view::transaction(bytes, place, runs.remove(&index)?))
    });
    let transactions = transactions.collect::<Result<_, _>>();
    let transactions = transactions.map_err(|error| damaged(height, &error))?;
    let inherents = Inherents::from_body(height, &block.body);
    let time_ms = inherents.map_err(|error| damaged(height, &error))?.0.time_ms;
    let parent = block.header.parent_hash;
    Ok(TraceView { block: hash, height, parent, time_ms, count, transactions })
}

/// A stored block is not what it should be.
fn damaged(height: Height, error: &dyn fmt::Display) -> Error {
    tracing::error!(height, %error, "a stored block does not decode");
    Error::Failed
}
