//! subxt with an interface that its macro makes from the runtime's metadata.

use crate::{
    interface::{Account, Constants, Entry, Fee, Interface, Transfer},
    session::{At, Events},
};
use anyhow::{Context, Result, bail};
use artel::{
    runtime_types::{artel_runtime::RuntimeCall, frame_system::AccountInfo},
    utility,
};
use subxt::{Metadata, error::ModuleError, tx::Payload, utils::AccountId32};

#[subxt::subxt(runtime_metadata_path = "../../../runtime/metadata/1.v16")]
pub mod artel {}

pub struct Codegen;

impl Interface for Codegen {
    fn fits(metadata: &Metadata) -> bool {
        artel::is_codegen_valid_for(metadata)
    }

    fn constants(at: &At) -> Result<Constants> {
        let (system, balances) = (artel::constants().system(), artel::constants().balances());
        let constants = at.constants();
        Ok(Constants {
            existential_deposit: constants.entry(balances.existential_deposit())?,
            block_hash_count: constants.entry(system.block_hash_count())?,
            ss58_prefix: constants.entry(system.ss58_prefix())?,
            spec_version: constants.entry(system.version())?.spec_version,
        })
    }

    async fn time_ms(at: &At) -> Result<u64> {
        Ok(at.storage().fetch(artel::storage().timestamp().now(), ()).await?.decode()?)
    }

    async fn account(at: &At, who: &AccountId32) -> Result<Account> {
        let account = artel::storage().system().account();
        Ok(shown(&at.storage().fetch(account, (*who,)).await?.decode()?))
    }

    async fn accounts(at: &At) -> Result<Vec<Entry>> {
        let mut found = at.storage().iter(artel::storage().system().account(), ()).await?;
        let mut accounts = Vec::new();
        while let Some(entry) = found.next().await {
            let entry = entry?;
            let (who,) = entry.key()?.decode()?;
            let (key, account) = (entry.key_bytes().to_vec(), shown(&entry.value().decode()?));
            accounts.push(Entry { key, who, account });
        }
        Ok(accounts)
    }

    async fn account_nonce(at: &At, who: &AccountId32) -> Result<u32> {
        let nonce = artel::runtime_apis().account_nonce_api().account_nonce(*who);
        Ok(at.runtime_apis().call(nonce).await?)
    }

    async fn name_of_bad_origin(at: &At) -> Result<String> {
        let explain = artel::runtime_apis().artel_api().explain(artel::DispatchError::BadOrigin);
        Ok(at.runtime_apis().call(explain).await?.name)
    }

    fn transfer(dest: AccountId32, value: u128) -> impl Payload {
        artel::transactions().balances().transfer_keep_alive(dest.into(), value)
    }

    fn remark_with_event(remark: Vec<u8>) -> impl Payload {
        artel::transactions().system().remark_with_event(remark)
    }

    fn cancel_task(task: [u8; 32]) -> impl Payload {
        artel::transactions().tasks().cancel_task(task.into())
    }

    fn batch(transfers: &[(AccountId32, u128)]) -> impl Payload {
        artel::transactions().utility().batch(calls(transfers))
    }

    fn batch_all(transfers: &[(AccountId32, u128)]) -> impl Payload {
        artel::transactions().utility().batch_all(calls(transfers))
    }

    fn transfers(events: &Events) -> Result<Vec<Transfer>> {
        let mut transfers = Vec::new();
        for event in events.find::<artel::balances::events::Transfer>() {
            let artel::balances::events::Transfer { from, to, amount } = event?;
            transfers.push(Transfer { from, to, amount });
        }
        Ok(transfers)
    }

    fn fee(events: &Events) -> Result<Fee> {
        let paid = events.find_first::<artel::transaction_payment::events::TransactionFeePaid>();
        let paid = paid.context("a fee is paid")??;
        Ok(Fee { who: paid.who, actual_fee: paid.actual_fee, tip: paid.tip })
    }

    fn remarked(events: &Events) -> Result<(AccountId32, [u8; 32])> {
        let remarked = events.find_first::<artel::system::events::Remarked>();
        let remarked = remarked.context("there is one")??;
        Ok((remarked.sender, remarked.hash.0))
    }

    fn interrupted(events: &Events) -> Result<Option<u32>> {
        let interrupted = events.find_first::<utility::events::BatchInterrupted>().transpose()?;
        Ok(interrupted.map(|event| event.index))
    }

    fn error(error: &ModuleError) -> Result<(String, String)> {
        match error.as_root_error::<artel::Error>()? {
            artel::Error::Tasks(artel::tasks::Error::UnknownTask) => {
                Ok(("Tasks".to_owned(), "UnknownTask".to_owned()))
            }
            other => bail!("no test expects {other:?}"),
        }
    }
}

fn shown(info: &AccountInfo) -> Account {
    Account { nonce: info.nonce, free: info.data.free, reserved: info.data.reserved }
}

/// Transfers as calls that stand in another call.
fn calls(transfers: &[(AccountId32, u128)]) -> Vec<RuntimeCall> {
    let call = |(dest, value): &(AccountId32, u128)| {
        let dest = (*dest).into();
        RuntimeCall::Balances(artel::balances::Call::transfer_keep_alive { dest, value: *value })
    };
    transfers.iter().map(call).collect()
}
