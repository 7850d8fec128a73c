//! # Balances
//!
//! Money: transfers, and holds for reasons. An account exists while its free money is at least the
//! existential deposit; what a transfer leaves below it is dust and is burned. Holding and fees never
//! kill an account: both leave the existential deposit free.
//!
//! Invariants: total issuance = free + reserved over all accounts; an account's reserved money = the
//! sum of its holds; an account with reserved money exists.
//!
//! Every public function either does all it says or changes nothing.

mod holds;
mod types;

pub use holds::{burn_held, held, hold, release, total_held, transfer_held};
pub use types::*;

use crate::system::{self, LoadedAccount};
use framework::{ArithmeticError, Blake2_128Concat, Deltas, prelude::*};
use primitives::MultiAddress;

/// Name of the pallet.
pub const NAME: &str = "Balances";
/// Index of the pallet.
pub const INDEX: u8 = 5;
/// Least free money of an account: a thousandth of a token of 12 decimals.
pub const EXISTENTIAL_DEPOSIT: Balance = Balance::new(1_000_000_000);
/// Most money of one account in genesis: all accounts together stay far below what fits.
const GENESIS_BALANCE_MAX: Balance = Balance::new(1 << 96);
/// Most accounts that genesis may fund.
const GENESIS_ACCOUNTS_MAX: usize = 10_000_000;

static TOTAL_ISSUANCE: Value<Balance> =
    Value::new_default(NAME, "TotalIssuance", "All money that there is.");
static LOCKS: Map<AccountId, Vec<BalanceLock>, Blake2_128Concat> =
    Map::new_default(NAME, "Locks", "Nothing: this chain has no locks.");
static RESERVES: Map<AccountId, Vec<IdAmount<[u8; 8]>>, Blake2_128Concat> =
    Map::new_default(NAME, "Reserves", "Nothing: what is reserved is held for a reason.");
static FREEZES: Map<AccountId, Vec<IdAmount<()>>, Blake2_128Concat> =
    Map::new_default(NAME, "Freezes", "Nothing: this chain freezes nothing.");

/// What users can do.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
#[allow(non_camel_case_types)]
pub enum Call {
    /// Send money. If less than the existential deposit is left, the account ends and the rest is
    /// lost.
    #[codec(index = 0)]
    transfer_allow_death {
        /// Who receives.
        dest: MultiAddress,
        /// How much.
        #[codec(compact)]
        value: Balance,
    },
    /// Send money, if at least the existential deposit is left.
    #[codec(index = 3)]
    transfer_keep_alive {
        /// Who receives.
        dest: MultiAddress,
        /// How much.
        #[codec(compact)]
        value: Balance,
    },
    /// Send all that can be spent.
    #[codec(index = 4)]
    transfer_all {
        /// Who receives.
        dest: MultiAddress,
        /// Keep the existential deposit, so that the account goes on.
        keep_alive: bool,
    },
}

impl Dispatch for Call {
    fn weight(&self) -> Weight {
        // The recipient's account; the sender's is part of what every transaction costs.
        match self {
            Self::transfer_allow_death { .. } | Self::transfer_keep_alive { .. } => {
                Weight::rw(1, 1)
            }
            // The sender's again, for its amount, where another account makes the call.
            Self::transfer_all { .. } => Weight::rw(2, 1),
        }
    }

    fn dispatch(self, cx: &mut Ctx, origin: Origin) -> DispatchResult {
        let from = origin.signed()?;
        match self {
            Self::transfer_allow_death { dest, value } => {
                transfer(cx, &from, &lookup(&dest)?, value, false)
            }
            Self::transfer_keep_alive { dest, value } => {
                transfer(cx, &from, &lookup(&dest)?, value, true)
            }
            Self::transfer_all { dest, keep_alive } => {
                let to = lookup(&dest)?;
                let value = spendable(cx, &from, keep_alive);
                transfer(cx, &from, &to, value, keep_alive)
            }
        }
    }
}

/// The account that an address names.
fn lookup(address: &MultiAddress) -> Result<AccountId, DispatchError> {
    address.account().ok_or(DispatchError::CannotLookup)
}

/// The free money of an account.
pub fn free(state: &dyn StateRead, who: &AccountId) -> Balance {
    system::account(state, who).data.free
}

/// What an account can spend: all its free money or, if it must go on to exist, all but the
/// existential deposit.
pub fn spendable(state: &dyn StateRead, who: &AccountId, keep_alive: bool) -> Balance {
    let info = system::account(state, who);
    if keep_alive || info.consumers > 0 {
        info.data.free.saturating_sub(EXISTENTIAL_DEPOSIT)
    } else {
        info.data.free
    }
}

