//! All that the swarm does, in parts.

use crate::{
    Config, Protocol, Topic,
    gate::Gate,
    gossip::{Lane, lane},
    limits::{Numbers, OUTBOUND_SPARE, VALIDATORS_DIALLED_MAX},
    names::Names,
    requests::{Exchange, exchange},
};
use libp2p::{
    StreamProtocol, autonat, dcutr, identify,
    identity::Keypair,
    kad::{self, store::MemoryStore, store::MemoryStoreConfig},
    mdns, ping, relay,
    swarm::{NetworkBehaviour, behaviour::toggle::Toggle},
};
use std::{io, num::NonZeroUsize, time::Duration};

const PING_INTERVAL: Duration = Duration::from_secs(15);
const PING_TIMEOUT: Duration = Duration::from_secs(10);
/// Nodes that are told of for one role.
const PROVIDERS_PER_ROLE_MAX: usize = 128;
/// Keys under which this node tells of others: there are three roles.
const KEYS_MAX: usize = 16;
/// Bytes of a message of the DHT, so that an answer holds all providers of a role.
const DHT_BYTES_MAX: usize = 64 << 10;
/// How long a node is told of after it said what it does.
const PROVIDER_LIFE: Duration = Duration::from_secs(3_600);
const QUERY_MAX: Duration = Duration::from_secs(20);
/// Peers whose connections are passed on, and their connections.
const RELAYED_MAX: usize = 32;

/// All that the swarm does. The gate comes first: what it does not let in, no other part sees.
#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    pub gate: Gate,
    pub identify: identify::Behaviour,
    pub ping: ping::Behaviour,
    pub kad: kad::Behaviour<MemoryStore>,
    pub told_consensus: Lane,
    pub told_bodies: Lane,
    pub told_heads: Lane,
    pub told_transactions: Lane,
    pub asked_status: Exchange,
    pub asked_bodies: Exchange,
    pub asked_blocks: Exchange,
    pub asked_state: Exchange,
    pub asked_blobs: Exchange,
    pub relay_client: relay::client::Behaviour,
    pub relay: Toggle<relay::Behaviour>,
    pub dcutr: dcutr::Behaviour,
    pub autonat_client: autonat::v2::client::Behaviour,
    pub autonat_server: autonat::v2::server::Behaviour,
    pub mdns: Toggle<mdns::tokio::Behaviour>,
}

impl Behaviour {
    pub fn new(
        config: &Config,
        names: &Names,
        keypair: &Keypair,
        agent: String,
        is_validator: bool,
        relay_client: relay::client::Behaviour,
    ) -> io::Result<Self> {
        let local = keypair.public().to_peer_id();
        let size = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
        let validators = if is_validator { VALIDATORS_DIALLED_MAX } else { 0 };
        let numbers = Numbers {
            inbound_max: size(config.inbound_peers_max),
            outbound_max: size(config.outbound_peers + OUTBOUND_SPARE + validators),
            per_address_max: size(config.per_address_max),
            per_range_max: size(config.per_range_max),
            private: config.dials_private(),
            reserved_only: config.reserved_only,
        };
        let identify = identify::Config::new(names.chain(), keypair.public())
            .with_agent_version(agent)
            .with_push_listen_addr_updates(true)
            // Addresses of others are this crate's book's.
            .with_cache_size(0)
            .with_hide_listen_addrs(!config.private_addresses);
        let relay = config.relay.then(|| {
            let limits = relay::Config {
                max_reservations: RELAYED_MAX,
                max_reservations_per_peer: 1,
                max_circuits: RELAYED_MAX,
                max_circuits_per_peer: 2,
                ..relay::Config::default()
            };
            relay::Behaviour::new(local, limits)
        });
        let mdns = config
            .mdns
            .then(|| mdns::tokio::Behaviour::new(mdns::Config::default(), local))
            .transpose()?;
        Ok(Self {
            gate: Gate::new(numbers),
            identify: identify::Behaviour::new(identify),
            ping: ping::Behaviour::new(
                ping::Config::new().with_interval(PING_INTERVAL).with_timeout(PING_TIMEOUT),
            ),
            kad: dht(names.kad(), keypair, config.private_addresses),
            told_consensus: lane(names, Topic::Consensus),
            told_bodies: lane(names, Topic::Bodies),
            told_heads: lane(names, Topic::Heads),
            told_transactions: lane(names, Topic::Transactions),
            asked_status: exchange(names, Protocol::Status),
            asked_bodies: exchange(names, Protocol::Bodies),
            asked_blocks: exchange(names, Protocol::Blocks),
            asked_state: exchange(names, Protocol::State),
            asked_blobs: exchange(names, Protocol::Blobs),
            relay_client,
            relay: relay.into(),
            dcutr: dcutr::Behaviour::new(local),
            autonat_client: autonat::v2::client::Behaviour::default(),
            autonat_server: autonat::v2::server::Behaviour::default(),
            mdns: mdns.into(),
        })
    }

    /// The gossipsub of a topic.
    pub fn lane(&mut self, topic: Topic) -> &mut Lane {
        match topic {
            Topic::Consensus => &mut self.told_consensus,
            Topic::Bodies => &mut self.told_bodies,
            Topic::Heads => &mut self.told_heads,
            Topic::Transactions => &mut self.told_transactions,
        }
    }

    /// The behaviour of a protocol.
    pub fn exchange(&mut self, protocol: Protocol) -> &mut Exchange {
        match protocol {
            Protocol::Status => &mut self.asked_status,
            Protocol::Bodies => &mut self.asked_bodies,
            Protocol::Blocks => &mut self.asked_blocks,
            Protocol::State => &mut self.asked_state,
            Protocol::Blobs => &mut self.asked_blobs,
        }
    }
}

/// Makes the DHT. Only nodes that others can reach serve it; of what is put in, only providers of roles are kept, and
/// only addresses that were looked at get into its table.
fn dht(name: StreamProtocol, keypair: &Keypair, private: bool) -> kad::Behaviour<MemoryStore> {
    let local = keypair.public().to_peer_id();
    let store = MemoryStoreConfig {
        max_records: 0,
        max_value_bytes: 0,
        max_providers_per_key: PROVIDERS_PER_ROLE_MAX,
        max_provided_keys: KEYS_MAX,
    };
    let mut config = kad::Config::new(name);
    config
        .set_kbucket_inserts(kad::BucketInserts::Manual)
        .set_record_filtering(kad::StoreInserts::FilterBoth)
        .set_caching(kad::Caching::Disabled)
        .set_max_packet_size(DHT_BYTES_MAX)
        .set_query_timeout(QUERY_MAX)
        .set_parallelism(NonZeroUsize::new(4).expect("it is not 0"))
        .set_provider_record_ttl(Some(PROVIDER_LIFE))
        .set_provider_publication_interval(Some(PROVIDER_LIFE / 4))
        .set_record_ttl(None)
        .set_replication_interval(None)
        .set_publication_interval(None);
    let mut kad =
        kad::Behaviour::with_config(local, MemoryStore::with_config(local, store), config);
    // Otherwise it serves once this node knows an address at which others reach it.
    if private {
        kad.set_mode(Some(kad::Mode::Server));
    }
    kad
}
