//! The gossip task: what this node's consensus says goes to everybody, and what the other validators say comes to it, with
//! the blocks that they propose.

use super::{
    bodies,
    chain::Command,
    guesses::Guesses,
    recent::{Recent, Whole},
    sets::Sets,
    sync::Hint,
};
use crate::wire::{BodyRequest, Numbers, Proposed, Said};
use chain::{Head, Verifier};
use codec::{Decode, Encode};
use consensus::{Body, Message, SignedProposal, is_in_turn};
use crossbeam_channel::Sender;
use network::{Gossip, Handle, PeerId, Request, Role, Topic, Verdict};
use primitives::{Block, Hash, Height, crypto::hash::blake2_256};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::sleep,
};
use tokio_util::sync::CancellationToken;

/// Most outputs of consensus that wait to be told.
pub const TOLD_MAX: usize = 1_024;
/// Most messages of peers that wait for consensus; more are dropped, as validators repeat themselves.
pub const HEARD_MAX: usize = 4_096;
/// How long after its proposal a block may come by itself.
const BODY_WAIT: Duration = Duration::from_millis(100);
/// A message is not passed on more often.
const REPEAT_MIN: Duration = Duration::from_secs(1);
/// Most messages whose passing on is remembered.
const PASSED_MAX: usize = 65_536;
/// Most blocks that are being put together or asked for.
const WORK_MAX: usize = 16;
/// Most peers that are remembered to have a block.
const SOURCES_MAX: usize = 8;
/// Most blocks whose sources are remembered.
const SOURCED_MAX: usize = 64;

/// What consensus wants told, or known.
pub enum Told {
    /// Tell all validators.
    Broadcast(Message),
    /// A proposal came, its block did not.
    Want {
        /// The block.
        block: Hash,
    },
    /// A validator is at this height, above ours.
    Behind {
        /// Where it is.
        height: Height,
    },
}

/// What the task works with.
pub struct Shell {
    /// The chain.
    pub genesis: Hash,
    /// The network.
    pub network: Handle,
    /// Numbers what is told.
    pub numbers: Arc<Numbers>,
    /// Votes and the like.
    pub votes: mpsc::Receiver<Gossip>,
    /// Proposed blocks.
    pub proposals: mpsc::Receiver<Gossip>,
    /// Questions about them.
    pub requests: mpsc::Receiver<Request>,
    /// From consensus.
    pub told: mpsc::Receiver<Told>,
    /// To consensus, if this node has one.
    pub consensus: Option<Sender<Message>>,
    /// To the chain, which executes proposed blocks ahead where there is no consensus.
    pub chain: Sender<Command>,
    /// The last final block.
    pub heads: watch::Receiver<Head>,
    /// Knows the transactions that wait.
    pub verifier: Verifier,
    /// Proposed blocks.
    pub recent: Recent,
    /// To who fetches final blocks.
    pub hints: mpsc::Sender<Hint>,
}

