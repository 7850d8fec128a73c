//! `artel key rotate` and `artel key list`: the session keys in a validator's folder.

use crate::{
    cli::{Connection, chain_spec, output, signing::SignerArgs},
    keyring::{FOLDER, StoredKey, ValidatorKeys, read_folder},
};
use anyhow::{Context, Result, ensure};
use clap::Args;
use client::pallets::{session, timestamp};
use client::{Client, Receipt};
use codec::Encode;
use framework::StateRead;
use primitives::{
    AccountId, Hash,
    crypto::{
        pair::Pair,
        session::{PossessionProof, SessionKeys},
    },
};
use runtime::RuntimeCall;
use serde::Serialize;
use std::{path::PathBuf, time::Duration};
use tokio::time::sleep;

/// How long a key that the chain does not know is kept: its registration may be under way.
const UNKNOWN_KEPT: Duration = Duration::from_secs(24 * 3_600);
/// How often is looked whether a key counts.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Where session keys are.
#[derive(Args)]
pub struct FolderArgs {
    /// Folder of the keys: `keys` in a signer's folder.
    #[arg(long, value_name = "PATH", conflicts_with = "base_path")]
    keys: Option<PathBuf>,
    /// Folder of the node whose keys are meant.
    #[arg(
        long,
        short = 'd',
        value_name = "PATH",
        env = "ARTEL_BASE_PATH",
        required_unless_present = "keys"
    )]
    base_path: Option<PathBuf>,
    /// The node's chain: dev, local, testnet, or the path of a chain spec.
    #[arg(long, value_name = "CHAIN", default_value = "dev", env = "ARTEL_CHAIN")]
    chain: String,
}

impl FolderArgs {
    fn folder(&self) -> Result<PathBuf> {
        match (&self.keys, &self.base_path) {
            (Some(keys), _) => Ok(keys.clone()),
            (None, base_path) => {
                let base_path = base_path.as_ref().context("give --base-path or --keys")?;
                let spec = chain_spec::load(&self.chain)?;
                Ok(base_path.join("chains").join(&spec.id).join(FOLDER))
            }
        }
    }
}

/// What `artel key rotate` takes.
#[derive(Args)]
pub struct RotateArgs {
    #[command(flatten)]
    folder: FolderArgs,
    /// Wait until the new key counts.
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    signer: SignerArgs,
    #[command(flatten)]
    connection: Connection,
}

/// What `artel key list` takes.
#[derive(Args)]
pub struct ListArgs {
    #[command(flatten)]
    folder: FolderArgs,
    #[command(flatten)]
    connection: Connection,
}

/// What the chain knows of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "state")]
enum Standing {
    /// The validators of this era know it.
    InUse,
    /// It is registered last.
    Registered {
        /// The first era for which it counts.
        from_era: u32,
    },
    /// It was replaced, and evidence may still name it.
    Replaced,
    /// The chain does not know it, or not any more.
    Unknown,
}

impl Standing {
    fn words(self) -> String {
        match self {
            Self::InUse => "in use".to_owned(),
            Self::Registered { from_era } => format!("registered, counts from era {from_era} on"),
            Self::Replaced => "replaced, kept while evidence may name it".to_owned(),
            Self::Unknown => "not registered".to_owned(),
        }
    }

    fn of(state: &dyn StateRead, account: &AccountId, key: &SessionKeys) -> Self {
        let in_use = runtime::validator_set(state)
            .get(account)
            .is_some_and(|member| member.vote_key == key.vote);
        let era = session::current_index(state);
        let last = era.saturating_add(session::KEYS_AFTER_SESSIONS);
        let counts = |era: &u32| session::keys_at(state, account, *era).as_ref() == Some(key);
        if in_use {
            Self::InUse
        } else if counts(&last) {
            Self::Registered { from_era: (era..=last).find(counts).unwrap_or(last) }
        } else if session::vote_key_owner(state, &key.vote).is_some() {
            Self::Replaced
        } else {
            Self::Unknown
        }
    }
}

async fn standing(client: &Client, stored: &StoredKey) -> Result<Standing> {
    let (account, key) =
        (stored.account, SessionKeys { vote: stored.vote_key.0, vrf: stored.vrf_key.0 });
    let read = move |state: &dyn StateRead| Standing::of(state, &account, &key);
    Ok(client.query(None, read).await?)
}

