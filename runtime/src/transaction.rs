//! A transaction on its way into a block, checked in phases by cost: bytes, signature, state.

use crate::{
    InvalidTransaction, Rules, RuntimeCall,
    invalid::{CUSTOM_BAD_ENCODING, CUSTOM_NOT_FREE},
};
use codec::{Decode, DecodeLimit, Encode, MemTrackingInput};
use framework::{Dispatch, DispatchClass, Pays, Weight};
use pallets::{
    agents,
    system::{self, BLOCK_BYTES_MAX, BLOCK_HASHES_MAX, ref_time_max},
    transaction_payment::{self, Priced},
};
use primitives::{
    AccountId, Balance, Hash, Height, MetadataMode, MultiSignature, Nonce, OpaqueTransaction,
    SigningContext, StateRead, TRANSACTION_BYTES_MAX, Transaction, TransactionExtra,
    signing_payload,
};

/// A transaction in the chain's format.
pub type UncheckedTransaction = Transaction<RuntimeCall>;

/// How deep what a call carries may nest: calls in batches, lists in lists.
pub const CALL_DEPTH_MAX: u32 = 16;

/// Heap that any transaction may take when decoded, in bytes.
const DECODED_HEAP_MIN: usize = 8 * 1024;
/// Heap on top for each byte of the transaction: a call takes far more room in memory than its bytes, so
/// that a batch of many tiny ones would let its sender fill the pool's memory.
const DECODED_HEAP_PER_BYTE: usize = 16;

/// Where a transaction would stand: in the block after the one whose state is at hand. The state does
/// not hold the hash of its own block, so that is told here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Number of the block to come.
    pub height: Height,
    /// Hash of the block whose state is at hand.
    pub parent: Hash,
    /// Hash of the chain's first block.
    pub genesis: Hash,
    /// Rules by which that block is made: [`Rules::at`] of the state at hand.
    pub rules: Rules,
}

/// A transaction whose bytes are in order; nothing is known of its signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodedTx {
    /// blake2b-256 of the bytes with their length prefix.
    pub hash: Hash,
    /// Who is said to have signed, and pays.
    pub signer: AccountId,
    /// Era, nonce, tip, and whether the signature covers the digest of the metadata.
    pub extra: TransactionExtra,
    /// What to do.
    pub call: RuntimeCall,
    /// The signature.
    pub signature: MultiSignature,
    /// Bytes, the length prefix included.
    pub length: u32,
    /// What the call declares.
    pub weight: Weight,
    /// The call's class.
    pub class: DispatchClass,
    /// Whether the call pays.
    pub pays: Pays,
}

/// A transaction whose signature is known to be good, in blocks of its era.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedTx {
    /// The transaction.
    pub tx: DecodedTx,
    /// The block in which the era begins that the signature covers.
    birth: Height,
    /// The rules whose version the signature covers.
    rules: Rules,
}

/// What a pool keeps of a valid transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// How much a full block of such transactions would pay.
    pub priority: u64,
    /// The transaction's nonce.
    pub nonce: Nonce,
    /// The sender's nonce in state, at most the transaction's.
    pub account_nonce: Nonce,
    /// For how many blocks, the coming one included, the era goes on.
    pub longevity: u64,
    /// What would be taken: fee and tip.
    pub fee: Balance,
}

/// Decodes a transaction; it needs no state. `hash` is [`OpaqueTransaction::hash`] of the bytes, which callers have.
///
/// # Errors
///
/// `ExhaustsResources` if it is too long, `Custom(CUSTOM_BAD_ENCODING)` if the bytes are no transaction,
/// `Call` if nobody signed it, `BadSigner` if its sender is no account, `MandatoryValidation` if only
/// authors make the call.
pub fn decode_transaction(
    bytes: &OpaqueTransaction,
    hash: Hash,
) -> Result<DecodedTx, InvalidTransaction> {
    if bytes.0.len() > TRANSACTION_BYTES_MAX {
        return Err(InvalidTransaction::ExhaustsResources);
    }
    let decoded = decode_bounded::<UncheckedTransaction>(&bytes.0);
    let decoded = decoded.ok_or(InvalidTransaction::Custom(CUSTOM_BAD_ENCODING))?;
    let Transaction::Signed { address, signature, extra, call } = decoded else {
        return Err(InvalidTransaction::Call);
    };
    let signer = address.account().filter(|who| who.0 != [0; 32]);
    let signer = signer.ok_or(InvalidTransaction::BadSigner)?;
    let (weight, class, pays) = (call.weight(), call.class(), call.pays());
    if class == DispatchClass::Mandatory {
        return Err(InvalidTransaction::MandatoryValidation);
    }
    let length = bytes.encoded_size();
    let length = u32::try_from(length).expect("at most TRANSACTION_BYTES_MAX and 4 bytes");
    Ok(DecodedTx { hash, signer, extra, call, signature, length, weight, class, pays })
}

/// Decodes all bytes, in bounded depth and memory.
pub(crate) fn decode_bounded<T: Decode>(bytes: &[u8]) -> Option<T> {
    let mut rest = bytes;
    let heap_max = DECODED_HEAP_MIN + bytes.len() * DECODED_HEAP_PER_BYTE;
    let mut input = MemTrackingInput::new(&mut rest, heap_max);
    let decoded = T::decode_with_depth_limit(CALL_DEPTH_MAX, &mut input).ok()?;
    rest.is_empty().then_some(decoded)
}

