//! Signed transactions of all kinds.

use super::AMOUNT;
use crate::{
    interface::{Interface, Transfer},
    session::{Chain, Session, params, plain},
    signers::{Ed25519, ecdsa, fresh, rich, rich_account},
};
use anyhow::{Context, Result};
use codec::Decode;
use primitives::crypto::hash::blake2_256;
use subxt::{
    error::{DispatchError, TokenError},
    tx::Signer,
    utils::Era,
};
use subxt_signer::sr25519;

/// A tip that no fee comes near.
const TIP: u128 = 5_000_000_000_000;
/// For how many blocks subxt signs unless told otherwise.
const PERIOD_DEFAULT: u64 = 32;
/// Transactions that are sent at once.
const MANY: u64 = 100;

pub async fn transfer_sr25519<I: Interface>(session: Session) -> Result<()> {
    transfer_by::<I>(session, sr25519::dev::dave()).await
}

pub async fn transfer_ed25519<I: Interface>(session: Session) -> Result<()> {
    transfer_by::<I>(session, Ed25519::alice()).await
}

pub async fn transfer_ecdsa<I: Interface>(session: Session) -> Result<()> {
    transfer_by::<I>(session, ecdsa()).await
}

/// A transfer from an account that has received one.
async fn transfer_by<I: Interface>(session: Session, signer: impl Signer<Chain>) -> Result<()> {
    let from = signer.account_id();
    session.make(&I::transfer(from, 10 * AMOUNT), &rich(), plain()).await?;
    let sent = session.make(&I::transfer(fresh(1), AMOUNT), &signer, plain()).await?;
    assert_eq!(I::transfers(&sent.events)?, [Transfer { from, to: fresh(1), amount: AMOUNT }]);
    assert_eq!(I::account(&sent.at, &fresh(1)).await?.free, AMOUNT);
    assert_eq!(I::account(&sent.at, &from).await?.nonce, 1);
    Ok(())
}

pub async fn mortal<I: Interface>(session: Session) -> Result<()> {
    let call = I::transfer(fresh(1), AMOUNT);
    let start = session.now().await?;
    // Signed now, and sent when its four blocks are over.
    let nonce = start.tx().account_nonce(&rich_account()).await?;
    let brief = params().mortal(4).nonce(nonce).build();
    let dead = start.tx().create_signed(&call, &rich(), brief).await?;

    let mut at = start.clone();
    while at.block_number() < start.block_number() + 4 {
        let sent = session.make(&call, &sr25519::dev::dave(), plain()).await?;
        let era = Era::decode(&mut &sent.extension("CheckMortality").await?[..])?;
        let Era::Mortal { period, .. } = era else { panic!("subxt signed an immortal one") };
        assert_eq!(period, PERIOD_DEFAULT);
        at = sent.at;
    }
    let (code, reason) = session.refusal(dead.encoded()).await?;
    assert_eq!((code, &reason[..]), (1010, "Transaction has a bad signature"));
    Ok(())
}

pub async fn immortal<I: Interface>(session: Session) -> Result<()> {
    let call = I::transfer(fresh(1), AMOUNT);
    let sent = session.make(&call, &rich(), params().immortal().build()).await?;
    assert_eq!(sent.extension("CheckMortality").await?, [0]);
    Ok(())
}

pub async fn tip<I: Interface>(session: Session) -> Result<()> {
    let call = I::transfer(fresh(1), AMOUNT);
    let sent = session.make(&call, &rich(), params().tip(TIP).build()).await?;
    let fee = I::fee(&sent.events)?;
    assert_eq!((&fee.who, fee.tip), (&rich_account(), TIP));
    assert!(fee.actual_fee > TIP, "the tip comes on top");
    // The author of all blocks is //Alice.
    let author = Signer::<Chain>::account_id(&sr25519::dev::alice());
    let before = session.api.at_block(sent.parent().await?).await?;
    let earned =
        I::account(&sent.at, &author).await?.free - I::account(&before, &author).await?.free;
    assert_eq!(earned, TIP);
    Ok(())
}

pub async fn long_payload<I: Interface>(session: Session) -> Result<()> {
    // Above 256 bytes it is the payload's hash that is signed.
    for length in [100, 250, 300, 10_000] {
        let remark = vec![7; length];
        let hash = blake2_256(&remark).0;
        let sent = session.make(&I::remark_with_event(remark), &rich(), plain()).await?;
        assert_eq!(I::remarked(&sent.events)?, (rich_account(), hash), "{length} bytes");
    }
    Ok(())
}

pub async fn nonces_100<I: Interface>(session: Session) -> Result<()> {
    let at = session.now().await?;
    let (call, who) = (I::transfer(fresh(1), AMOUNT), rich_account());
    let first = at.tx().account_nonce(&who).await?;
    let mut watched = Vec::new();
    for nonce in first..first + MANY {
        let params = params().immortal().nonce(nonce).build();
        let tx = at.tx().create_signable_offline(&call, params)?.sign(&rich())?;
        watched.push(tx.submit_and_watch().await?);
    }
    // Submitting ends before the pool has judged; the first status is its word.
    for progress in &mut watched {
        progress.next().await.context("there is a status")??;
    }
    // Whether they wait in the pool or are in a block.
    assert_eq!(session.rpc.system_account_next_index(&who).await?, first + MANY);
    for progress in watched {
        progress.wait_for_finalized_success().await?;
    }
    let at = session.now().await?;
    assert_eq!(at.tx().account_nonce(&who).await?, first + MANY);
    assert_eq!(I::account(&at, &fresh(1)).await?.free, AMOUNT * u128::from(MANY));
    Ok(())
}

pub async fn batch<I: Interface>(session: Session) -> Result<()> {
    let all = [(fresh(1), AMOUNT), (fresh(2), 2 * AMOUNT)];
    let sent = session.make(&I::batch_all(&all), &rich(), plain()).await?;
    let from = rich_account();
    let transfers = all.map(|(to, amount)| Transfer { from, to, amount });
    assert_eq!(I::transfers(&sent.events)?, transfers);
    assert_eq!(I::interrupted(&sent.events)?, None);

    let too_much = [(fresh(3), AMOUNT), (fresh(4), u128::MAX / 2), (fresh(5), AMOUNT)];
    let sent = session.make(&I::batch(&too_much), &rich(), plain()).await?;
    assert_eq!(I::interrupted(&sent.events)?, Some(1));
    assert_eq!(I::account(&sent.at, &fresh(3)).await?.free, AMOUNT, "what came before stays");
    assert_eq!(I::account(&sent.at, &fresh(5)).await?.free, 0);

    let failed = session.send(&I::batch_all(&too_much), &rich(), plain()).await?;
    assert_eq!(failed.result, Err(DispatchError::Token(TokenError::FundsUnavailable)));
    assert_eq!(I::account(&failed.at, &fresh(3)).await?.free, AMOUNT, "all or nothing");
    Ok(())
}
