//! The sync task: knows how far peers are, fetches the final blocks that this node lacks, tells of new ones, and starts
//! consensus once this node is as far as the others.

use super::{
    chain::Refused,
    favours::{Change, Favours},
    guesses::Guesses,
    imports::{Done, Imports, Workers},
    recent::Recent,
    sets::Sets,
};
use crate::{
    asking::ask,
    signer::Signer,
    wire::{Announcement, PeerProof, Status},
};
use anyhow::{Result, bail};
use chain::{
    Head,
    sync::{self, Final, Input, Output, Sync, Tip, wire},
};
use codec::Encode;
use crossbeam_channel::Sender;
use network::{
    Gossip, Handle, PeerEvent, PeerFault, PeerId, Protocol, Request, RequestError, Topic, Verdict,
};
use pallets::session;
use primitives::{AccountId, Certificate, Hash, Height, check_certificate};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    sync::{mpsc, watch},
    task::{JoinSet, block_in_place},
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

/// Most hints that wait; more say nothing new.
pub const HINTS_MAX: usize = 64;
/// How long a question waits for this node's own limits: then the core has asked somebody else.
const PATIENCE: Duration = Duration::from_millis(sync::REQUEST_TIMEOUT_MS);
/// How often time passes for the core.
const TICK: Duration = Duration::from_millis(50);
/// How often peers are asked how far they are, besides what they tell by themselves.
const STATUS_EVERY: Duration = Duration::from_secs(20);
/// How long a validator waits for others before it begins without having seen any.
const LONELY_WAIT: Duration = Duration::from_secs(3);
/// How long a validator that is behind may get nowhere before it begins all the same.
const STUCK_WAIT: Duration = Duration::from_secs(15);
/// How long a validator that decides blocks itself waits for its own certificate before it takes another's.
const OWN_WAIT: Duration = Duration::from_millis(1_500);
/// How long those who did not make a block wait for its author to tell of it.
const AUTHOR_WAIT: Duration = Duration::from_millis(150);
/// How long a validator waits before it asks its signer again for proof that it runs this node.
const PROVE_EVERY: Duration = Duration::from_secs(2);
/// Most certificates of one height that are passed on: different votes make different ones.
const PASSED_PER_HEIGHT_MAX: u32 = 2;
/// Most certificates that wait to be told to the core.
const LATER_MAX: usize = 256;

/// That final blocks exist which this node does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hint {
    /// Who has them, or knows who does.
    pub peer: Option<PeerId>,
    /// Height of the highest.
    pub height: Height,
}

/// How far this node is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Its height when it began.
    pub starting: Height,
    /// The highest block that peers have.
    pub highest: Height,
    /// Whether it fetches blocks.
    pub is_syncing: bool,
    /// Whether it has found out how far the others are.
    pub is_settled: bool,
    /// The newest block of each peer, as far as it told.
    pub tips: BTreeMap<PeerId, (Height, Hash)>,
}

/// Consensus of a validator, to be started.
pub struct Starter {
    /// Where the start goes.
    pub inbox: Sender<consensus::Input>,
    /// Who this validator is.
    pub account: AccountId,
    /// Proves it to peers.
    pub signer: Signer,
}

/// What the task works with.
pub struct Shell {
    /// The chain.
    pub genesis: Hash,
    /// The network.
    pub network: Handle,
    /// Who comes and goes.
    pub events: mpsc::Receiver<PeerEvent>,
    /// Certificates of new blocks.
    pub announced: mpsc::Receiver<Gossip>,
    /// Who asks how far this node is.
    pub asked: mpsc::Receiver<Request>,
    /// That this node is behind.
    pub hints: mpsc::Receiver<Hint>,
    /// The last final block.
    pub heads: watch::Receiver<Head>,
    /// Those who import blocks.
    pub workers: Workers,
    /// Proposed blocks, which a certificate makes final.
    pub recent: Recent,
    /// Consensus, if there is one here.
    pub consensus: Option<Starter>,
    /// Who wants to know how far this node is.
    pub progress: watch::Sender<Progress>,
}

