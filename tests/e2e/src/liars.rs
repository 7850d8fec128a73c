//! Peers that lie to whoever fetches a chain from them.

use crate::stranger::Stranger;
use anyhow::Result;
use chain::{
    snapshot_sync::{Answer, Request as StateRequest},
    sync::wire,
};
use codec::{Decode, Encode};
use network::{Handle, PeerId, Protocol, Role};
use node::wire::Status;
use primitives::{Block, Hash, Height};
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};
use tokio::{sync::oneshot, task::JoinHandle};

/// How far those who lie about blocks say to be.
const BOASTED: Height = 1_000_000;
/// Most questions that are left without an answer and without an end.
const KEPT_MAX: usize = 1_024;

/// How a peer lies. What it does not lie about it answers as an honest one does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lie {
    /// Its blocks have other bodies than their headers say.
    Bodies,
    /// Its certificates are not those of its blocks.
    Certificates,
    /// It sends other blocks than those that were asked for.
    Foreign,
    /// It never answers.
    Silence,
    /// Its answers end in the middle.
    Cut,
    /// What it sends is nothing.
    Noise,
    /// Its parts of a state have a wrong value.
    Chunks,
    /// Its proofs lead elsewhere.
    Proofs,
    /// It serves the states of blocks that do not exist.
    Roots,
    /// It says of every part of a state that it is too large.
    Halves,
}

impl Lie {
    /// About blocks, in the order in which few of them are taken.
    pub const ABOUT_BLOCKS: [Self; 6] =
        [Self::Bodies, Self::Certificates, Self::Foreign, Self::Silence, Self::Cut, Self::Noise];
    /// About states.
    pub const ABOUT_STATES: [Self; 5] =
        [Self::Chunks, Self::Proofs, Self::Roots, Self::Silence, Self::Halves];

    /// Whether it is about blocks and proved by what comes: a line may be bad, and then nothing comes of an honest peer either.
    pub fn is_provable_of_blocks(self) -> bool {
        self.is_about_blocks() && self != Self::Silence
    }

    fn is_about_blocks(self) -> bool {
        !matches!(self, Self::Chunks | Self::Proofs | Self::Roots | Self::Halves)
    }
}

/// A peer that lies until it is dropped.
pub struct Liar {
    /// How.
    pub how: Lie,
    /// Its identity.
    pub id: PeerId,
    /// The address at which it listens.
    pub address: String,
    lied_to: Arc<Mutex<BTreeSet<PeerId>>>,
    task: JoinHandle<()>,
}

impl Liar {
    /// Joins a network by one address; what it does not lie about it has from an honest peer there. Each has a number of its
    /// own, its identity.
    pub async fn join(
        bootnode: &str,
        genesis: Hash,
        honest: PeerId,
        how: Lie,
        number: u8,
    ) -> Result<Self> {
        let stranger = Stranger::join(bootnode, genesis, Role::Gateway, [number; 32]).await?;
        let id = stranger.network.local_peer();
        let listening = stranger.network.overview().borrow().listening.clone();
        let address = listening.first().map(ToString::to_string).unwrap_or_default();
        let lied_to = Arc::<Mutex<BTreeSet<PeerId>>>::default();
        let height = if how.is_about_blocks() { BOASTED } else { 0 };
        let status = Status { height, hash: Hash([7; 32]), validator: None };
        let work = lie(stranger, how, honest, status, lied_to.clone());
        Ok(Self { how, id, address, lied_to, task: tokio::spawn(work) })
    }

    /// Whether it has lied to this peer, or not answered it.
    pub fn has_lied_to(&self, peer: &PeerId) -> bool {
        self.lied_to.lock().expect("no holder panics").contains(peer)
    }
}

