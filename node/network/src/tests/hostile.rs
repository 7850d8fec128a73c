//! A peer that speaks libp2p and keeps to no rule.

use super::net::{Node, PATIENCE, config, start, until, within};
use crate::{
    Config, PROTOCOLS, Protocol, SCORE_MIN, Topic, addresses::without_identity, names::Names,
};
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, StreamExt};
use libp2p::{
    Multiaddr, PeerId, StreamProtocol, Swarm, Transport, core::upgrade::Version, gossipsub,
    identify, identity::Keypair, noise, request_response, swarm, swarm::NetworkBehaviour, tcp,
    yamux,
};
use primitives::{Hash, crypto::hash::blake2_256};
use std::{io, time::Duration};

/// What a hostile peer sends instead of a frame, and whether it reads what comes back.
#[derive(Clone, Debug)]
enum Trick {
    Send(Vec<u8>),
    /// Sends it, and reads no answer.
    Stall(Vec<u8>),
}

#[derive(Clone, Default)]
struct Raw;

impl request_response::Codec for Raw {
    type Protocol = StreamProtocol;
    type Request = Trick;
    type Response = Vec<u8>;

    async fn read_request<T>(&mut self, _: &StreamProtocol, _: &mut T) -> io::Result<Trick>
    where
        T: AsyncRead + Unpin + Send,
    {
        Err(io::ErrorKind::Unsupported.into())
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        let mut bytes = Vec::new();
        io.read_to_end(&mut bytes).await?;
        Ok(bytes)
    }

