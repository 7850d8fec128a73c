//! One transaction against one view of the state.

use crate::{CheckedTx, InvalidTransaction};
use framework::{
    BlockEnv, Ctx, Dispatch, DispatchInfo, DispatchResult, Origin, Pays, TxOutput, Weight,
};
use pallets::{
    system::{self, BASE_WEIGHT},
    transaction_payment::{self, Multiplier, Priced},
};
use primitives::StateRead;
use std::cmp::Ordering;

/// Applies a transaction: checks era, nonce and room, takes the fee, makes the call, gives back what was
/// not used. `TxOutput::used` is what is charged for.
///
/// It is pure, so that executors, sequential or parallel, differ only in the view. `multiplier` is the
/// block's price, the same for all its transactions.
///
/// # Errors
///
/// `Stale`, `Future`, `AncientBirthBlock`, `ExhaustsResources`, `Payment`, `Custom(CUSTOM_NOT_FREE)`: the
/// transaction cannot be included, and changes nothing.
pub fn apply_tx(
    view: &dyn StateRead,
    block: &BlockEnv,
    multiplier: Multiplier,
    checked: &CheckedTx,
) -> Result<TxOutput, InvalidTransaction> {
    let tx = &checked.tx;
    checked.check_era(block.height)?;
    tx.check_size()?;
    let mut cx = Ctx::new(view, block, tx.hash);
    let mut signer = system::load(&cx, &tx.signer);
    match tx.extra.nonce.cmp(&signer.info.nonce) {
        Ordering::Less => return Err(InvalidTransaction::Stale),
        Ordering::Greater => return Err(InvalidTransaction::Future),
        Ordering::Equal => {}
    }
    tx.check_free(&cx)?;
    let priced = tx.priced();
    let taken = priced.fee_details(multiplier);
    transaction_payment::take(&mut cx, &mut signer, &taken)
        .map_err(|_| InvalidTransaction::Payment)?;
    signer.info.nonce = tx.extra.nonce.checked_add(1).ok_or(InvalidTransaction::Stale)?;
    signer.store(&mut cx);

    let before = cx.used();
    let result = tx.call.clone().dispatch(&mut cx, Origin::Signed(tx.signer));
    let used = cx.used().since(before);
    debug_assert!(
        tx.weight.covers(&used),
        "{:?} declares {:?} but used {used:?}",
        tx.call,
        tx.weight
    );
    debug_assert!(tx.pays == Pays::Yes || result.is_ok(), "{:?} was free and failed", tx.call);
    let weight = tx.weight.corrected(used);
    let due = if weight == tx.weight {
        taken
    } else {
        Priced { weight, ..priced }.fee_details(multiplier)
    };
    transaction_payment::settle(&mut cx, &tx.signer, &taken, &due);
    let info = DispatchInfo {
        weight: weight.plus(BASE_WEIGHT).into(),
        class: tx.class,
        pays_fee: tx.pays,
    };
    Ok(end(cx, result, info, weight.plus(BASE_WEIGHT)))
}

/// Deposits the event that is the last of every transaction, and ends the view.
pub(crate) fn end(
    mut cx: Ctx,
    result: DispatchResult,
    dispatch_info: DispatchInfo,
    used: Weight,
) -> TxOutput {
    cx.emit(match result {
        Ok(()) => system::Event::ExtrinsicSuccess { dispatch_info },
        Err(dispatch_error) => system::Event::ExtrinsicFailed { dispatch_error, dispatch_info },
    });
    TxOutput { used, ..cx.finish(result) }
}
