//! The node's side: a thread that owns the connection, and handles that ask it.
//!
//! Whoever asks waits half a second at most. While the signer is away, the answer is no, at once: the thread tries again
//! at growing intervals. In between it says that the node is there, so that the signer keeps its place.

use super::wire::{self, Reason, Request, Response, VERSION};
use anyhow::Result;
use consensus::{Content, Instance, Slot, Unsigned};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use primitives::{
    AccountId, Hash, Height, VoteSignature,
    crypto::{keys::verify_ed25519, vrf},
};
use std::{
    io,
    os::unix::net::UnixStream,
    path::PathBuf,
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;

/// Longest that an answer may take.
pub const ANSWER_WAIT_MAX: Duration = Duration::from_millis(500);
/// How often the signer hears that the node is there.
const BEAT_EVERY: Duration = Duration::from_secs(1);
/// Shortest and longest wait before another try after a fault.
const RETRY_MIN: Duration = Duration::from_millis(250);
const RETRY_MAX: Duration = Duration::from_secs(4);
/// Most requests that wait: consensus, chain and sync have one each.
const ASKED_MAX: usize = 4;
/// Longest sleep, so that a stop is noticed soon.
const SLEEP_MAX: Duration = Duration::from_millis(100);

/// A request, until when its answer is of use, and where it goes.
struct Asked {
    request: Request,
    until: Instant,
    answer: Sender<Option<Response>>,
}

/// Asks the signer. Clones ask the same one.
#[derive(Clone)]
pub struct Client {
    genesis: Hash,
    asked: Sender<Asked>,
}

impl Client {
    /// A client and its thread's work.
    pub(super) fn new(
        socket: PathBuf,
        genesis: Hash,
        account: AccountId,
        instance: Instance,
    ) -> (Self, Worker) {
        let hello = Request::Hello { version: VERSION, genesis, account, instance };
        let (asked, inbox) = bounded(ASKED_MAX);
        let now = Instant::now();
        let link =
            Link { socket, hello, stream: None, retry_at: now, wait: RETRY_MIN, fault: None };
        let worker = Worker { inbox, link, refused: None, served: false };
        (Self { genesis, asked }, worker)
    }

    fn ask(&self, request: Request) -> Option<Response> {
        let (answer, answered) = bounded(1);
        let until = Instant::now() + ANSWER_WAIT_MAX;
        self.asked.try_send(Asked { request, until, answer }).ok()?;
        answered.recv_deadline(until).ok().flatten()
    }

    pub(super) fn sign(
        &self,
        key: [u8; 32],
        content: &Content,
        known: Option<Slot>,
    ) -> Result<VoteSignature, Unsigned> {
        let message = content.signed_bytes(&self.genesis);
        match self.ask(Request::Sign { key, known, content: content.clone() }) {
            // A wrong one would be held against this node.
            Some(Response::Signature(signature)) if verify_ed25519(&key, &message, &signature) => {
                Ok(signature)
            }
            Some(Response::Refused(Reason::NoKey)) => Err(Unsigned::NoKey),
            Some(_) => Err(Unsigned::Refused),
            None => Err(Unsigned::NoAnswer),
        }
    }

    pub(super) fn draw(
        &self,
        key: [u8; 32],
        seed: Hash,
        height: Height,
        round: u32,
    ) -> Option<vrf::Proof> {
        match self.ask(Request::Draw { key, seed, height, round })? {
            Response::Drawn { output, proof } => Some(vrf::Proof { output, proof }),
            _ => None,
        }
    }

    pub(super) fn prove_peer(&self, key: [u8; 32], peer: &[u8]) -> Option<VoteSignature> {
        match self.ask(Request::Prove { key, peer: peer.to_vec() })? {
            Response::Signature(signature) => Some(signature),
            _ => None,
        }
    }
}

/// What the client's thread works with.
pub struct Worker {
    inbox: Receiver<Asked>,
    link: Link,
    /// What the operator was told last.
    refused: Option<Reason>,
    /// Whether the last request for a vote was served.
    served: bool,
}

impl Worker {
    /// Runs until `stop` fires.
    pub fn run(mut self, stop: &CancellationToken) -> Result<()> {
        let mut beat_at = Instant::now();
        while !stop.is_cancelled() {
            let wait = beat_at.saturating_duration_since(Instant::now()).min(SLEEP_MAX);
            match self.inbox.recv_timeout(wait) {
                // Who asked has given up.
                Ok(asked) if Instant::now() >= asked.until => {}
                Ok(Asked { request, until, answer }) => {
                    let response = self.link.exchange(&request, until);
                    self.note(&request, response.as_ref());
                    // Who asked may have given up meanwhile.
                    let _ = answer.send(response);
                }
                Err(RecvTimeoutError::Timeout) if Instant::now() < beat_at => {}
                Err(RecvTimeoutError::Timeout) => {
                    beat_at = Instant::now() + BEAT_EVERY;
                    let until = Instant::now() + ANSWER_WAIT_MAX;
                    let response = self.link.exchange(&Request::Beat, until);
                    self.note(&Request::Beat, response.as_ref());
                }
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
        }
        Ok(())
    }

    /// Tells the operator what has changed.
    fn note(&mut self, request: &Request, response: Option<&Response>) {
        let signs = matches!(request, Request::Sign { .. });
        match response {
            Some(Response::Refused(reason)) if signs || !self.served => {
                self.served &= !signs;
                if self.refused.replace(*reason) == Some(*reason) {
                    return;
                }
                match reason {
                    Reason::Busy => tracing::info!("this node stands by: {reason}"),
                    Reason::Below(_) => tracing::info!("this node abstains: {reason}"),
                    _ => tracing::warn!("this validator abstains: {reason}"),
                }
            }
            Some(Response::Signature(_)) if signs && !self.served => {
                (self.served, self.refused) = (true, None);
                tracing::info!("the signer serves this node");
            }
            _ => {}
        }
    }
}

/// The connection, or when to try again.
struct Link {
    socket: PathBuf,
    hello: Request,
    stream: Option<UnixStream>,
    retry_at: Instant,
    wait: Duration,
    /// What the operator was told of.
    fault: Option<String>,
}

impl Link {
    fn exchange(&mut self, request: &Request, until: Instant) -> Option<Response> {
        if self.stream.is_none() && Instant::now() < self.retry_at {
            return None;
        }
        match self.try_exchange(request, until) {
            Ok(response) => {
                self.wait = RETRY_MIN;
                if self.fault.take().is_some() {
                    tracing::info!("the signer answers again");
                }
                Some(response)
            }
            Err(error) => {
                // An answer that comes late must not be taken for that of the next request.
                self.stream = None;
                self.retry_at = Instant::now() + self.wait;
                self.wait = (self.wait * 2).min(RETRY_MAX);
                let text = error.to_string();
                if self.fault.as_ref() != Some(&text) {
                    tracing::warn!(
                        socket = %self.socket.display(), error = text,
                        "the signer does not answer, so this validator abstains until it does"
                    );
                    self.fault = Some(text);
                }
                None
            }
        }
    }

    fn try_exchange(&mut self, request: &Request, until: Instant) -> io::Result<Response> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => {
                let mut stream = UnixStream::connect(&self.socket)?;
                match ask(&mut stream, &self.hello, until)? {
                    Response::Ready => stream,
                    // The signer ends the connection, which is no fault of the wire.
                    refused => return Ok(refused),
                }
            }
        };
        let response = ask(&mut stream, request, until)?;
        self.stream = Some(stream);
        Ok(response)
    }
}

fn ask(stream: &mut UnixStream, request: &Request, until: Instant) -> io::Result<Response> {
    let left = until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
    stream.set_read_timeout(Some(left))?;
    stream.set_write_timeout(Some(left))?;
    wire::write(stream, request)?;
    wire::read(stream)
}
