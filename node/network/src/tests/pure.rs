//! Parts that know neither sockets nor clocks.

use crate::{
    Config, ConfigError, Direction, Gossip, PeerFault, Rate, Role, SCORE_MIN, Topic, addresses,
    book::{Book, Trial, write},
    discovery::{Discovery, Errand},
    gossip::{Dropped, Inflow},
    key::{KeyError, load_or_create_key},
    limits::{
        Denial, Limits, Numbers, PENDING_FOREIGN_MAX, PENDING_INBOUND_MAX, PENDING_OUTBOUND_MAX,
    },
    peers::{BAN_FIRST, BAN_MAX, FAULTS_HALF_LIFE, Peers, Trust},
    rate::{Bucket, Buckets},
    session::{Link, Session},
};
use libp2p::{Multiaddr, PeerId, gossipsub::MessageId, swarm::ConnectionId};
use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

const SECOND: Duration = Duration::from_secs(1);

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn address(text: &str) -> Multiaddr {
    text.parse().expect("an address")
}

#[test]
fn a_bucket_gives_its_burst_and_then_its_rate() {
    let (rate, start) = (Rate { per_second: 10, burst: 20 }, Instant::now());
    let mut bucket = Bucket::default();
    assert!(bucket.take(rate, 20, start));
    assert!(!bucket.take(rate, 1, start));
    assert!(bucket.take(rate, 10, start + SECOND));
    assert!(!bucket.take(rate, 1, start + SECOND));
    // What is taken beyond is made up for first.
    bucket.charge(rate, 30, start + 10 * SECOND);
    assert!(!bucket.has_any(rate, start + 10 * SECOND));
    assert!(!bucket.has_any(rate, start + 11 * SECOND));
    assert!(bucket.has_any(rate, start + 12 * SECOND));
    assert!(!bucket.is_full(start + 12 * SECOND));
    assert!(bucket.is_full(start + 13 * SECOND));
}

#[test]
fn buckets_are_bounded() {
    let (rate, start) = (Rate { per_second: 1, burst: 1 }, Instant::now());
    let mut buckets = Buckets::new(2);
    for key in 0..2 {
        assert!(buckets.of(&key, start).take(rate, 1, start));
    }
    // A third takes the place of those that are full again.
    let later = start + 2 * SECOND;
    assert!(buckets.of(&0, later).take(rate, 1, later));
    assert!(buckets.of(&2, later).take(rate, 1, later));
    assert!(!buckets.of(&0, later).take(rate, 1, later));
}

#[test]
fn faults_fade_and_add_up_to_longer_and_longer_bans() {
    let (mut peers, peer, start) = (Peers::default(), PeerId::random(), Instant::now());
    let place = Some(ip("8.8.8.8"));
    let mut fault = |fault, now| peers.fault(peer, place, fault, Trust::None, now);
    assert_eq!(fault(PeerFault::Invalid, start), None);
    // Half of it is forgotten.
    let now = start + FAULTS_HALF_LIFE;
    assert_eq!(fault(PeerFault::Invalid, now), None);
    let ban = fault(PeerFault::Malformed, now).expect("25 + 50 + 25 are 100");
    assert_eq!((ban.lasts, ban.with_address), (BAN_FIRST, false));
    assert_eq!(fault(PeerFault::Fraud, now), None, "it was on its way");
    assert!(peers.is_banned(&peer, now + BAN_FIRST - SECOND));
    assert!(!peers.is_banned(&peer, now + BAN_FIRST));
    assert!(!peers.is_address_banned(ip("8.8.8.8"), now));

    let now = now + BAN_FIRST;
    assert_eq!(peers.score(&peer, now), 0);
    let ban = peers.ban(peer, place, now);
    assert_eq!((ban.lasts, ban.with_address), (4 * BAN_FIRST, true));
    assert!(peers.is_address_banned(ip("8.8.8.8"), now));
    assert!(!peers.is_address_banned(ip("8.8.8.9"), now));
    assert!(!peers.is_address_banned(ip("8.8.8.8"), now + ban.lasts));
    for _ in 0..40 {
        assert!(peers.ban(peer, None, now).lasts <= BAN_MAX);
    }
    // Whoever is banned comes back as somebody else, from the same address.
    let (first, second) = (PeerId::random(), PeerId::random());
    let place = Some(ip("9.9.9.9"));
    assert!(!peers.ban(first, place, now).with_address);
    let ban = peers.ban(second, place, now);
    assert_eq!((ban.lasts, ban.with_address), (BAN_FIRST, true));
    assert!(peers.is_address_banned(ip("9.9.9.9"), now + 2 * BAN_FIRST));
    for _ in 0..20 {
        peers.ban(PeerId::random(), place, now);
    }
    // Others may have the address too.
    assert!(!peers.is_address_banned(ip("9.9.9.9"), now + Duration::from_secs(3_600)));
    // Good conduct makes the next ban a first one.
    assert_eq!(peers.ban(peer, None, now + 3 * BAN_MAX).lasts, BAN_FIRST);
}

