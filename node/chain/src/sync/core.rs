//! The machine: what is held, what is verified, what comes next.

use super::{
    io::{Alarm, Final, Input, Output, PeerFault, Progress, RequestId, Tip},
    peers::{InFlight, Kind, Peers},
    schedule::HINT_MS,
    wire::{Entry, RESPONSE_BYTES_MAX, Request, Status, decode_response},
};
use codec::{Decode, DecodeAll};
use primitives::{
    Block, Certificate, Hash, Header, Height, Moment, OpaqueTransaction, ValidatorSet,
    check_certificate, check_certificates,
};
use std::{collections::BTreeMap, sync::Arc};

/// Most blocks that are with the chain and not imported yet; their bytes count among those that are held.
pub const IMPORT_BLOCKS_MAX: usize = 256;
/// Blocks below the head that a peer's other block is compared with.
pub const RECENT_MAX: usize = 64;
/// Longest encoded header: a real one has about 400 bytes.
const HEADER_BYTES_MAX: usize = 1_024;
/// Bytes of a body for each transaction, at least, beside a few: keeps what a wrong body takes in memory
/// within a few times its bytes.
const TRANSACTION_BYTES_MIN: usize = 8;
/// Bytes of an answer that could have been longer, whatever block comes next.
const ANSWER_BYTES_FULL: usize = RESPONSE_BYTES_MAX - (6 << 20);

/// Fetches final blocks; see the module's text. `P` tells peers apart.
#[derive(Debug)]
pub struct Sync<P> {
    genesis: Hash,
    /// How long the next block may come another way before it is asked for, in milliseconds.
    pub(super) follow_ms: Moment,
    /// Height of this node's newest block.
    pub(super) head: Height,
    /// The last block that is verified; those above the head are being imported.
    pub(super) frontier: Link,
    /// Who decides the block after the frontier; `None` until an import tells.
    deciders: Option<Deciders>,
    /// The last blocks up to the head, with their validators.
    recent: BTreeMap<Height, (Hash, Arc<ValidatorSet>)>,
    /// Validators of the block after the head.
    next_validators: Arc<ValidatorSet>,
    pub(super) peers: Peers<P>,
    /// Blocks above the frontier whose certificates are not checked.
    pub(super) held: BTreeMap<Height, Held<P>>,
    /// Blocks above the head, up to the frontier.
    importing: BTreeMap<Height, Importing>,
    /// Bytes of both.
    pub(super) bytes_held: usize,
    /// Bytes of a block, smoothed.
    pub(super) block_bytes: usize,
    /// A height that exists, and until when that counts.
    pub(super) hint: Option<(Height, Moment)>,
    /// Since when it is known without a break that there is a block after the head.
    pub(super) ahead_since: Option<Moment>,
    pub(super) requests: RequestId,
    told: Option<Progress>,
    stopped: bool,
}

/// A block's place in the chain.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    pub(super) height: Height,
    hash: Hash,
}

#[derive(Clone, Debug)]
struct Deciders {
    validators: Arc<ValidatorSet>,
    members: Hash,
}

impl Deciders {
    fn new(validators: Arc<ValidatorSet>) -> Self {
        Self { members: validators.members_hash(), validators }
    }
}

/// A block that waits for the one before.
#[derive(Debug)]
pub(super) struct Held<P> {
    hash: Hash,
    header: Header,
    /// The encoded block, and where its body begins.
    bytes: Vec<u8>,
    body_at: usize,
    certificate: Certificate,
    /// Who sent it.
    peer: P,
}

#[derive(Debug)]
struct Importing {
    certificate: Certificate,
    bytes: usize,
}

impl<P: Copy + Ord> Sync<P> {
    /// A machine for the chain with this genesis, on a node whose newest block is `tip`. Where blocks come
    /// another way too, as they do to a validator, `follow_ms` milliseconds are waited before the next
    /// one is asked for; others follow with 0.
    pub fn new(genesis: Hash, tip: Tip, follow_ms: Moment) -> Self {
        let Tip { height, hash, validators } = tip;
        let next_validators = Arc::new(validators);
        Self {
            genesis,
            follow_ms,
            head: height,
            frontier: Link { height, hash },
            deciders: Some(Deciders::new(next_validators.clone())),
            recent: BTreeMap::new(),
            next_validators,
            peers: Peers::new(),
            held: BTreeMap::new(),
            importing: BTreeMap::new(),
            bytes_held: 0,
            block_bytes: 0,
            hint: None,
            ahead_since: None,
            requests: 0,
            told: None,
            stopped: false,
        }
    }

