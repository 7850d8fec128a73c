//! Malachite's `Context` over our plain types, and the conversions between its types and ours.
//! Nothing of this leaves the crate.

use crate::{
    message::{
        PolkaCertificate, Proposal, RoundCertificate, RoundReason, RoundVote, Signature,
        SignedProposal, SignedVote, Vote, VoteKind,
    },
    types::Validators,
};
use arc_malachitebft_core_types as mt;
use mt::{NilOrVal, Round, SignedMessage};
use primitives::{AccountId, Certificate, Hash, ValidatorInfo};
use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Address(pub(crate) AccountId);

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl mt::Address for Address {}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Height(pub(crate) primitives::Height);

impl fmt::Display for Height {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl mt::Height for Height {
    const ZERO: Self = Self(0);
    const INITIAL: Self = Self(1);

    fn increment_by(&self, n: u64) -> Self {
        let sum = u64::from(self.0).saturating_add(n);
        Self(primitives::Height::try_from(sum).unwrap_or(primitives::Height::MAX))
    }

    fn decrement_by(&self, n: u64) -> Option<Self> {
        let rest = u64::from(self.0).checked_sub(n)?;
        primitives::Height::try_from(rest).ok().map(Self)
    }

    fn as_u64(&self) -> u64 {
        u64::from(self.0)
    }
}

/// A block's hash: the value that is decided, and its own id. The round is not part of it, so that
/// a block which is proposed again keeps its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BlockId(pub(crate) Hash);

impl fmt::Display for BlockId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl mt::Value for BlockId {
    type Id = Self;