/// All money that there is, as of the end of the last block.
pub fn total_issuance(state: &dyn StateRead) -> Balance {
    TOTAL_ISSUANCE.get(state).unwrap_or_default()
}

/// Moves free money.
///
/// # Errors
///
/// `FundsUnavailable` if there is less; `NotExpendable` if the sender would fall below the
/// existential deposit and must not, `OnlyProvider` if it cannot as it holds money; `BelowMinimum`
/// if the recipient would stay below it.
pub fn transfer(
    cx: &mut Ctx,
    from: &AccountId,
    to: &AccountId,
    amount: Balance,
    keep_alive: bool,
) -> DispatchResult {
    let mut source = system::load(cx, from);
    let dust = debit(&mut source, amount, keep_alive)?;
    if from == to {
        return Ok(());
    }
    let mut dest = system::load(cx, to);
    let born = credit(&mut dest, amount)?;
    source.store(cx);
    dest.store(cx);
    if born {
        announce(cx, to, amount);
    }
    cx.emit(Event::Transfer { from: *from, to: *to, amount });
    bury(cx, from, dust);
    Ok(())
}

/// Makes money and gives it to an account.
///
/// # Errors
///
/// `BelowMinimum` if the account would stay below the existential deposit.
pub fn mint(cx: &mut Ctx, who: &AccountId, amount: Balance) -> DispatchResult {
    give(cx, who, amount)?;
    cx.note_minted(amount);
    cx.emit(Event::Minted { who: *who, amount });
    Ok(())
}

/// Destroys free money of an account, which goes on to exist.
///
/// # Errors
///
/// `FundsUnavailable` or `NotExpendable` if there is less above the existential deposit.
pub fn burn(cx: &mut Ctx, who: &AccountId, amount: Balance) -> DispatchResult {
    let mut account = system::load(cx, who);
    debit(&mut account, amount, true)?;
    account.store(cx);
    cx.note_burned(amount);
    cx.emit(Event::Burned { who: *who, amount });
    Ok(())
}

/// Takes money from an account, which goes on to exist, without destroying it: the caller accounts
/// for it, as the fee path does by [`Ctx::note_paid`]. The caller stores the account.
///
/// # Errors
///
/// `FundsUnavailable` or `NotExpendable` if there is less above the existential deposit.
pub fn withdraw(cx: &mut Ctx, account: &mut LoadedAccount, amount: Balance) -> DispatchResult {
    debit(account, amount, true)?;
    cx.emit(Event::Withdraw { who: account.who, amount });
    Ok(())
}

/// Gives an account money that was taken by [`withdraw`]; nothing happens if it is nothing.
///
/// # Errors
///
/// `BelowMinimum` if the account would stay below the existential deposit.
pub fn deposit(cx: &mut Ctx, who: &AccountId, amount: Balance) -> DispatchResult {
    if amount.is_zero() {
        return Ok(());
    }
    give(cx, who, amount)?;
    cx.emit(Event::Deposit { who: *who, amount });
    Ok(())
}

/// Folds a block's made and destroyed money into the total.
pub fn fold_issuance(cx: &mut Ctx, deltas: &Deltas) {
    let total = total_issuance(cx)
        .checked_add(deltas.minted)
        .and_then(|total| total.checked_sub(deltas.burned))
        .expect("what is made is checked against overflow, what is destroyed was issued");
    TOTAL_ISSUANCE.set(cx, &total);
}

fn give(cx: &mut Ctx, who: &AccountId, amount: Balance) -> DispatchResult {
    let mut account = system::load(cx, who);
    let born = credit(&mut account, amount)?;
    account.store(cx);
    if born {
        announce(cx, who, amount);
    }
    Ok(())
}

/// Takes from free money. Gives the dust of an account that ends.
fn debit(
    account: &mut LoadedAccount,
    amount: Balance,
    keep_alive: bool,
) -> Result<Option<Balance>, DispatchError> {
    let info = &mut account.info;
    let rest = info.data.free.checked_sub(amount).ok_or(TokenError::FundsUnavailable)?;
    if rest >= EXISTENTIAL_DEPOSIT || !info.exists() {
        info.data.free = rest;
        return Ok(None);
    }
    ensure(!keep_alive, TokenError::NotExpendable)?;
    ensure(info.consumers == 0, TokenError::OnlyProvider)?;
    info.data.free = Balance::ZERO;
    info.providers = 0;
    Ok(Some(rest))
}