#[test]
fn reserved_peers_are_not_banned_and_favoured_ones_only_for_grave_faults() {
    let (mut peers, now) = (Peers::default(), Instant::now());
    let (reserved, favoured) = (PeerId::random(), PeerId::random());
    for _ in 0..100 {
        assert_eq!(peers.fault(reserved, None, PeerFault::Invalid, Trust::Reserved, now), None);
        assert_eq!(peers.fault(favoured, None, PeerFault::Greedy, Trust::Favoured, now), None);
    }
    assert_eq!(peers.score(&favoured, now), SCORE_MIN + 1);
    assert!(peers.fault(favoured, None, PeerFault::Malformed, Trust::Favoured, now).is_some());
}

#[test]
fn standings_are_bounded() {
    let (mut peers, now) = (Peers::default(), Instant::now());
    let first = PeerId::random();
    peers.fault(first, None, PeerFault::Invalid, Trust::None, now);
    for _ in 0..crate::PEERS_REMEMBERED_MAX + 10 {
        peers.fault(PeerId::random(), None, PeerFault::Unhelpful, Trust::None, now);
    }
    // Those with the least faults are forgotten.
    assert_eq!(peers.score(&first, now), -PeerFault::Invalid.weight());
}

#[test]
fn messages_that_wait_are_bounded_by_their_bytes() {
    let (topic, now) = (Topic::Bodies, Instant::now());
    let (mut inflow, mut reader) = Inflow::new(topic);
    let mut take = |number: u8| {
        let body = vec![number; topic.bytes_max()];
        inflow.take(PeerId::random(), MessageId::new(&[number]), body, 1, now)
    };
    for number in 0..16 {
        assert_eq!(take(number), Ok(()));
    }
    assert_eq!(take(16), Err(Dropped::NoRoom));
    // A message waits until its verdict, which takes its receipt.
    let Gossip { receipt, .. } = reader.try_recv().expect("a message");
    assert_eq!(take(17), Err(Dropped::NoRoom));
    drop(receipt);
    assert_eq!(take(18), Ok(()));
    let too_large = vec![0; topic.bytes_max() + 1];
    let id = MessageId::new(&[19]);
    assert_eq!(inflow.take(PeerId::random(), id, too_large, 1, now), Err(Dropped::TooLarge));
}

#[test]
fn both_sides_close_the_same_of_two_connections() {
    let (a, b, start) = (PeerId::random(), PeerId::random(), Instant::now());
    let link = |id, direction| Link {
        id: ConnectionId::new_unchecked(id),
        address: address("/ip4/8.8.8.8/tcp/1"),
        direction,
        since: start,
    };
    // Connection 1 was dialled by a, connection 2 by b.
    let mut of_a = Session::new(link(1, Direction::Outbound));
    of_a.links.push(link(2, Direction::Inbound));
    let mut of_b = Session::new(link(2, Direction::Outbound));
    of_b.links.push(link(1, Direction::Inbound));
    assert_eq!(of_a.superfluous(&a, &b, start - SECOND), None, "they are new");
    let closed = of_a.superfluous(&a, &b, start);
    assert!(closed.is_some());
    assert_eq!(closed, of_b.superfluous(&b, &a, start));
    // A relayed one is not needed beside a direct one.
    let relay = format!("/ip4/8.8.8.8/tcp/1/p2p/{a}/p2p-circuit");
    of_a.links[0].address = address(&relay);
    assert_eq!(of_a.superfluous(&a, &b, start), Some(of_a.links[0].id));
    of_a.links.pop();
    assert_eq!(of_a.superfluous(&a, &b, start), None);
}

fn limits(inbound_max: usize) -> Limits {
    Limits::new(Numbers {
        inbound_max,
        outbound_max: 4,
        per_address_max: 2,
        per_range_max: 3,
        private: false,
        reserved_only: false,
    })
}

/// Admits so many new peers from an address, and counts those that are let in.
fn admitted(
    limits: &mut Limits,
    from: usize,
    count: usize,
    place: impl Fn(usize) -> IpAddr,
) -> usize {
    let admit = |index: &usize| {
        let id = ConnectionId::new_unchecked(from + index);
        limits.admit(id, PeerId::random(), Some(place(*index)), Direction::Inbound).is_ok()
    };
    (0..count).filter(admit).count()
}

