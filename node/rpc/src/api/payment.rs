//! Fees before they are paid.

use super::author::transaction;
use crate::{args::Args, context::Context, error::Error, module::Module};
use codec::{Decode, DecodeAll, Encode};
use framework::DispatchClass;
use primitives::Balance;
use runtime::{FeeDetails, RuntimeDispatchInfo};
use serde::Serialize;

#[derive(Clone, Serialize)]
struct WeightJson {
    ref_time: u64,
    proof_size: u64,
}

#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct InfoJson {
    weight: WeightJson,
    class: &'static str,
    partial_fee: Balance,
}

/// The fee's parts; the tip is left out, as Substrate leaves it out.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct DetailsJson {
    inclusion_fee: Option<InclusionJson>,
}

/// Amounts in hex, as Substrate writes them here and nowhere else.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct InclusionJson {
    base_fee: String,
    len_fee: String,
    adjusted_weight_fee: String,
}

pub(crate) fn register(module: &mut Module) {
    module.blocking(&["payment_queryInfo"], query_info);
    module.blocking(&["payment_queryFeeDetails"], query_details);
}

fn query_details(cx: &Context, args: Args) -> Result<DetailsJson, Error> {
    let details: FeeDetails = query(cx, args, "TransactionPaymentApi_query_fee_details")?;
    let hex = |amount: Balance| format!("{:#x}", amount.get());
    let inclusion_fee = details.inclusion_fee.map(|fee| InclusionJson {
        base_fee: hex(fee.base_fee),
        len_fee: hex(fee.len_fee),
        adjusted_weight_fee: hex(fee.adjusted_weight_fee),
    });
    Ok(DetailsJson { inclusion_fee })
}

/// Asks the runtime about a transaction.
fn query<R: Decode>(cx: &Context, mut args: Args, call: &str) -> Result<R, Error> {
    let encoded = transaction(&mut args)?.encode();
    let length = u32::try_from(encoded.len()).unwrap_or(u32::MAX);
    let snapshot = cx.snapshot(args.optional("at")?)?;
    let args = [encoded, length.encode()].concat();
    let answer = cx.call(&snapshot, call, &args)?;
    R::decode_all(&mut &answer[..]).map_err(|_| Error::Failed)
}

fn query_info(cx: &Context, args: Args) -> Result<InfoJson, Error> {
    let info: RuntimeDispatchInfo = query(cx, args, "TransactionPaymentApi_query_info")?;
    Ok(InfoJson {
        weight: WeightJson { ref_time: info.weight.ref_time, proof_size: info.weight.proof_size },
        class: match info.class {
            DispatchClass::Normal => "normal",
            DispatchClass::Operational => "operational",
            DispatchClass::Mandatory => "mandatory",
        },
        partial_fee: info.partial_fee,
    })
}
