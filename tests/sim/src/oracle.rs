//! What must hold in every run, checked over everything that is sent and committed, without the nodes'
//! help.

use crate::{node, outcome::Outcome};
use chain::Head;
use codec::{Decode, Encode};
use consensus::{Evidence, Message, Step, Validators};
use pallets::{offences::Event, system::EventRecord};
use primitives::{
    AccountId, Certificate, Hash, Height, StateRead, ValidatorSet, check_certificate,
};
use runtime::RuntimeEvent;
use std::collections::{BTreeMap, BTreeSet};

/// So often the invariants of the whole state are checked.
const CHECKED_HEIGHTS: Height = 5;
/// Slots in which a liar sent everybody two things, after which it must be caught.
const CATCH_SLOTS: u64 = 8;

/// A place where a node may send one thing.
type Slot = (usize, Height, u32, Step);

/// See the module's text.
#[derive(Default)]
pub(crate) struct Oracle {
    pub(crate) outcome: Outcome,
    genesis: Hash,
    liars: BTreeSet<usize>,
    /// The validators of each height, as the state before it says.
    validators: BTreeMap<Height, ValidatorSet>,
    /// The block of each height.
    blocks: BTreeMap<Height, Hash>,
    sent: BTreeMap<Slot, Vec<u8>>,
    double_signs: BTreeSet<Slot>,
    /// Slots in which each liar sent everybody two things.
    to_catch: BTreeMap<usize, u64>,
    caught: BTreeSet<usize>,
}

impl Oracle {
    pub(crate) fn new(genesis: Hash, first: ValidatorSet, liars: BTreeSet<usize>) -> Self {
        let validators = BTreeMap::from([(1, first)]);
        Self { genesis, liars, validators, ..Self::default() }
    }

    pub(crate) fn fail(&mut self, what: String) {
        self.outcome.failures.push(what);
    }

    /// A node sends a message.
    pub(crate) fn on_sent(&mut self, node: usize, message: &Message) {
        let (who, height, round, step) = match message {
            Message::Vote(signed) => {
                let vote = &signed.vote;
                (vote.validator, vote.height, vote.round, vote.kind.into())
            }
            Message::Proposal(signed) => {
                let proposal = &signed.proposal;
                (proposal.proposer, proposal.height, proposal.round, Step::Proposal)
            }
            _ => return,
        };
        if self.liars.contains(&node) || who != node::account(node) {
            return;
        }
        if self.validators.get(&height).is_some_and(|set| set.get(&who).is_none()) {
            self.fail(format!("node {node} signs at {height}, where it is no validator"));
        }
        let bytes = message.encode();
        let slot = (node, height, round, step);
        if *self.sent.entry(slot).or_insert_with(|| bytes.clone()) != bytes
            && self.double_signs.insert(slot)
        {
            self.outcome.double_signs += 1;
            self.fail(format!("honest node {node} signs twice at {height}/{round} {step:?}"));
        }
    }

    /// A liar sends two things for one slot; `to_all` if everybody gets both.
    pub(crate) fn on_equivocation(&mut self, liar: usize, to_all: bool) {
        self.outcome.equivocations += 1;
        if to_all {
            *self.to_catch.entry(liar).or_default() += 1;
        }
    }

    /// An honest node accuses somebody.
    pub(crate) fn on_evidence(&mut self, node: usize, evidence: &Evidence) {
        if self.liars.contains(&node) {
            return;
        }
        self.outcome.evidence += 1;
        let Some(offence) = evidence.offence() else {
            return self.fail(format!("node {node} reports what is no offence"));
        };
        let set = self.validators.get(&offence.height).cloned();
        let Some(Ok(set)) = set.map(Validators::new) else {
            return self.fail(format!("node {node} reports an offence at {}", offence.height));
        };
        if let Err(error) = evidence.check(&set, &self.genesis) {
            return self.fail(format!("node {node} has evidence that does not hold: {error}"));
        }
        match self.liars.iter().find(|liar| node::account(**liar) == offence.validator) {
            Some(liar) => {
                self.caught.insert(*liar);
            }
            None => self.fail(format!("node {node} accuses {}", name(&offence.validator))),
        }
    }

