//! What good messages look like: heard by a stranger, and made from what it heard.

use crate::stranger::Stranger;
use anyhow::{Context, Result, ensure};
use blobs::Cid;
use chain::{snapshot_sync, sync::wire};
use client::{Client, RuntimeCall, TxOptions};
use codec::Encode;
use consensus::Message;
use network::{PROTOCOLS, Protocol, TOPICS, Topic};
use node::wire::{Announcement, BodyRequest, Proposed, Said, Status, Waiting};
use pallets::balances;
use primitives::{
    AccountId, Balance, Hash, MultiAddress, OpaqueTransaction, Vote, VoteKind,
    crypto::hash::blake2_256_of,
};
use rand::{RngExt, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// Longest wait for a message of each topic.
const WAIT: Duration = Duration::from_secs(60);
/// How long one transfer is given to bring messages.
const LISTEN: Duration = Duration::from_secs(2);
/// Transactions with good signatures of accounts that have nothing.
const PAUPERS: u64 = 256;
/// Transactions of one message.
const PER_MESSAGE: usize = 64;
/// Hashes that a proposal claims: more than any block has.
const CLAIMED: usize = 2_048;

/// What good messages look like.
pub struct Samples {
    told: [Vec<u8>; TOPICS.len()],
    asked: [Vec<Vec<u8>>; PROTOCOLS.len()],
    paupers: Vec<OpaqueTransaction>,
    /// A validator, and a signature that it made for something else.
    validator: (AccountId, [u8; 64]),
    /// Under which key validators are found.
    pub role_key: Vec<u8>,
}

impl Samples {
    /// Listens until each topic was heard.
    pub async fn gather(client: &Client, mut stranger: Stranger) -> Result<Self> {
        let genesis = client.chain().genesis;
        let mut told: [Option<Vec<u8>>; TOPICS.len()] = Default::default();
        let deadline = Instant::now() + WAIT;
        let (alice, bob) = (testkit::alice(), testkit::bob().account());
        while let Some(missing) = told.iter().position(Option::is_none) {
            let topic = TOPICS[missing];
            ensure!(Instant::now() < deadline, "nothing is heard of {topic:?}");
            let listening = async {
                let queue = &mut stranger.inbound.gossip[missing];
                while let Some(gossip) = queue.recv().await {
                    if topic != Topic::Consensus || vote_of(&gossip.bytes).is_some() {
                        return Some(gossip.bytes);
                    }
                }
                None
            };
            let transfer = client.transfer(&alice, bob, Balance::new(1 << 40));
            let heard = async { timeout(LISTEN, listening).await.ok().flatten() };
            let (heard, sent) = tokio::join!(heard, transfer);
            sent?;
            told[missing] = heard;
        }
        let told = told.map(Option::unwrap_or_default);
        let vote = vote_of(&told[Topic::Consensus as usize]).context("a vote was heard")?;
        let proposed = Proposed::from_bytes(&told[Topic::Bodies as usize])?;
        let status = Status { height: 1, hash: client.block_hash(1).await?, validator: None };
        let asked = PROTOCOLS.map(|protocol| questions(protocol, &status, &proposed));
        let mut paupers = Vec::new();
        for number in 0..PAUPERS {
            let dest = MultiAddress::Id(bob);
            let call = balances::Call::transfer_keep_alive { dest, value: Balance::new(1) };
            let options = TxOptions { nonce: Some(0), ..TxOptions::default() };
            let pauper = testkit::numbered_pair((1 << 40) + number);
            let tx = client.sign(&pauper, &RuntimeCall::Balances(call), options).await?;
            paupers.push(tx.bytes);
        }
        let role_key = blake2_256_of(&[genesis.as_bytes(), b"validator"]).as_bytes().to_vec();
        Ok(Self { told, asked, paupers, validator: vote, role_key })
    }

    /// A good message that others sent, with another number where it has one.
    pub fn told(&self, topic: Topic, number: u64) -> Vec<u8> {
        let mut bytes = self.told[topic as usize].clone();
        if topic != Topic::Heads
            && let Some(place) = bytes.first_chunk_mut::<8>()
        {
            *place = number.to_le_bytes();
        }
        bytes
    }

    /// Good questions.
    pub fn asked(&self, protocol: Protocol) -> &[Vec<u8>] {
        &self.asked[protocol as usize]
    }

    /// A message that looks good and costs whoever judges it, about heights so far ahead of what was heard that nobody can
    /// say it is bad, with so many signatures at most.
    pub fn forged(
        &self,
        topic: Topic,
        number: u64,
        ahead: u32,
        signatures_max: usize,
        seed: u64,
    ) -> Vec<u8> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (validator, signature) = self.validator;
        let block = Hash(rng.random());
        match topic {
            Topic::Consensus => {
                let height = ahead + rng.random_range(0..ahead);
                let vote = Vote {
                    kind: VoteKind::Prevote,
                    height,
                    round: 0,
                    block: Some(block),
                    validator,
                };
                let message = Message::Vote(primitives::SignedVote { vote, signature });
                Said { number, message }.encode()
            }
            Topic::Bodies => {
                let bytes = self.told(Topic::Bodies, number);
                let mut proposed = Proposed::from_bytes(&bytes).expect("it was one");
                proposed.header.number = ahead + rng.random_range(0..ahead);
                proposed.proposal.proposal.height = proposed.header.number;
                proposed.proposal.proposal.block = proposed.header.hash();
                proposed.transactions = (0..CLAIMED).map(|_| Hash(rng.random())).collect();
                proposed.encode()
            }
            Topic::Heads => {
                let bytes = &self.told[Topic::Heads as usize];
                let mut certificate = Announcement::from_bytes(bytes).expect("it was one");
                certificate.height = ahead + rng.random_range(0..ahead);
                certificate.block = block;
                while certificate.signatures.len() < signatures_max {
                    certificate.signatures.push((AccountId(rng.random()), signature));
                }
                certificate.signatures.sort();
                Announcement { certificate }.encode()
            }
            Topic::Transactions => {
                let transactions = self.paupers.sample(&mut rng, PER_MESSAGE).cloned().collect();
                Waiting { number, transactions }.encode()
            }
        }
    }
}

/// The voter and the signature, if a message is a vote.
fn vote_of(bytes: &[u8]) -> Option<(AccountId, [u8; 64])> {
    match Said::from_bytes(bytes).ok()? {
        Message::Vote(signed) => Some((signed.vote.validator, signed.signature)),
        _ => None,
    }
}

fn questions(protocol: Protocol, status: &Status, proposed: &Proposed) -> Vec<Vec<u8>> {
    let block = proposed.proposal.proposal.block;
    match protocol {
        Protocol::Status => vec![status.encode()],
        Protocol::Bodies => vec![
            BodyRequest::Block(block).encode(),
            BodyRequest::Transactions { block, places: (0..10_000).collect() }.encode(),
        ],
        Protocol::Blocks => {
            let count = wire::REQUEST_BLOCKS_MAX;
            vec![wire::Request { from: 1, count }.encode()]
        }
        Protocol::State => vec![
            snapshot_sync::Request::Offers.encode(),
            snapshot_sync::Request::Light { from: 1, to: 100 }.encode(),
            snapshot_sync::Request::Block(status.hash).encode(),
        ],
        Protocol::Blobs => vec![Cid::of_raw(b"nobody has it").to_bytes().to_vec()],
    }
}
