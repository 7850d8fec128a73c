//! The state after one block as others fetch it: in the order of paths, in files of its own.
//!
//! The database has its keys in their own order, and the tree in memory is that of the head. So whoever serves a state in
//! chunks of the tree sorts it first. That happens once for each state that is served, on a thread that reads a
//! [`Snapshot`]: nothing waits for it. Each answer afterwards is one read of a file.
//!
//! ```text
//! <height>-<hash>.state   keys and values, in the order of the keys' paths
//! <height>-<hash>.index   the tree down to runs of entries that are hashed again for each answer; written last
//! ```

use crate::{
    Error, Snapshot,
    tree::{Kind, join},
};
use codec::{Decode, DecodeAll, Encode, IoReader};
use primitives::{
    Hash, Height,
    chunk::{
        CHUNK_BYTES_MAX, CHUNK_MESSAGE_BYTES_MAX, PathPrefix, StateChunk, StateEntry, bytes_of,
        entry_bytes, leaves_of, subtree_node,
    },
    crypto::hash::{blake2_256, blake2_256_all},
    proof::turns_right,
};
use std::{
    fs::{self, File},
    io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// States that are kept for others; older ones go. Whoever has begun to fetch one has at least as long as it takes until
/// as many more are made.
pub const EXPORTS_KEPT: usize = 2;
/// Most bytes of entries that are sorted in memory at a time. Tests have few, and see all ways.
const SORTED_BYTES_MAX: u64 = if cfg!(test) { 4 << 10 } else { 32 << 20 };
/// Most bytes of a run, unless it is one entry: what a proof between its entries hashes again.
const RUN_BYTES_MAX: usize = if cfg!(test) { 512 } else { 64 << 10 };
/// Entries whose keys are hashed at a time.
const HASHED_ENTRIES: usize = 1_024;
/// Bits of the path by which entries are parted that are too many to be sorted at a time; they divide a byte.
const PARTED_BITS: usize = if cfg!(test) { 2 } else { 8 };
/// Format of the files.
const FORMAT: u32 = 1;

/// What a subtree has, and where it lies in the file.
#[derive(Clone, Debug, Encode, Decode)]
struct Part {
    node: [u8; 32],
    offset: u64,
    length: u64,
    count: u64,
    /// What the entries count towards a chunk.
    bytes: u64,
    /// Places of the halves, unless this is a run.
    halves: Option<(u32, u32)>,
}

#[derive(Encode, Decode)]
struct Index {
    format: u32,
    height: Height,
    hash: Hash,
    root: Hash,
    /// The whole tree comes last.
    parts: Vec<Part>,
}

/// A state that is served.
#[derive(Debug)]
pub struct Export {
    /// Height of the block.
    pub height: Height,
    /// Hash of the block.
    pub hash: Hash,
    /// Root of the state.
    pub root: Hash,
    parts: Vec<Part>,
    data: PathBuf,
}

/// What there is for who asks for a subtree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// All of it.
    Chunk(StateChunk),
    /// It is more than a chunk holds: its halves must be asked for.
    TooLarge,
}

/// The states that are served, in a folder of their own. Clones share them.
#[derive(Clone, Debug)]
pub struct Exports {
    folder: PathBuf,
    /// The newest last.
    kept: Arc<Mutex<Vec<Arc<Export>>>>,
    /// Held while one is made.
    making: Arc<Mutex<()>>,
}

