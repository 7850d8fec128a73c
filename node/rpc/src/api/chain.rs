//! Blocks and headers, and following them.

use super::json::{HeaderJson, NumberOrHex, SignedBlockJson};
use crate::{
    args::{Args, OneOrMany},
    config::KEYS_QUERIED_MAX,
    context::Context,
    error::Error,
    follow::Follower,
    module::Module,
    subscriber::{Caller, Closed, Subscriber},
};
use primitives::{Hash, Height};
use std::sync::Arc;

pub(crate) fn register(module: &mut Module) {
    module.blocking(&["chain_getBlockHash", "chain_getHead"], block_hash);
    module
        .method(&["chain_getFinalizedHead", "chain_getFinalisedHead"], |cx, _| Ok(cx.head().hash));
    module.blocking(&["chain_getHeader"], header);
    module.blocking(&["chain_getBlock"], block);
    module.subscription(
        &["chain_subscribeNewHeads", "chain_subscribeNewHead", "subscribe_newHead"],
        "chain_newHead",
        &["chain_unsubscribeNewHeads", "chain_unsubscribeNewHead", "unsubscribe_newHead"],
        |cx, _, caller| every_head(cx, caller),
    );
    module.subscription(
        &["chain_subscribeAllHeads"],
        "chain_allHead",
        &["chain_unsubscribeAllHeads"],
        |cx, _, caller| every_head(cx, caller),
    );
    module.subscription(
        &["chain_subscribeFinalizedHeads", "chain_subscribeFinalisedHeads"],
        "chain_finalizedHead",
        &["chain_unsubscribeFinalizedHeads", "chain_unsubscribeFinalisedHeads"],
        |cx, _, caller| finalized_heads(cx, caller),
    );
}

fn block_hash(cx: &Context, mut args: Args) -> Result<OneOrMany<Option<Hash>>, Error> {
    let Some(numbers) = args.one_or_many::<NumberOrHex>("number", KEYS_QUERIED_MAX)? else {
        return Ok(OneOrMany::One(Some(cx.head().hash)));
    };
    match numbers {
        OneOrMany::One(number) => Ok(OneOrMany::One(hash_at(cx, &number)?)),
        OneOrMany::Many(numbers) => {
            let hashes = numbers.iter().map(|number| hash_at(cx, number));
            Ok(OneOrMany::Many(hashes.collect::<Result<_, _>>()?))
        }
    }
}

fn hash_at(cx: &Context, number: &NumberOrHex) -> Result<Option<Hash>, Error> {
    match number.height().map_err(Error::Params)? {
        Some(height) if height <= cx.head().height => Ok(cx.database().hash(height)?),
        _ => Ok(None),
    }
}

fn header(cx: &Context, mut args: Args) -> Result<Option<HeaderJson>, Error> {
    let Some(height) = named_height(cx, &mut args)? else { return Ok(None) };
    Ok(cx.database().header(height)?.map(|header| (&header).into()))
}

fn block(cx: &Context, mut args: Args) -> Result<Option<SignedBlockJson>, Error> {
    let Some(height) = named_height(cx, &mut args)? else { return Ok(None) };
    let Some(block) = cx.database().block(height)? else { return Ok(None) };
    let certificate = cx.database().certificate(height)?;
    Ok(Some(SignedBlockJson::new(&block, certificate.as_ref())))
}

/// The height of the block that is named, or of the best one.
fn named_height(cx: &Context, args: &mut Args) -> Result<Option<Height>, Error> {
    match args.optional::<Hash>("hash")? {
        Some(hash) => cx.known_height(&hash),
        None => Ok(Some(cx.head().height)),
    }
}

/// The head, then each block after it.
async fn every_head(cx: Arc<Context>, caller: Caller) -> Result<(), Closed> {
    let subscriber = caller.accept().await?;
    let (mut follower, head) = Follower::new(&cx);
    subscriber.tell(&HeaderJson::from(&*head.header)).await?;
    loop {
        let (height, head) = follower.next(&subscriber).await?;
        if height == head.height {
            subscriber.tell(&HeaderJson::from(&*head.header)).await?;
        } else {
            notify_stored(&cx, &subscriber, height).await?;
        }
    }
}

async fn notify_stored(
    cx: &Arc<Context>,
    subscriber: &Subscriber,
    height: Height,
) -> Result<(), Closed> {
    let header = cx.blocking(move |cx| Ok(cx.database().header(height)?)).await;
    match header {
        Ok(Some(header)) => subscriber.tell(&HeaderJson::from(&header)).await,
        Ok(None) | Err(_) => Err(Closed),
    }
}

/// The head, then the latest one whenever there is another; those between may be left out.
async fn finalized_heads(cx: Arc<Context>, caller: Caller) -> Result<(), Closed> {
    let subscriber = caller.accept().await?;
    let (mut follower, mut head) = Follower::new(&cx);
    loop {
        subscriber.tell(&HeaderJson::from(&*head.header)).await?;
        head = follower.latest(&subscriber).await?;
    }
}
