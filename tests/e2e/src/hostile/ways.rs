//! What attackers do at each door.

use super::{
    line::{Line, Tally, Target, drain, identification},
    samples::Samples,
    sockets,
    words::{self, as_varint, asked, field, framed, told},
};
use anyhow::Result;
use consensus::VALIDATORS_MAX;
use futures::{AsyncReadExt, AsyncWriteExt};
use libp2p::{
    Multiaddr, PeerId, core::muxing::SubstreamBox, identity::Keypair, multiaddr::Protocol as Part,
};
use network::{Protocol, Topic};
use rand::{RngExt, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;
use std::{
    net::Ipv4Addr,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::{sync::Semaphore, time::sleep};

/// Streams that a slow attacker holds: as many as a connection may have, and some that it may not.
const HELD: usize = 200;
/// Requests of one attacker that are under way.
const UNDER_WAY: usize = 32;
/// How long an attacker that is not let in waits before it knocks again.
const AGAIN: Duration = Duration::from_millis(20);
/// Messages named in one frame beside messages: as many as its bytes have room for.
const IDS: usize = 4;
/// How far ahead of the chain things are that nobody can judge.
const AHEAD: u32 = 1_000;

/// Where strangers can send something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Door {
    /// Votes and the like, told to all.
    Consensus,
    /// Proposed blocks, told to all.
    Bodies,
    /// Certificates, told to all.
    Heads,
    /// Transactions, told to all.
    Transactions,
    /// How far are you?
    AskStatus,
    /// What is in this proposed block?
    AskBodies,
    /// What are these final blocks?
    AskBlocks,
    /// What is this part of a state?
    AskState,
    /// What is in this blob?
    AskBlobs,
    /// Who are you?
    Identify,
    /// Are you there?
    Ping,
    /// The DHT.
    Dht,
    /// Pass on my connections!
    Relay,
    /// Can you reach me?
    Autonat,
    /// Streams of connections, whatever is on them.
    Streams,
    /// Sockets of TCP.
    Tcp,
    /// Datagrams of QUIC.
    Quic,
}

/// How it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// Random, cut off, or with a bad signature.
    Malformed,
    /// Larger than allowed, or said to be.
    Oversized,
    /// A good one again and again, with other numbers around it.
    Replayed,
    /// Like good ones, as fast as it goes.
    Flooding,
    /// Begun and never ended, asked and never read.
    Slow,
}

impl Door {
    /// All.
    pub const ALL: [Self; 17] = [
        Self::Consensus,
        Self::Bodies,
        Self::Heads,
        Self::Transactions,
        Self::AskStatus,
        Self::AskBodies,
        Self::AskBlocks,
        Self::AskState,
        Self::AskBlobs,
        Self::Identify,
        Self::Ping,
        Self::Dht,
        Self::Relay,
        Self::Autonat,
        Self::Streams,
        Self::Tcp,
        Self::Quic,
    ];

    /// The topic, where things are told to all.
    pub fn topic(self) -> Option<Topic> {
        match self {
            Self::Consensus => Some(Topic::Consensus),
            Self::Bodies => Some(Topic::Bodies),
            Self::Heads => Some(Topic::Heads),
            Self::Transactions => Some(Topic::Transactions),
            _ => None,
        }
    }

    /// The protocol, where something is asked.
    pub fn protocol(self) -> Option<Protocol> {
        match self {
            Self::AskStatus => Some(Protocol::Status),
            Self::AskBodies => Some(Protocol::Bodies),
            Self::AskBlocks => Some(Protocol::Blocks),
            Self::AskState => Some(Protocol::State),
            Self::AskBlobs => Some(Protocol::Blobs),
            _ => None,
        }
    }

    /// Whether whoever sends this is to be banned: the node sees bytes that no honest peer sends. Of gossip that is too large
    /// it sees little, as gossipsub ends such a stream by itself, and does not open more than a few for one peer.
    pub fn is_provable(self, way: Way) -> bool {
        match way {
            Way::Malformed => self.topic().is_some() || self.protocol().is_some(),
            Way::Oversized => self.protocol().is_some(),
            Way::Replayed | Way::Flooding | Way::Slow => false,
        }
    }

    /// Whether one stream carries many messages.
    fn is_one_stream(self) -> bool {
        self.topic().is_some() || matches!(self, Self::Ping | Self::Dht)
    }

    fn name(self, target: &Target) -> String {
        let fixed = |name: &str| name.to_owned();
        match self {
            Self::Identify => fixed("/ipfs/id/push/1.0.0"),
            Self::Ping => fixed("/ipfs/ping/1.0.0"),
            Self::Dht => target.names.dht(),
            Self::Relay => fixed("/libp2p/circuit/relay/0.2.0/hop"),
            Self::Autonat => fixed("/libp2p/autonat/2/dial-request"),
            _ => match (self.topic(), self.protocol()) {
                (Some(topic), _) => target.names.gossip(topic),
                (_, Some(protocol)) => target.names.ask(protocol),
                (None, None) => fixed("/nobody/speaks/this"),
            },
        }
    }
}

