//! `artel backup` and `artel restore`: a copy of a node's chain, and a node from a copy.
//!
//! The write-ahead log, the last-signed record and the node's identity are left out: they say what one validator did until
//! the moment of the copy, and a node that is restored from it must not take that for the whole truth. Session keys are left
//! out because they are secret.

use super::{NodeOptions, chain_spec, output};
use anyhow::{Context, Result, ensure};
use chain::Chain;
use clap::Args;
use primitives::{Hash, Height};
use runtime::ChainSpec;
use serde::{Deserialize, Serialize};
use std::{
    fs, io,
    path::{Path, PathBuf},
};
use storage::Database;

/// What a backup says of itself.
const MANIFEST: &str = "backup.json";
/// The database in a backup, and in a node's folder.
const DATABASE: &str = "db";
/// The blobs in both.
const BLOBS: &str = "blobs";
/// Version of the form of a backup.
const FORMAT: u32 = 1;

/// What `artel backup` takes.
#[derive(Args)]
#[command(after_help = "Example:
  artel backup --chain testnet --base-path ./first --to ./backups/monday

Stop the node first. The copy is opened and checked before the command ends. It has blocks, states and
blobs; not the validator's log and last-signed record, its session keys, and the node's identity.")]
pub struct BackupArgs {
    #[command(flatten)]
    options: NodeOptions,
    /// Folder of the backup; it must not exist.
    #[arg(long, value_name = "PATH")]
    to: PathBuf,
    /// Print JSON for scripts.
    #[arg(long)]
    json: bool,
}

/// What `artel restore` takes.
#[derive(Args)]
#[command(after_help = "Example:
  artel restore --chain testnet --base-path ./first --from ./backups/monday

A validator that is restored signs nothing until it sees others go on, as nobody knows what it signed
since. Never run the old one beside it.")]
pub struct RestoreArgs {
    #[command(flatten)]
    options: NodeOptions,
    /// Folder of the backup.
    #[arg(long, value_name = "PATH")]
    from: PathBuf,
    /// Print JSON for scripts.
    #[arg(long)]
    json: bool,
}

/// What a backup says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Manifest {
    format: u32,
    /// The chain.
    chain: String,
    genesis: Hash,
    /// The last block.
    height: Height,
    hash: Hash,
    /// Version of the program that made it.
    version: String,
}

/// Copies a node that is stopped.
pub fn backup(args: BackupArgs) -> Result<()> {
    args.options.start_logging()?;
    let (spec, home) = home(&args.options)?;
    let to = &args.to;
    ensure!(!to.exists(), "{} exists: give a folder that does not", to.display());
    let config = args.options.resolve()?.storage;
    ensure!(home.join(DATABASE).is_dir(), "there is no chain in {}", home.display());
    fs::create_dir_all(to).with_context(|| format!("cannot make {}", to.display()))?;
    let made = Database::open(&home.join(DATABASE), &config)
        .and_then(|database| database.copy_to(&to.join(DATABASE)))
        .map_err(anyhow::Error::from)
        .and_then(|()| Ok(copy(&home.join(BLOBS), &to.join(BLOBS))?))
        .and_then(|()| open(&to.join(DATABASE), &spec, &config));
    // Half a backup is none.
    let manifest = made.inspect_err(|_| drop(fs::remove_dir_all(to)))?;
    fs::write(to.join(MANIFEST), serde_json::to_string_pretty(&manifest)?)?;
    output::print(args.json, &manifest, |manifest| {
        format!(
            "block {} of {} is in {} and was checked",
            manifest.height,
            manifest.chain,
            to.display()
        )
    })
}

/// Makes a node's folder from a copy.
pub fn restore(args: RestoreArgs) -> Result<()> {
    args.options.start_logging()?;
    let (spec, home) = home(&args.options)?;
    let from = &args.from;
    let text = fs::read_to_string(from.join(MANIFEST))
        .with_context(|| format!("{} is no backup: it has no {MANIFEST}", from.display()))?;
    let manifest: Manifest = serde_json::from_str(&text)
        .with_context(|| format!("{MANIFEST} of {} is not valid", from.display()))?;
    let format = manifest.format;
    ensure!(format == FORMAT, "the backup has format {format}, this program reads {FORMAT}");
    let chain = &manifest.chain;
    ensure!(*chain == spec.id, "the backup is of the chain '{chain}', not of '{}'", spec.id);
    ensure!(
        !home.exists(),
        "{} exists: a node is restored into a new folder, so that nothing is lost; move the old one away",
        home.display()
    );
    fs::create_dir_all(&home).with_context(|| format!("cannot make {}", home.display()))?;
    let config = args.options.resolve()?.storage;
    let made = copy(&from.join(DATABASE), &home.join(DATABASE))
        .and_then(|()| copy(&from.join(BLOBS), &home.join(BLOBS)))
        .map_err(anyhow::Error::from)
        .and_then(|()| open(&home.join(DATABASE), &spec, &config))
        .and_then(|found| {
            let found = Manifest { version: manifest.version.clone(), ..found };
            ensure!(
                found == manifest,
                "the backup is damaged: it says {manifest:?}, but has {found:?}"
            );
            Ok(())
        });
    made.inspect_err(|_| drop(fs::remove_dir_all(&home)))?;
    output::print(args.json, &manifest, |manifest| {
        format!(
            "block {} of {} is in {} and was checked; a validator signs once it sees others go on",
            manifest.height,
            manifest.chain,
            home.display()
        )
    })
}

/// The chain, and the node's folder for it.
fn home(options: &NodeOptions) -> Result<(ChainSpec, PathBuf)> {
    let config = options.resolve()?;
    let base = config.node.base_path.context("say where the node keeps its data: --base-path")?;
    let spec = chain_spec::load(&config.node.chain)?;
    let home = base.join("chains").join(&spec.id);
    Ok((spec, home))
}

/// Opens a database as a node does, which checks that head and state belong together, and says what it has.
fn open(path: &Path, spec: &ChainSpec, storage: &storage::Config) -> Result<Manifest> {
    let config =
        chain::Config { path: path.to_owned(), storage: storage.clone(), ..Default::default() };
    let chain = Chain::open(&config, &spec.genesis)?;
    let head = chain.head();
    Ok(Manifest {
        format: FORMAT,
        chain: spec.id.clone(),
        genesis: chain.genesis(),
        height: head.height,
        hash: head.hash,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    })
}

/// Copies a folder with all in it; one that is not there is empty.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    if !from.exists() {
        return Ok(());
    }
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        match entry.file_type()?.is_dir() {
            true => copy(&entry.path(), &target)?,
            false => drop(fs::copy(entry.path(), target)?),
        }
    }
    Ok(())
}
