//! Fees, before and after.

use super::AMOUNT;
use crate::{
    interface::Interface,
    session::{Session, params},
    signers::{fresh, rich},
};
use anyhow::Result;
use subxt::tx::Payload;

/// A tip, which is not part of the estimate.
const TIP: u128 = 1_000_000;

pub async fn fee_estimate<I: Interface>(session: Session) -> Result<()> {
    estimate_is_charged::<I>(&session, I::transfer(fresh(1), AMOUNT)).await?;
    estimate_is_charged::<I>(&session, I::remark_with_event(vec![1; 5_000])).await
}

/// The estimate at the block before is what is paid, as these calls use all that they declare.
async fn estimate_is_charged<I: Interface>(session: &Session, call: impl Payload) -> Result<()> {
    let sent = session.make(&call, &rich(), params().tip(TIP).build()).await?;
    let before = session.api.at_block(sent.parent().await?).await?;
    let estimate = before.tx().from_bytes(sent.bytes).partial_fee_estimate().await?;
    assert_eq!(estimate + TIP, I::fee(&sent.events)?.actual_fee);
    Ok(())
}
