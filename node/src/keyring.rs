//! Session keys of a validator: the one that it was started with, and those in its folder, each in a file for its owner's
//! eyes alone. Which one signs, the chain says, height by height.
//!
//! A key's file is on disk before the chain hears of the key, and the folder is looked at again when the chain names a key
//! that is not at hand: a running node notices a new one.

use anyhow::{Context, Result, ensure};
use primitives::{
    AccountId, Hash, Moment,
    crypto::{
        pair::{Ed25519Pair, Sr25519Pair},
        session::SessionKeys,
        vrf,
    },
};
use runtime::VRF_LABEL;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeSet,
    fs,
    io::{Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// Most keys in a folder: with one new key a week, those that the chain may still name are far fewer.
pub const KEYS_MAX: usize = 64;
/// Longest secret URI in a file.
pub const SECRET_BYTES_MAX: usize = 1_024;
/// Most bytes of a key's file.
const FILE_BYTES_MAX: u64 = 4_096;
/// Least time between two looks at the folder.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Folder of the keys in a validator's folder.
pub const FOLDER: &str = "keys";

/// What a validator signs with.
pub struct ValidatorKeys {
    /// The account that staked.
    pub account: AccountId,
    /// Signs proposals and votes.
    pub vote: Ed25519Pair,
    /// Gives randomness.
    pub vrf: Sr25519Pair,
}

impl ValidatorKeys {
    /// The public halves.
    pub fn public(&self) -> SessionKeys {
        SessionKeys { vote: self.vote.public(), vrf: self.vrf.public() }
    }
}

/// The keys of the validator behind a secret URI: its account is the URI's own sr25519 key, its vote
/// key the ed25519 key of `URI//vote`, its VRF key the sr25519 key of `URI//vrf`.
pub fn session_keys(uri: &str) -> Result<ValidatorKeys> {
    let (path, password) = uri.split_once("///").map_or((uri, None), |(p, w)| (p, Some(w)));
    let child = |name: &str| match password {
        Some(password) => format!("{path}//{name}///{password}"),
        None => format!("{path}//{name}"),
    };
    Ok(ValidatorKeys {
        account: Sr25519Pair::from_uri(uri)?.public().into(),
        vote: Ed25519Pair::from_uri(&child("vote"))?,
        vrf: Sr25519Pair::from_uri(&child("vrf"))?,
    })
}

/// The keys of a file that holds a secret URI.
pub fn read_session_key(path: &Path) -> Result<ValidatorKeys> {
    let text = fs::read_to_string(path)
        .with_context(|| format!("cannot read the session key {}", path.display()))?;
    ensure!(text.len() <= SECRET_BYTES_MAX, "{} is not a secret URI", path.display());
    session_keys(text.trim()).with_context(|| format!("{} has no usable key", path.display()))
}

/// A key in a folder.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StoredKey {
    /// For whom it signs.
    pub account: AccountId,
    /// The public vote key.
    pub vote_key: Hash,
    /// The public VRF key.
    pub vrf_key: Hash,
    /// Secret URI: the vote key is that of its child `vote`, the VRF key that of `vrf`.
    secret: String,
    /// When it was made, in milliseconds since 1970.
    pub created_ms: u64,
}

impl StoredKey {
    /// A new key, which is nowhere yet.
    pub fn generate(account: AccountId) -> Result<Self> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed)
            .map_err(|error| anyhow::anyhow!("the system gives no random bytes: {error}"))?;
        let secret = format!("0x{}", hex::encode(seed));
        let public = session_keys(&secret)?.public();
        let (vote_key, vrf_key) = (Hash(public.vote), Hash(public.vrf));
        Ok(Self { account, vote_key, vrf_key, secret, created_ms: now_ms() })
    }

    /// How old it is by the chain's time: in a state older than that, a key that was registered would be unknown.
    pub fn age(&self, time_ms: Moment) -> Duration {
        Duration::from_millis(time_ms.saturating_sub(self.created_ms))
    }

    /// What it signs with.
    pub fn keys(&self) -> Result<ValidatorKeys> {
        let keys = ValidatorKeys { account: self.account, ..session_keys(&self.secret)? };
        let public = keys.public();
        let is_whole = (public.vote, public.vrf) == (self.vote_key.0, self.vrf_key.0);
        ensure!(is_whole, "the file says key {}, but holds another", self.vote_key);
        Ok(keys)
    }

    /// Writes it to a folder, synced; the file is there as a whole or not at all.
    pub fn write(&self, folder: &Path) -> Result<PathBuf> {
        let path = self.path(folder);
        let write = || {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
            let draft = path.with_extension("new");
            let mut options = fs::OpenOptions::new();
            let mut file =
                options.write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
            file.write_all(&serde_json::to_vec_pretty(self).expect("strings always make JSON"))?;
            file.sync_all()?;
            fs::rename(&draft, &path)?;
            fs::File::open(folder)?.sync_all()
        };
        write().with_context(|| format!("cannot write the session key {}", path.display()))?;
        Ok(path)
    }

    /// Gives its file a name that ends in `.unused`, by which no node takes it up.
    pub fn retire(&self, folder: &Path) -> Result<()> {
        let path = self.path(folder);
        fs::rename(&path, path.with_extension("unused"))
            .with_context(|| format!("cannot rename {}", path.display()))
    }

    fn path(&self, folder: &Path) -> PathBuf {
        folder.join(format!("{}.json", hex::encode(self.vote_key.0)))
    }
}

fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

/// The keys in a folder, the oldest first; none if there is no folder.
pub fn read_folder(folder: &Path) -> Result<Vec<StoredKey>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut keys = Vec::new();
    let entries = fs::read_dir(folder);
    for entry in entries.with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_none_or(|ending| ending != "json") {
            continue;
        }
        ensure!(
            keys.len() < KEYS_MAX,
            "{} has more than {KEYS_MAX} keys: remove old ones",
            folder.display()
        );
        let read = || {
            let mut text = Vec::new();
            fs::File::open(&path)?.take(FILE_BYTES_MAX).read_to_end(&mut text)?;
            let key: StoredKey = serde_json::from_slice(&text)?;
            key.keys()?;
            anyhow::Ok(key)
        };
        keys.push(read().with_context(|| format!("{} is no session key", path.display()))?);
    }
    keys.sort_by_key(|key| (key.created_ms, key.vote_key));
    Ok(keys)
}

/// All session keys at hand.
pub struct Keyring {
    account: AccountId,
    folder: PathBuf,
    inner: Mutex<Inner>,
}

struct Inner {
    keys: Vec<ValidatorKeys>,
    looked: Instant,
    /// Keys that the operator was told to be missing.
    missed: BTreeSet<[u8; 32]>,
}

impl Keyring {
    /// The key given and those in the folder, which are of one validator.
    pub fn open(given: Option<ValidatorKeys>, folder: PathBuf) -> Result<Self> {
        let mut keys: Vec<ValidatorKeys> = given.into_iter().collect();
        for stored in read_folder(&folder)? {
            keys.push(stored.keys()?);
        }
        let Some(first) = keys.first() else {
            anyhow::bail!(
                "a validator needs its key: give --session-key-file, or make one with `artel key rotate`; \
                 there is none in {}",
                folder.display()
            );
        };
        let account = first.account;
        if let Some(other) = keys.iter().find(|keys| keys.account != account) {
            anyhow::bail!(
                "the keys are of two validators, {account} and {}: remove one's from {}",
                other.account,
                folder.display()
            );
        }
        let inner = Inner { keys, looked: Instant::now(), missed: BTreeSet::new() };
        Ok(Self { account, folder, inner: Mutex::new(inner) })
    }

    /// Whose they are.
    pub fn account(&self) -> AccountId {
        self.account
    }

    /// Signs with the vote key that has this public half, if it is at hand.
    pub fn sign(&self, key: &[u8; 32], message: &[u8]) -> Option<[u8; 64]> {
        self.with(|keys| keys.vote.public() == *key, Some(key), |keys| keys.vote.sign(message))
    }

    /// Draws randomness with the VRF key that has this public half, if it is at hand.
    pub fn draw(&self, key: &[u8; 32], message: &[u8]) -> Option<vrf::Proof> {
        let draw = |keys: &ValidatorKeys| vrf::sign(&keys.vrf, VRF_LABEL, message).0;
        self.with(|keys| keys.vrf.public() == *key, None, draw)
    }

    /// Whether the vote key with this public half is at hand; the operator hears of it if not.
    pub fn has(&self, key: &[u8; 32]) -> bool {
        self.with(|keys| keys.vote.public() == *key, Some(key), |_| ()).is_some()
    }

    /// Does something with a pair of keys. If it is not at hand, the operator hears of its vote key, if that is given.
    fn with<T>(
        &self,
        is_it: impl Fn(&ValidatorKeys) -> bool,
        vote_key: Option<&[u8; 32]>,
        act: impl FnOnce(&ValidatorKeys) -> T,
    ) -> Option<T> {
        let mut inner = self.lock();
        if !inner.keys.iter().any(&is_it) && inner.looked.elapsed() >= LOOK_EVERY {
            self.look(&mut inner);
        }
        match inner.keys.iter().find(|keys| is_it(keys)) {
            Some(keys) => Some(act(keys)),
            None => {
                if let Some(key) = vote_key {
                    self.warn_of(&mut inner, key);
                }
                None
            }
        }
    }

    /// Takes in what is new in the folder.
    fn look(&self, inner: &mut Inner) {
        inner.looked = Instant::now();
        let stored = match read_folder(&self.folder) {
            Ok(stored) => stored,
            Err(error) => {
                let error = format!("{error:#}");
                return tracing::warn!(error, "the folder of session keys is not readable");
            }
        };
        for keys in stored.iter().filter_map(|stored| stored.keys().ok()) {
            let public = keys.public();
            let is_new = inner.keys.iter().all(|known| known.public() != public);
            if is_new && keys.account == self.account {
                tracing::info!(key = %Hash(public.vote), "a new session key is at hand");
                inner.keys.push(keys);
            }
        }
    }

    fn warn_of(&self, inner: &mut Inner, key: &[u8; 32]) {
        if inner.missed.len() < KEYS_MAX && inner.missed.insert(*key) {
            let mine: Vec<_> =
                inner.keys.iter().map(|keys| Hash(keys.public().vote).to_string()).collect();
            tracing::warn!(
                account = %self.account, named = %Hash(*key), at_hand = mine.join(", "),
                folder = %self.folder.display(),
                "the chain names a session key of this validator that is not at hand, so it abstains: put the key's \
                 file into the folder, or register a key at hand with `artel key rotate`"
            );
        }
    }

    /// Nothing that is done under the lock leaves the list in pieces.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
