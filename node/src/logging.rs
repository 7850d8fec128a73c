//! Where logs go and how they look.

use anyhow::{Context, Result};
use tracing_subscriber::{EnvFilter, fmt, prelude::*};

/// Libraries whose `info` is noise here, and parts whose warnings or errors any caller or peer can cause as often as it
/// likes, or a node that stands by and gets no signatures; a filter that names them counts more.
const QUIET: &str = "arc_malachitebft=warn,arc_malachitebft_core_consensus::handle::vote=error,\
    arc_malachitebft_core_consensus::handle::proposal=error,jsonrpsee=warn,jsonrpsee_server::middleware=error,\
    libp2p=error,yamux=off";

/// Starts logging to standard error. `filter` is as in `info,artel_consensus=debug`.
pub fn start(filter: &str, json: bool) -> Result<()> {
    let filter = EnvFilter::try_new(format!("{QUIET},{filter}")).with_context(|| {
        format!("'{filter}' is not a log filter: try info or info,artel_rpc=debug")
    })?;
    let registry = tracing_subscriber::registry().with(filter);
    let layer = fmt::layer().with_writer(std::io::stderr).with_target(true);
    if json {
        registry.with(layer.json()).try_init().context("logging was started twice")
    } else {
        registry.with(layer.compact()).try_init().context("logging was started twice")
    }
}
