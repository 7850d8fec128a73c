//! Who is where: peers that this node has heard of, and when to dial them. Pure: time is an argument.

use crate::{Role, addresses::ADDRESSES_PER_PEER_MAX};
use libp2p::{Multiaddr, PeerId};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write},
    path::Path,
    time::{Duration, Instant},
};

/// Most peers that are remembered; those that could be dialled least are forgotten first.
pub const PEERS_KNOWN_MAX: usize = 2_048;
/// Most peers in the file of known peers.
pub const PEERS_SAVED_MAX: usize = 256;
/// Most bytes of the file of known peers.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// How long after a dial that failed the next one comes; twice as long each time.
const RETRY_FIRST: Duration = Duration::from_millis(250);
/// The longest pause between dials.
const RETRY_MAX: Duration = Duration::from_secs(600);
/// The longest pause between dials of peers that the operator named.
const RETRY_NAMED_MAX: Duration = Duration::from_secs(30);
/// After so many dials in a row that failed a peer is forgotten that was never dialled.
const FAILURES_MAX: u32 = 8;
/// After so many one that was, unless the operator named it: about a day, so that no outage leaves a node alone.
const FAILURES_DIALLED_MAX: u32 = 150;

/// How much is known of a peer's addresses. What is more is kept longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Trial {
    /// Others told them.
    Heard,
    /// The peer told them when it was connected.
    Told,
    /// It was dialled at one of them.
    Dialled,
    /// The operator named them.
    Named,
}

/// What is known of a peer.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub addresses: Vec<Multiaddr>,
    pub role: Option<Role>,
    pub trial: Trial,
    failures: u32,
    /// When it may be dialled, if not at once.
    pub dial_at: Option<Instant>,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    peer: PeerId,
    addresses: Vec<Multiaddr>,
    trial: Trial,
}

/// Peers that this node has heard of.
#[derive(Debug, Default)]
pub(crate) struct Book {
    known: BTreeMap<PeerId, Known>,
    is_changed: bool,
}