#[test]
fn fifty_nodes_of_one_range_take_few_slots() {
    let mut limits = limits(100);
    let of_range = |index: usize| ip(&format!("203.0.113.{index}"));
    assert_eq!(admitted(&mut limits, 0, 50, of_range), 3);
    assert_eq!(admitted(&mut limits, 100, 50, |_| ip("9.9.9.9")), 2);
    let of_prefix = |index: usize| ip(&format!("2a00:1:2:{index:x}::1"));
    assert_eq!(admitted(&mut limits, 200, 50, of_prefix), 3);
    assert_eq!(admitted(&mut limits, 300, 50, |index| ip(&format!("2a00:2::{index:x}"))), 2);
    // Outbound connections count with them.
    let id = ConnectionId::new_unchecked(400);
    let outbound = limits.admit(id, PeerId::random(), Some(of_range(60)), Direction::Outbound);
    assert_eq!(outbound, Err(Denial::Range));
    limits.release(ConnectionId::new_unchecked(0));
    assert!(limits.has_room_at(of_range(60)));
}

#[test]
fn favoured_and_reserved_peers_are_outside_of_the_limits_and_others_make_room() {
    let mut limits = limits(4);
    let spread = |index: usize| ip(&format!("9.9.{index}.1"));
    assert_eq!(admitted(&mut limits, 0, 4, spread), 4);
    assert!(!limits.has_turned_away());
    assert_eq!(admitted(&mut limits, 4, 1, spread), 0);
    assert!(limits.has_turned_away());
    limits.release(ConnectionId::new_unchecked(3));
    assert!(!limits.has_turned_away(), "there is a place again");
    assert_eq!(admitted(&mut limits, 3, 10, spread), 1);
    assert!(!limits.is_inbound_crowded());
    for index in 0..10 {
        let peer = PeerId::random();
        if index < 5 {
            limits.favour(peer, true);
        } else {
            assert!(limits.reserve(peer));
        }
        let id = ConnectionId::new_unchecked(100 + index);
        assert_eq!(limits.admit(id, peer, Some(spread(20)), Direction::Inbound), Ok(()));
    }
    let mut dropped = 0;
    while limits.is_inbound_crowded() {
        limits.release(ConnectionId::new_unchecked(dropped));
        dropped += 1;
    }
    assert_eq!(dropped, 3, "a quarter is left to others");
}

#[test]
fn one_peer_has_two_connections_at_most_and_few_are_relayed() {
    let mut limits = limits(8);
    let peer = PeerId::random();
    let mut admit = |id, peer, place| {
        limits.admit(ConnectionId::new_unchecked(id), peer, place, Direction::Inbound)
    };
    assert_eq!(admit(0, peer, Some(ip("9.9.9.9"))), Ok(()));
    assert_eq!(admit(1, peer, None), Ok(()));
    assert_eq!(admit(2, peer, Some(ip("9.9.8.9"))), Err(Denial::Peer));
    assert_eq!(admit(3, PeerId::random(), None), Ok(()));
    assert_eq!(admit(4, PeerId::random(), None), Err(Denial::Relayed));
}

#[test]
fn connections_that_are_being_set_up_are_bounded() {
    let mut limits = limits(1_000);
    let mut begin =
        |id, place: IpAddr| limits.begin_inbound(ConnectionId::new_unchecked(id), Some(place));
    assert_eq!(begin(0, ip("9.9.9.9")), Ok(()));
    assert_eq!(begin(1, ip("9.9.9.9")), Ok(()));
    assert_eq!(begin(2, ip("9.9.9.9")), Err(Denial::Pending));
    let spread = |index: usize| ip(&format!("8.{index}.9.1"));
    let begun = (10..110).filter(|index| begin(*index, spread(*index)).is_ok()).count();
    assert_eq!(begun, PENDING_INBOUND_MAX - 2);
    limits.fail(ConnectionId::new_unchecked(0));
    assert_eq!(limits.begin_inbound(ConnectionId::new_unchecked(200), None), Ok(()));
}

#[test]
fn only_reserved_peers_count_for_a_hidden_node() {
    let numbers = Numbers { reserved_only: true, private: true, ..numbers() };
    let (mut limits, reserved, favoured) =
        (Limits::new(numbers), PeerId::random(), PeerId::random());
    limits.reserve(reserved);
    limits.favour(favoured, true);
    let id = ConnectionId::new_unchecked(0);
    assert_eq!(limits.admit(id, favoured, None, Direction::Inbound), Err(Denial::NotReserved));
    assert_eq!(limits.begin_outbound(id, Some(favoured)), Err(Denial::NotReserved));
    assert_eq!(limits.admit(id, reserved, None, Direction::Inbound), Ok(()));
}

