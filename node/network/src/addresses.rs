//! Where a node is: what of an address counts for limits, and which addresses may be dialled and told.

use libp2p::{Multiaddr, PeerId, multiaddr::Protocol};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Most addresses of one peer that are remembered.
pub(crate) const ADDRESSES_PER_PEER_MAX: usize = 8;
/// Most bytes of an address that others tell.
const ADDRESS_BYTES_MAX: usize = 256;

/// The address of a machine in the internet protocol; none if the connection is relayed.
pub(crate) fn place(address: &Multiaddr) -> Option<IpAddr> {
    if is_relayed(address) {
        return None;
    }
    match address.iter().next()? {
        Protocol::Ip4(ip) => Some(IpAddr::V4(ip)),
        Protocol::Ip6(ip) => Some(ip.to_canonical()),
        _ => None,
    }
}

/// Whether another node passes the connection on.
pub(crate) fn is_relayed(address: &Multiaddr) -> bool {
    address.iter().any(|part| part == Protocol::P2pCircuit)
}

/// What counts as one address: of IPv6 a /64, which is what one customer has.
pub(crate) fn house(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(ip) => masked(ip, 64),
    }
}

/// What counts as one range: a /24 of IPv4, a /48 of IPv6.
pub(crate) fn range(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, c, _] = ip.octets();
            Ipv4Addr::new(a, b, c, 0).into()
        }
        IpAddr::V6(ip) => masked(ip, 48),
    }
}

fn masked(ip: Ipv6Addr, bits: u32) -> IpAddr {
    Ipv6Addr::from_bits(ip.to_bits() & !(u128::MAX >> bits)).into()
}

/// Whether the whole internet can reach it.
pub(crate) fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let is_shared = a == 100 && b & 0xc0 == 64;
    let is_special =
        a == 0 || a >= 240 || (a == 192 && b == 0 && c == 0) || (a == 198 && b & 0xfe == 18);
    !(ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_documentation()
        || ip.is_multicast()
        || is_shared
        || is_special)
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    if let Some(mapped) = ip.to_ipv4_mapped() {
        return is_public_v4(mapped);
    }
    // 2000::/3 is all that is given out; NAT64 and 6to4 hold an address of IPv4.
    let [a, b, c, d, ..] = ip.segments();
    let embedded = |high: u16, low: u16| {
        let [[a, b], [c, d]] = [high.to_be_bytes(), low.to_be_bytes()];
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match (a, b) {
        (0x64, 0xff9b) if c == 0 && d == 0 => embedded(ip.segments()[6], ip.segments()[7]),
        (0x2002, _) => embedded(b, c),
        (0x2001, 0xdb8) | (0x3fff, 0..=0xfff) => false,
        (0x2001, 0..=0x1ff) => false,
        _ => a & 0xe000 == 0x2000,
    }
}

/// Whether an address that others tell can be used by this node and passed on: with a transport that nodes have, and
/// public unless `private` ones are wanted.
pub(crate) fn is_usable(address: &Multiaddr, private: bool) -> bool {
    if address.len() > ADDRESS_BYTES_MAX {
        return false;
    }
    let mut parts = address.iter();
    let is_good_host = match parts.next() {
        Some(Protocol::Ip4(ip)) => !ip.is_unspecified() && (private || is_public_v4(ip)),
        Some(Protocol::Ip6(ip)) => !ip.is_unspecified() && (private || is_public_v6(ip)),
        Some(Protocol::Dns(_) | Protocol::Dns4(_) | Protocol::Dns6(_)) => true,
        _ => false,
    };
    let is_good_transport = match parts.next() {
        Some(Protocol::Tcp(port)) => port != 0,
        Some(Protocol::Udp(port)) => port != 0 && parts.next() == Some(Protocol::QuicV1),
        _ => false,
    };
    // Behind these come at most a relay's identity, the word that it is one, and the node's identity.
    is_good_host
        && is_good_transport
        && parts.all(|part| matches!(part, Protocol::P2p(_) | Protocol::P2pCircuit))
}

/// The address without the identity at its end, if it is this one; none if it is another's.
pub(crate) fn without_identity(mut address: Multiaddr, peer: PeerId) -> Option<Multiaddr> {
    match address.iter().last() {
        Some(Protocol::P2p(other)) if other != peer => None,
        Some(Protocol::P2p(_)) => {
            address.pop();
            Some(address)
        }
        _ => Some(address),
    }
}