type Answered = (PeerId, sync::RequestId, Result<Vec<u8>, RequestError>);
type Told = (PeerId, Result<Vec<u8>, RequestError>);

/// What the task remembers.
struct State {
    start: Instant,
    core: Sync<PeerId>,
    sets: Sets,
    /// What is spent on what nobody can be blamed for.
    guesses: Guesses,
    /// Who is connected, and who of them is favoured.
    favours: Favours,
    progress: sync::Progress,
    moved: Instant,
    /// Whether consensus decides blocks here.
    decides: bool,
    /// Height of the last block that was taken note of.
    noted: Height,
    /// Final blocks on their way into the chain.
    imports: Imports,
    /// Whether consensus has to hear of blocks that it did not decide itself.
    restart: bool,
    /// That a validator runs this node, and the key that proves it.
    proof: Option<([u8; 32], PeerProof)>,
    /// The proof under way, with a new key.
    proving: JoinSet<Option<([u8; 32], PeerProof)>>,
    /// When a proof was asked for.
    proved: Option<Instant>,
    /// Certificates of each height that were passed on.
    passed: BTreeMap<Height, u32>,
    /// What the core hears of a little later.
    later: VecDeque<(Instant, PeerId, wire::Status)>,
    /// A new block that this node may have to tell of.
    untold: Option<(Instant, Arc<Certificate>)>,
    requests: JoinSet<Answered>,
    statuses: JoinSet<Told>,
    outputs: Vec<Output<PeerId>>,
}

