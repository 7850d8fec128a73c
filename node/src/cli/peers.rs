//! `artel peers`: whom a node is connected to, and how far it is.

use super::{Connection, output};
use anyhow::Result;
use clap::Args;
use client::view::PeerView;

/// What `artel peers` takes.
#[derive(Args)]
#[command(after_help = "Example:
  artel peers --url ws://127.0.0.1:9944")]
pub struct PeersArgs {
    #[command(flatten)]
    connection: Connection,
}

/// Shows the peers of a node.
pub async fn run(args: PeersArgs) -> Result<()> {
    let client = args.connection.client().await?;
    let (peers, head) = (client.peers().await?, client.finalised().await?);
    output::print(args.connection.json, &peers, |peers| {
        let mut lines =
            vec![format!("the node is at height {}, {} peers", head.height, peers.len())];
        lines.extend(peers.iter().map(line));
        lines.join("\n")
    })
}

fn line(peer: &PeerView) -> String {
    let role = peer.role.as_deref().unwrap_or("?");
    let height = peer.height.map_or("?".to_owned(), |height| height.to_string());
    let ping = peer.ping_ms.map_or("?".to_owned(), |ms| format!("{ms} ms"));
    let arrow = if peer.is_outbound { "->" } else { "<-" };
    format!(
        "{arrow} {role:<9} height {height:>8}  ping {ping:>7}  score {:>4}  {} {} {}",
        peer.score, peer.id, peer.address, peer.agent
    )
}
