//! Beginning a chain with the state after a late block, which comes from peers of whom none is trusted.

use super::clock::Clock;
use crate::asking::ask;
use anyhow::{Context, Result, bail};
use chain::{
    Chain, Config,
    snapshot_sync::{
        ANSWER_TIMEOUT_MS, Fault, Input, Now, Output, RequestId, SnapshotSync, Status,
    },
};
use codec::Encode;
use network::{Handle, PeerEvent, PeerFault, PeerId, Protocol, RequestError};
use primitives::Hash;
use runtime::{Genesis, light::Checkpoint};
use std::time::{Duration, Instant};
use storage::{Database, Importer};
use tokio::{
    sync::mpsc,
    task::{JoinSet, block_in_place},
    time::{MissedTickBehavior, interval},
};

/// How often time passes for the core.
const TICK: Duration = Duration::from_millis(250);
/// How long a question waits for this node's own limits: then the core has asked somebody else.
const PATIENCE: Duration = Duration::from_millis(ANSWER_TIMEOUT_MS);
/// How often the progress is logged.
const TELL: Duration = Duration::from_secs(5);

/// What is needed to begin.
pub struct Begin<'a> {
    /// Where the chain goes.
    pub config: &'a Config,
    /// Its first state: what the genesis block is made from.
    pub genesis: &'a Genesis,
    /// Hash of the genesis block.
    pub genesis_hash: Hash,
    /// The block that the operator vouches for.
    pub checkpoint: Checkpoint,
    /// Tells how old the block is.
    pub clock: Clock,
    /// The network.
    pub network: &'a Handle,
    /// Who comes and goes.
    pub events: &'a mut mpsc::Receiver<PeerEvent>,
}

type Answered = (RequestId, Result<Vec<u8>, RequestError>);

impl Begin<'_> {
    /// Fetches a state and begins the chain with it. A database that has a chain already is left alone. What was fetched
    /// before an interruption is not fetched again.
    ///
    /// # Errors
    ///
    /// If the operator's block is too old, or the database fails.
    pub async fn run(self) -> Result<()> {
        let database = Database::open(&self.config.path, &self.config.storage)?;
        if database.head()?.is_some() {
            tracing::info!("the chain has begun already: the trusted block is not needed");
            return Ok(());
        }
        let begun = database.unfinished_import()?;
        let (height, hash) = (self.checkpoint.height, self.checkpoint.hash);
        tracing::info!(height, %hash, "looking for a state to begin with, from the trusted block on");
        let mut core = SnapshotSync::new(self.genesis_hash, self.checkpoint, begun);
        let mut importer: Option<Importer> = None;
        let (start, mut told) = (Instant::now(), Instant::now());
        let mut asking: JoinSet<Answered> = JoinSet::new();
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let connected: Vec<_> =
            self.network.overview().borrow().peers.iter().map(|peer| peer.id).collect();
        let mut inputs: Vec<Input<PeerId>> = connected.into_iter().map(Input::PeerFound).collect();
        loop {
            let mut outputs = Vec::new();
            for input in inputs.drain(..) {
                // Chunks are verified here.
                block_in_place(|| core.step(now(start, self.clock), input, &mut outputs));
            }
            for output in outputs {
                match output {
                    Output::Request { id, peer, request } => {
                        let (network, bytes) = (self.network.clone(), request.encode());
                        asking.spawn(async move {
                            (id, ask(&network, peer, Protocol::State, bytes, PATIENCE).await)
                        });
                    }
                    Output::Open(target) => {
                        // The one before holds the database's note of what is imported.
                        drop(importer.take());
                        let opened = block_in_place(|| Importer::open(database.clone(), target))?;
                        let (block, missing) = (target.block, opened.missing());
                        importer = Some(opened);
                        inputs.push(Input::Opened { block, missing });
                    }
                    Output::Put(chunk) => {
                        let importer = importer.as_mut().context("chunks follow a target")?;
                        block_in_place(|| importer.put(&chunk))?;
                        inputs.push(Input::Stored { block: importer.target().block });
                    }
                    Output::Finish { block, certificate } => {
                        let importer = importer.take().context("it was imported")?;
                        let max = self.config.verified_max;
                        block_in_place(|| {
                            Chain::begin_with(importer, self.genesis, &block, &certificate, max)
                        })?;
                        let elapsed_ms = start.elapsed().as_millis();
                        let height = block.header.number;
                        tracing::info!(
                            height,
                            elapsed_ms,
                            "the chain begins with the state after this block"
                        );
                        return Ok(());
                    }
                    Output::Punish { peer, fault } => {
                        tracing::warn!(%peer, %fault, "a peer is no help to begin with");
                        let fault = match fault {
                            Fault::Silent => PeerFault::Unhelpful,
                            Fault::Malformed(_) => PeerFault::Malformed,
                            _ => PeerFault::Fraud,
                        };
                        self.network.report(peer, fault);
                    }
                    Output::Stuck(why) => bail!(
                        "no state can be verified from the trusted block: {why}; give a newer one with \
                         --trusted, from a source that you trust"
                    ),
                }
            }
            if !inputs.is_empty() {
                continue;
            }
            if told.elapsed() >= TELL {
                told = Instant::now();
                tell(core.status());
            }
            inputs.push(tokio::select! {
                Some(event) = self.events.recv() => match event {
                    PeerEvent::Connected(info) => Input::PeerFound(info.id),
                    PeerEvent::Disconnected(peer) => Input::PeerGone(peer),
                },
                Some(Ok((id, answer))) = asking.join_next() => match answer {
                    Ok(bytes) => Input::Answered { id, bytes },
                    Err(_) => Input::Failed { id },
                },
                _ = tick.tick() => Input::Tick,
            });
        }
    }
}

fn now(start: Instant, clock: Clock) -> Now {
    let ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    Now { ms, unix_ms: clock.now_ms() }
}

fn tell(status: Status) {
    match status {
        Status::Seeking { height, peers } => {
            tracing::info!(height, peers, "looking for a state that peers serve");
        }
        Status::Fetching { height, stored, waiting, peers } => {
            tracing::info!(height, stored, waiting, peers, "fetching the state");
        }
        Status::Finished | Status::Stuck => {}
    }
}