/// Adds to free money. Tells whether the account came to be.
fn credit(account: &mut LoadedAccount, amount: Balance) -> Result<bool, DispatchError> {
    let info = &mut account.info;
    let free = info.data.free.checked_add(amount).ok_or(ArithmeticError::Overflow)?;
    ensure(free >= EXISTENTIAL_DEPOSIT, TokenError::BelowMinimum)?;
    info.data.free = free;
    let born = !info.exists();
    info.providers = 1;
    Ok(born)
}

fn announce(cx: &mut Ctx, who: &AccountId, amount: Balance) {
    cx.emit(system::Event::NewAccount { account: *who });
    cx.emit(Event::Endowed { account: *who, free_balance: amount });
}

/// Ends an account whose dust this is, if it has ended.
fn bury(cx: &mut Ctx, who: &AccountId, dust: Option<Balance>) {
    let Some(dust) = dust else { return };
    if !dust.is_zero() {
        cx.note_burned(dust);
        cx.emit(Event::DustLost { account: *who, amount: dust });
    }
    cx.emit(system::Event::KilledAccount { account: *who });
}

/// Who has how much at the start.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Genesis {
    /// Accounts and their free money.
    pub balances: Vec<(AccountId, Balance)>,
}

/// The pallet.
pub struct Pallet;

impl framework::Pallet for Pallet {
    const NAME: &'static str = NAME;
    const INDEX: u8 = INDEX;
    const DOC: &'static str = "Money: transfers, and holds for reasons.";
    const STORAGE: StorageItems = &[&TOTAL_ISSUANCE, &LOCKS, &RESERVES, &holds::HOLDS, &FREEZES];
    type Call = Call;
    type Event = Event;
    type Error = Error;
    type Genesis = Genesis;

    fn constants() -> Vec<ConstantMeta> {
        vec![
            ConstantMeta::new(
                "ExistentialDeposit",
                &EXISTENTIAL_DEPOSIT,
                "Least free money of an account.",
            ),
            ConstantMeta::new("MaxLocks", &0u32, "Most locks of an account."),
            ConstantMeta::new("MaxReserves", &0u32, "Most named reserves of an account."),
            ConstantMeta::new("MaxFreezes", &0u32, "Most freezes of an account."),
        ]
    }

    fn genesis(cx: &mut Ctx, genesis: Genesis) -> Result<(), String> {
        if genesis.balances.len() > GENESIS_ACCOUNTS_MAX {
            return Err(format!("at most {GENESIS_ACCOUNTS_MAX} accounts can be funded"));
        }
        for (who, amount) in genesis.balances {
            let mut account = system::load(cx, &who);
            if account.info.exists() {
                return Err(format!("{who} is funded twice"));
            }
            if amount < EXISTENTIAL_DEPOSIT || amount > GENESIS_BALANCE_MAX {
                return Err(format!(
                    "{who} has {amount}: give it at least {EXISTENTIAL_DEPOSIT}, the existential \
                     deposit, and at most {GENESIS_BALANCE_MAX}"
                ));
            }
            credit(&mut account, amount).map_err(|e| format!("{who}: {e:?}"))?;
            account.store(cx);
            cx.note_minted(amount);
        }
        Ok(())
    }

    fn check(state: &dyn StateRead) -> Result<(), String> {
        let mut total = Balance::ZERO;
        for (who, info) in system::accounts(state) {
            let data = info.data;
            let exists = data.free >= EXISTENTIAL_DEPOSIT;
            if info.exists() != exists || (!exists && data.free != Balance::ZERO) {
                return Err(format!(
                    "{who} has {} free and {} providers",
                    data.free, info.providers
                ));
            }
            let holding = !data.reserved.is_zero();
            if holding != (info.consumers == 1) || (holding && !exists) || info.consumers > 1 {
                return Err(format!(
                    "{who} holds {} with {} consumers",
                    data.reserved, info.consumers
                ));
            }
            let sum = holds::total(state, &who);
            if sum != data.reserved {
                return Err(format!("{who} has {} reserved and {sum} held", data.reserved));
            }
            total = [total, data.free, data.reserved].into_iter().sum();
        }
        holds::check(state)?;
        let issued = total_issuance(state);
        if total == issued {
            Ok(())
        } else {
            Err(format!("accounts have {total}, but {issued} is issued"))
        }
    }
}

#[cfg(test)]
mod tests;