    fn id(&self) -> Self {
        *self
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MProposal {
    pub(crate) height: Height,
    pub(crate) round: Round,
    pub(crate) block: BlockId,
    pub(crate) pol_round: Round,
    pub(crate) proposer: Address,
}

impl mt::Proposal<Context> for MProposal {
    fn height(&self) -> Height {
        self.height
    }

    fn round(&self) -> Round {
        self.round
    }

    fn value(&self) -> &BlockId {
        &self.block
    }

    fn take_value(self) -> BlockId {
        self.block
    }

    fn pol_round(&self) -> Round {
        self.pol_round
    }

    fn validator_address(&self) -> &Address {
        &self.proposer
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MVote {
    pub(crate) kind: mt::VoteType,
    pub(crate) height: Height,
    pub(crate) round: Round,
    pub(crate) block: NilOrVal<BlockId>,
    pub(crate) voter: Address,
}

/// Vote extensions are disabled at every height, so that votes have no place for them.
impl mt::Vote<Context> for MVote {
    fn height(&self) -> Height {
        self.height
    }

    fn round(&self) -> Round {
        self.round
    }

    fn value(&self) -> &NilOrVal<BlockId> {
        &self.block
    }

    fn take_value(self) -> NilOrVal<BlockId> {
        self.block
    }

    fn vote_type(&self) -> mt::VoteType {
        self.kind
    }

    fn validator_address(&self) -> &Address {
        &self.voter
    }

    fn extension(&self) -> Option<&mt::SignedExtension<Context>> {
        None
    }

    fn take_extension(&mut self) -> Option<mt::SignedExtension<Context>> {
        None
    }

    fn extend(self, _: mt::SignedExtension<Context>) -> Self {
        self
    }
}

/// Blocks travel outside of Malachite, so that it never sees a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NoPart;

impl mt::ProposalPart<Context> for NoPart {
    fn is_first(&self) -> bool {
        true
    }

    fn is_last(&self) -> bool {
        true
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    address: Address,
    info: ValidatorInfo,
}

impl mt::Validator<Context> for Member {
    fn address(&self) -> &Address {
        &self.address
    }

    fn public_key(&self) -> &[u8; 32] {
        &self.info.vote_key
    }

    fn voting_power(&self) -> u64 {
        self.info.power
    }
}

/// [`Validators`] with the members in the form that Malachite borrows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Members {
    pub(crate) validators: Validators,
    members: std::sync::Arc<Vec<Member>>,
}

impl Members {
    pub(crate) fn new(validators: Validators) -> Self {
        let member =
            |info: &ValidatorInfo| Member { address: Address(info.account), info: info.clone() };
        let members = validators.members().iter().map(member).collect::<Vec<_>>();
        Self { validators, members: members.into() }
    }

    fn member(&self, account: &AccountId) -> Option<&Member> {
        let place = self.members.binary_search_by(|m| m.info.account.cmp(account)).ok()?;
        self.members.get(place)
    }
}

impl mt::ValidatorSet<Context> for Members {
    fn count(&self) -> usize {
        self.members.len()
    }

    fn total_voting_power(&self) -> u64 {
        self.validators.total_power()
    }

    fn get_by_address(&self, address: &Address) -> Option<&Member> {
        self.member(&address.0)
    }

    fn get_by_index(&self, index: usize) -> Option<&Member> {
        self.members.get(index)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ed25519;

/// Malachite's core neither signs nor decodes keys by itself; the private key stays with the host.
impl mt::SigningScheme for Ed25519 {
    type DecodingError = &'static str;
    type Signature = Signature;
    type PublicKey = [u8; 32];
    type PrivateKey = ();

    fn decode_signature(bytes: &[u8]) -> Result<Signature, Self::DecodingError> {
        bytes.try_into().map_err(|_| "an ed25519 signature has 64 bytes")
    }

    fn encode_signature(signature: &Signature) -> Vec<u8> {
        signature.to_vec()
    }

    fn decode_public_key(bytes: &[u8]) -> Result<[u8; 32], Self::DecodingError> {
        bytes.try_into().map_err(|_| "an ed25519 key has 32 bytes")
    }

    fn encode_public_key(key: &[u8; 32]) -> Vec<u8> {
        key.to_vec()
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Context;

impl mt::Context for Context {
    type Address = Address;
    type Height = Height;
    type ProposalPart = NoPart;
    type Proposal = MProposal;
    type Validator = Member;
    type ValidatorSet = Members;
    type Timeouts = mt::LinearTimeouts;
    type Value = BlockId;
    type Vote = MVote;
    type Extension = ();
    type SigningScheme = Ed25519;

    fn select_proposer<'a>(&self, set: &'a Members, height: Height, round: Round) -> &'a Member {
        let account = set.validators.proposer(height.0, round.as_u32());
        set.member(&account).expect("the proposer is drawn from the members")
    }

    fn new_proposal(
        &self,
        height: Height,
        round: Round,
        block: BlockId,
        pol_round: Round,
        proposer: Address,
    ) -> MProposal {
        MProposal { height, round, block, pol_round, proposer }
    }

    fn new_prevote(
        &self,
        height: Height,
        round: Round,
        block: NilOrVal<BlockId>,
        voter: Address,
    ) -> MVote {
        MVote { kind: mt::VoteType::Prevote, height, round, block, voter }
    }

    fn new_precommit(
        &self,
        height: Height,
        round: Round,
        block: NilOrVal<BlockId>,
        voter: Address,
    ) -> MVote {
        MVote { kind: mt::VoteType::Precommit, height, round, block, voter }
    }
}

/// Malachite's rounds as ours. What we sign and store is always of a defined round.
pub(crate) fn round_number(round: Round) -> u32 {
    round.as_u32().expect("consensus only signs, stores and schedules for defined rounds")
}

fn block_option(block: &NilOrVal<BlockId>) -> Option<Hash> {
    match block {
        NilOrVal::Nil => None,
        NilOrVal::Val(block) => Some(block.0),
    }
}

fn nil_or_block(block: Option<Hash>) -> NilOrVal<BlockId> {
    block.map_or(NilOrVal::Nil, |block| NilOrVal::Val(BlockId(block)))
}

fn vote_kind(kind: mt::VoteType) -> VoteKind {
    match kind {
        mt::VoteType::Prevote => VoteKind::Prevote,
        mt::VoteType::Precommit => VoteKind::Precommit,
    }
}

fn vote_type(kind: VoteKind) -> mt::VoteType {
    match kind {
        VoteKind::Prevote => mt::VoteType::Prevote,
        VoteKind::Precommit => mt::VoteType::Precommit,
    }
}

impl From<&MVote> for Vote {
    fn from(vote: &MVote) -> Self {
        Self {
            kind: vote_kind(vote.kind),
            height: vote.height.0,
            round: round_number(vote.round),
            block: block_option(&vote.block),
            validator: vote.voter.0,
        }
    }
}

pub(crate) fn signed_vote(signed: &mt::SignedVote<Context>) -> SignedVote {
    SignedVote { vote: (&signed.message).into(), signature: signed.signature }
}

pub(crate) fn core_vote(signed: &SignedVote) -> mt::SignedVote<Context> {
    let Vote { kind, height, round, block, validator } = signed.vote;
    let vote = MVote {
        kind: vote_type(kind),
        height: Height(height),
        round: Round::new(round),
        block: nil_or_block(block),
        voter: Address(validator),
    };
    SignedMessage::new(vote, signed.signature)
}

impl From<&MProposal> for Proposal {
    fn from(proposal: &MProposal) -> Self {
        Self {
            height: proposal.height.0,
            round: round_number(proposal.round),
            block: proposal.block.0,
            pol_round: proposal.pol_round.as_u32(),
            proposer: proposal.proposer.0,
        }
    }
}

pub(crate) fn signed_proposal(signed: &mt::SignedProposal<Context>) -> SignedProposal {
    SignedProposal { proposal: (&signed.message).into(), signature: signed.signature }
}

pub(crate) fn core_proposal(signed: &SignedProposal) -> mt::SignedProposal<Context> {
    let Proposal { height, round, block, pol_round, proposer } = signed.proposal;
    let proposal = MProposal {
        height: Height(height),
        round: Round::new(round),
        block: BlockId(block),
        pol_round: Round::from(pol_round),
        proposer: Address(proposer),
    };
    SignedMessage::new(proposal, signed.signature)
}

impl From<&mt::PolkaCertificate<Context>> for PolkaCertificate {
    fn from(polka: &mt::PolkaCertificate<Context>) -> Self {
        Self {
            height: polka.height.0,
            round: round_number(polka.round),
            block: polka.value_id.0,
            signatures: polka.polka_signatures.iter().map(|s| (s.address.0, s.signature)).collect(),
        }
    }
}

impl From<&PolkaCertificate> for mt::PolkaCertificate<Context> {
    fn from(polka: &PolkaCertificate) -> Self {
        let signature =
            |(account, signature): &_| mt::PolkaSignature::new(Address(*account), *signature);
        Self {
            height: Height(polka.height),
            round: Round::new(polka.round),
            value_id: BlockId(polka.block),
            polka_signatures: polka.signatures.iter().map(signature).collect(),
        }
    }
}

impl From<&mt::RoundCertificate<Context>> for RoundCertificate {
    fn from(certificate: &mt::RoundCertificate<Context>) -> Self {
        let vote = |vote: &mt::RoundSignature<Context>| RoundVote {
            kind: vote_kind(vote.vote_type),
            block: block_option(&vote.value_id),
            validator: vote.address.0,
            signature: vote.signature,
        };
        Self {
            height: certificate.height.0,
            round: round_number(certificate.round),
            reason: match certificate.cert_type {
                mt::RoundCertificateType::Skip => RoundReason::Skip,
                mt::RoundCertificateType::Precommit => RoundReason::Precommit,
            },
            votes: certificate.round_signatures.iter().map(vote).collect(),
        }
    }
}

impl From<&RoundCertificate> for mt::RoundCertificate<Context> {
    fn from(certificate: &RoundCertificate) -> Self {
        let vote = |vote: &RoundVote| {
            let block = nil_or_block(vote.block);
            mt::RoundSignature::new(
                vote_type(vote.kind),
                block,
                Address(vote.validator),
                vote.signature,
            )
        };
        Self {
            height: Height(certificate.height),
            round: Round::new(certificate.round),
            cert_type: match certificate.reason {
                RoundReason::Skip => mt::RoundCertificateType::Skip,
                RoundReason::Precommit => mt::RoundCertificateType::Precommit,
            },
            round_signatures: certificate.votes.iter().map(vote).collect(),
        }
    }
}

/// Sorted by account, as [`Certificate`] wants it.
pub(crate) fn certificate(from: &mt::CommitCertificate<Context>) -> Certificate {
    let mut signatures: Vec<_> =
        from.commit_signatures.iter().map(|s| (s.address.0, s.signature)).collect();
    signatures.sort_unstable();
    Certificate {
        height: from.height.0,
        round: round_number(from.round),
        block: from.value_id.0,
        signatures,
    }
}

/// Without vote extensions, which are disabled.
pub(crate) fn extended(from: &Certificate) -> mt::ExtendedCommitCertificate<Context> {
    let signature = |(account, signature): &_| {
        mt::ExtendedCommitSignature::new(Address(*account), *signature, None)
    };
    mt::ExtendedCommitCertificate {
        height: Height(from.height),
        round: Round::new(from.round),
        value_id: BlockId(from.block),
        commit_signatures: from.signatures.iter().map(signature).collect(),
    }
}

/// What Malachite signs and has verified, as one of our messages.
pub(crate) fn signed<M>(message: M, signature: Signature) -> SignedMessage<Context, M> {
    SignedMessage::new(message, signature)
}
