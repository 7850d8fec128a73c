//! What is built, checked and decided.

use super::{Host, Syncing};
use crate::{
    bodies::{Next, Progress},
    context::{self, Address, BlockId, Context, Height as MHeight, round_number},
    io::{Fault, Output, Proposed, Verdict},
    message::{Body, Bytes, Message},
    wal::{Entry, Record},
};
use arc_malachitebft_core_consensus as mc;
use arc_malachitebft_core_types as mt;
use arc_malachitebft_peer::PeerId;
use mt::Round;
use primitives::{Certificate, Evidence, Hash, Height};
use std::sync::Arc;

impl Host {
    pub(super) fn get_value(&mut self, height: MHeight, round: Round) {
        let round = round_number(round);
        match &mut self.replay {
            // Whether a block of ours exists already is known at the end of the log.
            Some(replay) => replay.build_round = Some(round),
            None => self.ask_for_block(height.0, round),
        }
    }

    pub(crate) fn ask_for_block(&mut self, height: Height, round: u32) {
        let grown = self.timeouts.round_step_ms.saturating_mul(u64::from(round));
        let within_ms =
            self.timeouts.propose_ms.saturating_add(grown).min(self.timeouts.longest_ms);
        let (parent, certificate) = (self.parent, self.parent_certificate.clone());
        self.out.push(Output::Build { height, round, parent, certificate, within_ms });
    }

    /// Keep, log and send a block of ours.
    pub(crate) fn hold_built(&mut self, height: Height, round: u32, block: Hash, bytes: Bytes) {
        let body = Body { height, round, block, bytes: Arc::clone(&bytes) };
        self.write(Record { height, entry: Entry::Body(body.clone()) });
        self.bodies.hold(block, round, bytes, Progress::Checked, self.keep);
        self.out.push(Output::Broadcast(Message::Body(body)));
    }

    /// A peer sent a block of this height.
    pub(crate) fn on_body(&mut self, body: Body) {
        if !self.decided {
            let block = body.block;
            let next = self.bodies.receive(body, self.keep);
            self.follow(block, next);
        }
    }

    pub(super) fn follow(&mut self, block: Hash, next: Next) {
        let height = self.height;
        match next {
            Next::Check(named, body) => {
                let proposed = Some(Proposed {
                    round: named.round,
                    pol_round: named.pol_round,
                    proposer: named.proposer,
                });
                self.out.push(Output::Check { height, proposed, block, body });
            }
            Next::Want => self.out.push(Output::Want { height, block }),
            Next::Wait => {}
        }
    }

    /// The chain's verdict about a block, for Malachite.
    pub(crate) fn on_checked(
        &mut self,
        height: Height,
        block: Hash,
        verdict: Verdict,
    ) -> Option<mc::Input<Context>> {
        if verdict == Verdict::Forged {
            if self.bodies.drop_forged(&block) {
                self.out.push(Output::Want { height, block });
            }
            return None;
        }
        let (named, held_round, bytes) = self.bodies.finish_check(&block)?;
        let syncing = self.syncing.take_if(|syncing| syncing.block == block);
        let (round, proposer, origin) = match (syncing, named) {
            (Some(sync), _) => (sync.round, sync.proposer, mt::ValueOrigin::Sync),
            (None, Some(named)) => (named.round, named.proposer, mt::ValueOrigin::Consensus),
            (None, None) => return None,
        };
        let body = Body { height, round: held_round, block, bytes };
        self.write(Record { height, entry: Entry::Body(body) });
        let value = mc::ProposedValue {
            height: MHeight(height),
            round: Round::new(round),
            valid_round: Round::Nil,
            proposer: Address(proposer),
            value: BlockId(block),
            validity: mt::Validity::from_bool(verdict == Verdict::Valid),
        };
        Some(mc::Input::ProposedValue(value, origin))
    }

    /// A final block from a peer, for Malachite. Its bytes wait here until the certificate is
    /// accepted.
    pub(crate) fn sync_input(
        &mut self,
        certificate: &Certificate,
        body: Bytes,
    ) -> mc::Input<Context> {
        self.sync_body = Some(body);
        // The shell knows whose message this step takes; Malachite only hands the peer back.
        let peer = PeerId::from_bytes(&[0, 0]).expect("an empty identity hash is a peer id");
        let certificate = context::extended(certificate);
        mc::Input::SyncValueResponse(mt::ValueResponse::new(peer, Default::default(), certificate))
    }

    pub(super) fn check_synced(&mut self, value: &mt::ValueResponse<Context>, proposer: Address) {
        let Some(body) = self.sync_body.take() else { return };
        let block = value.certificate.value_id.0;
        let round = round_number(value.certificate.round);
        let body = self.bodies.check_final(block, round, body, self.keep);
        self.syncing = Some(Syncing { block, round, proposer: proposer.0 });
        let height = self.height;
        self.out.push(Output::Check { height, proposed: None, block, body });
    }

    pub(super) fn decide(&mut self, certificate: &mt::CommitCertificate<Context>) {
        self.flush_log();
        let certificate = context::certificate(certificate);
        let block = certificate.block;
        let Some(body) = self.bodies.get(&block) else {
            self.fault = Some(Fault::BodyLost { height: self.height, block });
            return;
        };
        self.decided = true;
        self.decided_by_sync = self.synced == Some(block);
        self.parent = block;
        self.parent_certificate = Some(certificate.clone());
        self.out.push(Output::Commit { certificate, body });
    }

    pub(super) fn report(&mut self, evidence: &mc::MisbehaviorEvidence<Context>) {
        let votes = evidence.votes.iter().flat_map(|(_, pairs)| pairs);
        let votes =
            votes.map(|(a, b)| Evidence::Votes(context::signed_vote(a), context::signed_vote(b)));
        let proposals = evidence.proposals.iter().flat_map(|(_, pairs)| pairs);
        let proposals = proposals.map(|(a, b)| {
            Evidence::Proposals(context::signed_proposal(a), context::signed_proposal(b))
        });
        for evidence in votes.chain(proposals) {
            if evidence.offence().is_some_and(|offence| self.reported.insert(offence)) {
                self.out.push(Output::Evidence(evidence));
            }
        }
    }
}
