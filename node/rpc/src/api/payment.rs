//! Fees before they are paid.

use super::author::transaction;
use crate::{args::Args, context::Context, error::Error, module::Module};
use codec::{DecodeAll, Encode};
use framework::DispatchClass;
use primitives::Balance;
use runtime::RuntimeDispatchInfo;
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

pub(crate) fn register(module: &mut Module) {
    module.blocking(&["payment_queryInfo"], query_info);
}

fn query_info(cx: &Context, mut args: Args) -> Result<InfoJson, Error> {
    let encoded = transaction(&mut args)?.encode();
    let length = u32::try_from(encoded.len()).unwrap_or(u32::MAX);
    let snapshot = cx.snapshot(args.optional("at")?)?;
    let args = [encoded, length.encode()].concat();
    let info = cx.call(&snapshot, "TransactionPaymentApi_query_info", &args)?;
    let info = RuntimeDispatchInfo::decode_all(&mut &info[..]).map_err(|_| Error::Failed)?;
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
