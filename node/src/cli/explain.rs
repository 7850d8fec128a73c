//! `artel explain`: transactions and errors in words.

use super::{Connection, amount, output};
use anyhow::{Context, Result, anyhow};
use clap::Args;
use client::{
    DispatchError,
    view::{self, Bytes, EndView, ExplainRequest, ExplainedView, ExplanationView, TransactionView},
};
use codec::DecodeAll;
use primitives::Hash;

/// What `artel explain` takes.
#[derive(Args)]
#[command(after_help = "Examples:
  artel explain 0x5c3f…                 what a transaction did, and why it failed
  artel explain 0x036505000000          an error, as its SCALE bytes; needs no node")]
pub struct ExplainArgs {
    /// Hash of a transaction, or the bytes of an error.
    #[arg(value_name = "HEX")]
    what: String,
    /// Run the transaction's block again, to tell what it read and wrote.
    #[arg(long)]
    trace: bool,
    #[command(flatten)]
    connection: Connection,
}

/// Runs the command.
pub async fn run(args: ExplainArgs) -> Result<()> {
    let json = args.connection.json;
    let Ok(hash) = args.what.parse::<Hash>() else {
        return output::print(json, &error(&args.what)?, line);
    };
    let client = args.connection.client().await?;
    let found = client.explain(&ExplainRequest::Transaction(hash)).await?;
    let Some(ExplanationView::Transaction(mut transaction)) = found else {
        return Err(anyhow!(
            "no block has the transaction {hash}; it may still wait, or be pruned"
        ));
    };
    if args.trace {
        let trace = client.trace(transaction.block, Some(transaction.index)).await?;
        let traced = trace.transactions.into_iter().next();
        transaction = traced.context("the node traced another transaction")?;
    }
    output::print(json, &transaction, describe)
}

fn error(text: &str) -> Result<ExplainedView> {
    let bytes: Bytes = serde_json::from_value(text.into()).ok().with_context(|| {
        format!("'{text}' is neither the hash of a transaction nor the bytes of an error in hex")
    })?;
    let error = DispatchError::decode_all(&mut &bytes.0[..])
        .map_err(|why| anyhow!("'{text}' is no error of a call: {why}"))?;
    Ok(view::error(&error))
}

fn line(explained: &ExplainedView) -> String {
    format!("{}: {}", explained.name, explained.text)
}

/// A transaction in some lines.
fn describe(transaction: &TransactionView) -> String {
    let run = &transaction.run;
    let mut lines = vec![
        format!(
            "block     {} ({}), transaction {}",
            transaction.height, transaction.block, transaction.index
        ),
        format!("call      {} {}", transaction.call.name, transaction.call.args),
        format!("          {}", transaction.call.text),
    ];
    if let Some(signer) = transaction.signer {
        lines.insert(1, format!("signer    {signer}"));
    }
    lines.push(match &run.end {
        EndView::Ok => "result    ok".to_owned(),
        EndView::Failed(why) | EndView::Refused(why) => format!("result    failed: {}", line(why)),
    });
    lines.push(format!("fee       {}", amount::format(run.fee)));
    let events = run.events.iter();
    lines.extend(events.map(|event| format!("event     {} {}", event.name, event.fields)));
    if let Some(touched) = &run.touched {
        let keys = |name: &str, keys: &view::KeysView| {
            let first = keys.keys.iter().map(|key| format!("{name:<10}{key}"));
            let more = keys.count as usize - keys.keys.len();
            let rest = (more > 0).then(|| format!("{name:<10}and {more} more"));
            first.chain(rest).collect::<Vec<_>>()
        };
        lines.extend(keys("read", &touched.reads));
        lines.extend(keys("wrote", &touched.writes));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_explained_without_a_node() {
        let found = error("0x036505000000").expect("these are an error's bytes");
        assert!(found.name.starts_with("Tasks.") && !found.text.is_empty(), "{found:?}");
        for text in ["0x", "0xff", "fee", "0x0365"] {
            let why = error(text).expect_err("that is no error of a call").to_string();
            assert!(why.contains(text), "{why}");
        }
    }
}
