//! How a call fails: an on-chain outcome, so it is small, coded and without strings.

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// Why a call failed, in Substrate's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum DispatchError {
    /// A failure without a code of its own.
    Other,
    /// The address cannot be resolved to an account.
    CannotLookup,
    /// The call is not for this kind of origin.
    BadOrigin,
    /// An error of a pallet.
    Module(ModuleError),
    /// Something still refers to the account.
    ConsumerRemaining,
    /// Nothing keeps the account alive.
    NoProviders,
    /// Too many things refer to the account.
    TooManyConsumers,
    /// An error of a token.
    Token(TokenError),
    /// A sum or product did not fit.
    Arithmetic(ArithmeticError),
    /// Too many transactional layers.
    Transactional,
    /// Resources are exhausted.
    Exhausted,
    /// State is corrupt.
    Corruption,
    /// A resource is not available.
    Unavailable,
    /// Root may not do this.
    RootNotAllowed,
    /// A fault of the state's tree.
    Trie,
}

/// An error of a pallet: its index and the error's SCALE bytes, padded with zeros.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub struct ModuleError {
    /// Index of the pallet.
    pub index: u8,
    /// The error.
    pub error: [u8; 4],
}

/// An error of a token.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub enum TokenError {
    /// There is not enough free balance.
    FundsUnavailable,
    /// The account must go on to exist.
    OnlyProvider,
    /// The amount is below the existential deposit.
    BelowMinimum,
    /// The account cannot be created.
    CannotCreate,
    /// The asset is unknown.
    UnknownAsset,
    /// Funds are frozen.
    Frozen,
    /// The operation is not supported.
    Unsupported,
    /// A hold cannot be made.
    CannotCreateHold,
    /// The account would die.
    NotExpendable,
    /// The account cannot receive.
    Blocked,
}

/// A sum or product did not fit.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub enum ArithmeticError {
    /// Below the smallest value.
    Underflow,
    /// Above the largest value.
    Overflow,
    /// Divided by zero.
    DivisionByZero,
}

impl From<TokenError> for DispatchError {
    fn from(error: TokenError) -> Self {
        Self::Token(error)
    }
}

impl From<ArithmeticError> for DispatchError {
    fn from(error: ArithmeticError) -> Self {
        Self::Arithmetic(error)
    }
}

/// How a call ends.
pub type DispatchResult = Result<(), DispatchError>;

/// The errors of one pallet.
pub trait PalletError: Encode {
    /// Index of the pallet.
    const PALLET: u8;
}

impl<E: PalletError> From<E> for DispatchError {
    fn from(failure: E) -> Self {
        let mut error = [0; 4];
        let bytes = failure.encode();
        error[..bytes.len()].copy_from_slice(&bytes);
        Self::Module(ModuleError { index: E::PALLET, error })
    }
}

/// Fails with `error` unless `condition` holds.
pub fn ensure(condition: bool, error: impl Into<DispatchError>) -> DispatchResult {
    if condition { Ok(()) } else { Err(error.into()) }
}