    /// Takes an input and appends what is to be done to `out`. `now` is in milliseconds on a clock that
    /// only runs forward.
    pub fn step(&mut self, now: Moment, input: Input<P>, out: &mut Vec<Output<P>>) {
        if self.stopped {
            return;
        }
        self.peers.expire(now);
        self.hint = self.hint.filter(|(_, until)| now < *until);
        match input {
            Input::Status { peer, status } => self.on_status(now, peer, status, out),
            Input::Gone { peer } => self.peers.remove(&peer),
            Input::Response { peer, id, bytes } => self.on_response(now, peer, id, &bytes, out),
            Input::Failed { peer, id } => {
                if self.peers.finish(&peer, id).is_some() {
                    self.on_failure(now, &peer);
                }
            }
            Input::Imported(tip) => self.on_imported(tip, out),
            Input::Refused { height, why } => self.alarm(Alarm::Refused { height, why }, out),
            Input::Exists { height } => {
                let height = self.hint.map_or(height, |(known, _)| known.max(height));
                self.hint = Some((height, now.saturating_add(HINT_MS)));
            }
            Input::Tick => {}
        }
        while !self.stopped && self.verify(out) {}
        if self.stopped {
            return;
        }
        self.ask(now, out);
        let progress = self.progress();
        if self.told.replace(progress) != Some(progress) {
            out.push(Output::Progress(progress));
        }
    }

    fn on_status(&mut self, now: Moment, peer: P, status: Status, out: &mut Vec<Output<P>>) {
        let is_asked = self.peers.note(peer, &status);
        let Some((ours, _)) = self.recent.get(&status.height) else { return };
        if is_asked && *ours != status.hash && self.peers.is_idle(now, &peer) {
            let request = Request { from: status.height, count: 1 };
            self.send(peer, request, Kind::Probe, now, out);
        }
    }

    fn on_failure(&mut self, now: Moment, peer: &P) {
        if let Some(peer) = self.peers.get_mut(peer) {
            peer.fail(now);
        }
    }

    fn on_response(
        &mut self,
        now: Moment,
        peer: P,
        id: RequestId,
        bytes: &[u8],
        out: &mut Vec<Output<P>>,
    ) {
        // What comes too late was asked of somebody else meanwhile.
        let Some(asked) = self.peers.finish(&peer, id) else { return };
        match read_response(peer, &asked, bytes) {
            Err(fault) => self.punish(peer, fault, out),
            Ok(blocks) if asked.kind == Kind::Probe => self.on_probed(now, peer, blocks, out),
            Ok(blocks) => self.on_blocks(now, peer, &asked, bytes.len(), blocks),
        }
    }

    fn on_blocks(
        &mut self,
        now: Moment,
        peer: P,
        asked: &InFlight,
        bytes: usize,
        blocks: Vec<(Height, Held<P>)>,
    ) {
        let Some(known) = self.peers.get_mut(&peer) else { return };
        let is_short = blocks.len() < usize::try_from(asked.request.count).unwrap_or(usize::MAX)
            && bytes < ANSWER_BYTES_FULL;
        match (blocks.last(), asked.kind) {
            (Some((last, _)), _) => {
                known.succeed(now.saturating_sub(asked.since), bytes);
                known.claimed = known.claimed.max(*last);
                if is_short {
                    known.claimed = *last;
                    known.fail(now);
                }
            }
            (None, Kind::Claimed) => {
                known.claimed = asked.request.from.saturating_sub(1);
                known.fail(now);
            }
            (None, _) => known.rest(now),
        }
        for (height, block) in blocks {
            if height > self.frontier.height && !self.held.contains_key(&height) {
                let bytes = block.bytes.len();
                self.block_bytes = (7 * self.block_bytes + bytes) / 8;
                self.bytes_held += bytes;
                self.held.insert(height, block);
            }
        }
    }

    /// A peer shows the block that it says to have in place of ours.
    fn on_probed(
        &mut self,
        now: Moment,
        peer: P,
        blocks: Vec<(Height, Held<P>)>,
        out: &mut Vec<Output<P>>,
    ) {
        let theirs = blocks.into_iter().next();
        let ours = theirs.as_ref().and_then(|(height, _)| self.recent.get(height)).cloned();
        let (Some((height, theirs)), Some((ours, validators))) = (theirs, ours) else {
            return self.on_failure(now, &peer);
        };
        if theirs.hash == ours {
            return self.on_failure(now, &peer);
        }
        match check_certificate(&theirs.certificate, &theirs.hash, &validators, &self.genesis) {
            Ok(()) => {
                let theirs = Box::new(theirs.certificate);
                self.alarm(Alarm::Fork { height, ours, theirs }, out);
            }
            Err(source) => self.punish(peer, PeerFault::WrongCertificate { height, source }, out),
        }
    }