fn numbers() -> Numbers {
    Numbers {
        inbound_max: 4,
        outbound_max: 4,
        per_address_max: 1,
        per_range_max: 1,
        private: false,
        reserved_only: false,
    }
}

#[test]
fn addresses_are_told_apart() {
    for public in [
        "8.8.8.8",
        "100.63.0.1",
        "192.0.1.1",
        "2a00:1450::1",
        "2002:808:808::1",
        "64:ff9b::808:808",
    ] {
        assert!(addresses::is_public(ip(public)), "{public}");
    }
    for private in [
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "127.0.0.1",
        "169.254.1.1",
        "100.64.0.1",
        "0.0.0.0",
        "192.0.0.1",
        "198.18.0.1",
        "203.0.113.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fc00::1",
        "ff02::1",
        "2001:db8::1",
        "::ffff:10.0.0.1",
        "2002:a00:1::1",
        "64:ff9b::a00:1",
        "64:ff9b:1::1",
    ] {
        assert!(!addresses::is_public(ip(private)), "{private}");
    }
    let relayed =
        "/ip4/8.8.8.8/tcp/1/p2p/12D3KooWGDEvEqB2nzRT5FTW7Nan95Fxpt6hgA7vYrwEgfGB4H7b/p2p-circuit";
    for usable in
        ["/ip4/8.8.8.8/tcp/1", "/ip6/2a00::1/udp/1/quic-v1", "/dns/a.example/tcp/1", relayed]
    {
        assert!(addresses::is_usable(&address(usable), false), "{usable}");
    }
    for unusable in [
        "/ip4/10.0.0.1/tcp/1",
        "/ip4/8.8.8.8/tcp/0",
        "/ip4/8.8.8.8/udp/1",
        "/ip4/8.8.8.8/tcp/1/ws",
        "/memory/1",
        "/ip4/8.8.8.8",
        "/p2p-circuit",
    ] {
        assert!(!addresses::is_usable(&address(unusable), false), "{unusable}");
    }
    assert!(addresses::is_usable(&address("/ip4/127.0.0.1/tcp/1"), true));
    assert!(!addresses::is_usable(&address("/ip4/0.0.0.0/tcp/1"), true));
    assert_eq!(addresses::place(&address(relayed)), None);
    assert_eq!(addresses::place(&address("/ip6/::ffff:1.2.3.4/tcp/1")), Some(ip("1.2.3.4")));
}

/// Dials a peer in vain until it is forgotten, and says how often and for how long.
fn dialled_in_vain(book: &mut Book, peer: &PeerId, start: Instant) -> (u32, Duration) {
    let (mut dials, mut now) = (0, start);
    while let Some(at) = book.get(peer).map(|known| known.dial_at.unwrap_or(start)) {
        now = at;
        assert!(book.due(now).next().is_some());
        book.fail(peer, now);
        dials += 1;
    }
    (dials, now - start)
}

#[test]
fn the_book_keeps_the_best_and_dials_less_and_less() {
    let (mut book, start) = (Book::default(), Instant::now());
    let (peer, good) = (PeerId::random(), address("/ip4/8.8.8.8/tcp/1"));
    book.note(peer, vec![address("/ip4/8.8.4.4/tcp/1")], Trial::Heard);
    book.note(peer, vec![good.clone()], Trial::Told);
    book.note(peer, vec![address("/ip4/6.6.6.6/tcp/1")], Trial::Heard);
    assert_eq!(book.get(&peer).expect("known").addresses[..], *std::slice::from_ref(&good));
    assert_eq!(dialled_in_vain(&mut book, &peer, start), (9, Duration::from_millis(63_750)));
    book.succeed(peer, good.clone());
    let (dials, lasted) = dialled_in_vain(&mut book, &peer, start);
    assert_eq!(dials, 151);
    assert!(lasted > Duration::from_secs(23 * 3_600), "an outage of hours: {lasted:?}");
    // One that is named is dialled for ever.
    book.note(peer, vec![good], Trial::Named);
    for _ in 0..1_000 {
        book.fail(&peer, start);
    }
    assert!(book.due(start + Duration::from_secs(31)).next().is_some());
}

