//! Records of the write-ahead log as inputs for Malachite, and what else they tell.

use crate::{
    bodies::Progress,
    context::{self, Address, BlockId, Context, Height as MHeight},
    guard::Signed,
    message::Bytes,
    wal::{ElapsedStep, Entry, Record},
};
use arc_malachitebft_core_consensus as mc;
use arc_malachitebft_core_types as mt;
use codec::Encode;
use mt::Round;
use primitives::{AccountId, Hash, crypto::hash::blake2_256};
use std::collections::{BTreeMap, BTreeSet};

/// A replay that is under way.
pub(crate) struct Replay {
    /// Hashes of the records that the log has: they are not written again.
    known: BTreeSet<Hash>,
    bodies: BTreeMap<Hash, (u32, Bytes)>,
    checked: BTreeSet<Hash>,
    own_blocks: BTreeMap<u32, Hash>,
    own: Vec<Signed>,
    /// Latest round for which Malachite asked for a block of ours.
    pub(crate) build_round: Option<u32>,
}

impl Replay {
    pub(crate) fn new(records: &[Record], account: AccountId) -> Self {
        let mut replay = Self {
            known: records.iter().map(|record| blake2_256(&record.encode())).collect(),
            bodies: BTreeMap::new(),
            checked: BTreeSet::new(),
            own_blocks: BTreeMap::new(),
            own: Vec::new(),
            build_round: None,
        };
        for record in records {
            match &record.entry {
                Entry::Vote(signed) if signed.vote.validator == account => {
                    replay.own.push(Signed::Vote(signed.clone()));
                }
                Entry::Proposal(signed) if signed.proposal.proposer == account => {
                    replay.own.push(Signed::Proposal(signed.clone()));
                }
                Entry::Value { round, proposer, block, valid } => {
                    replay.checked.insert(*block);
                    if *proposer == account && *valid {
                        replay.own_blocks.insert(*round, *block);
                    }
                }
                Entry::Body(body) => {
                    replay.bodies.insert(body.block, (body.round, body.bytes.clone()));
                }
                _ => {}
            }
        }
        replay
    }

    /// Whether the log has this record.
    pub(crate) fn knows(&self, record: &Record) -> bool {
        self.known.contains(&blake2_256(&record.encode()))
    }

    /// The blocks in the log.
    pub(crate) fn bodies(&self) -> impl Iterator<Item = (Hash, u32, Bytes, Progress)> {
        self.bodies.iter().map(|(block, (round, bytes))| {
            let checked = self.checked.contains(block);
            let progress = if checked { Progress::Checked } else { Progress::Idle };
            (*block, *round, bytes.clone(), progress)
        })
    }

    /// The messages of ours in the log, in the order in which they were signed.
    pub(crate) fn own_messages(&self) -> &[Signed] {
        &self.own
    }

    /// The block that we built for this round and did not sign a proposal for.
    pub(crate) fn own_block(&self, round: u32) -> Option<Hash> {
        let block = self.own_blocks.get(&round)?;
        self.bodies.contains_key(block).then_some(*block)
    }

    /// Whether Malachite must come to the same as the record, should it be ours. What another node of this
    /// validator got signed need not be what this one would have said.
    pub(crate) fn binds(record: &Record) -> bool {
        !matches!(record.entry, Entry::TwinVote(_) | Entry::TwinProposal(_))
    }

    /// What Malachite gets for a record.
    pub(crate) fn input(record: &Record) -> Option<mc::Input<Context>> {
        Some(match &record.entry {
            Entry::Vote(signed) | Entry::TwinVote(signed) => {
                mc::Input::Vote(context::core_vote(signed))
            }
            Entry::Proposal(signed) | Entry::TwinProposal(signed) => {
                mc::Input::Proposal(context::core_proposal(signed))
            }
            Entry::Value { round, proposer, block, valid } => mc::Input::ProposedValue(
                mc::ProposedValue {
                    height: MHeight(record.height),
                    round: Round::new(*round),
                    valid_round: Round::Nil,
                    proposer: Address(*proposer),
                    value: BlockId(*block),
                    validity: mt::Validity::from_bool(*valid),
                },
                mt::ValueOrigin::Consensus,
            ),
            Entry::Elapsed { step, round } => {
                let round = Round::new(*round);
                mc::Input::TimeoutElapsed(match step {
                    ElapsedStep::Propose => mt::Timeout::propose(round),
                    ElapsedStep::Prevote => mt::Timeout::prevote(round),
                    ElapsedStep::Precommit => mt::Timeout::precommit(round),
                })
            }
            Entry::Polka(polka) => mc::Input::PolkaCertificate(polka.into()),
            Entry::Body(_) => return None,
        })
    }
}