    fn on_imported(&mut self, tip: Tip, out: &mut Vec<Output<P>>) {
        let Tip { height, hash, validators } = tip;
        if height <= self.head {
            return;
        }
        if height == self.head.saturating_add(1) {
            self.recent.insert(height, (hash, self.next_validators.clone()));
        } else {
            self.recent.clear();
        }
        if self.recent.len() > RECENT_MAX {
            self.recent.pop_first();
        }
        let validators = match validators.validators == self.next_validators.validators {
            true => self.next_validators.clone(),
            false => Arc::new(validators),
        };
        self.next_validators = validators.clone();
        self.head = height;
        let other = self.importing.get(&height).filter(|other| other.certificate.block != hash);
        if let Some(other) = other {
            let theirs = Box::new(other.certificate.clone());
            return self.alarm(Alarm::Fork { height, ours: hash, theirs }, out);
        }
        while let Some(entry) = self.importing.first_entry().filter(|e| *e.key() <= height) {
            self.bytes_held -= entry.remove().bytes;
        }
        if self.frontier.height < height {
            self.frontier = Link { height, hash };
        }
        while let Some(entry) = self.held.first_entry().filter(|e| *e.key() <= self.frontier.height)
        {
            self.bytes_held -= entry.remove().bytes.len();
        }
        if self.frontier.height == height {
            self.deciders = Some(Deciders::new(validators));
        }
    }

    /// Checks what follows the frontier, as far as its validators are known, and hands it to the chain.
    /// Whether there may be more to do.
    fn verify(&mut self, out: &mut Vec<Output<P>>) -> bool {
        let Some(deciders) = self.deciders.clone() else { return false };
        let run = self.next_run(&deciders.members);
        let Some((height, first)) = run.first().copied() else { return false };
        if first.header.parent_hash != self.frontier.hash {
            self.judge_stranger(height, &deciders, out);
            return true;
        }
        let proofs = run.iter().map(|(_, held)| (&held.certificate, &held.hash));
        let checked = check_certificates(proofs, &deciders.validators, &self.genesis);
        let good = checked.as_ref().map_or_else(|(place, _)| *place, |()| run.len());
        let heights: Vec<Height> = run.iter().map(|(height, _)| *height).collect();
        self.import(&heights[..good], &deciders, out);
        if let Err((place, source)) = checked {
            let height = heights[place];
            self.punish_sender(height, PeerFault::WrongCertificate { height, source }, out);
        }
        true
    }

    /// The blocks after the frontier that follow each other and have the same validators, as many as
    /// may be imported now. The first may not follow.
    fn next_run(&self, members: &Hash) -> Vec<(Height, &Held<P>)> {
        let room = IMPORT_BLOCKS_MAX.saturating_sub(self.importing.len());
        let mut run: Vec<(Height, &Held<P>)> = Vec::new();
        let heights = self.next_height()..;
        for (expected, (height, held)) in heights.clone().zip(self.held.range(heights)).take(room) {
            let follows = run.last().is_none_or(|(_, last)| last.hash == held.header.parent_hash);
            if *height != expected || !follows {
                break;
            }
            run.push((*height, held));
            // A header without proof may say anything; that the block after it waits is all that follows.
            let next = runtime::parse_digest(&held.header).map(|digested| digested.next_validators);
            if next.as_ref() != Ok(members) {
                break;
            }
        }
        run
    }

    /// A block in the frontier's place for the next that does not follow it.
    fn judge_stranger(&mut self, height: Height, deciders: &Deciders, out: &mut Vec<Output<P>>) {
        let Some(held) = self.held.get(&height) else { return };
        let Held { certificate, hash, .. } = held;
        match check_certificate(certificate, hash, &deciders.validators, &self.genesis) {
            Ok(()) => {
                let Link { height, hash: ours } = self.frontier;
                let theirs = Box::new(certificate.clone());
                self.alarm(Alarm::Fork { height, ours, theirs }, out);
            }
            Err(source) => {
                self.punish_sender(height, PeerFault::WrongCertificate { height, source }, out);
            }
        }
    }