    /// A node's sync machine punishes a peer.
    pub(crate) fn on_punished(&mut self, node: usize, peer: usize, fault: &chain::sync::PeerFault) {
        if !self.liars.contains(&peer) && peer != node::OUTSIDER {
            self.fail(format!("node {node} punishes honest node {peer}: {fault}"));
        }
    }

    /// A node has a new head. Whether it is the first with this block.
    pub(crate) fn on_head(&mut self, node: usize, head: &Head, included: usize) -> bool {
        let height = head.height;
        self.outcome.blocks += 1;
        let is_first = !self.blocks.contains_key(&height);
        let agreed = *self.blocks.entry(height).or_insert(head.hash);
        if agreed != head.hash {
            self.outcome.forks += 1;
            self.fail(format!(
                "node {node} has another block {height}: {} not {agreed}",
                head.hash
            ));
        }
        if height > 1 && self.blocks.get(&(height - 1)) != Some(&head.header.parent_hash) {
            self.fail(format!("block {height} of node {node} has another parent"));
        }
        if head.header.hash() != head.hash || head.snapshot.root != head.header.state_root {
            self.fail(format!("head {height} of node {node} does not fit its header"));
        }
        let next = runtime::validator_set(&head.snapshot);
        let known = self.validators.entry(height + 1).or_insert_with(|| next.clone());
        if *known != next {
            self.fail(format!("node {node} has other validators for {}", height + 1));
        }
        match head.certificate.as_deref() {
            Some(certificate) => self.check_certificate(node, head, certificate),
            None => self.fail(format!("head {height} of node {node} has no certificate")),
        }
        if is_first {
            self.check_slashes(head);
            self.outcome.height = self.outcome.height.max(height);
            self.outcome.transactions += u64::try_from(included).unwrap_or(u64::MAX);
            if height.is_multiple_of(CHECKED_HEIGHTS)
                && let Err(error) = runtime::check(&head.snapshot)
            {
                self.fail(format!("the state of block {height} is broken: {error}"));
            }
        }
        is_first
    }

    /// Only liars lose stake.
    fn check_slashes(&mut self, head: &Head) {
        let events = head.snapshot.get(&runtime::events_key()).unwrap_or_default();
        let records = Vec::<EventRecord<RuntimeEvent, Hash>>::decode(&mut &events[..]);
        let Ok(records) = records else {
            return self.fail(format!("the events of block {} do not decode", head.height));
        };
        for record in records {
            let RuntimeEvent::Offences(Event::Equivocation { validator, .. }) = record.event else {
                continue;
            };
            self.outcome.slashed += 1;
            if !self.liars.iter().any(|liar| node::account(*liar) == validator) {
                self.fail(format!("{} loses stake at {}", name(&validator), head.height));
            }
        }
    }

    fn check_certificate(&mut self, node: usize, head: &Head, certificate: &Certificate) {
        let Some(validators) = self.validators.get(&head.height) else { return };
        let checked = check_certificate(certificate, &head.hash, validators, &self.genesis);
        if let Err(error) = checked.map(|()| certificate.height).and_then(|height| {
            let wrong = primitives::CertificateError::WrongBlock {
                height,
                found: certificate.block,
                expected: head.hash,
            };
            if height == head.height { Ok(()) } else { Err(wrong) }
        }) {
            self.fail(format!("block {} of node {node} is not proved: {error}", head.height));
        }
    }

    /// The run is over.
    pub(crate) fn finish(mut self) -> Outcome {
        for (liar, slots) in &self.to_catch {
            if *slots >= CATCH_SLOTS {
                self.outcome.liars += 1;
                if self.caught.contains(liar) {
                    self.outcome.caught += 1;
                } else {
                    let what = format!("liar {liar} is not caught, after {slots} slots");
                    self.outcome.failures.push(what);
                }
            }
        }
        self.outcome
    }
}

fn name(account: &AccountId) -> String {
    let honest = (0..crate::NODES_MAX).find(|node| node::account(*node) == *account);
    honest.map_or_else(|| account.to_string(), |node| format!("honest node {node}"))
}
