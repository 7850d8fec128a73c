//! What subxt's two interfaces, that of run time and that of compile time, are asked for alike.

use crate::session::{At, Events};
use anyhow::Result;
use subxt::{Metadata, error::ModuleError, tx::Payload, utils::AccountId32};

/// One way to use subxt.
pub trait Interface {
    /// Whether what is compiled in, if anything, is what the chain has.
    fn fits(metadata: &Metadata) -> bool;

    fn constants(at: &At) -> Result<Constants>;

    /// The block's time, in ms since 1970.
    async fn time_ms(at: &At) -> Result<u64>;

    async fn account(at: &At, who: &AccountId32) -> Result<Account>;

    /// All accounts.
    async fn accounts(at: &At) -> Result<Vec<Entry>>;

    /// The nonce of an account's next transaction, by the runtime's own call.
    async fn account_nonce(at: &At, who: &AccountId32) -> Result<u32>;

    /// The name that the runtime gives to the error "bad origin".
    async fn name_of_bad_origin(at: &At) -> Result<String>;

    fn transfer(dest: AccountId32, value: u128) -> impl Payload;

    fn remark_with_event(remark: Vec<u8>) -> impl Payload;

    /// Takes back a task.
    fn cancel_task(task: [u8; 32]) -> impl Payload;

    /// Transfers that stop at the first that fails.
    fn batch(transfers: &[(AccountId32, u128)]) -> impl Payload;

    /// Transfers of which all succeed or none.
    fn batch_all(transfers: &[(AccountId32, u128)]) -> impl Payload;

    fn transfers(events: &Events) -> Result<Vec<Transfer>>;

    fn fee(events: &Events) -> Result<Fee>;

    /// Sender and hash of what [`Self::remark_with_event`] left.
    fn remarked(events: &Events) -> Result<(AccountId32, [u8; 32])>;

    /// At which call a batch stopped.
    fn interrupted(events: &Events) -> Result<Option<u32>>;

    /// A pallet's error: names of the pallet and of the error.
    fn error(error: &ModuleError) -> Result<(String, String)>;
}

#[derive(Debug, PartialEq, Eq)]
pub struct Constants {
    pub existential_deposit: u128,
    pub block_hash_count: u32,
    pub ss58_prefix: u16,
    pub spec_version: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    pub nonce: u32,
    pub free: u128,
    pub reserved: u128,
}

/// An account under its key.
#[derive(Debug)]
pub struct Entry {
    pub key: Vec<u8>,
    pub who: AccountId32,
    pub account: Account,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Transfer {
    pub from: AccountId32,
    pub to: AccountId32,
    pub amount: u128,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Fee {
    pub who: AccountId32,
    /// The tip included.
    pub actual_fee: u128,
    pub tip: u128,
}
