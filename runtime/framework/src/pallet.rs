//! What a pallet is.

use crate::{
    ConstantMeta, Ctx, DispatchClass, DispatchError, DispatchResult, Pays, StorageItem, Weight,
};
use codec::{Codec, Decode, DecodeWithMemTracking, Encode};
use primitives::{AccountId, Moment, StateRead};
use scale_info::{StaticTypeInfo, TypeInfo};

/// In whose name a call is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The chain itself.
    Root,
    /// An account that signed.
    Signed(AccountId),
    /// The block's author, by an inherent.
    None,
}

impl Origin {
    /// Fails unless the chain itself calls.
    pub fn root(&self) -> DispatchResult {
        match self {
            Self::Root => Ok(()),
            Self::Signed(_) | Self::None => Err(DispatchError::BadOrigin),
        }
    }

    /// The account that signed.
    pub fn signed(&self) -> Result<AccountId, DispatchError> {
        match self {
            Self::Signed(who) => Ok(*who),
            Self::Root | Self::None => Err(DispatchError::BadOrigin),
        }
    }

    /// Fails unless the block's author calls.
    pub fn none(&self) -> DispatchResult {
        match self {
            Self::None => Ok(()),
            Self::Root | Self::Signed(_) => Err(DispatchError::BadOrigin),
        }
    }
}

/// A call: it declares its weight and can be run.
pub trait Dispatch: Codec + StaticTypeInfo {
    /// Most that the call may cost.
    fn weight(&self) -> Weight;
    /// To which share of a block the call belongs.
    fn class(&self) -> DispatchClass {
        DispatchClass::Normal
    }
    /// Whether the call pays a fee.
    fn pays(&self) -> Pays {
        Pays::Yes
    }
    /// Runs the call. The runtime undoes what a failed call did.
    fn dispatch(self, cx: &mut Ctx, origin: Origin) -> DispatchResult;
}

/// The events of one pallet.
pub trait PalletEvent: Encode {
    /// Index of the pallet.
    const PALLET: u8;
}

/// The storage items of one pallet.
pub type StorageItems = &'static [&'static dyn StorageItem];

/// A part of the runtime: calls, storage, events, errors, hooks and the invariant that holds
/// between them.
pub trait Pallet {
    /// Name that clients show and that storage keys begin with.
    const NAME: &'static str;
    /// Index in calls, events and errors. It never changes.
    const INDEX: u8;
    /// What the pallet is for, in a sentence for users.
    const DOC: &'static str;
    /// Everything that the pallet keeps in state.
    const STORAGE: StorageItems;
    /// What users can do.
    type Call: Dispatch;
    /// What users are told.
    type Event: PalletEvent + Codec + StaticTypeInfo;
    /// Why calls fail.
    type Error: StaticTypeInfo;
    /// The pallet's part of a chain spec.
    type Genesis: Clone + Default + serde::Serialize + serde::de::DeserializeOwned;

    /// Fixed values that clients may want to know.
    fn constants() -> Vec<ConstantMeta> {
        Vec::new()
    }
    /// Writes the first state, or says what is wrong with the spec.
    fn genesis(_cx: &mut Ctx, _genesis: Self::Genesis) -> Result<(), String> {
        Ok(())
    }
    /// Runs before a block's transactions.
    fn on_initialize(_cx: &mut Ctx) {}
    /// Runs after a block's transactions.
    fn on_finalize(_cx: &mut Ctx) {}
    /// Block time, in milliseconds, at which a hook of the pallet next has work; `None` if it waits
    /// for nothing. Consensus makes a block then, even where no transaction waits.
    fn next_due(_state: &dyn StateRead) -> Option<Moment> {
        None
    }
    /// What must hold of the state after every block; tests and simulations call it.
    fn check(_state: &dyn StateRead) -> Result<(), String> {
        Ok(())
    }
}

/// For pallets without calls.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum NoCall {}

impl Dispatch for NoCall {
    fn weight(&self) -> Weight {
        match *self {}
    }

    fn dispatch(self, _cx: &mut Ctx, _origin: Origin) -> DispatchResult {
        match self {}
    }
}

/// For pallets without events.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum NoEvent {}

impl PalletEvent for NoEvent {
    const PALLET: u8 = u8::MAX;
}

/// For pallets without errors.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum NoError {}