    async fn write_request<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        trick: Trick,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        match trick {
            Trick::Send(bytes) => io.write_all(&bytes).await,
            Trick::Stall(bytes) => {
                io.write_all(&bytes).await?;
                io.close().await?;
                std::future::pending().await
            }
        }
    }

    async fn write_response<T>(
        &mut self,
        _: &StreamProtocol,
        _: &mut T,
        _: Vec<u8>,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[derive(NetworkBehaviour)]
struct Tricks {
    identify: identify::Behaviour,
    gossip: gossipsub::Behaviour,
    raw: request_response::Behaviour<Raw>,
}

struct Hostile {
    swarm: Swarm<Tricks>,
    victim: PeerId,
}

impl Hostile {
    /// Connects to a node with one protocol and one topic of it.
    async fn connect(node: &Node, protocol: Protocol, topic: Topic) -> Self {
        let names = Names::new(Hash([7; 32]));
        let keypair = Keypair::generate_ed25519();
        let transport = tcp::tokio::Transport::new(tcp::Config::default())
            .upgrade(Version::V1Lazy)
            .authenticate(noise::Config::new(&keypair).expect("noise"))
            .multiplex(yamux::Config::default())
            .boxed();
        let config = gossipsub::ConfigBuilder::default()
            .protocol_id_prefix(names.gossip_prefix(topic))
            .validation_mode(gossipsub::ValidationMode::Anonymous)
            .max_transmit_size(64 << 20)
            .message_id_fn(|message| {
                gossipsub::MessageId::new(blake2_256(&message.data).as_bytes())
            })
            .connection_handler_queue_len(100_000)
            .build()
            .expect("settings");
        let privacy = gossipsub::MessageAuthenticity::Anonymous;
        let mut gossip = gossipsub::Behaviour::new(privacy, config).expect("gossipsub");
        gossip.subscribe(&names.topic(topic)).expect("a topic");
        let full = request_response::ProtocolSupport::Outbound;
        let behaviour = Tricks {
            identify: identify::Behaviour::new(
                identify::Config::new(names.chain(), keypair.public())
                    .with_agent_version("hostile (agent)".to_owned()),
            ),
            gossip,
            raw: request_response::Behaviour::new(
                [(names.request(protocol), full)],
                request_response::Config::default().with_request_timeout(PATIENCE),
            ),
        };
        let id = keypair.public().to_peer_id();
        let config = swarm::Config::with_tokio_executor().with_idle_connection_timeout(PATIENCE);
        let mut swarm = Swarm::new(transport, behaviour, id, config);
        let address: Multiaddr = node.address().await;
        let victim = node.id();
        swarm.dial(without_identity(address, victim).expect("its address")).expect("a dial");
        let mut hostile = Self { swarm, victim };
        let is_subscribed = |event: &TricksEvent| {
            matches!(event, TricksEvent::Gossip(gossipsub::Event::Subscribed { .. }))
        };
        hostile.until("a subscription", is_subscribed).await;
        let id = hostile.id();
        hostile.while_running(until("the peer", || node.peer(id))).await;
        hostile
    }

    fn id(&self) -> PeerId {
        *self.swarm.local_peer_id()
    }

    async fn until(&mut self, what: &str, is_it: impl Fn(&TricksEvent) -> bool) -> TricksEvent {
        let wait = async {
            loop {
                match self.swarm.select_next_some().await {
                    swarm::SwarmEvent::Behaviour(event) if is_it(&event) => return event,
                    _ => {}
                }
            }
        };
        within(what, wait).await
    }

    /// Lets the peer act while something is waited for.
    async fn while_running<T>(&mut self, wait: impl Future<Output = T>) -> T {
        tokio::pin!(wait);
        loop {
            tokio::select! {
                found = &mut wait => return found,
                _ = self.swarm.select_next_some() => {}
            }
        }
    }

    /// Plays a trick and waits for what comes of it.
    async fn play(&mut self, trick: Trick) -> Result<Vec<u8>, String> {
        let victim = self.victim;
        self.swarm.behaviour_mut().raw.send_request(&victim, trick);
        let event = self.until("an end", |event| matches!(event, TricksEvent::Raw(_))).await;
        match event {
            TricksEvent::Raw(request_response::Event::Message {
                message: request_response::Message::Response { response, .. },
                ..
            }) => Ok(response),
            other => Err(format!("{other:?}")),
        }
    }
}

fn frame(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).expect("it is short");
    [&length.to_be_bytes(), bytes].concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malformed_frames_of_each_protocol_are_refused_and_lead_to_a_ban() {
    for protocol in PROTOCOLS {
        let node = start(1, config());
        let mut hostile = Hostile::connect(&node, protocol, Topic::Heads).await;
        let too_long = u32::try_from(protocol.request_bytes_max() + 1).expect("it is short");
        let tricks = [
            Vec::new(),
            vec![0, 0],
            vec![0, 0, 0, 9, 1],
            [too_long.to_be_bytes().to_vec(), vec![0; 100]].concat(),
            // A little may have faded by then, so that four are not enough.
            vec![0xff; 4],
        ];
        let id = hostile.id();
        for (index, trick) in tricks.into_iter().enumerate() {
            // The fourth or fifth costs the connection, perhaps before its answer is out.
            let answer = hostile.play(Trick::Send(trick)).await;
            assert!(index >= 3 || answer == Ok(Vec::new()), "{protocol:?} {index} {answer:?}");
        }
        hostile.while_running(node.until_gone(id)).await;
        assert_eq!(node.metric("artel_network_bans_total", ""), 1);
        assert!((4..=5).contains(&node.metric("artel_network_requests_total", "Malformed")));
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_too_fast_is_refused() {
    let mut node = start(1, config());
    let mut hostile = Hostile::connect(&node, Protocol::Status, Topic::Heads).await;
    let mut requests = std::mem::replace(
        &mut node.inbound.requests[Protocol::Status as usize],
        tokio::sync::mpsc::channel(1).1,
    );
    let serving = tokio::spawn(async move {
        let mut count = 0;
        while let Some(request) = requests.recv().await {
            count += 1;
            let _ = request.answer.send(vec![1]);
        }
        count
    });
    let burst = Protocol::Status.bounds().requests.burst;
    let mut answered = 0;
    for _ in 0..2 * burst {
        if hostile.play(Trick::Send(frame(b"?"))).await == Ok(frame(&[1])) {
            answered += 1;
        }
    }
    assert!((burst..burst + 8).contains(&answered), "{answered}");
    let id = hostile.id();
    let score = until("a score", || node.peer(id).map(|peer| peer.score).filter(|s| *s < 0)).await;
    assert!(score > SCORE_MIN);
    node.stop().await;
    assert_eq!(serving.await.expect("it ends"), answered);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_read_answers_holds_no_more_than_a_few() {
    let mut node = start(1, config());
    let protocol = Protocol::Bodies;
    let mut hostile = Hostile::connect(&node, protocol, Topic::Heads).await;
    let victim = hostile.victim;
    for _ in 0..20 {
        hostile.swarm.behaviour_mut().raw.send_request(&victim, Trick::Stall(frame(b"?")));
    }
    let bounds = protocol.bounds();
    for _ in 0..bounds.per_peer_max {
        let next = node.inbound.requests[protocol as usize].recv();
        let request = hostile.while_running(within("a request", next)).await.expect("it runs");
        request.answer.send(vec![0; bounds.answer_bytes_max]).expect("it waits");
    }
    // All others are refused, or their streams not even opened, while the answers wait to be read; then they are given up.
    let more = tokio::time::sleep(Duration::from_millis(300));
    hostile.while_running(more).await;
    assert!(node.inbound.requests[protocol as usize].try_recv().is_err());
    let given_up =
        || (node.metric("artel_network_requests_total", "Unreachable") >= 4).then_some(());
    hostile.while_running(until("the answers to be given up", given_up)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_messages_ends_at_the_pace() {
    let mut node = start(1, config());
    let mut hostile = Hostile::connect(&node, Protocol::Status, Topic::Heads).await;
    let topic = Names::new(Hash([7; 32])).topic(Topic::Heads);
    let burst = Topic::Heads.bounds().messages.burst;
    for number in 0..20 * burst {
        let bytes = number.to_be_bytes().to_vec();
        // Once the stream is full it is a flood already.
        let _ = hostile.swarm.behaviour_mut().gossip.publish(topic.clone(), bytes);
    }
    let too_fast =
        || (node.metric("artel_network_gossip_messages_total", "TooFast") > 0).then_some(());
    hostile.while_running(until("the pace", too_fast)).await;
    hostile.while_running(tokio::time::sleep(Duration::from_millis(300))).await;
    let mut heard = 0;
    while node.inbound.gossip[Topic::Heads as usize].try_recv().is_ok() {
        heard += 1;
    }
    assert!((burst..burst + 64).contains(&heard), "{heard}");
    let id = hostile.id();
    assert!(node.peer(id).is_none_or(|peer| peer.score < 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_beyond_the_size_of_their_topic_do_not_arrive() {
    let mut node = start(1, Config { bootnodes: Vec::new(), ..config() });
    let mut hostile = Hostile::connect(&node, Protocol::Status, Topic::Heads).await;
    let topic = Names::new(Hash([7; 32])).topic(Topic::Heads);
    // A little is known for too large when it is there, much is not read to its end.
    let largest = Topic::Heads.bytes_max();
    let mut publish = |size: usize| {
        let bytes = vec![size as u8; size];
        hostile.swarm.behaviour_mut().gossip.publish(topic.clone(), bytes).expect("published");
    };
    publish(largest);
    publish(largest + 1);
    publish(4 * largest);
    let next = node.inbound.gossip[Topic::Heads as usize].recv();
    let gossip = hostile.while_running(within("a message", next)).await.expect("it runs");
    assert_eq!(gossip.bytes.len(), largest);
    let id = hostile.id();
    let score = until("a score", || node.peer(id).map(|peer| peer.score).filter(|s| *s < 0));
    assert!((-25..=-20).contains(&hostile.while_running(score).await));
    assert!(node.inbound.gossip[Topic::Heads as usize].try_recv().is_err());
}
