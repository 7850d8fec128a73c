//! Fees before they are paid, for transactions and for calls that nobody has signed yet.

use super::{Api, Method, View};
use crate::{RuntimeCall, UncheckedTransaction, decode_transaction, transaction::decode_bounded};
use codec::{Decode, DecodeAll, Encode};
use framework::{Dispatch, DispatchClass, WeightV2};
use pallets::{
    system::BASE_WEIGHT,
    transaction_payment::{self, FeeDetails, Priced, length_to_fee, weight_to_fee},
};
use primitives::{Balance, OpaqueTransaction};
use scale_info::{MetaType, TypeInfo, meta_type};

pub(super) static OF_TRANSACTIONS: Api = Api {
    name: "TransactionPaymentApi",
    version: 4,
    doc: "Fees of transactions before they are paid.",
    methods: &[
        Method {
            name: "query_info",
            doc: "Weight, class and fee of a transaction; its signature may be anything.",
            inputs: transaction_inputs,
            output: meta_type::<RuntimeDispatchInfo>,
            run: |view, args| Ok(info(view, transaction(args)?).encode()),
        },
        Method {
            name: "query_fee_details",
            doc: "The parts of a transaction's fee; its signature may be anything.",
            inputs: transaction_inputs,
            output: meta_type::<FeeDetails>,
            run: |view, args| Ok(details(view, &transaction(args)?).encode()),
        },
        WEIGHT_TO_FEE,
        LENGTH_TO_FEE,
    ],
};

pub(super) static OF_CALLS: Api = Api {
    name: "TransactionPaymentCallApi",
    version: 3,
    doc: "Fees of calls before they are signed.",
    methods: &[
        Method {
            name: "query_call_info",
            doc: "Weight, class and fee of a call in a transaction of so many bytes.",
            inputs: call_inputs,
            output: meta_type::<RuntimeDispatchInfo>,
            run: |view, args| Ok(info(view, bare_call(args)?).encode()),
        },
        Method {
            name: "query_call_fee_details",
            doc: "The parts of a call's fee in a transaction of so many bytes.",
            inputs: call_inputs,
            output: meta_type::<FeeDetails>,
            run: |view, args| Ok(details(view, &bare_call(args)?).encode()),
        },
        WEIGHT_TO_FEE,
        LENGTH_TO_FEE,
    ],
};

const WEIGHT_TO_FEE: Method = Method {
    name: "query_weight_to_fee",
    doc: "Price of a weight, before the multiplier.",
    inputs: || vec![("weight", meta_type::<WeightV2>())],
    output: meta_type::<Balance>,
    run: |_, args| Ok(weight_to_fee(WeightV2::decode_all(&mut &*args)?.ref_time).encode()),
};

const LENGTH_TO_FEE: Method = Method {
    name: "query_length_to_fee",
    doc: "Price of so many bytes.",
    inputs: || vec![("length", meta_type::<u32>())],
    output: meta_type::<Balance>,
    run: |_, args| Ok(length_to_fee(u32::decode_all(&mut &*args)?).encode()),
};

/// What a transaction costs, as clients show it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct RuntimeDispatchInfo {
    /// Its weight.
    pub weight: WeightV2,
    /// Its class.
    pub class: DispatchClass,
    /// Its fee without the tip.
    pub partial_fee: Balance,
}

fn transaction_inputs() -> Vec<(&'static str, MetaType)> {
    vec![("uxt", meta_type::<UncheckedTransaction>()), ("len", meta_type::<u32>())]
}

fn call_inputs() -> Vec<(&'static str, MetaType)> {
    vec![("call", meta_type::<RuntimeCall>()), ("len", meta_type::<u32>())]
}

fn transaction(args: &[u8]) -> Result<Priced, codec::Error> {
    let (bytes, _length) = <(OpaqueTransaction, u32)>::decode_all(&mut &*args)?;
    let tx = decode_transaction(&bytes, bytes.hash());
    let tx = tx.map_err(|_| "the transaction is not a signed transaction of this chain")?;
    Ok(tx.priced())
}

fn bare_call(args: &[u8]) -> Result<Priced, codec::Error> {
    let decoded = decode_bounded::<(RuntimeCall, u32)>(args);
    let (call, length) = decoded.ok_or("the call is not a call of this chain with a length")?;
    Ok(priced(&call, length))
}

/// What the fee of a call depends on, in a transaction of this length without a tip.
pub(super) fn priced(call: &RuntimeCall, length: u32) -> Priced {
    let (weight, class, pays) = (call.weight(), call.class(), call.pays());
    Priced { length, weight, class, pays, tip: Balance::ZERO }
}

pub(super) fn details(view: &View, priced: &Priced) -> FeeDetails {
    priced.fee_details(transaction_payment::multiplier(view.state))
}

fn info(view: &View, priced: Priced) -> RuntimeDispatchInfo {
    RuntimeDispatchInfo {
        weight: priced.weight.plus(BASE_WEIGHT).into(),
        class: priced.class,
        partial_fee: details(view, &priced).fee(),
    }
}
