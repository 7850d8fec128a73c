//! What is logged and sent.

use super::{Host, UNSIGNED};
use crate::{
    context::{self, Context, Height as MHeight, round_number},
    guard::Signed,
    io::{Fault, Output},
    message::{Body, Message, SignedProposal, SignedVote},
    wal::{ElapsedStep, Entry, Record},
};
use arc_malachitebft_core_consensus as mc;
use arc_malachitebft_core_types as mt;
use primitives::Hash;

impl Host {
    pub(super) fn append(&mut self, height: MHeight, input: &mc::Input<Context>) {
        let entry = match input {
            mc::Input::Vote(vote) => self.vote_entry(context::signed_vote(vote)),
            mc::Input::Proposal(proposal) => {
                self.proposal_entry(context::signed_proposal(proposal))
            }
            mc::Input::ProposedValue(value, _) => Entry::Value {
                round: round_number(value.round),
                proposer: value.proposer.0,
                block: value.value.0,
                valid: value.validity.is_valid(),
            },
            mc::Input::TimeoutElapsed(timeout) => {
                let step = match timeout.kind {
                    mt::TimeoutKind::Propose => ElapsedStep::Propose,
                    mt::TimeoutKind::Prevote => ElapsedStep::Prevote,
                    mt::TimeoutKind::Precommit => ElapsedStep::Precommit,
                    mt::TimeoutKind::Rebroadcast | mt::TimeoutKind::FinalizeHeight(_) => return,
                };
                Entry::Elapsed { step, round: round_number(timeout.round) }
            }
            mc::Input::PolkaCertificate(polka) => Entry::Polka(polka.into()),
            // Malachite rebuilds these from others; it never asks to log them.
            mc::Input::StartHeight(..)
            | mc::Input::RoundCertificate(_)
            | mc::Input::Propose(_)
            | mc::Input::SyncValueResponse(_) => return,
        };
        self.write(Record { height: height.0, entry });
    }

    fn vote_entry(&mut self, vote: SignedVote) -> Entry {
        let is_twins = self.is_twins(&Signed::Vote(vote.clone()));
        if is_twins { Entry::TwinVote(vote) } else { Entry::Vote(vote) }
    }

    fn proposal_entry(&mut self, proposal: SignedProposal) -> Entry {
        let is_twins = self.is_twins(&Signed::Proposal(proposal.clone()));
        if is_twins { Entry::TwinProposal(proposal) } else { Entry::Proposal(proposal) }
    }

    /// Whether a message in this validator's name was signed for another node of it.
    fn is_twins(&mut self, signed: &Signed) -> bool {
        if signed.validator() != self.account() {
            return false;
        }
        let was_logged =
            self.replay.as_ref().is_some_and(|replay| replay.own_messages().contains(signed));
        let is_twins = !self.guard.has(signed) && !was_logged;
        // What the guard refused to sign comes along too, without a signature.
        let is_signed = signed.signature() != UNSIGNED;
        if is_twins && is_signed && !self.shares_keys() && self.replay.is_none() {
            self.on_twin(signed);
        }
        is_twins
    }

    /// Somebody else may have the key that is this node's alone.
    fn on_twin(&mut self, signed: &Signed) {
        let slot = signed.slot();
        if !self.guard.may_sign(slot.height) {
            let height = slot.height;
            tracing::warn!(height, "another node signs with this validator's key: this one waits");
            self.guard.on_twin(height);
        } else if self.guard.is_foreign(signed) {
            self.fault = Some(Fault::Twin { slot });
        }
    }

    pub(super) fn write(&mut self, record: Record) {
        if !self.replay.as_ref().is_some_and(|replay| replay.knows(&record)) {
            if !self.log.has_room(&record) {
                self.flush_log();
            }
            self.log.push(&record);
        }
    }

    pub(super) fn flush_log(&mut self) {
        if !self.log.is_empty() {
            self.out.push(Output::AppendWal(std::mem::take(&mut self.log).finish()));
        }
    }

    /// Send, after all that led to it is on disk. The log goes first: the guard never knows of a
    /// signature that a replay would not find.
    pub(super) fn publish(&mut self, message: Message) {
        self.flush_log();
        self.out.extend(self.guard.take_changed().map(Output::WriteGuard));
        self.out.push(Output::Broadcast(message));
    }

    pub(crate) fn publish_vote(&mut self, vote: &mt::SignedVote<Context>) {
        if vote.signature != UNSIGNED {
            self.publish(Message::Vote(context::signed_vote(vote)));
        }
    }

    pub(super) fn publish_proposal(&mut self, proposal: &mt::SignedProposal<Context>) {
        if proposal.signature != UNSIGNED {
            if self.replay.is_some() {
                // The crash may have come before the block was sent.
                self.publish_body(round_number(proposal.round), proposal.message.block.0);
            }
            self.publish(Message::Proposal(context::signed_proposal(proposal)));
        }
    }

    pub(super) fn publish_body(&mut self, round: u32, block: Hash) {
        if let Some(bytes) = self.bodies.get(&block) {
            let height = self.height;
            self.out.push(Output::Broadcast(Message::Body(Body { height, round, block, bytes })));
        }
    }
}
