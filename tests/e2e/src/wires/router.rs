//! What stands between a machine and the wires: nothing, or a router that gives it another address and lets in only what
//! answers to something that the machine has sent, port by port. Ports stay as they are.

use super::Place;
use std::{collections::HashSet, net::Ipv4Addr};

/// Where addresses stand in a packet of IPv4.
const SOURCE: usize = 12;
const TARGET: usize = 16;
/// Where the checksum of a packet's header is.
const CHECKSUM: usize = 10;
const TCP: u8 = 6;
const UDP: u8 = 17;
/// Bytes that are looked at of a packet, behind its own header.
const PORTS_BYTES: usize = 20;

/// What a machine and another say to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Flow {
    protocol: u8,
    own_port: [u8; 2],
    other: Ipv4Addr,
    other_port: [u8; 2],
}

/// What stands before one machine.
#[derive(Debug)]
pub struct Router {
    place: Place,
    flows: HashSet<Flow>,
}

impl Router {
    /// What stands before a machine at this place.
    pub fn new(place: &Place) -> Self {
        Self { place: *place, flows: HashSet::new() }
    }

    /// Passes on what the machine sends.
    pub fn send(&mut self, packet: &mut [u8]) {
        let Some(outside) = self.place.seen_as else { return };
        if let (Some(other), Some((protocol, [own_port, other_port]))) =
            (address(packet, TARGET), ports(packet))
        {
            self.flows.insert(Flow { protocol, own_port, other, other_port });
            rewrite(packet, SOURCE, outside);
        }
    }

    /// Whether a packet is for the machine and let in.
    pub fn receive(&mut self, packet: &mut [u8]) -> bool {
        let Place { address: inside, seen_as } = self.place;
        if address(packet, TARGET) != Some(seen_as.unwrap_or(inside)) {
            return false;
        }
        if seen_as.is_none() {
            return true;
        }
        let (Some(other), Some((protocol, [other_port, own_port]))) =
            (address(packet, SOURCE), ports(packet))
        else {
            return false;
        };
        let is_known = self.flows.contains(&Flow { protocol, own_port, other, other_port });
        if is_known {
            rewrite(packet, TARGET, inside);
        }
        is_known
    }
}

/// An address of a packet of IPv4.
fn address(packet: &[u8], at: usize) -> Option<Ipv4Addr> {
    let octets: [u8; 4] = packet.get(at..at + 4)?.try_into().ok()?;
    (packet.first()? >> 4 == 4).then(|| octets.into())
}

/// The protocol of a packet, and its ports: source and target.
fn ports(packet: &[u8]) -> Option<(u8, [[u8; 2]; 2])> {
    let start = header_bytes(packet)?;
    let protocol = *packet.get(9)?;
    let ports = packet.get(start..start + 4)?;
    let is_whole = packet.len() >= start + PORTS_BYTES || protocol == UDP;
    (matches!(protocol, TCP | UDP) && is_whole)
        .then(|| (protocol, [[ports[0], ports[1]], [ports[2], ports[3]]]))
}

fn header_bytes(packet: &[u8]) -> Option<usize> {
    Some(usize::from(packet.first()? & 0x0f) * 4)
}

/// Puts another address into a packet with ports, and mends the checksums that it counts in.
fn rewrite(packet: &mut [u8], at: usize, to: Ipv4Addr) {
    let (Some(from), Some(start)) = (address(packet, at), header_bytes(packet)) else { return };
    let of_content = match packet[9] {
        TCP => start + 16,
        _ => start + 6,
    };
    packet[at..at + 4].copy_from_slice(&to.octets());
    for place in [CHECKSUM, of_content] {
        let Some(Ok(old)) = packet.get(place..place + 2).map(TryInto::<[u8; 2]>::try_into) else {
            continue;
        };
        // A datagram of UDP may have none.
        if place != CHECKSUM && packet[9] == UDP && old == [0, 0] {
            continue;
        }
        let new = mended(u16::from_be_bytes(old), from, to);
        packet[place..place + 2].copy_from_slice(&new.to_be_bytes());
    }
}

/// A checksum in which one address counts for another: RFC 1624, equation 3.
fn mended(old: u16, from: Ipv4Addr, to: Ipv4Addr) -> u16 {
    let halves = |ip: Ipv4Addr| {
        let [a, b, c, d] = ip.octets();
        [u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])]
    };
    let gone = halves(from).map(|half| u32::from(!half));
    let come = halves(to).map(u32::from);
    let mut sum = u32::from(!old) + gone.iter().sum::<u32>() + come.iter().sum::<u32>();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or_default()
}
