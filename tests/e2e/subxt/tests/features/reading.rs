//! Connecting, and what the chain says of itself, now and in its past.

use super::AMOUNT;
use crate::{
    interface::{Constants, Interface, Transfer},
    session::{Chain, Session, plain},
    signers::{fresh, rich, rich_account},
};
use anyhow::{Context, Result};
use futures::future::try_join_all;
use runtime::{BLOCK_HASHES_MAX, ChainSpec, SPEC_VERSION, TRANSACTION_VERSION};
use std::collections::BTreeMap;
use subxt::{client::Blocks, utils::AccountId32};

pub async fn connect<I: Interface>(session: Session) -> Result<()> {
    let genesis = session.rpc.genesis_hash().await?;
    assert_eq!(session.api.genesis_hash(), genesis);
    let at = session.now().await?;
    assert_eq!((at.spec_version(), at.transaction_version()), (SPEC_VERSION, TRANSACTION_VERSION));
    assert_eq!(session.rpc.system_chain().await?, ChainSpec::dev().name);
    assert!(!session.rpc.system_health().await?.is_syncing);
    let metadata = at.metadata();
    assert!(I::fits(&metadata), "the interface is that of other metadata");
    for pallet in ["System", "Balances", "Tasks"] {
        assert!(metadata.pallet_by_name(pallet).is_some(), "{pallet} is missing");
    }
    Ok(())
}

pub async fn constants<I: Interface>(session: Session) -> Result<()> {
    let expected = Constants {
        existential_deposit: pallets::balances::EXISTENTIAL_DEPOSIT.get(),
        block_hash_count: BLOCK_HASHES_MAX,
        ss58_prefix: ChainSpec::dev().properties.ss58_format,
        spec_version: SPEC_VERSION,
    };
    assert_eq!(I::constants(&session.now().await?)?, expected);
    Ok(())
}

pub async fn storage_single<I: Interface>(session: Session) -> Result<()> {
    let before = session.now().await?;
    assert_eq!(I::account(&before, &fresh(1)).await?.free, 0, "absent accounts have a default");
    let sent = session.make(&I::transfer(fresh(1), AMOUNT), &rich(), plain()).await?;
    let account = I::account(&sent.at, &fresh(1)).await?;
    assert_eq!((account.nonce, account.free, account.reserved), (0, AMOUNT, 0));
    assert_eq!(I::account(&sent.at, &rich_account()).await?.nonce, 1);
    assert!(I::time_ms(&sent.at).await? > I::time_ms(&before).await?, "time goes on");
    Ok(())
}

pub async fn storage_multi<I: Interface>(session: Session) -> Result<()> {
    let transfers: Vec<_> = (1..=8).map(|n| (fresh(n), AMOUNT * u128::from(n))).collect();
    let at = session.make(&I::batch_all(&transfers), &rich(), plain()).await?.at;
    let wanted = transfers.iter().map(|(who, _)| I::account(&at, who));
    let found = try_join_all(wanted).await?;
    let amounts: Vec<_> = transfers.iter().map(|(_, amount)| *amount).collect();
    assert_eq!(found.iter().map(|account| account.free).collect::<Vec<_>>(), amounts);

    // The same in one request: a row a key, in the order asked for, also where there is nothing.
    let mut keys: Vec<_> = I::accounts(&at).await?.into_iter().map(|entry| entry.key).collect();
    keys.reverse();
    keys.insert(1, b"no such key".to_vec());
    let hash = at.block_hash();
    let asked = keys.iter().map(Vec::as_slice);
    let sets = session.rpc.state_query_storage_at(asked, Some(hash)).await?;
    let [set] = &sets[..] else { panic!("{} sets of changes", sets.len()) };
    assert_eq!(set.block, hash);
    assert_eq!(set.changes.iter().map(|(key, _)| key.0.clone()).collect::<Vec<_>>(), keys);
    for (index, (_, value)) in set.changes.iter().enumerate() {
        assert_eq!(value.is_none(), index == 1, "row {index}");
    }
    Ok(())
}

pub async fn entries<I: Interface>(session: Session) -> Result<()> {
    // More than subxt fetches at once.
    let transfers: Vec<_> = (1..=150).map(|n| (fresh(n), AMOUNT)).collect();
    let at = session.make(&I::batch_all(&transfers), &rich(), plain()).await?.at;
    let accounts = I::accounts(&at).await?;
    assert!(accounts.is_sorted_by(|a, b| a.key < b.key), "each once, by key");
    for (who, amount) in transfers {
        let found = accounts.iter().find(|entry| entry.who == who).context("it is among them")?;
        assert_eq!(found.account.free, amount);
    }
    assert!(accounts.iter().any(|entry| entry.who == rich_account()));
    Ok(())
}

