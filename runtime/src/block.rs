//! What a block carries beside users' transactions: digest, inherents, randomness.

use crate::{RuntimeCall, SPEC_VERSION, UncheckedTransaction, rules};
use codec::{DecodeAll, DecodeLimit, Encode};
use framework::BlockEnv;
use pallets::{offences, offences::EVIDENCE_MAX, session, timestamp};
use primitives::{
    AccountId, Certificate, Digest, DigestItem, Evidence, Hash, Header, Height, Moment,
    OpaqueTransaction, StateRead, Transaction,
    crypto::{
        hash::{blake2_256, blake2_256_all},
        vrf,
    },
};
use std::collections::BTreeSet;

/// Engine of the digest item that names the author: wallets know it.
const AUTHOR_ENGINE: [u8; 4] = *b"pow_";
/// Engine of the digest items that consensus reads.
const ARTEL_ENGINE: [u8; 4] = *b"artl";
/// Label under which authors draw randomness.
pub const VRF_LABEL: &[u8] = b"artel/block-randomness/1";
/// Most certificates that one block widens: those of the blocks two to four before it.
pub const WIDENED_MAX: usize = 3;
/// How deep an inherent nests: a certificate is a list.
const INHERENT_DEPTH_MAX: u32 = 4;

/// Why a block is refused whatever the network says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// It does not follow its parent.
    #[error("block {found} with parent {parent} does not follow block {expected} before it")]
    WrongParent {
        /// Its number.
        found: Height,
        /// The parent that it names.
        parent: Hash,
        /// The number that a child of the parent has, less one.
        expected: Height,
    },
    /// The log is not in its form.
    #[error(
        "the digest is not author, draw, next validators and, exactly where rules change, that they do"
    )]
    BadDigest,
    /// The block needs rules that this program does not know. It is the program's fault: it must not go on.
    #[error(
        "block {height} needs the rules of version {spec_version}, which this program does not know; it knows those up to \
         {known}: install a newer one and start it on the same folder",
        known = SPEC_VERSION
    )]
    UnknownRules {
        /// Number of the block.
        height: Height,
        /// Version of the rules.
        spec_version: u32,
    },
    /// The author is no validator.
    #[error("the author {0} is not a validator of this height")]
    UnknownAuthor(AccountId),
    /// The author's draw is not the one that the author's key gives.
    #[error("the randomness of author {0} is not what its VRF key gives for this block")]
    BadRandomness(AccountId),
    /// Time does not advance.
    #[error("the block's time {found} ms is not after its parent's, {before} ms")]
    TimeNotAfter {
        /// Its time.
        found: Moment,
        /// The parent's time.
        before: Moment,
    },
    /// The inherents are not those that a block of this height has.
    #[error(
        "the body of block {height} must begin with its time{}, then at most {WIDENED_MAX} wider certificates of blocks \
         before, oldest first, and at most {EVIDENCE_MAX} pieces of evidence",
        if *height > 1 { " and its parent's certificate" } else { "" }
    )]
    BadInherents {
        /// Number of the block.
        height: Height,
    },
    /// An inherent failed.
    #[error("inherent {index} failed: {error}")]
    InherentFailed {
        /// Its place in the body.
        index: u32,
        /// Why.
        error: String,
    },
}

/// What the log of a header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digested {
    /// Who built the body.
    pub author: AccountId,
    /// The round in which the body was built.
    pub origin_round: u32,
    /// The author's draw.
    pub vrf_output: [u8; 32],
    /// That the draw is the author's.
    pub vrf_proof: [u8; 64],
    /// Hash of the members of the validator set of the next height.
    pub next_validators: Hash,
    /// Whether the rules change with this block: see [`crate::brings_rules`].
    pub new_rules: bool,
}

