//! The signer's side: a thread for each connection, and one custody that all of them ask.

use super::wire::{self, FRAME_BYTES_MAX, Reason, Request, Response, VERSION};
use crate::{keyring::Keyring, wire::PeerProof};
use anyhow::{Context, Result, anyhow, bail, ensure};
use consensus::{
    Content, Custody, Denial, Instance, ROUND_MAX, Slot, Time, Unsigned, store::RecordFile,
};
use primitives::{Hash, Height};
use rustix::{fs::Mode, process::umask};
use std::{
    fs::{self, File, TryLockError},
    io,
    os::unix::{
        fs::DirBuilderExt,
        net::{UnixListener, UnixStream},
    },
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};
use tokio::sync::mpsc;

/// Most connections at a time: a validator has a node or two.
const CONNECTIONS_MAX: usize = 16;
/// How long a connection may be silent; nodes are heard of every second.
const IDLE_MAX: Duration = Duration::from_secs(30);
/// Longest that a node may take to take an answer.
const WRITE_WAIT_MAX: Duration = Duration::from_secs(1);
/// Longest identity of a node.
const PEER_BYTES_MAX: usize = 128;
/// The custody's record.
const RECORD: &str = "last-signed";
/// Held by the one process that works in the folder.
const LOCK: &str = "lock";

const _: () = assert!(PEER_BYTES_MAX + 64 < FRAME_BYTES_MAX);

/// What a signer begins with.
pub struct Setup<'a> {
    /// Folder of its record.
    pub folder: &'a Path,
    /// Hash of the genesis block.
    pub genesis: Hash,
    /// What it signs with.
    pub keys: Keyring,
    /// Begin without a record: the operator swears that these keys have signed nothing on the chain, or that the
    /// nodes' own guards know what they have.
    pub sign_without_guard: bool,
}

/// A signer.
pub struct Server {
    genesis: Hash,
    keys: Keyring,
    start: Instant,
    desk: Mutex<Desk>,
    connections: AtomicUsize,
    /// Where a fault goes after which nothing may be signed any more.
    fatal: mpsc::Sender<anyhow::Error>,
    /// Held as long as this lives.
    _lock: File,
}

struct Desk {
    custody: Custody,
    file: RecordFile,
    /// A write has failed: what is on the disk is unknown.
    broken: bool,
}

impl Server {
    /// A signer, and where it says why it cannot go on.
    pub fn new(setup: Setup) -> Result<(Arc<Self>, mpsc::Receiver<anyhow::Error>)> {
        let Setup { folder, genesis, keys, sign_without_guard } = setup;
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        let lock = lock(&folder.join(LOCK))?;
        let (mut file, stored) = RecordFile::open(folder, RECORD)?;
        if stored.is_none() && !sign_without_guard {
            bail!(
                "there is no last-signed record in {}: if it is lost, restore it; if these keys have signed nothing on \
                 this chain yet, or with nodes that keep their own folders, start with --sign-without-guard once",
                folder.display()
            );
        }
        let mut custody = Custody::new(genesis, keys.account(), stored.as_deref(), Time(0))?;
        if let Some(record) = custody.take_changed() {
            file.write(&record)?;
        }
        let (fatal, broken) = mpsc::channel(1);
        let this = Self {
            genesis,
            keys,
            start: Instant::now(),
            desk: Mutex::new(Desk { custody, file, broken: false }),
            connections: AtomicUsize::new(0),
            fatal,
            _lock: lock,
        };
        Ok((Arc::new(this), broken))
    }