/// Tells the chain session keys, and that whoever does has them.
pub async fn register(client: &Client, signer: &Pair, keys: &ValidatorKeys) -> Result<Receipt> {
    let genesis = client.block_hash(0).await?;
    let (keys, proof): (SessionKeys, PossessionProof) =
        SessionKeys::prove(&genesis, &signer.account(), &keys.vote, &keys.vrf);
    let call = session::Call::set_keys { keys, proof: proof.encode() };
    Ok(client.call(signer, &RuntimeCall::Session(call)).await?)
}

/// Makes a new key, or takes up one whose registration was interrupted, and registers it. Whatever interrupts this, the
/// chain knows of no key whose file is not on disk.
pub async fn rotate(args: RotateArgs) -> Result<()> {
    let RotateArgs { folder, wait, signer, connection } = args;
    let folder = folder.folder()?;
    let signer = signer.pair()?;
    let account = signer.account();
    let client = connection.client().await?;
    let time_ms = client.query(None, |state: &dyn StateRead| timestamp::now(state)).await?;
    let mut interrupted = None;
    for stored in read_folder(&folder)? {
        ensure!(
            stored.account == account,
            "{} has keys of {}, and the signer is {account}",
            folder.display(),
            stored.account
        );
        match standing(&client, &stored).await? {
            Standing::Unknown if stored.age(time_ms) > UNKNOWN_KEPT => stored.retire(&folder)?,
            Standing::Unknown => interrupted = Some(stored),
            // One that is older than this was not interrupted: it was replaced before it ever counted.
            Standing::InUse | Standing::Registered { .. } | Standing::Replaced => {
                interrupted = None;
            }
        }
    }
    let stored = match interrupted {
        Some(stored) => stored,
        None => {
            let stored = StoredKey::generate(account)?;
            stored.write(&folder)?;
            stored
        }
    };
    register(&client, &signer, &stored.keys()?).await?;
    let mut now = standing(&client, &stored).await?;
    let Standing::Registered { from_era } = now else {
        anyhow::bail!("key {} is {} after it was registered", stored.vote_key, now.words());
    };
    if wait {
        eprintln!("Key {} counts from era {from_era} on; waiting", stored.vote_key);
        while now != Standing::InUse && !counts(&client, account, from_era).await? {
            sleep(LOOK_EVERY).await;
            now = standing(&client, &stored).await?;
        }
    }
    let shown = Shown { from_era: Some(from_era), ..Shown::new(&stored, now) };
    output::print(connection.json, &shown, |shown| {
        let line = format!("{account}: session key {} is registered", shown.vote_key);
        match wait {
            true => format!("{line} and counts"),
            false => {
                format!("{line} and counts from era {from_era} on; the node notices by itself")
            }
        }
    })
}

/// Whether the era is there for an account that is not elected, which no set names.
async fn counts(client: &Client, account: AccountId, from_era: u32) -> Result<bool> {
    let read = move |state: &dyn StateRead| {
        let is_member = runtime::validator_set(state).get(&account).is_some();
        !is_member && session::current_index(state) >= from_era
    };
    Ok(client.query(None, read).await?)
}

/// A key as it is shown.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    account: AccountId,
    vote_key: Hash,
    vrf_key: Hash,
    created_ms: u64,
    #[serde(flatten)]
    standing: Standing,
    /// The first era for which a key counts that was registered just now.
    #[serde(skip_serializing_if = "Option::is_none", rename = "countsFromEra")]
    from_era: Option<u32>,
}

impl Shown {
    fn new(stored: &StoredKey, standing: Standing) -> Self {
        let StoredKey { account, vote_key, vrf_key, created_ms, .. } = *stored;
        Self { account, vote_key, vrf_key, created_ms, standing, from_era: None }
    }
}

/// Shows the keys of a folder.
pub async fn list(args: ListArgs) -> Result<()> {
    let folder = args.folder.folder()?;
    let client = args.connection.client().await?;
    let mut shown = Vec::new();
    for stored in read_folder(&folder)? {
        shown.push(Shown::new(&stored, standing(&client, &stored).await?));
    }
    output::print(args.connection.json, &shown, |shown| {
        if shown.is_empty() {
            return format!("there are no session keys in {}", folder.display());
        }
        let line = |key: &Shown| format!("{}  {}", key.vote_key, key.standing.words());
        shown.iter().map(line).collect::<Vec<_>>().join("\n")
    })
}
