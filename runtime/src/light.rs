//! Following the chain by headers and certificates alone, from one block that is trusted.
//!
//! Who trusts a block's hash knows, by its header, who decides the next block. These validators' certificate for a later
//! block is enough, if the header before that block says that they decide it:
//!
//! - More than two thirds of their power signed the block. Unless a third of it is dishonest, one of the signers is honest.
//! - An honest one signs only a child of a final block that it has executed. So the header before is of the chain, and what it
//!   says of who decides its child is true.
//! - So those who decide that height signed, in the number that makes a block final.
//!
//! That needs no header in between: neither the blocks that were skipped, nor that the validators were the same throughout.
//! Where others decide the next block, the last block that these decide is followed instead, and it names the others. So a
//! proof has one [`LightBlock`] for each change of the validators, and one for the block asked for.
//!
//! Validators can be punished as long as their stake is held; after that their keys are worth nothing to them, and whoever
//! gathers enough old keys signs any chain. So a block is trusted for [`TRUSTING_PERIOD_MS`] from its own time on. The time
//! is in the block's first transaction, which is proven against the header.

use crate::{
    BlockError, Inherents,
    block::{first_transaction_proof, root_of_first},
    parse_digest,
};
use ::pallets::session::VALIDATORS_MAX;
use codec::{Compact, Decode, DecodeAll, Encode, Error as CodecError, Input};

use primitives::{
    Certificate, CertificateError, Hash, Header, Height, Moment, OpaqueTransaction, ValidatorInfo,
    ValidatorSet, check_certificate,
};

/// How long a block is trusted after its own time: 9 days. Stake is held for 14, and a fraud must be proven in 13.
pub const TRUSTING_PERIOD_MS: Moment = 9 * 24 * 60 * 60 * 1_000;
/// How far a block's time may be ahead of the clock of who follows, whose clock may lag.
pub const LIGHT_CLOCK_AHEAD_MAX_MS: Moment = 60_000;
/// Most bytes of a header: those of this chain have about 300.
const HEADER_BYTES_MAX: usize = 1_024;
/// Most siblings above a transaction: a body has fewer than 2^32.
const TIME_SIBLINGS_MAX: usize = 32;

/// A block that its owner vouches for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Checkpoint {
    /// Its height, above 0: genesis has no time, so nobody can tell how old it is.
    pub height: Height,
    /// Its hash.
    pub hash: Hash,
}

/// A header on its way: its bytes with their length, which is bounded before they are decoded, as an item of the log takes
/// far more memory than its byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WireHeader(pub Header);

/// A block's first transaction, which has its time, and the way from there to the header.
#[derive(Clone, Debug, PartialEq, Eq, Encode)]
pub struct TimeProof {
    /// The transaction.
    pub inherent: OpaqueTransaction,
    /// The right neighbours on the way up.
    pub siblings: Vec<Hash>,
}

/// What is known of a checkpoint beside its hash; all of it is proven by that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LightStart {
    /// The block's header.
    pub header: Header,
    /// Its time.
    pub time: TimeProof,
    /// Who decides the next block.
    pub validators: Vec<ValidatorInfo>,
}

/// A final block for who knows the validators of its height.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LightBlock {
    /// The header before, which says who decides this block.
    pub parent: Header,
    /// The block's header.
    pub header: Header,
    /// Why the block is final.
    pub certificate: Certificate,
    /// The block's time.
    pub time: TimeProof,
    /// Who decides the next block, if it is others.
    pub validators: Option<Vec<ValidatorInfo>>,
}

/// A block that is known to be final.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct LightHead {
    /// Its height.
    pub height: Height,
    /// Its hash.
    pub hash: Hash,
    /// Root of the state after it.
    pub state_root: Hash,
    /// Its time.
    pub time_ms: Moment,
    /// Who decides the next block.
    pub validators: Vec<ValidatorInfo>,
    /// Their hash, as the header has it.
    validators_hash: Hash,
}

/// Follows a chain from a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Light {
    genesis: Hash,
    head: LightHead,
}

