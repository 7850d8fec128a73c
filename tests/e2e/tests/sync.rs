//! Sentences about nodes that come late, and peers that lie to them.

use anyhow::Result;
use artel_e2e::{
    steps::{LOOK, WAIT, plan, reach},
    stranger::Stranger,
};
use chain::sync::wire;
use client::Client;
use codec::{Decode, Encode};
use network::{PeerId, Protocol, Role};
use node::{
    localnet::{Localnet, Plan},
    wire::Status,
};
use primitives::{Block, Hash, Height};
use std::{
    collections::BTreeSet,
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

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

/// Whom a liar has lied to.
type LiedTo = Arc<Mutex<BTreeSet<PeerId>>>;

/// How a peer lies.
#[derive(Clone, Copy, Debug)]
enum Lie {
    /// What it sends is nothing.
    Noise,
    /// Its certificates are not those of its blocks.
    Certificates,
    /// Its blocks have other bodies than their headers say.
    Bodies,
    /// It never answers.
    Silence,
}

/// Answers whoever asks, and says to be far ahead.
async fn lie(mut stranger: Stranger, how: Lie, honest: PeerId, lied: LiedTo) {
    let status = Status { height: 1_000_000, hash: Hash([7; 32]), validator: None };
    let Stranger { network, inbound, .. } = &mut stranger;
    let [asked, _, blocks, ..] = &mut inbound.requests;
    loop {
        tokio::select! {
            Some(request) = asked.recv() => drop(request.answer.send(status.encode())),
            Some(request) = blocks.recv() => {
                let real = network.ask(honest, Protocol::Blocks, request.bytes).await;
                let Ok(real) = real else { continue };
                let answer = match how {
                    Lie::Silence => {
                        // Kept, so that nobody is told that there is no answer.
                        tokio::spawn(async move {
                            sleep(WAIT).await;
                            drop(request.answer);
                        });
                        continue;
                    }
                    Lie::Noise => vec![0xff; 1_000],
                    Lie::Certificates | Lie::Bodies => falsified(&real, how),
                };
                lied.lock().expect("no holder panics").insert(request.peer);
                drop(request.answer.send(answer));
            }
            else => return,
        }
    }
}

/// A real answer with something wrong in it.
fn falsified(real: &[u8], how: Lie) -> Vec<u8> {
    let Ok(mut entries) = wire::decode_response(real) else { return Vec::new() };
    let middle = entries.len() / 2;
    if let Some((bytes, certificate)) = entries.get_mut(middle) {
        match how {
            Lie::Certificates => {
                for (_, signature) in &mut certificate.signatures {
                    signature[7] ^= 1;
                }
            }
            _ => {
                if let Ok(mut block) = Block::decode(&mut &bytes[..]) {
                    block.body.truncate(1);
                    *bytes = block.encode();
                }
            }
        }
    }
    entries.encode()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_node_fetches_all_blocks_although_most_peers_lie_and_those_are_banned() {
    let folder = TempDir::new().expect("a temporary folder");
    let (mut network, client) = start(folder.path()).await.expect("the network starts");
    let genesis = client.block_hash(0).await.expect("it has one");
    let honest = network.bootnode.rsplit('/').next().expect("it ends with an identity");
    let honest: PeerId = honest.parse().expect("it is one");
    let mut liars = Vec::new();
    for (number, how) in (1u8..).zip([Lie::Noise, Lie::Certificates, Lie::Bodies, Lie::Silence]) {
        let joined = Stranger::join(&network.bootnode, genesis, Role::Gateway, [number; 32]);
        let stranger = timeout(WAIT, joined).await.expect("somebody answers").expect("it joins");
        let lied = LiedTo::default();
        liars.push((stranger.network.local_peer().to_string(), lied.clone()));
        tokio::spawn(lie(stranger, how, honest, lied));
    }

    let since = Instant::now();
    let late = join(&mut network).await.expect("it starts");
    reach(&late, BLOCKS).await.expect("it catches up");
    let took = since.elapsed();
    let rate = f64::from(BLOCKS) / took.as_secs_f64();
    println!("{BLOCKS} blocks among four liars in {} ms, {rate:.0} blocks/s", took.as_millis());
    let (ours, theirs) = (late.block_hash(BLOCKS).await, client.block_hash(BLOCKS).await);
    assert_eq!(ours.expect("it has it"), theirs.expect("it has it"));

    // Whoever has lied is sent away; who is silent, or was not asked, has proved nothing.
    let key = network.members[LATE].folder.join("chains/artel-local/network/node_key");
    let this = network::peer_id(&network::load_or_create_key(key).expect("it has an identity"));
    let has_lied =
        |liar: &&(String, LiedTo)| liar.1.lock().expect("no holder panics").contains(&this);
    assert!(liars.iter().any(|liar| has_lied(&liar)), "nobody was asked to lie");
    let banned = timeout(WAIT, async {
        loop {
            let peers = late.peers().await?;
            let is_here = |liar: &&(String, _)| peers.iter().any(|peer| peer.id == liar.0);
            match liars.iter().filter(has_lied).find(is_here) {
                None => return anyhow::Ok(()),
                Some(_) => sleep(LOOK).await,
            }
        }
    });
    banned.await.expect("liars stay connected").expect("the node answers");
    network.stop().await.expect("all nodes stop in order");
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
