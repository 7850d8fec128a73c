//! What fails, and how that is told.

use super::AMOUNT;
use crate::{
    interface::Interface,
    session::{Progress, Session, params, plain},
    signers::{fresh, rich, rich_account},
};
use anyhow::Result;
use subxt::{
    error::{DispatchError, ExtrinsicError, TokenError},
    utils::MultiSignature,
};

pub async fn failing_dispatch<I: Interface>(session: Session) -> Result<()> {
    let sent = session.send(&I::cancel_task([1; 32]), &rich(), plain()).await?;
    let Err(DispatchError::Module(error)) = &sent.result else {
        panic!("there is no such task: {:?}", sent.result)
    };
    assert_eq!(I::error(error)?, ("Tasks".to_owned(), "UnknownTask".to_owned()));
    assert!(I::fee(&sent.events)?.actual_fee > 0, "failing is not free");

    let all = I::account(&sent.at, &rich_account()).await?.free;
    let sent = session.send(&I::transfer(fresh(1), all), &rich(), plain()).await?;
    assert_eq!(sent.result, Err(DispatchError::Token(TokenError::FundsUnavailable)));
    Ok(())
}

pub async fn bad_signature<I: Interface>(session: Session) -> Result<()> {
    let (at, call) = (session.now().await?, I::transfer(fresh(1), AMOUNT));
    let mut signable = at.tx().create_signable(&call, &rich_account(), plain()).await?;
    let forged = MultiSignature::Sr25519(rich().sign(b"something else").0);
    let tx = signable.sign_with_account_and_signature(&rich_account(), &forged)?;
    let (code, reason) = session.refusal(tx.encoded()).await?;
    assert_eq!((code, &reason[..]), (1010, "Transaction has a bad signature"));
    refused_when_watched(tx.submit_and_watch().await).await
}

pub async fn stale_nonce<I: Interface>(session: Session) -> Result<()> {
    let call = I::transfer(fresh(1), AMOUNT);
    let used = session.make(&call, &rich(), plain()).await?;
    let params = params().nonce(0).build();
    let tx = used.at.tx().create_signed(&call, &rich(), params).await?;
    let (code, reason) = session.refusal(tx.encoded()).await?;
    assert_eq!((code, &reason[..]), (1010, "Transaction is outdated"));
    refused_when_watched(tx.submit_and_watch().await).await
}

/// By the method that subxt prefers a refusal comes at once or as the last word on the transaction.
async fn refused_when_watched(watched: Result<Progress, ExtrinsicError>) -> Result<()> {
    if let Ok(progress) = watched {
        let end = progress.wait_for_finalized().await;
        assert!(end.is_err(), "it was included");
    }
    Ok(())
}