impl Shell {
    /// Runs until `stop` fires.
    pub async fn run(mut self, stop: CancellationToken) -> anyhow::Result<()> {
        let mut state = State::new(&self.heads.borrow_and_update());
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                told = self.told.recv(), if !self.told.is_closed() => {
                    if let Some(told) = told { self.on_told(told, &mut state); }
                }
                changed = self.heads.changed() => match changed {
                    Ok(()) => state.on_head(&self.heads.borrow_and_update()),
                    Err(_) => return Ok(()),
                },
                Some(gossip) = self.votes.recv() => self.on_vote(gossip, &mut state),
                Some(gossip) = self.proposals.recv() => self.on_proposed(gossip, &mut state),
                Some(done) = state.work.join_next() => {
                    // A task that was cancelled or panicked leaves the block to be asked for again.
                    if let Ok(done) = done { self.on_done(done, &mut state); }
                }
                Some(request) = self.requests.recv() => self.on_request(request),
                else => return Ok(()),
            }
        }
    }

    fn on_told(&self, told: Told, state: &mut State) {
        match told {
            Told::Broadcast(Message::Body(body)) => {
                let hash = body.block;
                // One that was built before a restart comes out of consensus' memory alone.
                if self.recent.get(&hash).is_none() {
                    let Ok(block) = Block::decode(&mut &body.bytes[..]) else { return };
                    self.recent.put(Whole { hash, block: Arc::new(block), bytes: body.bytes });
                }
                if let Some(proposal) = state.waiting.take_if(|p| p.proposal.block == hash) {
                    self.propose(proposal, state);
                }
            }
            Told::Broadcast(Message::Proposal(proposal)) => self.propose(proposal, state),
            Told::Broadcast(message) => {
                let said = Said { number: self.numbers.next(), message };
                self.publish(Topic::Consensus, said.encode());
            }
            Told::Want { block } => {
                if self.recent.get(&block).is_none() && state.begin(block) {
                    let (network, recent) = (self.network.clone(), self.recent.clone());
                    let peers = state.sources_of(&block, &network);
                    state.work.spawn(async move {
                        sleep(BODY_WAIT).await;
                        match recent.get(&block) {
                            Some(_) => Done { block, round: 0, whole: None },
                            None => {
                                let whole = bodies::pull(&network, block, peers).await;
                                Done { block, round: 0, whole }
                            }
                        }
                    });
                }
            }
            Told::Behind { height } => {
                let height = height.saturating_sub(1);
                let _ = self.hints.try_send(Hint { peer: None, height });
            }
        }
    }

    /// Tells everybody a proposal with its block, once both are known.
    fn propose(&self, proposal: SignedProposal, state: &mut State) {
        match self.recent.get(&proposal.proposal.block) {
            Some(whole) => {
                let proposed = Proposed::new(self.numbers.next(), proposal, &whole.block);
                self.publish(Topic::Bodies, proposed.encode());
            }
            None => state.waiting = Some(proposal),
        }
    }

    /// What is dropped here is repeated by consensus after a while.
    fn publish(&self, topic: Topic, bytes: Vec<u8>) {
        if !self.network.publish(topic, bytes) {
            tracing::warn!(?topic, "the network is too busy for a message of consensus");
        }
    }

    fn on_vote(&self, gossip: Gossip, state: &mut State) {
        let Gossip { peer, bytes, receipt } = gossip;
        let verdict = match Said::from_bytes(&bytes) {
            Ok(message) => {
                let verdict = state.judge_news(&message, &self.genesis);
                if verdict == Verdict::Accept {
                    state.note_source(&message, peer);
                    self.hear(peer, message, state);
                }
                verdict
            }
            Err(_) => Verdict::Reject,
        };
        self.network.judge(Topic::Consensus, receipt, verdict);
    }

    fn on_proposed(&self, gossip: Gossip, state: &mut State) {
        let Gossip { peer, bytes, receipt } = gossip;
        let Ok(proposed) = Proposed::from_bytes(&bytes) else {
            return self.network.judge(Topic::Bodies, receipt, Verdict::Reject);
        };
        let message = Message::Proposal(proposed.proposal.clone());
        let verdict = state.judge(&message, &self.genesis);
        if verdict != Verdict::Accept {
            return self.network.judge(Topic::Bodies, receipt, verdict);
        }
        state.note_source(&message, peer);
        let SignedProposal { proposal, .. } = &proposed.proposal;
        let (block, round) = (proposal.block, proposal.round);
        let is_news = state.is_news(&message);
        if is_news {
            self.hear(peer, message, state);
        }
        match self.recent.get(&block) {
            Some(whole) => {
                let verdict = match proposed.is_of(&whole.block) {
                    false => Verdict::Reject,
                    true if is_news => Verdict::Accept,
                    true => Verdict::Ignore,
                };
                self.network.judge(Topic::Bodies, receipt, verdict);
                self.give(round, &whole);
            }
            None if state.begin(block) => {
                let (network, verifier) = (self.network.clone(), self.verifier.clone());
                let peers = state.sources_of(&block, &network);
                state.work.spawn(async move {
                    let whole = bodies::assemble(&network, &verifier, proposed, peer).await;
                    // What the proposer signed does not cover the hashes: they count once they make up the block.
                    let verdict = match &whole {
                        Ok(_) => Verdict::Accept,
                        Err(bodies::Unmade::Missing) => Verdict::Ignore,
                        Err(bodies::Unmade::Wrong) => Verdict::Reject,
                    };
                    network.judge(Topic::Bodies, receipt, verdict);
                    let whole = match whole {
                        Ok(whole) => Some(whole),
                        Err(_) => bodies::pull(&network, block, peers).await,
                    };
                    Done { block, round, whole }
                });
            }
            None => self.network.judge(Topic::Bodies, receipt, Verdict::Ignore),
        }
    }

    /// Passes a good message on to consensus.
    fn hear(&self, peer: PeerId, message: Message, state: &State) {
        let height = message.height();
        if height > state.sets.next() {
            let _ = self.hints.try_send(Hint { peer: Some(peer), height: height - 1 });
        }
        if let Some(consensus) = &self.consensus
            && consensus.try_send(message).is_err()
        {
            tracing::warn!(height, "consensus is too busy for a message of a peer");
        }
    }

    fn on_done(&self, done: Done, state: &mut State) {
        state.busy.remove(&done.block);
        if let Some(whole) = done.whole {
            self.recent.put(whole.clone());
            self.give(done.round, &whole);
        }
    }

    /// Lets consensus, or the chain itself, look at a block.
    fn give(&self, round: u32, whole: &Whole) {
        let Whole { hash, bytes, .. } = whole;
        match &self.consensus {
            Some(consensus) => {
                let (height, bytes) = (whole.height(), bytes.clone());
                let body = Body { height, round, block: *hash, bytes };
                // It asks again for what it does not get.
                let _ = consensus.try_send(Message::Body(body));
            }
            None => {
                // The block is executed when it is final, if not ahead.
                let _ = self.chain.try_send(Command::Prepare { block: whole.block.clone() });
            }
        }
    }

    fn on_request(&self, request: Request) {
        let Request { peer, bytes, answer } = request;
        let Ok(asked) = BodyRequest::from_bytes(&bytes) else {
            return self.network.report(peer, network::PeerFault::Malformed);
        };
        let (BodyRequest::Block(block) | BodyRequest::Transactions { block, .. }) = asked;
        let whole = self.recent.get(&block);
        let bytes = whole.and_then(|whole| bodies::answer(&asked, &whole));
        if let Some(bytes) = bytes {
            // Who asked may have gone.
            let _ = answer.send(bytes);
        }
    }
}