    /// Hands verified blocks to the chain, up to the first whose body is another's.
    fn import(&mut self, heights: &[Height], deciders: &Deciders, out: &mut Vec<Output<P>>) {
        let mut blocks = Vec::with_capacity(heights.len());
        let mut wrong = None;
        for height in heights {
            let Some(held) = self.held.get(height) else { break };
            let Some(body) = read_body(held) else {
                wrong = Some(*height);
                break;
            };
            let Some(Held { hash, header, bytes, certificate, .. }) = self.held.remove(height)
            else {
                break;
            };
            let next = runtime::parse_digest(&header).map(|digested| digested.next_validators);
            self.deciders = (next == Ok(deciders.members)).then(|| deciders.clone());
            self.frontier = Link { height: *height, hash };
            let bytes = bytes.len();
            self.importing.insert(*height, Importing { certificate: certificate.clone(), bytes });
            blocks.push(Final { block: Block { header, body }, hash, certificate });
        }
        if !blocks.is_empty() {
            out.push(Output::Import(blocks));
        }
        if let Some(height) = wrong {
            self.punish_sender(height, PeerFault::WrongBody(height), out);
        }
    }

    /// The block at this height is wrong.
    fn punish_sender(&mut self, height: Height, fault: PeerFault, out: &mut Vec<Output<P>>) {
        let Some(peer) = self.held.get(&height).map(|held| held.peer) else { return };
        self.punish(peer, fault, out);
    }

    /// All that a liar sent goes: it would be found out again with each of its answers, and nothing is gained by waiting
    /// for that.
    fn punish(&mut self, peer: P, fault: PeerFault, out: &mut Vec<Output<P>>) {
        let bytes_held = &mut self.bytes_held;
        self.held.retain(|_, held| {
            let stays = held.peer != peer;
            if !stays {
                *bytes_held -= held.bytes.len();
            }
            stays
        });
        if self.peers.banish(&peer) {
            out.push(Output::Punish { peer, fault });
        }
    }

    fn alarm(&mut self, alarm: Alarm, out: &mut Vec<Output<P>>) {
        self.stopped = true;
        out.push(Output::Alarm(alarm));
    }
}

/// The blocks of a response, which are those that were asked for, in order, each the parent of the next.
fn read_response<P: Copy>(
    peer: P,
    asked: &InFlight,
    bytes: &[u8],
) -> Result<Vec<(Height, Held<P>)>, PeerFault> {
    let entries = decode_response(bytes)?;
    let InFlight { request: Request { from, count }, .. } = *asked;
    if entries.len() > usize::try_from(count).unwrap_or(usize::MAX) {
        return Err(PeerFault::TooMany { found: entries.len(), asked: count });
    }
    let mut blocks: Vec<(Height, Held<P>)> = Vec::with_capacity(entries.len());
    for (entry, height) in entries.into_iter().zip(from..) {
        let held = read_entry(height, entry, peer)?;
        if blocks.last().is_some_and(|(_, last)| last.hash != held.header.parent_hash) {
            return Err(PeerFault::BrokenLink(height));
        }
        blocks.push((height, held));
    }
    Ok(blocks)
}

fn read_entry<P>(
    height: Height,
    (bytes, certificate): Entry,
    peer: P,
) -> Result<Held<P>, PeerFault> {
    let start = bytes.get(..HEADER_BYTES_MAX).unwrap_or(&bytes);
    let mut rest = start;
    let header = Header::decode(&mut rest).ok().filter(|header| header.number == height);
    let header = header.ok_or(PeerFault::BadHeader(height))?;
    if certificate.height != height {
        return Err(PeerFault::WrongHeight { height, found: certificate.height });
    }
    let (hash, body_at) = (header.hash(), start.len() - rest.len());
    Ok(Held { hash, header, bytes, body_at, certificate, peer })
}

/// The body, if it is the one that the header commits to.
fn read_body<P>(held: &Held<P>) -> Option<Vec<OpaqueTransaction>> {
    let bytes = held.bytes.get(held.body_at..)?;
    let count = codec::Compact::<u32>::decode(&mut &bytes[..]).ok()?.0;
    if usize::try_from(count).ok()? > bytes.len() / TRANSACTION_BYTES_MIN + 2 {
        return None;
    }
    let body = Vec::<OpaqueTransaction>::decode_all(&mut &bytes[..]).ok()?;
    (runtime::extrinsics_root(&body) == held.header.extrinsics_root).then_some(body)
}