impl Exports {
    /// Those in a folder, which is made if it is not there. What was not finished goes.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        let file_error = |source| Error::Export { path: folder.to_path_buf(), source };
        fs::create_dir_all(folder).map_err(file_error)?;
        let mut found = Vec::new();
        for entry in fs::read_dir(folder).map_err(file_error)? {
            let path = entry.map_err(file_error)?.path();
            if path.extension().is_some_and(|extension| extension == "index") {
                // One that does not decode is of another version, or damaged: it can be made again.
                found.extend(Export::load(&path));
            }
        }
        found.sort_by_key(|export| export.height);
        let kept = found.into_iter().map(Arc::new).collect();
        let kept = Arc::new(Mutex::new(kept));
        let exports = Self { folder: folder.to_path_buf(), kept, making: Arc::default() };
        exports.tidy().map_err(file_error)?;
        Ok(exports)
    }

    /// Those that are served, the newest last.
    pub fn list(&self) -> Vec<Arc<Export>> {
        self.kept().clone()
    }

    /// The state after the block with this hash.
    pub fn find(&self, hash: &Hash) -> Option<Arc<Export>> {
        self.kept().iter().find(|export| export.hash == *hash).cloned()
    }

    /// Makes one of a state, which takes about two microseconds an entry and holds the state meanwhile. `None` if `stop`
    /// said so: then nothing is left of it. One at a time is made, others wait.
    pub fn make(
        &self,
        state: Snapshot,
        stop: &dyn Fn() -> bool,
    ) -> Result<Option<Arc<Export>>, Error> {
        // Nothing is guarded but the time.
        let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = self.find(&state.hash) {
            return Ok(Some(known));
        }
        let made = Maker::run(&self.folder, state, stop);
        if let Ok(Some(export)) = &made {
            let mut kept = self.kept();
            kept.push(export.clone());
            kept.sort_by_key(|export| export.height);
        }
        let tidied = self.tidy();
        let made = made?;
        tidied.map_err(|source| Error::Export { path: self.folder.clone(), source })?;
        Ok(made)
    }

    /// Lets all go but the newest, and files that belong to none.
    fn tidy(&self) -> io::Result<()> {
        let mut kept = self.kept();
        let gone = kept.len().saturating_sub(EXPORTS_KEPT);
        kept.drain(..gone);
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            let is_kept = kept
                .iter()
                .any(|export| path == export.data || path == export.data.with_extension("index"));
            if path.is_dir() {
                fs::remove_dir_all(path)?;
            } else if !is_kept {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    fn kept(&self) -> MutexGuard<'_, Vec<Arc<Export>>> {
        // Each change leaves the list whole.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Export {
    /// How many entries the state has.
    pub fn count(&self) -> u64 {
        self.whole().count
    }

    /// What the entries count, as [`entry_bytes`] says.
    pub fn bytes(&self) -> u64 {
        self.whole().bytes
    }

    /// What there is of a subtree; every subtree can be asked for. `None` if this state is not served any more.
    pub fn piece(&self, prefix: &PathPrefix) -> Result<Option<Piece>, Error> {
        match self.read_piece(prefix) {
            Ok(piece) => Ok(Some(piece)),
            Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(Error::Export { path: self.data.clone(), source }),
        }
    }

    fn read_piece(&self, prefix: &PathPrefix) -> io::Result<Piece> {
        let mut chunk = StateChunk::default();
        let mut part = self.whole();
        for depth in 0..=prefix.depth() {
            let halves = part.halves.filter(|_| part.count > 1);
            match halves {
                Some(_) if depth == prefix.depth() => {
                    if part.bytes > CHUNK_BYTES_MAX as u64 {
                        return Ok(Piece::TooLarge);
                    }
                    chunk.entries = self.read(part)?;
                    break;
                }
                Some((left, right)) => {
                    let (way, other) = match turns_right(prefix.path(), depth) {
                        true => (right, left),
                        false => (left, right),
                    };
                    chunk.siblings.push(Hash(self.parts[other as usize].node));
                    part = &self.parts[way as usize];
                }
                None => {
                    go_on_in_run(&mut chunk, self.read(part)?, prefix);
                    break;
                }
            }
        }
        Ok(Piece::Chunk(chunk))
    }

    fn read(&self, part: &Part) -> io::Result<Vec<StateEntry>> {
        let length = usize::try_from(part.length).map_err(io::Error::other)?;
        let mut file = File::open(&self.data)?;
        file.seek(SeekFrom::Start(part.offset))?;
        let mut bytes = vec![0; length];
        file.read_exact(&mut bytes)?;
        let mut rest = &bytes[..];
        let mut entries = Vec::new();
        while !rest.is_empty() {
            entries.push(StateEntry::decode(&mut rest).map_err(io::Error::other)?);
        }
        Ok(entries)
    }

    fn whole(&self) -> &Part {
        self.parts.last().expect("every tree has a part, be it empty")
    }

    /// `None` if the file is not whole.
    fn load(path: &Path) -> Option<Self> {
        let index = Index::decode_all(&mut &fs::read(path).ok()?[..]).ok()?;
        let data = path.with_extension("state");
        let whole = index.parts.last()?;
        let fits = index.format == FORMAT && data.metadata().ok()?.len() == whole.length;
        let Index { height, hash, root, parts, .. } = index;
        fits.then_some(Self { height, hash, root, parts, data })
    }
}

/// Goes on inside of a run with the way to a subtree, and takes its entries.
fn go_on_in_run(chunk: &mut StateChunk, run: Vec<StateEntry>, prefix: &PathPrefix) {
    let all = leaves_of(&run);
    let (mut leaves, mut from) = (&all[..], 0);
    for depth in chunk.siblings.len()..prefix.depth() {
        if let [(path, _)] = leaves
            && !prefix.contains(path)
        {
            chunk.other = Some((Hash(*path), blake2_256(&run[from].1)));
            return;
        }
        if leaves.len() <= 1 {
            break;
        }
        let middle = leaves.partition_point(|(path, _)| !turns_right(path, depth));
        let (left, right) = leaves.split_at(middle);
        let other = if turns_right(prefix.path(), depth) {
            (leaves, from) = (right, from + middle);
            left
        } else {
            leaves = left;
            right
        };
        chunk.siblings.push(Hash(subtree_node(other, depth + 1)));
    }
    chunk.entries = run.into_iter().skip(from).take(leaves.len()).collect();
}

/// A file of entries that are not sorted yet.
struct Unsorted {
    path: PathBuf,
    count: u64,
}

/// Writes an export.
struct Maker<'a> {
    /// For what is written on the way.
    folder: PathBuf,
    files: usize,
    data: BufWriter<File>,
    offset: u64,
    parts: Vec<Part>,
    stop: &'a dyn Fn() -> bool,
}

