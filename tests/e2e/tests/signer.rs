//! Sentences about a validator's keys: a signer of its own with a hot standby, and keys that change under a running node.

use anyhow::{Context, Result, bail, ensure};
use artel_e2e::{
    process::artel,
    steps::{LOOK, WAIT, plan, reach, transfer},
};
use client::Client;
use jsonrpsee::{core::client::ClientT, ws_client::WsClientBuilder};
use node::{
    cli::node::session_keys,
    keyring::{FOLDER, StoredKey},
    localnet::{Localnet, validator_uri},
};
use primitives::{AccountId, Hash, Height, StateRead};
use runtime::{Inherents, RuntimeEvent};
use std::{
    fs::{self, File},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Instant,
};
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

/// Milliseconds of an era where keys change: the shortest that a chain may have.
const ERA_MS: u64 = 10_000;

/// A command that runs until it is killed; it is when this is dropped.
struct Daemon {
    child: Child,
    log: PathBuf,
}

impl Daemon {
    fn start(log: PathBuf, flags: &[&str]) -> Result<Self> {
        let file = File::create(&log)?;
        let mut command = Command::new(artel()?);
        command.args(flags).stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        Ok(Self { child: command.spawn()?, log })
    }

    /// Waits for what stands behind some words in its log.
    async fn says(&mut self, words: &str) -> Result<String> {
        let said = timeout(WAIT, async {
            loop {
                let log = fs::read_to_string(&self.log)?;
                if let Some((_, rest)) = log.lines().find_map(|line| line.split_once(words)) {
                    return Ok(rest.trim().to_owned());
                }
                if let Some(status) = self.child.try_wait()? {
                    bail!("it ended with {status}:\n{log}");
                }
                sleep(LOOK).await;
            }
        });
        said.await.with_context(|| format!("{} never says '{words}'", self.log.display()))?
    }

    async fn client(&mut self) -> Result<Client> {
        Ok(Client::connect(&self.says("JSON-RPC: ").await?).await?)
    }

    fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.kill();
    }
}

/// Whether a block's certificate, as the next block has it, has the vote of a validator.
async fn has_vote(client: &Client, who: AccountId, height: Height) -> Result<bool> {
    let next = client.block_hash(height + 1).await?;
    let (_, body) = client.body(next).await?;
    let (inherents, _) = Inherents::from_body(height + 1, &body)?;
    let mut certificates = inherents.parent_certificate.into_iter().chain(inherents.widened);
    Ok(certificates.any(|certificate| certificate.signatures.iter().any(|(by, _)| *by == who)))
}

/// Waits, with a block after the other, until a validator votes for a block above a height; gives its height.
async fn votes_above(client: &Client, who: AccountId, above: Height) -> Result<Height> {
    let voted = timeout(WAIT, async {
        let mut looked = above;
        loop {
            let last = transfer(client).await?;
            while looked + 1 < last {
                looked += 1;
                if has_vote(client, who, looked).await? {
                    return anyhow::Ok(looked);
                }
            }
        }
    });
    voted.await.with_context(|| format!("{who} never votes above {above}"))?
}

/// The chain has no evidence against anybody.
async fn is_clean(client: &Client) -> Result<()> {
    for height in 1..=client.finalised().await?.height {
        let hash = client.block_hash(height).await?;
        for (_, event) in client.events(hash).await?.events {
            ensure!(!matches!(event, RuntimeEvent::Offences(_)), "{event:?} in block {height}");
        }
    }
    Ok(())
}

/// The node's block at a height, once it has one.
async fn block_at(client: &Client, height: Height) -> Result<Hash> {
    reach(client, height).await?;
    Ok(client.block_hash(height).await?)
}

/// A validator of a running network as two nodes with one signer.
struct Pair {
    spec: String,
    folder: PathBuf,
    bootnode: String,
    account: String,
}