impl Way {
    /// All.
    pub const ALL: [Self; 5] =
        [Self::Malformed, Self::Oversized, Self::Replayed, Self::Flooding, Self::Slow];
}

/// One of those who attack.
pub struct Attacker {
    /// Its address; it has more.
    pub from: Ipv4Addr,
    /// Who is attacked.
    pub target: Target,
    /// What good messages look like.
    pub samples: Arc<Samples>,
    /// What was sent.
    pub tally: Arc<Tally>,
    /// Its chance.
    pub rng: ChaCha8Rng,
    /// Numbers what it sends.
    pub number: u64,
}

impl Attacker {
    /// Attacks until it is dropped; whenever it is thrown out it comes back as somebody else, and when its address is not
    /// let in any more, from another one.
    pub async fn attack(mut self, door: Door, way: Way) {
        loop {
            if matches!(door, Door::Tcp | Door::Quic) {
                // A socket that is closed is what the victim wants.
                let _ = sockets::attack(&mut self, door, way).await;
            } else if let Ok(line) = Line::connect(&self.target, self.from).await {
                self.tally.connections.fetch_add(1, Ordering::Relaxed);
                while !line.is_closed() {
                    // A stream that breaks is what the victim wants; there are more.
                    let _ = self.talk(&line, door, way).await;
                    tokio::task::yield_now().await;
                }
                continue;
            } else {
                self.tally.denied.fetch_add(1, Ordering::Relaxed);
                let [a, b, c, d] = self.from.octets();
                self.from = Ipv4Addr::new(a, b, c, d.wrapping_add(1).max(1));
            }
            sleep(AGAIN).await;
        }
    }

    async fn talk(&mut self, line: &Line, door: Door, way: Way) -> Result<()> {
        let name = door.name(&self.target);
        if way == Way::Slow {
            return self.hold(line, door, &name).await;
        }
        if door.is_one_stream() {
            let (mut input, mut output) = line.speak(&name).await?.split();
            let reading = tokio::spawn(async move { drain(&mut input).await });
            let sent = async {
                while !line.is_closed() {
                    let bytes = self.message(door, way);
                    output.write_all(&bytes).await?;
                    output.flush().await?;
                    self.tally.sent(bytes.len());
                    if way == Way::Oversized {
                        // What comes together with another ends the stream, and only a whole one can be judged.
                        sleep(AGAIN).await;
                    }
                }
                anyhow::Ok(())
            };
            let sent = sent.await;
            reading.abort();
            return sent;
        }
        let places = Arc::new(Semaphore::new(UNDER_WAY));
        while !line.is_closed() {
            let place = places.clone().acquire_owned().await?;
            let bytes = self.message(door, way);
            let mut stream = match (door, way) {
                (Door::Streams, Way::Malformed | Way::Oversized) => line.stream().await?,
                _ => line.speak(&name).await?,
            };
            let tally = self.tally.clone();
            tokio::spawn(async move {
                let sent = async {
                    stream.write_all(&bytes).await?;
                    stream.close().await
                };
                if sent.await.is_ok() {
                    tally.sent(bytes.len());
                    drain(&mut stream).await;
                }
                drop(place);
            });
        }
        Ok(())
    }

    /// Opens streams on which nothing goes on, and keeps them until the connection ends.
    async fn hold(&mut self, line: &Line, door: Door, name: &str) -> Result<()> {
        let mut held: Vec<SubstreamBox> = Vec::new();
        while held.len() < HELD && !line.is_closed() {
            let opening = async {
                if door == Door::Streams {
                    let mut stream = line.stream().await?;
                    stream.write_all(&as_varint(20)).await?;
                    stream.flush().await?;
                    return Ok((stream, 1));
                }
                let mut stream = line.speak(name).await?;
                let bytes = self.message(door, Way::Replayed);
                // Whole requests, whose answers nobody reads; of all else one half.
                let count = if door.protocol().is_some() { bytes.len() } else { bytes.len() / 2 };
                stream.write_all(&bytes[..count]).await?;
                stream.flush().await?;
                anyhow::Ok((stream, count))
            };
            // A connection that has all its streams gives none.
            let Ok(opened) = tokio::time::timeout(Duration::from_millis(200), opening).await else {
                break;
            };
            let (stream, count) = opened?;
            self.tally.sent(count);
            held.push(stream);
        }
        line.closed().await;
        Ok(())
    }

