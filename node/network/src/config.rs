//! Settings of the network, and their bounds.

use libp2p::{Multiaddr, PeerId, multiaddr::Protocol};
use serde::{Deserialize, Serialize};

/// Most connections of a direction that can be configured.
pub const PEERS_MAX: u32 = 4_096;
/// Most addresses of one setting.
pub const ADDRESSES_MAX: usize = 256;

/// Settings of the network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Addresses to listen on.
    pub listen: Vec<Multiaddr>,
    /// Addresses to tell others besides those that they find out.
    pub external: Vec<Multiaddr>,
    /// Nodes to begin with, besides those of the chain spec; each ends in `/p2p/` and an identity.
    pub bootnodes: Vec<Multiaddr>,
    /// Nodes that are always connected, beyond all limits.
    pub reserved: Vec<Multiaddr>,
    /// Connect to reserved nodes alone: a validator behind its sentries.
    pub reserved_only: bool,
    /// Find nodes of the local network by multicast.
    pub mdns: bool,
    /// Dial and tell private and loopback addresses: for networks on one machine or in one house.
    pub private_addresses: bool,
    /// Pass on connections of nodes that can't be reached, within limits.
    pub relay: bool,
    /// Connections that this node wants to make.
    pub outbound_peers: u32,
    /// Most connections that others may make.
    pub inbound_peers_max: u32,
    /// Most connections from one address.
    pub per_address_max: u32,
    /// Most connections from one range of addresses: /24 of IPv4, /48 of IPv6.
    pub per_range_max: u32,
}

impl Default for Config {
    fn default() -> Self {
        let any = |text: &str| text.parse().expect("an address that is written here is one");
        Self {
            listen: [
                "/ip4/0.0.0.0/tcp/30333",
                "/ip6/::/tcp/30333",
                "/ip4/0.0.0.0/udp/30333/quic-v1",
                "/ip6/::/udp/30333/quic-v1",
            ]
            .map(any)
            .to_vec(),
            external: Vec::new(),
            bootnodes: Vec::new(),
            reserved: Vec::new(),
            reserved_only: false,
            mdns: false,
            private_addresses: false,
            relay: true,
            outbound_peers: 24,
            inbound_peers_max: 96,
            per_address_max: 4,
            per_range_max: 8,
        }
    }
}

/// A setting that is not possible.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A number is out of its bounds.
    #[error("network.{name} is {value}: {min} to {max} is possible")]
    OutOfBounds {
        /// The setting.
        name: &'static str,
        /// Its value.
        value: u32,
        /// Least that is possible.
        min: u32,
        /// Most that is possible.
        max: u32,
    },
    /// A setting names too many addresses.
    #[error("network.{name} names {count} addresses: at most {ADDRESSES_MAX} are possible")]
    TooManyAddresses {
        /// The setting.
        name: &'static str,
        /// How many it names.
        count: usize,
    },
    /// An address that does not say who is there.
    #[error("network.{name} has {address}, which must end in /p2p/ and the node's identity")]
    NoIdentity {
        /// The setting.
        name: &'static str,
        /// The address.
        address: Multiaddr,
    },
    /// An address that nothing can listen on.
    #[error("network.listen has {0}: write /ip4/../tcp/.. or /ip4/../udp/../quic-v1, ip6 likewise")]
    CannotListen(Multiaddr),
    /// Nobody to connect to.
    #[error("network.reserved_only is set and network.reserved is empty: name the sentries there")]
    NobodyReserved,
}

impl Config {
    /// Whether a network can work with these settings.
    ///
    /// # Errors
    ///
    /// Names the first setting that is not possible.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let numbers = [
            ("outbound_peers", self.outbound_peers, 0),
            ("inbound_peers_max", self.inbound_peers_max, 0),
            ("per_address_max", self.per_address_max, 1),
            ("per_range_max", self.per_range_max, 1),
        ];
        for (name, value, min) in numbers {
            if !(min..=PEERS_MAX).contains(&value) {
                return Err(ConfigError::OutOfBounds { name, value, min, max: PEERS_MAX });
            }
        }
        let lists = [
            ("listen", &self.listen),
            ("external", &self.external),
            ("bootnodes", &self.bootnodes),
            ("reserved", &self.reserved),
        ];
        for (name, list) in lists {
            if list.len() > ADDRESSES_MAX {
                return Err(ConfigError::TooManyAddresses { name, count: list.len() });
            }
        }
        for (name, list) in &lists[2..] {
            if let Some(address) = list.iter().find(|address| identity_of(address).is_none()) {
                return Err(ConfigError::NoIdentity { name, address: address.clone() });
            }
        }
        if let Some(address) = self.listen.iter().find(|address| !can_listen(address)) {
            return Err(ConfigError::CannotListen(address.clone()));
        }
        if self.reserved_only && self.reserved.is_empty() {
            return Err(ConfigError::NobodyReserved);
        }
        Ok(())
    }
}

impl Config {
    /// Whether private addresses are dialled: nodes of the local network have no others.
    pub(crate) fn dials_private(&self) -> bool {
        self.private_addresses || self.mdns
    }
}

/// The identity that an address ends in.
pub(crate) fn identity_of(address: &Multiaddr) -> Option<PeerId> {
    match address.iter().last()? {
        Protocol::P2p(peer) => Some(peer),
        _ => None,
    }
}

/// Whether one of the transports that listen by themselves knows this kind of address.
fn can_listen(address: &Multiaddr) -> bool {
    let mut parts = address.iter();
    matches!(parts.next(), Some(Protocol::Ip4(_) | Protocol::Ip6(_)))
        && match (parts.next(), parts.next()) {
            (Some(Protocol::Tcp(_)), None) => true,
            (Some(Protocol::Udp(_)), Some(Protocol::QuicV1)) => parts.next().is_none(),
            _ => false,
        }
}