/// Why a block was not believed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum LightError {
    /// The checkpoint is genesis.
    #[error(
        "genesis has no time, so it cannot be told how old it is: trust the hash of a later block"
    )]
    Genesis,
    /// The header is not the checkpoint's.
    #[error("the header is of block {height}, {hash}, not of the block that is trusted")]
    OtherBlock {
        /// Its height.
        height: Height,
        /// Its hash.
        hash: Hash,
    },
    /// What was trusted is too old.
    #[error(
        "block {height} is older than 9 days, so it proves nothing any more: trust the hash of a newer block, from a source of your own"
    )]
    Expired {
        /// Height of the trusted block.
        height: Height,
    },
    /// The block is later than now.
    #[error("the block's time {time_ms} is ahead of this machine's clock, {now_ms}: set the clock")]
    Ahead {
        /// The block's time.
        time_ms: Moment,
        /// The time here.
        now_ms: Moment,
    },
    /// The block is not above what is known, or not later.
    #[error("block {found} is not after block {known}, which is known")]
    NotAfter {
        /// Its height.
        found: Height,
        /// Height of the known block.
        known: Height,
    },
    /// The header before is not the parent.
    #[error("the header before block {0} is not its parent's")]
    WrongParent(Height),
    /// Others decide that block.
    #[error("block {0} is decided by validators who are not known yet: follow the change first")]
    OtherValidators(Height),
    /// The validators shown are not those that the header names.
    #[error("the validators shown after block {0} are not those that its header names")]
    WrongValidators(Height),
    /// The time is not the block's.
    #[error("the time shown for block {0} is not the block's")]
    WrongTime(Height),
    /// A header without what every header has.
    #[error(transparent)]
    Header(#[from] BlockError),
    /// The certificate proves nothing.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
}

impl LightHead {
    /// Hash of those who decide the next block.
    pub const fn validators_hash(&self) -> Hash {
        self.validators_hash
    }
}

impl TimeProof {
    /// The proof of a block's time; `None` if it has no transactions.
    pub fn of(body: &[OpaqueTransaction]) -> Option<Self> {
        let inherent = body.first()?.clone();
        Some(Self { inherent, siblings: first_transaction_proof(body) })
    }

    fn time_ms(&self, header: &Header) -> Result<Moment, LightError> {
        let wrong = LightError::WrongTime(header.number);
        if self.siblings.len() > TIME_SIBLINGS_MAX
            || root_of_first(&self.inherent, &self.siblings) != header.extrinsics_root
        {
            return Err(wrong);
        }
        Inherents::time_of(&self.inherent).ok_or(wrong)
    }
}

impl Light {
    /// Begins with a block that is trusted, on the chain with this genesis.
    ///
    /// # Errors
    ///
    /// If what is shown is not that block's, or the block is too old.
    pub fn begin(
        genesis: Hash,
        checkpoint: &Checkpoint,
        start: LightStart,
        now_ms: Moment,
    ) -> Result<Self, LightError> {
        let LightStart { header, time, validators } = start;
        let (height, hash) = (header.number, header.hash());
        if checkpoint.height == 0 {
            return Err(LightError::Genesis);
        }
        if height != checkpoint.height || hash != checkpoint.hash {
            return Err(LightError::OtherBlock { height, hash });
        }
        let time_ms = time.time_ms(&header)?;
        let validators_hash = parse_digest(&header)?.next_validators;
        let validators = named(validators, &validators_hash, height)?;
        let state_root = header.state_root;
        let head = LightHead { height, hash, state_root, time_ms, validators, validators_hash };
        check_now(&head, now_ms)?;
        Ok(Self { genesis, head })
    }

    /// Goes on with a block that was known to be final, for instance before a restart.
    pub fn resume(genesis: Hash, head: LightHead) -> Self {
        Self { genesis, head }
    }

    /// The last block that is known to be final.
    pub fn head(&self) -> &LightHead {
        &self.head
    }

    /// Whether the last known block can be gone on from.
    ///
    /// # Errors
    ///
    /// `Expired` if it is too old, `Ahead` if the clock is wrong.
    pub fn check_now(&self, now_ms: Moment) -> Result<(), LightError> {
        check_now(&self.head, now_ms)
    }