impl<'a> Maker<'a> {
    fn run(
        folder: &Path,
        state: Snapshot,
        stop: &'a dyn Fn() -> bool,
    ) -> Result<Option<Arc<Export>>, Error> {
        let (height, hash, root) = (state.height, state.hash, state.root);
        let data = folder.join(format!("{height}-{hash}.state"));
        let parts = match Self::write_data(&data, state, stop) {
            Ok(parts) => parts,
            Err(_) if stop() => return Ok(None),
            Err(source) => return Err(Error::Export { path: data, source }),
        };
        let found = parts.last().map_or(Hash::ZERO, |whole| Hash(whole.node));
        if found != root {
            return Err(Error::StateRoot { height, expected: root, found });
        }
        let index = Index { format: FORMAT, height, hash, root, parts };
        match write_index(&data.with_extension("index"), &index) {
            Ok(()) => Ok(Some(Arc::new(Export { height, hash, root, parts: index.parts, data }))),
            Err(source) => Err(Error::Export { path: data, source }),
        }
    }

    fn write_data(
        data: &Path,
        state: Snapshot,
        stop: &'a dyn Fn() -> bool,
    ) -> io::Result<Vec<Part>> {
        let folder = data.with_extension("parts");
        fs::create_dir_all(&folder)?;
        let file = BufWriter::new(File::create(data)?);
        let mut maker = Self { folder, files: 0, data: file, offset: 0, parts: Vec::new(), stop };
        maker.place(state.entries(), 0)?;
        drop(state);
        maker.data.flush()?;
        maker.data.get_ref().sync_all()?;
        Ok(maker.parts)
    }

    /// Sorts entries that share `depth` bits, and writes them. Gives the place of their part.
    fn place(
        &mut self,
        entries: impl Iterator<Item = StateEntry>,
        depth: usize,
    ) -> io::Result<u32> {
        let mut parts: Option<Vec<Spill>> = None;
        let (mut gathered, mut bytes) = (Vec::new(), 0);
        for (key, value) in entries {
            bytes += entry_bytes(&key, &value) as u64;
            gathered.push((key, value));
            let is_full = match parts {
                None => bytes > SORTED_BYTES_MAX && gathered.len() > 1,
                Some(_) => gathered.len() >= HASHED_ENTRIES,
            };
            if is_full {
                self.go_on()?;
                let parts = match &mut parts {
                    Some(parts) => parts,
                    None => parts.insert(self.spills()?),
                };
                spill(parts, std::mem::take(&mut gathered), depth)?;
            }
        }
        let Some(mut parts) = parts else { return self.sort(gathered, depth) };
        spill(&mut parts, gathered, depth)?;
        let parts = parts.into_iter().map(Spill::finish).collect::<io::Result<Vec<_>>>()?;
        self.join_parts(parts, depth)
    }

    /// Places parts, whose number is a power of two, and all that lies above them.
    fn join_parts(&mut self, mut parts: Vec<Unsorted>, depth: usize) -> io::Result<u32> {
        if parts.len() > 1 {
            let right = parts.split_off(parts.len() / 2);
            let left = self.join_parts(parts, depth + 1)?;
            let right = self.join_parts(right, depth + 1)?;
            return Ok(self.push_above(left, right));
        }
        let Unsorted { path, count } = parts.pop().expect("a power of two is not zero");
        let mut reader = IoReader(BufReader::new(File::open(&path)?));
        let mut damaged = None;
        let entries = (0..count).map_while(|_| match StateEntry::decode(&mut reader) {
            Ok(entry) => Some(entry),
            Err(error) => {
                damaged = Some(error);
                None
            }
        });
        let placed = self.place(entries, depth)?;
        if let Some(error) = damaged {
            return Err(io::Error::other(error));
        }
        fs::remove_file(path)?;
        Ok(placed)
    }

