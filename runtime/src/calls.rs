//! The runtime calls behind `state_call`: one table for answers, versions and metadata.

use crate::{
    InvalidTransaction, Position, UncheckedTransaction, decode_transaction,
    invalid::{TransactionValidityError, UnknownTransaction},
    metadata_v14,
    version::{RuntimeVersion, version},
};
use codec::{Decode, DecodeAll, Encode};
use framework::{
    DispatchClass, WeightV2,
    metadata::{ApiMeta, MethodMeta},
};
use pallets::{
    system::{self, BASE_WEIGHT},
    transaction_payment::{self, FeeDetails},
};
use primitives::{
    AccountId, Balance, Hash, Nonce, OpaqueTransaction, StateRead, crypto::keys, shown,
};
use scale_info::{MetaType, TypeInfo, meta_type};

/// Versions of metadata that are served.
const METADATA_VERSIONS: [u32; 1] = [14];

/// Why a runtime call has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// There is no such call. Clients match the text.
    #[error("Exported method {0} is not found")]
    NotFound(String),
    /// The arguments do not decode.
    #[error("Bad input data provided to {method}: {reason}")]
    BadArguments {
        /// The call.
        method: String,
        /// What is wrong.
        reason: String,
    },
}

/// A group of calls.
pub(crate) struct Api {
    pub(crate) name: &'static str,
    pub(crate) version: u32,
    doc: &'static str,
    methods: &'static [Method],
}

/// A call.
struct Method {
    name: &'static str,
    doc: &'static str,
    inputs: fn() -> Vec<(&'static str, MetaType)>,
    output: fn() -> MetaType,
    run: fn(&View, &[u8]) -> Result<Vec<u8>, codec::Error>,
}

/// What a call may read.
struct View<'a> {
    state: &'a dyn StateRead,
    at: &'a Position,
}

/// Answers a runtime call. `state` is that of block `at.height - 1`.
///
/// # Errors
///
/// `NotFound` if there is no such call, `BadArguments` if `args` are not its arguments in SCALE.
pub fn call(
    state: &dyn StateRead,
    at: &Position,
    method: &str,
    args: &[u8],
) -> Result<Vec<u8>, CallError> {
    let found = APIS.iter().find_map(|api| {
        let name = method.strip_prefix(api.name)?.strip_prefix('_')?;
        api.methods.iter().find(|method| method.name == name)
    });
    let short = || shown(method, 100);
    let found = found.ok_or_else(|| CallError::NotFound(short()))?;
    (found.run)(&View { state, at }, args)
        .map_err(|e| CallError::BadArguments { method: short(), reason: e.to_string() })
}

/// The calls as metadata tells of them.
pub(crate) fn describe() -> Vec<ApiMeta> {
    let method = |method: &Method| MethodMeta {
        name: method.name,
        inputs: (method.inputs)(),
        output: (method.output)(),
        doc: method.doc,
    };
    APIS.iter()
        .map(|api| ApiMeta {
            name: api.name,
            version: api.version,
            doc: api.doc,
            methods: api.methods.iter().map(method).collect(),
        })
        .collect()
}

