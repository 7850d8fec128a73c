//! `artel agent`: an agent in a process of its own.

use super::{NodeOptions, signal, signing::SignerArgs};
use anyhow::{Context, Result, bail};
use clap::Args;
use client::Client;
use primitives::crypto::pair::Pair;
use std::path::PathBuf;
use tokio_util::sync::CancellationToken;

/// What `artel agent` takes.
#[derive(Args)]
#[command(after_help = "Example:
  artel dev --no-agent
  artel agent --signer //Bob --base-path ./agent

The agent registers itself with a stake, claims tasks that pay its price, computes them in its slots
and delivers. A result is on disk before it is sent; after a restart work goes on.")]
pub struct AgentArgs {
    #[command(flatten)]
    options: NodeOptions,
    #[command(flatten)]
    signer: SignerArgs,
    /// WebSocket address of a node.
    #[arg(long, value_name = "URL", default_value = "ws://127.0.0.1:9944", env = "ARTEL_URL")]
    url: String,
}

/// Runs an agent until it is told to stop.
pub async fn run(args: AgentArgs) -> Result<()> {
    args.options.start_logging()?;
    let config = args.options.resolve()?;
    let folder: PathBuf = config
        .node
        .base_path
        .context("an agent keeps its keys and results: say where with --base-path")?
        .join("agent");
    let Pair::Sr25519(key) = args.signer.pair()? else {
        bail!("an agent's key is sr25519: leave out --scheme, or make one with artel key generate");
    };
    let client = Client::connect(&args.url).await.with_context(|| {
        format!("no node answers at {}: start one with `artel dev`, or give --url", args.url)
    })?;
    let agent = agent::Agent::start(config.agent, client, key, &folder).await?;
    let stop = CancellationToken::new();
    let running = agent.run(stop.clone());
    tokio::pin!(running);
    tokio::select! {
        result = &mut running => Ok(result?),
        () = signal::stop() => {
            stop.cancel();
            Ok(running.await?)
        }
    }
}
