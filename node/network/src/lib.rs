#![doc = include_str!("../README.md")]
#![deny(missing_docs)]

mod addresses;
mod behaviour;
mod book;
mod bounds;
mod commands;
mod config;
mod discovery;
mod events;
mod gate;
mod gossip;
mod io;
mod key;
mod limits;
mod metrics;
mod names;
mod paced;
mod peers;
mod rate;
mod requests;
mod service;
mod serving;
mod session;
mod transport;
mod upkeep;

pub use book::{PEERS_KNOWN_MAX, PEERS_SAVED_MAX};
pub use bounds::{FAVOURED_FACTOR, READING_BYTES_MAX, VERDICT_MAX};
pub use config::{ADDRESSES_MAX, Config, ConfigError, PEERS_MAX};
pub use io::*;
pub use key::{KeyError, load_or_create_key, peer_id};
pub use libp2p::{Multiaddr, PeerId};
pub use limits::{
    FAVOURED_MAX, OUTBOUND_SPARE, PENDING_FOREIGN_MAX, PENDING_INBOUND_MAX, PENDING_OUTBOUND_MAX,
    PER_PEER_MAX, RESERVED_MAX, VALIDATORS_DIALLED_MAX,
};
pub use peers::{BAN_FIRST, BAN_MAX, FAULTS_HALF_LIFE, PEERS_REMEMBERED_MAX, SCORE_MIN};
pub use rate::Rate;
pub use service::{Error, Network, Setup};
pub use transport::UNREAD_BYTES_MAX;

#[cfg(test)]
mod tests;
