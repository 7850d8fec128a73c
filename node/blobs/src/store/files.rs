//! The store's folder: what is read and written, and when it is synced.

use super::{Error, Owner};
use crate::Cid;
use std::{
    fs::{self, File, TryLockError},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};
use tempfile::NamedTempFile;

/// The open folder.
pub(super) struct Files {
    blocks: PathBuf,
    pins: PathBuf,
    temporary: PathBuf,
    /// Locked as long as this lives.
    _lock: File,
}

impl Files {
    pub fn open(folder: &Path) -> Result<Self, Error> {
        let [blocks, pins, temporary] = ["blocks", "pins", "tmp"].map(|name| folder.join(name));
        for path in [folder, &blocks, &pins] {
            fs::create_dir_all(path).map_err(at(path))?;
        }
        let lock_path = folder.join("lock");
        let lock = File::create(&lock_path).map_err(at(&lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::InUse(folder.to_owned())),
            Err(TryLockError::Error(error)) => return Err(at(&lock_path)(error)),
        }
        if temporary.exists() {
            fs::remove_dir_all(&temporary).map_err(at(&temporary))?;
        }
        fs::create_dir(&temporary).map_err(at(&temporary))?;
        sync_folder(folder)?;
        Ok(Self { blocks, pins, temporary, _lock: lock })
    }

    /// Names and lengths of all blocks. Files that are no blocks are left alone.
    pub fn blocks(&self) -> Result<Vec<(Cid, u64)>, Error> {
        let mut found = Vec::new();
        for shard in entries(&self.blocks)? {
            for path in entries(&shard)? {
                if let Some(cid) = named_by(&path).filter(|cid| self.block_path(cid) == path) {
                    found.push((cid, fs::metadata(&path).map_err(at(&path))?.len()));
                }
            }
        }
        Ok(found)
    }

    /// The block, verified. `length_max` bounds what is read of a file that has grown.
    pub fn read_block(&self, cid: &Cid, length_max: u64) -> Result<Vec<u8>, Error> {
        let path = self.block_path(cid);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Error::Absent(*cid));
            }
            Err(error) => return Err(at(&path)(error)),
        };
        let mut block = Vec::new();
        file.take(length_max).read_to_end(&mut block).map_err(at(&path))?;
        if cid.names(&block) { Ok(block) } else { Err(Error::Damaged { path }) }
    }

    /// Bytes on disk, synced, that have no name yet.
    pub fn write_temporary(&self, block: &[u8]) -> Result<NamedTempFile, Error> {
        let mut file = NamedTempFile::new_in(&self.temporary).map_err(at(&self.temporary))?;
        file.write_all(block).map_err(at(file.path()))?;
        file.as_file().sync_all().map_err(at(file.path()))?;
        Ok(file)
    }

    pub fn keep_block(&self, file: NamedTempFile, cid: &Cid) -> Result<(), Error> {
        let path = self.block_path(cid);
        let shard = path.parent().expect("a block's path has the shard's folder in it");
        if !shard.exists() {
            fs::create_dir(shard).map_err(at(shard))?;
            sync_folder(&self.blocks)?;
        }
        file.persist(&path).map_err(|error| at(&path)(error.error))?;
        sync_folder(shard)
    }

    pub fn remove_block(&self, cid: &Cid) -> Result<(), Error> {
        remove(&self.block_path(cid))
    }

    /// All pins: owner and blob.
    pub fn pins(&self) -> Result<Vec<(Owner, Cid)>, Error> {
        let mut found = Vec::new();
        for folder in entries(&self.pins)? {
            let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let Ok(owner) = Owner::new(name) else { continue };
            let cids = entries(&folder)?.into_iter().filter_map(|path| named_by(&path));
            found.extend(cids.map(|cid| (owner.clone(), cid)));
        }
        Ok(found)
    }

    pub fn write_pin(&self, owner: &Owner, cid: &Cid) -> Result<(), Error> {
        let folder = self.pins.join(owner.as_str());
        if !folder.exists() {
            fs::create_dir(&folder).map_err(at(&folder))?;
            sync_folder(&self.pins)?;
        }
        let path = folder.join(cid.to_string());
        File::create(&path).map_err(at(&path))?;
        sync_folder(&folder)
    }

    pub fn remove_pin(&self, owner: &Owner, cid: &Cid) -> Result<(), Error> {
        let folder = self.pins.join(owner.as_str());
        remove(&folder.join(cid.to_string()))?;
        match fs::remove_dir(&folder) {
            // Other pins of the owner are in it.
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(()),
            result => result.map_err(at(&folder)),
        }
    }

    fn block_path(&self, cid: &Cid) -> PathBuf {
        let name = cid.to_string();
        // The last characters are spread evenly, the first are the same for all.
        self.blocks.join(&name[name.len() - 2..]).join(name)
    }
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect())
        .map_err(at(folder))
}

fn named_by(path: &Path) -> Option<Cid> {
    path.file_name()?.to_str()?.parse().ok()
}

fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result.map_err(at(path)),
    }
}

/// Makes names in a folder last.
fn sync_folder(path: &Path) -> Result<(), Error> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(at(path))
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> Error + use<> {
    let path = path.to_owned();
    move |source| Error::Io { path, source }
}