/// Every group, in the order in which clients are told.
pub(crate) static APIS: &[Api] = &[
    Api {
        name: "Core",
        version: 5,
        doc: "What every chain answers.",
        methods: &[Method {
            name: "version",
            doc: "The rules in force.",
            inputs: Vec::new,
            output: meta_type::<RuntimeVersion>,
            run: |_, args| no_args(args, || version().encode()),
        }],
    },
    Api {
        name: "Metadata",
        version: 2,
        doc: "What clients are told of the chain.",
        methods: &[
            Method {
                name: "metadata",
                doc: "Metadata version 14.",
                inputs: Vec::new,
                output: meta_type::<Vec<u8>>,
                run: |_, args| no_args(args, || metadata_v14().encode()),
            },
            Method {
                name: "metadata_at_version",
                doc: "Metadata of a version, if it is served.",
                inputs: || vec![("version", meta_type::<u32>())],
                output: meta_type::<Option<Vec<u8>>>,
                run: |_, args| {
                    let version = u32::decode_all(&mut &*args)?;
                    let served = METADATA_VERSIONS.contains(&version);
                    Ok(served.then(metadata_v14).encode())
                },
            },
            Method {
                name: "metadata_versions",
                doc: "Versions of metadata that are served.",
                inputs: Vec::new,
                output: meta_type::<Vec<u32>>,
                run: |_, args| no_args(args, || METADATA_VERSIONS.to_vec().encode()),
            },
        ],
    },
    Api {
        name: "TaggedTransactionQueue",
        version: 3,
        doc: "What a pool asks.",
        methods: &[Method {
            name: "validate_transaction",
            doc: "Whether a transaction could be included.",
            inputs: || {
                vec![
                    ("source", meta_type::<TransactionSource>()),
                    ("tx", meta_type::<UncheckedTransaction>()),
                    ("block_hash", meta_type::<Hash>()),
                ]
            },
            output: meta_type::<Result<ValidTransaction, TransactionValidityError>>,
            run: validate_transaction,
        }],
    },
    Api {
        name: "AccountNonceApi",
        version: 1,
        doc: "Nonces of accounts.",
        methods: &[Method {
            name: "account_nonce",
            doc: "The nonce of an account's next transaction, the pool not regarded.",
            inputs: || vec![("account", meta_type::<AccountId>())],
            output: meta_type::<Nonce>,
            run: |view, args| {
                let who = AccountId::decode_all(&mut &*args)?;
                Ok(system::account(view.state, &who).nonce.encode())
            },
        }],
    },
    Api {
        name: "TransactionPaymentApi",
        version: 4,
        doc: "Fees before they are paid.",
        methods: &[
            Method {
                name: "query_info",
                doc: "Weight, class and fee of a transaction; its signature may be anything.",
                inputs: fee_inputs,
                output: meta_type::<RuntimeDispatchInfo>,
                run: |view, args| {
                    let (tx, fees) = fees_of(view, args)?;
                    let weight = tx.weight.plus(BASE_WEIGHT).into();
                    let partial_fee = fees.fee();
                    Ok(RuntimeDispatchInfo { weight, class: tx.class, partial_fee }.encode())
                },
            },
            Method {
                name: "query_fee_details",
                doc: "The parts of a transaction's fee; its signature may be anything.",
                inputs: fee_inputs,
                output: meta_type::<FeeDetails>,
                run: |view, args| fees_of(view, args).map(|(_, fees)| fees.encode()),
            },
        ],
    },
];

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

/// Where a transaction came from; all are treated alike.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub enum TransactionSource {
    /// From a block.
    InBlock,
    /// From this node.
    Local,
    /// From the network or a user.
    External,
}

/// What a pool needs to know to order transactions.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct ValidTransaction {
    /// Those with more go first.
    pub priority: u64,
    /// Tags that others must provide before.
    pub requires: Vec<Vec<u8>>,
    /// Tags that it provides.
    pub provides: Vec<Vec<u8>>,
    /// For how many blocks this holds.
    pub longevity: u64,
    /// Whether others should be told.
    pub propagate: bool,
}

fn no_args(args: &[u8], answer: impl FnOnce() -> Vec<u8>) -> Result<Vec<u8>, codec::Error> {
    if args.is_empty() { Ok(answer()) } else { Err("the call has no arguments".into()) }
}

fn fee_inputs() -> Vec<(&'static str, MetaType)> {
    vec![("uxt", meta_type::<UncheckedTransaction>()), ("len", meta_type::<u32>())]
}

fn fees_of(view: &View, args: &[u8]) -> Result<(crate::DecodedTx, FeeDetails), codec::Error> {
    let (bytes, _length) = <(OpaqueTransaction, u32)>::decode_all(&mut &*args)?;
    let tx = decode_transaction(&bytes, bytes.hash())
        .map_err(|e| codec::Error::from(invalid_text(e)))?;
    let fees = tx.priced().fee_details(transaction_payment::multiplier(view.state));
    Ok((tx, fees))
}

fn invalid_text(_: InvalidTransaction) -> &'static str {
    "the transaction is not a signed transaction of this chain"
}

fn validate_transaction(view: &View, args: &[u8]) -> Result<Vec<u8>, codec::Error> {
    let (_source, bytes, _block) =
        <(TransactionSource, OpaqueTransaction, Hash)>::decode_all(&mut &*args)?;
    let verdict = valid_transaction(view, &bytes).map_err(|invalid| match invalid {
        InvalidTransaction::Call => {
            TransactionValidityError::Unknown(UnknownTransaction::NoUnsignedValidator)
        }
        other => TransactionValidityError::Invalid(other),
    });
    Ok(verdict.encode())
}

fn valid_transaction(
    view: &View,
    bytes: &OpaqueTransaction,
) -> Result<ValidTransaction, InvalidTransaction> {
    let tx = decode_transaction(bytes, bytes.hash())?;
    let payload = tx.signing_payload(view.state, view.at)?;
    if !keys::verify(&tx.signer, &payload, &tx.signature) {
        return Err(InvalidTransaction::BadProof);
    }
    let validity = crate::validate(view.state, view.at.height, &tx)?;
    let tag = |nonce: Nonce| (tx.signer, nonce).encode();
    let waits = validity.nonce > validity.account_nonce;
    Ok(ValidTransaction {
        priority: validity.priority,
        requires: waits.then(|| tag(validity.nonce - 1)).into_iter().collect(),
        provides: vec![tag(validity.nonce)],
        longevity: validity.longevity,
        propagate: true,
    })
}
