//! What dishonest nodes and outsiders do.

use crate::{
    node,
    random::Random,
    world::{Wire, World},
};
use chain::sync::wire;
use consensus::{Body, Message, SignedProposal, SignedVote, Vote, VoteKind};
use primitives::{Certificate, Hash};
use std::sync::Arc;

/// How often, in percent, a liar lies where it could.
const LIES_PERCENT: u64 = 60;
/// How often, in percent, a liar tells a false status.
const BOASTS_PERCENT: u64 = 20;
/// How often, in percent, a liar damages what it serves.
const DAMAGES_PERCENT: u64 = 30;

/// What a liar sends in place of a message. Whether it does.
pub(crate) fn broadcast(world: &mut World, node: usize, message: &Message) -> bool {
    if world.plan.withholders.contains(&node)
        && let Message::Body(_) = message
    {
        let to = world.random.index(world.nodes.len());
        if to != node && world.random.chance(50) {
            world.send(node, to, Wire::Consensus(Arc::new(message.clone())));
        }
        return true;
    }
    if !world.plan.equivocators.contains(&node) || !world.random.chance(LIES_PERCENT) {
        return false;
    }
    let others = match message {
        Message::Vote(signed) if signed.vote.validator == node::account(node) => {
            vec![Message::Vote(other_vote(world, node, &signed.vote))]
        }
        Message::Proposal(signed) if signed.proposal.proposer == node::account(node) => {
            match other_proposal(world, node, signed) {
                Some((body, proposal)) => vec![Message::Body(body), Message::Proposal(proposal)],
                None => return false,
            }
        }
        _ => return false,
    };
    // Either everybody gets both, or each half something else.
    let to_all = world.random.chance(50);
    let salt = world.random.index(2);
    world.oracle.on_equivocation(node, to_all);
    for to in (0..world.nodes.len()).filter(|to| *to != node) {
        let gets_true = to_all || to % 2 == salt;
        let gets_other = to_all || !gets_true;
        if gets_true {
            world.send(node, to, Wire::Consensus(Arc::new(message.clone())));
        }
        if gets_other {
            for other in &others {
                world.send(node, to, Wire::Consensus(Arc::new(other.clone())));
            }
        }
    }
    true
}

fn sign_vote(world: &World, node: usize, vote: Vote) -> SignedVote {
    let mut signed = SignedVote { vote, signature: [0; 64] };
    signed.signature = node::vote_pair(node).sign(&signed.signed_bytes(&world.genesis_hash));
    signed
}

fn other_vote(world: &mut World, node: usize, vote: &Vote) -> SignedVote {
    let block = match vote.block {
        Some(_) if world.random.chance(50) => None,
        _ => Some(random_hash(&mut world.random)),
    };
    sign_vote(world, node, Vote { block, ..vote.clone() })
}

/// A second block for the same round, and the proposal for it.
fn other_proposal(
    world: &mut World,
    node: usize,
    signed: &SignedProposal,
) -> Option<(Body, SignedProposal)> {
    let mut proposal = signed.proposal.clone();
    if proposal.pol_round.is_some() {
        return None;
    }
    let (height, round) = (proposal.height, proposal.round);
    let (block, bytes) = world.build(node, height, round, 7)?;
    if block == proposal.block {
        return None;
    }
    proposal.block = block;
    let mut other = SignedProposal { proposal, signature: [0; 64] };
    other.signature = node::vote_pair(node).sign(&other.signed_bytes(&world.genesis_hash));
    Some((Body { height, round, block, bytes: Arc::new(bytes) }, other))
}

/// Makes a status false, now and then: another height, or another block at this one.
pub(crate) fn boast(status: &mut wire::Status, random: &mut Random) {
    if random.chance(BOASTS_PERCENT) {
        if random.chance(50) {
            let more = u32::try_from(random.below(10_000)).expect("small");
            status.height = status.height.saturating_add(more);
        }
        status.hash = random_hash(random);
    }
}

/// Changes a byte of what a liar serves, now and then.
pub(crate) fn damage(bytes: &mut [u8], random: &mut Random) {
    if !bytes.is_empty() && random.chance(DAMAGES_PERCENT) {
        let place = random.index(bytes.len());
        bytes[place] ^= 1 << random.below(8);
    }
}

/// One message of an outsider to everybody.
pub(crate) fn spam(world: &mut World) {
    let heights: Vec<_> = world.nodes.iter().filter_map(crate::node::Node::height).collect();
    let height = heights.iter().max().copied().unwrap_or_default();
    let height = match world.random.below(4) {
        0 => height,
        1 => height.saturating_add(2),
        2 => u32::MAX - 1,
        _ => height.saturating_add(1),
    };
    let round = u32::try_from(world.random.below(4)).expect("small");
    let block = random_hash(&mut world.random);
    let accused = world.random.index(world.plan.powers.len());
    let wire = match world.random.below(5) {
        0 => {
            let kind =
                if world.random.chance(50) { VoteKind::Prevote } else { VoteKind::Precommit };
            let validator = node::account(accused);
            let vote = Vote { kind, height, round, block: Some(block), validator };
            let signature = [7; 64];
            Wire::Consensus(Arc::new(Message::Vote(SignedVote { vote, signature })))
        }
        1 => {
            let bytes = Arc::new(vec![1; 300]);
            Wire::Consensus(Arc::new(Message::Body(Body { height, round, block, bytes })))
        }
        2 => {
            let signatures = vec![(node::account(accused), [3; 64])];
            let certificate = Certificate { height, round, block, signatures };
            let body = Arc::new(vec![2; 200]);
            let decided = consensus::Decided { certificate, body };
            Wire::Consensus(Arc::new(Message::Decided(decided)))
        }
        3 => Wire::Status(wire::Status { height, hash: block }),
        _ => {
            let bytes = (0..80).map(|_| world.random.next().to_le_bytes()[0]).collect();
            Wire::Transaction(primitives::OpaqueTransaction(bytes))
        }
    };
    for to in 0..world.nodes.len() {
        world.send_spam(to, wire.clone());
    }
}

fn random_hash(random: &mut Random) -> Hash {
    let mut hash = [0; 32];
    hash[..8].copy_from_slice(&random.next().to_le_bytes());
    Hash(hash)
}