impl Pair {
    fn signer(&self, log: &str, more: &[&str]) -> Result<Daemon> {
        let folder = self.folder.join("signer").display().to_string();
        let run = ["signer", "run", "--chain", &self.spec, "--folder", &folder];
        Daemon::start(self.folder.join(log), &[&run, more].concat())
    }

    fn node(&self, base_path: &str, log: &str) -> Result<Daemon> {
        let base_path = self.folder.join(base_path).display().to_string();
        let socket = self.folder.join("signer").join("socket").display().to_string();
        let flags = [
            "node",
            "--role",
            "validator",
            "--chain",
            &self.spec,
            "--base-path",
            &base_path,
            "--remote-signer",
            &socket,
            "--validator",
            &self.account,
            "--bootnode",
            &self.bootnode,
            "--listen",
            "/ip4/127.0.0.1/tcp/0",
            "--private-addresses",
            "--rpc-port",
            "0",
            "--no-prometheus",
        ];
        Daemon::start(self.folder.join(log), &flags)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_takes_over_and_a_validator_whose_signer_dies_comes_back_with_it() -> Result<()> {
    let folder = TempDir::new()?;
    let mut network = Localnet::start(plan(folder.path())?).await?;
    let client = network.members[0].client().await?;
    transfer(&client).await?;
    let dave = session_keys(&validator_uri(4))?.account;
    let pair = Pair {
        spec: folder.path().join("chain-spec.json").display().to_string(),
        folder: folder.path().to_owned(),
        bootnode: network.bootnode.clone(),
        account: dave.to_string(),
    };

    // The node gives its key to a signer and goes on with its own log and guard.
    network.stop_one(3).await?;
    let key = folder.path().join("validator-4").join("session.key").display().to_string();
    let with_key = ["--session-key-file", &key];
    let mut early = pair.signer("early.log", &with_key)?;
    ensure!(!early.child.wait()?.success(), "a signer begins without a record, untold");
    let told = [&with_key[..], &["--sign-without-guard"]].concat();
    let mut signer = pair.signer("signer-1.log", &told)?;
    signer.says("listens at").await?;
    let mut primary = pair.node("validator-4", "primary-1.log")?;
    primary.client().await?;
    let now = client.finalised().await?.height;
    votes_above(&client, dave, now).await?;

    // A second node follows, and does not disturb the first.
    let mut standby = pair.node("standby", "standby.log")?;
    let beside = standby.client().await?;
    standby.says("this node stands by").await?;
    let now = client.finalised().await?.height;
    let height = votes_above(&client, dave, now).await?;
    ensure!(block_at(&beside, height).await? == client.block_hash(height).await?, "a fork");

    // It takes over.
    primary.kill()?;
    let since = Instant::now();
    let now = client.finalised().await?.height + 1;
    standby.says("the signer serves this node").await?;
    let served = since.elapsed();
    votes_above(&client, dave, now).await?;
    println!(
        "the standby signs {} ms after the first node died, and its vote is on chain after {} ms",
        served.as_millis(),
        since.elapsed().as_millis()
    );

    // Without the signer three decide; with it, four.
    signer.kill()?;
    let now = client.finalised().await?.height + 2;
    let height = timeout(WAIT, async {
        loop {
            let last = transfer(&client).await?;
            if last > now + 3 {
                return anyhow::Ok(last);
            }
        }
    });
    for height in now + 1..height.await?? - 1 {
        ensure!(!has_vote(&client, dave, height).await?, "it votes for {height} without a signer");
    }
    let mut signer = pair.signer("signer-2.log", &with_key)?;
    signer.says("listens at").await?;
    let now = client.finalised().await?.height;
    votes_above(&client, dave, now).await?;

    // The first comes back, and is now the one that stands by.
    let mut primary = pair.node("validator-4", "primary-2.log")?;
    let back = primary.client().await?;
    primary.says("this node stands by").await?;
    let now = client.finalised().await?.height;
    let height = votes_above(&client, dave, now).await?;
    let hash = client.block_hash(height).await?;
    for other in [&back, &beside] {
        ensure!(block_at(other, height).await? == hash, "a fork at {height}");
    }
    is_clean(&client).await?;
    for daemon in [&mut primary, &mut standby, &mut signer] {
        ensure!(daemon.child.try_wait()?.is_none(), "{} ended", daemon.log.display());
        let log = fs::read_to_string(&daemon.log)?;
        ensure!(!log.contains("panicked at") && !log.contains("ERROR"), "{log}");
    }
    network.stop().await
}

/// Runs a command that must end well; gives what it prints.
fn run(flags: &[&str]) -> Result<serde_json::Value> {
    let output = Command::new(artel()?).args(flags).stdin(Stdio::null()).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{flags:?} failed: {said}");
    Ok(serde_json::from_slice(&output.stdout)?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_session_key_signs_without_a_restart() -> Result<()> {
    let folder = TempDir::new()?;
    let short = |spec: &mut runtime::ChainSpec| spec.genesis.Staking.params.era_ms = ERA_MS;
    let mut network = Localnet::start_with(plan(folder.path())?, short).await?;
    let client = network.members[0].client().await?;
    let bob = session_keys(&validator_uri(2))?.account;
    let process = network.members[1].id();
    let spec = folder.path().join("chain-spec.json").display().to_string();
    let base_path = network.members[1].folder.clone();
    let base = base_path.display().to_string();
    let url = network.members[1].url.clone();
    let common = ["--base-path", &base, "--chain", &spec, "--url", &url, "--json"];

    // One was made, and its registration was interrupted: it is the one that is taken up.
    let id = runtime::ChainSpec::local().id;
    let keys = base_path.join("chains").join(id).join(FOLDER);
    let made = StoredKey::generate(bob)?;
    made.write(&keys)?;
    let shown = run(&[&["key", "list"], &common[..]].concat())?;
    ensure!(shown[0]["state"] == "unknown", "{shown}");
    let rotate = [&["key", "rotate", "--signer", "//Bob", "--wait"], &common[..]].concat();
    let rotated = timeout(
        WAIT,
        tokio::task::spawn_blocking({
            let flags: Vec<String> = rotate.iter().map(|flag| (*flag).to_owned()).collect();
            move || run(&flags.iter().map(String::as_str).collect::<Vec<_>>())
        }),
    );
    let shown = rotated.await.context("the key never counts")???;
    let named: Hash = shown["voteKey"].as_str().context("it is named")?.parse()?;
    ensure!(named == made.vote_key && shown["state"] == "inUse", "{shown}");
    let shown = run(&[&["key", "list"], &common[..]].concat())?;
    ensure!(shown[0]["state"] == "inUse" && shown.as_array().map(Vec::len) == Some(1), "{shown}");

    // The chain checks each certificate's votes with the keys of its own validators.
    let in_set = move |state: &dyn StateRead| {
        runtime::validator_set(state).get(&bob).map(|member| member.vote_key)
    };
    ensure!(client.query(None, in_set).await? == Some(made.vote_key.0), "another key is in force");
    let now = client.finalised().await?.height;
    votes_above(&client, bob, now).await?;
    // So it does with the draw of a block's author, whom the header names.
    let rpc = WsClientBuilder::default().build(&network.members[0].url).await?;
    let authored = timeout(WAIT, async {
        loop {
            let hash = client.block_hash(transfer(&client).await?).await?;
            let header: serde_json::Value = rpc.request("chain_getHeader", [hash]).await?;
            if header["digest"].to_string().contains(&hex::encode(bob.0)) {
                return anyhow::Ok(());
            }
        }
    });
    authored.await.context("it makes no block with its new key")??;
    ensure!(network.members[1].id() == process && network.ended().is_none(), "it was restarted");
    is_clean(&client).await?;
    network.stop().await
}
