//! # Sudo
//!
//! One account may make the chain itself call. It is for development and test networks: elsewhere
//! genesis names no key, and then nobody can.

use framework::prelude::*;
use primitives::MultiAddress;
use std::marker::PhantomData;

/// Name of the pallet.
pub const NAME: &str = "Sudo";
/// Index of the pallet.
pub const INDEX: u8 = 255;

static KEY: Value<AccountId> =
    Value::new(NAME, "Key", "Who may make root calls; nobody where there is none.");

/// What the holder of the key can do. `C` is the runtime's call.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
#[allow(non_camel_case_types)]
pub enum Call<C> {
    /// Make a call in the chain's own name.
    #[codec(index = 0)]
    sudo {
        /// The call.
        call: Box<C>,
    },
    /// Hand the key over.
    #[codec(index = 2)]
    set_key {
        /// Whom to.
        new: MultiAddress,
    },
    /// Make a call in somebody's name.
    #[codec(index = 3)]
    sudo_as {
        /// In whose.
        who: MultiAddress,
        /// The call.
        call: Box<C>,
    },
    /// Give the key up for good.
    #[codec(index = 4)]
    remove_key,
}

/// What users are told.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum Event {
    /// A call was made in the chain's name.
    #[codec(index = 0)]
    Sudid {
        /// How it ended.
        sudo_result: Result<(), DispatchError>,
    },
    /// The key was handed over.
    #[codec(index = 1)]
    KeyChanged {
        /// Who had it.
        old: Option<AccountId>,
        /// Who has it.
        new: AccountId,
    },
    /// The key was given up.
    #[codec(index = 2)]
    KeyRemoved,
    /// A call was made in somebody's name.
    #[codec(index = 3)]
    SudoAsDone {
        /// How it ended.
        sudo_result: Result<(), DispatchError>,
    },
}

impl PalletEvent for Event {
    const PALLET: u8 = INDEX;
}

/// Why calls fail.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum Error {
    /// Only the holder of the key may do this.
    #[codec(index = 0)]
    RequireSudo,
}

impl PalletError for Error {
    const PALLET: u8 = INDEX;
}

impl<C: Dispatch + DecodeWithMemTracking> Dispatch for Call<C> {
    fn weight(&self) -> Weight {
        match self {
            Self::sudo { call } => Weight::rw(2, 1).plus(call.weight()),
            // Calls do not declare their signer's account, which every transaction has read and written
            // before. Acting for another, each call of a batch may read it again, if those before it
            // failed: once, as all that declare anything declare another account at least.
            Self::sudo_as { call, .. } => Weight::rw(2, 1).plus(call.weight().times(2)),
            Self::set_key { .. } | Self::remove_key => Weight::rw(1, 1),
        }
    }

    fn dispatch(self, cx: &mut Ctx, origin: Origin) -> DispatchResult {
        let who = origin.signed()?;
        ensure(KEY.get(cx) == Some(who), Error::RequireSudo)?;
        match self {
            Self::sudo { call } => {
                let sudo_result = call.dispatch(cx, Origin::Root);
                cx.emit(Event::Sudid { sudo_result });
            }
            Self::set_key { new } => {
                let new = new.account().ok_or(DispatchError::CannotLookup)?;
                KEY.set(cx, &new);
                cx.emit(Event::KeyChanged { old: Some(who), new });
            }
            Self::sudo_as { who, call } => {
                let who = who.account().ok_or(DispatchError::CannotLookup)?;
                let sudo_result = call.dispatch(cx, Origin::Signed(who));
                cx.emit(Event::SudoAsDone { sudo_result });
            }
            Self::remove_key => {
                KEY.remove(cx);
                cx.emit(Event::KeyRemoved);
            }
        }
        Ok(())
    }
}

/// Who may make root calls.
pub fn key(state: &dyn StateRead) -> Option<AccountId> {
    KEY.get(state)
}

/// Who has the key at the start.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Genesis {
    /// The holder; nobody outside development and test networks.
    pub key: Option<AccountId>,
}

/// The pallet. `C` is the runtime's call, whose dispatch is atomic.
pub struct Pallet<C>(PhantomData<C>);

impl<C: Dispatch + DecodeWithMemTracking> framework::Pallet for Pallet<C> {
    const NAME: &'static str = NAME;
    const INDEX: u8 = INDEX;
    const DOC: &'static str = "Root calls on development and test networks.";
    const STORAGE: StorageItems = &[&KEY];
    type Call = Call<C>;
    type Event = Event;
    type Error = Error;
    type Genesis = Genesis;

    fn genesis(cx: &mut Ctx, genesis: Genesis) -> Result<(), String> {
        if let Some(key) = genesis.key {
            KEY.set(cx, &key);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