/// Reads the log of a header.
///
/// # Errors
///
/// `BadDigest` if it is not exactly what [`make_digest`] makes.
pub fn parse_digest(header: &Header) -> Result<Digested, BlockError> {
    use DigestItem::{Consensus, PreRuntime, RuntimeEnvironmentUpdated};
    let (logs, new_rules) = match &header.digest.logs[..] {
        [logs @ .., RuntimeEnvironmentUpdated] => (logs, true),
        logs => (logs, false),
    };
    let [
        PreRuntime(AUTHOR_ENGINE, author),
        PreRuntime(ARTEL_ENGINE, draw),
        Consensus(ARTEL_ENGINE, next),
    ] = logs
    else {
        return Err(BlockError::BadDigest);
    };
    let (origin_round, vrf_output, vrf_proof) =
        DecodeAll::decode_all(&mut &draw[..]).map_err(|_| BlockError::BadDigest)?;
    Ok(Digested {
        author: AccountId(fixed(author)?),
        origin_round,
        vrf_output,
        vrf_proof,
        next_validators: Hash(fixed(next)?),
        new_rules,
    })
}

fn fixed(bytes: &[u8]) -> Result<[u8; 32], BlockError> {
    bytes.try_into().map_err(|_| BlockError::BadDigest)
}

/// The log of a header.
pub fn make_digest(digested: &Digested) -> Digest {
    let draw = (digested.origin_round, digested.vrf_output, digested.vrf_proof).encode();
    let mut logs = vec![
        DigestItem::PreRuntime(AUTHOR_ENGINE, digested.author.0.to_vec()),
        DigestItem::PreRuntime(ARTEL_ENGINE, draw),
        DigestItem::Consensus(ARTEL_ENGINE, digested.next_validators.0.to_vec()),
    ];
    logs.extend(digested.new_rules.then_some(DigestItem::RuntimeEnvironmentUpdated));
    Digest { logs }
}

/// What the author of block `height` signs with its VRF key, under [`VRF_LABEL`], to draw randomness.
/// `state` is the parent's.
pub fn vrf_message(state: &dyn StateRead, height: Height, origin_round: u32) -> Vec<u8> {
    draw_message(&session::randomness(state), height, origin_round)
}

/// The same for who knows the parent's randomness, which is the seed of the height's validator set.
pub fn draw_message(randomness: &Hash, height: Height, origin_round: u32) -> Vec<u8> {
    (randomness, height, origin_round).encode()
}

/// What the author adds in front of users' transactions, in the order of the body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inherents {
    /// The block's time, in milliseconds.
    pub time_ms: Moment,
    /// That the block before is final; none in block 1, as genesis needs no proof.
    pub parent_certificate: Option<Certificate>,
    /// More votes for blocks before that, at most [`WIDENED_MAX`], by height.
    pub widened: Vec<Certificate>,
    /// Validators that signed two things where they may sign one: at most [`EVIDENCE_MAX`] pieces.
    pub evidence: Vec<Evidence>,
}

impl Inherents {
    /// Adds what an author knows and a block of this height can take: votes that were not noted, and evidence that
    /// holds, is not too old, and names nobody twice. All else would make the block invalid and is left out. `state` is
    /// that of the block before.
    pub fn add_news(
        &mut self,
        state: &dyn StateRead,
        height: Height,
        genesis: &Hash,
        widened: &[Certificate],
        evidence: Vec<Evidence>,
    ) {
        let widening = |known: &Certificate| session::widening(state, height, genesis, known);
        self.widened = widened.iter().filter_map(widening).collect();
        self.widened.sort_by_key(|certificate| certificate.height);
        self.widened.dedup_by_key(|certificate| certificate.height);
        self.widened.truncate(WIDENED_MAX);
        let mut named = BTreeSet::new();
        for evidence in evidence {
            if self.evidence.len() == EVIDENCE_MAX {
                break;
            }
            let proven = offences::check_evidence(state, height, genesis, &evidence);
            if proven.is_ok_and(|p| named.insert((p.session, p.offence.validator))) {
                self.evidence.push(evidence);
            }
        }
    }

