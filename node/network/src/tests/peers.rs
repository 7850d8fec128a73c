//! Who finds whom, and who is let in.

use super::net::{Node, config, start, start_in, until};
use crate::{Config, Error, Network, PeerEvent, Role, Setup};
use primitives::Hash;
use prometheus_client::registry::Registry;
use std::time::Duration;
use tempfile::TempDir;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_nodes_with_one_bootnode_find_each_other() {
    let mut first = start(1, config());
    let bootnodes = vec![first.address().await];
    let others: Vec<_> = (2..=8)
        .map(|seed| start(seed, Config { bootnodes: bootnodes.clone(), ..config() }))
        .collect();
    for node in others.iter().chain([&first]) {
        node.until_peers(7).await;
    }
    let peer = first.peer(others[0].id()).expect("a peer");
    assert_eq!(
        (peer.role, peer.agent.as_str()),
        (Some(Role::Validator), "artel/0.0.0 (validator)")
    );
    assert_eq!((peer.score, peer.is_reserved), (0, false));
    let event = first.inbound.peers.recv().await.expect("the network runs");
    assert!(matches!(event, PeerEvent::Connected(_)), "{event:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_of_another_chain_is_sent_away() {
    let first = start(1, config());
    let bootnodes = vec![first.address().await];
    let config = Config { bootnodes, ..config() };
    let stranger = start_in(2, config.clone(), Hash([8; 32]), TempDir::new().expect("a folder"));
    let neighbour = start(3, config);
    neighbour.until_peers(1).await;
    // Whoever finds it out first lets the other neither in nor out again.
    let denials = |node: &Node| node.metric("artel_network_denials", "Banned");
    until("denials", || (denials(&stranger) + denials(&first) > 0).then_some(())).await;
    assert!(first.peer(stranger.id()).is_none());
    assert!(stranger.overview().peers.is_empty());
    assert_eq!(first.overview().peers.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_comes_back_without_a_bootnode() {
    let first = start(1, config());
    let address = first.address().await;
    let second = start(2, Config { bootnodes: vec![address.clone()], ..config() });
    second.until_peers(1).await;
    let third = start(3, Config { bootnodes: vec![address], ..config() });
    third.until_peers(2).await;
    let folder = third.stop().await;
    first.stop().await;
    let third = start_in(3, config(), Hash([7; 32]), folder);
    third.until_peers(1).await;
    assert!(third.peer(second.id()).is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_node_lets_newcomers_in() {
    let full = start(1, Config { inbound_peers_max: 1, outbound_peers: 0, ..config() });
    let bootnodes = vec![full.address().await];
    let second = start(2, Config { bootnodes: bootnodes.clone(), ..config() });
    second.until_peers(1).await;
    let third = start(3, Config { bootnodes, ..config() });
    until("denials", || (full.metric("artel_network_denials", "Full") > 0).then_some(())).await;
    until("the newcomer", || full.peer(third.id())).await;
    assert!(full.peer(second.id()).is_none(), "there is one place");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reserved_only_node_knows_nobody_else() {
    let sentry = start(1, config());
    let address = sentry.address().await;
    let hidden =
        start(2, Config { reserved: vec![address.clone()], reserved_only: true, ..config() });
    hidden.until_peers(1).await;
    let direct = hidden.address().await;
    let other = start(3, Config { bootnodes: vec![address, direct], ..config() });
    other.until_peers(1).await;
    until("denials", || (hidden.metric("artel_network_denials", "NotReserved") > 0).then_some(()))
        .await;
    assert!(hidden.peer(other.id()).is_none());
    assert!(hidden.peer(sentry.id()).expect("the sentry").is_reserved);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_of_one_range_take_few_slots() {
    let (per_address_max, per_range_max) = (50, 2);
    let hard = Config { private_addresses: false, per_address_max, per_range_max, ..config() };
    let target = start(1, hard);
    let bootnodes = vec![target.address().await];
    // All of them come from 127.0.0.1.
    let crowd: Vec<_> = (2..=8)
        .map(|seed| start(seed, Config { bootnodes: bootnodes.clone(), ..config() }))
        .collect();
    target.until_peers(2).await;
    let turned_away = || {
        let denials = |reason| target.metric("artel_network_denials_total", reason);
        (denials("Range") + denials("Pending") >= 5).then_some(())
    };
    until("denials", turned_away).await;
    assert_eq!(target.overview().peers.len(), 2);
    assert_eq!(crowd.iter().filter(|node| target.peer(node.id()).is_some()).count(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_meet_over_quic() {
    let quic = || Config {
        listen: vec!["/ip4/127.0.0.1/udp/0/quic-v1".parse().expect("an address")],
        ..config()
    };
    let first = start(1, quic());
    let second = start(2, Config { bootnodes: vec![first.address().await], ..quic() });
    second.until_peers(1).await;
    let ping = || second.peer(first.id()).and_then(|peer| peer.ping);
    assert!(until("a ping", ping).await < Duration::from_secs(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_is_taken_is_named() {
    for kind in ["/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0/quic-v1"] {
        let listen = vec![kind.parse().expect("an address")];
        let first = start(1, Config { listen, ..config() });
        let mut taken = first.address().await;
        taken.pop();
        let folder = TempDir::new().expect("a folder");
        let setup = Setup {
            config: Config { listen: vec![taken.clone()], ..config() },
            key: [2; 32],
            genesis: Hash([7; 32]),
            role: Role::Agent,
            agent: "artel".to_owned(),
            folder: folder.path().to_owned(),
        };
        match Network::new(setup, &mut Registry::default()) {
            Err(Error::Listen { address, .. }) => assert_eq!(address, taken),
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("{taken} is used twice"),
        }
    }
}