pub async fn runtime_call<I: Interface>(session: Session) -> Result<()> {
    let at = session.now().await?;
    assert_eq!(I::account_nonce(&at, &rich_account()).await?, 0);
    let at = session.make(&I::transfer(fresh(1), AMOUNT), &rich(), plain()).await?.at;
    assert_eq!(I::account_nonce(&at, &rich_account()).await?, 1);
    assert_eq!(I::name_of_bad_origin(&at).await?, "BadOrigin");
    Ok(())
}

pub async fn subscriptions<I: Interface>(session: Session) -> Result<()> {
    let mut finalised = session.api.stream_blocks().await?;
    let mut best = session.api.stream_best_blocks().await?;
    // A chain with something to do makes its blocks quickly.
    let sending = async {
        for number in 1..=4 {
            session.make(&I::transfer(fresh(number), AMOUNT), &rich(), plain()).await?;
        }
        anyhow::Ok(())
    };
    let watching = async {
        let finalised = watch::<I>(&mut finalised).await?;
        assert!(finalised.is_sorted_by(|a, b| a + 1 == *b), "none is left out: {finalised:?}");
        let best = watch::<I>(&mut best).await?;
        // Where subxt follows the chain's head it tells of the block with which it begins twice.
        assert!(best.is_sorted(), "{best:?}");
        anyhow::Ok(())
    };
    futures::try_join!(sending, watching)?;

    let mut versions = session.rpc.state_subscribe_runtime_version().await?;
    let version = versions.next().await.context("the present one comes first")??;
    assert_eq!(version.spec_version, SPEC_VERSION);
    Ok(())
}

/// Numbers of the next blocks of a stream, until there are three.
async fn watch<I: Interface>(blocks: &mut Blocks<Chain>) -> Result<Vec<u64>> {
    let mut seen = BTreeMap::new();
    let mut numbers = Vec::new();
    while seen.len() < 3 {
        let block = blocks.next().await.context("there is a next block")??;
        let at = block.at().await?;
        assert_eq!((at.block_hash(), at.block_number()), (block.hash(), block.number()));
        seen.insert(block.number(), I::time_ms(&at).await?);
        numbers.push(block.number());
    }
    assert!(seen.values().is_sorted_by(|a, b| a < b), "time goes on: {seen:?}");
    Ok(numbers)
}

pub async fn historic_query<I: Interface>(session: Session) -> Result<()> {
    let mut blocks = Vec::new();
    for _ in 0..5 {
        let sent = session.make(&I::transfer(fresh(1), AMOUNT), &rich(), plain()).await?;
        blocks.push((sent.at.block_number(), sent.at.block_hash(), sent.parent().await?));
    }
    for (number, hash, parent) in blocks {
        let at = session.api.at_block(number).await?;
        assert_eq!(at.block_hash(), hash);
        let (free, nonce) = past::<I>(&session, hash, &fresh(1)).await?;
        let (free_before, nonce_before) = past::<I>(&session, parent, &fresh(1)).await?;
        assert_eq!((free - free_before, nonce - nonce_before), (AMOUNT, 1));

        let extrinsics = at.extrinsics().fetch().await?;
        let calls: Vec<_> = extrinsics.iter().collect::<Result<_, _>>()?;
        let name = |index: usize| (calls[index].pallet_name(), calls[index].call_name());
        let last = calls.len() - 1;
        assert_eq!(name(0), ("Timestamp", "set"), "the author's own come first");
        assert_eq!(name(last), ("Balances", "transfer_keep_alive"));
        let transfer = Transfer { from: rich_account(), to: fresh(1), amount: AMOUNT };
        assert_eq!(I::transfers(&calls[last].events().await?)?, [transfer]);
    }
    let genesis = session.api.at_block(0u32).await?;
    assert_eq!(I::account(&genesis, &fresh(1)).await?.free, 0);
    assert_eq!(I::account(&genesis, &rich_account()).await?.nonce, 0);
    Ok(())
}

/// What an account had after a block, and how much the sender had sent.
async fn past<I: Interface>(
    session: &Session,
    block: subxt::utils::H256,
    who: &AccountId32,
) -> Result<(u128, u32)> {
    let at = session.api.at_block(block).await?;
    let sent = I::account(&at, &rich_account()).await?.nonce;
    Ok((I::account(&at, who).await?.free, sent))
}