#[test]
fn the_book_is_bounded_and_survives_in_a_file() {
    let mut book = Book::default();
    let (peer, good) = (PeerId::random(), address("/ip4/8.8.8.8/tcp/1"));
    book.succeed(peer, good.clone());
    for _ in 0..crate::PEERS_KNOWN_MAX + 10 {
        book.note(PeerId::random(), vec![good.clone()], Trial::Heard);
    }
    assert_eq!(book.len(), crate::PEERS_KNOWN_MAX);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("peers.json");
    write(&path, &book.changes().expect("news")).expect("it is written");
    assert_eq!(book.changes(), None);

    let mut read = Book::default();
    assert_eq!(read.load(&path, |_| true).expect("it is read"), 1, "hearsay is not kept");
    assert_eq!(read.get(&peer).expect("known").addresses, [good]);
    assert_eq!(Book::default().load(&path, |_| false).expect("it is read"), 0);
    assert_eq!(read.load(&folder.path().join("none"), |_| true).expect("no file is fine"), 0);
    write(&path, b"{").expect("it is written");
    assert!(read.load(&path, |_| true).is_err());
}

#[test]
fn discovery_is_eager_at_first() {
    let start = Instant::now();
    let mut discovery = Discovery::new(start);
    let first = discovery.due(false, start);
    assert!(first.contains(&Errand::Provide) && first.contains(&Errand::Walk));
    assert!(first.contains(&Errand::Look(Role::Gateway)));
    let mut looks_within = |seconds: u32, has_enough| {
        let times = (1..=seconds * 10).map(|tenth| start + tenth * SECOND / 10);
        let looks = times.map(|now| {
            let due = discovery.due(has_enough, now);
            due.iter().filter(|errand| **errand == Errand::Look(Role::Validator)).count()
        });
        looks.sum::<usize>()
    };
    assert_eq!(looks_within(4, false), 4);
    let mut calm = Discovery::new(start);
    let looks =
        (0..36_000).filter(|tenth| !calm.due(true, start + *tenth * SECOND / 10).is_empty());
    assert!(looks.count() < 80, "an hour of calm");
}

#[test]
fn roles_are_read_from_what_a_peer_says() {
    assert_eq!(Role::of_agent("artel/1 (gateway)"), Some(Role::Gateway));
    assert_eq!(Role::of_agent("artel/1 (gateway) or so"), None);
    assert_eq!(Role::Agent.sign("artel/1 (agent)".to_owned()), "artel/1 (agent)");
    assert_eq!(Role::Agent.sign("artel/1".to_owned()), "artel/1 (agent)");
}

#[test]
fn settings_that_are_not_possible_are_named() {
    assert_eq!(Config::default().validate(), Ok(()));
    let of = |change: fn(&mut Config)| {
        let mut config = Config::default();
        change(&mut config);
        config.validate().expect_err("it is not possible")
    };
    assert!(matches!(
        of(|config| config.per_range_max = 0),
        ConfigError::OutOfBounds { name: "per_range_max", .. }
    ));
    assert_eq!(of(|config| config.reserved_only = true), ConfigError::NobodyReserved);
    assert!(matches!(
        of(|config| config.bootnodes = config.listen.clone()),
        ConfigError::NoIdentity { name: "bootnodes", .. }
    ));
    assert!(matches!(
        of(|config| config.listen = vec![address("/dns/a.example/tcp/1")]),
        ConfigError::CannotListen(_)
    ));
    assert!(matches!(
        of(|config| config.listen = vec![address("/ip4/0.0.0.0/tcp/1"); 257]),
        ConfigError::TooManyAddresses { name: "listen", count: 257 }
    ));
}

#[test]
fn a_key_is_made_once_and_kept_private() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("node_key");
    let key = load_or_create_key(&path).expect("a key");
    assert_eq!(load_or_create_key(&path).expect("the key"), key);
    assert_ne!(key, [0; 32]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&path).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    std::fs::write(&path, "something else").expect("it is written");
    assert!(matches!(load_or_create_key(&path), Err(KeyError::NotAKey(_))));
    assert!(matches!(load_or_create_key(folder.path()), Err(KeyError::Io { .. })));
}

#[test]
fn dials_that_peers_bring_about_leave_room_for_this_node_s_own() {
    let mut limits = limits(100);
    let foreign = (0..1_000).filter(|id| {
        limits.begin_outbound(ConnectionId::new_unchecked(*id), Some(PeerId::random())).is_ok()
    });
    assert_eq!(foreign.count(), PENDING_FOREIGN_MAX);
    assert_eq!(limits.dials(), 0);
    let own = (1_000..2_000).filter(|id| {
        let id = ConnectionId::new_unchecked(*id);
        limits.want(id);
        limits.begin_outbound(id, Some(PeerId::random())).is_ok()
    });
    assert_eq!(own.count(), PENDING_OUTBOUND_MAX);
    assert_eq!(limits.dials(), PENDING_OUTBOUND_MAX);
}
