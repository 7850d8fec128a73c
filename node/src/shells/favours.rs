//! Peers that are connected, and those of them that validators run: these are favoured.

use crate::wire::PeerProof;
use network::PeerId;
use primitives::{AccountId, Hash, ValidatorSet};
use std::collections::{BTreeMap, HashMap, VecDeque};

/// Nodes of one validator that are favoured: its own and a standby. Of more, those that proved it last are.
pub const NODES_PER_VALIDATOR_MAX: usize = 2;

/// Whether a peer is favoured from now on.
pub type Change = (PeerId, bool);

/// Who is connected and what proves that a validator runs it. A favour lasts over a loss of the connection, so that the
/// peer finds its place again.
pub struct Favours {
    genesis: Hash,
    connected: HashMap<PeerId, Option<PeerProof>>,
    favoured: BTreeMap<AccountId, VecDeque<(PeerId, PeerProof)>>,
    /// Members of the validator set that proofs were checked against.
    members: Hash,
}

impl Favours {
    /// Nobody is connected.
    pub fn new(genesis: Hash, validators: &ValidatorSet) -> Self {
        let members = validators.members_hash();
        Self { genesis, connected: HashMap::new(), favoured: BTreeMap::new(), members }
    }

    pub fn connect(&mut self, peer: PeerId) {
        self.connected.entry(peer).or_default();
    }

    pub fn disconnect(&mut self, peer: &PeerId) {
        self.connected.remove(peer);
    }

    /// Whether its end will be told: nothing is kept of others.
    pub fn is_connected(&self, peer: &PeerId) -> bool {
        self.connected.contains_key(peer)
    }

    /// A connected peer says that a validator runs it, which may be true of a later set.
    pub fn on_proof(
        &mut self,
        peer: PeerId,
        proof: PeerProof,
        validators: Option<&ValidatorSet>,
    ) -> Vec<Change> {
        let Some(known) = self.connected.get_mut(&peer) else { return Vec::new() };
        *known = Some(proof.clone());
        let is_good = |set| proof.is_good(&self.genesis, &peer.to_bytes(), set);
        if validators.is_some_and(is_good) { self.favour(peer, proof) } else { Vec::new() }
    }

    /// When other validators decide, other peers are favoured.
    pub fn on_validators(&mut self, validators: &ValidatorSet) -> Vec<Change> {
        let members = validators.members_hash();
        if members == self.members {
            return Vec::new();
        }
        self.members = members;
        let genesis = self.genesis;
        let is_good = |peer: &PeerId, proof: &PeerProof| {
            proof.is_good(&genesis, &peer.to_bytes(), validators)
        };
        let mut changes = Vec::new();
        self.favoured.retain(|_, nodes| {
            nodes.retain(|(peer, proof)| {
                let stays = is_good(peer, proof);
                if !stays {
                    changes.push((*peer, false));
                }
                stays
            });
            !nodes.is_empty()
        });
        let proofs =
            self.connected.iter().filter_map(|(peer, proof)| Some((peer, proof.as_ref()?)));
        let is_news = |(peer, proof): &(&PeerId, &PeerProof)| {
            let nodes = self.favoured.get(&proof.account);
            !nodes.is_some_and(|nodes| nodes.iter().any(|(node, _)| node == *peer))
        };
        let fresh: Vec<(PeerId, PeerProof)> = proofs
            .filter(is_news)
            .filter(|(peer, proof)| is_good(peer, proof))
            .map(|(peer, proof)| (*peer, proof.clone()))
            .collect();
        for (peer, proof) in fresh {
            changes.extend(self.favour(peer, proof));
        }
        changes
    }

    fn favour(&mut self, peer: PeerId, proof: PeerProof) -> Vec<Change> {
        let nodes = self.favoured.entry(proof.account).or_default();
        nodes.retain(|(node, _)| *node != peer);
        nodes.push_back((peer, proof));
        let mut changes = vec![(peer, true)];
        if nodes.len() > NODES_PER_VALIDATOR_MAX
            && let Some((first, _)) = nodes.pop_front()
        {
            changes.push((first, false));
        }
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use primitives::{ValidatorInfo, crypto::pair::Ed25519Pair};

    const GENESIS: Hash = Hash([7; 32]);

    fn key(validator: u8) -> Ed25519Pair {
        Ed25519Pair::from_seed(&[validator; 32])
    }

    fn set(validators: &[u8]) -> ValidatorSet {
        let info = |n: &u8| ValidatorInfo {
            account: AccountId([*n; 32]),
            vote_key: key(*n).public(),
            vrf_key: [0; 32],
            power: 1,
        };
        ValidatorSet { validators: validators.iter().map(info).collect(), seed: GENESIS }
    }

    fn proof(validator: u8, peer: &PeerId) -> PeerProof {
        let message = PeerProof::signed_bytes(&GENESIS, &peer.to_bytes());
        PeerProof { account: AccountId([validator; 32]), signature: key(validator).sign(&message) }
    }

    #[test]
    fn nothing_is_kept_of_who_is_not_connected() {
        let (validators, peer) = (set(&[1]), PeerId::random());
        let mut favours = Favours::new(GENESIS, &validators);
        assert_eq!(favours.on_proof(peer, proof(1, &peer), Some(&validators)), []);
        favours.connect(peer);
        assert_eq!(favours.on_proof(peer, proof(1, &peer), Some(&validators)), [(peer, true)]);
        favours.disconnect(&peer);
        assert!(!favours.is_connected(&peer));
        assert_eq!(favours.on_validators(&set(&[2])), [(peer, false)], "until it is none any more");
    }

    #[test]
    fn a_validator_has_few_favoured_nodes_whatever_it_signs() {
        let validators = set(&[1, 2]);
        let mut favours = Favours::new(GENESIS, &validators);
        let mut favoured = std::collections::BTreeSet::new();
        for number in 0..100 {
            let peer = PeerId::random();
            favours.connect(peer);
            let changes = favours.on_proof(peer, proof(1, &peer), Some(&validators));
            for (peer, is_favoured) in changes {
                assert!(if is_favoured { favoured.insert(peer) } else { favoured.remove(&peer) });
            }
            assert_eq!(favoured.len(), NODES_PER_VALIDATOR_MAX.min(number + 1));
            let stranger = PeerProof { account: AccountId([2; 32]), ..proof(1, &peer) };
            assert_eq!(favours.on_proof(peer, stranger, Some(&validators)), []);
        }
    }

    #[test]
    fn who_is_elected_later_is_favoured_then() {
        let (before, peer) = (set(&[1]), PeerId::random());
        let mut favours = Favours::new(GENESIS, &before);
        favours.connect(peer);
        assert_eq!(favours.on_proof(peer, proof(2, &peer), Some(&before)), []);
        assert_eq!(favours.on_validators(&before), []);
        assert_eq!(favours.on_validators(&set(&[1, 2])), [(peer, true)]);
        assert_eq!(favours.on_validators(&set(&[2])), [], "it is already");
        assert_eq!(favours.on_validators(&before), [(peer, false)]);
    }
}
