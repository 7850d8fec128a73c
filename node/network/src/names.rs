//! Names of protocols. Each holds the chain's genesis, so that nodes of different chains have none in common.

use crate::{Protocol, Role, Topic};
use libp2p::{StreamProtocol, gossipsub::IdentTopic, kad::RecordKey};
use primitives::{Hash, crypto::hash::blake2_256_of};

/// Bytes of the genesis hash in a name.
const GENESIS_BYTES: usize = 16;
const VERSION: u32 = 1;

/// Names of protocols of one chain.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    genesis: Hash,
    prefix: String,
}

impl Names {
    pub fn new(genesis: Hash) -> Self {
        let prefix = format!("/artel/{}", hex::encode(&genesis.as_bytes()[..GENESIS_BYTES]));
        Self { genesis, prefix }
    }

    /// What a node says that it speaks.
    pub fn chain(&self) -> String {
        format!("{}/{VERSION}", self.prefix)
    }

    pub fn kad(&self) -> StreamProtocol {
        self.protocol("kad")
    }

    pub fn request(&self, protocol: Protocol) -> StreamProtocol {
        self.protocol(&format!("ask/{}", protocol.name()))
    }

    /// Gossipsub puts its own versions behind it.
    pub fn gossip_prefix(&self, topic: Topic) -> String {
        format!("{}/gossip/{}", self.prefix, topic.name())
    }

    pub fn topic(&self, topic: Topic) -> IdentTopic {
        IdentTopic::new(format!("{}/{}/{VERSION}", self.prefix, topic.name()))
    }

    /// Under which key nodes of a role are found.
    pub fn role_key(&self, role: Role) -> RecordKey {
        RecordKey::new(&blake2_256_of(&[self.genesis.as_bytes(), role.name().as_bytes()]))
    }

    fn protocol(&self, name: &str) -> StreamProtocol {
        StreamProtocol::try_from_owned(format!("{}/{name}/{VERSION}", self.prefix))
            .expect("it begins with a slash")
    }
}

/// All roles.
pub(crate) const ROLES: [Role; 3] = [Role::Validator, Role::Agent, Role::Gateway];

impl Role {
    /// Its name, as flags and folders have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Validator => "validator",
            Self::Agent => "agent",
            Self::Gateway => "gateway",
        }
    }

    /// What a node says that it does: agents of software end in it, as in `artel/0.1.0 (validator)`.
    pub(crate) fn of_agent(agent: &str) -> Option<Self> {
        ROLES.into_iter().find(|role| agent.ends_with(&format!("({})", role.name())))
    }

    /// Says in an agent of software what the node does.
    pub(crate) fn sign(self, agent: String) -> String {
        match Self::of_agent(&agent) {
            Some(role) if role == self => agent,
            _ => format!("{agent} ({})", self.name()),
        }
    }
}
