#![doc = include_str!("../README.md")]
#![deny(missing_docs, clippy::float_arithmetic)]

mod ctx;
mod error;
mod item;
mod mem;
pub mod metadata;
mod pallet;
mod runtime;
mod weight;

pub use ctx::{BlockEnv, Ctx, Deltas, TxOutput, next_key_over};
pub use error::{
    ArithmeticError, DispatchError, DispatchResult, ModuleError, PalletError, TokenError, ensure,
};
pub use item::{
    BigEndianMoment, Blake2_128Concat, Entry, Identity, Item, ItemMeta, KeyHasher, KeyParts, Map,
    NestedMap, PairSet, Schedule, StorageItem, Twox64Concat, Value,
};
pub use mem::MemState;
pub use metadata::{ConstantMeta, PalletMeta};
pub use pallet::{Dispatch, NoCall, NoError, NoEvent, Origin, Pallet, PalletEvent, StorageItems};
pub use weight::{DispatchClass, DispatchInfo, Pays, READ_PS, WRITE_PS, Weight, WeightV2};

pub use primitives::{Moment, StateRead};

/// What every pallet starts with.
pub mod prelude {
    pub use crate::{
        BlockEnv, ConstantMeta, Ctx, Dispatch, DispatchClass, DispatchError, DispatchResult,
        Identity, Map, NestedMap, NoCall, NoError, NoEvent, Origin, PairSet, PalletError,
        PalletEvent, Pays, Schedule, StorageItems, TokenError, Twox64Concat, Value, Weight, ensure,
    };
    pub use codec::{Decode, DecodeWithMemTracking, Encode};
    pub use primitives::{AccountId, Balance, Hash, Height, Moment, StateRead};
    pub use scale_info::TypeInfo;
}

/// What the `runtime!` macro needs by a path that holds in every crate.
#[doc(hidden)]
pub mod __private {
    pub use codec;
    pub use scale_info;
    pub use serde;
}

#[cfg(test)]
mod tests;
