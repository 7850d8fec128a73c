//! What attackers say: names of protocols, and messages as they are on the wire.

use libp2p::{Multiaddr, PeerId};
use network::{Protocol, Topic};
use primitives::Hash;

/// Bytes of the genesis hash in a name.
const GENESIS_BYTES: usize = 16;

/// Names of a chain's protocols.
#[derive(Clone, Debug)]
pub struct Names(String);

impl Names {
    /// Those of the chain with this genesis.
    pub fn new(genesis: &Hash) -> Self {
        Self(format!("/artel/{}", hex::encode(&genesis.as_bytes()[..GENESIS_BYTES])))
    }

    /// The chain's own.
    pub fn chain(&self) -> String {
        format!("{}/1", self.0)
    }

    /// The DHT's.
    pub fn dht(&self) -> String {
        format!("{}/kad/1", self.0)
    }

    /// That of requests.
    pub fn ask(&self, protocol: Protocol) -> String {
        format!("{}/ask/{}/1", self.0, word(protocol))
    }

    /// That of gossip of a topic.
    pub fn gossip(&self, topic: Topic) -> String {
        format!("{}/gossip/{}/1.1.0", self.0, word(topic))
    }

    /// A topic itself.
    pub fn topic(&self, topic: Topic) -> String {
        format!("{}/{}/1", self.0, word(topic))
    }
}

fn word(kind: impl std::fmt::Debug) -> String {
    format!("{kind:?}").to_lowercase()
}

/// A number as protocol buffers have it.
pub fn as_varint(number: usize) -> Vec<u8> {
    let (mut rest, mut bytes) = (number, Vec::new());
    loop {
        let low = u8::try_from(rest & 0x7f).unwrap_or_default();
        rest >>= 7;
        if rest == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

/// A field of a protocol buffer that holds bytes.
pub fn field(number: usize, bytes: &[u8]) -> Vec<u8> {
    [as_varint(number << 3 | 2), as_varint(bytes.len()), bytes.to_vec()].concat()
}

/// A field that holds a number.
pub fn number_field(number: usize, value: usize) -> Vec<u8> {
    [as_varint(number << 3), as_varint(value)].concat()
}

/// Bytes with their length before them, as all of libp2p's protocols frame messages.
pub fn framed(bytes: &[u8]) -> Vec<u8> {
    [as_varint(bytes.len()), bytes.to_vec()].concat()
}

/// Bytes with their length before them, as this chain's requests have it.
pub fn asked(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    [&length.to_be_bytes(), bytes].concat()
}

/// A message of a topic, as gossip frames it.
pub fn told(topic: &str, data: &[u8]) -> Vec<u8> {
    framed(&field(2, &[field(2, data), field(4, topic.as_bytes())].concat()))
}

/// What gossip says beside messages: which ones are there, wanted and not wanted, and who is in the topic's mesh.
pub fn control(topic: &str, ids: &[[u8; 32]], kind: u64) -> Vec<u8> {
    let ids = |number| ids.iter().flat_map(|id| field(number, id)).collect::<Vec<_>>();
    let topic = field(1, topic.as_bytes());
    let said = match kind % 5 {
        0 => field(1, &[topic, ids(2)].concat()),
        1 => field(2, &ids(1)),
        2 => field(3, &topic),
        3 => field(4, &[topic, number_field(3, usize::MAX)].concat()),
        _ => field(5, &ids(1)),
    };
    framed(&field(3, &said))
}

/// A question to the DHT: who is near a key?
pub fn find_node(key: &[u8]) -> Vec<u8> {
    framed(&[number_field(1, 4), field(2, key)].concat())
}

/// Tells the DHT that a peer provides a key.
pub fn add_provider(key: &[u8], peer: PeerId, address: &Multiaddr) -> Vec<u8> {
    let peer = [field(1, &peer.to_bytes()), field(2, &address.to_vec())].concat();
    framed(&[number_field(1, 2), field(2, key), field(9, &peer)].concat())
}

/// Asks a relay for a place.
pub fn reserve() -> Vec<u8> {
    framed(&number_field(1, 0))
}

/// Asks a node to dial an address, to see whether it can be reached.
pub fn dial_back(address: &Multiaddr, nonce: u64) -> Vec<u8> {
    let nonce = [as_varint(2 << 3 | 1), nonce.to_le_bytes().to_vec()].concat();
    framed(&field(1, &[field(1, &address.to_vec()), nonce].concat()))
}