impl DecodedTx {
    /// What the signature must cover.
    ///
    /// # Errors
    ///
    /// `AncientBirthBlock` if the hash of the era's first block is not known, `BadProof` if the metadata's digest is not.
    pub fn signing_payload(
        &self,
        state: &dyn StateRead,
        at: &Position,
    ) -> Result<Vec<u8>, InvalidTransaction> {
        let birth = match self.birth(at.height)? {
            0 => at.genesis,
            birth if birth + 1 == at.height => at.parent,
            birth => {
                system::block_hash(state, birth).ok_or(InvalidTransaction::AncientBirthBlock)?
            }
        };
        let metadata_digest = match self.extra.metadata.mode {
            MetadataMode::Disabled => None,
            // Where it is not known, nobody can have signed over it.
            MetadataMode::Enabled => {
                Some(at.rules.metadata_digest().ok_or(InvalidTransaction::BadProof)?)
            }
        };
        let context = SigningContext {
            spec_version: at.rules.spec_version(),
            transaction_version: at.rules.transaction_version(),
            genesis: at.genesis,
            birth,
            metadata_digest,
        };
        Ok(signing_payload(&self.call.encode(), &self.extra, &context))
    }

    /// The block in which the era begins that holds `height`.
    fn birth(&self, height: Height) -> Result<Height, InvalidTransaction> {
        let birth = self.extra.era.birth(height);
        let immortal = birth == 0;
        if immortal || (birth < height && height - birth <= BLOCK_HASHES_MAX) {
            Ok(birth)
        } else {
            Err(InvalidTransaction::AncientBirthBlock)
        }
    }

    /// The caller vouches for the signature over the payload for the block that is to stand there: by the batch
    /// verifier, or by having verified it in the same era and by the same rules.
    pub fn verified(self, at: &Position) -> CheckedTx {
        let birth = self.extra.era.birth(at.height);
        CheckedTx { tx: self, birth, rules: at.rules }
    }

    /// What the fee depends on.
    pub fn priced(&self) -> Priced {
        Priced {
            length: self.length,
            weight: self.weight,
            class: self.class,
            pays: self.pays,
            tip: self.extra.tip,
        }
    }

    /// Whether a call that pays nothing may go free now; anybody could fill blocks with it otherwise.
    pub(crate) fn check_free(&self, state: &dyn StateRead) -> Result<(), InvalidTransaction> {
        let free = match &self.call {
            RuntimeCall::Agents(agents::Call::heartbeat { slots, .. }) => {
                agents::heartbeat_is_due(state, &self.signer, *slots)
            }
            _ => false,
        };
        if self.pays == Pays::Yes || free {
            Ok(())
        } else {
            Err(InvalidTransaction::Custom(CUSTOM_NOT_FREE))
        }
    }

    /// Whether an empty block has room for it.
    pub(crate) fn check_size(&self) -> Result<(), InvalidTransaction> {
        let fits =
            self.length <= BLOCK_BYTES_MAX && self.priced().ref_time() <= ref_time_max(self.class);
        if fits { Ok(()) } else { Err(InvalidTransaction::ExhaustsResources) }
    }
}

impl CheckedTx {
    /// Fails where the signature covers the version of other rules than those of the block.
    ///
    /// # Errors
    ///
    /// `BadProof`, as what the signature must cover has changed.
    pub fn check_rules(&self, rules: Rules) -> Result<(), InvalidTransaction> {
        if self.rules == rules { Ok(()) } else { Err(InvalidTransaction::BadProof) }
    }

    /// Fails where the signature covers another era than the one that holds `height`.
    pub(crate) fn check_era(&self, height: Height) -> Result<(), InvalidTransaction> {
        if self.tx.birth(height)? == self.birth {
            Ok(())
        } else {
            Err(InvalidTransaction::AncientBirthBlock)
        }
    }
}

/// Whether a transaction could go into a block of this height, after this state or one that follows:
/// its nonce is not used, its era is alive, its fee can be paid or is not due, and a block has room.
///
/// # Errors
///
/// The first of these that does not hold.
pub fn validate(
    state: &dyn StateRead,
    height: Height,
    tx: &DecodedTx,
) -> Result<Validity, InvalidTransaction> {
    tx.birth(height)?;
    tx.check_size()?;
    let account = system::account(state, &tx.signer);
    if tx.extra.nonce < account.nonce {
        return Err(InvalidTransaction::Stale);
    }
    tx.check_free(state)?;
    let priced = tx.priced();
    let fees = priced.fee_details(transaction_payment::multiplier(state));
    if !transaction_payment::can_pay(&account, fees.total()) {
        return Err(InvalidTransaction::Payment);
    }
    let death = tx.extra.era.death(height);
    let longevity =
        if death == Height::MAX { u64::MAX } else { u64::from(death.saturating_sub(height)) };
    Ok(Validity {
        priority: priced.priority(&fees),
        nonce: tx.extra.nonce,
        account_nonce: account.nonce,
        longevity,
        fee: fees.total(),
    })
}