impl Shell {
    /// Runs until `stop` fires. An error means that this node must not go on.
    pub async fn run(mut self, stop: CancellationToken) -> Result<()> {
        let head = self.heads.borrow_and_update().clone();
        let mut state = State::new(self.genesis, &head);
        // Who came before this task began.
        for peer in &self.network.overview().borrow().peers {
            state.favours.connect(peer.id);
        }
        let starting = head.height;
        self.progress.send_modify(|progress| progress.starting = starting);
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut ask_all = interval(STATUS_EVERY);
        loop {
            self.advance(&mut state)?;
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                changed = self.heads.changed() => match changed {
                    Ok(()) => self.on_head(&mut state),
                    Err(_) => return Ok(()),
                },
                done = state.imports.next() => match done? {
                    Done::Verified(blocks) => state.imports.on_verified(blocks),
                    Done::Imported(Some(Ok(head))) => {
                        state.restart = true;
                        self.note(&head, &mut state);
                    }
                    Done::Imported(Some(Err(Refused { height, reason }))) => {
                        state.step(Input::Refused { height, why: reason });
                    }
                    // The chain has ended, and this node with it.
                    Done::Imported(None) => {}
                },
                Some(event) = self.events.recv() => self.on_event(event, &mut state),
                Some(gossip) = self.announced.recv() => self.on_announced(gossip, &mut state),
                Some(request) = self.asked.recv() => self.on_asked(request, &mut state),
                Some(hint) = self.hints.recv() => self.on_hint(hint, &mut state),
                Some(answered) = state.requests.join_next() => {
                    if let Ok((peer, id, result)) = answered {
                        let input = match result {
                            Ok(bytes) => Input::Response { peer, id, bytes },
                            Err(_) => Input::Failed { peer, id },
                        };
                        state.step(input);
                    }
                }
                Some(told) = state.statuses.join_next() => {
                    if let Ok((peer, Ok(bytes))) = told {
                        self.on_status(peer, &bytes, &mut state);
                    }
                }
                Some(proved) = state.proving.join_next() => {
                    if let Ok(Some(proved)) = proved {
                        state.proof = Some(proved);
                        // Peers hear of it with the next questions.
                        self.ask_all(&mut state);
                    }
                }
                _ = ask_all.tick() => self.ask_all(&mut state),
                _ = tick.tick() => state.step(Input::Tick),
            }
        }
    }

    /// Does what the core wants, and whatever else is due.
    fn advance(&self, state: &mut State) -> Result<()> {
        while let Some(index) = state.later.iter().position(|(at, ..)| *at <= Instant::now()) {
            let (_, peer, status) = state.later.remove(index).expect("found at this place");
            state.on_claim(peer, status);
        }
        for output in std::mem::take(&mut state.outputs) {
            match output {
                Output::Request { peer, id, request } => {
                    let network = self.network.clone();
                    state.requests.spawn(async move {
                        let bytes = request.encode();
                        (peer, id, ask(&network, peer, Protocol::Blocks, bytes, PATIENCE).await)
                    });
                }
                Output::Import(blocks) => state.imports.add(blocks),
                Output::Punish { peer, fault } => {
                    tracing::warn!(%peer, %fault, "a peer sent what no honest one does");
                    // It is never asked again, so this is all that it is ever judged by.
                    self.network.report(peer, PeerFault::Fraud);
                }
                Output::Progress(progress) => state.progress = progress,
                Output::Alarm(alarm) => bail!(alarm),
            }
        }
        // Nothing is fetched most of the time, while this is asked several times for each block.
        if !state.imports.is_empty() {
            let head = self.heads.borrow().clone();
            state.imports.go_on(&head, &self.workers, state.decides);
        }
        self.start_consensus(state);
        self.tell_late(state);
        self.prove(state);
        let height = self.heads.borrow().height;
        let behind = match state.progress {
            sync::Progress::Behind { blocks } => blocks,
            sync::Progress::Alone | sync::Progress::Synced => 0,
        };
        let is_settled = state.progress != sync::Progress::Alone || state.decides;
        self.progress.send_if_modified(|progress| {
            let now = (height.saturating_add(behind), behind > 1, is_settled);
            let before = (progress.highest, progress.is_syncing, progress.is_settled);
            (progress.highest, progress.is_syncing, progress.is_settled) = now;
            now != before
        });
        Ok(())
    }

    /// Starts consensus once this node is as far as the others, or nobody else is there; and again above blocks that came
    /// from others.
    fn start_consensus(&self, state: &mut State) {
        let Some(Starter { inbox, account, .. }) = &self.consensus else { return };
        let ready = match state.decides {
            true => state.restart,
            false => state.imports.is_chain_idle() && is_ready(state, account),
        };
        if !ready {
            return;
        }
        let head = self.heads.borrow().clone();
        let height = head.next_height();
        let start = consensus::Input::Start {
            height,
            validators: runtime::validator_set(&head.snapshot),
            parent: head.hash,
            certificate: head.certificate.as_deref().cloned(),
            has_signed: session::has_signed(&head.snapshot, account),
        };
        // A full inbox has room again at the next tick.
        if inbox.try_send(start).is_ok() {
            if !state.decides {
                tracing::info!(height, "taking part in consensus");
            }
            (state.decides, state.restart) = (true, false);
        }
    }

    /// Gets a proof that the validator runs this node, by the key that its height's validators know.
    fn prove(&self, state: &mut State) {
        let Some(Starter { account, signer, .. }) = &self.consensus else { return };
        let Some(key) = state.sets.current().and_then(|set| Some(set.get(account)?.vote_key))
        else {
            return;
        };
        let has_it = state.proof.as_ref().is_some_and(|(with, _)| *with == key);
        let waits = state.proved.is_some_and(|at| at.elapsed() < PROVE_EVERY);
        if has_it || waits || !state.proving.is_empty() {
            return;
        }
        state.proved = Some(Instant::now());
        let (signer, account, peer) =
            (signer.clone(), *account, self.network.local_peer().to_bytes());
        state.proving.spawn_blocking(move || {
            let signature = signer.prove_peer(&key, &peer)?;
            Some((key, PeerProof { account, signature }))
        });
    }

    /// A block is final, here. Those that come fast are heard of by their imports, each in its turn, and only then by the
    /// head.
    fn note(&self, head: &Head, state: &mut State) {
        if head.height <= state.noted {
            return;
        }
        state.noted = head.height;
        state.sets.on_head(head);
        state.moved = Instant::now();
        state.passed = state.passed.split_off(&head.height);
        let validators = runtime::validator_set(&head.snapshot);
        self.favour(state.favours.on_validators(&validators));
        state.step(Input::Imported(Tip { height: head.height, hash: head.hash, validators }));
    }

    fn on_head(&mut self, state: &mut State) {
        let head = self.heads.borrow_and_update().clone();
        if state.imports.is_chain_idle() {
            self.note(&head, state);
        }
        if let (Some(Starter { account, .. }), Some(certificate)) =
            (&self.consensus, &head.certificate)
            && state.decides
        {
            let is_mine = runtime::parse_digest(&head.header)
                .is_ok_and(|digested| digested.author == *account);
            let wait = if is_mine { Duration::ZERO } else { AUTHOR_WAIT };
            state.untold = Some((Instant::now() + wait, certificate.clone()));
            self.tell_late(state);
        }
    }

    /// Tells of a new block, unless somebody did.
    fn tell_late(&self, state: &mut State) {
        let Some((_, certificate)) = state.untold.take_if(|(at, _)| *at <= Instant::now()) else {
            return;
        };
        let told = state.passed.entry(certificate.height).or_default();
        if *told == 0 {
            *told += 1;
            let announcement = Announcement { certificate: (*certificate).clone() };
            // Peers also ask.
            self.network.publish(Topic::Heads, announcement.encode());
        }
    }

    fn on_announced(&self, gossip: Gossip, state: &mut State) {
        let Gossip { peer, bytes, receipt } = gossip;
        let verdict = match Announcement::from_bytes(&bytes) {
            Ok(certificate) => self.on_certificate(peer, certificate, state),
            Err(_) => Verdict::Reject,
        };
        self.network.judge(Topic::Heads, receipt, verdict);
    }

    fn on_certificate(&self, peer: PeerId, certificate: Certificate, state: &mut State) -> Verdict {
        let (height, block) = (certificate.height, certificate.block);
        let next = state.sets.next();
        let Some(validators) = state.sets.at(height) else { return Verdict::Ignore };
        if state.passed.get(&height).is_some_and(|passed| *passed >= PASSED_PER_HEIGHT_MAX) {
            return Verdict::Ignore;
        }
        if height > next && !state.guesses.may(Instant::now()) {
            return Verdict::Ignore;
        }
        let good =
            check_certificate(&certificate, &block, validators.source(), &self.genesis).is_ok();
        if !good {
            if height <= next {
                return Verdict::Reject;
            }
            state.guesses.waste(certificate.signatures.len());
            return Verdict::Ignore;
        }
        *state.passed.entry(height).or_default() += 1;
        let status = wire::Status { height, hash: block };
        if height < next {
            // Whether it is another block than ours, the core finds out.
            state.on_claim(peer, status);
        } else if state.decides && height == next {
            if state.later.len() < LATER_MAX {
                state.later.push_back((Instant::now() + OWN_WAIT, peer, status));
            }
        } else {
            if height == next
                && state.imports.is_empty()
                && let Some(whole) = self.recent.get(&block)
            {
                let block = (*whole.block).clone();
                state.imports.add_known(Final { block, hash: whole.hash, certificate });
                state.later.push_back((Instant::now() + OWN_WAIT, peer, status));
            } else {
                state.on_claim(peer, status);
            }
        }
        Verdict::Accept
    }

    fn on_event(&self, event: PeerEvent, state: &mut State) {
        match event {
            PeerEvent::Connected(info) => {
                state.favours.connect(info.id);
                self.ask_status(info.id, state);
            }
            PeerEvent::Disconnected(peer) => {
                state.favours.disconnect(&peer);
                self.progress.send_modify(|progress| {
                    progress.tips.remove(&peer);
                });
                state.step(Input::Gone { peer });
            }
        }
    }

    fn on_asked(&self, request: Request, state: &mut State) {
        let Request { peer, bytes, answer } = request;
        self.on_status(peer, &bytes, state);
        let _ = answer.send(self.status(state).encode());
    }

    fn on_status(&self, peer: PeerId, bytes: &[u8], state: &mut State) {
        let Ok(Status { height, hash, validator }) = Status::from_bytes(bytes) else {
            return self.network.report(peer, PeerFault::Malformed);
        };
        if !state.favours.is_connected(&peer) {
            // Once it says who it is, it is asked.
            return;
        }
        if let Some(proof) = validator {
            self.favour(state.favours.on_proof(peer, proof, state.sets.current()));
        }
        self.progress.send_modify(|progress| {
            progress.tips.insert(peer, (height, hash));
        });
        state.on_claim(peer, wire::Status { height, hash });
    }

    fn favour(&self, changes: Vec<Change>) {
        for (peer, favoured) in changes {
            self.network.favour(peer, favoured);
        }
    }

    fn on_hint(&self, hint: Hint, state: &mut State) {
        state.step(Input::Exists { height: hint.height });
        if let Some(peer) = hint.peer {
            self.ask_status(peer, state);
        }
    }

    fn ask_all(&self, state: &mut State) {
        let peers: Vec<PeerId> =
            self.network.overview().borrow().peers.iter().map(|info| info.id).collect();
        for peer in peers {
            self.ask_status(peer, state);
        }
    }

    fn ask_status(&self, peer: PeerId, state: &mut State) {
        if state.statuses.len() >= HINTS_MAX {
            return;
        }
        let (network, bytes) = (self.network.clone(), self.status(state).encode());
        state
            .statuses
            .spawn(async move { (peer, network.ask(peer, Protocol::Status, bytes).await) });
    }

    fn status(&self, state: &State) -> Status {
        let head = self.heads.borrow();
        let validator = state.proof.as_ref().map(|(_, proof)| proof.clone());
        Status { height: head.height, hash: head.hash, validator }
    }
}

