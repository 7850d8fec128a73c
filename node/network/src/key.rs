//! The node's identity.

use libp2p::{PeerId, identity::Keypair};
use std::{
    fs,
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

/// Bytes of a file that are looked at.
const FILE_BYTES_MAX: u64 = 1_024;

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file can't be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// The file holds something else.
    #[error(
        "{0} is no node key, which is 64 hex digits: move it away, and the node makes a new one"
    )]
    NotAKey(PathBuf),
    /// The system gives no randomness.
    #[error("the system gives no randomness: {0}")]
    NoRandomness(String),
}

/// Reads the key of the node's identity, the seed of an ed25519 key in hex, or makes one that only the file's owner can
/// read.
///
/// # Errors
///
/// The file can't be read or written, or holds something else.
pub fn load_or_create_key(path: impl AsRef<Path>) -> Result<[u8; 32], KeyError> {
    let path = path.as_ref();
    let at = |source| KeyError::Io { path: path.to_owned(), source };
    match fs::File::open(path) {
        Ok(file) => {
            let mut text = String::new();
            let read = file.take(FILE_BYTES_MAX).read_to_string(&mut text);
            match read {
                Err(error) if error.kind() != io::ErrorKind::InvalidData => return Err(at(error)),
                _ => {}
            }
            let mut key = [0; 32];
            hex::decode_to_slice(text.trim(), &mut key)
                .map_err(|_| KeyError::NotAKey(path.to_owned()))?;
            Ok(key)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut key = [0; 32];
            getrandom::fill(&mut key).map_err(|error| KeyError::NoRandomness(error.to_string()))?;
            create(path, &key).map_err(at)?;
            Ok(key)
        }
        Err(error) => Err(at(error)),
    }
}

/// Writes a key whole or not at all.
fn create(path: &Path, key: &[u8; 32]) -> io::Result<()> {
    let draft = path.with_extension("draft");
    // One that is there has the rights that it was made with.
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&draft)?;
    writeln!(file, "{}", hex::encode(key))?;
    file.sync_all()?;
    fs::rename(&draft, path)
}

/// The identity that others know the node by.
pub fn peer_id(key: &[u8; 32]) -> PeerId {
    keypair(key).public().to_peer_id()
}

pub(crate) fn keypair(key: &[u8; 32]) -> Keypair {
    Keypair::ed25519_from_bytes(*key).expect("any 32 bytes are a seed")
}
