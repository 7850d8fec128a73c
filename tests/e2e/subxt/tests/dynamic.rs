//! subxt with the metadata that the node serves.

use crate::{
    interface::{Account, Constants, Entry, Fee, Interface, Transfer},
    session::{At, Events},
};
use anyhow::{Context, Result};
use subxt::{
    Metadata,
    dynamic::{self, Value},
    error::ModuleError,
    ext::{
        scale_decode::{DecodeAsFields, DecodeAsType},
        scale_value::Composite,
    },
    tx::Payload,
    utils::AccountId32,
};

pub struct Dynamic;

#[derive(DecodeAsType)]
#[decode_as_type(crate_path = "subxt::ext::scale_decode")]
struct AccountInfo {
    nonce: u32,
    data: AccountData,
}

#[derive(DecodeAsType)]
#[decode_as_type(crate_path = "subxt::ext::scale_decode")]
struct AccountData {
    free: u128,
    reserved: u128,
}

#[derive(DecodeAsType)]
#[decode_as_type(crate_path = "subxt::ext::scale_decode")]
struct Version {
    spec_version: u32,
}

#[derive(DecodeAsType)]
#[decode_as_type(crate_path = "subxt::ext::scale_decode")]
struct Transferred {
    from: AccountId32,
    to: AccountId32,
    amount: u128,
}

#[derive(DecodeAsType)]
#[decode_as_type(crate_path = "subxt::ext::scale_decode")]
struct FeePaid {
    who: AccountId32,
    actual_fee: u128,
    tip: u128,
}

#[derive(DecodeAsType)]
#[decode_as_type(crate_path = "subxt::ext::scale_decode")]
struct Remarked {
    sender: AccountId32,
    hash: [u8; 32],
}

#[derive(DecodeAsType)]
#[decode_as_type(crate_path = "subxt::ext::scale_decode")]
struct Interrupted {
    index: u32,
}

#[derive(DecodeAsType)]
#[decode_as_type(crate_path = "subxt::ext::scale_decode")]
struct Explanation {
    name: String,
}

impl From<AccountInfo> for Account {
    fn from(info: AccountInfo) -> Self {
        let AccountInfo { nonce, data: AccountData { free, reserved } } = info;
        Self { nonce, free, reserved }
    }
}

impl Interface for Dynamic {
    fn fits(_: &Metadata) -> bool {
        true
    }

    fn constants(at: &At) -> Result<Constants> {
        let constants = at.constants();
        let version = constants.entry(dynamic::constant::<Version>("System", "Version"))?;
        Ok(Constants {
            existential_deposit: constants
                .entry(dynamic::constant::<u128>("Balances", "ExistentialDeposit"))?,
            block_hash_count: constants
                .entry(dynamic::constant::<u32>("System", "BlockHashCount"))?,
            ss58_prefix: constants.entry(dynamic::constant::<u16>("System", "SS58Prefix"))?,
            spec_version: version.spec_version,
        })
    }

    async fn time_ms(at: &At) -> Result<u64> {
        let now = dynamic::storage::<(), u64>("Timestamp", "Now");
        Ok(at.storage().fetch(now, ()).await?.decode()?)
    }

    async fn account(at: &At, who: &AccountId32) -> Result<Account> {
        let account = dynamic::storage::<(AccountId32,), AccountInfo>("System", "Account");
        Ok(at.storage().fetch(account, (*who,)).await?.decode()?.into())
    }

    async fn accounts(at: &At) -> Result<Vec<Entry>> {
        let account = dynamic::storage::<(AccountId32,), AccountInfo>("System", "Account");
        let mut found = at.storage().iter(account, ()).await?;
        let mut accounts = Vec::new();
        while let Some(entry) = found.next().await {
            let entry = entry?;
            let (who,) = entry.key()?.decode()?;
            let (key, account) = (entry.key_bytes().to_vec(), entry.value().decode()?.into());
            accounts.push(Entry { key, who, account });
        }
        Ok(accounts)
    }

