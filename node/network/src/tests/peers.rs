//! Who finds whom, and who is let in.

use super::net::{config, start, start_in, until};
use crate::{Config, PeerEvent, Role};
use primitives::Hash;
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
    // Both find it out, and neither lets the other in or out again.
    until("denials", || (stranger.metric("artel_network_denials", "Banned") > 0).then_some(()))
        .await;
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
