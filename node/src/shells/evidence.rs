//! Evidence that validators signed two things where they may sign one, until a block has it. It is kept in a file, so that
//! a restart forgets none.

use anyhow::{Context, Result};
use chain::Head;
use codec::{DecodeAll, Encode};
use pallets::offences::check_evidence;
use primitives::{Evidence, Hash, Offence};
use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};
use tempfile::NamedTempFile;

/// Most pieces of evidence that wait for a block.
const EVIDENCE_MAX: usize = 64;

/// Evidence that no block has yet, as far as this node knows.
pub struct EvidencePool {
    path: PathBuf,
    genesis: Hash,
    pending: Vec<Evidence>,
}

impl EvidencePool {
    /// What a file has; nothing if there is none.
    pub fn open(path: &Path, genesis: Hash) -> Result<Self> {
        let pending = match fs::read(path) {
            Ok(bytes) => Vec::<Evidence>::decode_all(&mut &bytes[..]).unwrap_or_else(|error| {
                tracing::warn!(path = %path.display(), %error, "the file of evidence is damaged: it is begun anew");
                Vec::new()
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
        };
        Ok(Self { path: path.to_owned(), genesis, pending })
    }

    /// What the next block should have.
    pub fn pending(&self) -> &[Evidence] {
        &self.pending
    }

    /// Keeps evidence for the next block of this node.
    pub fn note(&mut self, evidence: Evidence) -> Result<()> {
        let Some(offence) = evidence.offence() else { return Ok(()) };
        let is_known = self.pending.iter().any(|known| known.offence() == Some(offence));
        if is_known || self.pending.len() >= EVIDENCE_MAX {
            return Ok(());
        }
        let Offence { height, round, step, validator } = offence;
        tracing::warn!(%validator, height, round, ?step, "a validator signed two things where it may sign one");
        self.pending.push(evidence);
        self.write()
    }

    /// Forgets what is in a block now, or has become too old.
    pub fn on_head(&mut self, head: &Head) -> Result<()> {
        let (next, before) = (head.next_height(), self.pending.len());
        let Self { genesis, pending, .. } = self;
        pending.retain(|evidence| check_evidence(&head.snapshot, next, genesis, evidence).is_ok());
        match pending.len() == before {
            true => Ok(()),
            false => self.write(),
        }
    }

    /// Writes the file, whole or not at all.
    fn write(&self) -> Result<()> {
        let folder = self.path.parent().context("the file of evidence is in no folder")?;
        let written = || -> io::Result<()> {
            let mut file = NamedTempFile::new_in(folder)?;
            file.write_all(&self.pending.encode())?;
            file.as_file().sync_all()?;
            file.persist(&self.path)?;
            Ok(())
        };
        written().with_context(|| format!("cannot write {}", self.path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use primitives::{AccountId, SignedVote, Vote, VoteKind};
    use tempfile::TempDir;

    fn evidence(height: u32) -> Evidence {
        let vote = |block: u8| {
            let (kind, validator) = (VoteKind::Prevote, AccountId([1; 32]));
            let vote = Vote { kind, height, round: 0, block: Some(Hash([block; 32])), validator };
            SignedVote { vote, signature: [0; 64] }
        };
        Evidence::Votes(vote(1), vote(2))
    }

    #[test]
    fn what_waits_is_there_after_a_restart_once() {
        let folder = TempDir::new().expect("a temporary folder");
        let path = folder.path().join("evidence");
        let open = || EvidencePool::open(&path, Hash::ZERO).expect("it can be read");
        let mut pool = open();
        for height in [3, 4, 3] {
            pool.note(evidence(height)).expect("there is room");
        }
        assert_eq!(open().pending(), [evidence(3), evidence(4)]);
        fs::write(&path, b"no evidence").expect("it can be written");
        assert_eq!(open().pending(), []);
    }
}