/// Whether a validator may begin to decide.
fn is_ready(state: &State, account: &AccountId) -> bool {
    let validators = state.sets.current().map(|set| &set.validators[..]);
    match state.progress {
        _ if matches!(validators, Some([only]) if only.account == *account) => true,
        sync::Progress::Alone => state.start.elapsed() >= LONELY_WAIT,
        sync::Progress::Synced => state.imports.is_empty(),
        sync::Progress::Behind { .. } => state.moved.elapsed() >= STUCK_WAIT,
    }
}

impl State {
    fn new(genesis: Hash, head: &Head) -> Self {
        let now = Instant::now();
        let validators = runtime::validator_set(&head.snapshot);
        let favours = Favours::new(genesis, &validators);
        let tip = Tip { height: head.height, hash: head.hash, validators };
        Self {
            start: now,
            // What comes another way is waited for here, as it depends on who decides.
            core: Sync::new(genesis, tip, 0),
            sets: Sets::new(head),
            guesses: Guesses::new(now),
            favours,
            progress: sync::Progress::Alone,
            moved: now,
            decides: false,
            noted: head.height,
            imports: Imports::above(head.height),
            restart: false,
            proof: None,
            proving: JoinSet::new(),
            proved: None,
            passed: BTreeMap::new(),
            later: VecDeque::new(),
            untold: None,
            requests: JoinSet::new(),
            statuses: JoinSet::new(),
            outputs: Vec::new(),
        }
    }

    /// What a peer has, as it says. Of one whose end nobody would tell, nothing is kept.
    fn on_claim(&mut self, peer: PeerId, status: wire::Status) {
        if self.favours.is_connected(&peer) {
            self.step(Input::Status { peer, status });
        }
    }

    fn step(&mut self, input: Input<PeerId>) {
        let now = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        let (core, outputs) = (&mut self.core, &mut self.outputs);
        match input {
            // Certificates of many blocks are verified at once.
            Input::Response { .. } => block_in_place(|| core.step(now, input, outputs)),
            input => core.step(now, input, outputs),
        }
    }
}
