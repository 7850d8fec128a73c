//! Messages to all.

use super::net::{config, line, slow_line, start, until, warm_up};
use crate::{Config, TOPICS, Topic, Verdict};
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_of_all_topics_reach_all_nodes_once() {
    let first = start(1, config());
    let bootnodes = vec![first.address().await];
    let mut nodes = vec![first];
    nodes.extend(
        (2..=4).map(|seed| start(seed, Config { bootnodes: bootnodes.clone(), ..config() })),
    );
    for node in &nodes {
        node.until_peers(3).await;
    }
    for topic in TOPICS {
        warm_up(&mut nodes, topic).await;
        nodes[0].publish(topic, b"once");
        nodes[0].publish(topic, b"last");
        for node in &mut nodes[1..] {
            let mut heard = Vec::new();
            while heard.last().is_none_or(|last| last != b"last") {
                heard.push(node.hear(topic).await);
            }
            assert_eq!(heard.iter().filter(|bytes| *bytes == b"once").count(), 1);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vote_passes_four_nodes_in_milliseconds() {
    let mut nodes = line(5).await;
    warm_up(&mut nodes, Topic::Consensus).await;
    let mut times = Vec::new();
    for number in 0..50u32 {
        let sent = Instant::now();
        let vote = format!("vote {number}");
        nodes[0].publish(Topic::Consensus, vote.as_bytes());
        for node in &mut nodes[1..] {
            while node.hear(Topic::Consensus).await != vote.as_bytes() {}
        }
        times.push(sent.elapsed());
    }
    times.sort();
    println!("four hops: median {:?}, worst {:?}", times[25], times[49]);
    assert!(times[25] < Duration::from_millis(50), "{times:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_rejected_goes_no_further_and_gets_its_sender_banned() {
    let mut nodes = line(3).await;
    warm_up(&mut nodes, Topic::Heads).await;
    let (first, second) = (nodes[0].id(), nodes[1].id());
    // Reserved peers are never banned.
    nodes[1].handle.release(first).await;
    nodes[0].publish(Topic::Heads, b"bad");
    while nodes[1].judge_next(Topic::Heads, Verdict::Reject).await != b"bad" {}
    nodes[0].publish(Topic::Heads, b"good");
    nodes[1].hear(Topic::Heads).await;
    assert_eq!(nodes[2].hear(Topic::Heads).await, b"good");
    let score = until("a score", || nodes[1].peer(first).map(|p| p.score).filter(|s| *s < 0)).await;
    assert!((-50..=-40).contains(&score), "{score}");

    nodes[0].publish(Topic::Heads, b"worse");
    nodes[1].judge_next(Topic::Heads, Verdict::Reject).await;
    nodes[0].publish(Topic::Heads, b"worst");
    nodes[1].judge_next(Topic::Heads, Verdict::Reject).await;
    nodes[1].until_gone(first).await;
    nodes[0].until_gone(second).await;
    assert_eq!(nodes[1].metric("artel_network_bans_total", ""), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vote_overtakes_bodies_on_a_slow_line() {
    let second = start(2, config());
    let address = slow_line(second.address().await).await;
    let first = start(1, Config { bootnodes: vec![address], ..config() });
    first.until_peers(1).await;
    let mut nodes = [first, second];
    warm_up(&mut nodes, Topic::Bodies).await;
    warm_up(&mut nodes, Topic::Consensus).await;
    for body in 0..4 {
        nodes[0].publish(Topic::Bodies, &vec![body; Topic::Bodies.bytes_max()]);
    }
    nodes[0].publish(Topic::Consensus, b"vote");
    let [first, second] = &mut nodes;
    let vote = second.next(Topic::Consensus, b"vote").await;
    let last = second.next(Topic::Bodies, &vec![3; Topic::Bodies.bytes_max()]).await;
    let ahead = last.saturating_duration_since(vote);
    println!("a vote behind 16 MiB of bodies at 16 MiB/s came {ahead:?} before the last of them");
    assert!(ahead > Duration::from_millis(250), "{ahead:?}");
    assert_eq!(first.overview().peers.len(), 1);
}
