//! Events, errors and what is kept beside an account.

use codec::{Decode, DecodeWithMemTracking, Encode};
use framework::{PalletError, PalletEvent};
use primitives::{AccountId, Balance};
use scale_info::TypeInfo;

/// Why money is held. The numbers are forever.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Encode,
    Decode,
    DecodeWithMemTracking,
    TypeInfo,
)]
pub enum HoldReason {
    /// Stake of an agent.
    #[codec(index = 0)]
    Stake,
    /// Stake of an agent that one of its slots binds.
    #[codec(index = 1)]
    SlotStake,
    /// Rewards, fees and audit money of open tasks.
    #[codec(index = 2)]
    TaskEscrow,
    /// Deposits for what is kept in state.
    #[codec(index = 3)]
    StorageDeposit,
    /// Bonds of challengers.
    #[codec(index = 4)]
    Bond,
    /// Payouts that were decided and not yet accrued.
    #[codec(index = 5)]
    PayoutIntents,
    /// Payouts that wait until they are worth a transfer.
    #[codec(index = 6)]
    Accrued,
    /// What validators and nominators have bonded, also while it is unbonding.
    #[codec(index = 7)]
    Staking,
    /// The deposit for session keys.
    #[codec(index = 8)]
    SessionKeys,
}

impl HoldReason {
    /// Every reason.
    pub const ALL: [Self; 9] = [
        Self::Stake,
        Self::SlotStake,
        Self::TaskEscrow,
        Self::StorageDeposit,
        Self::Bond,
        Self::PayoutIntents,
        Self::Accrued,
        Self::Staking,
        Self::SessionKeys,
    ];
}

/// An amount with its reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct IdAmount<Id> {
    /// The reason.
    pub id: Id,
    /// How much.
    pub amount: Balance,
}

/// A lock in FRAME's form; this chain has none.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct BalanceLock {
    /// Its name.
    pub id: [u8; 8],
    /// How much.
    pub amount: Balance,
    /// Against what it locks.
    pub reasons: Reasons,
}

/// Against what a lock locks.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum Reasons {
    /// Fees.
    Fee,
    /// All but fees.
    Misc,
    /// Everything.
    All,
}

/// What users are told.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum Event {
    /// An account came to be, with some money.
    #[codec(index = 0)]
    Endowed {
        /// The account.
        account: AccountId,
        /// Its money.
        free_balance: Balance,
    },
    /// What was left in an account was below the existential deposit and is destroyed.
    #[codec(index = 1)]
    DustLost {
        /// The account.
        account: AccountId,
        /// What was left.
        amount: Balance,
    },
    /// A transfer.
    #[codec(index = 2)]
    Transfer {
        /// Who paid.
        from: AccountId,
        /// Who received.
        to: AccountId,
        /// How much.
        amount: Balance,
    },
    /// The chain put money into an account.
    #[codec(index = 7)]
    Deposit {
        /// Whose.
        who: AccountId,
        /// How much.
        amount: Balance,
    },
    /// The chain took money from an account, such as a fee.
    #[codec(index = 8)]
    Withdraw {
        /// Whose.
        who: AccountId,
        /// How much.
        amount: Balance,
    },
    /// Money was made.
    #[codec(index = 10)]
    Minted {
        /// For whom.
        who: AccountId,
        /// How much.
        amount: Balance,
    },
    /// Money was destroyed.
    #[codec(index = 12)]
    Burned {
        /// Whose.
        who: AccountId,
        /// How much.
        amount: Balance,
    },
    /// Money was held.
    #[codec(index = 24)]
    Held {
        /// Why.
        reason: HoldReason,
        /// Whose.
        who: AccountId,
        /// How much.
        amount: Balance,
    },
    /// Held money was destroyed.
    #[codec(index = 25)]
    BurnedHeld {
        /// Why it was held.
        reason: HoldReason,
        /// Whose it was.
        who: AccountId,
        /// How much.
        amount: Balance,
    },
    /// Held money went to another account and is held there for the same reason.
    #[codec(index = 26)]
    TransferOnHold {
        /// Why.
        reason: HoldReason,
        /// Whose it was.
        source: AccountId,
        /// Whose it is.
        dest: AccountId,
        /// How much.
        amount: Balance,
    },
    /// Money went to another account and is held there.
    #[codec(index = 27)]
    TransferAndHold {
        /// Why it is held now.
        reason: HoldReason,
        /// Whose it was.
        source: AccountId,
        /// Whose it is.
        dest: AccountId,
        /// How much.
        transferred: Balance,
    },
    /// Held money is free again.
    #[codec(index = 28)]
    Released {
        /// Why it was held.
        reason: HoldReason,
        /// Whose.
        who: AccountId,
        /// How much.
        amount: Balance,
    },
}

impl PalletEvent for Event {
    const PALLET: u8 = super::INDEX;
}

/// Why calls fail. Most failures are errors of a token, as in FRAME.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum Error {
    /// An account holds money for as many reasons as it can.
    #[codec(index = 8)]
    TooManyHolds,
}

impl PalletError for Error {
    const PALLET: u8 = super::INDEX;
}
