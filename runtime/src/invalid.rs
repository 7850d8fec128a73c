//! Why a transaction is refused before it is included.

use codec::{Decode, Encode};
use scale_info::TypeInfo;

/// [`InvalidTransaction::Custom`]: the bytes are no transaction.
pub const CUSTOM_BAD_ENCODING: u8 = 1;
/// [`InvalidTransaction::Custom`]: the call is free of charge only now and then, and not now.
pub const CUSTOM_NOT_FREE: u8 = 2;

/// Why a transaction is refused, in Substrate's order and words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, thiserror::Error)]
pub enum InvalidTransaction {
    /// It is not signed, or the call is not for signers.
    #[error("Transaction call is not expected")]
    Call,
    /// The sender has too little.
    #[error("Inability to pay some fees (e.g. account balance too low)")]
    Payment,
    /// Its nonce is above the account's.
    #[error("Transaction will be valid in the future")]
    Future,
    /// Its nonce is below the account's.
    #[error("Transaction is outdated")]
    Stale,
    /// The signature is wrong, or over something else.
    #[error("Transaction has a bad signature")]
    BadProof,
    /// Its era began in a block whose hash the chain does not know (any more), or is over.
    #[error("Transaction has an ancient birth block")]
    AncientBirthBlock,
    /// No block has room for it.
    #[error("Transaction would exhaust the block limits")]
    ExhaustsResources,
    /// A reason of this chain; see [`CUSTOM_BAD_ENCODING`] and [`CUSTOM_NOT_FREE`].
    #[error("Custom error: {0}")]
    Custom(u8),
    /// An inherent failed.
    #[error("A call was labelled as mandatory, but resulted in an Error.")]
    BadMandatory,
    /// Only the block's author makes this call.
    #[error("Transaction dispatch is mandatory; transactions must not be validated.")]
    MandatoryValidation,
    /// The sender's address names no account.
    #[error("Invalid signing address")]
    BadSigner,
}

/// The refusal as `validate_transaction` answers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub enum TransactionValidityError {
    /// It is invalid.
    Invalid(InvalidTransaction),
    /// It cannot be told.
    Unknown(UnknownTransaction),
}

impl From<InvalidTransaction> for TransactionValidityError {
    fn from(invalid: InvalidTransaction) -> Self {
        match invalid {
            InvalidTransaction::Call => Self::Unknown(UnknownTransaction::NoUnsignedValidator),
            other => Self::Invalid(other),
        }
    }
}

/// Why it cannot be told whether a transaction is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub enum UnknownTransaction {
    /// Something could not be looked up.
    CannotLookup,
    /// Nothing validates unsigned transactions.
    NoUnsignedValidator,
    /// A reason of this chain.
    Custom(u8),
}