    /// The calls, in the order of the body.
    pub(crate) fn calls(&self) -> Vec<RuntimeCall> {
        let time = RuntimeCall::Timestamp(timestamp::Call::set { now: self.time_ms });
        let note = |certificate| session::Call::note_certificate { certificate };
        let widen = |certificate| session::Call::widen_certificate { certificate };
        let report = |evidence| RuntimeCall::Offences(offences::Call::report { evidence });
        let certificate = self.parent_certificate.iter().cloned().map(note);
        let certificates = certificate.chain(self.widened.iter().cloned().map(widen));
        std::iter::once(time)
            .chain(certificates.map(RuntimeCall::Session))
            .chain(self.evidence.iter().cloned().map(report))
            .collect()
    }

    /// The time that the first transaction of a body says.
    pub(crate) fn time_of(first: &OpaqueTransaction) -> Option<Moment> {
        match bare_call(first)? {
            RuntimeCall::Timestamp(timestamp::Call::set { now }) => Some(now),
            _ => None,
        }
    }

    /// The transactions that a body begins with.
    pub fn to_transactions(&self) -> Vec<OpaqueTransaction> {
        let bare = |call| OpaqueTransaction(Transaction::Bare(call).encode());
        self.calls().into_iter().map(bare).collect()
    }

    /// Reads the inherents that a body begins with, and how many they are.
    ///
    /// # Errors
    ///
    /// `BadInherents` if they are not exactly those that a block of this height may have.
    pub fn from_body(
        height: Height,
        body: &[OpaqueTransaction],
    ) -> Result<(Self, usize), BlockError> {
        let mut inherents = Self::default();
        let bad = || BlockError::BadInherents { height };
        inherents.time_ms = body.first().and_then(Self::time_of).ok_or_else(bad)?;
        for call in body.iter().map_while(bare_call).skip(1) {
            inherents.push(height, call).ok_or_else(bad)?;
        }
        if inherents.parent_certificate.is_some() != (height > 1) {
            return Err(bad());
        }
        let count =
            1 + usize::from(height > 1) + inherents.widened.len() + inherents.evidence.len();
        Ok((inherents, count))
    }

    /// Takes the next call of a body, if it may stand here.
    fn push(&mut self, height: Height, call: RuntimeCall) -> Option<()> {
        use session::Call::{note_certificate, widen_certificate};
        let begun = !self.evidence.is_empty();
        match call {
            RuntimeCall::Session(note_certificate { certificate })
                if height > 1 && self.parent_certificate.is_none() =>
            {
                self.parent_certificate = Some(certificate);
            }
            RuntimeCall::Session(widen_certificate { certificate })
                if self.parent_certificate.is_some()
                    && !begun
                    && self.widened.len() < WIDENED_MAX
                    && self.widened.last().is_none_or(|w| w.height < certificate.height) =>
            {
                self.widened.push(certificate);
            }
            RuntimeCall::Offences(offences::Call::report { evidence })
                if self.parent_certificate.is_some() == (height > 1)
                    && self.evidence.len() < EVIDENCE_MAX =>
            {
                self.evidence.push(evidence);
            }
            _ => return None,
        }
        Some(())
    }
}

/// The call of a transaction without a signature, in its one form.
fn bare_call(transaction: &OpaqueTransaction) -> Option<RuntimeCall> {
    let bytes = &transaction.0;
    let decoded =
        UncheckedTransaction::decode_all_with_depth_limit(INHERENT_DEPTH_MAX, &mut &bytes[..]);
    match decoded.ok().filter(|decoded| decoded.encode() == *bytes)? {
        Transaction::Bare(call) => Some(call),
        Transaction::Signed { .. } => None,
    }
}