    fn sort(&mut self, entries: Vec<StateEntry>, depth: usize) -> io::Result<u32> {
        self.go_on()?;
        let leaves = leaves_of(&entries);
        let mut sorted: Vec<_> = leaves.into_iter().zip(entries).collect();
        sorted.sort_unstable_by_key(|(leaf, _)| leaf.0);
        let (leaves, entries): (Vec<_>, Vec<_>) = sorted.into_iter().unzip();
        self.write(&leaves, &entries, depth)
    }

    /// Writes sorted entries: as a run, or as two halves.
    fn write(
        &mut self,
        leaves: &[([u8; 32], [u8; 32])],
        entries: &[StateEntry],
        depth: usize,
    ) -> io::Result<u32> {
        let bytes = bytes_of(entries);
        if bytes > RUN_BYTES_MAX && entries.len() > 1 {
            let middle = leaves.partition_point(|(path, _)| !turns_right(path, depth));
            let (left, right) = (leaves.split_at(middle), entries.split_at(middle));
            let first = self.write(left.0, right.0, depth + 1)?;
            let second = self.write(left.1, right.1, depth + 1)?;
            return Ok(self.push_above(first, second));
        }
        let offset = self.offset;
        for entry in entries {
            let encoded = entry.encode();
            if encoded.len() > CHUNK_MESSAGE_BYTES_MAX {
                return Err(io::Error::other("an entry of the state is larger than a message"));
            }
            self.data.write_all(&encoded)?;
            self.offset += encoded.len() as u64;
        }
        Ok(self.push(Part {
            node: subtree_node(leaves, depth),
            offset,
            length: self.offset - offset,
            count: entries.len() as u64,
            bytes: bytes as u64,
            halves: None,
        }))
    }

    /// The part that has these two halves.
    fn push_above(&mut self, left: u32, right: u32) -> u32 {
        let (first, second) = (&self.parts[left as usize], &self.parts[right as usize]);
        let part = Part {
            node: join(&first.node, &second.node),
            offset: first.offset,
            length: first.length + second.length,
            count: first.count + second.count,
            bytes: first.bytes + second.bytes,
            halves: Some((left, right)),
        };
        debug_assert_eq!(part.count == 1, Kind::of(&part.node) == Kind::Leaf);
        self.push(part)
    }

    fn push(&mut self, part: Part) -> u32 {
        self.parts.push(part);
        u32::try_from(self.parts.len() - 1).expect("a run has more than a few bytes")
    }

    /// An error if the making is to end.
    fn go_on(&self) -> io::Result<()> {
        if (self.stop)() { Err(io::ErrorKind::Interrupted.into()) } else { Ok(()) }
    }

    /// Files for entries, one for each value of the path's next bits.
    fn spills(&mut self) -> io::Result<Vec<Spill>> {
        let spill = |_| {
            self.files += 1;
            let path = self.folder.join(self.files.to_string());
            Ok(Spill { file: BufWriter::new(File::create(&path)?), path, count: 0 })
        };
        (0..1 << PARTED_BITS).map(spill).collect()
    }
}

/// Writes the index under another name first, so that it is whole once it has its own.
fn write_index(path: &Path, index: &Index) -> io::Result<()> {
    let unfinished = path.with_extension("unfinished");
    let mut file = File::create(&unfinished)?;
    file.write_all(&index.encode())?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

/// A file of entries that is being written.
struct Spill {
    path: PathBuf,
    file: BufWriter<File>,
    count: u64,
}

impl Spill {
    fn finish(mut self) -> io::Result<Unsorted> {
        self.file.flush()?;
        Ok(Unsorted { path: self.path, count: self.count })
    }
}

/// Writes entries that share `depth` bits, a multiple of [`PARTED_BITS`], each where the next bits of its path say.
fn spill(parts: &mut [Spill], entries: Vec<StateEntry>, depth: usize) -> io::Result<()> {
    let keys: Vec<&[u8]> = entries.iter().map(|(key, _)| key.as_slice()).collect();
    for (path, entry) in blake2_256_all(&keys).into_iter().zip(&entries) {
        let bits = path.0[depth / 8] << (depth % 8) >> (8 - PARTED_BITS);
        let part = &mut parts[usize::from(bits)];
        part.file.write_all(&entry.encode())?;
        part.count += 1;
    }
    Ok(())
}
