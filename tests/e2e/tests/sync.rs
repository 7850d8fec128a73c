//! Sentences about nodes that begin late with a state; those that fetch all blocks, and peers that lie to both, are in
//! `joiner`.

use anyhow::Result;
use artel_e2e::steps::{plan, reach};
use client::Client;
use node::localnet::{Localnet, Plan};
use primitives::{Hash, Height};
use std::{
    path::Path,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio::time::timeout;

/// Blocks that the late node lacks.
const BLOCKS: Height = 600;
/// A chain that makes blocks as fast as it can, and states for others every few of them.
const FAST: &str =
    "[consensus.pacing]\ninterval_ms = 10\nheartbeat_ms = 10\n\n[sync]\nserve_every_blocks = 100\n";
/// The place of the late node among the network's.
const LATE: usize = 2;

/// Two nodes with a chain, and one that has nothing and does not run.
async fn start(folder: &Path) -> Result<(Localnet, Client)> {
    let config = folder.join("fast.toml");
    std::fs::write(&config, FAST)?;
    let mut network = Localnet::start(Plan {
        validators: 1,
        gateways: 2,
        flags: vec!["--config".to_owned(), config.display().to_string()],
        ..plan(folder)?
    })
    .await?;
    network.kill(LATE)?;
    let client = network.members[0].client().await?;
    reach(&client, BLOCKS).await?;
    Ok((network, client))
}

/// Starts the late node with nothing but its identity.
async fn join(network: &mut Localnet) -> Result<Client> {
    let folder = network.members[LATE].folder.join("chains").join("artel-local");
    std::fs::remove_dir_all(folder.join("db"))?;
    network.launch(LATE)?;
    network.wait_ready(LATE).await?;
    network.members[LATE].client().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_node_begins_with_a_state_that_others_serve_and_goes_on() {
    let folder = TempDir::new().expect("a temporary folder");
    let (mut network, client) = start(folder.path()).await.expect("the network starts");
    let trusted = client.block_hash(5).await.expect("it has it");
    network.members[LATE].add_flags(["--trusted".to_owned(), format!("5:{trusted}")]);
    let since = Instant::now();
    let late = join(&mut network).await.expect("it starts");
    let begun = late.finalised().await.expect("it has a head").height;
    println!("a state after block {begun} in {} ms", since.elapsed().as_millis());
    let next = client.finalised().await.expect("it answers").height + 20;
    reach(&late, next).await.expect("it goes on");
    let (ours, theirs) = (late.block_hash(next).await, client.block_hash(next).await);
    assert_eq!(ours.expect("it has it"), theirs.expect("it has it"));
    // Blocks before the state are not there: they were not fetched.
    if late.head(client.block_hash(10).await.expect("it has it")).await.is_ok() {
        panic!("it fetched all blocks");
    }
    network.stop().await.expect("all nodes stop in order");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trusted_block_that_is_not_of_the_chain_is_no_beginning() {
    let folder = TempDir::new().expect("a temporary folder");
    let (mut network, _) = start(folder.path()).await.expect("the network starts");
    network.members[LATE].add_flags(["--trusted".to_owned(), format!("5:{}", Hash([9; 32]))]);
    let Err(error) = timeout(Duration::from_secs(10), join(&mut network)).await else {
        panic!("it begins with a block that does not exist");
    };
    let _: tokio::time::error::Elapsed = error;
    let log = std::fs::read_to_string(network.members[LATE].log()).expect("it logs");
    assert!(log.contains("looking for a state"), "{log}");
    network.kill(LATE).expect("it runs");
    network.stop().await.expect("the others stop in order");
}