    /// What is written on a stream whose protocol is settled.
    fn message(&mut self, door: Door, way: Way) -> Vec<u8> {
        self.number += 1;
        if let Some(topic) = door.topic() {
            return self.gossip(topic, way);
        }
        if let Some(protocol) = door.protocol() {
            return self.request(protocol, way);
        }
        match (door, way) {
            (Door::Ping, Way::Replayed | Way::Slow) => vec![7; 32],
            (Door::Ping, Way::Malformed | Way::Flooding) => self.random(32),
            (Door::Ping, Way::Oversized) => self.random(64 << 10),
            (_, Way::Malformed) => {
                let junk = self.random(100);
                framed(&junk)
            }
            (_, Way::Oversized) => {
                let junk = self.random(64 << 10);
                [as_varint(usize::MAX >> 8), junk].concat()
            }
            (Door::Identify, Way::Replayed | Way::Slow) => {
                framed(&identification(&self.target.names, &Keypair::generate_ed25519()))
            }
            (Door::Identify, Way::Flooding) => {
                let mut said = identification(&self.target.names, &Keypair::generate_ed25519());
                for _ in 0..100 {
                    said.extend(field(2, &self.somewhere().to_vec()));
                }
                framed(&said)
            }
            (Door::Dht, Way::Replayed | Way::Slow) => words::find_node(&[7; 32]),
            (Door::Dht, Way::Flooding) => {
                if self.number.is_multiple_of(2) {
                    let key = self.random(32);
                    words::find_node(&key)
                } else {
                    let role = self.samples.role_key.clone();
                    words::add_provider(&role, PeerId::random(), &self.somewhere())
                }
            }
            (Door::Relay, _) => words::reserve(),
            (Door::Autonat, _) => words::dial_back(&self.somewhere(), self.number),
            _ => self.random(64),
        }
    }

    fn gossip(&mut self, topic: Topic, way: Way) -> Vec<u8> {
        let name = self.target.names.topic(topic);
        let mut sample = self.samples.told(topic, self.number);
        match way {
            Way::Malformed => match self.number % 4 {
                0 => {
                    let junk = self.random(200);
                    told(&name, &junk)
                }
                1 => {
                    sample.truncate(sample.len() / 2);
                    told(&name, &sample)
                }
                2 => {
                    // A signature is the last thing in most.
                    if let Some(last) = sample.last_mut() {
                        *last ^= 1;
                    }
                    told(&name, &sample)
                }
                _ => {
                    sample.push(0);
                    told(&name, &sample)
                }
            },
            Way::Oversized if self.number.is_multiple_of(16) => {
                let junk = self.random(4 << 10);
                [as_varint(usize::MAX >> 8), junk].concat()
            }
            Way::Oversized => {
                let junk = self.random(topic.bytes_max() + 1);
                told(&name, &junk)
            }
            Way::Replayed | Way::Slow => told(&name, &sample),
            Way::Flooding if self.number.is_multiple_of(4) => {
                let ids: [[u8; 32]; IDS] = self.rng.random();
                words::control(&name, &ids, self.number / 4)
            }
            Way::Flooding => {
                let seed = self.rng.random();
                let bytes = self.samples.forged(topic, self.number, AHEAD, VALIDATORS_MAX, seed);
                told(&name, &bytes)
            }
        }
    }

    fn request(&mut self, protocol: Protocol, way: Way) -> Vec<u8> {
        let most = protocol.request_bytes_max();
        let claim = |length: usize| u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
        match way {
            Way::Malformed => match self.number % 3 {
                0 => {
                    let junk = self.random(40);
                    asked(&junk)
                }
                1 => [&claim(100)[..], &[1, 2, 3]].concat(),
                _ => vec![0, 0],
            },
            Way::Oversized => match self.number % 3 {
                0 => [&claim(most + 1)[..], &[0; 100]].concat(),
                1 => vec![0xff; 1_000],
                _ => {
                    let junk = self.random(most + 1);
                    asked(&junk)
                }
            },
            Way::Replayed | Way::Slow => asked(&self.samples.asked(protocol)[0]),
            Way::Flooding => {
                let choices = self.samples.asked(protocol);
                let choice = choices.choose(&mut self.rng).expect("there is one for each protocol");
                asked(choice)
            }
        }
    }

    /// Random bytes.
    pub fn random(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.rng.fill(&mut bytes[..]);
        bytes
    }

    /// An address where nobody is.
    fn somewhere(&mut self) -> Multiaddr {
        let [a, b, c] = self.rng.random::<[u8; 3]>();
        let ip = Ipv4Addr::new(45, 200 + a % 50, b, c);
        Multiaddr::empty().with(Part::Ip4(ip)).with(Part::Tcp(30_333))
    }
}

/// The chance of an attacker.
pub fn rng(seed: u64, attacker: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed << 16 | attacker)
}
