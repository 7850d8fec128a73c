//! Sentences about networks whose wires, clocks and disks are bad: real processes in network namespaces.

use anyhow::{Context, Result, ensure};
use artel_e2e::{
    steps::{WAIT, plan, reach, transfer},
    wires::{Faults, Wires},
};
use client::{Client, RuntimeCall};
use node::localnet::{Localnet, Place, Plan};
use pallets::system;
use primitives::Height;
use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio::time::timeout;

/// Validators of each network.
const VALIDATORS: usize = 4;
/// The machine that tests run on, which reaches all others.
const HERE: usize = VALIDATORS;
/// Bytes of a large transaction.
const REMARK_BYTES: usize = 250_000;
async fn start(
    folder: &Path,
    wires: &Wires,
    flags: impl Fn(usize) -> Vec<String>,
) -> Result<Localnet> {
    let place = |number| {
        let host = wires.host(number);
        Place { prefix: host.prefix(), address: host.address, flags: flags(number) }
    };
    let places = (0..VALIDATORS).map(place).collect();
    Localnet::start(Plan { validators: VALIDATORS, places, ..plan(folder)? }).await
}

/// Sends tokens, which must become final; gives the height and how long it took.
async fn timed_transfer(client: &Client) -> Result<(Height, Duration)> {
    let since = Instant::now();
    Ok((transfer(client).await?, since.elapsed()))
}

/// All nodes have the same block at a height, which they all reach.
async fn agree(network: &Localnet, height: Height) -> Result<()> {
    let mut hashes = Vec::new();
    for member in &network.members {
        let client = member.client().await?;
        reach(&client, height).await.with_context(|| member.name.clone())?;
        hashes.push(client.block_hash(height).await?);
    }
    ensure!(hashes.windows(2).all(|pair| pair[0] == pair[1]), "a fork at {height}: {hashes:?}");
    Ok(())
}

#[test]
fn a_network_that_is_cut_in_half_waits_and_goes_on_when_it_is_whole_again() {
    let wires = Wires::new(VALIDATORS + 1).expect("namespaces can be made");
    let work = async || {
        let folder = TempDir::new()?;
        let network = start(folder.path(), &wires, |_| Vec::new()).await?;
        let client = network.members[0].client().await?;
        transfer(&client).await?;
        wires.set(Faults { groups: vec![vec![0, 1], vec![2, 3]], ..Faults::default() });
        // A block may have been under way.
        let halted = client.finalised().await?.height + 1;
        let sending = transfer(&client);
        tokio::pin!(sending);
        let early = timeout(Duration::from_secs(8), &mut sending).await;
        let other = network.members[3].client().await?;
        for client in [&client, &other] {
            let height = client.finalised().await?.height;
            ensure!(height <= halted, "half of the validators decide block {height}");
        }
        wires.set(Faults::default());
        let height = match early {
            Ok(done) => done?,
            Err(_) => sending.await?,
        };
        agree(&network, height).await?;
        network.stop().await
    };
    wires.run_on(HERE, work).expect("it has a thread").expect("the network does it");
}

#[test]
fn slow_and_lossy_wires_slow_the_chain_and_do_not_stop_it() {
    let wires = Wires::new(VALIDATORS + 1).expect("namespaces can be made");
    let work = async || {
        let folder = TempDir::new()?;
        let network = start(folder.path(), &wires, |_| Vec::new()).await?;
        let client = network.members[0].client().await?;
        transfer(&client).await?;
        let delay = Duration::from_millis(200);
        wires.set(Faults { delay, loss_percent: 5, ..Faults::default() });
        let mut last = 0;
        for _ in 0..5 {
            let (height, took) = timed_transfer(&client).await?;
            println!("200 ms delay, 5 % loss: final after {} ms", took.as_millis());
            last = height;
        }
        agree(&network, last).await?;
        network.stop().await
    };
    wires.run_on(HERE, work).expect("it has a thread").expect("the network does it");
}

/// A network goes on although the clock of one validator is off by so much.
fn go_on_beside_a_clock(offset_ms: i64) {
    let wires = Wires::new(VALIDATORS + 1).expect("namespaces can be made");
    let work = async || {
        let folder = TempDir::new()?;
        let config = folder.path().join("clock.toml");
        std::fs::write(&config, format!("[node]\nclock_offset_ms = {offset_ms}\n"))?;
        let wrong = |number| match number {
            1 => vec!["--config".to_owned(), config.display().to_string()],
            _ => Vec::new(),
        };
        let network = start(folder.path(), &wires, wrong).await?;
        let client = network.members[0].client().await?;
        let (mut last, mut rounds) = (0, 0);
        for _ in 0..8 {
            let (height, took) = timed_transfer(&client).await?;
            println!("a clock {offset_ms} ms off: final after {} ms", took.as_millis());
            rounds += usize::from(took > Duration::from_secs(2));
            last = height;
        }
        println!("{rounds} of 8 waited for another proposer");
        agree(&network, last).await?;
        network.stop().await
    };
    wires.run_on(HERE, work).expect("it has a thread").expect("the network does it");
}

#[test]
fn a_validator_whose_clock_is_five_minutes_ahead_harms_nobody() {
    go_on_beside_a_clock(300_000);
}

#[test]
fn a_validator_whose_clock_is_five_minutes_behind_harms_nobody() {
    go_on_beside_a_clock(-300_000);
}

/// A small file system in memory, gone when it is dropped.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn new(megabytes: u32) -> Result<Self> {
        let folder = TempDir::new()?;
        let options = format!("size={megabytes}m");
        let status = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(folder.path())
            .status()?;
        ensure!(status.success(), "a file system in memory needs root");
        Ok(Self(folder))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // A node that still writes keeps it for as long as it lives.
        let _ = Command::new("umount").arg("--lazy").arg(self.0.path()).status();
    }
}

#[test]
fn a_validator_whose_disk_is_full_stops_and_comes_back_when_there_is_room() {
    let wires = Wires::new(VALIDATORS + 1).expect("namespaces can be made");
    let work = async || {
        let folder = TempDir::new()?;
        let disk = SmallDisk::new(256)?;
        std::os::unix::fs::symlink(disk.0.path(), folder.path().join("validator-4"))?;
        let mut network = start(folder.path(), &wires, |_| Vec::new()).await?;
        let client = network.members[0].client().await?;
        transfer(&client).await?;
        // All that is left is taken.
        let ballast = disk.0.path().join("ballast");
        let full = std::io::copy(&mut std::io::repeat(7), &mut std::fs::File::create(&ballast)?);
        ensure!(full.is_err(), "the disk has no end");
        let ended = timeout(WAIT, async {
            loop {
                // Some room is set aside for what comes next: it is used up.
                let remark = system::Call::remark { remark: vec![7; REMARK_BYTES] };
                client.call(&testkit::alice(), &RuntimeCall::System(remark)).await?;
                if let Some(ended) = network.ended() {
                    return anyhow::Ok(ended);
                }
            }
        });
        let (name, said) = ended.await.context("it goes on without a disk")??;
        ensure!(name == "validator-4", "{name} ended: {said}");
        ensure!(said.contains("No space left"), "it says: {said}");
        let height = transfer(&client).await?;
        std::fs::remove_file(&ballast)?;
        network.kill(3)?;
        network.launch(3)?;
        network.wait_ready(3).await?;
        agree(&network, height).await?;
        network.stop().await
    };
    wires.run_on(HERE, work).expect("it has a thread").expect("the network does it");
}
