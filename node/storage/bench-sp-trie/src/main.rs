#![doc = include_str!("../README.md")]

mod ours;
mod substrate;

use primitives::crypto::hash::blake2_512;
use std::time::Duration;

const ENTRY_BYTES: usize = 80;
/// How many times as fast ours must be.
const RATIO_MIN: f64 = 10.0;

/// What is measured.
struct Load {
    keys: u64,
    updates: u64,
    blocks: u64,
}

/// The two parts of a commit.
struct Cost {
    root: Duration,
    write: Duration,
}

type Entries = Vec<(Vec<u8>, Vec<u8>)>;

impl Load {
    fn from_args() -> anyhow::Result<Self> {
        let mut args = std::env::args().skip(1);
        let mut next = |default| args.next().map_or(Ok(default), |arg| arg.parse());
        Ok(Self { keys: next(1_000_000)?, updates: next(20_000)?, blocks: next(16)? })
    }

    fn first_state(&self) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> + use<> {
        (0..self.keys).map(|n| (bytes(0, n), bytes(1, n)))
    }

    /// The updates of a block, each key once.
    fn block(&self, block: u64) -> Entries {
        let first = block * self.updates;
        let mut entries: Entries = (first..first + self.updates)
            .map(|n| (bytes(0, number(n) % self.keys), bytes(2, n)))
            .collect();
        entries.sort();
        entries.dedup_by(|a, b| a.0 == b.0);
        entries
    }
}

fn bytes(tag: u8, number: u64) -> Vec<u8> {
    let mut input = [tag; 9];
    input[..8].copy_from_slice(&number.to_le_bytes());
    blake2_512(&input).iter().cycle().take(ENTRY_BYTES).copied().collect()
}

fn number(seed: u64) -> u64 {
    u64::from_le_bytes(*blake2_512(&seed.to_le_bytes()).first_chunk().expect("64 bytes"))
}

/// Prints the medians and returns that of the whole commit in milliseconds.
fn report(name: &str, costs: Vec<Cost>) -> f64 {
    let median = |of: fn(&Cost) -> Duration| {
        let mut times: Vec<f64> = costs.iter().map(|cost| of(cost).as_secs_f64() * 1e3).collect();
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    };
    let (root, write) = (median(|cost| cost.root), median(|cost| cost.write));
    let whole = median(|cost| cost.root + cost.write);
    println!("{name:<28} root {root:>8.1} ms   write {write:>8.1} ms   commit {whole:>8.1} ms");
    whole
}

fn main() -> anyhow::Result<()> {
    let load = Load::from_args()?;
    let Load { keys, updates, blocks } = load;
    println!("{updates} updates of {keys} keys, {ENTRY_BYTES}-byte keys and values, median of {blocks} blocks");
    let ours = report("artel-storage", ours::run(&load)?);
    let theirs = report("sp-trie 47 over RocksDB", substrate::run(&load)?);
    let ratio = theirs / ours;
    println!("artel-storage is {ratio:.1} times as fast");
    anyhow::ensure!(ratio >= RATIO_MIN, "the ratio must be at least {RATIO_MIN}");
    Ok(())
}
