//! What the chain records of accounts, events and itself.

use codec::{Decode, Encode};
use primitives::{Balance, Height, Nonce};
use scale_info::TypeInfo;

/// Bit of [`ExtraFlags`] that every account has: its money is counted by FRAME's current rules.
const IS_NEW_LOGIC: u128 = 1 << 127;

/// Marks of an account's money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct ExtraFlags(u128);

impl Default for ExtraFlags {
    fn default() -> Self {
        Self(IS_NEW_LOGIC)
    }
}

/// An account's money.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct AccountData {
    /// What the owner may spend; in an account that exists at least the existential deposit.
    pub free: Balance,
    /// What is held for reasons; the account's entry in `Balances.Holds` tells them.
    pub reserved: Balance,
    /// The part of `free` that may not be spent; this chain freezes nothing, so it is 0.
    pub frozen: Balance,
    /// Marks.
    pub flags: ExtraFlags,
}

/// An account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct AccountInfo {
    /// How many transactions it has sent.
    pub nonce: Nonce,
    /// What needs the account to stay: 1 while money is held, otherwise 0.
    pub consumers: u32,
    /// What keeps the account: 1 while it has the existential deposit, otherwise 0.
    pub providers: u32,
    /// What keeps the account without money; 0 on this chain.
    pub sufficients: u32,
    /// Its money.
    pub data: AccountData,
}

impl AccountInfo {
    /// Whether the account exists; one that does not may still have a nonce.
    pub fn exists(&self) -> bool {
        self.providers > 0
    }
}

/// When an event happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub enum Phase {
    /// While the transaction with this index was applied.
    ApplyExtrinsic(u32),
    /// After the transactions.
    Finalization,
    /// Before the transactions.
    Initialization,
}

/// One entry of a block's event record, as clients decode it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct EventRecord<E, T> {
    /// When it happened.
    pub phase: Phase,
    /// What happened.
    pub event: E,
    /// Topics to index by; none on this chain.
    pub topics: Vec<T>,
}

/// As Substrate describes it: clients look for this path.
impl<E: TypeInfo + 'static, T: TypeInfo + 'static> TypeInfo for EventRecord<E, T> {
    type Identity = Self;

    fn type_info() -> scale_info::Type {
        use scale_info::{Path, Type, TypeParameter, build::Fields, meta_type};
        Type::builder()
            .path(
                Path::from_segments(["frame_system", "EventRecord"])
                    .expect("the path's segments are identifiers"),
            )
            .type_params([
                TypeParameter::new("E", Some(meta_type::<E>())),
                TypeParameter::new("T", Some(meta_type::<T>())),
            ])
            .composite(
                Fields::named()
                    .field(|f| f.ty::<Phase>().name("phase").type_name("Phase"))
                    .field(|f| f.ty::<E>().name("event").type_name("E"))
                    .field(|f| f.ty::<Vec<T>>().name("topics").type_name("Vec<T>")),
            )
    }
}

/// A change of the chain's rules that is to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct ScheduledUpgrade {
    /// The version of the rules to come.
    pub spec_version: u32,
    /// The block that brings them: the last by the rules before.
    pub height: Height,
}

/// The runtime that last changed the chain's rules.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct LastRuntimeUpgradeInfo {
    /// Its version.
    #[codec(compact)]
    pub spec_version: u32,
    /// Its name.
    pub spec_name: String,
}