impl Drop for Liar {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Answers whoever asks.
async fn lie(
    mut stranger: Stranger,
    how: Lie,
    honest: PeerId,
    status: Status,
    lied_to: Arc<Mutex<BTreeSet<PeerId>>>,
) {
    let mut kept: Vec<oneshot::Sender<Vec<u8>>> = Vec::new();
    let Stranger { network, inbound, .. } = &mut stranger;
    let [asked, _, blocks, states, _] = &mut inbound.requests;
    loop {
        let (request, protocol) = tokio::select! {
            Some(request) = asked.recv() => {
                // Who asked may have gone, here and below.
                let _ = request.answer.send(status.encode());
                continue;
            }
            Some(request) = blocks.recv() => (request, Protocol::Blocks),
            Some(request) = states.recv() => (request, Protocol::State),
            else => return,
        };
        let (real, answer) = match protocol {
            Protocol::Blocks => about_blocks(network, honest, how, request.bytes).await,
            _ => about_states(network, honest, how, request.bytes).await,
        };
        if answer != real {
            lied_to.lock().expect("no holder panics").insert(request.peer);
        }
        match answer {
            Some(answer) => drop(request.answer.send(answer)),
            // Without an end nobody is told that there is no answer.
            None if kept.len() < KEPT_MAX => kept.push(request.answer),
            None => {}
        }
    }
}

/// What an honest peer answers, and what this one does.
type Answers = (Option<Vec<u8>>, Option<Vec<u8>>);

async fn about_blocks(network: &Handle, honest: PeerId, how: Lie, request: Vec<u8>) -> Answers {
    let mut wanted = request.clone();
    if how == Lie::Foreign
        && let Ok(request) = wire::Request::from_bytes(&request)
    {
        let from = if request.from > 1 { request.from - 1 } else { request.from + 1 };
        wanted = wire::Request { from, ..request }.encode();
    }
    let real = network.ask(honest, Protocol::Blocks, wanted).await.unwrap_or_default();
    let answer = match how {
        Lie::Silence => None,
        Lie::Noise => Some(vec![0xff; 1_000]),
        Lie::Cut => Some(real[..real.len() / 2].to_vec()),
        Lie::Foreign => return (None, Some(real)),
        Lie::Bodies | Lie::Certificates => Some(falsified(&real, how)),
        Lie::Chunks | Lie::Proofs | Lie::Roots | Lie::Halves => Some(real.clone()),
    };
    (Some(real), answer)
}

/// A real answer with something wrong in the middle of it.
fn falsified(real: &[u8], how: Lie) -> Vec<u8> {
    let Ok(mut entries) = wire::decode_response(real) else { return real.to_vec() };
    let middle = entries.len() / 2;
    if let Some((bytes, certificate)) = entries.get_mut(middle) {
        match how {
            Lie::Certificates => {
                certificate.signatures.iter_mut().for_each(|(_, signature)| signature[7] ^= 1);
            }
            _ => {
                if let Ok(mut block) = Block::decode(&mut &bytes[..]) {
                    block.body.pop();
                    *bytes = block.encode();
                }
            }
        }
    }
    entries.encode()
}

async fn about_states(network: &Handle, honest: PeerId, how: Lie, request: Vec<u8>) -> Answers {
    let Ok(asked) = StateRequest::decode(&mut &request[..]) else { return (None, None) };
    let real = network.ask(honest, Protocol::State, request).await.unwrap_or_default();
    let is_offer = matches!(asked, StateRequest::Offers);
    let answer = match how {
        // Nobody asks for a state who was offered none.
        Lie::Silence if !is_offer => None,
        Lie::Chunks | Lie::Proofs | Lie::Roots | Lie::Halves => {
            Some(falsified_state(&asked, &real, how))
        }
        _ => Some(real.clone()),
    };
    (Some(real), answer)
}

fn falsified_state(asked: &StateRequest, real: &[u8], how: Lie) -> Vec<u8> {
    let Ok(mut answer) = Answer::from_bytes(asked, real) else { return real.to_vec() };
    match (how, &mut answer) {
        (Lie::Chunks, Answer::Chunk(chunk)) => {
            if let Some((_, value)) = chunk.entries.first_mut() {
                value.push(0);
            }
        }
        (Lie::Proofs, Answer::Chunk(chunk)) => {
            chunk.siblings.iter_mut().for_each(|sibling| sibling.0[5] ^= 1);
        }
        (Lie::Proofs, Answer::Light(blocks)) => {
            let signatures = blocks.iter_mut().flat_map(|block| &mut block.certificate.signatures);
            signatures.for_each(|(_, signature)| signature[9] ^= 1);
        }
        (Lie::Roots, Answer::Offers(offers)) => {
            offers.iter_mut().for_each(|offer| offer.hash.0[3] ^= 1);
        }
        (Lie::Halves, Answer::Chunk(_)) => answer = Answer::TooLarge,
        _ => {}
    }
    answer.encode()
}