/// How the work on a block ended.
struct Done {
    block: Hash,
    round: u32,
    whole: Option<Whole>,
}

/// What the task remembers.
struct State {
    sets: Sets,
    /// What is spent on what nobody can be blamed for.
    guesses: Guesses,
    /// A proposal of this node whose block is not known yet.
    waiting: Option<SignedProposal>,
    /// When a message was last passed on, by the hash of its content.
    passed: HashMap<Hash, Instant>,
    /// Who has which proposed block.
    sources: HashMap<Hash, Vec<PeerId>>,
    /// Blocks that are being worked on.
    busy: HashSet<Hash>,
    work: JoinSet<Done>,
}

impl State {
    fn new(head: &Head) -> Self {
        Self {
            sets: Sets::new(head),
            guesses: Guesses::new(Instant::now()),
            waiting: None,
            passed: HashMap::new(),
            sources: HashMap::new(),
            busy: HashSet::new(),
            work: JoinSet::new(),
        }
    }

    fn on_head(&mut self, head: &Head) {
        self.sets.on_head(head);
        self.sources.clear();
        self.passed.retain(|_, at| at.elapsed() < REPEAT_MIN);
    }

    /// Whether the message was not passed on a moment ago: the number that makes a repeated one pass is not signed.
    fn is_news(&mut self, message: &Message) -> bool {
        if self.passed.len() >= PASSED_MAX {
            self.passed.clear();
        }
        let now = Instant::now();
        let before = self.passed.insert(blake2_256(&message.encode()), now);
        before.is_none_or(|before| now - before >= REPEAT_MIN)
    }

    /// Whether a message should go on that may be one of a moment ago: such are known before their signatures are looked at
    /// again, however often somebody repeats them.
    fn judge_news(&mut self, message: &Message, genesis: &Hash) -> Verdict {
        let passed = self.passed.get(&blake2_256(&message.encode()));
        if passed.is_some_and(|at| at.elapsed() < REPEAT_MIN) {
            return Verdict::Ignore;
        }
        let verdict = self.judge(message, genesis);
        if verdict == Verdict::Accept && !self.is_news(message) {
            return Verdict::Ignore;
        }
        verdict
    }

    /// Whether a message should go on: to others, and to consensus.
    fn judge(&mut self, message: &Message, genesis: &Hash) -> Verdict {
        let (height, now) = (message.height(), Instant::now());
        let (next, validators) = (self.sets.next(), self.sets.at(height));
        let Some(validators) = validators else { return Verdict::Ignore };
        if height > next && !self.guesses.may(now) {
            return Verdict::Ignore;
        }
        if message.verify(validators, genesis).is_err() {
            if height <= next {
                return Verdict::Reject;
            }
            self.guesses.waste(signatures_of(message));
            return Verdict::Ignore;
        }
        match message {
            Message::Proposal(signed)
                if height <= next && !is_in_turn(&signed.proposal, validators) =>
            {
                Verdict::Reject
            }
            _ => Verdict::Accept,
        }
    }

    /// Who passes on a proposal or a vote for a block is likely to have the block.
    fn note_source(&mut self, message: &Message, peer: PeerId) {
        let block = match message {
            Message::Proposal(signed) => Some(signed.proposal.block),
            Message::Vote(signed) => signed.vote.block,
            _ => None,
        };
        let Some(block) = block else { return };
        if self.sources.len() >= SOURCED_MAX && !self.sources.contains_key(&block) {
            return;
        }
        let peers = self.sources.entry(block).or_default();
        if peers.len() < SOURCES_MAX && !peers.contains(&peer) {
            peers.push(peer);
        }
    }

    /// Who may have a block: those who spoke of it, then validators.
    fn sources_of(&self, block: &Hash, network: &Handle) -> Vec<PeerId> {
        let mut peers = self.sources.get(block).cloned().unwrap_or_default();
        for info in &network.overview().borrow().peers {
            if info.role == Some(Role::Validator) && !peers.contains(&info.id) {
                peers.push(info.id);
            }
        }
        peers
    }

    /// Whether work on this block may begin; it is not begun twice.
    fn begin(&mut self, block: Hash) -> bool {
        self.busy.len() < WORK_MAX && self.busy.insert(block)
    }
}

/// How many signatures a message has.
fn signatures_of(message: &Message) -> usize {
    match message {
        Message::Polka(polka) => polka.signatures.len(),
        Message::Round(round) => round.votes.len(),
        Message::Decided(decided) => decided.certificate.signatures.len(),
        Message::Vote(_) | Message::Proposal(_) | Message::Body(_) => 1,
    }
}