    /// Goes on to a later block. After an error nothing has changed.
    ///
    /// # Errors
    ///
    /// Why the block is not believed.
    pub fn follow(&mut self, block: LightBlock, now_ms: Moment) -> Result<(), LightError> {
        check_now(&self.head, now_ms)?;
        let LightBlock { parent, header, certificate, time, validators } = block;
        let (height, known) = (header.number, self.head.height);
        if height <= known {
            return Err(LightError::NotAfter { found: height, known });
        }
        let parent_hash = parent.hash();
        let is_next = parent.number == known;
        if parent.number.checked_add(1) != Some(height)
            || parent_hash != header.parent_hash
            || (is_next && parent_hash != self.head.hash)
        {
            return Err(LightError::WrongParent(height));
        }
        if parse_digest(&parent)?.next_validators != self.head.validators_hash {
            return Err(LightError::OtherValidators(height));
        }
        let validators_hash = parse_digest(&header)?.next_validators;
        let time_ms = time.time_ms(&header)?;
        if time_ms <= self.head.time_ms {
            return Err(LightError::NotAfter { found: height, known });
        }
        let hash = header.hash();
        if certificate.height != height {
            let found = certificate.block;
            let height = certificate.height;
            return Err(CertificateError::WrongBlock { height, found, expected: hash }.into());
        }
        // The seed orders proposals, which does not matter here.
        let deciding = ValidatorSet { validators: self.head.validators.clone(), seed: Hash::ZERO };
        check_certificate(&certificate, &hash, &deciding, &self.genesis)?;
        let validators = match validators {
            _ if validators_hash == self.head.validators_hash => deciding.validators,
            Some(others) => named(others, &validators_hash, height)?,
            None => return Err(LightError::WrongValidators(height)),
        };
        let state_root = header.state_root;
        let head = LightHead { height, hash, state_root, time_ms, validators, validators_hash };
        check_ahead(head.time_ms, now_ms)?;
        self.head = head;
        Ok(())
    }
}

/// The validators, if they are those that a header names.
fn named(
    validators: Vec<ValidatorInfo>,
    hash: &Hash,
    height: Height,
) -> Result<Vec<ValidatorInfo>, LightError> {
    let set = ValidatorSet { validators, seed: Hash::ZERO };
    if set.members_hash() == *hash {
        Ok(set.validators)
    } else {
        Err(LightError::WrongValidators(height))
    }
}

fn check_now(head: &LightHead, now_ms: Moment) -> Result<(), LightError> {
    if now_ms.saturating_sub(head.time_ms) >= TRUSTING_PERIOD_MS {
        return Err(LightError::Expired { height: head.height });
    }
    check_ahead(head.time_ms, now_ms)
}

fn check_ahead(time_ms: Moment, now_ms: Moment) -> Result<(), LightError> {
    if time_ms > now_ms.saturating_add(LIGHT_CLOCK_AHEAD_MAX_MS) {
        return Err(LightError::Ahead { time_ms, now_ms });
    }
    Ok(())
}

impl Encode for LightStart {
    fn encode(&self) -> Vec<u8> {
        (WireHeader(self.header.clone()), &self.time, &self.validators).encode()
    }
}

impl Decode for LightStart {
    fn decode<I: Input>(input: &mut I) -> Result<Self, CodecError> {
        let WireHeader(header) = WireHeader::decode(input)?;
        let time = TimeProof::decode(input)?;
        Ok(Self { header, time, validators: decode_bounded(input, VALIDATORS_MAX)? })
    }
}

impl Encode for LightBlock {
    fn encode(&self) -> Vec<u8> {
        let headers = (WireHeader(self.parent.clone()), WireHeader(self.header.clone()));
        (headers, &self.certificate, &self.time, &self.validators).encode()
    }
}

impl Decode for LightBlock {
    fn decode<I: Input>(input: &mut I) -> Result<Self, CodecError> {
        let (WireHeader(parent), WireHeader(header)) = Decode::decode(input)?;
        let (height, round, block) = Decode::decode(input)?;
        let signatures = decode_bounded(input, VALIDATORS_MAX)?;
        let certificate = Certificate { height, round, block, signatures };
        let time = TimeProof::decode(input)?;
        let validators = match input.read_byte()? {
            0 => None,
            1 => Some(decode_bounded(input, VALIDATORS_MAX)?),
            _ => return Err("neither some validators nor none".into()),
        };
        Ok(Self { parent, header, certificate, time, validators })
    }
}

impl Decode for TimeProof {
    fn decode<I: Input>(input: &mut I) -> Result<Self, CodecError> {
        let inherent = OpaqueTransaction::decode(input)?;
        Ok(Self { inherent, siblings: decode_bounded(input, TIME_SIBLINGS_MAX)? })
    }
}

impl Encode for WireHeader {
    fn encode(&self) -> Vec<u8> {
        self.0.encode().encode()
    }
}

impl Decode for WireHeader {
    fn decode<I: Input>(input: &mut I) -> Result<Self, CodecError> {
        let bytes: Vec<u8> = decode_bounded(input, HEADER_BYTES_MAX)?;
        Ok(Self(Header::decode_all(&mut &bytes[..])?))
    }
}

fn decode_bounded<T: Decode, I: Input>(input: &mut I, max: usize) -> Result<Vec<T>, CodecError> {
    let count = usize::try_from(Compact::<u32>::decode(input)?.0);
    let count = count.ok().filter(|count| *count <= max).ok_or("more items than possible")?;
    (0..count).map(|_| T::decode(input)).collect()
}