/// What the transactions of a block may know of it. Checks the header against the parent's state: number,
/// parent, log, time, and the author's draw against the key that is registered for the author. Whose turn
/// it was is for consensus to check.
///
/// # Errors
///
/// What does not hold.
pub fn block_env(
    parent_state: &dyn StateRead,
    parent: &Header,
    header: &Header,
    inherents: &Inherents,
    genesis: Hash,
) -> Result<BlockEnv, BlockError> {
    let parent_hash = parent.hash();
    if header.parent_hash != parent_hash || Some(header.number) != parent.number.checked_add(1) {
        return Err(BlockError::WrongParent {
            found: header.number,
            parent: header.parent_hash,
            expected: parent.number,
        });
    }
    if let Some(rules) = rules::unknown(parent_state, header.number) {
        let (height, spec_version) = (header.number, rules.spec_version());
        return Err(BlockError::UnknownRules { height, spec_version });
    }
    if inherents.parent_certificate.is_some() != (header.number > 1) {
        return Err(BlockError::BadInherents { height: header.number });
    }
    let (time_ms, before) = (inherents.time_ms, timestamp::now(parent_state));
    if time_ms <= before {
        return Err(BlockError::TimeNotAfter { found: time_ms, before });
    }
    let digested = parse_digest(header)?;
    if digested.new_rules != rules::brings_rules(parent_state, header.number) {
        return Err(BlockError::BadDigest);
    }
    let author = digested.author;
    let validators = session::validators(parent_state);
    let validator = validators.get(&author).ok_or(BlockError::UnknownAuthor(author))?;
    let message = vrf_message(parent_state, header.number, digested.origin_round);
    let drawn = vrf::verify(
        &validator.vrf_key,
        VRF_LABEL,
        &message,
        &digested.vrf_output,
        &digested.vrf_proof,
    )
    .ok_or(BlockError::BadRandomness(author))?;
    Ok(BlockEnv {
        height: header.number,
        time_ms,
        author,
        origin_round: digested.origin_round,
        randomness: session::next_randomness(&validators.seed, &drawn),
        parent: parent_hash,
        genesis,
    })
}

/// Root of a block's transactions: the binary Merkle tree of RFC 9162, section 2.1, with blake2b-256. A leaf
/// is H(0 ++ transaction), an inner node H(1 ++ left ++ right), the root of none H().
pub fn extrinsics_root(body: &[OpaqueTransaction]) -> Hash {
    let mut level = leaves(body);
    while level.len() > 1 {
        level = level_above(&level);
    }
    level.first().copied().unwrap_or_else(|| blake2_256(&[]))
}

/// The right neighbours on the way from a body's first transaction to the root, which [`root_of_first`] leads up.
pub(crate) fn first_transaction_proof(body: &[OpaqueTransaction]) -> Vec<Hash> {
    let mut level = leaves(body);
    let mut siblings = Vec::new();
    while let [_, sibling, ..] = level[..] {
        siblings.push(sibling);
        level = level_above(&level);
    }
    siblings
}

/// Root of a body that begins with this transaction, for what [`first_transaction_proof`] gives.
pub(crate) fn root_of_first(first: &OpaqueTransaction, siblings: &[Hash]) -> Hash {
    let leaf = blake2_256(&[&[0], first.0.as_slice()].concat());
    siblings.iter().fold(leaf, |node, sibling| blake2_256(&inner_node(&[node, *sibling])))
}

fn leaves(body: &[OpaqueTransaction]) -> Vec<Hash> {
    let leaves: Vec<Vec<u8>> = body.iter().map(|tx| [&[0], tx.0.as_slice()].concat()).collect();
    blake2_256_all(&leaves)
}

/// Pairing from the left and handing an odd last node up gives the RFC's shape: left subtrees are full.
fn level_above(level: &[Hash]) -> Vec<Hash> {
    let pairs = level.chunks_exact(2);
    let odd = pairs.remainder().to_vec();
    let inner: Vec<[u8; 65]> = pairs.map(inner_node).collect();
    let mut above = blake2_256_all(&inner);
    above.extend(odd);
    above
}

/// The bytes whose hash stands above two nodes.
fn inner_node(children: &[Hash]) -> [u8; 65] {
    let mut bytes = [1; 65];
    bytes[1..33].copy_from_slice(&children[0].0);
    bytes[33..].copy_from_slice(&children[1].0);
    bytes
}