    /// Serves whoever connects, for as long as the process lives.
    pub fn serve(self: Arc<Self>, listener: UnixListener) -> Result<()> {
        let accept = move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { continue };
                if self.connections.fetch_add(1, Ordering::Relaxed) >= CONNECTIONS_MAX {
                    self.connections.fetch_sub(1, Ordering::Relaxed);
                    tracing::warn!(count = CONNECTIONS_MAX, "too many connections: one is refused");
                    continue;
                }
                let this = self.clone();
                let run = move || {
                    if let Err(error) = this.talk(stream) {
                        tracing::debug!(%error, "a connection ended");
                    }
                    this.connections.fetch_sub(1, Ordering::Relaxed);
                };
                let started = thread::Builder::new().name("connection".to_owned()).spawn(run);
                if let Err(error) = started {
                    self.connections.fetch_sub(1, Ordering::Relaxed);
                    tracing::error!(%error, "no thread for a connection");
                }
            }
        };
        thread::Builder::new().name("accept".to_owned()).spawn(accept)?;
        Ok(())
    }

    fn talk(&self, mut stream: UnixStream) -> io::Result<()> {
        stream.set_read_timeout(Some(IDLE_MAX))?;
        stream.set_write_timeout(Some(WRITE_WAIT_MAX))?;
        let node = match self.greet(wire::read(&mut stream)?) {
            Ok(node) => node,
            Err(reason) => {
                tracing::warn!("a node is refused: {reason}");
                return wire::write(&mut stream, &Response::Refused(reason));
            }
        };
        wire::write(&mut stream, &Response::Ready)?;
        let mut told = None;
        loop {
            let request = wire::read(&mut stream)?;
            let response = self.answer(node, request).map_err(io::Error::other)?;
            let refused = match &response {
                Response::Refused(reason) => Some(*reason),
                _ => None,
            };
            // A node that stands by asks several times a second.
            if refused.is_some() && refused != told {
                let reason = refused.map(|reason| reason.to_string());
                tracing::info!(node = name(&node), reason, "refused");
            }
            told = refused.or(told);
            wire::write(&mut stream, &response)?;
        }
    }

    fn greet(&self, request: Request) -> Result<Instance, Reason> {
        let Request::Hello { version, genesis, account, instance } = request else {
            return Err(Reason::Malformed);
        };
        if version != VERSION {
            return Err(Reason::Version(VERSION));
        }
        if genesis != self.genesis {
            return Err(Reason::Chain(self.genesis));
        }
        if account != self.keys.account() {
            return Err(Reason::Validator(self.keys.account()));
        }
        Ok(instance)
    }

    fn answer(&self, node: Instance, request: Request) -> Result<Response, Unusable> {
        let response = match request {
            Request::Hello { .. } => Err(Reason::Malformed),
            Request::Beat => {
                self.at_desk(|custody, now| custody.on_beat(now, node))?;
                Ok(Response::Ready)
            }
            Request::Sign { key, known, content } => self.sign(node, key, known, &content)?,
            Request::Draw { key, seed, height, round } => {
                self.draw(node, key, &seed, height, round)?
            }
            Request::Prove { key, peer } if peer.len() <= PEER_BYTES_MAX => {
                let proof = self.keys.sign(&key, &PeerProof::signed_bytes(&self.genesis, &peer));
                proof.map(Response::Signature).ok_or(Reason::NoKey)
            }
            Request::Prove { .. } => Err(Reason::Malformed),
        };
        Ok(response.unwrap_or_else(Response::Refused))
    }

    fn sign(
        &self,
        node: Instance,
        key: [u8; 32],
        known: Option<Slot>,
        content: &Content,
    ) -> Result<Result<Response, Reason>, Unusable> {
        if content.slot().round > ROUND_MAX {
            return Ok(Err(Reason::Malformed));
        }
        let signed = self.at_desk(|custody, now| {
            let before = custody.holder();
            let signed = custody.sign(now, node, content, known, || {
                let message = content.signed_bytes(&self.genesis);
                self.keys.sign(&key, &message).ok_or(Unsigned::NoKey)
            });
            self.note_holder(before, custody);
            signed
        })?;
        Ok(signed.map(Response::Signature).map_err(told))
    }

    fn draw(
        &self,
        node: Instance,
        key: [u8; 32],
        seed: &Hash,
        height: Height,
        round: u32,
    ) -> Result<Result<Response, Reason>, Unusable> {
        let admitted = self.at_desk(|custody, now| {
            let before = custody.holder();
            let admitted = custody.admit(now, node, height);
            self.note_holder(before, custody);
            admitted
        })?;
        if let Err(denial) = admitted {
            return Ok(Err(told(denial)));
        }
        let drawn = self.keys.draw(&key, &runtime::draw_message(seed, height, round));
        let drawn = drawn.map(|vrf| Response::Drawn { output: vrf.output, proof: vrf.proof });
        Ok(drawn.ok_or(Reason::NoKey))
    }

    fn note_holder(&self, before: Option<Instance>, custody: &Custody) {
        if let Some(node) = custody.holder().filter(|node| before != Some(*node)) {
            let last = custody.last();
            tracing::info!(node = name(&node), ?last, "a node is served from here on");
        }
    }

    /// Asks the custody, and makes what has changed durable before anybody hears of it.
    fn at_desk<T>(&self, ask: impl FnOnce(&mut Custody, Time) -> T) -> Result<T, Unusable> {
        // A thread that panicked within may have signed what is not on disk.
        let mut desk = self.desk.lock().map_err(|PoisonError { .. }| Unusable)?;
        if desk.broken {
            return Err(Unusable);
        }
        let now = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        let answer = ask(&mut desk.custody, Time(now));
        if let Some(record) = desk.custody.take_changed()
            && let Err(error) = desk.file.write(&record)
        {
            desk.broken = true;
            // One fault is enough.
            let _ = self.fatal.try_send(anyhow!(error).context("the signer stops"));
            return Err(Unusable);
        }
        Ok(answer)
    }
}

/// The custody's disk is at fault: nothing is signed any more.
#[derive(Debug, thiserror::Error)]
#[error("the signer's disk is at fault")]
struct Unusable;

fn told(denial: Denial) -> Reason {
    match denial {
        Denial::Foreign(_) => Reason::Malformed,
        Denial::Busy => Reason::Busy,
        Denial::Below { from } => Reason::Below(from),
        Denial::Guard(consensus::Refusal::Unsigned(_)) => Reason::NoKey,
        Denial::Guard(_) => Reason::Guarded,
    }
}

/// The beginning of a node's number, for the log.
fn name(node: &Instance) -> String {
    hex::encode(&node.0[..4])
}

fn lock(path: &Path) -> Result<File> {
    let file = File::options().create(true).truncate(false).write(true).open(path);
    let file = file.with_context(|| format!("cannot open {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            bail!("{} is in use: another signer works in this folder", path.display())
        }
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot lock {}", path.display()))
        }
    }
}

/// Listens on a socket that only this process's user can connect to. To be called before there are other threads that
/// make files: for a moment, no new file is readable by others.
pub fn listen(socket: &Path) -> Result<UnixListener> {
    if socket.exists() {
        ensure!(
            UnixStream::connect(socket).is_err(),
            "another process listens on {}: give another --socket",
            socket.display()
        );
        // What a process that was killed left behind.
        fs::remove_file(socket).with_context(|| format!("cannot remove {}", socket.display()))?;
    }
    let before = umask(Mode::from_raw_mode(0o177));
    let listener = UnixListener::bind(socket);
    umask(before);
    listener.with_context(|| format!("cannot listen on {}", socket.display()))
}