impl Book {
    /// Notes addresses of a peer. Better known ones take the place of others.
    pub fn note(&mut self, peer: PeerId, addresses: Vec<Multiaddr>, trial: Trial) {
        let Some(known) = self.entry(peer, trial) else { return };
        if trial < known.trial && !known.addresses.is_empty() {
            return;
        }
        let mut merged = addresses;
        if trial == known.trial {
            let old = std::mem::take(&mut known.addresses);
            merged.extend(old);
        }
        let mut addresses: Vec<Multiaddr> = Vec::new();
        for address in merged {
            if addresses.len() < ADDRESSES_PER_PEER_MAX && !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        let is_changed = trial != known.trial || addresses != known.addresses;
        known.trial = known.trial.max(trial);
        known.addresses = addresses;
        self.is_changed |= is_changed;
    }

    /// Notes what a peer is said to do.
    pub fn note_role(&mut self, peer: PeerId, role: Role) {
        if let Some(known) = self.entry(peer, Trial::Heard) {
            known.role = Some(role);
        }
    }

    /// Notes that a peer was dialled at an address: it is the first from now on.
    pub fn succeed(&mut self, peer: PeerId, address: Multiaddr) {
        let Some(known) = self.entry(peer, Trial::Dialled) else { return };
        known.addresses.retain(|other| *other != address);
        known.addresses.insert(0, address);
        known.addresses.truncate(ADDRESSES_PER_PEER_MAX);
        let is_changed = known.trial < Trial::Dialled;
        known.trial = known.trial.max(Trial::Dialled);
        known.failures = 0;
        known.dial_at = None;
        self.is_changed |= is_changed;
    }

    /// Notes that a peer can't be dialled now.
    pub fn fail(&mut self, peer: &PeerId, now: Instant) {
        let Some(known) = self.known.get_mut(peer) else { return };
        let (pause_max, failures_max) = match known.trial {
            // What a peer says of itself fills the book as easily as hearsay.
            Trial::Heard | Trial::Told => (RETRY_MAX, FAILURES_MAX),
            Trial::Dialled => (RETRY_MAX, FAILURES_DIALLED_MAX),
            Trial::Named => (RETRY_NAMED_MAX, u32::MAX),
        };
        let pause = (RETRY_FIRST * 2u32.pow(known.failures.min(16))).min(pause_max);
        known.failures = known.failures.saturating_add(1);
        known.dial_at = Some(now + pause);
        if known.failures > failures_max {
            self.known.remove(peer);
        }
    }

    /// Treats a peer that the operator named like others.
    pub fn unname(&mut self, peer: &PeerId) {
        if let Some(known) = self.known.get_mut(peer) {
            known.trial = known.trial.min(Trial::Dialled);
        }
    }

    /// Notes that a peer need not be dialled for a while.
    pub fn rest(&mut self, peer: &PeerId, until: Instant) {
        if let Some(known) = self.known.get_mut(peer) {
            known.dial_at = Some(until);
        }
    }

    pub fn get(&self, peer: &PeerId) -> Option<&Known> {
        self.known.get(peer)
    }

    /// How many peers are known.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Peers that may be dialled now.
    pub fn due(&self, now: Instant) -> impl Iterator<Item = (&PeerId, &Known)> {
        self.known.iter().filter(move |(_, known)| {
            !known.addresses.is_empty() && known.dial_at.is_none_or(|at| at <= now)
        })
    }

    fn entry(&mut self, peer: PeerId, trial: Trial) -> Option<&mut Known> {
        if self.known.len() >= PEERS_KNOWN_MAX && !self.known.contains_key(&peer) {
            let least =
                self.known.iter().min_by_key(|(_, k)| (k.trial, std::cmp::Reverse(k.failures)));
            let (least, least_trial) = least.map(|(peer, known)| (*peer, known.trial))?;
            // Hearsay takes nobody's place who is better known.
            if least_trial > trial {
                return None;
            }
            self.known.remove(&least);
        }
        let fresh = Known { addresses: Vec::new(), role: None, trial, failures: 0, dial_at: None };
        Some(self.known.entry(peer).or_insert(fresh))
    }

    /// Reads peers from a file; `is_usable` says which addresses are worth it.
    pub fn load(
        &mut self,
        path: &Path,
        is_usable: impl Fn(&Multiaddr) -> bool,
    ) -> io::Result<usize> {
        let mut text = String::new();
        match fs::File::open(path) {
            Ok(file) => {
                io::Read::read_to_string(&mut io::Read::take(file, FILE_BYTES_MAX), &mut text)?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            Err(error) => return Err(error),
        };
        let saved: Vec<Saved> = serde_json::from_str(&text)?;
        let mut count = 0;
        for Saved { peer, mut addresses, trial } in saved.into_iter().take(PEERS_SAVED_MAX) {
            addresses.retain(&is_usable);
            if !addresses.is_empty() {
                self.note(peer, addresses, trial.min(Trial::Dialled));
                count += 1;
            }
        }
        self.is_changed = false;
        Ok(count)
    }

    /// The best known peers as they go into the file, if something has changed since the last time.
    pub fn changes(&mut self) -> Option<Vec<u8>> {
        if !std::mem::take(&mut self.is_changed) {
            return None;
        }
        let is_worth_it = |known: &Known| {
            matches!(known.trial, Trial::Told | Trial::Dialled) && !known.addresses.is_empty()
        };
        let mut best: Vec<_> = self.known.iter().filter(|(_, known)| is_worth_it(known)).collect();
        best.sort_by_key(|(_, known)| (std::cmp::Reverse(known.trial), known.failures));
        let saved: Vec<Saved> = best
            .into_iter()
            .take(PEERS_SAVED_MAX)
            .map(|(peer, known)| Saved {
                peer: *peer,
                addresses: known.addresses.clone(),
                trial: known.trial,
            })
            .collect();
        serde_json::to_vec_pretty(&saved).ok()
    }
}

/// Writes the file of known peers, whole or not at all.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let draft = path.with_extension("json.draft");
    let mut file = fs::File::create(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&draft, path)
}
