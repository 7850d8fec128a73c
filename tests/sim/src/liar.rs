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
/// How often, in percent, everybody gets both of a liar's messages.
const TO_ALL_PERCENT: u64 = 35;
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
    if !world.plan.equivocators.contains(&node) {
        return false;
    }
    // Where two blocks are proposed, liars act together.
    let named = match message {
        Message::Vote(signed) => signed.vote.block,
        Message::Proposal(signed) => Some(signed.proposal.block),
        _ => None,
    };
    let is_attack = named.is_some_and(|block| world.rivals.contains_key(&block));
    if !is_attack && !world.random.chance(LIES_PERCENT) {
        return false;
    }
    let [even, odd] = match message {
        Message::Vote(signed) if signed.vote.validator == node::account(node) => {
            two_votes(world, node, signed)
        }
        Message::Body(body) => match other_body(world, node, body) {
            Some(other) => [message.clone(), Message::Body(other)],
            None => return false,
        },
        Message::Proposal(signed) if signed.proposal.proposer == node::account(node) => {
            match other_proposal(world, node, signed) {
                Some(other) => [message.clone(), Message::Proposal(other)],
                None => return false,
            }
        }
        _ => return false,
    };
    // Either everybody gets both, or each half something else.
    let to_all = !is_attack && world.random.chance(TO_ALL_PERCENT);
    if !matches!(message, Message::Body(_)) {
        world.oracle.on_equivocation(node, to_all);
    }
    for to in (0..world.nodes.len()).filter(|to| *to != node) {
        // Liars do not lie to each other.
        if world.plan.equivocators.contains(&to) {
            world.send(node, to, Wire::Consensus(Arc::new(message.clone())));
            continue;
        }
        if to_all || to % 2 == 0 {
            world.send(node, to, Wire::Consensus(Arc::new(even.clone())));
        }
        if to_all || to % 2 == 1 {
            world.send(node, to, Wire::Consensus(Arc::new(odd.clone())));
        }
    }
    true
}

fn sign_vote(world: &World, node: usize, vote: Vote) -> SignedVote {
    let mut signed = SignedVote { vote, signature: [0; 64] };
    signed.signature = node::vote_pair(node).sign(&signed.signed_bytes(&world.genesis_hash));
    signed
}

/// Where liars proposed two blocks, each half gets a vote for the one that it knows: enough of them would
/// make a fork.
fn two_votes(world: &mut World, node: usize, signed: &SignedVote) -> [Message; 2] {
    let vote = &signed.vote;
    let rivals = vote.block.and_then(|block| world.rivals.get(&block).copied());
    let blocks = match (rivals, vote.block) {
        (Some(rivals), _) => rivals.map(Some),
        (None, Some(block)) if world.random.chance(50) => [Some(block), None],
        (None, block) => [block, Some(random_hash(&mut world.random))],
    };
    blocks.map(|block| Message::Vote(sign_vote(world, node, Vote { block, ..vote.clone() })))
}

/// A second block for the same round.
fn other_body(world: &mut World, node: usize, body: &Body) -> Option<Body> {
    let Body { height, round, block, .. } = *body;
    if world.rivals.contains_key(&block) {
        return None;
    }
    let (other, bytes) = world.build(node, height, round, 7)?;
    if other == block {
        return None;
    }
    let rivals = [block, other];
    world.rivals.extend(rivals.map(|rival| (rival, rivals)));
    Some(Body { height, round, block: other, bytes: Arc::new(bytes) })
}

/// The proposal of the second block, if there is one.
fn other_proposal(world: &World, node: usize, signed: &SignedProposal) -> Option<SignedProposal> {
    let mut proposal = signed.proposal.clone();
    let [first, other] = *world.rivals.get(&proposal.block)?;
    if proposal.pol_round.is_some() || proposal.block != first {
        return None;
    }
    proposal.block = other;
    let mut other = SignedProposal { proposal, signature: [0; 64] };
    other.signature = node::vote_pair(node).sign(&other.signed_bytes(&world.genesis_hash));
    Some(other)
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