    async fn account_nonce(at: &At, who: &AccountId32) -> Result<u32> {
        let nonce =
            dynamic::runtime_api_call::<_, u32>("AccountNonceApi", "account_nonce", (*who,));
        Ok(at.runtime_apis().call(nonce).await?)
    }

    async fn name_of_bad_origin(at: &At) -> Result<String> {
        let error = Value::unnamed_variant("BadOrigin", []);
        let explain = dynamic::runtime_api_call::<_, Explanation>("ArtelApi", "explain", (error,));
        Ok(at.runtime_apis().call(explain).await?.name)
    }

    fn transfer(dest: AccountId32, value: u128) -> impl Payload {
        dynamic::tx("Balances", "transfer_keep_alive", transfer_arguments(&dest, value))
    }

    fn remark_with_event(remark: Vec<u8>) -> impl Payload {
        dynamic::tx("System", "remark_with_event", (remark,))
    }

    fn cancel_task(task: [u8; 32]) -> impl Payload {
        dynamic::tx("Tasks", "cancel_task", (task,))
    }

    fn batch(transfers: &[(AccountId32, u128)]) -> impl Payload {
        dynamic::tx("Utility", "batch", (calls(transfers),))
    }

    fn batch_all(transfers: &[(AccountId32, u128)]) -> impl Payload {
        dynamic::tx("Utility", "batch_all", (calls(transfers),))
    }

    fn transfers(events: &Events) -> Result<Vec<Transfer>> {
        let transferred: Vec<Transferred> = all(events, "Balances", "Transfer")?;
        let transfer =
            |Transferred { from, to, amount }: Transferred| Transfer { from, to, amount };
        Ok(transferred.into_iter().map(transfer).collect())
    }

    fn fee(events: &Events) -> Result<Fee> {
        let paid: Vec<FeePaid> = all(events, "TransactionPayment", "TransactionFeePaid")?;
        let FeePaid { who, actual_fee, tip } = paid.into_iter().next().context("a fee is paid")?;
        Ok(Fee { who, actual_fee, tip })
    }

    fn remarked(events: &Events) -> Result<(AccountId32, [u8; 32])> {
        let remarked: Vec<Remarked> = all(events, "System", "Remarked")?;
        let Remarked { sender, hash } = remarked.into_iter().next().context("there is one")?;
        Ok((sender, hash))
    }

    fn interrupted(events: &Events) -> Result<Option<u32>> {
        let interrupted: Vec<Interrupted> = all(events, "Utility", "BatchInterrupted")?;
        Ok(interrupted.into_iter().next().map(|Interrupted { index }| index))
    }

    fn error(error: &ModuleError) -> Result<(String, String)> {
        let details = error.details()?;
        Ok((details.pallet.name().to_owned(), details.variant.name.clone()))
    }
}

fn transfer_arguments(dest: &AccountId32, value: u128) -> Composite<()> {
    let dest = Value::unnamed_variant("Id", [Value::from_bytes(dest)]);
    Composite::Unnamed(vec![dest, Value::u128(value)])
}

/// Transfers as calls that stand in another call.
fn calls(transfers: &[(AccountId32, u128)]) -> Vec<Value> {
    let call = |(dest, value): &(AccountId32, u128)| {
        dynamic::tx("Balances", "transfer_keep_alive", transfer_arguments(dest, *value))
            .into_value()
    };
    transfers.iter().map(call).collect()
}

/// The fields of all events of a kind.
fn all<E: DecodeAsFields>(events: &Events, pallet: &str, name: &str) -> Result<Vec<E>> {
    let mut found = Vec::new();
    for event in events.iter() {
        let event = event?;
        if (event.pallet_name(), event.event_name()) == (pallet, name) {
            found.push(event.decode_fields_unchecked_as()?);
        }
    }
    Ok(found)
}
